//! `sprag user import`, `sprag session import`: what another system kept, taken in.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail, ensure};
use sprag::Engine;
use sprag::audit::{EventKind, Severity};
use sprag::engine::{Limits, SlowHashes};
use sprag::files;
use sprag::security::Outcome;
use sprag_import::{
    FirebaseScrypt, HashForm, ImportField, Keeps, Mode, Source, SourceError, Summary, Taker, Trial,
};
use tokio::signal::unix::{SignalKind, signal};

use super::on_node::{MayCreate, begin, block_on, requester};
use super::output::{misused, tell};
use super::paths::expect_path;
use crate::config::{Config, Database, ProfileRef, Sources};
use crate::profile::{ImportColumn, ImportKind, Profile, TableShape};
use crate::run::node::{Node, load_profiles};
use crate::run::{database, exposed_files};
use report::{Heading, Report};

mod refused;
mod report;

/// How many records are under way at a time. SQLite commits together what waits together.
const AT_ONCE_SQLITE: usize = 256;

/// How many rows are under way for each connection to PostgreSQL: while one waits for its commit, the next one queues. Were
/// it more, the last would give up waiting where the database is far away.
const AT_ONCE_FOR_EACH_CONNECTION: usize = 2;

/// The most that is read of a list of ids: some hundred thousand of them.
const MAX_LIST_KIB: u64 = 16 * 1024;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The profile that says where the other system keeps what: its name, or the path of its file; may be left out where
    /// just one of the configured profiles says so
    #[arg(long, value_name = "NAME|PATH")]
    profile: Option<String>,
    /// A file of JSON lines or CSV, - for JSON lines on standard input, a SQLite file, postgres://USER@HOST/DATABASE, or
    /// @FILE with such a URL in it
    #[arg(long, value_name = "SOURCE")]
    from: String,
    /// Find a field in another column than the profile says; can be given again
    #[arg(long, value_name = "FIELD=COLUMN")]
    map: Vec<String>,
    /// Read another table of a database than the profile says
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// Write nothing, and report what would be taken in and what refused
    #[arg(long)]
    dry_run: bool,
    /// Take password hashes, too, whose comparison takes more than half a second of this machine's time; users who have one
    /// are otherwise taken without a password
    #[arg(long)]
    allow_slow_hashes: bool,
    /// The password hashes were made with the pepper that SPRAG_IMPORTED_PEPPER holds: bcrypt with it behind the password, as
    /// Devise does, Argon2 with it as its secret, as node-argon2 does
    #[arg(long, conflicts_with = "firebase_scrypt")]
    peppered: bool,
    /// The password hashes are Firebase's, and these are the parameters of its project but for the key, which
    /// SPRAG_FIREBASE_SIGNER_KEY holds: rounds=8,mem_cost=14,salt_separator=Bw==
    #[arg(long, value_name = "PARAMETERS")]
    firebase_scrypt: Option<String>,
    /// Who keeps an e-mail address or user name that several users of the source have: first, the one who comes first in it;
    /// oldest or newest, by when they were made; @FILE, who stands in this list of their ids, one a line; the others are
    /// taken without it. refuse takes the first and refuses the others
    #[arg(long, value_name = "WHO", default_value = "first")]
    same_name: String,
    /// Write what is refused, or taken with something left out, and why, into this file, as JSON lines
    #[arg(long, value_name = "FILE")]
    refused: Option<PathBuf>,
    /// Print the summary as one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: MayCreate,
}

pub(super) fn run(kind: ImportKind, args: &Args, sources: &Sources) -> anyhow::Result<ExitCode> {
    let columns = args.map.iter().map(|text| mapped(kind, text)).collect::<Result<Vec<_>, _>>();
    let columns = match columns {
        Ok(columns) => columns,
        Err(sentence) => return Ok(misused(&sentence)),
    };
    let form = match hash_form(kind, args) {
        Ok(form) => form,
        Err(sentence) => return Ok(misused(&sentence)),
    };
    let keeps = match keeps(&args.same_name) {
        Ok(keeps) => keeps?,
        Err(sentence) => return Ok(misused(&sentence)),
    };
    let (config, profiles) = begin(sources)?;
    expect_secrets(&form, &config)?;
    let profile = profile(kind, args, &config, &profiles)?;
    let mapped: Vec<_> = columns.iter().map(|column| column.field).collect();
    let shape = shape(kind, &profile, columns)?;
    expect_imported_tokens(kind, &profile)?;
    expect_salt(&form, &shape)?;
    expect_age(&keeps, &shape)?;
    warn_of_factors_that_none_takes(&profile, &shape);
    let source = Source::parse(&args.from).map_err(|error| unreadable(&args.from, error))?;
    exposed_files::warn_of_source(&args.from);
    block_on(async {
        if kind == ImportKind::Users && !args.dry_run {
            database::expect_or_ask(&config, args.store.create).await?;
        }
        let table = args.table.clone().or_else(|| shape.table.clone());
        let table = table.as_deref();
        let opened = source.open(table).await.map_err(|error| unreadable(&source.to_string(), error))?;
        let wanted = opened.wanted(kind, &shape, &mapped);
        let wanted = wanted.map_err(|lacking| unreadable(&source.to_string(), lacking.into()))?;
        let shape = opened.settled(shape, &mapped);
        let total = opened.total;
        ensure!(
            total.is_some() || !keeps.looks_ahead(),
            "with --same-name {} the source is read twice, which a pipe cannot be; write it into a file first",
            args.same_name
        );
        let at_once = at_once(&config);
        let heading =
            Heading { kind, source: source.to_string(), is_dry_run: args.dry_run, is_json: args.json };
        // Before there is a store: where the list cannot be written, nothing shall be left behind.
        let mut report = Report::begin(heading, total, args.refused.as_deref())?;
        let mode = mode(kind, args, config, profiles).await?;
        let slow = if args.allow_slow_hashes { SlowHashes::Taken } else { SlowHashes::LeftOut };
        let taker = Taker::of(kind, mode, shape, profile.client_policy()).slow_hashes(slow).hash_form(form);
        let (first, opened) = if keeps.looks_ahead() {
            let again = source.open(table).await.map_err(|error| unreadable(&source.to_string(), error))?;
            (Some(opened.start(wanted.clone())?), again)
        } else {
            (None, opened)
        };
        let taker = taker.same_names(&keeps, first).await?;
        let interrupt = interrupt().context("could not listen for signals")?;
        let feed = opened.start(wanted)?;
        let (summary, stopped) = sprag_import::run(feed, &taker, at_once, interrupt, &mut report).await;
        let code = report.end(&summary, stopped)?;
        warn_if_all_are_silent(&summary);
        if !args.dry_run && summary.new > 0 {
            tell_security(kind, summary.new);
        }
        Ok(code)
    })
}

/// What the command line says of the password hashes.
fn hash_form(kind: ImportKind, args: &Args) -> Result<HashForm, String> {
    let is_said = args.peppered || args.firebase_scrypt.is_some() || args.same_name != "first";
    if is_said && kind == ImportKind::Sessions {
        return Err("--peppered, --firebase-scrypt and --same-name are about users, and these are sessions; give them to \
                    sprag user import"
            .to_owned());
    }
    match &args.firebase_scrypt {
        None if args.peppered => Ok(HashForm::Peppered),
        None => Ok(HashForm::Told),
        Some(text) => FirebaseScrypt::parse(text)
            .map(HashForm::Firebase)
            .map_err(|right| format!("--firebase-scrypt is not understood; {right}")),
    }
}

/// Who keeps a name that several have.
fn keeps(text: &str) -> Result<anyhow::Result<Keeps>, String> {
    Ok(Ok(match text {
        "first" => Keeps::First,
        "oldest" => Keeps::Oldest,
        "newest" => Keeps::Newest,
        "refuse" => Keeps::Refused,
        _ => match text.strip_prefix('@') {
            Some(path) => {
                let ids = files::read_text(Path::new(path), MAX_LIST_KIB);
                let ids = ids.with_context(|| format!("could not read the list of ids in {path}"));
                return Ok(ids.map(|ids| {
                    let ids = ids.lines().map(str::trim).filter(|id| !id.is_empty());
                    Keeps::Listed(ids.map(str::to_owned).collect())
                }));
            }
            None => {
                return Err(format!(
                    "--same-name takes first, oldest, newest, refuse, or @FILE with the ids of those who keep theirs, one a \
                     line; not {text:?}"
                ));
            }
        },
    }))
}

fn expect_age(keeps: &Keeps, shape: &TableShape) -> anyhow::Result<()> {
    ensure!(
        !keeps.asks_for_age() || shape.column(ImportField::CreatedAt).is_some(),
        "--same-name oldest and newest ask when a user was made, and nothing says which column has it; add --map \
         created_at=COLUMN"
    );
    Ok(())
}

/// Whoever has a second factor logs in with it only where a call takes it.
fn warn_of_factors_that_none_takes(profile: &Profile, shape: &TableShape) {
    if shape.column(ImportField::TotpSecret).is_none() || profile.wire.doing("login_factor").is_some() {
        return;
    }
    tell(format_args!(
        "second factors come beside users, and no call of the profile {} takes one: who has one cannot log in with it before {}",
        profile.name,
        if profile.wire.could_offer("login_factor") {
            "SPRAG_OFFERS names login_factor for the server"
        } else {
            "a copy of it has a route that does login_factor"
        }
    ));
}

/// Without the secret of the source, the server could compare no password with its hashes.
fn expect_secrets(form: &HashForm, config: &Config) -> anyhow::Result<()> {
    let (is_set, option, setting) = match form {
        HashForm::Told => return Ok(()),
        HashForm::Peppered => (config.imported.pepper.is_some(), "--peppered", "SPRAG_IMPORTED_PEPPER"),
        HashForm::Firebase(_) => {
            let is_set = config.imported.firebase_signer_key.is_some();
            (is_set, "--firebase-scrypt", "SPRAG_FIREBASE_SIGNER_KEY")
        }
    };
    ensure!(
        is_set,
        "{option} needs the secret of the source system, here and where the server runs, as long as somebody has such a \
         hash; set {setting}"
    );
    Ok(())
}

fn expect_salt(form: &HashForm, shape: &TableShape) -> anyhow::Result<()> {
    ensure!(
        !matches!(form, HashForm::Firebase(_)) || shape.column(ImportField::PasswordSalt).is_some(),
        "--firebase-scrypt needs the salt of each hash, and nothing says which column has it; add --map password_salt=salt"
    );
    Ok(())
}

/// One line for all that is new: each of them has its entry in the journal.
fn tell_security(kind: ImportKind, new: u64) {
    let name = match kind {
        ImportKind::Users => EventKind::AccountImported.name(),
        ImportKind::Sessions => EventKind::SessionImported.name(),
    };
    let (user_agent, note) = (requester().user_agent, format!("{new} of them"));
    Outcome { note: Some(&note), ..Outcome::named(name, Severity::Notice, None, user_agent.as_deref()) }
        .tell();
}

/// `given_name=first_name`.
fn mapped(kind: ImportKind, text: &str) -> Result<ImportColumn, String> {
    let known = || {
        let names: Vec<_> = kind.fields().iter().map(|field| field.name()).collect();
        format!("the fields of {} are {}", kind.name(), names.join(", "))
    };
    let (name, column) = text.split_once('=').ok_or_else(|| {
        format!(
            "--map takes a field of ours and a column of theirs, as in name=full_name, not {text:?}; {}",
            known()
        )
    })?;
    let field =
        kind.field(name).ok_or_else(|| format!("--map {text:?}: there is no field {name:?}; {}", known()))?;
    ImportColumn::parse(field, column)
        .map_err(|(what, hint)| format!("--map {text:?}: {name} {what}; {hint}"))
}

/// The profile that was named, or the one that says where things are.
fn profile(kind: ImportKind, args: &Args, config: &Config, profiles: &[Profile]) -> anyhow::Result<Profile> {
    if let Some(name) = &args.profile {
        expect_path("--profile", Path::new(name))?;
        let served = profiles.iter().find(|profile| profile.name == *name || profile.file == *name);
        if let Some(profile) = served {
            return Ok(profile.clone());
        }
        let is_path = name.contains('/') || name.ends_with(".toml");
        let named = if is_path { ProfileRef::File(name.into()) } else { ProfileRef::Shipped(name.clone()) };
        let profiles = load_profiles(&[named], Some(config))?;
        return profiles.into_iter().next().context("the profile that was named is gone");
    }
    let fitting =
        |profile: &&Profile| profile.import.as_ref().is_some_and(|import| import.of(kind).is_some());
    let mut found = profiles.iter().filter(fitting);
    let names = || profiles.iter().map(|profile| profile.name.as_str()).collect::<Vec<_>>().join(", ");
    match (found.next(), found.next(), profiles) {
        (Some(profile), None, _) => Ok(profile.clone()),
        (Some(one), Some(other), _) => bail!(
            "more than one of the configured profiles says where another system keeps its {}: {} and {}; say which with --profile",
            kind.name(),
            one.name,
            other.name
        ),
        // With all columns on the command line, a profile need not say anything.
        (None, _, [only]) if !args.map.is_empty() => Ok(only.clone()),
        (None, ..) => bail!(
            "none of the configured profiles ({}) says where another system keeps its {}; name one with --profile that has \
             [import.{}]",
            names(),
            kind.name(),
            kind.name()
        ),
    }
}

/// What the profile says, and the command line over it.
fn shape(kind: ImportKind, profile: &Profile, columns: Vec<ImportColumn>) -> anyhow::Result<TableShape> {
    let said = profile.import.as_ref().and_then(|import| import.of(kind)).cloned();
    let has_section = said.is_some();
    let shape = columns.into_iter().fold(said.unwrap_or_default(), TableShape::with);
    shape.check(kind).map_err(|(what, hint)| {
        let profile = &profile.name;
        let missing = if has_section {
            String::new()
        } else {
            format!("; the profile {profile} has no [import.{}]", kind.name())
        };
        anyhow!("{what}; {hint} in the profile, or say where it is with --map{missing}")
    })?;
    Ok(shape)
}

/// Sessions whose tokens the profile would refuse need not be moved.
fn expect_imported_tokens(kind: ImportKind, profile: &Profile) -> anyhow::Result<()> {
    if kind == ImportKind::Sessions && !profile.wire.refresh.takes_imported_tokens {
        bail!(
            "the profile {} refuses the tokens of another system, so nobody could use the sessions; put imported_tokens = true under \
             [refresh_token] in {}",
            profile.name,
            profile.file
        )
    }
    Ok(())
}

fn unreadable(source: &str, error: SourceError) -> anyhow::Error {
    match error {
        // The text is not repeated: there may be a password in it.
        SourceError::Password | SourceError::Url(_) | SourceError::Foreign => {
            anyhow!("could not read the source named with --from: {error}")
        }
        SourceError::Unreadable(error) => error.context(format!("could not read {source}")),
        _ => anyhow!("could not read {source}: {error}"),
    }
}

/// A column that is empty in every line is most likely the wrong one.
fn warn_if_all_are_silent(summary: &Summary) {
    let silent = summary.over_reasons.get(sprag_import::UNSAID).copied().unwrap_or(0);
    if silent > 0 && silent == summary.seen() {
        tell(format_args!(
            "sprag: every session was left out, for its status is empty there; look whether the column is the right one. Where \
             it holds the moment at which a session was revoked, and nothing as long as it lives, use --map revoked_at=COLUMN"
        ));
    }
}

fn at_once(config: &Config) -> usize {
    match config.store.database {
        Database::Sqlite(_) => AT_ONCE_SQLITE,
        Database::Postgres(_) => config.store.connections.get() * AT_ONCE_FOR_EACH_CONNECTION,
    }
}

/// Opens the store, or what a dry run needs of it.
async fn mode(kind: ImportKind, args: &Args, config: Config, profiles: Vec<Profile>) -> anyhow::Result<Mode> {
    let limits = Limits { sessions_per_account: config.sessions.per_account.get() };
    let open = async |config, profiles| -> anyhow::Result<Arc<Engine>> {
        Ok(Node::open(config, profiles).await?.engine)
    };
    match (args.dry_run, kind) {
        // Users may come before there is a store; sessions come after their users.
        (true, ImportKind::Users) if database::is_new(&config).await? => {
            Ok(Mode::Trial(Box::new(Trial::beside(None, limits)?)))
        }
        (false, ImportKind::Users) => Ok(Mode::Real(Node::make_beside(config, profiles).await?.engine)),
        (is_dry_run, _) => {
            database::expect(&config)?;
            let engine = open(config, profiles).await?;
            Ok(if is_dry_run {
                Mode::Trial(Box::new(Trial::beside(Some(engine), limits)?))
            } else {
                Mode::Real(engine)
            })
        }
    }
}

/// Resolves when somebody asks the process to stop.
fn interrupt() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

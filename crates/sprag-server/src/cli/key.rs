//! `sprag key`: how one key follows another.
//!
//! A key is accepted as soon as it is in the ring and signs later: by then every server has read the ring and every
//! verifier has fetched the published keys again. The keys it replaces are accepted until nothing they signed is
//! alive. So a rotation is felt by nobody.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::Subcommand;
use serde::Serialize;
use sprag::access::Algorithm;
use sprag::audit::{EventKind, Severity};
use sprag::clock::Timestamp;
use sprag::keys::{KeyEntry, KeyRing, Purpose};
use sprag::random::SystemRandom;
use sprag::security::Outcome;

use super::on_node::{begin, block_on, requester};
use super::output::{Column, List, minute, moment, rfc3339, say, tell};
use crate::config::{Config, Sources};
use crate::profile::{Profile, parse_duration};
use crate::run::database;
use crate::run::ring_file::{self, RingSource};
use replacement::replace;
use rotation::{Rotated, Spans, rotate};

mod replacement;
mod rotation;

/// How long a running server may not have noticed that the ring has changed.
const UNNOTICED: Duration = Duration::from_secs(2);

/// How long a verifier may keep the published keys.
const KEPT: Duration = Duration::from_secs(300);

const COLUMNS: [Column; 7] = [
    Column::whole("FOR"),
    Column::whole("KEY"),
    Column::whole("ALG"),
    Column::whole("STATE"),
    Column::whole("MADE (UTC)"),
    Column::whole("SIGNS (UTC)"),
    Column::whole("RETIRES (UTC)"),
];

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the keys: what each does now, and what it will do when
    List {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Add keys that take over, and set when the ones before retire; nobody is logged out
    Rotate(Rotate),
    /// Refuse everything that a key has signed; for emergencies
    Retire {
        /// The key, as `sprag key list` shows it
        id: String,
        /// Do it at once; without this, nothing is changed and what would happen is said
        #[arg(long)]
        now: bool,
    },
    /// Take the configured key ring for a database whose own ring is lost: everybody must log in again
    #[command(alias = "adopt")]
    Replace {
        /// Do it at once; without this, nothing is changed and what would happen is said
        #[arg(long)]
        now: bool,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Rotate {
    /// Only the key of refresh tokens
    #[arg(long, conflicts_with = "access")]
    refresh: bool,
    /// Only the key of access tokens
    #[arg(long)]
    access: bool,
    /// In how long the new key begins to sign: time for servers and verifiers to learn of it
    #[arg(long = "in", value_name = "SPAN", value_parser = parse_duration, default_value = "10m")]
    after: Duration,
    /// The new key signs at once; for emergencies
    #[arg(long, conflicts_with = "after")]
    now: bool,
}

pub(super) fn run(command: Command, sources: &Sources) -> anyhow::Result<ExitCode> {
    let (config, profiles) = begin(sources)?;
    let now = block_on(async { Ok(database::clock(&config).await.now()) })?;
    match command {
        Command::List { json } => {
            let ring = ring_in_force(&config)?;
            RingSource::of(&config).tell_difference(&ring, &config, now);
            list(&ring, now, json)
        }
        Command::Rotate(args) => rotate_keys(&args, &config, &profiles, now),
        Command::Retire { id, now: true } => retire(&config, &id, now),
        Command::Replace { now: is_meant } => replace(&config, is_meant),
        Command::Retire { id, now: false } => explain(&config, &id, now),
    }
}

/// The journal tells of it once a server has read the file.
fn tell_security(note: &str) {
    let user_agent = requester().user_agent;
    let name = EventKind::KeysChanged.name();
    Outcome { note: Some(note), ..Outcome::named(name, Severity::Notice, None, user_agent.as_deref()) }
        .tell();
}

/// The ring as it is: looking at it changes nothing.
fn ring_in_force(config: &Config) -> anyhow::Result<KeyRing> {
    RingSource::of(config).read(config)
}

/// The file to change. A ring that was given in the environment is not ours to change.
fn file_of(config: &Config) -> anyhow::Result<std::path::PathBuf> {
    match RingSource::of(config) {
        RingSource::File(path) | RingSource::Named(path) => {
            ring_file::read(&path, &config.store.data_dir).map(|_| path)
        }
        RingSource::Given(place) => bail!(
            "the key ring is in {place}, which a command cannot change; put its text into a file keys.json \
             of mode 0600 in an empty folder, run this command with --data-dir on that folder and without \
             that, and give every server the file's new text in its place"
        ),
    }
}

#[derive(Serialize)]
struct Record<'a> {
    purpose: String,
    id: &'a str,
    algorithm: Option<&'static str>,
    state: &'static str,
    created_at: Option<String>,
    signs_from: Option<String>,
    retired_at: Option<String>,
}

fn list(ring: &KeyRing, now: Timestamp, is_json: bool) -> anyhow::Result<ExitCode> {
    let mut list = List::new(&COLUMNS, is_json);
    for key in ring.entries() {
        let state = state(ring, &key, now);
        // A secret of the operator's has no times of its own.
        let own = |at: Timestamp| (!is_given(&key)).then_some(at);
        let record = Record {
            purpose: key.purpose.to_string(),
            id: &key.id,
            algorithm: key.algorithm.map(Algorithm::name),
            state,
            created_at: own(key.created_at).map(rfc3339),
            signs_from: own(key.signs_from).map(rfc3339),
            retired_at: key.retired_at.map(rfc3339),
        };
        let or_none = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), minute);
        let cells = vec![
            key.purpose.to_string(),
            key.id.clone(),
            key.algorithm.map_or("-", Algorithm::name).to_owned(),
            state.to_owned(),
            or_none(own(key.created_at)),
            or_none(own(key.signs_from)),
            or_none(key.retired_at),
        ];
        list.add(&record, cells)?;
    }
    list.finish("the key ring is empty")?;
    Ok(ExitCode::SUCCESS)
}

fn state(ring: &KeyRing, key: &KeyEntry, now: Timestamp) -> &'static str {
    if key.retired_at.is_some_and(|at| at <= now) {
        "retired"
    } else if ring.signing_id(key.purpose, now) == key.id {
        "signs"
    } else if key.signs_from > now {
        "waits"
    } else {
        "accepted"
    }
}

/// Whether the operator gave it.
fn is_given(key: &KeyEntry) -> bool {
    key.created_at == Timestamp(0)
}

fn rotate_keys(
    args: &Rotate,
    config: &Config,
    profiles: &[Profile],
    now: Timestamp,
) -> anyhow::Result<ExitCode> {
    let spans = Spans::of(profiles);
    let path = file_of(config)?;
    let after = if args.now { Duration::ZERO } else { args.after };
    let has_own_access_keys = config.tokens.hs256_secret.is_none();
    if args.access && !has_own_access_keys {
        bail!(
            "access tokens are signed with the secret in {}, which is yours: change it there, and at everyone who verifies \
             with it, at one moment; clients then refresh",
            config.called("hs256-secret")
        );
    }
    let random = SystemRandom::default();
    // Another shell than the server's may not have its settings: what nobody asked for stays as it is.
    let asked = (!config.is_default("signing-algorithm")).then_some(config.tokens.signing_algorithm);
    let work = |ring: &mut KeyRing| {
        let mut done = Vec::new();
        let before = ring.algorithm(Timestamp(i64::MAX));
        let algorithm = asked.unwrap_or(before);
        if !args.access {
            done.push(rotate(ring, Purpose::Refresh, algorithm, spans, after, now, &random));
        }
        if !args.refresh && has_own_access_keys {
            done.push(rotate(ring, Purpose::Access, algorithm, spans, after, now, &random));
        }
        (done, before)
    };
    let (_, (done, before)) = ring_file::change(&path, &config.store.data_dir, work, &random)?;
    tell_security("rotated");
    for rotated in &done {
        say(timetable(rotated, now))?;
        warn(rotated.purpose, after);
        warn_of_another_algorithm(config, before, rotated.algorithm);
    }
    if !args.refresh && !has_own_access_keys {
        let secret = config.called("hs256-secret");
        tell(format_args!("Access tokens are signed with the secret in {secret}, which was not changed."));
    }
    let names: Vec<_> = profiles.iter().map(|profile| profile.name.as_str()).collect();
    say(format_args!(
        "Servers that use {} learn of it within {} seconds.\n\
         A server with a copy of it needs the new file before the new key signs.\n\
         Keys are refused after the lifetimes that are set here, of the profiles {}: they must be the server's.",
        path.display(),
        UNNOTICED.as_secs(),
        names.join(", ")
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// What will happen when, in plain words.
fn timetable(rotated: &Rotated, now: Timestamp) -> String {
    let Rotated { purpose, id, algorithm, signs_from, replaced } = rotated;
    let kind = algorithm.map_or(String::new(), |algorithm| format!("{algorithm} "));
    let accepted = match purpose {
        Purpose::Refresh => "accepted",
        Purpose::Access => "accepted, and published at /.well-known/jwks.json",
    };
    let mut text = format!("Made {kind}{purpose} key {id}.\n");
    text += &format!("  {}  key {id} is {accepted}\n", moment(now));
    text += &format!("  {}  key {id} signs, and no key before it does\n", moment(*signs_from));
    for (old, at) in replaced {
        let why = match purpose {
            _ if at <= signs_from => "it never signed",
            Purpose::Refresh => "every session it signed for is over by then",
            Purpose::Access => "every access token it signed has run out by then",
        };
        text += &format!("  {}  key {old} is refused; {why}\n", moment(*at));
    }
    text
}

fn warn(purpose: Purpose, after: Duration) {
    match purpose {
        Purpose::Refresh if after <= UNNOTICED => tell(
            "Warning: a server that has not read the ring yet refuses refresh tokens of the new key until it has.\n",
        ),
        Purpose::Access if after < KEPT => tell(format_args!(
            "Warning: whoever verifies access tokens may keep the published keys for {} minutes,\n\
             and refuse tokens of the new key until then.\n",
            KEPT.as_secs() / 60
        )),
        Purpose::Refresh | Purpose::Access => {}
    }
}

fn warn_of_another_algorithm(config: &Config, before: Algorithm, after: Option<Algorithm>) {
    if let Some(after) = after.filter(|after| *after != before) {
        let set = config.to_be("signing-algorithm", after);
        tell(format_args!(
            "Warning: access tokens are signed with {after} from then on, and with {before} until then. Every API must take\n\
             {after}, and the server must be set to it, {set}, or it adds a key for its own at its\n\
             next start.\n"
        ));
    }
}

fn find(ring: &KeyRing, id: &str, config: &Config) -> anyhow::Result<KeyEntry> {
    let Some(key) = ring.entries().into_iter().find(|key| key.id == id) else {
        bail!("there is no key {id:?}; `sprag key list` shows all there are")
    };
    if is_given(&key) {
        bail!(
            "key {id} is the secret in {}; change it there, and at everyone who verifies with it",
            config.called("hs256-secret")
        );
    }
    Ok(key)
}

/// What retiring a key does to those who hold its tokens.
fn consequence(key: &KeyEntry, now: Timestamp) -> String {
    match key.purpose {
        _ if key.signs_from > now => format!("Key {} has signed nothing yet, so nobody will notice.", key.id),
        Purpose::Refresh => format!(
            "Every refresh token of key {} is refused: whoever holds one must log in again.\n\
             A stolen one that comes back is refused, too, and no longer noticed as reuse.",
            key.id
        ),
        Purpose::Access => format!(
            "Every access token of key {} is refused here at once, and elsewhere as soon as verifiers fetch the\n\
             published keys again, which they should after {} minutes. Clients refresh and go on.",
            key.id,
            KEPT.as_secs() / 60
        ),
    }
}

fn retired_already(key: &KeyEntry, now: Timestamp) -> anyhow::Result<bool> {
    let Some(at) = key.retired_at.filter(|at| *at <= now) else { return Ok(false) };
    say(format_args!("key {} retired already, at {}; nothing was changed", key.id, moment(at)))?;
    Ok(true)
}

fn explain(config: &Config, id: &str, now: Timestamp) -> anyhow::Result<ExitCode> {
    let key = find(&ring_in_force(config)?, id, config)?;
    if retired_already(&key, now)? {
        return Ok(ExitCode::SUCCESS);
    }
    tell(format_args!(
        "{}\nNothing was changed. To replace a key without anyone noticing: sprag key rotate\n\
         To do this at once: sprag key retire {id} --now",
        consequence(&key, now)
    ));
    Ok(ExitCode::FAILURE)
}

fn retire(config: &Config, id: &str, now: Timestamp) -> anyhow::Result<ExitCode> {
    let path = file_of(config)?;
    let key = find(&ring_in_force(config)?, id, config)?;
    if retired_already(&key, now)? {
        return Ok(ExitCode::SUCCESS);
    }
    let data_dir = &config.store.data_dir;
    let (ring, is_done) =
        ring_file::change(&path, data_dir, |ring| ring.retire(id, now), &SystemRandom::default())?;
    if !is_done {
        bail!(
            "key {id} is the only {purpose} key that is to stay, and without one nobody can log in; add another \
             first: sprag key rotate --{purpose} --now",
            purpose = key.purpose
        );
    }
    tell_security("retired");
    say(format_args!(
        "Key {id} retired at {}; {} key {} signs.\n{}\nServers that use {} learn of it within {} seconds.\n\
         A server with a copy of it needs the new file now.",
        moment(now),
        key.purpose,
        ring.signing_id(key.purpose, now),
        consequence(&key, now),
        path.display(),
        UNNOTICED.as_secs(),
    ))?;
    Ok(ExitCode::SUCCESS)
}

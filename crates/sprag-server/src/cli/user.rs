//! `sprag user`: who may log in.

use std::io::{self, IsTerminal as _, Read as _};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{ArgGroup, Subcommand};
use serde::Serialize;
use sprag::account::Account;
use sprag::engine::NewUser;
use sprag::files::FileFault;
use sprag::policy::MAX_PASSWORD_BYTES;
use sprag::session::AccountId;
use sprag::store::Slice;
use sprag::{Engine, Refusal};
use zeroize::Zeroizing;

use super::accounts::{SLICE, called, find};
use super::import;
use super::on_node::{MayCreate, Opens, on_node, plainly, requester};
use super::output::{Column, List, minute, misused, moment, rfc3339, say};
use crate::config::Sources;
use crate::profile::ImportKind;

mod names;

const COLUMNS: [Column; 5] = [
    Column::whole("ACCOUNT"),
    Column::cut("USER NAME"),
    Column::cut("E-MAIL"),
    Column::whole("MADE (UTC)"),
    Column::whole("STATE"),
];

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make an account; its password is read from standard input
    Create(Create),
    /// Take in the users of another system, with their passwords' hashes
    Import(import::Args),
    /// List all accounts
    List {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// List the names that an earlier build made and that are compared in another form today, with who else has that form
    Names {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Have an account log in under another user name or e-mail address, in place of the one it has
    Rename(names::Rename),
    /// Give an account that came without a password its first one, read from standard input
    Password {
        /// A user name, an e-mail address or an account's id
        who: String,
        /// Read the password from standard input; a newline at its end is not part of it
        #[arg(long)]
        password_stdin: bool,
    },
    /// Let an account log in no more, and end its sessions
    Disable {
        /// A user name, an e-mail address or an account's id
        who: String,
    },
    /// Let an account log in again; its ended sessions stay ended
    Enable {
        /// A user name, an e-mail address or an account's id
        who: String,
    },
}

#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("names").required(true).multiple(true).args(["username", "email"])))]
pub(super) struct Create {
    /// The user name it logs in with
    #[arg(long)]
    username: Option<String>,
    /// The e-mail address it logs in with
    #[arg(long)]
    email: Option<String>,
    /// Read the password from standard input; a newline at its end is not part of it
    #[arg(long)]
    password_stdin: bool,
    /// Let it administer others
    #[arg(long)]
    admin: bool,
    #[command(flatten)]
    store: MayCreate,
}

pub(super) fn run(command: Command, sources: &Sources) -> anyhow::Result<ExitCode> {
    match command {
        Command::Create(args) => create(&args, sources),
        Command::Password { who, password_stdin } => set_first_password(&who, password_stdin, sources),
        Command::Import(args) => import::run(ImportKind::Users, &args, sources),
        Command::List { json } => {
            on_node(sources, Opens::Existing, async |node| list(&node.engine, json).await)
        }
        Command::Names { json } => {
            on_node(sources, Opens::Existing, async |node| names::list(&node.engine, json).await)
        }
        Command::Rename(args) => {
            on_node(sources, Opens::Existing, async |node| names::rename(&node.engine, &args).await)
        }
        Command::Disable { who } => {
            on_node(sources, Opens::Existing, async |node| disable(&node.engine, &who).await)
        }
        Command::Enable { who } => {
            on_node(sources, Opens::Existing, async |node| enable(&node.engine, &who).await)
        }
    }
}

/// Why a password is not read from where it would have to be, if it is not.
fn not_piped_in(is_asked_for: bool, command: &str) -> Option<String> {
    if !is_asked_for {
        return Some(format!(
            "a password given as an argument could be read by others, so it is read from standard input; add \
             --password-stdin and pipe it in: sprag user {command} … --password-stdin < FILE"
        ));
    }
    io::stdin().is_terminal().then(|| {
        format!(
            "the password is read from standard input, and that is a terminal, which would show it; pipe it in: sprag \
             user {command} … --password-stdin < FILE"
        )
    })
}

fn set_first_password(who: &str, password_stdin: bool, sources: &Sources) -> anyhow::Result<ExitCode> {
    if let Some(why) = not_piped_in(password_stdin, "password") {
        return Ok(misused(&why));
    }
    let password = password_from(io::stdin().lock())?;
    on_node(sources, Opens::Existing, async |node| {
        let account = find(&node.engine, who).await?;
        let is_set = node
            .engine
            .accounts()
            .set_first_password(account.id, &password, &requester())
            .await
            .map_err(plainly)?;
        if !is_set {
            bail!(
                "{} has a password, which stays as it is; whoever knows it changes it where they are logged in",
                called(&account)
            );
        }
        say(format_args!("{} can log in with a password now", called(&account)))?;
        Ok(ExitCode::SUCCESS)
    })
}

fn create(args: &Create, sources: &Sources) -> anyhow::Result<ExitCode> {
    if let Some(why) = not_piped_in(args.password_stdin, "create") {
        return Ok(misused(&why));
    }
    let password = password_from(io::stdin().lock())?;
    on_node(sources, Opens::MayMake(args.store), async |node| {
        let user = NewUser {
            username: args.username.as_deref(),
            email: args.email.as_deref(),
            password: Some(&password),
            is_admin: args.admin,
            ..NewUser::default()
        };
        let account = node.engine.accounts().create(user, &requester()).await.map_err(plainly)?;
        let role = if account.is_admin { ", an administrator" } else { "" };
        say(format_args!("made account {} for {}{role}", account.id, called(&account)))?;
        Ok(ExitCode::SUCCESS)
    })
}

/// All of the input but a newline at its end; no more is read than a password may have.
fn password_from(input: impl io::Read) -> anyhow::Result<Zeroizing<String>> {
    const DOING: &str = "could not read the password from standard input";
    let limit = MAX_PASSWORD_BYTES + "\r\n".len() + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit));
    input.take(limit as u64).read_to_end(&mut bytes).map_err(FileFault::from).context(DOING)?;
    if bytes.is_empty() {
        bail!("{DOING}: nothing came; pipe it in: printf '%s' 'a long password' | sprag user …");
    }
    let text = bytes.strip_suffix(b"\n").map_or(&bytes[..], |line| line.strip_suffix(b"\r").unwrap_or(line));
    if text.len() > MAX_PASSWORD_BYTES {
        return Err(Refusal::PasswordRejected.into());
    }
    match str::from_utf8(text) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => bail!("{DOING}: it is not UTF-8; write it in UTF-8"),
    }
}

#[derive(Serialize)]
struct Record<'a> {
    id: AccountId,
    username: Option<&'a str>,
    email: Option<&'a str>,
    is_admin: bool,
    has_password: bool,
    created_at: String,
    disabled_at: Option<String>,
}

async fn list(engine: &Engine, is_json: bool) -> anyhow::Result<ExitCode> {
    let mut list = List::new(&COLUMNS, is_json);
    let mut after = None;
    loop {
        let slice = engine.store().accounts(Slice::after(after, SLICE)).await?;
        after = slice.last().map(|account| account.id);
        let without = match (slice.first(), slice.last()) {
            (Some(first), Some(last)) => engine.store().without_password(first.id, last.id).await?,
            _ => Vec::new(),
        };
        for account in &slice {
            let has_password = !without.contains(&account.id);
            list.add(&record(account, has_password), cells(account, has_password))?;
        }
        if slice.len() < SLICE as usize {
            break;
        }
    }
    list.finish("there are no accounts yet; `sprag user create` makes one")?;
    Ok(ExitCode::SUCCESS)
}

fn record(account: &Account, has_password: bool) -> Record<'_> {
    Record {
        id: account.id,
        username: account.username.as_deref(),
        email: account.email.as_deref(),
        is_admin: account.is_admin,
        has_password,
        created_at: rfc3339(account.created_at),
        disabled_at: account.disabled_at.map(rfc3339),
    }
}

fn cells(account: &Account, has_password: bool) -> Vec<String> {
    let state = match (account.disabled_at, account.is_admin) {
        (Some(_), _) => "disabled",
        (None, true) => "admin",
        (None, false) => "enabled",
    };
    let or_none = |name: &Option<String>| name.clone().unwrap_or_else(|| "-".to_owned());
    vec![
        account.id.to_string(),
        or_none(&account.username),
        or_none(&account.email),
        minute(account.created_at),
        if has_password { state.to_owned() } else { format!("{state}, no password") },
    ]
}

async fn disable(engine: &Engine, who: &str) -> anyhow::Result<ExitCode> {
    let account = find(engine, who).await?;
    let name = called(&account);
    if engine.accounts().disable(account.id, &requester()).await.map_err(plainly)? {
        say(format_args!(
            "{name} is disabled, and its sessions have ended; access tokens run out by themselves"
        ))?;
    } else {
        let since = account.disabled_at.map(|at| format!(", since {}", moment(at))).unwrap_or_default();
        say(format_args!("{name} was disabled already{since}; nothing was changed"))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn enable(engine: &Engine, who: &str) -> anyhow::Result<ExitCode> {
    let account = find(engine, who).await?;
    let name = called(&account);
    if engine.accounts().enable(account.id, &requester()).await.map_err(plainly)? {
        say(format_args!("{name} may log in again; the sessions it had stay ended"))?;
    } else {
        say(format_args!("{name} is not disabled; nothing was changed"))?;
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_newline_at_the_end_is_not_part_of_a_password() {
        let read = |text: &str| password_from(text.as_bytes()).unwrap().to_string();
        assert_eq!(read("a b c "), "a b c ");
        assert_eq!(read("a b c \n"), "a b c ");
        assert_eq!(read("a b c\r\n"), "a b c");
        assert_eq!(read("a b c\n\n"), "a b c\n");
        assert!(password_from(&b""[..]).is_err(), "an empty one is none");
    }

    #[test]
    fn a_password_is_read_whole_or_refused() {
        let longest = "é".repeat(MAX_PASSWORD_BYTES / 2);
        assert_eq!(*password_from(format!("{longest}\n").as_bytes()).unwrap(), longest);
        let refused = password_from(format!("{longest}x\n").as_bytes()).unwrap_err();
        assert_eq!(refused.to_string(), Refusal::PasswordRejected.to_string());
        assert!(password_from(io::repeat(b'x')).is_err(), "an endless one is not read to its end");
        assert!(password_from(&b"\xff\xfe long enough"[..]).is_err());
    }
}

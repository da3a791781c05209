//! `sprag user`: who may log in.

use std::process::ExitCode;

use clap::{ArgGroup, Subcommand};
use serde::Serialize;
use sprag::Engine;
use sprag::account::Account;
use sprag::engine::NewUser;
use sprag::session::AccountId;
use sprag::store::Slice;

use super::accounts::{SLICE, called, find};
use super::import;
use super::on_node::{MayCreate, Opens, on_node, plainly, requester};
use super::output::{Column, List, minute, moment, rfc3339, say};
use crate::config::Sources;
use crate::profile::ImportKind;

mod change;
mod erase;
mod factors;
mod names;
mod next_id;
mod password;

const COLUMNS: [Column; 5] = [
    Column::whole("ACCOUNT"),
    Column::cut("USER NAME"),
    Column::cut("E-MAIL"),
    Column::whole("MADE (UTC)"),
    Column::whole("STATE"),
];

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make an account; its password is asked for, or read from standard input
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
    /// Change what an account is called, what it may do, and what is told of its owner
    Set(change::Set),
    /// Set an account's password, asked for or read from standard input, and end its sessions
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
    /// List an account's second factors, and how many recovery codes are left
    Factors {
        /// A user name, an e-mail address or an account's id
        who: String,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Take all second factors from an account whose owner has lost them, and end its sessions
    ResetFactors {
        /// A user name, an e-mail address or an account's id
        who: String,
    },
    /// Delete an account for good: its sessions end, its names are free for others, its journal stays
    Delete(change::Delete),
    /// Erase all that tells of an account's owner, in the journal too; its id and what happened when stay, and can be verified
    Erase(erase::Erase),
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
    /// The profile that gives it the key that other systems know it by, where several of those served give one
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    #[command(flatten)]
    store: MayCreate,
}

pub(super) fn run(command: Command, sources: &Sources) -> anyhow::Result<ExitCode> {
    match command {
        Command::Create(args) => create(&args, sources),
        Command::Password { who, password_stdin } => {
            let password = match password::read_new(password_stdin, "password")? {
                Ok(password) => password,
                Err(misused) => return Ok(misused),
            };
            on_node(sources, Opens::Existing, async |node| password::set(&node.engine, &who, &password).await)
        }
        Command::Set(args) => {
            on_node(sources, Opens::Existing, async |node| change::set(&node.engine, &args).await)
        }
        Command::Delete(args) => match change::cannot_ask(&args) {
            Some(misused) => Ok(misused),
            None => on_node(sources, Opens::Existing, async |node| change::delete(&node.engine, args).await),
        },
        Command::Erase(args) => match erase::cannot_ask(&args) {
            Some(misused) => Ok(misused),
            None => on_node(sources, Opens::Existing, async |node| erase::run(&node.engine, args).await),
        },
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
        Command::Factors { who, json } => {
            on_node(sources, Opens::Existing, async |node| factors::list(&node.engine, &who, json).await)
        }
        Command::ResetFactors { who } => {
            on_node(sources, Opens::Existing, async |node| factors::reset(&node.engine, &who).await)
        }
        Command::Disable { who } => {
            on_node(sources, Opens::Existing, async |node| disable(&node.engine, &who).await)
        }
        Command::Enable { who } => {
            on_node(sources, Opens::Existing, async |node| enable(&node.engine, &who).await)
        }
    }
}

fn create(args: &Create, sources: &Sources) -> anyhow::Result<ExitCode> {
    let password = match password::read_new(args.password_stdin, "create")? {
        Ok(password) => password,
        Err(misused) => return Ok(misused),
    };
    on_node(sources, Opens::MayMake(args.store), async |node| {
        node.settle_numbers().await?;
        let user = NewUser {
            next_id: next_id::giver(&node.profiles, args.profile.as_deref())?,
            username: args.username.as_deref(),
            email: args.email.as_deref(),
            password: Some(&password),
            is_admin: args.admin,
            ..NewUser::default()
        };
        let account = node.engine.accounts().create(user, &requester()).await.map_err(plainly)?;
        let role = if account.is_admin { ", an administrator" } else { "" };
        let known = next_id::told(&account, &node.profiles);
        say(format_args!("made account {} for {}{role}{known}", account.id, called(&account)))?;
        Ok(ExitCode::SUCCESS)
    })
}

#[derive(Serialize)]
struct Record<'a> {
    id: AccountId,
    username: Option<&'a str>,
    email: Option<&'a str>,
    is_admin: bool,
    role: &'a str,
    name: Option<&'a str>,
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
        role: account.role(),
        name: account.particulars.name.as_deref(),
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

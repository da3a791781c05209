//! `sprag user set` and `sprag user delete`: what an account is called and may do, and its end.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{ArgGroup, ValueEnum};
use sprag::engine::AccountChanges;
use sprag::store::Slice;
use sprag::text::shown;
use sprag::{Engine, Error, Refusal};

use super::super::accounts::{SLICE, called, find};
use super::super::on_node::{plainly, requester};
use super::super::output::{counted, misused, say, tell};
use super::super::terminal;
use super::password::and_ended;

/// How PostgreSQL says that a role may not do something (insufficient_privilege).
const NO_PRIVILEGE: &str = "(42501)";

#[derive(Debug, clap::Args)]
#[command(group(
    ArgGroup::new("changes").required(true).multiple(true)
        .args(["username", "email", "role", "name", "given_name", "family_name", "language", "admin", "email_verified"])
))]
pub(in crate::cli) struct Set {
    /// A user name, an e-mail address or an account's id
    who: String,
    /// The user name it logs in with from now on, in place of the one it has, if it has one
    #[arg(long)]
    username: Option<String>,
    /// The e-mail address it logs in with from now on, in place of the one it has, if it has one
    #[arg(long)]
    email: Option<String>,
    /// What it may do, as other systems call it; '' for the usual one, admin or user
    #[arg(long)]
    role: Option<String>,
    /// What people call its owner; '' for nothing
    #[arg(long)]
    name: Option<String>,
    /// The owner's given name; '' for nothing
    #[arg(long)]
    given_name: Option<String>,
    /// The owner's family name; '' for nothing
    #[arg(long)]
    family_name: Option<String>,
    /// In which language its owner is written to, as de or pt-BR; '' for what the service says
    #[arg(long)]
    language: Option<String>,
    /// Whether it administers others; the sessions of one that does so no more end
    #[arg(long)]
    admin: Option<Switch>,
    /// Tell the address from before of the change, and give it no link by which it is undone within seven days: for one that somebody
    /// else reads by now
    #[arg(long, requires = "email")]
    closes_undo: bool,
    /// Whether the address that it has, or gets by this, counts as confirmed by its owner
    #[arg(long)]
    email_verified: Option<Switch>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Switch {
    On,
    Off,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Delete {
    /// A user name, an e-mail address or an account's id
    who: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Changes an account.
pub(super) async fn set(engine: &Engine, args: &Set) -> anyhow::Result<ExitCode> {
    let account = find(engine, &args.who).await?;
    let changes = AccountChanges {
        username: args.username.as_deref(),
        email: args.email.as_deref(),
        role: args.role.as_deref(),
        name: args.name.as_deref(),
        given_name: args.given_name.as_deref(),
        family_name: args.family_name.as_deref(),
        language: args.language.as_deref(),
        is_admin: args.admin.map(|admin| admin == Switch::On),
        is_disabled: None,
        is_email_verified: args.email_verified.map(|verified| verified == Switch::On),
        closes_undo: args.closes_undo,
    };
    let changed = match engine.accounts().set(account.id, changes, &requester()).await {
        Err(Error::Refused(Refusal::NameTaken)) => {
            bail!(
                "another account has this user name or e-mail address, or one that looks like it; nothing was changed"
            )
        }
        changed => changed.map_err(plainly)?,
    };
    let name = called(&changed.account);
    if changed.what.is_empty() {
        say(format_args!("{name} was so already; nothing was changed"))?;
        return Ok(ExitCode::SUCCESS);
    }
    say(format_args!(
        "changed of account {}, {name}: {}{}",
        changed.account.id,
        changed.what.join(", "),
        and_ended(changed.ended)
    ))?;
    if let (Some(_), Some(role)) = (args.admin, &changed.account.particulars.role) {
        tell(format_args!(
            "sprag: access tokens go on telling the role {:?}; --role changes that",
            shown(role)
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Why nobody can be asked whether an account shall be deleted, if nobody can.
pub(super) fn cannot_ask(args: &Delete) -> Option<ExitCode> {
    (!args.yes && !terminal::is_there()).then(|| {
        misused(
            "a deleted account does not come back, so it is asked for first, and standard input is no terminal; add --yes if \
             it is meant",
        )
    })
}

/// Deletes an account, if whoever asks for it means it.
pub(super) async fn delete(engine: &Engine, args: Delete) -> anyhow::Result<ExitCode> {
    let account = find(engine, &args.who).await?;
    let name = called(&account);
    if !args.yes {
        let live = live_sessions(engine, account.id).await?;
        let address =
            account.email.as_deref().map(|email| format!(" <{}>", shown(email))).unwrap_or_default();
        let live = counted(live, "live session", "live sessions");
        let question =
            format!("delete {name}{address}, account {}, with {live}? It does not come back.", account.id);
        // Whoever thinks about it holds up nothing.
        let answer = tokio::task::spawn_blocking(move || terminal::confirms(&question)).await;
        if !answer.context("could not ask on the terminal")?? {
            say(format_args!("{name} stays; nothing was changed"))?;
            return Ok(ExitCode::FAILURE);
        }
    }
    let deleted = engine.accounts().delete(account.id, &requester()).await.map_err(plainly);
    let ended = deleted.map_err(with_the_grant)?;
    say(format_args!("{name} is deleted{}; its journal stays", and_ended(ended)))?;
    Ok(ExitCode::SUCCESS)
}

/// What to do about a role that may serve and not delete.
fn with_the_grant(error: anyhow::Error) -> anyhow::Error {
    if !error.chain().any(|cause| cause.to_string().contains(NO_PRIVILEGE)) {
        return error;
    }
    error.context(
        "the role that serves may not delete accounts, and nothing was changed; as the tables' owner: \
         grant delete on account, credential to sprag;",
    )
}

async fn live_sessions(engine: &Engine, account: sprag::session::AccountId) -> anyhow::Result<u64> {
    let (mut live, mut after, now) = (0, None, engine.now());
    loop {
        let slice = engine.store().of(account, Slice::after(after, SLICE)).await?;
        after = slice.last().map(|(session, _)| session.key.session);
        live += slice.iter().filter(|(session, _)| session.is_live(now)).count() as u64;
        if slice.len() < SLICE as usize {
            return Ok(live);
        }
    }
}

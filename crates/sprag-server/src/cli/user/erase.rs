//! `sprag user erase`: everything forgets an account's owner.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use sprag::account::Account;
use sprag::engine::{AccountErasure, Erased};
use sprag::session::AccountId;
use sprag::text::shown;
use sprag::{Engine, Error, Refusal};

use super::super::accounts::called;
use super::super::on_node::plainly;
use super::super::output::{counted, misused, say};
use super::super::terminal;
use crate::quoted::quoted;

/// What is told to a role that may not.
const NOT_ALLOWED: &str = "this role may not change entries of the journal, and nothing was erased; run this as the owner of the \
     tables: put its name and password into SPRAG_DATABASE_URL";

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Erase {
    /// A user name, an e-mail address or an account's id, also of one that was deleted
    #[arg(required_unless_present = "due")]
    who: Option<String>,
    /// Erase the accounts whose owners wanted that, and whose time has come
    #[arg(long, conflicts_with = "who")]
    due: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Why nobody can be asked whether an account shall be erased, if nobody can.
pub(super) fn cannot_ask(args: &Erase) -> Option<ExitCode> {
    (!args.yes && !args.due && !terminal::is_there()).then(|| {
        misused(
            "what is erased does not come back, so it is asked for first, and standard input is no terminal; add --yes if it is \
             meant",
        )
    })
}

/// Erases an account, if whoever asks for it means it.
pub(super) async fn run(engine: &Engine, args: Erase) -> anyhow::Result<ExitCode> {
    let Some(who) = args.who else { return due(engine).await };
    let (id, account) = find(engine, &who).await?;
    let name = account.as_ref().map_or_else(|| id.to_string(), called);
    if !args.yes {
        let question = question(id, account.as_ref());
        // Whoever thinks about it holds up nothing.
        let answer = tokio::task::spawn_blocking(move || terminal::confirms(&question)).await;
        if !answer.context("could not ask on the terminal")?? {
            say(format_args!("{name} stays; nothing was changed"))?;
            return Ok(ExitCode::FAILURE);
        }
    }
    match engine.accounts().erase(id).await {
        Ok(AccountErasure::Done(erased)) => {
            say(told(id, &erased))?;
            Ok(ExitCode::SUCCESS)
        }
        Ok(AccountErasure::JournalStays { erased, finding }) => {
            say(told(id, &erased))?;
            bail!(
                "but its journal was tampered with, and what that tells of its owner stays: {finding}; run: sprag audit verify"
            )
        }
        Ok(AccountErasure::NotAllowed) => bail!("{NOT_ALLOWED}"),
        Err(Error::Refused(Refusal::AccountUnknown)) => Err(unknown(&who)),
        Err(error) => Err(plainly(error)),
    }
}

/// Erases what a server does that may not.
async fn due(engine: &Engine) -> anyhow::Result<ExitCode> {
    let (mut is_allowed, mut broken) = (true, Vec::new());
    let told = |account: AccountId, outcome: &AccountErasure| match outcome {
        AccountErasure::Done(_) => {}
        AccountErasure::NotAllowed => is_allowed = false,
        AccountErasure::JournalStays { finding, .. } => broken.push(format!("account {account}: {finding}")),
    };
    let erased = engine.accounts().erase_due(told).await?;
    say(format_args!("erased {}, as their owners wanted", counted(erased, "account", "accounts")))?;
    if !is_allowed {
        bail!("{NOT_ALLOWED}");
    }
    if !broken.is_empty() {
        bail!(
            "but journals were tampered with, and what they tell of their owners stays: {}; run: sprag audit verify",
            broken.join(", ")
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Whom somebody means: an account, or one that is gone and that has a journal.
async fn find(engine: &Engine, who: &str) -> anyhow::Result<(AccountId, Option<Account>)> {
    match engine.accounts().find(who).await {
        Ok(account) => Ok((account.id, Some(account))),
        Err(Error::Refused(Refusal::AccountUnknown)) => {
            let id = who.parse::<AccountId>().map_err(|_| unknown(who))?;
            Ok((id, None))
        }
        Err(error) => Err(plainly(error)),
    }
}

fn unknown(who: &str) -> anyhow::Error {
    anyhow::anyhow!(
        "there is no account {}, nor a journal of one that is gone; nothing was erased. `sprag user list` shows all accounts; one \
         that was deleted is named by its id",
        quoted(who)
    )
}

fn question(id: AccountId, account: Option<&Account>) -> String {
    match account {
        None => {
            format!("erase what the journal tells of account {id}, which is gone? It does not come back.")
        }
        Some(account) => {
            let email = account.email.as_deref();
            let address = email.map(|email| format!(" <{}>", shown(email))).unwrap_or_default();
            let name = called(account);
            format!(
                "erase {name}{address}, account {id}, its sessions and what the journal tells of its owner? It does not come back."
            )
        }
    }
}

/// What was removed and what stays.
fn told(id: AccountId, erased: &Erased) -> String {
    let Erased { was_there, sessions, ended, entries, erasure } = erased;
    if !was_there && *sessions == 0 && *entries == 0 {
        return format!("nothing is left to erase of account {id}; nothing was changed");
    }
    let mut text = format!("erased account {id}.\nRemoved:");
    if *was_there {
        text += "\n  the account with its names, its e-mail address and whatever proved who its owner is";
    }
    if *sessions > 0 {
        let sessions = counted(*sessions, "session", "sessions");
        text += &format!("\n  {sessions} with their addresses and clients; {ended} ended just now");
    }
    if *entries > 0 {
        let entries = counted(*entries, "entry", "entries");
        text += &format!("\n  addresses, clients and notes from {entries} of the journal");
    }
    text += "\nStays:\n  the id, and in the journal what happened when; `sprag audit verify` verifies it as before";
    if let Some(erasure) = erasure.as_ref().filter(|erasure| erasure.chained_anew > 0) {
        text += &format!(
            "\n  {} of an earlier build were chained anew, under checkpoint {} (erasure {})",
            counted(erasure.chained_anew, "entry", "entries"),
            erasure.checkpoint,
            erasure.number
        );
    }
    text += "\nOut of reach: backups, exports, and what the log said.";
    text
}

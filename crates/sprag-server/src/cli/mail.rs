//! `sprag mail`: whether letters arrive, and what became of those that were written.

use std::fmt::Display;
use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;
use serde_json::json;
use sprag::engine::Outcome;
use sprag::letter::{Letter, LetterKind};
use sprag::outbox::{MessageKind, MessageState, Queued};

use super::messages::{self, Called, Revived};
use super::on_node::{Opens, on_node};
use super::output::{Column, List, minute, say};
use crate::config::Sources;
use crate::run::node::Node;

const CALLED: Called = Called { noun: "letter", list: "sprag mail list", done: "tried" };

const COLUMNS: [Column; 6] = [
    Column::whole("LETTER"),
    Column::whole("STATE"),
    Column::whole("WRITTEN (UTC)"),
    Column::whole("TRIES"),
    Column::cut("WHAT"),
    Column::cut("TROUBLE"),
];

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Send a letter at once, and say whether it was taken
    Test {
        /// To which address
        address: String,
    },
    /// List the letters of the last two weeks, and what became of each
    List {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Have a letter that was given up tried again
    Retry {
        /// The letter, as `sprag mail list` names it
        #[arg(required_unless_present = "all")]
        letter: Option<String>,
        /// All letters that were given up
        #[arg(long, conflicts_with = "letter")]
        all: bool,
    },
}

pub(super) fn run(command: Command, sources: &Sources) -> anyhow::Result<ExitCode> {
    on_node(sources, Opens::Existing, async |node| match command {
        Command::Test { address } => test(&address, node).await,
        Command::List { json } => list(json, node).await,
        Command::Retry { letter, .. } => retry(letter.as_deref(), node).await,
    })
}

async fn test(address: &str, node: &Node) -> anyhow::Result<ExitCode> {
    let (way, setting) = (&node.config.mail.url, node.config.called("mail-url"));
    let Some(sender) = node.sender()? else {
        bail!(
            "letters are off; say how they leave with {setting}, as SPRAG_MAIL_URL=smtps://USER:PASSWORD@mail.example.org"
        );
    };
    match sender.send_now(LetterKind::Test, address).await? {
        Outcome::Taken => {
            say(format_args!("{way} has taken a letter to {address}; look whether it arrives"))?
        }
        Outcome::NotNow(why) | Outcome::Never(why) => {
            bail!("{way} has not taken a letter to {address}: {why}; mend that, or {setting}")
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(is_json: bool, node: &Node) -> anyhow::Result<ExitCode> {
    let mut list = List::new(&COLUMNS, is_json);
    for (message, letter) in all(node).await? {
        let kind = letter.as_ref().map(|letter| letter.kind.name());
        let to = letter.as_ref().map(|letter| letter.to.as_str());
        let what = kind.zip(to).map(|(kind, to)| format!("{kind} to {to}")).unwrap_or_default();
        let record = messages::record(&message, [("kind", json!(kind)), ("to", json!(to))]);
        let cells = vec![
            message.key.id.to_string(),
            message.state().name().to_owned(),
            minute(message.made_at),
            message.attempts.to_string(),
            what,
            message.trouble.unwrap_or_default(),
        ];
        list.add(&record, cells)?;
    }
    list.finish("no letter was written in the last two weeks")?;
    Ok(ExitCode::SUCCESS)
}

async fn retry(letter: Option<&str>, node: &Node) -> anyhow::Result<ExitCode> {
    let mut revived = 0;
    let mut is_known = false;
    for (message, _) in all(node).await? {
        let id = message.key.id;
        let is_meant =
            letter.is_none_or(|wanted| wanted == id.to_string() || wanted == id.simple().to_string());
        is_known |= is_meant;
        if is_meant && message.state() == MessageState::GivenUp {
            revived += u64::from(node.engine.outbox().revive(message.key).await?);
        }
    }
    let wanted = letter.as_ref().map(|letter| letter as &dyn Display);
    messages::tell_revived(&CALLED, &Revived { wanted, is_known, count: revived })?;
    Ok(ExitCode::SUCCESS)
}

/// Every letter that is remembered, but what only took the place of one.
async fn all(node: &Node) -> anyhow::Result<Vec<(Queued, Option<Letter>)>> {
    messages::all(MessageKind::Mail, async |slice| node.engine.outbox().list(slice).await).await
}

//! `sprag webhook`: whether other systems hear what they are told, and what became of it.

use std::fmt::Display;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use serde_json::json;
use sprag::engine::Outcome;
use sprag::outbox::{MessageKind, Queued};
use sprag::webhook::WebhookEvent;
use url::Url;
use uuid::Uuid;

use super::messages::{self, Called, Revived};
use super::on_node::{Opens, on_node, plainly};
use super::output::{Column, List, minute, say};
use crate::config::Sources;
use crate::moment;
use crate::outgoing::shown;
use crate::run::node::Node;

const CALLED: Called = Called { noun: "message", list: "sprag webhook list", done: "told" };

const COLUMNS: [Column; 7] = [
    Column::whole("MESSAGE"),
    Column::whole("STATE"),
    Column::whole("WRITTEN (UTC)"),
    Column::whole("TRIES"),
    Column::cut("EVENT"),
    Column::cut("TO"),
    Column::cut("TROUBLE"),
];

const NONE_SET: &str =
    "nobody is told of anything; set SPRAG_WEBHOOKS, as SPRAG_WEBHOOKS=\"https://app.example.org/in all\"";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Tell every endpoint something at once, and say what each answered
    Test {
        /// Only this one
        url: Option<Url>,
    },
    /// List what was told in the last two weeks, and what became of each
    List {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Tell once more what was given up, or everything since a moment
    Replay {
        /// The message, as `sprag webhook list` names it
        #[arg(required_unless_present_any = ["all", "since"])]
        message: Option<Uuid>,
        /// All messages that were given up, under the ids that they had
        #[arg(long, conflicts_with_all = ["message", "since"])]
        all: bool,
        /// Every event of the journal since then that an endpoint wants to hear of, under new ids: a span before now as 2h, or a moment
        #[arg(long, value_name = "WHEN", conflicts_with = "message")]
        since: Option<String>,
    },
}

pub(super) fn run(command: Command, sources: &Sources) -> anyhow::Result<ExitCode> {
    on_node(sources, Opens::Existing, async |node| match command {
        Command::Test { url } => test(url.as_ref(), node).await,
        Command::List { json } => list(json, node).await,
        Command::Replay { since: Some(since), .. } => replay_since(&since, node).await,
        Command::Replay { message, .. } => replay(message, node).await,
    })
}

async fn test(wanted: Option<&Url>, node: &Node) -> anyhow::Result<ExitCode> {
    let Some(sender) = node.webhook_sender() else { bail!(NONE_SET) };
    let webhooks = &node.config.webhooks.told;
    let meant: Vec<_> = webhooks.iter().filter(|one| wanted.is_none_or(|url| one.url == *url)).collect();
    if meant.is_empty() {
        bail!("no webhook of that URL is set; sprag config shows which are");
    }
    let mut code = ExitCode::SUCCESS;
    for webhook in meant {
        let trial = node.engine.webhooks().trial(webhook.url.as_str());
        let id = Uuid::from_bytes(node.engine.random::<16>());
        let told = shown(&webhook.url);
        match sender.send_once(&trial, id).await {
            Outcome::Taken => say(format_args!("{told} has taken it"))?,
            Outcome::NotNow(why) | Outcome::Never(why) => {
                say(format_args!("{told} has not taken it: {why}"))?;
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

async fn list(is_json: bool, node: &Node) -> anyhow::Result<ExitCode> {
    let mut list = List::new(&COLUMNS, is_json);
    for (message, event) in all(node).await? {
        let kind = event.as_ref().map(|event| event.kind.as_str());
        let endpoint = event.as_ref().and_then(|event| Some(shown(&event.endpoint.parse().ok()?)));
        let record = messages::record(&message, [("event", json!(kind)), ("endpoint", json!(endpoint))]);
        let cells = vec![
            message.key.id.to_string(),
            message.state().name().to_owned(),
            minute(message.made_at),
            message.attempts.to_string(),
            kind.unwrap_or_default().to_owned(),
            endpoint.unwrap_or_default(),
            message.trouble.unwrap_or_default(),
        ];
        list.add(&record, cells)?;
    }
    list.finish("nobody was told of anything in the last two weeks")?;
    Ok(ExitCode::SUCCESS)
}

async fn replay(wanted: Option<Uuid>, node: &Node) -> anyhow::Result<ExitCode> {
    let (mut revived, mut is_known) = (0, false);
    for (message, _) in all(node).await? {
        if wanted.is_none_or(|wanted| wanted == message.key.id) {
            is_known = true;
            revived += u64::from(node.engine.webhooks().revive(&message).await?);
        }
    }
    let wanted = wanted.as_ref().map(|wanted| wanted as &dyn Display);
    messages::tell_revived(&CALLED, &Revived { wanted, is_known, count: revived })?;
    Ok(ExitCode::SUCCESS)
}

async fn replay_since(since: &str, node: &Node) -> anyhow::Result<ExitCode> {
    if node.config.webhooks.told.is_empty() {
        bail!(NONE_SET);
    }
    let read = moment::since(since, node.engine.now());
    let since = read.with_context(|| {
        format!("{since:?} is no moment; write a span before now as 2h, a day as 2026-11-21, or 2026-11-21T03:02:11Z")
    })?;
    let told = node.engine.webhooks().replay(since).await.map_err(plainly)?;
    say(format_args!(
        "{told} messages are told once more by whatever server runs on this store, under new ids"
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Every message to another system that is remembered.
async fn all(node: &Node) -> anyhow::Result<Vec<(Queued, Option<WebhookEvent>)>> {
    messages::all(MessageKind::Webhook, async |slice| node.engine.webhooks().list(slice).await).await
}

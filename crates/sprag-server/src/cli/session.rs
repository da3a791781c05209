//! `sprag session`: who is logged in where, and ending that.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;
use serde::Serialize;
use sprag::Engine;
use sprag::account::Account;
use sprag::clock::Timestamp;
use sprag::session::{AccountId, EndCause, ProfileId, Session, SessionDetail, SessionId};
use sprag::store::Slice;

use super::accounts::{self, called, find};
use super::import;
use super::on_node::{Opens, on_node, plainly, requester};
use super::output::{Column, List, minute, moment, rfc3339, say};
use crate::config::Sources;
use crate::places::Places;
use crate::profile::ImportKind;
use crate::run::node::Node;

/// How many sessions are read at a time.
const SLICE: u32 = 200;

const LIVE: [Column; 6] = [
    Column::whole("SESSION"),
    Column::cut("USER"),
    Column::whole("OPENED (UTC)"),
    Column::whole("REFRESHED (UTC)"),
    Column::cut("DEVICE"),
    Column::cut("FROM"),
];

const ALL: [Column; 5] = [
    Column::whole("SESSION"),
    Column::cut("USER"),
    Column::whole("OPENED (UTC)"),
    Column::whole("ENDED (UTC)"),
    Column::whole("STATE"),
];

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the live sessions
    List(Filter),
    /// End a session, or all of an account's
    Revoke(Revoke),
    /// Take in the live sessions of another system, whose users were imported before
    Import(import::Args),
}

#[derive(Debug, clap::Args)]
pub(super) struct Filter {
    /// Only this account's: a user name, an e-mail address or an account's id
    #[arg(long, value_name = "WHO")]
    user: Option<String>,
    /// Ended ones too, as long as they are kept
    #[arg(long)]
    all: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct Revoke {
    /// The session's id
    #[arg(value_parser = session_id)]
    id: Option<SessionId>,
    /// All sessions of this account: a user name, an e-mail address or an account's id
    #[arg(long, value_name = "WHO")]
    user: Option<String>,
}

pub(super) fn run(command: Command, sources: &Sources) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(args) => on_node(sources, Opens::Existing, async |node| list(node, &args).await),
        Command::Revoke(args) => on_node(sources, Opens::Existing, async |node| match (args.id, args.user) {
            (Some(id), _) => revoke(&node.engine, id).await,
            (None, user) => revoke_all(&node.engine, &user.unwrap_or_default()).await,
        }),
        Command::Import(args) => import::run(ImportKind::Sessions, &args, sources),
    }
}

pub(super) fn session_id(text: &str) -> Result<SessionId, String> {
    text.parse()
        .map_err(|_| "a session's id looks like 01997c5e-…; `sprag session list` shows them".to_owned())
}

#[derive(Serialize)]
struct Record<'a> {
    id: SessionId,
    account_id: AccountId,
    username: Option<&'a str>,
    email: Option<&'a str>,
    profile: Option<&'a str>,
    profile_id: ProfileId,
    state: &'static str,
    created_at: String,
    refreshed_at: String,
    idle_expires_at: String,
    expires_at: String,
    ended_at: Option<String>,
    ip: Option<&'a str>,
    user_agent: Option<&'a str>,
    device: Option<&'a str>,
    label: Option<&'a str>,
    country: Option<String>,
    city: Option<&'a str>,
    ended_ip: Option<&'a str>,
}

async fn list(node: &Node, args: &Filter) -> anyhow::Result<ExitCode> {
    let engine = &node.engine;
    let profiles = node.profiles.iter().map(|profile| (profile.client.id.0, profile.name.as_str()));
    let mut listing = Listing {
        list: List::new(if args.all { &ALL } else { &LIVE }, args.json),
        shows_ended: args.all,
        profiles: profiles.collect(),
        now: engine.now(),
        places: &node.places,
    };
    if let Some(who) = &args.user {
        listing.add_all_of(engine, &find(engine, who).await?).await?;
    } else {
        let mut after = None;
        loop {
            let slice = engine.store().accounts(Slice::after(after, accounts::SLICE)).await?;
            after = slice.last().map(|account| account.id);
            for account in &slice {
                listing.add_all_of(engine, account).await?;
            }
            if slice.len() < accounts::SLICE as usize {
                break;
            }
        }
    }
    listing.list.finish(if args.all { "there are no sessions" } else { "there are no live sessions" })?;
    Ok(ExitCode::SUCCESS)
}

/// A list of sessions while it is printed.
struct Listing<'a> {
    list: List,
    shows_ended: bool,
    profiles: BTreeMap<u16, &'a str>,
    now: Timestamp,
    places: &'a Places,
}

impl Listing<'_> {
    async fn add_all_of(&mut self, engine: &Engine, account: &Account) -> anyhow::Result<()> {
        let mut after = None;
        loop {
            let slice = engine.store().of(account.id, Slice::after(after, SLICE)).await?;
            after = slice.last().map(|(session, _)| session.key.session);
            for (session, detail) in &slice {
                self.add(account, session, detail)?;
            }
            if slice.len() < SLICE as usize {
                return Ok(());
            }
        }
    }

    fn add(&mut self, account: &Account, session: &Session, detail: &SessionDetail) -> anyhow::Result<()> {
        let over = over(session, self.now);
        if over.is_some() && !self.shows_ended {
            return Ok(());
        }
        let state = over.map_or("live", EndCause::name);
        let opened_at = self.places.opened_at(detail);
        let record = Record {
            id: session.key.session,
            account_id: account.id,
            username: account.username.as_deref(),
            email: account.email.as_deref(),
            profile: self.profiles.get(&session.profile.0).copied(),
            profile_id: session.profile,
            state,
            created_at: rfc3339(session.created_at),
            refreshed_at: rfc3339(session.rotated_at),
            idle_expires_at: rfc3339(session.idle_expires_at),
            expires_at: rfc3339(session.expires_at),
            ended_at: session.ended.map(|ended| rfc3339(ended.at)),
            ip: detail.ip.as_deref(),
            user_agent: detail.user_agent.as_deref(),
            device: detail.device.as_deref(),
            label: opened_at.label.as_deref(),
            country: opened_at.country.map(|country| country.to_string()),
            city: opened_at.city.as_deref(),
            ended_ip: detail.ended_ip.as_deref(),
        };
        let rest = if self.shows_ended {
            vec![session.ended.map(|ended| minute(ended.at)), Some(state.to_owned())]
        } else {
            let from = opened_at.place().or_else(|| detail.ip.clone());
            vec![Some(minute(session.rotated_at)), opened_at.label.clone(), from]
        };
        let mut cells = vec![session.key.session.to_string(), called(account), minute(session.created_at)];
        cells.extend(rest.into_iter().map(|text| text.unwrap_or_else(|| "-".to_owned())));
        Ok(self.list.add(&record, cells)?)
    }
}

/// Why a session is over, whether or not a sweep has seen it since.
fn over(session: &Session, now: Timestamp) -> Option<EndCause> {
    let expired = (now >= session.expires_at).then_some(EndCause::Expired);
    let idle = (now >= session.idle_expires_at).then_some(EndCause::Idle);
    session.ended.map(|ended| ended.cause).or(expired).or(idle)
}

async fn revoke(engine: &Engine, id: SessionId) -> anyhow::Result<ExitCode> {
    let Some((session, _)) = engine.store().named(id).await? else {
        bail!("there is no session {id}; `sprag session list --all` shows all that are kept")
    };
    if let Some(ended) = session.ended {
        let (at, cause) = (moment(ended.at), ended.cause);
        say(format_args!("session {id} ended already, at {at}: {cause}; nothing was changed"))?;
        return Ok(ExitCode::SUCCESS);
    }
    engine.sessions().end(session.key, EndCause::Admin, &requester()).await.map_err(plainly)?;
    say(format_args!("session {id} has ended; its access token runs out by itself"))?;
    Ok(ExitCode::SUCCESS)
}

async fn revoke_all(engine: &Engine, who: &str) -> anyhow::Result<ExitCode> {
    let account = find(engine, who).await?;
    let (name, ended) = (called(&account), engine.sessions().end_all_of(account.id, &requester()).await?);
    match ended {
        0 => say(format_args!("{name} has no live session; nothing was changed"))?,
        1 => say(format_args!("1 session of {name} has ended; its access token runs out by itself"))?,
        _ => say(format_args!(
            "{ended} sessions of {name} have ended; their access tokens run out by themselves"
        ))?,
    }
    Ok(ExitCode::SUCCESS)
}

//! `export_me`: all that is kept of whoever asks, but what proves who they are, and what tells when a session rotates: whoever copied
//! its tokens would learn by that when their owner is there.

use std::collections::BTreeSet;

use axum::response::Response;
use hyper::StatusCode;
use serde_json::{Value, json};
use sprag::account::Account;
use sprag::audit::{Entry, EventKind};
use sprag::session::{AccountId, Session, SessionDetail, SessionId};
use sprag::store::{Kept, Slice};
use sprag::{Engine, Fault};

use super::context::{Call, RouteContext};
use crate::edge::refusal::Problem;
use crate::edge::response::{JSON, with_body};
use crate::moment;
use crate::profile::{Answer, Needs, Spec};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::AccessToken,
    wants_fresh: true,
    answer: Answer::Json { schema, example },
    only_reads: true,
    ..Spec::named("export_me", "All that is kept of one's own account")
};

/// How many rows are read at once.
const AT_ONCE: u32 = 500;

/// The most sessions and entries of the journal that are told, the newest; `is_complete` says whether these are all.
const MOST: usize = 20_000;

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let (engine, id) = (&context.app.engine, caller.key.account);
    let permit = context.permit(&call.parts).await;
    let account = engine.accounts().get(id).await?;
    let sessions = sessions(engine, id).await?;
    let entries = entries(engine, id).await?;
    let kept = engine.store().kept(id).await?;
    let told = told(&account, &kept, (&sessions, &entries));
    let body =
        serde_json::to_vec(&told).map_err(|error| Fault::internal("write an export", error.to_string()))?;
    let mut response = with_body(StatusCode::OK, JSON, body);
    response.extensions_mut().insert(permit);
    Ok(response)
}

async fn sessions(engine: &Engine, account: AccountId) -> Result<Vec<(Session, SessionDetail)>, Fault> {
    let mut found: Vec<(Session, SessionDetail)> = Vec::new();
    loop {
        let after = found.last().map(|(session, _)| session.key.session);
        let slice = engine.store().of(account, Slice::after(after, AT_ONCE)).await?;
        let is_last = slice.len() < AT_ONCE as usize;
        found.extend(slice);
        if is_last || found.len() > MOST {
            found.sort_unstable_by_key(|(session, _)| std::cmp::Reverse(session.created_at));
            return Ok(found);
        }
    }
}

/// What the journal says, the newest first.
async fn entries(engine: &Engine, account: AccountId) -> Result<Vec<Entry>, Fault> {
    let mut found: Vec<Entry> = Vec::new();
    let mut after = None;
    loop {
        let slice = engine.store().entries_of(account, Slice::after(after, AT_ONCE)).await?;
        let is_last = slice.len() < AT_ONCE as usize;
        after = slice.last().map(|entry| entry.number);
        found.extend(slice.into_iter().filter(|entry| !tells_of_rotation(entry.event.kind)));
        if is_last || found.len() > MOST {
            return Ok(found);
        }
    }
}

/// Rotations and retries, and what was found out by them.
fn tells_of_rotation(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::SessionRotated
            | EventKind::ForeignRetry
            | EventKind::LateTwin
            | EventKind::Contested
            | EventKind::Lockstep
            | EventKind::AheadAdopted
    )
}

fn told(
    account: &Account,
    kept: &Kept,
    (sessions, entries): (&[(Session, SessionDetail)], &[Entry]),
) -> Value {
    let events = entries.iter().map(|entry| &entry.event);
    let ends = events.filter(|event| event.kind == EventKind::SessionEnded && event.is_by_administrator());
    let ended_for_owner: BTreeSet<SessionId> = ends.filter_map(|event| event.session).collect();
    let told_of_session = |found| told_of_session(found, &ended_for_owner);
    let credentials = |kind: &str| kept.credentials.iter().filter(|found| *found == kind).count();
    json!({
        "is_complete": sessions.len() <= MOST && entries.len() <= MOST,
        "account": told_of_account(account),
        "has_password": credentials("password") > 0,
        "known_devices": credentials("device"),
        "credentials": kept.credentials,
        "sessions": sessions.iter().take(MOST).map(told_of_session).collect::<Value>(),
        "journal": entries.iter().take(MOST).map(told_of_entry).collect::<Value>(),
        "one_time_tokens": kept.tokens.iter().map(|token| json!({
            "purpose": token.purpose.name(),
            "made_at": moment::rfc3339(token.made_at),
            "expires_at": moment::rfc3339(token.expires_at),
        })).collect::<Value>(),
        "messages": kept.messages.iter().map(|message| json!({
            "kind": message.kind.name(),
            "made_at": moment::rfc3339(message.made_at),
            "settled_at": message.settled_at.map(moment::rfc3339),
        })).collect::<Value>(),
    })
}

fn told_of_account(account: &Account) -> Value {
    let told = &account.particulars;
    json!({
        "id": account.id.to_string(),
        "username": account.username,
        "email": account.email,
        "email_confirmed_at": account.email_confirmed_at().map(moment::rfc3339),
        "is_admin": account.is_admin,
        "role": account.role(),
        "name": told.name,
        "given_name": told.given_name,
        "family_name": told.family_name,
        "language": told.language,
        "external_id": told.external.as_ref().map(|external| &external.id),
        "created_at": moment::rfc3339(account.created_at),
    })
}

/// When it was used last, and when the idle timeout would end it, move with its rotations. From where an administrator ended it is
/// about them, not about its owner.
fn told_of_session(
    (session, detail): &(Session, SessionDetail),
    ended_for_owner: &BTreeSet<SessionId>,
) -> Value {
    let is_by_owner = !ended_for_owner.contains(&session.key.session);
    json!({
        "id": session.key.session.to_string(),
        "created_at": moment::rfc3339(session.created_at),
        "expires_at": moment::rfc3339(session.expires_at),
        "ip": detail.ip,
        "user_agent": detail.user_agent,
        "device": detail.device,
        "ended_at": session.ended.map(|ended| moment::rfc3339(ended.at)),
        "ended_cause": session.ended.map(|ended| ended.cause.name()),
        "ended_ip": detail.ended_ip.as_ref().filter(|_| is_by_owner),
    })
}

/// Of what an administrator did, neither from where nor with what: that is about them.
fn told_of_entry(entry: &Entry) -> Value {
    let event = &entry.event;
    let is_by_owner = !event.is_by_administrator() && event.kind != EventKind::AccountInvited;
    let (ip, user_agent) = (event.ip.as_ref(), event.user_agent.as_ref());
    json!({
        "at": moment::rfc3339(event.at),
        "kind": event.kind.name(),
        "session_id": event.session.map(|session| session.to_string()),
        "cause": event.cause.map(|cause| cause.name()),
        "ip": ip.filter(|_| is_by_owner),
        "user_agent": user_agent.filter(|_| is_by_owner),
        "note": event.note,
    })
}

fn schema() -> Value {
    let object = |about: &str| json!({ "type": "object", "description": about });
    let list = |about: &str| json!({ "type": "array", "items": object(about) });
    json!({
        "type": "object",
        "required": [
            "is_complete", "account", "has_password", "known_devices", "credentials", "sessions", "journal",
            "one_time_tokens", "messages",
        ],
        "properties": {
            "is_complete": { "type": "boolean", "description": "Whether nothing was left out for being too much." },
            "account": object("The account's names, and what is told of its owner."),
            "has_password": { "type": "boolean" },
            "known_devices": { "type": "integer", "minimum": 0 },
            "credentials": { "type": "array", "items": { "type": "string" } },
            "sessions": list("A session, ended ones too, without what moves with its rotations."),
            "journal": list("What the journal says, but rotations and retries."),
            "one_time_tokens": list("A link or code that was handed out."),
            "messages": list("A letter; what is in it is sealed, and gone once it was sent."),
        },
    })
}

fn example() -> Value {
    let at = "2026-07-01T12:00:00.000Z";
    json!({
        "is_complete": true,
        "account": {
            "id": "0197c4d2-8c00-7000-8000-000000000001", "username": "ann", "email": "ann@example.org",
            "email_confirmed_at": at, "is_admin": false, "role": "user", "name": null, "given_name": null,
            "family_name": null, "language": "en", "external_id": null, "created_at": at,
        },
        "has_password": true,
        "known_devices": 1,
        "credentials": ["device", "password"],
        "sessions": [{
            "id": "0197c4d2-8c00-7000-8000-000000000002", "created_at": at, "expires_at": "2026-07-31T12:00:00.000Z",
            "ip": "192.0.2.7", "user_agent": "Example/1.0", "device": "ann's laptop", "ended_at": null,
            "ended_cause": null, "ended_ip": null,
        }],
        "journal": [{
            "at": at, "kind": "session_opened", "session_id": "0197c4d2-8c00-7000-8000-000000000002", "cause": null,
            "ip": "192.0.2.7", "user_agent": "Example/1.0", "note": null,
        }],
        "one_time_tokens": [],
        "messages": [],
    })
}

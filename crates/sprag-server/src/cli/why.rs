//! `sprag why`: what is known of one session, how it ended and what led there.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::bail;
use serde_json::{Value, json};
use sprag::audit::Entry;
use sprag::clock::Timestamp;
use sprag::engine::Explanation;
use sprag::risk::{Decision, Risk};
use sprag::session::SessionId;
use sprag::text::shown;

use super::output::{moment, rfc3339, say, say_json};
use super::session::session_id;
use crate::config;
use crate::places::OpenedAt;
use crate::run::node::Node;

/// What `sprag why` is asked.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The session's id, as log-in and `sprag session list` give it
    #[arg(value_name = "SESSION", value_parser = session_id)]
    session: SessionId,

    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// Explains a session. Fails if there is none of that id, or no longer.
///
/// # Errors
/// The store cannot be read.
pub(super) async fn run(args: &Args, node: &Node) -> anyhow::Result<ExitCode> {
    let Some(explanation) = node.engine.sessions().explain(args.session).await? else {
        let kept = config::spell(node.config.sessions.keep_ended);
        bail!(
            "there is no session {} here, or no longer: one that ended is kept for {kept} (--keep-ended)",
            args.session
        );
    };
    let now = node.engine.now();
    let opened_at = node.places.opened_at(&explanation.detail);
    if args.json {
        say_json(&as_json(&explanation, &opened_at, now))?;
    } else {
        say(explain(&explanation, &opened_at, now).trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What is known of a session, for people.
#[must_use]
pub(super) fn explain(explanation: &Explanation, opened_at: &OpenedAt, now: Timestamp) -> String {
    let session = &explanation.session;
    let detail = &explanation.detail;
    let mut text = format!("session  {}\naccount  {}\n", session.key.session, session.key.account);
    let _ = write!(text, "opened   {}", moment(session.created_at));
    if let Some(ip) = &detail.ip {
        let _ = write!(text, ", from {}", shown(ip));
        if let Some(place) = opened_at.place() {
            let _ = write!(text, " ({})", shown(&place));
        }
    }
    if let Some(user_agent) = &detail.user_agent {
        let _ = write!(text, ", with {}", shown(user_agent));
    }
    if let Some(label) = &opened_at.label {
        let _ = write!(text, "\ndevice   {}", shown(label));
    }
    if let Some(risk) = explanation.risk() {
        let _ = write!(text, "\nrisk     {}", in_words(&risk));
    }
    text += &match session.generation.0 {
        0 => "\nturned   never\n".to_owned(),
        1 => format!("\nturned   once, {}\n", moment(session.rotated_at)),
        times => format!("\nturned   {times} times, the last time {}\n", moment(session.rotated_at)),
    };
    let _ = writeln!(text, "state    {}", state(explanation, now));
    if !explanation.events.is_empty() {
        text += "\n";
        for entry in &explanation.events {
            let _ = writeln!(text, "{}", event(entry));
        }
    }
    text
}

/// A log-in's risk: `50, the journal warns: new device 20, new country 30 (FR)`.
fn in_words(risk: &Risk) -> String {
    let reasons = risk.reasons.iter().map(|found| {
        let detail =
            found.detail.as_deref().map(|detail| format!(" ({})", shown(detail))).unwrap_or_default();
        format!("{} {}{detail}", found.reason.name().replace('_', " "), found.weight)
    });
    let warns = if risk.decision == Decision::Allow { "" } else { ", the journal warns" };
    format!("{}{warns}: {}", risk.score, reasons.collect::<Vec<_>>().join(", "))
}

/// Whether it lives, or how and why it ended, in a sentence.
fn state(explanation: &Explanation, now: Timestamp) -> String {
    let session = &explanation.session;
    if let Some(ended) = session.ended {
        let by = explanation.detail.ended_ip.as_deref().map(shown);
        let by = by.map(|ip| format!(", by a request from {ip}")).unwrap_or_default();
        return format!(
            "ended {}{by}\n         cause {}: {}",
            moment(ended.at),
            ended.cause,
            ended.cause.sentence()
        );
    }
    if now >= session.expires_at {
        return format!("over: it reached its longest lifetime {}", moment(session.expires_at));
    }
    if now >= session.idle_expires_at {
        return format!("over: it was not refreshed before {}", moment(session.idle_expires_at));
    }
    format!(
        "live\n         ends {} unless it turns before, and {} at the latest",
        moment(session.idle_expires_at.min(session.expires_at)),
        moment(session.expires_at)
    )
}

fn event(entry: &Entry) -> String {
    let event = &entry.event;
    let mut text = format!("{}  {:<8}  {}", moment(event.at), event.severity().name(), event.kind.name());
    if let Some(cause) = event.cause {
        let _ = write!(text, " ({cause})");
    }
    if let Some(ip) = &event.ip {
        let _ = write!(text, "  from {}", shown(ip));
    }
    if let Some(user_agent) = &event.user_agent {
        let _ = write!(text, " with {}", shown(user_agent));
    }
    if let Some(note) = &event.note {
        let _ = write!(text, "\n{:35}{}", "", shown(note));
    }
    text
}

/// The explanation for machines.
fn as_json(explanation: &Explanation, opened_at: &OpenedAt, now: Timestamp) -> Value {
    let session = &explanation.session;
    let detail = &explanation.detail;
    let is_live = session.ended.is_none() && now < session.expires_at && now < session.idle_expires_at;
    let events: Vec<_> = explanation.events.iter().map(event_as_json).collect();
    json!({
        "session": session.key.session,
        "account": session.key.account,
        "created_at": rfc3339(session.created_at),
        "ip": detail.ip,
        "user_agent": detail.user_agent,
        "device": detail.device,
        "label": opened_at.label,
        "country": opened_at.country.map(|country| country.to_string()),
        "city": opened_at.city,
        "risk": explanation.risk(),
        "turns": session.generation.0,
        "turned_at": (session.generation.0 > 0).then(|| rfc3339(session.rotated_at)),
        "idle_expires_at": rfc3339(session.idle_expires_at),
        "expires_at": rfc3339(session.expires_at),
        "is_live": is_live,
        "ended": session.ended.map(|ended| json!({
            "at": rfc3339(ended.at),
            "cause": ended.cause,
            "sentence": ended.cause.sentence(),
            "ip": detail.ended_ip,
        })),
        "events": events,
    })
}

fn event_as_json(entry: &Entry) -> Value {
    let event = &entry.event;
    json!({
        "number": entry.number,
        "at": rfc3339(event.at),
        "severity": event.severity().name(),
        "kind": event.kind.name(),
        "cause": event.cause,
        "ip": event.ip,
        "user_agent": event.user_agent,
        "note": event.note,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sprag::audit::{Event, EventKind, Head};
    use sprag::policy::Policy;
    use sprag::session::{
        AccountId, EndCause, Ended, Epoch, Generation, ProfileId, Session, SessionDetail, SessionKey,
    };
    use uuid::Uuid;

    use super::*;

    const OPENED: Timestamp = Timestamp(1_767_225_600_000);

    fn seconds(after: u64) -> Timestamp {
        OPENED.plus(Duration::from_secs(after))
    }

    fn live() -> Explanation {
        let key = SessionKey {
            account: AccountId(Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0001)),
            session: SessionId(Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0002)),
        };
        let begun = Session::begun(key, ProfileId(1), [0; 32], Epoch(0), &Policy::default(), OPENED);
        let session = Session {
            generation: Generation(3),
            rotated_at: seconds(600),
            idle_expires_at: seconds(600 + 7 * 86_400),
            expires_at: seconds(30 * 86_400),
            ..begun
        };
        let opened = Event {
            account: key.account,
            at: OPENED,
            kind: EventKind::SessionOpened,
            session: Some(key.session),
            cause: None,
            ip: Some("192.0.2.7".into()),
            user_agent: Some("Firefox/140.0".into()),
            note: None,
        };
        let detail = SessionDetail {
            ip: opened.ip.clone(),
            user_agent: opened.user_agent.clone(),
            device: Some("Ann's \x1b[31mlaptop".into()),
            ended_ip: None,
        };
        Explanation { session, detail, events: vec![Head::new(key.account).add(opened)] }
    }

    /// What is known of where it was opened, with a file of places.
    fn at_home(explanation: &Explanation) -> OpenedAt {
        let (country, city) = ("DE".parse().ok(), Some("Berlin".to_owned()));
        OpenedAt { label: explanation.detail.device.clone(), country, city }
    }

    fn stolen() -> Explanation {
        let mut explanation = live();
        explanation.session.ended = Some(Ended { at: seconds(700), cause: EndCause::Reuse });
        explanation.detail.ended_ip = Some("198.51.100.9".into());
        let last = &explanation.events[0];
        let ended = Event {
            at: seconds(700),
            kind: EventKind::SessionEnded,
            cause: Some(EndCause::Reuse),
            ip: Some("198.51.100.9".into()),
            note: Some("an old token came back".into()),
            ..last.event.clone()
        };
        let ended = last.head().add(ended);
        explanation.events.push(ended);
        explanation
    }

    #[test]
    fn a_live_session_says_until_when() {
        insta::assert_snapshot!(explain(&live(), &at_home(&live()), seconds(601)), @r"
        session  01980000-0000-7000-8000-000000000002
        account  01980000-0000-7000-8000-000000000001
        opened   2026-01-01 00:00:00.000 UTC, from 192.0.2.7 (Berlin, DE), with Firefox/140.0
        device   Ann's �[31mlaptop
        turned   3 times, the last time 2026-01-01 00:10:00.000 UTC
        state    live
                 ends 2026-01-08 00:10:00.000 UTC unless it turns before, and 2026-01-31 00:00:00.000 UTC at the latest

        2026-01-01 00:00:00.000 UTC  notice    session_opened  from 192.0.2.7 with Firefox/140.0
        ");
    }

    #[test]
    fn a_stolen_one_says_how_it_ended_and_what_led_there() {
        insta::assert_snapshot!(explain(&stolen(), &OpenedAt::default(), seconds(800)), @r"
        session  01980000-0000-7000-8000-000000000002
        account  01980000-0000-7000-8000-000000000001
        opened   2026-01-01 00:00:00.000 UTC, from 192.0.2.7, with Firefox/140.0
        turned   3 times, the last time 2026-01-01 00:10:00.000 UTC
        state    ended 2026-01-01 00:11:40.000 UTC, by a request from 198.51.100.9
                 cause reuse: an old token of this session was used again, which may mean it was stolen

        2026-01-01 00:00:00.000 UTC  notice    session_opened  from 192.0.2.7 with Firefox/140.0
        2026-01-01 00:11:40.000 UTC  critical  session_ended (reuse)  from 198.51.100.9 with Firefox/140.0
                                           an old token came back
        ");
    }

    #[test]
    fn a_log_in_that_was_unlike_those_before_it_says_why() {
        let mut odd = live();
        let risk = "risk 50 (notify): new_device 20, new_country 30 (FR)";
        odd.events[0].event.note = Some(risk.to_owned());
        let text = explain(&odd, &OpenedAt::default(), seconds(601));
        assert!(
            text.contains("\nrisk     50, the journal warns: new device 20, new country 30 (FR)\n"),
            "{text}"
        );
        let value = as_json(&odd, &OpenedAt::default(), seconds(601));
        assert_eq!(
            value["risk"],
            json!({
                "score": 50,
                "decision": "notify",
                "reasons": [
                    { "reason": "new_device", "weight": 20, "detail": null },
                    { "reason": "new_country", "weight": 30, "detail": "FR" },
                ],
            })
        );
        assert_eq!(as_json(&live(), &OpenedAt::default(), seconds(601))["risk"], json!(null));
    }

    #[test]
    fn one_that_ran_out_is_over_before_a_sweep_has_seen_it() {
        let text = explain(&live(), &OpenedAt::default(), seconds(8 * 86_400));
        assert!(text.contains("over: it was not refreshed before 2026-01-08 00:10:00.000 UTC"), "{text}");
        let text = explain(&live(), &OpenedAt::default(), seconds(31 * 86_400));
        assert!(text.contains("over: it reached its longest lifetime"), "{text}");
    }

    #[test]
    fn machines_get_the_same() {
        let value = as_json(&stolen(), &at_home(&stolen()), seconds(800));
        assert_eq!(value["ended"]["cause"], "reuse");
        assert_eq!(value["ended"]["at"], "2026-01-01T00:11:40.000Z");
        assert_eq!((&value["is_live"], &value["turns"]), (&json!(false), &json!(3)));
        assert_eq!(value["events"][1]["severity"], "critical");
        assert_eq!((&value["country"], &value["city"]), (&json!("DE"), &json!("Berlin")));
    }
}

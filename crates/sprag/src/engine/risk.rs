//! How unlike those before it a log-in is, by what the store remembers of the account.

use core::net::IpAddr;

use super::{Engine, OpenRequest, Requester};
use crate::audit::{Entry, Event, EventKind};
use crate::authn::{Authenticated, Failures};
use crate::clock::{Timestamp, millis};
use crate::error::{Error, Fault, Refusal};
use crate::place::Whereabouts;
use crate::risk::{Decision, FAILURES_WITHIN, Facts, LogIn, Risk, assess};
use crate::session::{AccountId, Session, SessionDetail, SessionKey};
use crate::store::Slice;

/// How many of an account's newest entries are looked through.
const ENTRIES: u32 = 200;

/// How many of its sessions a slice has.
const SLICE: u32 = 200;

/// How many slices are looked through: all sessions of an account that has as many as may be unless set otherwise.
const SLICES: usize = 5;

impl Engine {
    /// Weighs a log-in; `None` where nobody asked for it.
    ///
    /// # Errors
    /// [`Refusal::RiskRefused`] if it is too unlike those before it; a [`Fault`].
    pub(super) async fn weigh(
        &self,
        somebody: &Authenticated,
        request: OpenRequest<'_>,
        requester: &Requester,
        now: Timestamp,
    ) -> Result<Option<Risk>, Error> {
        let Some(policy) = &self.risk else { return Ok(None) };
        let account = somebody.account().id;
        let entries = self.store.entries_of(account, Slice::first(ENTRIES)).await?;
        let sessions = self.sessions_known(account).await?;
        let about = self.whereabouts.as_ref();
        let of_sessions = sessions.iter().map(|(session, detail)| of_session(about, session, detail));
        let address = requester.ip.as_deref().and_then(|ip| ip.parse::<IpAddr>().ok());
        let facts = Facts {
            now: login(
                about,
                now,
                (request.device, requester.user_agent.as_deref()),
                requester.ip.as_deref(),
            ),
            earlier: of_sessions.chain(entries.iter().filter_map(|entry| of_entry(about, entry))).collect(),
            failures: failures(&self.failures, account, &entries, now),
            is_listed: address.is_some_and(|address| about.is_listed(address)),
            // One that shows nothing may be new, or may keep nothing.
            is_known_device: somebody.is_on_known_device().then_some(true),
        };
        let risk = assess(&facts, policy);
        if risk.decision < Decision::SecondFactor {
            return Ok(Some(risk));
        }
        let event = requester.event_of_account(account, EventKind::LoginRefused, now, risk.note());
        self.store.record(event).await?;
        Err(Refusal::RiskRefused.into())
    }

    async fn sessions_known(&self, account: AccountId) -> Result<Vec<(Session, SessionDetail)>, Fault> {
        let mut known = Vec::new();
        for _ in 0..SLICES {
            let after = known.last().map(|(session, _): &(Session, _)| session.key.session);
            let slice = self.store.of(account, Slice::after(after, SLICE)).await?;
            let is_last = slice.len() < SLICE as usize;
            known.extend(slice);
            if is_last {
                break;
            }
        }
        Ok(known)
    }
}

/// What the journal is told where a session opens: that it does, how unlike those before it the log-in was, and a warning
/// where that is much.
pub(super) fn events(
    risk: Option<&Risk>,
    requester: &Requester,
    key: SessionKey,
    now: Timestamp,
) -> Vec<Event> {
    let note = risk.and_then(Risk::note);
    let warns = risk.is_some_and(|risk| risk.decision >= Decision::Notify);
    let warning = warns.then(|| requester.event(key, EventKind::RiskyLogin, now, note.clone()));
    let opened = requester.event(key, EventKind::SessionOpened, now, note);
    std::iter::once(opened).chain(warning).collect()
}

fn of_session(about: &dyn Whereabouts, session: &Session, detail: &SessionDetail) -> LogIn {
    let names = (detail.device.as_deref(), detail.user_agent.as_deref());
    login(about, session.created_at, names, detail.ip.as_deref())
}

fn of_entry(about: &dyn Whereabouts, entry: &Entry) -> Option<LogIn> {
    let event = &entry.event;
    let is_login = matches!(event.kind, EventKind::SessionOpened | EventKind::SessionImported);
    is_login.then(|| login(about, event.at, (None, event.user_agent.as_deref()), event.ip.as_deref()))
}

/// A log-in of a device: by the name that its user gave it, and by what its client calls itself.
fn login(
    about: &dyn Whereabouts,
    at: Timestamp,
    (name, user_agent): (Option<&str>, Option<&str>),
    ip: Option<&str>,
) -> LogIn {
    let label = user_agent.and_then(|agent| about.device(agent));
    let devices = name.map(str::to_owned).into_iter().chain(label).collect();
    let place = ip.and_then(|ip| ip.parse().ok()).and_then(|address| about.place(address));
    LogIn { at, devices, place }
}

/// How many log-ins failed since the last that did not, in the time that counts: those that the journal has, newest first, and
/// those that were only counted since.
fn failures(counted: &Failures, account: AccountId, entries: &[Entry], now: Timestamp) -> u64 {
    let since = Timestamp(now.0.saturating_sub(millis(FAILURES_WITHIN)));
    let events = entries.iter().map(|entry| &entry.event);
    let last = events.clone().find(|event| event.kind == EventKind::SessionOpened);
    let untold = counted.untold(account, last.map_or(since, |last| since.max(last.at)));
    let after_that = events.take_while(|event| event.kind != EventKind::SessionOpened);
    let failed = after_that.filter(|event| event.kind == EventKind::LoginFailed && event.at > since);
    failed.fold(untold, |sum, event| sum.saturating_add(Failures::in_note(event.note.as_deref())))
}

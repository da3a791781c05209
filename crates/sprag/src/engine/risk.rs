//! How unlike those before it a log-in is, by what the store remembers of the account.

use core::net::IpAddr;
use std::collections::HashMap;

use super::{Engine, OpenRequest, Requester};
use crate::audit::{Entry, Event, EventKind};
use crate::authn::{Authenticated, Failures};
use crate::clock::{Timestamp, millis};
use crate::error::{Error, Fault, Refusal};
use crate::place::{Location, Whereabouts};
use crate::risk::{Decision, FAILURES_WITHIN, Facts, LogIn, Reason, Risk, RiskPolicy, assess};
use crate::session::{AccountId, Session, SessionDetail, SessionKey};
use crate::store::Slice;

/// How many of an account's newest entries are looked through.
const ENTRIES: u32 = 200;

/// How many of its sessions a slice has.
const SLICE: u32 = 200;

/// How many slices are looked through: all sessions of an account that has as many as may be unless set otherwise.
const SLICES: usize = 5;

/// How many of those, the newest, a log-in is held against: to tell what each came from takes time of a thread that answers
/// requests.
const SESSIONS: usize = 100;

impl Engine {
    /// Weighs a log-in; `None` where nobody asked for it, or nothing would come of it.
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
        let Some(policy) = self.risk.as_ref().filter(|policy| !is_idle(policy)) else { return Ok(None) };
        let account = somebody.account().id;
        let entries = self.store.entries_of(account, Slice::first(ENTRIES)).await?;
        let sessions = self.sessions_known(account).await?;
        let about = self.whereabouts.as_ref();
        let mut looks = Looks::with(about);
        let address = requester.ip.as_deref().and_then(|ip| ip.parse::<IpAddr>().ok());
        let facts = Facts {
            now: looks.login(now, (request.device, requester.user_agent.as_deref()), requester.ip.as_deref()),
            earlier: looks.earlier(&sessions, &entries),
            failures: failures(&self.failures, account, &entries, now),
            is_breached: policy.breached_password > 0 && self.shows_breached(somebody).await,
            is_listed: address.is_some_and(|address| about.is_listed(address)),
            // One that shows nothing may be new, or may keep nothing.
            is_known_device: somebody.is_on_known_device().then_some(true),
        };
        let risk = assess(&facts, policy);
        if risk.decision < Decision::Refuse {
            return Ok(Some(risk));
        }
        let risk = Some(risk);
        Err(self.refuse_risky(somebody, &risk, requester, now).await?)
    }

    /// Notes that a log-in was too unlike those before it, and says so.
    pub(super) async fn refuse_risky(
        &self,
        somebody: &Authenticated,
        risk: &Option<Risk>,
        requester: &Requester,
        now: Timestamp,
    ) -> Result<Error, Fault> {
        let (account, note) = (somebody.account().id, risk.as_ref().and_then(Risk::note));
        let event = requester.event_of_account(account, EventKind::LoginRefused, now, note);
        self.store.record(event).await?;
        Ok(Refusal::RiskRefused.into())
    }

    /// Whether the password that somebody typed is known from a breach.
    async fn shows_breached(&self, somebody: &Authenticated) -> bool {
        match somebody.password() {
            Some(password) => self.is_breached(&password.sha1()).await,
            None => false,
        }
    }

    /// The newest of an account's sessions. The store lists them by their ids: the oldest first, and imported ones last.
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
        newest(&mut known);
        Ok(known)
    }
}

/// Leaves as many of the newest as are looked at.
fn newest(sessions: &mut Vec<(Session, SessionDetail)>) {
    sessions.sort_unstable_by_key(|(session, _)| std::cmp::Reverse(session.created_at));
    sessions.truncate(SESSIONS);
}

/// Whether whatever a log-in is like comes to nothing.
fn is_idle(policy: &RiskPolicy) -> bool {
    let has_no_weight = Reason::ALL.into_iter().all(|reason| policy.weight(reason) == 0);
    has_no_weight || policy.decision(u32::MAX) == Decision::Allow
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

/// What is known of clients and addresses. Each is looked up once, for most log-ins of an account are alike.
struct Looks<'a> {
    about: &'a dyn Whereabouts,
    labels: HashMap<&'a str, Option<String>>,
    places: HashMap<IpAddr, Option<Location>>,
}

impl<'a> Looks<'a> {
    fn with(about: &'a dyn Whereabouts) -> Self {
        Self { about, labels: HashMap::new(), places: HashMap::new() }
    }

    fn earlier(&mut self, sessions: &'a [(Session, SessionDetail)], entries: &'a [Entry]) -> Vec<LogIn> {
        let mut earlier = Vec::with_capacity(sessions.len() + entries.len());
        for (session, detail) in sessions {
            let names = (detail.device.as_deref(), detail.user_agent.as_deref());
            earlier.push(self.login(session.created_at, names, detail.ip.as_deref()));
        }
        for event in entries.iter().map(|entry| &entry.event) {
            if matches!(event.kind, EventKind::SessionOpened | EventKind::SessionImported) {
                earlier.push(self.login(event.at, (None, event.user_agent.as_deref()), event.ip.as_deref()));
            }
        }
        earlier
    }

    /// A log-in of a device: by the name that its user gave it, and by what its client calls itself.
    fn login(
        &mut self,
        at: Timestamp,
        (name, user_agent): (Option<&str>, Option<&'a str>),
        ip: Option<&str>,
    ) -> LogIn {
        let label = user_agent
            .and_then(|agent| self.labels.entry(agent).or_insert_with(|| self.about.device(agent)).clone());
        let devices = name.map(str::to_owned).into_iter().chain(label).collect();
        let place = ip.and_then(|ip| ip.parse().ok()).and_then(|address| {
            self.places.entry(address).or_insert_with(|| self.about.place(address)).clone()
        });
        LogIn { at, devices, place }
    }
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Counts how often it is asked of a place, and of a device.
    #[derive(Default)]
    struct Counting(AtomicU32, AtomicU32);

    impl Whereabouts for Counting {
        fn place(&self, _: IpAddr) -> Option<Location> {
            self.0.fetch_add(1, Ordering::Relaxed);
            None
        }

        fn device(&self, user_agent: &str) -> Option<String> {
            self.1.fetch_add(1, Ordering::Relaxed);
            Some(user_agent.to_uppercase())
        }

        fn is_listed(&self, _: IpAddr) -> bool {
            false
        }
    }

    #[test]
    fn a_client_and_an_address_are_looked_up_once_however_many_log_ins_they_made() {
        let about = Counting::default();
        let mut looks = Looks::with(&about);
        for at in 0..100 {
            for (agent, ip) in [("curl", "192.0.2.1"), ("wget", "192.0.2.2"), ("curl", "no address")] {
                let login = looks.login(Timestamp(at), (Some("hers"), Some(agent)), Some(ip));
                assert_eq!(login.devices, ["hers".to_owned(), agent.to_uppercase()]);
            }
        }
        assert_eq!((about.0.into_inner(), about.1.into_inner()), (2, 2));
    }

    #[test]
    fn where_nothing_would_come_of_it_nothing_is_weighed() {
        let usual = RiskPolicy::default();
        assert!(!is_idle(&usual));
        assert!(is_idle(&RiskPolicy { notify: None, ..usual.clone() }), "no threshold");
        let weightless = RiskPolicy {
            new_device: 0,
            new_country: 0,
            impossible_travel: 0,
            failures_before: 0,
            listed_address: 0,
            breached_password: 0,
            ..usual
        };
        assert!(is_idle(&weightless));
        assert!(!is_idle(&RiskPolicy { listed_address: 1, ..weightless }));
    }
}

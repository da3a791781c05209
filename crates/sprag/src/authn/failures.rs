//! How many log-ins failed, so that the journal need not list each: of one account, from one network, for one reason the first
//! few are journalled as they come, and the others are counted and journalled together.
//!
//! Nothing is decided by it. What is counted here is lost where the process is killed: what a minute brought, and a moment more.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::audit::{Event, EventKind, NOBODY};
use crate::clock::{Timestamp, millis, rfc3339};
use crate::observe::LoginFailures;
use crate::prefix::Prefix;
use crate::requester::Requester;
use crate::session::AccountId;

/// What the journal says of who may not log in though the password is right.
pub(super) const DISABLED: &str = "the account is disabled";

/// What the journal says where the password was right and the code of a second factor was not.
pub(super) const SECOND_FACTOR: &str = "the code of the second factor was wrong";

/// What it says where a passkey was not taken: it is of another site or account, or answers no challenge that is open.
pub(super) const WRONG_PASSKEY: &str = "a passkey was not taken, or its answer";

/// How many are journalled one by one, each hour.
pub(super) const FIRST_FEW: u32 = 5;

/// After how long the first few are journalled one by one again.
const ANEW: Duration = Duration::from_secs(3600);

/// How long a failure that was only counted waits for others, at most, before their count is journalled.
pub(super) const GATHERED: Duration = Duration::from_secs(60);

/// How many are told apart. Beyond that all other networks of an account are one, and beyond twice as many each failure is
/// journalled.
const MOST: usize = 10_000;

/// How many networks of one account and reason are told apart where a failure costs nobody a hash: each is a row a minute.
const MOST_GATHERED: usize = 16;

/// How many of an account are looked through for those. Where there are more, its networks are many anyway.
const LOOKED_THROUGH: usize = 256;

/// What stands in a note after the number of those that were counted.
const MORE: &str = " more from ";

/// Failures of log-ins, by account, network and reason.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    kept: Mutex<BTreeMap<Key, Kept>>,
    /// How many there were since the start, by why.
    pub(crate) counted: LoginFailures,
}

/// Whose, from which network (`None` is any other than those that are told apart), and why.
type Key = (AccountId, Option<Prefix>, &'static str);

#[derive(Debug)]
struct Kept {
    /// When the first of the first few was.
    since: Timestamp,
    journalled: u32,
    more: Option<More>,
}

/// Failures that were counted and that the journal does not know of yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct More {
    key: Key,
    count: u64,
    first: Timestamp,
    last: Timestamp,
    ip: Option<String>,
    user_agent: Option<String>,
}

/// What the journal is to be told of a failure.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Told {
    /// It.
    Each,
    /// Nothing yet.
    Nothing,
    /// How many there were, this one included.
    Together(More),
}

impl Failures {
    /// Counts a failure, and says what the journal is to be told of it.
    pub(super) fn count(
        &self,
        account: AccountId,
        why: &'static str,
        requester: &Requester,
        now: Timestamp,
    ) -> Told {
        match why {
            DISABLED => self.counted.account_disabled.one(),
            SECOND_FACTOR => self.counted.wrong_code.one(),
            WRONG_PASSKEY => self.counted.wrong_passkey.one(),
            _ if account == NOBODY => self.counted.unknown_name.one(),
            _ => self.counted.wrong_password.one(),
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = (account, Some(requester.prefix()), why);
        if kept.len() >= MOST && !kept.contains_key(&key) {
            kept.retain(|_, kept| kept.more.is_some() || !is_over(kept.since, now, ANEW));
            if kept.len() >= MOST {
                key.1 = None;
            }
            if kept.len() >= 2 * MOST && !kept.contains_key(&key) {
                return Told::Each;
            }
        }
        let begun = || Kept { since: now, journalled: 0, more: None };
        kept.entry(key).or_insert_with(begun).count(key, requester, now)
    }

    /// Counts a failure of which the journal hears with others only, however few there are.
    pub(super) fn gather(
        &self,
        account: AccountId,
        why: &'static str,
        requester: &Requester,
        now: Timestamp,
    ) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = (account, Some(requester.prefix()), why);
        if !kept.contains_key(&key) && (kept.len() >= MOST || are_many(&kept, account, why)) {
            key.1 = None;
        }
        if kept.len() >= 2 * MOST && !kept.contains_key(&key) {
            key.0 = NOBODY;
        }
        let begun = || Kept { since: now, journalled: FIRST_FEW, more: None };
        kept.entry(key).or_insert_with(begun).gather(key, requester, now);
    }

    /// What has waited long enough; all of it, if `all`.
    pub(crate) fn due(&self, now: Timestamp, all: bool) -> Vec<More> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, kept| kept.more.is_some() || !is_over(kept.since, now, ANEW));
        let is_due = |more: &mut More| all || is_over(more.first, now, GATHERED);
        kept.values_mut().filter_map(|kept| kept.more.take_if(is_due)).collect()
    }

    /// How many of an account's failures since then the journal does not know of yet.
    pub(crate) fn untold(&self, account: AccountId, since: Timestamp) -> u64 {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let those = kept.range((account, None, "")..).take_while(|((of, ..), _)| *of == account);
        let untold = those.filter_map(|(_, kept)| kept.more.as_ref()).filter(|more| more.last > since);
        untold.fold(0, |sum, more| sum.saturating_add(more.count))
    }

    /// Of how many failures an entry of the journal tells that has this note.
    pub(crate) fn in_note(note: Option<&str>) -> u64 {
        let counted = note.and_then(|note| note.split_once(MORE)).and_then(|(count, _)| count.parse().ok());
        counted.unwrap_or(1)
    }

    /// Counts on from what could not be journalled.
    pub(crate) fn put_back(&self, more: More) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = || Kept { since: more.first, journalled: FIRST_FEW, more: None };
        let kept = kept.entry(more.key).or_insert_with(begun);
        kept.more = Some(match kept.more.take() {
            None => more,
            Some(later) => More { count: more.count + later.count, first: more.first, ..later },
        });
    }
}

impl Kept {
    fn count(&mut self, key: Key, requester: &Requester, now: Timestamp) -> Told {
        if is_over(self.since, now, ANEW) && self.more.is_none() {
            (self.since, self.journalled) = (now, 0);
        }
        if self.journalled < FIRST_FEW && self.more.is_none() {
            self.journalled += 1;
            return Told::Each;
        }
        let more = self.gathered(key, requester, now);
        if more.count > 1 && is_over(more.first, now, GATHERED) {
            return Told::Together(more);
        }
        self.more = Some(more);
        Told::Nothing
    }

    fn gather(&mut self, key: Key, requester: &Requester, now: Timestamp) {
        self.more = Some(self.gathered(key, requester, now));
    }

    /// Those that wait, and one more.
    fn gathered(&mut self, key: Key, requester: &Requester, now: Timestamp) -> More {
        let (count, first) = self.more.take().map_or((0, now), |more| (more.count, more.first));
        let (ip, user_agent) = (requester.ip.clone(), requester.user_agent.clone());
        More { key, count: count + 1, first, last: now, ip, user_agent }
    }
}

impl More {
    /// What is left where nothing may tell of anybody: how many there were, when and why.
    pub(crate) fn of_nobody(self) -> Self {
        let (_, prefix, why) = self.key;
        Self { key: (NOBODY, prefix, why), ip: None, user_agent: None, ..self }
    }

    /// What the journal says of them, at this moment.
    pub(crate) fn event(&self, at: Timestamp) -> Event {
        let (account, prefix, why) = self.key;
        let from = match prefix {
            Some(prefix) if self.ip.is_some() => format!("the network {}", prefix.network()),
            Some(_) => "an unknown network".to_owned(),
            None => "many networks".to_owned(),
        };
        let (count, first, last) = (self.count, rfc3339(self.first), rfc3339(self.last));
        let note = format!("{count}{MORE}{from}, the first at {first}, the last at {last}: {why}");
        let (ip, user_agent) = (self.ip.clone(), self.user_agent.clone());
        let kind = EventKind::LoginFailed;
        Event { account, at, kind, session: None, cause: None, ip, user_agent, note: Some(note) }
    }
}

/// How many failed log-ins an entry of the journal tells of: the first few of a network are told one by one, and the others
/// together.
#[must_use]
pub fn failures_told(event: &Event) -> u64 {
    if event.kind != EventKind::LoginFailed {
        return 0;
    }
    Failures::in_note(event.note.as_deref())
}

/// Whether so much time has passed since then; also where the clock went back by as much.
fn is_over(since: Timestamp, now: Timestamp, span: Duration) -> bool {
    now.millis_since(since).saturating_abs() >= millis(span)
}

/// Whether no more networks of an account and reason are told apart.
fn are_many(kept: &BTreeMap<Key, Kept>, account: AccountId, why: &'static str) -> bool {
    let those = kept.range((account, None, "")..).map(|(key, _)| key).take_while(|(of, ..)| *of == account);
    let (mut told_apart, mut looked_through) = (0, 0);
    for (_, network, reason) in those.take(LOOKED_THROUGH) {
        looked_through += 1;
        told_apart += usize::from(network.is_some() && *reason == why);
    }
    told_apart >= MOST_GATHERED || looked_through >= LOOKED_THROUGH
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const START: Timestamp = Timestamp(1_795_230_131_123);
    const WHY: &str = "wrong";
    const ANN: AccountId = AccountId(Uuid::from_u128(1));

    fn from(ip: &str) -> Requester {
        Requester { ip: Some(ip.to_owned()), ..Requester::nobody() }
    }

    fn after(seconds: u64) -> Timestamp {
        START.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn each_failed_log_in_grew_the_journal() {
        let failures = Failures::default();
        let (mut each, mut together) = (0, Vec::new());
        for second in 0..3500 {
            match failures.count(ANN, WHY, &from("192.0.2.7"), after(second)) {
                Told::Each => each += 1,
                Told::Nothing => {}
                Told::Together(more) => together.push(more),
            }
        }
        together.extend(failures.due(after(3500), true));
        assert_eq!(each, FIRST_FEW);
        assert!(together.len() <= 60, "{} entries in an hour", together.len());
        assert_eq!(
            together.iter().map(|more| more.count).sum::<u64>() + u64::from(each),
            3500,
            "none is lost"
        );
    }

    #[test]
    fn of_another_account_or_network_the_first_few_are_journalled_too() {
        let failures = Failures::default();
        for (account, ip) in [(ANN, "192.0.2.7"), (ANN, "198.51.100.7"), (NOBODY, "192.0.2.7")] {
            for _ in 0..FIRST_FEW {
                assert_eq!(failures.count(account, WHY, &from(ip), START), Told::Each, "{account} {ip}");
            }
            assert_eq!(failures.count(account, WHY, &from(ip), START), Told::Nothing, "{account} {ip}");
        }
        assert_eq!(
            failures.count(ANN, WHY, &from("192.0.2.99"), START),
            Told::Nothing,
            "it is the same network"
        );
        assert_eq!(
            failures.count(ANN, WHY, &from("192.0.2.7"), after(7200)),
            Told::Together(More {
                key: (ANN, Some(Prefix::of(Some("192.0.2.7"))), WHY),
                count: 3,
                first: START,
                last: after(7200),
                ip: Some("192.0.2.7".to_owned()),
                user_agent: None,
            })
        );
        assert_eq!(failures.count(ANN, WHY, &from("192.0.2.7"), after(7201)), Told::Each, "an hour later");
    }

    #[test]
    fn what_was_counted_is_journalled_within_a_minute_or_so() {
        let failures = Failures::default();
        for second in 0..8 {
            failures.count(ANN, WHY, &from("2001:db8::1"), after(second));
        }
        assert_eq!(failures.due(after(64), false), []);
        let due = failures.due(after(65), false);
        assert_eq!(failures_told(&due[0].event(after(65))), 3);
        let note = due[0].event(after(65)).note.unwrap();
        assert_eq!(
            note,
            "3 more from the network 2001:db8:0:0::/64, the first at 2026-11-21T03:02:16.123Z, the last at \
             2026-11-21T03:02:18.123Z: wrong"
        );
        assert_eq!(failures.due(after(65), true), [], "once");
        failures.put_back(due[0].clone());
        failures.count(ANN, WHY, &from("2001:db8::1"), after(60));
        let due = failures.due(after(67), true);
        assert_eq!((due[0].count, due[0].first, due[0].last), (4, after(5), after(60)));
    }

    #[test]
    fn what_costs_nobody_a_hash_makes_a_few_rows_a_minute_however_many_networks_it_comes_from() {
        let failures = Failures::default();
        for number in 0..5_000 {
            failures.gather(ANN, WHY, &from(&format!("10.{}.{}.1", number >> 8, number & 255)), START);
        }
        let due = failures.due(after(60), false);
        assert_eq!(due.len(), MOST_GATHERED + 1);
        assert_eq!(due.iter().map(|more| more.count).sum::<u64>(), 5_000, "none is lost");
        let many = due.iter().find(|more| more.key.1.is_none()).expect("the others, together");
        assert!(many.event(START).note.unwrap().contains("from many networks"));
        failures.gather(NOBODY, WHY, &from("192.0.2.7"), after(60));
        assert_eq!(failures.due(after(120), false)[0].key.1, Some(Prefix::of(Some("192.0.2.7"))));
    }

    #[test]
    fn networks_without_end_took_memory_without_end() {
        let failures = Failures::default();
        for number in 0..25_000 {
            failures.count(
                ANN,
                WHY,
                &from(&format!("2001:db8:{:x}:{:x}::1", number >> 12, number & 4095)),
                START,
            );
        }
        assert_eq!(failures.kept.lock().unwrap().len(), MOST + 1);
        let more = failures.due(START, true);
        assert_eq!(more.len(), 1);
        assert_eq!(more[0].count, 15_000 - u64::from(FIRST_FEW), "beyond, all networks are one");
        assert!(more[0].event(START).note.unwrap().contains("from many networks"));
        failures.count(ANN, WHY, &from("192.0.2.7"), after(3600));
        assert_eq!(failures.kept.lock().unwrap().len(), 1, "what is over is forgotten");
    }
}

//! Patterns are found in known histories, and nothing in a calm one.

use std::time::Duration;

use sprag::audit::{Entry, Event, EventKind, Head, NOBODY, Severity};
use sprag::clock::Timestamp;
use sprag::patterns::{Finding, Found, MAX_EVIDENCE, Pattern, Thresholds, Watch};
use sprag::place::Spot;
use sprag::session::{AccountId, EndCause};
use std::collections::HashMap;
use uuid::Uuid;

const START: Timestamp = Timestamp(1_800_000_000_000);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// A history as it stands in a journal, oldest first.
#[derive(Default)]
struct History {
    heads: HashMap<AccountId, Head>,
    entries: Vec<Entry>,
}

impl History {
    fn tell(&mut self, event: Event) {
        let head = self.heads.entry(event.account).or_insert_with(|| Head::new(event.account));
        let entry = head.add(event, [0; 32]);
        *head = entry.head();
        self.entries.push(entry);
    }

    fn at(&mut self, after: Duration, account: AccountId, kind: EventKind, ip: &str) {
        self.tell(told(after, account, kind, ip));
    }

    fn found(&self) -> Found {
        self.found_with(Thresholds::default())
    }

    fn found_with(&self, thresholds: Thresholds) -> Found {
        let mut watch = Watch::new(thresholds, Some(&place));
        self.entries.iter().for_each(|entry| watch.entry(entry));
        watch.finish()
    }

    fn only(&self) -> Finding {
        let found = self.found();
        assert_eq!(found.findings.len(), 1, "{found:?}");
        found.findings[0].clone()
    }
}

fn told(after: Duration, account: AccountId, kind: EventKind, ip: &str) -> Event {
    let (ip, at) = (Some(ip.to_owned()).filter(|ip| !ip.is_empty()), START.plus(after));
    Event { account, at, kind, session: None, cause: None, ip, user_agent: None, note: None }
}

/// London, but for two networks.
fn place(ip: &str) -> Option<Spot> {
    let (latitude, longitude) = match ip.split('.').next()? {
        "198" => (40.7, -74.0),
        "203" => (48.9, 2.4),
        _ => (51.5, -0.1),
    };
    Some(Spot { latitude, longitude, within_km: 20.0 })
}

fn account(number: u128) -> AccountId {
    AccountId(Uuid::from_u128(number))
}

#[test]
fn many_failures_from_one_network_are_found_and_those_told_together_count_as_many() {
    let mut history = History::default();
    for number in 0..99 {
        history.at(SECOND * number, NOBODY, EventKind::LoginFailed, &format!("192.0.2.{number}"));
    }
    assert_eq!(history.found(), Found::default(), "one fewer is none");
    history.at(SECOND * 100, account(1), EventKind::LoginFailed, "192.0.2.200");
    let finding = history.only();
    assert_eq!((finding.pattern, finding.severity), (Pattern::FailuresOfNetwork, Severity::Warning));
    assert_eq!((finding.count, finding.network.as_deref()), (100, Some("192.0.2.0/24")));
    assert_eq!((finding.first, finding.last), (START, START.plus(SECOND * 100)));
    assert_eq!(finding.evidence.len(), MAX_EVIDENCE);
    assert_eq!(finding.evidence.last(), Some(&(account(1), 1)), "the newest is named");

    let mut history = History::default();
    let note = "5000 more from the network 192.0.2.0/24, the first at 2026-11-21T03:02:16.123Z, the last at \
                2026-11-21T03:02:18.123Z: wrong password";
    let together = told(SECOND, account(1), EventKind::LoginFailed, "192.0.2.7");
    history.tell(Event { note: Some(note.to_owned()), ..together });
    assert_eq!((history.only().pattern, history.only().count), (Pattern::FailuresOfNetwork, 5000));
}

#[test]
fn one_network_on_many_accounts_is_found_and_is_critical_once_it_got_in() {
    let mut history = History::default();
    for number in 1..=12 {
        history.at(SECOND * number, account(number.into()), EventKind::LoginFailed, "192.0.2.7");
    }
    let finding = history.only();
    assert_eq!((finding.pattern, finding.severity), (Pattern::AccountsOfNetwork, Severity::Warning));
    assert_eq!((finding.count, finding.evidence.len()), (12, 12));
    history.at(SECOND * 60, account(99), EventKind::SessionOpened, "192.0.2.9");
    assert_eq!(history.only().severity, Severity::Warning, "a neighbour logs in, whom nobody tried");
    history.at(SECOND * 61, account(3), EventKind::SessionOpened, "192.0.2.9");
    let finding = history.only();
    assert_eq!(finding.severity, Severity::Critical);
    assert_eq!(finding.evidence.last(), Some(&(account(3), 2)));
    assert!(finding.note.is_some_and(|note| note.contains("logged in")));
}

#[test]
fn one_account_from_many_networks_is_found() {
    let mut history = History::default();
    for number in 0..10 {
        history.at(MINUTE * number, account(1), EventKind::LoginFailed, &format!("192.0.{number}.7"));
    }
    let finding = history.only();
    assert_eq!((finding.pattern, finding.account), (Pattern::NetworksOfAccount, Some(account(1))));
    assert_eq!((finding.count, finding.severity), (10, Severity::Warning));
    history.at(MINUTE * 11, account(1), EventKind::SessionOpened, "192.0.2.7");
    assert_eq!(history.only().severity, Severity::Critical);

    let mut slow = History::default();
    for number in 0..100 {
        slow.at(HOUR * number, account(1), EventKind::LoginFailed, &format!("192.0.{number}.7"));
    }
    assert_eq!(slow.found(), Found::default(), "a network an hour is a traveller who mistypes");
}

#[test]
fn reuse_and_lockstep_are_found_each_time() {
    let mut history = History::default();
    for (account, kind, cause) in [
        (account(1), EventKind::SessionEnded, Some(EndCause::Reuse)),
        (account(2), EventKind::Contested, None),
        (account(3), EventKind::Lockstep, None),
        (account(4), EventKind::SessionEnded, Some(EndCause::Lockstep)),
        (account(5), EventKind::SessionEnded, Some(EndCause::Logout)),
        (account(6), EventKind::ForeignRetry, None),
    ] {
        history.tell(Event { cause, ..told(SECOND, account, kind, "192.0.2.7") });
    }
    let found = history.found().findings;
    let of = |pattern| {
        found.iter().filter(move |finding| finding.pattern == pattern).filter_map(|finding| finding.account)
    };
    assert_eq!(of(Pattern::Reuse).collect::<Vec<_>>(), [account(1), account(2)]);
    assert_eq!(of(Pattern::Lockstep).collect::<Vec<_>>(), [account(3), account(4)]);
    assert!(
        found.iter().all(|finding| finding.severity == Severity::Critical && finding.evidence.len() == 1)
    );
    assert_eq!(found.len(), 4);
}

#[test]
fn impossible_travel_is_found_where_places_are_known() {
    let mut history = History::default();
    history.at(Duration::ZERO, account(1), EventKind::SessionOpened, "192.0.2.7");
    history.at(HOUR * 2, account(1), EventKind::SessionOpened, "198.51.100.7");
    let finding = history.only();
    assert_eq!((finding.pattern, finding.account), (Pattern::ImpossibleTravel, Some(account(1))));
    assert_eq!(finding.evidence, [(account(1), 1), (account(1), 2)]);
    assert!(finding.note.as_deref().is_some_and(|note| note.ends_with("km in 2.0 h")), "{finding:?}");

    let mut flown = History::default();
    flown.at(Duration::ZERO, account(1), EventKind::SessionOpened, "192.0.2.7");
    flown.at(HOUR * 9, account(1), EventKind::SessionOpened, "198.51.100.7");
    flown.at(HOUR * 20, account(1), EventKind::SessionOpened, "192.0.2.7");
    flown.at(HOUR * 20 + MINUTE, account(1), EventKind::SessionOpened, "203.0.113.7");
    assert_eq!(
        flown.found(),
        Found::default(),
        "a flight is possible, and Paris is where a database may place London"
    );
    let mut nowhere = Watch::new(Thresholds::default(), None);
    history.entries.iter().for_each(|entry| nowhere.entry(entry));
    assert_eq!(nowhere.finish(), Found::default());
}

#[test]
fn a_burst_of_new_accounts_is_found_and_those_made_by_commands_are_none() {
    let mut history = History::default();
    for number in 0..60 {
        history.at(SECOND * number, account(1000 + u128::from(number)), EventKind::AccountCreated, "");
    }
    assert_eq!(history.found(), Found::default());
    for number in 0..60 {
        let ip = format!("192.0.2.{number}");
        history.at(SECOND * (60 + number), account(u128::from(number)), EventKind::AccountCreated, &ip);
    }
    let finding = history.only();
    assert_eq!((finding.pattern, finding.count), (Pattern::NewAccounts, 60));
}

#[test]
fn thresholds_and_the_window_are_whoever_asks_own() {
    let mut history = History::default();
    for number in 0..3 {
        history.at(
            MINUTE * 20 * number,
            account(7 + u128::from(number)),
            EventKind::LoginFailed,
            "192.0.2.7",
        );
    }
    let strict = Thresholds { failures_of_network: 3, accounts_of_network: 3, ..Thresholds::default() };
    let found = history.found_with(strict).findings;
    let patterns: Vec<_> = found.iter().map(|finding| finding.pattern).collect();
    assert_eq!(patterns, [Pattern::FailuresOfNetwork, Pattern::AccountsOfNetwork]);
    let brief = Thresholds { window: MINUTE * 10, ..strict };
    assert_eq!(history.found_with(brief), Found::default());
}

#[test]
fn what_happens_again_after_a_quiet_time_is_found_again() {
    let mut history = History::default();
    for burst in 0..3 {
        for number in 0..100 {
            history.at(HOUR * 10 * burst + SECOND * number, NOBODY, EventKind::LoginFailed, "192.0.2.7");
        }
    }
    let found = history.found().findings;
    assert_eq!(found.iter().map(|finding| finding.count).collect::<Vec<_>>(), [100, 100, 100]);
}

/// A thousand people who log in and out for a week from where they live, mistype now and then, and move about a little.
#[test]
fn in_a_calm_history_nothing_is_found() {
    let mut history = History::default();
    for hour in 0..7 * 24 {
        for person in 0..1000_u32 {
            if (person + hour) % 24 != 0 {
                continue;
            }
            let ip = format!("10.{}.{}.{}", person / 50, hour % 3, person % 50);
            let at = HOUR * hour + SECOND * (person * 3);
            if (person + hour) % 7 == 0 {
                history.at(at, account(person.into()), EventKind::LoginFailed, &ip);
            }
            history.at(at + SECOND, account(person.into()), EventKind::SessionOpened, &ip);
            let ended = told(at + SECOND * 2, account(person.into()), EventKind::SessionEnded, &ip);
            history.tell(Event { cause: Some(EndCause::Logout), ..ended });
        }
    }
    assert!(history.entries.len() > 14_000);
    assert_eq!(history.found(), Found::default());
}

/// Failures without end, each from a network of its own, take no memory without end.
#[test]
fn networks_without_end_are_counted_and_left_out() {
    let mut history = History::default();
    for number in 0..100_010_u32 {
        let [_, a, b, c] = number.to_be_bytes();
        history.at(
            Duration::from_millis(number.into()),
            NOBODY,
            EventKind::LoginFailed,
            &format!("{}.{b}.{c}.7", 10 + a),
        );
    }
    let found = history.found();
    assert_eq!((found.findings.len(), found.unwatched), (0, 10));
}

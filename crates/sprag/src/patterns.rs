//! Patterns in the journal that look like an attack, found in one pass over its entries in the order of time.
//!
//! Nothing is decided by it. What it remembers is bounded: what happened within a window, and of each pattern that goes on a few
//! entries and a count.

use std::collections::HashMap;
use std::time::Duration;

use crate::audit::{Entry, EventKind, NOBODY, Severity};
use crate::authn::failures_told;
use crate::clock::{Timestamp, millis};
use crate::place::Spot;
use crate::prefix::Prefix;
use crate::session::{AccountId, EndCause};
use gathered::{Distinct, Sum};

mod gathered;

/// How many entries of the journal a finding names.
pub const MAX_EVIDENCE: usize = 20;

/// How many findings are kept; the rest is only counted.
pub const MAX_FINDINGS: usize = 1000;

/// How many networks or accounts are watched at once. Beyond that, those that come new are left out, and it is said how many.
const MAX_WATCHED: usize = 100_000;

/// An airliner's ground speed with the wind behind it, in kilometres an hour.
pub const AIRLINER: u32 = 1000;

/// How far apart two places are at least for a journey between them: databases of places err by as much.
const LEAST_KM: f64 = 500.0;

/// How long a log-in is remembered for the next one: nobody needs longer than that to be anywhere.
pub const JOURNEY: Duration = Duration::from_secs(48 * 3600);

macro_rules! patterns {
    ($($(#[$doc:meta])* $pattern:ident = $name:literal, $severity:ident, $told:literal, $advice:literal;)*) => {
        /// What was found; the names are stable.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Pattern {
            $($(#[$doc])* $pattern,)*
        }

        impl Pattern {
            /// Every pattern.
            pub const ALL: &'static [Self] = &[$(Self::$pattern),*];

            /// The stable name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$pattern => $name,)* }
            }

            /// How much it should worry its reader, as far as the pattern alone tells.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Self::$pattern => Severity::$severity,)* }
            }

            /// What it is, in a few words.
            #[must_use]
            pub fn told(self) -> &'static str {
                match self { $(Self::$pattern => $told,)* }
            }

            /// What to do about it.
            #[must_use]
            pub fn advice(self) -> &'static str {
                match self { $(Self::$pattern => $advice,)* }
            }
        }
    };
}

patterns! {
    /// Many log-ins failed that came from one network.
    FailuresOfNetwork = "failures_of_network", Warning, "many failed log-ins from one network",
        "somebody guesses from there: have the proxy or firewall slow that network down or shut it out, and see that rate-limits is on";
    /// Log-ins to many accounts failed that came from one network.
    AccountsOfNetwork = "accounts_of_network", Warning, "one network tried many accounts",
        "somebody tries names and passwords leaked elsewhere: shut the network out, and give those it got into a new password \
         (sprag user password), which ends their sessions";
    /// Log-ins to one account came from many networks.
    NetworksOfAccount = "networks_of_account", Warning, "one account was tried from many networks",
        "somebody guesses at this account from many machines: see that its password is long, ask its owner, and if they do not \
         know of it set a new one (sprag user password)";
    /// A spent token came back.
    Reuse = "reuse", Critical, "a spent refresh token came back, so somebody had a copy",
        "the session has ended, or will: ask the owner which devices are theirs (sprag session list), see how the session went \
         (sprag why SESSION), and set a new password if one is not";
    /// Another client instance was in step with a session.
    Lockstep = "lockstep", Critical, "two client instances used one session in step",
        "one of the two has no right to it: see how the session went (sprag why SESSION), ask the owner, and end it (sprag session \
         revoke SESSION)";
    /// Two log-ins of one account came from places too far apart.
    ImpossibleTravel = "impossible_travel", Warning, "an account logged in from two places faster than anybody travels",
        "a VPN does the same: ask the owner whether both were theirs, and if not set a new password (sprag user password)";
    /// Many accounts were made at once.
    NewAccounts = "new_accounts", Warning, "many accounts were made in a short time",
        "a launch does the same: if there was none, close registration (registration = \"closed\"), look at where they came from, \
         and delete those that nobody needs";
}

/// From when on something counts as a pattern.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Thresholds {
    /// Within which time it must happen.
    pub window: Duration,
    /// So many failed log-ins from one network.
    pub failures_of_network: u64,
    /// So many accounts to which log-ins from one network failed.
    pub accounts_of_network: usize,
    /// So many networks from which somebody tried to log in to one account, in vain or not.
    pub networks_of_account: usize,
    /// So many new accounts, of those that were made over the network.
    pub new_accounts: u64,
    /// Kilometres an hour.
    pub speed: u32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(3600),
            failures_of_network: 100,
            accounts_of_network: 10,
            networks_of_account: 10,
            new_accounts: 50,
            speed: AIRLINER,
        }
    }
}

/// A pattern that was found.
#[derive(Clone, PartialEq, Debug)]
pub struct Finding {
    /// Which.
    pub pattern: Pattern,
    /// How much it should worry its reader.
    pub severity: Severity,
    /// Of which account, where it is about one.
    pub account: Option<AccountId>,
    /// From which network, where it is about one.
    pub network: Option<String>,
    /// How many: failed log-ins, accounts, networks, events, as the pattern says.
    pub count: u64,
    /// When the first of what belongs to it happened.
    pub first: Timestamp,
    /// And the last.
    pub last: Timestamp,
    /// What else there is to say, as that somebody got in.
    pub note: Option<String>,
    /// Entries of the journal that show it, by account and number; at most [`MAX_EVIDENCE`], the last of them the newest.
    pub evidence: Vec<(AccountId, u64)>,
}

/// Where an address is, as far as somebody knows.
pub type Places<'p> = &'p (dyn Fn(&str) -> Option<Spot> + Sync);

/// Looks for patterns in entries that it hears of in the order of time.
pub struct Watch<'p> {
    thresholds: Thresholds,
    places: Option<Places<'p>>,
    failures: HashMap<Prefix, Sum>,
    tried: HashMap<Prefix, Distinct<AccountId>>,
    origins: HashMap<AccountId, Distinct<Prefix>>,
    reuses: HashMap<AccountId, Sum>,
    locksteps: HashMap<AccountId, Sum>,
    logins: HashMap<AccountId, Login>,
    made: Sum,
    tidied: Timestamp,
    found: Vec<Finding>,
    more: u64,
    unwatched: u64,
}

/// Where and when an account logged in last.
#[derive(Clone, Copy, Debug)]
struct Login {
    at: Timestamp,
    spot: Spot,
    number: u64,
}

/// What was found, and what was left out.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Found {
    /// What was found, the most severe first.
    pub findings: Vec<Finding>,
    /// How many more there were.
    pub more: u64,
    /// How many entries concerned networks or accounts that could not be watched, for too many were.
    pub unwatched: u64,
}

impl<'p> Watch<'p> {
    /// Begins. Journeys are looked for only where somebody knows `places`.
    #[must_use]
    pub fn new(thresholds: Thresholds, places: Option<Places<'p>>) -> Self {
        Self {
            thresholds,
            places,
            failures: HashMap::new(),
            tried: HashMap::new(),
            origins: HashMap::new(),
            reuses: HashMap::new(),
            locksteps: HashMap::new(),
            logins: HashMap::new(),
            made: Sum::default(),
            tidied: Timestamp(i64::MIN),
            found: Vec::new(),
            more: 0,
            unwatched: 0,
        }
    }

    /// Hears of the next entry.
    pub fn entry(&mut self, entry: &Entry) {
        let event = &entry.event;
        if event.at.millis_since(self.tidied) >= millis(self.thresholds.window) {
            self.tidy(event.at);
        }
        match (event.kind, event.cause) {
            (EventKind::LoginFailed, _) => self.failed(entry),
            (EventKind::SessionOpened, _) => self.opened(entry),
            (EventKind::AccountCreated, _) if event.ip.is_some() => {
                let least = self.thresholds.new_accounts;
                self.made.add(entry, 1, least, self.thresholds.window, || {
                    finding(Pattern::NewAccounts, None, None)
                });
            }
            (EventKind::Lockstep, _) | (EventKind::SessionEnded, Some(EndCause::Lockstep)) => {
                let begin = || finding(Pattern::Lockstep, Some(event.account), None);
                let sum = self.locksteps.entry(event.account).or_default();
                sum.add(entry, 1, 1, self.thresholds.window, begin);
            }
            (EventKind::Contested, _) | (EventKind::SessionEnded, Some(EndCause::Reuse)) => {
                let begin = || finding(Pattern::Reuse, Some(event.account), None);
                let sum = self.reuses.entry(event.account).or_default();
                sum.add(entry, 1, 1, self.thresholds.window, begin);
            }
            _ => {}
        }
    }

    fn failed(&mut self, entry: &Entry) {
        let (event, Thresholds { window, failures_of_network, accounts_of_network, .. }) =
            (&entry.event, self.thresholds);
        self.came_from(entry);
        if event.ip.is_none() {
            return;
        }
        let prefix = Prefix::of(event.ip.as_deref());
        let network = || Some(prefix.network());
        match watched(&mut self.failures, prefix) {
            None => self.unwatched += 1,
            Some(sum) => {
                let begin = || finding(Pattern::FailuresOfNetwork, None, network());
                sum.add(entry, failures_told(event), failures_of_network, window, begin);
            }
        }
        if event.account != NOBODY
            && let Some(tried) = watched(&mut self.tried, prefix)
        {
            let begin = || finding(Pattern::AccountsOfNetwork, None, network());
            tried.add(entry, event.account, accounts_of_network, window, begin);
        }
    }

    fn opened(&mut self, entry: &Entry) {
        let event = &entry.event;
        self.came_from(entry);
        let prefix = Prefix::of(event.ip.as_deref());
        if event.ip.is_some()
            && let Some(tried) = self.tried.get_mut(&prefix)
            && tried.has(&event.account)
        {
            tried.worsen(entry, "and then logged in to one of them from there");
        }
        if let Some(origins) = self.origins.get_mut(&event.account) {
            origins.worsen(entry, "and somebody logged in meanwhile");
        }
        self.travelled(entry);
    }

    /// Somebody tried to log in to an account, from somewhere.
    fn came_from(&mut self, entry: &Entry) {
        let (account, ip) = (entry.event.account, entry.event.ip.as_deref());
        let Thresholds { networks_of_account, window, .. } = self.thresholds;
        if account == NOBODY || ip.is_none() {
            return;
        }
        match watched(&mut self.origins, account) {
            None => self.unwatched += 1,
            Some(origins) => {
                let begin = || finding(Pattern::NetworksOfAccount, Some(account), None);
                origins.add(entry, Prefix::of(ip), networks_of_account, window, begin);
            }
        }
    }

    fn travelled(&mut self, entry: &Entry) {
        let (account, at) = (entry.event.account, entry.event.at);
        let Some(spot) = self.places.zip(entry.event.ip.as_deref()).and_then(|(places, ip)| places(ip))
        else {
            return;
        };
        let login = Login { at, spot, number: entry.number };
        if self.logins.len() >= MAX_WATCHED && !self.logins.contains_key(&account) {
            self.unwatched += 1;
            return;
        }
        let Some(before) = self.logins.insert(account, login) else { return };
        let far = before.spot.at_least_km(spot);
        let hours =
            f64::from(u32::try_from(at.millis_since(before.at).max(1)).unwrap_or(u32::MAX)) / 3_600_000.0;
        if far >= LEAST_KM && far / hours > f64::from(self.thresholds.speed) {
            let found = Finding {
                first: before.at,
                last: at,
                count: 1,
                note: Some(format!("{far:.0} km in {:.1} h", hours)),
                evidence: vec![(account, before.number), (account, entry.number)],
                ..finding(Pattern::ImpossibleTravel, Some(account), None)
            };
            self.keep(found);
        }
    }

    /// Forgets what is over, and keeps what was found of it.
    fn tidy(&mut self, now: Timestamp) {
        self.tidied = now;
        let window = self.thresholds.window;
        let mut over = Vec::new();
        self.failures.retain(|_, sum| !sum.is_over(now, window, &mut over));
        self.tried.retain(|_, tried| !tried.is_over(now, window, &mut over));
        self.origins.retain(|_, origins| !origins.is_over(now, window, &mut over));
        self.reuses.retain(|_, sum| !sum.is_over(now, window, &mut over));
        self.locksteps.retain(|_, sum| !sum.is_over(now, window, &mut over));
        if self.made.is_over(now, window, &mut over) {
            self.made = Sum::default();
        }
        self.logins.retain(|_, login| now.millis_since(login.at) < millis(JOURNEY));
        over.into_iter().for_each(|found| self.keep(found));
    }

    fn keep(&mut self, found: Finding) {
        if self.found.len() < MAX_FINDINGS {
            self.found.push(found);
        } else {
            self.more += 1;
        }
    }

    /// What was found.
    #[must_use]
    pub fn finish(mut self) -> Found {
        self.tidy(Timestamp(i64::MAX));
        let Self { mut found, more, unwatched, .. } = self;
        found.sort_by(|one, other| {
            let by = |found: &Finding| (std::cmp::Reverse(found.severity), found.pattern, found.first);
            by(one).cmp(&by(other)).then_with(|| one.evidence.cmp(&other.evidence))
        });
        Found { findings: found, more, unwatched }
    }
}

/// What is known of a network or an account; `None` where it is new and too many are watched.
fn watched<K: Eq + std::hash::Hash, V: Default>(all: &mut HashMap<K, V>, key: K) -> Option<&mut V> {
    if all.len() >= MAX_WATCHED && !all.contains_key(&key) {
        return None;
    }
    Some(all.entry(key).or_default())
}

/// A finding that has nothing yet.
fn finding(pattern: Pattern, account: Option<AccountId>, network: Option<String>) -> Finding {
    let (first, last) = (Timestamp(i64::MAX), Timestamp(i64::MIN));
    let severity = pattern.severity();
    Finding { pattern, severity, account, network, count: 0, first, last, note: None, evidence: Vec::new() }
}

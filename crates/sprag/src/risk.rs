//! How unlike those before it a log-in is: a sum of named reasons, and what is done about it.
//!
//! [`assess`] is one pure function from what is known of a log-in and of those before it to a [`Risk`]: each [`Reason`] that
//! holds adds the weight that the [`RiskPolicy`] gives it, and the sum is compared with its thresholds. The engine asks it
//! of whoever has shown who they are, before their session opens; what came of it stands in the journal, as [`Risk`] writes
//! itself and reads itself again.
//!
//! ```
//! use sprag::clock::Timestamp;
//! use sprag::risk::{Decision, Facts, LogIn, Reason, RiskPolicy, assess};
//!
//! let at_home = LogIn { at: Timestamp(0), devices: vec!["Firefox on Linux".into()], place: None };
//! let now = LogIn { at: Timestamp(60_000), devices: vec!["curl".into()], place: None };
//! let facts = Facts { failures: 7, ..Facts::of(now, vec![at_home]) };
//! let risk = assess(&facts, &RiskPolicy::default());
//! assert_eq!(risk.to_string(), "risk 40 (notify): new_device 20, failures_before 20 (7 in the hour before)");
//! assert_eq!(risk.decision, Decision::Notify);
//! ```

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::place::{Country, Location};

mod words;

pub use words::NoRisk;

/// How long before a log-in a failure counts.
pub const FAILURES_WITHIN: Duration = Duration::from_secs(3600);

/// Below this distance nobody is asked how they came there: places are known no better.
const TOLERANCE_KM: f64 = 300.0;

/// What makes a log-in unlike those before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The account has not logged in from this device before.
    NewDevice,
    /// The account has not logged in from this country before.
    NewCountry,
    /// Nobody travels so fast from where the last log-in was.
    ImpossibleTravel,
    /// Log-ins to the account failed just before.
    FailuresBefore,
    /// The address, or its network, is on the operator's list.
    ListedAddress,
    /// The password is known from a breach.
    BreachedPassword,
}

impl Reason {
    /// Every reason, in the order in which they are told.
    pub const ALL: [Self; 6] = [
        Self::NewDevice,
        Self::NewCountry,
        Self::ImpossibleTravel,
        Self::FailuresBefore,
        Self::ListedAddress,
        Self::BreachedPassword,
    ];

    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NewDevice => "new_device",
            Self::NewCountry => "new_country",
            Self::ImpossibleTravel => "impossible_travel",
            Self::FailuresBefore => "failures_before",
            Self::ListedAddress => "listed_address",
            Self::BreachedPassword => "breached_password",
        }
    }

    /// The reason that [`name`](Self::name) stands for.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

/// What each reason adds, and from which sum on something is done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RiskPolicy {
    /// What [`Reason::NewDevice`] adds; with 0 nobody looks for it, as for each of them.
    pub new_device: u32,
    /// What [`Reason::NewCountry`] adds.
    pub new_country: u32,
    /// What [`Reason::ImpossibleTravel`] adds.
    pub impossible_travel: u32,
    /// What [`Reason::FailuresBefore`] adds.
    pub failures_before: u32,
    /// What [`Reason::ListedAddress`] adds.
    pub listed_address: u32,
    /// What [`Reason::BreachedPassword`] adds.
    pub breached_password: u32,
    /// How many failures are needed for that reason.
    pub failures: u32,
    /// How fast people travel, in kilometres an hour.
    pub speed_kmh: u32,
    /// From which sum on the journal warns of the log-in.
    pub notify: Option<u32>,
    /// From which sum on a second factor is asked for.
    pub second_factor: Option<u32>,
    /// From which sum on no session opens.
    pub refuse: Option<u32>,
}

impl Default for RiskPolicy {
    fn default() -> Self {
        Self {
            new_device: 20,
            new_country: 30,
            impossible_travel: 50,
            failures_before: 20,
            listed_address: 40,
            breached_password: 20,
            failures: 5,
            speed_kmh: 1000,
            notify: Some(40),
            second_factor: None,
            refuse: None,
        }
    }
}

impl RiskPolicy {
    /// What a reason adds.
    #[must_use]
    pub fn weight(&self, reason: Reason) -> u32 {
        match reason {
            Reason::NewDevice => self.new_device,
            Reason::NewCountry => self.new_country,
            Reason::ImpossibleTravel => self.impossible_travel,
            Reason::FailuresBefore => self.failures_before,
            Reason::ListedAddress => self.listed_address,
            Reason::BreachedPassword => self.breached_password,
        }
    }

    /// What is done about a sum: the strictest of what it reaches.
    #[must_use]
    pub fn decision(&self, score: u32) -> Decision {
        let reached = |threshold: Option<u32>| threshold.is_some_and(|threshold| score >= threshold);
        match () {
            () if reached(self.refuse) => Decision::Refuse,
            () if reached(self.second_factor) => Decision::SecondFactor,
            () if reached(self.notify) => Decision::Notify,
            () => Decision::Allow,
        }
    }
}

/// One log-in, as far as it is known.
#[derive(Clone, PartialEq, Debug)]
pub struct LogIn {
    /// When.
    pub at: Timestamp,
    /// By which names its device would be known: what its user calls it, and what its client comes to.
    pub devices: Vec<String>,
    /// From where.
    pub place: Option<Location>,
}

/// What is known of a log-in and of those before it.
#[derive(Clone, PartialEq, Debug)]
pub struct Facts {
    /// The log-in.
    pub now: LogIn,
    /// Those of the account before it that are still known, in whatever order.
    pub earlier: Vec<LogIn>,
    /// How many log-ins to the account failed in [the time before](FAILURES_WITHIN), since the last that did not.
    pub failures: u64,
    /// Whether the address is on the operator's list.
    pub is_listed: bool,
    /// Whether the password that was typed is known from a breach.
    pub is_breached: bool,
    /// Whether the device is one that the account has logged in from, where it showed that itself; else its name and
    /// country tell.
    pub is_known_device: Option<bool>,
}

impl Facts {
    /// A log-in and those before it, and nothing else that is odd.
    #[must_use]
    pub fn of(now: LogIn, earlier: Vec<LogIn>) -> Self {
        Self { now, earlier, failures: 0, is_listed: false, is_breached: false, is_known_device: None }
    }
}

/// What a log-in came to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Risk {
    /// The sum.
    pub score: u32,
    /// What is done about it.
    pub decision: Decision,
    /// Why it is that much.
    pub reasons: Vec<Found>,
}

/// A reason that holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Found {
    /// Which.
    pub reason: Reason,
    /// What it adds.
    pub weight: u32,
    /// What more there is to say of it.
    pub detail: Option<String>,
}

/// What is done about a log-in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Nothing.
    Allow,
    /// The session opens, and the journal warns of it.
    Notify,
    /// A second factor is asked for.
    SecondFactor,
    /// No session opens.
    Refuse,
}

impl Decision {
    /// Every decision, from the mildest.
    pub const ALL: [Self; 4] = [Self::Allow, Self::Notify, Self::SecondFactor, Self::Refuse];

    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Notify => "notify",
            Self::SecondFactor => "second_factor",
            Self::Refuse => "refuse",
        }
    }
}

/// Says how unlike those before it a log-in is, and what is done about it.
///
/// Of an account's first log-in nothing is new: there is nothing to compare it with.
#[must_use]
pub fn assess(facts: &Facts, policy: &RiskPolicy) -> Risk {
    let holds = |reason| match reason {
        Reason::NewDevice => is_new_device(facts).then_some(None),
        Reason::NewCountry => new_country(facts).map(|country| Some(country.to_string())),
        Reason::ImpossibleTravel => impossible_travel(facts, policy.speed_kmh).map(Some),
        Reason::FailuresBefore => {
            let are_many = facts.failures > 0 && facts.failures >= u64::from(policy.failures);
            are_many.then(|| Some(format!("{} in the hour before", facts.failures)))
        }
        Reason::ListedAddress => facts.is_listed.then_some(None),
        Reason::BreachedPassword => facts.is_breached.then_some(None),
    };
    let looked_for = Reason::ALL.into_iter().filter(|reason| policy.weight(*reason) > 0);
    let reasons: Vec<Found> = looked_for
        .filter_map(|reason| Some(Found { reason, weight: policy.weight(reason), detail: holds(reason)? }))
        .collect();
    let score = reasons.iter().fold(0_u32, |sum, found| sum.saturating_add(found.weight));
    Risk { score, decision: policy.decision(score), reasons }
}

/// A device is known by what it shows itself, or else by one of its names, in a country that it was in before.
fn is_new_device(facts: &Facts) -> bool {
    let mut named = facts.earlier.iter().filter(|earlier| !earlier.devices.is_empty()).peekable();
    if named.peek().is_none() {
        return false;
    }
    if let Some(is_known) = facts.is_known_device {
        return !is_known;
    }
    let country = country_of(&facts.now);
    !named.any(|earlier| {
        let is_there = match (country, country_of(earlier)) {
            (Some(now), Some(then)) => now == then,
            _ => true,
        };
        is_there && earlier.devices.iter().any(|name| facts.now.devices.contains(name))
    })
}

fn new_country(facts: &Facts) -> Option<Country> {
    let country = country_of(&facts.now)?;
    let known: BTreeSet<Country> = facts.earlier.iter().filter_map(country_of).collect();
    (!known.is_empty() && !known.contains(&country)).then_some(country)
}

/// How somebody came here from the last place that is known, if nobody could.
fn impossible_travel(facts: &Facts, speed_kmh: u32) -> Option<String> {
    let here = facts.now.place.as_ref()?.somewhere()?;
    let known = facts.earlier.iter().filter(|earlier| earlier.at <= facts.now.at);
    let known = known.filter_map(|earlier| Some((earlier, earlier.place.as_ref()?.somewhere()?)));
    let (last, there) = known.max_by_key(|(earlier, _)| earlier.at)?;
    let km = there.at_least_km(here);
    let millis = facts.now.at.0.saturating_sub(last.at.0);
    let reached = f64::from(speed_kmh) * millis as f64 / 3_600_000.0;
    let from = country_of(last).map_or_else(String::new, |country| format!(" from {country}"));
    (km > TOLERANCE_KM && km > reached).then(|| format!("{km:.0} km{from} in {} min", millis / 60_000))
}

fn country_of(login: &LogIn) -> Option<Country> {
    login.place.as_ref()?.country
}

#[cfg(test)]
mod tests;

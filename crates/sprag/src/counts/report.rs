//! The report: what was counted, by day, week or month.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::distinct::Distinct;
use super::fold::{Runs, merge, read};
use super::names::{
    ACTIVE_ACCOUNTS, COUNTED_UNTIL, COUNTRIES, EVENTS, FAILED_LOGINS, LEFT, LIVE_SESSIONS, LOGINS, LOST,
    NEW_DEVICES, REFRESHES, REFUSED_REFRESHES, SESSIONS_ENDED, SESSIONS_OPENED, SWEEP,
};
use crate::audit::EventKind;
use crate::clock::{Timestamp, rfc3339};
use crate::day::Day;
use crate::error::Fault;
use crate::store::{DailyCount, SESSIONS_PER_ACCOUNT, Store};

/// How many days a report by day has at most, as long as somebody is to read it: of more, ask by week or by month.
pub const LONGEST_BY_DAY: i32 = 400;

/// How many days a report covers at most.
const LONGEST: i32 = 3660;

/// What the rows of a report are of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A day each.
    #[default]
    Day,
    /// Weeks, from Monday to Sunday.
    Week,
    /// Calendar months.
    Month,
}

impl FromStr for By {
    type Err = NoPeriod;

    fn from_str(text: &str) -> Result<Self, NoPeriod> {
        match text {
            "day" => Ok(Self::Day),
            "week" => Ok(Self::Week),
            "month" => Ok(Self::Month),
            _ => Err(NoPeriod),
        }
    }
}

/// A text that names no period.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a report is by day, week or month")]
pub struct NoPeriod;

impl By {
    /// The first day of the period in which a day lies.
    fn begins(self, day: Day) -> Day {
        match self {
            Self::Day => day,
            Self::Week => day.monday(),
            Self::Month => day.first_of_month(),
        }
    }

    /// The name as it is read.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }
}

/// What was counted in some days.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Report {
    /// The first day.
    pub since: Day,
    /// The last day.
    pub until: Day,
    /// What each row is of.
    pub by: By,
    /// Until when everything is in it that nodes counted which still count, or which ended in order.
    #[serde(serialize_with = "moment")]
    pub complete_until: Timestamp,
    /// What may be missing before that moment: of each node that was killed, at most its last minute.
    pub gaps: Vec<Gap>,
    /// Each period, the oldest first; those in which nothing was counted, too.
    pub rows: Vec<ReportRow>,
    /// All days as one.
    pub total: ReportRow,
}

/// What may be missing because nodes ended without a word.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Gap {
    /// On which day they ended.
    pub day: Day,
    /// How many nodes.
    pub nodes: u64,
    /// The moment until which everything is counted, where it is known of one node.
    #[serde(serialize_with = "optional_moment")]
    pub from: Option<Timestamp>,
    /// The moment after which nothing can be missing.
    #[serde(serialize_with = "optional_moment")]
    pub until: Option<Timestamp>,
}

/// What was counted in one period. `docs/reference/report.md` says of each where it comes from.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ReportRow {
    /// The first day of it that the report covers.
    pub from: Day,
    /// The last one.
    pub until: Day,
    /// Log-ins that opened a session.
    pub logins: u64,
    /// Log-ins that were refused, by refusal.
    pub failed_logins: BTreeMap<String, u64>,
    /// Refreshes that were answered with tokens.
    pub refreshes: u64,
    /// Of those, the ones that were answered once more.
    pub refreshes_repeated: u64,
    /// Refreshes that were refused, by refusal.
    pub refused_refreshes: BTreeMap<String, u64>,
    /// Sessions that began, by what opened them.
    pub sessions_opened: BTreeMap<String, u64>,
    /// Sessions that ended, by cause.
    pub sessions_ended: BTreeMap<String, u64>,
    /// How many sessions lived when most did, as sweeps saw it; none where no sweep went through all.
    pub live_sessions: Option<u64>,
    /// How many accounts had how many sessions then.
    pub sessions_per_account: Vec<Bucket>,
    /// How many accounts logged in or refreshed, each counted once.
    pub active_accounts: u64,
    /// Whether that is exact; if not, its standard error is 0.8 %.
    pub active_accounts_exact: bool,
    /// Devices that an account logged in from for the first time.
    pub new_devices: u64,
    /// Countries that log-ins came from.
    pub login_countries: BTreeMap<String, u64>,
    /// Accounts that were made or came from another system.
    pub new_accounts: u64,
    /// Accounts that were deleted.
    pub deleted_accounts: u64,
    /// What else the journal was told, by kind.
    pub events: BTreeMap<String, u64>,
    /// What sweeps did.
    pub sweep: SweepWork,
}

/// Accounts that had so many live sessions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Bucket {
    /// More than the bucket before, and at most so many; none where there is no bound.
    pub up_to: Option<u64>,
    /// How many accounts.
    pub accounts: u64,
}

/// What sweeps did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct SweepWork {
    /// How often one went through all sessions.
    pub passes: u64,
    /// Rows looked at.
    pub seen: u64,
    /// Sessions ended because they had expired.
    pub ended: u64,
    /// Ended sessions removed.
    pub removed: u64,
}

/// The report of the days from `since` to `until`, as far as it is known by `now`.
///
/// # Errors
/// A [`Fault`].
pub(crate) async fn report(
    store: &dyn Store,
    (since, until): (Day, Day),
    by: By,
    now: Timestamp,
) -> Result<Report, Fault> {
    let since = since.max(until.plus(1 - LONGEST)).min(until);
    let counts = read(store, since, until).await?;
    let (marks, counts): (Vec<_>, Vec<_>) =
        counts.into_iter().partition(|count| [COUNTED_UNTIL, LEFT, LOST].contains(&count.key.name.as_str()));
    let (complete_until, gaps) = completeness(&marks, until, now);
    let mut rows = Vec::new();
    let mut from = since;
    while from <= until {
        let mut last = from;
        while last < until && by.begins(last.plus(1)) == by.begins(from) {
            last = last.plus(1);
        }
        rows.push(ReportRow::of((from, last), &counts));
        from = last.plus(1);
    }
    Ok(Report { since, until, by, complete_until, gaps, rows, total: ReportRow::of((since, until), &counts) })
}

/// Until when all is there, and what may be missing before.
fn completeness(marks: &[DailyCount], until: Day, now: Timestamp) -> (Timestamp, Vec<Gap>) {
    const MINUTE_MILLIS: i64 = 60_000;
    let (mut complete_until, mut gaps) = (now.min(until.ends()), Vec::new());
    for marks in marks.chunk_by(|one, next| one.key.day == next.key.day) {
        let day = marks[0].key.day;
        let Runs { counting, lost } = Runs::of(marks, day, Some(now));
        complete_until = counting.into_iter().fold(complete_until, Timestamp::min);
        let known = marks.iter().filter(|mark| mark.key.name == LOST).map(|mark| mark.count).sum();
        if known > 0 {
            gaps.push(Gap { day, nodes: known, from: None, until: None });
        }
        gaps.extend(lost.into_iter().map(|from| {
            let until = Some(Timestamp(from.0 + MINUTE_MILLIS));
            Gap { day, nodes: 1, from: Some(from), until }
        }));
    }
    gaps.sort_by_key(|gap| (gap.day, gap.from));
    (complete_until, gaps)
}

impl ReportRow {
    /// What was counted from one day to another, of sums in the order of their days.
    fn of((from, until): (Day, Day), counts: &[DailyCount]) -> Self {
        let counts = &counts[counts.partition_point(|count| count.key.day < from)..];
        let counts = &counts[..counts.partition_point(|count| count.key.day <= until)];
        let mut sums: BTreeMap<(&str, &str), DailyCount> = BTreeMap::new();
        for count in counts {
            let place = (count.key.name.as_str(), count.key.label.as_str());
            let sum = match sums.remove(&place) {
                Some(known) => merge(known, count.clone()),
                None => count.clone(),
            };
            sums.insert(place, sum);
        }
        let by_label = |name: &str| -> BTreeMap<String, u64> {
            let found = sums.iter().filter(|((of, _), _)| *of == name);
            found.map(|((_, label), sum)| ((*label).to_owned(), sum.count)).collect()
        };
        let one = |name: &str, label: &str| sums.get(&(name, label)).map_or(0, |sum| sum.count);
        let live = sums.get(&(LIVE_SESSIONS, ""));
        let active = sums.get(&(ACTIVE_ACCOUNTS, ""));
        let kept = active.and_then(|active| Distinct::from_bytes(active.detail.as_deref()?));
        let event = |kind: EventKind| one(EVENTS, kind.name());
        Self {
            from,
            until,
            logins: one(LOGINS, ""),
            failed_logins: by_label(FAILED_LOGINS),
            refreshes: by_label(REFRESHES).values().sum(),
            refreshes_repeated: one(REFRESHES, "repeated"),
            refused_refreshes: by_label(REFUSED_REFRESHES),
            sessions_opened: by_label(SESSIONS_OPENED),
            sessions_ended: by_label(SESSIONS_ENDED),
            live_sessions: live.map(|live| live.count),
            sessions_per_account: live.map(buckets).unwrap_or_default(),
            active_accounts: kept
                .as_ref()
                .map_or(active.map_or(0, |active| active.count), |kept| kept.count().0),
            active_accounts_exact: active.is_none() || kept.is_some_and(|kept| kept.count().1),
            new_devices: one(NEW_DEVICES, ""),
            login_countries: by_label(COUNTRIES),
            new_accounts: event(EventKind::AccountCreated) + event(EventKind::AccountImported),
            deleted_accounts: event(EventKind::AccountDeleted),
            events: by_label(EVENTS),
            sweep: SweepWork {
                passes: one(SWEEP, "passes"),
                seen: one(SWEEP, "seen"),
                ended: one(SWEEP, "ended"),
                removed: one(SWEEP, "removed"),
            },
        }
    }
}

fn buckets(live: &DailyCount) -> Vec<Bucket> {
    let (counts, _) = live.detail.as_deref().unwrap_or_default().as_chunks::<8>();
    let bounds = SESSIONS_PER_ACCOUNT.into_iter().map(Some).chain([None]);
    let counts = counts.iter().map(|count| u64::from_be_bytes(*count));
    bounds.zip(counts).map(|(up_to, accounts)| Bucket { up_to, accounts }).collect()
}

fn moment<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&rfc3339(*at))
}

fn optional_moment<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => moment(at, serializer),
        None => serializer.serialize_none(),
    }
}

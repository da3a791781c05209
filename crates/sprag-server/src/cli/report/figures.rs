//! What a report shows, in words and in figures, whatever it is drawn on.

use std::collections::BTreeMap;

use sprag::counts::{Gap, Report, ReportRow};

use crate::cli::output::{minute, moment};

/// What the report is of.
pub(super) fn heading(report: &Report) -> String {
    format!("{} to {}, by {} (UTC)", report.since, report.until, report.by.name())
}

/// Until when it is complete, and what may be missing before.
pub(super) fn completeness(report: &Report) -> Vec<String> {
    let until = moment(report.complete_until);
    let mut told = vec![format!("Complete until {until}; nodes write what they count once a minute.")];
    told.extend(report.gaps.iter().map(told_gap));
    told
}

fn told_gap(gap: &Gap) -> String {
    match (gap.from, gap.until) {
        (Some(from), Some(until)) => format!(
            "A node ended without a word: what it counted between {} and {} UTC, its last minute at most, is missing.",
            moment(from).trim_end_matches(" UTC"),
            minute(until)
        ),
        _ => {
            let nodes = if gap.nodes == 1 { "1 node".to_owned() } else { format!("{} nodes", gap.nodes) };
            format!(
                "On {} {nodes} ended without a word: of each, its last minute at most is missing.",
                gap.day
            )
        }
    }
}

/// Digits in groups of three.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}

/// One line of figures over time.
pub(super) struct Series {
    pub(super) name: &'static str,
    /// What it tells, in a sentence.
    pub(super) says: &'static str,
    /// Of each period; nothing where it is not known.
    pub(super) values: Vec<Option<u64>>,
    /// Of all of them.
    pub(super) total: Option<u64>,
    /// What the total is, where it is no sum.
    pub(super) total_is: &'static str,
}

/// What is told of each period, in the order in which it is told.
pub(super) fn series(report: &Report) -> Vec<Series> {
    type Of = fn(&ReportRow) -> Option<u64>;
    let all: [(&str, &str, Of, &str); 11] = [
        ("log-ins", "Log-ins that opened a session.", |row| Some(row.logins), ""),
        ("failed log-ins", "Log-ins that were refused.", |row| Some(row.failed_logins.values().sum()), ""),
        ("refreshes", "Refreshes that were answered with tokens.", |row| Some(row.refreshes), ""),
        (
            "refused refreshes",
            "Refreshes that were refused.",
            |row| Some(row.refused_refreshes.values().sum()),
            "",
        ),
        (
            "active accounts",
            "Accounts that logged in or refreshed, each counted once.",
            |row| Some(row.active_accounts),
            "each once",
        ),
        (
            "live sessions",
            "Sessions that lived when most did, as sweeps saw it.",
            |row| row.live_sessions,
            "at most",
        ),
        ("new sessions", "Sessions that began.", |row| Some(row.sessions_opened.values().sum()), ""),
        ("ended sessions", "Sessions that ended.", |row| Some(row.sessions_ended.values().sum()), ""),
        (
            "new accounts",
            "Accounts that were made or came from another system.",
            |row| Some(row.new_accounts),
            "",
        ),
        (
            "new devices",
            "Devices that an account logged in from for the first time.",
            |row| Some(row.new_devices),
            "",
        ),
        ("swept away", "Ended sessions that sweeps removed.", |row| Some(row.sweep.removed), ""),
    ];
    all.into_iter()
        .map(|(name, says, of, total_is)| Series {
            name,
            says,
            values: report.rows.iter().map(of).collect(),
            total: of(&report.total),
            total_is,
        })
        .collect()
}

/// What is told of all periods by kind.
pub(super) struct Kinds {
    pub(super) name: &'static str,
    pub(super) kinds: Vec<(String, u64)>,
}

pub(super) fn kinds(report: &Report) -> Vec<Kinds> {
    let total = &report.total;
    let sorted = |counts: &BTreeMap<String, u64>| {
        let mut counts: Vec<_> = counts.iter().map(|(label, count)| (label.clone(), *count)).collect();
        counts.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        counts
    };
    let mut from = 1;
    let buckets = total.sessions_per_account.iter().map(|bucket| {
        let label = match bucket.up_to {
            Some(up_to) if up_to == from => format!("{from}"),
            Some(up_to) => format!("{from} to {up_to}"),
            None => format!("{from} or more"),
        };
        from = bucket.up_to.map_or(from, |up_to| up_to + 1);
        (label, bucket.accounts)
    });
    let buckets: Vec<_> = buckets.collect();
    let last = buckets.iter().rposition(|(_, accounts)| *accounts > 0).map_or(0, |last| last + 1);
    let all = [
        ("Failed log-ins, by refusal", sorted(&total.failed_logins)),
        ("Refused refreshes, by refusal", sorted(&total.refused_refreshes)),
        ("New sessions, by what opened them", sorted(&total.sessions_opened)),
        ("Ended sessions, by cause", sorted(&total.sessions_ended)),
        ("Accounts by live sessions, when most lived", buckets.into_iter().take(last).collect()),
        ("Log-ins, by country", sorted(&total.login_countries)),
        ("What else the journal was told, by kind", sorted(&total.events)),
    ];
    all.into_iter()
        .map(|(name, kinds)| Kinds { name, kinds })
        .filter(|kinds| !kinds.kinds.is_empty())
        .collect()
}

//! What the load came to: a table for people, JSON for machines.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::driver::Endpoint;
use super::memory::Memory;
use super::tally::{Latency, Tally};

/// Everything that is reported.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) url: String,
    pub(super) connections: usize,
    /// Sessions refreshed in turn.
    pub(super) chains: usize,
    /// Sessions in the store, if they were counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stored: Option<u64>,
    pub(super) warmup_seconds: f64,
    pub(super) duration_seconds: f64,
    /// Requests a second that were to be sent; `null` where each answer lets the next request go.
    pub(super) rate: Option<f64>,
    pub(super) rounds: Vec<Line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) compared: Option<Compared>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server_memory: Option<Memory>,
    /// What the first failure said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_failure: Option<String>,
}

/// One round.
#[derive(Serialize)]
pub(super) struct Line {
    endpoint: Endpoint,
    requests: u64,
    ok: u64,
    rotated: u64,
    kept: u64,
    refused: BTreeMap<u16, u64>,
    broken: u64,
    unsent: u64,
    warmup_failures: u64,
    /// Work done: committed rotations, or answers of `/healthz`.
    per_second: f64,
    latency_ms: Latency,
}

/// Refreshes beside the bare cost of HTTP, measured in turn.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub(super) struct Compared {
    healthz_per_second: f64,
    refresh_per_second: f64,
    refresh_to_healthz: f64,
}

impl Line {
    pub(super) fn new(endpoint: Endpoint, tally: &Tally, duration: Duration) -> Self {
        let work = match endpoint {
            Endpoint::Refresh => tally.rotated,
            Endpoint::Healthz => tally.ok,
        };
        Self {
            endpoint,
            requests: tally.requests,
            ok: tally.ok,
            rotated: tally.rotated,
            kept: tally.kept,
            refused: tally.refused.clone(),
            broken: tally.broken,
            unsent: tally.unsent,
            warmup_failures: tally.warmup_failures,
            per_second: to_f64(work) / duration.as_secs_f64(),
            latency_ms: tally.latency(),
        }
    }

    fn failures(&self) -> u64 {
        self.refused.values().sum::<u64>() + self.broken + self.warmup_failures
    }
}

impl Compared {
    /// The medians of both endpoints' rounds.
    pub(super) fn of(rounds: &[Line]) -> Option<Self> {
        let rates = |endpoint| {
            rounds.iter().filter(|line| line.endpoint == endpoint).map(|line| line.per_second).collect()
        };
        let healthz_per_second = median(rates(Endpoint::Healthz))?;
        let refresh_per_second = median(rates(Endpoint::Refresh))?;
        let refresh_to_healthz = refresh_per_second / healthz_per_second;
        Some(Self { healthz_per_second, refresh_per_second, refresh_to_healthz })
    }
}

impl Report {
    /// Whether nothing was refused and nothing broke.
    pub(super) fn is_clean(&self) -> bool {
        self.rounds.iter().all(|line| line.failures() == 0)
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for line in [self.heading(), self.counts(), self.latencies(), self.conclusion()] {
            text += &line;
        }
        text
    }

    fn heading(&self) -> String {
        let pace = match self.rate {
            Some(rate) => format!("{rate} requests/s due at fixed moments"),
            None => "each answer lets the next request go".to_owned(),
        };
        let stored = self.stored.map(|stored| format!(" of {stored} in the store")).unwrap_or_default();
        let sessions = match self.chains {
            0 => String::new(),
            chains => format!(", {chains} sessions in turn{stored}"),
        };
        format!(
            "{}: {} connections{sessions}\n{} s a round after {} s of warm-up, {pace}\n\n",
            self.url, self.connections, self.duration_seconds, self.warmup_seconds
        )
    }

    fn counts(&self) -> String {
        let mut text = row(["round", "requests", "ok", "rotated", "kept", "refused", "broken", "work/s"]);
        for (index, line) in self.rounds.iter().enumerate() {
            let of_refresh = |count: u64| match line.endpoint {
                Endpoint::Refresh => count.to_string(),
                Endpoint::Healthz => "-".to_owned(),
            };
            text += &row([
                &name(index, line.endpoint),
                &line.requests.to_string(),
                &line.ok.to_string(),
                &of_refresh(line.rotated),
                &of_refresh(line.kept),
                &line.refused.values().sum::<u64>().to_string(),
                &line.broken.to_string(),
                &format!("{:.0}", line.per_second),
            ]);
        }
        text + "\n"
    }

    fn latencies(&self) -> String {
        let mut text = row(["latency, ms", "p50", "p90", "p99", "p99.9", "max", "", ""]);
        for (index, line) in self.rounds.iter().enumerate() {
            let Latency { p50, p90, p99, p999, max } = line.latency_ms;
            let [p50, p90, p99, p999, max] = [p50, p90, p99, p999, max].map(|millis| format!("{millis:.2}"));
            text += &row([&name(index, line.endpoint), &p50, &p90, &p99, &p999, &max, "", ""]);
        }
        text + "\n"
    }

    fn conclusion(&self) -> String {
        let mut text = String::new();
        if let Some(compared) = self.compared {
            let Compared { healthz_per_second, refresh_per_second, refresh_to_healthz } = compared;
            text += &format!(
                "medians: {refresh_per_second:.0} rotations/s, {healthz_per_second:.0} /healthz answers/s; a \
                 rotation runs at {refresh_to_healthz:.2} of bare HTTP\n"
            );
        }
        if let Some(Memory { resident_bytes, peak_bytes }) = self.server_memory {
            text += &format!(
                "server memory: {:.1} MiB, at most {:.1} MiB\n",
                mebi(resident_bytes),
                mebi(peak_bytes)
            );
        }
        for warning in self.warnings() {
            text += &format!("warning: {warning}\n");
        }
        text
    }

    /// What a reader must know before believing the figures.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let sum = |part: fn(&Line) -> u64| self.rounds.iter().map(part).sum::<u64>();
        let refreshed = sum(|line| line.kept + line.rotated);
        let kept = sum(|line| line.kept);
        if kept * 2 > refreshed {
            warnings.push(format!(
                "{kept} of {refreshed} refreshes kept their token, since their session had rotated a moment before: \
                 that is not the work of a rotation. Start the server with --reuse-interval 0s to measure rotations"
            ));
        }
        let unsent = sum(|line| line.unsent);
        if unsent > 0 {
            warnings.push(format!(
                "{unsent} requests were due and could not leave before the time was up: the server does not hold \
                 this rate, and the latencies leave those requests out"
            ));
        }
        if !self.is_clean() {
            warnings.push(self.failures());
        }
        warnings
    }

    fn failures(&self) -> String {
        let mut text = "not all went well:".to_owned();
        let mut by_status = BTreeMap::<u16, u64>::new();
        for (status, count) in self.rounds.iter().flat_map(|line| &line.refused) {
            *by_status.entry(*status).or_default() += count;
        }
        for (status, count) in by_status {
            text += &format!(" {count} answered {status},");
        }
        let broken: u64 = self.rounds.iter().map(|line| line.broken).sum();
        let in_warmup: u64 = self.rounds.iter().map(|line| line.warmup_failures).sum();
        text += &format!(" {broken} broken, {in_warmup} in the warm-up");
        if let Some(first) = &self.first_failure {
            text += &format!("; the first: {first}");
        }
        if self.rounds.iter().any(|line| line.refused.contains_key(&429)) {
            text += "; start the server with --rate-limits off to load it";
        }
        text
    }
}

fn name(index: usize, endpoint: Endpoint) -> String {
    let endpoint = match endpoint {
        Endpoint::Refresh => "refresh",
        Endpoint::Healthz => "healthz",
    };
    format!("{} {endpoint}", index + 1)
}

fn row(cells: [&str; 8]) -> String {
    let mut text = String::new();
    let [first, rest @ ..] = cells;
    // Writing into memory does not fail.
    let _ = write!(text, "  {first:<12}");
    for cell in rest {
        let _ = write!(text, "{cell:>11}");
    }
    text.trim_end().to_owned() + "\n"
}

/// The middle one; of an even number, what lies between the two in the middle.
pub(crate) fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    if figures.len().is_multiple_of(2) {
        Some(f64::midpoint(*figures.get(middle.checked_sub(1)?)?, *figures.get(middle)?))
    } else {
        figures.get(middle).copied()
    }
}

fn mebi(bytes: u64) -> f64 {
    to_f64(bytes) / (1024.0 * 1024.0)
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^53")]
fn to_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::super::tally::Outcome;
    use super::*;

    fn line(endpoint: Endpoint, outcome: Outcome<'_>, count: u64) -> Line {
        let mut tally = Tally::default();
        for _ in 0..count {
            tally.answered(outcome, Duration::from_millis(2));
        }
        Line::new(endpoint, &tally, Duration::from_secs(2))
    }

    fn report(rounds: Vec<Line>) -> Report {
        Report {
            url: "http://127.0.0.1:8080".into(),
            connections: 64,
            chains: 4096,
            stored: Some(1_000_000),
            warmup_seconds: 1.0,
            duration_seconds: 2.0,
            rate: None,
            compared: Compared::of(&rounds),
            rounds,
            server_memory: Some(Memory { resident_bytes: 12 << 20, peak_bytes: 13 << 20 }),
            first_failure: None,
        }
    }

    #[test]
    fn medians() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0]), Some(2.5));
    }

    #[test]
    fn a_comparison_reads_well() {
        let rounds =
            vec![line(Endpoint::Healthz, Outcome::Fine, 200), line(Endpoint::Refresh, Outcome::Rotated, 100)];
        let text = report(rounds).text();
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        insta::assert_snapshot!(text, @r"
        http://127.0.0.1:8080: 64 connections, 4096 sessions in turn of 1000000 in the store
        2 s a round after 1 s of warm-up, each answer lets the next request go

          round          requests         ok    rotated       kept    refused     broken     work/s
          1 healthz           200        200          -          -          0          0        100
          2 refresh           100        100        100          0          0          0         50

          latency, ms         p50        p90        p99      p99.9        max
          1 healthz          2.00       2.00       2.00       2.00       2.00
          2 refresh          2.00       2.00       2.00       2.00       2.00

        medians: 50 rotations/s, 100 /healthz answers/s; a rotation runs at 0.50 of bare HTTP
        server memory: 12.0 MiB, at most 13.0 MiB
        ");
    }

    #[test]
    fn kept_tokens_are_no_rotations_and_the_reader_is_told() {
        let report = report(vec![line(Endpoint::Refresh, Outcome::Kept, 10)]);
        assert_eq!(report.rounds[0].per_second, 0.0);
        assert!(report.warnings()[0].contains("--reuse-interval 0s"), "{:?}", report.warnings());
        assert!(report.is_clean());
    }

    #[test]
    fn refusals_are_told_by_status() {
        let mut report = report(vec![line(Endpoint::Refresh, Outcome::Refused(401, b""), 3)]);
        report.first_failure = Some("401 {}".into());
        assert!(!report.is_clean());
        assert_eq!(
            report.warnings(),
            ["not all went well: 3 answered 401, 0 broken, 0 in the warm-up; the first: 401 {}"]
        );
    }
}

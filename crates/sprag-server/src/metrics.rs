//! What is counted, in the Prometheus text form. Each server has a registry of its own; nothing is global.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use sprag::ratchet::Row;

/// A form of the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The older form of Prometheus, version 0.0.4, which everything reads.
    Plain,
}

/// Everything this server counts.
pub struct Metrics {
    registry: Registry,
    verdicts: [Counter; Row::ALL.len()],
    requests: Family<RequestLabels, Counter>,
    refreshes_limited: Family<BudgetLabels, Counter>,
    refresh_seconds: Histogram,
    /// Connections open now.
    pub connections: Gauge,
    /// Connections closed at once because there were too many.
    pub connections_refused: Counter,
    /// Connections closed because others needed their place or the memory they held.
    pub connections_gave_way: Counter,
    /// HTTP/2 connections closed because they sent too many frames that ask for nothing.
    pub connections_flooding: Counter,
    /// Sessions that a sweep ended because they had expired.
    pub swept_ended: Counter,
    /// Ended sessions that a sweep removed.
    pub swept_removed: Counter,
    aheads: Counter<u64, AtomicU64>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct RequestLabels {
    action: &'static str,
    status: Status,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct BudgetLabels {
    budget: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Status(u16);

impl EncodeLabelValue for Status {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        u64::from(self.0).encode(encoder)
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct RowLabels {
    row: &'static str,
    verdict: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("sprag");
        let rows = Family::<RowLabels, Counter>::default();
        registry.register("verdicts", "Refreshes by the row of the verdict table that decided", rows.clone());
        let labels = |row: Row| RowLabels { row: row.number(), verdict: row.name() };
        let verdicts = Row::ALL.map(|row| rows.get_or_create(&labels(row)).clone());
        let metrics = Self {
            verdicts,
            requests: Family::default(),
            refreshes_limited: Family::default(),
            refresh_seconds: Histogram::new([
                0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 3.0,
            ]),
            connections: Gauge::default(),
            connections_refused: Counter::default(),
            connections_gave_way: Counter::default(),
            connections_flooding: Counter::default(),
            swept_ended: Counter::default(),
            swept_removed: Counter::default(),
            aheads: Counter::default(),
            registry: Registry::default(),
        };
        registry.register("requests", "Answers by action and status", metrics.requests.clone());
        registry.register(
            "refreshes_limited",
            "Refreshes answered 429 because a budget was exhausted",
            metrics.refreshes_limited.clone(),
        );
        registry.register_with_unit(
            "refresh",
            "Time from a refresh request's last byte to its answer",
            Unit::Seconds,
            metrics.refresh_seconds.clone(),
        );
        registry.register("connections", "Connections open now", metrics.connections.clone());
        registry.register(
            "connections_refused",
            "Connections closed at once because there were too many",
            metrics.connections_refused.clone(),
        );
        registry.register(
            "connections_gave_way",
            "Connections closed because others needed their place or the memory they held",
            metrics.connections_gave_way.clone(),
        );
        registry.register(
            "connections_flooding",
            "HTTP/2 connections closed because they sent too many frames that ask for nothing",
            metrics.connections_flooding.clone(),
        );
        registry.register("swept_ended", "Expired sessions ended by a sweep", metrics.swept_ended.clone());
        registry.register(
            "swept_removed",
            "Ended sessions removed by a sweep",
            metrics.swept_removed.clone(),
        );
        registry.register(
            "state_regressions",
            "Genuine tokens ahead of the database: it has gone back in time",
            metrics.aheads.clone(),
        );
        Self { registry, ..metrics }
    }
}

impl Metrics {
    /// Counts one refresh.
    pub fn refreshed(&self, row: Row, took: Duration) {
        self.verdicts[row as usize].inc();
        if row == Row::Ahead {
            self.aheads.inc();
        }
        self.refresh_seconds.observe(took.as_secs_f64());
    }

    /// Counts one refresh that was refused because that budget was exhausted.
    pub fn refresh_limited(&self, budget: &'static str) {
        self.refreshes_limited.get_or_create(&BudgetLabels { budget }).inc();
    }

    /// Counts one answer.
    pub fn answered(&self, action: &'static str, status: u16) {
        self.requests.get_or_create(&RequestLabels { action, status: Status(status) }).inc();
    }

    /// How many tokens were ahead of the database since the start.
    pub fn state_regressions(&self) -> u64 {
        self.aheads.inner().load(Ordering::Relaxed)
    }

    /// All of it as text.
    ///
    /// # Errors
    /// Only if formatting into memory fails.
    pub fn text(&self, form: Form) -> Result<String, fmt::Error> {
        let mut text = String::with_capacity(4096);
        text::encode(&mut text, &self.registry)?;
        Ok(match form {
            Form::OpenMetrics => text,
            Form::Plain => plain(&text),
        })
    }
}

/// The older form of the text: a counter is described by the name that its samples have, and neither units nor an end are
/// told of.
fn plain(open_metrics: &str) -> String {
    let type_of = |line: &str| {
        let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
        Some((name.to_owned(), kind == "counter"))
    };
    let counters: Vec<String> = open_metrics
        .lines()
        .filter_map(type_of)
        .filter(|(_, is_counter)| *is_counter)
        .map(|(name, _)| name)
        .collect();
    let mut text = String::with_capacity(open_metrics.len() + 256);
    for line in open_metrics.lines().filter(|line| *line != "# EOF" && !line.starts_with("# UNIT ")) {
        let described =
            ["# HELP ", "# TYPE "].into_iter().find_map(|head| Some((head, line.strip_prefix(head)?)));
        match described.and_then(|(head, rest)| Some((head, rest.split_once(' ')?))) {
            Some((head, (name, rest))) if counters.iter().any(|counter| counter == name) => {
                text.extend([head, name, "_total ", rest]);
            }
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_counted_from_the_start_under_its_number_and_a_name_of_its_own() {
        let mut names = std::collections::BTreeSet::new();
        for (index, row) in Row::ALL.into_iter().enumerate() {
            assert_eq!(row as usize, index, "{row:?}");
            assert!(names.insert(row.name()) && names.insert(row.number()), "{row:?}");
        }
        let metrics = Metrics::default();
        metrics.refreshed(Row::Spent, Duration::ZERO);
        let text = metrics.text(Form::OpenMetrics).unwrap();
        assert!(text.contains("sprag_verdicts_total{row=\"10\",verdict=\"reuse\"} 1\n"), "{text}");
        assert!(text.contains("sprag_verdicts_total{row=\"14\",verdict=\"rotated\"} 0\n"), "{text}");
    }

    #[test]
    fn the_older_form_calls_a_counter_what_its_samples_are_called() {
        let metrics = Metrics::default();
        metrics.refreshed(Row::Spent, Duration::from_millis(3));
        metrics.answered("refresh", 200);
        let text = metrics.text(Form::Plain).unwrap();
        for line in [
            "# HELP sprag_verdicts_total Refreshes by the row of the verdict table that decided.",
            "# TYPE sprag_verdicts_total counter",
            "sprag_verdicts_total{row=\"10\",verdict=\"reuse\"} 1",
            "# TYPE sprag_requests_total counter",
            "# TYPE sprag_connections gauge",
            "sprag_connections 0",
            "# TYPE sprag_refresh_seconds histogram",
            "sprag_refresh_seconds_count 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains("# EOF") && !text.contains("# UNIT") && text.ends_with('\n'), "{text}");
        // Each family is described once, before its samples, and each sample is of a family that is.
        let families: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        for sample in text.lines().filter(|line| !line.starts_with('#')) {
            let name = sample.split(['{', ' ']).next().unwrap();
            let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let family = of_histogram.filter(|family| families.contains(family)).unwrap_or(name);
            assert_eq!(families.iter().filter(|known| **known == family).count(), 1, "{sample}");
        }
    }
}

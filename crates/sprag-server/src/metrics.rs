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

/// Everything this server counts.
pub struct Metrics {
    registry: Registry,
    verdicts: [Counter; Row::ALL.len()],
    requests: Family<RequestLabels, Counter>,
    refresh_seconds: Histogram,
    /// Connections open now.
    pub connections: Gauge,
    /// Connections closed at once because there were too many.
    pub connections_refused: Counter,
    /// Connections closed because others needed their place or the memory they held.
    pub connections_gave_way: Counter,
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
            refresh_seconds: Histogram::new([
                0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 3.0,
            ]),
            connections: Gauge::default(),
            connections_refused: Counter::default(),
            connections_gave_way: Counter::default(),
            swept_ended: Counter::default(),
            swept_removed: Counter::default(),
            aheads: Counter::default(),
            registry: Registry::default(),
        };
        registry.register("requests", "Answers by action and status", metrics.requests.clone());
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

    /// Counts one answer.
    pub fn answered(&self, action: &'static str, status: u16) {
        self.requests.get_or_create(&RequestLabels { action, status: Status(status) }).inc();
    }

    /// How many tokens were ahead of the database since the start.
    pub fn state_regressions(&self) -> u64 {
        self.aheads.inner().load(Ordering::Relaxed)
    }

    /// All of it as text (OpenMetrics 1.0).
    ///
    /// # Errors
    /// Only if formatting into memory fails.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::with_capacity(4096);
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
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
        let text = metrics.text().unwrap();
        assert!(text.contains("sprag_verdicts_total{row=\"10\",verdict=\"reuse\"} 1\n"), "{text}");
        assert!(text.contains("sprag_verdicts_total{row=\"14\",verdict=\"rotated\"} 0\n"), "{text}");
    }
}

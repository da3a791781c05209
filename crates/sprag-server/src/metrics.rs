//! What is counted, in the Prometheus text form. Each server has a registry of its own; nothing is global.
//!
//! Families stand in the text in one order, and so do the labels of each, from one scrape to the next.
//! `docs/reference/metrics.md` lists them all.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use sprag::Engine;
use sprag::clock::Timestamp;
use sprag::observe::{Count, Spread};
use sprag::outbox::{MessageKind, Waiting};
use sprag::ratchet::Row;

mod answers;
mod build;
mod engine;
mod exposition;
mod form;
mod outbox;
mod process;
mod sessions;
mod store;

pub use build::{COMMIT, VERSION};
pub use form::Form;
pub use sessions::Pass;

use answers::Answers;
use exposition::{Exposition, counts};
use outbox::Outbox;
use process::Process;
use sessions::Sessions;

/// Upper bounds of how long a refresh takes, in microseconds.
const REFRESH_TIMES: [u64; 12] =
    [250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 3_000_000];

/// The budgets that refuse a refresh: a session's, and a network's.
pub(crate) const SESSION_LIMIT: &str = "refresh.session";
pub(crate) const PREFIX_LIMIT: &str = "refresh.prefix";
const LIMITS: [&str; 2] = [SESSION_LIMIT, PREFIX_LIMIT];

/// Everything this server counts.
#[derive(Debug)]
pub struct Metrics {
    counted: Arc<Counted>,
    process: Arc<Process>,
    /// Connections open now.
    pub connections: Gauge,
    /// Connections closed at once because there were too many.
    pub connections_refused: Counter,
    /// Connections closed because others needed their place or the memory they held.
    pub connections_gave_way: Counter,
    /// HTTP/2 connections closed because they sent too many frames that ask for nothing.
    pub connections_flooding: Counter,
}

/// What is counted under names of ours.
#[derive(Debug)]
struct Counted {
    verdicts: [Count; Row::ALL.len()],
    refresh_micros: Spread<{ REFRESH_TIMES.len() }>,
    answers: Answers,
    sessions: Sessions,
    outbox: Outbox,
    clock_jumps: Count,
    connections: Gauge,
    connections_refused: Counter,
    connections_gave_way: Counter,
    connections_flooding: Counter,
    /// Refreshes that were refused, by the budget that was exhausted.
    refreshes_limited: [Count; LIMITS.len()],
    engine: OnceLock<Weak<Engine>>,
}

impl Default for Metrics {
    fn default() -> Self {
        let connections = Gauge::default();
        let (connections_refused, connections_gave_way) = (Counter::default(), Counter::default());
        let connections_flooding = Counter::default();
        let counted = Counted {
            verdicts: Row::ALL.map(|_| Count::default()),
            refresh_micros: Spread::of(&REFRESH_TIMES),
            answers: Answers::default(),
            sessions: Sessions::default(),
            outbox: Outbox::default(),
            clock_jumps: Count::default(),
            connections: connections.clone(),
            connections_refused: connections_refused.clone(),
            connections_gave_way: connections_gave_way.clone(),
            connections_flooding: connections_flooding.clone(),
            refreshes_limited: LIMITS.map(|_| Count::default()),
            engine: OnceLock::new(),
        };
        let (counted, process) = (Arc::new(counted), Arc::new(Process::begun_now()));
        Self {
            counted,
            process,
            connections,
            connections_refused,
            connections_gave_way,
            connections_flooding,
        }
    }
}

impl Metrics {
    /// Tells from now on what this engine counts, too: the first one that is named.
    pub fn watch(&self, engine: &Arc<Engine>) {
        self.counted.engine.get_or_init(|| Arc::downgrade(engine));
    }

    /// Counts one refresh.
    pub fn refreshed(&self, row: Row, took: Duration) {
        self.counted.verdicts[row as usize].one();
        self.counted.refresh_micros.took(took);
    }

    /// Counts one refresh that was refused because that budget was exhausted.
    pub fn refresh_limited(&self, budget: &'static str) {
        let counts = LIMITS.iter().zip(&self.counted.refreshes_limited);
        counts.filter(|(limit, _)| **limit == budget).for_each(|(_, count)| count.one());
    }

    /// Counts one answer, and the code that it refused with, if it did.
    pub fn answered(&self, action: &'static str, status: u16, code: Option<&'static str>) {
        self.counted.answers.count(action, status, code);
    }

    /// Counts a log-in that came to nothing, by the code of the refusal.
    pub fn login_failed(&self, code: &'static str) {
        self.counted.answers.login_failed(code);
    }

    /// Counts what a slice of a sweep came to: rows looked at, sessions that it ended, and ended ones that it removed.
    pub fn swept(&self, seen: u64, ended: u64, removed: u64) {
        self.counted.sessions.swept(seen, ended, removed);
    }

    /// Notes that a sweep has gone through all sessions, and what it found; `None` where it stopped half way.
    pub fn sweep_ended(&self, pass: Option<Pass>) {
        self.counted.sessions.ended(pass);
    }

    /// Counts one try to send a letter or a webhook.
    pub(crate) fn message_tried(&self, kind: MessageKind, is_taken: bool, is_given_up: bool) {
        self.counted.outbox.tried(kind, is_taken, is_given_up);
    }

    /// Notes how much waits to be sent.
    pub(crate) fn messages_wait(&self, waiting: Vec<Waiting>, now: Timestamp) {
        self.counted.outbox.waits(waiting, now);
    }

    /// Counts a jump of the clock.
    pub fn clock_jumped(&self) {
        self.counted.clock_jumps.one();
    }

    /// How many refreshes that row of the verdict table has decided since the start.
    pub(crate) fn decided(&self, row: Row) -> u64 {
        self.counted.verdicts[row as usize].get()
    }

    /// How many tokens were ahead of the database since the start.
    pub fn state_regressions(&self) -> u64 {
        self.decided(Row::Ahead)
    }

    /// All of it as text.
    ///
    /// # Errors
    /// Only if formatting into memory fails.
    pub fn text(&self, form: Form) -> Result<String, fmt::Error> {
        let (mut ours, mut usual) = (Registry::with_prefix("sprag"), Registry::default());
        ours.register_collector(Box::new(Arc::clone(&self.counted)));
        usual.register_collector(Box::new(Arc::clone(&self.process)));
        let mut text = String::with_capacity(16 * 1024);
        text::encode_registry(&mut text, &ours)?;
        text::encode_registry(&mut text, &usual)?;
        text::encode_eof(&mut text)?;
        Ok(form.of(text))
    }
}

impl Collector for Counted {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut out = Exposition::on(encoder);
        build::tell(&mut out)?;
        self.tell_refreshes(&mut out)?;
        self.answers.tell(&mut out)?;
        self.tell_connections(&mut out)?;
        self.sessions.tell(&mut out)?;
        self.outbox.tell(&mut out)?;
        let engine = self.engine.get().and_then(Weak::upgrade);
        let observed = engine.map(|engine| engine.observed()).unwrap_or_default();
        self.answers.tell_login_failures(&mut out, &observed.login_failures)?;
        engine::tell(&mut out, &observed, self.clock_jumps.get())?;
        store::tell(&mut out, &observed.store)
    }
}

impl Counted {
    fn tell_refreshes(&self, out: &mut Exposition<'_>) -> fmt::Result {
        let each = Row::ALL.into_iter().zip(&self.verdicts);
        let each =
            each.map(|(row, count)| (vec![("row", row.number()), ("verdict", row.name())], count.get()));
        out.counter("verdicts", "Refreshes by the row of the verdict table that decided", each)?;
        let refreshes = [(Vec::new(), self.refresh_micros.observed())];
        out.times("refresh", "Time from a refresh request's last byte to its answer", refreshes)?;
        let limited = LIMITS.into_iter().zip(&self.refreshes_limited);
        out.counter(
            "refreshes_limited",
            "Refreshes answered 429 because a budget of this node was exhausted",
            limited.map(|(budget, count)| (vec![("budget", budget)], count.get())),
        )?;
        let ahead = counts(self.verdicts[Row::Ahead as usize].get());
        out.counter(
            "state_regressions",
            "Genuine tokens ahead of the database: it has gone back in time",
            ahead,
        )
    }

    fn tell_connections(&self, out: &mut Exposition<'_>) -> fmt::Result {
        let open = u64::try_from(self.connections.get()).unwrap_or(0);
        out.gauge("connections", "Connections open now", [(Vec::new(), open)])?;
        out.counter(
            "connections_refused",
            "Connections closed at once because there were too many",
            counts(self.connections_refused.inner().load(Ordering::Relaxed)),
        )?;
        out.counter(
            "connections_gave_way",
            "Connections closed because others needed their place or the memory they held",
            counts(self.connections_gave_way.inner().load(Ordering::Relaxed)),
        )?;
        out.counter(
            "connections_flooding",
            "HTTP/2 connections closed because they sent too many frames that ask for nothing",
            counts(self.connections_flooding.inner().load(Ordering::Relaxed)),
        )
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
        metrics.answered("refresh", 200, None);
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

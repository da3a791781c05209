//! What is counted of a round.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use sprag::text;

/// The longest latency that is told apart, in microseconds; a longer one counts as this.
const MAX_LATENCY_MICROS: u64 = 120_000_000;

/// How much of the first refusal's body is kept, in bytes.
const MAX_EXAMPLE_BYTES: usize = 300;

/// What one request came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome<'a> {
    /// 200, and no token is expected in it.
    Fine,
    /// 200 with a token that differs from the one sent: a committed rotation.
    Rotated,
    /// 200 with the token that was sent, or with none.
    Kept,
    /// Any other status.
    Refused(u16, &'a [u8]),
}

/// Counts and latencies.
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) ok: u64,
    pub(crate) rotated: u64,
    pub(crate) kept: u64,
    pub(crate) refused: BTreeMap<u16, u64>,
    pub(crate) broken: u64,
    /// Requests that were due at a fixed rate and had not left when the time was up.
    pub(crate) unsent: u64,
    /// Refusals and broken requests of the warm-up, which is measured in nothing else.
    pub(crate) warmup_failures: u64,
    /// What the first failure said.
    pub(crate) example: Option<String>,
    latency_micros: Histogram<u64>,
}

/// The shape of the latencies, in milliseconds.
#[derive(Clone, Copy, PartialEq, Debug, Default, serde::Serialize)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    #[serde(rename = "p99.9")]
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

impl Default for Tally {
    fn default() -> Self {
        let latency_micros = Histogram::new_with_bounds(1, MAX_LATENCY_MICROS, 3)
            .expect("1 µs to 2 min at 3 digits is in range");
        Self {
            requests: 0,
            ok: 0,
            rotated: 0,
            kept: 0,
            refused: BTreeMap::new(),
            broken: 0,
            unsent: 0,
            warmup_failures: 0,
            example: None,
            latency_micros,
        }
    }
}

impl Tally {
    /// Counts an answer that took `latency`.
    pub(crate) fn answered(&mut self, outcome: Outcome<'_>, latency: Duration) {
        self.requests += 1;
        self.latency_micros.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
        match outcome {
            Outcome::Fine => self.ok += 1,
            Outcome::Rotated => {
                self.ok += 1;
                self.rotated += 1;
            }
            Outcome::Kept => {
                self.ok += 1;
                self.kept += 1;
            }
            Outcome::Refused(status, _) => *self.refused.entry(status).or_default() += 1,
        }
    }

    /// Counts a request that got no answer.
    pub(crate) fn broke(&mut self) {
        self.requests += 1;
        self.broken += 1;
    }

    /// Keeps the first failure as an example.
    pub(crate) fn keep_example(&mut self, example: impl FnOnce() -> String) {
        if self.example.is_none() {
            self.example = Some(example());
        }
    }

    /// Adds what another part of the same round counted.
    pub(crate) fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.ok += other.ok;
        self.rotated += other.rotated;
        self.kept += other.kept;
        self.broken += other.broken;
        self.unsent += other.unsent;
        self.warmup_failures += other.warmup_failures;
        for (status, count) in other.refused {
            *self.refused.entry(status).or_default() += count;
        }
        self.example = self.example.take().or(other.example);
        self.latency_micros.add(other.latency_micros).expect("both histograms have the same bounds");
    }

    pub(crate) fn latency(&self) -> Latency {
        let at = |quantile| millis(self.latency_micros.value_at_quantile(quantile));
        Latency {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: millis(self.latency_micros.max()),
        }
    }
}

/// What a refusal said, as an example.
pub(crate) fn refusal_text(status: u16, body: &[u8]) -> String {
    let body = String::from_utf8_lossy(&body[..body.len().min(MAX_EXAMPLE_BYTES)]);
    format!("{status} {}", text::label(&body, MAX_EXAMPLE_BYTES))
}

#[expect(clippy::cast_precision_loss, reason = "latencies are at most minutes")]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_latencies() {
        let mut tally = Tally::default();
        assert_eq!(tally.latency(), Latency::default());
        for micros in 1..=1000 {
            tally.answered(Outcome::Rotated, Duration::from_micros(micros));
        }
        let latency = tally.latency();
        assert_eq!((latency.p50, latency.p90, latency.p99, latency.max), (0.5, 0.9, 0.99, 1.0));
        tally.answered(Outcome::Fine, Duration::from_secs(3600));
        assert!(tally.latency().max >= 120_000.0, "too long to tell apart counts as two minutes");
    }

    #[test]
    fn parts_add_up() {
        let (mut all, mut part) = (Tally::default(), Tally::default());
        all.answered(Outcome::Refused(401, b""), Duration::from_millis(1));
        part.answered(Outcome::Refused(401, b""), Duration::from_millis(1));
        part.answered(Outcome::Refused(503, b""), Duration::from_millis(1));
        part.answered(Outcome::Kept, Duration::from_millis(9));
        part.broke();
        all.add(part);
        assert_eq!((all.requests, all.ok, all.kept, all.broken), (5, 1, 1, 1));
        assert_eq!(all.refused, BTreeMap::from([(401, 2), (503, 1)]));
        assert!((8.9..9.1).contains(&all.latency().max));
    }

    #[test]
    fn an_example_is_one_short_printable_line() {
        let text = refusal_text(401, format!("a\r\n\x1b[31m{}", "x".repeat(1000)).as_bytes());
        assert!(text.starts_with("401 a[31mxxx") && text.len() < 310, "{text}");
    }
}

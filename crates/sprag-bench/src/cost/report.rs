//! What was measured: for people, as rows of the table, and what rose.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::counts::Counts;
use super::figures::{Figure, Subject, grouped};

/// How much more than is recorded is too much, in per cent.
const MOST_MORE_PERCENT: u64 = 3;

/// How many letters of a function's name are shown.
const NAME_LETTERS: usize = 100;

/// Rounds, as instructions of one request each.
#[derive(Default)]
pub(crate) struct Measured {
    refresh: Vec<u64>,
    without_sha256: Vec<u64>,
    log_in: Vec<u64>,
    hashing: Vec<u64>,
    healthz: Vec<u64>,
    /// All refreshes together.
    refreshes: u64,
    threads: BTreeMap<String, u64>,
    functions: BTreeMap<String, u64>,
}

impl Measured {
    pub(crate) fn add_refreshes(&mut self, counts: &Counts, rotated: u64) {
        let each = |instructions: u64| instructions / rotated.max(1);
        self.refresh.push(each(counts.total()));
        self.without_sha256.extend(counts.sha256().map(|sha256| each(counts.total() - sha256)));
        self.refreshes += rotated;
        for (sums, counted) in
            [(&mut self.threads, counts.threads()), (&mut self.functions, counts.functions())]
        {
            for (name, instructions) in counted {
                *sums.entry(name.to_owned()).or_default() += instructions;
            }
        }
    }

    pub(crate) fn add_log_ins(&mut self, counts: &Counts, count: u64) {
        self.log_in.push((counts.total() - counts.hashing()) / count.max(1));
        self.hashing.push(counts.hashing() / count.max(1));
    }

    pub(crate) fn add_healthz(&mut self, counts: &Counts, count: u64) {
        self.healthz.push(counts.total() / count.max(1));
    }

    fn figure(&self) -> Figure {
        Figure {
            refresh: median(&self.refresh),
            without_sha256: median(&self.without_sha256),
            log_in: median(&self.log_in),
            healthz: median(&self.healthz),
        }
    }

    pub(crate) fn row(&self, subject: &Subject, build: &str) -> String {
        self.figure().row(subject, build)
    }

    /// For people, beside what is recorded.
    pub(crate) fn text(&self, subject: &Subject, recorded: Option<Figure>, top: usize) -> String {
        let recorded = recorded.unwrap_or_default();
        let Subject { store, signing, sessions } = subject;
        let mut text =
            format!("\n{store}, {signing}, {} sessions: instructions of one request\n\n", grouped(*sessions));
        text += &line("", "counted", "rounds differ", "recorded", "change");
        text += &self.compared("refresh", &self.refresh, recorded.refresh);
        for (name, instructions) in sorted(&self.threads) {
            text += &line(&format!("  {name}"), &grouped(instructions / self.refreshes.max(1)), "", "", "");
        }
        text += &self.compared("  without SHA-256", &self.without_sha256, recorded.without_sha256);
        text += &self.compared("log-in", &self.log_in, recorded.log_in);
        text += &self.compared("  its hash, beside", &self.hashing, None);
        text += &self.compared("/healthz", &self.healthz, recorded.healthz);
        if top > 0 {
            text += "\n  functions of a refresh, without what they called\n";
        }
        for (name, instructions) in sorted(&self.functions).into_iter().take(top) {
            let shown: String = name.chars().take(NAME_LETTERS).collect();
            // Writing into memory does not fail.
            let _ = writeln!(text, "{:>12}  {shown}", grouped(instructions / self.refreshes.max(1)));
        }
        text
    }

    fn compared(&self, what: &str, rounds: &[u64], recorded: Option<u64>) -> String {
        let Some(counted) = median(rounds) else { return String::new() };
        let change = recorded.map(|recorded| format!("{:+.1} %", percent_more(counted, recorded)));
        line(
            what,
            &grouped(counted),
            &format!("{:.1} %", spread(rounds)),
            &recorded.map_or_else(|| "-".to_owned(), grouped),
            &change.unwrap_or_default(),
        )
    }

    /// A sentence for each figure that rose by more than it may.
    pub(crate) fn risen(&self, subject: &Subject, recorded: Option<Figure>) -> Vec<String> {
        let (counted, recorded) = (self.figure(), recorded.unwrap_or_default());
        let pairs = [
            ("a refresh", counted.refresh, recorded.refresh),
            ("a refresh without SHA-256", counted.without_sha256, recorded.without_sha256),
            ("a log-in without its hash", counted.log_in, recorded.log_in),
            ("/healthz", counted.healthz, recorded.healthz),
        ];
        let Subject { store, signing, sessions } = subject;
        let sentence = |what, counted, recorded| {
            format!(
                "{what} on {store} with {signing} and {} sessions takes {} instructions, {:.1} % more than the {} that are \
                 recorded ({MOST_MORE_PERCENT} % are allowed). Find what rose with --top 40, here and on the commit before, \
                 and take it out. Where the commit adds something that is promised, add a row to the table with the reason.",
                grouped(*sessions),
                grouped(counted),
                percent_more(counted, recorded),
                grouped(recorded)
            )
        };
        let risen = pairs.into_iter().filter_map(|(what, counted, recorded)| {
            let (counted, recorded) = (counted?, recorded?);
            is_too_much(counted, recorded).then(|| sentence(what, counted, recorded))
        });
        risen.collect()
    }
}

fn is_too_much(counted: u64, recorded: u64) -> bool {
    counted * 100 > recorded * (100 + MOST_MORE_PERCENT)
}

fn line(what: &str, counted: &str, spread: &str, recorded: &str, change: &str) -> String {
    let line = format!("  {what:<24}{counted:>14}{spread:>15}{recorded:>14}{change:>10}");
    format!("{}\n", line.trim_end())
}

fn sorted(sums: &BTreeMap<String, u64>) -> Vec<(&str, u64)> {
    let mut sums: Vec<_> = sums.iter().map(|(name, sum)| (name.as_str(), *sum)).collect();
    sums.sort_by_key(|(_, sum)| std::cmp::Reverse(*sum));
    sums
}

/// The middle one, or the upper of the two in the middle: a number that was counted.
fn median(rounds: &[u64]) -> Option<u64> {
    let mut rounds = rounds.to_vec();
    rounds.sort_unstable();
    rounds.get(rounds.len() / 2).copied()
}

/// From the least round to the most, in per cent of the least.
fn spread(rounds: &[u64]) -> f64 {
    match (rounds.iter().min(), rounds.iter().max()) {
        (Some(least), Some(most)) => percent_more(*most, *least),
        _ => 0.0,
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of one request are far below 2^53")]
fn percent_more(counted: u64, recorded: u64) -> f64 {
    100.0 * counted as f64 / recorded.max(1) as f64 - 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(refresh: u64) -> Measured {
        Measured {
            refresh: vec![refresh, refresh / 2, refresh * 2],
            healthz: vec![1000],
            ..Measured::default()
        }
    }

    fn subject() -> Subject {
        Subject { store: "SQLite".to_owned(), signing: "HS256".to_owned(), sessions: 10_000 }
    }

    #[test]
    fn what_rose_by_more_than_three_per_cent_is_told_with_a_way_out() {
        let recorded = Figure { refresh: Some(100_000), healthz: Some(1000), ..Figure::default() };
        assert_eq!(measured(103_000).risen(&subject(), Some(recorded)), Vec::<String>::new());
        let [sentence] = measured(104_000).risen(&subject(), Some(recorded)).try_into().unwrap();
        assert!(
            sentence.starts_with(
                "a refresh on SQLite with HS256 and 10,000 sessions takes 104,000 instructions, 4.0 % more than the 100,000"
            ),
            "{sentence}"
        );
        assert!(sentence.contains("--top 40") && sentence.contains("add a row"), "{sentence}");
    }

    #[test]
    fn what_is_not_recorded_has_not_risen() {
        assert_eq!(measured(104_000).risen(&subject(), None), Vec::<String>::new());
    }

    #[test]
    fn a_log_in_is_counted_without_its_hash_and_each_thread_on_its_own() {
        let mut counts = Counts::default();
        counts.add("sprag", "fn=(1) run\n1 700\nfn=(2) sha256_block_data_order_avx\n1 100\n");
        counts.add("sprag-hash", "fn=(1) argon2\n1 90000\n");
        let mut measured = Measured::default();
        measured.add_log_ins(&counts, 2);
        measured.add_refreshes(&counts, 10);
        let text = measured.text(&subject(), None, 1);
        let figure = measured.figure();
        assert_eq!(
            (figure.log_in, figure.refresh, figure.without_sha256),
            (Some(400), Some(9080), Some(9070))
        );
        for part in ["requests", "sprag-hash", "its hash, beside", "45,000", "argon2"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

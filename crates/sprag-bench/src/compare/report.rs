//! Medians of both builds side by side.

use super::sample::{Load, Sample};
use crate::load::report::median;

/// What is told of a round.
struct Row {
    what: &'static str,
    decimals: usize,
    of: fn(&Sample) -> f64,
}

const ROWS: [Row; 9] = [
    Row { what: "processor time, µs", decimals: 2, of: Sample::processor_micros },
    Row { what: "  user", decimals: 2, of: |sample| sample.user_micros },
    Row { what: "  system", decimals: 2, of: |sample| sample.system_micros },
    Row { what: "rotations/s", decimals: 0, of: |sample| sample.per_second },
    Row { what: "p50, ms", decimals: 2, of: |sample| sample.p50_millis },
    Row { what: "p99, ms", decimals: 2, of: |sample| sample.p99_millis },
    Row { what: "p99.9, ms", decimals: 2, of: |sample| sample.p999_millis },
    Row { what: "memory under load, MiB", decimals: 1, of: |sample| sample.resident_mebibytes },
    Row { what: "memory at most, MiB", decimals: 1, of: |sample| sample.peak_mebibytes },
];

/// A table: median, and least and most of the rounds in brackets.
pub(crate) fn text(title: &str, load: &Load, rounds: &[Vec<Sample>; 2]) -> String {
    let pace = match load.rate {
        Some(rate) => format!("{rate} refreshes/s at fixed moments"),
        None => "each answer lets the next refresh go".to_owned(),
    };
    let mut text = format!(
        "\n{title}: {} connections, {pace}; medians of {} rounds of {} s in turn\n\n  {:<24}{:>26}{:>26}{:>10}\n",
        load.connections,
        rounds[0].len(),
        load.duration.as_secs_f64(),
        "",
        "old",
        "new",
        "new/old"
    );
    for row in &ROWS {
        let values = rounds.each_ref().map(|samples| samples.iter().map(row.of).collect::<Vec<_>>());
        let [old, new] = values.each_ref().map(|values| cell(values, row.decimals));
        let ratio = middle(&values[1]) / middle(&values[0]);
        text += &format!("  {:<24}{old:>26}{new:>26}{ratio:>10.3}\n", row.what);
    }
    text
}

fn cell(values: &[f64], decimals: usize) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(0.0, f64::max);
    format!("{:.decimals$} ({least:.decimals$} to {most:.decimals$})", middle(values))
}

fn middle(values: &[f64]) -> f64 {
    median(values.to_vec()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_ratio_is_that_of_the_medians() {
        let sample = |user, system| Sample { user_micros: user, system_micros: system, ..Sample::default() };
        let old = vec![sample(60.0, 20.0), sample(90.0, 10.0), sample(30.0, 10.0)];
        let new = vec![sample(30.0, 10.0), sample(30.0, 10.0), sample(80.0, 80.0)];
        let second = Duration::from_secs(1);
        let load = Load { connections: 64, chains: 64, warmup: second, duration: second, rate: None };
        let text = text("SQLite", &load, &[old, new]);
        let line = text.lines().find(|line| line.contains("processor time")).unwrap();
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(
            words,
            [
                "processor",
                "time,",
                "µs",
                "80.00",
                "(40.00",
                "to",
                "100.00)",
                "40.00",
                "(40.00",
                "to",
                "160.00)",
                "0.500"
            ]
        );
    }
}

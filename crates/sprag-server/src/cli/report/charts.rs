//! A report as text: a line of bars for what is counted over time, and bars for what is counted by kind.

use std::fmt::Write as _;

use sprag::counts::Report;
use sprag::text::shown;

use super::figures::{completeness, grouped, heading, kinds, series};
use super::screen::{Colour, Screen};

/// How many kinds are shown of each; the others are one line.
const KINDS: usize = 12;

/// How many characters a sentence needs to be read beside something else.
const ROOM_FOR_WORDS: usize = 16;

const SPARKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const PLAIN_SPARKS: [char; 8] = ['.', ':', '-', '=', '+', '*', '%', '@'];

/// The report as it is printed.
pub(super) fn drawn(report: &Report, screen: &Screen) -> String {
    let mut text = String::new();
    for line in wrapped(&heading(report), screen.width) {
        let _ = writeln!(text, "{}", screen.paint(Colour::Strong, &line));
    }
    for (place, told) in completeness(report).iter().enumerate() {
        for line in wrapped(told, screen.width) {
            let line = if place == 0 { line } else { screen.paint(Colour::Warning, &line) };
            let _ = writeln!(text, "{line}");
        }
    }
    text += &over_time(report, screen);
    for of in kinds(report) {
        let _ = writeln!(text, "\n{}", screen.paint(Colour::Strong, of.name));
        text += &bars(&of.kinds, screen);
    }
    text
}

/// A line for each series: what it is, what all of it comes to, and how it went.
fn over_time(report: &Report, screen: &Screen) -> String {
    let all = series(report);
    let names = all.iter().map(|series| series.name.len()).max().unwrap_or_default();
    let totals = all.iter().map(|series| total(series.total).len()).max().unwrap_or_default();
    let room = screen.width.saturating_sub(names + totals + 4).max(4);
    let each = report.rows.len().div_ceil(room).max(1);
    let periods = match each {
        1 => format!("a mark for each {}, as high as its share of the highest", report.by.name()),
        each => format!("a mark for {each} {}s, as high as the highest of them", report.by.name()),
    };
    let mut text = String::from("\n");
    for series in &all {
        let values: Vec<Option<u64>> =
            series.values.chunks(each).map(|values| values.iter().flatten().copied().max()).collect();
        let line = screen.paint(Colour::Bar, &spark(&values, screen));
        let line = format!("{:names$}  {:>totals$}  {line}", series.name, total(series.total));
        let _ = writeln!(text, "{}", line.trim_end());
    }
    // Below the marks, where there is room.
    let indent = names + totals + 4;
    let indent = if screen.width < indent + ROOM_FOR_WORDS { 0 } else { indent };
    for line in wrapped(&periods, screen.width - indent) {
        let _ = writeln!(text, "{:indent$}{line}", "");
    }
    let exact = if report.total.active_accounts_exact { "" } else { " (an estimate, give or take 1 or 2 %)" };
    let totals = format!(
        "Totals are sums, but for active accounts, each counted once{exact}, and live sessions, the most that there were."
    );
    for line in wrapped(&totals, screen.width) {
        let _ = writeln!(text, "{line}");
    }
    text
}

fn total(total: Option<u64>) -> String {
    total.map_or_else(|| "-".to_owned(), grouped)
}

/// One mark for each value; nothing is the lowest mark's absence.
fn spark(values: &[Option<u64>], screen: &Screen) -> String {
    let highest = values.iter().flatten().copied().max().unwrap_or_default();
    let marks = if screen.has_unicode { SPARKS } else { PLAIN_SPARKS };
    let none = if screen.has_unicode { '·' } else { ' ' };
    let line: String = values
        .iter()
        .map(|value| match value.unwrap_or_default() {
            0 => none,
            value => marks[share(value, highest, marks.len()).saturating_sub(1)],
        })
        .collect();
    line.trim_end().to_owned()
}

/// Bars for counts by kind.
fn bars(kinds: &[(String, u64)], screen: &Screen) -> String {
    let highest = kinds.iter().map(|(_, count)| *count).max().unwrap_or_default();
    let (first, rest) = kinds.split_at(kinds.len().min(KINDS));
    let most = screen.width * 2 / 5;
    let cut = |label: &str| shown(label).chars().take(most).collect::<String>();
    let labels = first.iter().map(|(label, _)| cut(label).chars().count()).max().unwrap_or_default();
    let counts = grouped(highest).len();
    let room = screen.width.saturating_sub(labels + counts + 6).max(1);
    let mark = if screen.has_unicode { "█" } else { "#" };
    let mut text = String::new();
    for (label, count) in first {
        let bar = screen.paint(Colour::Bar, &mark.repeat(share(*count, highest, room)));
        let line = format!("  {:labels$}  {:>counts$}  {bar}", cut(label), grouped(*count));
        let _ = writeln!(text, "{}", line.trim_end());
    }
    if !rest.is_empty() {
        let more: u64 = rest.iter().map(|(_, count)| count).sum();
        let _ = writeln!(text, "  and {} more kinds: {}", rest.len(), grouped(more));
    }
    text
}

/// How many of `steps` a count is of the highest one; at least one where it is anything.
fn share(count: u64, highest: u64, steps: usize) -> usize {
    let steps = u128::try_from(steps).unwrap_or_default();
    let share = (u128::from(count) * steps).div_ceil(u128::from(highest.max(1)));
    usize::try_from(share).unwrap_or_default()
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

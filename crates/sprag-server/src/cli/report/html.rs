//! A report as one HTML file: charts drawn in SVG, the same figures as tables, no script and nothing from elsewhere.

use std::fmt::Write as _;

use sprag::counts::Report;
use sprag::text::shown;

use super::figures::{Kinds, Series, completeness, grouped, heading, kinds, series};

const STYLE: &str = include_str!("report.css");

/// SHA-256 of the style, so that the browser uses this one and no other.
const STYLE_HASH: &str = "WJpRZjQyC/H/E4m+xU1R7b3HiUtOfnJa8dzJLNlRXqY=";

/// How wide and high a chart is in its own units; it is stretched to where it stands.
const WIDTH: usize = 1000;
const HEIGHT: usize = 100;

/// The file.
pub(super) fn document(report: &Report) -> String {
    let title = format!("Sprag report, {}", heading(report));
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; \
         base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>Sprag report</h1>\n\
         <p class=\"of\">{}</p>\n",
        heading(report)
    );
    for (place, told) in completeness(report).iter().enumerate() {
        let class = if place == 0 { "complete" } else { "gap" };
        let _ = writeln!(html, "<p class=\"{class}\">{}</p>", escaped(told));
    }
    let periods: Vec<String> = report
        .rows
        .iter()
        .map(|row| {
            if row.from == row.until {
                row.from.to_string()
            } else {
                format!("{} to {}", row.from, row.until)
            }
        })
        .collect();
    html += "<section aria-labelledby=\"time\">\n<h2 id=\"time\">Over time</h2>\n<div class=\"cards\">\n";
    for series in series(report) {
        html += &card(&series, &periods);
    }
    if !report.total.active_accounts_exact {
        html +=
            "<p class=\"note\">The number of active accounts is an estimate; give or take 1 or 2 %.</p>\n";
    }
    html += "</div>\n</section>\n<section aria-labelledby=\"kinds\">\n<h2 id=\"kinds\">By kind</h2>\n<div class=\"cards\">\n";
    for of in kinds(report) {
        html += &bars(&of);
    }
    html += "</div>\n</section>\n</main>\n</body>\n</html>\n";
    html
}

/// One series: its chart, and its figures as a table.
fn card(series: &Series, periods: &[String]) -> String {
    let highest = series.values.iter().flatten().copied().max().unwrap_or_default();
    let total = series.total.map_or_else(|| "not known".to_owned(), grouped);
    let total_is = if series.total_is.is_empty() { "in all" } else { series.total_is };
    let name = series.name;
    let mut html = format!(
        "<figure>\n<figcaption><h3>{name}</h3><p><b>{total}</b> {total_is}</p><p class=\"says\">{}</p></figcaption>\n\
         <p class=\"axis\" aria-hidden=\"true\">highest: {}</p>\n\
         <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{name} over time: {} at \
         most; the table below has each figure\">\n",
        series.says,
        grouped(highest),
        grouped(highest)
    );
    let count = series.values.len().max(1);
    for (place, (value, period)) in series.values.iter().zip(periods).enumerate() {
        let value = value.unwrap_or_default();
        let (left, right) = (place * WIDTH / count, (place + 1) * WIDTH / count);
        let gap = ((right - left) / 6).min(8);
        let height = scaled(value, highest, HEIGHT);
        let _ = writeln!(
            html,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{height}\"><title>{period}: {}</title></rect>",
            left + gap / 2,
            HEIGHT - height,
            (right - left - gap).max(1),
            grouped(value)
        );
    }
    let ends = match periods {
        [] => String::new(),
        [only] => format!("<span>{only}</span>"),
        [first, .., last] => format!("<span>{first}</span><span>{last}</span>"),
    };
    let _ = write!(
        html,
        "</svg>\n<p class=\"axis ends\" aria-hidden=\"true\">{ends}</p>\n<details><summary>Figures</summary>\n<table>\n\
         <caption>{name}</caption>\n<tr><th scope=\"col\">When</th><th scope=\"col\">How many</th></tr>\n"
    );
    for (value, period) in series.values.iter().zip(periods) {
        let value = value.map_or_else(|| "not known".to_owned(), grouped);
        let _ = writeln!(html, "<tr><th scope=\"row\">{period}</th><td>{value}</td></tr>");
    }
    html += "</table>\n</details>\n</figure>\n";
    html
}

/// Counts by kind: a table whose rows are bars, too.
fn bars(of: &Kinds) -> String {
    let highest = of.kinds.iter().map(|(_, count)| *count).max().unwrap_or_default();
    let mut html = format!(
        "<figure>\n<table class=\"bars\">\n<caption>{}</caption>\n<tr class=\"unseen\"><th scope=\"col\">Kind</th>\
         <th scope=\"col\">How many</th><td></td></tr>\n",
        of.name
    );
    for (label, count) in &of.kinds {
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"bar\" aria-hidden=\"true\"><svg viewBox=\"0 0 {WIDTH} 10\" \
             preserveAspectRatio=\"none\"><rect width=\"{}\" height=\"10\"/></svg></td></tr>",
            escaped(label),
            grouped(*count),
            scaled(*count, highest, WIDTH)
        );
    }
    html += "</table>\n</figure>\n";
    html
}

/// A count as a share of the highest one; seen, where it is anything.
fn scaled(count: u64, highest: u64, size: usize) -> usize {
    let size = u128::try_from(size).unwrap_or_default();
    let share = (u128::from(count) * size).div_ceil(u128::from(highest.max(1)));
    usize::try_from(share).unwrap_or_default()
}

/// A text between tags or quotes.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in shown(text).chars() {
        match letter {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            letter => escaped.push(letter),
        }
    }
    escaped
}

//! What TOML itself has against a profile, with a way out: its own words name what its grammar missed, not what to write.

use super::error::ProfileError;
use super::section::Source;
use crate::quoted::quoted;

/// How the parser begins to say what is wrong, and what to do about it.
const HINTS: &[(&str, &str)] = &[
    ("string values must be quoted", "put a text into double quotes, as \"POST /login\""),
    ("invalid basic string", "close the double quote on the same line"),
    ("invalid literal string", "close the single quote on the same line"),
    ("invalid multi-line", "close the three quotes"),
    ("missing escaped value", "in double quotes a backslash is written \\\\"),
    ("unclosed array table", "write [[route]], with two brackets on either side"),
    ("unclosed table", "close the bracket, as in [refusal]; a call begins with [[route]]"),
    ("unclosed", BRACKETS),
    ("missing key for inline table", BRACKETS),
    ("missing comma", BRACKETS),
    ("missing assignment", ASSIGNMENT),
    ("key with no value", ASSIGNMENT),
    ("invalid boolean", "write true or false; a text stands in double quotes"),
    (
        "unexpected key or value",
        "give each key one value and a line of its own; a text stands in double quotes as a whole",
    ),
];

const BRACKETS: &str =
    "put a comma between two values, and close every quote, { and [ here and on the lines before";
const ASSIGNMENT: &str =
    "write name = \"value\"; a name with more than letters, digits, - and _ stands in double quotes";

/// What the parser said of a profile, told as everything else about a profile is.
pub(super) fn of(source: Source<'_>, error: &toml::de::Error) -> ProfileError {
    let span = error.span().unwrap_or_default();
    let words = error.message().trim().replace('\n', ", ");
    if words == "duplicate key" {
        return twice(source, span.start);
    }
    let told = source.error(span.start, &*words);
    match HINTS.iter().find(|(beginning, _)| words.starts_with(beginning)) {
        Some((_, hint)) => told.hint(*hint),
        None => told,
    }
}

/// A key or table that stands there already; the parser says neither which nor where.
fn twice(source: Source<'_>, at: usize) -> ProfileError {
    let (above, here) = source.text.split_at(source.text[..at].rfind('\n').map_or(0, |end| end + 1));
    let line = here.lines().next().unwrap_or_default();
    let Some(table) = header(line) else {
        let key = &source.text[at..];
        let key = key[..key.find(['=', '\n']).unwrap_or(key.len())].trim();
        let same = |other: &str| has_key(other, key);
        let first = above.lines().rev().take_while(|other| header(other).is_none()).position(same);
        let told = format!("the key {} stands here twice{}", quoted(key), since(above, first));
        return source.error(at, told).hint("keep one of them");
    };
    let name = table.rsplit('.').next().unwrap_or(table);
    let same = |other: &str| header(other) == Some(table) || (table.contains('.') && has_key(other, name));
    let first = above.lines().rev().position(same);
    let is_key =
        first.and_then(|back| above.lines().rev().nth(back)).is_some_and(|other| header(other).is_none());
    let told = format!("the table {} stands here twice{}", quoted(table), since(above, first));
    source.error(at, told).hint(match table.split('.').next() {
        _ if is_key => "keep one of them",
        Some("route") => {
            "begin each call with the line [[route]], just so: two brackets on either side, and no s"
        }
        _ => "put the lines of both into one",
    })
}

/// `, first on line 3`, where the line was found, counted from the end of what stands above.
fn since(above: &str, back: Option<usize>) -> String {
    back.map_or_else(String::new, |back| format!(", first on line {}", above.lines().count() - back))
}

/// `route.gives` of `[route.gives]`, and `route` of `[[route]]`.
fn header(line: &str) -> Option<&str> {
    let name = line.trim_start().strip_prefix('[')?.trim_start_matches('[');
    name.split(']').next().map(str::trim)
}

fn has_key(line: &str, key: &str) -> bool {
    line.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='))
}

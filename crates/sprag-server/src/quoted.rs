//! How a text that somebody gave is repeated to them.

use std::time::Duration;

/// A text as it is repeated in a sentence: in quotes, without control characters, and not at any length.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 80;
    if text.chars().count() <= LONGEST {
        return format!("{text:?}");
    }
    let start: String = text.chars().take(LONGEST).collect();
    format!("{start:?}…")
}

/// A span as a setting would be written.
#[must_use]
pub fn spell(span: Duration) -> String {
    let seconds = span.as_secs();
    let (size, unit) = match seconds {
        0 => (1, 's'),
        _ if seconds.is_multiple_of(86_400) => (86_400, 'd'),
        _ if seconds.is_multiple_of(3600) => (3600, 'h'),
        _ if seconds.is_multiple_of(60) => (60, 'm'),
        _ => (1, 's'),
    };
    format!("{}{unit}", seconds / size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_repeated_is_short_and_printable() {
        assert_eq!(quoted("a\x1b[2J"), "\"a\\u{1b}[2J\"");
        assert!(quoted(&"x".repeat(5000)).len() < 100);
    }
}

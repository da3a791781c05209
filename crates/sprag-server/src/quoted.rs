//! How a text that somebody gave is repeated to them.

/// How many characters of it are repeated.
pub(crate) const LONGEST: usize = 60;

/// A text as it is repeated in a sentence: in quotes, on one line, without control characters, and not at any length.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_repeated_is_short_and_printable() {
        assert_eq!(quoted("a\x1b[2J"), "\"a\\u{1b}[2J\"");
        assert!(quoted(&"x".repeat(5000)).len() < 100);
        assert_eq!(quoted(&"é".repeat(61)), format!("\"{}\"…", "é".repeat(60)));
    }
}

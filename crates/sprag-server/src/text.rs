//! How texts from outside are repeated to people.

/// A text as it is repeated in a sentence: in quotes, without control characters, and not at any length.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 80;
    if text.chars().count() <= LONGEST {
        return format!("{text:?}");
    }
    let start: String = text.chars().take(LONGEST).collect();
    format!("{start:?}…")
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

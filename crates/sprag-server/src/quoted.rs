//! How a text that somebody gave is repeated to them.

use std::borrow::Cow;

/// How many characters of it are repeated.
pub(crate) const LONGEST: usize = 60;

/// A text as it is repeated in a sentence: in quotes, on one line, without control characters, and not at any length. Of a
/// URL that somebody may have written a password into, the scheme is all that is repeated.
pub(crate) fn quoted(text: &str) -> String {
    let text = &*without_password(text);
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// A text without what may be a password: one that stands before an `@` in a URL, whatever it is a URL of.
pub(crate) fn without_password(text: &str) -> Cow<'_, str> {
    match text.split_once("://") {
        Some((scheme, rest)) if rest.contains('@') => Cow::Owned(format!("{scheme}://…")),
        // `user:password@host`, as where the scheme was left out.
        None if text.split_once('@').is_some_and(|(user, _)| user.contains(':')) => Cow::Borrowed("…"),
        _ => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_not_repeated_wherever_the_url_was_given() {
        for url in ["https://ann:hunter2@example.org", "postgres://ann:p@hunter2@db/x", "sqlite://a@hunter2"]
        {
            assert!(quoted(url).ends_with("://…\"") && !quoted(url).contains("hunter2"), "{url}");
        }
        assert_eq!(quoted("https://example.org/x"), "\"https://example.org/x\"");
        assert_eq!(quoted("me:hunter2@10.0.0.1"), "\"…\"", "a URL without its scheme");
        assert_eq!(quoted("ann@example.org"), "\"ann@example.org\"");
    }

    #[test]
    fn what_is_repeated_is_short_and_printable() {
        assert_eq!(quoted("a\x1b[2J"), "\"a\\u{1b}[2J\"");
        assert!(quoted(&"x".repeat(5000)).len() < 100);
        assert_eq!(quoted(&"é".repeat(61)), format!("\"{}\"…", "é".repeat(60)));
    }
}

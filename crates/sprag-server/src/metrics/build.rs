//! Which build this is.

use std::fmt;

use super::exposition::Exposition;

/// The version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that a packaged binary was built from; `unknown` for one that was built by hand.
pub const COMMIT: &str = match option_env!("SPRAG_VERSION_TEXT") {
    Some(text) => in_brackets(text),
    None => UNKNOWN,
};

const UNKNOWN: &str = "unknown";

/// What stands in brackets at the end of `0.1.0 (abc123)`.
const fn in_brackets(text: &str) -> &str {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'(' && bytes[bytes.len() - 1] == b')' {
            let (_, behind) = text.split_at(at + 1);
            let (inside, _) = behind.split_at(behind.len() - 1);
            return inside;
        }
        at += 1;
    }
    UNKNOWN
}

pub(super) fn tell(out: &mut Exposition<'_>) -> fmt::Result {
    let labels = vec![("version", VERSION), ("commit", COMMIT)];
    out.gauge("build_info", "Always 1; its labels say which build this is", [(labels, 1)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commit_stands_in_brackets_behind_the_version() {
        assert_eq!(in_brackets("0.1.0 (0123456789ab)"), "0123456789ab");
        assert_eq!(in_brackets("0.1.0 (0123456789ab, changed)"), "0123456789ab, changed");
        assert_eq!(in_brackets("0.1.0"), "unknown");
        assert_eq!(in_brackets(""), "unknown");
    }
}

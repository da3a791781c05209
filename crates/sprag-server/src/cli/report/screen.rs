//! Where a report is drawn: how wide it is, and what it can show.

use std::io::{self, IsTerminal as _};

use rustix::termios::tcgetwinsize;

/// The width where there is no terminal, as of one that nobody has resized.
const USUAL: usize = 80;

/// Wider lines are hard to follow.
const WIDEST: usize = 120;

/// Below this, words would be cut.
const NARROWEST: usize = 32;

/// What a report is drawn on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Screen {
    pub(super) width: usize,
    pub(super) has_colour: bool,
    /// Whether it shows more than ASCII.
    pub(super) has_unicode: bool,
}

impl Screen {
    pub(super) fn of_this_process() -> Self {
        let out = io::stdout();
        let is_terminal = out.is_terminal();
        let width = tcgetwinsize(&out).ok().map(|size| usize::from(size.ws_col)).filter(|width| *width > 0);
        Self {
            width: width.filter(|_| is_terminal).unwrap_or(USUAL).clamp(NARROWEST, WIDEST),
            has_colour: is_terminal && !is_set("NO_COLOR") && variable("TERM").as_deref() != Some("dumb"),
            has_unicode: is_utf8(["LC_ALL", "LC_CTYPE", "LANG"].map(variable)),
        }
    }

    pub(super) fn paint(&self, colour: Colour, text: &str) -> String {
        if self.has_colour { format!("\x1b[{}m{text}\x1b[0m", colour as u8) } else { text.to_owned() }
    }
}

/// Colours that every terminal has, and that show on light and on dark.
#[derive(Clone, Copy, Debug)]
pub(super) enum Colour {
    Strong = 1,
    Warning = 33,
    Bar = 36,
}

/// The first of these that says something says what is shown: LC_ALL, LC_CTYPE, LANG.
fn is_utf8(said: [Option<String>; 3]) -> bool {
    let locale = said.into_iter().flatten().find(|locale| !locale.is_empty()).unwrap_or_default();
    let locale = locale.to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

fn is_set(name: &str) -> bool {
    variable(name).is_some_and(|value| !value.is_empty())
}

#[expect(clippy::disallowed_methods, reason = "conventions of terminals, not settings of this server")]
fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_ascii_is_shown_where_the_locale_says_so() {
        let said = |all: &str, ctype: &str, lang: &str| {
            is_utf8([all, ctype, lang].map(|said| (said != "-").then(|| said.to_owned())))
        };
        assert!(said("-", "-", "en_GB.UTF-8") && said("C.utf8", "-", "-") && said("", "", "de_DE.utf8"));
        assert!(!said("-", "-", "-") && !said("-", "-", "C") && !said("C", "en_GB.UTF-8", "en_GB.UTF-8"));
        assert!(!said("-", "POSIX", "en_GB.UTF-8") && !said("-", "-", "en_GB.ISO-8859-15"));
    }
}

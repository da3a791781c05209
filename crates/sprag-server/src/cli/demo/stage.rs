//! How the story looks: numbered steps, what went over the wire, and whether it was as expected.

use std::io::{self, IsTerminal, Write};

use serde_json::Value;
use sprag::text::{shown, shown_lines};

use crate::http_client::Reply;

/// The widest line.
const WIDTH: usize = 100;

/// How far everything but a step's number is indented.
const INDENT: usize = 5;

/// How much of a token is shown.
const SHOWN_CHARS: usize = 8;

/// Tells a story to somebody who reads along.
pub(super) struct Stage<W> {
    out: W,
    has_colour: bool,
    step: usize,
    title: String,
    tokens: Vec<String>,
    failures: Vec<String>,
}

#[derive(Clone, Copy)]
enum Colour {
    Bold = 1,
    Dim = 2,
    Red = 31,
    Green = 32,
}

impl<W: Write + IsTerminal> Stage<W> {
    /// A stage on `out`; with colour if that is a terminal and nobody asked for none.
    pub(super) fn new(out: W) -> Self {
        let has_colour = out.is_terminal() && !asks_for_no_colour();
        Self { has_colour, ..Self::plain(out) }
    }
}

impl<W: Write> Stage<W> {
    /// A stage without colour.
    pub(super) fn plain(out: W) -> Self {
        let (tokens, failures) = (Vec::new(), Vec::new());
        Self { out, has_colour: false, step: 0, title: String::new(), tokens, failures }
    }

    pub(super) fn headline(&mut self, text: &str) -> io::Result<()> {
        let text = self.paint(Colour::Bold, &shown(text));
        writeln!(self.out, "\n  {text}")
    }

    /// Begins the next step.
    pub(super) fn step(&mut self, title: &str) -> io::Result<()> {
        self.step += 1;
        title.clone_into(&mut self.title);
        let heading = self.paint(Colour::Bold, &format!("{:>2}  {title}", self.step));
        writeln!(self.out, "\n {heading}")
    }

    /// Shows what somebody types or sends.
    pub(super) fn sent(&mut self, mark: char, text: &str) -> io::Result<()> {
        self.paragraph(Colour::Dim, mark, text)
    }

    /// Shows an answer.
    pub(super) fn answered(&mut self, reply: &Reply) -> io::Result<()> {
        let body = match reply.json::<Value>() {
            Ok(mut value) => {
                if let Some(problem) = value.as_object_mut().filter(|_| reply.status >= 400) {
                    // They only say the status once more (RFC 9457).
                    problem.retain(|name, _| !matches!(name.as_str(), "type" | "title" | "status"));
                }
                self.shorten(&value)
            }
            Err(_) => reply.text().trim().to_owned(),
        };
        self.paragraph(Colour::Dim, '<', format!("{} {body}", reply.status).trim_end())
    }

    /// Says something besides.
    pub(super) fn say(&mut self, text: &str) -> io::Result<()> {
        for line in shown_lines(text).lines() {
            let lead = &line[..line.len() - line.trim_start().len()];
            let lines = wrapped(line, WIDTH - INDENT, lead);
            for line in lines {
                writeln!(self.out, "{}", format!("{:INDENT$}{line}", "").trim_end())?;
            }
        }
        self.out.flush()
    }

    /// Says whether what was expected is so.
    pub(super) fn expect(&mut self, expected: &str, is_so: bool) -> io::Result<()> {
        let (mark, colour) = if is_so { ("✓", Colour::Green) } else { ("✗", Colour::Red) };
        if !is_so {
            self.failures.push(format!("step {} ({}) went otherwise: not {expected}", self.step, self.title));
        }
        let mark = self.paint(colour, mark);
        writeln!(self.out, "{:INDENT$}{mark} {expected}", "")
    }

    /// Gives up in the middle of a step.
    pub(super) fn break_off(&mut self, why: &str) {
        self.failures.push(format!("step {} ({}) broke off: {why}", self.step, self.title));
    }

    /// What went otherwise.
    pub(super) fn into_failures(self) -> Vec<String> {
        self.failures
    }

    /// JSON on one line, tokens cut short. Refresh tokens are numbered in the order they were seen, since all
    /// tokens of an account begin alike.
    pub(super) fn shorten(&mut self, value: &Value) -> String {
        self.shortened("", value).to_string()
    }

    fn shortened(&mut self, name: &str, value: &Value) -> Value {
        match value {
            Value::String(_) if name == "password" => "…".into(),
            Value::String(text) if name.ends_with("token") => self.short_token(text).into(),
            Value::Object(fields) => {
                fields.iter().map(|(name, value)| (name.clone(), self.shortened(name, value))).collect()
            }
            Value::Array(items) => items.iter().map(|item| self.shortened(name, item)).collect(),
            other => other.clone(),
        }
    }

    /// A token as it is shown.
    pub(super) fn short_token(&mut self, token: &str) -> String {
        let start: String = token.chars().take(SHOWN_CHARS).collect();
        if !token.starts_with(sprag::token::PREFIX) {
            return format!("{start}…");
        }
        let number = self.tokens.iter().position(|seen| seen == token).unwrap_or_else(|| {
            self.tokens.push(token.to_owned());
            self.tokens.len() - 1
        });
        format!("{start}…#{}", number + 1)
    }

    fn paragraph(&mut self, colour: Colour, mark: char, text: &str) -> io::Result<()> {
        let lines = wrapped(&shown_lines(text), WIDTH - INDENT - 2, "  ");
        for (index, line) in lines.iter().enumerate() {
            let mark = if index == 0 { mark } else { ' ' };
            let line = self.paint(colour, &format!("{mark} {line}"));
            writeln!(self.out, "{:INDENT$}{line}", "")?;
        }
        self.out.flush()
    }

    fn paint(&self, colour: Colour, text: &str) -> String {
        if self.has_colour { format!("\x1b[{}m{text}\x1b[0m", colour as u8) } else { text.to_owned() }
    }
}

/// <https://no-color.org>
#[expect(clippy::disallowed_methods, reason = "a convention of terminals, not a setting of this server")]
fn asks_for_no_colour() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// Breaks `text` after commas and spaces into lines of at most `width`, those after the first behind `indent`.
fn wrapped(text: &str, width: usize, indent: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for piece in text.split_inclusive([',', ' ']) {
        let is_full = line.chars().count() + piece.trim_end().chars().count() > width;
        if is_full && !line.trim().is_empty() {
            lines.push(line.trim_end().to_owned());
            line = indent.to_owned();
        }
        line += piece;
    }
    lines.push(line.trim_end().to_owned());
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stage() -> Stage<Vec<u8>> {
        Stage::plain(Vec::new())
    }

    #[test]
    fn tokens_are_cut_short_and_told_apart() {
        let mut stage = stage();
        let pair =
            json!({"access_token": "eyJ0eXAiOiJhdCtqd3QifQ.e30.c2ln", "refresh_token": "spr_AQEAAQ-one"});
        assert_eq!(stage.shorten(&pair), r#"{"access_token":"eyJ0eXAi…","refresh_token":"spr_AQEA…#1"}"#);
        let sent = json!({"refresh_token": "spr_AQEAAQ-two", "password": "correct horse"});
        assert_eq!(stage.shorten(&sent), r#"{"refresh_token":"spr_AQEA…#2","password":"…"}"#);
        assert_eq!(stage.short_token("spr_AQEAAQ-one"), "spr_AQEA…#1");
    }

    #[test]
    fn long_lines_are_wrapped_where_a_reader_expects_it() {
        let text = format!("200 {}", (0..40).map(|n| format!("\"field{n}\":1,")).collect::<String>());
        let lines = wrapped(&text, 93, "  ");
        assert!(lines.len() > 2 && lines.iter().all(|line| line.chars().count() <= 93), "{lines:?}");
        assert!(lines[1].starts_with("  \"field") && lines[0].ends_with(','), "{lines:?}");
        assert_eq!(wrapped("", 10, "  "), [""]);
        assert_eq!(wrapped(&"x".repeat(20), 10, "  "), ["x".repeat(20)], "what has no gap stays whole");
    }

    #[test]
    fn what_went_otherwise_is_said_with_its_step() {
        let mut stage = stage();
        stage.step("Log in").unwrap();
        stage.expect("the answer is 200", true).unwrap();
        stage.expect("a token pair comes", false).unwrap();
        let text = String::from_utf8(stage.out.clone()).unwrap();
        assert_eq!(text, "\n  1  Log in\n     ✓ the answer is 200\n     ✗ a token pair comes\n");
        assert_eq!(stage.into_failures(), ["step 1 (Log in) went otherwise: not a token pair comes"]);
    }
}

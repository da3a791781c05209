//! `.env`, read and never put into the process environment.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use super::error::ConfigError;

/// The file's name; it is looked for in the working directory and nowhere else.
pub(super) const NAME: &str = ".env";

/// One variable. Not `Debug`, as it may be a secret.
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) line: usize,
    /// Whether a `$` in it was taken for another variable's name. Readers of `.env` disagree on this, so a
    /// value that is ours must not depend on it: a secret would become another secret without a word.
    pub(super) has_substitution: bool,
}

/// Reads the file's text.
pub(super) fn read(text: &str) -> Result<Vec<Variable>, ConfigError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines: Vec<&str> = text.lines().collect();
    let counter = Rc::new(Cell::new(0));
    // The line break at the end is dotenvy's need: it takes a file that ends in a blank for a broken one.
    let by_line = ByLine { rest: format!("{text}\n").into_bytes(), at: 0, lines: Rc::clone(&counter) };
    let mut variables = Vec::new();
    let mut after = 0;
    for item in dotenvy::from_read_iter(by_line) {
        let (name, value) = item.map_err(|error| broken(&error, counter.get()))?;
        let last = counter.get().min(lines.len());
        let first =
            (after..last).find(|&index| begins(lines[index], &name)).unwrap_or(last.saturating_sub(1));
        let has_substitution = substitutes(&lines[first..last].join("\n"));
        variables.push(Variable { name, value, line: first + 1, has_substitution });
        after = last;
    }
    Ok(variables)
}

fn broken(error: &dotenvy::Error, last: usize) -> ConfigError {
    let first = match error {
        dotenvy::Error::LineParse(text, _) => (last + 1).saturating_sub(text.lines().count().max(1)),
        _ => last,
    };
    ConfigError::Line {
        place: format!("{NAME} line {}", first.max(1)),
        problem: "this is not NAME=value; put a value with blanks, quotes or # in it into single quotes, \
                  and close every quote"
            .to_owned(),
    }
}

fn begins(line: &str, name: &str) -> bool {
    let line = line.trim_start();
    let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
    line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('='))
}

/// Whether a `$` stands outside single quotes and comments, without a backslash.
fn substitutes(raw: &str) -> bool {
    let (mut single, mut double, mut before) = (false, false, ' ');
    let mut letters = raw.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if !single => drop(letters.next()),
            '\'' if !double => single = !single,
            '"' if !single => double = !double,
            '#' if !single && !double && before.is_whitespace() => return false,
            '$' if !single => return true,
            _ => {}
        }
        before = letter;
    }
    false
}

/// Hands out one line at a time, so that whoever buffers it is never ahead of the line it works on.
struct ByLine {
    rest: Vec<u8>,
    at: usize,
    lines: Rc<Cell<usize>>,
}

impl Read for ByLine {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = &self.rest[self.at..];
        let line = rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |end| end + 1);
        let count = line.min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        if count > 0 && buffer[count - 1] == b'\n' {
            self.lines.set(self.lines.get() + 1);
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_and_lines(text: &str) -> Vec<(String, String, usize)> {
        read(text)
            .unwrap_or_default()
            .into_iter()
            .map(|found| (found.name, found.value, found.line))
            .collect()
    }

    #[test]
    fn each_variable_knows_its_line() {
        let text = "\u{feff}# ours\n\nA=1\nexport B='two words' # why\nC=\"x\ny\"\n\n  D=4  ";
        let expected = [("A", "1", 3), ("B", "two words", 4), ("C", "x\ny", 5), ("D", "4", 8)];
        assert_eq!(names_and_lines(text), expected.map(|(n, v, l)| (n.to_owned(), v.to_owned(), l)));
    }

    #[test]
    fn a_line_longer_than_any_buffer_is_one_line() {
        let text = format!("A='{}'\nB=2", "x".repeat(20_000));
        assert_eq!(names_and_lines(&text)[1], ("B".to_owned(), "2".to_owned(), 2));
    }

    #[test]
    fn a_broken_line_is_named_and_not_repeated() {
        for (text, line) in [("A=1\nhunter2 hunter3\n", 2), ("A=1\n\nB='hunter2\nC=3\n", 3)] {
            let told = read(text).err().unwrap().to_string();
            assert!(told.starts_with(&format!(".env line {line}: ")), "{told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }

    #[test]
    fn a_dollar_is_noticed_where_it_is_not_literal() {
        for (raw, expected) in [
            ("A=pa$word", true),
            ("A=\"pa$word\"", true),
            ("A='pa$word'", false),
            ("A=pa\\$word", false),
            ("A=1 # it's $5", false),
            ("A=\"it's $5\"", true),
        ] {
            assert_eq!(substitutes(raw), expected, "{raw}");
        }
    }
}

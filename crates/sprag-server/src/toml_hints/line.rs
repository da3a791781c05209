//! The line on which a parser of TOML gave up, and what a hand most likely meant by it.

/// What is written wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Misspelt<'a> {
    /// A text in no quotes; the key is empty in a list.
    Unquoted { key: &'a str, value: &'a str },
    /// `True`.
    Boolean { key: &'a str, word: &'a str },
    /// A quote as a word processor makes it.
    Quote(char),
    /// A character that looks like a blank.
    Blank(char),
    /// Something else, or nothing, where an equals sign belongs.
    NoEquals { key: &'a str, mark: Option<char> },
    /// `==` or `=>`.
    TwoEquals,
    /// A comment that begins as in another language.
    Comment(&'static str),
    /// A `;` or `,` after the value.
    Behind(char),
    /// Nothing after the equals sign.
    Empty { key: &'a str },
    /// A word or dash before the name.
    Word(&'a str),
    /// An object of JSON.
    Json,
}

const TYPOGRAPHIC: [char; 11] = [
    '\u{201c}', '\u{201d}', '\u{201e}', '\u{201f}', '\u{2018}', '\u{2019}', '\u{201a}', '\u{201b}', '\u{ab}',
    '\u{bb}', '\u{b4}',
];

const COMMENTS: [&str; 4] = ["//", ";", "--", "/*"];

/// A line, and the part of it around the place where the parser gave up: within brackets the one between two commas.
pub(super) struct Line<'a> {
    whole: &'a str,
    part: &'a str,
    is_within_brackets: bool,
}

impl<'a> Line<'a> {
    pub(super) fn around(text: &'a str, at: usize) -> Self {
        let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
        let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
        let whole = text[start..end].trim_end_matches('\r');
        let (begin, depth) = part_begins(&text[start..at]);
        let rest = &whole[begin.min(whole.len())..];
        let part = if depth > 0 { &rest[..rest.find([',', '}', ']']).unwrap_or(rest.len())] } else { rest };
        Self { whole, part, is_within_brackets: depth > 0 }
    }

    /// What the line has in it that the parser's words do not name.
    pub(super) fn misspelt(&self, words: &str) -> Option<Misspelt<'a>> {
        let part = self.part.trim();
        let (name, value) = part.split_once('=').map_or((part, None), |(name, value)| (name, Some(value)));
        let (key, value) = (name.trim(), value.map(|value| self.without_comment(value)));
        let quote = |text: &str| {
            text.chars().next().into_iter().chain(text.chars().next_back()).find(|c| TYPOGRAPHIC.contains(c))
        };
        if let Some(quote) = quote(value.unwrap_or(part)).or_else(|| quote(key)) {
            return Some(Misspelt::Quote(quote));
        }
        let before_quotes = self.part.split(['"', '\'']).next().unwrap_or_default();
        if let Some(blank) = before_quotes.chars().find(|c| is_odd_blank(*c)) {
            return Some(Misspelt::Blank(blank));
        }
        if words.starts_with("key with no value") || words.starts_with("missing assignment") {
            return self.without_equals(part);
        }
        if self.whole.trim_start().starts_with('{') && words.contains("expected key") {
            return Some(Misspelt::Json);
        }
        match value {
            Some(value) if is_key(key) => self.of_value(key, value, words),
            None if self.is_within_brackets && words.starts_with("string values must be quoted") => {
                Some(Misspelt::Unquoted { key: "", value: part })
            }
            _ => None,
        }
    }

    fn without_equals(&self, part: &'a str) -> Option<Misspelt<'a>> {
        let line = self.whole.trim_start();
        if let Some(mark) = COMMENTS.into_iter().find(|mark| line.starts_with(mark)) {
            return Some(Misspelt::Comment(mark));
        }
        let end = part.find(|c: char| c.is_whitespace() || c == ':').unwrap_or(part.len());
        let (key, rest) = part.split_at(end);
        let rest = rest.trim_start();
        match key {
            "export" | "set" | "-" | "let" | "const" if rest.contains('=') => Some(Misspelt::Word(key)),
            _ if is_key(key) => {
                Some(Misspelt::NoEquals { key, mark: rest.chars().next().filter(|c| *c == ':') })
            }
            _ => None,
        }
    }

    fn of_value(&self, key: &'a str, value: &'a str, words: &str) -> Option<Misspelt<'a>> {
        if value.is_empty() {
            return Some(Misspelt::Empty { key });
        }
        if value.starts_with(['=', '>']) {
            return Some(Misspelt::TwoEquals);
        }
        let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
            return self.of_bare_value(key, value);
        };
        let behind = value[1..].split_once(quote).map(|(_, behind)| behind.trim_start());
        let behind = behind.filter(|_| words.starts_with("unexpected key or value"))?;
        match behind.chars().next()? {
            _ if behind.starts_with("//") => Some(Misspelt::Comment("//")),
            mark @ (';' | ',') => Some(Misspelt::Behind(mark)),
            _ => None,
        }
    }

    fn of_bare_value(&self, key: &'a str, value: &'a str) -> Option<Misspelt<'a>> {
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || b"_+-".contains(&byte));
        if value.starts_with(['[', '{']) || is_number(value) {
            return None;
        }
        let bare = value.trim_end_matches([';', ',']);
        match value.chars().next_back().filter(|_| bare.len() < value.len()) {
            Some(mark) if is_number(bare) || matches!(bare, "true" | "false") => Some(Misspelt::Behind(mark)),
            _ if value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false") => {
                Some(Misspelt::Boolean { key, word: value })
            }
            _ => Some(Misspelt::Unquoted { key, value: bare }),
        }
    }

    /// A value that stands by itself ends before a comment.
    fn without_comment(&self, value: &'a str) -> &'a str {
        let value = value.trim_matches([' ', '\t']);
        let is_quoted = value.starts_with(['"', '\'']);
        let end =
            if value.starts_with('#') { Some(0) } else { value.find(" #").or_else(|| value.find("\t#")) };
        end.filter(|_| !is_quoted).map_or(value, |end| value[..end].trim_end())
    }
}

/// Where the part begins that a line's beginning ends in, and how many brackets are open there.
fn part_begins(head: &str) -> (usize, usize) {
    let (mut begin, mut depth, mut quote) = (0, 0_usize, None);
    for (at, c) in head.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '{' | '[') => (begin, depth) = (at + 1, depth + 1),
            (None, '}' | ']') => depth = depth.saturating_sub(1),
            (None, ',') if depth > 0 => begin = at + 1,
            _ => {}
        }
    }
    if depth > 0 { (begin, depth) } else { (0, 0) }
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

fn is_odd_blank(c: char) -> bool {
    (c.is_whitespace() && !c.is_ascii()) || matches!(c, '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}')
}

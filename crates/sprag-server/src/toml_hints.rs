//! What TOML itself has against a profile or a file of settings, with a way out: its own words name what its grammar missed,
//! not what to write.
//!
//! Most slips are few: a text without quotes, quotes that a word processor made, a colon for an equals sign. They are
//! recognised by the line on which the parser gave up.

use crate::quoted::quoted;

mod line;

use line::{Line, Misspelt};

/// What is wrong with a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// At which byte.
    pub(crate) at: usize,
    /// What is wrong.
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
}

/// How the parser begins to say what is wrong, and what to do about it.
const HINTS: &[(&str, &str)] = &[
    ("string values must be quoted", "put a text into double quotes, as \"POST /login\""),
    ("invalid basic string", "close the double quote on the same line"),
    ("invalid literal string", "close the single quote on the same line"),
    ("invalid multi-line", "close the three quotes"),
    (
        "missing escaped value",
        "in double quotes a backslash is written \\\\; single quotes leave it as it is",
    ),
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
    ("unexpected leading zero", "write a number without the zero before it, and a text in double quotes"),
    ("invalid unquoted key", ASSIGNMENT),
    ("unquoted keys cannot be empty", ASSIGNMENT),
];

const BRACKETS: &str =
    "put a comma between two values, and close every quote, { and [ here and on the lines before";
const ASSIGNMENT: &str =
    "write name = \"value\"; a name with more than letters, digits, - and _ stands in double quotes";

/// How a kind of file is spoken of.
pub(crate) struct Wording<'a> {
    /// Whether a name may be repeated; what stands in the place of one may be a secret.
    pub(crate) repeats: &'a dyn Fn(&str) -> bool,
    /// What to write for a name and what was written as its value.
    pub(crate) like: &'a dyn Fn(&str, &str) -> String,
}

/// What the parser said of a file.
pub(crate) fn told(text: &str, error: &toml::de::Error, wording: &Wording<'_>) -> Told {
    let at = error.span().unwrap_or_default().start;
    let words = error.message().trim().replace('\n', ", ");
    if words == "duplicate key" {
        return twice(text, at);
    }
    if let Some(misspelt) = Line::around(text, at).misspelt(&words) {
        let (what, hint) = of_line(&misspelt, wording);
        return Told { at, what, hint: Some(hint) };
    }
    let hint = HINTS.iter().find(|(beginning, _)| words.starts_with(beginning));
    Told { at, hint: hint.map(|(_, hint)| (*hint).to_owned()), what: words }
}

fn of_line(misspelt: &Misspelt<'_>, wording: &Wording<'_>) -> (String, String) {
    let like = wording.like;
    let named = |key: &str| if (wording.repeats)(key) { key.to_owned() } else { "this name".to_owned() };
    match misspelt {
        Misspelt::Unquoted { key: "", .. } => {
            ("a text stands here in no quotes".to_owned(), "put it into double quotes".to_owned())
        }
        Misspelt::Unquoted { key, value } => {
            (format!("the value of {} is a text and stands in no quotes", named(key)), like(key, value))
        }
        Misspelt::Boolean { key, word } => (
            format!(
                "the value of {} is no word of TOML, which writes true and false in small letters",
                named(key)
            ),
            like(key, word),
        ),
        Misspelt::Quote(quote) => (
            format!("a typographic quote stands here ({quote}), which TOML does not know"),
            "write straight quotes, as in name = \"value\"".to_owned(),
        ),
        Misspelt::Blank(blank) => (
            format!(
                "a character stands here that looks like a blank and is none to TOML (U+{:04X})",
                u32::from(*blank)
            ),
            "type a plain blank in its place".to_owned(),
        ),
        Misspelt::NoEquals { key, mark } => {
            let what = match mark {
                Some(_) => format!("a colon stands after {} where TOML has an equals sign", named(key)),
                None => format!("there is no equals sign after {}", named(key)),
            };
            (what, like(key, "value"))
        }
        Misspelt::TwoEquals => {
            ("more than one sign stands between a name and its value".to_owned(), "write one =".to_owned())
        }
        Misspelt::Comment(mark) => {
            (format!("{mark} begins no comment in TOML"), "begin it with #".to_owned())
        }
        Misspelt::Behind(mark) => (
            format!("{mark} stands behind the value"),
            "end the line after the value; a comment begins with #".to_owned(),
        ),
        Misspelt::Empty { key } => {
            (format!("{} has no value", named(key)), format!("{}, or delete the line", like(key, "value")))
        }
        Misspelt::Word(word) => {
            (format!("{word} stands before the name"), "leave it out, and write name = \"value\"".to_owned())
        }
        Misspelt::Json => (
            "this is JSON".to_owned(),
            "write each name on a line of its own without the brackets around them all, as name = \"value\""
                .to_owned(),
        ),
    }
}

/// A key or table that stands there already; the parser says neither which nor where.
fn twice(text: &str, at: usize) -> Told {
    let (above, here) = text.split_at(text[..at].rfind('\n').map_or(0, |end| end + 1));
    let line = here.lines().next().unwrap_or_default();
    let told = |what: String, hint: &str| Told { at, what, hint: Some(hint.to_owned()) };
    let Some(table) = header(line) else {
        let key = &text[at..];
        let key = key[..key.find(['=', '\n']).unwrap_or(key.len())].trim();
        let same = |other: &str| has_key(other, key);
        let first = above.lines().rev().take_while(|other| header(other).is_none()).position(same);
        let what = format!("the key {} stands here twice{}", quoted(key), since(above, first));
        return told(what, "keep one of them");
    };
    let name = table.rsplit('.').next().unwrap_or(table);
    let same = |other: &str| header(other) == Some(table) || (table.contains('.') && has_key(other, name));
    let first = above.lines().rev().position(same);
    let is_key =
        first.and_then(|back| above.lines().rev().nth(back)).is_some_and(|other| header(other).is_none());
    let what = format!("the table {} stands here twice{}", quoted(table), since(above, first));
    let hint = match table.split('.').next() {
        _ if is_key => "keep one of them",
        Some("route") => {
            "begin each call with the line [[route]], just so: two brackets on either side, and no s"
        }
        _ => "put the lines of both into one",
    };
    told(what, hint)
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

#[cfg(test)]
mod tests {
    use toml::de::DeTable;

    use super::*;

    fn told_of(text: &str) -> String {
        let error = DeTable::parse(text).unwrap_err();
        let like = |key: &str, value: &str| format!("write {key} = \"{value}\"");
        let told = told(text, &error, &Wording { repeats: &|_| true, like: &like });
        format!("{}; {}", told.what, told.hint.unwrap_or_default())
    }

    #[test]
    fn a_text_without_quotes_is_told_with_the_line_as_it_should_be() {
        for (line, key, value) in [
            ("listen = 127.0.0.1:8080", "listen", "127.0.0.1:8080"),
            ("listen = 127.0.0.1:8080 # why", "listen", "127.0.0.1:8080"),
            ("listen=localhost:8080", "listen", "localhost:8080"),
            ("public_url = https://login.example.com/#x", "public_url", "https://login.example.com/#x"),
            ("access_ttl = 15m", "access_ttl", "15m"),
            ("access_ttl = 15 m", "access_ttl", "15 m"),
            ("access_ttl = 1d12h", "access_ttl", "1d12h"),
            ("secure_cookies = on", "secure_cookies", "on"),
            ("data_dir = /var/lib/sprag", "data_dir", "/var/lib/sprag"),
            ("data_dir = ./data", "data_dir", "./data"),
            ("data_dir = ../data", "data_dir", "../data"),
            ("data_dir = ~/data", "data_dir", "~/data"),
            ("log = info", "log", "info"),
            ("log = sprag=debug", "log", "sprag=debug"),
            ("log_format = json", "log_format", "json"),
            ("signing_algorithm = ES256", "signing_algorithm", "ES256"),
            ("x = None", "x", "None"),
            ("profiles = sprag, shop", "profiles", "sprag, shop"),
            ("on = POST /login", "on", "POST /login"),
            ("lifetimes = { access = 15m, refresh = \"30d\" }", "access", "15m"),
            ("lifetimes = { access = \"15m\", refresh = 30d }", "refresh", "30d"),
            ("cookie = { name = \"a\", path = /api/auth }", "path", "/api/auth"),
            ("takes = { email = $email }", "email", "$email"),
            ("a = 1\nb = \"x\"\nc = y", "c", "y"),
            ("SPRAG_LISTEN=127.0.0.1:8080", "SPRAG_LISTEN", "127.0.0.1:8080"),
        ] {
            let expected =
                format!("the value of {key} is a text and stands in no quotes; write {key} = \"{value}\"");
            assert_eq!(told_of(line), expected, "{line}");
        }
        assert_eq!(
            told_of("profiles = [sprag, shop]"),
            "a text stands here in no quotes; put it into double quotes"
        );
    }

    #[test]
    fn what_else_a_hand_writes_has_a_sentence_of_its_own() {
        for (line, told) in [
            ("listen = \u{201c}127.0.0.1:8080\u{201d}", "a typographic quote stands here (\u{201c})"),
            ("listen = \u{2018}127.0.0.1:8080\u{2019}", "a typographic quote stands here (\u{2018})"),
            ("listen = \u{201e}a\u{201c}", "a typographic quote stands here (\u{201e})"),
            ("listen = \u{ab}a\u{bb}", "a typographic quote stands here (\u{ab})"),
            ("listen = \"127.0.0.1:8080\u{201d}", "a typographic quote stands here (\u{201d})"),
            ("a = { b = \u{201c}x\u{201d} }", "a typographic quote stands here (\u{201c})"),
            ("listen\u{a0}= \"x\"", "is none to TOML (U+00A0)"),
            ("listen =\u{a0}\"x\"", "is none to TOML (U+00A0)"),
            ("\u{3000}listen = \"x\"", "is none to TOML (U+3000)"),
            ("listen \"127.0.0.1:8080\"", "there is no equals sign after listen; write listen = \"value\""),
            ("listen 127.0.0.1:8080", "there is no equals sign after listen"),
            ("listen", "there is no equals sign after listen"),
            ("listen: \"127.0.0.1:8080\"", "a colon stands after listen where TOML has an equals sign"),
            ("listen: 127.0.0.1:8080", "a colon stands after listen"),
            ("listen := \"x\"", "a colon stands after listen"),
            ("gives = { token: \"$access_token\" }", "a colon stands after token"),
            ("listen == \"x\"", "more than one sign stands between a name and its value; write one ="),
            ("listen => \"x\"", "more than one sign stands"),
            ("listen =", "listen has no value; write listen = \"value\", or delete the line"),
            ("listen = # none", "listen has no value"),
            ("secure = True", "writes true and false in small letters; write secure = \"True\""),
            ("secure = FALSE", "writes true and false in small letters"),
            ("listen = \"127.0.0.1:8080\";", "; stands behind the value; end the line after the value"),
            ("listen = \"127.0.0.1:8080\",", ", stands behind the value"),
            ("listen = \"127.0.0.1:8080\" // mine", "// begins no comment in TOML; begin it with #"),
            ("// mine\nlisten = \"x\"", "// begins no comment in TOML"),
            ("; mine\nlisten = \"x\"", "; begins no comment in TOML"),
            ("-- mine\nlisten = \"x\"", "-- begins no comment in TOML"),
            ("export listen = \"x\"", "export stands before the name; leave it out"),
            ("- listen = \"x\"", "- stands before the name"),
            ("{ \"listen\": \"x\" }", "this is JSON; write each name on a line of its own"),
            ("data_dir = \"C:\\data\"", "single quotes leave it as it is"),
            ("listen = 'x\"", "close the single quote on the same line"),
            ("profiles = [\"a\" \"b\"]", "put a comma between two values"),
            ("a = 1\na = 2", "the key \"a\" stands here twice, first on line 1; keep one of them"),
            ("threads = 007", "write a number without the zero before it"),
        ] {
            let found = told_of(line);
            assert!(found.contains(told), "{line}: {found}");
        }
    }
}

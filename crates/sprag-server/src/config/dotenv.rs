//! `.env`, read and never put into the process environment.
//!
//! The file is mostly somebody else's, and readers of `.env` disagree about much. So a line is judged only where its
//! variable is asked for; and a value that npm's dotenv, python-dotenv and we would not all read alike is refused then,
//! since a secret would otherwise become another secret without a word.

use super::value::Parsed;

/// The file's name; it is looked for in the working directory and nowhere else.
pub(super) const NAME: &str = ".env";

/// How the names of our settings begin.
const OURS: &str = "SPRAG_";

/// What opens a value that may go on over lines; all but the last of them for everybody.
const QUOTES: [char; 3] = ['\'', '"', '`'];

/// What the file says.
#[derive(Default)]
pub(super) struct Dotenv {
    /// The variables, in the order of the file.
    pub(super) variables: Vec<Variable>,
    /// The lines that are no `NAME=value`, or open a quote that nothing closes: readers do not agree on where the next
    /// variable begins.
    pub(super) odd_lines: Vec<usize>,
    /// Those of them that name one of ours all the same.
    pub(super) odd_lines_of_ours: Vec<usize>,
}

/// One variable. Not `Debug`, as it may be a secret.
pub(super) struct Variable {
    pub(super) name: String,
    /// Its value, or what is wrong with it; that never repeats what the line says.
    pub(super) value: Parsed<String>,
    pub(super) line: usize,
}

/// Reads the file's text. No line of it is refused here, because it may be nobody's who asks.
pub(super) fn read(text: &str) -> Dotenv {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n").replace('\r', "\n");
    let mut dotenv = Dotenv::default();
    let (mut rest, mut line) = (text.as_str(), 1);
    while !rest.is_empty() {
        let statement = &rest[..statement_end(rest)];
        dotenv.take(statement, line);
        line += statement.matches('\n').count() + 1;
        rest = rest[statement.len()..].strip_prefix('\n').unwrap_or_default();
    }
    dotenv
}

/// What is to be told of these lines; what they say is not repeated.
pub(super) fn left_out(odd_lines: &[usize]) -> Option<String> {
    /// The most lines that are named.
    const MOST: usize = 8;
    let named: Vec<String> = odd_lines.iter().take(MOST).map(usize::to_string).collect();
    let lines = match odd_lines {
        [] => return None,
        [line] => format!("line {line} is"),
        all if all.len() <= MOST => format!("lines {} are", named.join(", ")),
        all => format!("lines {} and {} more are", named.join(", "), all.len() - MOST),
    };
    Some(format!(
        "{NAME} {lines} not NAME=value, or open a quote that nothing closes: nothing was taken from there, and other \
         readers of {NAME} may take the lines that follow otherwise; put # in front, or write NAME='value'"
    ))
}

impl Dotenv {
    /// Takes a line, or the lines of a value in quotes.
    fn take(&mut self, statement: &str, line: usize) {
        let first = statement.trim_start();
        if first.is_empty() || first.starts_with('#') {
            return;
        }
        let (name, raw) = parts(statement);
        if raw.is_none_or(|raw| opens(raw) && closing(raw).is_none()) {
            self.odd_lines.push(line);
            let is_named = name.is_some_and(|name| name.starts_with(OURS));
            if raw.is_none() && !is_named && first.contains(OURS) {
                self.odd_lines_of_ours.push(line);
            }
        }
        if let Some(name) = name {
            let value = raw.map_or_else(|| Err(broken()), |raw| value(statement, raw));
            self.variables.push(Variable { name: name.to_owned(), value, line });
        }
        // A quote that was left open would otherwise swallow the lines up to the next one without a word.
        for (within, text) in statement.lines().enumerate().skip(1) {
            if let (Some(name), Some(_)) = parts(text) {
                let value =
                    Err(format!("it stands within the quotes that line {line} opens; close them there"));
                self.variables.push(Variable { name: name.to_owned(), value, line: line + within });
            }
        }
    }
}

/// The name that a statement begins with, and what stands behind the first `=` after it.
fn parts(statement: &str) -> (Option<&str>, Option<&str>) {
    let start = statement.trim_start();
    let start = match start.strip_prefix("export") {
        Some(rest) if rest.starts_with([' ', '\t']) => rest.trim_start(),
        _ => start,
    };
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || "_.-".contains(letter);
    let (name, rest) = start.split_at(start.find(|letter| !is_of_name(letter)).unwrap_or(start.len()));
    let raw = rest.trim_start_matches([' ', '\t']).strip_prefix('=');
    match name {
        "" => (None, None),
        name => (Some(name), raw.map(str::trim_start)),
    }
}

/// Where the statement ends that a text begins with: at the end of its line, or of the line on which the quotes of its
/// value close.
fn statement_end(text: &str) -> usize {
    let line_end = |from: usize| text[from..].find('\n').map_or(text.len(), |end| from + end);
    let first = line_end(0);
    let Some(raw) = parts(&text[..first]).1.filter(|raw| opens(raw)) else { return first };
    let begin = first - raw.len();
    let Some(close) = closing(&text[begin..]) else { return first };
    let last = line_end(begin + close);
    // With more behind it that is no end but the quotes of another line.
    if is_blank_or_comment(&text[begin + close + 1..last]) { last } else { first }
}

fn opens(raw: &str) -> bool {
    raw.starts_with(QUOTES)
}

/// Where the quotes close that a text opens; a backslash keeps a quote from closing them.
fn closing(text: &str) -> Option<usize> {
    let mut letters = text.char_indices();
    let (_, quote) = letters.next()?;
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => drop(letters.next()),
            _ if letter == quote => return Some(at),
            _ => {}
        }
    }
    None
}

fn is_blank_or_comment(tail: &str) -> bool {
    let text = tail.trim_start();
    text.is_empty() || text.starts_with('#')
}

/// What a statement whose value is written as `raw` gives its variable.
fn value(statement: &str, raw: &str) -> Parsed<String> {
    let raw = raw.trim_end();
    if let Some(problem) = doubt(raw) {
        return Err(format!("there is {problem}; {}", way_out(raw)));
    }
    // The line break at the end is dotenvy's need: it takes a text that ends in a blank for a broken one.
    let text = format!("{statement}\n");
    match dotenvy::from_read_iter(text.as_bytes()).next() {
        Some(Ok((_, value))) => Ok(value),
        _ => Err(broken()),
    }
}

fn broken() -> String {
    "this is not NAME=value; put a value with blanks, quotes or # in it into single quotes, and close every quote"
        .to_owned()
}

/// What in a value readers do not agree on.
fn doubt(raw: &str) -> Option<&'static str> {
    let Some(quote) = raw.chars().next().filter(|letter| QUOTES.contains(letter)) else {
        return doubt_without_quotes(raw);
    };
    if quote == '`' {
        return Some(BACKTICK);
    }
    let Some(close) = closing(raw) else { return Some(QUOTE) };
    let (inside, tail) = (&raw[1..close], &raw[close + 1..]);
    match quote {
        _ if tail.starts_with('#') => Some(HASH),
        _ if !is_blank_or_comment(tail) => Some(QUOTE),
        // python-dotenv replaces it here too, and takes away a backslash before a backslash or quote.
        '\'' if inside.contains("${") => Some(DOLLAR),
        '\'' if inside.contains(r"\\") || inside.contains(r"\'") => Some(BACKSLASH),
        '"' => inside.chars().find_map(|letter| doubt_of(letter, "\\$`")),
        _ => None,
    }
}

fn doubt_without_quotes(raw: &str) -> Option<&'static str> {
    let mut before = '=';
    for letter in raw.chars() {
        let is_after_blank = matches!(before, ' ' | '\t');
        before = letter;
        match letter {
            '#' if is_after_blank => return None,
            ' ' | '\t' => {}
            _ if letter.is_whitespace() || letter.is_control() || letter == '\u{feff}' => {
                return Some(UNSEEN);
            }
            _ => {}
        }
        if let doubt @ Some(_) = doubt_of(letter, "#\\$`'\"") {
            return doubt;
        }
    }
    None
}

const HASH: &str = "a # in it, where some readers of .env end the value and others do not";
const DOLLAR: &str = "a $ in it, which some readers of .env replace and others do not";
const BACKSLASH: &str = "a backslash in it, which some readers of .env keep and others do not";
const BACKTICK: &str = "a backtick in it, which some readers of .env take for a quote and others do not";
const QUOTE: &str = "a quote in it that some readers of .env keep and others do not";
const UNSEEN: &str = "a letter in it that cannot be seen, which some readers of .env keep and others do not";

fn doubt_of(letter: char, among: &str) -> Option<&'static str> {
    let doubt = match letter {
        '#' => HASH,
        '$' => DOLLAR,
        '\\' => BACKSLASH,
        '`' => BACKTICK,
        _ => QUOTE,
    };
    among.contains(letter).then_some(doubt)
}

/// How the value can be written so that nobody is in doubt.
fn way_out(raw: &str) -> &'static str {
    let bare = QUOTES.iter().find_map(|&quote| raw.strip_prefix(quote)?.strip_suffix(quote)).unwrap_or(raw);
    let is_clear = |quote: char| doubt(&format!("{quote}{bare}{quote}")).is_none();
    if raw.starts_with("# ") {
        "nothing stands before it: delete the line, or put the value that is meant into single quotes"
    } else if is_clear('\'') {
        "put the value that is meant into single quotes, to have it as it stands"
    } else if is_clear('"') {
        "put the value that is meant into double quotes, to have it as it stands"
    } else {
        "quotes do not help here: set the variable in the environment, or choose another value"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_and_lines(text: &str) -> Vec<(String, Option<String>, usize)> {
        let variables = read(text).variables.into_iter();
        variables.map(|found| (found.name, found.value.ok(), found.line)).collect()
    }

    fn expected(rows: &[(&str, Option<&str>, usize)]) -> Vec<(String, Option<String>, usize)> {
        rows.iter().map(|(name, value, line)| ((*name).to_owned(), value.map(str::to_owned), *line)).collect()
    }

    #[test]
    fn each_variable_knows_its_line() {
        let text =
            "\u{feff}# ours\r\n\nA=1\nexport B='two words' # why\nC=\"x\ny\"\n\n  D = 4  \rE=\nF=5 # it's $5";
        let rows = [
            ("A", Some("1"), 3),
            ("B", Some("two words"), 4),
            ("C", Some("x\ny"), 5),
            ("D", Some("4"), 8),
            ("E", Some(""), 9),
            ("F", Some("5"), 10),
        ];
        assert_eq!(names_and_lines(text), expected(&rows));
        let text = format!("A='{}'\nB=2", "x".repeat(20_000));
        assert_eq!(names_and_lines(&text)[1], ("B".to_owned(), Some("2".to_owned()), 2));
    }

    #[test]
    fn a_line_of_somebody_elses_keeps_nobody_from_the_next() {
        for line in [
            "EMAIL_PASS=abcd efgh ijkl mnop",
            "AP=it's",
            "CRON=*/5 * * * *",
            r#"JSON={"a": "b c"}"#,
            "B=`a b`",
            r#"FROM="Acme" <a@b.c>"#,
            "OPEN='hunter2",
            "OPEN=\"hunter2",
            "hunter2 hunter3",
            "A-B=x y",
            "=x",
            "NAME: x",
        ] {
            let found = names_and_lines(&format!("A=1\n{line}\nZ='2'\nY=\"3\"\n"));
            assert_eq!(found[0], ("A".to_owned(), Some("1".to_owned()), 1), "{line}");
            let last = expected(&[("Z", Some("2"), 3), ("Y", Some("3"), 4)]);
            assert_eq!(found[found.len() - 2..], last, "{line}");
            assert!(found[1..found.len() - 2].iter().all(|(_, value, _)| value.is_none()), "{line}");
        }
    }

    #[test]
    fn a_variable_within_the_quotes_of_another_is_not_swallowed() {
        let text = "A='hunter2\nB=2\nC='\nD=4";
        let rows = [("A", Some("hunter2\nB=2\nC="), 1), ("B", None, 2), ("C", None, 3), ("D", Some("4"), 4)];
        assert_eq!(names_and_lines(text), expected(&rows));
        let told = read(text).variables.swap_remove(1).value.unwrap_err();
        assert_eq!(told, "it stands within the quotes that line 1 opens; close them there");
    }

    #[test]
    fn lines_that_may_hide_a_variable_are_counted() {
        let text = "A=1\nTITLE=My App\nhunter2 hunter3\nKEY='abc\nB=2\n'C'=3\nD='x\ny'\nFROM=\"A\" <b>\nE=`x";
        assert_eq!(read(text).odd_lines, [3, 4, 6, 10]);
        let text = "\"SPRAG_A\"=1\n- SPRAG_B=2\nset SPRAG_C=3\n# 'SPRAG_D'=4\n'OTHER'=5\nSPRAG_E=6";
        assert_eq!(read(text).odd_lines_of_ours, [1, 2, 3]);
    }

    #[test]
    fn a_value_that_readers_disagree_on_is_none() {
        let single = "put the value that is meant into single quotes, to have it as it stands";
        let double = "put the value that is meant into double quotes, to have it as it stands";
        let neither = "quotes do not help here: set the variable in the environment, or choose another value";
        for (raw, doubt, way_out) in [
            ("abc#def", HASH, single),
            ("#def", HASH, single),
            ("'abc'#def", HASH, double),
            ("pa$word", DOLLAR, single),
            ("\"pa$word\"", DOLLAR, single),
            ("'pa${word}'", DOLLAR, neither),
            ("\"it's $5\"", DOLLAR, neither),
            ("a\\b", BACKSLASH, single),
            ("\"a\\b\"", BACKSLASH, single),
            ("\"a\\\\b\"", BACKSLASH, neither),
            ("'a\\\\b'", BACKSLASH, neither),
            ("a'b'c", QUOTE, double),
            ("a\"b", QUOTE, single),
            ("'abc\\'", QUOTE, neither),
            ("'abc' 'def'", QUOTE, double),
            ("\"a`b\"", BACKTICK, single),
            ("`a b`", BACKTICK, single),
            ("a`b", BACKTICK, single),
            ("a\u{a0}b", UNSEEN, single),
        ] {
            let told = value(&format!("A={raw}"), raw).unwrap_err();
            assert_eq!(told, format!("there is {doubt}; {way_out}"), "{raw}");
        }
    }

    #[test]
    fn what_stands_in_single_quotes_is_what_it_is() {
        for inside in ["", "abc#def", "a #b", "pa$word", "a\\b", "a\"b`c", "{\"a\": 1}", "a=b", "é ü"] {
            let text = format!("A='{inside}'");
            assert_eq!(names_and_lines(&text), expected(&[("A", Some(inside), 1)]));
        }
        for inside in ["it's", "abc#def", "a b"] {
            let text = format!("A=\"{inside}\" # why");
            assert_eq!(names_and_lines(&text), expected(&[("A", Some(inside), 1)]));
        }
    }

    #[test]
    fn what_is_told_repeats_nothing() {
        for text in ["A=hunter2 hunter3", "A='hunter2", "A=hunter2#", "A hunter2", "A='x\nA=hunter2\n'"] {
            for variable in read(text).variables {
                let told = variable.value.err().unwrap_or_default();
                assert!(!told.contains("hunter"), "{told}");
            }
        }
    }
}

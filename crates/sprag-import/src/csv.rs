//! CSV (RFC 4180) with a header line, record by record, however long one may be.
//!
//! Stricter than most readers: a quote that stands where none may would let one record swallow those that follow it,
//! and a line that was never looked at is in no report. That is why this reader is our own: the csv crate takes such a text
//! as well as it can and has no strict mode (BurntSushi/rust-csv#77).

use std::borrow::Cow;
use std::io::{self, BufRead};
use std::ops::RangeInclusive;

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::columns;
use super::mongo;
use super::reader::{Item, MAX_RECORD_BYTES, Sender, TOO_LONG};
use super::record::{Position, Record};

/// More columns than any table has.
const MAX_COLUMNS: usize = 2000;

/// A field of several lines that is longer than this is no text of somebody's, but begins with a stray quote.
const MAX_LINES_BYTES: usize = 64 * 1024;

/// What databases write where there is nothing: MySQL the word, PostgreSQL and MySQL the other.
const NULLS: [&str; 2] = ["NULL", "\\N"];

/// What parts the fields elsewhere, by its name.
const OTHER_SEPARATORS: [(char, &str); 3] = [(';', "semicolons"), ('\t', "tabs"), ('|', "bars")];

const AFTER_QUOTE: &str =
    "text follows the quote that closes one of its fields; a quote within a quoted field is written twice";

const STRAY_QUOTE: &str = "there is a quote in a field that does not begin with one; put the field in quotes, and write a quote within it twice";

const TWO_IN_ONE: &str =
    "a line within a quoted field of it looks like a record; look for a quote too many before it";

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A file's records, and where the next one stands.
pub(super) struct Records<R> {
    input: R,
    raw: Raw,
    done: u64,
}

/// A record: the lines it stands on, and its fields, or what is wrong with it.
struct Row<'a> {
    lines: RangeInclusive<u64>,
    fields: Result<Vec<&'a [u8]>, &'static str>,
}

impl<R: BufRead> Records<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, raw: Raw::default(), done: 0 }
    }

    /// The columns, from the first line; where one has no name, nothing of it is taken.
    pub(super) fn header(&mut self) -> anyhow::Result<Vec<String>> {
        let row = self.next().context("could not read the header line")?;
        let row = row.context("it is empty; its first line must name the columns")?;
        let fields = match row.fields {
            Ok(fields) => fields,
            Err(wrong) => bail!("its first line, which must name the columns, cannot be read: {wrong}"),
        };
        let names = fields.into_iter().map(|field| str::from_utf8(field).map(|name| name.trim().to_owned()));
        let names: Vec<_> = names.collect::<Result<_, _>>().context("its first line is not UTF-8")?;
        if let [only] = &names[..]
            && let Some((_, others)) = OTHER_SEPARATORS.iter().find(|(other, _)| only.contains(*other))
        {
            bail!("its first line has {others} and no comma; export it anew, with commas between the fields");
        }
        let is_twice = |(at, name): &(usize, &String)| !name.is_empty() && names[..*at].contains(name);
        if let Some((_, name)) = names.iter().enumerate().find(is_twice) {
            // Where there is no header, these are data.
            let is_header = names.iter().all(|name| name.is_empty() || columns::is_name(name));
            let shown = if is_header { format!(" {name:?}") } else { String::new() };
            bail!(
                "its first line, which must name the columns, has the name{shown} twice; give each one of its own"
            );
        }
        Ok(names)
    }

    /// Sends the records below the header, until the end or until nobody listens.
    pub(super) fn read(&mut self, header: &[String], feed: &Sender) -> anyhow::Result<()> {
        loop {
            let Some(Row { lines, fields }) = self.next()? else { return Ok(()) };
            let record = fields.map_err(Cow::from).and_then(|fields| record(header, &fields));
            let record = record.map_err(|wrong| match lines.clone().count() {
                1 => wrong,
                _ => {
                    format!("{wrong}; lines {} to {} are one record here", lines.start(), lines.end()).into()
                }
            });
            let position = Position::line(*lines.start());
            if feed.send(Item { position, done: self.done, record }).is_err() {
                return Ok(());
            }
        }
    }

    /// The next record. A quote that is never closed is an error: nobody can tell what below it is a record.
    fn next(&mut self) -> anyhow::Result<Option<Row<'_>>> {
        self.skip_line_ends().context("could not read on")?;
        self.raw.begin();
        let (first, begins) = (self.raw.line(), self.done);
        loop {
            let input = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.context("could not read on")?,
            };
            let (taken, is_last) = (self.raw.take(input), input.is_empty());
            let has_ended = is_last || taken < input.len();
            self.input.consume(taken);
            self.done += taken as u64;
            if self.raw.swallows() || (is_last && self.raw.state == State::Quoted) {
                bail!(
                    "the quote that opens on line {} is not closed, so all below it would be read as its field; write a quote \
                     within a quoted field twice, or leave that column out of the export",
                    self.raw.opened
                );
            }
            if is_last && self.done == begins {
                return Ok(None);
            }
            if has_ended {
                break;
            }
        }
        self.raw.end_field();
        let fields = self.raw.wrong.map_or_else(|| Ok(self.raw.fields()), Err);
        Ok(Some(Row { lines: first..=self.raw.line(), fields }))
    }

    /// Passes over what ended the last record, over empty lines, and over the mark that a file may begin with.
    fn skip_line_ends(&mut self) -> io::Result<()> {
        loop {
            let input = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            let has_mark = self.done == 0 && input.starts_with(BYTE_ORDER_MARK);
            let mark = if has_mark { BYTE_ORDER_MARK.len() } else { 0 };
            let line_ends = input[mark..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
            let count = mark + line_ends.count();
            let is_over = count < input.len() || input.is_empty();
            self.raw.newlines += input[..count].iter().filter(|byte| **byte == b'\n').count() as u64;
            self.input.consume(count);
            self.done += count as u64;
            if is_over {
                return Ok(());
            }
        }
    }
}

/// Where in a record the next byte stands.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// At the beginning of a field.
    #[default]
    Start,
    /// In a field without quotes.
    Plain,
    /// In a quoted field.
    Quoted,
    /// Behind a quote in a quoted field: it ended the field, or is the first of two.
    Closed,
}

/// A record while it is read.
#[derive(Default)]
struct Raw {
    state: State,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    wrong: Option<&'static str>,
    /// In the whole file so far.
    newlines: u64,
    /// The line on which the last quoted field begins, and how long it is by now.
    opened: u64,
    quoted_bytes: usize,
}

impl Raw {
    fn begin(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        (self.state, self.wrong) = (State::Start, None);
    }

    fn line(&self) -> u64 {
        self.newlines + 1
    }

    /// Takes bytes up to the end of the record, or all of them; says how many.
    fn take(&mut self, input: &[u8]) -> usize {
        for (at, byte) in input.iter().enumerate() {
            match (self.state, *byte) {
                (State::Quoted, b'"') => self.state = State::Closed,
                (State::Quoted, byte) => {
                    self.newlines += u64::from(byte == b'\n');
                    self.quoted_bytes += 1;
                    self.push(byte);
                    if self.swallows() {
                        return at;
                    }
                }
                (_, b'\r' | b'\n') => return at,
                (_, b',') => {
                    self.end_field();
                    self.state = State::Start;
                }
                (State::Start, b'"') => {
                    (self.state, self.opened, self.quoted_bytes) = (State::Quoted, self.line(), 0);
                }
                (State::Closed, b'"') => {
                    self.push(b'"');
                    self.state = State::Quoted;
                }
                (state, byte) => {
                    match state {
                        State::Closed => self.refuse(AFTER_QUOTE),
                        _ if byte == b'"' => self.refuse(STRAY_QUOTE),
                        _ => self.push(byte),
                    }
                    self.state = State::Plain;
                }
            }
        }
        input.len()
    }

    /// Whether it is in a quoted field of several lines that is too long to be meant.
    fn swallows(&self) -> bool {
        self.state == State::Quoted && self.line() > self.opened && self.quoted_bytes > MAX_LINES_BYTES
    }

    fn push(&mut self, byte: u8) {
        if self.bytes.len() == MAX_RECORD_BYTES {
            self.refuse(TOO_LONG);
        } else {
            self.bytes.push(byte);
        }
    }

    /// The first reason is the one to tell.
    fn refuse(&mut self, wrong: &'static str) {
        self.wrong.get_or_insert(wrong);
    }

    fn end_field(&mut self) {
        if self.ends.len() == MAX_COLUMNS {
            self.refuse("it has more than 2000 fields");
        } else {
            self.ends.push(self.bytes.len());
        }
    }

    fn fields(&self) -> Vec<&[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end]).collect()
    }
}

fn record(header: &[String], fields: &[&[u8]]) -> Result<Record, Cow<'static, str>> {
    if fields.len() != header.len() {
        let (here, there) = (fields.len(), header.len());
        return Err(format!("it has {here} fields, and the header has {there}").into());
    }
    if holds_another(fields) {
        return Err(TWO_IN_ONE.into());
    }
    let named = header.iter().zip(fields).filter(|(name, _)| !name.is_empty());
    let pair = |(name, field): (&String, &&[u8])| {
        let text = str::from_utf8(field).map_err(|_| Cow::from("it is not UTF-8"))?;
        let is_null = NULLS.contains(&text);
        Ok((
            name.clone(),
            if is_null {
                Value::Null
            } else {
                Value::String(mongo::object_id(text).unwrap_or(text).to_owned())
            },
        ))
    };
    named.map(pair).collect()
}

/// Whether a stray quote here and another some lines below have made one record of several: then a line within a field
/// has ids and hashes, or nothing, where the record has them. What people write of themselves has none.
fn holds_another(fields: &[&[u8]]) -> bool {
    const ENOUGH: usize = 2;
    let is_data = |field: &[u8]| str::from_utf8(field).is_ok_and(columns::is_data);
    let has_lines = |field: &&[u8]| field.contains(&b'\n');
    if !fields.iter().any(has_lines) {
        return false;
    }
    let data: Vec<_> = fields.iter().map(|field| !has_lines(field) && is_data(field)).collect();
    let is_record = |line: &[u8]| {
        let inside: Vec<_> = line.split(|byte| *byte == b',').collect();
        let mut there = data.iter().zip(&inside).filter(|(is_here, _)| **is_here).map(|(_, field)| *field);
        inside.len() == fields.len()
            && there.clone().all(|field| field.is_empty() || is_data(field))
            && there.any(|field| !field.is_empty())
    };
    let is_telling = data.iter().filter(|is_data| **is_data).count() >= ENOUGH;
    is_telling && fields.iter().any(|field| field.split(|byte| *byte == b'\n').skip(1).any(is_record))
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    type Rows = Vec<(RangeInclusive<u64>, Result<Vec<String>, &'static str>)>;

    fn read(text: &[u8], block_bytes: usize) -> Result<Rows, String> {
        let mut records = Records::new(BufReader::with_capacity(block_bytes, text));
        let mut rows = Vec::new();
        while let Some(Row { lines, fields }) = records.next().map_err(|error| error.to_string())? {
            let owned = |fields: Vec<&[u8]>| {
                fields.iter().map(|field| String::from_utf8_lossy(field).into()).collect()
            };
            rows.push((lines, fields.map(owned)));
        }
        assert_eq!(records.done, text.len() as u64);
        Ok(rows)
    }

    #[test]
    fn quotes_stand_around_a_field_and_twice_within_one() {
        let row =
            |lines, fields: &[&str]| (lines, Ok(fields.iter().map(|field| (*field).to_owned()).collect()));
        for (text, expected) in [
            ("", vec![]),
            ("\n\r\n", vec![]),
            ("a,b", vec![row(1..=1, &["a", "b"])]),
            ("a,\r\n,b\r\n", vec![row(1..=1, &["a", ""]), row(2..=2, &["", "b"])]),
            ("\"\"\n\n\"x\"", vec![row(1..=1, &[""]), row(3..=3, &["x"])]),
            ("\"a,\"\"b\"\"\",c\n", vec![row(1..=1, &["a,\"b\"", "c"])]),
            ("\"a\r\nb\",c\nd,e\n", vec![row(1..=2, &["a\r\nb", "c"]), row(3..=3, &["d", "e"])]),
            ("a\"b,c\nd,e", vec![(1..=1, Err(STRAY_QUOTE)), row(2..=2, &["d", "e"])]),
            ("a, \"b\"\nd,e", vec![(1..=1, Err(STRAY_QUOTE)), row(2..=2, &["d", "e"])]),
            ("\"O\\\"Brien\",c\nd,e", vec![(1..=1, Err(AFTER_QUOTE)), row(2..=2, &["d", "e"])]),
            ("\"a\nb,\"c\nd,e", vec![(1..=2, Err(AFTER_QUOTE)), row(3..=3, &["d", "e"])]),
        ] {
            for block_bytes in [1, 2, 3, 4096] {
                assert_eq!(read(text.as_bytes(), block_bytes), Ok(expected.clone()), "{text:?}");
            }
        }
        assert_eq!(read("\u{feff}a".as_bytes(), 4096), Ok(vec![row(1..=1, &["a"])]));
    }

    #[test]
    fn a_record_that_holds_another_is_told_from_one_with_lines_in_it() {
        let holds = |last: &str| holds_another(&[b"7", b"ann@example.org", b"$2b$12$x", last.as_bytes()]);
        assert!(holds("oops\n8,bob@example.org,$2b$12$y,ok"));
        assert!(holds("oops\r\n8,bob@example.org,$2b$12$y,ok\r\nmore"));
        assert!(holds("oops\n8,bob@example.org,,ok"), "who logs in by way of another service has no hash");
        assert!(!holds("oops\n,,,"));
        for innocent in [
            "8,bob@example.org,$2b$12$y,ok",
            "I like:\n8, cats, dogs, mice",
            "a\n8,b@example.org,$2b$12$y",
            "",
        ] {
            assert!(!holds(innocent), "{innocent}");
        }
        assert!(holds_another(&[b"7", b"oops,$2b$12$x\n8,bob,$2b$12$y\n9,carl", b"$2b$12$z"]));
        assert!(!holds_another(&[b"7", b"ann", b"x\n8,bob,y"]));
    }

    #[test]
    fn a_quote_that_is_never_closed_is_told_by_its_line() {
        let lines = "line,of,text\n".repeat(MAX_LINES_BYTES / 13 + 1);
        for text in ["a\nb,\"c", "a\nb,\"c\nd,e\nf", &format!("a\nb,\"{lines}\",c\n")] {
            for block_bytes in [1, 4096] {
                let told = read(text.as_bytes(), block_bytes).expect_err("it is never closed");
                assert!(told.starts_with("the quote that opens on line 2 is not closed"), "{told}");
            }
        }
        // One line of any length is a picture, and nothing below it is lost.
        let picture = format!("a,\"{}\"\n", "x".repeat(2 * MAX_LINES_BYTES));
        assert_eq!(read(picture.as_bytes(), 4096).map(|rows| rows.len()), Ok(1));
    }
}

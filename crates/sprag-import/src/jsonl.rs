//! JSON: an object a line, or objects that span lines, one behind the other or in a list.

use std::borrow::Cow;
use std::io::BufRead;

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::documents::{self, Document, Documents};
use super::lines::{Line, Lines};
use super::reader::{Item, MAX_RECORD_BYTES, Sender, TOO_LONG};
use super::record::{Position, Record};
use super::{mongo, shell};

/// The form in which the objects stand, as the first line that says something tells.
enum Form {
    /// One a line.
    Lines,
    /// They begin with a brace that has its line to itself, or stand in a list.
    Spanning,
}

impl Form {
    fn of(line: &[u8]) -> Self {
        let line = line.trim_ascii();
        if line == b"{" || line.starts_with(b"[") { Self::Spanning } else { Self::Lines }
    }
}

/// Sends what `input` holds, until its end or until nobody listens. `collection` is what it would be called in a database.
pub(super) fn read(input: impl BufRead, collection: Option<&str>, feed: &Sender) -> anyhow::Result<()> {
    let mut lines = Lines::new(input, MAX_RECORD_BYTES);
    let mut is_first = true;
    while let Some(line) = lines.next().context("could not read on")? {
        let record = match line {
            Line::TooLong => Err(TOO_LONG.into()),
            Line::Whole(line) if line.trim_ascii().is_empty() => continue,
            Line::Whole(line) if is_first => {
                if let Form::Spanning = Form::of(line) {
                    let first = line.to_vec();
                    return read_spanning(first, lines, collection, feed);
                }
                let record = parse(line);
                match &record {
                    Err(_) if shell::is_printed_by_it(line) => bail!(shell::way_out(collection)),
                    Err(_) => expect_no_list(list_that_opens(line))?,
                    Ok(record) => expect_no_list(only_list(record))?,
                }
                record
            }
            Line::Whole(line) => told(parse(line), line, collection),
        };
        is_first = false;
        let item = Item { position: Position::line(lines.number), done: lines.done, record };
        if feed.send(item).is_err() {
            break;
        }
    }
    Ok(())
}

/// What a text that the shell printed is, in place of what is wrong with it as JSON.
fn told(
    record: Result<Record, Cow<'static, str>>,
    text: &[u8],
    collection: Option<&str>,
) -> Result<Record, Cow<'static, str>> {
    let is_printed = record.is_err() && shell::is_printed_by_it(text);
    if is_printed { Err(shell::way_out(collection).into()) } else { record }
}

fn read_spanning<R: BufRead>(
    first: Vec<u8>,
    mut lines: Lines<R>,
    collection: Option<&str>,
    feed: &Sender,
) -> anyhow::Result<()> {
    let (mut documents, mut ahead) = (Documents::default(), Some(first));
    let (mut is_heard, mut is_first) = (true, true);
    while is_heard {
        let line = match ahead.take() {
            Some(line) => line,
            None => match documents::next(&mut lines)? {
                Some(line) => line,
                None => return documents.finish(),
            },
        };
        // A text in single quotes may have a double one in it, so this is looked for first.
        if shell::has_words(&line) {
            bail!(shell::way_out(collection));
        }
        let (number, done) = (lines.number, lines.done);
        documents.take(number, &line, |Document { line, text }| {
            let record = text.and_then(|text| parse(&text));
            if std::mem::take(&mut is_first) {
                expect_no_list(record.as_ref().ok().and_then(only_list))?;
            }
            let item = Item { position: Position::line(line), done, record };
            is_heard &= feed.send(item).is_ok();
            Ok(())
        })?;
    }
    Ok(())
}

/// Some exports are one object with a list in it: `{"users": [`.
fn expect_no_list(name: Option<&str>) -> anyhow::Result<()> {
    let Some(name) =
        name.filter(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
    else {
        return Ok(());
    };
    bail!(
        "it is one object with a list {name:?} in it, and an object for each is needed; make lines of them with: jq -c \
         '.{name}[]' FILE"
    )
}

/// The list that is all there is in an object.
fn only_list(record: &Record) -> Option<&str> {
    let (name, value) = record.iter().next().filter(|_| record.len() == 1)?;
    let is_list = value.as_array().is_some_and(|list| list.first().is_some_and(Value::is_object));
    is_list.then_some(name.as_str())
}

/// The list with which a line opens that is no whole object.
fn list_that_opens(line: &[u8]) -> Option<&str> {
    let text = str::from_utf8(line).ok()?.trim().strip_prefix('{')?;
    let (name, rest) = text.trim_start().strip_prefix('"')?.split_once('"')?;
    let list = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('[')?.trim_start();
    (list.is_empty() || list.starts_with('{')).then_some(name)
}

/// The object that a text is. What is wrong is told without repeating any of it: there are secrets in it.
pub(super) fn parse(text: &[u8]) -> Result<Record, Cow<'static, str>> {
    match serde_json::from_slice(text) {
        Ok(Value::Object(mut record)) => {
            mongo::unwrap(&mut record);
            Ok(record)
        }
        Ok(_) => Err("it is no JSON object".into()),
        Err(error) if error.is_eof() => Err("it is not JSON: it ends too early".into()),
        Err(_) if str::from_utf8(text).is_err() => Err("it is not UTF-8".into()),
        Err(_) => Err("it is not JSON".into()),
    }
}

//! CSV (RFC 4180) with a header line, record by record, however long one may be.

use std::borrow::Cow;
use std::io::{self, BufRead};

use anyhow::{Context as _, bail};
use csv_core::{ReadRecordResult, Reader};
use serde_json::Value;

use super::columns;
use super::feed::{Item, MAX_RECORD_BYTES, Sender, TOO_LONG};
use super::record::{Position, Record};

/// More columns than any table has.
const MAX_COLUMNS: usize = 2000;

/// What databases write where there is nothing: MySQL the word, PostgreSQL and MySQL the other.
const NULLS: [&str; 2] = ["NULL", "\\N"];

/// A file's records, and where the next one stands.
pub(super) struct Records<R> {
    input: R,
    reader: Reader,
    fields: Vec<u8>,
    ends: Vec<usize>,
    newlines: u64,
    done: u64,
}

/// A record: its fields, or what is wrong with it.
struct Row<'a> {
    line: u64,
    fields: Result<Vec<&'a [u8]>, &'static str>,
}

impl<R: BufRead> Records<R> {
    pub(super) fn new(input: R) -> Self {
        let reader = Reader::new();
        let (fields, ends) = (vec![0; 4096], vec![0; MAX_COLUMNS]);
        Self { input, reader, fields, ends, newlines: 0, done: 0 }
    }

    /// The columns, from the first line.
    pub(super) fn header(&mut self) -> anyhow::Result<Vec<String>> {
        let row = self.next().context("could not read the header line")?;
        let row = row.context("it is empty; its first line must name the columns")?;
        let fields = match row.fields {
            Ok(fields) => fields,
            Err(wrong) => bail!("its first line, which must name the columns, cannot be read: {wrong}"),
        };
        let names = fields.into_iter().map(|field| str::from_utf8(field).map(|name| name.trim().to_owned()));
        let names: Vec<_> = names.collect::<Result<_, _>>().context("its first line is not UTF-8")?;
        let twice = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name));
        if let Some((_, name)) = twice {
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
            let Some(row) = self.next().context("could not read on")? else { return Ok(()) };
            let position = Position::line(row.line);
            let record = row.fields.map_err(Cow::from).and_then(|fields| record(header, &fields));
            if feed.send(Item { position, done: self.done, record }).is_err() {
                return Ok(());
            }
        }
    }

    fn next(&mut self) -> io::Result<Option<Row<'_>>> {
        self.skip_line_ends()?;
        let line = self.newlines + 1;
        let (mut field_bytes, mut field_count, mut wrong) = (0, 0, None);
        loop {
            let input = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            let (fields, ends) = (&mut self.fields[field_bytes..], &mut self.ends[field_count..]);
            let (result, taken, written, ended) = self.reader.read_record(input, fields, ends);
            self.newlines += newlines(&input[..taken]);
            self.input.consume(taken);
            self.done += taken as u64;
            (field_bytes, field_count) = (field_bytes + written, field_count + ended);
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if self.fields.len() < MAX_RECORD_BYTES => {
                    self.fields.resize(self.fields.len() * 2, 0);
                }
                // The rest of it is read over, in the place of what came before.
                ReadRecordResult::OutputFull => (wrong, field_bytes) = (Some(TOO_LONG), 0),
                ReadRecordResult::OutputEndsFull => {
                    (wrong, field_count) = (Some("it has more than 2000 fields"), 0);
                }
                ReadRecordResult::Record => break,
                ReadRecordResult::End => return Ok(None),
            }
        }
        let fields = match wrong {
            Some(wrong) => Err(wrong),
            None => Ok(split(&self.fields, &self.ends[..field_count])),
        };
        Ok(Some(Row { line, fields }))
    }

    /// Passes over what ended the last record, and over empty lines.
    fn skip_line_ends(&mut self) -> io::Result<()> {
        loop {
            let input = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            let count = input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            let is_over = count < input.len() || input.is_empty();
            self.newlines += newlines(&input[..count]);
            self.input.consume(count);
            self.done += count as u64;
            if is_over {
                return Ok(());
            }
        }
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

fn split<'a>(bytes: &'a [u8], ends: &[usize]) -> Vec<&'a [u8]> {
    let starts = std::iter::once(0).chain(ends.iter().copied());
    starts.zip(ends).map(|(start, end)| bytes.get(start..*end).unwrap_or_default()).collect()
}

fn record(header: &[String], fields: &[&[u8]]) -> Result<Record, Cow<'static, str>> {
    if fields.len() != header.len() {
        let (here, there) = (fields.len(), header.len());
        return Err(format!("it has {here} fields, and the header has {there}").into());
    }
    let pair = |(name, field): (&String, &&[u8])| {
        let text = str::from_utf8(field).map_err(|_| Cow::from("it is not UTF-8"))?;
        let is_null = NULLS.contains(&text);
        Ok((name.clone(), if is_null { Value::Null } else { Value::String(text.to_owned()) }))
    };
    header.iter().zip(fields).map(pair).collect()
}

//! JSON lines: an object a line.

use std::borrow::Cow;
use std::io::BufRead;

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::lines::{Line, Lines};
use super::mongo;
use super::reader::{Item, MAX_RECORD_BYTES, Sender, TOO_LONG};
use super::record::{Position, Record};

/// Sends what `input` holds, until its end or until nobody listens.
pub(super) fn read(input: impl BufRead, feed: &Sender) -> anyhow::Result<()> {
    let mut lines = Lines::new(input, MAX_RECORD_BYTES);
    let mut is_first = true;
    while let Some(line) = lines.next().context("could not read on")? {
        let record = match line {
            Line::TooLong => Err(TOO_LONG.into()),
            Line::Whole(line) if line.trim_ascii().is_empty() => continue,
            Line::Whole(line) if is_first && line.trim_ascii().starts_with(b"[") => bail!(
                "it begins with a JSON array, and an object a line is needed; make lines of it with: jq -c '.[]'"
            ),
            Line::Whole(line) => parse(line),
        };
        is_first = false;
        let item = Item { position: Position::line(lines.number), done: lines.done, record };
        if feed.send(item).is_err() {
            break;
        }
    }
    Ok(())
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

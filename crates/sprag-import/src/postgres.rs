//! A table of a PostgreSQL database.

use anyhow::Context as _;
use sprag::store::postgres::Server;
use sprag::store::postgres::foreign::{ForeignTable, Unreadable};

use super::jsonl;
use super::reader::{Item, MAX_RECORD_BYTES, Sender, TOO_LONG};
use super::record::Position;
use super::source_error::SourceError;

pub(super) async fn open(server: &Server, name: &str) -> Result<(ForeignTable, u64), SourceError> {
    let table = ForeignTable::open(server, name).await.map_err(|unreadable| match unreadable {
        Unreadable::NoTable(tables) => SourceError::NoTable { name: name.to_owned(), tables },
        Unreadable::Fault(fault) => SourceError::Unreadable(fault.into()),
    })?;
    let count = table.count().await.map_err(|fault| SourceError::Unreadable(fault.into()))?;
    Ok((table, count))
}

/// Sends those columns of every row, until the end or until nobody listens.
pub(super) async fn read(table: ForeignTable, columns: &[String], feed: &Sender) -> anyhow::Result<()> {
    let mut rows = table.rows(columns).await?;
    let mut number = 0;
    while let Some(text) = rows.next().await.context("could not read on")? {
        number += 1;
        let is_too_long = text.len() > MAX_RECORD_BYTES;
        let record = if is_too_long { Err(TOO_LONG.into()) } else { jsonl::parse(text.as_bytes()) };
        if feed.send_soon(Item { position: Position::row(number), done: number, record }).await.is_err() {
            break;
        }
    }
    Ok(())
}

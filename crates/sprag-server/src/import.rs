//! Users and live sessions of another system, on their way in.
//!
//! A [`Source`] (a file, a pipe, a database) becomes one stream of [`Record`]s with their positions; a profile says which
//! column holds what ([`TableShape`](crate::profile::TableShape)); [`run`] hands each to the engine, many at a time, and
//! never holds more than a bounded number of them. What a line says is text of a stranger's: it is refused by itself,
//! with its position, and nothing else is lost.

mod columns;
mod columns_needed;
mod csv;
mod import_one;
mod jsonl;
mod lines;
mod mongo;
mod optional_fields;
mod postgres;
mod reader;
mod record;
mod revoked_tokens;
mod row;
mod run;
mod source;
mod sqlite;
mod value;

pub use columns_needed::{Known, Lacking};
pub use import_one::{Mode, Taker, Trial};
pub use reader::{Feed, Item};
pub use record::{Position, Record, Unit};
pub use row::UNSAID;
pub use run::{Fate, Progress, Remark, Stopped, Summary, run};
pub use source::{Opened, Source, SourceError};

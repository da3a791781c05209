//! Users and live sessions of another system, on their way in.
//!
//! A `Source` (a file, a pipe, a database) becomes one stream of `Record`s with their positions; a profile says which
//! column holds what ([`TableShape`]); `run` hands each to the engine, many at a time, and
//! never holds more than a bounded number of them. What a line says is text of a stranger's: it is refused by itself,
//! with its position, and nothing else is lost.
//!
//! Without the feature `sources` there are only the shapes, so that a server that never imports can read profiles that speak
//! of it.

#[cfg(feature = "sources")]
mod columns;
#[cfg(feature = "sources")]
mod columns_needed;
#[cfg(feature = "sources")]
mod csv;
#[cfg(feature = "sources")]
mod documents;
#[cfg(feature = "sources")]
mod hash_form;
#[cfg(feature = "sources")]
mod import_one;
#[cfg(feature = "sources")]
mod jsonl;
#[cfg(feature = "sources")]
mod lacking;
#[cfg(feature = "sources")]
mod lines;
#[cfg(feature = "sources")]
mod mongo;
#[cfg(feature = "sources")]
mod optional_fields;
#[cfg(feature = "sources")]
mod postgres;
#[cfg(feature = "sources")]
mod reader;
#[cfg(feature = "sources")]
mod record;
#[cfg(feature = "sources")]
mod revoked_tokens;
#[cfg(feature = "sources")]
mod row;
#[cfg(feature = "sources")]
mod run;
#[cfg(feature = "sources")]
mod same_names;
mod shape;
#[cfg(feature = "sources")]
mod shell;
#[cfg(feature = "sources")]
mod source;
#[cfg(feature = "sources")]
mod source_error;
#[cfg(feature = "sources")]
mod sqlite;
#[cfg(feature = "sources")]
mod value;

#[cfg(feature = "sources")]
pub use hash_form::{FirebaseScrypt, HashForm};
#[cfg(feature = "sources")]
pub use import_one::{Mode, Taker, Trial};
#[cfg(feature = "sources")]
pub use lacking::{Known, Lacking};
#[cfg(feature = "sources")]
pub use reader::{Feed, Item};
#[cfg(feature = "sources")]
pub use record::{Position, Record, Unit};
#[cfg(feature = "sources")]
pub use row::UNSAID;
#[cfg(feature = "sources")]
pub use run::{Fate, Progress, Remark, Stopped, Summary, run};
#[cfg(feature = "sources")]
pub use same_names::Keeps;
pub use shape::{ImportColumn, ImportField, ImportKind, ImportShape, MAX_NAME_BYTES, TableShape};
#[cfg(feature = "sources")]
pub use source::{Opened, Source};
#[cfg(feature = "sources")]
pub use source_error::SourceError;

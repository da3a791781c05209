//! What every source becomes: records, each with the place it came from.

use std::fmt;

use serde_json::{Map, Value};

/// A line or row: what its columns hold, by name.
pub type Record = Map<String, Value>;

/// What a source is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// A line of a file, counted from 1, its header included.
    Line,
    /// A row of a table, in the order it was read.
    Row,
}

impl Unit {
    /// `line`, `row`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Row => "row",
        }
    }
}

/// Where a record stands in its source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    /// What is counted.
    pub unit: Unit,
    /// Counted from 1.
    pub number: u64,
}

impl Position {
    pub(super) fn line(number: u64) -> Self {
        Self { unit: Unit::Line, number }
    }

    pub(super) fn row(number: u64) -> Self {
        Self { unit: Unit::Row, number }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.unit.name(), self.number)
    }
}

//! What a session or a log-in does not need: where it cannot be kept it is left out, and nobody is refused for it.

use std::borrow::Cow;

use serde_json::Value;
use sprag::account::{is_language, is_particular};

use super::record::Record;
use super::row::{self, Reason};
use super::value::{self, Wrong};
use crate::shape::{ImportColumn, ImportField, TableShape};

const DECORATION: [ImportField; 6] = [
    ImportField::Name,
    ImportField::GivenName,
    ImportField::FamilyName,
    ImportField::Language,
    ImportField::Role,
    ImportField::CreatedAt,
];

/// The shape without the columns of such fields that hold, in this record, what cannot be kept; and why not.
pub(super) fn fitting<'a>(record: &Record, shape: &'a TableShape) -> (Cow<'a, TableShape>, Vec<Reason>) {
    let columns = DECORATION.into_iter().filter_map(|field| shape.column(field));
    let wrong = columns.filter_map(|column| {
        let value = record.get(&column.column)?;
        wrong(column.field, value).map(|wrong| (column, wrong))
    });
    let wrong: Vec<(&ImportColumn, Wrong)> = wrong.collect();
    if wrong.is_empty() {
        return (Cow::Borrowed(shape), Vec::new());
    }
    let mut fitting = shape.clone();
    fitting.columns.retain(|column| wrong.iter().all(|(other, _)| other.field != column.field));
    (
        Cow::Owned(fitting),
        wrong.into_iter().map(|(column, wrong)| row::reason(&column.column, column.field, wrong)).collect(),
    )
}

fn wrong(field: ImportField, value: &Value) -> Option<Wrong> {
    if field == ImportField::CreatedAt {
        return value::time(value).err();
    }
    match value::text(value) {
        Ok(None) => None,
        Ok(Some(text)) if field == ImportField::Language => (!text.is_empty() && !is_language(&text))
            .then_some("is no tag of a language, such as de or pt-BR"),
        Ok(Some(text)) => (!is_particular(&text)).then_some("has more than 255 bytes or a control character"),
        Err(wrong) => Some(wrong),
    }
}

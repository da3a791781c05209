//! What a source lacks, and what is said of it.

use super::columns;
use crate::shape::{ImportColumn, ImportField};

/// How many JSON lines are looked at to learn which members they have.
pub(super) const SAMPLED: usize = 100;

/// How sure it is that a source has no other columns than were found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Known {
    /// It names them all.
    Named,
    /// It names none; all its lines were looked at.
    Seen,
    /// It names none, and only its first lines were looked at.
    Sampled,
}

/// What a source lacks.
#[derive(Debug, thiserror::Error)]
pub enum Lacking {
    /// A column that must be there.
    #[error("{}", no_column(*field, column, columns, *known))]
    Column {
        /// What is looked for.
        field: ImportField,
        /// The column that would have it.
        column: String,
        /// The columns that there are.
        columns: Vec<String>,
        /// How sure that is.
        known: Known,
    },
    /// Any column to log in with.
    #[error("{}", no_login(logins, columns, *known))]
    Login {
        /// Where it would be.
        logins: Vec<ImportColumn>,
        /// The columns that there are.
        columns: Vec<String>,
        /// How sure that is.
        known: Known,
    },
}

/// What has no such column.
fn lacks(known: Known) -> String {
    match known {
        Known::Named | Known::Seen => "it has".to_owned(),
        Known::Sampled => format!("its first {SAMPLED} lines have"),
    }
}

fn no_column(field: ImportField, column: &str, columns: &[String], known: Known) -> String {
    let (lacks, shown, name) = (lacks(known), columns::shown(column, columns), field.name());
    let or = match known {
        _ if field.may_be_lacking() => ", and a ? behind it if the source may lack it".to_owned(),
        Known::Seen | Known::Sampled if field == ImportField::RevokedAt => format!(
            "; if a line has it only where the session is revoked, write null into the others: jq -c '.{column} //= null'"
        ),
        Known::Sampled if field.is_status() => format!(
            "; if later lines have it, --map {name}={column} says so, and a line without it counts as over or disabled"
        ),
        _ if field.is_status() => {
            "; if the source has none, take the field out of a copy of the profile".to_owned()
        }
        _ => String::new(),
    };
    format!("{lacks} no column {column:?} for {name}{shown}; say where it is with --map {name}=COLUMN{or}")
}

fn no_login(logins: &[ImportColumn], columns: &[String], known: Known) -> String {
    let looked_for: Vec<_> = logins.iter().map(|login| format!("{:?}", login.column)).collect();
    let near = logins.iter().find(|login| !columns::nearest(&login.column, columns).is_empty());
    let Some(login) = near.or(logins.first()) else { return String::new() };
    format!(
        "{} no column to log in with ({}){}; say where one is with --map {}=COLUMN",
        lacks(known),
        looked_for.join(" or "),
        columns::shown(&login.column, columns),
        login.field.name()
    )
}

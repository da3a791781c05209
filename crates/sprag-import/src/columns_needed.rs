//! Which columns of a source are read, and what is said where one is missing.

use super::columns;
use super::source::{Opened, SAMPLED};
use crate::shape::{ImportColumn, ImportField, ImportKind, TableShape};

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

impl Opened {
    /// The columns to read: those of the source that the profile names. `mapped` are the fields that somebody has looked up
    /// in the source, and said so on the command line.
    ///
    /// # Errors
    /// It lacks one that must be there.
    pub fn wanted(
        &self,
        kind: ImportKind,
        shape: &TableShape,
        mapped: &[ImportField],
    ) -> Result<Vec<String>, Lacking> {
        let has = |column: &&ImportColumn| self.columns.contains(&column.column);
        let (columns, known) = (self.columns.clone(), self.known);
        // Nothing is known of a source without any record.
        if !columns.is_empty() {
            let may_lack =
                |column: &&ImportColumn| column.is_optional || self.may_lack(column, shape, mapped);
            if let Some(missing) = shape.columns.iter().find(|column| !has(column) && !may_lack(column)) {
                let (field, column) = (missing.field, missing.column.clone());
                return Err(Lacking::Column { field, column, columns, known });
            }
            let logins = [ImportField::Username, ImportField::Email];
            let mut logins = logins.into_iter().filter_map(|field| shape.column(field)).peekable();
            if kind == ImportKind::Users
                && logins.peek().is_some()
                && !logins.clone().any(|login| has(&login))
            {
                return Err(Lacking::Login { logins: logins.cloned().collect(), columns, known });
            }
        }
        let found = shape.columns.iter().filter(has);
        let mut wanted: Vec<_> = found.map(|column| column.column.clone()).collect();
        wanted.sort_unstable();
        wanted.dedup();
        Ok(wanted)
    }

    /// The fields of `shape`, of which what the source may lack is optional.
    #[must_use]
    pub fn settled(&self, mut shape: TableShape, mapped: &[ImportField]) -> TableShape {
        let lacks = |column: &ImportColumn| {
            !self.columns.contains(&column.column) && !mapped.contains(&ImportField::IsRevoked)
        };
        let has_moment = shape.column(ImportField::RevokedAt).is_some();
        for column in &mut shape.columns {
            column.is_optional |= has_moment && column.field == ImportField::IsRevoked && lacks(column);
        }
        shape
    }

    fn may_lack(&self, column: &ImportColumn, shape: &TableShape, mapped: &[ImportField]) -> bool {
        use ImportField as F;
        match column.field {
            // The moment tells it as well.
            F::IsRevoked if !mapped.contains(&F::IsRevoked) => shape.column(F::RevokedAt).is_some(),
            // Where it is not said in a line, nothing lives there; so whoever is mistaken loses no more than time.
            F::IsRevoked | F::IsActive | F::IsDisabled => {
                self.known == Known::Sampled && mapped.contains(&column.field)
            }
            _ => false,
        }
    }
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

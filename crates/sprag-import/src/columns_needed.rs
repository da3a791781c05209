//! Which columns of a source are read.

use super::lacking::{Known, Lacking};
use super::source::Opened;
use crate::shape::{ImportColumn, ImportField, ImportKind, TableShape};

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

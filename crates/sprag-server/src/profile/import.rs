//! `[import]` of a profile: where the system whose place it takes keeps its users and sessions, so that they can be moved.

use sprag_import::MAX_NAME_BYTES;
pub use sprag_import::{ImportColumn, ImportField, ImportKind, ImportShape, TableShape};

use super::error::ProfileError;
use super::section::{Field, Section};
use crate::quoted::quoted;

/// Reads `[import]`.
///
/// # Errors
/// A field that there is not, or one too few or too many.
pub(super) fn parse(field: &Field<'_>) -> Result<ImportShape, ProfileError> {
    let section = field.section(&["users", "sessions"])?;
    let table = |kind: ImportKind| {
        let found = section.get(kind.name());
        found.map(|field| table_shape(&field, kind)).transpose()
    };
    let shape = ImportShape { users: table(ImportKind::Users)?, sessions: table(ImportKind::Sessions)? };
    if shape == ImportShape::default() {
        return Err(section.error("import says nothing").hint("add [import.users] or [import.sessions]"));
    }
    Ok(shape)
}

fn table_shape(field: &Field<'_>, kind: ImportKind) -> Result<TableShape, ProfileError> {
    let users_only = ["admin_role"].into_iter().filter(|_| kind == ImportKind::Users);
    let known: Vec<_> = ["table", "columns"].into_iter().chain(users_only).collect();
    let section = field.section(&known)?;
    let table = section.get("table").map(|field| table_name(&field)).transpose()?;
    let admin_role = section.get("admin_role").map(|field| field.text().map(str::to_owned)).transpose()?;
    let columns = columns(&section, kind)?;
    let shape = TableShape { table, columns, admin_role };
    shape.check(kind).map_err(|(what, hint)| section.error(what).hint(hint))?;
    Ok(shape)
}

fn columns(section: &Section<'_>, kind: ImportKind) -> Result<Vec<ImportColumn>, ProfileError> {
    let known: Vec<_> = kind.fields().iter().map(|field| field.name()).collect();
    let section = section.require("columns")?.section(&known)?;
    let column = |(name, field): (&str, Field<'_>)| {
        let known = kind.field(name).ok_or_else(|| field.error(format!("unknown key {}", quoted(name))))?;
        let wrong = |(what, hint)| field.error(format!("{name} {what}")).hint(hint);
        ImportColumn::parse(known, field.text()?).map_err(wrong)
    };
    section.fields().into_iter().map(column).collect()
}

fn table_name(field: &Field<'_>) -> Result<String, ProfileError> {
    let name = field.text()?;
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains(char::is_control) {
        let hint = "it has 1 to 200 bytes, as \"users\"";
        return Err(field.error(format!("{} is not the name of a table", quoted(name))).hint(hint));
    }
    Ok(name.to_owned())
}

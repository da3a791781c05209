//! What migration V6 cannot say in SQL: the form of today of each name that an earlier build made.

use tokio_postgres::types::Type;

use super::connection::{Connection, Sql};
use super::error::QueryError;
use super::rows;
use crate::account::Name;

/// How many names are read at a time.
const SLICE: i64 = 5_000;

/// After how many slices it is told how far it is.
const TOLD_EVERY: u64 = 100;

/// Goes through all names, in slices, within the migration's transaction.
pub(super) async fn fill(connection: &Connection) -> Result<(), QueryError> {
    const NEXT_NAMES: Sql = Sql {
        text: "
        select kind, value, account_id
        from identity
        where (kind, value) > ($1, $2)
        order by kind, value
        limit $3",
        types: &[Type::TEXT, Type::TEXT, Type::INT8],
    };
    const SET_FORM: Sql = Sql {
        text: "
        update identity
        set form = $3
        where kind = $1
          and value = $2",
        types: &[Type::TEXT, Type::TEXT, Type::TEXT],
    };
    let mut after: Option<Name> = None;
    let (mut slices, mut changed): (u64, u64) = (0, 0);
    loop {
        let (kind, value) = after.as_ref().map_or(("", ""), |name| (name.kind.name(), name.value.as_str()));
        let slice = connection.query(&NEXT_NAMES, &[&kind, &value, &SLICE]).await?;
        let names = slice.iter().map(rows::name).collect::<Result<Vec<_>, _>>()?;
        for (name, _) in &names {
            if let Some(form) = name.form_today() {
                connection.execute(&SET_FORM, &[&name.kind.name(), &name.value, &form]).await?;
                changed += 1;
            }
        }
        slices += 1;
        if slices.is_multiple_of(TOLD_EVERY) {
            let seen = slices * SLICE.unsigned_abs();
            tracing::info!(seen, changed, "names are given their form of today");
        }
        match names.into_iter().last() {
            Some((name, _)) => after = Some(name),
            None => return Ok(()),
        }
    }
}

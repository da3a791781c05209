//! Numbers that new accounts are known by: a row for each profile that gives them.

use async_trait::async_trait;
use futures_util::FutureExt as _;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::PostgresStore;
use super::connection::Sql;
use super::error::QueryError;
use super::pool::Outcome;
use crate::error::Fault;
use crate::session::ProfileId;
use crate::store::numbers::{self, DOING, MAX_NUMBER};
use crate::store::{Numbering, Numbers};

const NUMBERING: Sql = Sql {
    text: "
    select floor, last
    from next_id
    where profile = $1",
    types: &[Type::INT4],
};

const RAISE_FLOOR: Sql = Sql {
    text: "
    insert into next_id (profile, floor, last)
    values ($1, $2, $2)
    on conflict (profile) do update
    set floor = greatest(next_id.floor, excluded.floor),
        last = greatest(next_id.last, excluded.floor)
    returning floor, last",
    types: &[Type::INT4, Type::INT8],
};

const NEXT_NUMBER: Sql = Sql {
    text: "
    insert into next_id (profile, floor, last)
    values ($1, $2, $2::bigint + 1)
    on conflict (profile) do update
    set floor = greatest(next_id.floor, excluded.floor),
        last = greatest(next_id.last, excluded.floor) + 1
    where greatest(next_id.last, excluded.floor) < $3
    returning last",
    types: &[Type::INT4, Type::INT8, Type::INT8],
};

const HIGHEST_NUMBER: Sql = Sql {
    text: "
    select max(substr(value, length($1) + 1)::bigint) as highest
    from identity
    where kind = 'external'
      and left(value, length($1)) = $1
      and substr(value, length($1) + 1) ~ '^[0-9]{1,16}$'",
    types: &[Type::TEXT],
};

#[async_trait]
impl Numbers for PostgresStore {
    async fn numbering(&self, profile: ProfileId) -> Result<Option<Numbering>, Fault> {
        self.pool
            .statement("look how far a profile has numbered", &i32::from(profile.0), |connection, profile| {
                async move {
                    connection.optional(&NUMBERING, &[profile]).await?.as_ref().map(numbering).transpose()
                }
                .boxed()
            })
            .await
    }

    async fn raise_floor(&self, profile: ProfileId, floor: u64) -> Result<Numbering, Fault> {
        let given = (i32::from(profile.0), numbers::stored(floor)?);
        self.pool
            .transaction("raise the floor of a profile's numbers", &given, |connection, (profile, floor)| {
                async move {
                    let row = connection.one(&RAISE_FLOOR, &[profile, floor]).await?;
                    numbering(&row).map(Outcome::Keep)
                }
                .boxed()
            })
            .await
    }

    async fn next_number(&self, profile: ProfileId, floor: u64) -> Result<u64, Fault> {
        let given = (i32::from(profile.0), numbers::stored(floor)?, MAX_NUMBER.cast_signed());
        let number = self
            .pool
            .transaction(DOING, &given, |connection, (profile, floor, most)| {
                async move {
                    let row = connection.optional(&NEXT_NUMBER, &[profile, floor, most]).await?;
                    let last = row.map(|row| row.try_get::<_, i64>("last")).transpose()?;
                    Ok(Outcome::Keep(last.map(i64::cast_unsigned)))
                }
                .boxed()
            })
            .await?;
        number.ok_or_else(numbers::used_up)
    }

    async fn highest_number(&self, profile: ProfileId) -> Result<Option<u64>, Fault> {
        self.pool
            .statement("look for the highest number", &format!("{}/", profile.0), |connection, prefix| {
                async move {
                    let row = connection.one(&HIGHEST_NUMBER, &[prefix]).await?;
                    Ok(row.try_get::<_, Option<i64>>("highest")?.map(i64::cast_unsigned))
                }
                .boxed()
            })
            .await
    }
}

fn numbering(row: &Row) -> Result<Numbering, QueryError> {
    let number = |column| row.try_get(column).map(i64::cast_unsigned);
    Ok(Numbering { floor: number("floor")?, last: number("last")? })
}

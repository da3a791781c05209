//! Which key rings the tokens were made with.

use async_trait::async_trait;
use futures_util::FutureExt as _;
use tokio_postgres::types::Type;

use super::PostgresStore;
use super::connection::{Connection, Sql};
use super::error::QueryError;
use super::pool::Outcome;
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::keys::Fingerprint;
use crate::store::Rings;

/// Who holds this lock decides on a ring: of two nodes that are the first, one is. The number after the one that
/// migrations take.
const LOCK: i64 = 0x73_70_72_61_68;

const WAIT_FOR_RINGS: Sql = Sql { text: "select pg_advisory_xact_lock($1)", types: &[Type::INT8] };

const IS_KIN: Sql = Sql {
    text: "
    select count(*) = 0 or coalesce(bool_or(fingerprint = any($1)), false) as is_admitted
    from key_ring",
    types: &[Type::BYTEA_ARRAY],
};

const FORGET_RINGS: Sql = Sql { text: "delete from key_ring", types: &[] };

const NOTE_RING: Sql = Sql {
    text: "
    insert into key_ring (fingerprint, first_seen_at)
    select fingerprint, $2
    from unnest($1::bytea[]) as fingerprint
    on conflict do nothing",
    types: &[Type::BYTEA_ARRAY, Type::INT8],
};

type Given = (Vec<Vec<u8>>, Timestamp);

#[async_trait]
impl Rings for PostgresStore {
    async fn admit(&self, ring: Vec<Fingerprint>, at: Timestamp) -> Result<bool, Fault> {
        let given = given(&ring, at);
        self.pool
            .transaction("compare the key ring with the database's", &given, |connection, given| {
                admit(connection, given).boxed()
            })
            .await
    }

    async fn replace(&self, ring: Vec<Fingerprint>, at: Timestamp) -> Result<(), Fault> {
        let given = given(&ring, at);
        self.pool
            .transaction("replace the key ring", &given, |connection, given| {
                replace(connection, given).boxed()
            })
            .await
    }
}

fn given(ring: &[Fingerprint], at: Timestamp) -> Given {
    (ring.iter().map(|fingerprint| fingerprint.0.to_vec()).collect(), at)
}

async fn admit(connection: &Connection, (ring, at): &Given) -> Result<Outcome<bool>, QueryError> {
    connection.query(&WAIT_FOR_RINGS, &[&LOCK]).await?;
    if !connection.one(&IS_KIN, &[ring]).await?.try_get::<_, bool>("is_admitted")? {
        return Ok(Outcome::Undo(false));
    }
    connection.execute(&NOTE_RING, &[ring, &at.0]).await?;
    Ok(Outcome::Keep(true))
}

async fn replace(connection: &Connection, (ring, at): &Given) -> Result<Outcome<()>, QueryError> {
    connection.query(&WAIT_FOR_RINGS, &[&LOCK]).await?;
    connection.execute(&FORGET_RINGS, &[]).await?;
    connection.execute(&NOTE_RING, &[ring, &at.0]).await?;
    Ok(Outcome::Keep(()))
}

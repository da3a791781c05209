//! As whom the nodes sign access tokens: nodes that differ in that refuse each other's.
//!
//! It is kept beside the marks of life, which a role that serves may write.

use aws_lc_rs::digest::{SHA256, digest};
use futures_util::FutureExt as _;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::PostgresStore;
use super::connection::Sql;
use crate::clock::Timestamp;
use crate::error::Fault;

const SIGN_AS: Sql = Sql {
    text: "
    insert into lease (kind, id, place, moved_at)
    values ('issuer', $1, $2, $3)
    on conflict (kind, id) do update
    set place = excluded.place,
        moved_at = excluded.moved_at",
    types: &[Type::UUID, Type::TEXT, Type::INT8],
};

const OTHER_ISSUERS: Sql = Sql {
    text: "
    select distinct place as issuer
    from lease
    where kind = 'issuer'
      and place <> $1
      and moved_at > $2
    order by issuer",
    types: &[Type::TEXT, Type::INT8],
};

/// Of nodes that were killed, at places that do not come back.
const FORGET_ISSUERS: Sql =
    Sql { text: "delete from lease where kind = 'issuer' and moved_at <= $1", types: &[Type::INT8] };

const SIGN_NO_MORE: Sql =
    Sql { text: "delete from lease where kind = 'issuer' and id = $1", types: &[Type::UUID] };

impl PostgresStore {
    pub(super) async fn note_issuer(
        &self,
        place: &str,
        issuer: &str,
        now: Timestamp,
        since: Timestamp,
    ) -> Result<Vec<String>, Fault> {
        let given = (id_of(place), issuer.to_owned(), now.0, since.0);
        self.pool
            .statement("look as whom other nodes sign", &given, |connection, (id, issuer, now, since)| {
                async move {
                    connection.execute(&SIGN_AS, &[id, issuer, now]).await?;
                    connection.execute(&FORGET_ISSUERS, &[since]).await?;
                    let rows = connection.query(&OTHER_ISSUERS, &[issuer, since]).await?;
                    rows.iter().map(|row| Ok(row.try_get("issuer")?)).collect()
                }
                .boxed()
            })
            .await
    }

    pub(super) async fn forget_issuer(&self, place: &str) -> Result<(), Fault> {
        self.pool
            .statement("note that a node signs no more", &id_of(place), |connection, id| {
                async move { connection.execute(&SIGN_NO_MORE, &[id]).await.map(drop) }.boxed()
            })
            .await
    }
}

/// Of a place always the same one, whenever a node starts there.
fn id_of(place: &str) -> Uuid {
    let mut id = [0; 16];
    id.copy_from_slice(&digest(&SHA256, place.as_bytes()).as_ref()[..16]);
    Uuid::from_bytes(id)
}

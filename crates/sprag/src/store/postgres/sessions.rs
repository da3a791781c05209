//! Sessions: what the batchers do not carry of a refresh, and the row that it moves.

use async_trait::async_trait;
use futures_util::{FutureExt as _, join};
use tokio_postgres::types::{ToSql, Type};

use super::PostgresStore;
use super::connection::{Connection, Sql};
use super::error::QueryError;
use super::find::FindOrder;
use super::journal::Chain;
use super::outbox;
use super::pool::Outcome;
use super::rotate::{RotateOrder, integer, rotate_one, rotated};
use super::rows;
use crate::audit::Event;
use crate::error::Fault;
use crate::policy::MAX_RETRIES;
use crate::ratchet::{Retried, Rotation, SessionState};
use crate::session::{Session, SessionDetail, SessionKey};
use crate::store::{Rotated, Sessions, Sweep, Swept};

pub(super) const RETRY: Sql = Sql {
    text: "
    update session s
    set retries = s.retries + case when $9::boolean then 0 else 1 end,
        contested_generation = case when $9::boolean then $5 else s.contested_generation end,
        streak = coalesce($7::smallint, s.streak),
        streak_generation = case when $7::smallint is null then s.streak_generation else $5 end
    from account a
    where s.account_id = $1
      and s.id = $2
      and a.id = s.account_id
      and s.profile = $3
      and s.secret_hash = $4
      and s.generation = $5
      and s.ended_at is null
      and s.idle_expires_at > $6
      and s.expires_at > $6
      and a.disabled_at is null
      and a.epoch = s.epoch
      and case when $9::boolean then s.contested_generation is distinct from $5 else s.retries < $8 end
      and ($7::smallint is null or s.streak_generation is distinct from $5)
    returning s.idle_expires_at, s.expires_at, coalesce(s.authenticated_at, s.created_at) as authenticated_at,
              s.methods",
    types: &[
        Type::UUID,
        Type::UUID,
        Type::INT4,
        Type::BYTEA,
        Type::INT8,
        Type::INT8,
        Type::INT2,
        Type::INT2,
        Type::BOOL,
    ],
};

pub(super) const INSERT: Sql = Sql {
    text: "
    insert into session (
        account_id, id, profile, generation, secret_hash, epoch, created_at, rotated_at,
        idle_expires_at, expires_at, authenticated_at, methods, retry_hash, previous_retry_hash,
        instance_hash, other_instance_hash, taken_generation, contested_generation, retries,
        streak, streak_generation, ended_at, ended_cause
    )
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)
    on conflict do nothing",
    types: &[
        Type::UUID,
        Type::UUID,
        Type::INT4,
        Type::INT8,
        Type::BYTEA,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT2,
        Type::BYTEA,
        Type::BYTEA,
        Type::BYTEA,
        Type::BYTEA,
        Type::INT8,
        Type::INT8,
        Type::INT2,
        Type::INT2,
        Type::INT8,
        Type::INT8,
        Type::TEXT,
    ],
};

pub(super) const INSERT_DETAIL: Sql = Sql {
    text: "
    insert into session_detail (account_id, session_id, ip, user_agent, device, ended_ip)
    values ($1, $2, $3, $4, $5, $6)
    on conflict do nothing",
    types: &[Type::UUID, Type::UUID, Type::TEXT, Type::TEXT, Type::TEXT, Type::TEXT],
};

/// Notes whose an imported session is; nothing where its id is another account's. A row that is there for this very
/// account was left behind by an older build.
pub(super) const INSERT_IMPORTED: Sql = Sql {
    text: "
    insert into imported_session (session_id, account_id)
    values ($1, $2)
    on conflict (session_id) do update
    set account_id = excluded.account_id
    where imported_session.account_id = excluded.account_id",
    types: &[Type::UUID, Type::UUID],
};

#[async_trait]
impl Sessions for PostgresStore {
    async fn find(&self, key: SessionKey) -> Result<Option<SessionState>, Fault> {
        self.finds.ask(FindOrder(key)).await
    }

    async fn rotate(&self, rotation: Rotation, event: Option<Event>) -> Result<Option<Rotated>, Fault> {
        if let Some(event) = event {
            // Boxed, so that a refresh, which has no event, allocates no room for a transaction.
            return rotate_with(self, rotation, event).boxed().await;
        }
        let order = RotateOrder { rotation, restamp_after: self.restamp_after };
        self.rotations.ask(order).await.inspect(|rotated| self.note(rotated.is_some()))
    }

    async fn retry(&self, retried: Retried, event: Option<Event>) -> Result<Option<Rotated>, Fault> {
        const DOING: &str = "count a retry";
        let Some(event) = event else {
            let counted = self
                .pool
                .statement(DOING, &retried, |connection, retried| count_retry(connection, retried).boxed())
                .await;
            return counted.inspect(|counted| self.note(counted.is_some()));
        };
        let messages = self.along.messages([&event]);
        self.pool
            .transaction(DOING, &(retried, event, messages), |connection, (retried, event, messages)| {
                async move {
                    let mut chain = Chain::of(connection, event.account).await?;
                    let counted = count_retry(connection, retried).await?;
                    if counted.is_some() {
                        chain.append(event.clone()).await?;
                        outbox::put_all(connection, messages).await?;
                    }
                    Ok(Outcome::Keep(counted))
                }
                .boxed()
            })
            .await
    }

    async fn sweep(&self, sweep: Sweep) -> Result<Swept, Fault> {
        self.sweep_slice(sweep).await
    }
}

/// Turns a row and tells the journal, in one transaction.
async fn rotate_with(
    store: &PostgresStore,
    rotation: Rotation,
    event: Event,
) -> Result<Option<Rotated>, Fault> {
    let (undated, messages) = (store.undated(&rotation), store.along.messages([&event]));
    let turned = store
        .pool
        .transaction(
            "rotate a session",
            &(&rotation, event, &undated, messages),
            |connection, (rotation, event, undated, messages)| {
                async move {
                    let mut chain = Chain::of(connection, event.account).await?;
                    undated.leaves();
                    let rotated = rotate_one(connection, rotation).await?;
                    if rotated.is_some() {
                        chain.append(event.clone()).await?;
                        outbox::put_all(connection, messages).await?;
                    }
                    Ok(Outcome::Keep(rotated))
                }
                .boxed()
            },
        )
        .await?;
    undated.answered(turned.is_some()).await;
    Ok(turned)
}

/// Notes that a spent token came back where [`Retried::applies_to`] holds.
async fn count_retry(connection: &Connection, retried: &Retried) -> Result<Option<Rotated>, QueryError> {
    let row = connection
        .optional(
            &RETRY,
            &[
                &retried.key.account.0,
                &retried.key.session.0,
                &i32::from(retried.profile.0),
                &retried.secret_hash.as_slice(),
                &integer(retried.generation.0),
                &retried.at.0,
                &retried.streak.map(i16::from),
                &i16::from(MAX_RETRIES),
                &retried.contests,
            ],
        )
        .await?;
    row.map(|row| rotated(&row)).transpose()
}

/// Stores a row and what people read of it, all in one flight; `false` where there is a session of its id, if it was imported
/// at any account.
pub(super) async fn insert(
    connection: &Connection,
    session: &Session,
    detail: &SessionDetail,
) -> Result<bool, QueryError> {
    // Where there is such a session, there is its description too, and neither is an error: other steps may be under way.
    let (stored, described, noted) = join!(
        insert_row(connection, session),
        insert_detail(connection, session.key, detail),
        note_imported(connection, session.key),
    );
    if stored? == 0 {
        return Ok(false);
    }
    described.and(noted)
}

async fn insert_row(connection: &Connection, session: &Session) -> Result<u64, QueryError> {
    let given: [&(dyn ToSql + Sync); 23] = [
        &session.key.account.0,
        &session.key.session.0,
        &i32::from(session.profile.0),
        &integer(session.generation.0),
        &session.secret_hash.as_slice(),
        &session.epoch.0,
        &session.created_at.0,
        &session.rotated_at.0,
        &session.idle_expires_at.0,
        &session.expires_at.0,
        &session.authenticated_at.0,
        &rows::smallint(session.methods),
        &session.retry_hash.as_ref().map(<[u8; 16]>::as_slice),
        &session.previous_retry_hash.as_ref().map(<[u8; 16]>::as_slice),
        &session.instance_hash.as_slice(),
        &session.other_instance_hash.as_ref().map(<[u8; 16]>::as_slice),
        &session.taken_generation.map(|generation| integer(generation.0)),
        &session.contested_generation.map(|generation| integer(generation.0)),
        &i16::from(session.retries),
        &i16::from(session.streak),
        &session.streak_generation.map(|generation| integer(generation.0)),
        &session.ended.map(|ended| ended.at.0),
        &session.ended.map(|ended| ended.cause.name()),
    ];
    connection.execute(&INSERT, &given).await
}

async fn insert_detail(
    connection: &Connection,
    key: SessionKey,
    detail: &SessionDetail,
) -> Result<u64, QueryError> {
    let given: [&(dyn ToSql + Sync); 6] =
        [&key.account.0, &key.session.0, &detail.ip, &detail.user_agent, &detail.device, &detail.ended_ip];
    connection.execute(&INSERT_DETAIL, &given).await
}

/// Notes whose an imported session is; `false` where its id is another account's.
async fn note_imported(connection: &Connection, key: SessionKey) -> Result<bool, QueryError> {
    if !key.session.is_imported() {
        return Ok(true);
    }
    Ok(connection.execute(&INSERT_IMPORTED, &[&key.session.0, &key.account.0]).await? > 0)
}

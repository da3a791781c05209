//! Sessions: what the batchers do not carry.

use async_trait::async_trait;
use futures_util::FutureExt as _;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::PostgresStore;
use super::connection::{Connection, Sql};
use super::error::QueryError;
use super::find::FindOrder;
use super::journal::Chain;
use super::pool::Outcome;
use super::rotate::{RotateOrder, integer, rotate_one, rotated};
use super::rows;
use super::sweep::thin_out;
use crate::audit::Event;
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::policy::MAX_RETRIES;
use crate::ratchet::{Retried, Rotation, SessionState, waits};
use crate::session::{AccountId, EndCause, Session, SessionDetail, SessionId, SessionKey};
use crate::store::{Ending, Opened, Opening, Rotated, Sessions, Slice, Swept, TokenBinding};

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
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)",
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
    values ($1, $2, $3, $4, $5, $6)",
    types: &[Type::UUID, Type::UUID, Type::TEXT, Type::TEXT, Type::TEXT, Type::TEXT],
};

/// The live sessions that give way to a new one, longest unused first.
pub(super) const SURPLUS: Sql = Sql {
    text: "
    select id
    from session
    where account_id = $1
      and id <> $2
      and ended_at is null
      and id is distinct from $5
      and idle_expires_at > $3
      and expires_at > $3
    order by rotated_at desc, id desc
    offset $4",
    types: &[Type::UUID, Type::UUID, Type::INT8, Type::INT8, Type::UUID],
};

const LIVES: Sql = Sql {
    text: "
    select 1
    from session
    where account_id = $1
      and id = $2
      and ended_at is null
      and idle_expires_at > $3
      and expires_at > $3",
    types: &[Type::UUID, Type::UUID, Type::INT8],
};

pub(super) const END: Sql = Sql {
    text: "
    update session
    set ended_at = $3,
        ended_cause = $4
    where account_id = $1
      and id = any ($2)
      and ended_at is null
    returning id",
    types: &[Type::UUID, Type::UUID_ARRAY, Type::INT8, Type::TEXT],
};

/// Locks rows in the order of keys, as the batchers do, so that nobody waits in a circle.
pub(super) const LOCK: Sql = Sql {
    text: "
    select id
    from session
    where account_id = $1
      and id = any ($2)
    order by id
    for update",
    types: &[Type::UUID, Type::UUID_ARRAY],
};

/// The same for all that live.
pub(super) const LOCK_LIVE: Sql = Sql {
    text: "
    select id
    from session
    where account_id = $1
      and ended_at is null
    order by id
    for update",
    types: &[Type::UUID],
};

pub(super) const NOTE_IP: Sql = Sql {
    text: "
    update session_detail
    set ended_ip = $3
    where account_id = $1
      and session_id = any ($2)",
    types: &[Type::UUID, Type::UUID_ARRAY, Type::TEXT],
};

#[async_trait]
impl Sessions for PostgresStore {
    async fn open(&self, opening: Opening) -> Result<Opened, Fault> {
        self.pool
            .transaction("open a session", &opening, |connection, opening| open(connection, opening).boxed())
            .await
    }

    async fn find(&self, key: SessionKey) -> Result<Option<SessionState>, Fault> {
        self.finds.ask(FindOrder(key)).await
    }

    async fn rotate(&self, rotation: Rotation, event: Option<Event>) -> Result<Option<Rotated>, Fault> {
        let Some(event) = event else {
            return self.rotations.ask(RotateOrder { rotation, restamp_after: self.restamp_after }).await;
        };
        let undated = self.undated(&rotation);
        let turned = self
            .pool
            .transaction(
                "rotate a session",
                &(&rotation, event, &undated),
                |connection, (rotation, event, undated)| {
                    async move {
                        let mut chain = Chain::of(connection, event.account).await?;
                        undated.leaves();
                        let rotated = rotate_one(connection, rotation).await?;
                        if rotated.is_some() {
                            chain.append(event.clone()).await?;
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

    async fn retry(&self, retried: Retried, event: Option<Event>) -> Result<Option<Rotated>, Fault> {
        const DOING: &str = "count a retry";
        let Some(event) = event else {
            return self
                .pool
                .statement(DOING, &retried, |connection, retried| count_retry(connection, retried).boxed())
                .await;
        };
        self.pool
            .transaction(DOING, &(retried, event), |connection, (retried, event)| {
                async move {
                    let mut chain = Chain::of(connection, event.account).await?;
                    let counted = count_retry(connection, retried).await?;
                    if counted.is_some() {
                        chain.append(event.clone()).await?;
                    }
                    Ok(Outcome::Keep(counted))
                }
                .boxed()
            })
            .await
    }

    async fn bind_imported_token(&self, binding: TokenBinding) -> Result<bool, Fault> {
        const BIND: Sql = Sql {
            text: "
            update session
            set secret_hash = $4
            where account_id = $1
              and id = $2
              and secret_hash = $3",
            types: &[Type::UUID, Type::UUID, Type::BYTEA, Type::BYTEA],
        };
        self.pool
            .statement("bind an imported token", &binding, |connection, TokenBinding { key, from, to }| {
                async move {
                    let given: [&(dyn ToSql + Sync); 4] =
                        [&key.account.0, &key.session.0, &from.as_slice(), &to.as_slice()];
                    Ok(connection.execute(&BIND, &given).await? > 0)
                }
                .boxed()
            })
            .await
    }

    async fn end(&self, key: SessionKey, ending: Ending) -> Result<bool, Fault> {
        const DOING: &str = "end a session";
        if waits(ending.cause, self.health.is_only_just_back()) {
            let why = "the database was away a moment ago, and this token's rotation may be from then; nobody is \
                       accused until that is known";
            return Err(Fault::unavailable(DOING, why));
        }
        self.pool
            .transaction(DOING, &(key, ending), |connection, (key, ending)| {
                async move {
                    let mut chain = Chain::of(connection, key.account).await?;
                    Ok(Outcome::Keep(end(connection, &mut chain, &[key.session], ending).await? > 0))
                }
                .boxed()
            })
            .await
    }

    async fn end_all(
        &self,
        account: AccountId,
        except: Option<SessionId>,
        ending: Ending,
    ) -> Result<u64, Fault> {
        self.pool
            .transaction(
                "end an account's sessions",
                &(account, except, ending),
                |connection, (account, except, ending)| {
                    async move {
                        let mut chain = Chain::of(connection, *account).await?;
                        let mut live = lock_live(connection, *account).await?;
                        live.retain(|session| Some(*session) != *except);
                        Ok(Outcome::Keep(end(connection, &mut chain, &live, ending).await?))
                    }
                    .boxed()
                },
            )
            .await
    }

    async fn of(
        &self,
        account: AccountId,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<Vec<(Session, SessionDetail)>, Fault> {
        const OF: Sql = Sql {
            text: "
            select s.account_id, s.id, s.generation, s.epoch, s.created_at, s.rotated_at, s.idle_expires_at,
                   s.expires_at, s.streak_generation, s.ended_at, s.profile, s.retries, s.streak,
                   s.secret_hash, s.retry_hash, s.previous_retry_hash, s.instance_hash, s.other_instance_hash,
                   s.taken_generation, s.contested_generation, s.authenticated_at, s.methods, s.ended_cause,
                   d.ip, d.user_agent, d.device, d.ended_ip
            from session s
            left join session_detail d on d.account_id = s.account_id and d.session_id = s.id
            where s.account_id = $1
              and s.id > $2
            order by s.id
            limit $3",
            types: &[Type::UUID, Type::UUID, Type::INT8],
        };
        // No session has the first id there is.
        let after = after.map_or(Uuid::nil(), |after| after.0);
        self.pool
            .statement(
                "list an account's sessions",
                &(account, after, i64::from(limit)),
                |connection, given| {
                    async move {
                        let found = connection.query(&OF, &[&given.0.0, &given.1, &given.2]).await?;
                        found.iter().map(both).collect()
                    }
                    .boxed()
                },
            )
            .await
    }

    async fn named(&self, session: SessionId) -> Result<Option<(Session, SessionDetail)>, Fault> {
        const NAMED: Sql = Sql {
            text: "
            select s.account_id, s.id, s.generation, s.epoch, s.created_at, s.rotated_at, s.idle_expires_at,
                   s.expires_at, s.streak_generation, s.ended_at, s.profile, s.retries, s.streak,
                   s.secret_hash, s.retry_hash, s.previous_retry_hash, s.instance_hash, s.other_instance_hash,
                   s.taken_generation, s.contested_generation, s.authenticated_at, s.methods, s.ended_cause,
                   d.ip, d.user_agent, d.device, d.ended_ip
            from session_detail d
            join session s on s.account_id = d.account_id and s.id = d.session_id
            where d.session_id = $1",
            types: &[Type::UUID],
        };
        self.pool
            .statement("find a session by its id", &session, |connection, session| {
                async move { connection.optional(&NAMED, &[&session.0]).await?.map(|row| both(&row)).transpose() }
                    .boxed()
            })
            .await
    }

    async fn sweep(&self, slice: Slice) -> Result<Swept, Fault> {
        self.sweep_slice(slice).await
    }
}

fn both(row: &Row) -> Result<(Session, SessionDetail), QueryError> {
    Ok((rows::session(row)?, rows::detail(row)?))
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

async fn open(connection: &Connection, opening: &Opening) -> Result<Outcome<Opened>, QueryError> {
    let Opening { session, detail, replaces, most, event, .. } = opening;
    let account = session.key.account;
    let mut chain = Chain::of(connection, account).await?;
    if !chain.stands(session.epoch) {
        return Ok(Outcome::Undo(Opened::AccountMoved));
    }
    insert(connection, session, detail).await?;
    chain.append(event.clone()).await?;
    let mut over: Vec<_> = replaces.iter().copied().collect();
    if *most < u32::MAX {
        let has_replaced_a_live_one = match *replaces {
            // The account's row is locked: nobody else opens or ends one of its sessions meanwhile.
            Some(id) if opening.spares_the_rest => {
                let given: [&(dyn ToSql + Sync); 3] = [&account.0, &id.0, &event.at.0];
                connection.optional(&LIVES, &given).await?.is_some()
            }
            _ => false,
        };
        let surplus = surplus(connection, session.key, *most, event.at, *replaces).await?;
        over.extend(surplus.into_iter().take(opening.may_give_way(has_replaced_a_live_one)));
    }
    let ids: Vec<_> = over.iter().map(|session| session.0).collect();
    if !ids.is_empty() {
        connection.query(&LOCK, &[&account.0, &ids]).await?;
        end(connection, &mut chain, &over, &Ending::along_with(event, EndCause::Replaced)).await?;
    }
    if *most < u32::MAX {
        thin_out(connection, account).await?;
    }
    Ok(Outcome::Keep(Opened::Open))
}

pub(super) async fn insert(
    connection: &Connection,
    session: &Session,
    detail: &SessionDetail,
) -> Result<(), QueryError> {
    connection
        .execute(
            &INSERT,
            &[
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
            ],
        )
        .await?;
    connection
        .execute(
            &INSERT_DETAIL,
            &[
                &session.key.account.0,
                &session.key.session.0,
                &detail.ip,
                &detail.user_agent,
                &detail.device,
                &detail.ended_ip,
            ],
        )
        .await?;
    Ok(())
}

async fn surplus(
    connection: &Connection,
    new: SessionKey,
    most: u32,
    now: Timestamp,
    replaced: Option<SessionId>,
) -> Result<Vec<SessionId>, QueryError> {
    let others = i64::from(most.saturating_sub(1));
    let replaced = replaced.map(|replaced| replaced.0);
    let given: [&(dyn ToSql + Sync); 5] = [&new.account.0, &new.session.0, &now.0, &others, &replaced];
    let found = connection.query(&SURPLUS, &given).await?;
    found.iter().rev().map(|row| Ok(SessionId(row.try_get("id")?))).collect()
}

/// Locks an account's live sessions, in the order of their ids.
pub(super) async fn lock_live(
    connection: &Connection,
    account: AccountId,
) -> Result<Vec<SessionId>, QueryError> {
    let live = connection.query(&LOCK_LIVE, &[&account.0]).await?;
    live.iter().map(|row| Ok(SessionId(row.try_get("id")?))).collect()
}

/// Ends those of a chain's account's sessions that live, in this order; says how many did. Where there are several,
/// their rows are locked already.
pub(super) async fn end(
    connection: &Connection,
    chain: &mut Chain<'_>,
    sessions: &[SessionId],
    ending: &Ending,
) -> Result<u64, QueryError> {
    if sessions.is_empty() {
        return Ok(0);
    }
    let account = chain.account();
    let ended = mark_ended(connection, account, sessions, ending).await?;
    if let Some(ip) = ending.ip.as_ref().filter(|_| !ended.is_empty()) {
        connection.execute(&NOTE_IP, &[&account.0, &ended, ip]).await?;
    }
    let told = sessions.iter().filter(|session| ended.contains(&session.0));
    let events = told.map(|session| ending.event(SessionKey { account, session: *session }));
    chain.append_all(events.collect()).await?;
    Ok(ended.len() as u64)
}

/// Ends rows, and says which; the journal is the caller's.
pub(super) async fn mark_ended(
    connection: &Connection,
    account: AccountId,
    sessions: &[SessionId],
    ending: &Ending,
) -> Result<Vec<Uuid>, QueryError> {
    let ids: Vec<_> = sessions.iter().map(|session| session.0).collect();
    let ended = connection.query(&END, &[&account.0, &ids, &ending.at.0, &ending.cause.name()]).await?;
    ended.iter().map(|row| Ok(row.try_get("id")?)).collect()
}

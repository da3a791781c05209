//! The sweep: looks through a slice, and writes only where there is something to do. What one account may leave to it
//! is bounded here too.

use futures_util::FutureExt as _;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::PostgresStore;
use super::connection::{Connection, Sql};
use super::error::QueryError;
use super::journal::Chain;
use super::outbox;
use super::pool::Outcome;
use super::rows;
use super::steps::mark_ended;
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::session::{AccountId, EndCause, SessionId, SessionKey};
use crate::store::{Along, Ending, MAX_ENDED_KEPT, Sweep, Swept};

/// Walks the key. It is the one statement that goes to every shard.
const LOOK: Sql = Sql {
    text: "
    select account_id, id, idle_expires_at, expires_at, ended_at
    from session
    where (account_id, id) > ($1, $2)
    order by account_id, id
    limit $3",
    types: &[Type::UUID, Type::UUID, Type::INT8],
};

/// Locks rows that had expired, those that did not turn meanwhile.
pub(super) const STILL_EXPIRED: Sql = Sql {
    text: "
    select id
    from session
    where account_id = $1
      and id = any ($2)
      and ended_at is null
      and (idle_expires_at <= $3 or expires_at <= $3)
    order by id
    for update",
    types: &[Type::UUID, Type::UUID_ARRAY, Type::INT8],
};

pub(super) const REMOVE: Sql = Sql {
    text: "
    delete from session
    where account_id = $1
      and id = any ($2)
      and ended_at is not null
    returning id",
    types: &[Type::UUID, Type::UUID_ARRAY],
};

pub(super) const REMOVE_DETAIL: Sql = Sql {
    text: "
    delete from session_detail
    where account_id = $1
      and session_id = any ($2)",
    types: &[Type::UUID, Type::UUID_ARRAY],
};

pub(super) const REMOVE_IMPORTED: Sql = Sql {
    text: "
    delete from imported_session
    where session_id = $1
      and account_id = $2",
    types: &[Type::UUID, Type::UUID],
};

pub(super) const BEYOND: Sql = Sql {
    text: "
    select id
    from session
    where account_id = $1
      and ended_at is not null
    order by ended_at desc, id desc
    offset $2",
    types: &[Type::UUID, Type::INT8],
};

/// What the sweep has to do for one account, in one transaction.
struct Due {
    account: AccountId,
    ends: Vec<(SessionKey, EndCause)>,
    goes: Vec<Uuid>,
}

impl PostgresStore {
    pub(super) async fn sweep_slice(&self, sweep: Sweep) -> Result<Swept, Fault> {
        const DOING: &str = "sweep sessions";
        let (mut swept, due) =
            self.pool.statement(DOING, &sweep, |connection, sweep| look(connection, sweep).boxed()).await?;
        for due in due {
            let applied = self
                .pool
                .transaction(DOING, &(sweep, due, self.along.current()), |connection, (sweep, due, along)| {
                    async move { Ok(Outcome::Keep(apply(connection, sweep, due, along.as_deref()).await?)) }
                        .boxed()
                })
                .await?;
            swept.ended += applied.ended;
            swept.idle += applied.idle;
            swept.removed += applied.removed;
        }
        Ok(swept)
    }
}

/// Removes an account's ended sessions beyond [`MAX_ENDED_KEPT`], those that ended longest ago.
pub(super) async fn thin_out(connection: &Connection, account: AccountId) -> Result<(), QueryError> {
    let found = connection.query(&BEYOND, &[&account.0, &i64::from(MAX_ENDED_KEPT)]).await?;
    let beyond: Vec<Uuid> = found.iter().map(|row| row.try_get("id")).collect::<Result<_, _>>()?;
    remove(connection, account, &beyond).await.map(drop)
}

/// Looks through the slice.
async fn look(connection: &Connection, sweep: &Sweep) -> Result<(Swept, Vec<Due>), QueryError> {
    let rows = sweep.slice.limit.max(1);
    // No session has the first id there is.
    let (account, session) =
        sweep.slice.after.map_or((Uuid::nil(), Uuid::nil()), |after| (after.account.0, after.session.0));
    let mut swept = Swept::default();
    let mut due: Vec<Due> = Vec::new();
    for row in connection.query(&LOOK, &[&account, &session, &i64::from(rows)]).await? {
        let key = rows::key(&row)?;
        swept.seen += 1;
        swept.next = Some(key);
        let ended_at: Option<i64> = row.try_get("ended_at")?;
        let cause = match ended_at {
            Some(at) if Timestamp(at) <= sweep.removes_until() => None,
            Some(_) => continue,
            None if sweep.now.0 >= row.try_get("expires_at")? => Some(EndCause::Expired),
            None if sweep.now.0 >= row.try_get("idle_expires_at")? => Some(EndCause::Idle),
            None => {
                swept.live += 1;
                swept.of_accounts.add(key.account);
                continue;
            }
        };
        if due.last().is_none_or(|last| last.account != key.account) {
            due.push(Due { account: key.account, ends: Vec::new(), goes: Vec::new() });
        }
        let Some(last) = due.last_mut() else { continue };
        match cause {
            Some(cause) => last.ends.push((key, cause)),
            None => last.goes.push(key.session.0),
        }
    }
    swept.next = swept.next.filter(|_| swept.seen == u64::from(rows));
    Ok((swept, due))
}

/// Does what is due, where it still is; says how many ended, of which cause, and how many went.
async fn apply(
    connection: &Connection,
    sweep: &Sweep,
    due: &Due,
    along: Option<&dyn Along>,
) -> Result<Swept, QueryError> {
    let mut chain = Chain::of(connection, due.account).await?;
    let removed = remove(connection, due.account, &due.goes).await?;
    let ids: Vec<_> = due.ends.iter().map(|(key, _)| key.session.0).collect();
    let still = connection.query(&STILL_EXPIRED, &[&due.account.0, &ids, &sweep.now.0]).await?;
    let still: Vec<Uuid> = still.iter().map(|row| row.try_get("id")).collect::<Result<_, _>>()?;
    let mut ended = Vec::new();
    for cause in [EndCause::Expired, EndCause::Idle] {
        let over = due.ends.iter().filter(|(key, why)| *why == cause && still.contains(&key.session.0));
        let over: Vec<_> = over.map(|(key, _)| key.session).collect();
        if !over.is_empty() {
            let ending = Ending::by_itself(cause, sweep.now);
            ended.extend(mark_ended(connection, due.account, &over, &ending).await?);
        }
    }
    let told: Vec<_> = due.ends.iter().filter(|(key, _)| ended.contains(&key.session.0)).collect();
    let events = told.iter().map(|(key, cause)| Ending::by_itself(*cause, sweep.now).event(*key));
    let events: Vec<_> = events.collect();
    let messages =
        along.map(|along| events.iter().flat_map(|event| along.messages(event)).collect::<Vec<_>>());
    chain.append_all(events).await?;
    outbox::put_all(connection, &messages.unwrap_or_default()).await?;
    let idle = told.iter().filter(|(_, cause)| *cause == EndCause::Idle).count();
    Ok(Swept { ended: ended.len() as u64, idle: idle as u64, removed, ..Swept::default() })
}

/// Removes sessions that have ended, which nothing undoes.
async fn remove(connection: &Connection, account: AccountId, sessions: &[Uuid]) -> Result<u64, QueryError> {
    if sessions.is_empty() {
        return Ok(0);
    }
    let gone = connection.query(&REMOVE, &[&account.0, &sessions]).await?;
    let gone: Vec<Uuid> = gone.iter().map(|row| row.try_get("id")).collect::<Result<_, _>>()?;
    connection.execute(&REMOVE_DETAIL, &[&account.0, &gone]).await?;
    for id in gone.iter().filter(|id| SessionId(**id).is_imported()) {
        connection.execute(&REMOVE_IMPORTED, &[id, &account.0]).await?;
    }
    Ok(gone.len() as u64)
}

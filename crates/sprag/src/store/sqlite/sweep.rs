//! The sweep: looks through a slice beside the writer, and writes only where there is something to do. What one
//! account may leave to it is bounded here too.

use rusqlite::{Connection, Result, params};

use super::SqliteStore;
use super::job::{Outcome, Told};
use super::journal;
use super::rows::{self, START, bytes};
use super::steps::end;
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::session::{AccountId, EndCause, SessionId, SessionKey};
use crate::store::{Along, Ending, MAX_ENDED_KEPT, Sweep, Swept};

/// A row that the sweep has something to do with.
struct Due {
    key: SessionKey,
    /// Why it ends; `None` where it has ended long ago and goes.
    cause: Option<EndCause>,
}

impl SqliteStore {
    pub(super) async fn sweep_slice(&self, sweep: Sweep) -> Result<Swept, Fault> {
        const DOING: &str = "sweep sessions";
        let (seen, due) = self.readers.read(DOING, move |connection| look(connection, &sweep)).await?;
        if due.is_empty() {
            return Ok(seen);
        }
        let along = self.along.current();
        let work = move |connection: &Connection| {
            Ok(Outcome::Keep(apply(connection, &sweep, seen, (&due, along.as_deref()))?))
        };
        self.writer.write(DOING, work).await
    }
}

/// Removes an account's ended sessions beyond [`MAX_ENDED_KEPT`], those that ended longest ago.
pub(super) fn thin_out(connection: &Connection, account: AccountId) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "select id
         from session
         where account_id = ?1
           and ended_at is not null
         order by ended_at desc, id desc
         limit -1 offset ?2",
    )?;
    let found = statement.query_map(params![bytes(&account.0), MAX_ENDED_KEPT], |row| rows::id(row, "id"))?;
    let beyond: Vec<_> = found.collect::<Result<_>>()?;
    for id in beyond {
        remove(connection, SessionKey { account, session: SessionId(id) })?;
    }
    Ok(())
}

/// Looks through the slice.
fn look(connection: &Connection, sweep: &Sweep) -> Result<(Swept, Vec<Due>)> {
    let rows = sweep.slice.limit.max(1);
    let mut statement = connection.prepare_cached(
        "select account_id, id, idle_expires_at, expires_at, ended_at
         from session
         where (account_id, id) > (?1, ?2)
         order by account_id, id
         limit ?3",
    )?;
    let after = sweep.slice.after;
    let (account, session) =
        after.as_ref().map_or((START, START), |after| (bytes(&after.account.0), bytes(&after.session.0)));
    let mut found = statement.query(params![account, session, rows])?;
    let mut swept = Swept::default();
    let mut due = Vec::new();
    while let Some(row) = found.next()? {
        let account = AccountId(rows::id(row, "account_id")?);
        let key = SessionKey { account, session: SessionId(rows::id(row, "id")?) };
        swept.seen += 1;
        swept.next = Some(key);
        let ended_at: Option<i64> = row.get("ended_at")?;
        match ended_at {
            Some(at) if Timestamp(at) <= sweep.removes_until() => due.push(Due { key, cause: None }),
            Some(_) => {}
            None if sweep.now.0 >= row.get("expires_at")? => {
                due.push(Due { key, cause: Some(EndCause::Expired) });
            }
            None if sweep.now.0 >= row.get("idle_expires_at")? => {
                due.push(Due { key, cause: Some(EndCause::Idle) });
            }
            None => {
                swept.live += 1;
                swept.of_accounts.add(account);
            }
        }
    }
    swept.next = swept.next.filter(|_| swept.seen == u64::from(rows));
    Ok((swept, due))
}

/// Does what is due, where it still is.
fn apply(
    connection: &Connection,
    sweep: &Sweep,
    mut swept: Swept,
    (due, along): (&[Due], Option<&dyn Along>),
) -> Result<Swept> {
    for Due { key, cause } in due {
        match *cause {
            None if remove(connection, *key)? => swept.removed += 1,
            Some(cause) if is_still_expired(connection, *key, sweep.now)? => {
                let ending = Ending::by_itself(cause, sweep.now);
                if end(connection, *key, &ending)? {
                    let event = ending.event(*key);
                    let messages = along.map(|along| along.messages(&event)).unwrap_or_default();
                    journal::tell(connection, &Told { event, messages })?;
                    swept.ended += 1;
                    swept.idle += u64::from(cause == EndCause::Idle);
                }
            }
            _ => {}
        }
    }
    Ok(swept)
}

/// Whether it did not turn while the slice was looked through.
fn is_still_expired(connection: &Connection, key: SessionKey, now: Timestamp) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "select 1
         from session
         where account_id = ?1
           and id = ?2
           and (idle_expires_at <= ?3 or expires_at <= ?3)",
    )?;
    statement.exists(params![bytes(&key.account.0), bytes(&key.session.0), now.0])
}

/// Removes a session that has ended, which nothing undoes.
fn remove(connection: &Connection, key: SessionKey) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "delete from session_detail
         where account_id = ?1
           and session_id = ?2",
    )?;
    statement.execute([bytes(&key.account.0), bytes(&key.session.0)])?;
    if key.session.is_imported() {
        let mut statement = connection.prepare_cached(
            "delete from imported_session
             where session_id = ?1
               and account_id = ?2",
        )?;
        statement.execute([bytes(&key.session.0), bytes(&key.account.0)])?;
    }
    let mut statement = connection.prepare_cached(
        "delete from session
         where account_id = ?1
           and id = ?2
           and ended_at is not null",
    )?;
    Ok(statement.execute([bytes(&key.account.0), bytes(&key.session.0)])? > 0)
}

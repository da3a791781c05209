//! Sessions: the hot path, and the row that it moves.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::SqliteStore;
use super::connection::execute;
use super::job::{Concerns, Outcome};
use super::journal::Chain;
use super::rows::{self, bytes, integer};
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::policy::MAX_RETRIES;
use crate::ratchet::{Retried, Rotation, SessionState};
use crate::session::{Epoch, Generation, Methods, Session, SessionDetail, SessionKey};
use crate::store::{Rotated, Sessions, Sweep, Swept};

/// Moves the moment a row turned, where nothing has turned it since.
const RESTAMP: &str = "
    update session
    set rotated_at = ?5
    where account_id = ?1
      and id = ?2
      and generation = ?3
      and rotated_at = ?4";

#[async_trait]
impl Sessions for SqliteStore {
    async fn find(&self, key: SessionKey) -> Result<Option<SessionState>, Fault> {
        self.readers
            .read("find a session", move |connection| {
                let mut statement = connection.prepare_cached(
                    "select s.*,
                            a.epoch as account_epoch,
                            a.id is null or a.disabled_at is not null as is_disabled
                     from session s
                     left join account a on a.id = s.account_id
                     where s.account_id = ?1 and s.id = ?2",
                )?;
                let state = |row: &rusqlite::Row<'_>| {
                    let epoch: Option<i64> = row.get("account_epoch")?;
                    Ok(SessionState {
                        session: rows::session(row)?,
                        is_disabled: row.get("is_disabled")?,
                        epoch: Epoch(epoch.unwrap_or_default()),
                    })
                };
                statement.query_row([bytes(&key.account.0), bytes(&key.session.0)], state).optional()
            })
            .await
    }

    async fn rotate(
        &self,
        rotation: Rotation,
        event: Option<crate::audit::Event>,
    ) -> Result<Option<Rotated>, Fault> {
        self.writer.rotate(rotation, event).await
    }

    async fn retry(
        &self,
        retried: Retried,
        event: Option<crate::audit::Event>,
    ) -> Result<Option<Rotated>, Fault> {
        let concerns = Concerns::Account(retried.key.account);
        let work = move |connection: &Connection| {
            let counted = count_retry(connection, &retried).optional()?;
            if let (Some(_), Some(event)) = (counted, event) {
                Chain::of(connection, event.account)?.append(event)?;
            }
            Ok(Outcome::Keep(counted))
        };
        self.writer.write_about(concerns, "count a retry", work).await
    }

    async fn sweep(&self, sweep: Sweep) -> Result<Swept, Fault> {
        self.sweep_slice(sweep).await
    }
}

/// Has rotations count from other moments, in one transaction; an error leaves it to the caller to roll back.
pub(super) fn restamp_all<'a>(
    connection: &Connection,
    late: impl Iterator<Item = (&'a Rotation, Timestamp)>,
) -> Result<()> {
    execute(connection, "begin immediate")?;
    for (rotation, from) in late {
        restamp(connection, rotation, from)?;
    }
    execute(connection, "commit")
}

fn restamp(connection: &Connection, rotation: &Rotation, from: Timestamp) -> Result<()> {
    let mut statement = connection.prepare_cached(RESTAMP)?;
    statement.execute(params![
        bytes(&rotation.key.account.0),
        bytes(&rotation.key.session.0),
        integer(rotation.to.0)?,
        rotation.at.0,
        from.0,
    ])?;
    Ok(())
}

/// Notes that a spent token came back where [`Retried::applies_to`] holds.
fn count_retry(connection: &Connection, retried: &Retried) -> Result<Rotated> {
    let mut statement = connection.prepare_cached(
        "update session
         set retries = retries + iif(?9, 0, 1),
             contested_generation = iif(?9, ?5, contested_generation),
             streak = coalesce(?7, streak),
             streak_generation = iif(?7 is null, streak_generation, ?5)
         where account_id = ?1
           and id = ?2
           and profile = ?3
           and secret_hash = ?4
           and generation = ?5
           and ended_at is null
           and idle_expires_at > ?6
           and expires_at > ?6
           and epoch = (select epoch from account where id = ?1 and disabled_at is null)
           and iif(?9, contested_generation is not ?5, retries < ?8)
           and (?7 is null or streak_generation is not ?5)
         returning idle_expires_at, expires_at, coalesce(authenticated_at, created_at), methods",
    )?;
    statement.query_row(
        params![
            bytes(&retried.key.account.0),
            bytes(&retried.key.session.0),
            retried.profile.0,
            retried.secret_hash,
            integer(retried.generation.0)?,
            retried.at.0,
            retried.streak,
            MAX_RETRIES,
            retried.contests,
        ],
        rotated,
    )
}

fn rotated(row: &rusqlite::Row<'_>) -> Result<Rotated> {
    Ok(Rotated {
        idle_expires_at: Timestamp(row.get(0)?),
        expires_at: Timestamp(row.get(1)?),
        authenticated_at: Timestamp(row.get(2)?),
        methods: Methods::from_bits(row.get(3)?),
    })
}

/// Stores a row and what people read of it; `false` where there is a session of its id, if it was imported at any account.
pub(super) fn insert(connection: &Connection, session: &Session, detail: &SessionDetail) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "insert into session (
             account_id, id, profile, generation, secret_hash, epoch, created_at, rotated_at,
             idle_expires_at, expires_at, authenticated_at, methods, retry_hash, previous_retry_hash,
             instance_hash, other_instance_hash, taken_generation, contested_generation, retries,
             streak, streak_generation, ended_at, ended_cause
         )
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22,
                 ?23)
         on conflict do nothing",
    )?;
    let stored = statement.execute(params![
        bytes(&session.key.account.0),
        bytes(&session.key.session.0),
        session.profile.0,
        integer(session.generation.0)?,
        session.secret_hash,
        session.epoch.0,
        session.created_at.0,
        session.rotated_at.0,
        session.idle_expires_at.0,
        session.expires_at.0,
        session.authenticated_at.0,
        session.methods.bits(),
        session.retry_hash,
        session.previous_retry_hash,
        session.instance_hash,
        session.other_instance_hash,
        optional(session.taken_generation)?,
        optional(session.contested_generation)?,
        session.retries,
        session.streak,
        optional(session.streak_generation)?,
        session.ended.map(|ended| ended.at.0),
        session.ended.map(|ended| ended.cause.name()),
    ])?;
    if stored == 0 {
        return Ok(false);
    }
    let mut statement = connection.prepare_cached(
        "insert into session_detail (account_id, session_id, ip, user_agent, device, ended_ip)
         values (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    statement.execute(params![
        bytes(&session.key.account.0),
        bytes(&session.key.session.0),
        detail.ip,
        detail.user_agent,
        detail.device,
        detail.ended_ip,
    ])?;
    if session.key.session.is_imported() { note_imported(connection, session.key) } else { Ok(true) }
}

/// Notes whose an imported session is; `false` where its id is another account's. A row that is there for this very
/// account was left behind by an older build.
fn note_imported(connection: &Connection, key: SessionKey) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "insert into imported_session (session_id, account_id)
         values (?1, ?2)
         on conflict (session_id) do update
         set account_id = excluded.account_id
         where account_id = excluded.account_id",
    )?;
    Ok(statement.execute([bytes(&key.session.0), bytes(&key.account.0)])? > 0)
}

fn optional(generation: Option<Generation>) -> Result<Option<i64>> {
    generation.map(|generation| integer(generation.0)).transpose()
}

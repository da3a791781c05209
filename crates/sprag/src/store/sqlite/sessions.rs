//! Sessions: the hot path, and the row that it moves.
//!
//! A rotation is one statement, which descends to the session's row and makes nothing besides. It depends on its account too;
//! what was looked up of accounts is kept for as long as nobody has written to them, so that a rotation need not descend to
//! another row, which among a million accounts is rarely at hand.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use foldhash::fast::RandomState;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Result, params};

use super::SqliteStore;
use super::connection::execute;
use super::job::{Concerns, Outcome, Told};
use super::journal;
use super::rows::{self, bytes, integer};
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::policy::MAX_RETRIES;
use crate::ratchet::{Retried, Rotation, SessionState};
use crate::session::{AccountId, Epoch, Generation, Methods, Session, SessionDetail, SessionKey};
use crate::store::{Rotated, Sessions, Sweep, Swept};

/// Rotates a row where [`Rotation::applies_to`] holds, of an account that may log in and is in epoch ?12.
///
/// `sprag_tell` keeps what an answer needs of the row, and is 0: for `returning`, SQLite would make a table for each rotation.
pub(super) const ROTATE: &str = "
    update session
    set generation = ?6,
        rotated_at = ?7,
        idle_expires_at = ?8,
        previous_retry_hash = retry_hash,
        retry_hash = ?9,
        taken_generation = iif(
            instance_hash = ?10
            or instance_hash = x'00000000000000000000000000000000'
            or other_instance_hash is ?10, taken_generation, ?6),
        other_instance_hash = iif(
            instance_hash = ?10
            or instance_hash = x'00000000000000000000000000000000', other_instance_hash, instance_hash),
        instance_hash = ?10,
        contested_generation = null,
        retries = sprag_tell(?8, expires_at, coalesce(authenticated_at, created_at), methods)
    where account_id = ?1
      and id = ?2
      and profile = ?3
      and secret_hash = ?4
      and generation = ?5
      and ended_at is null
      and idle_expires_at > ?7
      and expires_at > ?7
      and epoch = ?12
      and not (?11 is not null and generation > 0 and rotated_at >= ?11)
      and (contested_generation is not ?6 - 1 or other_instance_hash is ?10)";

/// The epoch of an account that may log in.
const STANDING: &str = "
    select epoch
    from account
    where id = ?1 and disabled_at is null";

/// How many accounts are kept: a few hundred KiB.
const MOST: usize = 8192;

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
        let messages = self.along.messages(&event);
        self.writer.rotate(rotation, event.map(|event| Box::new(Told { event, messages }))).await
    }

    async fn retry(
        &self,
        retried: Retried,
        event: Option<crate::audit::Event>,
    ) -> Result<Option<Rotated>, Fault> {
        let concerns = Concerns::Account(retried.key.account);
        let messages = self.along.messages(&event);
        let work = move |connection: &Connection| {
            let counted = count_retry(connection, &retried).optional()?;
            if let (Some(_), Some(event)) = (counted, event) {
                journal::tell(connection, &Told { event, messages })?;
            }
            Ok(Outcome::Keep(counted))
        };
        self.writer.write_about(concerns, "count a retry", work).await
    }

    async fn sweep(&self, sweep: Sweep) -> Result<Swept, Fault> {
        self.sweep_slice(sweep).await
    }
}

/// Rotates sessions on one connection, which it belongs to: whatever becomes of the one, the other is not used on.
#[derive(Debug)]
pub(super) struct Rotator {
    told: Arc<Mutex<Option<Rotated>>>,
    /// The epochs of accounts, `None` for those that may not log in, as the database has them. Nobody chooses their ids, so a
    /// cheap hash will do.
    standings: HashMap<AccountId, Option<Epoch>, RandomState>,
    /// Moves when another connection has committed something.
    data_version: i64,
}

impl Rotator {
    pub(super) fn on(connection: &Connection) -> Result<Self> {
        let told = Arc::new(Mutex::new(None));
        let tells = Arc::clone(&told);
        connection.create_scalar_function("sprag_tell", 4, FunctionFlags::SQLITE_UTF8, move |given| {
            let rotated = of_row(given)?;
            *tells.lock().unwrap_or_else(PoisonError::into_inner) = Some(rotated);
            Ok(0)
        })?;
        Ok(Self { told, standings: HashMap::default(), data_version: 0 })
    }

    /// Forgets what others have changed. To be called once a transaction has begun that keeps them from writing.
    pub(super) fn begin(&mut self, connection: &Connection) -> Result<()> {
        let mut statement = connection.prepare_cached("pragma data_version")?;
        let data_version = statement.query_row([], |row| row.get(0))?;
        if data_version != self.data_version {
            self.standings.clear();
            self.data_version = data_version;
        }
        Ok(())
    }

    /// Forgets what this connection may have changed by something else than a rotation.
    pub(super) fn forget(&mut self, concerns: Concerns) {
        match concerns {
            Concerns::Everybody => self.standings.clear(),
            Concerns::Account(account) => {
                self.standings.remove(&account);
            }
            Concerns::Nobody => {}
        }
    }

    /// Runs [`ROTATE`]; `None` where the rotation does not apply.
    pub(super) fn rotate(
        &mut self,
        connection: &Connection,
        rotate: &mut CachedStatement<'_>,
        rotation: &Rotation,
    ) -> Result<Option<Rotated>> {
        let Some(epoch) = self.standing(connection, rotation.key.account)? else {
            return Ok(None);
        };
        let rotated = rotate.execute(params![
            bytes(&rotation.key.account.0),
            bytes(&rotation.key.session.0),
            rotation.profile.0,
            rotation.secret_hash,
            integer(rotation.from.0)?,
            integer(rotation.to.0)?,
            rotation.at.0,
            rotation.idle_expires_at.0,
            rotation.retry_hash,
            rotation.instance_hash,
            rotation.unless_turned_since.map(|since| since.0),
            epoch.0,
        ])?;
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(told.filter(|_| rotated > 0))
    }

    fn standing(&mut self, connection: &Connection, account: AccountId) -> Result<Option<Epoch>> {
        if let Some(standing) = self.standings.get(&account) {
            return Ok(*standing);
        }
        let mut statement = connection.prepare_cached(STANDING)?;
        let standing = statement.query_row([bytes(&account.0)], |row| row.get(0).map(Epoch)).optional()?;
        if self.standings.len() >= MOST {
            self.standings.clear();
        }
        self.standings.insert(account, standing);
        Ok(standing)
    }
}

fn of_row(given: &Context<'_>) -> Result<Rotated> {
    Ok(Rotated {
        idle_expires_at: Timestamp(given.get(0)?),
        expires_at: Timestamp(given.get(1)?),
        authenticated_at: Timestamp(given.get(2)?),
        methods: Methods::from_bits(given.get(3)?),
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A database with an account of one session.
    fn opened() -> (tempfile::TempDir, Connection, Connection) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sprag.db");
        SqliteStore::migrate(&path).unwrap();
        let (ours, other) = (Connection::open(&path).unwrap(), Connection::open(&path).unwrap());
        let account = "insert into account (id, epoch, is_admin, created_at) values (?1, 0, 0, 0)";
        ours.execute(account, [[1_u8; 16]]).unwrap();
        (directory, ours, other)
    }

    const ACCOUNT: AccountId = AccountId(uuid::Uuid::from_bytes([1; 16]));

    /// What a new transaction believes of the account.
    fn believed(rotator: &mut Rotator, connection: &Connection) -> Option<Epoch> {
        connection.execute_batch("begin immediate").unwrap();
        rotator.begin(connection).unwrap();
        let believed = rotator.standing(connection, ACCOUNT).unwrap();
        connection.execute_batch("commit").unwrap();
        believed
    }

    #[test]
    fn what_another_connection_does_to_an_account_is_seen_by_the_next_transaction() {
        let (_directory, ours, other) = opened();
        let mut rotator = Rotator::on(&ours).unwrap();
        assert_eq!(believed(&mut rotator, &ours), Some(Epoch(0)));
        other.execute("update account set epoch = 5", []).unwrap();
        assert_eq!(believed(&mut rotator, &ours), Some(Epoch(5)), "the account's epoch has moved");
        other.execute("update account set disabled_at = 1", []).unwrap();
        assert_eq!(believed(&mut rotator, &ours), None, "the account is disabled");
        other.execute("update account set disabled_at = null", []).unwrap();
        assert_eq!(believed(&mut rotator, &ours), Some(Epoch(5)), "the account may log in again");
    }

    #[test]
    fn what_this_connection_does_to_an_account_is_seen_once_it_is_told_whom_it_concerns() {
        for concerns in [Concerns::Everybody, Concerns::Account(ACCOUNT)] {
            let (_directory, ours, _) = opened();
            let mut rotator = Rotator::on(&ours).unwrap();
            assert_eq!(believed(&mut rotator, &ours), Some(Epoch(0)));
            ours.execute("update account set disabled_at = 1", []).unwrap();
            rotator.forget(concerns);
            assert_eq!(believed(&mut rotator, &ours), None, "the account is disabled");
        }
    }

    #[test]
    fn what_is_kept_of_accounts_is_bounded() {
        let (_directory, ours, _) = opened();
        let mut rotator = Rotator::on(&ours).unwrap();
        for number in 0..=MOST as u128 {
            rotator.standing(&ours, AccountId(uuid::Uuid::from_u128(number))).unwrap();
        }
        assert!(rotator.standings.len() <= MOST, "{} are kept", rotator.standings.len());
    }

    /// A rotation descends to one session and, where its account is not known, to that; it writes to the session's row alone.
    #[test]
    fn a_rotation_uses_the_primary_keys_and_no_other_index() {
        let (_directory, connection, _) = opened();
        let _rotator = Rotator::on(&connection).unwrap();
        let plan = |sql: &str| -> Vec<String> {
            let mut statement = connection.prepare(&format!("explain query plan {sql}")).unwrap();
            let nothing = vec![rusqlite::types::Null; statement.parameter_count()];
            let plan =
                statement.query_map(rusqlite::params_from_iter(nothing), |row| row.get("detail")).unwrap();
            plan.map(|step| step.unwrap()).collect()
        };
        assert_eq!(plan(ROTATE), ["SEARCH session USING PRIMARY KEY (account_id=? AND id=?)"]);
        assert_eq!(plan(STANDING), ["SEARCH account USING PRIMARY KEY (id=?)"]);
        let indexes: i64 = connection
            .query_row(
                "select count(*)
                 from sqlite_schema
                 where type = 'index' and tbl_name = 'session'",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(indexes, 0);
    }

    #[test]
    fn a_rotation_makes_no_table_of_its_own() {
        let (_directory, connection, _) = opened();
        let _rotator = Rotator::on(&connection).unwrap();
        let mut statement = connection.prepare(&format!("explain {ROTATE}")).unwrap();
        let nothing = vec![rusqlite::types::Null; statement.parameter_count()];
        let steps =
            statement.query_map(rusqlite::params_from_iter(nothing), |row| row.get("opcode")).unwrap();
        let steps: Vec<String> = steps.map(|step| step.unwrap()).collect();
        assert!(!steps.iter().any(|step| step == "OpenEphemeral"), "{steps:?}");
    }
}

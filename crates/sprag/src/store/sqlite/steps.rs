//! What each step of a commit is in SQL, with its condition. One that changes nothing where it should says so.

use rusqlite::{Connection, Result, params};

use super::queries::alike;
use super::rows::{self, bytes};
use crate::account::{Account, Name, NameKind, Particular};
use crate::clock::Timestamp;
use crate::session::{AccountId, SecretHash, SessionId, SessionKey};
use crate::store::{CredentialId, CredentialKind, Ending, Room, Was};

/// The sessions that a step ended, and how.
pub(super) type EndedBy<'s> = Vec<(SessionId, &'s Ending)>;

pub(super) fn create_account(connection: &Connection, account: &Account) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "insert into account (
             id, epoch, disabled_at, is_admin, created_at, username, email,
             external_id, external_profile, role, name, given_name, family_name, language,
             confirmed_email, email_confirmed_at, erase_at
         )
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
         on conflict do nothing",
    )?;
    let external = account.particulars.external.as_ref();
    let made = statement.execute(params![
        bytes(&account.id.0),
        account.epoch.0,
        account.disabled_at.map(|at| at.0),
        account.is_admin,
        account.created_at.0,
        account.username,
        account.email,
        external.map(|external| &external.id),
        external.map(|external| external.profile.0),
        account.particulars.role,
        account.particulars.name,
        account.particulars.given_name,
        account.particulars.family_name,
        account.particulars.language,
        account.confirmed.as_ref().map(|confirmed| &confirmed.address),
        account.confirmed.as_ref().map(|confirmed| confirmed.at.0),
        account.erase_at.map(|at| at.0),
    ])?;
    Ok(made > 0)
}

pub(super) fn add_name(connection: &Connection, account: AccountId, name: &Name) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "insert into identity (kind, value, account_id, form)
         values (?1, ?2, ?3, ?4)
         on conflict do nothing",
    )?;
    if !alike(connection, name)?.is_empty() {
        return Ok(false);
    }
    let given = params![name.kind.name(), name.value, bytes(&account.0), name.form_today()];
    Ok(statement.execute(given)? > 0)
}

pub(super) fn rename(
    connection: &Connection,
    account: AccountId,
    (from, to): (&Name, &Name),
    (told_as, text): (NameKind, &str),
) -> Result<bool> {
    Ok(drop_name(connection, account, from)?
        && add_name(connection, account, to)?
        && tell_name(connection, account, told_as, text)?)
}

pub(super) fn drop_name(connection: &Connection, account: AccountId, name: &Name) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "delete from identity
         where kind = ?1
           and value = ?2
           and account_id = ?3",
    )?;
    Ok(statement.execute(params![name.kind.name(), name.value, bytes(&account.0)])? > 0)
}

pub(super) fn tell_name(
    connection: &Connection,
    account: AccountId,
    told_as: NameKind,
    text: &str,
) -> Result<bool> {
    const TELL_USERNAME: &str = "
        update account
        set username = ?2
        where id = ?1";
    const TELL_EMAIL: &str = "
        update account
        set email = ?2
        where id = ?1";
    let tell = if told_as == NameKind::Username { TELL_USERNAME } else { TELL_EMAIL };
    Ok(connection.prepare_cached(tell)?.execute(params![bytes(&account.0), text])? > 0)
}

pub(super) fn tell_particular(
    connection: &Connection,
    account: AccountId,
    which: Particular,
    text: Option<&str>,
) -> Result<bool> {
    let tell = match which {
        Particular::Role => "update account set role = ?2 where id = ?1",
        Particular::Name => "update account set name = ?2 where id = ?1",
        Particular::GivenName => "update account set given_name = ?2 where id = ?1",
        Particular::FamilyName => "update account set family_name = ?2 where id = ?1",
        Particular::Language => "update account set language = ?2 where id = ?1",
    };
    Ok(connection.prepare_cached(tell)?.execute(params![bytes(&account.0), text])? > 0)
}

pub(super) fn set_administrator(connection: &Connection, account: AccountId, is_admin: bool) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "update account
         set is_admin = ?2
         where id = ?1
           and is_admin <> ?2",
    )?;
    Ok(statement.execute(params![bytes(&account.0), is_admin])? > 0)
}

pub(super) fn delete_account(connection: &Connection, account: AccountId) -> Result<bool> {
    const FORGET_CREDENTIALS: &str = "
        delete from credential
        where account_id = ?1";
    const FORGET_TOKENS: &str = "
        delete from one_time_token
        where account_id = ?1";
    const DELETE: &str = "
        delete from account
        where id = ?1";
    connection.prepare_cached(FORGET_CREDENTIALS)?.execute([bytes(&account.0)])?;
    connection.prepare_cached(FORGET_TOKENS)?.execute([bytes(&account.0)])?;
    Ok(connection.prepare_cached(DELETE)?.execute([bytes(&account.0)])? > 0)
}

/// What forgets an account. Refreshes wait meanwhile, so none of them looks through a table.
const FORGET_ACCOUNT: [&str; 8] = [
    "delete from one_time_token where account_id = ?1",
    "delete from outbox where account_id = ?1",
    "delete from credential where account_id = ?1",
    "delete from identity where account_id = ?1",
    "delete from imported_session
     where session_id in (select id from session where account_id = ?1)
       and account_id = ?1",
    "delete from session_detail where account_id = ?1",
    "delete from session where account_id = ?1",
    "delete from account where id = ?1",
];

pub(super) fn erase_account(connection: &Connection, account: AccountId) -> Result<()> {
    super::erasures::overwritten(connection, || {
        for sql in FORGET_ACCOUNT {
            connection.prepare_cached(sql)?.execute([bytes(&account.0)])?;
        }
        Ok(())
    })
}

pub(super) fn put_credential(
    connection: &Connection,
    account: AccountId,
    CredentialId { kind, id }: CredentialId,
    (was, to): (&Was, &[u8]),
    at: Timestamp,
) -> Result<bool> {
    const ADD: &str = "
        insert into credential (account_id, kind, id, secret, created_at)
        values (?1, ?2, ?3, ?4, ?5)
        on conflict do nothing";
    const PUT: &str = "
        insert into credential (account_id, kind, id, secret, created_at)
        values (?1, ?2, ?3, ?4, ?5)
        on conflict do update
        set secret = excluded.secret,
            created_at = excluded.created_at";
    const REPLACE: &str = "
        update credential
        set secret = ?4,
            created_at = ?5
        where account_id = ?1
          and kind = ?2
          and id = ?3
          and secret = ?6";
    let (account, id) = (bytes(&account.0), bytes(&id));
    let stored = match was {
        Was::Missing => {
            connection.prepare_cached(ADD)?.execute(params![account, kind.name(), id, to, at.0])?
        }
        Was::Any => connection.prepare_cached(PUT)?.execute(params![account, kind.name(), id, to, at.0])?,
        Was::This(was) => {
            connection.prepare_cached(REPLACE)?.execute(params![account, kind.name(), id, to, at.0, was])?
        }
    };
    Ok(stored > 0)
}

pub(super) fn keep_devices(connection: &Connection, account: AccountId, most: u32) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "delete from credential
         where account_id = ?1
           and kind = ?2
           and id in (
               select id
               from credential
               where account_id = ?1
                 and kind = ?2
               order by substr(secret, 33) desc, id desc
               limit -1 offset ?3
           )",
    )?;
    for kind in [CredentialKind::Device, CredentialKind::Remembered] {
        statement.execute(params![bytes(&account.0), kind.name(), most])?;
    }
    Ok(())
}

pub(super) fn move_epoch(connection: &Connection, account: AccountId) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "update account
         set epoch = epoch + 1
         where id = ?1",
    )?;
    Ok(statement.execute([bytes(&account.0)])? > 0)
}

pub(super) fn disable(connection: &Connection, account: AccountId, at: Timestamp) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "update account
         set disabled_at = ?2
         where id = ?1
           and disabled_at is null",
    )?;
    Ok(statement.execute(params![bytes(&account.0), at.0])? > 0)
}

pub(super) fn enable(connection: &Connection, account: AccountId) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "update account
         set disabled_at = null
         where id = ?1
           and disabled_at is not null",
    )?;
    Ok(statement.execute([bytes(&account.0)])? > 0)
}

pub(super) fn bind_imported_token(
    connection: &Connection,
    key: SessionKey,
    (from, to): (&SecretHash, &SecretHash),
) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "update session
         set secret_hash = ?4
         where account_id = ?1
           and id = ?2
           and secret_hash = ?3",
    )?;
    Ok(statement.execute(params![bytes(&key.account.0), bytes(&key.session.0), from, to])? > 0)
}

pub(super) fn make_room<'s>(
    connection: &Connection,
    account: AccountId,
    room: &'s Room,
) -> Result<EndedBy<'s>> {
    let (now, ending) = (room.ending.at, &room.ending);
    let mut ended = Vec::new();
    let mut has_replaced_a_live_one = false;
    if let Some(session) = room.replaces {
        let key = SessionKey { account, session };
        has_replaced_a_live_one = room.spares_the_rest && lives(connection, key, now)?;
        if end(connection, key, ending)? {
            ended.push((session, ending));
        }
    }
    let surplus = surplus(connection, account, room.most, now)?;
    for session in surplus.into_iter().take(room.may_give_way(has_replaced_a_live_one)) {
        end(connection, SessionKey { account, session }, ending)?;
        ended.push((session, ending));
    }
    Ok(ended)
}

fn lives(connection: &Connection, key: SessionKey, now: Timestamp) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "select 1
         from session
         where account_id = ?1
           and id = ?2
           and ended_at is null
           and idle_expires_at > ?3
           and expires_at > ?3",
    )?;
    statement.exists(params![bytes(&key.account.0), bytes(&key.session.0), now.0])
}

/// The live sessions that give way to a new one, longest unused first, so that with it there are `most`.
fn surplus(connection: &Connection, account: AccountId, most: u32, now: Timestamp) -> Result<Vec<SessionId>> {
    let mut statement = connection.prepare_cached(
        "select id
         from session
         where account_id = ?1
           and ended_at is null
           and idle_expires_at > ?2
           and expires_at > ?2
         order by rotated_at desc, id desc
         limit -1 offset ?3",
    )?;
    let found = statement.query_map(params![bytes(&account.0), now.0, most.saturating_sub(1)], |row| {
        rows::id(row, "id").map(SessionId)
    })?;
    let mut surplus: Vec<SessionId> = found.collect::<Result<_>>()?;
    surplus.reverse();
    Ok(surplus)
}

/// Ends one session; `false` where there is none or it had ended. The journal is the caller's.
pub(super) fn end(connection: &Connection, key: SessionKey, ending: &Ending) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "update session
         set ended_at = ?3,
             ended_cause = ?4
         where account_id = ?1
           and id = ?2
           and ended_at is null",
    )?;
    let given = params![bytes(&key.account.0), bytes(&key.session.0), ending.at.0, ending.cause.name()];
    let has_ended = statement.execute(given)? > 0;
    if has_ended {
        note_address(connection, key, ending)?;
    }
    Ok(has_ended)
}

/// Ends all that live but `except`, in the order of their ids; `None` where one must be `with` them and is not.
pub(super) fn end_sessions<'s>(
    connection: &Connection,
    account: AccountId,
    (except, with): (Option<SessionId>, Option<SessionId>),
    ending: &'s Ending,
) -> Result<Option<EndedBy<'s>>> {
    let mut statement = connection.prepare_cached(
        "update session
         set ended_at = ?3,
             ended_cause = ?4
         where account_id = ?1
           and id is not ?2
           and ended_at is null
         returning id",
    )?;
    let except = except.as_ref().map(|except| bytes(&except.0));
    let given = params![bytes(&account.0), except, ending.at.0, ending.cause.name()];
    let found = statement.query_map(given, |row| rows::id(row, "id").map(SessionId))?;
    let mut ended: Vec<SessionId> = found.collect::<Result<_>>()?;
    ended.sort_unstable();
    if with.is_some_and(|with| !ended.contains(&with)) {
        return Ok(None);
    }
    for session in &ended {
        note_address(connection, SessionKey { account, session: *session }, ending)?;
    }
    Ok(Some(ended.into_iter().map(|session| (session, ending)).collect()))
}

/// Whether a session has not ended.
pub(super) fn goes_on(connection: &Connection, key: SessionKey) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "select 1
         from session
         where account_id = ?1
           and id = ?2
           and ended_at is null",
    )?;
    statement.exists(params![bytes(&key.account.0), bytes(&key.session.0)])
}

/// From where a session was ended, for people.
fn note_address(connection: &Connection, key: SessionKey, ending: &Ending) -> Result<()> {
    let Some(ip) = &ending.ip else { return Ok(()) };
    let mut statement = connection.prepare_cached(
        "update session_detail
         set ended_ip = ?3
         where account_id = ?1
           and session_id = ?2",
    )?;
    statement.execute(params![bytes(&key.account.0), bytes(&key.session.0), ip]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::migration::migrate;
    use super::*;

    #[test]
    fn nothing_that_forgets_an_account_looks_through_a_table() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sprag.db");
        migrate(&path).unwrap();
        let connection = Connection::open(&path).unwrap();
        for sql in FORGET_ACCOUNT {
            let mut statement = connection.prepare(&format!("explain query plan {sql}")).unwrap();
            let found = statement.query_map([[0_u8; 16]], |row| row.get::<_, String>("detail")).unwrap();
            let plan: Vec<String> = found.collect::<Result<_>>().unwrap();
            assert!(plan.iter().any(|line| line.starts_with("SEARCH")), "{sql}: {plan:?}");
            assert!(!plan.iter().any(|line| line.starts_with("SCAN")), "{sql}: {plan:?}");
        }
    }
}

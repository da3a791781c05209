//! What each step of a commit is in SQL, with its condition. One that changes nothing where it should says so. The
//! account's row is locked already.

use futures_util::future::{join, try_join_all};
use futures_util::try_join;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::connection::{Connection, Sql};
use super::error::QueryError;
use super::queries::alike;
use crate::account::{Account, Name, NameKind};
use crate::clock::Timestamp;
use crate::session::{AccountId, SecretHash, SessionId, SessionKey};
use crate::store::{CredentialId, CredentialKind, Ending, Room, Was};

/// The sessions that a step ended, and how.
pub(super) type EndedBy<'s> = Vec<(SessionId, &'s Ending)>;

pub(super) async fn create_account(connection: &Connection, account: &Account) -> Result<bool, QueryError> {
    const INSERT_ACCOUNT: Sql = Sql {
        text: "
        insert into account (
            id, epoch, disabled_at, is_admin, created_at, username, email,
            external_id, external_profile, role, name, given_name, family_name, language,
            confirmed_email, email_confirmed_at, erase_at
        )
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
        on conflict do nothing",
        types: &[
            Type::UUID,
            Type::INT8,
            Type::INT8,
            Type::BOOL,
            Type::INT8,
            Type::TEXT,
            Type::TEXT,
            Type::TEXT,
            Type::INT4,
            Type::TEXT,
            Type::TEXT,
            Type::TEXT,
            Type::TEXT,
            Type::TEXT,
            Type::TEXT,
            Type::INT8,
            Type::INT8,
        ],
    };
    let external = account.particulars.external.as_ref();
    let given: [&(dyn ToSql + Sync); 17] = [
        &account.id.0,
        &account.epoch.0,
        &account.disabled_at.map(|at| at.0),
        &account.is_admin,
        &account.created_at.0,
        &account.username,
        &account.email,
        &external.map(|external| &external.id),
        &external.map(|external| i32::from(external.profile.0)),
        &account.particulars.role,
        &account.particulars.name,
        &account.particulars.given_name,
        &account.particulars.family_name,
        &account.particulars.language,
        &account.confirmed.as_ref().map(|confirmed| &confirmed.address),
        &account.confirmed.as_ref().map(|confirmed| confirmed.at.0),
        &account.erase_at.map(|at| at.0),
    ];
    Ok(connection.execute(&INSERT_ACCOUNT, &given).await? > 0)
}

pub(super) async fn add_name(
    connection: &Connection,
    account: AccountId,
    name: &Name,
) -> Result<bool, QueryError> {
    const INSERT_NAME: Sql = Sql {
        text: "
        insert into identity (kind, value, account_id, form)
        values ($1, $2, $3, $4)
        on conflict do nothing",
        types: &[Type::TEXT, Type::TEXT, Type::UUID, Type::TEXT],
    };
    // No name of an earlier build is made any more, so what is looked for before cannot be made in between.
    if name.may_be_of_an_earlier_build() && !alike(connection, name).await?.is_empty() {
        return Ok(false);
    }
    let given: [&(dyn ToSql + Sync); 4] = [&name.kind.name(), &name.value, &account.0, &name.form_today()];
    Ok(connection.execute(&INSERT_NAME, &given).await? > 0)
}

pub(super) async fn rename(
    connection: &Connection,
    account: AccountId,
    (from, to): (&Name, &Name),
    (told_as, text): (NameKind, &str),
) -> Result<bool, QueryError> {
    Ok(drop_name(connection, account, from).await?
        && add_name(connection, account, to).await?
        && super::particulars::tell_name(connection, account, told_as, text).await?)
}

pub(super) async fn drop_name(
    connection: &Connection,
    account: AccountId,
    name: &Name,
) -> Result<bool, QueryError> {
    const FORGET_NAME: Sql = Sql {
        text: "
        delete from identity
        where kind = $1
          and value = $2
          and account_id = $3",
        types: &[Type::TEXT, Type::TEXT, Type::UUID],
    };
    Ok(connection.execute(&FORGET_NAME, &[&name.kind.name(), &name.value, &account.0]).await? > 0)
}

pub(super) const ADD_CREDENTIAL: Sql = Sql {
    text: "
    insert into credential (account_id, kind, id, secret, created_at)
    values ($1, $2, $3, $4, $5)
    on conflict do nothing",
    types: &[Type::UUID, Type::TEXT, Type::UUID, Type::BYTEA, Type::INT8],
};

pub(super) const PUT_CREDENTIAL: Sql = Sql {
    text: "
    insert into credential (account_id, kind, id, secret, created_at)
    values ($1, $2, $3, $4, $5)
    on conflict (account_id, kind, id) do update
    set secret = excluded.secret,
        created_at = excluded.created_at",
    types: &[Type::UUID, Type::TEXT, Type::UUID, Type::BYTEA, Type::INT8],
};

pub(super) const REPLACE_CREDENTIAL: Sql = Sql {
    text: "
    update credential
    set secret = $4,
        created_at = $5
    where account_id = $1
      and kind = $2
      and id = $3
      and secret = $6",
    types: &[Type::UUID, Type::TEXT, Type::UUID, Type::BYTEA, Type::INT8, Type::BYTEA],
};

pub(super) async fn put_credential(
    connection: &Connection,
    account: AccountId,
    CredentialId { kind, id }: CredentialId,
    (was, to): (&Was, &[u8]),
    at: Timestamp,
) -> Result<bool, QueryError> {
    let kind = kind.name();
    let stored = match was {
        Was::Missing => connection.execute(&ADD_CREDENTIAL, &[&account.0, &kind, &id, &to, &at.0]).await?,
        Was::Any => connection.execute(&PUT_CREDENTIAL, &[&account.0, &kind, &id, &to, &at.0]).await?,
        Was::This(was) => {
            connection.execute(&REPLACE_CREDENTIAL, &[&account.0, &kind, &id, &to, &at.0, was]).await?
        }
    };
    Ok(stored > 0)
}

pub(super) async fn keep_devices(
    connection: &Connection,
    account: AccountId,
    most: u32,
) -> Result<(), QueryError> {
    const KEEP_DEVICES: Sql = Sql {
        text: "
        delete from credential
        where account_id = $1
          and kind = $2
          and id in (
              select id
              from credential
              where account_id = $1
                and kind = $2
              order by substr(secret, 33) desc, id desc
              offset $3
          )",
        types: &[Type::UUID, Type::TEXT, Type::INT8],
    };
    let [known, remembered] = [CredentialKind::Device, CredentialKind::Remembered].map(CredentialKind::name);
    let most = i64::from(most);
    let (known, remembered): (&[&(dyn ToSql + Sync)], &[&(dyn ToSql + Sync)]) =
        (&[&account.0, &known, &most], &[&account.0, &remembered, &most]);
    try_join!(connection.execute(&KEEP_DEVICES, known), connection.execute(&KEEP_DEVICES, remembered))
        .map(drop)
}

pub(super) async fn move_epoch(connection: &Connection, account: AccountId) -> Result<bool, QueryError> {
    const MOVE_EPOCH: Sql = Sql {
        text: "
        update account
        set epoch = epoch + 1
        where id = $1",
        types: &[Type::UUID],
    };
    Ok(connection.execute(&MOVE_EPOCH, &[&account.0]).await? > 0)
}

pub(super) async fn disable(
    connection: &Connection,
    account: AccountId,
    at: Timestamp,
) -> Result<bool, QueryError> {
    const DISABLE: Sql = Sql {
        text: "
        update account
        set disabled_at = $2
        where id = $1
          and disabled_at is null",
        types: &[Type::UUID, Type::INT8],
    };
    Ok(connection.execute(&DISABLE, &[&account.0, &at.0]).await? > 0)
}

pub(super) async fn enable(connection: &Connection, account: AccountId) -> Result<bool, QueryError> {
    const ENABLE: Sql = Sql {
        text: "
        update account
        set disabled_at = null
        where id = $1
          and disabled_at is not null",
        types: &[Type::UUID],
    };
    Ok(connection.execute(&ENABLE, &[&account.0]).await? > 0)
}

pub(super) async fn bind_imported_token(
    connection: &Connection,
    key: SessionKey,
    (from, to): (&SecretHash, &SecretHash),
) -> Result<bool, QueryError> {
    const BIND: Sql = Sql {
        text: "
        update session
        set secret_hash = $4
        where account_id = $1
          and id = $2
          and secret_hash = $3",
        types: &[Type::UUID, Type::UUID, Type::BYTEA, Type::BYTEA],
    };
    let given: [&(dyn ToSql + Sync); 4] = [&key.account.0, &key.session.0, &from.as_slice(), &to.as_slice()];
    Ok(connection.execute(&BIND, &given).await? > 0)
}

pub(super) async fn make_room<'s>(
    connection: &Connection,
    account: AccountId,
    room: &'s Room,
) -> Result<EndedBy<'s>, QueryError> {
    let now = room.ending.at;
    let has_replaced_a_live_one = async {
        match room.replaces {
            Some(id) if room.spares_the_rest => {
                Ok(connection.optional(&LIVES, &[&account.0, &id.0, &now.0]).await?.is_some())
            }
            _ => Ok(false),
        }
    };
    let others = i64::from(room.most.saturating_sub(1));
    let replaced = room.replaces.map(|replaced| replaced.0);
    let given: [&(dyn ToSql + Sync); 4] = [&account.0, &now.0, &others, &replaced];
    let (has_replaced_a_live_one, surplus) =
        try_join!(has_replaced_a_live_one, connection.query(&SURPLUS, &given))?;
    let surplus = surplus.iter().rev().map(|row| Ok(SessionId(row.try_get("id")?)));
    let surplus: Vec<SessionId> = surplus.collect::<Result<_, QueryError>>()?;
    let surplus = surplus.into_iter().take(room.may_give_way(has_replaced_a_live_one));
    let over: Vec<SessionId> = room.replaces.into_iter().chain(surplus).collect();
    if over.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = over.iter().map(|session| session.0).collect();
    let given: [&(dyn ToSql + Sync); 2] = [&account.0, &ids];
    // Of two that fail, the first tells why.
    let (locked, ended) =
        join(connection.query(&LOCK, &given), end(connection, account, &over, &room.ending)).await;
    locked.and(ended)
}

/// The live sessions that give way to a new one, besides the one that it replaces, longest unused last.
pub(super) const SURPLUS: Sql = Sql {
    text: "
    select id
    from session
    where account_id = $1
      and ended_at is null
      and id is distinct from $4
      and idle_expires_at > $2
      and expires_at > $2
    order by rotated_at desc, id desc
    offset $3",
    types: &[Type::UUID, Type::INT8, Type::INT8, Type::UUID],
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

/// Locks all rows that live, in the order of keys.
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

/// Ends all that live but `except`, in the order of their ids; `None` where one must be `with` them and is not.
pub(super) async fn end_sessions<'s>(
    connection: &Connection,
    account: AccountId,
    (except, with): (Option<SessionId>, Option<SessionId>),
    ending: &'s Ending,
) -> Result<Option<EndedBy<'s>>, QueryError> {
    let live = connection.query(&LOCK_LIVE, &[&account.0]).await?;
    let live = live.iter().map(|row| Ok(SessionId(row.try_get("id")?)));
    let mut live: Vec<SessionId> = live.collect::<Result<_, QueryError>>()?;
    live.retain(|session| Some(*session) != except);
    if with.is_some_and(|with| !live.contains(&with)) {
        return Ok(None);
    }
    end(connection, account, &live, ending).await.map(Some)
}

/// Whether a session has not ended, and does not before the commit is through.
pub(super) async fn goes_on(connection: &Connection, key: SessionKey) -> Result<bool, QueryError> {
    const GOES_ON: Sql = Sql {
        text: "
        select 1 as found
        from session
        where account_id = $1
          and id = $2
          and ended_at is null
        for share",
        types: &[Type::UUID, Type::UUID],
    };
    Ok(connection.optional(&GOES_ON, &[&key.account.0, &key.session.0]).await?.is_some())
}

/// Ends those of an account's sessions that have not ended, and says which, in this order. Where there are several, their
/// rows are locked already. The journal is the caller's, and so are the addresses ([`note_ips`]).
pub(super) async fn end<'s>(
    connection: &Connection,
    account: AccountId,
    sessions: &[SessionId],
    ending: &'s Ending,
) -> Result<EndedBy<'s>, QueryError> {
    if sessions.is_empty() {
        return Ok(Vec::new());
    }
    let ended = mark_ended(connection, account, sessions, ending).await?;
    let told = sessions.iter().filter(|session| ended.contains(&session.0));
    Ok(told.map(|session| (*session, ending)).collect())
}

/// Notes from which address those that ended were ended.
pub(super) async fn note_ips(
    connection: &Connection,
    account: AccountId,
    ends: &[(SessionId, &Ending)],
) -> Result<(), QueryError> {
    let one_ending = |(_, one): &(_, &Ending), (_, other): &(_, &Ending)| std::ptr::eq(*one, *other);
    let noted = ends.chunk_by(one_ending).filter_map(|ended| {
        let ip = ended.first()?.1.ip.as_ref()?;
        let ids: Vec<Uuid> = ended.iter().map(|(session, _)| session.0).collect();
        Some(async move { connection.execute(&NOTE_IP, &[&account.0, &ids, ip]).await })
    });
    try_join_all(noted).await.map(drop)
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

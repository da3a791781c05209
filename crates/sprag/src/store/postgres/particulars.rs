//! What steps of a commit change of the account's own row, by an operator's hand or an import's. The row is locked already.

use futures_util::try_join;
use tokio_postgres::types::{ToSql, Type};

use super::connection::{Connection, Sql};
use super::error::QueryError;
use crate::account::{NameKind, Particular};
use crate::session::AccountId;

pub(super) async fn tell_name(
    connection: &Connection,
    account: AccountId,
    told_as: NameKind,
    text: &str,
) -> Result<bool, QueryError> {
    const TELL_USERNAME: Sql = Sql {
        text: "
        update account
        set username = $2
        where id = $1",
        types: &[Type::UUID, Type::TEXT],
    };
    const TELL_EMAIL: Sql = Sql {
        text: "
        update account
        set email = $2
        where id = $1",
        types: &[Type::UUID, Type::TEXT],
    };
    let tell = if told_as == NameKind::Username { &TELL_USERNAME } else { &TELL_EMAIL };
    Ok(connection.execute(tell, &[&account.0, &text]).await? > 0)
}

pub(super) async fn tell_particular(
    connection: &Connection,
    account: AccountId,
    which: Particular,
    text: Option<&str>,
) -> Result<bool, QueryError> {
    const TELL_ROLE: Sql = Sql {
        text: "
        update account
        set role = $2
        where id = $1",
        types: &[Type::UUID, Type::TEXT],
    };
    const TELL_PERSON: Sql = Sql {
        text: "
        update account
        set name = $2
        where id = $1",
        types: &[Type::UUID, Type::TEXT],
    };
    const TELL_GIVEN_NAME: Sql = Sql {
        text: "
        update account
        set given_name = $2
        where id = $1",
        types: &[Type::UUID, Type::TEXT],
    };
    const TELL_FAMILY_NAME: Sql = Sql {
        text: "
        update account
        set family_name = $2
        where id = $1",
        types: &[Type::UUID, Type::TEXT],
    };
    const TELL_LANGUAGE: Sql = Sql {
        text: "
        update account
        set language = $2
        where id = $1",
        types: &[Type::UUID, Type::TEXT],
    };
    let tell = match which {
        Particular::Role => &TELL_ROLE,
        Particular::Name => &TELL_PERSON,
        Particular::GivenName => &TELL_GIVEN_NAME,
        Particular::FamilyName => &TELL_FAMILY_NAME,
        Particular::Language => &TELL_LANGUAGE,
    };
    Ok(connection.execute(tell, &[&account.0, &text]).await? > 0)
}

pub(super) async fn set_administrator(
    connection: &Connection,
    account: AccountId,
    is_admin: bool,
) -> Result<bool, QueryError> {
    const SET_ADMINISTRATOR: Sql = Sql {
        text: "
        update account
        set is_admin = $2
        where id = $1
          and is_admin <> $2",
        types: &[Type::UUID, Type::BOOL],
    };
    Ok(connection.execute(&SET_ADMINISTRATOR, &[&account.0, &is_admin]).await? > 0)
}

pub(super) async fn delete_account(connection: &Connection, account: AccountId) -> Result<bool, QueryError> {
    const FORGET_CREDENTIALS: Sql = Sql {
        text: "
        delete from credential
        where account_id = $1",
        types: &[Type::UUID],
    };
    const FORGET_TOKENS: Sql = Sql {
        text: "
        delete from one_time_token
        where account_id = $1",
        types: &[Type::UUID],
    };
    const DELETE_ACCOUNT: Sql = Sql {
        text: "
        delete from account
        where id = $1",
        types: &[Type::UUID],
    };
    let id: &[&(dyn ToSql + Sync)] = &[&account.0];
    let (_, _, deleted) = try_join!(
        connection.execute(&FORGET_CREDENTIALS, id),
        connection.execute(&FORGET_TOKENS, id),
        connection.execute(&DELETE_ACCOUNT, id),
    )?;
    Ok(deleted > 0)
}

pub(super) async fn erase_account(connection: &Connection, account: AccountId) -> Result<(), QueryError> {
    /// A name is found by its text everywhere else; here all of them are looked through.
    const FORGET_NAMES: Sql = Sql {
        text: "
        delete from identity
        where account_id = $1",
        types: &[Type::UUID],
    };
    const FORGET_IMPORTED: Sql = Sql {
        text: "
        delete from imported_session
        where account_id = $1",
        types: &[Type::UUID],
    };
    const FORGET_DETAILS: Sql = Sql {
        text: "
        delete from session_detail
        where account_id = $1",
        types: &[Type::UUID],
    };
    const FORGET_MESSAGES: Sql = Sql {
        text: "
        delete from outbox
        where account_id = $1",
        types: &[Type::UUID],
    };
    const FORGET_SESSIONS: Sql = Sql {
        text: "
        delete from session
        where account_id = $1",
        types: &[Type::UUID],
    };
    let id: &[&(dyn ToSql + Sync)] = &[&account.0];
    // They leave together: a later step's statement is not to come before the last of them.
    try_join!(
        connection.execute(&FORGET_NAMES, id),
        connection.execute(&FORGET_IMPORTED, id),
        connection.execute(&FORGET_DETAILS, id),
        connection.execute(&FORGET_SESSIONS, id),
        connection.execute(&FORGET_MESSAGES, id),
        delete_account(connection, account),
    )?;
    Ok(())
}

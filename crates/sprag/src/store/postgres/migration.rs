//! Bringing the schema up to date, and refusing one that is not usable.

use std::time::Duration;

use tokio::time::sleep;
use tokio_postgres::types::Type;

use super::connection::{Connection, Connector, Sql};
use super::error::{QueryError, Remedy};
use super::name_forms;
use crate::error::Fault;
use crate::store::schema::{self, Applied, Migrated, Migrations};

/// All migrations, by file name and content.
pub(super) const MIGRATIONS: &Migrations = &[
    ("V1__sessions", include_str!("../../../migrations/postgres/V1__sessions.sql")),
    ("V2__needs_1_key_ring", include_str!("../../../migrations/postgres/V2__needs_1_key_ring.sql")),
    ("V3__needs_2_particulars", include_str!("../../../migrations/postgres/V3__needs_2_particulars.sql")),
    (
        "V4__needs_4_ratchet_and_credentials",
        include_str!("../../../migrations/postgres/V4__needs_4_ratchet_and_credentials.sql"),
    ),
    ("V5__needs_4_marks", include_str!("../../../migrations/postgres/V5__needs_4_marks.sql")),
    ("V6__needs_6_names", include_str!("../../../migrations/postgres/V6__needs_6_names.sql")),
    ("V7__needs_6_position", include_str!("../../../migrations/postgres/V7__needs_6_position.sql")),
    (
        "V8__needs_6_imported_sessions",
        include_str!("../../../migrations/postgres/V8__needs_6_imported_sessions.sql"),
    ),
    ("V9__needs_6_journal_cuts", include_str!("../../../migrations/postgres/V9__needs_6_journal_cuts.sql")),
    ("V10__needs_6_next_ids", include_str!("../../../migrations/postgres/V10__needs_6_next_ids.sql")),
    ("V11__needs_10_front_door", include_str!("../../../migrations/postgres/V11__needs_10_front_door.sql")),
    ("V12__needs_10_erasure", include_str!("../../../migrations/postgres/V12__needs_10_erasure.sql")),
    (
        "V13__needs_10_account_life",
        include_str!("../../../migrations/postgres/V13__needs_10_account_life.sql"),
    ),
    ("V14__needs_10_language", include_str!("../../../migrations/postgres/V14__needs_10_language.sql")),
];

/// The migration after which each name gets its form of today.
const NAMES: i64 = 6;

/// Who holds this lock migrates. A number as good as any: "sprag" in ASCII.
const LOCK: i64 = 0x73_70_72_61_67;

/// The pause between two attempts to get it.
const LOCK_PAUSE: Duration = Duration::from_millis(100);

const DOING: &str = "migrate the database";

/// Applies what is lacking, in one transaction: a crash in the middle leaves nothing half done.
pub(super) async fn migrate(connector: &Connector) -> Result<Vec<Migrated>, Fault> {
    let connection = connector.connect_to_primary().await.map_err(|error| error.fault(DOING))?;
    if connection.is_ours() {
        // What changes a large table takes its time.
        connection.run("set statement_timeout = 0").await.map_err(|error| error.fault(DOING))?;
    }
    loop {
        // Tables before history: another node commits both at once, so that its tables are never seen without.
        let taken = taken_name(&connection).await.map_err(|error| error.fault(DOING))?;
        let found = schema(&connection).await.map_err(|error| error.fault(DOING))?;
        schema::refuse_newer(MIGRATIONS, &found)?;
        if let (true, Some(taken)) = (found.is_empty(), taken) {
            return Err(foreign(&taken));
        }
        if schema::expect_usable(MIGRATIONS, &found).is_ok() {
            return Ok(Vec::new());
        }
        match apply_lacking(&connection).await {
            Ok(Some(applied)) => return Ok(applied),
            // Another node is at it, or was quicker: look again.
            Ok(None) => sleep(LOCK_PAUSE).await,
            Err(error) if error.remedy() == Remedy::Repeat => sleep(LOCK_PAUSE).await,
            Err(error) => return Err(error.fault(DOING)),
        }
    }
}

/// Whether a database has nothing of ours.
pub(super) async fn is_new(connector: &Connector) -> Result<bool, Fault> {
    const DOING: &str = "look whether there is a store";
    let connection = connector.connect_to_primary().await.map_err(|error| error.fault(DOING))?;
    let taken = taken_name(&connection).await.map_err(|error| error.fault(DOING))?;
    Ok(taken.is_none() && schema(&connection).await.map_err(|error| error.fault(DOING))?.is_empty())
}

/// Refuses a database whose schema this build cannot use, before anything about it is changed.
pub(super) async fn check(connection: &Connection) -> Result<(), Fault> {
    let found = schema(connection).await.map_err(|error| error.fault("look at the schema"))?;
    expect_usable(&found)?;
    expect_grants(unreadable(connection).await.map_err(|error| error.fault("look at the grants"))?)
}

pub(super) fn expect_usable(found: &[Applied]) -> Result<(), Fault> {
    schema::expect_usable(MIGRATIONS, found)
}

/// The schema's history; empty where there is none.
pub(super) async fn schema(connection: &Connection) -> Result<Vec<Applied>, QueryError> {
    const HAS_HISTORY: Sql =
        Sql { text: "select to_regclass('refinery_schema_history') is not null as has_history", types: &[] };
    const HISTORY: Sql = Sql {
        text: "
        select version::bigint as version, name::text as name, checksum::text as checksum
        from refinery_schema_history
        order by version",
        types: &[],
    };
    if !connection.one(&HAS_HISTORY, &[]).await?.try_get::<_, bool>("has_history")? {
        return Ok(Vec::new());
    }
    let lines = connection.query(&HISTORY, &[]).await?;
    let lines = lines.iter().map(|line| {
        Ok(Applied {
            version: line.try_get("version")?,
            name: line.try_get("name")?,
            checksum: line.try_get("checksum")?,
        })
    });
    lines.collect()
}

/// The tables that the server reads and writes, in the order of the migrations.
const TABLES: [&str; 20] = [
    "account",
    "identity",
    "session",
    "session_detail",
    "event",
    "checkpoint",
    "key_ring",
    "credential",
    "lease",
    "outage",
    "store_position",
    "imported_session",
    "journal_cut",
    "journal_erasure",
    "next_id",
    "rate_limit",
    "daily_count",
    "one_time_token",
    "outbox",
    "held_name",
];

/// The role and a table that it may not read, if there is one: a migration that the owner applied may have made it since
/// the grants were given.
pub(super) async fn unreadable(connection: &Connection) -> Result<Option<(String, String)>, QueryError> {
    const UNREADABLE: Sql = Sql {
        text: "
        select current_user::text as role, name
        from unnest($1::text[]) as name
        where not has_table_privilege(quote_ident(name), 'select')
        limit 1",
        types: &[Type::TEXT_ARRAY],
    };
    let found = connection.optional(&UNREADABLE, &[&TABLES.as_slice()]).await?;
    found.map(|row| Ok((row.try_get("role")?, row.try_get("name")?))).transpose()
}

/// Refuses a role that cannot read what it must: every log-in would fail, while sessions seem to be served.
pub(super) fn expect_grants(unreadable: Option<(String, String)>) -> Result<(), Fault> {
    let Some((role, table)) = unreadable else { return Ok(()) };
    Err(Fault::unavailable(
        "use the database",
        format!(
            "the role {role} may not read the table {table}; as the owner of the tables, grant it what \
             docs/guide/production.md lists"
        ),
    ))
}

/// A table of one of our names, if there is one.
async fn taken_name(connection: &Connection) -> Result<Option<String>, QueryError> {
    const FOREIGN: Sql = Sql {
        text: "
        select current_schema()::text || '.' || name as taken
        from unnest($1::text[]) as name
        where to_regclass(quote_ident(current_schema()) || '.' || name) is not null
        limit 1",
        types: &[Type::TEXT_ARRAY],
    };
    let taken = connection.optional(&FOREIGN, &[&TABLES.as_slice()]).await?;
    Ok(taken.map(|row| row.try_get("taken")).transpose()?)
}

/// A schema in which somebody else has tables of our names.
fn foreign(taken: &str) -> Fault {
    Fault::unavailable(
        DOING,
        format!(
            "there is a table {taken} already, and nothing tells that it is Sprag's; use a database of its own, or \
             a schema of its own: create schema sprag, and end the URL with ?options=-csearch_path%3Dsprag"
        ),
    )
}

/// `None` where another node is migrating, or has done so meanwhile.
async fn apply_lacking(connection: &Connection) -> Result<Option<Vec<Migrated>>, QueryError> {
    const TRY_LOCK: Sql =
        Sql { text: "select pg_try_advisory_xact_lock($1) as is_locked", types: &[Type::INT8] };
    connection.run("begin isolation level read committed").await?;
    let applied = async {
        if !connection.one(&TRY_LOCK, &[&LOCK]).await?.try_get::<_, bool>("is_locked")? {
            return Ok(None);
        }
        // This is refinery's table, which the SQLite store has too.
        connection
            .run(
                "create table if not exists refinery_schema_history (
                 version int4 primary key, name varchar(255), applied_on varchar(255), checksum varchar(255)
             )",
            )
            .await?;
        apply(connection, &schema(connection).await?).await.map(Some)
    };
    match applied.await {
        Ok(Some(applied)) => connection.run("commit").await.map(|()| Some(applied)),
        Ok(None) => connection.run("rollback").await.map(|()| None),
        Err(error) => {
            if error.remedy() != Remedy::Reconnect {
                connection.run("rollback").await?;
            }
            Err(error)
        }
    }
}

async fn apply(connection: &Connection, found: &[Applied]) -> Result<Vec<Migrated>, QueryError> {
    const NOTE: Sql = Sql {
        text: "
        insert into refinery_schema_history (version, name, applied_on, checksum)
        values ($1, $2, to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), $3)",
        types: &[Type::INT4, Type::TEXT, Type::TEXT],
    };
    let mut applied = Vec::new();
    for migration in schema::read(MIGRATIONS) {
        let version = i64::from(migration.version());
        if found.iter().any(|line| line.version == version) {
            continue;
        }
        for statement in statements(migration.sql().unwrap_or_default()) {
            connection.run(&statement).await?;
        }
        if version == NAMES {
            name_forms::fill(connection).await?;
        }
        let number = i32::try_from(version).unwrap_or(i32::MAX);
        connection.execute(&NOTE, &[&number, &migration.name(), &migration.checksum().to_string()]).await?;
        applied.push(Migrated { version, name: migration.name().to_owned() });
    }
    Ok(applied)
}

/// The statements of a migration, without comments. Each is sent by itself: Citus hands one that changes a spread table on to
/// the other servers with all that it was sent with, and they take one at a time. None has a quotation in dollar signs.
fn statements(sql: &str) -> Vec<String> {
    let mut statements = vec![String::new()];
    let mut is_quoted = false;
    let mut chars = sql.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '-' if !is_quoted && chars.peek() == Some(&'-') => {
                while chars.next_if(|char| *char != '\n').is_some() {}
                continue;
            }
            ';' if !is_quoted => {
                statements.push(String::new());
                continue;
            }
            '\'' => is_quoted = !is_quoted,
            _ => {}
        }
        if let Some(statement) = statements.last_mut() {
            statement.push(char);
        }
    }
    statements.retain(|statement| !statement.trim().is_empty());
    statements
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_migration_is_sent_statement_by_statement() {
        let sql = "-- What it is; 'and why\nselect 'a;--b'; -- one\n\nselect 2 - 1;\n-- the end;\n";
        let sent: Vec<_> = statements(sql).iter().map(|statement| statement.trim().to_owned()).collect();
        assert_eq!(sent, ["select 'a;--b'", "select 2 - 1"]);
        for migration in schema::read(MIGRATIONS) {
            let statements = statements(migration.sql().expect("its SQL"));
            assert!(!statements.is_empty(), "{} sends nothing", migration.name());
            for statement in statements {
                let begins = statement.trim_start().to_lowercase();
                let known = ["create ", "alter ", "insert ", "update ", "delete ", "drop "];
                assert!(
                    known.iter().any(|word| begins.starts_with(word)),
                    "{}: {statement}",
                    migration.name()
                );
                assert!(!statement.contains("$$"), "{}: {statement}", migration.name());
            }
        }
    }
}

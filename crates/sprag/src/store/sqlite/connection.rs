//! Opening connections: file modes, and the settings that make a commit durable.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::obstacle;
use crate::error::Fault;
use crate::files;

/// How many statements a connection keeps prepared: more than there are in this store.
const STATEMENTS: usize = 64;

/// The size of a page in bytes, chosen when the file is made.
///
/// Hot rows lie scattered, so a rotation writes one page of this size to the log and later to the file. Among
/// a million rows 2048 takes the least work (`benches/rotation.rs`): 4096 writes twice as much, and 1024
/// makes the trees two levels deeper, for a row stands in the inner pages too.
const PAGE_BYTES: u32 = 2048;

/// How long the log's file may stay when it starts afresh: what it is given under steady load.
const LOG_KEEPS_BYTES: i64 = 128 * 1024 * 1024;

/// What a connection is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    Reads { cache_kib: u32 },
    Writes { cache_kib: u32, busy_timeout: Duration },
}

/// Makes the file if there is none, readable by nobody else; the log's files take on its mode and its owner. Whose it is,
/// [`files::make`] says.
///
/// The file is made, and never otherwise opened, outside SQLite: closing it here would drop the locks that
/// this process holds on it.
pub(super) fn create(path: &Path, like: &[&Path]) -> Result<(), Fault> {
    match files::make(path, like) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(Fault::unavailable("create the database file", obstacle::told(path, path, &error)))
        }
        _ => Ok(()),
    }
}

/// Takes the file, and the log's files beside it, out of the reach of others.
pub(super) fn restrict(path: &Path) -> Result<(), Fault> {
    for suffix in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        let file = Path::new(&file);
        let mode = match fs::metadata(file) {
            Ok(metadata) => metadata.permissions().mode(),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !suffix.is_empty() => continue,
            Err(error) => {
                return Err(Fault::unavailable("open the database file", obstacle::told(path, file, &error)));
            }
        };
        if mode & 0o077 != 0 {
            fs::set_permissions(file, Permissions::from_mode(0o600)).map_err(|error| {
                Fault::unavailable("restrict the database file", obstacle::not_ours_to_restrict(file, &error))
            })?;
            tracing::warn!(file = %file.display(), "others could read this file; its mode is 0600 now");
        }
    }
    Ok(())
}

/// Opens a connection for its role and reads its settings back.
pub(super) fn open(path: &Path, role: Role) -> Result<Connection, Fault> {
    connect(path, role).map_err(|error| cannot_open(path, &error))
}

/// Reads a file that may be somebody else's and changes nothing about it. Only what a crash left half written is
/// undone first, as SQLite does at any opening; for that alone a connection must be one that may write.
pub(super) fn look<T>(path: &Path, read: impl Fn(&Connection) -> rusqlite::Result<T>) -> Result<T, Fault> {
    let look = |access| {
        let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        keep_log(&connection)?;
        read(&connection)
    };
    let looked = match look(OpenFlags::SQLITE_OPEN_READ_ONLY) {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ReadOnly) => {
            look(OpenFlags::SQLITE_OPEN_READ_WRITE)
        }
        looked => looked,
    };
    looked.map_err(|error| cannot_open(path, &error))
}

/// Whoever closes last copies the log into the file and removes it, unless told otherwise: of a damaged log that would be the
/// undamaged beginning, and the rest would be gone.
fn keep_log(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map(drop)
}

fn cannot_open(path: &Path, error: &rusqlite::Error) -> Fault {
    let told = explained(path, error).unwrap_or_else(|| {
        format!("{}: {error}; check that it exists, is ours and is a Sprag database", path.display())
    });
    Fault::unavailable("open the database", told)
}

/// What SQLite says of a file, with what is wrong with it or beside it and what to do; `None` where it is not about files.
pub(super) fn explained(path: &Path, error: &rusqlite::Error) -> Option<String> {
    let advice = match error.sqlite_error_code()? {
        ErrorCode::NotADatabase => {
            "it is no SQLite database; name Sprag's, or put it back from a backup".to_owned()
        }
        ErrorCode::DatabaseCorrupt => "it is damaged; put it back from a backup".to_owned(),
        ErrorCode::DatabaseBusy => "another program has locked it; let that one finish".to_owned(),
        ErrorCode::DiskFull => "the disk that it is on is full; make room there".to_owned(),
        ErrorCode::SystemIoFailure => obstacle::look_for(path).unwrap_or_else(|| {
            "the disk or its file system failed; the system's own log says more".to_owned()
        }),
        ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied => obstacle::look_for(path)
            .unwrap_or_else(|| match path.exists() {
                true => "check its owner, its mode and its file system".to_owned(),
                false => "there is no such file; look whether its path is right".to_owned(),
            }),
        _ => return None,
    };
    Some(format!("{}: {error}; {advice}", path.display()))
}

fn connect(path: &Path, role: Role) -> rusqlite::Result<Connection> {
    let access = match role {
        Role::Reads { .. } => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Role::Writes { .. } => OpenFlags::SQLITE_OPEN_READ_WRITE,
    };
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Otherwise SQLite plans a statement with a bound `limit` anew each time, which takes many times as long as running it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    match role {
        Role::Reads { cache_kib } => {
            connection.busy_timeout(Duration::from_secs(1))?;
            connection.pragma_update(None, "cache_size", -i64::from(cache_kib))?;
            connection.pragma_update(None, "query_only", true)?;
        }
        Role::Writes { cache_kib, busy_timeout } => {
            connection.busy_timeout(busy_timeout)?;
            connection.pragma_update(None, "cache_size", -i64::from(cache_kib))?;
            connection.pragma_update(None, "page_size", PAGE_BYTES)?;
            // What a row said before is overwritten where that costs no page more, or an erased person would still be read there.
            connection.pragma_update_and_check(None, "secure_delete", "fast", |_| Ok(()))?;
            // Whenever the log starts afresh, what it took beyond this is given back to the disk.
            connection.pragma_update_and_check(None, "journal_size_limit", LOG_KEEPS_BYTES, |_| Ok(()))?;
            make_durable(&connection)?;
        }
    }
    Ok(connection)
}

/// A commit is on the disk when it returns, and the log is copied when we say so: set, and read back.
fn make_durable(connection: &Connection) -> rusqlite::Result<()> {
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    connection.pragma_update(None, "synchronous", "full")?;
    // Elsewhere than on macOS these two change nothing; there a sync without them stops at the disk's cache.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    let synchronous: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
    let autocheckpoint: i64 = connection.pragma_query_value(None, "wal_autocheckpoint", |row| row.get(0))?;
    if mode != "wal" || synchronous != 2 || autocheckpoint != 0 {
        let message = format!(
            "SQLite keeps journal_mode={mode}, synchronous={synchronous}, wal_autocheckpoint={autocheckpoint} \
             where wal, 2 and 0 were set, so a commit may not be durable; put the file on a local file system"
        );
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN);
        return Err(rusqlite::Error::SqliteFailure(code, Some(message)));
    }
    Ok(())
}

/// Whether an error concerns one statement alone: its transaction goes on, its connection is sound.
pub(super) fn concerns_statement_only(error: &rusqlite::Error) -> bool {
    match error.sqlite_error() {
        Some(error) => {
            matches!(error.code, ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::Unknown)
        }
        None => true,
    }
}

/// What an error means to whoever asked: ours to mend, or passing.
pub(super) fn fault_of(connection: &Connection, doing: &'static str, error: rusqlite::Error) -> Fault {
    match connection.path().and_then(|path| explained(Path::new(path), &error)) {
        Some(told) => Fault::unavailable(doing, told),
        None => fault(doing, error),
    }
}

/// What an error means to whoever asked, where no file is known.
pub(super) fn fault(doing: &'static str, error: rusqlite::Error) -> Fault {
    if concerns_statement_only(&error) {
        Fault::internal(doing, error)
    } else {
        Fault::unavailable(doing, error)
    }
}

/// Whether an error concerns the statement alone. SQLite may also have rolled the whole transaction back by
/// itself, and then nothing of the batch is left.
pub(super) fn is_its_own(connection: &Connection, error: &rusqlite::Error) -> bool {
    concerns_statement_only(error) && !connection.is_autocommit()
}

pub(super) fn execute(connection: &Connection, sql: &'static str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(|_| ())
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::super::SqliteStore;
    use super::*;

    #[test]
    fn a_writing_connection_syncs_each_commit_and_copies_nothing_by_itself() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sprag.db");
        SqliteStore::migrate(&path).unwrap();
        let connection = open(&path, Role::Writes { cache_kib: 512, busy_timeout: Duration::ZERO }).unwrap();
        let setting = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(setting("synchronous"), 2);
        assert_eq!(setting("wal_autocheckpoint"), 0);
        assert_eq!(setting("mmap_size"), 0);
        assert_eq!(setting("cache_size"), -512);
        assert_eq!(setting("page_size"), i64::from(PAGE_BYTES));
        let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
    }

    #[test]
    fn a_kept_statement_is_not_planned_anew_for_each_bound_limit() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sprag.db");
        SqliteStore::migrate(&path).unwrap();
        let writes = Role::Writes { cache_kib: 64, busy_timeout: Duration::ZERO };
        for role in [Role::Reads { cache_kib: 64 }, writes] {
            let connection = open(&path, role).unwrap();
            let mut statement = connection.prepare("select id from account order by id limit ?1").unwrap();
            for limit in 1..4 {
                assert!(!statement.exists([limit]).unwrap());
            }
            assert_eq!(statement.get_status(StatementStatus::RePrepare), 0, "{role:?} plans it anew");
        }
    }

    #[test]
    fn a_reading_connection_cannot_write() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sprag.db");
        SqliteStore::migrate(&path).unwrap();
        let connection = open(&path, Role::Reads { cache_kib: 64 }).unwrap();
        assert!(connection.execute("delete from session", []).is_err());
    }

    #[test]
    fn a_file_system_without_the_log_is_refused() {
        let connection = Connection::open_in_memory().unwrap();
        let error = make_durable(&connection).unwrap_err().to_string();
        assert!(error.contains("journal_mode=memory"), "{error}");
    }
}

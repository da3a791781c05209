//! What stands in PostgreSQL, looked at through psql and without the server's code.

use data_encoding::HEXLOWER;
use sprag_rig::Database;

use crate::binary::checker::{Disk, Row};
use crate::binary::token::Id;

/// Reads the sessions and the journal, and has every index compared with its table.
pub fn look(database: &Database) -> Disk {
    let sessions = database
        .psql("select replace(id::text, '-', ''), generation, coalesce(ended_cause, '') from session");
    let rows = sessions.lines().map(|line| {
        let [id, generation, cause] = fields(line);
        let generation = generation.parse().unwrap_or(u64::MAX);
        (id_of(id).expect("a session has an id"), Row { generation, ended: named(cause) })
    });
    let journal = database.psql(
        "select kind, coalesce(replace(session_id::text, '-', ''), ''), coalesce(cause, '')
         from event
         order by account_id, id",
    );
    let events = journal.lines().map(|line| {
        let [kind, session, cause] = fields(line);
        (kind.to_owned(), id_of(session), named(cause))
    });
    Disk { rows: rows.collect(), events: events.collect(), integrity: integrity(database) }
}

/// "ok", or what is wrong with tables and indexes, as PostgreSQL's own checks tell.
fn integrity(database: &Database) -> String {
    let checked = database.try_psql(
        "create extension if not exists amcheck;
         select blkno, attnum, msg
         from pg_class as found, verify_heapam(found.oid)
         where found.relkind = 'r' and found.relnamespace = current_schema()::regnamespace;
         select bt_index_check(found.oid, true)
         from pg_class as found join pg_am on pg_am.oid = found.relam
         where amname = 'btree' and found.relnamespace = current_schema()::regnamespace",
    );
    match checked {
        Ok(complaints) if complaints.trim().is_empty() => "ok".to_owned(),
        Ok(complaint) | Err(complaint) => complaint,
    }
}

fn fields<const N: usize>(line: &str) -> [&str; N] {
    let fields: Vec<_> = line.split('|').collect();
    fields.try_into().unwrap_or_else(|_| panic!("{line:?} has not {N} columns"))
}

fn id_of(hex: &str) -> Option<Id> {
    HEXLOWER.decode(hex.as_bytes()).ok()?.try_into().ok()
}

fn named(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

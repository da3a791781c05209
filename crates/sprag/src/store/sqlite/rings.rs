//! Which key rings the tokens were made with.

use async_trait::async_trait;
use rusqlite::{Connection, Result, params};

use super::SqliteStore;
use super::job::Outcome;
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::keys::Fingerprint;
use crate::store::Rings;

#[async_trait]
impl Rings for SqliteStore {
    async fn admit(&self, ring: Vec<Fingerprint>, at: Timestamp) -> Result<bool, Fault> {
        let work = move |connection: &Connection| {
            let known = known(connection)?;
            if !known.is_empty() && !ring.iter().any(|fingerprint| known.contains(fingerprint)) {
                return Ok(Outcome::Undo(false));
            }
            note(connection, &ring, at)?;
            Ok(Outcome::Keep(true))
        };
        self.writer.write("compare the key ring with the database's", work).await
    }

    async fn replace(&self, ring: Vec<Fingerprint>, at: Timestamp) -> Result<(), Fault> {
        let work = move |connection: &Connection| {
            connection.execute("delete from key_ring", [])?;
            note(connection, &ring, at)?;
            Ok(Outcome::Keep(()))
        };
        self.writer.write("replace the key ring", work).await
    }
}

fn known(connection: &Connection) -> Result<Vec<Fingerprint>> {
    let mut statement = connection.prepare(
        "select fingerprint
         from key_ring",
    )?;
    let found = statement.query_map([], |row| row.get("fingerprint").map(Fingerprint))?;
    found.collect()
}

fn note(connection: &Connection, ring: &[Fingerprint], at: Timestamp) -> Result<()> {
    let mut statement = connection.prepare(
        "insert into key_ring (fingerprint, first_seen_at)
         values (?1, ?2)
         on conflict do nothing",
    )?;
    for fingerprint in ring {
        statement.execute(params![fingerprint.0, at.0])?;
    }
    Ok(())
}

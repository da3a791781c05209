//! The tokens that a source says are over.
//!
//! A token may stand twice there, and one row of it may say that it was revoked and the other that it lives. Then it is
//! over, whichever comes first: so the run remembers those that are. It may be most of a large table, and memory is
//! bounded: SQLite keeps them in a file without a name, which nobody else can open and which goes with the process, and
//! the part of it that is in use in a cache.

use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, Result};
use sprag::Fault;
use sprag::session::SessionId;

/// The sessions of tokens that are over. No token is in it, nor any token's hash.
#[derive(Default)]
pub(super) struct RevokedTokens(Mutex<Option<Connection>>);

/// The cache's size: 32 MiB. The file begins when it is full.
const SETTINGS: &str = "
    pragma cache_size = -32768;
    pragma journal_mode = off;
    pragma synchronous = off;
    create table over (id blob primary key) strict, without rowid;";

impl RevokedTokens {
    /// Remembers one.
    pub(super) fn note(&self, session: SessionId) -> Result<(), Fault> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = match kept.take() {
            Some(connection) => Ok(connection),
            None => Connection::open("").and_then(|new| new.execute_batch(SETTINGS).map(|()| new)),
        };
        let connection = kept.insert(connection.map_err(failed)?);
        let mut statement =
            connection.prepare_cached("insert or ignore into over values (?1)").map_err(failed)?;
        statement.execute([session.0.as_bytes()]).map(drop).map_err(failed)
    }

    /// Whether it was remembered.
    pub(super) fn has(&self, session: SessionId) -> Result<bool, Fault> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(connection) = kept.as_ref() else { return Ok(false) };
        let mut statement = connection.prepare_cached("select 1 from over where id = ?1").map_err(failed)?;
        let found = statement.query_row([session.0.as_bytes()], |_| Ok(())).optional();
        found.map(|found| found.is_some()).map_err(failed)
    }
}

fn failed(error: rusqlite::Error) -> Fault {
    Fault::internal("remember which tokens are over, in the folder for temporary files", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_known_however_much_it_is() {
        let over = RevokedTokens::default();
        let id = |number: u128| SessionId(uuid::Uuid::from_u128(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        assert!(!over.has(id(1)).unwrap(), "nothing yet");
        for number in (0..5000).chain(0..10) {
            over.note(id(number)).unwrap();
        }
        assert!((0..5000).all(|number| over.has(id(number)).unwrap()));
        assert!(!over.has(id(5000)).unwrap());
    }
}

//! What is committed together: one transaction on a connection that writes.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use super::checkpointer::Log;
use super::connection::{self, Role, execute, is_its_own};
use super::job::{Job, Outcome, ROTATING, by_itself};
use super::journal::Chain;
use super::position;
use super::rotator::{ROTATE, Rotator};
use crate::audit::Event;
use crate::error::Fault;
use crate::high_water::Progress;

/// A connection that writes, and what rotates sessions on it: the one is given up with the other.
pub(super) struct Writing {
    pub(super) connection: Connection,
    rotator: Rotator,
}

impl Writing {
    /// Opens one that tells how the log grows.
    pub(super) fn open(path: &Path, role: Role, log: &Arc<Log>) -> Result<Self, Fault> {
        let mut connection = connection::open(path, role)?;
        let log = Arc::clone(log);
        let hook = move |_: &mut rusqlite::hooks::Wal, pages| {
            log.has_grown_to(pages);
            Ok(())
        };
        connection.wal_hook(Some(hook)).map_err(|error| connection::fault("watch the log", error))?;
        let rotator =
            Rotator::on(&connection).map_err(|error| connection::fault("prepare to rotate", error))?;
        Ok(Self { connection, rotator })
    }

    /// One transaction, and how far it moved the store on, where something changed that is counted. An error leaves it to the
    /// caller to roll back and give up the connection.
    pub(super) fn commit(&mut self, jobs: &mut [Job]) -> rusqlite::Result<Option<Progress>> {
        let Self { connection, rotator } = self;
        execute(connection, "begin immediate")?;
        rotator.begin(connection)?;
        let mut rotate = connection.prepare_cached(ROTATE)?;
        let mut has_changed = false;
        for job in jobs {
            let before = connection.total_changes();
            match job {
                // A client that has given up is not served; one that asks again is.
                Job::Rotate { reply, .. } if reply.is_closed() => {}
                Job::Rotate { order, event: None, outcome, .. } => {
                    match rotator.rotate(connection, &mut rotate, &order.rotation) {
                        Err(error) if !is_its_own(connection, &error) => return Err(error),
                        rotated => *outcome = rotated.map_err(|error| connection::fault(ROTATING, error)),
                    }
                }
                Job::Rotate { order, event: Some(event), outcome, .. } => {
                    *outcome = by_itself(connection, ROTATING, || {
                        let rotated = rotator.rotate(connection, &mut rotate, &order.rotation)?;
                        if rotated.is_some() {
                            Chain::of(connection, event.account)?.append(Event::clone(event))?;
                        }
                        Ok(Outcome::Keep(rotated))
                    })?;
                }
                Job::Write { work, concerns } => {
                    work.run(connection)?;
                    rotator.forget(*concerns);
                }
            }
            has_changed |= job.is_counted() && connection.total_changes() != before;
        }
        drop(rotate);
        let progress = if has_changed { position::count(connection)? } else { None };
        execute(connection, "commit")?;
        Ok(progress)
    }

    /// Rolls back what SQLite has not rolled back by itself, and closes.
    pub(super) fn give_up(self) {
        let Self { connection, .. } = self;
        let rolled_back =
            if connection.is_autocommit() { Ok(()) } else { connection.execute_batch("rollback") };
        let closed = connection.close().map_err(|(_, error)| error);
        if let Err(error) = rolled_back.and(closed) {
            tracing::warn!("the failed connection did not close cleanly: {error}");
        }
    }
}

//! When nodes served, and when they could not.

use std::path::Path;
use std::thread::sleep;
use std::time::Instant;

use async_trait::async_trait;
use rusqlite::{Connection, Result, params};
use uuid::Uuid;

use super::job::{Concerns, Outcome};
use super::{SqliteStore, connection};
use crate::clock::{Clock as _, SteadyClock, Timestamp};
use crate::error::Fault;
use crate::outages::{Known, LOOK_AGAIN, Mark, Marked, Marking, NodeId, Outage};
use crate::store::Marks;

#[async_trait]
impl Marks for SqliteStore {
    async fn marked(&self) -> std::result::Result<Marked, Fault> {
        self.readers.read("look at the marks of life", read).await
    }

    async fn mark(&self, marking: Marking) -> std::result::Result<(), Fault> {
        let work = move |connection: &Connection| write(connection, &marking).map(Outcome::Keep);
        self.writer.write_about(Concerns::Nobody, "move the mark of life", work).await
    }
}

pub(super) fn read(connection: &Connection) -> Result<Marked> {
    let mut marks = connection.prepare_cached(
        "select id, place, moved_at, clock_off_by
         from lease
         where kind = 'mark'
         order by id",
    )?;
    let marks = marks.query_map([], |row| {
        Ok(Mark {
            node: NodeId(Uuid::from_bytes(row.get("id")?)),
            place: row.get("place")?,
            moved_at: Timestamp(row.get("moved_at")?),
            clock_off_by: row.get("clock_off_by")?,
        })
    })?;
    let marks = marks.collect::<Result<_>>()?;
    let mut outages = connection.prepare_cached(
        "select node, from_at, until_at
         from outage
         order by node, from_at",
    )?;
    let outages = outages.query_map([], |row| {
        Ok(Outage {
            node: NodeId(Uuid::from_bytes(row.get("node")?)),
            from: Timestamp(row.get("from_at")?),
            until: Timestamp(row.get("until_at")?),
        })
    })?;
    Ok(Marked { marks, outages: outages.collect::<Result<_>>()? })
}

/// Compares the clock of a process that starts with what is known of the time. Where nobody else has the store open, no mark
/// will move.
pub(super) fn carry_on(clock: &SteadyClock, path: &Path, is_alone: bool) -> std::result::Result<(), Fault> {
    let began = Instant::now();
    let first = connection::look(path, read)?;
    let mut marked = first.clone();
    loop {
        let known = marked.known_at_start(&first, clock.now(), began.elapsed());
        let known = known.or_else(|| is_alone.then(|| Known(marked.last_known())));
        if let Some(Known(last)) = known {
            if let Some((at, off_by)) = last {
                clock.carry_on_from(at, off_by);
            }
            return Ok(());
        }
        sleep(LOOK_AGAIN);
        marked = connection::look(path, read)?;
    }
}

fn write(connection: &Connection, marking: &Marking) -> Result<()> {
    let mut forget = connection.prepare_cached("delete from lease where kind = 'mark' and id = ?1")?;
    for node in &marking.forgets {
        forget.execute([node.0.as_bytes()])?;
    }
    connection
        .prepare_cached("delete from outage where until_at < ?1")?
        .execute([marking.forgets_before.0])?;
    let mut note = connection.prepare_cached(
        "insert into outage (node, from_at, until_at)
         values (?1, ?2, ?3)
         on conflict (node, from_at) do update set until_at = max(until_at, excluded.until_at)",
    )?;
    for Outage { node, from, until } in &marking.outages {
        note.execute(params![node.0.as_bytes(), from.0, until.0])?;
    }
    let Some(mark) = &marking.mark else { return Ok(()) };
    let mut moves = connection.prepare_cached(
        "insert into lease (kind, id, place, moved_at, clock_off_by)
         values ('mark', ?1, ?2, ?3, ?4)
         on conflict (kind, id) do update
         set place = excluded.place,
             moved_at = excluded.moved_at,
             clock_off_by = excluded.clock_off_by",
    )?;
    moves.execute(params![mark.node.0.as_bytes(), mark.place, mark.moved_at.0, mark.clock_off_by])?;
    Ok(())
}

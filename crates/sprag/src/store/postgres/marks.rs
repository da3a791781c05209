//! When nodes served, and when they could not. On a connection of its own, or a crowd of log-ins would look like an outage.

use std::time::Instant;

use async_trait::async_trait;
use futures_util::future::join_all;
use futures_util::{FutureExt as _, join};
use tokio::time::sleep;
use tokio_postgres::types::Type;

use super::PostgresStore;
use super::connection::{Connection, Sql};
use super::error::QueryError;
use crate::clock::{Clock as _, SteadyClock, Timestamp};
use crate::error::Fault;
use crate::outages::{Known, LOOK_AGAIN, Mark, Marked, Marking, NodeId, Outage};
use crate::store::Marks;

const MARKS: Sql = Sql {
    text: "
    select id, place, moved_at, clock_off_by
    from lease
    where kind = 'mark'",
    types: &[],
};

const OUTAGES: Sql = Sql {
    text: "
    select node, from_at, until_at
    from outage",
    types: &[],
};

const MOVE_MARK: Sql = Sql {
    text: "
    insert into lease (kind, id, place, moved_at, clock_off_by)
    values ('mark', $1, $2, $3, $4)
    on conflict (kind, id) do update
    set place = excluded.place,
        moved_at = excluded.moved_at,
        clock_off_by = excluded.clock_off_by",
    types: &[Type::UUID, Type::TEXT, Type::INT8, Type::INT8],
};

const FORGET_MARK: Sql =
    Sql { text: "delete from lease where kind = 'mark' and id = $1", types: &[Type::UUID] };

const NOTE_OUTAGE: Sql = Sql {
    text: "
    insert into outage (node, from_at, until_at)
    values ($1, $2, $3)
    on conflict (node, from_at) do update
    set until_at = greatest(outage.until_at, excluded.until_at)",
    types: &[Type::UUID, Type::INT8, Type::INT8],
};

const FORGET_OUTAGES: Sql = Sql { text: "delete from outage where until_at < $1", types: &[Type::INT8] };

#[async_trait]
impl Marks for PostgresStore {
    async fn marked(&self) -> Result<Marked, Fault> {
        let mut marked = self
            .marks
            .statement("look at the marks of life", &(), |connection, ()| read(connection).boxed())
            .await?;
        if let Some(spread) = &self.spread {
            // What this node is about to write down.
            marked.outages.extend(spread.outages_to_judge_by(self.clock.now()));
        }
        Ok(marked)
    }

    async fn mark(&self, mut marking: Marking) -> Result<(), Fault> {
        let node = marking.mark.as_ref().map(|mark| mark.node).or_else(|| marking.forgets.first().copied());
        let found = match (&self.spread, node) {
            (Some(spread), Some(node)) => spread.outages(node, self.clock.now()),
            _ => Vec::new(),
        };
        marking.outages.extend(found.iter().copied());
        self.marks
            .statement("move the mark of life", &marking, |connection, marking| {
                write(connection, marking).boxed()
            })
            .await?;
        if let Some(spread) = &self.spread {
            spread.noted(&found);
        }
        Ok(())
    }
}

pub(super) async fn read(connection: &Connection) -> Result<Marked, QueryError> {
    let (marks, outages) =
        futures_util::try_join!(connection.query(&MARKS, &[]), connection.query(&OUTAGES, &[]))?;
    let marks = marks.iter().map(|row| {
        Ok(Mark {
            node: NodeId(row.try_get("id")?),
            place: row.try_get("place")?,
            moved_at: Timestamp(row.try_get("moved_at")?),
            clock_off_by: row.try_get("clock_off_by")?,
        })
    });
    let outages = outages.iter().map(|row| {
        Ok(Outage {
            node: NodeId(row.try_get("node")?),
            from: Timestamp(row.try_get("from_at")?),
            until: Timestamp(row.try_get("until_at")?),
        })
    });
    Ok(Marked {
        marks: marks.collect::<Result<_, QueryError>>()?,
        outages: outages.collect::<Result<_, QueryError>>()?,
    })
}

/// Compares the clock of a process that starts with what is known of the time.
pub(super) async fn carry_on(clock: &SteadyClock, connection: &Connection) -> Result<(), QueryError> {
    let began = Instant::now();
    let first = read(connection).await?;
    let mut marked = first.clone();
    loop {
        if let Some(Known(last)) = marked.known_at_start(&first, clock.now(), began.elapsed()) {
            if let Some((at, off_by)) = last {
                clock.carry_on_from(at, off_by);
            }
            return Ok(());
        }
        sleep(LOOK_AGAIN).await;
        marked = read(connection).await?;
    }
}

/// Writes all of it, or nothing, in one flight: were the server far away and each statement waited for, the mark would be
/// old when it arrives. Where one fails, the end of the transaction undoes those before it.
async fn write(connection: &Connection, marking: &Marking) -> Result<(), QueryError> {
    let forgets = marking.forgets.iter();
    let forgets =
        forgets.map(|node| async move { connection.execute(&FORGET_MARK, &[&node.0]).await.map(drop) });
    let forgets_before =
        async { connection.execute(&FORGET_OUTAGES, &[&marking.forgets_before.0]).await.map(drop) };
    let notes = marking.outages.iter().map(|Outage { node, from, until }| async move {
        connection.execute(&NOTE_OUTAGE, &[&node.0, &from.0, &until.0]).await.map(drop)
    });
    let moves = marking.mark.iter().map(|Mark { node, place, moved_at, clock_off_by }| async move {
        connection.execute(&MOVE_MARK, &[&node.0, place, &moved_at.0, clock_off_by]).await.map(drop)
    });
    let (began, forgotten, forgotten_before, noted, moved, kept) = join!(
        connection.begin(),
        join_all(forgets),
        forgets_before,
        join_all(notes),
        join_all(moves),
        connection.end(true),
    );
    // Each answer is waited for, or the next to use the connection would share a flight with them. The first that fails tells why.
    let in_order = forgotten.into_iter().chain([forgotten_before]).chain(noted).chain(moved);
    [began].into_iter().chain(in_order).chain([kept]).collect()
}

//! Budgets: in memory, as one process serves from a file. They are read when they are first needed, and written each minute and
//! when the process ends in order; what a crash takes is what was reserved since.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, Result, params};

use super::SqliteStore;
use super::job::{Concerns, Outcome};
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::store::budgets::KeptBudgets;
use crate::store::{BudgetKey, BudgetState, Budgets, Wanted};

/// How many are written in one transaction: few enough that no refresh notices.
const AT_ONCE: usize = 500;

#[async_trait]
impl Budgets for SqliteStore {
    async fn reserve(
        &self,
        wanted: Vec<Wanted>,
        now: Timestamp,
    ) -> std::result::Result<Vec<BudgetState>, Fault> {
        Ok(lock(self.budgets().await?).reserve(&wanted, now))
    }

    async fn give_back(
        &self,
        back: Vec<(BudgetKey, Duration)>,
        _: Timestamp,
    ) -> std::result::Result<(), Fault> {
        lock(self.budgets().await?).give_back(&back);
        Ok(())
    }

    async fn sweep_budgets(&self, now: Timestamp) -> std::result::Result<u64, Fault> {
        let budgets = self.budgets().await?;
        let (forgotten, unwritten) = {
            let mut kept = lock(budgets);
            (kept.sweep(now), kept.take_unwritten())
        };
        let mut chunks = unwritten.chunks(AT_ONCE);
        while let Some(chunk) = chunks.next() {
            let rows = chunk.to_vec();
            let work = move |connection: &Connection| write(connection, &rows).map(Outcome::Keep);
            if let Err(fault) =
                self.writer.write_about(Concerns::Nobody, "write down what budgets hold", work).await
            {
                let untold = std::iter::once(chunk).chain(chunks).flatten();
                lock(budgets).put_back(untold.map(|(key, _)| *key));
                return Err(fault);
            }
        }
        Ok(forgotten)
    }
}

impl SqliteStore {
    async fn budgets(&self) -> std::result::Result<&Mutex<KeptBudgets>, Fault> {
        let read = || async { self.readers.read("read what budgets hold", read).await.map(Mutex::new) };
        self.budgets.get_or_try_init(read).await
    }
}

/// A panic elsewhere leaves the map whole.
fn lock(budgets: &Mutex<KeptBudgets>) -> MutexGuard<'_, KeptBudgets> {
    budgets.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read(connection: &Connection) -> Result<KeptBudgets> {
    let mut statement = connection.prepare_cached("select key, due from rate_limit")?;
    let rows = statement.query_map([], |row| Ok((row.get("key")?, Timestamp(row.get("due")?))))?;
    let rows: Vec<(Vec<u8>, Timestamp)> = rows.collect::<Result<_>>()?;
    // A key of another length is none that this build makes.
    let ours = rows.into_iter().filter_map(|(key, due)| Some((BudgetKey(key.try_into().ok()?), due)));
    Ok(KeptBudgets::read(ours))
}

fn write(connection: &Connection, rows: &[(BudgetKey, Option<Timestamp>)]) -> Result<()> {
    let mut forget = connection.prepare_cached("delete from rate_limit where key = ?1")?;
    let mut keep = connection.prepare_cached(
        "insert into rate_limit (key, due)
         values (?1, ?2)
         on conflict (key) do update set due = excluded.due",
    )?;
    for (BudgetKey(key), due) in rows {
        match due {
            Some(due) => keep.execute(params![key, due.0])?,
            None => forget.execute([key])?,
        };
    }
    Ok(())
}

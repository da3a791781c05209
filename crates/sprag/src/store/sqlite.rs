//! The store in one SQLite file.
//!
//! One thread writes. It takes whatever has queued while the last commit ran, commits it in one transaction,
//! and only then answers: so many rotations share one sync to disk, and none is acknowledged that could
//! still be lost (`writer`). Reads go to threads of their own (`readers`), and what has been committed is
//! copied from the log into the file by another one (`checkpointer`), off the writer's path.
//!
//! Every queue is bounded and every request has a deadline: what waits longer, or finds a queue full, is
//! answered with a fault. Other processes may use the same file meanwhile, as the command line does.
//!
//! Call [`SqliteStore::migrate`], then [`SqliteStore::open`], inside a Tokio runtime with its timer enabled.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, params};
use tokio::sync::{OnceCell, watch};

use super::budgets::KeptBudgets;
use super::{Along, AlongSlot, Migrated, Store};
use crate::clock::{Clock, SteadyClock, SystemClock, Timestamp};
use crate::error::Fault;
use crate::high_water::Progress;
use crate::observe::StoreObserved;
use counted::Kept;
use job::Outcome;
use readers::Readers;
use writer::Writer;

pub use location::{at_home, path_in_url};
pub use obstacle::look_for as obstacle_at;
pub use restore::{RestoreOrder, Restored};

mod backup;
mod budgets;
mod checkpointer;
mod commit;
mod connection;
mod counted;
mod cuts;
mod daily_counts;
mod erasures;
mod factors;
mod held_names;
mod in_use;
mod job;
mod journal;
mod kept;
mod location;
mod marks;
mod migration;
mod numbers;
mod obstacle;
mod one_time;
mod outbox;
mod position;
mod queries;
mod readers;
mod restore;
mod rings;
mod rows;
mod sessions;
mod steps;
mod sweep;
mod writer;

/// What may be tuned. The defaults suit a million sessions on a small machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many writes may wait. One more is refused at once: 1024 waiting writes are some 50 ms of work, so a
    /// longer queue would only turn a refusal now into one at the deadline.
    pub write_queue: usize,
    /// How many writes are committed together at most. 256: by then the sync to disk is a small part of it.
    pub batch: usize,
    /// How many threads read. Two: a long listing then does not hold up a look at one row.
    pub readers: usize,
    /// How many reads may wait, for all readers together.
    pub read_queue: usize,
    /// The writer's page cache in KiB. Hot rows lie scattered, so a larger one saves little; the operating
    /// system keeps the pages as well.
    pub writer_cache_kib: u32,
    /// Each reader's page cache in KiB.
    pub reader_cache_kib: u32,
    /// The log is copied into the file whenever it has grown by this much, beside the writer. A hot page is then
    /// copied once for many rotations: at a million sessions 64 MiB gave a third more rotations than 4 MiB, and
    /// half the latency at the 99th percentile. A restart after a crash reads what was not copied, in some 0.2 s.
    pub checkpoint_every_kib: u32,
    /// Above this size the writer stops for a moment so that the log can start afresh, or under steady load
    /// it would grow without end.
    pub log_limit_kib: u32,
    /// How long a write waits for another process that is writing.
    pub busy_timeout: Duration,
    /// How long a request waits for its answer, queueing included. A write that is late may still happen, as
    /// with a lost answer.
    pub deadline: Duration,
    /// From what delay of its answer on a rotation counts from then, and not from its arrival. Clients wait longer
    /// than this only when the disk or the machine has stopped; their retry must then still find the reuse
    /// interval open. One second: below that, the interval is long enough by itself.
    pub restamp_after: Duration,
}

/// The default of [`Settings::restamp_after`].
const RESTAMP_AFTER: Duration = Duration::from_secs(1);

impl Default for Settings {
    fn default() -> Self {
        Self {
            write_queue: 1024,
            batch: 256,
            readers: 2,
            read_queue: 1024,
            writer_cache_kib: 3072,
            reader_cache_kib: 1024,
            checkpoint_every_kib: 64 * 1024,
            log_limit_kib: 128 * 1024,
            busy_timeout: Duration::from_secs(2),
            deadline: Duration::from_secs(3),
            restamp_after: RESTAMP_AFTER,
        }
    }
}

/// A store in one SQLite file. Dropping it finishes what has queued, copies the log into the file and closes it.
#[derive(Debug)]
pub struct SqliteStore {
    // Fields drop in this order: the connection closed last must be one that may write, or it would leave the
    // log behind.
    readers: Readers,
    writer: Writer,
    clock: Arc<SteadyClock>,
    progress: watch::Sender<Progress>,
    budgets: OnceCell<Mutex<KeptBudgets>>,
    kept: Arc<Kept>,
    along: Arc<AlongSlot>,
    /// Nobody puts another file in its place meanwhile.
    _in_use: File,
}

impl SqliteStore {
    /// Makes the file if there is none, mode 0600, and applies the migrations it lacks; says which.
    ///
    /// Safe beside other processes that do the same: one of them applies, the others wait and find nothing to do.
    ///
    /// # Errors
    /// A [`Fault`] if the file cannot be written, or is from a newer build, or has been tampered with.
    pub fn migrate(path: &Path) -> Result<Vec<Migrated>, Fault> {
        migration::migrate(path)
    }

    /// Whether there is no store yet: no file, an empty one, or one without a table.
    ///
    /// # Errors
    /// A [`Fault`] if it cannot be read, or is no database.
    pub fn is_new(path: &Path) -> Result<bool, Fault> {
        migration::is_new(path)
    }

    /// Copies the database into a file that is not there yet, mode 0600, as it stands at one moment, while others read and
    /// write it.
    ///
    /// # Errors
    /// A [`Fault`] if the copy cannot be made, its name is taken, or the database is damaged or not one this build can use.
    pub fn back_up(from: &Path, to: &Path) -> Result<(), Fault> {
        backup::back_up(from, to)
    }

    /// Opens a file that has been migrated, and starts the threads that serve it.
    ///
    /// Where that happens inside a runtime of several threads, answers to writes that were committed together are handed out
    /// by a task there: whoever waits for one in another runtime waits for this one's threads, too.
    ///
    /// # Errors
    /// A [`Fault`] if the file cannot be opened, is not migrated, is from a newer build, or does not keep the
    /// settings that make a commit durable.
    pub fn open(path: &Path, settings: Settings) -> Result<Self, Fault> {
        let is_alone = in_use::alone(path)?.is_some();
        let in_use = in_use::share(path)?;
        migration::check(path)?;
        connection::restrict(path)?;
        let mut progress = position::look(path)?.ok_or_else(|| {
            let what =
                format!("{} does not say which store it is; put it back from a backup", path.display());
            Fault::unavailable("open the database", what)
        })?;
        // Looked for after the position was read: what was in a log by then and is in none now has been copied.
        if !position::has_log(path) {
            progress.copied = progress.position;
        }
        let progress = watch::Sender::new(progress);
        let kept = Arc::new(Kept::of(path));
        let writer = Writer::start(path, &settings, progress.clone(), &kept)?;
        let readers = Readers::start(path, &settings, &kept)?;
        let clock = SteadyClock::over(Arc::new(SystemClock));
        marks::carry_on(&clock, path, is_alone)?;
        Ok(Self {
            readers,
            writer,
            clock: Arc::new(clock),
            progress,
            budgets: OnceCell::new(),
            kept,
            along: Arc::default(),
            _in_use: in_use,
        })
    }

    /// What a file says of which store it is and how far it has come, before anything about it is changed; and the position in
    /// the file alone, whatever its log says, where nobody has the store open. `None` where it says nothing: it is from an
    /// earlier build, or its tables are gone.
    ///
    /// # Errors
    /// A [`Fault`] if there is no such file, or it is no database.
    pub fn look_at_progress(path: &Path) -> Result<(Option<Progress>, Option<u64>), Fault> {
        let alone = in_use::alone(path)?;
        let copied = alone.as_ref().and_then(|_| position::look_without_log(path));
        Ok((position::look(path)?, copied))
    }

    /// Puts a backup in the place of the store: whatever is there is set aside, and the log that belongs to it too. Says where
    /// the one before is now, if there was one. A crash in the middle leaves what was there, or nothing, and never a mixture; restore again then.
    ///
    /// # Errors
    /// A [`Fault`] if the backup is damaged, of another ring or of a build that this one cannot follow, or somebody has the
    /// store open; then nothing has changed. Or if a file cannot be written or moved; it says which.
    pub async fn restore(backup: &Path, path: &Path, order: RestoreOrder) -> Result<Restored, Fault> {
        restore::restore(backup, path, order).await
    }

    /// What is wrong with a file, as far as SQLite sees it, which goes through all of it; `None` where nothing is.
    ///
    /// # Errors
    /// A [`Fault`] if it cannot be read.
    pub fn flaw(path: &Path) -> Result<Option<String>, Fault> {
        let flaw: String = connection::look(path, |connection| {
            connection.query_row("pragma integrity_check(1)", [], |row| row.get(0))
        })?;
        Ok((flaw != "ok").then_some(flaw))
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn ready(&self) -> Result<(), Fault> {
        let found = self.readers.read("look at the schema", migration::history).await?;
        migration::expect_usable(&found)
    }

    /// This machine's, as far as it is to be believed: nobody else has the file.
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock) as Arc<dyn Clock>
    }

    fn writes_along(&self, along: Arc<dyn Along>) {
        self.along.set(along);
    }

    fn progress(&self) -> Option<watch::Receiver<Progress>> {
        Some(self.progress.subscribe())
    }

    fn observed(&self) -> StoreObserved {
        self.kept.observed(self.writer.waiting(), self.readers.waiting())
    }

    async fn read_progress(&self) -> Result<Option<Progress>, Fault> {
        self.readers.read("look how far the store has come", position::read).await
    }

    async fn count_on(&self, seen: u64, went_back_at: Option<Timestamp>) -> Result<(), Fault> {
        let work = move |connection: &Connection| {
            let given = params![seen.cast_signed(), went_back_at.map(|at| at.0)];
            connection.query_row(position::COUNT_ON, given, |_| Ok(Outcome::Keep(())))
        };
        self.writer.write("count on from where the store was", work).await
    }
}

//! The thread that copies the log into the file, and the bound on the log.
//!
//! What is committed stands in the log until a checkpoint has copied it. A passive checkpoint holds up nobody,
//! yet under steady load it never reaches the log's end, and only a log that is wholly copied starts afresh.
//! So above a limit the writer stops for the little that is left after a passive one, and restarts it.
//!
//! Where the disk has little room left, the log is given a part of it only: a log that has taken the last of it
//! could not be copied into a file that must grow for that.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, ErrorCode, MAIN_DB};
use tokio::sync::watch;

use super::Settings;
use super::connection::{self, Role};
use super::counted::Kept;
use super::readers::spawn;
use crate::error::Fault;
use crate::high_water::Progress;

/// How many passive checkpoints follow one another at most to leave the writer little.
const PASSES: u8 = 4;

/// How many pages are little: copying them takes a few milliseconds.
const FEW_PAGES: u32 = 256;

/// The log is given at most this part of the room left on the disk, and copied whenever it has grown by this part
/// of what it is given.
const PART: u64 = 4;

/// What the log is given even where there is no room, in KiB; less would be copied all the time.
const LEAST_KIB: u64 = 256;

/// How long the writer waits for readers to leave the log. They read for less, other than a backup, which must
/// not hold up the writer.
const RESTART_PATIENCE: Duration = Duration::from_millis(50);

/// After this long without a commit the log's file is cut off, if it is large.
const IDLE: Duration = Duration::from_secs(1);

/// What is large: a peak, such as a long read leaves behind, must not keep its place on the disk for good.
const LARGE_KIB: u64 = 4 * 1024;

/// What the writer and the checkpointer tell one another of the log.
#[derive(Debug, Default)]
pub(super) struct Log {
    pages: AtomicU32,
    /// It is copied whenever it has grown by so much.
    every_pages: AtomicU32,
    /// It starts afresh when it is longer than this.
    limit_pages: AtomicU32,
    /// Whether room on the disk is short, so that the log's file is cut off as well.
    is_short: AtomicBool,
    must_restart: AtomicBool,
}

impl Log {
    /// The log has this many pages after a commit.
    pub(super) fn has_grown_to(&self, pages: std::ffi::c_int) {
        self.pages.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
    }

    /// Whether the log is to start afresh; says so once.
    pub(super) fn take_restart_order(&self) -> bool {
        self.must_restart.load(Ordering::Relaxed) && self.must_restart.swap(false, Ordering::Relaxed)
    }
}

/// The writer's end of the thread that copies the log into the file.
#[derive(Debug)]
pub(super) struct Checkpointer {
    calls: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    called_at: u32,
}

impl Checkpointer {
    pub(super) fn start(
        path: &Path,
        settings: &Settings,
        log: Arc<Log>,
        progress: watch::Sender<Progress>,
        kept: &Arc<Kept>,
    ) -> Result<Self, Fault> {
        let role = Role::Writes { cache_kib: 64, busy_timeout: Duration::ZERO };
        let connection = connection::open(path, role)?;
        let page_bytes: u32 = connection
            .pragma_query_value(None, "page_size", |row| row.get(0))
            .map_err(|error| connection::fault("read the page size", error))?;
        let (calls, called) = bounded(1);
        let copier = Copier {
            path: path.to_owned(),
            role,
            connection: Some(connection),
            page_bytes: page_bytes.max(512).into(),
            every_kib: settings.checkpoint_every_kib.into(),
            limit_kib: settings.log_limit_kib.into(),
            log,
            progress,
            kept: Arc::clone(kept),
        };
        copier.give_room();
        let thread = spawn("sprag-checkpoint", move || copier.run(&called))?;
        Ok(Self { calls: Some(calls), thread: Some(thread), called_at: 0 })
    }

    /// Calls for a checkpoint when the log has grown by so much since the last call.
    pub(super) fn call_if_due(&mut self, log: &Log) {
        let pages = log.pages.load(Ordering::Relaxed);
        if pages < self.called_at {
            self.called_at = 0;
        }
        // While one is under way the next call waits; it is made again after the next commit.
        if pages - self.called_at >= log.every_pages.load(Ordering::Relaxed)
            && self.calls.as_ref().is_some_and(|calls| calls.try_send(()).is_ok())
        {
            self.called_at = pages;
        }
    }

    /// Has the writer's own connection copy what is left, so that its next commit starts the log afresh.
    pub(super) fn restart_log(&self, log: &Log, connection: &Connection, role: Role) {
        let Role::Writes { busy_timeout, .. } = role else { return };
        let is_short = log.is_short.load(Ordering::Relaxed);
        let mode = if is_short { CheckpointMode::TRUNCATE } else { CheckpointMode::RESTART };
        let restarted = connection
            .busy_timeout(RESTART_PATIENCE)
            .and_then(|()| connection.wal_checkpoint_v2(Some(MAIN_DB), mode));
        if let Err(error) = restarted.and_then(|_| connection.busy_timeout(busy_timeout)) {
            tracing::warn!(
                "the log cannot start afresh yet and grows on; if this repeats, a long read such as a backup holds it: {error}"
            );
            // The timeout is set anew even then; if that fails, the next write waits less long and no harm is done.
            let _ = connection.busy_timeout(busy_timeout);
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.calls = None;
        if let Some(thread) = self.thread.take() {
            // It only copies: a panic there has lost nothing.
            let _ = thread.join();
        }
    }
}

struct Copier {
    path: PathBuf,
    role: Role,
    connection: Option<Connection>,
    page_bytes: u64,
    every_kib: u64,
    limit_kib: u64,
    log: Arc<Log>,
    progress: watch::Sender<Progress>,
    kept: Arc<Kept>,
}

impl Copier {
    fn run(mut self, called: &Receiver<()>) {
        let mut pages_before = 0;
        loop {
            let done = match called.recv_timeout(IDLE) {
                Ok(()) => self.copy_timed(),
                Err(RecvTimeoutError::Timeout) => {
                    let pages = self.log.pages.load(Ordering::Relaxed);
                    let is_idle = pages == std::mem::replace(&mut pages_before, pages);
                    if is_idle { self.cut_off() } else { Ok(()) }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if let Err(fault) = done {
                self.kept.checkpoints_failed.one();
                self.connection = None;
                let source = fault.source.as_ref().map(ToString::to_string).unwrap_or_default();
                tracing::warn!("{fault}, the log is kept and copied later: {source}");
            }
        }
    }

    /// Copies what is left of a large log and cuts its file off. Where somebody reads or writes meanwhile, it is tried
    /// again later.
    fn cut_off(&mut self) -> Result<(), Fault> {
        let mut file = self.path.as_os_str().to_owned();
        file.push("-wal");
        let size_bytes = std::fs::metadata(file).map_or(0, |metadata| metadata.len());
        if size_bytes <= LARGE_KIB.min(self.limit_kib) * 1024 {
            return Ok(());
        }
        let position = self.progress.borrow().position;
        let begun = Instant::now();
        match self.connected()?.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::TRUNCATE) {
            Ok(_) => {
                self.kept.checkpoints.took(begun.elapsed());
                self.has_copied(position);
                Ok(())
            }
            Err(error) => match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Ok(()),
                _ => Err(connection::fault("cut the log off", error)),
            },
        }
    }

    /// All that was committed up to that position stands in the file, and is on the disk.
    fn has_copied(&self, position: u64) {
        self.progress.send_if_modified(|known| {
            let is_more = position > known.copied;
            known.copied = known.copied.max(position);
            is_more
        });
    }

    fn connected(&mut self) -> Result<&Connection, Fault> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => connection::open(&self.path, self.role)?,
        };
        Ok(self.connection.insert(connection))
    }

    /// Says how long the log may become, as there is room on the disk.
    fn give_room(&self) {
        let free_kib = match rustix::fs::statvfs(&self.path) {
            Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize) / 1024,
            Err(_) => u64::MAX,
        };
        let limit_kib = self.limit_kib.min((free_kib / PART).max(LEAST_KIB));
        let every_kib = self.every_kib.min(limit_kib / PART);
        let pages = |kib: u64| u32::try_from(kib * 1024 / self.page_bytes).unwrap_or(u32::MAX).max(1);
        self.log.limit_pages.store(pages(limit_kib), Ordering::Relaxed);
        self.log.every_pages.store(pages(every_kib), Ordering::Relaxed);
        self.log.is_short.store(limit_kib < self.limit_kib, Ordering::Relaxed);
    }

    fn copy_timed(&mut self) -> Result<(), Fault> {
        let begun = Instant::now();
        let copied = self.copy();
        self.kept.checkpoints.took(begun.elapsed());
        copied
    }

    fn copy(&mut self) -> Result<(), Fault> {
        self.give_room();
        for _ in 0..PASSES {
            let position = self.progress.borrow().position;
            let (length, copied) = self
                .connected()?
                .wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::PASSIVE)
                .map_err(|error| connection::fault("copy the log into the database", error))?;
            if length == copied {
                self.has_copied(position);
            }
            let length = u32::try_from(length).unwrap_or(0);
            let now = self.log.pages.load(Ordering::Relaxed);
            if length <= self.log.limit_pages.load(Ordering::Relaxed) {
                return Ok(());
            }
            if now.saturating_sub(u32::try_from(copied).unwrap_or(0)) <= FEW_PAGES {
                break;
            }
        }
        self.log.must_restart.store(true, Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::SqliteStore;
    use super::super::job::Outcome;
    use super::super::position;
    use super::super::writer::Writer;
    use super::*;

    #[tokio::test]
    async fn a_log_that_a_long_read_made_large_shrinks_once_the_read_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sprag.db");
        SqliteStore::migrate(&path).unwrap();
        let settings = Settings {
            checkpoint_every_kib: 64,
            log_limit_kib: 256,
            deadline: Duration::from_secs(120),
            ..Settings::default()
        };
        let progress = tokio::sync::watch::Sender::new(position::look(&path).unwrap().unwrap());
        let kept = Arc::new(Kept::of(&path));
        let writer = Writer::start(&path, &settings, progress, &kept).unwrap();
        let reader = Connection::open(&path).unwrap();
        reader.execute_batch("begin; select count(*) from account").unwrap();
        for _ in 0..40 {
            let grow = |connection: &Connection| {
                let sql = "insert into key_ring (fingerprint, first_seen_at)
                           with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000)
                           select randomblob(16), i from n";
                connection.execute(sql, []).map(|_| Outcome::Keep(()))
            };
            writer.write("fill the log", grow).await.unwrap();
        }
        let size = || std::fs::metadata(folder.path().join("sprag.db-wal")).unwrap().len();
        let peak = size();
        assert!(peak > 1024 * 1024, "the reader held the log: {peak}");
        reader.execute_batch("commit").unwrap();
        let patience = Instant::now() + Duration::from_secs(60);
        while size() > 256 * 1024 {
            assert!(Instant::now() < patience, "the log keeps the size of its peak: {} bytes", size());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

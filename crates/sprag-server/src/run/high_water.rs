//! The high-water mark: what was last seen of the store, in a file of the data folder, and what follows where the store is
//! behind it.
//!
//! The file is written after the commit, never before, and whoever compares reads the mark first and the store after it: so
//! that no crash, and nobody who writes meanwhile, makes a store look older than its mark.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use sprag::audit::{Event, EventKind, NOBODY};
use sprag::clock::Timestamp;
use sprag::files;
use sprag::high_water::{Comparison, Found, HighWaterMarks, Progress};
use sprag::keys::KeyRing;
use sprag::store::Store;
use sprag::store::sqlite::SqliteStore;

use crate::config::{Config, Database};
use crate::run::ring_file::{self, RingSource};

/// The file of the data folder.
const FILE: &str = "high-water.json";

/// The longest text that is read: far more than all marks that are kept.
const MAX_BYTES: u64 = 1 << 20;

/// Where the marks of the configured store are kept, and under which name.
#[derive(Clone, Debug)]
pub struct HighWater {
    file: PathBuf,
    place: String,
}

/// What was read of the file.
enum Kept {
    Nothing,
    Marks(HighWaterMarks),
    /// There is something, and it is no list of marks.
    Unreadable,
}

/// What is known of the store's past: the marks, read before the store was.
pub struct Known {
    kept: Kept,
    /// How far the store has come, read after the marks.
    progress: Option<Progress>,
}

/// A store that is behind its mark.
#[derive(Clone, Copy, Debug)]
pub struct Doubt {
    comparison: Comparison,
    found: Option<u64>,
}

impl HighWater {
    /// Where `config` has them.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let folder = &config.store.data_dir;
        let place = match &config.store.database {
            Database::Sqlite(path) => place_of(folder, path),
            Database::Postgres(server) => server.to_string(),
        };
        Self { file: folder.join(FILE), place }
    }

    /// What is known of the store that was just opened, before anything is written to it.
    ///
    /// # Errors
    /// The file or the store cannot be read.
    pub async fn look(&self, store: &dyn Store) -> anyhow::Result<Known> {
        let kept = self.read()?;
        Ok(Known { kept, progress: store.read_progress().await? })
    }

    /// Tells of a store that went back, where its kind of store starts all the same, and begins to keep its mark. `false`
    /// where none can be kept, which is said.
    ///
    /// # Errors
    /// The store fails.
    pub async fn begin(
        &self,
        config: &Config,
        keys: &KeyRing,
        store: &dyn Store,
        known: Known,
    ) -> anyhow::Result<bool> {
        let Some(progress) = known.progress else { return Ok(false) };
        match (known.kept.compare(keys, self.found(known.progress)), &config.store.database) {
            (Comparison::Unknown, Database::Sqlite(path)) if progress.position > 0 => tracing::warn!(
                "there is no high-water mark of {} in {}, so nothing tells whether it has gone back; one is kept from now on",
                path.display(),
                self.file.display()
            ),
            (comparison, Database::Postgres(_)) if comparison.is_doubtful() => {
                let doubt = Doubt { comparison, found: Some(progress.position) };
                went_back(store, doubt, Some(store.clock().now())).await?;
            }
            _ => {}
        }
        let progress = store.read_progress().await?.unwrap_or(progress);
        let made = ring_file::make_dir(&config.store.data_dir);
        let begun = made.and_then(|()| self.write(keys, store.clock().now(), progress));
        if let Err(error) = &begun {
            let error = format!("{error:#}");
            tracing::warn!(
                error,
                "no high-water mark is kept, so a database that goes back is not noticed at a start"
            );
        }
        Ok(begun.is_ok())
    }

    /// How the store that is in use compares with what was last seen of it.
    ///
    /// # Errors
    /// The file or the store cannot be read.
    pub async fn doubt(&self, keys: &KeyRing, store: &dyn Store) -> anyhow::Result<Option<Doubt>> {
        let Known { kept, progress } = self.look(store).await?;
        let comparison = kept.compare(keys, self.found(progress));
        let found = progress.map(|progress| progress.position);
        Ok((progress.is_some() && comparison.is_doubtful()).then_some(Doubt { comparison, found }))
    }

    /// Remembers how far the store has come.
    ///
    /// # Errors
    /// The file cannot be read, locked or replaced.
    pub fn write(&self, keys: &KeyRing, now: Timestamp, progress: Progress) -> anyhow::Result<()> {
        let lock_path = self.file.with_extension("lock");
        let lock = files::open_lock(&lock_path, &[&self.file]);
        let lock = lock.with_context(|| format!("could not open {}", lock_path.display()))?;
        lock.lock().with_context(|| format!("could not lock {}", lock_path.display()))?;
        let mut marks = match self.read()? {
            Kept::Marks(marks) => marks,
            Kept::Nothing | Kept::Unreadable => HighWaterMarks::default(),
        };
        if marks.put(keys, now, &self.place, progress) {
            // That the name is on the disk, too, is not waited for: an older mark does no harm.
            let written = files::replace(&self.file, "new", marks.to_text().as_bytes());
            written.with_context(|| format!("could not write {}", self.file.display()))?;
        }
        Ok(())
    }

    fn read(&self) -> anyhow::Result<Kept> {
        let text = match fs::metadata(&self.file) {
            Ok(metadata) if metadata.len() > MAX_BYTES => return Ok(Kept::Unreadable),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(Kept::Nothing);
            }
            _ => fs::read(&self.file).with_context(|| format!("could not read {}", self.file.display()))?,
        };
        let marks = str::from_utf8(&text).ok().and_then(HighWaterMarks::from_text);
        Ok(marks.map_or(Kept::Unreadable, Kept::Marks))
    }

    fn found(&self, progress: Option<Progress>) -> Found<'_> {
        Found { place: &self.place, progress, copied: None }
    }
}

impl Kept {
    fn compare(&self, keys: &KeyRing, found: Found<'_>) -> Comparison {
        match self {
            Self::Nothing => Comparison::Unknown,
            Self::Marks(marks) => marks.compare(keys, found),
            Self::Unreadable => Comparison::Altered,
        }
    }
}

/// Inside the data folder by its name there, so that the folder can be moved.
fn place_of(folder: &Path, path: &Path) -> String {
    let whole = |path: &Path| fs::canonicalize(path).or_else(|_| std::path::absolute(path));
    let (Some(name), Some(parent)) = (path.file_name(), path.parent()) else {
        return path.display().to_string();
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let (Ok(folder), Ok(parent)) = (whole(folder), whole(parent)) else { return path.display().to_string() };
    let path = parent.join(name);
    path.strip_prefix(&folder).unwrap_or(&path).display().to_string()
}

/// What is wrong with a SQLite file, before anybody opens it; `None` where it has all that was seen of it.
///
/// # Errors
/// The file of marks or the database cannot be read.
pub fn doubt_of_file(config: &Config, path: &Path) -> anyhow::Result<Option<Doubt>> {
    let high_water = HighWater { place: place_of(&config.store.data_dir, path), ..HighWater::of(config) };
    let kept = high_water.read()?;
    let source = RingSource::of(config);
    if matches!(kept, Kept::Nothing) || source.is_missing() {
        return Ok(None);
    }
    // A ring that cannot be read is told by whoever needs it.
    let Ok(keys) = source.read(config) else { return Ok(None) };
    let is_there = fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0);
    let (progress, copied) = if is_there {
        let looked = SqliteStore::look_at_progress(path);
        looked.with_context(|| format!("could not open the database {}", path.display()))?
    } else {
        (None, None)
    };
    let comparison = kept.compare(&keys, Found { copied, ..high_water.found(progress) });
    let found = progress.map(|progress| progress.position);
    Ok(comparison.is_doubtful().then_some(Doubt { comparison, found }))
}

/// The furthest position that is known of a SQLite file that is about to be replaced: what it says itself, or what was seen.
///
/// # Errors
/// The file of marks cannot be read.
pub fn seen_of_file(config: &Config, path: &Path) -> anyhow::Result<u64> {
    // A database that cannot be read any more is what restores are for.
    let found = SqliteStore::look_at_progress(path).ok().and_then(|(progress, _)| progress);
    let kept = HighWater::of(config).read()?;
    let kept = match (&kept, RingSource::of(config).read(config)) {
        (Kept::Marks(marks), Ok(keys)) => marks.newest(&keys),
        _ => 0,
    };
    Ok(found.map_or(0, |progress| progress.position).max(kept))
}

/// Refuses a SQLite file that is behind its mark: somebody must say what is to become of it.
///
/// # Errors
/// It is, or that cannot be told.
pub fn expect_level(config: &Config, path: &Path) -> anyhow::Result<()> {
    let Some(doubt) = doubt_of_file(config, path)? else { return Ok(()) };
    bail!(
        "the database {} {doubt}. Nothing was changed. If you have the newer files, put them back, sprag.db and its -wal \
         together; or put a backup in its place with: sprag restore FILE; or go on with what is there, just once, with: sprag \
         serve --accept-older-store. To begin anew, move {} away as well (docs/guide/backup.md)",
        path.display(),
        HighWater::of(config).file.display()
    )
}

/// Journals that the store went back, and then lets it count on beyond what was seen: in this order, so that nobody who is cut
/// short in between keeps it from being told.
///
/// # Errors
/// The store fails; then it is as far behind as before.
pub async fn went_back(store: &dyn Store, doubt: Doubt, noticed_at: Option<Timestamp>) -> anyhow::Result<()> {
    tracing::error!(
        "critical: the database {doubt}. Sessions that ended since may be live again, and changed passwords the old ones; \
         tokens ahead of it are taken as genuine (row 6). See docs/reference/went-back.md"
    );
    let now = store.clock().now();
    store.record(told(EventKind::StoreWentBack, now, doubt.to_string())).await?;
    Ok(store.count_on(doubt.comparison.seen(), noticed_at).await?)
}

/// What is journalled of the store as a whole.
pub fn told(kind: EventKind, at: Timestamp, note: String) -> Event {
    let (session, cause, ip, user_agent) = (None, None, None, None);
    Event { account: NOBODY, at, kind, session, cause, ip, user_agent, note: Some(note) }
}

impl Doubt {
    /// That a store in use was seen at `seen` and is found where `found` says.
    #[must_use]
    pub fn between(seen: Progress, found: Progress) -> Self {
        let comparison = if seen.store != found.store {
            Comparison::Another { seen: seen.position }
        } else if found.position < seen.position {
            Comparison::Behind { seen: seen.position, found: found.position }
        } else {
            Comparison::Parted { seen: seen.position }
        };
        Self { comparison, found: Some(found.position) }
    }

    /// The position that was seen.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.comparison.seen()
    }
}

/// As a sentence goes on after naming the database.
impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.comparison, self.found) {
            (Comparison::Behind { seen, found }, _) => write!(
                f,
                "has gone back: position {seen} was seen, and it is at {found}; what was committed since is lost, since the end \
                 of its log is damaged or gone, an older copy was put in its place, or a failover lost it"
            ),
            (Comparison::Parted { seen }, _) => write!(
                f,
                "has gone back and come on since: what had been counted up to position {seen} is not all there; a failover lost it"
            ),
            (Comparison::Another { seen }, Some(_)) => write!(
                f,
                "is another than the one that was seen here last, at position {seen}"
            ),
            (Comparison::Another { seen }, None) => write!(
                f,
                "has gone back: position {seen} was seen, and there is none, since its tables are gone or it is from before \
                 positions were counted"
            ),
            (Comparison::OlderFile { seen }, _) => write!(
                f,
                "has gone back: its log reaches as far as was seen, position {seen}, but belongs to a newer file than this one"
            ),
            (Comparison::Altered, _) => f.write_str(
                "may have gone back: the mark that tells how far it was seen is altered or damaged, so nothing shows that it has \
                 all that was committed",
            ),
            (Comparison::Unknown | Comparison::Level, _) => f.write_str("is where it was last seen"),
        }
    }
}

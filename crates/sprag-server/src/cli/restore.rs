//! `sprag restore`: a backup in the place of the SQLite database, while nobody has it open.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use sprag::audit::{Event, EventKind};
use sprag::clock::{Clock as _, SystemClock};
use sprag::keys::KeyRing;
use sprag::store::sqlite::{RestoreOrder, Restored, SqliteStore};

use super::on_node::{MayCreate, begin, block_on, requester};
use super::output::say;
use super::paths::expect_path;
use crate::config::{Config, Database, Sources};
use crate::run::database;
use crate::run::high_water::{HighWater, seen_of_file, told};
use crate::run::ring_file::{self, RingSource};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A file that `sprag backup` made; it stays as it is
    file: PathBuf,
    #[command(flatten)]
    store: MayCreate,
}

/// Refuses to put a backup where there is no database, unless that is asked for or begun: the folder may be the wrong one.
fn expect_or_ask(path: &Path, args: &Args) -> anyhow::Result<()> {
    let mut begun = path.as_os_str().to_owned();
    begun.push(".restoring");
    if args.store.create || path.exists() || Path::new(&begun).exists() {
        return Ok(());
    }
    bail!(
        "there is no database at {} for {} to take the place of; if it is to be put there all the same, as on a new machine, \
         add --create; if not, name the folder with --data-dir",
        path.display(),
        args.file.display()
    )
}

pub(super) fn run(args: &Args, sources: &Sources) -> anyhow::Result<ExitCode> {
    expect_path("FILE", &args.file)?;
    let (config, _) = begin(sources)?;
    let Database::Sqlite(path) = &config.store.database else {
        bail!(
            "{} is restored with PostgreSQL's own means, into an empty database; nodes that start on it see that it went \
             back, and say so (docs/guide/backup.md)",
            database::shown(&config)
        )
    };
    expect_or_ask(path, args)?;
    // Without the ring nobody's token would be good, and no mark could be made.
    let ring = RingSource::of(&config);
    let keys = ring
        .read(&config)
        .with_context(|| format!("put the key ring back first; {} was not restored", args.file.display()))?;
    ring.tell_difference(&keys, &config, SystemClock.now());
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        ring_file::make_dir(folder)?;
    }
    let restored = block_on(put_back(&config, path, &args.file, &keys))?;
    let aside = restored.aside.map(|aside| {
        format!(
            "\nWhat was there is {} now, with its log beside it, if it had one; remove it once all is well.",
            aside.display()
        )
    });
    say(format_args!(
        "{} is what {} held. Start the server with the key ring {ring}; clients go on.{}\n\
         Sessions that were ended since the backup are live again, and passwords are those of then; where that matters, log \
         everyone out: docs/guide/backup.md.",
        path.display(),
        args.file.display(),
        aside.unwrap_or_default()
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Puts the backup in the place of the database at `path`, which nobody has open, and notes how far that has come.
///
/// # Errors
/// The database is in use, or one of the files cannot be read or written.
pub(super) async fn put_back(
    config: &Config,
    path: &Path,
    backup: &Path,
    keys: &KeyRing,
) -> anyhow::Result<Restored> {
    let seen = seen_of_file(config, path)?;
    let requester = requester();
    let now = SystemClock.now();
    let event = Event {
        ip: requester.ip,
        user_agent: requester.user_agent,
        ..told(EventKind::StoreRestored, now, format!("from {}", backup.display()))
    };
    let order = RestoreOrder { ring: keys.fingerprints(), seen, event };
    let restored = SqliteStore::restore(backup, path, order).await?;
    HighWater::of(config).write(keys, now, restored.progress)?;
    Ok(restored)
}

//! `sprag import-store`: a SQLite store moves to PostgreSQL, and its sessions live on.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;

use anyhow::{Context as _, bail};
use sprag::clock::{Clock as _, SystemClock};
use sprag::keys::KeyRing;
use sprag::store::postgres::import::{Counts, import};
use sprag::store::sqlite::{SqliteStore, at_home, path_in_url};

use super::on_node::{begin, block_on};
use super::output::{Progress, counted, say};
use super::paths::expect_path;
use crate::config::{Config, Database, Sources};
use crate::run::ring_file::RingSource;
use crate::run::{database, high_water};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The SQLite file of the old server, which must be stopped
    #[arg(long, value_name = "PATH", value_parser = source)]
    from: PathBuf,
}

/// A file by its path, or by a URL of SQLite.
fn source(text: &str) -> Result<PathBuf, String> {
    if Path::new(text).exists() || !text.starts_with("sqlite:") {
        return at_home(text).map_or_else(|| Ok(text.into()), |why| Err(format!("it {why}")));
    }
    path_in_url(text).map_err(|why| format!("it {why}"))
}

pub(super) fn run(args: &Args, sources: &Sources) -> anyhow::Result<ExitCode> {
    expect_path("--from", &args.from)?;
    let (config, _) = begin(sources)?;
    let Database::Postgres(server) = &config.store.database else {
        bail!(
            "the configured database is {}, and a store is imported into PostgreSQL; set SPRAG_DATABASE_URL to \
             postgres://USER@HOST/DATABASE",
            config.store.database
        )
    };
    let (source, ring) = expect_ring(&config)?;
    // What is no database at all is told below.
    if SqliteStore::look_at_progress(&args.from).is_ok() {
        high_water::expect_level(&config, &args.from)?;
    }
    let progress = Mutex::new(Progress::new());
    let show = |table: &str, done: u64, total: u64| {
        if let Ok(mut progress) = progress.lock() {
            progress.show(format_args!("{table}: {done} of {}", counted(total, "row", "rows")));
        }
    };
    let settings = database::settings(&config, server);
    let counts = block_on(async { Ok(import(&args.from, &settings, &ring.fingerprints(), show).await?) });
    // The line of progress is gone before anything else is said.
    drop(progress);
    let from = args.from.display();
    let counts = counts.with_context(|| format!("nothing of {from} was moved into {server}"))?;
    say(table(&counts))?;
    say(format_args!(
        "{from} is in {server} now; each table has as many rows there as here.\n\
         Serve it with the key ring {source}, on every node. Serve {from} no more: its sessions go on there."
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Without the ring that made them, the tokens of the sessions that are moved would all be refused.
fn expect_ring(config: &Config) -> anyhow::Result<(RingSource, KeyRing)> {
    let ring = RingSource::of(config);
    if let (RingSource::File(path), true) = (&ring, ring.is_missing()) {
        bail!(
            "there is no key ring at {}, and without the one of the old server all its tokens would be refused; copy its \
             keys.json there, mode 0600, or set SPRAG_KEY_RING to its text",
            path.display()
        );
    }
    let keys = ring.read(config)?;
    ring.tell_difference(&keys, config, SystemClock.now());
    Ok((ring, keys))
}

fn table(counts: &Counts) -> String {
    let rows = counts.tables.iter().map(|(_, count)| count.to_string());
    let width = rows.map(|count| count.len()).max().unwrap_or(0);
    let lines = counts.tables.iter().map(|(table, count)| format!("{count:>width$}  {table}"));
    lines.collect::<Vec<_>>().join("\n")
}

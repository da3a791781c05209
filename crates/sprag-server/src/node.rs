//! The wiring: from a configuration to an engine, its pages and its store.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use sprag::Engine;
use sprag::chance::SystemChance;
use sprag::clock::{Clock as _, SystemClock};
use sprag::engine::{Issuer, Limits};
use sprag::keys::KeyRing;
use sprag::password::Hasher;
use sprag::store::Store;
use sprag::store::sqlite::{Settings, SqliteStore};

use crate::config::{Config, Database, Lifetimes, ProfileRef};
use crate::http::{self, App};
use crate::metrics::Metrics;
use crate::profile::{self, Profile};
use crate::ring_file::RingSource;

/// One server, or one command beside it: everything it needs to work on a store.
#[derive(Debug)]
pub struct Node {
    /// What is in force.
    pub config: Config,
    /// The pages it serves.
    pub profiles: Vec<Profile>,
    /// What it counts.
    pub metrics: Arc<Metrics>,
    /// What decides.
    pub engine: Arc<Engine>,
    /// Where its keys come from.
    pub ring: RingSource,
}

impl Node {
    /// Opens store and keys for a server, making and migrating them where needed.
    ///
    /// # Errors
    /// What is wrong, where, and what to do about it.
    pub fn make(config: Config, profiles: Vec<Profile>) -> anyhow::Result<Self> {
        let keys = RingSource::of(&config).load(&config, &SystemChance::default(), SystemClock.now())?;
        migrate_store(&config)?;
        Self::join(config, profiles, keys)
    }

    /// Opens store and keys for a command beside the server: what it finds stays as it is.
    ///
    /// # Errors
    /// What is wrong, where, and what to do about it.
    pub fn open(config: Config, profiles: Vec<Profile>) -> anyhow::Result<Self> {
        let keys = RingSource::of(&config).read(&config)?;
        Self::join(config, profiles, keys)
    }

    fn join(config: Config, profiles: Vec<Profile>, keys: KeyRing) -> anyhow::Result<Self> {
        let (ring, chance) = (RingSource::of(&config), Arc::new(SystemChance::default()));
        let store = open_store(&config)?;
        let hasher = Hasher::start(config.hash_threads.get(), config.hash_queue.get())?;
        let issuer = Issuer { issuer: config.issuer().to_owned(), audience: config.audience.clone() };
        let limits = Limits { sessions_per_account: config.sessions_per_account.get() };
        let engine = Engine::new(store, Arc::new(SystemClock), chance, keys, hasher, issuer, limits);
        Ok(Self { config, profiles, metrics: Arc::default(), engine: Arc::new(engine), ring })
    }

    /// What requests share.
    #[must_use]
    pub fn app(&self) -> Arc<App> {
        let (engine, metrics) = (Arc::clone(&self.engine), Arc::clone(&self.metrics));
        Arc::new(App::new(engine, metrics, self.config.issuer().to_owned()))
    }

    /// The whole service.
    pub fn router(&self, app: &Arc<App>) -> Router {
        http::router(app, self.profiles.clone(), self.config.issuer())
    }
}

fn migrate_store(config: &Config) -> anyhow::Result<()> {
    let Database::Sqlite(path) = &config.database;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        crate::ring_file::make_dir(folder)?;
    }
    let shown = path.display();
    SqliteStore::migrate(path).map(drop).with_context(|| format!("could not prepare the database {shown}"))
}

fn open_store(config: &Config) -> anyhow::Result<Arc<dyn Store>> {
    let Database::Sqlite(path) = &config.database;
    let store = SqliteStore::open(path, Settings::default());
    Ok(Arc::new(store.with_context(|| format!("could not open the database {}", path.display()))?))
}

/// Loads the pages that are named, with the lifetimes that were set for all of them.
///
/// # Errors
/// A page cannot be read, is wrong, or two of them clash; the message names file and line.
pub fn load_profiles(names: &[ProfileRef], lifetimes: &Lifetimes) -> anyhow::Result<Vec<Profile>> {
    let mut profiles = Vec::with_capacity(names.len());
    for name in names {
        let mut profile = match name {
            ProfileRef::Shipped(name) => shipped(name)?,
            ProfileRef::File(path) => from_file(path)?,
        };
        profile.policy = lifetimes.over(&profile.name, profile.policy)?;
        profiles.push(profile);
    }
    profile::check_together(&profiles)?;
    Ok(profiles)
}

fn shipped(name: &str) -> anyhow::Result<Profile> {
    let Some(page) = Profile::builtin(name) else {
        let known = profile::builtin_names().collect::<Vec<_>>().join(", ");
        anyhow::bail!(
            "there is no page {name:?}; shipped are {known}; a page of your own is named by its path, ./page.toml"
        );
    };
    Ok(page?)
}

fn from_file(path: &Path) -> anyhow::Result<Profile> {
    let text = std::fs::read_to_string(path);
    let text = text.with_context(|| format!("could not read the page {}", path.display()))?;
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Profile::parse(&name, &path.display().to_string(), &text)?)
}

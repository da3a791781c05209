//! The server behind the page, which can be put back to a backup while the page is open.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use hyper::header::{HeaderName, HeaderValue};
use sprag::engine::{NewUser, Requester};
use sprag::ratchet::Row;
use sprag::session::SessionId;
use sprag::store::sqlite::SqliteStore;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use super::told::{self, PASSWORD, USER};
use crate::cli::restore::put_back;
use crate::config::{Config, Database};
use crate::edge::refusal::Problem;
use crate::edge::response::plainly_refused;
use crate::edge::serve::Bounds;
use crate::metrics::Metrics;
use crate::profile::Profile;
use crate::run::jobs;
use crate::run::node::{Node, load_profiles};

/// Which row of the verdict table decided a refresh, and what it is called.
const ROW: HeaderName = HeaderName::from_static("sprag-demo-row");
const VERDICT: HeaderName = HeaderName::from_static("sprag-demo-verdict");

/// How often a store that is closing is tried, and how long between.
const TRIES: usize = 100;
const PAUSE: Duration = Duration::from_millis(20);

/// A server, and what it is started from once more after a restore.
pub(super) struct Service {
    config: Config,
    profiles: Vec<Profile>,
    backup: PathBuf,
    /// One request at a time: so it is known which row decided it.
    running: Mutex<Option<Running>>,
}

struct Running {
    node: Node,
    router: Router,
    jobs: JoinSet<()>,
}

impl Running {
    async fn start(config: &Config, profiles: &[Profile]) -> anyhow::Result<Self> {
        let node = Node::make(config.clone(), profiles.to_vec()).await?;
        let router = node.router(&node.app());
        let jobs = jobs::start(&node);
        Ok(Self { node, router, jobs })
    }

    /// Gives the store back, in order.
    async fn stop(mut self) {
        self.jobs.shutdown().await;
        jobs::leave(&self.node).await;
    }
}

impl Service {
    /// Starts a server with one account.
    ///
    /// # Errors
    /// Store or keys cannot be made.
    pub(super) async fn start(config: Config) -> anyhow::Result<Arc<Self>> {
        let profiles = load_profiles(&config.profiles, Some(&config))?;
        let running = Running::start(&config, &profiles).await?;
        let user = NewUser { username: Some(USER), password: Some(PASSWORD), ..NewUser::default() };
        running.node.engine.accounts().create(user, &Requester::nobody()).await?;
        let backup = config.store.data_dir.join("backup.db");
        Ok(Arc::new(Self { config, profiles, backup, running: Mutex::new(Some(running)) }))
    }

    pub(super) async fn measures_and_bounds(&self) -> (Arc<Metrics>, Bounds) {
        match &*self.running.lock().await {
            Some(running) => (Arc::clone(&running.node.metrics), running.node.bounds()),
            None => (Arc::default(), Bounds::default()),
        }
    }

    pub(super) async fn stop(&self) {
        if let Some(running) = self.running.lock().await.take() {
            running.stop().await;
        }
    }

    /// Carries out a request as the server does, and says beside a refresh's answer which row decided it.
    pub(super) async fn answer(&self, request: Request) -> Response {
        let running = self.running.lock().await;
        let Some(running) = &*running else { return plainly_refused(Problem::NotFound) };
        let counted = || Row::ALL.map(|row| running.node.metrics.decided(row));
        let before = counted();
        let Ok(mut response) = running.router.clone().oneshot(request).await;
        let decided = before.iter().zip(counted()).position(|(before, after)| *before < after);
        if let Some(row) = decided.and_then(|at| Row::ALL.get(at)) {
            let headers = response.headers_mut();
            headers.insert(ROW, HeaderValue::from_static(row.number()));
            headers.insert(VERDICT, HeaderValue::from_static(row.name()));
        }
        response
    }

    /// How a session stands, or only how the server is set where none is asked for.
    ///
    /// # Errors
    /// The store fails.
    pub(super) async fn tell(&self, session: Option<SessionId>) -> anyhow::Result<serde_json::Value> {
        let running = self.running.lock().await;
        let Some(running) = &*running else { bail!("the demo's server is not running") };
        let engine = &running.node.engine;
        let explanation = match session {
            Some(id) => engine.sessions().explain(id).await.context("could not look at the session")?,
            None => None,
        };
        let policy = self.profiles.first().map(|profile| &profile.policy);
        let has_backup = self.backup.exists();
        Ok(told::state(policy, explanation.as_ref(), has_backup, engine.now()))
    }

    /// Copies the store, as `sprag backup` does.
    ///
    /// # Errors
    /// The copy cannot be made.
    pub(super) async fn back_up(&self) -> anyhow::Result<()> {
        let _running = self.running.lock().await;
        if self.backup.exists() {
            std::fs::remove_file(&self.backup).context("could not remove the backup of before")?;
        }
        SqliteStore::back_up(self.database()?, &self.backup)?;
        Ok(())
    }

    /// Stops the server, puts the backup in the place of its store as `sprag restore` does, and starts it again.
    ///
    /// # Errors
    /// There is no backup, or the store cannot be replaced.
    pub(super) async fn restore(&self) -> anyhow::Result<()> {
        let mut running = self.running.lock().await;
        if !self.backup.exists() {
            bail!("there is no backup yet; make one first");
        }
        let path = self.database()?;
        let mut keys = None;
        if let Some(running) = running.take() {
            keys = Some(running.node.engine.keys());
            running.stop().await;
        }
        if let Some(keys) = keys {
            let mut tries = 1;
            // Its threads close the store a moment after the last who had it.
            while let Err(error) = put_back(&self.config, path, &self.backup, &keys).await {
                if tries == TRIES {
                    return Err(error);
                }
                tries += 1;
                tokio::time::sleep(PAUSE).await;
            }
        }
        *running = Some(Running::start(&self.config, &self.profiles).await?);
        Ok(())
    }

    fn database(&self) -> anyhow::Result<&std::path::Path> {
        match &self.config.store.database {
            Database::Sqlite(path) => Ok(path),
            Database::Postgres(_) => bail!("the demo has a SQLite store of its own"),
        }
    }
}

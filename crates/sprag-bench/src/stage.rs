//! What measurements stand on: a store of a known size, live sessions in it, and servers that are started on it one after
//! another.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context as _;
use sprag::Engine;
use sprag::engine::{ImportedUser, NewUser, Requester, SlowHashes};
use sprag_rig::{Database, Postgres};
use sprag_server::config::{Config, Sources};
use sprag_server::profile::Profile;
use sprag_server::run::node::{self, Node};
use sprag_testkit::binary::server::{Home, Server};
use tokio::runtime::Runtime;

use crate::load::driver::{self, Endpoint, LiveSession};
use crate::load::load_profile::LoadProfile;
use crate::load::tally::Tally;
use crate::load::{fill, sessions};

pub(crate) use crate::load::driver::Round;

/// The shared secret of HS256. Nothing that it signs leaves this machine.
const SECRET: &str = "dGhpcyBzZWNyZXQgc2lnbnMgd2hhdCBpcyBtZWFzdXJlZA";

/// The password of all who log in.
const PASSWORD: &str = "a long password that is measured";

/// A round that a number of requests ends, and no clock.
const NO_END: Duration = Duration::from_secs(24 * 3600);

/// A user of another system, of whom nothing is known.
const IMPORTED: ImportedUser<'static> = ImportedUser {
    external_id: "",
    username: None,
    email: None,
    password_hash: "",
    totp_secret: None,
    recovery_codes: &[],
    name: None,
    given_name: None,
    family_name: None,
    language: None,
    role: None,
    is_admin: None,
    is_disabled: false,
    created_at: None,
    claims_later: false,
    left_to_others: &[],
};

/// How PostgreSQL is set: what it has acknowledged is on the disk, and no checkpoint falls into a round by chance.
const POSTGRES: [(&str, &str); 6] = [
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "on"),
    ("shared_buffers", "1GB"),
    ("max_wal_size", "8GB"),
    ("checkpoint_timeout", "30min"),
];

/// Where sessions are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum StoreKind {
    /// In a file
    Sqlite,
    /// In a PostgreSQL that is started for the measurement
    Postgres,
}

/// How access tokens are signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Signing {
    /// With a shared secret
    Hs256,
    /// With a key on the curve P-256
    Es256,
}

impl fmt::Display for StoreKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        })
    }
}

impl fmt::Display for Signing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Hs256 => "HS256",
            Self::Es256 => "ES256",
        })
    }
}

/// A store, and what servers on it are set to.
pub(crate) struct Stage {
    /// Its folder is where the data lies.
    home: Home,
    /// The database, and the server that has it.
    postgres: Option<(Database, Postgres)>,
    runtime: Runtime,
    profile: LoadProfile,
}

impl Stage {
    /// A new store with `stored` sessions in it, and that many accounts that can log in. Its schema and its keys are made by
    /// this program's own build.
    pub(crate) fn set(kind: StoreKind, stored: u64, users: usize) -> anyhow::Result<Self> {
        let postgres = start_postgres(kind).map(|server| (server.fresh_database(), server));
        let runtime = Runtime::new().context("could not start the runtime")?;
        let home = Home::new("");
        let (_, profiles) = resolve(&[], home.path())?;
        let stage = Self { home, postgres, runtime, profile: LoadProfile::pick(profiles)? };
        // The ring is made with ES256 and keeps that key; the HS256 secret, where there is one, signs before it.
        let (config, profiles) = resolve(&stage.environment(Signing::Es256), stage.home.path())?;
        let fill = || {
            stage.runtime.block_on(async {
                let node = Node::make(config, profiles).await?;
                for number in 0..users {
                    make_user(&node.engine, number).await?;
                }
                fill::fill(&node.engine, &stage.profile, 0, Some(stored)).await?;
                anyhow::Ok(())
            })
        };
        match &stage.postgres {
            Some((database, server)) => filling(server, &[database], fill)?,
            None => fill()?,
        }
        Ok(stage)
    }

    /// The password of the users who can log in.
    pub(crate) const PASSWORD: &str = PASSWORD;

    /// What the user of that number is called.
    pub(crate) fn user_name(number: usize) -> String {
        user(number).name
    }

    /// What the imported user of that number is called.
    pub(crate) fn imported_name(number: usize) -> String {
        format!("imported-{number}")
    }

    /// Adds users whose password hash another system made.
    pub(crate) fn import_users(&self, count: usize, hash: &str) -> anyhow::Result<()> {
        let (config, profiles) = resolve(&self.environment(Signing::Es256), self.home.path())?;
        self.runtime.block_on(async {
            let node = Node::open(config, profiles).await?;
            let profile = node.profiles.first().context("no profile is served")?;
            let client = profile.client_policy();
            let imports = node.engine.imports().slow_hashes(SlowHashes::Taken);
            for number in 0..count {
                let name = Self::imported_name(number);
                let user = ImportedUser {
                    external_id: &name,
                    username: Some(&name),
                    password_hash: hash,
                    ..IMPORTED
                };
                imports.user(&client, user).await.context("could not take a user in")?;
            }
            anyhow::Ok(())
        })
    }

    /// Opens sessions that lie evenly over all that are stored.
    pub(crate) fn open_sessions(&self, count: u64) -> anyhow::Result<Vec<LiveSession>> {
        let (config, profiles) = resolve(&self.environment(Signing::Es256), self.home.path())?;
        self.runtime.block_on(async {
            let node = Node::open(config, profiles).await?;
            Ok(fill::fill(&node.engine, &self.profile, count, None).await?.live)
        })
    }

    /// Logs the user of that number in; `false` where the server found no time for it.
    pub(crate) fn log_in(&self, server: &Server, number: usize) -> anyhow::Result<bool> {
        let user = user(number);
        self.runtime.block_on(sessions::log_in_in_time(server.address(), &self.profile, &user))
    }

    /// Logs the first user in on that many connections, each again as soon as it is answered, until it is over. Gives back
    /// how many log-ins there were.
    pub(crate) fn keep_logging_in(
        &self,
        server: &Server,
        connections: usize,
        is_over: &Arc<AtomicBool>,
    ) -> anyhow::Result<u32> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("could not start a runtime for log-ins")?;
        let user = user(0);
        let keeping = sessions::keep_logging_in(server.address(), &self.profile, &user, connections, is_over);
        runtime.block_on(keeping)
    }

    /// Starts the server that `runner` has, with settings beyond those of every measurement.
    pub(crate) fn start(&self, runner: &Home, signing: Signing, more: &[(&str, &str)]) -> Server {
        let settings = self.environment(signing);
        let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        runner.start_in(&self.home.data(), &[settings.as_slice(), more].concat())
    }

    /// A round without an end; give it a number of requests or a duration.
    pub(crate) fn round(&self, server: &Server, endpoint: Endpoint, connections: usize) -> Round {
        let address = server.address();
        Round {
            endpoint,
            address,
            host: address.to_string(),
            refresh_path: self.profile.refresh_path.clone(),
            token_field: self.profile.field(),
            connections,
            threads: 1,
            warmup: Duration::ZERO,
            duration: NO_END,
            requests: None,
            rate: None,
            sends_retry_ids: false,
        }
    }

    fn environment(&self, signing: Signing) -> Vec<(String, String)> {
        settings(&self.home.data(), self.postgres.as_ref().map(|(database, _)| database), signing)
    }
}

/// A PostgreSQL, where that keeps the sessions.
pub(crate) fn start_postgres(kind: StoreKind) -> Option<Postgres> {
    (kind == StoreKind::Postgres).then(|| {
        let settings = POSTGRES.iter();
        settings.fold(Postgres::builder(), |builder, (name, value)| builder.set(name, value)).start()
    })
}

/// Fills databases, which waits for no disk, and leaves nothing to be done afterwards that would fall into a round.
pub(crate) fn filling(
    server: &Postgres,
    databases: &[&Database],
    fill: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    server.set("fsync", "off");
    fill()?;
    server.set("fsync", "on");
    for database in databases {
        database.psql("vacuum analyze");
    }
    server.psql("checkpoint");
    Ok(())
}

/// What every server that is measured is set to: each refresh rotates, and nothing happens beside it.
pub(crate) fn settings(data: &Path, database: Option<&Database>, signing: Signing) -> Vec<(String, String)> {
    let mut settings = vec![
        ("SPRAG_DATA_DIR", data.display().to_string()),
        ("SPRAG_REUSE_INTERVAL", "0s".to_owned()),
        ("SPRAG_SWEEP_INTERVAL", "0s".to_owned()),
        ("SPRAG_RATE_LIMITS", "off".to_owned()),
        ("SPRAG_LOG", "warn".to_owned()),
        ("SPRAG_SIGNING_ALGORITHM", signing.to_string()),
    ];
    if signing == Signing::Hs256 {
        settings.push(("SPRAG_HS256_SECRET", SECRET.to_owned()));
    }
    if let Some(database) = database {
        settings.push(("SPRAG_DATABASE_URL", database.socket_url()));
    }
    settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Drives a round in which nothing may go wrong.
///
/// # Errors
/// A request was refused or broke.
pub(crate) fn drive(round: &Round, live: &mut Vec<LiveSession>) -> anyhow::Result<Tally> {
    let (tally, still_live) = driver::drive(round, std::mem::take(live))?;
    *live = still_live;
    match &tally.example {
        Some(failure) => anyhow::bail!(
            "a request of the measurement failed: {failure} (a 503 may mean that the machine is too busy for the server's deadline: \
             try again with fewer --connections)"
        ),
        None => Ok(tally),
    }
}

fn resolve(environment: &[(String, String)], dir: &Path) -> anyhow::Result<(Config, Vec<Profile>)> {
    node::resolve(&Sources::read(HashMap::new(), environment.to_vec(), dir)?)
}

fn user(number: usize) -> sessions::User {
    sessions::User { name: format!("measured-{number}"), password: PASSWORD.to_owned() }
}

async fn make_user(engine: &Arc<Engine>, number: usize) -> anyhow::Result<()> {
    let user = user(number);
    let new = NewUser { username: Some(&user.name), password: Some(&user.password), ..NewUser::default() };
    let nobody = Requester::nobody();
    engine.accounts().create(new, &nobody).await.context("could not make an account that logs in")?;
    Ok(())
}

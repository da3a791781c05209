//! The store in one PostgreSQL database, for any number of nodes.
//!
//! Waiting rotations leave together, as one statement for each round trip, on one or two connections ([`lane`],
//! [`turn`]); so do looks at rows ([`look`]). Everything else uses a small pool of connections that is waited for
//! only so long ([`pool`]). No node keeps anything another needs: what decides is in the row and in the condition of
//! the statement, and the time is the database's ([`clock`]).
//!
//! Only a primary that keeps what it commits is used. Every queue is bounded and every request has a deadline: what
//! waits longer, or finds a queue full, is answered with a fault. When the database goes away and comes back, this
//! goes on by itself ([`health`]).
//!
//! Behind a pooler that hands each transaction another connection (PgBouncer's transaction mode), statements are not
//! prepared; this is found out when connecting ([`link`]).
//!
//! Call [`PostgresStore::migrate`], then [`PostgresStore::open`], inside a Tokio runtime with its timer enabled.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::FutureExt as _;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{Migrated, Rotated, Store};
use crate::clock::Clock;
use crate::error::Fault;
use crate::ratchet::Rotation;
use clock::DatabaseClock;
use health::Health;
use lane::Lanes;
use link::{Dialer, Link, Sql};
use look::Look;
use pool::Pool;
use trouble::Trouble;
use turn::{Turn, redate_watched};

mod accounts;
mod clock;
mod health;
#[cfg(feature = "sqlite")]
pub mod import;
mod journal;
mod lane;
mod link;
mod look;
mod migration;
mod pool;
mod rings;
mod rows;
mod server;
mod sessions;
mod sweep;
mod tls;
mod trouble;
mod turn;

pub use server::{BadUrl, Server};

/// What may be tuned. The defaults suit a node with two cores beside a database that does the same for others.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which database.
    pub server: Server,
    /// How waiting rotations are sent.
    pub batching: Batching,
    /// How many connections carry rotations. Two: one batch is on its way while the other is committed; more only
    /// make smaller batches.
    pub lanes: usize,
    /// How many rotations leave together at most.
    pub batch: usize,
    /// How many rotations may wait. One more is refused at once.
    pub queue: usize,
    /// How many connections everything else shares.
    pub pool: usize,
    /// How long a request waits for one of them.
    pub pool_wait: Duration,
    /// How long connecting to one host may take.
    pub connect_timeout: Duration,
    /// How long a request waits for its answer, queueing included. What is late may still happen, as with a lost
    /// answer.
    pub deadline: Duration,
    /// From what delay of its answer on a rotation counts from then, and not from its arrival; see
    /// [`sqlite::Settings::restamp_after`](super::sqlite::Settings::restamp_after).
    pub restamp_after: Duration,
}

/// How waiting rotations are sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Batching {
    /// As the engine suits it, which is found out when opening: rows on Citus, YugabyteDB and CockroachDB, and one
    /// statement on anything else.
    #[default]
    Auto,
    /// All as one statement: fastest on one primary.
    Unnest,
    /// Each as a statement of its own, all written before the first is answered: on a distributed engine each goes to
    /// the one shard that has its row, where a batch would go to all of them under two-phase commit.
    Rows,
}

impl Settings {
    /// The defaults for that server.
    #[must_use]
    pub fn new(server: Server) -> Self {
        Self {
            server,
            batching: Batching::default(),
            lanes: 2,
            batch: 256,
            queue: 1024,
            pool: 8,
            pool_wait: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(1),
            deadline: Duration::from_millis(2500),
            restamp_after: Duration::from_secs(1),
        }
    }
}

/// How often the database's clock is looked at, and what was left unsure is looked for.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// A heartbeat that takes longer is missed.
const MISSED_BEAT: Duration = Duration::from_secs(2);

/// A node whose last look at the database's clock is older takes no requests.
const CLOCK_UNKNOWN: Duration = Duration::from_secs(30);

/// A store in one PostgreSQL database.
pub struct PostgresStore {
    turns: Lanes<Turn>,
    looks: Lanes<Look>,
    pool: Pool,
    clock: Arc<DatabaseClock>,
    health: Arc<Health>,
    batching: Batching,
    restamp_after: Duration,
    _heart: JoinSet<()>,
}

impl PostgresStore {
    /// Applies the migrations that the database lacks, all or none of them; says which.
    ///
    /// Safe beside other nodes that do the same: one of them applies, the others wait and find nothing to do.
    ///
    /// # Errors
    /// A [`Fault`] if the database cannot be reached or written to, or its schema is from a newer build that this one
    /// may not run beside, or has been tampered with.
    pub async fn migrate(settings: &Settings) -> Result<Vec<Migrated>, Fault> {
        let dialer = Dialer::new(&settings.server, settings.connect_timeout)?;
        migration::migrate(&dialer).await
    }

    /// Opens a database that has been migrated.
    ///
    /// # Errors
    /// A [`Fault`] if the database cannot be reached, is a standby, forgets what it commits
    /// (`synchronous_commit = off`), or its schema is not one this build can use.
    pub async fn open(settings: Settings) -> Result<Self, Fault> {
        const DOING: &str = "open the database";
        let dialer = Dialer::new(&settings.server, settings.connect_timeout)?;
        let link = dialer.dial().await.map_err(|trouble| trouble.fault(DOING))?;
        migration::check(&link).await?;
        warn_of_what_is_risky(&link).await.map_err(|trouble| trouble.fault(DOING))?;
        let batching = match settings.batching {
            Batching::Auto => suited(&link).await.map_err(|trouble| trouble.fault(DOING))?,
            chosen => chosen,
        };
        let clock = DatabaseClock::set_by(&link).await.map_err(|trouble| trouble.fault(DOING))?;
        let (clock, health) = (Arc::new(clock), Arc::new(Health::default()));
        if !link.is_ours() {
            tracing::info!("the database is behind a connection pooler: statements are not prepared");
        }
        let mut heart = JoinSet::new();
        heart.spawn(beat(link, dialer.clone(), Arc::clone(&clock), Arc::clone(&health)));
        Ok(Self {
            turns: Lanes::start(settings.lanes, &dialer.for_lanes(), &settings, batching, &health),
            looks: Lanes::start(1, &dialer.for_lanes(), &settings, batching, &health),
            pool: Pool::new(&dialer, &settings, &health)?,
            clock,
            health,
            batching,
            restamp_after: settings.restamp_after,
            _heart: heart,
        })
    }

    /// The database's clock, which every node on it must follow.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock) as Arc<dyn Clock>
    }

    /// How waiting rotations are sent; never [`Batching::Auto`].
    #[must_use]
    pub fn batching(&self) -> Batching {
        self.batching
    }

    /// Sees to the date of a rotation that went through the pool, as the lanes do for theirs.
    async fn date<E>(&self, rotation: &Rotation, asked_at: Instant, turned: &Result<Option<Rotated>, E>) {
        let is_late = asked_at.elapsed() >= self.restamp_after;
        match turned {
            Ok(None) => return,
            Ok(Some(_)) if !is_late => return,
            Ok(Some(_)) | Err(_) => {}
        }
        self.health.watch(std::iter::once((rotation, asked_at)));
        if is_late && turned.is_ok() {
            let dated = self.pool.read("date a late rotation", &*self.health, |link, health| {
                redate_watched(link, health).boxed()
            });
            // What fails here is tried again with every heartbeat.
            let _ = dated.await;
        }
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn ready(&self) -> Result<(), Fault> {
        const DOING: &str = "use the database";
        let schema = self.pool.read(DOING, &(), |link, ()| migration::schema(link).boxed()).await?;
        migration::expect_usable(&schema)?;
        if self.clock.age() >= CLOCK_UNKNOWN {
            let age = self.clock.age();
            return Err(Fault::unavailable(DOING, format!("its clock was last read {age:?} ago")));
        }
        Ok(())
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("batching", &self.batching).finish_non_exhaustive()
    }
}

/// Which way of sending rotations suits the engine.
async fn suited(link: &Link) -> Result<Batching, Trouble> {
    const ENGINE: Sql = Sql {
        text: "select version() ~* 'cockroachdb|-YB-'
                      or exists (select 1 from pg_extension where extname = 'citus') as is_distributed",
        types: &[],
    };
    let is_distributed: bool = link.one(&ENGINE, &[]).await?.try_get("is_distributed")?;
    Ok(if is_distributed { Batching::Rows } else { Batching::Unnest })
}

/// Settings of the server's that may lose what is committed, but only with the machine.
async fn warn_of_what_is_risky(link: &Link) -> Result<(), Trouble> {
    const RISKY: Sql = Sql {
        text: "select current_setting('fsync', true) = 'off'
                      or current_setting('full_page_writes', true) = 'off' as is_risky",
        types: &[],
    };
    if link.one(&RISKY, &[]).await?.try_get::<_, Option<bool>>("is_risky")? == Some(true) {
        tracing::warn!(
            "fsync or full_page_writes is off on the database's server: a power cut can lose or corrupt what was \
             committed; turn both on"
        );
    }
    Ok(())
}

/// Looks at the clock, and for what was left unsure, on a connection of its own.
async fn beat(link: Link, dialer: Dialer, clock: Arc<DatabaseClock>, health: Arc<Health>) {
    let mut link = Some(link);
    let mut ticks = interval(HEARTBEAT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let asked_at = Instant::now();
        let once = async {
            let at = match link.take().filter(|link| !link.is_closed()) {
                Some(link) => link,
                None => dialer.dial().await?,
            };
            clock.adjust(&at).await?;
            redate_watched(&at, &health).await?;
            Ok(at)
        };
        match timeout(MISSED_BEAT, once).await.unwrap_or(Err(Trouble::Silent(MISSED_BEAT))) {
            Ok(at) => {
                health.works(asked_at);
                link = Some(at);
            }
            Err(trouble) => health.fails(asked_at, &trouble),
        }
    }
}

//! The store in one PostgreSQL database, for any number of nodes.
//!
//! Waiting rotations leave together, as one statement for each round trip, on one or two connections (`batcher`,
//! `rotate`); so do looks at rows (`find`). Everything else uses a small pool of connections that is waited for
//! only so long (`pool`). No node keeps anything another needs: what decides is in the row and in the condition of
//! the statement, and the time is the database's (`clock`).
//!
//! Only a primary that keeps what it commits is used. Every queue is bounded and every request has a deadline: what
//! waits longer, or finds a queue full, is answered with a fault. When the database goes away and comes back, this
//! goes on by itself (`health`).
//!
//! Behind a pooler that hands each transaction another connection (PgBouncer's transaction mode), statements are not
//! prepared; this is found out when connecting (`connection`).
//!
//! Call [`PostgresStore::migrate`], then [`PostgresStore::open`], inside a Tokio runtime with its timer enabled.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::FutureExt as _;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Along, AlongSlot, Migrated, Store};
use crate::clock::{Clock, SteadyClock, Timestamp};
use crate::error::Fault;
use crate::high_water::Progress;
use crate::observe::StoreObserved;
use crate::ratchet::Rotation;
use batcher::Batchers;
use clock::DatabaseClock;
use connection::{Connection, Connector, Sql};
use error::QueryError;
use find::FindOrder;
use health::Health;
use patience::patiently;
use pool::Pool;
use position::OwnCounts;
use rotate::{RotateOrder, redate_watched};
use spread::Spread;

mod batcher;
mod budgets;
mod certificates;
mod clock;
mod commit;
mod connection;
mod counted;
mod cuts;
mod daily_counts;
mod error;
mod factors;
mod find;
pub mod foreign;
mod health;
mod heart;
mod held_names;
#[cfg(feature = "sqlite")]
pub mod import;
mod issuers;
mod journal;
mod kept;
mod marks;
mod migration;
mod name_forms;
mod numbered;
mod numbers;
mod one_time;
mod outbox;
mod particulars;
mod patience;
mod place;
mod pool;
mod position;
mod queries;
mod queue;
mod readings;
mod rings;
mod rotate;
mod rows;
mod server;
mod sessions;
mod spread;
mod steps;
mod sweep;
mod tls;

pub use server::{BadUrl, Server, has_password};

/// What may be tuned. The defaults suit a node with two cores beside a database that does the same for others.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which database.
    pub server: Server,
    /// How waiting rotations are sent.
    pub batching: Batching,
    /// How many connections carry rotations. Two: one batch is on its way while the other is committed; more only
    /// make smaller batches.
    pub batchers: usize,
    /// How many rotations leave together at most.
    pub batch: usize,
    /// How many rotations may wait. One more is refused at once.
    pub queue: usize,
    /// How many connections everything else shares.
    pub pool: usize,
    /// How long a request waits for one of them; longer where the server is far away.
    pub pool_wait: Duration,
    /// How long connecting to one host may take, unless the server's URL says so (`connect_timeout`). Seven round trips and
    /// what the server itself needs must fit, with TLS and a password.
    pub connect_timeout: Duration,
    /// How long [`PostgresStore::migrate`] and [`PostgresStore::open`] go on trying to reach a database that is not ready.
    pub start_patience: Duration,
    /// How long a request waits for its answer, queueing included; longer where the server is more than a tenth of a second
    /// away. What is late may still happen, as with a lost answer.
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
            batchers: 2,
            batch: 256,
            queue: 1024,
            pool: 8,
            pool_wait: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(5),
            start_patience: Duration::ZERO,
            deadline: Duration::from_millis(2500),
            restamp_after: Duration::from_secs(1),
        }
    }
}

/// How many round trips a client's request takes at most: a change of password looks at the session, finds the hash, and
/// writes.
const REQUEST_ROUND_TRIPS: u32 = 16;

/// How many connections reserve of budgets, at most. Each is used for a few milliseconds before a password is hashed.
const BUDGET_CONNECTIONS: usize = 2;

/// A node whose last look at the database's clock is older takes no requests.
const CLOCK_UNKNOWN: Duration = Duration::from_secs(30);

/// A store in one PostgreSQL database.
pub struct PostgresStore {
    rotations: Batchers<RotateOrder>,
    finds: Batchers<FindOrder>,
    pool: Pool,
    /// For what nobody waits long for: the node's mark of life.
    marks: Pool,
    /// For what stands before a log-in: a flood of those must not hold up anything else.
    budgets: Pool,
    database_clock: Arc<DatabaseClock>,
    clock: Arc<SteadyClock>,
    health: Arc<Health>,
    progress: watch::Sender<Progress>,
    counts: OwnCounts,
    spread: Option<Arc<Spread>>,
    batching: Batching,
    along: AlongSlot,
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
        let connector = Connector::new(&settings.server, settings.connect_timeout)?;
        patiently(settings, || migration::migrate(&connector)).await
    }

    /// Whether there is no store yet: the database has neither our history of migrations nor a table of one of our names.
    ///
    /// # Errors
    /// A [`Fault`] if the database cannot be reached.
    pub async fn is_new(settings: &Settings) -> Result<bool, Fault> {
        let connector = Connector::new(&settings.server, settings.connect_timeout)?;
        patiently(settings, || migration::is_new(&connector)).await
    }

    /// Opens a database that has been migrated.
    ///
    /// # Errors
    /// A [`Fault`] if the database cannot be reached, is a standby, forgets what it commits
    /// (`synchronous_commit = off`), or its schema is not one this build can use.
    pub async fn open(settings: Settings) -> Result<Self, Fault> {
        patiently(&settings, || Self::open_once(settings.clone())).await
    }

    async fn open_once(settings: Settings) -> Result<Self, Fault> {
        const DOING: &str = "open the database";
        let connector = Connector::new(&settings.server, settings.connect_timeout)?;
        let connector = connector.bounded(settings.deadline, settings.deadline);
        let mut connection = connector.connect_to_primary().await.map_err(|error| error.fault(DOING))?;
        let clock = DatabaseClock::set_by(&connection).await.map_err(|error| error.fault(DOING))?;
        let (database_clock, health) = (Arc::new(clock), Arc::new(Health::default()));
        health.measured(database_clock.round_trip());
        let batching = match settings.batching {
            Batching::Auto => suited(&connection).await.map_err(|error| error.fault(DOING))?,
            chosen => chosen,
        };
        connection.suit(batching);
        let connector = connector.suiting(batching);
        let pool = Pool::new(&connector, &settings, &health, true)?;
        let alone = Settings { pool: 1, ..settings.clone() };
        let marks = Pool::new(&connector, &alone, &health, false)?;
        let few = Settings { pool: BUDGET_CONNECTIONS, ..settings.clone() };
        let budgets = Pool::new(&connector, &few, &health, false)?;
        if !health.detour(1).is_zero() {
            // A node whose first mark of life waits for a connection from far away would seem to have been away itself.
            marks.keep_warm();
        }
        migration::check(&connection).await?;
        warn_of_what_is_risky(&connection).await.map_err(|error| error.fault(DOING))?;
        // In a batcher nobody waits long for a row that somebody holds, for all others in the batch wait too.
        let bounded = connector.bounded(settings.deadline, settings.deadline / 5);
        let clock = SteadyClock::over(Arc::clone(&database_clock) as Arc<dyn Clock>);
        marks::carry_on(&clock, &connection).await.map_err(|error| error.fault(DOING))?;
        if !connection.is_ours() {
            tracing::info!("the database is behind a connection pooler: statements are not prepared");
        }
        let progress = position::read(&connection).await.map_err(|error| error.fault(DOING))?;
        let mut heart = JoinSet::new();
        let (counts, clock) = (OwnCounts::none_at(clock.now()), Arc::new(clock));
        let spread = (batching == Batching::Rows).then(|| Arc::new(Spread::whole_at(clock.now())));
        if let Some(spread) = &spread {
            heart.spawn(spread::keep_looking(connector.clone(), Arc::clone(&clock) as _, Arc::clone(spread)));
        }
        heart.spawn(heart::keep_beating(
            connection,
            connector,
            Arc::clone(&database_clock),
            pool.clone(),
            Arc::clone(&health),
        ));
        Ok(Self {
            rotations: Batchers::start(settings.batchers, &bounded, &settings, batching, &health),
            finds: Batchers::start(1, &bounded, &settings, batching, &health),
            pool,
            marks,
            budgets,
            database_clock,
            clock,
            health,
            progress: watch::Sender::new(progress),
            counts,
            spread,
            batching,
            along: AlongSlot::default(),
            restamp_after: settings.restamp_after,
            _heart: heart,
        })
    }

    /// How waiting rotations are sent; never [`Batching::Auto`].
    #[must_use]
    pub fn batching(&self) -> Batching {
        self.batching
    }

    /// Remembers, until the next count, that something was committed outside of a transaction.
    fn note(&self, has_changed: bool) {
        if has_changed {
            self.health.has_committed();
        }
    }

    /// A rotation that is about to go through the pool; see [`Undated`].
    fn undated<'a>(&'a self, rotation: &'a Rotation) -> Undated<'a> {
        Undated { store: self, rotation, asked_at: Instant::now(), is_sent: AtomicBool::new(false) }
    }
}

/// A rotation on its way through the pool. Dropped without an answer, whatever the reason, it is watched, as the batchers
/// watch theirs.
struct Undated<'a> {
    store: &'a PostgresStore,
    rotation: &'a Rotation,
    asked_at: Instant,
    is_sent: AtomicBool,
}

impl Undated<'_> {
    /// It leaves now, and may happen.
    fn leaves(&self) {
        self.is_sent.store(true, Ordering::Relaxed);
    }

    /// It has been answered: with `true` if it happened. One that took long is dated from now.
    async fn answered(self, has_happened: bool) {
        let is_late = self.asked_at.elapsed() >= self.store.restamp_after;
        self.is_sent.store(has_happened && is_late, Ordering::Relaxed);
        let (pool, health) = (&self.store.pool, Arc::clone(&self.store.health));
        let must_be_dated = has_happened && is_late;
        drop(self);
        if must_be_dated {
            let dated = pool.statement("date a late rotation", &*health, |connection, health| {
                redate_watched(connection, health).boxed()
            });
            // What fails here is tried again with every heartbeat.
            let _ = dated.await;
        }
    }
}

impl Drop for Undated<'_> {
    fn drop(&mut self) {
        if self.is_sent.load(Ordering::Relaxed) {
            self.store.health.watch(std::iter::once((self.rotation, self.asked_at)));
        }
    }
}

#[async_trait]
impl Store for PostgresStore {
    fn writes_along(&self, along: Arc<dyn Along>) {
        self.along.set(along);
    }

    async fn ready(&self) -> Result<(), Fault> {
        const DOING: &str = "use the database";
        let schema =
            self.pool.statement(DOING, &(), |connection, ()| migration::schema(connection).boxed()).await?;
        migration::expect_usable(&schema)?;
        let unreadable = self
            .pool
            .statement(DOING, &(), |connection, ()| migration::unreadable(connection).boxed())
            .await?;
        migration::expect_grants(unreadable)?;
        // What another node noticed, or somebody accepted. Where this node has come to it hears when it counts.
        let went_back_at = position::look(self).await?.went_back_at;
        self.progress.send_if_modified(|known| {
            std::mem::replace(&mut known.went_back_at, went_back_at) != went_back_at
        });
        if self.database_clock.age() >= CLOCK_UNKNOWN {
            let age = self.database_clock.age();
            return Err(Fault::unavailable(DOING, format!("its clock was last read {age:?} ago")));
        }
        Ok(())
    }

    fn detour(&self) -> Duration {
        self.health.detour(REQUEST_ROUND_TRIPS)
    }

    /// The database's, which every node on it must follow, as far as it is to be believed.
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock) as Arc<dyn Clock>
    }

    fn progress(&self) -> Option<watch::Receiver<Progress>> {
        Some(self.progress.subscribe())
    }

    fn observed(&self) -> StoreObserved {
        counted::of(self)
    }

    async fn count_commits(&self) -> Result<(), Fault> {
        position::count(self).await
    }

    async fn sign_as(&self, place: &str, issuer: &str, since: Timestamp) -> Result<Vec<String>, Fault> {
        self.note_issuer(place, issuer, self.clock.now(), since).await
    }

    async fn sign_no_more(&self, place: &str) -> Result<(), Fault> {
        self.forget_issuer(place).await
    }

    async fn read_progress(&self) -> Result<Option<Progress>, Fault> {
        position::look(self).await.map(Some)
    }

    async fn count_on(&self, seen: u64, went_back_at: Option<Timestamp>) -> Result<(), Fault> {
        position::count_on(self, seen, went_back_at).await
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("batching", &self.batching).finish_non_exhaustive()
    }
}

/// Which way of sending rotations suits the engine.
async fn suited(connection: &Connection) -> Result<Batching, QueryError> {
    const ENGINE: Sql = Sql {
        text: "select version() ~* 'cockroachdb|-YB-'
                      or exists (select 1 from pg_extension where extname = 'citus') as is_distributed",
        types: &[],
    };
    let is_distributed: bool = connection.one(&ENGINE, &[]).await?.try_get("is_distributed")?;
    Ok(if is_distributed { Batching::Rows } else { Batching::Unnest })
}

/// Settings of the server's that may lose what is committed, but only with the machine.
async fn warn_of_what_is_risky(connection: &Connection) -> Result<(), QueryError> {
    const RISKY: Sql = Sql {
        text: "select current_setting('fsync', true) = 'off'
                      or current_setting('full_page_writes', true) = 'off' as is_risky",
        types: &[],
    };
    if connection.one(&RISKY, &[]).await?.try_get::<_, Option<bool>>("is_risky")? == Some(true) {
        tracing::warn!(
            "fsync or full_page_writes is off on the database's server: a power cut can lose or corrupt what was \
             committed; turn both on"
        );
    }
    Ok(())
}

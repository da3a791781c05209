//! Everything that is no batcher's: a small pool of connections, waited for a bounded time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use deadpool::Runtime;
use deadpool::managed::{
    self, Metrics, Object, PoolConfig, PoolError, RecycleError, RecycleResult, Timeouts,
};
use futures_util::future::{BoxFuture, join_all};
use futures_util::try_join;

use super::Settings;
use super::connection::{Connection, Connector};
use super::error::{QueryError, Remedy};
use super::health::Health;
use crate::error::Fault;
use crate::observe::{Count, Observed, OperationObserved, Operations, PoolObserved, Times};

/// What a transaction came to: kept, or undone, which is an answer too.
#[derive(Debug)]
pub(super) enum Outcome<T> {
    Keep(T),
    Undo(T),
}

/// How many connections wait for whoever comes next, if there may be so many. Where the server is far away, making one
/// takes longer than a request waits.
const READY: usize = 2;

/// A small pool of connections, shared by its clones. What is committed through it moves the store on, where `is_counted`
/// says so.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    connections: managed::Pool<Maker>,
    health: Arc<Health>,
    deadline: Duration,
    is_counted: bool,
    is_warming: Arc<AtomicBool>,
    kept: Arc<Kept>,
}

/// What is counted of a pool.
#[derive(Debug, Default)]
struct Kept {
    operations: Operations,
    wait: Times,
    connected: Count,
    failed: Count,
}

impl Pool {
    pub(super) fn new(
        connector: &Connector,
        settings: &Settings,
        health: &Arc<Health>,
        is_counted: bool,
    ) -> Result<Self, Fault> {
        let timeouts = Timeouts {
            wait: Some(settings.pool_wait),
            create: Some(connector.timeout() + Duration::from_millis(100)),
            recycle: Some(connector.timeout()),
        };
        let kept = Arc::<Kept>::default();
        let (connector, own) = (connector.clone(), Arc::clone(&kept));
        let maker = Maker { connector, health: Arc::clone(health), kept: own };
        let connections = managed::Pool::builder(maker)
            .config(PoolConfig { max_size: settings.pool.max(1), timeouts, ..PoolConfig::default() })
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| Fault::internal("prepare the connections to the database", error))?;
        let is_warming = Arc::default();
        Ok(Self {
            connections,
            health: Arc::clone(health),
            deadline: settings.deadline,
            is_counted,
            is_warming,
            kept,
        })
    }

    /// What was counted until now, of the pool of that name.
    pub(super) fn observed(&self, name: &'static str) -> PoolObserved {
        let status = self.connections.status();
        PoolObserved {
            name,
            bound: status.max_size as u64,
            open: status.size as u64,
            idle: status.available as u64,
            waiting: status.waiting as u64,
            connected: self.kept.connected.get(),
            failed: self.kept.failed.get(),
        }
    }

    /// What it was asked, and how long whoever asked waited for a connection.
    pub(super) fn asked(&self) -> (Vec<OperationObserved>, Observed) {
        (self.kept.operations.observed(), self.kept.wait.observed())
    }

    /// Lets go of connections that are of no use any more, and connects ahead of need, in the background.
    pub(super) fn keep_warm(&self) {
        let _gone = self.connections.retain(|connection, metrics| {
            !connection.is_closed() && !self.health.was_away_within(metrics.last_used())
        });
        let status = self.connections.status();
        let lacking = READY.min(status.max_size).saturating_sub(status.size);
        if lacking == 0 || self.is_warming.swap(true, Ordering::AcqRel) {
            return;
        }
        let pool = self.clone();
        tokio::spawn(async move {
            // All are held until the last is there, or one would be given out again and again.
            let made = join_all((0..lacking).map(|_| pool.connections.get())).await;
            drop(made);
            pool.is_warming.store(false, Ordering::Release);
        });
    }

    /// Does `work` with one statement, or several that need no transaction; again where it lost to another.
    pub(super) async fn statement<P, T>(
        &self,
        doing: &'static str,
        given: &P,
        work: impl for<'a> Fn(&'a Connection, &'a P) -> BoxFuture<'a, Result<T, QueryError>>,
    ) -> Result<T, Fault> {
        self.kept.operations.counted(doing, self.perform(doing, given, None, work)).await
    }

    /// Does `work` in one transaction, and all of it again where it lost to another.
    pub(super) async fn transaction<P, T>(
        &self,
        doing: &'static str,
        given: &P,
        work: impl for<'a> Fn(&'a Connection, &'a P) -> BoxFuture<'a, Result<Outcome<T>, QueryError>>,
    ) -> Result<T, Fault> {
        let is_kept: IsKept<Outcome<T>> = |outcome| matches!(outcome, Outcome::Keep(_));
        let performed = self.perform(doing, given, Some(is_kept), work);
        match self.kept.operations.counted(doing, performed).await? {
            Outcome::Keep(value) => {
                if self.is_counted {
                    self.health.has_committed();
                }
                Ok(value)
            }
            Outcome::Undo(value) => Ok(value),
        }
    }

    async fn perform<P, T>(
        &self,
        doing: &'static str,
        given: &P,
        is_kept: Option<IsKept<T>>,
        work: impl for<'a> Fn(&'a Connection, &'a P) -> BoxFuture<'a, Result<T, QueryError>>,
    ) -> Result<T, Fault> {
        if self.health.is_away() {
            let why = "the database is away; this ends by itself once it is back";
            return Err(Fault::unavailable(doing, why));
        }
        let asked_at = Instant::now();
        let tries = async {
            loop {
                let mut borrowed = self.borrow(asked_at).await?;
                let outcome = match is_kept {
                    Some(is_kept) => transact(&borrowed, given, is_kept, &work).await,
                    None => work(&borrowed, given).await,
                };
                borrowed.give_back_unless_broken(outcome.as_ref().err());
                match outcome {
                    Err(error) if error.remedy() == Remedy::Repeat => {}
                    outcome => return outcome,
                }
            }
        };
        let deadline = self.health.patience(self.deadline);
        let outcome = tokio::time::timeout(deadline, tries).await;
        outcome.unwrap_or(Err(QueryError::Silent(deadline))).map_err(|error| error.fault(doing))
    }

    /// On a task of its own: a connection that takes longer to make than this request waits is there for the next one.
    async fn borrow(&self, asked_at: Instant) -> Result<Borrowed, QueryError> {
        let connections = self.connections.clone();
        let mut timeouts = connections.timeouts();
        timeouts.wait = timeouts.wait.map(|wait| self.health.patience(wait));
        let since = Instant::now();
        let got = tokio::spawn(async move { connections.timeout_get(&timeouts).await }).await;
        self.kept.wait.took(since.elapsed());
        let got = got.map_err(|error| QueryError::Unreadable(error.to_string()))?;
        let found = got.map_err(|error| match error {
            PoolError::Backend(error) => error,
            PoolError::Timeout(managed::TimeoutType::Wait) => QueryError::Crowded,
            PoolError::Timeout(_) => QueryError::Silent(asked_at.elapsed()),
            error => QueryError::Unreadable(error.to_string()),
        })?;
        Ok(Borrowed { connection: Some(found), is_sound: false })
    }
}

/// Whether what a transaction came to is committed.
type IsKept<T> = fn(&T) -> bool;

async fn transact<P, T>(
    connection: &Connection,
    given: &P,
    is_kept: IsKept<T>,
    work: impl for<'a> Fn(&'a Connection, &'a P) -> BoxFuture<'a, Result<T, QueryError>>,
) -> Result<T, QueryError> {
    // The beginning leaves together with the first statements of the work, which lock or read only; where it fails, the
    // work is dropped before it has seen an answer.
    let worked = try_join!(connection.begin(), work(connection, given));
    match worked {
        Ok(((), value)) => {
            connection.end(is_kept(&value)).await?;
            Ok(value)
        }
        Err(error) => {
            if error.remedy() != Remedy::Reconnect {
                connection.end(false).await?;
            }
            Err(error)
        }
    }
}

/// A connection out of the pool. It goes back only when it is known to be in no transaction and waiting for nothing;
/// where a deadline cut the work short, it is closed.
struct Borrowed {
    connection: Option<Object<Maker>>,
    is_sound: bool,
}

impl Borrowed {
    fn give_back_unless_broken(&mut self, error: Option<&QueryError>) {
        self.is_sound = error.is_none_or(|error| error.remedy() != Remedy::Reconnect);
    }
}

impl std::ops::Deref for Borrowed {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("the connection is there until this is dropped")
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && !self.is_sound
        {
            Object::take(connection).abandon();
        }
    }
}

#[derive(Debug)]
struct Maker {
    connector: Connector,
    health: Arc<Health>,
    kept: Arc<Kept>,
}

impl managed::Manager for Maker {
    type Type = Connection;
    type Error = QueryError;

    async fn create(&self) -> Result<Connection, QueryError> {
        let connected = self.connector.connect_to_primary().await;
        if connected.is_ok() {
            self.kept.connected.one()
        } else {
            self.kept.failed.one()
        }
        connected
    }

    /// A connection from before the database was last away may lead to a server that is no more, without a word.
    async fn recycle(&self, connection: &mut Connection, metrics: &Metrics) -> RecycleResult<QueryError> {
        if connection.is_closed() || self.health.was_away_within(metrics.last_used()) {
            return Err(RecycleError::message("closed, or from before the database was away"));
        }
        Ok(())
    }
}

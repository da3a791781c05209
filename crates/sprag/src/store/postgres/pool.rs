//! Everything that is no lane's: a small pool of connections, waited for a bounded time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool::Runtime;
use deadpool::managed::{
    self, Metrics, Object, PoolConfig, PoolError, RecycleError, RecycleResult, Timeouts,
};
use futures_util::future::BoxFuture;

use super::Settings;
use super::health::Health;
use super::link::{Dialer, Link};
use super::trouble::{Remedy, Trouble};
use crate::error::Fault;

/// What a transaction came to: kept, or undone, which is an answer too.
#[derive(Debug)]
pub(super) enum Outcome<T> {
    Keep(T),
    Undo(T),
}

/// A small pool of connections.
#[derive(Debug)]
pub(super) struct Pool {
    links: managed::Pool<Maker>,
    health: Arc<Health>,
    deadline: Duration,
}

impl Pool {
    pub(super) fn new(dialer: &Dialer, settings: &Settings, health: &Arc<Health>) -> Result<Self, Fault> {
        let timeouts = Timeouts {
            wait: Some(settings.pool_wait),
            create: Some(settings.connect_timeout + Duration::from_millis(100)),
            recycle: Some(settings.connect_timeout),
        };
        let links = managed::Pool::builder(Maker(dialer.clone()))
            .config(PoolConfig { max_size: settings.pool.max(1), timeouts, ..PoolConfig::default() })
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| Fault::internal("prepare the connections to the database", error))?;
        Ok(Self { links, health: Arc::clone(health), deadline: settings.deadline })
    }

    /// Does `work` with one statement, or several that need no transaction; again where it lost to another.
    pub(super) async fn read<P, T>(
        &self,
        doing: &'static str,
        given: &P,
        work: impl for<'a> Fn(&'a Link, &'a P) -> BoxFuture<'a, Result<T, Trouble>>,
    ) -> Result<T, Fault> {
        self.perform(doing, given, None, work).await
    }

    /// Does `work` in one transaction, and all of it again where it lost to another.
    pub(super) async fn write<P, T>(
        &self,
        doing: &'static str,
        given: &P,
        work: impl for<'a> Fn(&'a Link, &'a P) -> BoxFuture<'a, Result<Outcome<T>, Trouble>>,
    ) -> Result<T, Fault> {
        let is_kept: IsKept<Outcome<T>> = |outcome| matches!(outcome, Outcome::Keep(_));
        let (Outcome::Keep(value) | Outcome::Undo(value)) =
            self.perform(doing, given, Some(is_kept), work).await?;
        Ok(value)
    }

    async fn perform<P, T>(
        &self,
        doing: &'static str,
        given: &P,
        transaction: Option<IsKept<T>>,
        work: impl for<'a> Fn(&'a Link, &'a P) -> BoxFuture<'a, Result<T, Trouble>>,
    ) -> Result<T, Fault> {
        if self.health.is_away() {
            let why = "the database is away; this ends by itself once it is back";
            return Err(Fault::unavailable(doing, why));
        }
        let asked_at = Instant::now();
        let tries = async {
            loop {
                let mut borrowed = self.borrow(asked_at).await?;
                let outcome = match transaction {
                    Some(is_kept) => transact(&borrowed, given, is_kept, &work).await,
                    None => work(&borrowed, given).await,
                };
                borrowed.give_back_unless_broken(outcome.as_ref().err());
                match outcome {
                    Err(trouble) if trouble.remedy() == Remedy::Repeat => {}
                    outcome => return outcome,
                }
            }
        };
        let outcome = tokio::time::timeout(self.deadline, tries).await;
        outcome.unwrap_or(Err(Trouble::Silent(self.deadline))).map_err(|trouble| trouble.fault(doing))
    }

    async fn borrow(&self, asked_at: Instant) -> Result<Borrowed, Trouble> {
        let found = self.links.get().await.map_err(|error| match error {
            PoolError::Backend(trouble) => trouble,
            PoolError::Timeout(managed::TimeoutType::Wait) => Trouble::Crowded,
            PoolError::Timeout(_) => Trouble::Silent(asked_at.elapsed()),
            error => Trouble::Unreadable(error.to_string()),
        })?;
        Ok(Borrowed { link: Some(found), is_sound: false })
    }
}

/// Whether what a transaction came to is committed.
type IsKept<T> = fn(&T) -> bool;

async fn transact<P, T>(
    link: &Link,
    given: &P,
    is_kept: IsKept<T>,
    work: impl for<'a> Fn(&'a Link, &'a P) -> BoxFuture<'a, Result<T, Trouble>>,
) -> Result<T, Trouble> {
    link.run("begin isolation level read committed").await?;
    match work(link, given).await {
        Ok(value) => {
            link.run(if is_kept(&value) { "commit" } else { "rollback" }).await?;
            Ok(value)
        }
        Err(trouble) => {
            if trouble.remedy() != Remedy::Reconnect {
                link.run("rollback").await?;
            }
            Err(trouble)
        }
    }
}

/// A connection out of the pool. It goes back only when it is known to be in no transaction and waiting for nothing;
/// where a deadline cut the work short, it is closed.
struct Borrowed {
    link: Option<Object<Maker>>,
    is_sound: bool,
}

impl Borrowed {
    fn give_back_unless_broken(&mut self, trouble: Option<&Trouble>) {
        self.is_sound = trouble.is_none_or(|trouble| trouble.remedy() != Remedy::Reconnect);
    }
}

impl std::ops::Deref for Borrowed {
    type Target = Link;

    fn deref(&self) -> &Link {
        self.link.as_ref().expect("the connection is there until this is dropped")
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if let Some(link) = self.link.take()
            && !self.is_sound
        {
            drop(Object::take(link));
        }
    }
}

#[derive(Debug)]
struct Maker(Dialer);

impl managed::Manager for Maker {
    type Type = Link;
    type Error = Trouble;

    async fn create(&self) -> Result<Link, Trouble> {
        self.0.dial().await
    }

    async fn recycle(&self, link: &mut Link, _: &Metrics) -> RecycleResult<Trouble> {
        if link.is_closed() { Err(RecycleError::message("closed")) } else { Ok(()) }
    }
}

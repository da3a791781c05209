//! The heartbeat: whether the database answers, what time it is there, and what has become of what was left unsure.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::clock::DatabaseClock;
use super::connection::{Connection, Connector};
use super::error::QueryError;
use super::health::Health;
use super::pool::Pool;
use super::rotate::redate_watched;

/// A heartbeat that takes longer is missed.
const MISSED_BEAT: Duration = Duration::from_secs(2);

/// How often the database's clock is looked at, and what was left unsure is looked for.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// Keeps the heart beating, whatever panics.
pub(super) async fn keep_beating(
    connection: Connection,
    connector: Connector,
    clock: Arc<DatabaseClock>,
    pool: Pool,
    health: Arc<Health>,
) {
    let mut connection = Some(connection);
    loop {
        let beating = beat(connection.take(), &connector, &clock, &pool, &health);
        if AssertUnwindSafe(beating).catch_unwind().await.is_err() {
            tracing::error!("the heartbeat panicked, as told above; going on with a new connection");
        }
    }
}

/// Connects anew. A server that is far away takes longer than a beat may, and is given the time to connect; requests are
/// told meanwhile that it does not answer.
async fn reconnect(
    connector: &Connector,
    health: &Health,
    asked_at: Instant,
) -> Result<Connection, QueryError> {
    let mut connecting = pin!(connector.connect_to_primary());
    if let Ok(connected) = timeout(MISSED_BEAT, &mut connecting).await {
        return connected;
    }
    health.fails(asked_at, &QueryError::Silent(MISSED_BEAT));
    connecting.await
}

/// Looks at the clock, and for what was left unsure, on a connection of its own.
async fn beat(
    mut connection: Option<Connection>,
    connector: &Connector,
    clock: &DatabaseClock,
    pool: &Pool,
    health: &Health,
) {
    let mut ticks = interval(HEARTBEAT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let asked_at = Instant::now();
        let kept = connection.take().filter(|connection| !connection.is_closed());
        let is_kept = kept.is_some();
        let beats = async {
            let at = match kept {
                Some(connection) => connection,
                None => reconnect(connector, health, asked_at).await?,
            };
            match timeout(MISSED_BEAT, clock.adjust(&at)).await {
                Ok(adjusted) => adjusted.map(|round_trip| (at, round_trip)),
                Err(_) => Err(QueryError::Silent(MISSED_BEAT)),
            }
        };
        match beats.await {
            Ok((at, round_trip)) => {
                health.works(asked_at);
                health.measured(round_trip);
                if !is_kept {
                    health.is_reconnected();
                }
                pool.keep_warm();
                let looked = timeout(MISSED_BEAT, redate_watched(&at, health)).await;
                if let Ok(Err(error)) = &looked {
                    tracing::debug!(%error, "looking for rotations of unknown outcome is put off");
                }
                connection = looked.is_ok().then_some(at);
            }
            Err(error) => health.fails(asked_at, &error),
        }
    }
}

//! Whether every server answers over which a distributed engine has spread the tables, and since when one does not.
//!
//! One that is away costs its accounts: everybody else goes on, and so do the nodes' marks. But whoever has an account
//! there could not be answered, so that time counts for no reuse interval either. All servers are looked at once a
//! second, on a connection of its own; each node writes what it found down beside its mark.

use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};

use uuid::Uuid;

use super::connection::{Connection, Connector, Sql};
use super::error::{QueryError, Remedy};
use crate::clock::{Clock, Timestamp};
use crate::outages::{NodeId, Outage};

/// Asks every shard of the accounts for next to nothing.
const LOOK_EVERYWHERE: Sql = Sql {
    text: "
    select id
    from account
    order by id
    limit 1",
    types: &[],
};

const PAUSE: Duration = Duration::from_secs(1);

/// A look that takes longer has found a server that does not answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What one node has seen of all servers.
#[derive(Debug)]
pub(super) struct Spread {
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    /// When all last answered.
    whole_at: Timestamp,
    is_broken: bool,
    /// Whether this node has moved its mark: until then it judges nobody, and must see when others served last.
    serves: bool,
    /// Stretches in which not all did, from and until, that are not written down.
    over: Vec<(Timestamp, Timestamp)>,
}

impl Spread {
    /// All are taken to have answered until `now`.
    pub(super) fn whole_at(now: Timestamp) -> Self {
        Self { seen: Mutex::new(Seen { whole_at: now, is_broken: false, serves: false, over: Vec::new() }) }
    }

    /// All have answered.
    fn answers(&self, now: Timestamp) {
        let mut seen = self.lock();
        let since = std::mem::replace(&mut seen.whole_at, now);
        if std::mem::take(&mut seen.is_broken) {
            seen.over.push((since, now));
            let seconds = now.millis_since(since) / 1000;
            tracing::info!(seconds, "every server over which the tables are spread answers again");
        }
    }

    /// One has not.
    fn fails(&self, why: &dyn Display) {
        if !std::mem::replace(&mut self.lock().is_broken, true) {
            tracing::error!(
                "a server over which the tables are spread does not answer; requests for the accounts that lie there \
                 get 503 until it does: {why}"
            );
        }
    }

    /// When not all answered, as far as it is not written down, and until now where it lasts.
    pub(super) fn outages(&self, node: NodeId, now: Timestamp) -> Vec<Outage> {
        let seen = self.lock();
        let lasting = seen.is_broken.then_some((seen.whole_at, now));
        let spans = seen.over.iter().copied().chain(lasting);
        spans.map(|(from, until)| Outage { node, from, until }).collect()
    }

    /// What [`outages`](Self::outages) tells, for whoever judges: not before this node serves. Whose outages they are changes nothing.
    pub(super) fn outages_to_judge_by(&self, now: Timestamp) -> Vec<Outage> {
        if self.lock().serves { self.outages(NodeId(Uuid::nil()), now) } else { Vec::new() }
    }

    /// Those are written down beside the mark; one that lasts goes on.
    pub(super) fn noted(&self, outages: &[Outage]) {
        let mut seen = self.lock();
        seen.serves = true;
        seen.over.retain(|span| !outages.iter().any(|noted| (noted.from, noted.until) == *span));
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at all servers again and again.
pub(super) async fn keep_looking(connector: Connector, clock: Arc<dyn Clock>, spread: Arc<Spread>) {
    let mut ticks = interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut connection = None;
    loop {
        ticks.tick().await;
        match look(&mut connection, &connector).await {
            Ok(()) => spread.answers(clock.now()),
            Err(error) => {
                spread.fails(&error);
                if error.remedy() == Remedy::Reconnect
                    && let Some(connection) = connection.take()
                {
                    Connection::abandon(connection);
                }
            }
        }
    }
}

/// Connecting is given its own time, for the server may be far away; where it is gone, nobody is answered anyway.
async fn look(connection: &mut Option<Connection>, connector: &Connector) -> Result<(), QueryError> {
    let sound = match connection.take().filter(|connection| !connection.is_closed()) {
        Some(connection) => connection,
        None => connector.connect_to_primary().await?,
    };
    let looked = timeout(PATIENCE, connection.insert(sound).query(&LOOK_EVERYWHERE, &[])).await;
    looked.unwrap_or(Err(QueryError::Silent(PATIENCE))).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp(second * 1000)
    }

    #[test]
    fn the_time_in_which_a_server_was_away_is_told_until_it_is_written_down() {
        let node = NodeId(Uuid::from_u128(1));
        let spread = Spread::whole_at(at(10));
        let told = |now| -> Vec<(i64, i64)> {
            let outages = spread.outages(node, at(now));
            outages.iter().map(|outage| (outage.from.0 / 1000, outage.until.0 / 1000)).collect()
        };
        assert_eq!(told(20), []);
        spread.answers(at(20));
        assert_eq!(told(21), []);
        spread.fails(&"gone");
        spread.fails(&"gone");
        assert_eq!(told(25), [(20, 25)], "it lasts");
        assert_eq!(spread.outages_to_judge_by(at(25)), [], "it does not serve yet");
        spread.noted(&spread.outages(node, at(25)));
        assert_eq!(told(30), [(20, 30)], "and grows");
        assert_eq!(spread.outages_to_judge_by(at(30)).len(), 1);
        spread.answers(at(40));
        assert_eq!(told(50), [(20, 40)], "until all answer");
        spread.fails(&"gone");
        assert_eq!(told(60), [(20, 40), (40, 60)]);
        let written = spread.outages(node, at(60));
        spread.answers(at(61));
        spread.noted(&written);
        assert_eq!(told(70), [(40, 61)], "what came after it was written is still to be");
    }
}

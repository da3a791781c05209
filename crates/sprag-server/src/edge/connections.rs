//! Connections that are open: how many a network may have, how much they may make the server hold, and which of them
//! gives way where that is too much.
//!
//! What a client has sent and is not answered yet, and what it was answered and has not taken yet, lies in memory. All of
//! it counts for its connection, the network that this is from, and all together.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use sprag::prefix::Prefix;
use sprag::timers::KeptTimers;
use tokio::time::{Instant, sleep_until};

use super::last_client::LastClient;
use super::smuggling::Refused;
use crate::metrics::Metrics;

mod bounds;
mod held;
mod state;
mod unsent;
mod waiting;

pub use bounds::Bounds;
use held::Held;
pub(crate) use state::Over;
use state::{Due, LEFT_ALONE, Rank, State};
pub(crate) use unsent::Unsent;
use waiting::Waiting;

/// What a request or an answer takes beside its bytes, about.
const EACH_BYTES: usize = 4 * 1024;

/// For how long nobody must have asked anything before the server counts as idle.
const QUIET: Duration = Duration::from_millis(100);

/// What part of everything a network may hold and still be served while there is too much.
const MODEST_SHARES: usize = 64;

/// All connections that are open.
#[derive(Debug)]
pub(crate) struct Connections {
    bounds: Bounds,
    metrics: Arc<Metrics>,
    open: Mutex<Open>,
    held: Held,
    waiting: Waiting,
}

/// Those that are open by network; those of proxies that are believed are of none.
#[derive(Debug, Default)]
struct Open {
    networks: HashMap<Option<Prefix>, Network>,
    count: usize,
    next: u64,
    /// When one that is gone was last at something.
    last_of_gone: Option<Instant>,
}

#[derive(Debug, Default)]
struct Network {
    members: HashMap<u64, Arc<Connection>>,
    held: Arc<Held>,
}

/// One connection that is open.
#[derive(Debug)]
pub(crate) struct Connection {
    connections: Arc<Connections>,
    number: u64,
    network: Option<Prefix>,
    network_held: Arc<Held>,
    is_waiting: Arc<AtomicBool>,
    state: Mutex<State>,
    told: AtomicWaker,
    refused: Arc<Refused>,
    timers: KeptTimers,
    last_client: LastClient,
}

/// A connection's place among those that are open; free again once it is dropped.
#[derive(Debug)]
pub(crate) struct Seat(Arc<Connection>);

/// One request under way, with what is held for it; over when the last of it is dropped, answered or not.
#[derive(Clone, Debug)]
pub(crate) struct Asking(Arc<Request>);

#[derive(Debug)]
struct Request {
    connection: Arc<Connection>,
    bytes: AtomicUsize,
}

impl Connections {
    pub(crate) fn new(bounds: Bounds, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            bounds,
            metrics,
            open: Mutex::default(),
            held: Held::default(),
            waiting: Waiting::default(),
        })
    }

    /// How long an answer may wait for its client to take some of it.
    pub(crate) fn unread(&self) -> Duration {
        self.bounds.unread
    }

    /// A place for a newcomer. Where its network has as many as it may, or there are as many as there may be at all, another
    /// one gives way; `None` where all of them are at requests that have just begun.
    pub(crate) fn admit(self: &Arc<Self>, peer: IpAddr) -> Option<Seat> {
        self.admit_at(peer, Instant::now())
    }

    fn admit_at(self: &Arc<Self>, peer: IpAddr, now: Instant) -> Option<Seat> {
        let proxies = &self.bounds.proxies;
        let is_proxy = proxies.believes(peer.to_canonical());
        let network = (!is_proxy).then(|| Prefix::from(peer));
        let mut open = self.open();
        let of_network = open.networks.get(&network).map_or(0, |network| network.members.len());
        // A proxy that nobody named must not shut out those behind it.
        let may_be_many = is_proxy || proxies.may_be_missing(peer);
        if !may_be_many && of_network >= self.bounds.connections_per_network {
            self.send_off(&mut open, now, |of| *of == network)?;
        } else if open.count >= self.bounds.connections {
            self.make_place(&mut open, now, network)?;
        }
        Some(Seat(open.add(self, network, now)))
    }

    /// Resolves once nobody has asked anything for a moment, or after so long.
    pub(crate) async fn quiet(&self, at_most: Duration) {
        let end = Instant::now() + at_most;
        loop {
            let now = Instant::now();
            let quiet_at = self.open().quiet_at(now);
            if quiet_at <= now || end <= now {
                return;
            }
            sleep_until(quiet_at.min(end)).await;
        }
    }

    /// Resolves once nobody has been at a request or an answer for a moment.
    pub(crate) async fn idle(&self) {
        let mut since = Instant::now();
        loop {
            sleep_until(since + QUIET).await;
            let now = Instant::now();
            if !self.open().is_busy() {
                return;
            }
            since = now;
        }
    }

    /// Has one of the network with the most connections give way, as the system has no place for more.
    pub(crate) fn give_way(&self) {
        self.make_place(&mut self.open(), Instant::now(), None);
    }

    /// The network with the most connections loses one; only a proxy takes a place from a proxy.
    fn make_place(&self, open: &mut Open, now: Instant, newcomer: Option<Prefix>) -> Option<()> {
        let strangers = open.networks.iter().filter(|(network, _)| network.is_some());
        let fullest = strangers.max_by_key(|(_, of)| of.members.len()).map(|(network, _)| *network);
        let has_gone = fullest.and_then(|fullest| self.send_off(open, now, |of| *of == fullest));
        let has_gone = has_gone.or_else(|| self.send_off(open, now, |of| of.is_some() || newcomer.is_none()));
        // However busy it is: or whoever comes again and again would keep all places at requests that have just begun.
        has_gone.or_else(|| {
            let fullest = fullest.filter(|fullest| self.is_greedy(open, *fullest, newcomer))?;
            self.send_off(open, now + LEFT_ALONE, |of| *of == fullest)
        })
    }

    /// Whether a network has so many places that one of another's may always be taken from it.
    fn is_greedy(&self, open: &Open, fullest: Option<Prefix>, newcomer: Option<Prefix>) -> bool {
        let count = |network| open.networks.get(&network).map_or(0, |of| of.members.len());
        let modest = self.bounds.connections / MODEST_SHARES;
        count(fullest) > modest.max(2 * count(newcomer))
    }

    /// Closes the connection that has been idle for longest, of those networks.
    fn send_off(&self, open: &mut Open, now: Instant, among: impl Fn(&Option<Prefix>) -> bool) -> Option<()> {
        let networks = open.networks.iter().filter(|(network, _)| among(network));
        let members = networks.flat_map(|(_, network)| network.members.values());
        let (rank, longest) =
            members.filter_map(|one| Some((one.state().rank()?, one))).min_by_key(|(rank, _)| *rank)?;
        if !rank.may_go(now) {
            return None;
        }
        let longest = Arc::clone(longest);
        longest.give_way();
        open.remove(&longest);
        Some(())
    }

    /// Closes connections until no more is held than may be: of a network that has too much, else of the one that has most.
    fn free_memory(&self, asked_by: &Connection) {
        let open = self.open();
        loop {
            let of_network = asked_by.network_held.counted();
            let is_its_own = asked_by.network.is_some() && of_network > self.bounds.held_bytes_per_network();
            let network = if is_its_own {
                open.networks.get(&asked_by.network)
            } else if self.held.counted() > self.bounds.held_bytes() {
                open.networks.values().max_by_key(|network| network.held.counted())
            } else {
                None
            };
            let holders = network.into_iter().flat_map(|network| network.members.values());
            let Some(longest) =
                holders.filter_map(|one| Some((one.rank_if_it_holds()?, one))).min_by_key(|(rank, _)| *rank)
            else {
                return;
            };
            longest.1.give_way();
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn add(&mut self, all: &Arc<Connections>, network: Option<Prefix>, now: Instant) -> Arc<Connection> {
        let number = self.next;
        self.next += 1;
        self.count += 1;
        let of = self.networks.entry(network).or_default();
        let connection = Arc::new(Connection {
            connections: Arc::clone(all),
            number,
            network,
            network_held: Arc::clone(&of.held),
            is_waiting: Arc::default(),
            state: Mutex::new(State::new(now)),
            told: AtomicWaker::new(),
            refused: Arc::default(),
            timers: KeptTimers::default(),
            last_client: LastClient::default(),
        });
        of.members.insert(number, Arc::clone(&connection));
        connection
    }

    fn members(&self) -> impl Iterator<Item = &Arc<Connection>> {
        self.networks.values().flat_map(|network| network.members.values())
    }

    /// Whether anybody is at a request or an answer.
    fn is_busy(&self) -> bool {
        self.members().any(|one| !one.state().is_idle())
    }

    /// From when on it is quiet if nobody asks anything from now on; not after `now` where it is quiet already.
    fn quiet_at(&self, now: Instant) -> Instant {
        let open = self.members().map(|one| one.state().last_at_something(now));
        open.chain([self.last_of_gone]).flatten().max().map_or(now, |last| last + QUIET)
    }

    fn remove(&mut self, connection: &Connection) {
        self.last_of_gone = self.last_of_gone.max(connection.state().last_at_something(Instant::now()));
        let Some(of) = self.networks.get_mut(&connection.network) else { return };
        if of.members.remove(&connection.number).is_some() {
            self.count -= 1;
        }
        if of.members.is_empty() {
            self.networks.remove(&connection.network);
        }
    }
}

impl Seat {
    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.0
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.connections.open().remove(&self.0);
        self.0.connections.waiting.wake();
    }
}

impl Connection {
    /// Bytes have come from the peer.
    pub(crate) fn read(&self, bytes: &[u8]) {
        self.state().read(bytes, Instant::now());
    }

    /// It has sent more frames than it may that ask for nothing, and is closed.
    pub(crate) fn floods(&self) {
        self.connections.metrics.connections_flooding.inc();
    }

    /// What is refused on it.
    pub(crate) fn refused(&self) -> &Arc<Refused> {
        &self.refused
    }

    /// A request has come whose head has so many bytes.
    pub(crate) fn ask(self: &Arc<Self>, head_bytes: usize) -> Asking {
        let bytes = EACH_BYTES + head_bytes;
        self.hold(bytes, |state| state.begin(Instant::now()));
        Asking(Arc::new(Request { connection: Arc::clone(self), bytes: AtomicUsize::new(bytes) }))
    }

    /// An answer has been made that takes so many bytes by itself.
    pub(crate) fn answer(self: &Arc<Self>, own_bytes: usize) -> Arc<Unsent> {
        let bytes = EACH_BYTES + own_bytes;
        let answer = self.hold(bytes, |state| state.answer(Instant::now()));
        Arc::new(Unsent::new(Arc::clone(self), answer, bytes))
    }

    /// Resolves once it is to be closed, and why.
    pub(crate) async fn over(&self) -> Over {
        let look = || self.state().look(&self.connections.bounds, Instant::now());
        let mut again = pin!(match look() {
            Due::Over(over) => return over,
            Due::Again(at) => sleep_until(at),
        });
        poll_fn(|context| {
            self.told.register(context.waker());
            if self.state().gives_way() {
                return Poll::Ready(Over::GivesWay);
            }
            loop {
                ready!(again.as_mut().poll(context));
                match look() {
                    Due::Over(over) => return Poll::Ready(over),
                    Due::Again(at) => again.as_mut().reset(at),
                }
            }
        })
        .await
    }

    /// Whether there is room for what comes next. Where others have been told to give way and have not gone yet, it waits,
    /// unless its network holds next to nothing.
    pub(crate) fn poll_room(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.has_room() {
            return Poll::Ready(());
        }
        self.connections.waiting.unless(|| self.has_room(), &self.is_waiting, context)
    }

    /// Resolves once there is room for the answer to a request that has come already.
    pub(crate) async fn room(&self) {
        if self.has_room() {
            return;
        }
        let is_waiting = Arc::default();
        poll_fn(|context| self.connections.waiting.unless(|| self.has_room(), &is_waiting, context)).await;
    }

    fn has_room(&self) -> bool {
        let bounds = &self.connections.bounds;
        let (in_all, of_network) = (self.connections.held.really(), self.network_held.really());
        let is_of_network = self.network.is_some();
        let is_crowded = is_of_network && of_network > bounds.held_bytes_per_network();
        let is_modest = !is_of_network || of_network <= bounds.held_bytes() / MODEST_SHARES;
        !is_crowded && (in_all <= bounds.held_bytes() || (is_modest && in_all <= 2 * bounds.held_bytes()))
    }

    /// So many bytes more count for it; `and` is what has happened that they came of.
    fn hold<T>(&self, bytes: usize, and: impl FnOnce(&mut State) -> T) -> T {
        let all = &self.connections;
        let (outcome, is_counted) = {
            let mut state = self.state();
            let outcome = and(&mut state);
            let is_counted = state.hold(bytes);
            self.network_held.add(bytes, is_counted);
            all.held.add(bytes, is_counted);
            (outcome, is_counted)
        };
        let is_crowded =
            self.network.is_some() && self.network_held.counted() > all.bounds.held_bytes_per_network();
        if is_counted && (is_crowded || all.held.counted() > all.bounds.held_bytes()) {
            all.free_memory(self);
        }
        outcome
    }

    /// So many bytes no longer count for it; `and` is what has happened that they went with.
    fn release(&self, bytes: usize, and: impl FnOnce(&mut State)) {
        {
            let mut state = self.state();
            and(&mut state);
            let is_counted = state.release(bytes);
            self.network_held.remove(bytes, is_counted);
            self.connections.held.remove(bytes, is_counted);
        }
        self.connections.waiting.wake();
    }

    /// It is closed as soon as its task runs; what it holds counts for nobody from now on.
    fn give_way(&self) {
        let mut state = self.state();
        self.network_held.write_off(state.held_bytes());
        self.connections.held.write_off(state.held_bytes());
        state.give_way();
        drop(state);
        self.connections.metrics.connections_gave_way.inc();
        self.told.wake();
    }

    fn rank_if_it_holds(&self) -> Option<Rank> {
        let state = self.state();
        state.rank().filter(|_| state.held_bytes() > 0)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asking {
    /// So many bytes of its body have come and are kept until it is answered.
    pub(crate) fn hold(&self, bytes: usize) {
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.0.connection.hold(bytes, |_| ());
    }

    /// What is refused on its connection.
    pub(crate) fn refused(&self) -> &Arc<Refused> {
        self.0.connection.refused()
    }

    /// The timers that its connection keeps.
    pub(crate) fn timers(&self) -> &KeptTimers {
        &self.0.connection.timers
    }

    /// Whom its connection's last request came from.
    pub(crate) fn last_client(&self) -> &LastClient {
        &self.0.connection.last_client
    }

    /// Whether there is room for its answer.
    pub(crate) fn has_room(&self) -> bool {
        self.0.connection.has_room()
    }

    /// Resolves once there is.
    pub(crate) async fn room(&self) {
        self.0.connection.room().await;
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.connection.release(self.bytes.load(Ordering::Relaxed), |state| state.finish(Instant::now()));
    }
}

#[cfg(test)]
mod tests;

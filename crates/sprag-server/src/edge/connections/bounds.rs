//! How many connections there may be, how long each may take, and how much they may make the server hold.

use std::time::Duration;

use crate::edge::proxies::Proxies;

/// How much is held for each connection that may be open, on average.
const HELD_PER_CONNECTION: usize = 6 * 1024;

/// The least that may be held in all, however few connections there may be.
const LEAST_HELD: usize = 16 * 1024 * 1024;

/// How large a share of everything one network may have.
const SHARES: usize = 4;

/// Bounds of the listener.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// How many connections may be open at once.
    pub connections: usize,
    /// How many of them may come from one network: 24 bits of an IPv4 address, 64 of an IPv6 one.
    pub connections_per_network: usize,
    /// Proxies that are believed: connections of theirs are of many clients, and count for no network.
    pub proxies: Proxies,
    /// How long a connection may be idle between two requests.
    pub keep_alive: Duration,
    /// How long a head may take from its first byte on, and the first one from the opening to its first byte.
    pub head: Duration,
    /// How long an answer may wait for its client to take some of it.
    pub unread: Duration,
    /// How long requests in flight may take to finish once shutdown has begun.
    pub grace: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 4096,
            connections_per_network: 4096 / SHARES,
            proxies: Proxies::default(),
            keep_alive: Duration::from_secs(75),
            // Nobody holds a connection for longer than ten seconds by being slow, also where many are closed at once and the
            // machine is busy.
            head: Duration::from_secs(9),
            unread: Duration::from_secs(8),
            grace: Duration::from_secs(8),
        }
    }
}

impl Bounds {
    /// How many bytes all requests under way and unsent answers may take.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.connections.saturating_mul(HELD_PER_CONNECTION).max(LEAST_HELD)
    }

    /// How many bytes those of one network may take.
    #[must_use]
    pub fn held_bytes_per_network(&self) -> usize {
        self.held_bytes() / SHARES
    }
}

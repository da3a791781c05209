//! Honest clients that refresh at a steady rate, beside whatever else is done to the server.

use std::time::Duration;

use sprag_testkit::binary::server::{Home, Server};

use super::Figure;
use super::target::Target;
use crate::load::driver::{self, Endpoint, LiveSession};
use crate::load::memory::Memory;
use crate::load::tally::{Latency, Tally};
use crate::stage::{Round, Signing, Stage, StoreKind};

/// How many refreshes a second there are.
const RATE: f64 = 200.0;

/// On how many connections.
pub(super) const CONNECTIONS: usize = 32;

/// How many sessions are refreshed in turn: each less often than once a second.
const SESSIONS: u64 = 400;

/// How many more are stored.
const STORED: u64 = 10_000;

/// How long refreshes run before they are measured.
const WARM_UP: Duration = Duration::from_secs(2);

/// A server with sessions in it, and whoever refreshes them.
pub(super) struct Refreshes {
    pub(super) stage: Stage,
    pub(super) server: Server,
    /// Where the server's output goes.
    _home: Home,
    live: Vec<LiveSession>,
}

/// What became of the refreshes in one span of time, or in several.
pub(super) struct Seen(Tally);

impl Refreshes {
    /// A server with so many users who can log in, as it is where nobody sets anything, but for `more`.
    pub(super) fn start(target: &Target, users: usize, more: &[(&str, &str)]) -> anyhow::Result<Self> {
        let stage = Stage::set(StoreKind::Sqlite, STORED, users)?;
        let live = stage.open_sessions(SESSIONS)?;
        let home = Home::new(target.sprag());
        let usual = [("SPRAG_RATE_LIMITS", "on"), ("SPRAG_REUSE_INTERVAL", "30s"), ("SPRAG_LOG", "error")];
        let server = stage.start(&home, Signing::Es256, &[&usual, more].concat());
        Ok(Self { stage, server, _home: home, live })
    }

    /// Refreshes for so long while something else is done, which should last for longer; what came of both.
    pub(super) fn beside<T: Send>(
        &mut self,
        lasts: Duration,
        other: impl FnOnce(&Stage, &Server) -> T + Send,
    ) -> anyhow::Result<(Seen, T)> {
        let round = Round {
            duration: lasts,
            warmup: WARM_UP,
            rate: Some(RATE),
            ..self.stage.round(&self.server, Endpoint::Refresh, CONNECTIONS)
        };
        let live = std::mem::take(&mut self.live);
        let (stage, server) = (&self.stage, &self.server);
        let (driven, other) = std::thread::scope(|scope| {
            let refreshing = scope.spawn(|| driver::drive(&round, live));
            let other = other(stage, server);
            (refreshing.join(), other)
        });
        let (tally, live) = driven.map_err(|_| anyhow::anyhow!("whoever refreshes panicked"))??;
        self.live = live;
        Ok((Seen(tally), other))
    }

    /// Refreshes alone.
    pub(super) fn alone(&mut self, lasts: Duration) -> anyhow::Result<Seen> {
        Ok(self.beside(lasts, |_, _| ())?.0)
    }

    /// The most memory that the server has held, and how much it may.
    pub(super) fn memory(&self, most_mib: u64) -> anyhow::Result<Figure> {
        let mib = Memory::of(self.server.id())?.peak_bytes / (1024 * 1024);
        let what = format!("memory at most {mib} MiB (promised: {most_mib})");
        Ok(Figure { what, is_within: mib <= most_mib })
    }
}

impl Seen {
    pub(super) fn add(&mut self, Self(other): Self) {
        self.0.add(other);
    }

    pub(super) fn latency(&self) -> Latency {
        self.0.latency()
    }

    /// How long refreshes took, and that the slowest hundredth took no longer than so many milliseconds.
    pub(super) fn figure(&self, most_millis: f64) -> Figure {
        let Latency { p50, p99, max, .. } = self.latency();
        let what = format!(
            "refreshes: p50 {p50:.1} ms, p99 {p99:.1} ms, at most {max:.0} ms (promised: p99 {most_millis:.0} ms)"
        );
        Figure { what, is_within: p99 <= most_millis }
    }

    /// Every refresh must have been answered.
    pub(super) fn served(&self) -> Figure {
        let Self(tally) = self;
        let refused: u64 = tally.refused.values().sum();
        let (lost, example) =
            (refused + tally.broken + tally.unsent, tally.example.as_deref().unwrap_or_default());
        let what = format!(
            "{} refreshes, {refused} refused, {} broken, {} not sent in time (promised: none) {example}",
            tally.requests, tally.broken, tally.unsent
        );
        Figure { what: what.trim_end().to_owned(), is_within: lost == 0 && tally.ok > 0 }
    }
}

//! One round of load: connections that ask, one request each at a time, until the time is up.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::schedule::{Schedule, counts_from};
use super::tally::{Outcome, Tally, refusal_text};
use super::wire::{Answer, DEADLINE, Field, Wire, get_request, post_head, text_in, write_request};

/// The path that only says whether the server is alive.
pub(crate) const HEALTHZ: &str = "/healthz";

/// How long a connection pauses after a failure; doubled with each one running, up to [`LONGEST_PAUSE`].
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

/// A server that restarts is asked again this soon.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What is asked of the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Endpoint {
    /// Each request refreshes a session with the token of the answer before.
    Refresh,
    /// Each request asks whether the server is alive: the cost of HTTP alone.
    Healthz,
}

/// What one round does.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    pub(crate) endpoint: Endpoint,
    pub(crate) address: SocketAddr,
    pub(crate) host: String,
    pub(crate) refresh_path: String,
    pub(crate) token_field: Field,
    pub(crate) connections: usize,
    pub(crate) threads: usize,
    pub(crate) warmup: Duration,
    pub(crate) duration: Duration,
    /// How many requests are sent at most, each connection an equal share; without it, time alone ends a round.
    pub(crate) requests: Option<u64>,
    /// Requests a second, at fixed moments; without it each connection asks again as soon as it is answered.
    pub(crate) rate: Option<f64>,
    /// Whether each refresh has a retry id, which stays the same until it is answered.
    pub(crate) sends_retry_ids: bool,
}

/// A live session, by its newest refresh token. It does not print.
pub(crate) struct LiveSession {
    token: Vec<u8>,
    rotations: u64,
}

impl LiveSession {
    pub(crate) fn new(token: &[u8]) -> Self {
        Self { token: token.to_vec(), rotations: 0 }
    }

    pub(crate) fn token(&self) -> &[u8] {
        &self.token
    }

    fn rotated(&mut self, token: &[u8]) {
        self.token.clear();
        self.token.extend_from_slice(token);
        self.rotations += 1;
    }
}

/// The time in which requests are measured.
#[derive(Clone, Copy)]
struct Window {
    from: Instant,
    until: Instant,
}

/// One connection at work.
struct Worker {
    endpoint: Endpoint,
    address: SocketAddr,
    window: Window,
    /// How many requests it sends at most.
    share: Option<u64>,
    schedule: Option<Schedule>,
    sessions: VecDeque<LiveSession>,
    token_field: Field,
    sends_retry_ids: bool,
    head: Vec<u8>,
    request: Vec<u8>,
    wire: Option<Wire>,
    pause: Duration,
    tally: Arc<Mutex<Tally>>,
}

/// Runs one round. Gives back the sessions that are still live, each with its newest token.
pub(crate) fn drive(round: &Round, sessions: Vec<LiveSession>) -> anyhow::Result<(Tally, Vec<LiveSession>)> {
    let mut shares: Vec<VecDeque<LiveSession>> = Vec::new();
    shares.resize_with(round.connections, VecDeque::new);
    for (index, session) in sessions.into_iter().enumerate() {
        shares[index % round.connections].push_back(session);
    }
    let mut of_threads: Vec<Vec<(usize, VecDeque<LiveSession>)>> = Vec::new();
    of_threads.resize_with(round.threads, Vec::new);
    for (index, share) in shares.into_iter().enumerate() {
        of_threads[index % round.threads].push((index, share));
    }
    let start = Instant::now();
    let parts: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = of_threads
            .into_iter()
            .map(|shares| scope.spawn(move || drive_on_this_thread(round, start, shares)))
            .collect();
        threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
    });
    let (mut tally, mut alive) = (Tally::default(), Vec::new());
    for part in parts {
        let (counted, kept) =
            part.map_err(|_| anyhow::anyhow!("a thread of the load generator panicked"))??;
        tally.add(counted);
        alive.extend(kept);
    }
    Ok((tally, alive))
}

fn drive_on_this_thread(
    round: &Round,
    start: Instant,
    shares: Vec<(usize, VecDeque<LiveSession>)>,
) -> anyhow::Result<(Tally, Vec<LiveSession>)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("could not start a runtime for the load generator")?;
    let tally = Arc::new(Mutex::new(Tally::default()));
    let alive = runtime.block_on(async {
        let workers: Vec<_> = shares
            .into_iter()
            .map(|(index, share)| tokio::spawn(Worker::new(round, start, index, share, &tally).run()))
            .collect();
        let mut alive = Vec::new();
        for worker in workers {
            alive.extend(worker.await.context("a connection of the load generator panicked")?);
        }
        anyhow::Ok(alive)
    })?;
    let counted = std::mem::take(&mut *tally.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((counted, alive))
}

impl Worker {
    fn new(
        round: &Round,
        start: Instant,
        index: usize,
        sessions: VecDeque<LiveSession>,
        tally: &Arc<Mutex<Tally>>,
    ) -> Self {
        let from = start + round.warmup;
        Self {
            endpoint: round.endpoint,
            address: round.address,
            window: Window { from, until: from + round.duration },
            share: round.requests.map(|requests| requests / round.connections as u64),
            schedule: round.rate.map(|rate| Schedule::new(start, rate, index, round.connections)),
            sessions,
            token_field: round.token_field.clone(),
            sends_retry_ids: round.sends_retry_ids,
            head: post_head(&round.host, &round.refresh_path),
            request: get_request(&round.host, HEALTHZ),
            wire: None,
            pause: SHORTEST_PAUSE,
            tally: Arc::clone(tally),
        }
    }

    async fn run(mut self) -> VecDeque<LiveSession> {
        let mut sent = 0;
        while self.endpoint == Endpoint::Healthz || !self.sessions.is_empty() {
            let Some(begun) = self.await_turn(sent).await else { break };
            sent += 1;
            let has_failed = match self.endpoint {
                Endpoint::Healthz => self.ask_health(begun).await,
                Endpoint::Refresh => self.refresh(begun).await,
            };
            self.rest(has_failed).await;
        }
        if let Some(schedule) = self.schedule {
            let unsent = schedule.due_before(self.window.until).saturating_sub(sent);
            self.count(|tally| tally.unsent += unsent);
        }
        self.sessions
    }

    /// Waits until the next request may leave, and says from when it counts; `None` when the time is up.
    async fn await_turn(&self, sent: u64) -> Option<Instant> {
        if self.share.is_some_and(|share| sent >= share) {
            return None;
        }
        let now = Instant::now();
        let Some(schedule) = self.schedule else { return (now < self.window.until).then_some(now) };
        let due = schedule.due(sent);
        if due >= self.window.until || now >= self.window.until {
            return None;
        }
        let must_wait = due > now;
        if must_wait {
            tokio::time::sleep_until(due.into()).await;
        }
        Some(counts_from(due, Instant::now(), must_wait))
    }

    async fn ask_health(&mut self, begun: Instant) -> bool {
        let Self { wire, request, address, tally, window, .. } = self;
        let is_measured = begun >= window.from;
        match ask(wire, *address, request).await {
            Ok(answer) => {
                let outcome = match answer.status {
                    200 => Outcome::Fine,
                    status => Outcome::Refused(status, answer.body),
                };
                count_answer(tally, outcome, begun, is_measured);
                let (has_failed, closes) = (answer.status != 200, answer.closes);
                if closes {
                    *wire = None;
                }
                has_failed
            }
            Err(error) => self.broke(&error, is_measured),
        }
    }

    /// Refreshes the session whose turn it is; afterwards it is another's.
    async fn refresh(&mut self, begun: Instant) -> bool {
        let Self {
            wire, request, head, token_field, sessions, address, tally, window, sends_retry_ids, ..
        } = self;
        let Some(mut session) = sessions.pop_front() else { return false };
        let is_measured = begun >= window.from;
        let retry_id = sends_retry_ids.then_some(session.rotations);
        write_request(request, head, retry_id, token_field, &session.token);
        match ask(wire, *address, request).await {
            Ok(answer) => {
                let given = text_in(answer.body, token_field);
                let outcome = outcome_of(&answer, given, &session.token);
                count_answer(tally, outcome, begun, is_measured);
                if let (Outcome::Rotated, Some(token)) = (outcome, given) {
                    session.rotated(token);
                }
                let (has_failed, closes) = (answer.status != 200, answer.closes);
                if !is_final(answer.status) {
                    sessions.push_back(session);
                }
                if closes {
                    *wire = None;
                }
                has_failed
            }
            Err(error) => {
                // The server may have rotated the session or not. Its client would ask again with the same token.
                sessions.push_back(session);
                self.broke(&error, is_measured)
            }
        }
    }

    fn broke(&mut self, error: &io::Error, is_measured: bool) -> bool {
        self.wire = None;
        self.count(|tally| {
            if is_measured {
                tally.broke();
            } else {
                tally.warmup_failures += 1;
            }
            tally.keep_example(|| error.to_string());
        });
        true
    }

    /// Pauses after a failure, longer with each one running: a generator must not make an outage worse.
    async fn rest(&mut self, has_failed: bool) {
        if has_failed {
            tokio::time::sleep(self.pause).await;
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        } else {
            self.pause = SHORTEST_PAUSE;
        }
    }

    fn count(&self, add: impl FnOnce(&mut Tally)) {
        add(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// One request over a connection that is opened if need be.
async fn ask<'a>(wire: &'a mut Option<Wire>, address: SocketAddr, request: &[u8]) -> io::Result<Answer<'a>> {
    let exchange = async {
        let open = match wire.take() {
            Some(open) => open,
            None => Wire::open(address).await?,
        };
        wire.insert(open).exchange(request).await
    };
    match tokio::time::timeout(DEADLINE, exchange).await {
        Ok(answer) => answer,
        Err(_) => Err(io::Error::new(ErrorKind::TimedOut, "no complete answer within 10 s")),
    }
}

fn outcome_of<'a>(answer: &Answer<'a>, given: Option<&[u8]>, sent: &[u8]) -> Outcome<'a> {
    match (answer.status, given) {
        (200, Some(token)) if token != sent => Outcome::Rotated,
        (200, _) => Outcome::Kept,
        (status, _) => Outcome::Refused(status, answer.body),
    }
}

/// Whether a session that got this answer is over, as far as its client can tell.
fn is_final(status: u16) -> bool {
    (400..500).contains(&status) && status != 429 && status != 408
}

fn count_answer(tally: &Mutex<Tally>, outcome: Outcome<'_>, begun: Instant, is_measured: bool) {
    let latency = begun.elapsed();
    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    if is_measured {
        tally.answered(outcome, latency);
    }
    if let Outcome::Refused(status, body) = outcome {
        tally.warmup_failures += u64::from(!is_measured);
        tally.keep_example(|| refusal_text(status, body));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_with_another_token_is_a_rotation() {
        let outcome = |status, given: Option<&'static [u8]>| {
            outcome_of(&Answer { status, body: b"{}", closes: false }, given, b"old")
        };
        assert_eq!(outcome(200, Some(b"new")), Outcome::Rotated);
        assert_eq!(outcome(200, Some(b"old")), Outcome::Kept);
        assert_eq!(outcome(200, None), Outcome::Kept);
        assert_eq!(outcome(401, Some(b"new")), Outcome::Refused(401, b"{}"));
    }

    #[test]
    fn a_session_is_given_up_only_where_the_answer_is_final() {
        assert!(is_final(401) && is_final(400));
        assert!(!is_final(200) && !is_final(503) && !is_final(429) && !is_final(408));
    }
}

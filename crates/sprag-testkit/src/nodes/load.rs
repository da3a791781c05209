//! Clients of three nodes in trouble, each on whichever node randomness names, and what they saw.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::net::SocketAddr;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{ScopedJoinHandle, scope, sleep};
use std::time::{Duration, Instant};

use serde_json::json;
use sprag_rig::Postgres;

use crate::binary::checker::{Attempt, Disk, Outcome};
use crate::binary::people::{Pair, login, logout, refresh, refresh_with_id};
use crate::binary::random::Random;
use crate::binary::server::{PASSWORD, Server};
use crate::binary::token::{Id, facts};
use crate::binary::wire::{Answer, Connection, Request};
use crate::nodes::cluster::{Cluster, NODES};
use crate::nodes::database_state;

/// What a run is like.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    /// Each has an account of its own.
    pub clients: u64,
    pub sessions_per_client: u64,
    /// Requests of clients; duplicates, and retries of what was lost, are not counted.
    pub operations: u64,
    /// How often a node is killed.
    pub node_kills: u64,
    /// How often PostgreSQL is killed.
    pub database_kills: u64,
    /// With no reuse interval every refresh rotates, and every client must send retry ids; with one, half of them do.
    pub reuse_interval: &'static str,
}

/// What it came to.
pub struct Run {
    pub history: Vec<Attempt>,
    /// What stood in the database at the end.
    pub disk: Disk,
    /// Tokens ahead of the database, as the nodes count them in their last lives.
    pub state_regressions: u64,
    pub elapsed: Duration,
    /// How long it took until a killed node listened again, the worst of all times.
    pub slowest_restart: Duration,
    /// How long it took until all nodes took requests once PostgreSQL did, the worst of all times.
    pub slowest_recovery: Duration,
}

impl Run {
    pub fn count(&self, wanted: impl Fn(&Attempt) -> bool) -> usize {
        self.history.iter().filter(|attempt| wanted(attempt)).count()
    }

    /// Refreshes that were answered with a new token.
    pub fn rotations(&self) -> usize {
        self.count(|attempt| match attempt.outcome {
            Outcome::Holds { generation, .. } => generation > attempt.presented && !attempt.is_beside,
            _ => false,
        })
    }
}

const DUPLICATES_PERCENT: u64 = 10;
/// Answers that are lost on the way though all nodes live on.
const LOST_PERCENT: u64 = 5;
/// Of 10,000 requests.
const LOG_OUTS: u64 = 30;
const PASSWORD_CHANGES: u64 = 3;
/// How soon somebody whose session has ended logs in again; until then it is tried in vain.
const RETURNS_PERCENT: u64 = 20;
/// How long a client that is told "not now" waits.
const PAUSE: Duration = Duration::from_millis(20);
/// After that the service is down, whatever it says.
const MOST_TRIES: u32 = 3000;

struct World<'c> {
    plan: Plan,
    addresses: [SocketAddr; NODES],
    cluster: &'c Cluster,
    begun: AtomicU64,
    all_logged_in: Barrier,
}

/// Runs the plan to its end, on a PostgreSQL that is this run's alone.
pub fn run(sprag: &str, postgres: &Postgres, plan: Plan) -> Run {
    // Sessions that no client knows are left over where the answer to a log-in was lost.
    let flags = ["--reuse-interval", plan.reuse_interval, "--sessions-per-account", "10000"];
    let (cluster, servers) = Cluster::start(sprag, postgres.fresh_database(), &flags);
    cluster.create_users(plan.clients);
    let world = World {
        plan,
        addresses: cluster.addresses(),
        cluster: &cluster,
        begun: AtomicU64::new(0),
        all_logged_in: Barrier::new(usize::try_from(plan.clients).unwrap_or(1)),
    };
    let begun = Instant::now();
    let (history, servers, [slowest_restart, slowest_recovery]) = scope(|scope| {
        let world = &world;
        let clients: Vec<_> =
            (0..plan.clients).map(|number| scope.spawn(move || Client::new(world, number).run())).collect();
        let (servers, slowest) = world.strike(postgres, servers, &clients);
        let history = clients.into_iter().flat_map(|client| client.join().expect("no client gave up"));
        (history.collect(), servers, slowest)
    });
    let elapsed = begun.elapsed();
    let regressions = servers
        .iter()
        .map(|server| metric(&server.ask(&Request::get("/metrics")), "sprag_state_regressions_total"));
    let state_regressions = regressions.sum();
    servers.into_iter().for_each(Server::stop);
    cluster.verify_journal();
    let disk = database_state::look(&cluster.database);
    Run { history, disk, state_regressions, elapsed, slowest_restart, slowest_recovery }
}

/// A counter's value in the text of `/metrics`.
fn metric(answer: &Answer, name: &str) -> u64 {
    let text = String::from_utf8_lossy(&answer.body);
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("there is no {name} in\n{text}")).parse().expect("a counter is a number")
}

impl World<'_> {
    /// Kills now a node, now PostgreSQL; gives the nodes back, and the longest times until all was well again.
    fn strike<T>(
        &self,
        postgres: &Postgres,
        servers: [Server; NODES],
        clients: &[ScopedJoinHandle<'_, T>],
    ) -> ([Server; NODES], [Duration; 2]) {
        let mut random = Random::new(self.plan.seed);
        let mut servers = servers.map(Some);
        let mut slowest = [Duration::ZERO; 2];
        let strikes = self.plan.node_kills + self.plan.database_kills;
        for number in 1..=strikes {
            self.await_moment(number, strikes, &mut random, clients);
            // Evenly spread among the others.
            let so_far = |number: u64| number * self.plan.database_kills / strikes;
            if so_far(number) > so_far(number - 1) {
                postgres.kill();
                postgres.start_again();
                slowest[1] = slowest[1].max(self.cluster.await_ready());
            } else {
                let node = usize::try_from(random.below(NODES as u64)).unwrap_or(0);
                servers[node].take().expect("each node runs").kill();
                let begun = Instant::now();
                servers[node] = Some(self.cluster.start_node(node));
                slowest[0] = slowest[0].max(begun.elapsed());
            }
        }
        (servers.map(|server| server.expect("each node runs")), slowest)
    }

    /// Waits for a moment drawn from this strike's share of the run.
    fn await_moment<T>(
        &self,
        number: u64,
        strikes: u64,
        random: &mut Random,
        clients: &[ScopedJoinHandle<'_, T>],
    ) {
        let share = self.plan.operations / (strikes + 1);
        let moment = (number - 1) * share + share / 4 + random.below(share);
        let is_due = || self.begun.load(Ordering::Relaxed) >= moment;
        while !is_due() && !clients.iter().all(ScopedJoinHandle::is_finished) {
            sleep(Duration::from_millis(1));
        }
        sleep(Duration::from_micros(random.below(3000)));
    }
}

/// A client with an account of its own.
struct Client<'w> {
    world: &'w World<'w>,
    name: String,
    password: String,
    /// What the password may be instead, where no answer told.
    perhaps: Option<String>,
    changes: u64,
    random: Random,
    sends_ids: bool,
    sessions: Vec<Held>,
    /// Sessions it holds no more, with the generation of their last token; a change of the password ends them, too.
    left: Vec<(Id, u64)>,
    /// One to each node.
    connections: [Option<Connection>; NODES],
    history: Vec<Attempt>,
}

/// What a client holds of one session.
struct Held {
    session: Id,
    token: String,
    access: String,
    has_ended: bool,
}

impl<'w> Client<'w> {
    fn new(world: &'w World<'w>, number: u64) -> Self {
        Self {
            world,
            name: format!("user-{number}"),
            password: PASSWORD.to_owned(),
            perhaps: None,
            changes: 0,
            random: Random::new(world.plan.seed ^ (number + 1)),
            sends_ids: world.plan.reuse_interval == "0s" || number.is_multiple_of(2),
            sessions: Vec::new(),
            left: Vec::new(),
            connections: [const { None }; NODES],
            history: Vec::new(),
        }
    }

    fn run(mut self) -> Vec<Attempt> {
        for _ in 0..self.world.plan.sessions_per_client {
            let held = self.log_in();
            self.sessions.push(held);
        }
        self.world.all_logged_in.wait();
        while self.world.begun.fetch_add(1, Ordering::Relaxed) < self.world.plan.operations {
            let index = usize::try_from(self.random.below(self.sessions.len() as u64)).unwrap_or(0);
            let has_ended = self.sessions[index].has_ended;
            let drawn = self.random.below(10_000);
            if has_ended && self.random.happens(RETURNS_PERCENT) {
                self.replace(index);
            } else if drawn < LOG_OUTS {
                self.leave(index);
            } else if drawn < LOG_OUTS + PASSWORD_CHANGES && !has_ended {
                self.change_password(index);
            } else {
                self.refresh(index);
            }
        }
        // Whatever happened, each session must have outlived it.
        for index in 0..self.sessions.len() {
            self.refresh(index);
        }
        self.history
    }

    /// Logs in until that works, with the password or what it may be by now.
    fn log_in(&mut self) -> Held {
        for _ in 0..MOST_TRIES {
            let answer = self.exchange(&login(&self.name, &self.password), false).pop().and_then(Result::ok);
            match answer {
                Some(answer) if answer.status == 200 => return self.opened(&answer),
                Some(answer) if answer.status == 401 => {
                    let other = self.perhaps.as_mut().expect("the password has not changed by itself");
                    std::mem::swap(&mut self.password, other);
                }
                _ => sleep(PAUSE),
            }
        }
        panic!("no log-in worked in {MOST_TRIES} tries");
    }

    /// The session that an answer opens.
    fn opened(&mut self, answer: &Answer) -> Held {
        let Pair { refresh: token, access } = Pair::of(answer);
        let session = facts(&token).session;
        let outcome = Outcome::Holds { generation: 0, text: fingerprint(&token) };
        self.history.push(Attempt { session, life: 0, is_beside: false, presented: 0, outcome });
        Held { session, token, access, has_ended: false }
    }

    fn replace(&mut self, index: usize) {
        let next = self.log_in();
        self.goes_on_with(index, next);
    }

    fn goes_on_with(&mut self, index: usize, next: Held) {
        let left = std::mem::replace(&mut self.sessions[index], next);
        self.left.push((left.session, facts(&left.token).generation));
    }

    /// Refreshes, with the same token until there is an answer.
    fn refresh(&mut self, index: usize) {
        let token = self.sessions[index].token.clone();
        let request = if self.sends_ids { refresh_with_id(&token) } else { refresh(&token) };
        for _ in 0..MOST_TRIES {
            let is_doubled = self.random.happens(DUPLICATES_PERCENT);
            let answers = self.exchange(&request, is_doubled);
            let mut is_answered = false;
            for (place, answer) in answers.into_iter().enumerate() {
                let outcome = answer.map_or(Outcome::Unknown, |answer| self.outcome(index, &token, &answer));
                is_answered |= outcome != Outcome::Unknown;
                self.note(index, &token, place > 0, outcome);
            }
            if is_answered {
                return;
            }
        }
        panic!("no answer came in {MOST_TRIES} tries");
    }

    /// Logs out, until that is acknowledged.
    fn leave(&mut self, index: usize) {
        let token = self.sessions[index].token.clone();
        for _ in 0..MOST_TRIES {
            let answer = self.exchange(&logout(&token), false).pop().and_then(Result::ok);
            let has_ended = answer.is_some_and(|answer| answer.status == 204);
            let outcome = if has_ended { Outcome::Ended } else { Outcome::MayHaveEnded };
            self.note(index, &token, false, outcome);
            if has_ended {
                self.sessions[index].has_ended = true;
                return;
            }
            sleep(PAUSE);
        }
        panic!("no log-out was acknowledged in {MOST_TRIES} tries");
    }

    /// Changes the password, which ends every session; a new one takes the place of this one. Where no answer tells, the
    /// next log-in will.
    fn change_password(&mut self, index: usize) {
        // An access token that ran out, or was minted before a log-out nobody answered, would say nothing here.
        self.refresh(index);
        let held = &self.sessions[index];
        if held.has_ended {
            return;
        }
        self.changes += 1;
        let new = format!("{PASSWORD} {}", self.changes);
        let body = json!({
            "current_password": self.password, "new_password": new, "refresh_token": held.token,
        });
        let request = Request::post("/api/v1/auth/password", &body).bearer(&held.access);
        let token = held.token.clone();
        let answer = self.exchange(&request, false).pop().and_then(Result::ok);
        if let Some(answer) = answer.filter(|answer| answer.status != 503) {
            if answer.status == 200 {
                (self.password, self.perhaps) = (new, None);
                self.others_end(index, &Outcome::PasswordChanged);
                self.note(index, &token, false, Outcome::PasswordChanged);
                let next = self.opened(&answer);
                self.goes_on_with(index, next);
            } else if answer.member("code") != "current_password_wrong" {
                let outcome = self.outcome(index, &token, &answer);
                self.note(index, &token, false, outcome);
            }
            return;
        }
        self.perhaps = Some(new.clone());
        self.others_end(index, &Outcome::PasswordMayHaveChanged);
        self.note(index, &token, false, Outcome::PasswordMayHaveChanged);
        // Its own session may have been replaced by one that nobody knows of: nobody uses it any more.
        self.replace(index);
        if self.password == new {
            self.others_end(index, &Outcome::PasswordChanged);
        }
    }

    fn others_end(&mut self, index: usize, outcome: &Outcome) {
        // Most of these have ended before, in another way.
        for (session, presented) in self.left.clone() {
            let outcome = Outcome::PasswordMayHaveChanged;
            self.history.push(Attempt { session, life: 0, is_beside: false, presented, outcome });
        }
        for other in (0..self.sessions.len()).filter(|other| *other != index) {
            if !self.sessions[other].has_ended {
                let token = self.sessions[other].token.clone();
                self.note(other, &token, false, outcome.clone());
                self.sessions[other].has_ended = *outcome == Outcome::PasswordChanged;
            }
        }
    }

    /// Sends a request to a node, or the same to two at once; gives the answers, where they came.
    fn exchange(&mut self, request: &Request, is_doubled: bool) -> Vec<io::Result<Answer>> {
        // Without a reuse interval a request that is overtaken by its own successor is reuse, and rightly so.
        let may_be_lost = !is_doubled && self.world.plan.reuse_interval != "0s";
        let is_lost = may_be_lost && self.random.happens(LOST_PERCENT);
        let first = usize::try_from(self.random.below(NODES as u64)).unwrap_or(0);
        let nodes = [first, (first + 1) % NODES];
        let nodes = &nodes[..if is_doubled { 2 } else { 1 }];
        let sent: Vec<_> = nodes.iter().map(|node| self.send(*node, request)).collect();
        if is_lost {
            self.connections[first] = None;
        }
        nodes.iter().zip(sent).map(|(node, sent)| sent.and_then(|()| self.receive(*node))).collect()
    }

    fn send(&mut self, node: usize, request: &Request) -> io::Result<()> {
        let connection = match self.connections[node].take() {
            Some(connection) => connection,
            None => Connection::open(self.world.addresses[node])?,
        };
        self.connections[node].insert(connection).send(request)
    }

    fn receive(&mut self, node: usize) -> io::Result<Answer> {
        let mut connection = self.connections[node].take().ok_or(io::ErrorKind::ConnectionAborted)?;
        let answer = connection.receive()?;
        self.connections[node] = Some(connection);
        Ok(answer)
    }

    /// What an answer to a refresh comes to; a newer token is kept.
    fn outcome(&mut self, index: usize, presented: &str, answer: &Answer) -> Outcome {
        let held = &mut self.sessions[index];
        match answer.status {
            200 => {
                let given = answer.member("refresh_token");
                let text = if given.is_empty() { presented.to_owned() } else { given };
                let generation = facts(&text).generation;
                let outcome = Outcome::Holds { generation, text: fingerprint(&text) };
                held.access = answer.member("access_token");
                if generation > facts(&held.token).generation {
                    held.token = text;
                }
                outcome
            }
            503 => {
                sleep(PAUSE);
                Outcome::Unknown
            }
            _ => {
                held.has_ended = true;
                Outcome::Refused { code: answer.member("code"), cause: answer.member("cause") }
            }
        }
    }

    fn note(&mut self, index: usize, presented: &str, is_beside: bool, outcome: Outcome) {
        let session = self.sessions[index].session;
        let presented = facts(presented).generation;
        self.history.push(Attempt { session, life: 0, is_beside, presented, outcome });
    }
}

fn fingerprint(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

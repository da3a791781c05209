//! Refresh load on a server in trouble: what its clients saw, and what was on the disk when it was killed.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Barrier, Condvar, Mutex, PoisonError};
use std::thread::{ScopedJoinHandle, scope, sleep};
use std::time::{Duration, Instant};

use crate::binary::checker::{Attempt, Disk, Outcome};
use crate::binary::disk_state;
use crate::binary::people::{log_in, logout, refresh, refresh_with_id};
use crate::binary::random::Random;
use crate::binary::server::{Home, Server};
use crate::binary::token::{Id, facts};
use crate::binary::wire::{Answer, Connection, PATIENCE, Request};

/// What a run is like.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    pub clients: u64,
    pub sessions: u64,
    /// Requests of clients, duplicates not counted.
    pub operations: u64,
    /// How often trouble comes.
    pub strikes: u64,
    /// With no reuse interval every refresh rotates, and every client must send retry ids; with one, half of them do.
    pub reuse_interval: &'static str,
}

impl Plan {
    fn accounts(&self) -> u64 {
        self.sessions.div_ceil(SESSIONS_PER_ACCOUNT)
    }
}

/// What befalls the server while it is under load.
pub trait Trouble {
    fn start(&self, home: &Home, flags: &[&str]) -> Server {
        home.start(flags)
    }

    /// The trouble itself; `true` if the server is to be killed in the midst of it.
    fn strike(&self, number: u64) -> bool;

    /// The server is gone and about to start again.
    fn pass(&self) {}
}

/// It is killed.
pub struct Kills;

impl Trouble for Kills {
    fn strike(&self, _number: u64) -> bool {
        true
    }
}

/// What it came to.
pub struct Run {
    pub history: Vec<Attempt>,
    /// What was on the disk after each life.
    pub disks: Vec<Disk>,
    /// Of the last life: tokens ahead of the database.
    pub state_regressions: u64,
    /// How long it took until the server listened again, the worst of all times.
    pub slowest_restart: Duration,
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

/// An account may have 100.
const SESSIONS_PER_ACCOUNT: u64 = 50;
const DUPLICATES_PERCENT: u64 = 10;
/// Answers that are lost on the way though the server lives on.
const LOST_PERCENT: u64 = 5;
/// Of each client's sessions, every so many-th logs out some day.
const LEAVES: usize = 10;
const LEAVING_PERCENT: u64 = 10;
/// How long a client that is told "not now" waits.
const PAUSE: Duration = Duration::from_millis(2);
/// After that the server is down, whatever it says.
const MOST_TRIES: u32 = 10_000;

/// Where clients find the server, and the life it is in.
struct Door {
    open: Mutex<(usize, Option<SocketAddr>)>,
    opened: Condvar,
}

struct World {
    plan: Plan,
    door: Door,
    begun: AtomicU64,
    all_logged_in: Barrier,
}

/// Runs the plan to its end.
pub fn run(home: &Home, plan: Plan, trouble: &dyn Trouble) -> Run {
    for number in 0..plan.accounts() {
        home.create_user(&format!("user-{number}"));
    }
    let server = start(home, &plan, trouble);
    let world = World {
        plan,
        door: Door { open: Mutex::new((0, Some(server.address()))), opened: Condvar::new() },
        begun: AtomicU64::new(0),
        all_logged_in: Barrier::new(usize::try_from(plan.clients).unwrap_or(1)),
    };
    let mut disks = Vec::new();
    let mut slowest_restart = Duration::ZERO;
    let (history, server) = scope(|scope| {
        let (world, mut server) = (&world, server);
        let clients: Vec<_> =
            (0..plan.clients).map(|number| scope.spawn(move || Client::new(world, number).run())).collect();
        let mut random = Random::new(plan.seed);
        for number in 1..=plan.strikes {
            world.await_moment(number, &mut random, &clients);
            if trouble.strike(number) {
                world.door.shut();
                server.kill();
                trouble.pass();
                disks.push(disk_state::look(&home.data()));
                let begun = Instant::now();
                server = start(home, &plan, trouble);
                slowest_restart = slowest_restart.max(begun.elapsed());
                world.door.open(server.address());
            }
        }
        let history = clients.into_iter().flat_map(|client| client.join().expect("no client gave up"));
        (history.collect(), server)
    });
    let metrics = server.ask(&Request::get("/metrics"));
    let state_regressions = metric(&metrics, "sprag_state_regressions_total");
    server.stop();
    home.verify_journal();
    disks.push(disk_state::look(&home.data()));
    Run { history, disks, state_regressions, slowest_restart }
}

fn start(home: &Home, plan: &Plan, trouble: &dyn Trouble) -> Server {
    // A public address that does not change with the port: access tokens then outlive a restart.
    let public = ["--public-url", "http://localhost:1", "--sweep-interval", "0s"];
    trouble.start(home, &[&public[..], &["--reuse-interval", plan.reuse_interval]].concat())
}

/// A counter's value in the text of `/metrics`.
pub fn metric(answer: &Answer, name: &str) -> u64 {
    let text = String::from_utf8_lossy(&answer.body);
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("there is no {name} in\n{text}")).parse().expect("a counter is a number")
}

impl World {
    /// Waits for a moment drawn from this strike's share of the run.
    fn await_moment<T>(&self, number: u64, random: &mut Random, clients: &[ScopedJoinHandle<'_, T>]) {
        let share = self.plan.operations / (self.plan.strikes + 1);
        let moment = (number - 1) * share + share / 4 + random.below(share);
        let is_due = || self.begun.load(Ordering::Relaxed) >= moment;
        while !is_due() && !clients.iter().all(ScopedJoinHandle::is_finished) {
            sleep(Duration::from_millis(1));
        }
        sleep(Duration::from_micros(random.below(3000)));
    }
}

impl Door {
    fn shut(&self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).1 = None;
    }

    fn open(&self, address: SocketAddr) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        *open = (open.0 + 1, Some(address));
        self.opened.notify_all();
    }

    /// The life the server is in and its address, once it is up.
    fn wait(&self) -> (usize, SocketAddr) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.opened.wait_timeout_while(open, PATIENCE, |(_, address)| address.is_none());
        let (open, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (open.0, open.1.expect("the server comes back"))
    }
}

/// A client with sessions of its own.
struct Client<'w> {
    world: &'w World,
    number: u64,
    random: Random,
    sends_ids: bool,
    sessions: Vec<Held>,
    /// The second one is for duplicates.
    connections: [Option<Connection>; 2],
    life: usize,
    history: Vec<Attempt>,
}

/// What a client holds of one session.
struct Held {
    session: Id,
    token: String,
}

impl<'w> Client<'w> {
    fn new(world: &'w World, number: u64) -> Self {
        Self {
            world,
            number,
            random: Random::new(world.plan.seed ^ (number + 1)),
            sends_ids: world.plan.reuse_interval == "0s" || number.is_multiple_of(2),
            sessions: Vec::new(),
            connections: [None, None],
            life: 0,
            history: Vec::new(),
        }
    }

    fn run(mut self) -> Vec<Attempt> {
        let (_, address) = self.world.door.wait();
        for _ in 0..self.world.plan.sessions / self.world.plan.clients {
            let name = format!("user-{}", self.number % self.world.plan.accounts());
            let mut connection = Connection::open(address).expect("the server accepts connections");
            let token = log_in(&mut connection, &name).expect("nobody is killed during the log-ins").refresh;
            let session = facts(&token).session;
            let outcome = Outcome::Holds { generation: 0, text: fingerprint(&token) };
            self.history.push(Attempt { session, life: 0, is_beside: false, presented: 0, outcome });
            self.sessions.push(Held { session, token });
        }
        self.world.all_logged_in.wait();
        while self.world.begun.fetch_add(1, Ordering::Relaxed) < self.world.plan.operations {
            let index = usize::try_from(self.random.below(self.sessions.len() as u64)).unwrap_or(0);
            let leaves = index.is_multiple_of(LEAVES) && self.random.happens(LEAVING_PERCENT);
            if leaves { self.leave(index) } else { self.refresh(index) }
        }
        // Whatever happened, each session must have outlived it.
        for index in 0..self.sessions.len() {
            self.refresh(index);
        }
        self.history
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
                return;
            }
        }
        panic!("no log-out was acknowledged in {MOST_TRIES} tries");
    }

    /// Sends a request, or the same twice at once; gives the answers, where they came.
    fn exchange(&mut self, request: &Request, is_doubled: bool) -> Vec<io::Result<Answer>> {
        let (life, address) = self.world.door.wait();
        if life != self.life {
            (self.life, self.connections) = (life, [None, None]);
        }
        // Without a reuse interval a request that is overtaken by its own successor is reuse, and rightly so.
        let may_be_lost = !is_doubled && self.world.plan.reuse_interval != "0s";
        let is_lost = may_be_lost && self.random.happens(LOST_PERCENT);
        let used = &mut self.connections[..if is_doubled { 2 } else { 1 }];
        let sent: Vec<_> = used.iter_mut().map(|place| send(place, address, request)).collect();
        if is_lost {
            used[0] = None;
        }
        used.iter_mut().zip(sent).map(|(place, sent)| sent.and_then(|()| receive(place))).collect()
    }

    /// What an answer to a refresh comes to; a newer token is kept.
    fn outcome(&mut self, index: usize, presented: &str, answer: &Answer) -> Outcome {
        match answer.status {
            200 => {
                let given = answer.member("refresh_token");
                let text = if given.is_empty() { presented.to_owned() } else { given };
                let generation = facts(&text).generation;
                let held = &mut self.sessions[index].token;
                let outcome = Outcome::Holds { generation, text: fingerprint(&text) };
                if generation > facts(held).generation {
                    *held = text;
                }
                outcome
            }
            503 => {
                sleep(PAUSE);
                Outcome::Unknown
            }
            _ => Outcome::Refused { code: answer.member("code"), cause: answer.member("cause") },
        }
    }

    fn note(&mut self, index: usize, presented: &str, is_beside: bool, outcome: Outcome) {
        let session = self.sessions[index].session;
        let presented = facts(presented).generation;
        self.history.push(Attempt { session, life: self.life, is_beside, presented, outcome });
    }
}

fn send(place: &mut Option<Connection>, address: SocketAddr, request: &Request) -> io::Result<()> {
    let connection = match place.take() {
        Some(connection) => connection,
        None => Connection::open(address)?,
    };
    place.insert(connection).send(request)
}

fn receive(place: &mut Option<Connection>) -> io::Result<Answer> {
    let mut connection = place.take().ok_or(io::ErrorKind::ConnectionAborted)?;
    let answer = connection.receive()?;
    *place = Some(connection);
    Ok(answer)
}

fn fingerprint(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

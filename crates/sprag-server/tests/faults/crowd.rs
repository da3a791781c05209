//! Clients that refresh all the time, each with a session of its own, whatever befalls the database.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use sprag_testkit::beside::Over;

use crate::people::{log_in, refresh, refresh_with_id};
use crate::server::Server;
use crate::stage::{Stage, assert_put_off};
use crate::token::facts;
use crate::wire::{Connection, Request};

/// The requirement is three seconds; a busy machine that runs client and server has two more.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);
/// The requirement is two seconds, and the same holds.
const BACK_WITHIN: Duration = Duration::from_secs(4);
/// How long a client that is told "not now" waits.
const PAUSE: Duration = Duration::from_millis(100);
const LOOK: Duration = Duration::from_millis(1);
/// Between two clients that are called.
const STEP: Duration = Duration::from_millis(2);
const SESSIONS_PER_ACCOUNT: usize = 50;

/// When clients refresh that have been answered.
#[derive(Clone, Copy)]
pub(crate) enum Rhythm {
    /// After so long.
    Each(Duration),
    /// When they are called, one shortly after the other.
    Called,
}

/// Clients and where they are.
pub(crate) struct Crowd {
    clients: Vec<Client>,
    begun: Instant,
    calls: AtomicU64,
    is_over: AtomicBool,
}

struct Client {
    number: u32,
    token: String,
    sends_ids: bool,
    /// The nodes, asked one after the other where one says "not now".
    nodes: Vec<SocketAddr>,
    seen: Vec<Seen>,
}

/// One request and what came of it.
struct Seen {
    asked: Duration,
    answered: Duration,
    node: usize,
    presented: u64,
    status: u16,
    holds: u64,
    said: String,
}

impl Crowd {
    /// Logs `count` clients in, the one half here, the other there. Every `ids`-th sends retry ids, none where it is 0.
    pub(crate) fn log_in(stage: &Stage, nodes: &[&Server], count: usize, ids: usize) -> Self {
        for number in 0..count.div_ceil(SESSIONS_PER_ACCOUNT) {
            stage.home.create_user(&format!("user-{number}"));
        }
        let client = |number: usize| {
            let mut at: Vec<_> = nodes.iter().map(|node| node.address()).collect();
            at.rotate_left(number % nodes.len());
            let mut connection = Connection::open(at[0]).unwrap();
            let pair = log_in(&mut connection, &format!("user-{}", number / SESSIONS_PER_ACCOUNT)).unwrap();
            Client {
                number: u32::try_from(number).unwrap(),
                token: pair.refresh,
                sends_ids: ids > 0 && number.is_multiple_of(ids),
                nodes: at,
                seen: Vec::new(),
            }
        };
        Self {
            clients: (0..count).map(client).collect(),
            begun: Instant::now(),
            calls: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        }
    }

    /// Has all refresh while `trouble` comes and goes, and once more after it; the result is the trouble's.
    pub(crate) fn live_through<T>(&mut self, rhythm: Rhythm, trouble: impl FnOnce(&Outside<'_>) -> T) -> T {
        let mut clients = std::mem::take(&mut self.clients);
        self.is_over.store(false, Ordering::Relaxed);
        let crowd = &*self;
        let result = scope(|scope| {
            for client in &mut clients {
                scope.spawn(move || client.live(crowd, rhythm));
            }
            // The clients stop also where the trouble panics.
            let _over = Over(&crowd.is_over);
            trouble(&Outside { crowd })
        });
        self.clients = clients;
        result
    }

    /// Sends every client to other nodes.
    pub(crate) fn move_to(&mut self, nodes: &[&Server]) {
        for (number, client) in self.clients.iter_mut().enumerate() {
            client.nodes = nodes.iter().map(|node| node.address()).collect();
            client.nodes.rotate_left(number % nodes.len());
        }
    }

    pub(crate) fn tokens(&self) -> impl Iterator<Item = &str> {
        self.clients.iter().map(|client| client.token.as_str())
    }

    /// How many answers had that status.
    pub(crate) fn count(&self, status: u16) -> usize {
        self.all().filter(|seen| seen.status == status).count()
    }

    /// How many refreshes were answered with a newer token.
    pub(crate) fn rotations(&self) -> usize {
        self.all().filter(|seen| seen.status == 200 && seen.holds > seen.presented).count()
    }

    /// Nobody's session has ended, every "not now" was told as it must be, and in time.
    pub(crate) fn assert_unharmed(&self, stage: &Stage, what: &str) {
        let slowest = self.all().map(|seen| seen.answered - seen.asked).max().unwrap_or_default();
        eprintln!(
            "{what}: {} clients, {} answers, {} rotations, {} put off, slowest answer {slowest:?}",
            self.clients.len(),
            self.all().count(),
            self.rotations(),
            self.count(503),
        );
        let mut harmed = String::new();
        for client in &self.clients {
            if client.seen.iter().any(|seen| !matches!(seen.status, 200 | 503)) {
                let _ = writeln!(harmed, "{}\n{}", client.story(), stage.why(&client.token));
            }
        }
        assert!(harmed.is_empty(), "{what}:\n{harmed}");
        for client in &self.clients {
            assert!(client.seen.last().is_none_or(|last| last.status == 200), "{what}:\n{}", client.story());
        }
        assert!(slowest < ANSWERED_WITHIN, "{what}: an answer took {slowest:?}");
    }

    /// Every client that was put off before that moment, which is when the trouble was over, was served soon after it.
    pub(crate) fn assert_back_soon(&self, since: Duration, what: &str) {
        let firsts = self.clients.iter().filter_map(|client| {
            let before = client.seen.iter().rev().find(|seen| seen.asked < since)?;
            let served = client.seen.iter().find(|seen| seen.answered >= since && seen.status == 200);
            (before.status == 503 || before.answered >= since)
                .then(|| served.map_or(Duration::MAX, |seen| seen.answered - since))
        });
        let mut firsts: Vec<_> = firsts.collect();
        firsts.sort();
        let (Some(&first), Some(&last)) = (firsts.first(), firsts.last()) else {
            eprintln!("{what}: nobody waited when the database was back");
            return;
        };
        eprintln!(
            "{what}: the first client was served {first:?} after the database was back, the last {last:?}"
        );
        assert!(last < BACK_WITHIN, "{what}: a client was served only {last:?} after the database was back");
    }

    fn all(&self) -> impl Iterator<Item = &Seen> {
        self.clients.iter().flat_map(|client| &client.seen)
    }
}

/// What a test can do while the clients go about.
pub(crate) struct Outside<'c> {
    crowd: &'c Crowd,
}

impl Outside<'_> {
    /// Since the crowd came.
    pub(crate) fn now(&self) -> Duration {
        self.crowd.begun.elapsed()
    }

    /// Lets the clients go about for so long.
    pub(crate) fn wait(&self, span: Duration) {
        sleep(span);
    }

    /// Has all who wait for it refresh at once.
    pub(crate) fn call(&self) {
        self.crowd.calls.fetch_add(1, Ordering::Relaxed);
    }
}

impl Client {
    fn live(&mut self, crowd: &Crowd, rhythm: Rhythm) {
        let mut connections: Vec<Option<Connection>> = self.nodes.iter().map(|_| None).collect();
        let (mut called, mut node) = (0, 0);
        loop {
            if let Rhythm::Called = rhythm
                && self.seen.last().is_none_or(|last| last.status == 200)
            {
                while crowd.calls.load(Ordering::Relaxed) == called && !crowd.is_over.load(Ordering::Relaxed)
                {
                    sleep(LOOK);
                }
                called = crowd.calls.load(Ordering::Relaxed);
                sleep(STEP * self.number);
            }
            let is_over = crowd.is_over.load(Ordering::Relaxed);
            match self.refresh(crowd, &mut connections[node], node) {
                200 if is_over => return,
                200 => node = 0,
                503 => {
                    node = (node + 1) % self.nodes.len();
                    sleep(PAUSE);
                    continue;
                }
                _ => return,
            }
            if let Rhythm::Each(pause) = rhythm {
                sleep(pause);
            }
        }
    }

    fn refresh(&mut self, crowd: &Crowd, place: &mut Option<Connection>, node: usize) -> u16 {
        let request: Request =
            if self.sends_ids { refresh_with_id(&self.token) } else { refresh(&self.token) };
        let presented = facts(&self.token).generation;
        let asked = crowd.begun.elapsed();
        let answer = ask(place, self.nodes[node], &request);
        let answered = crowd.begun.elapsed();
        let said = format!("{} {}", answer.member("code"), answer.member("cause"));
        if answer.status == 503 {
            assert_put_off(&answer);
        }
        let given = answer.member("refresh_token");
        if answer.status == 200 && !given.is_empty() && facts(&given).generation > presented {
            self.token = given;
        }
        let holds = facts(&self.token).generation;
        self.seen.push(Seen { asked, answered, node, presented, status: answer.status, holds, said });
        answer.status
    }

    /// The last of what this client saw.
    fn story(&self) -> String {
        let mut story = String::from("asked at, answered at, node, presented, status, holds\n");
        for seen in &self.seen[self.seen.len().saturating_sub(60)..] {
            let Seen { asked, answered, node, presented, status, holds, said } = seen;
            let _ = writeln!(
                story,
                "{asked:>12.3?} {answered:>12.3?} {node} {presented} {status} {holds} {said}"
            );
        }
        story
    }
}

/// Asks on a connection that is kept; on a new one where the server has closed it meanwhile.
fn ask(place: &mut Option<Connection>, node: SocketAddr, request: &Request) -> crate::wire::Answer {
    if let Some(mut connection) = place.take()
        && let Ok(answer) = connection.ask(request)
    {
        *place = Some(connection);
        return answer;
    }
    let mut connection = Connection::open(node).expect("the node accepts connections");
    let answer = connection.ask(request).expect("the node answers");
    *place = Some(connection);
    answer
}

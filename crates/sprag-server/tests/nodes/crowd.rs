//! People who refresh without a pause while something is done to the nodes, and what went wrong for them.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::scope;
use std::time::{Duration, Instant};

use sprag_testkit::beside::Over;

use crate::people::{Pair, me, refresh_with_id};
use crate::wire::{Connection, Request};

/// What people saw.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) refreshes: u64,
    /// Whatever was not as it should be, with the time since the beginning.
    pub(crate) complaints: Vec<String>,
    /// What they hold at the end.
    pub(crate) pairs: Vec<Pair>,
}

/// The complaints kept of each of them.
const MOST_COMPLAINTS: usize = 5;

/// A node that stops closes what is idle. Whoever has not used a connection for this long opens another.
const IDLE: Duration = Duration::from_secs(4);

/// Has each of these refresh at one address after the other, and use its access token at the next, while something is
/// done; answers what that came to, too. The count of refreshes so far goes up meanwhile.
pub(crate) fn meanwhile<T: Debug>(
    addresses: &[SocketAddr],
    pairs: Vec<Pair>,
    count: &AtomicU64,
    act: impl FnOnce() -> T,
) -> (T, Seen) {
    let is_over = AtomicBool::new(false);
    let begun = Instant::now();
    scope(|scope| {
        let is_over = &is_over;
        let people: Vec<_> = pairs
            .into_iter()
            .enumerate()
            .map(|(number, pair)| {
                let mut person =
                    Person { pair, addresses, connections: Vec::new(), begun, complaints: Vec::new() };
                person.connections.resize_with(addresses.len(), || None);
                scope.spawn(move || {
                    for turn in number.. {
                        if is_over.load(Ordering::Relaxed) || person.complaints.len() >= MOST_COMPLAINTS {
                            break;
                        }
                        person.refresh(turn % addresses.len());
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    person
                })
            })
            .collect();
        // Should it fail, the people must not go on for ever.
        let over = Over(is_over);
        let done = act();
        drop(over);
        let mut seen =
            Seen { refreshes: count.load(Ordering::Relaxed), complaints: Vec::new(), pairs: Vec::new() };
        for person in people {
            let person = person.join().expect("people complain and do not panic");
            seen.complaints.extend(person.complaints);
            seen.pairs.push(person.pair);
        }
        (done, seen)
    })
}

/// Waits until so many more refreshes have been made.
pub(crate) fn await_refreshes(count: &AtomicU64, more: u64) {
    let wanted = count.load(Ordering::Relaxed) + more;
    let begun = Instant::now();
    while count.load(Ordering::Relaxed) < wanted && begun.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(3));
    }
}

struct Person<'a> {
    pair: Pair,
    addresses: &'a [SocketAddr],
    connections: Vec<Option<(Connection, Instant)>>,
    begun: Instant,
    complaints: Vec<String>,
}

impl Person<'_> {
    fn refresh(&mut self, place: usize) {
        let request = refresh_with_id(&self.pair.refresh);
        let Some(answer) = self.ask(place, &request) else { return };
        let access = answer.member("access_token");
        let refresh = answer.member("refresh_token");
        if !refresh.is_empty() {
            self.pair.refresh = refresh;
        }
        self.pair.access = access;
        let request = me(&self.pair.access);
        self.ask((place + 1) % self.addresses.len(), &request);
    }

    /// The answer, if it is a 200; or a complaint.
    fn ask(&mut self, place: usize, request: &Request) -> Option<crate::wire::Answer> {
        let connection = match self.connections[place].take() {
            Some((connection, used_at)) if used_at.elapsed() < IDLE => Ok(connection),
            _ => Connection::open(self.addresses[place]),
        };
        let answered = connection.and_then(|mut connection| {
            let answer = connection.ask(request)?;
            Ok((connection, answer))
        });
        match answered {
            Ok((connection, answer)) => {
                let closes = answer.header("connection").is_some_and(|value| value == "close");
                self.connections[place] = (!closes).then(|| (connection, Instant::now()));
                if answer.status == 200 {
                    return Some(answer);
                }
                let body = String::from_utf8_lossy(&answer.body).into_owned();
                self.complain(format!("{} at {place}: {body}", answer.status));
            }
            Err(error) => self.complain(format!("no answer at {place}: {error}")),
        }
        None
    }

    fn complain(&mut self, what: String) {
        self.complaints.push(format!("after {:?}: {what}", self.begun.elapsed()));
    }
}

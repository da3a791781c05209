//! A TCP proxy with the failures of a network: slow, silent, cut, refusing.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::{ports, process};

const CHUNK_BYTES: usize = 16 * 1024;
/// How much a direction holds while it is slow; more waits in the sockets, as it would in a network.
const MAX_CHUNKS_HELD: usize = 1024;
const CONNECT: Duration = Duration::from_secs(10);
const REBIND: Duration = Duration::from_secs(10);

/// A way to a server that a test can make slow or break. Faults act on connections there are and on those to come.
pub struct Proxy {
    addr: SocketAddr,
    shared: Arc<Shared>,
    listening: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    target: Option<SocketAddr>,
    requests: Fault,
    answers: Fault,
    is_refusing: bool,
    /// Counts the cuts: whatever belongs to an earlier one ends.
    cuts: u64,
    open: Vec<(u64, TcpStream)>,
    next_id: u64,
}

/// What is wrong with one direction.
#[derive(Clone, Copy, Default)]
struct Fault {
    delay: Duration,
    is_held: bool,
}

#[derive(Clone, Copy)]
enum Direction {
    Requests,
    Answers,
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1, and forwards to `to`.
    pub fn start(to: SocketAddr) -> Self {
        let shared = Arc::new(Shared::default());
        shared.lock().target = Some(to);
        let mut listener = None;
        process::wait_until("a port for the proxy", REBIND, || {
            listener = TcpListener::bind((Ipv4Addr::LOCALHOST, ports::free())).ok();
            listener.is_some()
        });
        let listener = listener.expect("the wait ended with a listener");
        let addr = listener.local_addr().expect("a listener has an address");
        let listening = Mutex::new(Some(accept_all(listener, &shared)));
        Self { addr, shared, listening }
    }

    /// Where clients connect to.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Both directions take this much longer from now on; a round trip takes twice that.
    pub fn delay(&self, delay: Duration) {
        self.delay_requests(delay);
        self.delay_answers(delay);
    }

    /// What clients send takes this much longer.
    pub fn delay_requests(&self, delay: Duration) {
        self.shared.change(|state| state.requests.delay = delay);
    }

    /// What the server sends takes this much longer.
    pub fn delay_answers(&self, delay: Duration) {
        self.shared.change(|state| state.answers.delay = delay);
    }

    /// Accepts and forwards nothing: what is sent from now on arrives after [`Proxy::heal`], if ever.
    pub fn hang(&self) {
        self.shared.change(|state| (state.requests.is_held, state.answers.is_held) = (true, true));
    }

    /// Whether anything is held back in either direction.
    pub fn is_held(&self) -> bool {
        let state = self.shared.lock();
        state.requests.is_held || state.answers.is_held
    }

    /// Whether anybody is connected.
    pub fn is_in_use(&self) -> bool {
        !self.shared.lock().open.is_empty()
    }

    /// The server hears what clients ask, and they do not hear its answers.
    pub fn hold_answers(&self) {
        self.shared.change(|state| state.answers.is_held = true);
    }

    /// Closes every connection, on both sides; what was under way is lost.
    pub fn cut(&self) {
        self.shared.change(State::cut);
    }

    /// Whether new connections are refused, as where nobody listens. Those there are stay.
    pub fn refuse(&self, shall_refuse: bool) {
        let mut listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.change(|state| state.is_refusing = shall_refuse);
        if shall_refuse {
            let Some(thread) = listening.take() else { return };
            // Wakes the thread that accepts, which then drops the listener.
            drop(TcpStream::connect(self.addr));
            thread.join().expect("accepting does not panic");
        } else if listening.is_none() {
            let mut listener = None;
            process::wait_until("the proxy's port to be free again", REBIND, || {
                listener = TcpListener::bind(self.addr).ok();
                listener.is_some()
            });
            *listening = listener.map(|listener| accept_all(listener, &self.shared));
        }
    }

    /// New connections go elsewhere; those there are stay where they are.
    pub fn point_at(&self, to: SocketAddr) {
        self.shared.change(|state| state.target = Some(to));
    }

    /// No delay, nothing held, nobody refused. What was held arrives now.
    pub fn heal(&self) {
        self.shared.change(|state| (state.requests, state.answers) = (Fault::default(), Fault::default()));
        self.refuse(false);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.refuse(true);
        self.cut();
    }
}

impl State {
    fn cut(&mut self) {
        self.cuts += 1;
        for (_, stream) in self.open.drain(..) {
            close(&stream);
        }
    }

    fn fault(&self, direction: Direction) -> Fault {
        match direction {
            Direction::Requests => self.requests,
            Direction::Answers => self.answers,
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.lock());
        self.changed.notify_all();
        changed
    }

    /// Waits while the direction is held; `false` where the connection was cut meanwhile.
    fn may_pass(&self, direction: Direction, cuts: u64) -> bool {
        let held = |state: &mut State| state.cuts == cuts && state.fault(direction).is_held;
        let state = self.changed.wait_while(self.lock(), held).unwrap_or_else(PoisonError::into_inner);
        state.cuts == cuts
    }

    /// Remembers a stream, so that a cut finds it; `None` where the cut has been already.
    fn remember(&self, stream: &TcpStream, cuts: u64) -> Option<u64> {
        let copy = stream.try_clone().ok()?;
        self.change(|state| {
            if state.cuts != cuts {
                return None;
            }
            let id = state.next_id;
            state.next_id += 1;
            state.open.push((id, copy));
            Some(id)
        })
    }

    fn forget(&self, id: u64) {
        self.change(|state| state.open.retain(|(open, _)| *open != id));
    }
}

fn accept_all(listener: TcpListener, shared: &Arc<Shared>) -> JoinHandle<()> {
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let cuts = {
                let state = shared.lock();
                if state.is_refusing {
                    return;
                }
                state.cuts
            };
            let shared = Arc::clone(&shared);
            thread::spawn(move || carry(&client, &shared, cuts));
        }
    })
}

/// One connection, from its acceptance to its end.
fn carry(client: &TcpStream, shared: &Arc<Shared>, cuts: u64) {
    let Some(client_id) = shared.remember(client, cuts) else { return close(client) };
    if let Some(server) = reach(shared, cuts)
        && let Some(server_id) = shared.remember(&server, cuts)
    {
        thread::scope(|scope| {
            scope.spawn(|| forward(client, &server, shared, Direction::Requests, cuts));
            forward(&server, client, shared, Direction::Answers, cuts);
        });
        close(&server);
        shared.forget(server_id);
    }
    close(client);
    shared.forget(client_id);
}

fn reach(shared: &Shared, cuts: u64) -> Option<TcpStream> {
    if !shared.may_pass(Direction::Requests, cuts) {
        return None;
    }
    let target = shared.lock().target.expect("a proxy has a target from its start");
    TcpStream::connect_timeout(&target, CONNECT).ok()
}

/// Forwards one direction until its end, which is forwarded, too. Reading goes on while writing waits, so that a delay
/// takes from the speed of an answer, and not from the bytes in a second.
fn forward(from: &TcpStream, to: &TcpStream, shared: &Shared, direction: Direction, cuts: u64) {
    drop(to.set_nodelay(true));
    let (put, take) = sync_channel(MAX_CHUNKS_HELD);
    thread::scope(|scope| {
        scope.spawn(|| read_all(from, put, shared, direction));
        if write_all(to, &take, shared, direction, cuts).is_none() {
            // Whoever still reads or writes of this connection shall end as well.
            close(from);
            close(to);
        }
        drop(take);
    });
}

type Chunk = (Instant, Vec<u8>);

fn read_all(mut from: &TcpStream, put: SyncSender<Chunk>, shared: &Shared, direction: Direction) {
    let mut buffer = vec![0; CHUNK_BYTES];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let due = Instant::now() + shared.lock().fault(direction).delay;
        if put.send((due, buffer[..read].to_vec())).is_err() {
            return;
        }
    }
}

/// `None` where the connection broke or was cut.
fn write_all(
    mut to: &TcpStream,
    take: &Receiver<Chunk>,
    shared: &Shared,
    direction: Direction,
    cuts: u64,
) -> Option<()> {
    for (due, bytes) in take {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if !shared.may_pass(direction, cuts) {
            return None;
        }
        to.write_all(&bytes).ok()?;
    }
    shared.may_pass(direction, cuts).then(|| drop(to.shutdown(Shutdown::Write)))
}

fn close(stream: &TcpStream) {
    drop(stream.shutdown(Shutdown::Both));
}

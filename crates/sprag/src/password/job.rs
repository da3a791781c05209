//! What the hashing threads do: one job after the other, each for somebody who waits for its answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::compare::{Found, compare};
use super::memory::Memory;
use super::queue::{Queue, Waiting};
use super::secrets::SourceSecrets;
use super::work::{self, Work};
use super::{Match, Password, pace};
use crate::error::Fault;
use crate::observe::Hashing;

/// How far below the threads that answer requests the hashing threads stand (`nice`): where no core is idle they get a tenth
/// of one. Not as far as it goes: beside another program that keeps all cores busy, nobody could log in.
const NICENESS: i32 = 10;

pub(super) enum Job {
    Hash(Password, [u8; 16], oneshot::Sender<Result<String, Fault>>),
    Verify(Verify, oneshot::Sender<Result<Compared, Fault>>),
    Measure(Work, oneshot::Sender<Result<Duration, Fault>>),
}

pub(super) struct Verify {
    /// What was typed, and its other forms.
    pub(super) forms: Vec<Password>,
    pub(super) stored: Option<String>,
    /// Since when it waits.
    pub(super) since: Instant,
    pub(super) secrets: Arc<SourceSecrets>,
    /// Held until it is done, whether or not its client still waits.
    pub(super) heavy: Option<OwnedSemaphorePermit>,
}

/// What a comparison came to, and how long it stood in the queue.
pub(crate) struct Compared {
    /// A [`Fault`] where the stored hash is of no use, or brought its library down.
    pub(crate) outcome: Result<Match, Fault>,
    /// The form of what was typed that the hash is of; what was typed, where none matched.
    pub(crate) form: Password,
    /// Whether that is another form than what was typed.
    pub(super) is_another_form: bool,
    /// How many forms there were of what was typed: how many slots a failure takes, whatever it was compared with.
    pub(super) forms: u32,
    pub(super) queued: Duration,
}

impl Waiting for Job {
    fn is_gone(&self) -> bool {
        match self {
            Self::Hash(.., reply) => reply.is_closed(),
            Self::Verify(.., reply) => reply.is_closed(),
            Self::Measure(.., reply) => reply.is_closed(),
        }
    }
}

impl Job {
    /// Answers that there is no place. Nobody may wait for that any more, which is no loss.
    pub(super) fn give_way(self) {
        let busy = Fault::busy("take in one more password");
        match self {
            Self::Hash(.., reply) => drop(reply.send(Err(busy))),
            Self::Verify(.., reply) => drop(reply.send(Err(busy))),
            Self::Measure(.., reply) => drop(reply.send(Err(busy))),
        }
    }
}

/// What a hashing thread does, until the queue is closed.
pub(super) fn hash_all(jobs: &Queue<Job>, counted: &Hashing) {
    let this_thread = Some(rustix::thread::gettid());
    if let Err(error) = rustix::process::setpriority_process(this_thread, NICENESS) {
        tracing::warn!(%error, "password hashing runs at normal priority: the system refused a lower one");
    }
    let mut memory = Memory::default();
    // Of a client that has gone away the queue gives no job; one that goes now waits for no answer.
    while let Some(job) = jobs.next(|| memory.give_back()) {
        let (_busy, begun) = (counted.busy.up(), Instant::now());
        match job {
            Job::Hash(password, salt, reply) => {
                let _ = reply.send(unharmed("hash a password", || hash(&password, &salt, &mut memory)));
            }
            Job::Verify(verify, reply) => {
                counted.waited.took(verify.since.elapsed());
                drop(reply.send(verify.carried_out(&mut memory)));
            }
            Job::Measure(work, reply) => {
                let doing = "measure how long a hash takes";
                let _ = reply.send(unharmed(doing, || pace::measured(work, &mut memory)));
            }
        }
        counted.took.took(begun.elapsed());
    }
}

impl Verify {
    fn carried_out(self, memory: &mut Memory) -> Result<Compared, Fault> {
        const DOING: &str = "compare a password";
        let Self { mut forms, stored, since, secrets, heavy } = self;
        let queued = since.elapsed();
        let found = unharmed(DOING, || compare(&forms, stored.as_deref(), &secrets, memory));
        drop(heavy);
        let (outcome, place) = match found {
            Ok(Found { matched, form }) => (Ok(matched), form),
            Err(fault) => (Err(fault), 0),
        };
        let count = u32::try_from(forms.len()).unwrap_or(u32::MAX);
        if place >= forms.len() {
            return Err(Fault::internal(DOING, "it has no form"));
        }
        let form = forms.swap_remove(place);
        Ok(Compared { outcome, form, is_another_form: place > 0, forms: count, queued })
    }
}

/// A stored hash that brings the library down must not take the thread with it, or soon nobody could log in.
fn unharmed<T>(doing: &'static str, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(Fault::internal(doing, "it panicked")))
}

/// A new hash as a PHC string.
pub(super) fn hash(password: &Password, salt: &[u8; 16], memory: &mut Memory) -> Result<String, Fault> {
    let mut output = [0; 32];
    work::TODAY.run(password.0.as_bytes(), salt, &mut output, memory)?;
    Ok(work::todays_phc(salt, &output))
}

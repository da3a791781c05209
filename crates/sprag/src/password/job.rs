//! What the hashing threads do: one job after the other, each for somebody who waits for its answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::compare::{Found, compare};
use super::hands::Waiting;
use super::heavy::Admission;
use super::lines::Leaving;
use super::memory::Memory;
use super::queue::Queue;
use super::seat::{Seat, on_core};
use super::secrets::SourceSecrets;
use super::work::{self, Work};
use super::{Match, Password, pace, priority};
use crate::error::Fault;
use crate::observe::Hashing;

/// How long a hashing thread may take for a hash that is none of the dearest: many times what it takes while refreshes keep the
/// cores busy.
const PATIENCE: Duration = Duration::from_secs(1);

/// And for one of the dearest, or a measurement, which take seconds by themselves.
const PATIENCE_WITH_HEAVY: Duration = Duration::from_secs(3);

/// What is to be done for somebody. It may be done twice at the same time; the first to be done answers.
pub(super) enum Job {
    Hash(Password, [u8; 16], Reply<String>),
    Verify(Verify, Reply<Compared>),
    Measure(Work, Reply<Duration>),
}

/// Who waits for an answer, until there is one.
pub(super) struct Reply<T>(Mutex<Option<oneshot::Sender<Result<T, Fault>>>>);

pub(super) struct Verify {
    /// What was typed, and its other forms.
    pub(super) forms: Vec<Password>,
    pub(super) stored: Option<String>,
    /// Since when it waits.
    pub(super) since: Instant,
    pub(super) secrets: Arc<SourceSecrets>,
    pub(super) heavy: Option<Heavy>,
    pub(super) place: Presence,
}

/// Where somebody stands whose password is to be looked at: they wait until that begins, or until they leave, and never both.
#[derive(Clone, Debug, Default)]
pub(crate) struct Presence(Arc<AtomicU8>);

const WAITS: u8 = 0;
const LEFT: u8 = 1;
const LOOKED_AT: u8 = 2;

impl Presence {
    /// They go away. Says whether nobody has begun to look; then nobody will.
    pub(crate) fn leave(&self) -> bool {
        self.0.compare_exchange(WAITS, LEFT, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// They have an answer, whether or not anybody has looked.
    pub(super) fn answered(&self) {
        self.look();
    }

    /// Somebody begins to look. Says whether they still are there.
    pub(crate) fn look(&self) -> bool {
        let before = self.0.compare_exchange(WAITS, LOOKED_AT, Ordering::AcqRel, Ordering::Acquire);
        before.unwrap_or_else(|found| found) != LEFT
    }
}

/// Held until one of the dearest comparisons is done, whether or not its client still waits.
pub(super) struct Heavy(Mutex<Option<Admission>>);

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

impl Leaving for Job {
    fn is_gone(&self) -> bool {
        match self {
            Self::Hash(.., reply) => reply.is_gone(),
            Self::Verify(.., reply) => reply.is_gone(),
            Self::Measure(.., reply) => reply.is_gone(),
        }
    }
}

impl Waiting for Job {
    /// Each form of a password is one more comparison.
    fn patience(&self) -> Duration {
        match self {
            Self::Verify(Verify { heavy, forms, .. }, _) => {
                let of_each = if heavy.is_some() { PATIENCE_WITH_HEAVY } else { PATIENCE };
                of_each.saturating_mul(u32::try_from(forms.len()).unwrap_or(u32::MAX).max(1))
            }
            Self::Measure(..) => PATIENCE_WITH_HEAVY,
            Self::Hash(..) => PATIENCE,
        }
    }
}

impl<T> Reply<T> {
    pub(super) fn to(sender: oneshot::Sender<Result<T, Fault>>) -> Self {
        Self(Mutex::new(Some(sender)))
    }

    /// Nobody may wait for it any more, which is no loss.
    fn send(&self, result: Result<T, Fault>) {
        if let Some(sender) = locked(&self.0).take() {
            let _ = sender.send(result);
        }
    }

    fn is_gone(&self) -> bool {
        locked(&self.0).as_ref().is_none_or(oneshot::Sender::is_closed)
    }
}

impl Heavy {
    pub(super) fn holding(turn: Admission) -> Self {
        Self(Mutex::new(Some(turn)))
    }

    fn is_done(&self) {
        locked(&self.0).take();
    }
}

/// What is behind these locks is whole at every moment.
fn locked<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Job {
    /// Answers that there is no place.
    pub(super) fn give_way(self) {
        let busy = Fault::busy("take in one more password");
        match self {
            Self::Hash(.., reply) => reply.send(Err(busy)),
            Self::Verify(.., reply) => reply.send(Err(busy)),
            Self::Measure(.., reply) => reply.send(Err(busy)),
        }
    }

    /// Does it, and gives back what is to be done with the outcome.
    fn carry_out(self: Arc<Self>, memory: &mut Memory) -> Answer {
        match &*self {
            Self::Hash(password, salt, _) => {
                let hashed = unharmed("hash a password", || hash(password, salt, memory));
                Box::new(move || {
                    if let Self::Hash(.., reply) = &*self {
                        reply.send(hashed)
                    }
                })
            }
            Self::Verify(verify, _) if !verify.place.look() => Box::new(|| ()),
            Self::Verify(verify, _) => {
                let compared = verify.carried_out(memory);
                Box::new(move || {
                    if let Self::Verify(verify, reply) = &*self {
                        verify.heavy.iter().for_each(Heavy::is_done);
                        reply.send(compared);
                    }
                })
            }
            Self::Measure(work, _) => {
                let measured = unharmed("measure how long a hash takes", || pace::measured(*work, memory));
                Box::new(move || {
                    if let Self::Measure(.., reply) = &*self {
                        reply.send(measured)
                    }
                })
            }
        }
    }
}

/// Answers. It wakes whoever waits, which takes locks that are shared with threads that answer requests.
type Answer = Box<dyn FnOnce() + Send>;

/// Where a hashing thread does what it is handed.
pub(super) type Desk = Seat<Arc<Job>, Answer>;

/// What a hashing thread does, until its seat is closed.
pub(super) fn hash_all(seat: &Desk) {
    priority::last();
    let mut memory = Memory::default();
    while let Some((job, core)) = seat.take(|| memory.give_back()) {
        seat.done(on_core(core, || job.carry_out(&mut memory)));
    }
}

/// What its attendant does, until the queue is closed.
pub(super) fn attend(jobs: &Queue<Job>, seat: &Desk, counted: &Hashing) {
    // Of a client that has gone away the queue gives no job; one that goes now waits for no answer.
    while let Some(in_hand) = jobs.next(|| ()) {
        let job = in_hand.one();
        carried_out(job, counted, || seat.have_done(Arc::clone(job)));
    }
    seat.close();
}

/// Has a job carried out, counts that, and answers.
fn carried_out(job: &Job, counted: &Hashing, carry_out: impl FnOnce() -> Answer) {
    let (_busy, begun) = (counted.busy.up(), Instant::now());
    if let Job::Verify(verify, _) = job {
        counted.waited.took(verify.since.elapsed());
    }
    let answer = carry_out();
    counted.took.took(begun.elapsed());
    answer();
}

/// What a stand-in does, until the queue is closed.
pub(super) fn stand_in(jobs: &Queue<Job>, counted: &Hashing) {
    priority::behind();
    let mut memory = Memory::default();
    while let Some(job) = jobs.next_starved(|| memory.give_back()) {
        carried_out(&job, counted, || Arc::clone(&job).carry_out(&mut memory));
    }
}

impl Verify {
    fn carried_out(&self, memory: &mut Memory) -> Result<Compared, Fault> {
        const DOING: &str = "compare a password";
        let queued = self.since.elapsed();
        let found = unharmed(DOING, || compare(&self.forms, self.stored.as_deref(), &self.secrets, memory));
        let (outcome, place) = match found {
            Ok(Found { matched, form }) => (Ok(matched), form),
            Err(fault) => (Err(fault), 0),
        };
        let form = self.forms.get(place).cloned().ok_or_else(|| Fault::internal(DOING, "it has no form"))?;
        let forms = u32::try_from(self.forms.len()).unwrap_or(u32::MAX);
        Ok(Compared { outcome, form, is_another_form: place > 0, forms, queued })
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

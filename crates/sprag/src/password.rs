//! Passwords: Argon2id, on a few threads of their own behind a bounded queue, which run only where no other wants the core.
//!
//! A flood of log-ins cannot delay a refresh: hashing never runs on the threads that answer requests, the kernel
//! prefers those threads to these, and when the queue is full the answer is "busy" at once. Nor can other programs that keep
//! all cores busy keep anybody from logging in: what a hashing thread has had in hand for too long, a stand-in does.
//!
//! Hashes that other systems made are compared by their own rule; whoever is let in by one has it replaced.
//!
//! ```
//! use sprag::password::{Hasher, Match, Password};
//! use sprag::random::SystemRandom;
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let hasher = Hasher::start_default()?;
//! let stored = hasher.hash(Password::chosen("correct horse battery")?, &SystemRandom::default()).await?;
//! let typed = Password::typed("correct horse")?;
//! assert_eq!(hasher.verify(typed, Some(stored)).await?, Match::No);
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod common;
mod compare;
mod forms;
mod hands;
mod heavy;
mod job;
mod lines;
mod memory;
mod moment;
mod pace;
mod priority;
mod queue;
pub(crate) mod rules;
mod seat;
mod secrets;
mod stored;
mod work;

use std::fmt;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use zeroize::Zeroizing;

use self::forms::forms;
use self::heavy::HeavyLine;
use self::job::{Heavy, Job, Reply, Verify};
use self::pace::Pace;
use self::queue::Queue;
use self::stored::Stored;
use self::work::Work;
use crate::error::{Fault, Refusal, Rejected};
use crate::observe::{Hashing, HashingObserved};
use crate::policy::{MAX_PASSWORD_BYTES, MIN_PASSWORD_CHARS};
use crate::prefix::Prefix;
use crate::random::{self, Random};

pub(crate) use self::job::{Compared, Presence};
pub use self::pace::Slow;
pub use self::rules::{Breaches, NewPassword, PasswordSha1};
pub use self::secrets::SourceSecrets;
pub(crate) use self::stored::is_peppered;

/// How many threads hash passwords unless somebody says otherwise; each takes 19 MiB while it does.
const DEFAULT_THREADS: usize = 4;

/// How many passwords wait to be hashed unless somebody says otherwise.
const DEFAULT_QUEUE: usize = 32;

/// A password somebody typed: any Unicode, kept exactly. It is compared in its other forms (NFC, NFD, NFKC), too.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// A password to compare with a stored one. It may be shorter than a new one, as old accounts' may be.
    ///
    /// # Errors
    /// [`Refusal::PasswordRejected`] if it has more than [`MAX_PASSWORD_BYTES`] bytes or none, or one of them is zero:
    /// bcrypt ends there, and what comes behind it would not count.
    pub fn typed(text: &str) -> Result<Self, Refusal> {
        if text.is_empty() || text.len() > MAX_PASSWORD_BYTES || text.contains('\0') {
            return Err(Refusal::PasswordRejected(Rejected::Unfit));
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// In how many forms it is looked at, and so how often it is hashed where none of them is right. It depends on nothing but
    /// what was typed.
    pub(crate) fn count_forms(&self) -> u32 {
        u32::try_from(forms(self).len()).unwrap_or(u32::MAX)
    }

    /// A password to be stored, of whoever's account. The engine also holds it against the account's names, what its profile asks
    /// for, and what is known from breaches.
    ///
    /// # Errors
    /// [`Refusal::PasswordRejected`] if it has fewer than [`MIN_PASSWORD_CHARS`] characters or more than [`MAX_PASSWORD_BYTES`]
    /// bytes, one of them is zero, or many people have it.
    pub fn chosen(text: &str) -> Result<Self, Refusal> {
        rules::judge(text, MIN_PASSWORD_CHARS, &[]).map_err(Refusal::PasswordRejected)?;
        Self::typed(text)
    }

    /// What those who collect stolen ones list it by.
    pub(crate) fn sha1(&self) -> PasswordSha1 {
        PasswordSha1::of(&self.0)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// What comparing a password came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Match {
    /// It is another password, or there is none to compare with.
    No,
    /// It is the password; or its beginning is, and the hash, bcrypt, looks at no more. Then the hash stays until its owner
    /// chooses another password.
    Yes,
    /// It is the password, and its hash was made with other parameters than today's: hash it anew.
    Outdated,
}

/// Why a stored hash cannot be compared with a password.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unusable {
    /// Nothing, or the mark of an account without a password.
    #[error("no password is set; let this user set one")]
    NoPassword,
    /// Something else than a hash.
    #[error("this is not a password hash; look whether it comes from the right column")]
    NotAHash,
    /// A hash of a kind that is not compared.
    #[error("this is {0}, which is not supported; let this user set a new password")]
    Unsupported(&'static str),
    /// A hash that a secret of its maker's was mixed into, which is not set here.
    #[error(
        "this hash was made with {0}, which is not set here; set it, or let this user set a new password"
    )]
    LacksSecret(&'static str),
    /// A hash that is cut short or otherwise not as its makers write it.
    #[error(
        "this {0} hash is cut short or damaged; export it again, and look whether its column is too narrow"
    )]
    Damaged(&'static str),
    /// A hash whose comparison would take too long, or too much memory.
    #[error(
        "this hash asks for more than {most} {what}, too much for one log-in; let this user set a new password"
    )]
    TooCostly {
        /// What is allowed.
        most: u64,
        /// Of what.
        what: &'static str,
    },
    /// A hash whose comparison would take more of this machine's time than an import may bring unasked.
    #[error("{0}; let this user set a new password, or take such hashes with --allow-slow-hashes")]
    TooSlow(Slow),
}

/// Whether a stored hash can be compared with a password, where no secret of another system is set. It looks at the hash
/// only, and is fast.
///
/// # Errors
/// [`Unusable`], whose sentence says why not. It repeats nothing of the hash.
pub fn check_hash(stored: &str) -> Result<(), Unusable> {
    check_with(&SourceSecrets::default(), stored).map(drop)
}

fn check_with(secrets: &SourceSecrets, stored: &str) -> Result<Stored, Unusable> {
    let stored = Stored::parse(stored)?;
    stored.lacks(secrets).map_or(Ok(stored), Err)
}

/// Whether what stands in the place of a hash says that there is no password.
#[must_use]
pub fn says_no_password(stored: &str) -> bool {
    matches!(Stored::parse(stored), Err(Unusable::NoPassword))
}

/// Whether comparing with a stored hash is among the dearest things that are done for one log-in.
fn is_heavy(stored: &str) -> bool {
    Stored::parse(stored).is_ok_and(|stored| stored.works().any(Work::is_heavy))
}

/// Whether a stored hash is of the kind that new ones are.
pub(crate) fn is_todays(stored: &str) -> bool {
    Stored::parse(stored).is_ok_and(|stored| stored.is_todays())
}

/// The hashing threads. Dropping it lets what is queued finish.
pub struct Hasher {
    queue: Arc<Queue<Job>>,
    /// How many hashing threads there are, without their stand-ins.
    threads: usize,
    stand_ins: Vec<JoinHandle<()>>,
    slot: Duration,
    pace: Pace,
    secrets: Arc<SourceSecrets>,
    /// Of the dearest comparisons one is done at a time, so that they leave the other threads to everybody else. As many of them
    /// may wait for that as may wait in the queue.
    heavy: Arc<HeavyLine>,
    counted: Arc<Hashing>,
}

impl Hasher {
    /// Starts `threads` hashing threads behind a queue of `queue` passwords, and a stand-in more: the core that is
    /// left to refreshes is left to no other program.
    ///
    /// # Errors
    /// A [`Fault`] if the system gives no thread.
    pub fn start(threads: usize, queue: usize) -> Result<Self, Fault> {
        let mut hasher = Self::without_threads(queue);
        for _ in 0..threads.max(1) {
            let seat = Arc::new(job::Desk::free());
            let hashing = Arc::clone(&seat);
            spawn("sprag-hash", move || job::hash_all(&hashing))?;
            let (jobs, counted) = (Arc::clone(&hasher.queue), Arc::clone(&hasher.counted));
            spawn("sprag-hash-desk", move || job::attend(&jobs, &seat, &counted))?;
            hasher.threads += 1;
        }
        for _ in 0..=threads.max(1) {
            hasher.add_stand_in()?;
        }
        Ok(hasher)
    }

    fn add_stand_in(&mut self) -> Result<(), Fault> {
        let (jobs, counted) = (Arc::clone(&self.queue), Arc::clone(&self.counted));
        self.stand_ins.push(spawn("sprag-hash", move || job::stand_in(&jobs, &counted))?);
        Ok(())
    }

    pub(crate) fn without_threads(queue: usize) -> Self {
        Self {
            queue: Arc::new(Queue::of(queue)),
            threads: 0,
            stand_ins: Vec::new(),
            slot: moment::SLOT,
            pace: Pace::default(),
            secrets: Arc::default(),
            heavy: HeavyLine::of(queue),
            counted: Arc::default(),
        }
    }

    /// Starts as many threads as a machine with other work can spare: one less than it has cores, one at least and four at most,
    /// behind a queue of 32.
    ///
    /// # Errors
    /// A [`Fault`] if the system gives no thread.
    pub fn start_default() -> Result<Self, Fault> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self::start((cores - 1).clamp(1, DEFAULT_THREADS), DEFAULT_QUEUE)
    }

    /// Has failed attempts answered as soon as they have failed, for tests: how long that takes tells what a password was
    /// compared with.
    #[must_use]
    pub fn failing_at_once(mut self) -> Self {
        self.slot = Duration::ZERO;
        self
    }

    /// Compares with hashes of other systems that were made with these secrets, too.
    #[must_use]
    pub fn with_secrets(mut self, secrets: SourceSecrets) -> Self {
        self.secrets = Arc::new(secrets);
        self
    }

    /// Hashes a new password to a PHC string.
    ///
    /// # Errors
    /// A busy [`Fault`] if the queue is full.
    pub async fn hash(&self, password: Password, random: &dyn Random) -> Result<String, Fault> {
        self.hash_from(Prefix::default(), password, random).await
    }

    /// Compares a password with a stored hash; without one it does the work of one made here and never matches.
    ///
    /// Where the hash is not of what was typed, but of another form of it (one of Unicode, or one without blanks at its ends), it
    /// is never said to be [outdated](Match::Outdated): made anew from what was typed it would be of another text.
    ///
    /// # Errors
    /// A busy [`Fault`] if the queue is full; an internal one if the stored hash is [`Unusable`].
    pub async fn verify(&self, password: Password, stored: Option<String>) -> Result<Match, Fault> {
        let compared = self.verify_from(Prefix::default(), password, stored, &Presence::default()).await?;
        Ok(match compared.outcome? {
            Match::Outdated if compared.is_another_form => Match::Yes,
            matched => matched,
        })
    }

    /// Hashes a new password that came from this network.
    pub(crate) async fn hash_from(
        &self,
        prefix: Prefix,
        password: Password,
        random: &dyn Random,
    ) -> Result<String, Fault> {
        let (reply, answer) = oneshot::channel();
        self.queue_up(prefix, Job::Hash(password, random::bytes(random), Reply::to(reply)));
        answer.await.map_err(|gone| Fault::internal("hash a password", gone))?
    }

    /// Compares a password that came from this network. Whoever goes away meanwhile [leaves](Presence::leave) their place.
    pub(crate) async fn verify_from(
        &self,
        prefix: Prefix,
        password: Password,
        stored: Option<String>,
        place: &Presence,
    ) -> Result<Compared, Fault> {
        let since = Instant::now();
        let is_heavy = stored.as_deref().is_some_and(is_heavy);
        let heavy = if is_heavy {
            Some(self.turn_of_heavy(prefix).await.inspect_err(|_| place.answered())?)
        } else {
            None
        };
        let (secrets, (reply, answer)) = (Arc::clone(&self.secrets), oneshot::channel());
        let (forms, place) = (forms(&password), place.clone());
        let verify = Verify { forms, stored, since, secrets, heavy, place: place.clone() };
        self.queue_up(prefix, Job::Verify(verify, Reply::to(reply)));
        let compared = answer.await.map_err(|gone| Fault::internal("compare a password", gone));
        place.answered();
        compared?
    }

    /// Waits until none of the dearest comparisons is under way; a busy [`Fault`] where too many wait for that already.
    async fn turn_of_heavy(&self, prefix: Prefix) -> Result<Heavy, Fault> {
        let turn = self.heavy.turn(prefix).await;
        turn.map(Heavy::holding).inspect_err(|_| self.counted.refused.one())
    }

    /// Whether a stored hash can be compared with a password, as [`check_hash`] says, with the secrets that are set.
    ///
    /// # Errors
    /// [`Unusable`].
    pub fn check(&self, stored: &str) -> Result<(), Unusable> {
        check_with(&self.secrets, stored).map(drop)
    }

    /// Whether a stored hash can be compared with a password, as [`check`](Self::check) says, and in at most half a second of this
    /// machine's time. That is measured once for each function and size of memory.
    ///
    /// # Errors
    /// A busy [`Fault`] if it was to be measured and the queue is full.
    pub async fn check_cost(&self, stored: &str) -> Result<Result<(), Unusable>, Fault> {
        let stored = match check_with(&self.secrets, stored) {
            Ok(stored) if stored.is_todays() => return Ok(Ok(())),
            Ok(stored) => stored,
            Err(why) => return Ok(Err(why)),
        };
        let mut takes = Duration::ZERO;
        for work in stored.works() {
            let measure = async |sample| {
                let (reply, answer) = oneshot::channel();
                self.queue_up(Prefix::default(), Job::Measure(sample, Reply::to(reply)));
                answer.await.map_err(|gone| Fault::internal("measure how long a hash takes", gone))?
            };
            takes += self.pace.of(work, measure).await?;
        }
        Ok(Slow::of(stored.work, takes).map_or(Ok(()), |slow| Err(Unusable::TooSlow(slow))))
    }

    /// Waits, on no hashing thread, until the moment at which an attempt that came then and has failed is answered.
    pub(crate) async fn wait_to_refuse(&self, came: Instant, compared: &Compared, random: &dyn Random) {
        if self.slot.is_zero() {
            return;
        }
        let spread = u16::from_le_bytes(random::bytes(random));
        let slots = (self.slot, compared.forms.min(moment::SLOTS_OF_FORMS));
        let moment = moment::of_failure(came, compared.queued, Instant::now(), slots, spread);
        tokio::time::sleep_until(moment.into()).await;
    }

    /// Waits as [`wait_to_refuse`](Self::wait_to_refuse) does, where nothing was hashed.
    pub(crate) async fn wait_to_refuse_unhashed(&self, came: Instant, random: &dyn Random) {
        let spread = u16::from_le_bytes(random::bytes(random));
        let moment = moment::of_failure(came, Duration::ZERO, Instant::now(), (self.slot, 1), spread);
        self.wait_until(moment).await;
    }

    /// Waits, on no hashing thread, until a moment.
    pub(crate) async fn wait_until(&self, moment: Instant) {
        if !self.slot.is_zero() {
            tokio::time::sleep_until(moment.into()).await;
        }
    }

    /// What is counted of its threads, for whoever shows numbers.
    #[must_use]
    pub fn observed(&self) -> HashingObserved {
        let (waiting, bound) = self.queue.waiting();
        HashingObserved {
            threads: self.threads as u64,
            busy: self.counted.busy.get(),
            waiting: waiting as u64,
            bound: bound as u64,
            refused: self.counted.refused.get(),
            waited: self.counted.waited.observed(),
            took: self.counted.took.observed(),
        }
    }

    /// Waits until the moment at which an attempt that came then and that nobody has looked at is turned away.
    pub(crate) async fn wait_to_turn_away(&self, came: Instant, random: &dyn Random) {
        if self.slot.is_zero() {
            return;
        }
        let spread = u16::from_le_bytes(random::bytes(random));
        let slot = (moment::TURNED_AWAY, 1);
        let moment = moment::of_failure(came, Duration::ZERO, Instant::now(), slot, spread);
        tokio::time::sleep_until(moment.into()).await;
    }

    fn queue_up(&self, prefix: Prefix, job: Job) {
        if let Some(left_over) = self.queue.add(prefix, job) {
            self.counted.refused.one();
            left_over.give_way();
        }
    }
}

/// Starts a thread under a name that shows in `top -H`.
fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Fault> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.map_err(|error| Fault::unavailable("start a thread that hashes passwords", error))
}

impl Drop for Hasher {
    fn drop(&mut self) {
        self.queue.close();
        // Once they have ended nobody waits any more. A hashing thread may still be busy with what a stand-in has answered,
        // and ends by itself; one that panicked has left nothing to undo.
        for thread in self.stand_ins.drain(..) {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").field("stand_ins", &self.stand_ins.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

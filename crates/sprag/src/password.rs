//! Passwords: Argon2id, on a few low-priority threads of their own behind a bounded queue.
//!
//! A flood of log-ins cannot delay a refresh: hashing never runs on the threads that answer requests, the kernel
//! prefers those threads to these, and when the queue is full the answer is "busy" at once.
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

mod compare;
mod forms;
mod job;
mod memory;
mod moment;
mod pace;
mod queue;
mod secrets;
mod stored;
mod work;

use std::fmt;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, oneshot};
use zeroize::Zeroizing;

use self::forms::forms;
use self::job::{Job, Verify, hash_all};
use self::pace::Pace;
use self::queue::Queue;
use self::stored::Stored;
use self::work::Work;
use crate::error::{Fault, Refusal};
use crate::observe::{Hashing, HashingObserved};
use crate::policy::{MAX_PASSWORD_BYTES, MIN_PASSWORD_BYTES};
use crate::prefix::Prefix;
use crate::random::{self, Random};

pub(crate) use self::job::Compared;
pub use self::pace::Slow;
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
            return Err(Refusal::PasswordRejected);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// A password to be stored.
    ///
    /// # Errors
    /// [`Refusal::PasswordRejected`] if it has fewer than [`MIN_PASSWORD_BYTES`] or more than [`MAX_PASSWORD_BYTES`] bytes,
    /// or one of them is zero.
    pub fn chosen(text: &str) -> Result<Self, Refusal> {
        if text.len() < MIN_PASSWORD_BYTES { Err(Refusal::PasswordRejected) } else { Self::typed(text) }
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
    threads: Vec<JoinHandle<()>>,
    slot: Duration,
    pace: Pace,
    secrets: Arc<SourceSecrets>,
    /// Of the dearest comparisons one is done at a time, so that they leave the other threads to everybody else.
    heavy: Arc<Semaphore>,
    counted: Arc<Hashing>,
}

impl Hasher {
    /// Starts `threads` hashing threads behind a queue of `queue` passwords.
    ///
    /// # Errors
    /// A [`Fault`] if the system gives no thread.
    pub fn start(threads: usize, queue: usize) -> Result<Self, Fault> {
        let queue = Arc::new(Queue::of(queue));
        let (threads_started, heavy) = (Vec::new(), Arc::new(Semaphore::new(1)));
        let (slot, pace) = (moment::SLOT, Pace::default());
        let (secrets, counted) = (Arc::default(), Arc::default());
        let mut hasher = Self { queue, threads: threads_started, slot, pace, secrets, heavy, counted };
        for _ in 0..threads.max(1) {
            let (jobs, counted) = (Arc::clone(&hasher.queue), Arc::clone(&hasher.counted));
            let work = move || hash_all(&jobs, &counted);
            let thread = thread::Builder::new().name("sprag-hash".into()).spawn(work);
            let thread =
                thread.map_err(|error| Fault::unavailable("start a thread that hashes passwords", error))?;
            hasher.threads.push(thread);
        }
        Ok(hasher)
    }

    /// Starts as many threads as a machine with other work can spare: one per core, at most four, behind a queue of 32.
    ///
    /// # Errors
    /// A [`Fault`] if the system gives no thread.
    pub fn start_default() -> Result<Self, Fault> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self::start(cores.min(DEFAULT_THREADS), DEFAULT_QUEUE)
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
        let compared = self.verify_from(Prefix::default(), password, stored).await?;
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
        self.queue_up(prefix, Job::Hash(password, random::bytes(random), reply));
        answer.await.map_err(|gone| Fault::internal("hash a password", gone))?
    }

    /// Compares a password that came from this network.
    pub(crate) async fn verify_from(
        &self,
        prefix: Prefix,
        password: Password,
        stored: Option<String>,
    ) -> Result<Compared, Fault> {
        let since = Instant::now();
        let is_heavy = stored.as_deref().is_some_and(is_heavy);
        let heavy = if is_heavy { Arc::clone(&self.heavy).acquire_owned().await.ok() } else { None };
        let (secrets, (reply, answer)) = (Arc::clone(&self.secrets), oneshot::channel());
        let forms = forms(&password);
        self.queue_up(prefix, Job::Verify(Verify { forms, stored, since, secrets, heavy }, reply));
        answer.await.map_err(|gone| Fault::internal("compare a password", gone))?
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
                self.queue_up(Prefix::default(), Job::Measure(sample, reply));
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

    /// What is counted of its threads, for whoever shows numbers.
    #[must_use]
    pub fn observed(&self) -> HashingObserved {
        let (waiting, bound) = self.queue.waiting();
        HashingObserved {
            threads: self.threads.len() as u64,
            busy: self.counted.busy.get(),
            waiting: waiting as u64,
            bound: bound as u64,
            refused: self.counted.refused.get(),
            waited: self.counted.waited.observed(),
            took: self.counted.took.observed(),
        }
    }

    fn queue_up(&self, prefix: Prefix, job: Job) {
        if let Some(left_over) = self.queue.add(prefix, job) {
            self.counted.refused.one();
            left_over.give_way();
        }
    }
}

impl Drop for Hasher {
    fn drop(&mut self) {
        self.queue.close();
        for thread in self.threads.drain(..) {
            // A hashing thread that panicked has answered nobody and left nothing to undo.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").field("threads", &self.threads.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::compare::compare as compare_with;
    use super::job::hash;
    use super::memory::Memory;
    use super::*;
    use crate::random::SeededRandom;

    fn typed(text: &str) -> Password {
        Password::typed(text).unwrap()
    }

    fn compare(password: &str, stored: &str) -> Match {
        let secrets = SourceSecrets::default();
        compare_with(&[typed(password)], Some(stored), &secrets, &mut Memory::default()).unwrap().matched
    }

    #[tokio::test]
    async fn a_password_matches_its_own_hash_and_no_other() {
        let hasher = Hasher::start(1, 4).unwrap();
        let hash = hasher.hash(typed("pässwörd 🐢"), &SeededRandom::new(1)).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_eq!(hasher.verify(typed("pässwörd 🐢"), Some(hash.clone())).await.unwrap(), Match::Yes);
        assert_eq!(hasher.verify(typed("passwörd 🐢"), Some(hash)).await.unwrap(), Match::No);
        assert_eq!(hasher.verify(typed("pässwörd 🐢"), None).await.unwrap(), Match::No);
    }

    #[tokio::test]
    async fn r42_a_long_password_counts_to_its_last_byte() {
        let hasher = Hasher::start(1, 4).unwrap();
        let long = "x".repeat(MAX_PASSWORD_BYTES);
        let almost = format!("{}y", "x".repeat(MAX_PASSWORD_BYTES - 1));
        let hash = hasher.hash(typed(&long), &SeededRandom::new(1)).await.unwrap();
        assert_eq!(hasher.verify(typed(&almost), Some(hash.clone())).await.unwrap(), Match::No);
        assert_eq!(hasher.verify(typed(&long), Some(hash)).await.unwrap(), Match::Yes);
        assert!(Password::typed(&"x".repeat(MAX_PASSWORD_BYTES + 1)).is_err());
    }

    #[test]
    fn r42_a_password_is_hashed_in_the_form_it_was_typed_in() {
        let stored = hash(&typed("caf\u{e9} au lait"), &[7; 16], &mut Memory::default()).unwrap();
        assert_eq!(compare("caf\u{e9} au lait", &stored), Match::Yes);
        assert_eq!(compare("cafe\u{301} au lait", &stored), Match::No, "no form but this is compared here");
    }

    #[tokio::test]
    async fn a_password_typed_on_a_system_that_composes_otherwise_was_refused() {
        let hasher = Hasher::start(1, 4).unwrap();
        let (composed, decomposed) = ("caf\u{e9} au lait", "cafe\u{301} au lait");
        for (chosen, other) in [(composed, decomposed), (decomposed, composed)] {
            let hash = hasher.hash(typed(chosen), &SeededRandom::new(1)).await.unwrap();
            let verify = async |text: &str| hasher.verify(typed(text), Some(hash.clone())).await.unwrap();
            assert_eq!(verify(other).await, Match::Yes);
            assert_eq!(verify(chosen).await, Match::Yes);
            assert_eq!(verify("cafe au lait").await, Match::No, "another letter is another password");
            let compared =
                hasher.verify_from(Prefix::default(), typed(other), Some(hash.clone())).await.unwrap();
            assert_eq!(compared.form.0.as_str(), chosen, "and it is known which form the hash is of");
        }
    }

    #[tokio::test]
    async fn when_a_failure_is_answered_depends_on_what_was_typed_and_not_on_what_it_was_compared_with() {
        let hasher = Hasher::start(1, 4).unwrap();
        let hash = hasher.hash(typed("correct horse"), &SeededRandom::new(1)).await.unwrap();
        let unusable = Some("nothing".to_owned());
        for (text, slots) in [("wrong", 1), ("wr\u{f6}ng", 2), ("\u{fb01} wr\u{f6}ng", 3)] {
            for stored in [None, Some(hash.clone()), unusable.clone()] {
                let compared =
                    hasher.verify_from(Prefix::default(), typed(text), stored.clone()).await.unwrap();
                assert_ne!(compared.outcome.ok(), Some(Match::Yes));
                assert_eq!(compared.forms, slots, "{text} compared with {stored:?}");
            }
        }
    }

    #[tokio::test]
    async fn r57_a_full_queue_says_so_at_once() {
        let hasher = Hasher::start(1, 1).unwrap();
        let mut waiting = Vec::new();
        let refused = (0..64).any(|_| {
            let (reply, mut answer) = oneshot::channel();
            let (forms, since) = (vec![typed("password")], Instant::now());
            let verify = Verify { forms, stored: None, since, secrets: Arc::default(), heavy: None };
            hasher.queue_up(Prefix::default(), Job::Verify(verify, reply));
            let is_refused = matches!(answer.try_recv(), Ok(Err(_)));
            waiting.push(answer);
            is_refused
        });
        assert!(refused, "one thread and one place cannot hold 64 passwords");
    }

    #[tokio::test]
    async fn the_dearest_hashes_take_one_thread_and_leave_the_others_to_everybody_else() {
        let hasher = Hasher::start(2, 8).unwrap();
        let salt_and_output = "WUwWdfR/kOeISZK8gRW1qehO34T7syXU4cskKcDMaUxAdQt41mu/.";
        let dear = format!("$2b$15${salt_and_output}");
        assert!(is_heavy(&dear) && !is_heavy(&format!("$2b$12${salt_and_output}")));
        let under_way = Arc::clone(&hasher.heavy).acquire_owned().await.unwrap();
        let dear = std::pin::pin!(hasher.verify(typed("password"), Some(dear)));
        let cheap = hasher.verify(typed("password"), None);
        tokio::select! {
            biased;
            _ = dear => panic!("a second one of the dearest was compared at the same time"),
            outcome = cheap => assert_eq!(outcome.unwrap(), Match::No),
        }
        drop(under_way);
    }

    #[test]
    fn a_password_with_a_zero_byte_is_refused_for_bcrypt_ends_there() {
        for text in ["correct\0horse battery", "\0correct horse", "correct horse\0"] {
            assert!(Password::typed(text).is_err() && Password::chosen(text).is_err());
        }
    }

    #[test]
    fn whose_password_is_refused_is_told_how_long_one_is() {
        let told = Refusal::PasswordRejected.to_string();
        assert!(
            told.starts_with(&format!("a password has {MIN_PASSWORD_BYTES} to {MAX_PASSWORD_BYTES} bytes")),
            "{told}"
        );
        assert!(told.contains("none of them is zero"), "whose password has a zero byte hears why: {told}");
    }

    #[test]
    fn a_password_does_not_print() {
        assert_eq!(format!("{:?}", typed("hunter2hunter2")), "Password");
    }
}

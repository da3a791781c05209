//! Passwords: Argon2id, on a few low-priority threads of their own behind a bounded queue.
//!
//! A flood of log-ins cannot delay a refresh: hashing never runs on the threads that answer requests, the kernel
//! prefers those threads to these, and when the queue is full the answer is "busy" at once.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{self, JoinHandle};

use argon2::{Algorithm, Argon2, Params, Version};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use password_hash::phc::PasswordHash;
use password_hash::{PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::chance::{self, Chance};
use crate::error::{Fault, Refusal};

/// The shortest new password, in bytes of UTF-8.
pub const MIN_BYTES: usize = 8;

/// The longest password, in bytes of UTF-8; a longer one is refused, never truncated.
pub const MAX_BYTES: usize = 1024;

/// Argon2id with 19 MiB, two passes and one lane: the first choice of OWASP's password storage cheat sheet.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// The costliest stored hash that is verified. An imported hash beyond it would be a bomb, not a password.
const MAX_MEMORY_KIB: u32 = 256 * 1024;
const MAX_PASSES: u32 = 16;
const MAX_LANES: u32 = 16;

/// How far below the threads that answer requests the hashing threads stand (`nice`).
const NICENESS: i32 = 10;

/// What an unknown name's password is compared with, so that it takes as long as a known one's. It is the hash of
/// no password: its output was not computed.
pub(crate) const NOBODYS_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdCE$aXQgbWF0Y2hlcyBubyBwYXNzd29yZCBhdCBhbGwhISE";

/// A password somebody typed: any Unicode, kept exactly.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// A password to compare with a stored one. It may be shorter than a new one, as old accounts' may be.
    ///
    /// # Errors
    /// [`Refusal::PasswordRejected`] if it has more than [`MAX_BYTES`] bytes or none.
    pub fn typed(text: &str) -> Result<Self, Refusal> {
        if text.is_empty() || text.len() > MAX_BYTES {
            return Err(Refusal::PasswordRejected);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// A password to be stored.
    ///
    /// # Errors
    /// [`Refusal::PasswordRejected`] if it has fewer than [`MIN_BYTES`] or more than [`MAX_BYTES`] bytes.
    pub fn chosen(text: &str) -> Result<Self, Refusal> {
        if text.len() < MIN_BYTES { Err(Refusal::PasswordRejected) } else { Self::typed(text) }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// Whether a stored hash can be verified here; otherwise why not.
///
/// # Errors
/// A sentence for the report.
pub fn check_hash(stored: &str) -> Result<(), &'static str> {
    PasswordHash::new(stored).map(drop).map_err(|_| "its password hash is in no format that is known here")
}

/// What comparing a password came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Match {
    /// It is another password, or there is none to compare with.
    No,
    /// It is the password.
    Yes,
    /// It is the password, and its hash was made with other parameters than today's: hash it anew.
    Outdated,
}

/// The hashing threads. Dropping it lets what is queued finish.
pub struct Hasher {
    queue: Option<Sender<Work>>,
    threads: Vec<JoinHandle<()>>,
}

enum Work {
    Hash(Password, [u8; 16], oneshot::Sender<Result<String, Fault>>),
    Verify(Password, Option<String>, oneshot::Sender<Result<Match, Fault>>),
}

impl Hasher {
    /// Starts `threads` hashing threads behind a queue of `queue` passwords.
    ///
    /// # Errors
    /// A [`Fault`] if the system gives no thread.
    pub fn start(threads: usize, queue: usize) -> Result<Self, Fault> {
        let (sender, receiver) = bounded(queue);
        let threads = (0..threads.max(1))
            .map(|_| {
                let work = receiver.clone();
                thread::Builder::new().name("sprag-hash".into()).spawn(move || hash_all(&work))
            })
            .collect::<Result<_, _>>()
            .map_err(|error| Fault::unavailable("start a thread that hashes passwords", error))?;
        Ok(Self { queue: Some(sender), threads })
    }

    /// Hashes a new password to a PHC string.
    ///
    /// # Errors
    /// A busy [`Fault`] at once if the queue is full.
    pub async fn hash(&self, password: Password, chance: &dyn Chance) -> Result<String, Fault> {
        let (reply, answer) = oneshot::channel();
        self.queue_up(Work::Hash(password, chance::bytes(chance), reply))?;
        answer.await.map_err(|gone| Fault::internal("hash a password", gone))?
    }

    /// Compares a password with a PHC string; without one it takes as long and never matches.
    ///
    /// # Errors
    /// A busy [`Fault`] at once if the queue is full; an internal one if the stored hash cannot be read.
    pub async fn verify(&self, password: Password, stored: Option<String>) -> Result<Match, Fault> {
        let (reply, answer) = oneshot::channel();
        self.queue_up(Work::Verify(password, stored, reply))?;
        answer.await.map_err(|gone| Fault::internal("compare a password", gone))?
    }

    fn queue_up(&self, work: Work) -> Result<(), Fault> {
        let queue = self.queue.as_ref().expect("the queue is taken only when dropped");
        queue.try_send(work).map_err(|error| match error {
            TrySendError::Full(_) => Fault::busy("take in one more password"),
            TrySendError::Disconnected(_) => Fault::internal("reach the threads that hash passwords", "gone"),
        })
    }
}

impl Drop for Hasher {
    fn drop(&mut self) {
        drop(self.queue.take());
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

fn hash_all(work: &Receiver<Work>) {
    let this_thread = Some(rustix::thread::gettid());
    if let Err(error) = rustix::process::setpriority_process(this_thread, NICENESS) {
        tracing::warn!(%error, "password hashing runs at normal priority: the system refused a lower one");
    }
    // A client that has gone away waits for no answer: its work is skipped, and a failed send is no loss.
    for work in work {
        match work {
            Work::Hash(password, salt, reply) if !reply.is_closed() => {
                let _ = reply.send(unharmed("hash a password", || hash(&password, &salt)));
            }
            Work::Verify(password, stored, reply) if !reply.is_closed() => {
                let compared = unharmed("compare a password", || verify(&password, stored.as_deref()));
                let _ = reply.send(compared);
            }
            Work::Hash(..) | Work::Verify(..) => {}
        }
    }
}

/// A stored hash that brings the library down must not take the thread with it, or soon nobody could log in.
fn unharmed<T>(doing: &'static str, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(Fault::internal(doing, "it panicked")))
}

fn hash(password: &Password, salt: &[u8; 16]) -> Result<String, Fault> {
    argon2id()
        .hash_password_with_salt(password.0.as_bytes(), salt)
        .map(|hash| hash.to_string())
        .map_err(|error| Fault::internal("hash a password", error))
}

fn verify(password: &Password, stored: Option<&str>) -> Result<Match, Fault> {
    let phc = PasswordHash::new(stored.unwrap_or(NOBODYS_HASH))
        .map_err(|error| Fault::internal("read a stored password hash", error))?;
    let params = Params::try_from(&phc)
        .map_err(|error| Fault::internal("read the parameters of a stored password hash", error))?;
    if params.m_cost() > MAX_MEMORY_KIB || params.t_cost() > MAX_PASSES || params.p_cost() > MAX_LANES {
        return Err(Fault::internal("verify a password", "its stored hash costs more than is allowed"));
    }
    let is_match = argon2id().verify_password(password.0.as_bytes(), &phc).is_ok();
    let is_current = phc.algorithm == Algorithm::Argon2id.ident()
        && (params.m_cost(), params.t_cost(), params.p_cost()) == (MEMORY_KIB, PASSES, LANES);
    Ok(match (is_match && stored.is_some(), is_current) {
        (false, _) => Match::No,
        (true, true) => Match::Yes,
        (true, false) => Match::Outdated,
    })
}

fn argon2id() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("19 MiB, 2 passes, 1 lane are in range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::SeededChance;

    fn typed(text: &str) -> Password {
        Password::typed(text).unwrap()
    }

    #[tokio::test]
    async fn a_password_matches_its_own_hash_and_no_other() {
        let hasher = Hasher::start(1, 4).unwrap();
        let hash = hasher.hash(typed("pässwörd 🐢"), &SeededChance::new(1)).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_eq!(hasher.verify(typed("pässwörd 🐢"), Some(hash.clone())).await.unwrap(), Match::Yes);
        assert_eq!(hasher.verify(typed("passwörd 🐢"), Some(hash)).await.unwrap(), Match::No);
        assert_eq!(hasher.verify(typed("pässwörd 🐢"), None).await.unwrap(), Match::No);
    }

    #[tokio::test]
    async fn r42_a_long_password_counts_to_its_last_byte() {
        let hasher = Hasher::start(1, 4).unwrap();
        let long = "x".repeat(MAX_BYTES);
        let almost = format!("{}y", "x".repeat(MAX_BYTES - 1));
        let hash = hasher.hash(typed(&long), &SeededChance::new(1)).await.unwrap();
        assert_eq!(hasher.verify(typed(&almost), Some(hash.clone())).await.unwrap(), Match::No);
        assert_eq!(hasher.verify(typed(&long), Some(hash)).await.unwrap(), Match::Yes);
        assert!(Password::typed(&"x".repeat(MAX_BYTES + 1)).is_err());
    }

    #[test]
    fn r42_composed_and_decomposed_forms_are_different_passwords() {
        let stored = hash(&typed("caf\u{e9} au lait"), &[7; 16]).unwrap();
        assert_eq!(verify(&typed("cafe\u{301} au lait"), Some(&stored)).unwrap(), Match::No);
    }

    #[test]
    fn r29_a_hash_that_costs_too_much_is_not_tried() {
        let bomb = "$argon2id$v=19$m=4194304,t=3,p=1$bm9ib2R5J3Mgc2FsdCE$aXQgbWF0Y2hlcyBubyBwYXNzd29yZCBhdCBhbGwhISE";
        assert!(verify(&typed("password"), Some(bomb)).is_err());
    }

    #[test]
    fn a_hash_with_other_parameters_is_recognised_as_outdated() {
        let older = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(1024, 1, 1, None).unwrap())
            .hash_password_with_salt(b"password", &[1; 16])
            .unwrap()
            .to_string();
        assert_eq!(verify(&typed("password"), Some(&older)).unwrap(), Match::Outdated);
    }

    #[tokio::test]
    async fn r57_a_full_queue_says_so_at_once() {
        let hasher = Hasher::start(1, 1).unwrap();
        let mut waiting = Vec::new();
        let refused = (0..64).any(|_| {
            let (reply, answer) = oneshot::channel();
            waiting.push(answer);
            hasher.queue_up(Work::Verify(typed("password"), None, reply)).is_err()
        });
        assert!(refused, "one thread and one place cannot hold 64 passwords");
    }

    #[test]
    fn a_password_does_not_print() {
        assert_eq!(format!("{:?}", typed("hunter2hunter2")), "Password");
    }
}

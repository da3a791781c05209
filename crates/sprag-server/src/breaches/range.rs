//! Stolen passwords at a service, which is told the first five digits of a hash and answers with the rest of all that begin so: it
//! learns of no password, nor of who chose it (k-anonymity). Pwned Passwords is one, and has mirrors.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sprag::Fault;
use sprag::clock::{Clock, millis};
use sprag::password::{Breaches, PasswordSha1};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use url::Url;

use super::DOING;
use crate::outgoing::{Bounds, Reach, shown};

/// How many digits of a hash are told.
const TOLD_DIGITS: usize = 5;

/// How long an answer may take: somebody waits for it.
const PATIENCE: Duration = Duration::from_secs(1);

/// For how long nobody is asked after a question that came to nothing, so that a service that is away keeps one person waiting and
/// not everybody.
const PAUSE: Duration = Duration::from_secs(10);

/// The largest answer, in bytes; with its padding one has some 40 KiB.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// How many questions are asked at once.
const MOST_AT_ONCE: usize = 16;

/// Has the service add entries that mean nothing, so that the length of an answer does not tell which digits were asked for.
const PADDING: (&str, &str) = ("add-padding", "true");

/// A service that is asked.
pub(super) struct BreachRange {
    reach: Reach,
    /// What stands before the digits.
    url: Url,
    clock: Arc<dyn Clock>,
    patience: Duration,
    at_once: Semaphore,
    /// Until when nobody is asked, in milliseconds.
    paused_until: AtomicI64,
}

impl fmt::Debug for BreachRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreachRange").field("url", &shown(&self.url)).finish_non_exhaustive()
    }
}

impl BreachRange {
    pub(super) fn at(url: &Url, reach: &Reach, clock: &Arc<dyn Clock>) -> Self {
        Self {
            reach: reach.clone(),
            url: url.clone(),
            clock: Arc::clone(clock),
            patience: PATIENCE,
            at_once: Semaphore::new(MOST_AT_ONCE),
            paused_until: AtomicI64::new(i64::MIN),
        }
    }

    /// Whether the last question came to nothing a moment ago. After a clock went back, it is asked all the same.
    fn is_paused(&self) -> bool {
        let until = self.paused_until.load(Ordering::Relaxed);
        let left = until.saturating_sub(self.clock.now().0);
        left > 0 && left <= millis(PAUSE)
    }

    /// Whether the service knows a hash, given as its forty digits.
    async fn knows(&self, hash: &str) -> Result<bool, Fault> {
        if self.is_paused() {
            let why = format!("{} failed a moment ago and is not asked for ten seconds", shown(&self.url));
            return Err(Fault::unavailable(DOING, why));
        }
        let (told, wanted) = hash.split_at(TOLD_DIGITS);
        self.ask(told, wanted).await.map_err(|why| {
            let until = self.clock.now().0.saturating_add(millis(PAUSE));
            self.paused_until.store(until, Ordering::Relaxed);
            Fault::unavailable(DOING, why)
        })
    }

    async fn ask(&self, told: &str, wanted: &str) -> Result<bool, String> {
        let mut url = self.url.clone();
        url.set_path(&format!("{}/{told}", self.url.path().trim_end_matches('/')));
        let bounds = Bounds { limit: self.patience, most_bytes: MAX_ANSWER_BYTES };
        let asked = async {
            let _permit = self.at_once.acquire().await.map_err(|error| error.to_string())?;
            self.reach.get(&url, PADDING, bounds).await.map_err(|error| error.to_string())
        };
        let late = || format!("{} does not answer within {} ms", shown(&self.url), self.patience.as_millis());
        let reply = timeout(self.patience, asked).await.map_err(|_| late())??;
        if !reply.is_success() {
            return Err(format!("{} answers {}", shown(&self.url), reply.status));
        }
        let odd = || format!("{} answers something else than was asked for", shown(&self.url));
        has(&reply.body, wanted).ok_or_else(odd)
    }
}

#[async_trait]
impl Breaches for BreachRange {
    async fn know(&self, hash: &PasswordSha1) -> Result<bool, Fault> {
        self.knows(&hash.as_hex()).await
    }
}

/// Whether an answer has the rest of a hash; `None` where it is no such answer. An entry that was seen never is padding.
fn has(answer: &[u8], wanted: &str) -> Option<bool> {
    let text = std::str::from_utf8(answer).ok()?;
    let mut is_there = false;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (rest, count) = line.split_once(':')?;
        let is_rest = rest.len() == wanted.len() && rest.bytes().all(|byte| byte.is_ascii_hexdigit());
        let count: u64 = count.trim().parse().ok().filter(|_| is_rest)?;
        is_there |= count > 0 && rest.eq_ignore_ascii_case(wanted);
    }
    Some(is_there)
}

#[cfg(test)]
mod tests;

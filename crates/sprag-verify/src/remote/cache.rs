//! The keys at hand: how long they are good, who fetches new ones, and who waits.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio::task::JoinHandle;

use super::fetch::{Fetched, Fetcher};
use super::freshness::max_age;
use crate::algorithm::Algorithm;
use crate::error::Error;
use crate::fetch_error::FetchError;
use crate::keys::KeySet;
use crate::rules::Clock;

/// How long and how often.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How long after their fetch keys may be used while newer ones cannot be had.
    pub(super) stale_for: Duration,
    /// How often unknown keys may cause a fetch.
    pub(super) unknown_key_interval: Duration,
    /// How long after a failure nothing is tried.
    pub(super) retry_interval: Duration,
}

/// The keys of one issuer, shared by all that verify with them.
pub(super) struct Cache {
    fetcher: Fetcher,
    limits: Limits,
    algorithm: Algorithm,
    clock: Clock,
    state: Mutex<State>,
    /// Held by the one fetch that is under way.
    fetching: Arc<AsyncMutex<()>>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    /// The last fetch failed: when, and why.
    failure: Option<(SystemTime, FetchError)>,
    /// When an unknown key last caused a fetch.
    asked_for_key_at: Option<SystemTime>,
}

struct Held {
    keys: Arc<KeySet>,
    fetched_at: SystemTime,
    max_age: Duration,
}

/// What is to be done about keys at a moment.
enum Need {
    /// These will do.
    None(Arc<KeySet>),
    /// These are used because newer ones could not be had; another try is due, and nobody has to wait for it.
    Later(Arc<KeySet>),
    /// A fetch is due, and its outcome is waited for.
    Now,
    /// There are no keys, and it is too early for another try.
    Unavailable(FetchError),
}

impl Cache {
    pub(super) fn new(fetcher: Fetcher, limits: Limits, algorithm: Algorithm, clock: Clock) -> Self {
        Self { fetcher, limits, algorithm, clock, state: Mutex::default(), fetching: Arc::default() }
    }

    /// The keys to verify with now.
    pub(super) async fn keys(self: &Arc<Self>) -> Result<Arc<KeySet>, Error> {
        match self.need() {
            Need::None(keys) => return Ok(keys),
            Need::Unavailable(why) => return Err(Error::Keys(why)),
            Need::Later(keys) => {
                self.fetch_behind();
                return Ok(keys);
            }
            Need::Now => {}
        }
        let permit = self.wait_to_fetch().await;
        // Whoever waited for another's fetch finds its keys here, or learns that it failed.
        if matches!(self.need(), Need::Now) {
            self.start_fetch(permit).await.map_err(|_| Error::Keys(FetchError::Stopped))?;
        }
        match self.need() {
            Need::None(keys) | Need::Later(keys) => Ok(keys),
            Need::Unavailable(why) => Err(Error::Keys(why)),
            Need::Now => Err(Error::Keys(self.last_failure().unwrap_or(FetchError::Stopped))),
        }
    }

    /// Keys that may know what those at hand do not, if a fetch for that is due.
    pub(super) async fn newer_keys(
        self: &Arc<Self>,
        is_enough: impl Fn(&KeySet) -> bool,
    ) -> Result<Arc<KeySet>, Error> {
        if self.may_ask_for_key(&is_enough) {
            let permit = self.wait_to_fetch().await;
            if self.may_ask_for_key(&is_enough) {
                self.state().asked_for_key_at = Some((self.clock)());
                self.start_fetch(permit).await.map_err(|_| Error::Keys(FetchError::Stopped))?;
            }
        }
        let state = self.state();
        match (&state.held, &state.failure) {
            (Some(held), _) if is_enough(&held.keys) => Ok(Arc::clone(&held.keys)),
            // Whether the key exists is not known; that is no fault of the token.
            (_, Some((_, why))) => Err(Error::Keys(why.clone())),
            (Some(held), None) => Ok(Arc::clone(&held.keys)),
            (None, None) => Err(Error::Keys(FetchError::Stopped)),
        }
    }

    /// Fetches now, whatever is at hand.
    pub(super) async fn fetch(self: &Arc<Self>) -> Result<(), FetchError> {
        let permit = self.wait_to_fetch().await;
        self.start_fetch(permit).await.map_err(|_| FetchError::Stopped)?;
        self.last_failure().map_or(Ok(()), Err)
    }

    pub(super) fn last_failure(&self) -> Option<FetchError> {
        self.state().failure.as_ref().map(|(_, why)| why.clone())
    }

    fn need(&self) -> Need {
        let now = (self.clock)();
        let state = self.state();
        let held = state.held.as_ref();
        if let Some(held) = held.filter(|held| is_within(held.fetched_at, held.max_age, now)) {
            return Need::None(Arc::clone(&held.keys));
        }
        let usable_for = |held: &Held| held.max_age.max(self.limits.stale_for);
        let usable = held.filter(|held| is_before_end(held.fetched_at, usable_for(held), now));
        let tried = state.failure.as_ref();
        let is_too_early = tried.filter(|(at, _)| is_within(*at, self.limits.retry_interval, now));
        match (usable, tried) {
            (Some(held), Some(_)) if is_too_early.is_some() => Need::None(Arc::clone(&held.keys)),
            // Somebody has waited since these keys went stale, and in vain.
            (Some(held), Some((at, _))) if !is_within(held.fetched_at, held.max_age, *at) => {
                Need::Later(Arc::clone(&held.keys))
            }
            (None, Some((_, why))) if is_too_early.is_some() => Need::Unavailable(why.clone()),
            _ => Need::Now,
        }
    }

    fn may_ask_for_key(&self, is_enough: impl Fn(&KeySet) -> bool) -> bool {
        let now = (self.clock)();
        let state = self.state();
        let is_too_early = |at| is_within(at, self.limits.unknown_key_interval, now);
        !state.held.as_ref().is_some_and(|held| is_enough(&held.keys))
            && !state.asked_for_key_at.is_some_and(is_too_early)
    }

    /// Waits until no fetch is under way, and keeps others from beginning one.
    async fn wait_to_fetch(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.fetching).lock_owned().await
    }

    /// Fetches on a task of its own, so that it ends even where the request that wanted it is given up.
    fn start_fetch(self: &Arc<Self>, permit: OwnedMutexGuard<()>) -> JoinHandle<()> {
        let cache = Arc::clone(self);
        tokio::spawn(async move {
            cache.renew().await;
            drop(permit);
        })
    }

    /// Fetches without anybody waiting, unless somebody does already.
    fn fetch_behind(self: &Arc<Self>) {
        let Ok(permit) = Arc::clone(&self.fetching).try_lock_owned() else { return };
        if matches!(self.need(), Need::Later(_)) {
            drop(self.start_fetch(permit));
        }
    }

    async fn renew(&self) {
        // Counted from before the request: an answer that was long on its way is not the younger for it.
        let fetched_at = (self.clock)();
        let read = |fetched: Fetched| {
            let keys = KeySet::from_jwks(&fetched.body).map_err(FetchError::Keys)?;
            Ok(Held { keys: Arc::new(keys), fetched_at, max_age: max_age(&fetched.headers) })
        };
        let outcome = self.fetcher.fetch().await.and_then(read);
        let now = (self.clock)();
        let mut state = self.state();
        state.failure = match outcome {
            // A set that the issuer stands by takes the place of the last, even where it has nothing for us: keys that
            // are not in it any more have been retired.
            Ok(held) => {
                let lacks = held.keys.require(self.algorithm).err();
                state.held = Some(held);
                lacks.map(|why| (now, FetchError::Keys(why)))
            }
            Err(why) => Some((now, why)),
        };
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one assignment of a whole; a panic elsewhere leaves none half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether `now` lies in the span that begins at `since`. Before it, the clock went back, and nothing can be said.
fn is_within(since: SystemTime, span: Duration, now: SystemTime) -> bool {
    now >= since && is_before_end(since, span, now)
}

fn is_before_end(since: SystemTime, span: Duration, now: SystemTime) -> bool {
    since.checked_add(span).is_none_or(|end| now < end)
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("address", &self.fetcher.address)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

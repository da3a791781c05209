//! How often a session and a network may refresh. The budgets lie in this process's memory, so that no refresh writes for them:
//! each node has its own (docs/reference/limits.md says what that means for several).

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::{NotUntil, Quota, RateLimiter};
use sprag::prefix::Prefix;
use sprag::session::SessionId;

use super::proxies::Proxies;
use spent::Spent;

mod spent;

/// How many times the budget of a network is what an unnamed proxy has.
const HUNDREDFOLD: NonZeroU32 = NonZeroU32::new(100).expect("a hundred is not zero");

/// A budget that is exhausted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exhausted {
    /// Its name, as settings and metrics have it.
    pub budget: &'static str,
    /// After how many seconds to come again.
    pub retry_after_seconds: u32,
}

/// So often at once, and then so often in so long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// How often at once.
    pub burst: NonZeroU32,
    /// How often then,
    pub count: NonZeroU32,
    /// in how long.
    pub span: Duration,
}

impl Budget {
    /// How long until once more.
    #[must_use]
    pub fn each(&self) -> Duration {
        self.span / self.count.get()
    }
}

/// How often a session and a network may refresh on each node.
#[derive(Clone, Copy, Debug)]
pub struct RefreshBudgets {
    /// A session.
    pub session: Budget,
    /// A network.
    pub prefix: Budget,
}

/// Budgets of one kind, by what they are about.
type Budgets<K, C> = RateLimiter<K, Spent<K>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// The budgets of all sessions and networks.
pub struct RefreshLimits<C: Clock = MonotonicClock> {
    sessions: Budgets<SessionId, C>,
    prefixes: Budgets<Prefix, C>,
    /// Those of peers that may be proxies.
    perhaps_proxies: Budgets<Prefix, C>,
    clock: C,
}

impl RefreshLimits {
    /// Budgets of that size, all of them whole.
    #[must_use]
    pub fn new(budgets: RefreshBudgets) -> Self {
        Self::by(budgets, &MonotonicClock)
    }
}

impl<C: Clock + Clone> RefreshLimits<C> {
    /// Budgets that are whole again as that clock goes.
    pub(crate) fn by(budgets: RefreshBudgets, clock: &C) -> Self {
        let RefreshBudgets { session, prefix } = budgets;
        Self {
            sessions: RateLimiter::new(quota(session.burst, session.each()), Spent::default(), clock.clone()),
            prefixes: RateLimiter::new(quota(prefix.burst, prefix.each()), Spent::default(), clock.clone()),
            perhaps_proxies: RateLimiter::new(
                quota(prefix.burst.saturating_mul(HUNDREDFOLD), prefix.each() / HUNDREDFOLD.get()),
                Spent::default(),
                clock.clone(),
            ),
            clock: clock.clone(),
        }
    }

    /// Spends one refresh of the network's budget. `None` is a request that tells no address, as one of many.
    ///
    /// # Errors
    /// It is exhausted.
    pub fn of_prefix(&self, address: Option<IpAddr>, proxies: &Proxies) -> Result<(), Exhausted> {
        let is_many = address.is_none_or(|address| proxies.may_be_unnamed(address));
        let budgets = if is_many { &self.perhaps_proxies } else { &self.prefixes };
        let prefix = address.map(Prefix::from).unwrap_or_default();
        budgets.check_key(&prefix).map_err(|not_until| self.exhausted("refresh.prefix", &not_until))
    }

    /// Spends one refresh of the session's budget.
    ///
    /// # Errors
    /// It is exhausted.
    pub fn of_session(&self, session: SessionId) -> Result<(), Exhausted> {
        self.sessions.check_key(&session).map_err(|not_until| self.exhausted("refresh.session", &not_until))
    }

    /// Forgets the budgets that are whole again.
    pub(crate) fn forget_whole(&self) {
        self.sessions.retain_recent();
        self.prefixes.retain_recent();
        self.perhaps_proxies.retain_recent();
    }

    /// How many budgets are kept.
    pub(crate) fn kept(&self) -> usize {
        self.sessions.len() + self.prefixes.len() + self.perhaps_proxies.len()
    }

    fn exhausted(&self, budget: &'static str, not_until: &NotUntil<C::Instant>) -> Exhausted {
        let wait = not_until.wait_time_from(self.clock.now());
        let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1);
        Exhausted { budget, retry_after_seconds: u32::try_from(seconds).unwrap_or(u32::MAX) }
    }
}

/// So many at once, and one more each time so long has passed.
fn quota(burst: NonZeroU32, each: Duration) -> Quota {
    // There is no quota only where no time passes between two.
    Quota::with_period(each).unwrap_or_else(|| Quota::per_second(burst)).allow_burst(burst)
}

impl<C: Clock + Clone> fmt::Debug for RefreshLimits<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshLimits").field("kept", &self.kept()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

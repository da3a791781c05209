//! How often a session and a network may refresh. The budgets lie in this process's memory, so that no refresh writes for them:
//! each node has its own (docs/reference/limits.md says what that means for several).

use std::fmt;
use std::num::NonZeroU32;

use governor::clock::{Clock, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::{NotUntil, Quota, RateLimiter};
use sprag::budget::Rate;
use sprag::prefix::Prefix;
use sprag::session::SessionId;

use super::budgets::seconds;
use super::request::Source;
use crate::metrics::{PREFIX_LIMIT, SESSION_LIMIT};
use spent::Spent;

mod spent;

/// How many times the budget of a network is what an unnamed proxy has.
const HUNDREDFOLD: u32 = 100;

/// A budget that is exhausted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exhausted {
    /// Its name, as settings and metrics have it.
    pub budget: &'static str,
    /// After how many seconds to come again.
    pub retry_after_seconds: u32,
}

/// How often a session and a network may refresh on each node.
#[derive(Clone, Copy, Debug)]
pub struct RefreshRates {
    /// A session.
    pub session: Rate,
    /// A network.
    pub prefix: Rate,
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
    pub fn new(rates: RefreshRates) -> Self {
        Self::by(rates, &MonotonicClock)
    }
}

impl<C: Clock + Clone> RefreshLimits<C> {
    /// Budgets that are whole again as that clock goes.
    pub(crate) fn by(rates: RefreshRates, clock: &C) -> Self {
        let RefreshRates { session, prefix } = rates;
        let burst = prefix.burst.saturating_mul(HUNDREDFOLD);
        let of_many = Rate { burst, interval: prefix.interval / HUNDREDFOLD };
        Self {
            sessions: RateLimiter::new(quota(session), Spent::default(), clock.clone()),
            prefixes: RateLimiter::new(quota(prefix), Spent::default(), clock.clone()),
            perhaps_proxies: RateLimiter::new(quota(of_many), Spent::default(), clock.clone()),
            clock: clock.clone(),
        }
    }

    /// Spends one refresh of the budget of the network that a request comes from. One that tells no address is of none.
    ///
    /// # Errors
    /// It is exhausted.
    pub(crate) fn of_prefix(&self, source: Source) -> Result<(), Exhausted> {
        let Some(address) = source.address else { return Ok(()) };
        let budgets = if source.may_be_proxy { &self.perhaps_proxies } else { &self.prefixes };
        let spent = budgets.check_key(&Prefix::from(address));
        spent.map_err(|not_until| self.exhausted(PREFIX_LIMIT, &not_until))
    }

    /// Spends one refresh of the session's budget.
    ///
    /// # Errors
    /// It is exhausted.
    pub(crate) fn of_session(&self, session: SessionId) -> Result<(), Exhausted> {
        self.sessions.check_key(&session).map_err(|not_until| self.exhausted(SESSION_LIMIT, &not_until))
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
        let seconds = seconds(not_until.wait_time_from(self.clock.now())).max(1);
        Exhausted { budget, retry_after_seconds: u32::try_from(seconds).unwrap_or(u32::MAX) }
    }
}

/// So many at once, and one more each time its interval has passed.
fn quota(rate: Rate) -> Quota {
    let burst = NonZeroU32::new(rate.burst).unwrap_or(NonZeroU32::MIN);
    // There is no quota only where no time passes between two.
    Quota::with_period(rate.interval).unwrap_or_else(|| Quota::per_second(burst)).allow_burst(burst)
}

impl<C: Clock + Clone> fmt::Debug for RefreshLimits<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshLimits").field("kept", &self.kept()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

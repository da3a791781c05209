//! How often somebody may try a password: reserved before anything is hashed, and given back by a right one.
//!
//! Strangers share the account's budget, whatever spelling they use, and spend their network's besides; a name that nobody has
//! is treated as if it were an account. A device that the account knows has a budget of its own, which a right password makes
//! whole: once it has failed ten times in a row, it is a stranger like any other. All known devices of an account together spend
//! one more, which nothing gives back: whoever knows the password could otherwise have it hashed without end.

use std::time::Instant;

use super::Authn;
use super::devices::Known;
use crate::account::Name;
use crate::audit::{NOBODY, Severity};
use crate::budget::{Budget, Spent};
use crate::error::{Error, Fault, FaultKind};
use crate::limits::{Gate, Reserved, Whose};
use crate::password::Presence;
use crate::proof_of_work::Solved;
use crate::requester::Requester;
use crate::security::Outcome;
use crate::session::AccountId;

/// Whom a password is tried at.
#[derive(Clone, Copy, Debug)]
pub(super) enum At<'a> {
    /// An account.
    Account(AccountId),
    /// What somebody typed, and nobody has it as a name.
    Nobody(&'a str),
}

/// A try that has been reserved.
#[derive(Debug)]
#[must_use = "a try that came to nothing, or was right, is given back"]
pub(super) struct Try {
    reserved: Reserved,
    known: Option<Known>,
}

/// A try that is given back where whoever makes it goes away before anybody has looked at their password: they hang up, or
/// their time is up.
#[must_use = "it is for as long as the password waits"]
pub(super) struct UnlessLookedAt<'a> {
    gate: &'a Gate,
    tried: &'a Try,
    place: Presence,
}

impl Drop for UnlessLookedAt<'_> {
    fn drop(&mut self) {
        if self.place.leave() {
            self.gate.leave_behind(&self.tried.reserved);
        }
    }
}

impl Try {
    /// How the account knows the device, if it does.
    pub(super) fn into_known(self) -> Option<Known> {
        self.known
    }
}

impl Authn<'_> {
    /// Reserves a try that came then, before any work is done for it: one for each form that the password is looked at in, as each
    /// is hashed.
    ///
    /// # Errors
    /// [`Refusal::RateLimited`](crate::Refusal::RateLimited); a [`Fault`], and then nobody may try.
    pub(super) async fn reserve_try(
        &self,
        (came, forms): (Instant, u32),
        at: At<'_>,
        (known, solved): (Option<Known>, Option<Solved>),
        requester: &Requester,
    ) -> Result<Try, Error> {
        let (keys, now) = (self.keys.load(), self.clock.now());
        if let Some(known) = &known {
            let mut own = vec![(Budget::LoginDevice, whose(known))];
            if let At::Account(account) = at {
                own.push((Budget::LoginKnown, Whose::Account(account)));
            }
            if let Ok(reserved) = self.gate.reserve(self.store.as_ref(), &keys, (&own, forms), now).await? {
                return Ok(Try { reserved, known: Some(known.clone()) });
            }
        }
        let name;
        let account = match at {
            At::Account(account) => Whose::Account(account),
            At::Nobody(typed) => match Name::meant_by(typed).pop() {
                Some(form) => {
                    name = form;
                    Whose::Name(&name)
                }
                None => Whose::Typed(typed.trim()),
            },
        };
        let wanted = [(Budget::LoginAccount, account), (Budget::LoginPrefix, Whose::NetworkOf(requester))];
        match self.gate.reserve_or_by_work(self.store.as_ref(), &keys, (&wanted, forms), solved, now).await? {
            Ok(reserved) => Ok(Try { reserved, known }),
            Err(spent) => {
                self.note_spent(at, spent, requester);
                self.hasher.wait_to_turn_away(came, self.random).await;
                Err(spent.into())
            }
        }
    }

    /// A right password: it gives its own try back to the account, and makes the budget of a device whole that the account
    /// knows. What it took of its network's is spent, for it was work.
    pub(super) async fn was_right(&self, tried: &Try) {
        let (keys, now) = (self.keys.load(), self.clock.now());
        if let Some(known) = &tried.known {
            self.gate.make_whole(self.store.as_ref(), &keys, (Budget::LoginDevice, whose(known)), now).await;
        }
        self.gate
            .give_back(self.store.as_ref(), &tried.reserved, |budget| budget == Budget::LoginAccount, now)
            .await;
    }

    /// Gives a try back where whoever makes it goes away while their password waits in this place.
    pub(super) fn unless_looked_at<'t>(&'t self, tried: &'t Try, place: &Presence) -> UnlessLookedAt<'t> {
        UnlessLookedAt { gate: self.gate, tried, place: place.clone() }
    }

    /// A password that nobody had the time to look at: it has cost nobody a try.
    pub(super) async fn was_not_looked_at(&self, tried: &Try, fault: &Fault) {
        if fault.kind == FaultKind::Busy {
            self.gate.give_back(self.store.as_ref(), &tried.reserved, |_| true, self.clock.now()).await;
        }
    }

    /// Counts a try that there was no room for. The journal hears of all together, within a minute: a write for each, of a known
    /// name and of an unknown one, would take its own time.
    fn note_spent(&self, at: At<'_>, spent: Spent, requester: &Requester) {
        let account = match at {
            At::Account(account) => account,
            At::Nobody(_) => NOBODY,
        };
        let why = if spent.budget.is_by_network() {
            "not looked at, as too many log-ins came from one network"
        } else {
            "not looked at, as too many had failed at this account"
        };
        self.failures.gather(account, why, requester, self.clock.now());
        self.store.counts.login_refused(crate::error::refusals::RATE_LIMITED.name);
        let (ip, user_agent) = (requester.ip.as_deref(), requester.user_agent.as_deref());
        let outcome = Outcome::named("", Severity::Warning, ip, user_agent);
        let account = Some(account).filter(|account| *account != NOBODY);
        let refused = outcome.refused(crate::error::refusals::RATE_LIMITED.name);
        Outcome { account, note: Some(spent.budget.name()), ..refused }.tell_seldom();
    }
}

fn whose(known: &Known) -> Whose<'static> {
    match known {
        Known::Device(device, _) => Whose::Device(*device),
        Known::Session(key) => Whose::Session(key.session),
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::Poll;
    use std::time::Duration;

    use super::*;
    use crate::budget::Rate;
    use crate::clock::{Clock as _, SystemClock};
    use crate::engine::Engine;
    use crate::error::Refusal;
    use crate::keys::{Algorithm, KeyRing};
    use crate::limits::Rates;
    use crate::password::Hasher;
    use crate::random::SystemRandom;
    use crate::store::memory::MemoryStore;

    /// An engine at which one may try one password an hour, and which has that many threads to look at it.
    fn engine(hasher: Hasher) -> Engine {
        let one = Rate { burst: 1, interval: Duration::from_secs(3600) };
        Engine::builder(Arc::new(MemoryStore::new()))
            .keys(KeyRing::generate(Algorithm::Es256, &SystemRandom::default(), SystemClock.now()).unwrap())
            .issuer("https://auth.example.org")
            .hasher(hasher)
            .rates(Rates::default().with(Budget::LoginAccount, one))
            .build()
            .unwrap()
    }

    /// Begins to try a password, and goes away when it waits for its turn, or hears the answer.
    async fn tries_and_leaves(engine: &Engine) -> Option<Error> {
        let (authn, requester) = (engine.authn(), Requester::nobody());
        let mut trying = pin!(authn.password("somebody", "a guess", &requester));
        for _ in 0..100 {
            let polled = std::future::poll_fn(|context| Poll::Ready(trying.as_mut().poll(context))).await;
            if let Poll::Ready(answer) = polled {
                return answer.err();
            }
            tokio::task::yield_now().await;
        }
        None
    }

    fn is_limited(error: Option<&Error>) -> bool {
        matches!(error, Some(Error::Refused(Refusal::RateLimited(_))))
    }

    #[tokio::test]
    async fn a_try_stayed_spent_whose_time_was_up_before_anybody_looked_at_it() {
        let engine = engine(Hasher::without_threads(8));
        for _ in 0..3 {
            let answer = tries_and_leaves(&engine).await;
            assert!(answer.is_none(), "it waits for a thread, and is not refused: {answer:?}");
        }
    }

    #[tokio::test]
    async fn a_password_that_was_looked_at_has_spent_its_try() {
        let hasher = Hasher::start(1, 8).unwrap().failing_at_once();
        let engine = engine(hasher);
        let (authn, requester) = (engine.authn(), Requester::nobody());
        assert!(authn.password("somebody", "a guess", &requester).await.is_err());
        assert!(is_limited(tries_and_leaves(&engine).await.as_ref()));
    }

    #[test]
    fn a_place_is_left_or_looked_at_and_never_both() {
        let place = Presence::default();
        assert!(place.look() && place.look(), "a stand-in may look, too");
        assert!(!place.leave());
        let place = Presence::default();
        assert!(place.leave());
        assert!(!place.look() && !place.leave());
    }
}

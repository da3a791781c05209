//! Limits: how often somebody may try, before any work is done for them.
//!
//! Each limit is a [`Budget`] with a name and a [`Rate`]; whose it is decides its key, a keyed hash under the key ring. What a
//! call needs is reserved all at once, in the store that all nodes share, and a call that gets nothing has cost nobody
//! anything. `docs/reference/limits.md` says what each of them is for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;

use crate::account::Name;
use crate::budget::{Budget, BudgetState, Rate, Spent};
use crate::clock::Timestamp;
use crate::error::{Error, Fault, Refusal};
use crate::keys::KeyRing;
use crate::observe::BudgetObserved;
use crate::proof_of_work::Solved;
use crate::requester::Requester;
use crate::session::{AccountId, SessionId};
use crate::store::{BudgetKey, Budgets, Wanted};
use uuid::Uuid;

mod told;
mod without_room;

pub use told::{Left, Told, told_of};
use without_room::WithoutRoom;

/// How much more the budget of a network holds whose only address may be a proxy that speaks for many.
const MAY_BE_A_PROXY: u32 = 100;

/// How much each budget holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rates {
    kept: Vec<Rate>,
    are_on: bool,
}

impl Default for Rates {
    /// All on, at their usual rates.
    fn default() -> Self {
        Self { kept: Budget::ALL.iter().map(|budget| budget.usual()).collect(), are_on: true }
    }
}

impl Rates {
    /// No limits but those that [always hold](Budget::always_holds).
    #[must_use]
    pub fn off() -> Self {
        Self { are_on: false, ..Self::default() }
    }

    /// Whether anything is limited that need not be.
    #[must_use]
    pub fn are_on(&self) -> bool {
        self.are_on
    }

    /// These, but for one.
    #[must_use]
    pub fn with(mut self, budget: Budget, rate: Rate) -> Self {
        if let Some(kept) = self.kept.get_mut(budget as usize) {
            *kept = rate;
        }
        self
    }

    /// How much a budget holds; `None` where it does not limit anything.
    #[must_use]
    pub fn of(&self, budget: Budget) -> Option<Rate> {
        let holds = self.are_on || budget.always_holds();
        self.kept.get(budget as usize).copied().filter(|_| holds)
    }
}

/// Whose budget it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Whose<'a> {
    /// An account's.
    Account(AccountId),
    /// That of a name which nobody has.
    Name(&'a Name),
    /// That of what somebody typed, which is no name.
    Typed(&'a str),
    /// A known device's.
    Device(Uuid),
    /// That of the device which a live session is on.
    Session(SessionId),
    /// That of the network that a request comes from.
    NetworkOf(&'a Requester),
}

/// What was reserved, so that it can be given back.
#[derive(Debug, Default)]
#[must_use = "what is reserved is spent, unless it is given back"]
pub(crate) struct Reserved(Vec<(Budget, BudgetKey, Rate)>);

/// What stands before the work: the rates in force, and how often they were asked.
#[derive(Debug)]
pub(crate) struct Gate {
    rates: Rates,
    counts: Vec<(AtomicU64, AtomicU64)>,
    has_asked_for_proxies: AtomicBool,
    without_room: WithoutRoom,
    /// What is to be given back for those who went away.
    left_behind: Mutex<BTreeMap<BudgetKey, Duration>>,
}

impl Gate {
    pub(crate) fn new(rates: Rates) -> Self {
        let counts = Budget::ALL.iter().map(|_| Default::default()).collect();
        Self {
            rates,
            counts,
            has_asked_for_proxies: AtomicBool::new(false),
            without_room: WithoutRoom::default(),
            left_behind: Mutex::default(),
        }
    }

    pub(crate) fn rates(&self) -> &Rates {
        &self.rates
    }

    pub(crate) fn observed(&self) -> Vec<BudgetObserved> {
        let counts = Budget::ALL.iter().zip(&self.counts);
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counted = counts.map(|(budget, (reserved, refused))| BudgetObserved {
            name: budget.name(),
            reserved: read(reserved),
            refused: read(refused),
        });
        counted.collect()
    }

    /// Reserves so many of each budget, or none of them; `Err` says which has no room.
    ///
    /// # Errors
    /// A [`Fault`] if the store cannot be asked: then nobody may go on.
    pub(crate) async fn reserve(
        &self,
        store: &(impl Budgets + ?Sized),
        keys: &KeyRing,
        (wanted, of_each): (&[(Budget, Whose<'_>)], u32),
        now: Timestamp,
    ) -> Result<Result<Reserved, Spent>, Fault> {
        let rates: Vec<_> = wanted
            .iter()
            .filter_map(|(budget, whose)| Some((*budget, *whose, self.rate(*budget, *whose)?)))
            .collect();
        let reserves = |(budget, whose, rate): &(Budget, Whose<'_>, Rate)| {
            (*budget, key(keys, *budget, *whose, now), rate.several(of_each))
        };
        let wanted: Vec<_> = rates.iter().map(reserves).collect();
        if wanted.is_empty() {
            return Ok(Ok(Reserved::default()));
        }
        let standings =
            self.ask(store, wanted.iter().map(|(_, key, rate)| (*key, *rate)).collect(), now).await?;
        let is_reserved = has_room(&standings);
        let mut spent: Option<Spent> = None;
        for (((budget, _, rate), standing), (.., of_one)) in wanted.iter().zip(standings).zip(&rates) {
            told::note(*budget, *of_one, standing, now);
            let (reserved, refused) = &self.counts[*budget as usize];
            if is_reserved {
                reserved.fetch_add(1, Ordering::Relaxed);
            } else if let Some(standing) = standing.filter(|standing| !standing.had_room) {
                refused.fetch_add(1, Ordering::Relaxed);
                let wait = rate.wait(standing.due, now);
                if spent.is_none_or(|spent| spent.wait < wait) {
                    spent = Some(Spent { budget: *budget, wait });
                }
            }
        }
        Ok(match spent {
            Some(spent) => Err(spent),
            None => Ok(Reserved(wanted)),
        })
    }

    /// Reserves one of each, or none of them. Where one had no room a moment ago, the store is not asked, and nothing is known
    /// of the others.
    async fn ask(
        &self,
        store: &(impl Budgets + ?Sized),
        wanted: Vec<(BudgetKey, Rate)>,
        now: Timestamp,
    ) -> Result<Vec<Option<BudgetState>>, Fault> {
        self.give_back_left_behind(store, now).await;
        let remembered: Vec<_> = wanted.iter().map(|(key, _)| self.without_room.state(*key, now)).collect();
        if remembered.iter().any(Option::is_some) {
            return Ok(remembered);
        }
        let given_back = self.without_room.given_back();
        let asked = wanted.iter().map(|(key, rate)| Wanted { key: *key, rate: *rate }).collect();
        let standings = store.reserve(asked, now).await?;
        for ((key, rate), standing) in
            wanted.iter().zip(&standings).filter(|(_, standing)| !standing.had_room)
        {
            let wait = rate.wait(standing.due, now);
            self.without_room.remember(*key, (*standing, wait), given_back, now);
        }
        Ok(standings.into_iter().map(Some).collect())
    }

    /// Reserves as [`reserve`](Self::reserve) does. Where there is no room, a solved challenge stands in for what is wanted by
    /// network, and for nothing else; it is spent only where everything else has room.
    pub(crate) async fn reserve_or_by_work(
        &self,
        store: &(impl Budgets + ?Sized),
        keys: &KeyRing,
        (wanted, of_each): (&[(Budget, Whose<'_>)], u32),
        solved: Option<Solved>,
        now: Timestamp,
    ) -> Result<Result<Reserved, Spent>, Fault> {
        let reserved = self.reserve(store, keys, (wanted, of_each), now).await?;
        let (Err(_), Some(solved)) = (&reserved, solved) else { return Ok(reserved) };
        let others = wanted.iter().filter(|(budget, _)| !budget.is_by_network());
        let others = others.filter_map(|(budget, whose)| {
            Some((*budget, key(keys, *budget, *whose, now), self.rate(*budget, *whose)?.several(of_each)))
        });
        let others: Vec<_> = others.collect();
        let mut asked: Vec<_> = others.iter().map(|(_, key, rate)| (*key, *rate)).collect();
        asked.push(solved.budget());
        let is_bought = has_room(&self.ask(store, asked, now).await?);
        Ok(if is_bought { Ok(Reserved(others)) } else { reserved })
    }

    /// Gives back what was reserved of the budgets that `is_of` names. Where that fails they have lost one: it comes back by
    /// itself.
    pub(crate) async fn give_back(
        &self,
        store: &(impl Budgets + ?Sized),
        reserved: &Reserved,
        is_of: impl Fn(Budget) -> bool,
        now: Timestamp,
    ) {
        let back = reserved.0.iter().filter(|(budget, ..)| is_of(*budget));
        self.put(store, back.map(|(_, key, rate)| (*key, rate.interval)).collect(), now).await;
    }

    /// Gives back all that was reserved once the store is asked next, or swept: whoever calls is going away, and waits for nothing.
    pub(crate) fn leave_behind(&self, reserved: &Reserved) {
        let mut left_behind = self.left_behind();
        for (_, key, rate) in &reserved.0 {
            *left_behind.entry(*key).or_default() += rate.interval;
        }
    }

    /// Gives back what those left behind who went away.
    pub(crate) async fn give_back_left_behind(&self, store: &(impl Budgets + ?Sized), now: Timestamp) {
        let left_behind = std::mem::take(&mut *self.left_behind());
        self.put(store, left_behind.into_iter().collect(), now).await;
    }

    fn left_behind(&self) -> MutexGuard<'_, BTreeMap<BudgetKey, Duration>> {
        // What is behind it is whole at every moment.
        self.left_behind.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a budget whole.
    pub(crate) async fn make_whole(
        &self,
        store: &(impl Budgets + ?Sized),
        keys: &KeyRing,
        (budget, whose): (Budget, Whose<'_>),
        now: Timestamp,
    ) {
        let Some(rate) = self.rate(budget, whose) else { return };
        self.put(store, vec![(key(keys, budget, whose, now), rate.span())], now).await;
    }

    async fn put(&self, store: &(impl Budgets + ?Sized), back: Vec<(BudgetKey, Duration)>, now: Timestamp) {
        if back.is_empty() {
            return;
        }
        let keys: Vec<_> = back.iter().map(|(key, _)| *key).collect();
        let given_back = store.give_back(back, now).await;
        self.without_room.forget(keys.into_iter());
        if let Err(fault) = given_back
            && let Some(left_out) = crate::seldom::left_out("give back to a budget")
        {
            tracing::warn!(%fault, left_out, "a try that was to be given back stays spent; it comes back by itself");
        }
    }

    /// How much that one's budget holds; `None` where it is not limited.
    fn rate(&self, budget: Budget, whose: Whose<'_>) -> Option<Rate> {
        let rate = self.rates.of(budget)?;
        let Whose::NetworkOf(requester) = whose else { return Some(rate) };
        // Commands, and an embedder that tells no address, come from no network.
        requester.ip.as_ref()?;
        if !requester.may_be_proxy {
            return Some(rate);
        }
        self.ask_for_proxies(requester);
        let (burst, interval) = (rate.burst.saturating_mul(MAY_BE_A_PROXY), rate.interval / MAY_BE_A_PROXY);
        Some(Rate { burst, interval: interval.max(Duration::from_millis(1)) })
    }

    fn ask_for_proxies(&self, requester: &Requester) {
        if self.has_asked_for_proxies.swap(true, Ordering::Relaxed) {
            return;
        }
        tracing::warn!(
            ip = requester.ip.as_deref(),
            "requests come from an address of this machine or of a private network, which may be a proxy that speaks for many: \
             what is limited by network counts a hundredfold there. If it is a proxy, name it with trusted-proxies \
             (SPRAG_TRUSTED_PROXIES) and have it send X-Forwarded-For, so that its clients are told apart"
        );
    }
}

/// Whether there was room for all of them.
fn has_room(standings: &[Option<BudgetState>]) -> bool {
    standings.iter().all(|standing| standing.is_some_and(|standing| standing.had_room))
}

/// The key of a budget. Nodes that share a key ring share it, and who has only the database learns of nobody.
fn key(keys: &KeyRing, budget: Budget, whose: Whose<'_>, now: Timestamp) -> BudgetKey {
    let (kind, text): (&str, Vec<u8>) = match whose {
        Whose::Account(account) => ("account", account.0.as_bytes().to_vec()),
        Whose::Name(name) => (name.kind.name(), name.value.as_bytes().to_vec()),
        Whose::Typed(text) => ("typed", text.as_bytes().to_vec()),
        Whose::Device(device) => ("device", device.as_bytes().to_vec()),
        Whose::Session(session) => ("session", session.0.as_bytes().to_vec()),
        Whose::NetworkOf(requester) => {
            // A neighbour of what may be a proxy has another rate, and spends nothing of what speaks for many.
            let kind = if requester.may_be_proxy { "proxy" } else { "network" };
            (kind, requester.prefix().to_string().into_bytes())
        }
    };
    let mut context = hmac::Context::with_key(&keys.signing_refresh(now).budget);
    for part in [budget.name().as_bytes(), b"\n", kind.as_bytes(), b"\n", &text] {
        context.update(part);
    }
    let mut key = [0; 16];
    key.copy_from_slice(&context.sign().as_ref()[..16]);
    BudgetKey(key)
}

impl From<Spent> for Error {
    fn from(spent: Spent) -> Self {
        Refusal::RateLimited(spent).into()
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::keys::Algorithm;
    use crate::random::SeededRandom;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);
    const ANN: AccountId = AccountId(Uuid::from_u128(1));

    /// Counts how often it is asked.
    #[derive(Default)]
    struct Counting {
        dues: Mutex<BTreeMap<BudgetKey, Timestamp>>,
        asked: AtomicU64,
    }

    #[async_trait]
    impl Budgets for Counting {
        async fn reserve(&self, wanted: Vec<Wanted>, now: Timestamp) -> Result<Vec<BudgetState>, Fault> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let mut dues = self.dues.lock().unwrap();
            let states = wanted.iter().map(|wanted| {
                let state = wanted.rate.reserve(dues.get(&wanted.key).copied(), now);
                dues.insert(wanted.key, state.due);
                state
            });
            Ok(states.collect())
        }

        async fn give_back(&self, back: Vec<(BudgetKey, Duration)>, _: Timestamp) -> Result<(), Fault> {
            let mut dues = self.dues.lock().unwrap();
            for (key, time) in back {
                dues.entry(key).and_modify(|due| *due = due.minus(time));
            }
            Ok(())
        }

        async fn sweep_budgets(&self, _: Timestamp) -> Result<u64, Fault> {
            Ok(0)
        }
    }

    #[tokio::test]
    async fn a_flood_of_refusals_asks_the_store_once_a_second() {
        let rate = Rate { burst: 1, interval: Duration::from_secs(60) };
        let gate = Gate::new(Rates::default().with(Budget::LoginAccount, rate));
        let keys = KeyRing::generate(Algorithm::Es256, &SeededRandom::new(7), NOW).unwrap();
        let store = Counting::default();
        let wanted = [(Budget::LoginAccount, Whose::Account(ANN))];
        let reserved = gate.reserve(&store, &keys, (&wanted, 1), NOW).await.unwrap().unwrap();
        for millis in 0..2_000 {
            let now = NOW.plus(Duration::from_millis(millis));
            let spent = gate.reserve(&store, &keys, (&wanted, 1), now).await.unwrap().unwrap_err();
            assert_eq!(spent.wait, Duration::from_millis(60_000 - millis), "it is told as the store would");
        }
        assert_eq!(store.asked.load(Ordering::Relaxed), 3);
        assert_eq!(gate.observed()[Budget::LoginAccount as usize].refused, 2_000, "each is counted");
        let now = NOW.plus(Duration::from_secs(2));
        gate.give_back(&store, &reserved, |_| true, now).await;
        assert!(gate.reserve(&store, &keys, (&wanted, 1), now).await.unwrap().is_ok(), "at once");
        assert!(gate.reserve(&store, &keys, (&wanted, 1), now).await.unwrap().is_err());
        gate.make_whole(&store, &keys, wanted[0], now).await;
        assert!(gate.reserve(&store, &keys, (&wanted, 1), now).await.unwrap().is_ok(), "at once");
    }

    #[test]
    fn without_limits_no_rate_is_set() {
        let rate = Rate { burst: 1, interval: Duration::from_secs(1) };
        assert_eq!(Rates::off().with(Budget::LoginAccount, rate).of(Budget::LoginAccount), None);
        assert_eq!(Rates::default().with(Budget::LoginAccount, rate).of(Budget::LoginAccount), Some(rate));
        assert_eq!(Rates::default().of(Budget::LoginPrefix), Some(Budget::LoginPrefix.usual()));
    }

    #[test]
    fn codes_of_a_second_factor_are_limited_also_without_limits() {
        let rate = Rate { burst: 1, interval: Duration::from_secs(1) };
        assert_eq!(Rates::off().of(Budget::FactorAccount), Some(Budget::FactorAccount.usual()));
        assert_eq!(Rates::off().with(Budget::FactorAccount, rate).of(Budget::FactorAccount), Some(rate));
    }
}

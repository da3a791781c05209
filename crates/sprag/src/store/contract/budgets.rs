//! Budgets give what they hold and what has come back, and no more.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::Subject;
use super::world::{DAY, NOW, SECOND, World};
use crate::clock::Timestamp;
use crate::random::Random as _;
use crate::store::{BudgetKey, BudgetState, Rate, Wanted};

const MINUTE: Duration = Duration::from_secs(60);
const TEN: Rate = Rate { burst: 10, interval: MINUTE };
const TWO: Rate = Rate { burst: 2, interval: SECOND };

impl World {
    fn budget(&self, rate: Rate) -> Wanted {
        let mut key = [0; 16];
        self.random().fill(&mut key);
        Wanted { key: BudgetKey(key), rate }
    }

    async fn reserves(&self, wanted: &[Wanted], now: Timestamp) -> Vec<BudgetState> {
        self.store().reserve(wanted.to_vec(), now).await.expect("reserve")
    }

    async fn has_room(&self, wanted: Wanted, now: Timestamp) -> bool {
        self.reserves(&[wanted], now).await[0].had_room
    }
}

pub(super) async fn a_budget_gives_its_burst_and_then_one_per_interval(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let (budget, other) = (world.budget(TEN), world.budget(TEN));
    for taken in 1..=10 {
        let due = NOW.plus(MINUTE * taken);
        assert_eq!(world.reserves(&[budget], NOW).await, [BudgetState { had_room: true, due }]);
    }
    let refused = BudgetState { had_room: false, due: NOW.plus(MINUTE * 10) };
    for now in [NOW, NOW.plus(SECOND * 59)] {
        assert_eq!(world.reserves(&[budget], now).await, [refused], "a refusal takes nothing");
    }
    assert!(world.has_room(budget, NOW.plus(MINUTE)).await);
    assert!(!world.has_room(budget, NOW.plus(MINUTE)).await);
    assert!(world.has_room(other, NOW).await, "another one's is whole");
    let later = NOW.plus(DAY);
    for _ in 0..10 {
        assert!(world.has_room(budget, later).await, "no more comes back than it holds");
    }
    assert!(!world.has_room(budget, later).await);
}

pub(super) async fn all_budgets_are_reserved_or_none(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    for is_first in [true, false] {
        let (small, large) = (world.budget(TWO), world.budget(TEN));
        let both = if is_first { [small, large] } else { [large, small] };
        for _ in 0..2 {
            assert!(world.reserves(&both, NOW).await.iter().all(|standing| standing.had_room));
        }
        for _ in 0..20 {
            let standings = world.reserves(&both, NOW).await;
            let of =
                |wanted: Wanted| standings[both.iter().position(|one| *one == wanted).expect("one of them")];
            assert_eq!(of(small), BudgetState { had_room: false, due: NOW.plus(SECOND * 2) });
            assert_eq!(
                of(large),
                BudgetState { had_room: true, due: NOW.plus(MINUTE * 2) },
                "it stays as it was"
            );
        }
        for _ in 0..8 {
            assert!(world.has_room(large, NOW).await, "refusals took nothing of it");
        }
        assert!(!world.has_room(large, NOW).await);
    }
}

pub(super) async fn however_many_ask_at_once_no_budget_gives_more_than_its_burst(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    for _ in 0..3 {
        let (account, first, second) = (world.budget(TEN), world.budget(TEN), world.budget(TEN));
        let tries = (0..200).map(|number| {
            let world = Arc::clone(&world);
            // Half of them in the other order, so that they would wait for each other if that were the order of the locks.
            let prefix = if number % 4 < 2 { first } else { second };
            let wanted = if number % 2 == 0 { [account, prefix] } else { [prefix, account] };
            async move { world.reserves(&wanted, NOW).await.iter().all(|standing| standing.had_room) }
        });
        let reserved = tries.collect::<JoinSet<_>>().join_all().await;
        let reserved = reserved.into_iter().filter(|reserved| *reserved).count();
        assert!(reserved <= 10, "{reserved} of 200 got something out of a burst of 10");
        let mut left = 0;
        while world.has_room(account, NOW).await {
            left += 1;
        }
        assert_eq!(reserved + left, 10, "and what was refused is not lost");
    }
}

pub(super) async fn two_hundred_that_ask_one_budget_at_once_get_its_burst(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let budget = world.budget(TEN);
    let tries = (0..200).map(|_| {
        let world = Arc::clone(&world);
        async move { world.has_room(budget, NOW).await }
    });
    let reserved = tries.collect::<JoinSet<_>>().join_all().await;
    assert_eq!(reserved.into_iter().filter(|reserved| *reserved).count(), 10);
}

pub(super) async fn a_budget_of_a_clock_that_went_back_is_spent_no_longer_than_a_burst_takes(
    subject: Arc<dyn Subject>,
) {
    let world = World::of(subject);
    let budget = world.budget(TWO);
    for _ in 0..2 {
        assert!(world.has_room(budget, NOW.plus(DAY)).await);
    }
    let refused = BudgetState { had_room: false, due: NOW.plus(SECOND * 2) };
    assert_eq!(world.reserves(&[budget], NOW).await, [refused], "not a day away");
    assert!(world.has_room(budget, NOW.plus(SECOND)).await, "one has come back since");
    assert!(!world.has_room(budget, NOW.plus(SECOND)).await);
    let beside = world.budget(TEN);
    for _ in 0..2 {
        assert!(world.has_room(budget, NOW.plus(2 * DAY)).await);
    }
    let both = [beside, budget];
    let standings = world.reserves(&both, NOW).await;
    assert_eq!(standings, [BudgetState { had_room: true, due: NOW }, refused], "also beside another");
    assert!(world.reserves(&both, NOW.plus(SECOND)).await.iter().all(|standing| standing.had_room));
}

pub(super) async fn what_is_given_back_can_be_had_again(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let (budget, never_used) = (world.budget(TWO), world.budget(TWO));
    for _ in 0..2 {
        assert!(world.has_room(budget, NOW).await);
    }
    let one = vec![(budget.key, TWO.interval), (never_used.key, TWO.interval)];
    world.store().give_back(one, NOW).await.expect("give back");
    assert!(world.has_room(budget, NOW).await);
    assert!(!world.has_room(budget, NOW).await, "one was given back");
    world.store().give_back(vec![(budget.key, TWO.span())], NOW).await.expect("give back");
    for wanted in [budget, budget, never_used, never_used] {
        assert!(world.has_room(wanted, NOW).await);
    }
    for wanted in [budget, never_used] {
        assert!(!world.has_room(wanted, NOW).await, "never more than it holds");
    }
}

pub(super) async fn budgets_that_are_whole_are_swept_away(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let store = world.store();
    let (short, long) = (world.budget(TWO), world.budget(TEN));
    assert!(world.reserves(&[short, long], NOW).await.iter().all(|standing| standing.had_room));
    assert_eq!(store.sweep_budgets(NOW).await.expect("sweep"), 0);
    assert_eq!(store.sweep_budgets(NOW.plus(SECOND)).await.expect("sweep"), 1);
    assert_eq!(store.sweep_budgets(NOW.plus(SECOND)).await.expect("sweep"), 0);
    let due = NOW.plus(MINUTE * 2);
    assert_eq!(world.reserves(&[long], NOW.plus(SECOND)).await, [BudgetState { had_room: true, due }]);
    assert_eq!(store.sweep_budgets(due).await.expect("sweep"), 1);
}

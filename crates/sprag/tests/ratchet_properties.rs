//! Promises of the ratchet that hold whatever happens, each named after the requirement it keeps.
//!
//! Every story is told to the ratchet and to a naive [`common::ledger`] that keeps every token; they must agree at
//! each step. More than usual: `PROPTEST_CASES=100000 cargo test -p sprag --test ratchet_properties`.

mod common {
    pub(crate) mod given;
    pub(crate) mod ledger;
    pub(crate) mod story;
}

use std::collections::{BTreeSet, HashMap};

use common::given::{Given, Id, W, Where};
use common::ledger::Said;
use common::story::{any_life, any_rules, any_story, tell};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use sprag::clock::Timestamp;
use sprag::policy::{Ahead, Lockstep, MAX_GENERATION, Retry};
use sprag::ratchet::{Found, Judgement, Moment, Rotation, Row, SessionState, Verdict, judge};
use sprag::session::{EndCause, Generation};

proptest! {
    /// F16: the ratchet and the ledger say the same, whatever happens.
    #[test]
    fn the_ledger_agrees_with_every_story(rules in any_rules(), steps in any_story()) {
        tell(rules, &steps)?;
    }

    #[test]
    fn r1_r2_r3_a_generation_has_one_successor(rules in any_rules(), steps in any_story()) {
        for seen in tell(rules, &steps)? {
            match seen.said {
                Said::Successor(successor) => {
                    prop_assert_eq!(successor, seen.generation + 1);
                    prop_assert_eq!(successor, seen.after.generation.0);
                }
                Said::Unchanged => prop_assert_eq!(seen.generation, seen.after.generation.0),
                _ => {}
            }
        }
    }

    #[test]
    fn r4_a_window_is_anchored_at_its_rotation(rules in any_rules(), steps in any_life()) {
        let mut spent_at = HashMap::new();
        for seen in tell(rules, &steps)? {
            if seen.row == Row::Current {
                prop_assert!(spent_at.insert(seen.generation, (seen.now, seen.asker.retry_id)).is_none());
                continue;
            }
            let Some((at, retry_id)) = spent_at.get(&seen.generation) else { continue };
            let is_same_request = seen.asker.retry_id.is_some() && seen.asker.retry_id == *retry_id;
            if seen.is_success() && !is_same_request {
                prop_assert!(seen.now.millis_since(*at) <= rules.window, "{seen:?}");
            }
        }
    }

    #[test]
    fn r5_a_session_turns_once_in_a_window(rules in any_rules(), steps in any_life()) {
        let turns: Vec<_> =
            tell(rules, &steps)?.into_iter().filter(|seen| seen.row == Row::Current).collect();
        for pair in turns.windows(2) {
            if rules.answers_retries && rules.window > 0 {
                prop_assert!(pair[1].now.millis_since(pair[0].now) > rules.window);
            }
        }
    }

    /// And one theft is noticed once.
    #[test]
    fn r6_a_spent_token_ends_the_session(rules in any_rules(), steps in any_life()) {
        let told = tell(rules, &steps)?;
        for seen in &told {
            let session = &seen.before.session;
            let is_same_request =
                seen.asker.retry_id.is_some() && session.retry_hash == seen.asker.retry_id.map(|id| [id; 16]);
            let is_in_window = rules.window > 0 && seen.age() <= rules.window;
            let instance = [seen.asker.instance; 16];
            let is_other = session.other_instance_hash == Some(instance);
            let is_known = session.instance_hash == instance || is_other;
            let is_taken = session.taken_generation.is_some_and(|taken| taken.0 > seen.generation);
            let is_twin = seen.asker.retry_id.is_some()
                && session.previous_retry_hash == seen.asker.retry_id.map(|id| [id; 16]);
            let is_theft = match session.generation.0.checked_sub(seen.generation) {
                None => false,
                Some(0) => session.contested_generation == Some(session.generation) && !is_other && seen.goes_on(),
                Some(1) => !(is_in_window || (is_same_request && is_known)),
                Some(behind) => {
                    let is_own = !rules.answers_retries && is_known && !is_taken;
                    !is_in_window || !(is_own || (behind == 2 && is_twin))
                }
            };
            if session.ended.is_none() {
                prop_assert_eq!(is_theft, seen.said == Said::Over(EndCause::Reuse), "{:?}", seen);
            }
        }
        let thefts = told.iter().filter(|seen| matches!(seen.row, Row::LongSpent | Row::Spent | Row::Contested));
        let ended = thefts.filter(|seen| seen.said == Said::Over(EndCause::Reuse)).count();
        prop_assert!(ended <= 1);
    }

    #[test]
    fn r7_spent_is_judged_before_expired(given in any_given(), behind in 2..5_u64) {
        let n = given.g.saturating_sub(behind);
        let spent = Given { n, retry: Retry::Answer, id: Id::None, ..given };
        if is_live(&spent) && spent.g >= behind {
            prop_assert_eq!(spent.judged().row, Row::LongSpent);
            prop_assert!(matches!(spent.judged().verdict, Verdict::End(EndCause::Reuse, _)));
        }
    }

    #[test]
    fn r8_nothing_changes_before_the_secret_is_verified(given in any_given()) {
        let forged = Given { has_wrong_secret: true, place: Where::Here, ..given };
        prop_assert_eq!(forged.judged().row, Row::SecretMismatch);
        prop_assert!(matches!(forged.judged().verdict, Verdict::Refuse(_)));
        let optimistic = Rotation::optimistic(&forged.token(), forged.moment(), &forged.policy());
        prop_assert!(!optimistic.is_some_and(|rotation| rotation.applies_to(&forged.state())));
    }

    #[test]
    fn r12_a_token_ahead_is_followed_or_the_session_ends(given in any_given(), gap in 1..2000_u64) {
        let ahead = Given { n: given.g.saturating_add(gap), misses: 0, ..given };
        if is_live(&ahead) {
            let judged = ahead.judged();
            prop_assert!(judged.notice.is_some(), "a database that went back goes unnoticed");
            match judged.verdict {
                Verdict::Rotate(rotation) => prop_assert!(gap <= 1024 && rotation.to.0 == ahead.n + 1),
                verdict => prop_assert!(matches!(verdict, Verdict::End(..)), "{verdict:?}"),
            }
        }
    }

    /// Until a restored backup takes the end back, which the journal tells.
    #[test]
    fn r13_nothing_succeeds_after_an_end(rules in any_rules(), steps in any_story()) {
        for seen in tell(rules, &steps)? {
            if let Some(ended) = seen.before.session.ended {
                prop_assert!(!seen.is_success());
                prop_assert_eq!(seen.after.ended, Some(ended), "an end keeps its first cause");
                prop_assert_eq!(seen.after.generation, seen.before.session.generation);
            }
        }
    }

    #[test]
    fn r15_nothing_succeeds_for_an_account_that_moved(rules in any_rules(), steps in any_story()) {
        for seen in tell(rules, &steps)? {
            if seen.before.is_disabled || seen.before.epoch != seen.before.session.epoch {
                prop_assert!(!seen.is_success());
            }
        }
    }

    #[test]
    fn r19_lifetimes_hold_and_the_absolute_one_never_moves(rules in any_rules(), steps in any_story()) {
        for seen in tell(rules, &steps)? {
            let session = &seen.before.session;
            prop_assert_eq!(seen.after.expires_at, session.expires_at);
            if seen.is_success() {
                prop_assert!(seen.now < session.expires_at && seen.now < session.idle_expires_at);
            }
            if seen.after.generation == session.generation {
                prop_assert_eq!(seen.after.idle_expires_at, session.idle_expires_at, "only turning prolongs");
            }
        }
    }

    /// A store that is asked for the optimistic rotation first must come to what judging first comes to.
    #[test]
    fn the_optimistic_rotation_applies_just_where_it_is_judged(given in any_given()) {
        let given = Given { place: Where::Here, misses: 0, ..given };
        let optimistic = Rotation::optimistic(&given.token(), given.moment(), &given.policy());
        let applied = optimistic.filter(|rotation| rotation.applies_to(&given.state()));
        let judged = given.judged();
        let ordered = (judged.row == Row::Current).then_some(judged.verdict);
        prop_assert_eq!(applied.map(Verdict::Rotate), ordered);
    }

    #[test]
    fn what_is_ordered_applies_to_the_row_it_was_judged_by(given in any_given()) {
        let state = given.state();
        match given.judged().verdict {
            Verdict::Rotate(rotation) => prop_assert!(rotation.applies_to(&state)),
            Verdict::Retry(retried) | Verdict::Contest(retried) => prop_assert!(retried.applies_to(&state)),
            _ => {}
        }
    }

    /// Of two orders judged by the same row, a store carries out one; the other judges again.
    #[test]
    fn a_rotation_applies_once(given in any_given(), other in any_given()) {
        let mut state = given.state();
        let Verdict::Rotate(rotation) = given.judged().verdict else { return Ok(()) };
        rotation.apply(&mut state.session);
        prop_assert!(!rotation.applies_to(&state));

        let other = Given { g: given.g, n: given.g, age: given.age, place: Where::Here, ..other };
        let optimistic = Rotation::optimistic(&other.token(), other.moment(), &other.policy());
        prop_assert!(!optimistic.is_some_and(|late| late.applies_to(&state)));
    }

    /// The model check leans on this: only differences of generations count, once a session has turned.
    #[test]
    fn shifting_every_generation_changes_no_verdict(given in any_given(), by in 1..1_000_000_u64) {
        let is_short = given.g < 1 << 40 && given.n < 1 << 40;
        if is_short && given.g > 0 {
            let streak = (given.streak.0, given.streak.1.map(|last| last + by));
            let (taken, contested) = (given.taken.map(|n| n + by), given.contested.map(|n| n + by));
            let shifted = Given { g: given.g + by, n: given.n + by, streak, taken, contested, ..given };
            prop_assert_eq!(outline(&given.judged(), 0), outline(&shifted.judged(), by));
        }
    }

    /// And on this: only differences of times count.
    #[test]
    fn shifting_every_moment_changes_no_verdict(given in any_given(), by in -1_000_000_i64..1_000_000) {
        let given = Given { place: Where::Here, ..given };
        let mut state = given.state();
        let session = &mut state.session;
        for moment in [&mut session.rotated_at, &mut session.idle_expires_at, &mut session.expires_at] {
            moment.0 += by;
        }
        let moment = given.moment();
        let later = |at: Timestamp| Timestamp(at.0 + by);
        let moment = Moment { now: later(moment.now), window_start: later(moment.window_start) };
        let shifted = judged_at(&given, state, moment);
        prop_assert_eq!(outline(&given.judged(), 0), outline(&shifted, 0));
    }

    /// And on this: a token three behind is as spent as the very first, unless the row was taken in between; so is one two
    /// behind that does not come with the retry id that made the rotation before the last.
    #[test]
    fn long_spent_tokens_are_judged_alike(given in any_given(), behind in 2..1000_u64) {
        let least = if given.id == Id::BeforeLast { 3 } else { 2 };
        if given.g >= behind && behind >= least {
            let is_between = |taken: u64| given.retry == Retry::Refuse && taken + least <= given.g;
            let taken = given.taken.filter(|taken| !is_between(*taken));
            let few = Given { n: given.g - least, taken, ..given };
            let many = Given { n: given.g - behind, taken, ..given };
            prop_assert_eq!(few.judged(), many.judged());
        }
    }
}

/// A property that never meets a row says nothing about it.
#[test]
fn stories_come_by_every_row_but_those_of_the_edge() {
    let mut runner = TestRunner::deterministic();
    let mut rows: BTreeSet<Row> = BTreeSet::new();
    for _ in 0..2000 {
        let rules = any_rules().new_tree(&mut runner).unwrap().current();
        let steps = any_story().new_tree(&mut runner).unwrap().current();
        rows.extend(tell(rules, &steps).unwrap().iter().map(|seen| seen.row));
    }
    let edge = [Row::Malformed, Row::StoreFault, Row::Unknown, Row::SecretMismatch, Row::Missed];
    let inner = Row::ALL.into_iter().filter(|row| !edge.contains(row));
    assert_eq!(rows.into_iter().collect::<Vec<_>>(), inner.collect::<Vec<_>>());
}

fn is_live(given: &Given) -> bool {
    given.place == Where::Here && given.ended.is_none() && !given.has_wrong_secret && !given.has_other_profile
}

fn judged_at(given: &Given, state: SessionState, moment: Moment) -> Judgement {
    let found = Found::Session(Box::new(state));
    judge(Some(&given.token()), &found, given.misses, moment, &given.policy())
}

/// A judgement without its times, its generations counted from `base`.
fn outline(judgement: &Judgement, base: u64) -> Judgement {
    let mut judgement = judgement.clone();
    let lower = |generation: &mut Generation| generation.0 -= base;
    match &mut judgement.verdict {
        Verdict::Rotate(rotation) => {
            lower(&mut rotation.from);
            lower(&mut rotation.to);
            rotation.at = Timestamp(0);
            rotation.idle_expires_at = Timestamp(0);
            rotation.unless_turned_since = None;
        }
        Verdict::Retry(retried) | Verdict::Contest(retried) => {
            lower(&mut retried.generation);
            retried.at = Timestamp(0);
        }
        _ => {}
    }
    judgement
}

fn any_given() -> impl Strategy<Value = Given> {
    let g = prop_oneof![4 => 0..10_u64, 1 => Just(MAX_GENERATION), 1 => Just(MAX_GENERATION - 1)];
    let n = prop_oneof![3 => Just(0_i64), 3 => Just(-1), 1 => Just(-2), 1 => -5..1030_i64];
    let age = prop_oneof![Just(-1), Just(0), Just(1), Just(W), Just(W + 1), -2 * W..3 * W];
    let expiry = || prop_oneof![1 => Just(0), 1 => Just(1), 6 => Just(1_000_000), 1 => -10..10_i64];
    let seldom = || prop::bool::weighted(0.05);
    let behind = || prop_oneof![2 => Just(None), 1 => Just(Some(0_u64)), 2 => (0..4_u64).prop_map(Some)];
    let place = prop_oneof![18 => Just(Where::Here), 1 => Just(Where::Nowhere)];
    let row = (
        (g, any::<bool>(), prop_oneof![Just(0_u8), Just(15), Just(16)]),
        (any::<bool>(), any::<bool>(), behind(), behind()),
        (0..5_u8, prop_oneof![2 => Just(None), 3 => (0..3_u64).prop_map(Some)]),
        prop_oneof![9 => Just(None), 1 => prop::sample::select(EndCause::ALL.to_vec()).prop_map(Some)],
        (seldom(), seldom(), expiry(), expiry()),
    );
    let id = prop_oneof![3 => Just(Id::None), 1 => Just(Id::Same), 1 => Just(Id::Other), 1 => Just(Id::BeforeLast)];
    let token =
        (n, (age, prop_oneof![3 => Just(0), 1 => 0..3 * W]), id, any::<bool>(), seldom(), seldom(), 0..5_u8);
    let policy = (
        prop_oneof![4 => Just(W), 1 => Just(0), 1 => Just(1)],
        prop_oneof![3 => Just(Retry::Answer), 1 => Just(Retry::Refuse)],
        prop_oneof![Just(Ahead::FastForward), Just(Ahead::Refuse)],
        prop_oneof![Just(Lockstep::Alert), Just(Lockstep::End)],
    );
    (place, row, token, policy).prop_map(|(place, row, token, policy)| {
        let ((g, has_retry_id, retries), instances, streak, ended, (off, moved, idle_in, expires_in)) = row;
        let (has_earlier_id, knows_foreign, taken, contested) = instances;
        let back = |behind: Option<u64>| behind.map(|behind| u64::saturating_sub(g, behind));
        let (n, (age, outage), id, is_foreign, has_wrong_secret, has_other_profile, misses) = token;
        let (window, retry, ahead, lockstep) = policy;
        Given {
            place,
            g,
            has_retry_id,
            has_earlier_id,
            knows_foreign,
            taken: back(taken),
            contested: back(contested),
            retries,
            streak: (streak.0, streak.1.map(|behind| u64::saturating_sub(g, behind))),
            ended,
            is_disabled: off,
            has_epoch_moved: moved,
            idle_in,
            expires_in,
            n: g.saturating_add_signed(n),
            age,
            outage,
            id,
            is_foreign,
            has_wrong_secret,
            has_other_profile,
            misses,
            window,
            retry,
            ahead,
            lockstep,
        }
    })
}

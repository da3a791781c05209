//! Stories told to the ratchet: what happens to one session, step by step, and what was said to its clients.

use std::time::Duration;

use proptest::prelude::*;
use sprag::clock::Timestamp;
use sprag::policy::{Ahead, Lockstep, Policy, Retry};
use sprag::ratchet::{Denial, Found, Moment, Presented, Row, SessionState, Verdict, judge};
use sprag::session::{
    AccountId, EndCause, Ended, Epoch, Generation, ProfileId, Session, SessionId, SessionKey,
};
use uuid::Uuid;

use crate::common::ledger::{Asker, Ledger, Rules, Said};

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Somebody presents the token that is so many generations behind the newest ever given.
    Refresh(u64, Asker),
    /// The clock moves so many milliseconds, perhaps back.
    Wind(i64),
    Disable,
    Enable,
    MoveEpoch,
    End(EndCause),
    /// The database is copied.
    Backup,
    /// The copy takes the database's place.
    Restore,
}

/// What one refresh came to.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) now: Timestamp,
    pub(crate) asker: Asker,
    /// n.
    pub(crate) generation: u64,
    /// The row before.
    pub(crate) before: SessionState,
    /// The row after.
    pub(crate) after: Session,
    /// Which row of the table decided.
    pub(crate) row: Row,
    pub(crate) said: Said,
}

impl Seen {
    pub(crate) fn is_success(&self) -> bool {
        matches!(self.said, Said::Successor(_) | Said::Unchanged)
    }

    /// Whether neither its account nor the clock bars even the newest token.
    pub(crate) fn goes_on(&self) -> bool {
        let SessionState { session, is_disabled, epoch } = &self.before;
        !is_disabled && *epoch == session.epoch && session.is_live(self.now)
    }

    /// Milliseconds since the row turned.
    pub(crate) fn age(&self) -> i64 {
        self.now.millis_since(self.before.session.rotated_at)
    }
}

/// Tells a story to the ratchet and to the ledger; they must agree at every step.
pub(crate) fn tell(rules: Rules, steps: &[Step]) -> Result<Vec<Seen>, TestCaseError> {
    let mut now = Timestamp(1_800_000_000_000);
    let mut state = opened(rules, now);
    let mut ledger = Ledger::open(rules, now);
    let mut backup = (state.clone(), ledger.clone());
    let mut newest = 0;
    let mut seen = Vec::new();

    for step in steps {
        match *step {
            Step::Refresh(behind, asker) => {
                let generation = Generation(u64::saturating_sub(newest, behind));
                let before = state.clone();
                let (row, said) = refresh(&mut state, generation, asker, now, rules)?;
                let promised = ledger.present(generation.0, asker, now);
                prop_assert_eq!(said, promised, "{:?} of generation {} at {:?}", step, generation.0, before);
                prop_assert_eq!(state.session.generation.0, ledger.newest());
                newest = newest.max(state.session.generation.0);
                let after = state.session.clone();
                seen.push(Seen { now, asker, generation: generation.0, before, after, row, said });
            }
            Step::Wind(span) => now = Timestamp(now.0 + span),
            Step::Disable | Step::Enable => {
                state.is_disabled = matches!(step, Step::Disable);
                ledger.set_disabled(state.is_disabled);
            }
            Step::MoveEpoch => {
                state.epoch = state.epoch.next();
                ledger.move_epoch();
            }
            Step::End(cause) => {
                state.session.ended.get_or_insert(Ended { at: now, cause });
                ledger.end(cause);
            }
            Step::Backup => backup = (state.clone(), ledger.clone()),
            Step::Restore => (state, ledger) = backup.clone(),
        }
    }
    Ok(seen)
}

/// One refresh as the engine and a store do it, with nobody else about.
fn refresh(
    state: &mut SessionState,
    generation: Generation,
    asker: Asker,
    now: Timestamp,
    rules: Rules,
) -> Result<(Row, Said), TestCaseError> {
    let token = presented(state, generation, asker);
    let found = Found::Session(Box::new(state.clone()));
    let policy = policy(rules);
    let moment = Moment::uninterrupted(now, policy.reuse_interval);
    let judgement = judge(Some(&token), &found, 0, moment, &policy);
    let session = &mut state.session;
    let said = match judgement.verdict {
        Verdict::Refuse(Denial::Spent) => Said::NotNow,
        Verdict::Refuse(Denial::TooManyRetries) => Said::TooOften,
        Verdict::Refuse(Denial::Ended(Some(cause))) => Said::Over(cause),
        Verdict::End(cause, _) => {
            session.ended = Some(Ended { at: now, cause });
            Said::Over(cause)
        }
        Verdict::Keep => Said::Unchanged,
        Verdict::Retry(retried) => {
            prop_assert!(retried.applies_to(state), "a retry was ordered that does not apply");
            retried.apply(&mut state.session);
            Said::Successor(state.session.generation.0)
        }
        Verdict::Contest(contest) => {
            prop_assert!(contest.applies_to(state), "a contest was noted that does not apply");
            contest.apply(&mut state.session);
            Said::NotNow
        }
        Verdict::Rotate(rotation) => {
            prop_assert!(rotation.applies_to(state), "a rotation was ordered that does not apply");
            rotation.apply(&mut state.session);
            Said::Successor(state.session.generation.0)
        }
        Verdict::Fault | Verdict::Refuse(_) => {
            return Err(TestCaseError::fail(format!("no story gives rise to {judgement:?}")));
        }
    };
    Ok((judgement.row, said))
}

fn presented(state: &SessionState, generation: Generation, asker: Asker) -> Presented {
    Presented {
        key: state.session.key,
        profile: state.session.profile,
        generation,
        secret_hash: state.session.secret_hash,
        retry_hash: asker.retry_id.map(|id| [id; 16]),
        instance_hash: [asker.instance; 16],
    }
}

fn opened(rules: Rules, now: Timestamp) -> SessionState {
    let key = SessionKey { account: AccountId(Uuid::from_u128(1)), session: SessionId(Uuid::from_u128(2)) };
    let session = Session::begun(key, ProfileId(1), [7; 32], Epoch(0), &policy(rules), now);
    let session = Session { instance_hash: [1; 16], ..session };
    SessionState { session, is_disabled: false, epoch: Epoch(0) }
}

fn policy(rules: Rules) -> Policy {
    Policy {
        reuse_interval: Duration::from_millis(rules.window.unsigned_abs()),
        retry: if rules.answers_retries { Retry::Answer } else { Retry::Refuse },
        ahead: if rules.fast_forwards { Ahead::FastForward } else { Ahead::Refuse },
        lockstep: if rules.lockstep_ends { Lockstep::End } else { Lockstep::Alert },
        idle_timeout: Duration::from_millis(rules.idle.unsigned_abs()),
        absolute_lifetime: Duration::from_millis(rules.lifetime.unsigned_abs()),
        ..Policy::default()
    }
}

const W: i64 = 30_000;

pub(crate) fn any_rules() -> impl Strategy<Value = Rules> {
    let window = prop_oneof![6 => Just(W), 1 => Just(0), 1 => Just(1)];
    let retries = prop::bool::weighted(0.8);
    (window, retries, prop::bool::weighted(0.8), any::<bool>()).prop_map(
        |(window, answers_retries, fast_forwards, lockstep_ends)| Rules {
            window,
            answers_retries,
            fast_forwards,
            lockstep_ends,
            idle: 20 * W,
            lifetime: 60 * W,
        },
    )
}

/// A life without accidents of the clock or the database: tokens, time and clients.
pub(crate) fn any_life() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(prop_oneof![12 => any_refresh(), 8 => any_wind()], 1..50)
}

/// Anything at all.
pub(crate) fn any_story() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        48 => any_refresh(),
        32 => any_wind(),
        3 => prop_oneof![Just(-1), Just(-W), Just(-40 * W), -W..0].prop_map(Step::Wind),
        1 => Just(Step::Disable),
        1 => Just(Step::Enable),
        1 => Just(Step::MoveEpoch),
        1 => prop::sample::select(EndCause::ALL.to_vec()).prop_map(Step::End),
        2 => Just(Step::Backup),
        2 => Just(Step::Restore),
    ];
    prop::collection::vec(step, 1..50)
}

fn any_refresh() -> impl Strategy<Value = Step> {
    (any_behind(), any_asker()).prop_map(|(behind, asker)| Step::Refresh(behind, asker))
}

/// Mostly the newest, sometimes one behind, seldom any older.
fn any_behind() -> impl Strategy<Value = u64> {
    prop_oneof![20 => Just(0), 9 => Just(1), 2 => Just(2), 1 => 0..40_u64]
}

/// Mostly without a retry id; few ids, so that they meet again.
fn any_asker() -> impl Strategy<Value = Asker> {
    let retry_id = prop_oneof![3 => Just(None), 1 => (1..3_u8).prop_map(Some)];
    (retry_id, prop_oneof![4 => Just(1_u8), 3 => Just(2), 1 => Just(3)])
        .prop_map(|(retry_id, instance)| Asker { retry_id, instance })
}

fn any_wind() -> impl Strategy<Value = Step> {
    let span = prop_oneof![
        4 => prop_oneof![Just(0), Just(1), Just(W / 2), Just(W - 1), Just(W)],
        4 => prop_oneof![Just(W + 1), Just(2 * W), 0..3 * W],
        1 => prop_oneof![Just(20 * W - 1), Just(20 * W), 0..25 * W],
    ];
    span.prop_map(Step::Wind)
}

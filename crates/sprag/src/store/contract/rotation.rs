//! A row moves where, and only where, the ratchet says it does.

use std::sync::Arc;

use super::Subject;
use super::world::{DAY, NOW, PROFILE, SECOND, World, ending, event, retried, rotation};
use crate::audit::EventKind;
use crate::clock::Timestamp;
use crate::policy::MAX_RETRIES;
use crate::ratchet::{Retried, Rotation, SessionState};
use crate::session::{
    EndCause, Ended, Epoch, Generation, Methods, NO_INSTANCE, ProfileId, Session, ShortHash,
};
use crate::store::Rotated;

/// How many rows and orders are made up: enough that each single condition decides many times alone.
const CASES: u32 = 1_500;

/// The client instances about, and none.
const INSTANCES: [ShortHash; 4] = [[1; 16], [2; 16], [9; 16], NO_INSTANCE];

/// The fewest of them that must apply, and must not, for the check to mean anything.
const FEW: u32 = 100;

pub(super) async fn a_row_turns_exactly_where_the_rotation_applies(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let mut applied = 0;
    for case in 0..CASES {
        let state = any_state(&world).await;
        let rotation = any_rotation(&world, &state.session);
        let applies = rotation.applies_to(&state);
        let rotated = world.store().rotate(rotation.clone(), None).await.expect("rotate");
        assert_eq!(rotated.is_some(), applies, "case {case}: {rotation:?} on {state:?}");
        let mut expected = state;
        if let Some(rotated) = rotated {
            applied += 1;
            rotation.apply(&mut expected.session);
            assert_eq!(rotated, Rotated::of(&expected.session), "case {case}");
        }
        assert_eq!(world.state(expected.session.key).await, expected, "case {case}: {rotation:?}");
    }
    assert!((FEW..CASES - FEW).contains(&applied), "{applied} of {CASES} applied: too one-sided");
}

pub(super) async fn a_retry_counts_exactly_where_it_applies(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let mut applied = 0;
    for case in 0..CASES {
        let state = any_state(&world).await;
        let retried = any_retry(&world, &state.session);
        let applies = retried.applies_to(&state);
        let counted = world.store().retry(retried.clone(), None).await.expect("retry");
        assert_eq!(counted.is_some(), applies, "case {case}: {retried:?} on {state:?}");
        let mut expected = state;
        if let Some(counted) = counted {
            applied += 1;
            retried.apply(&mut expected.session);
            assert_eq!(counted, Rotated::of(&expected.session), "case {case}");
        }
        assert_eq!(world.state(expected.session.key).await, expected, "case {case}: {retried:?}");
    }
    assert!((FEW..CASES - FEW).contains(&applied), "{applied} of {CASES} applied: too one-sided");
}

pub(super) async fn an_event_is_written_only_with_its_rotation(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let account = world.person().await;
    let session = world.log_in(&account).await;
    let told = |kind| Some(event(account.id, kind));
    let turn = rotation(&session, NOW);
    let first = world.store().rotate(turn.clone(), told(EventKind::SessionRotated)).await.expect("rotate");
    let second = world.store().rotate(turn, told(EventKind::SessionRotated)).await.expect("rotate");
    assert!(first.is_some() && second.is_none(), "one generation turns once");

    let turned = world.state(session.key).await.session;
    let counted =
        world.store().retry(retried(&turned, NOW), told(EventKind::ForeignRetry)).await.expect("retry");
    let missed =
        world.store().retry(retried(&session, NOW), told(EventKind::ForeignRetry)).await.expect("retry");
    assert!(counted.is_some() && missed.is_none(), "only the newest generation counts retries");

    let kinds: Vec<EventKind> = world.chain(account.id).await.iter().map(|entry| entry.event.kind).collect();
    let expected = [
        EventKind::AccountCreated,
        EventKind::SessionOpened,
        EventKind::SessionRotated,
        EventKind::ForeignRetry,
    ];
    assert_eq!(kinds, expected);
}

pub(super) async fn nothing_moves_once_an_end_is_acknowledged(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let account = world.person().await;
    let session = world.log_in(&account).await;
    assert!(world.end(session.key, ending(EndCause::Logout)).await.expect("end"));
    let ended = world.state(session.key).await;
    let turn = rotation(&session, NOW.plus(2 * SECOND));
    assert_eq!(world.store().rotate(turn, None).await.expect("rotate"), None);
    assert_eq!(world.store().retry(retried(&session, NOW), None).await.expect("retry"), None);
    assert!(!world.end(session.key, ending(EndCause::Reuse)).await.expect("end"));
    assert_eq!(world.state(session.key).await, ended);
}

/// A row of any kind, and its account in any state. Most of it is as it should be, so that what is not decides.
async fn any_state(world: &World) -> SessionState {
    let account = world.person().await;
    let mut session = world.session(&account);
    session.generation = Generation(world.one_of(&[0, 0, 1, 1, 2, 41]));
    let age = world.one_of(&[0, 0, 1, 29_999, 30_000, 30_001, 30_001, 90_000, -1]);
    session.rotated_at = Timestamp(NOW.0 - age);
    session.idle_expires_at = any_expiry(world);
    session.expires_at = any_expiry(world);
    session.authenticated_at = world.one_of(&[NOW, Timestamp(NOW.0 - 1), Timestamp(0)]);
    session.methods = Methods::from_bits(world.one_of(&[0, 1, 0b1010, (1 << 15) - 1]));
    session.retry_hash = world.one_of(&[None, Some([3; 16])]);
    session.previous_retry_hash = world.one_of(&[None, Some([5; 16])]);
    session.instance_hash = world.one_of(&INSTANCES);
    session.other_instance_hash = world.one_of(&[None, None, Some([1; 16]), Some([2; 16])]);
    session.taken_generation = any_generation(world, &session);
    session.contested_generation = any_generation(world, &session);
    session.retries = world.one_of(&[0, 1, MAX_RETRIES - 1, MAX_RETRIES, MAX_RETRIES + 1]);
    session.streak = world.one_of(&[0, 2, u8::MAX]);
    let counted = session.generation.0.saturating_sub(world.pick(3));
    session.streak_generation = world.one_of(&[None, Some(Generation(counted))]);
    if world.pick(12) == 0 {
        session.ended = Some(Ended { at: NOW, cause: world.one_of(&EndCause::ALL) });
    }
    world.put(session.clone()).await;

    let epoch = Epoch(i64::from(world.pick(12) == 0));
    let disabled_at = (world.pick(12) == 0).then_some(NOW);
    world.subject().place_account(account.id, epoch, disabled_at).await;
    let state = SessionState { session, is_disabled: disabled_at.is_some(), epoch };
    assert_eq!(world.state(state.session.key).await, state, "a row is found as it was put");
    state
}

/// Mostly none; else one about the row's own.
fn any_generation(world: &World, session: &Session) -> Option<Generation> {
    let back = session.generation.0.saturating_sub(world.pick(3));
    world.one_of(&[None, None, Some(Generation(back)), Some(session.generation)])
}

fn any_expiry(world: &World) -> Timestamp {
    match world.pick(24) {
        0 => NOW,
        1 => Timestamp(NOW.0 - 1),
        2 => Timestamp(NOW.0 + 1),
        _ => NOW.plus(DAY),
    }
}

fn any_rotation(world: &World, session: &Session) -> Rotation {
    let mut rotation = rotation(session, NOW);
    rotation.from = Generation(near(world, session.generation.0));
    rotation.to = Generation(rotation.from.0 + world.one_of(&[1, 1, 5]));
    rotation.profile = ProfileId(PROFILE.0 + u16::from(world.pick(16) == 0));
    rotation.secret_hash[31] ^= u8::from(world.pick(16) == 0);
    rotation.retry_hash = world.one_of(&[None, Some([4; 16])]);
    rotation.instance_hash = world.one_of(&INSTANCES);
    let since = [NOW, NOW.minus(30 * SECOND), NOW.minus(90 * SECOND)];
    rotation.unless_turned_since = world.one_of(&[None, Some(since[0]), Some(since[1]), Some(since[2])]);
    if world.pick(24) == 0 {
        rotation.key.session.0 = uuid::Uuid::max();
    }
    rotation
}

fn any_retry(world: &World, session: &Session) -> Retried {
    let mut retried = retried(session, NOW);
    retried.generation = Generation(near(world, session.generation.0));
    retried.profile = ProfileId(PROFILE.0 + u16::from(world.pick(16) == 0));
    retried.secret_hash[0] ^= u8::from(world.pick(16) == 0);
    retried.streak = world.one_of(&[None, Some(1), Some(3)]);
    retried.contests = world.one_of(&[false, false, true]);
    if world.pick(24) == 0 {
        retried.key.session.0 = uuid::Uuid::max();
    }
    retried
}

/// Mostly the number itself.
fn near(world: &World, number: u64) -> u64 {
    match world.pick(12) {
        0 => number + 1,
        1 => number.saturating_sub(1),
        _ => number,
    }
}

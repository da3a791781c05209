//! Second factors: each use is one step with its condition, and a log-in without one is open to nobody who has one.

use std::sync::Arc;

use tokio::task::JoinSet;
use uuid::Uuid;

use super::Subject;
use super::commits::alone;
use super::world::{NOW, SECOND, World, ending};
use crate::account::Account;
use crate::session::{EndCause, SessionId};
use crate::store::reference::Rows;
use crate::store::{Committed, CredentialId, CredentialKind, Step, Was};

const fn of_kind(kind: CredentialKind, number: u128) -> CredentialId {
    CredentialId { kind, id: Uuid::from_u128(number) }
}

/// A step that concerns second factors, on few enough of them that most are met again, and often on one that there is.
pub(super) fn any_step(world: &World, rows: &Rows) -> Step {
    // Mostly what a log-in without one is refused for.
    let kind = match world.pick(3) {
        0 => world.one_of(&CredentialKind::OF_FACTORS),
        _ => world.one_of(&CredentialKind::FACTORS),
    };
    let id = of_kind(kind, u128::from(world.pick(2) == 0));
    let (secret, at) = (world.one_of(&["0", "1"]).as_bytes().to_vec(), NOW.plus(SECOND));
    match world.pick(9) {
        8 => {
            let known = rows.sessions.keys().copied().chain([SessionId(Uuid::max())]);
            Step::ExpectSession(world.one_of(&known.collect::<Vec<_>>()))
        }
        0..=2 => {
            let was = match world.pick(3) {
                0 => Was::Any,
                1 => Was::Missing,
                _ => Was::This(b"0".to_vec()),
            };
            Step::PutCredential { id, was, to: secret, at }
        }
        3 | 4 => {
            let of_factors =
                rows.credentials.keys().filter(|id| CredentialKind::OF_FACTORS.contains(&id.kind));
            let known: Vec<CredentialId> = of_factors.copied().collect();
            let is_known = !known.is_empty() && world.pick(4) > 0;
            let id = if is_known { world.one_of(&known) } else { id };
            Step::ForgetCredential { id, was: (world.pick(2) == 0).then_some(secret) }
        }
        5 => Step::ForgetCredentials(kind),
        _ => Step::ExpectNoFactor,
    }
}

async fn take(world: &World, account: &Account, step: Step) -> Committed {
    world.store().commit(alone(account.id, step, None)).await.expect("commit")
}

pub(super) async fn of_many_that_use_one_step_or_code_at_once_one_does(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let account = world.person().await;
    let (seed, code) = (of_kind(CredentialKind::Totp, 1), of_kind(CredentialKind::RecoveryCode, 1));
    for id in [seed, code] {
        let put = Step::PutCredential { id, was: Was::Missing, to: b"step 1".to_vec(), at: NOW };
        assert!(take(&world, &account, put).await.is_done());
    }
    let was = b"step 1".to_vec();
    let next = Step::PutCredential { id: seed, was: Was::This(was.clone()), to: b"step 2".to_vec(), at: NOW };
    for step in [next, Step::ForgetCredential { id: code, was: Some(was) }] {
        let tries = (0..64).map(|_| {
            let (world, commit) = (Arc::clone(&world), alone(account.id, step.clone(), None));
            async move { world.store().commit(commit).await.expect("commit") }
        });
        let tried = tries.collect::<JoinSet<_>>().join_all().await;
        assert_eq!(tried.iter().filter(|committed| committed.is_done()).count(), 1, "{step:?}");
    }
}

pub(super) async fn factors_are_listed_with_what_goes_with_them_and_nothing_else(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let (account, other) = (world.person().await, world.person().await);
    let device = of_kind(CredentialKind::Device, 1);
    let ids = CredentialKind::OF_FACTORS.map(|kind| [of_kind(kind, 2), of_kind(kind, 1)]).concat();
    for id in ids.iter().chain([&device]) {
        let to = format!("{} {}", id.kind.name(), id.id).into_bytes();
        let put = Step::PutCredential { id: *id, was: Was::Missing, to, at: NOW };
        assert!(take(&world, &account, put).await.is_done());
    }
    let found = world.store().factors_of(account.id).await.expect("factors_of");
    let mut expected = ids;
    expected.sort_by_key(|id| (id.kind.name(), id.id));
    assert_eq!(found.iter().map(|(id, _)| *id).collect::<Vec<_>>(), expected);
    assert!(found.iter().all(|(id, secret)| *secret == format!("{} {}", id.kind.name(), id.id).into_bytes()));
    assert!(world.store().factors_of(other.id).await.expect("factors_of").is_empty());
}

pub(super) async fn a_step_that_expects_no_factor_applies_to_nobody_who_has_one(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    for kind in CredentialKind::OF_FACTORS {
        let account = world.person().await;
        assert!(take(&world, &account, Step::ExpectNoFactor).await.is_done());
        let put = Step::PutCredential { id: of_kind(kind, 1), was: Was::Missing, to: vec![1], at: NOW };
        assert!(take(&world, &account, put).await.is_done());
        let is_factor = CredentialKind::FACTORS.contains(&kind);
        let expected = if is_factor { Committed::Missed { step: 0 } } else { Committed::Done { ended: 0 } };
        assert_eq!(take(&world, &account, Step::ExpectNoFactor).await, expected, "{kind:?}");
        assert!(take(&world, &account, Step::ForgetCredentials(kind)).await.is_done());
        assert!(take(&world, &account, Step::ExpectNoFactor).await.is_done());
    }
}

pub(super) async fn a_step_that_expects_a_session_applies_until_that_ends(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let (account, other) = (world.person().await, world.person().await);
    let (session, others) = (world.log_in(&account).await, world.log_in(&other).await);
    let expects = |session: SessionId| take(&world, &account, Step::ExpectSession(session));
    assert!(expects(session.key.session).await.is_done());
    assert_eq!(expects(others.key.session).await, Committed::Missed { step: 0 }, "it is of another account");
    assert!(world.end(session.key, ending(EndCause::Logout)).await.expect("end"));
    assert_eq!(expects(session.key.session).await, Committed::Missed { step: 0 });
}

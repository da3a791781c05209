//! What must hold whoever comes first.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::Subject;
use super::accounts::changing;
use super::commits::{Opened, PasswordChange};
use super::world::{NOW, SECOND, World, ending, event, opening, rotation};
use crate::audit::EventKind;
use crate::session::{EndCause, Epoch, Generation};
use crate::store::Slice;

/// How many pairs race. Each pair starts at the same moment on its own rows.
const RACES: usize = 1_000;

/// How many pairs race at the same time.
const AT_ONCE: usize = 32;

pub(super) async fn one_generation_turns_once_however_many_try(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let account = world.person().await;
    let mut session = world.log_in(&account).await;
    for round in 0..50 {
        let at = NOW.plus(60 * SECOND * round);
        let tries = (0..32).map(|_| {
            let (world, turn) = (Arc::clone(&world), rotation(&session, at));
            async move { world.store().rotate(turn, None).await.expect("rotate") }
        });
        let turned = tries.collect::<JoinSet<_>>().join_all().await;
        assert_eq!(turned.iter().flatten().count(), 1, "of 32 in round {round}");
        session = world.state(session.key).await.session;
        assert_eq!(session.generation, Generation(u64::from(round) + 1));
    }
}

pub(super) async fn no_rotation_succeeds_after_an_acknowledged_end(subject: Arc<dyn Subject>) {
    race(subject, async |world: Arc<World>| {
        let account = world.person().await;
        let session = world.log_in(&account).await;
        let (turner, turn) = (Arc::clone(&world), rotation(&session, NOW));
        let turning = tokio::spawn(async move { turner.store().rotate(turn, None).await });
        let ended = world.end(session.key, ending(EndCause::Logout)).await.expect("end");
        assert!(ended, "the session was live");

        let mut next = session.clone();
        for generation in 0..3 {
            next.generation = Generation(generation);
            let turn = rotation(&next, NOW.plus(60 * SECOND));
            let turned = world.store().rotate(turn, None).await.expect("rotate");
            assert_eq!(turned, None, "generation {generation} after the end");
        }
        turning.await.expect("the task ends").expect("rotate");
        assert_eq!(world.cause(session.key).await, Some(EndCause::Logout));
    })
    .await;
}

pub(super) async fn no_log_in_outlives_the_disabling_of_its_account(subject: Arc<dyn Subject>) {
    race(subject, async |world: Arc<World>| {
        let account = world.person().await;
        let session = world.session(&account);
        let (opener, wanted) = (Arc::clone(&world), opening(session.clone()));
        let opening = tokio::spawn(async move { opener.open(wanted).await });
        let told = event(account.id, EventKind::AccountDisabled);
        assert!(world.disable(account.id, told).await.expect("disable"));
        match opening.await.expect("the task ends").expect("open") {
            Opened::Open => assert_eq!(world.cause(session.key).await, Some(EndCause::Disabled)),
            Opened::AccountMoved => {
                assert_eq!(world.store().find(session.key).await.expect("find"), None);
            }
        }
    })
    .await;
}

pub(super) async fn no_log_in_outlives_a_password_change(subject: Arc<dyn Subject>) {
    race(subject, async |world: Arc<World>| {
        let account = world.person().await;
        let old = world.log_in(&account).await;
        let session = world.session(&account);
        let successor = world.session(&account);
        let (opener, wanted) = (Arc::clone(&world), opening(session.clone()));
        let opening = tokio::spawn(async move { opener.open(wanted).await });
        let change = changing(&account, &old, successor.clone());
        let changed = world.change_password(change).await.expect("change_password");
        assert!(changed);
        match opening.await.expect("the task ends").expect("open") {
            Opened::Open => assert_eq!(world.cause(session.key).await, Some(EndCause::PasswordChanged)),
            Opened::AccountMoved => {
                assert_eq!(world.store().find(session.key).await.expect("find"), None);
            }
        }
        let state = world.state(successor.key).await;
        assert_eq!((state.session.ended, state.session.epoch), (None, Epoch(1)));
    })
    .await;
}

pub(super) async fn one_password_change_wins(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let account = world.person().await;
    let old = world.log_in(&account).await;
    let changes = (0..16).map(|number| {
        let change = PasswordChange {
            password_hash: format!("hash {number}"),
            ..changing(&account, &old, world.session(&account))
        };
        let world = Arc::clone(&world);
        async move { world.change_password(change).await.expect("change_password") }
    });
    let changed = changes.collect::<JoinSet<_>>().join_all().await;
    let done = changed.iter().filter(|changed| **changed);
    assert_eq!(done.count(), 1, "of 16 that verified the same password");
    assert_eq!(world.store().of(account.id, Slice::first(100)).await.expect("of").len(), 2);
    assert_eq!(world.chain(account.id).await.len(), 4, "made, logged in, changed once, and so one end");
}

pub(super) async fn a_name_is_given_once(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let shared = world.stranger().names.remove(0);
    let strangers: Vec<_> = (0..16).map(|_| world.stranger()).collect();
    let tries = strangers.iter().cloned().map(|mut stranger| {
        let world = Arc::clone(&world);
        stranger.names.push(shared.clone());
        async move { world.create(stranger).await.expect("create") }
    });
    let made = tries.collect::<JoinSet<_>>().join_all().await;
    assert_eq!(made.into_iter().filter(|made| *made).count(), 1, "of 16 that want the same name");
    let owner = world.store().credential(&shared).await.expect("credential").expect("someone has it");
    for stranger in strangers {
        let is_owner = stranger.account.id == owner.account.id;
        let account = world.store().account(stranger.account.id).await.expect("account");
        let own_name = world.store().credential(&stranger.names[0]).await.expect("credential");
        assert_eq!((account.is_some(), own_name.is_some()), (is_owner, is_owner));
        assert_eq!(world.chain(stranger.account.id).await.len(), usize::from(is_owner));
    }
}

/// Runs a race [`RACES`] times, [`AT_ONCE`] at a time.
async fn race<R, F>(subject: Arc<dyn Subject>, race: R)
where
    R: Fn(Arc<World>) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let world = World::of(subject);
    let mut running = JoinSet::new();
    for _ in 0..RACES {
        if running.len() == AT_ONCE {
            running.join_next().await.expect("some run").expect("the race is fair");
        }
        running.spawn(race(Arc::clone(&world)));
    }
    running.join_all().await;
}

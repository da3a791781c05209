//! Imported sessions, which are found by their id alone.

use std::sync::Arc;

use uuid::{Builder, Uuid};

use super::Subject;
use super::world::{DAY, NOW, World, ending, opening};
use crate::account::Account;
use crate::session::{EndCause, Session, SessionId, SessionKey};
use crate::store::{Committed, Slice, Sweep};

/// Another one each time; as imports make it, of version 8.
fn imported(world: &World, account: &Account) -> Session {
    let id: Uuid = Builder::from_custom_bytes(*world.id().as_bytes()).into_uuid();
    let key = SessionKey { account: account.id, session: SessionId(id) };
    Session { key, ..world.session(account) }
}

/// A session as it would be at another account.
fn at(account: &Account, session: &Session) -> Session {
    Session { key: SessionKey { account: account.id, ..session.key }, ..session.clone() }
}

pub(super) async fn an_imported_session_is_found_by_its_id_alone_until_it_is_swept_away(
    subject: Arc<dyn Subject>,
) {
    let world = World::of(subject);
    let store = world.store();
    let (account, other) = (world.person().await, world.person().await);
    let (session, stays) = (imported(&world, &account), imported(&world, &account));
    assert!(session.key.session.is_imported() && !world.session(&account).key.session.is_imported());
    assert_eq!(store.named(session.key.session).await.expect("named"), None);
    world.put(session.clone()).await;
    world.put(stays.clone()).await;
    let named = store.named(session.key.session).await.expect("named");
    assert_eq!(named.as_ref().map(|(row, _)| row), Some(&session));
    assert_eq!(store.session(session.key).await.expect("session"), named);

    assert!(world.end(session.key, ending(EndCause::Logout)).await.expect("end"));
    let sweep = Sweep { slice: Slice::first(100), now: NOW.plus(2 * DAY), keep_ended: DAY };
    assert_eq!(store.sweep(sweep).await.expect("sweep").removed, 1);
    assert_eq!(store.named(session.key.session).await.expect("named"), None);
    assert!(store.named(stays.key.session).await.expect("named").is_some());
    world.put(at(&other, &session)).await;
    let (found, _) = store.named(session.key.session).await.expect("named").expect("it is there again");
    assert_eq!(found.key.account, other.id, "nothing of the one that was swept away is left");
}

pub(super) async fn an_imported_session_is_one_accounts(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let (account, other) = (world.person().await, world.person().await);
    let session = imported(&world, &account);
    world.put(session.clone()).await;
    for account in [&account, &other] {
        let before = world.chain(account.id).await;
        let twin = opening(at(account, &session)).commit();
        let opened = world.store().commit(twin).await.expect("commit");
        assert_eq!(opened, Committed::Missed { step: 1 }, "no token opens two sessions");
        assert_eq!(world.chain(account.id).await, before);
    }
    let strange = at(&other, &session);
    assert_eq!(world.store().find(strange.key).await.expect("find"), None, "nothing of it is stored");
    assert_eq!(world.state(session.key).await.session, session);
}

pub(super) async fn of_two_accounts_that_import_one_session_one_has_it(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    for _ in 0..20 {
        let (one, other) = (world.person().await, world.person().await);
        let session = imported(&world, &one);
        let open = async |account: &Account| {
            world.store().commit(opening(at(account, &session)).commit()).await.expect("commit")
        };
        let (first, second) = tokio::join!(open(&one), open(&other));
        assert!(first.is_done() != second.is_done(), "{first:?} and {second:?}");
        let (found, _) = world.store().named(session.key.session).await.expect("named").expect("it is there");
        assert_eq!(found.key.account == one.id, first.is_done());
    }
}

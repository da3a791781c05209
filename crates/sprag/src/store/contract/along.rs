//! What is written along with a commit is part of it: what tells others of an event, and that a name was held.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::Subject;
use super::commits::alone;
use super::outbox::messages_of;
use super::world::{DAY, NOW, PROFILE, SECOND, World, ending, event, retried, rotation};
use crate::account::{Name, NameKind};
use crate::audit::{Event, EventKind, NOBODY};
use crate::one_time::hashed;
use crate::outbox::{Message, MessageKey, MessageKind, Queued};
use crate::session::{AccountId, EndCause};
use crate::store::{Along, Commit, Expect, NameHash, Slice, Step, Sweep};

/// Tells of every event by one message, whose text is the event's name.
struct Everything;

impl Along for Everything {
    fn messages(&self, event: &Event) -> Vec<Message> {
        let mut id = [0; 16];
        id.copy_from_slice(&hashed(format!("{event:?}").as_bytes())[..16]);
        let key = MessageKey { account: event.account, id: Uuid::from_bytes(id) };
        let sealed = event.kind.name().as_bytes().to_vec();
        vec![Message { key, kind: MessageKind::Webhook, sealed, made_at: NOW, gives_up_at: NOW.plus(DAY) }]
    }

    fn held(&self, name: &Name) -> NameHash {
        held(name)
    }
}

fn held(name: &Name) -> NameHash {
    hashed(format!("{} {}", name.kind.name(), name.value).as_bytes())
}

fn watched(subject: Arc<dyn Subject>) -> Arc<World> {
    let world = World::of(subject);
    world.store().writes_along(Arc::new(Everything));
    world
}

/// How often the outbox tells of each kind of event of an account.
async fn told(world: &World, account: AccountId) -> BTreeMap<String, usize> {
    let mut told = BTreeMap::new();
    for Queued { sealed, kind, .. } in messages_of(world, account).await.into_values() {
        assert_eq!(kind, MessageKind::Webhook);
        *told.entry(String::from_utf8(sealed.expect("it waits")).expect("a name")).or_default() += 1;
    }
    told
}

fn counts<const N: usize>(counts: [(&str, usize); N]) -> BTreeMap<String, usize> {
    counts.into_iter().map(|(kind, count)| (kind.to_owned(), count)).collect()
}

pub(super) async fn what_tells_others_of_an_event_is_put_with_it_or_not_at_all(subject: Arc<dyn Subject>) {
    let world = watched(subject);
    let ann = world.person().await;
    assert_eq!(told(&world, ann.id).await, counts([("account_created", 1)]));
    let undone = Commit {
        account: ann.id,
        expect: Expect::Anything,
        steps: vec![Step::MoveEpoch, Step::Enable],
        events: vec![event(ann.id, EventKind::AccountEnabled)],
    };
    assert!(!world.store().commit(undone).await.expect("commit").is_done());
    assert_eq!(
        told(&world, ann.id).await.get("account_enabled"),
        None,
        "it was undone, and so nobody hears of it"
    );
    let first = world.log_in(&ann).await;
    let _ = world.log_in(&ann).await;
    assert!(world.end(first.key, ending(EndCause::Logout)).await.expect("end"));
    assert!(!world.end(first.key, ending(EndCause::Logout)).await.expect("end"), "it has ended");
    assert_eq!(told(&world, ann.id).await.get("session_ended"), Some(&1));
    world.end_all(ann.id, None, ending(EndCause::LogoutAll)).await.expect("end_all");
    assert_eq!(told(&world, ann.id).await.get("session_ended"), Some(&2), "one for each that ended");
    let nobody = event(NOBODY, EventKind::LoginFailed);
    world.store().record(nobody).await.expect("record");
    assert_eq!(told(&world, NOBODY).await, counts([("login_failed", 1)]));
}

pub(super) async fn a_rotation_tells_others_only_where_it_applies(subject: Arc<dyn Subject>) {
    let world = watched(subject);
    let ann = world.person().await;
    let session = world.log_in(&ann).await;
    let rotated = event(ann.id, EventKind::SessionRotated);
    let orders = [rotation(&session, NOW.plus(SECOND)), rotation(&session, NOW.plus(SECOND * 2))];
    let [first, second] = orders;
    assert!(world.store().rotate(first, Some(rotated.clone())).await.expect("rotate").is_some());
    let late = Event { at: NOW.plus(SECOND), ..rotated };
    assert!(world.store().rotate(second, Some(late)).await.expect("rotate").is_none());
    assert_eq!(told(&world, ann.id).await.get("session_rotated"), Some(&1));
    let spent = world.state(session.key).await.session;
    let foreign = event(ann.id, EventKind::ForeignRetry);
    let noted = world.store().retry(retried(&spent, NOW.plus(SECOND * 3)), Some(foreign.clone())).await;
    assert!(noted.expect("retry").is_some());
    let other = crate::ratchet::Retried { secret_hash: [9; 32], ..retried(&spent, NOW.plus(SECOND * 4)) };
    let late = Event { at: NOW.plus(SECOND), ..foreign };
    assert!(world.store().retry(other, Some(late)).await.expect("retry").is_none());
    assert_eq!(told(&world, ann.id).await.get("foreign_retry"), Some(&1));
}

pub(super) async fn a_sweep_tells_others_what_it_ends(subject: Arc<dyn Subject>) {
    let world = watched(subject);
    let ann = world.person().await;
    world.log_in(&ann).await;
    let sweep = Sweep { slice: Slice::first(10), now: NOW.plus(DAY * 2), keep_ended: DAY * 30 };
    assert_eq!(world.store().sweep(sweep).await.expect("sweep").ended, 1);
    assert_eq!(told(&world, ann.id).await.get("session_ended"), Some(&1));
}

pub(super) async fn a_name_that_comes_to_lead_to_nobody_was_held(subject: Arc<dyn Subject>) {
    let world = watched(subject);
    let was_held =
        async |name: &Name| world.store().was_held(vec![[0; 32], held(name)]).await.expect("was_held");
    let name = |text: &str| Name::email(text).expect("an address");
    let mut stranger = world.stranger();
    let (username, first, next) =
        (stranger.names[0].clone(), name("ann@example.org"), name("ann@example.net"));
    let key = Name::external(PROFILE, "507f1f77bcf86cd799439011").expect("this is a key");
    stranger.names.extend([first.clone(), key.clone()]);
    let id = stranger.account.id;
    assert!(world.create(stranger).await.expect("create"));
    for name in [&username, &first, &next, &key] {
        assert!(!was_held(name).await, "it leads to somebody, or never led to anybody");
    }
    let rename = Step::Rename {
        from: first.clone(),
        to: next.clone(),
        told_as: NameKind::Email,
        text: "ann@example.net".to_owned(),
    };
    let undone = Commit {
        account: id,
        expect: Expect::Anything,
        steps: vec![rename.clone(), Step::Enable],
        events: Vec::new(),
    };
    assert!(!world.store().commit(undone).await.expect("commit").is_done());
    assert!(!was_held(&first).await, "it leads there as before");
    for step in [rename, Step::DropName(username.clone())] {
        assert!(world.store().commit(alone(id, step, None)).await.expect("commit").is_done());
    }
    assert!(was_held(&first).await && was_held(&username).await && !was_held(&next).await);
    assert!(world.store().commit(alone(id, Step::EraseAccount, None)).await.expect("commit").is_done());
    for name in [&username, &first, &next, &key] {
        assert!(was_held(name).await, "and it stays so");
    }
    assert!(!was_held(&name("somebody@example.org")).await);
}

pub(super) async fn how_much_waits_is_counted_by_kind(subject: Arc<dyn Subject>) {
    let world = watched(subject);
    let ann = world.person().await;
    let key = MessageKey { account: ann.id, id: world.id() };
    let older = NOW.minus(SECOND * 9);
    let letter =
        Message { key, kind: MessageKind::Mail, sealed: vec![1], made_at: older, gives_up_at: NOW.plus(DAY) };
    assert!(
        world
            .store()
            .commit(alone(ann.id, Step::PutMessage(Box::new(letter)), None))
            .await
            .expect("commit")
            .is_done()
    );
    let waiting = async || {
        let mut waiting = world.store().waiting_messages().await.expect("waiting_messages");
        waiting.sort_by_key(|waiting| waiting.kind);
        waiting
            .into_iter()
            .map(|waiting| (waiting.kind, waiting.messages, waiting.oldest_at))
            .collect::<Vec<_>>()
    };
    assert_eq!(waiting().await, [(MessageKind::Mail, 1, older), (MessageKind::Webhook, 1, NOW)]);
    let due = world.store().due_messages(MessageKind::Webhook, NOW, 10).await.expect("due_messages");
    assert_eq!(due.len(), 1, "only what is of that kind");
    let sent = crate::outbox::Settled::Sent { at: NOW };
    assert!(world.store().settle_message(key, 0, sent).await.expect("settle_message"));
    assert_eq!(waiting().await, [(MessageKind::Webhook, 1, NOW)]);
}

//! What must leave the server is sent by one node at a time, and nothing of it is lost or forgotten early.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use uuid::Uuid;

use super::Subject;
use super::commits::alone;
use super::world::{DAY, NOW, SECOND, World};
use crate::account::Account;
use crate::clock::Timestamp;
use crate::outbox::{Message, MessageKey, MessageKind, MessageState, Queued, Settled};
use crate::session::AccountId;
use crate::store::{Slice, Step};

pub(super) async fn messages_of(world: &World, account: AccountId) -> BTreeMap<Uuid, Queued> {
    let before = MessageKey { account, id: Uuid::nil() };
    let found = world.store().messages(Slice::after(Some(before), 10)).await.expect("messages");
    let found = found.into_iter().filter(|message| message.key.account == account);
    found.map(|message| (message.key.id, message)).collect()
}

/// One of a few messages of an account.
pub(super) fn any_message(world: &World, account: AccountId) -> Message {
    let id = Uuid::from_u128(world.one_of(&[1, 2, 3, 4, 5, 6]));
    Message { kind: world.one_of(&MessageKind::ALL), ..message(account, id) }
}

fn message(account: AccountId, id: Uuid) -> Message {
    Message {
        key: MessageKey { account, id },
        kind: MessageKind::Mail,
        sealed: vec![3; 100],
        made_at: NOW,
        gives_up_at: NOW.plus(DAY),
    }
}

async fn put(world: &World, account: &Account, made_at: Timestamp) -> MessageKey {
    let message = Message { made_at, ..message(account.id, world.id()) };
    let key = message.key;
    let commit = alone(account.id, Step::PutMessage(Box::new(message)), None);
    assert!(world.store().commit(commit).await.expect("commit").is_done());
    key
}

async fn due(world: &World, at: Timestamp) -> Vec<Queued> {
    world.store().due_messages(MessageKind::Mail, at, 100).await.expect("due_messages")
}

async fn lease(world: &World, key: MessageKey, attempts: u32, until: Timestamp) -> bool {
    world.store().lease_message(key, attempts, until).await.expect("lease_message")
}

async fn settle(world: &World, key: MessageKey, attempts: u32, settled: Settled) -> bool {
    world.store().settle_message(key, attempts, settled).await.expect("settle_message")
}

async fn found(world: &World, key: MessageKey) -> Queued {
    messages_of(world, key.account).await.remove(&key.id).expect("it is remembered")
}

pub(super) async fn of_many_nodes_that_take_one_message_one_has_it(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let account = world.person().await;
    let key = put(&world, &account, NOW).await;
    let until = NOW.plus(SECOND * 120);
    let tries = (0..16).map(|_| {
        let world = Arc::clone(&world);
        async move { lease(&world, key, 0, until).await }
    });
    let taken = tries.collect::<JoinSet<_>>().join_all().await;
    assert_eq!(taken.iter().filter(|taken| **taken).count(), 1);
    assert_eq!(due(&world, NOW.plus(SECOND * 119)).await, [], "nobody else has it meanwhile");
    assert_eq!(due(&world, until).await.len(), 1, "whoever took it has died");
    assert!(lease(&world, key, 1, until.plus(SECOND)).await);
    let late = Settled::Sent { at: until };
    assert!(!settle(&world, key, 1, late).await, "whoever had it first no longer has a word to say");
    assert!(settle(&world, key, 2, Settled::Sent { at: until }).await);
}

pub(super) async fn what_became_of_a_message_is_noted_by_whoever_has_it(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let account = world.person().await;
    let key = put(&world, &account, NOW).await;
    let waiting = found(&world, key).await;
    assert_eq!(waiting, Queued::new(message(account.id, key.id)));
    assert!(lease(&world, key, 0, NOW.plus(SECOND)).await);
    let later = Settled::Later { due_at: NOW.plus(SECOND * 30), trouble: "450 busy".to_owned() };
    assert!(settle(&world, key, 1, later).await);
    let again = found(&world, key).await;
    assert_eq!((again.attempts, again.due_at), (1, Some(NOW.plus(SECOND * 30))));
    assert_eq!((again.trouble.as_deref(), again.sealed.is_some()), (Some("450 busy"), true));
    assert!(lease(&world, key, 1, NOW.plus(SECOND * 90)).await);
    assert!(settle(&world, key, 2, Settled::Sent { at: NOW.plus(SECOND * 31) }).await);
    let sent = found(&world, key).await;
    let expected = Queued {
        sealed: None,
        due_at: None,
        attempts: 2,
        settled_at: Some(NOW.plus(SECOND * 31)),
        trouble: None,
        ..waiting
    };
    assert_eq!(sent, expected, "what was sent is kept no longer");
    assert!(!lease(&world, key, 2, NOW.plus(DAY)).await);
    assert!(!settle(&world, key, 2, Settled::Sent { at: NOW }).await);
}

pub(super) async fn a_message_that_was_given_up_is_tried_again_where_somebody_asks(
    subject: Arc<dyn Subject>,
) {
    let world = World::of(subject);
    let account = world.person().await;
    let (key, sent) = (put(&world, &account, NOW).await, put(&world, &account, NOW).await);
    assert!(settle(&world, sent, 0, Settled::Sent { at: NOW }).await);
    assert!(lease(&world, key, 0, NOW.plus(SECOND)).await);
    let gone = Settled::GivenUp { at: NOW.plus(SECOND), trouble: "550 no such user".to_owned() };
    assert!(settle(&world, key, 1, gone).await);
    let given_up = found(&world, key).await;
    assert_eq!((given_up.state(), given_up.due_at), (MessageState::GivenUp, None));
    assert_eq!(due(&world, NOW.plus(DAY)).await, []);
    let (soon, end) = (NOW.plus(SECOND * 5), NOW.plus(DAY * 2));
    let revive = async |key| world.store().revive_message(key, soon, end).await.expect("revive_message");
    assert!(revive(key).await);
    assert!(!revive(key).await, "it waits already");
    assert!(!revive(sent).await, "what was sent is not sent again");
    assert!(!revive(MessageKey { id: world.id(), ..key }).await);
    let again = found(&world, key).await;
    assert_eq!((again.due_at, again.gives_up_at, again.settled_at), (Some(soon), end, None));
}

pub(super) async fn the_longest_due_come_first_and_all_are_listed_in_slices(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let people = [world.person().await, world.person().await, world.person().await];
    let mut keys = Vec::new();
    for (account, age) in people.iter().zip([1_u32, 3, 2]) {
        keys.push(put(&world, account, NOW.minus(SECOND * age)).await);
    }
    put(&world, &people[0], NOW.plus(SECOND)).await;
    let first = world.store().due_messages(MessageKind::Mail, NOW, 2).await.expect("due_messages");
    let first: Vec<MessageKey> = first.iter().map(|message| message.key).collect();
    assert_eq!(first, [keys[1], keys[2]]);
    assert_eq!(due(&world, NOW).await.len(), 3, "what is due later waits");
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let slice = world.store().messages(Slice::after(after, 2)).await.expect("messages");
        let Some(last) = slice.last() else { break };
        after = Some(last.key);
        listed.extend(slice.into_iter().map(|message| message.key));
    }
    assert!(listed.is_sorted() && listed.len() == 4, "{listed:?}");
}

pub(super) async fn what_was_settled_is_swept_away_and_what_waits_stays(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let account = world.person().await;
    let (sent, given_up) = (put(&world, &account, NOW).await, put(&world, &account, NOW).await);
    let waiting = put(&world, &account, NOW).await;
    assert!(settle(&world, sent, 0, Settled::Sent { at: NOW }).await);
    let gone = Settled::GivenUp { at: NOW.plus(SECOND * 2), trouble: "too late".to_owned() };
    assert!(settle(&world, given_up, 0, gone).await);
    let sweep = async |before: Duration| {
        world.store().sweep_messages(NOW.plus(before)).await.expect("sweep_messages")
    };
    assert_eq!(sweep(Duration::ZERO).await, 0);
    assert_eq!(sweep(SECOND).await, 1);
    assert_eq!(sweep(DAY).await, 1);
    let left: Vec<Uuid> = messages_of(&world, account.id).await.into_keys().collect();
    assert_eq!(left, [waiting.id]);
}

//! Having the journal forget people.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::Subject;
use super::world::{DAY, NOW, World, event};
use crate::audit::{Checkpoint, Cover, Entry, Erasure, Event, EventKind, Hash};
use crate::session::AccountId;
use crate::store::{ChainedAnew, Forgetting, Slice};

/// Five entries that tell of somebody, behind the one that the account was made by.
async fn told_of(world: &World) -> (AccountId, Vec<Entry>) {
    let account = world.person().await.id;
    for number in 0..5 {
        let told = Event {
            ip: Some(format!("192.0.2.{number}")),
            user_agent: Some("Firefox".to_owned()),
            note: Some("from the network 192.0.2.0/24".to_owned()),
            ..event(account, EventKind::LoginFailed)
        };
        world.store().record(told).await.expect("record");
    }
    (account, world.chain(account).await)
}

fn forgetting(chain: &[Entry], number: u64) -> Forgetting {
    let head = chain.last().expect("it has entries").head();
    let erasure = Erasure {
        number,
        at: NOW,
        account: head.account,
        last: head.number,
        chained_anew: 0,
        old_head: head.hash,
        new_head: head.hash,
        checkpoint: 0,
        previous: [1; 32],
        tag: [2; 32],
        key_id: 3,
    };
    let last = head.add(event(head.account, EventKind::AccountErased), [4; 32]);
    Forgetting { head, last, erasure, links: Vec::new(), checkpoint: None, cut: 0 }
}

async fn forgets(world: &World, forgetting: Forgetting) -> bool {
    world.store().erase(forgetting).await.expect("erase")
}

pub(super) async fn the_journal_forgets_an_account_and_its_chain_holds(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let ((ann, chain), (ben, other)) = (told_of(&world).await, told_of(&world).await);
    assert!(world.store().may_erase().await.expect("may_erase"), "whoever runs the contract owns the store");
    assert_eq!(world.store().last_erasure().await.expect("last_erasure"), None);
    let first = forgetting(&chain, 1);
    let late = forgetting(&chain[..3], 1);
    assert!(!forgets(&world, late).await, "the chain went on since");
    assert!(
        !forgets(&world, Forgetting { cut: 1, ..first.clone() }).await,
        "there is another newest cut, or none"
    );
    assert_eq!(world.chain(ann).await, chain, "and nothing is changed");
    assert_eq!(world.store().last_erasure().await.expect("last_erasure"), None);

    assert!(forgets(&world, first.clone()).await);
    let left = world.chain(ann).await;
    let expected: Vec<Entry> = chain.iter().map(Entry::erased).chain([first.last.clone()]).collect();
    assert_eq!(left, expected);
    assert!(left.iter().all(Entry::tells_of_nobody));
    assert_eq!(left[4].hash, chain[4].hash, "what was hashed is not what is gone");
    assert_eq!(world.chain(ben).await, other, "somebody else's stays");

    assert!(!forgets(&world, forgetting(&other, 1)).await, "a number is given once");
    assert_eq!(world.chain(ben).await, other);
    assert!(forgets(&world, forgetting(&other, 2)).await);
    let listed = world.store().erasures(Slice::first(10)).await.expect("erasures");
    assert_eq!(listed, [first.erasure.clone(), forgetting(&other, 2).erasure]);
    assert_eq!(world.store().erasures(Slice::after(Some(1), 10)).await.expect("erasures"), listed[1..]);
    assert_eq!(world.store().erasures(Slice::first(1)).await.expect("erasures"), listed[..1]);
    assert_eq!(world.store().last_erasure().await.expect("last_erasure"), listed.last().cloned());
}

pub(super) async fn a_chain_is_made_anew_with_the_checkpoint_that_covers_it_or_not_at_all(
    subject: Arc<dyn Subject>,
) {
    let world = World::of(subject);
    let (ann, chain) = told_of(&world).await;
    let checkpoint = |number| Checkpoint {
        number,
        before: NOW.minus(DAY),
        chains: 1,
        entries: 1,
        root: [7; 32],
        previous: [0; 32],
        tag: [8; 32],
        key_id: 9,
    };
    assert!(world.store().add_checkpoint(checkpoint(1)).await.expect("add_checkpoint"));
    let mut previous = chain[2].hash;
    let mut links = Vec::new();
    for entry in &chain[3..] {
        let anew = entry.erased_behind([5; 32], &[6; 32]);
        let Cover::Salted { mac, .. } = anew.cover else { panic!("it is salted") };
        let hash: Hash = entry.erased_behind(previous, &[6; 32]).hash;
        links.push(ChainedAnew { number: entry.number, mac, previous, hash });
        previous = hash;
    }
    let plain = forgetting(&chain, 1);
    let anew = |number| {
        let head = crate::audit::Head { hash: previous, ..plain.head };
        let last = head.add(event(ann, EventKind::AccountErased), [4; 32]);
        Forgetting { last, links: links.clone(), checkpoint: Some(checkpoint(number)), ..plain.clone() }
    };
    assert!(!forgets(&world, anew(1)).await, "another checkpoint was made meanwhile");
    assert_eq!(world.chain(ann).await, chain);
    assert!(forgets(&world, anew(2)).await);
    let left = world.chain(ann).await;
    assert_eq!(left.len(), chain.len() + 1);
    assert_eq!((left[2].hash, left[5].hash), (chain[2].hash, previous));
    assert!(left[..6].iter().all(|entry| entry.tells_of_nobody() && entry.is_erased()));
    assert_eq!(world.store().last_checkpoint().await.expect("last_checkpoint"), Some(checkpoint(2)));
}

pub(super) async fn whoever_adds_while_the_journal_forgets_goes_on_from_what_is_left(
    subject: Arc<dyn Subject>,
) {
    let world = World::of(subject);
    let (ann, _) = told_of(&world).await;
    let mut writes = JoinSet::new();
    for _ in 0..32 {
        let writer = Arc::clone(&world);
        writes.spawn(async move {
            writer.store().record(event(ann, EventKind::LoginFailed)).await.expect("record");
        });
    }
    let mut number = 1;
    while number <= 4 {
        let mut chain = world.store().entries_of(ann, Slice::first(100)).await.expect("entries_of");
        chain.reverse();
        if forgets(&world, forgetting(&chain, number)).await {
            number += 1;
        }
    }
    writes.join_all().await;
    assert_eq!(world.chain(ann).await.len(), 6 + 32 + 4, "checked link by link");
}

pub(super) async fn each_entry_has_a_salt_of_its_own(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let chains = [told_of(&world).await.1, told_of(&world).await.1].concat();
    let salts: BTreeSet<_> = chains
        .iter()
        .map(|entry| match entry.cover {
            Cover::Salted { salt: Some(salt), .. } => salt,
            other => panic!("entry {} is under no salt: {other:?}", entry.number),
        })
        .collect();
    assert_eq!(salts.len(), 12);
}

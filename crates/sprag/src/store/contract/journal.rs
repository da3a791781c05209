//! The journal: chains, slices and checkpoints.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::Subject;
use super::world::{DAY, NOW, SECOND, World, ending, event};
use crate::audit::{Checkpoint, Cut, Entry, Event, EventKind, NOBODY};
use crate::clock::Timestamp;
use crate::session::{AccountId, EndCause, SessionKey};
use crate::store::Slice;

pub(super) async fn entries_form_a_chain_however_many_write(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let account = world.person().await;
    let mut sessions = Vec::new();
    for _ in 0..64 {
        sessions.push(world.log_in(&account).await.key);
    }
    let mut writes = JoinSet::new();
    for key in sessions {
        let writer = Arc::clone(&world);
        writes.spawn(async move {
            assert!(writer.end(key, ending(EndCause::Logout)).await.expect("end"));
        });
        let writer = Arc::clone(&world);
        writes.spawn(async move {
            writer.store().record(event(NOBODY, EventKind::LoginFailed)).await.expect("record");
            writer.store().record(event(key.account, EventKind::LoginFailed)).await.expect("record");
        });
    }
    writes.join_all().await;
    assert_eq!(world.chain(account.id).await.len(), 1 + 64 + 64 + 64, "checked link by link");
    assert_eq!(world.chain(NOBODY).await.len(), 64);
}

pub(super) async fn a_journal_tells_which_sessions_it_mentions(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let (account, other) = (world.person().await, world.person().await);
    let session = world.log_in(&account).await.key;
    let mentions = async |key, until: u64| world.store().mentions(key, until).await.expect("mentions");
    assert!(mentions(session, 2).await);
    assert!(mentions(session, 1000).await);
    assert!(!mentions(session, 1).await, "the first entry tells of the account");
    assert!(!mentions(session, 0).await);
    assert!(!mentions(world.session(&account).key, 1000).await, "it was never opened");
    assert!(!mentions(SessionKey { account: other.id, ..session }, 1000).await, "it is somebody else's");
}

pub(super) async fn entries_and_heads_are_read_in_slices(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let mut written: Vec<Entry> = Vec::new();
    for _ in 0..4 {
        let account = world.person().await.id;
        for second in [10, 20] {
            let told = Event { at: NOW.plus(SECOND * second), ..event(account, EventKind::LoginFailed) };
            world.store().record(told).await.expect("record");
        }
        written.extend(world.chain(account).await);
    }
    let listed = async |after: Option<&Entry>, limit| {
        let after = after.map(|entry| (entry.event.account, entry.number));
        world.store().entries(Slice::after(after, limit)).await.expect("entries")
    };
    assert_eq!(listed(None, 5).await, written[..5]);
    assert_eq!(listed(Some(&written[4]), 5).await, written[5..10], "a slice may end within a chain");
    assert_eq!(listed(Some(&written[9]), 5).await, written[10..]);
    assert_eq!(listed(Some(&written[11]), 5).await, []);
    let newest =
        world.store().entries_of(written[0].event.account, Slice::first(2)).await.expect("entries_of");
    assert_eq!(newest, [written[2].clone(), written[1].clone()], "newest first");
    let older = world.store().entries_of(written[0].event.account, Slice::after(Some(2), 2)).await;
    assert_eq!(older.expect("entries_of"), [written[0].clone()], "what is before entry 2");

    let heads = async |before: Timestamp, after: Option<AccountId>, limit| {
        world.store().heads(before, Slice::after(after, limit)).await.expect("heads")
    };
    let at = |number: usize| -> Vec<_> { written.iter().skip(number).step_by(3).map(Entry::head).collect() };
    assert_eq!(heads(NOW, None, 10).await, [], "nothing is before the first entries");
    assert_eq!(heads(NOW.plus(10 * SECOND), None, 10).await, at(0));
    assert_eq!(heads(NOW.plus(11 * SECOND), None, 10).await, at(1));
    assert_eq!(heads(NOW.plus(DAY), None, 3).await, at(2)[..3]);
    assert_eq!(heads(NOW.plus(DAY), Some(at(2)[2].account), 3).await, at(2)[3..]);
}

pub(super) async fn a_clock_gone_back_does_not_show(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let account = world.person().await.id;
    let record = async |account: AccountId, at: Timestamp| {
        let told = Event { at, ..event(account, EventKind::LoginFailed) };
        world.store().record(told).await.expect("record");
        world.chain(account).await.last().map(|entry| entry.event.at)
    };
    assert_eq!(record(account, NOW.minus(DAY)).await, Some(NOW), "no entry is older than the one before it");
    let covered = NOW.plus(DAY);
    assert!(world.store().add_checkpoint(checkpoint(1, covered)).await.expect("add_checkpoint"));
    assert_eq!(record(account, NOW).await, Some(covered), "nor than what a checkpoint covers");
    assert_eq!(record(NOBODY, NOW).await, Some(covered));
    assert_eq!(record(account, covered.plus(SECOND)).await, Some(covered.plus(SECOND)));
}

pub(super) async fn checkpoints_are_kept_by_number(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    assert_eq!(world.store().last_checkpoint().await.expect("last_checkpoint"), None);
    let made: Vec<Checkpoint> = (1..=3).map(|number| checkpoint(number, NOW)).collect();
    for checkpoint in &made {
        assert!(world.store().add_checkpoint(checkpoint.clone()).await.expect("add_checkpoint"));
    }
    let twin = Checkpoint { root: [0; 32], ..made[1].clone() };
    assert!(!world.store().add_checkpoint(twin).await.expect("add_checkpoint"), "a number is given once");
    assert_eq!(world.store().last_checkpoint().await.expect("last_checkpoint"), made.last().cloned());
    assert_eq!(world.store().checkpoints(Slice::first(2)).await.expect("checkpoints"), made[..2]);
    assert_eq!(world.store().checkpoints(Slice::after(Some(2), 2)).await.expect("checkpoints"), made[2..]);
    assert_eq!(world.store().checkpoints(Slice::after(Some(3), 2)).await.expect("checkpoints"), []);
}

pub(super) async fn the_newest_entries_of_all_accounts_are_read_by_time(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let accounts = [world.person().await.id, world.person().await.id, NOBODY];
    for second in [30, 10, 20, 10] {
        for account in accounts {
            let told = Event { at: NOW.plus(SECOND * second), ..event(account, EventKind::LoginFailed) };
            world.store().record(told).await.expect("record");
        }
    }
    let mut all = Vec::new();
    for account in accounts {
        all.extend(world.chain(account).await);
    }
    let place = |entry: &Entry| (entry.event.at, entry.event.account, entry.number);
    all.sort_by_key(|entry| std::cmp::Reverse(place(entry)));
    let recent = async |since: Timestamp, after: Option<&Entry>, limit| {
        world.store().recent(since, Slice::after(after.map(place), limit)).await.expect("recent")
    };
    assert_eq!(recent(Timestamp(i64::MIN), None, 100).await, all, "newest first");
    assert_eq!(recent(NOW, None, 3).await, all[..3]);
    for cut in 1..all.len() {
        let rest = recent(NOW, Some(&all[cut - 1]), 100).await;
        assert_eq!(rest, all[cut..], "after {cut}, also among those of one moment");
    }
    let mut oldest_first = all.clone();
    oldest_first.reverse();
    let by_time = async |before: Timestamp, after: Option<&Entry>, limit| {
        world.store().by_time(before, Slice::after(after.map(place), limit)).await.expect("by_time")
    };
    assert_eq!(by_time(Timestamp(i64::MAX), None, 100).await, oldest_first);
    assert_eq!(by_time(Timestamp(i64::MAX), None, 3).await, oldest_first[..3]);
    for cut in 1..all.len() {
        let rest = by_time(Timestamp(i64::MAX), Some(&oldest_first[cut - 1]), 100).await;
        assert_eq!(rest, oldest_first[cut..], "after {cut}, also among those of one moment");
    }
    let before = NOW.plus(SECOND * 30);
    let older: Vec<_> = oldest_first.iter().filter(|entry| entry.event.at < before).cloned().collect();
    assert_eq!(by_time(before, None, 100).await, older);
    let since = NOW.plus(SECOND * 30);
    let younger: Vec<_> = all.iter().filter(|entry| entry.event.at >= since).cloned().collect();
    assert_eq!(recent(since, None, 100).await, younger);
    assert_eq!(recent(since.plus(SECOND), None, 100).await, []);
}

pub(super) async fn cuts_are_kept_by_number(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    assert!(world.store().may_cut().await.expect("may_cut"), "whoever runs the contract owns the store");
    assert_eq!(world.store().last_cut().await.expect("last_cut"), None);
    let made: Vec<Cut> = (1..=3).map(cut).collect();
    let unseen = world.store().add_cut(made[0].clone(), 1).await.expect("add_cut");
    assert!(!unseen, "there is another newest erasure, or none");
    for cut in &made {
        assert!(world.store().add_cut(cut.clone(), 0).await.expect("add_cut"));
    }
    let twin = Cut { root: [0; 32], ..made[1].clone() };
    assert!(!world.store().add_cut(twin, 0).await.expect("add_cut"), "a number is given once");
    assert_eq!(world.store().last_cut().await.expect("last_cut"), made.last().cloned());
    assert_eq!(world.store().cuts(Slice::first(2)).await.expect("cuts"), made[..2]);
    assert_eq!(world.store().cuts(Slice::after(Some(2), 2)).await.expect("cuts"), made[2..]);
}

pub(super) async fn a_chain_is_cut_at_its_beginning_and_goes_on_at_its_end(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let (ann, ben) = (world.person().await.id, world.person().await.id);
    for account in [ann, ben] {
        for _ in 0..4 {
            world.store().record(event(account, EventKind::LoginFailed)).await.expect("record");
        }
    }
    let beginnings =
        async |after, limit| world.store().beginnings(Slice::after(after, limit)).await.expect("beginnings");
    let (whole, other) = (world.chain(ann).await, world.chain(ben).await);
    assert_eq!(beginnings(None, 10).await, [whole[0].clone(), other[0].clone()]);
    assert_eq!(beginnings(None, 1).await, whole[..1]);
    assert_eq!(beginnings(Some(ann), 1).await, other[..1]);
    assert_eq!(beginnings(Some(ben), 1).await, []);

    assert_eq!(world.store().cut_off(vec![(ann, 3), (ben, 0), (NOBODY, 7)]).await.expect("cut_off"), 3);
    assert_eq!(world.store().cut_off(vec![(ann, 3)]).await.expect("cut_off"), 0, "they are gone");
    assert_eq!(beginnings(None, 10).await, [whole[3].clone(), other[0].clone()]);
    let heads = world.store().heads(NOW.plus(DAY), Slice::first(10)).await.expect("heads");
    assert_eq!(heads, [whole[4].head(), other[4].head()], "a chain that was cut still has its head");
    world.store().record(event(ann, EventKind::LoginFailed)).await.expect("record");
    let left = world.store().entries_of(ann, Slice::first(10)).await.expect("entries_of");
    assert_eq!(left.iter().map(|entry| entry.number).collect::<Vec<_>>(), [6, 5, 4]);
    assert_eq!(left[0].previous, whole[4].hash);
    assert_eq!(world.chain(ben).await, other);
}

fn cut(number: u64) -> Cut {
    Cut {
        number,
        at: NOW,
        before: NOW.minus(DAY),
        covered_before: NOW.minus(SECOND),
        chains: 3,
        entries: 5,
        root: [1; 32],
        previous: [2; 32],
        tag: [3; 32],
        key_id: 4,
    }
}

fn checkpoint(number: u64, before: Timestamp) -> Checkpoint {
    Checkpoint {
        number,
        before,
        chains: 3,
        entries: 5,
        root: [1; 32],
        previous: [2; 32],
        tag: [3; 32],
        key_id: 4,
    }
}

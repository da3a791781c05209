//! Opening, finding, listing, ending and sweeping sessions.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::Subject;
use super::accounts::changing;
use super::commits::{Opened, Opening, TokenBinding};
use super::world::{DAY, NOW, SECOND, World, ending, event, opening, rotation};
use crate::account::Account;
use crate::audit::EventKind;
use crate::clock::Timestamp;
use crate::ratchet::SessionState;
use crate::session::{AccountId, EndCause, Ended, Epoch, Session, SessionId, SessionKey};
use crate::store::{Committed, LiveSessions, MAX_ENDED_KEPT, SessionHistogram, Slice, Sweep, Swept};

pub(super) async fn a_session_is_found_as_it_was_opened(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let account = world.person().await;
    let session = world.session(&account);
    assert_eq!(world.store().find(session.key).await.expect("find"), None);
    assert_eq!(world.store().named(session.key.session).await.expect("named"), None);
    let opening = opening(session.clone());
    assert_eq!(world.open(opening.clone()).await.expect("open"), Opened::Open);

    let expected = SessionState { session: session.clone(), is_disabled: false, epoch: account.epoch };
    assert_eq!(world.state(session.key).await, expected);
    let named = world.store().named(session.key.session).await.expect("named");
    assert_eq!(named, Some((session.clone(), opening.detail)));
    let own = world.store().session(session.key).await.expect("session");
    assert_eq!(own, named);
    let strange = SessionKey { account: world.person().await.id, ..session.key };
    assert_eq!(world.store().session(strange).await.expect("session"), None, "it is another account's");
    let chain = world.chain(account.id).await;
    assert_eq!(chain.last().map(|entry| &entry.event), Some(&opening.event));
}

pub(super) async fn a_session_opens_only_if_its_account_stands_as_verified(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let stranger = world.stranger().account;
    let moved = Account { epoch: Epoch(1), ..world.person().await };
    let disabled = world.person().await;
    let told = event(disabled.id, EventKind::AccountDisabled);
    assert!(world.disable(disabled.id, told).await.expect("disable"));
    let disabled = world.store().account(disabled.id).await.expect("account").expect("it is there");
    for account in [stranger, moved, disabled] {
        let session = world.session(&account);
        let before = world.chain(account.id).await;
        let opened = world.open(opening(session.clone())).await.expect("open");
        assert_eq!(opened, Opened::AccountMoved);
        assert_eq!(world.store().find(session.key).await.expect("find"), None);
        assert_eq!(world.store().named(session.key.session).await.expect("named"), None);
        assert_eq!(world.chain(account.id).await, before);
    }
}

pub(super) async fn an_id_opens_once(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let account = world.person().await;
    let session = world.log_in(&account).await;
    let twin = Session { secret_hash: [9; 32], ..session.clone() };
    let opened = world.store().commit(opening(twin).commit()).await.expect("commit");
    assert_eq!(opened, Committed::Missed { step: 1 }, "an id is given once");
    assert_eq!(world.state(session.key).await.session, session);
    assert_eq!(world.chain(account.id).await.len(), 2, "made, and opened once");
}

pub(super) async fn a_new_session_takes_the_place_of_the_one_it_replaces(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let account = world.person().await;
    let (old, other) = (world.log_in(&account).await, world.log_in(&account).await);
    let mut opening = opening(world.session(&account));
    opening.replaces = Some(old.key.session);
    assert_eq!(world.open(opening.clone()).await.expect("open"), Opened::Open);
    assert_eq!(world.cause(old.key).await, Some(EndCause::Replaced));
    assert_eq!(world.cause(other.key).await, None);
    assert_eq!(world.ends(account.id).await, [(old.key.session, EndCause::Replaced)]);

    opening.session.key.session = world.session(&account).key.session;
    assert_eq!(world.open(opening).await.expect("open"), Opened::Open);
    assert_eq!(world.ends(account.id).await.len(), 1, "what has ended does not end again");
}

pub(super) async fn the_longest_unused_sessions_give_way(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let account = world.person().await;
    let mut sessions = Vec::new();
    for _ in 0..4 {
        sessions.push(world.log_in(&account).await);
    }
    let mut expired = world.session(&account);
    expired.idle_expires_at = NOW;
    world.put(expired.clone()).await;
    let turn = rotation(&sessions[0], NOW.plus(SECOND));
    assert!(world.store().rotate(turn, None).await.expect("rotate").is_some());

    let mut opening = opening(world.session(&account));
    opening.most = 3;
    assert_eq!(world.open(opening.clone()).await.expect("open"), Opened::Open);
    let gone = [sessions[1].key.session, sessions[2].key.session];
    assert_eq!(world.ends(account.id).await, gone.map(|session| (session, EndCause::Replaced)));
    for live in [sessions[0].key, sessions[3].key, opening.session.key, expired.key] {
        assert_eq!(world.cause(live).await, None);
    }
}

pub(super) async fn where_the_rest_is_spared_one_session_gives_way(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let account = world.person().await;
    let mut sessions = Vec::new();
    for _ in 0..4 {
        sessions.push(world.log_in(&account).await.key.session);
    }
    let open = async |most, replaces| {
        let opening = Opening { replaces, most, spares_the_rest: true, ..opening(world.session(&account)) };
        let before = world.ends(account.id).await.len();
        assert_eq!(world.open(opening).await.expect("open"), Opened::Open);
        world.ends(account.id).await.split_off(before)
    };
    let replaced = |session| vec![(session, EndCause::Replaced)];
    assert_eq!(open(2, None).await, replaced(sessions[0]), "the longest unused");
    assert_eq!(open(2, Some(sessions[3])).await, replaced(sessions[3]), "the one it replaces, and no other");
    assert_eq!(open(2, None).await, replaced(sessions[1]));
    assert_eq!(open(5, None).await, [], "there is room");
    assert_eq!(open(5, None).await, replaced(sessions[2]));
    // What did not live any more makes no room: another one that has given way to a log-in at the same moment, or one
    // that has run out.
    let newest = world.log_in(&account).await.key.session;
    assert_eq!(open(2, Some(newest)).await, replaced(newest));
    assert_eq!(open(2, Some(newest)).await.len(), 1, "it has ended already");
    let mut expired = world.session(&account);
    expired.idle_expires_at = NOW;
    world.put(expired.clone()).await;
    let gone = open(2, Some(expired.key.session)).await;
    assert_eq!((gone.len(), gone.contains(&(expired.key.session, EndCause::Replaced))), (2, true));
}

pub(super) async fn without_a_bound_nothing_gives_way_or_is_removed(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let account = world.person().await;
    let unbounded = async |session: Session| {
        let opening = Opening { most: u32::MAX, ..opening(session) };
        assert_eq!(world.open(opening).await.expect("open"), Opened::Open);
    };
    let many = MAX_ENDED_KEPT as usize + 1;
    for _ in 0..many {
        let ended = Some(Ended { at: NOW, cause: EndCause::Logout });
        unbounded(Session { ended, ..world.session(&account) }).await;
    }
    unbounded(world.session(&account)).await;
    let all = async || world.store().of(account.id, Slice::first(u32::MAX)).await.expect("of").len();
    assert_eq!(all().await, many + 1);
    assert_eq!(world.ends(account.id).await, []);
    world.log_in(&account).await;
    assert_eq!(all().await, many + 1, "whoever logs in removes one too many");
}

pub(super) async fn of_one_accounts_ended_sessions_the_last_thousand_are_kept(subject: Arc<dyn Subject>) {
    const BEYOND: u32 = 3;
    let world = World::of(subject);
    let (account, other) = (world.person().await, world.person().await);
    let at = |seconds: u32| Some(Ended { at: NOW.minus(SECOND * seconds), cause: EndCause::Logout });
    let elsewhere = Session { ended: at(2 * MAX_ENDED_KEPT), ..world.session(&other) };
    world.put(elsewhere.clone()).await;
    let (current, second) = (world.log_in(&account).await, world.log_in(&account).await);
    // The later it was opened, the longer ago it ended: it is the end that counts.
    let ended: Vec<Session> = (1..=MAX_ENDED_KEPT + BEYOND)
        .map(|seconds| Session { ended: at(seconds), ..world.session(&account) })
        .collect();
    let puts = ended.iter().cloned().map(|session| {
        let world = Arc::clone(&world);
        async move { world.put(session).await }
    });
    puts.collect::<JoinSet<_>>().join_all().await;
    let kept = async || {
        let found = world.store().of(account.id, Slice::first(u32::MAX)).await.expect("of");
        found.into_iter().map(|(session, _)| session.key).collect::<Vec<_>>()
    };
    let most = MAX_ENDED_KEPT as usize;
    let expected = [&current, &second].into_iter().chain(&ended[..most]).map(|session| session.key);
    assert_eq!(kept().await, expected.collect::<Vec<_>>());
    for gone in &ended[most..] {
        assert_eq!(world.store().named(gone.key.session).await.expect("named"), None);
    }
    let opened = world.chain(account.id).await.len();
    assert_eq!(opened, 1 + 2 + ended.len(), "the journal keeps what it was told");

    let successor = world.session(&account);
    let change = changing(&account, &current, successor.clone());
    let changed = world.change_password(change).await.expect("change_password");
    assert!(changed);
    let expected = [&current, &second].into_iter().chain(&ended[..most - 2]).chain([&successor]);
    let expected: Vec<_> = expected.map(|session| session.key).collect();
    assert_eq!(kept().await, expected, "the two that end last are kept, the first two go");
    assert_eq!(world.state(elsewhere.key).await.session, elsewhere, "what others have is not touched");
}

pub(super) async fn sessions_are_listed_in_slices(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let (account, other) = (world.person().await, world.person().await);
    let mut keys = Vec::new();
    for _ in 0..5 {
        keys.push(world.log_in(&account).await.key.session);
        world.log_in(&other).await;
    }
    let gone = SessionKey { account: account.id, session: keys[1] };
    assert!(world.end(gone, ending(EndCause::Admin)).await.expect("end"));
    let listed = async |after: Option<SessionId>, limit| {
        let found = world.store().of(account.id, Slice::after(after, limit)).await.expect("of");
        found.into_iter().map(|(session, _)| session.key.session).collect::<Vec<_>>()
    };
    assert_eq!(listed(None, 2).await, keys[..2], "ended ones too, oldest first");
    assert_eq!(listed(Some(keys[1]), 2).await, keys[2..4]);
    assert_eq!(listed(Some(keys[3]), 2).await, keys[4..]);
    assert_eq!(listed(Some(keys[4]), 2).await, []);
    assert_eq!(listed(None, 0).await, []);
}

pub(super) async fn an_end_is_told_once(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let account = world.person().await;
    let session = world.log_in(&account).await;
    let mut unknown = session.key;
    unknown.session = world.session(&account).key.session;
    assert!(!world.end(unknown, ending(EndCause::Logout)).await.expect("end"));
    assert!(world.end(session.key, ending(EndCause::Logout)).await.expect("end"));
    assert!(!world.end(session.key, ending(EndCause::Admin)).await.expect("end"));

    let (row, detail) = world.store().named(session.key.session).await.expect("named").expect("it is there");
    assert_eq!(row.ended, Some(Ended { at: NOW.plus(SECOND), cause: EndCause::Logout }));
    assert_eq!(detail.ended_ip.as_deref(), Some("192.0.2.9"));
    let chain = world.chain(account.id).await;
    assert_eq!(chain.len(), 3, "made, opened, ended");
    assert_eq!(chain[2].event, ending(EndCause::Logout).event(session.key));
}

pub(super) async fn ending_all_spares_the_exception_and_other_accounts(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let (account, other) = (world.person().await, world.person().await);
    let mut sessions = Vec::new();
    for _ in 0..4 {
        sessions.push(world.log_in(&account).await.key);
    }
    let stays = world.log_in(&other).await.key;
    assert!(world.end(sessions[0], ending(EndCause::Logout)).await.expect("end"));
    let end_all =
        async |except| world.end_all(account.id, except, ending(EndCause::LogoutAll)).await.expect("end_all");
    assert_eq!(end_all(Some(sessions[3].session)).await, 2);
    assert_eq!(end_all(None).await, 1);
    assert_eq!(end_all(None).await, 0);
    assert_eq!(world.cause(stays).await, None);
    let causes = [EndCause::Logout, EndCause::LogoutAll, EndCause::LogoutAll, EndCause::LogoutAll];
    let expected: Vec<_> = sessions.iter().map(|key| key.session).zip(causes).collect();
    assert_eq!(world.ends(account.id).await, expected, "one event for each, in the order of their ids");
}

pub(super) async fn a_sweep_ends_what_has_expired_and_removes_what_ended_long_ago(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let account = world.person().await;
    let live = world.log_in(&account).await;
    let put = async |change: &(dyn Fn(&mut Session) + Sync)| {
        let mut session = world.session(&account);
        change(&mut session);
        world.put(session.clone()).await;
        session.key
    };
    let ended = |at| Some(Ended { at, cause: EndCause::Logout });
    let idle = put(&|session| session.idle_expires_at = NOW).await;
    let expired = put(&|session| (session.idle_expires_at, session.expires_at) = (NOW, NOW)).await;
    let recent = put(&|session| session.ended = ended(NOW.minus(DAY - SECOND))).await;
    let old = put(&|session| session.ended = ended(NOW.minus(DAY))).await;

    let sweep = Sweep { slice: Slice::first(100), now: NOW, keep_ended: DAY };
    let swept = world.store().sweep(sweep).await.expect("sweep");
    let of = |accounts: &[AccountId]| {
        let mut of_accounts = LiveSessions::default();
        accounts.iter().for_each(|account| of_accounts.add(*account));
        of_accounts
    };
    let one_lives = Swept { live: 1, of_accounts: of(&[account.id]), ..Swept::default() };
    assert_eq!(swept, Swept { seen: 5, ended: 2, idle: 1, removed: 1, ..one_lives });
    assert_eq!(world.store().find(old).await.expect("find"), None);
    assert_eq!(world.store().named(old.session).await.expect("named"), None);
    assert_eq!(world.cause(live.key).await, None);
    assert_eq!(world.cause(recent).await, Some(EndCause::Logout));
    let ends = [(idle.session, EndCause::Idle), (expired.session, EndCause::Expired)];
    assert_eq!(world.ends(account.id).await, ends);

    let swept = world.store().sweep(sweep).await.expect("sweep");
    assert_eq!(swept, Swept { seen: 4, ..one_lives });
}

pub(super) async fn a_sweep_goes_slice_by_slice_to_the_end(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let mut keys = Vec::new();
    for _ in 0..3 {
        let account = world.person().await;
        for _ in 0..3 {
            keys.push(world.log_in(&account).await.key);
        }
    }
    let mut sweep = Sweep { slice: Slice::first(4), now: NOW, keep_ended: DAY };
    for (seen, next) in [(4, Some(keys[3])), (4, Some(keys[7])), (1, None)] {
        let swept = world.store().sweep(sweep).await.expect("sweep");
        let found = (swept.seen, swept.live, swept.ended, swept.idle, swept.removed, swept.next);
        assert_eq!(found, (seen, seen, 0, 0, 0, next));
        sweep.slice.after = swept.next;
    }
    let none = Sweep { slice: Slice::first(0), ..sweep };
    let swept = world.store().sweep(none).await.expect("sweep");
    assert_eq!((swept.seen, swept.next), (1, Some(keys[0])), "a slice has at least one row");
}

/// However the rows are cut into slices, and whatever ends or goes on the way.
pub(super) async fn a_sweep_says_how_many_sessions_live_and_how_many_each_account_has(
    subject: Arc<dyn Subject>,
) {
    const OF_EACH: [usize; 7] = [1, 4, 0, 11, 2, 1, 6];
    let world = World::of(subject);
    for live in OF_EACH {
        let account = world.person().await;
        for _ in 0..live {
            world.log_in(&account).await;
        }
        for over in
            [Ended { at: NOW, cause: EndCause::Logout }, Ended { at: Timestamp(0), cause: EndCause::Reuse }]
        {
            world.put(Session { ended: Some(over), ..world.session(&account) }).await;
        }
        world.put(Session { idle_expires_at: NOW, ..world.session(&account) }).await;
        world.put(Session { idle_expires_at: NOW, expires_at: NOW, ..world.session(&account) }).await;
    }
    let expected = SessionHistogram { sessions: 25, accounts: 6, buckets: [2, 1, 0, 1, 1, 1, 0, 0, 0, 0] };
    for (rows, ends, goes) in [(5, 14, 7), (1, 0, 0), (4, 0, 0), (100, 0, 0)] {
        let mut total = Swept::default();
        loop {
            let sweep = Sweep { slice: Slice::after(total.next, rows), now: NOW, keep_ended: DAY };
            total = total.then(world.store().sweep(sweep).await.expect("sweep"));
            if total.next.is_none() {
                break;
            }
        }
        assert_eq!(total.histogram(), expected, "slices of {rows}");
        assert_eq!((total.ended, total.idle, total.removed), (ends, ends / 2, goes), "slices of {rows}");
    }
}

pub(super) async fn an_imported_token_is_bound_once_and_an_ended_session_stays_ended(
    subject: Arc<dyn Subject>,
) {
    let world = World::of(subject);
    let store = world.store();
    let account = world.person().await;
    let imported = world.log_in(&account).await;
    let ended = world.log_in(&account).await;
    let binding =
        |session: &Session| TokenBinding { key: session.key, from: session.secret_hash, to: [9; 32] };

    let strange = TokenBinding { from: [8; 32], ..binding(&imported) };
    assert!(!world.bind_imported_token(strange).await.expect("bind"), "it has another placeholder");
    assert!(world.bind_imported_token(binding(&imported)).await.expect("bind"));
    assert!(!world.bind_imported_token(binding(&imported)).await.expect("bind"), "its token is bound");
    let found = store.find(imported.key).await.expect("find").expect("it is there").session;
    assert_eq!(found, Session { secret_hash: [9; 32], ..imported }, "nothing else of it has changed");

    assert!(world.end(ended.key, ending(EndCause::Logout)).await.expect("end"));
    assert!(world.bind_imported_token(binding(&ended)).await.expect("bind"));
    assert_eq!(world.cause(ended.key).await, Some(EndCause::Logout));
}

//! A commit does what its steps say, all of it or nothing: random ones are held against the reference.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::Subject;
use super::commits::alone;
use super::world::{DAY, NOW, SECOND, World, event};
use crate::account::{Account, ConfirmedEmail, NameKind, Particular};
use crate::audit::{Entry, Event, EventKind};
use crate::session::{AccountId, EndCause, Ended, Epoch, Session, SessionDetail, SessionId};
use crate::store::reference::Rows;
use crate::store::{Commit, Committed, CredentialId, CredentialKind, Ending, Expect, Room, Slice, Step, Was};

/// How many accounts the commits are about, and how many commits each sees, one after the other.
const ACCOUNTS: u32 = 600;
const COMMITS: u32 = 10;

/// The fewest times that each kind of step must apply, and must not, for the check to mean anything.
const FEW: u32 = 8;

/// A second credential of the kind that an account has at most one of.
const OTHER_PASSWORD: CredentialId = CredentialId { id: uuid::Uuid::max(), ..CredentialId::PASSWORD };

/// The devices that an account may know.
const DEVICES: [CredentialId; 4] = [device(1), device(2), device(3), device(4)];

const fn device(number: u128) -> CredentialId {
    CredentialId { kind: CredentialKind::Device, id: uuid::Uuid::from_u128(number) }
}

/// Kinds of steps that always apply.
const ALWAYS: [&str; 8] = [
    "MakeRoom",
    "ForgetEnded",
    "KeepDevices",
    "EraseAccount",
    "EndTokens",
    "EndTokensSince",
    "ForgetCredentials",
    "PutMessageOnce",
];

pub(super) async fn a_commit_does_what_its_steps_say_or_nothing(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let mut met: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for _ in 0..ACCOUNTS {
        let (account, mut rows) = any_rows(&world).await;
        for _ in 0..COMMITS {
            let commit = any_commit(&world, &account, &rows).await;
            let told = world.chain(account.id).await;
            let committed = world.store().commit(commit.clone()).await.expect("commit");
            let mut expected = told.clone();
            match commit.apply(&rows, |name, _| *name == taken(), |_| false) {
                Ok((after, events)) => {
                    let ended = (events.len() - commit.events.len()) as u64;
                    assert_eq!(committed, Committed::Done { ended }, "{commit:?} on {rows:?}");
                    rows = after;
                    append(&mut expected, events);
                }
                Err(missed) => assert_eq!(committed, missed, "{commit:?} on {rows:?}"),
            }
            count(&mut met, &commit, committed);
            assert_eq!(unsalted(world.chain(account.id).await), unsalted(expected), "{commit:?}");
            assert_eq!(read(&world, &account, &rows).await, rows, "{commit:?}");
        }
    }
    assert_eq!(met.len(), 36, "every kind of step was met: {met:?}");
    for (kind, (applied, missed)) in met {
        let is_even = applied >= FEW && (missed >= FEW || ALWAYS.contains(&kind));
        assert!(is_even, "{kind} applied {applied} times and missed {missed} times: too one-sided");
    }
}

pub(super) async fn a_commit_is_about_one_account(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let (account, other) = (world.person().await, world.person().await);
    let foreign =
        Step::OpenSession { session: Box::new(world.session(&other)), detail: SessionDetail::default() };
    let told = event(other.id, EventKind::LoginFailed);
    let create = Step::CreateAccount(Box::new(world.stranger().account));
    for commit in [
        alone(account.id, foreign, None),
        alone(account.id, Step::MoveEpoch, Some(told)),
        alone(account.id, create, None),
    ] {
        assert!(world.store().commit(commit.clone()).await.is_err(), "{commit:?}");
    }
    for account in [account, other] {
        assert_eq!(world.chain(account.id).await.len(), 1);
        assert_eq!(world.store().account(account.id).await.expect("account"), Some(account));
    }
}

pub(super) async fn of_commits_with_one_expectation_one_wins(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    for round in 0..20 {
        let account = world.person().await;
        let session = world.log_in(&account).await;
        let tries = (0..8).map(|number| {
            let ending = Ending::by_itself(EndCause::Revoked, NOW);
            let steps = vec![
                Step::put_password(Was::Any, format!("hash {number}"), NOW),
                Step::MoveEpoch,
                Step::EndSessions { except: None, with: None, ending },
            ];
            let events = vec![event(account.id, EventKind::PasswordChanged)];
            let expect = Expect::Standing(account.epoch);
            let (world, id) = (Arc::clone(&world), account.id);
            async move {
                let commit = Commit { account: id, expect, steps, events };
                (number, world.store().commit(commit).await.expect("commit"))
            }
        });
        let tried = tries.collect::<JoinSet<_>>().join_all().await;
        let (won, lost): (Vec<_>, Vec<_>) = tried.into_iter().partition(|(_, committed)| committed.is_done());
        assert!(lost.iter().all(|(_, committed)| *committed == Committed::AccountMoved), "{lost:?}");
        let [(number, committed)] = won[..] else { panic!("one of 8 wins in round {round}, not {won:?}") };
        assert_eq!(committed, Committed::Done { ended: 1 });
        let found =
            world.store().credential_of(account.id).await.expect("credential_of").expect("it is there");
        assert_eq!((found.password_hash, found.account.epoch), (Some(format!("hash {number}")), Epoch(1)));
        assert_eq!(world.cause(session.key).await, Some(EndCause::Revoked));
        assert_eq!(world.chain(account.id).await.len(), 4, "made, logged in, changed once, ended once");
    }
}

pub(super) async fn a_credential_is_replaced_once_however_many_try(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let account = world.person().await;
    for (was, to, what) in [(None, "0", "made"), (Some("0"), "1", "replaced")] {
        let id = CredentialId { kind: CredentialKind::Password, id: uuid::Uuid::max() };
        let tries = (0..16).map(|_| {
            let was = was.map_or(Was::Missing, |was| Was::This(was.as_bytes().to_vec()));
            let step = Step::PutCredential { id, was, to: to.as_bytes().to_vec(), at: NOW };
            let (world, account) = (Arc::clone(&world), account.id);
            async move { world.store().commit(alone(account, step, None)).await.expect("commit") }
        });
        let tried = tries.collect::<JoinSet<_>>().join_all().await;
        let done = tried.iter().filter(|committed| committed.is_done()).count();
        assert_eq!(done, 1, "of 16 one has {what} it");
        let lost = tried.iter().filter(|committed| **committed == Committed::Missed { step: 0 });
        assert_eq!(lost.count(), 15);
    }
}

/// The name of an account that is there already.
fn taken() -> crate::account::Name {
    crate::account::Name::username("taken").expect("this is a user name")
}

/// An account in any state, with sessions and credentials of any kind; and what it has.
async fn any_rows(world: &World) -> (Account, Rows) {
    let mut first = world.stranger();
    first.names = vec![taken()];
    // Every account but the first finds it taken.
    world.create(first).await.expect("create");
    let mut stranger = world.stranger();
    stranger.account.email = world.one_of(&[None, Some("Ann"), Some("Bea")]).map(str::to_owned);
    let confirmed = stranger.account.email.clone().filter(|_| world.pick(2) == 0);
    stranger.account.confirmed = confirmed.map(|address| ConfirmedEmail { address, at: NOW });
    if world.pick(3) == 0 {
        return (stranger.account, Rows::default());
    }
    stranger.password_hash = world.one_of(&[None, Some("hash 0")]).map(str::to_owned);
    stranger.account.erase_at = world.one_of(&[None, Some(NOW)]);
    let (account, names) = (stranger.account.clone(), stranger.names.clone());
    let hash = stranger.password_hash.clone();
    assert!(world.create(stranger).await.expect("create"), "a new name is free");
    let mut rows = Rows { account: Some(account.clone()), names, ..Rows::default() };
    rows.credentials.extend(hash.map(|hash| (CredentialId::PASSWORD, hash.into_bytes())));
    for _ in 0..world.pick(5) {
        let session = any_session(world, &account);
        world.put(session.clone()).await;
        let (session, detail) =
            world.store().named(session.key.session).await.expect("named").expect("it was put there");
        rows.sessions.insert(session.key.session, (session, detail));
    }
    let (epoch, disabled_at) = (Epoch(i64::from(world.pick(4) == 0)), (world.pick(5) == 0).then_some(NOW));
    world.subject().place_account(account.id, epoch, disabled_at).await;
    rows.account = Some(Account { epoch, disabled_at, ..account.clone() });
    for _ in 0..world.pick(4) {
        let token = super::one_time::any_token(world, account.id, epoch);
        let put = alone(account.id, Step::PutToken(Box::new(token.clone())), None);
        if world.store().commit(put).await.expect("commit").is_done() {
            rows.tokens.insert(token.id, token);
        }
    }
    (account, rows)
}

fn any_session(world: &World, account: &Account) -> Session {
    let mut session = world.session(account);
    session.rotated_at = NOW.minus(SECOND * u32::try_from(world.pick(3)).expect("it is small"));
    session.idle_expires_at = world.one_of(&[NOW, NOW.plus(SECOND), NOW.plus(DAY), NOW.plus(DAY)]);
    if world.pick(4) == 0 {
        session.ended = Some(Ended { at: NOW.minus(SECOND), cause: EndCause::Logout });
    }
    session
}

async fn any_commit(world: &World, account: &Account, rows: &Rows) -> Commit {
    let epoch = rows.account.as_ref().map_or(Epoch(0), |account| account.epoch);
    let expect = world.one_of(&[
        Expect::Anything,
        Expect::Anything,
        Expect::Anything,
        Expect::Standing(epoch),
        Expect::Standing(epoch.next()),
    ]);
    let is_first = rows.account.is_none() && world.pick(8) == 0;
    let create = is_first.then(|| Step::CreateAccount(Box::new(account.clone())));
    let others = (0..=world.pick(3)).map(|_| any_step(world, account, rows));
    let steps = create.into_iter().chain(others).collect();
    let kinds = [EventKind::LoginFailed, EventKind::PasswordChanged];
    let events = kinds.into_iter().filter(|_| world.pick(2) == 0).map(|kind| event(account.id, kind));
    Commit { account: account.id, expect, steps, events: events.collect() }
}

fn any_step(world: &World, account: &Account, rows: &Rows) -> Step {
    let at = NOW.plus(SECOND);
    let epoch = rows.account.as_ref().map_or(Epoch(0), |account| account.epoch);
    let ending = Ending {
        ip: world.one_of(&[None, Some("192.0.2.9")]).map(str::to_owned),
        ..Ending::by_itself(world.one_of(&[EndCause::Logout, EndCause::Admin]), at)
    };
    match world.pick(36) {
        30..=35 => super::factors::any_step(world, rows),
        22..=29 => any_step_of_letters(world, account.id, epoch, rows),
        0 => Step::CreateAccount(Box::new(account.clone())),
        1 if world.pick(3) == 0 => Step::AddName(taken()),
        1 => Step::AddName(world.stranger().names.remove(0)),
        2 | 3 => Step::PutCredential {
            id: world.one_of(&[CredentialId::PASSWORD, OTHER_PASSWORD]),
            was: any_was(world),
            to: world.one_of(&["hash 0", "hash 1"]).as_bytes().to_vec(),
            at,
        },
        19 | 20 => any_device(world),
        21 => Step::KeepDevices { most: world.one_of(&[0, 1, 2, 3]) },
        4 => Step::MoveEpoch,
        5 => Step::Disable { at },
        6 => Step::Enable,
        7 => Step::MakeRoom(Room {
            replaces: any_session_of(world, rows),
            most: world.one_of(&[1, 2, 3, 4]),
            spares_the_rest: world.one_of(&[false, true]),
            ending,
        }),
        8 => {
            let mut session = any_session(world, account);
            session.epoch = world.one_of(&[epoch, epoch, epoch.next()]);
            if let Some(id) = any_session_of(world, rows).filter(|_| world.pick(4) == 0) {
                session.key.session = id;
            }
            Step::OpenSession { session: Box::new(session), detail: SessionDetail::default() }
        }
        9 => {
            Step::EndSession { session: any_session_of(world, rows).unwrap_or(SessionId(world.id())), ending }
        }
        10 => Step::ForgetEnded,
        11 => {
            let session = any_session_of(world, rows).unwrap_or(SessionId(world.id()));
            let held = rows.sessions.get(&session).map_or([5; 32], |(row, _)| row.secret_hash);
            Step::BindImportedToken { session, from: world.one_of(&[held, held, [6; 32]]), to: [7; 32] }
        }
        12 => any_rename(world, rows),
        13 => Step::DropName(rows.names.first().filter(|_| world.pick(3) > 0).cloned().unwrap_or_else(taken)),
        14 => Step::TellName {
            told_as: world.one_of(&[NameKind::Username, NameKind::Email]),
            text: world.one_of(&["Ann", "Bea"]).to_owned(),
        },
        15 => Step::TellParticular {
            which: world.one_of(&Particular::ALL),
            text: world.one_of(&[None, Some("editor")]).map(str::to_owned),
        },
        16 => Step::SetAdministrator(world.one_of(&[false, true])),
        17 if world.pick(2) == 0 => Step::DeleteAccount,
        17 if world.pick(2) == 0 => Step::EraseAccount,
        _ => Step::EndSessions {
            except: any_session_of(world, rows).filter(|_| world.pick(2) == 0),
            with: any_session_of(world, rows).filter(|_| world.pick(2) == 0),
            ending,
        },
    }
}

fn any_device(world: &World) -> Step {
    let seen = world.one_of(&[0_u64, 1, 2, 3, 255, 256]);
    Step::PutCredential {
        id: world.one_of(&DEVICES),
        was: if world.pick(2) == 0 { Was::Any } else { Was::Missing },
        to: [[0; 32].as_slice(), &seen.to_be_bytes()].concat(),
        at: NOW.plus(SECOND),
    }
}

fn any_step_of_letters(world: &World, account: AccountId, epoch: Epoch, rows: &Rows) -> Step {
    let its_own = rows.account.as_ref().and_then(|account| account.email.clone());
    let its_own = its_own.filter(|_| world.pick(3) > 0);
    match world.pick(14) {
        13 => Step::UnconfirmEmail,
        9 => Step::PlanErasure { at: world.one_of(&[NOW, NOW.plus(SECOND)]) },
        10 => Step::CallOffErasure,
        11 => Step::ExpectErasureDue { at: world.one_of(&[NOW, NOW.plus(SECOND)]) },
        0 | 8 => Step::ConfirmEmail {
            address: its_own.unwrap_or_else(|| world.one_of(&["Ann", "Bea"]).to_owned()),
            at: NOW.plus(SECOND),
        },
        1 if world.pick(2) == 0 => Step::PutMessageOnce {
            message: Box::new(super::outbox::any_message(world, account)),
            due_at: world.one_of(&[NOW, NOW.plus(SECOND)]),
        },
        1 | 12 => {
            let mut message = super::outbox::any_message(world, account);
            // Often one that waits already.
            if let Some(known) = rows.messages.keys().next().filter(|_| world.pick(3) > 0) {
                message.key.id = *known;
            }
            Step::PutMessage(Box::new(message))
        }
        _ => super::one_time::any_step(world, account, epoch, rows),
    }
}

fn any_rename(world: &World, rows: &Rows) -> Step {
    let held = rows.names.first().filter(|_| world.pick(4) > 0).cloned();
    let (from, other) = (held.unwrap_or_else(taken), world.stranger().names.remove(0));
    let to = if world.pick(4) == 0 { taken() } else { other };
    let told_as = world.one_of(&[NameKind::Username, NameKind::Email]);
    Step::Rename { from, text: to.value.clone(), to, told_as }
}

fn any_was(world: &World) -> Was {
    match world.pick(4) {
        0 => Was::Missing,
        1 => Was::Any,
        2 => Was::This(b"hash 0".to_vec()),
        _ => Was::This(b"hash 1".to_vec()),
    }
}

/// One of the account's sessions, or one that nobody has.
fn any_session_of(world: &World, rows: &Rows) -> Option<SessionId> {
    let known: Vec<SessionId> = rows.sessions.keys().copied().chain([SessionId(uuid::Uuid::max())]).collect();
    (world.pick(4) > 0).then(|| world.one_of(&known))
}

fn kind(step: &Step) -> &'static str {
    match step {
        Step::CreateAccount(_) => "CreateAccount",
        Step::AddName(_) => "AddName",
        Step::Rename { .. } => "Rename",
        Step::DropName(_) => "DropName",
        Step::TellName { .. } => "TellName",
        Step::TellParticular { .. } => "TellParticular",
        Step::SetAdministrator(_) => "SetAdministrator",
        Step::DeleteAccount => "DeleteAccount",
        Step::EraseAccount => "EraseAccount",
        Step::PutCredential { .. } => "PutCredential",
        Step::KeepDevices { .. } => "KeepDevices",
        Step::ForgetCredential { .. } => "ForgetCredential",
        Step::ForgetCredentials(_) => "ForgetCredentials",
        Step::ExpectNoFactor => "ExpectNoFactor",
        Step::ExpectSession(_) => "ExpectSession",
        Step::MoveEpoch => "MoveEpoch",
        Step::Disable { .. } => "Disable",
        Step::Enable => "Enable",
        Step::PlanErasure { .. } => "PlanErasure",
        Step::CallOffErasure => "CallOffErasure",
        Step::ExpectErasureDue { .. } => "ExpectErasureDue",
        Step::MakeRoom(_) => "MakeRoom",
        Step::OpenSession { .. } => "OpenSession",
        Step::EndSession { .. } => "EndSession",
        Step::EndSessions { .. } => "EndSessions",
        Step::ForgetEnded => "ForgetEnded",
        Step::BindImportedToken { .. } => "BindImportedToken",
        Step::ConfirmEmail { .. } => "ConfirmEmail",
        Step::UnconfirmEmail => "UnconfirmEmail",
        Step::PutToken(_) => "PutToken",
        Step::TryCode { .. } => "TryCode",
        Step::SpendToken { .. } => "SpendToken",
        Step::EndTokens { .. } => "EndTokens",
        Step::EndTokensSince { .. } => "EndTokensSince",
        Step::PutMessage(_) => "PutMessage",
        Step::PutMessageOnce { .. } => "PutMessageOnce",
    }
}

/// Counts which kinds of steps applied, and which did not.
fn count(met: &mut BTreeMap<&str, (u32, u32)>, commit: &Commit, committed: Committed) {
    let applied = match committed {
        Committed::Done { .. } => commit.steps.len(),
        Committed::Missed { step } => step,
        Committed::AccountMoved => return,
    };
    for (place, step) in commit.steps.iter().enumerate().take(applied + 1) {
        let (applies, misses) = met.entry(kind(step)).or_default();
        if place < applied { *applies += 1 } else { *misses += 1 }
    }
}

/// Adds events to a chain as a store does.
fn append(chain: &mut Vec<Entry>, events: Vec<Event>) {
    for event in events {
        let head = chain.last().map_or_else(|| crate::audit::Head::new(event.account), Entry::head);
        chain.push(head.add(event, [0; 32]));
    }
}

/// What a chain tells; its hashes depend on the salts, and hold (`World::chain` looks).
fn unsalted(chain: Vec<Entry>) -> Vec<(u64, Event)> {
    chain.into_iter().map(|entry| (entry.number, entry.event)).collect()
}

/// What a store shows of an account; of what it does not show, what is expected.
async fn read(world: &World, account: &Account, expected: &Rows) -> Rows {
    let store = world.store();
    let found = store.credential_of(account.id).await.expect("credential_of");
    let hash = found.as_ref().and_then(|found| found.password_hash.clone()).map(String::into_bytes);
    let mut credentials = BTreeMap::new();
    for id in [CredentialId::PASSWORD, OTHER_PASSWORD].into_iter().chain(DEVICES) {
        let secret = store.secret_of(account.id, id).await.expect("secret_of");
        credentials.extend(secret.map(|secret| (id, secret)));
    }
    assert_eq!(credentials.get(&CredentialId::PASSWORD), hash.as_ref(), "a password has one hash");
    credentials.extend(store.factors_of(account.id).await.expect("factors_of"));
    let mut names = Vec::new();
    for name in &expected.names {
        // Of a deleted account they may stay, so that nobody else has them.
        let alike = store.alike(name).await.expect("alike");
        names.extend(alike.into_iter().filter(|(_, owner)| *owner == account.id).map(|(name, _)| name));
    }
    let listed = store.of(account.id, Slice::first(1000)).await.expect("of");
    let sessions = listed.into_iter().map(|row| (row.0.key.session, row)).collect();
    let tokens = super::one_time::tokens_of(world, account.id).await;
    let messages = super::outbox::messages_of(world, account.id).await;
    Rows { account: found.map(|found| found.account), names, credentials, sessions, tokens, messages }
}

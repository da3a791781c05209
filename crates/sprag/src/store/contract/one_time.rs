//! What is handed out once works once, for what it was made for, and for as long as it may.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::JoinSet;
use uuid::Uuid;

use super::Subject;
use super::commits::alone;
use super::world::{NOW, SECOND, World};
use crate::account::Account;
use crate::one_time::{Digest, MAX_TRIES, OneTimeToken, Proof, Purpose, TokenId};
use crate::session::{AccountId, Epoch};
use crate::store::reference::Rows;
use crate::store::{Commit, Committed, Step};

/// The tokens that the accounts of random commits may have.
const TOKENS: [TokenId; 3] =
    [TokenId(Uuid::from_u128(1)), TokenId(Uuid::from_u128(2)), TokenId(Uuid::from_u128(3))];

/// The few hashes that random steps are about, so that they meet.
const HASHES: [Digest; 2] = [[1; 32], [2; 32]];

pub(super) async fn tokens_of(world: &World, account: AccountId) -> BTreeMap<TokenId, OneTimeToken> {
    let mut found = BTreeMap::new();
    for id in TOKENS {
        let token = world.store().one_time_token(account, id).await.expect("one_time_token");
        found.extend(token.map(|token| (id, token)));
    }
    found
}

pub(super) fn any_token(world: &World, account: AccountId, epoch: Epoch) -> OneTimeToken {
    OneTimeToken {
        account,
        id: world.one_of(&TOKENS),
        purpose: world.one_of(&Purpose::ALL),
        bound_to: world.one_of(&HASHES),
        secret_hash: world.one_of(&HASHES),
        code_hash: world.one_of(&[None, Some(HASHES[0]), Some(HASHES[1])]),
        solved_by: world.one_of(&[None, None, Some(HASHES[0])]),
        tries: world.one_of(&[0, 1, MAX_TRIES - 1, MAX_TRIES]),
        epoch: world.one_of(&[None, Some(epoch), Some(epoch), Some(epoch.next())]),
        made_at: world.one_of(&[NOW, NOW.minus(SECOND)]),
        expires_at: world.one_of(&[NOW, NOW.plus(SECOND), NOW.plus(SECOND * 9), NOW.plus(SECOND * 9)]),
        sealed: vec![7; 40],
    }
}

/// A step about one of a few tokens; mostly one that there is, and for what it is good for.
pub(super) fn any_step(world: &World, account: AccountId, epoch: Epoch, rows: &Rows) -> Step {
    let at = world.one_of(&[NOW, NOW, NOW.plus(SECOND)]);
    let known: Vec<&OneTimeToken> = rows.tokens.values().collect();
    let known = (!known.is_empty() && world.pick(5) > 0).then(|| world.one_of(&known));
    let any = any_token(world, account, epoch);
    let OneTimeToken { id: token, purpose, bound_to, .. } = *known.unwrap_or(&any);
    let hash = world.one_of(&HASHES);
    match world.pick(9) {
        0 | 1 => {
            let mut new = any_token(world, account, epoch);
            // Often of an id that is there already.
            if world.pick(3) > 0 {
                new.id = token;
            }
            Step::PutToken(Box::new(new))
        }
        2 | 3 => Step::TryCode { token, purpose, bound_to, code_hash: hash, solver: HASHES[0], at },
        4 => Step::SpendToken { token, purpose, bound_to, proof: Proof::Solved(hash), at },
        5 | 6 => {
            let own = known.map(|token| token.secret_hash).filter(|_| world.pick(2) == 0);
            Step::SpendToken { token, purpose, bound_to, proof: Proof::Secret(own.unwrap_or(hash)), at }
        }
        7 => Step::EndTokens { purpose },
        _ => {
            Step::EndTokensSince { purpose, since: world.one_of(&[NOW, NOW.minus(SECOND), NOW.plus(SECOND)]) }
        }
    }
}

/// A token as the engine makes one.
fn token(account: &Account, number: u128) -> OneTimeToken {
    OneTimeToken {
        account: account.id,
        id: TokenId(Uuid::from_u128(number)),
        purpose: Purpose::ResetPassword,
        bound_to: [4; 32],
        secret_hash: [5; 32],
        code_hash: Some([6; 32]),
        solved_by: None,
        tries: 0,
        epoch: Some(account.epoch),
        made_at: NOW,
        expires_at: NOW.plus(SECOND * 60),
        sealed: vec![1, 2, 3],
    }
}

fn spend(token: &OneTimeToken, proof: Proof) -> Step {
    Step::SpendToken { token: token.id, purpose: token.purpose, bound_to: token.bound_to, proof, at: NOW }
}

fn try_code(token: &OneTimeToken, code_hash: Digest, solver: Digest) -> Step {
    let OneTimeToken { id, purpose, bound_to, .. } = *token;
    Step::TryCode { token: id, purpose, bound_to, code_hash, solver, at: NOW }
}

async fn take(world: &World, account: &Account, step: Step) -> bool {
    world.store().commit(alone(account.id, step, None)).await.expect("commit").is_done()
}

async fn made(world: &World, account: &Account, number: u128) -> OneTimeToken {
    let token = token(account, number);
    assert!(take(world, account, Step::PutToken(Box::new(token.clone()))).await);
    token
}

/// Takes as many steps at once as `of` makes; says how many applied.
async fn at_once(world: &Arc<World>, account: &Account, of: impl Iterator<Item = Step>) -> usize {
    let tries = of.map(|step| {
        let (world, commit) = (Arc::clone(world), alone(account.id, step, None));
        async move { world.store().commit(commit).await.expect("commit") }
    });
    let tried = tries.collect::<JoinSet<_>>().join_all().await;
    tried.iter().filter(|committed| committed.is_done()).count()
}

pub(super) async fn of_many_that_spend_one_token_at_once_one_does(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    for round in 0..5 {
        let account = world.person().await;
        let token = made(&world, &account, 1).await;
        let wrong = spend(&token, Proof::Secret([9; 32]));
        assert!(!take(&world, &account, wrong).await, "another secret spends nothing");
        let all = (0..32).map(|_| spend(&token, Proof::Secret(token.secret_hash)));
        assert_eq!(at_once(&world, &account, all).await, 1, "round {round}");
        let left = world.store().one_time_token(account.id, token.id).await.expect("one_time_token");
        assert_eq!(left, None, "what was spent is forgotten");
    }
}

pub(super) async fn a_code_is_tried_five_times_however_many_try_at_once(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let account = world.person().await;
    let token = made(&world, &account, 1).await;
    let elsewhere = OneTimeToken { bound_to: [8; 32], ..token.clone() };
    let strangers = (0..8).map(|_| try_code(&elsewhere, [0; 32], [1; 32]));
    assert_eq!(at_once(&world, &account, strangers).await, 0, "whoever did not ask for it costs it no try");
    let guesses = (0..32).map(|guess| try_code(&token, [guess + 100; 32], [guess; 32]));
    assert_eq!(at_once(&world, &account, guesses).await, usize::from(MAX_TRIES));
    assert!(
        !take(&world, &account, try_code(&token, [6; 32], [1; 32])).await,
        "the right one comes too late"
    );
    let spent = take(&world, &account, spend(&token, Proof::Solved([1; 32]))).await;
    assert!(!spent, "and spends nothing");
}

pub(super) async fn a_right_code_spends_its_token_once_and_only_with_the_try_that_had_it(
    subject: Arc<dyn Subject>,
) {
    let world = World::of(subject);
    let account = world.person().await;
    let token = made(&world, &account, 1).await;
    assert!(take(&world, &account, try_code(&token, [7; 32], [1; 32])).await, "a wrong code is counted");
    assert!(!take(&world, &account, spend(&token, Proof::Solved([1; 32]))).await);
    assert!(take(&world, &account, try_code(&token, [6; 32], [2; 32])).await);
    assert!(!take(&world, &account, spend(&token, Proof::Solved([1; 32]))).await, "another's try");
    let all = (0..16).map(|_| spend(&token, Proof::Solved([2; 32])));
    assert_eq!(at_once(&world, &account, all).await, 1);
}

pub(super) async fn a_token_of_another_epoch_is_worth_nothing_and_one_of_none_stays(
    subject: Arc<dyn Subject>,
) {
    let world = World::of(subject);
    let account = world.person().await;
    let bound = made(&world, &account, 1).await;
    let free = OneTimeToken { epoch: None, ..token(&account, 2) };
    assert!(take(&world, &account, Step::PutToken(Box::new(free.clone()))).await);
    assert!(!take(&world, &account, Step::PutToken(Box::new(free.clone()))).await, "an id is given once");
    assert!(take(&world, &account, Step::MoveEpoch).await);
    assert!(!take(&world, &account, spend(&bound, Proof::Secret(bound.secret_hash))).await);
    assert!(take(&world, &account, spend(&free, Proof::Secret(free.secret_hash))).await);
    let foreign = OneTimeToken { account: AccountId(world.id()), ..token(&account, 3) };
    let commit: Commit = alone(account.id, Step::PutToken(Box::new(foreign)), None);
    assert!(world.store().commit(commit).await.is_err(), "a commit is about one account");
}

pub(super) async fn tokens_that_have_expired_are_swept_away(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let (account, other) = (world.person().await, world.person().await);
    for number in 1..=3 {
        made(&world, &account, number).await;
    }
    let lasting = OneTimeToken { expires_at: NOW.plus(SECOND * 61), ..token(&other, 1) };
    assert!(take(&world, &other, Step::PutToken(Box::new(lasting.clone()))).await);
    let sweep = async |at| world.store().sweep_one_time_tokens(at).await.expect("sweep_one_time_tokens");
    assert_eq!(sweep(NOW).await, 0);
    assert_eq!(sweep(NOW.plus(SECOND * 60)).await, 3);
    let left = world.store().one_time_token(other.id, lasting.id).await.expect("one_time_token");
    assert_eq!(left, Some(lasting.clone()));
    let late = Step::SpendToken {
        token: lasting.id,
        purpose: lasting.purpose,
        bound_to: lasting.bound_to,
        proof: Proof::Secret(lasting.secret_hash),
        at: lasting.expires_at,
    };
    let committed = world.store().commit(alone(other.id, late, None)).await.expect("commit");
    assert_eq!(committed, Committed::Missed { step: 0 }, "expired, and not swept yet");
}

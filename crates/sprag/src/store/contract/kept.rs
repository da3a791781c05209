//! Accounts that are to be erased are found when they are due, and what is kept of one is listed without what proves anything.

use std::sync::Arc;

use uuid::Uuid;

use super::Subject;
use super::commits::alone;
use super::outbox::any_message;
use super::world::{NOW, SECOND, World};
use crate::account::Account;
use crate::one_time::{OneTimeToken, Purpose, TokenId};
use crate::outbox::{Message, MessageKey};
use crate::store::{Committed, CredentialId, CredentialKind, Kept, KeptMessage, KeptToken, Step, Was};

async fn takes(world: &World, account: &Account, step: Step) -> bool {
    let commit = alone(account.id, step, None);
    world.store().commit(commit).await.expect("commit").is_done()
}

pub(super) async fn accounts_that_are_to_be_erased_are_found_when_they_are_due(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let (first, second, third) = (world.person().await, world.person().await, world.person().await);
    let due = async |seconds: u32, limit| {
        world.store().erasures_due(NOW.plus(SECOND * seconds), limit).await.expect("erasures_due")
    };
    assert!(takes(&world, &first, Step::PlanErasure { at: NOW.plus(SECOND * 2) }).await);
    assert!(takes(&world, &second, Step::PlanErasure { at: NOW.plus(SECOND) }).await);
    assert!(takes(&world, &third, Step::PlanErasure { at: NOW.plus(SECOND) }).await);
    assert!(!takes(&world, &first, Step::PlanErasure { at: NOW }).await, "it is planned already");
    assert!(takes(&world, &third, Step::CallOffErasure).await);
    assert_eq!(due(0, 10).await, []);
    assert_eq!(due(1, 10).await, [second.id]);
    assert_eq!(due(2, 10).await, [second.id, first.id], "those that are due longest come first");
    assert_eq!(due(2, 1).await, [second.id]);
    for (account, seconds, is_due) in [(&first, 1, false), (&first, 2, true), (&third, 9, false)] {
        let expects = Step::ExpectErasureDue { at: NOW.plus(SECOND * seconds) };
        assert_eq!(takes(&world, account, expects).await, is_due);
    }
    let found = world.store().account(first.id).await.expect("account").expect("it is there");
    assert_eq!(found.erase_at, Some(NOW.plus(SECOND * 2)));
    let erase = crate::store::Commit {
        steps: vec![Step::ExpectErasureDue { at: NOW.plus(SECOND * 2) }, Step::EraseAccount],
        ..alone(third.id, Step::EraseAccount, None)
    };
    assert_eq!(world.store().commit(erase).await.expect("commit"), Committed::Missed { step: 0 });
    assert!(world.store().account(third.id).await.expect("account").is_some(), "called off is called off");
}

pub(super) async fn what_is_kept_of_an_account_is_listed_and_nothing_of_others(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let (account, other) = (world.person().await, world.person().await);
    let kept = async |account: &Account| world.store().kept(account.id).await.expect("kept");
    let before = kept(&account).await;
    assert_eq!((before.tokens, before.messages), (Vec::new(), Vec::new()));
    let token = |number: u32| OneTimeToken {
        account: account.id,
        id: TokenId(Uuid::from_u128(9 - u128::from(number))),
        purpose: Purpose::VerifyEmail,
        bound_to: [1; 32],
        secret_hash: [2; 32],
        code_hash: None,
        solved_by: None,
        tries: 0,
        epoch: None,
        made_at: NOW.plus(SECOND * number),
        expires_at: NOW.plus(SECOND * 60),
        sealed: Vec::new(),
    };
    for number in [2, 1] {
        assert!(takes(&world, &account, Step::PutToken(Box::new(token(number)))).await);
    }
    let message = Message {
        key: MessageKey { account: account.id, id: world.id() },
        ..any_message(&world, account.id)
    };
    let (kind, made_at) = (message.kind, message.made_at);
    assert!(takes(&world, &account, Step::PutMessage(Box::new(message))).await);
    let id = CredentialId { kind: CredentialKind::Device, id: Uuid::from_u128(1) };
    let device = Step::PutCredential { id, was: Was::Missing, to: vec![0; 40], at: NOW };
    assert!(takes(&world, &account, device).await);
    let told = |number: u32| KeptToken {
        made_at: NOW.plus(SECOND * number),
        expires_at: NOW.plus(SECOND * 60),
        purpose: Purpose::VerifyEmail,
    };
    let mut credentials = before.credentials;
    credentials.insert(0, "device".to_owned());
    let expected = Kept {
        credentials,
        tokens: vec![told(1), told(2)],
        messages: vec![KeptMessage { made_at, settled_at: None, kind }],
    };
    assert_eq!(kept(&account).await, expected);
    assert_eq!(kept(&other).await.tokens, []);
}

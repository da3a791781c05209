//! Letters that tell the owner of an account what became of its second factors. Each is sent at once, but where the same became of just as
//! many factors in the same hour: whoever signed up with somebody's address fills no letter box by adding and removing them.

use std::time::Duration;

use aws_lc_rs::digest;
use uuid::Uuid;

use super::letters::{TELLS_FOR, addressed, bound_to};
use super::news::NotMe;
use super::one_time::NewToken;
use super::{Engine, Requester};
use crate::account::Account;
use crate::authn::ShownFactor;
use crate::clock::{Timestamp, millis};
use crate::factor::recovery::FEW;
use crate::factor::{FactorKind, Held};
use crate::letter::{Letter, LetterKind};
use crate::one_time::Purpose;
use crate::outbox::MessageKey;
use crate::session::AccountId;
use crate::store::Step;

/// How long the same is told once.
const HOUR: Duration = Duration::from_secs(3600);

impl Engine {
    /// What puts a letter to the owner of an account into the outbox, by whose link they say that it was not them; nothing where
    /// nobody sends letters, or they have no address. `of` how many factors or codes it came says which letter it is. The link ends all sessions and has a new password chosen. It takes no factor
    /// away: whoever knows the password and reads the mail would log in by that.
    pub(super) fn tells_owner(
        &self,
        account: &Account,
        (kind, of): (LetterKind, usize),
        requester: &Requester,
        now: Timestamp,
    ) -> Vec<Step> {
        let Some((account, address)) = addressed(account.clone()).filter(|_| self.sends_letters) else {
            return Vec::new();
        };
        let payload = NotMe {
            address: address.clone(),
            sessions: Vec::new(),
            news: Vec::new(),
            since: None,
            everywhere: true,
        };
        let (token, text) = self.new_token(
            &NewToken {
                account: account.id,
                purpose: Purpose::NotMe,
                bound_to: bound_to(&address),
                epoch: None,
                payload: &payload,
            },
            now,
        );
        let letter = Letter::asked_for(kind, &address, requester, now).with_link(&text, token.expires_at);
        let letter = letter.to_owner_of(&account);
        let (keys, random) = (self.keys.load(), self.random.as_ref());
        let key = key_of(account.id, (kind, of), &address, now);
        let message = letter.sealed_as(key, (&keys, random), now.plus(TELLS_FOR));
        let once = Step::PutMessageOnce { message: Box::new(message), due_at: now };
        vec![Step::PutToken(Box::new(token)), once]
    }

    /// What puts the letter into the outbox that tells of a recovery code that was used, and where few are left of that.
    pub(super) fn tells_of_code(
        &self,
        account: &Account,
        held: &Held,
        factor: &ShownFactor,
        requester: &Requester,
    ) -> Vec<Step> {
        if factor.kind != FactorKind::RecoveryCode {
            return Vec::new();
        }
        let is_few = held.recovery_codes() == FEW + 1;
        let kind = if is_few { LetterKind::RecoveryCodesFew } else { LetterKind::RecoveryCodeUsed };
        self.tells_owner(account, (kind, held.recovery_codes()), requester, self.now())
    }
}

/// Which letter an address gets in an hour.
fn key_of(account: AccountId, (kind, of): (LetterKind, usize), address: &str, at: Timestamp) -> MessageKey {
    let hour = at.0.div_euclid(millis(HOUR));
    let mut context = digest::Context::new(&digest::SHA256);
    let (hour, of) = (hour.to_be_bytes(), (of as u64).to_be_bytes());
    for part in [b"factor\n".as_slice(), kind.name().as_bytes(), account.0.as_bytes(), &hour, &of] {
        context.update(part);
    }
    context.update(address.as_bytes());
    let mut id = [0; 16];
    id.copy_from_slice(&context.finish().as_ref()[..16]);
    MessageKey { account, id: Uuid::from_bytes(id) }
}

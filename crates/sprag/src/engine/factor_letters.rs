//! Letters that tell the owner of an account what became of its second factors.

use super::letters::{TELLS_FOR, addressed, called};
use super::{Engine, Requester};
use crate::account::Account;
use crate::authn::ShownFactor;
use crate::clock::Timestamp;
use crate::factor::recovery::FEW;
use crate::factor::{FactorKind, Held};
use crate::letter::{Letter, LetterKind};
use crate::store::Step;

impl Engine {
    /// What puts a letter to the owner of an account into the outbox; nothing where nobody sends letters, or they have no address.
    pub(super) fn tells_owner(
        &self,
        account: &Account,
        kind: LetterKind,
        requester: &Requester,
        now: Timestamp,
    ) -> Option<Step> {
        let (account, address) = addressed(account.clone()).filter(|_| self.sends_letters)?;
        let letter = Letter::asked_for(kind, &address, requester, now);
        let letter = Letter { name: called(&account), ..letter };
        let (keys, random) = (self.keys.load(), self.random.as_ref());
        let message = letter.sealed(account.id, (&keys, random), now.plus(TELLS_FOR));
        Some(Step::PutMessage(Box::new(message)))
    }

    /// The letter that tells of a recovery code that was used, and where few are left of that.
    pub(super) fn tells_of_code(
        &self,
        account: &Account,
        held: &Held,
        factor: &ShownFactor,
        requester: &Requester,
    ) -> Option<Step> {
        if factor.kind != FactorKind::RecoveryCode {
            return None;
        }
        let is_few = held.recovery_codes() == FEW + 1;
        let kind = if is_few { LetterKind::RecoveryCodesFew } else { LetterKind::RecoveryCodeUsed };
        self.tells_owner(account, kind, requester, self.now())
    }
}

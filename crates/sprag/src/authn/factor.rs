//! A second factor: a code of an app, or a recovery code that stands in for one.
//!
//! Nothing is decided by reading alone: what was shown comes with the steps that spend it, and they go into the commit that it
//! buys. Of two at one moment one wins.

use uuid::Uuid;

use super::Authn;
use super::failures::{DISABLED, SECOND_FACTOR, WRONG_PASSKEY};
use crate::account::Account;
use crate::audit::EventKind;
use crate::authn::{Authenticated, Known, Proof};
use crate::budget::Budget;
use crate::clock::Timestamp;
use crate::error::{Error, Fault, Refusal};
use crate::factor::recovery::{KeptCode, MAX_IMPORTED, hash_typed, hashed_spellings};
use crate::factor::totp::{DIGITS, KeptSeed, typed_code};
use crate::factor::{FactorKind, Held};
use crate::limits::{Reserved, Whose};
use crate::password::{Match, Password, Presence};
use crate::requester::Requester;
use crate::session::{AccountId, Methods};
use crate::store::{CredentialId, CredentialKind, Step, Was};

/// What somebody showed as a second factor, and what spends it.
#[derive(Debug)]
#[must_use = "it is spent by the commit that it buys, or nothing has come of it"]
pub(crate) struct ShownFactor {
    pub(crate) kind: FactorKind,
    pub(crate) methods: Methods,
    /// What spends it. Where it does not apply, it was used in the meantime.
    pub(crate) spends: Step,
}

/// The recovery code of ours that somebody typed, if the account has it.
fn own_code<'h>(held: &'h Held, typed: &str) -> Option<(CredentialId, &'h [u8])> {
    let hash = hash_typed(typed)?;
    held.of(CredentialKind::RecoveryCode).find(|(_, kept)| KeptCode::read(kept) == KeptCode::Own(&hash))
}

/// What a code is.
pub(crate) enum Code {
    /// One of the account's, not used so far.
    Right(ShownFactor),
    /// One of the account's that has been used: it tells nobody anything, and costs no try.
    UsedBefore,
    /// None of the account's.
    Wrong,
}

impl ShownFactor {
    /// What the journal is told besides what it buys.
    pub(crate) fn event(&self) -> Option<EventKind> {
        (self.kind == FactorKind::RecoveryCode).then_some(EventKind::RecoveryCodeUsed)
    }
}

impl Authenticated {
    /// Whoever has shown a second factor too.
    pub(crate) fn by_factor(account: Account, methods: Methods, at: Timestamp, known: Option<Known>) -> Self {
        let proof = Proof { password: None, hash: None };
        Self { account, methods, at, proof, known, spends: Vec::new(), asked: None }
    }
}

impl Authn<'_> {
    /// What an account has of second factors.
    pub(crate) async fn held(&self, account: AccountId) -> Result<Held, Fault> {
        Ok(Held { rows: self.store.factors_of(account).await? })
    }

    /// Reserves a try of a code, before anything is compared.
    ///
    /// # Errors
    /// [`Refusal::RateLimited`]; a [`Fault`], and then nobody may try.
    pub(crate) async fn reserve_code(
        &self,
        account: AccountId,
        requester: &Requester,
    ) -> Result<Reserved, Error> {
        let (keys, now) = (self.keys.load(), self.clock.now());
        let wanted = [(Budget::FactorAccount, Whose::Account(account))];
        match self.gate.reserve(self.store.as_ref(), &keys, (&wanted, 1), now).await? {
            Ok(reserved) => Ok(reserved),
            Err(spent) => {
                let why = "a second factor was not looked at, as too many had been wrong at this account";
                self.failures.gather(account, why, requester, now);
                Err(Refusal::RateLimited(spent).into())
            }
        }
    }

    /// Gives a try back that was no guess.
    pub(crate) async fn give_code_back(&self, reserved: &Reserved) {
        self.gate.give_back(self.store.as_ref(), reserved, |_| true, self.clock.now()).await;
    }

    /// Notes that a code was wrong.
    ///
    /// # Errors
    /// A [`Fault`].
    pub(crate) async fn note_wrong_code(
        &self,
        account: AccountId,
        requester: &Requester,
    ) -> Result<(), Error> {
        self.note_failure(account, requester, SECOND_FACTOR).await
    }

    /// Notes that a passkey was not taken, or an answer with one.
    ///
    /// # Errors
    /// A [`Fault`].
    pub(crate) async fn note_wrong_passkey(
        &self,
        account: AccountId,
        requester: &Requester,
    ) -> Result<(), Error> {
        self.note_failure(account, requester, WRONG_PASSKEY).await
    }

    /// Notes that somebody has shown who they are, and may not log in.
    ///
    /// # Errors
    /// A [`Fault`].
    pub(crate) async fn note_disabled(&self, account: AccountId, requester: &Requester) -> Result<(), Error> {
        self.note_failure(account, requester, DISABLED).await
    }

    /// What a code is that somebody typed. Its try is reserved, or it is none.
    ///
    /// # Errors
    /// A [`Fault`] where what is kept cannot be read, or nobody has the time to compare.
    pub(crate) async fn factor_code(
        &self,
        account: AccountId,
        held: &Held,
        typed: &str,
        requester: &Requester,
    ) -> Result<Code, Fault> {
        if let Some(digits) = typed_code(typed) {
            let found = self.code_of_app(account, held, &digits)?;
            // Codes that another system made may look the same.
            if !matches!(found, Code::Wrong) {
                return Ok(found);
            }
        }
        let found = match own_code(held, typed) {
            Some(found) => Some(found),
            None => self.code_of_elsewhere(held, typed, requester).await?,
        };
        Ok(found.map_or(Code::Wrong, |(id, kept)| {
            Code::Right(ShownFactor {
                kind: FactorKind::RecoveryCode,
                methods: Methods::OTP,
                spends: Step::ForgetCredential { id, was: Some(kept.to_vec()) },
            })
        }))
    }

    /// The recovery code of another system that somebody typed, if it is one: by its own hash there.
    async fn code_of_elsewhere<'h>(
        &self,
        held: &'h Held,
        typed: &str,
        requester: &Requester,
    ) -> Result<Option<(CredentialId, &'h [u8])>, Fault> {
        let kept = || held.of(CredentialKind::RecoveryCode).map(|(id, row)| (id, row, KeptCode::read(row)));
        let mut spelled = Vec::new();
        for (id, row, kept) in kept() {
            let KeptCode::Sha256(hash) = kept else { continue };
            if spelled.is_empty() {
                spelled = hashed_spellings(typed);
            }
            if spelled.iter().any(|spelled| spelled.as_slice() == hash) {
                return Ok(Some((id, row)));
            }
        }
        let Ok(code) = Password::typed(typed.trim()) else { return Ok(None) };
        for (id, row, kept) in kept().take(MAX_IMPORTED) {
            let KeptCode::PasswordHash(hash) = kept else { continue };
            let (from, place) = (requester.prefix(), Presence::default());
            let compared = self.hasher.verify_from(from, code.clone(), Some(hash.to_owned()), &place).await?;
            if compared.outcome? != Match::No {
                return Ok(Some((id, row)));
            }
        }
        Ok(None)
    }

    fn code_of_app(&self, account: AccountId, held: &Held, digits: &str) -> Result<Code, Fault> {
        let (now, mut seen) = (self.clock.now(), Code::Wrong);
        for (id, row) in held.of(CredentialKind::Totp) {
            let step = self.step_of((account, id.id), row, digits, now)?;
            match step {
                Some((step, kept)) if step > kept.last_step => {
                    let to = self.moved_on((account, id.id), &kept, step, now)?;
                    let spends = Step::PutCredential { id, was: Was::This(row.to_vec()), to, at: now };
                    let (kind, methods) = (FactorKind::Totp, Methods::OTP);
                    return Ok(Code::Right(ShownFactor { kind, methods, spends }));
                }
                Some(_) => seen = Code::UsedBefore,
                None => {}
            }
        }
        Ok(seen)
    }

    /// What makes a factor of a seed that waits for its first code, if this is one: the steps, and the account has the factor.
    pub(crate) fn confirms(
        &self,
        account: AccountId,
        (id, row): (CredentialId, &[u8]),
        digits: &str,
    ) -> Result<Option<[Step; 2]>, Fault> {
        let now = self.clock.now();
        let digits: String = digits.chars().filter(|c| !c.is_whitespace()).take(DIGITS + 1).collect();
        let Some((step, kept)) = self.step_of((account, id.id), row, &digits, now)? else { return Ok(None) };
        // It counts from now on; when it was begun says nothing of who has it.
        let kept = KeptSeed { made_at: now, ..kept };
        let to = self.moved_on((account, id.id), &kept, step, now)?;
        let factor = CredentialId { kind: CredentialKind::Totp, id: id.id };
        Ok(Some([
            Step::ForgetCredential { id, was: Some(row.to_vec()) },
            Step::PutCredential { id: factor, was: Was::Missing, to, at: now },
        ]))
    }

    /// The step that a code is of, for the seed of that row.
    fn step_of<'r>(
        &self,
        (account, id): (AccountId, Uuid),
        row: &'r [u8],
        digits: &str,
        now: Timestamp,
    ) -> Result<Option<(u64, KeptSeed<'r>)>, Fault> {
        let kept = KeptSeed::read(row)?;
        let seed = kept.open(&self.keys.load(), account, id)?;
        Ok(seed.step_of(digits, now).map(|step| (step, kept)))
    }

    /// The row of a seed whose step was used, sealed anew.
    fn moved_on(
        &self,
        (account, id): (AccountId, Uuid),
        kept: &KeptSeed<'_>,
        step: u64,
        now: Timestamp,
    ) -> Result<Vec<u8>, Fault> {
        let keys = self.keys.load();
        let seed = kept.open(&keys, account, id)?;
        Ok(seed.kept((&keys, self.random), (account, id), (kept.made_at, step), now))
    }
}

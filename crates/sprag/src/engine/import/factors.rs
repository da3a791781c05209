//! Second factors that a user of another system brings: a seed of time-based codes, and the hashes of recovery codes.
//!
//! They come once. An account that has ever had a factor here keeps what it has, or has not, by now.

use super::super::Requester;
use super::{Imported, ImportedUser, Imports};
use crate::audit::EventKind;
use crate::error::Fault;
use crate::factor::FactorKind;
use crate::factor::recovery::{self, MAX_IMPORTED};
use crate::factor::totp::Seed;
use crate::random;
use crate::session::AccountId;
use crate::store::{Commit, Credential, CredentialId, CredentialKind, Expect, Slice, Step, Was};

/// How the journal's notes of what an import did begin.
pub(super) const BY_IMPORT: &str = "by an import";

/// How many of the journal's entries are read at a time.
const ENTRIES: u32 = 500;

/// What a user brings.
#[derive(Debug)]
pub(in crate::engine) struct BroughtFactors {
    seed: Seed,
    codes: Vec<Vec<u8>>,
}

impl BroughtFactors {
    /// What a user brings, if that can be taken. One whose factor cannot be is not taken without it: whoever knows the password would
    /// log in.
    pub(in crate::engine) fn of(user: &ImportedUser<'_>) -> Result<Option<Self>, Imported> {
        let Some(text) = user.totp_secret else { return Ok(None) };
        let refused = |why: String| Imported::Refused(why.into());
        let seed = Seed::from_text(text).map_err(|why| refused(format!("its totp_secret {why}")))?;
        if user.recovery_codes.len() > MAX_IMPORTED {
            return Err(refused(format!("it has more than {MAX_IMPORTED} recovery codes")));
        }
        let codes = user.recovery_codes.iter().map(|hash| recovery::imported(hash));
        let codes = codes.collect::<Option<Vec<_>>>().ok_or_else(|| {
            refused("one of its recovery codes is neither SHA-256 nor a hash that a password may have".into())
        })?;
        Ok(Some(Self { seed, codes }))
    }
}

impl Imports<'_> {
    /// What adds them to an account that has none.
    pub(in crate::engine) fn bringing(&self, account: AccountId, brought: &BroughtFactors) -> Vec<Step> {
        let (keys, random, now) = (self.0.keys.load(), self.0.random.as_ref(), self.0.now());
        let id = random::id(random, now);
        let to = brought.seed.kept((&keys, random), (account, id), (now, 0), now);
        let put = |kind, id, to| Step::PutCredential {
            id: CredentialId { kind, id },
            was: Was::Missing,
            to,
            at: now,
        };
        let codes = brought.codes.iter();
        let codes = codes.map(|row| put(CredentialKind::RecoveryCode, random::id(random, now), row.clone()));
        std::iter::once(put(CredentialKind::Totp, id, to)).chain(codes).collect()
    }

    /// Whether an account that is here gets what its user has in the source system by now: nobody has changed its password here, and
    /// it never had a factor.
    pub(super) async fn lacks_factor(
        &self,
        found: &Credential,
        brought: Option<&BroughtFactors>,
    ) -> Result<bool, Fault> {
        let account = &found.account;
        if brought.is_none() || account.epoch != crate::session::Epoch(0) {
            return Ok(false);
        }
        if !self.0.store.factors_of(account.id).await?.is_empty() {
            return Ok(false);
        }
        let mut after = None;
        loop {
            let slice = self.0.store.entries_of(account.id, Slice::after(after, ENTRIES)).await?;
            after = slice.last().map(|entry| entry.number);
            if slice.iter().any(|entry| entry.event.kind == EventKind::FactorAdded) {
                return Ok(false);
            }
            if slice.len() < ENTRIES as usize {
                return Ok(true);
            }
        }
    }

    /// Adds to an account what its user has in the source system by now; `false` where it has a factor by then.
    pub(super) async fn bring_later(
        &self,
        account: AccountId,
        brought: &BroughtFactors,
    ) -> Result<bool, Fault> {
        let mut steps = vec![Step::ExpectNoFactor];
        steps.extend(self.bringing(account, brought));
        let why = "a second factor was added";
        steps.extend(self.0.factors().ends_others(None, &Requester::nobody(), self.0.now(), why));
        let note = Some(format!("{}, {}", FactorKind::Totp.name(), BY_IMPORT));
        let now = self.0.now();
        let event = Requester::nobody().event_of_account(account, EventKind::FactorAdded, now, note);
        let commit = Commit { account, expect: Expect::Anything, steps, events: vec![event] };
        Ok(self.0.store.commit(commit).await?.is_done())
    }
}

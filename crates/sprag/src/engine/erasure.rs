//! Having everything forget an account's owner.

use super::commits;
use super::{Accounts, tried_too_often};
use crate::audit::{Erasure, NOBODY};
use crate::checkpoints::{self, Erasing, Finding};
use crate::clock::Timestamp;
use crate::error::{Error, Fault, Refusal};
use crate::ratchet::MAX_MISSES;
use crate::session::AccountId;
use crate::store::{Committed, Slice, Step};

/// What erasing an account came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AccountErasure {
    /// Nothing tells of its owner any more.
    Done(Erased),
    /// Whoever asks may not change the journal's entries; nothing was changed.
    NotAllowed,
    /// The account and all that belonged to it is gone; but somebody tampered with the journal, and what it tells of the owner
    /// stays until that is looked into, or erasing it would cover that up.
    JournalStays {
        /// What was erased.
        erased: Erased,
        /// What is wrong with the journal.
        finding: Finding,
    },
}

/// What was erased of an account.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Erased {
    /// Whether there was an account; one that was deleted before may still have a journal.
    pub was_there: bool,
    /// How many sessions it had, ended ones too.
    pub sessions: u64,
    /// How many of them ended by it.
    pub ended: u64,
    /// How many entries of the journal told of its owner.
    pub entries: u64,
    /// What accounts for that in the journal; `None` where no entry told of anybody.
    pub erasure: Option<Erasure>,
}

impl Accounts<'_> {
    /// Has everything forget an account's owner: its sessions end, and then the account, its names, its credentials and its
    /// sessions are gone, and its journal's entries lose addresses, clients and notes. What stays is its id, when it did what, and
    /// a journal that can be verified as before. Of an account that was deleted before, what is left goes. Whoever repeats it
    /// finds nothing to do, or what was written since.
    ///
    /// What the security log said, what was exported and what backups hold is out of reach.
    ///
    /// # Errors
    /// [`Refusal::AccountUnknown`] where there is neither an account nor a journal of this id; a [`Fault`], and then it may be
    /// half done: the journal is the last to forget, and whoever repeats it goes on from there.
    pub async fn erase(&self, account: AccountId) -> Result<AccountErasure, Error> {
        self.erase_where(account, None).await
    }

    /// Erases an account that is to be erased by then.
    ///
    /// # Errors
    /// [`Refusal::AccountUnknown`] where it is not, or is gone; a [`Fault`].
    pub(super) async fn erase_if_due(
        &self,
        account: AccountId,
        now: Timestamp,
    ) -> Result<AccountErasure, Error> {
        self.erase_where(account, Some(now)).await
    }

    async fn erase_where(&self, account: AccountId, due: Option<Timestamp>) -> Result<AccountErasure, Error> {
        let Self(engine) = self;
        let has_journal = !engine
            .store
            .entries(Slice::after(Some((account, 0)), 1))
            .await?
            .iter()
            .all(|entry| entry.event.account != account);
        let has_account = engine.store.account(account).await?.is_some();
        if account == NOBODY || !(has_journal || has_account) {
            return Err(Refusal::AccountUnknown.into());
        }
        if !engine.store.may_erase().await? {
            return Ok(AccountErasure::NotAllowed);
        }
        let mut erased = Erased {
            was_there: has_account,
            sessions: self.sessions_kept(account).await?,
            ..Erased::default()
        };
        erased.ended = self.erase_rows(account, due).await?;
        let (now, keys) = (engine.now(), engine.keys());
        if engine.store.last_checkpoint().await?.is_none() {
            // Entries of an earlier build are chained anew under one.
            checkpoints::add(engine.store.as_ref(), keys.as_ref(), now).await?;
        }
        let erasing =
            checkpoints::erase(engine.store.as_ref(), keys.as_ref(), engine.random.as_ref(), (now, account))
                .await?;
        Ok(match erasing {
            Erasing::Done { erasure, entries } => {
                AccountErasure::Done(Erased { entries, erasure: Some(erasure), ..erased })
            }
            Erasing::NothingLeft => AccountErasure::Done(erased),
            Erasing::NotAllowed => AccountErasure::NotAllowed,
            Erasing::Broken(finding) => AccountErasure::JournalStays { erased, finding },
        })
    }

    /// Ends the sessions and removes the rows; says how many ended.
    async fn erase_rows(&self, account: AccountId, due: Option<Timestamp>) -> Result<u64, Error> {
        let Self(engine) = self;
        for _ in 0..=MAX_MISSES {
            let mut commit = commits::erase(account, engine.now());
            commit.steps.splice(0..0, due.map(|at| Step::ExpectErasureDue { at }));
            match engine.store.commit(commit).await? {
                Committed::Done { ended } => return Ok(ended),
                Committed::Missed { step: 0 } if due.is_some() => {
                    return Err(Refusal::AccountUnknown.into());
                }
                Committed::AccountMoved | Committed::Missed { .. } => {}
            }
        }
        Err(tried_too_often("erase an account").into())
    }

    async fn sessions_kept(&self, account: AccountId) -> Result<u64, Fault> {
        const SLICE: u32 = 500;
        let (mut kept, mut after) = (0, None);
        loop {
            let slice = self.0.store.of(account, Slice::after(after, SLICE)).await?;
            kept += slice.len() as u64;
            after = slice.last().map(|(session, _)| session.key.session);
            if slice.len() < SLICE as usize {
                return Ok(kept);
            }
        }
    }
}

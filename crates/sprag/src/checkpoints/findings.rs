//! What may be wrong with the journal, in words.

use super::cuts::CutFlaw;
use crate::session::AccountId;

/// Something wrong with the journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Finding {
    /// The first bad entry of a chain.
    #[error("account {account}, entry {number}: {flaw}")]
    Entry {
        /// Whose chain.
        account: AccountId,
        /// The number of the entry.
        number: u64,
        /// What is wrong with it.
        flaw: EntryFlaw,
    },
    /// A bad erasure.
    #[error("erasure {number}: {flaw}")]
    Erasure {
        /// The number of the erasure.
        number: u64,
        /// What is wrong with it.
        flaw: ErasureFlaw,
    },
    /// A bad cut.
    #[error("cut {number}: {flaw}")]
    Cut {
        /// The number of the cut.
        number: u64,
        /// What is wrong with it.
        flaw: CutFlaw,
    },
    /// A bad checkpoint.
    #[error("checkpoint {number}: {flaw}")]
    Checkpoint {
        /// The number of the checkpoint.
        number: u64,
        /// What is wrong with it.
        flaw: CheckpointFlaw,
    },
}

/// What may be wrong with an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EntryFlaw {
    /// Its hash does not follow from what it says.
    #[error("altered, for what it says does not have its hash")]
    Altered,
    /// There are later ones, and not this one.
    #[error("missing, though there are later ones")]
    Missing,
    /// It was written under another number.
    #[error("out of its order, for it was written as entry {written_as}")]
    Reordered {
        /// That number.
        written_as: u64,
    },
    /// Its hash is right, but it names another predecessor: it, or the one before it, was written anew.
    #[error("not the successor of the entry before it; one of the two was written anew")]
    Unlinked,
    /// It is dated before its predecessor, which no store does.
    #[error("dated before the entry before it")]
    Backdated,
    /// What it told of a person is gone.
    #[error("robbed of its address, client and note, for no erasure accounts for that")]
    Erased,
    /// It is the last one that an erasure speaks of, and has another hash.
    #[error("not the entry that the erasure of this chain left; it was written anew since")]
    NotAsErased,
}

/// What may be wrong with a checkpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CheckpointFlaw {
    /// No key in the ring makes its tag of what it says.
    #[error("forged or altered, for its tag does not verify")]
    Forged,
    /// There are later ones, and not this one.
    #[error("missing, though there are later ones")]
    Missing,
    /// It does not name the tag of the one before it.
    #[error("not the successor of the checkpoint before it")]
    Unlinked,
    /// It covers what the one before it covers, and differs from it.
    #[error("covering no more than the checkpoint before it, and no erasure accounts for that")]
    Unaccounted,
    /// Chains it covers are gone.
    #[error("it covers {covered} chains and {found} are left: whole chains were deleted")]
    ChainsLost {
        /// How many it covers.
        covered: u64,
        /// How many are there.
        found: u64,
    },
    /// Entries it covers are gone.
    #[error("it covers {covered} entries and {found} are left: chains were cut short")]
    EntriesLost {
        /// How many it covers.
        covered: u64,
        /// How many are there.
        found: u64,
    },
    /// The entries it covers are not those that were there.
    #[error("the entries it covers are not the ones that were there: chains were written anew or added to")]
    Rewritten,
}

/// What may be wrong with an erasure.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ErasureFlaw {
    /// No key in the ring makes its tag of what it says.
    #[error("forged or altered, for its tag does not verify")]
    Forged,
    /// There are later ones, and not this one.
    #[error("missing, though there are later ones")]
    Missing,
    /// It does not name the tag of the one before it.
    #[error("not the successor of the erasure before it")]
    Unlinked,
}

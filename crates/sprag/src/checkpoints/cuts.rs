//! Cutting off what the journal has kept long enough, so that it can still be verified.
//!
//! What is to go is decided by a rule that gives the same answer before, half way and after: of each chain everything dated
//! before a moment, but for the last entry that the newest checkpoint covered. Which entry of each chain is the last to go is
//! bound by a tag first, and only then is anything removed.

use std::future::Future;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};

use super::CheckpointKey;
use super::tags;
use crate::audit::{Checkpoint, Cut, Entry, Hash};
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::session::AccountId;
use crate::store::{Cuts, Erasures, Journal, Slice};

/// How many rows are read or removed at a time.
const SLICE: u32 = 1000;

/// How many entries of one chain are read at first: mostly few are to go.
const FIRST_SLICE: u32 = 10;

/// What may be wrong with a cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CutFlaw {
    /// No key in the ring makes its tag of what it says.
    #[error("forged or altered, for its tag does not verify")]
    Forged,
    /// There are later ones, and not this one.
    #[error("missing, though there are later ones")]
    Missing,
    /// It does not name the tag of the one before it.
    #[error("not the successor of the cut before it")]
    Unlinked,
    /// More is gone, or something else.
    #[error(
        "it accounts for {told} entries at the beginnings of the chains, and {gone} are gone, or other ones: somebody else \
         removed entries, too"
    )]
    Differs {
        /// How many it accounts for.
        told: u64,
        /// How many are gone.
        gone: u64,
    },
}

/// What cutting the journal came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cutting {
    /// So many entries were removed, by this cut.
    Done {
        /// The cut that accounts for them, and for those removed before.
        cut: Cut,
        /// How many entries were removed just now.
        removed: u64,
    },
    /// Nothing is old enough, or no checkpoint covers it yet.
    NothingOldEnough,
    /// Whoever asks may not remove entries.
    NotAllowed,
    /// What was cut before is not what is gone: nothing is cut from a journal that somebody tampered with.
    Broken(CutFlaw),
}

/// Which entries go: by two moments, the same however many of them have gone already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rule {
    /// Entries made before this moment go,
    pub(super) before: Timestamp,
    /// but for the last that was made before this one.
    pub(super) covered_before: Timestamp,
}

impl Rule {
    pub(super) fn of(cut: &Cut) -> Self {
        Self { before: cut.before, covered_before: cut.covered_before }
    }
}

/// An entry that is gone or is to go: the last of its chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Gone {
    pub(super) number: u64,
    pub(super) hash: Hash,
}

impl Gone {
    /// What is gone of a chain that begins with this entry.
    pub(super) fn before(first: &Entry) -> Self {
        Self { number: first.number.saturating_sub(1), hash: first.previous }
    }

    /// What is gone, or is to go, of a chain that begins with `first`, where `last` is the last of its entries that is dated
    /// before the rule's moment and `covered` the number of the last that the checkpoint covered.
    pub(super) fn by_rule(first: &Entry, last: Option<&Entry>, covered: Option<u64>) -> Self {
        match last {
            None => Self::before(first),
            Some(last) if Some(last.number) == covered => Self::before(last),
            Some(last) => Self { number: last.number, hash: last.hash },
        }
    }
}

/// What is gone from all chains, taken in the order of their accounts.
pub(super) struct AllGone {
    chains: u64,
    entries: u64,
    ends: Context,
}

impl AllGone {
    pub(super) fn new() -> Self {
        let mut ends = Context::new(&SHA256);
        ends.update(b"sprag cut ends v1");
        Self { chains: 0, entries: 0, ends }
    }

    pub(super) fn add(&mut self, account: AccountId, gone: &Gone) {
        if gone.number == 0 {
            return;
        }
        self.chains += 1;
        self.entries += gone.number;
        self.ends.update(account.0.as_bytes());
        self.ends.update(&gone.number.to_be_bytes());
        self.ends.update(&gone.hash);
    }

    fn root(&self) -> Hash {
        let mut root = [0; 32];
        root.copy_from_slice(self.ends.clone().finish().as_ref());
        root
    }

    /// In what way this is not what the cut accounts for.
    pub(super) fn flaw(&self, cut: &Cut) -> Option<CutFlaw> {
        let is_it = self.root() == cut.root && self.entries == cut.entries && self.chains == cut.chains;
        (!is_it).then_some(CutFlaw::Differs { told: cut.entries, gone: self.entries })
    }
}

/// Cuts off what was made longer than `keep` before now, and before the newest entry that `covered` covers, the newest
/// checkpoint, which must be sound;
/// `pause` is awaited between two slices and hears how many entries are gone so far. Whatever a cut before this one has left
/// undone goes, too.
///
/// # Errors
/// A [`Fault`] if the store fails; then the next time goes on from there.
pub async fn cut<P: Future<Output = ()> + Send>(
    journal: &(impl Journal + Cuts + Erasures + ?Sized),
    key: &dyn CheckpointKey,
    (now, keep): (Timestamp, Duration),
    covered: &Checkpoint,
    mut pause: impl FnMut(u64) -> P + Send,
) -> Result<Cutting, Fault> {
    if !journal.may_cut().await? {
        return Ok(Cutting::NotAllowed);
    }
    let (mut removed, last) = (0, journal.last_cut().await?);
    if let Some(last) = &last {
        if !verifies(last, key) {
            return Ok(Cutting::Broken(CutFlaw::Forged));
        }
        if let Some(flaw) = all_gone(journal, Rule::of(last)).await?.flaw(last) {
            return Ok(Cutting::Broken(flaw));
        }
        removed = carry_out(journal, Rule::of(last), 0, &mut pause).await?;
    }
    // Counted from the newest entry that is covered: by a clock that is years ahead, as a command's may be, nothing is older.
    let rule = Rule { before: now.min(covered.before).minus(keep), covered_before: covered.before };
    let is_later = last.as_ref().is_none_or(|last| rule.before > last.before);
    let erased = journal.last_erasure().await?;
    let gone = if is_later { all_gone(journal, rule).await? } else { AllGone::new() };
    if journal.last_erasure().await? != erased {
        // Entries were perhaps chained anew meanwhile, and what is to go has other hashes; the next time will do.
        return Ok(Cutting::NothingOldEnough);
    }
    let is_new = gone.entries > last.as_ref().map_or(0, |last| last.entries);
    let erased = erased.map_or(0, |erased| erased.number);
    let added = match is_new {
        true => add(journal, key, now, rule, (&gone, last.as_ref(), erased)).await?,
        false => None,
    };
    Ok(match (added, last) {
        (Some(cut), _) => {
            let removed = carry_out(journal, rule, removed, &mut pause).await?;
            Cutting::Done { cut, removed }
        }
        (None, Some(cut)) if removed > 0 => Cutting::Done { cut, removed },
        (None, _) => Cutting::NothingOldEnough,
    })
}

/// Binds what is to go by a tag; `None` where another node did so just now, or somebody erased.
async fn add(
    journal: &(impl Cuts + ?Sized),
    key: &dyn CheckpointKey,
    now: Timestamp,
    rule: Rule,
    (gone, last, erased): (&AllGone, Option<&Cut>, u64),
) -> Result<Option<Cut>, Fault> {
    let mut cut = Cut {
        number: last.map_or(1, |last| last.number + 1),
        at: now,
        before: rule.before,
        covered_before: rule.covered_before,
        chains: gone.chains,
        entries: gone.entries,
        root: gone.root(),
        previous: last.map_or([0; 32], |last| last.tag),
        tag: [0; 32],
        key_id: 0,
    };
    (cut.key_id, cut.tag) = key.tag(now, &tags::cut(&cut));
    Ok(journal.add_cut(cut.clone(), erased).await?.then_some(cut))
}

/// Whether a cut's tag was made with a key of the ring.
pub(super) fn verifies(cut: &Cut, key: &dyn CheckpointKey) -> bool {
    key.verifies(cut.key_id, &tags::cut(cut), &cut.tag)
}

/// What is gone from all chains, or is to go by this rule.
async fn all_gone(journal: &(impl Journal + Cuts + ?Sized), rule: Rule) -> Result<AllGone, Fault> {
    let (mut all, mut after) = (AllGone::new(), None);
    while let Some(ends) = ends(journal, rule, &mut after).await? {
        ends.iter().for_each(|(first, gone)| all.add(first.event.account, gone));
    }
    Ok(all)
}

/// Removes what goes by this rule, oldest first, so that half way each chain is whole from some entry on.
async fn carry_out<P: Future<Output = ()> + Send>(
    journal: &(impl Journal + Cuts + ?Sized),
    rule: Rule,
    mut removed: u64,
    pause: &mut (impl FnMut(u64) -> P + Send),
) -> Result<u64, Fault> {
    let (mut after, mut due, mut rows) = (None, Vec::new(), 0);
    while let Some(ends) = ends(journal, rule, &mut after).await? {
        for (first, gone) in ends {
            let mut end = first.number.saturating_sub(1);
            while end < gone.number {
                let room = u64::from(SLICE) - rows;
                let until = gone.number.min(end + room);
                due.push((first.event.account, until));
                rows += until - end;
                end = until;
                if rows >= u64::from(SLICE) {
                    removed += journal.cut_off(std::mem::take(&mut due)).await?;
                    rows = 0;
                    pause(removed).await;
                }
            }
        }
    }
    if !due.is_empty() {
        removed += journal.cut_off(due).await?;
    }
    Ok(removed)
}

/// The next chains in the order of their accounts: the entry that each begins with, and what is gone of it or is to go; `None`
/// at the end.
async fn ends(
    journal: &(impl Journal + Cuts + ?Sized),
    rule: Rule,
    after: &mut Option<AccountId>,
) -> Result<Option<Vec<(Entry, Gone)>>, Fault> {
    let slice = Slice::after(*after, SLICE);
    let (firsts, covered) =
        (journal.beginnings(slice).await?, journal.heads(rule.covered_before, slice).await?);
    let Some(last) = firsts.last() else { return Ok(None) };
    *after = Some(last.event.account);
    let mut covered = covered.into_iter().peekable();
    let mut ends = Vec::with_capacity(firsts.len());
    for first in firsts {
        let account = first.event.account;
        while covered.next_if(|head| head.account < account).is_some() {}
        let covered = covered.peek().filter(|head| head.account == account).map(|head| head.number);
        let last = match first.event.at < rule.before {
            // All that is covered of it is this one entry, and nothing behind what is covered goes.
            true if covered == Some(first.number) => Some(first.clone()),
            true => Some(last_before(journal, &first, rule.before).await?),
            false => None,
        };
        let gone = Gone::by_rule(&first, last.as_ref(), covered);
        ends.push((first, gone));
    }
    Ok(Some(ends))
}

/// The last entry of a chain that was made before that moment, as the first was; only what is older is read for it.
async fn last_before(
    journal: &(impl Journal + ?Sized),
    first: &Entry,
    before: Timestamp,
) -> Result<Entry, Fault> {
    let account = first.event.account;
    let (mut last, mut limit) = (first.clone(), FIRST_SLICE);
    loop {
        let slice = journal.entries(Slice::after(Some((account, last.number)), limit)).await?;
        let is_older = |entry: &&Entry| entry.event.account == account && entry.event.at < before;
        let older = slice.iter().take_while(is_older).count();
        if let Some(oldest_kept) = older.checked_sub(1).and_then(|place| slice.get(place)) {
            last = oldest_kept.clone();
        }
        if older < limit as usize {
            return Ok(last);
        }
        limit = SLICE;
    }
}

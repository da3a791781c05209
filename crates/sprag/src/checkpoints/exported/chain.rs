//! What is remembered of a chain of which an export tells.

use super::{Accounted, EntryFlaw};
use crate::audit::{Entry, Hash, Head};
use crate::session::AccountId;

/// So much of a hash is enough to tell that an entry is the same as before.
type Short = [u8; 16];

/// A chain as it was heard so far.
pub(super) struct Chain {
    /// The end of it; before its first entry where it begins anew.
    pub(super) head: Head,
    /// In which run it was heard last.
    pub(super) run: u64,
    /// Where an erasure chained it anew, and none of it was heard since: up to which entry.
    pub(super) anew: Option<u64>,
    /// Hashes without a gap, each from some number on.
    heard: Vec<(u64, Vec<Short>)>,
    /// The first bad entry that nothing explains.
    flaw: Option<(u64, EntryFlaw)>,
    /// An entry that is not the successor of the one before it, and in which run it was heard: it may have been chained anew in
    /// the middle of that run, and the erasure follows.
    unlinked: Option<(u64, Short, u64)>,
    /// An entry that an erasure explains if the chain in its new form has it.
    excused: Option<(u64, Short)>,
    /// Those that tell of nobody any more, though no erasure said so yet.
    robbed: Vec<Entry>,
}

impl Chain {
    pub(super) fn new(account: AccountId) -> Self {
        let head = Head::new(account);
        let (heard, robbed) = (Vec::new(), Vec::new());
        Self { head, run: 0, anew: None, heard, flaw: None, unlinked: None, excused: None, robbed }
    }

    /// Whether nothing of it was heard yet.
    pub(super) fn is_empty(&self) -> bool {
        self.heard.is_empty()
    }

    /// Goes on with an entry behind its end.
    pub(super) fn goes_on(&mut self, entry: &Entry) {
        match self.heard.last_mut() {
            Some((first, hashes)) if *first + hashes.len() as u64 == entry.number => {
                hashes.push(short(&entry.hash));
            }
            _ => self.heard.push((entry.number, vec![short(&entry.hash)])),
        }
        (self.head, self.anew) = (entry.head(), None);
    }

    fn short(&self, number: u64) -> Option<&Short> {
        let (first, hashes) = self.heard.iter().rev().find(|(first, _)| *first <= number)?;
        hashes.get(usize::try_from(number - first).ok()?)
    }

    /// Whether this is the entry that was heard under that number.
    pub(super) fn has(&self, entry: &Entry) -> bool {
        self.short(entry.number) == Some(&short(&entry.hash))
    }

    /// Whether it was heard from a later entry on only.
    pub(super) fn begins_behind(&self, number: u64) -> bool {
        self.heard.first().is_some_and(|(first, _)| number < *first)
    }

    /// Remembers the first bad entry.
    pub(super) fn found(&mut self, number: u64, flaw: EntryFlaw) {
        if self.flaw.is_none_or(|(first, _)| number < first) {
            self.flaw = Some((number, flaw));
        }
    }

    /// Remembers an entry that is not the successor of the one before it.
    pub(super) fn found_unlinked(&mut self, entry: &Entry, run: u64) {
        if self.unlinked.is_some() {
            self.found(entry.number, EntryFlaw::Unlinked);
        } else {
            self.unlinked = Some((entry.number, short(&entry.hash), run));
        }
    }

    /// Remembers an entry that tells of nobody any more, and no erasure says so yet.
    pub(super) fn found_robbed(&mut self, entry: &Entry) {
        self.robbed.push(entry.clone());
    }

    /// Begins anew, for an erasure in this run chained it anew up to that entry. What was wrong with it stays wrong.
    pub(super) fn begins_anew(&mut self, last: u64, run: u64) {
        self.settle_excused();
        match self.unlinked.take() {
            Some((number, hash, then)) if then == run && number <= last => {
                self.excused = Some((number, hash))
            }
            Some((number, ..)) => self.found(number, EntryFlaw::Unlinked),
            None => {}
        }
        (self.head, self.anew) = (Head::new(self.head.account), Some(last));
        self.heard.clear();
    }

    fn settle_excused(&mut self) {
        if let Some((number, hash)) = self.excused.take()
            && self.short(number) != Some(&hash)
        {
            self.found(number, EntryFlaw::Unlinked);
        }
    }

    /// The first bad entry, all things considered.
    pub(super) fn flaw(mut self, accounted: &Accounted) -> Option<(u64, EntryFlaw)> {
        self.settle_excused();
        let unlinked = self.unlinked.map(|(number, ..)| (number, EntryFlaw::Unlinked));
        let robbed = self.robbed.iter().find(|entry| accounted.flaw(entry).is_some());
        let robbed = robbed.map(|entry| (entry.number, EntryFlaw::Erased));
        [self.flaw, unlinked, robbed].into_iter().flatten().min_by_key(|(number, _)| *number)
    }
}

fn short(hash: &Hash) -> Short {
    let mut short = [0; 16];
    short.copy_from_slice(&hash[..16]);
    short
}

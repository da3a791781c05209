//! Verifying a journal that was exported, where there is no database.
//!
//! What was exported stands by time, in runs: what erasures changed of what was exported before, the entries up to a moment, and
//! the checkpoints up to it. So at the end of a run every chain is as the last checkpoint covers it, and only each chain's end
//! need be remembered.

use std::collections::BTreeMap;

use super::erasures::{self, Accounted};
use super::tally::Tally;
use super::{CheckpointFlaw, CheckpointKey, CutFlaw, EntryFlaw, ErasureFlaw, Finding, Report, cuts, tags};
use crate::audit::{Checkpoint, Cut, Entry, Erasure, Head};
use crate::clock::Timestamp;
use crate::session::AccountId;

/// Hears an export line by line, and says in the end what is wrong with it.
#[derive(Default)]
pub struct Exported<'k> {
    key: Option<&'k dyn CheckpointKey>,
    /// Whether the first line is the journal's first; otherwise chains may begin anywhere.
    is_whole: bool,
    chains: BTreeMap<AccountId, Chain>,
    accounted: Accounted,
    /// The newest of each kind.
    checkpoint: Option<Checkpoint>,
    erasure: Option<Erasure>,
    cut: Option<Cut>,
    /// How many entries were cut off before they were exported.
    missed: u64,
    report: Report,
}

/// What verifying an export came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verified {
    /// What was found.
    pub report: Report,
    /// How many entries were cut off before they were exported.
    pub missed: u64,
    /// Whether all chains were held against the newest checkpoint: not where the export is a part of the journal, or ends in the
    /// middle.
    pub is_held: bool,
}

/// What is known of a chain so far.
struct Chain {
    head: Head,
    /// The first bad entry, unless an erasure explains it.
    flaw: Option<(u64, EntryFlaw)>,
    /// Those that tell of nobody any more, though no erasure said so yet.
    robbed: Vec<Entry>,
}

impl<'k> Exported<'k> {
    /// Begins. Without a key it stays open whether checkpoints, cuts and erasures are genuine; `is_whole` says whether the export
    /// begins where the journal does.
    #[must_use]
    pub fn new(key: Option<&'k dyn CheckpointKey>, is_whole: bool) -> Self {
        Self { key, is_whole, ..Self::default() }
    }

    /// Hears an entry.
    pub fn entry(&mut self, entry: &Entry) {
        self.report.entries += 1;
        self.report.erased += u64::from(entry.is_erased());
        let (account, previous) =
            (entry.event.account, self.chains.get(&entry.event.account).map(|chain| chain.head));
        let flaw = self.flaw(entry, previous.as_ref());
        // Whoever goes on from an older cursor hears some of them again.
        let is_repeated = previous.is_some_and(|head| entry.number < head.number);
        let chain = self.chains.entry(account).or_insert_with(|| Chain {
            head: entry.head(),
            flaw: None,
            robbed: Vec::new(),
        });
        if !is_repeated {
            chain.head = entry.head();
        }
        match (flaw, self.accounted.flaw(entry)) {
            (Some(flaw), _) => chain.flaw = chain.flaw.or(Some(flaw)),
            (None, Some(EntryFlaw::Erased)) => chain.robbed.push(entry.clone()),
            (None, Some(flaw)) => chain.flaw = chain.flaw.or(Some((entry.number, flaw))),
            (None, None) => {}
        }
    }

    fn flaw(&mut self, entry: &Entry, previous: Option<&Head>) -> Option<(u64, EntryFlaw)> {
        let Entry { number, .. } = *entry;
        if !entry.is_intact() {
            return Some((number, EntryFlaw::Altered));
        }
        let head = match previous {
            Some(head) => *head,
            None if number == 1 || self.is_whole => Head::new(entry.event.account),
            None => return None,
        };
        if number > head.number + 1 {
            // They were cut off before somebody exported them, or taken out.
            self.missed += number - head.number - 1;
            return self.cut.is_none().then_some((head.number + 1, EntryFlaw::Missing));
        }
        let is_unlinked = (number == head.number && entry.hash != head.hash)
            || (number == head.number + 1 && entry.previous != head.hash);
        let is_backdated = number == head.number + 1 && entry.event.at < head.at;
        let flaw = if is_unlinked {
            Some(EntryFlaw::Unlinked)
        } else {
            is_backdated.then_some(EntryFlaw::Backdated)
        };
        flaw.map(|flaw| (number, flaw))
    }

    /// Hears of an erasure. Where it chained entries anew, the whole chain follows once more.
    pub fn erasure(&mut self, erasure: Erasure) {
        let flaw = match &self.erasure {
            _ if self.key.is_some_and(|key| !erasures::verifies(&erasure, key)) => Some(ErasureFlaw::Forged),
            Some(last) if erasure.number > last.number + 1 => Some(ErasureFlaw::Missing),
            Some(last) if erasure.number == last.number + 1 && erasure.previous != last.tag => {
                Some(ErasureFlaw::Unlinked)
            }
            None if self.is_whole && erasure.number != 1 => Some(ErasureFlaw::Missing),
            _ => None,
        };
        if let Some(flaw) = flaw {
            self.report.found(Finding::Erasure { number: erasure.number, flaw });
            return;
        }
        self.accounted.add(&erasure);
        if erasure.chained_anew > 0
            && let Some(chain) = self.chains.get(&erasure.account)
        {
            let Head { number, hash, .. } = chain.head;
            let is_other = number == erasure.last && hash != erasure.old_head && hash != erasure.new_head;
            if is_other {
                let (account, flaw) = (erasure.account, EntryFlaw::NotAsErased);
                self.report.found(Finding::Entry { account, number, flaw });
            }
            self.chains.remove(&erasure.account);
        }
        self.erasure = Some(erasure);
    }

    /// Hears of a cut.
    pub fn cut(&mut self, cut: Cut) {
        let flaw = match &self.cut {
            _ if self.key.is_some_and(|key| !cuts::verifies(&cut, key)) => Some(CutFlaw::Forged),
            Some(last) if cut.number > last.number + 1 => Some(CutFlaw::Missing),
            Some(last) if cut.number == last.number + 1 && cut.previous != last.tag => {
                Some(CutFlaw::Unlinked)
            }
            None if self.is_whole && cut.number != 1 => Some(CutFlaw::Missing),
            _ => None,
        };
        match flaw {
            Some(flaw) => self.report.found(Finding::Cut { number: cut.number, flaw }),
            None => self.cut = Some(cut),
        }
    }

    /// Hears of a checkpoint.
    pub fn checkpoint(&mut self, checkpoint: Checkpoint) {
        self.report.checkpoints += 1;
        let bytes = tags::checkpoint(&checkpoint);
        let is_forged = |key: &dyn CheckpointKey| !key.verifies(checkpoint.key_id, &bytes, &checkpoint.tag);
        let flaw = match &self.checkpoint {
            _ if self.key.is_some_and(is_forged) => Some(CheckpointFlaw::Forged),
            Some(last) if checkpoint.number > last.number + 1 => Some(CheckpointFlaw::Missing),
            Some(last) if checkpoint.number == last.number + 1 && checkpoint.previous != last.tag => {
                Some(CheckpointFlaw::Unlinked)
            }
            None if self.is_whole && checkpoint.number != 1 => Some(CheckpointFlaw::Missing),
            _ => None,
        };
        match flaw {
            Some(flaw) => self.report.found(Finding::Checkpoint { number: checkpoint.number, flaw }),
            None => self.checkpoint = Some(checkpoint),
        }
    }

    /// What all of it came to.
    #[must_use]
    pub fn finish(self) -> Verified {
        let Self { is_whole, chains, accounted, checkpoint, erasure, cut, missed, mut report, .. } = self;
        report.chains = chains.len() as u64;
        let before = checkpoint.as_ref().map_or(Timestamp(i64::MIN), |checkpoint| checkpoint.before);
        let mut tally = Tally::new();
        let mut is_covered = true;
        for (account, chain) in chains {
            let robbed = chain.robbed.iter().find(|entry| accounted.flaw(entry).is_some());
            let robbed = robbed.map(|entry| (entry.number, EntryFlaw::Erased));
            if let Some((number, flaw)) =
                [chain.flaw, robbed].into_iter().flatten().min_by_key(|(number, _)| *number)
            {
                report.found(Finding::Entry { account, number, flaw });
            }
            is_covered &= chain.head.at < before;
            tally.add(&chain.head, chain.head.number);
        }
        // A part of the journal does not have all chains, and one that was cut short ends behind its last checkpoint.
        let is_held = is_whole && is_covered && checkpoint.is_some();
        if let Some(checkpoint) = checkpoint.as_ref().filter(|_| is_held)
            && let Some(flaw) = tally.flaw(checkpoint)
        {
            report.found(Finding::Checkpoint { number: checkpoint.number, flaw });
        }
        (report.newest, report.erasure, report.cut) = (checkpoint, erasure, cut);
        Verified { report, missed, is_held }
    }
}

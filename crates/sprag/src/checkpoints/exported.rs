//! Verifying a journal that was exported, where there is no database.
//!
//! What was exported stands by time, in runs: what erasures changed of what was exported before, the entries up to a moment, and
//! the checkpoints up to it. So at the end of a run every chain is as the last checkpoint covers it. Of each chain the end is
//! remembered, and sixteen bytes of each hash: an entry that comes again must be the one that came before.

use std::collections::BTreeMap;

use super::erasures::{self, Accounted};
use super::tally::Tally;
use super::{CheckpointFlaw, CheckpointKey, CutFlaw, EntryFlaw, ErasureFlaw, Finding, Report, cuts, tags};
use crate::audit::{Checkpoint, Cut, Entry, Erasure, Head};
use crate::clock::Timestamp;
use crate::session::AccountId;
use chain::Chain;

mod chain;

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
    /// Which run this is, from 1.
    run: u64,
    /// Before which moment the newest cut of this run had entries go.
    cut_before: Option<Timestamp>,
    /// When the newest entry was made that was heard so far.
    newest: Option<Timestamp>,
    /// And of those of the runs before.
    ended: Option<Timestamp>,
    /// The gaps of this run at which a cut may have been made.
    gaps: Vec<Gap>,
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

/// Entries that are not there, between the last one that was heard and the first of the same chain in a later run.
struct Gap {
    account: AccountId,
    /// The number of the first of them.
    number: u64,
    count: u64,
    /// None of them was made before this moment.
    since: Timestamp,
}

impl<'k> Exported<'k> {
    /// Begins. Without a key it stays open whether checkpoints, cuts and erasures are genuine; `is_whole` says whether the export
    /// begins where the journal does.
    #[must_use]
    pub fn new(key: Option<&'k dyn CheckpointKey>, is_whole: bool) -> Self {
        Self { key, is_whole, ..Self::default() }
    }

    /// Hears that a run begins.
    pub fn begin(&mut self) {
        self.close_gaps();
        (self.run, self.cut_before, self.ended) = (self.run + 1, None, self.newest);
    }

    /// Hears an entry.
    pub fn entry(&mut self, entry: &Entry) {
        self.report.entries += 1;
        self.report.erased += u64::from(entry.is_erased());
        let (account, number, run) = (entry.event.account, entry.number, self.run);
        let mut chain = self.chains.remove(&account).unwrap_or_else(|| Chain::new(account));
        let accounted = self.accounted.flaw(entry);
        // Whoever goes on from an older cursor hears some of them again.
        let is_repeated = number <= chain.head.number;
        if !entry.is_intact() {
            chain.found(number, EntryFlaw::Altered);
        } else if is_repeated {
            let is_known = chain.has(entry) || (!self.is_whole && chain.begins_behind(number));
            if !is_known {
                chain.found(number, EntryFlaw::Unlinked);
            }
        } else if self.is_next(&mut chain, entry) {
            let head = chain.head;
            if entry.previous != head.hash {
                chain.found_unlinked(entry, run);
            } else if entry.event.at < head.at {
                chain.found(number, EntryFlaw::Backdated);
            }
        }
        match accounted {
            Some(EntryFlaw::Erased) => chain.found_robbed(entry),
            Some(flaw) => chain.found(number, flaw),
            None => {}
        }
        if !is_repeated {
            chain.goes_on(entry);
        }
        chain.run = run;
        self.newest = self.newest.max(Some(entry.event.at));
        self.chains.insert(account, chain);
    }

    /// Whether an entry behind a chain's end is to be held against it, for no entry is missing in between.
    fn is_next(&mut self, chain: &mut Chain, entry: &Entry) -> bool {
        let (head, number) = (chain.head, entry.number);
        let missing = number.saturating_sub(head.number).saturating_sub(1);
        if missing == 0 {
            return true;
        }
        let may_begin_here = match chain.anew {
            // Its oldest entries may have been cut off since they were heard first.
            Some(last) => number <= last && (!self.is_whole || self.cut.is_some()),
            None => chain.is_empty() && !self.is_whole,
        };
        if may_begin_here {
            return false;
        }
        let (account, first) = (entry.event.account, head.number + 1);
        if chain.run < self.run {
            // They were cut off before somebody exported them, or taken out: what this run tells of cuts says which.
            self.gaps.push(Gap { account, number: first, count: missing, since: head.at });
        } else {
            chain.found(first, EntryFlaw::Missing);
        }
        false
    }

    /// Holds the gaps of a run against what it told of cuts. What a cut removed was made before the moment it names, and not
    /// before what was exported earlier.
    fn close_gaps(&mut self) {
        let cut_before = self.cut_before.filter(|before| Some(*before) > self.ended);
        for Gap { account, number, count, since } in std::mem::take(&mut self.gaps) {
            if cut_before.is_some_and(|before| since < before) {
                self.missed = self.missed.saturating_add(count);
            } else if let Some(chain) = self.chains.get_mut(&account) {
                chain.found(number, EntryFlaw::Missing);
            }
        }
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
            && let Some(chain) = self.chains.get_mut(&erasure.account)
        {
            let Head { number, hash, .. } = chain.head;
            let is_other = number == erasure.last && hash != erasure.old_head && hash != erasure.new_head;
            if is_other {
                let (account, flaw) = (erasure.account, EntryFlaw::NotAsErased);
                self.report.found(Finding::Entry { account, number, flaw });
            }
            chain.begins_anew(erasure.last, self.run);
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
            None => {
                self.cut_before = self.cut_before.max(Some(cut.before));
                self.cut = Some(cut);
            }
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
    pub fn finish(mut self) -> Verified {
        self.close_gaps();
        let Self { is_whole, chains, accounted, checkpoint, erasure, cut, missed, mut report, .. } = self;
        report.chains = chains.len() as u64;
        let before = checkpoint.as_ref().map_or(Timestamp(i64::MIN), |checkpoint| checkpoint.before);
        let mut tally = Tally::new();
        let mut is_covered = true;
        for (account, chain) in chains {
            is_covered &= chain.head.at < before;
            if !chain.is_empty() {
                tally.add(&chain.head, chain.head.number);
            }
            if let Some((number, flaw)) = chain.flaw(&accounted) {
                report.found(Finding::Entry { account, number, flaw });
            }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;
    use crate::audit::{Event, EventKind};

    const ANN: AccountId = AccountId(Uuid::from_u128(1));

    fn hour(number: u64) -> Timestamp {
        Timestamp(1_800_000_000_000).plus(Duration::from_secs(3600 * number))
    }

    /// Ann's entries as an earlier build wrote them: each in the hour of its number.
    fn entries(count: u64) -> Vec<Entry> {
        let mut head = Head::new(ANN);
        let entry = |number| {
            let (kind, ip) = (EventKind::LoginFailed, Some("192.0.2.1".to_owned()));
            let (at, note) = (hour(number), Some("wrong password".to_owned()));
            let event =
                Event { account: ANN, at, kind, session: None, cause: None, ip, user_agent: None, note };
            let entry = Entry::chained(number, event, head.hash, None);
            head = entry.head();
            entry
        };
        (1..=count).map(entry).collect()
    }

    /// Entries that are chained anew and say what they said.
    fn anew(entries: &[Entry]) -> Vec<Entry> {
        let mut previous = entries[0].previous;
        let anew = |entry: &Entry| {
            let entry = entry.erased_behind(previous, &[7; 32]);
            previous = entry.hash;
            entry
        };
        entries.iter().map(anew).collect()
    }

    fn cut(number: u64, before: Timestamp) -> Cut {
        let (chains, entries, tag) = (1, number, [0; 32]);
        let covered_before = hour(100);
        Cut {
            number,
            at: before,
            before,
            covered_before,
            chains,
            entries,
            root: tag,
            previous: tag,
            tag,
            key_id: 0,
        }
    }

    /// An erasure that chained all of these anew.
    fn erasure(old: &[Entry], new: &[Entry]) -> Erasure {
        let (old, new, tag) = (&old[old.len() - 1], &new[new.len() - 1], [0; 32]);
        Erasure {
            number: 1,
            at: hour(100),
            account: ANN,
            last: old.number,
            chained_anew: old.number,
            old_head: old.hash,
            new_head: new.hash,
            checkpoint: 2,
            previous: tag,
            tag,
            key_id: 0,
        }
    }

    fn run(exported: &mut Exported<'_>, cut: Option<Cut>, entries: &[Entry]) {
        exported.begin();
        cut.into_iter().for_each(|cut| exported.cut(cut));
        entries.iter().for_each(|entry| exported.entry(entry));
    }

    fn named(number: u64, flaw: EntryFlaw) -> Vec<Finding> {
        vec![Finding::Entry { account: ANN, number, flaw }]
    }

    fn found(exported: Exported<'_>) -> Vec<Finding> {
        exported.finish().report.findings
    }

    #[test]
    fn only_what_a_cut_of_the_same_run_can_have_removed_is_taken_for_cut() {
        let all = entries(14);
        let with = |second: &[Entry], again: Option<Cut>, third: &[Entry]| {
            let mut exported = Exported::new(None, true);
            run(&mut exported, None, &all[..4]);
            run(&mut exported, Some(cut(1, hour(7))), second);
            run(&mut exported, again, third);
            exported.finish()
        };
        let genuine = with(&all[6..10], None, &all[10..]);
        assert_eq!((genuine.report.findings, genuine.missed), (vec![], 2));
        let robbed = [&all[6..8], &all[9..10]].concat();
        let missing = |number| named(number, EntryFlaw::Missing);
        assert_eq!(with(&robbed, None, &all[10..]).report.findings, missing(9), "out of the middle");
        assert_eq!(with(&all[6..10], None, &all[11..]).report.findings, missing(11), "without a cut");
        let again = Some(cut(1, hour(7)));
        assert_eq!(with(&all[6..10], again, &all[11..]).report.findings, missing(11), "a cut from before");
        let mut exported = Exported::new(None, true);
        run(&mut exported, None, &all[..10]);
        run(&mut exported, Some(cut(1, hour(7))), &all[11..]);
        assert_eq!(found(exported), missing(11), "younger than what the cut removed");
    }

    #[test]
    fn a_cut_that_was_made_in_the_middle_of_a_run_is_heard_at_its_end() {
        let all = entries(10);
        let mut exported = Exported::new(None, true);
        run(&mut exported, None, &all[..4]);
        run(&mut exported, None, &all[6..]);
        exported.cut(cut(1, hour(7)));
        assert_eq!(found(exported), []);
    }

    #[test]
    fn an_entry_that_comes_again_must_be_the_one_that_came_before() {
        let all = entries(10);
        let mut exported = Exported::new(None, true);
        run(&mut exported, None, &all);
        run(&mut exported, None, &all[3..]);
        assert_eq!(found(exported), [], "whoever goes on from an older cursor hears some again");
        for (number, previous) in [(5, all[3].hash), (10, all[8].hash), (0, [0; 32])] {
            let event = Event { note: Some("it was nothing".to_owned()), ..all[4].event.clone() };
            let invented = Entry::chained(number, event, previous, Some([9; 32]));
            let mut exported = Exported::new(None, true);
            run(&mut exported, None, &all);
            exported.entry(&invented);
            assert_eq!(found(exported), named(number, EntryFlaw::Unlinked), "it is intact by itself");
        }
    }

    #[test]
    fn an_erasure_does_not_cover_up_what_was_wrong_before_it() {
        let old = entries(6);
        let new = anew(&old);
        let with = |first: &[Entry]| {
            let mut exported = Exported::new(None, true);
            run(&mut exported, None, first);
            exported.begin();
            exported.erasure(erasure(&old, &new));
            new.iter().for_each(|entry| exported.entry(entry));
            found(exported)
        };
        assert_eq!(with(&old), []);
        let mut altered = old.clone();
        altered[2].event.ip = Some("198.51.100.9".to_owned());
        assert_eq!(with(&altered), named(3, EntryFlaw::Altered));
        let robbed = [&old[..2], &old[3..]].concat();
        assert_eq!(with(&robbed), named(3, EntryFlaw::Missing));
        let invented = Entry::chained(3, old[2].event.clone(), [3; 32], None);
        assert_eq!(with(&[&old[..2], &[invented]].concat()), named(3, EntryFlaw::Unlinked));
    }

    #[test]
    fn a_chain_verifies_that_was_cut_exported_and_chained_anew() {
        let old = entries(8);
        let new = anew(&old[3..7]);
        let mut exported = Exported::new(None, true);
        run(&mut exported, None, &old[..6]);
        run(&mut exported, Some(cut(1, hour(4))), &old[6..7]);
        exported.begin();
        exported.erasure(erasure(&old[3..7], &new));
        new.iter().for_each(|entry| exported.entry(entry));
        let told = Entry::chained(8, old[7].event.clone(), new[3].hash, Some([1; 32]));
        exported.entry(&told);
        let verified = exported.finish();
        assert_eq!((verified.report.findings, verified.missed), (vec![], 0));
    }

    #[test]
    fn a_chain_that_was_chained_anew_in_the_middle_of_a_run_must_come_again_as_it_came() {
        let old = entries(6);
        let new = anew(&old);
        for (is_genuine, other) in
            [(true, new[3].clone()), (false, Entry::chained(4, old[3].event.clone(), [3; 32], None))]
        {
            let mut exported = Exported::new(None, true);
            run(&mut exported, None, &[&old[..3], &[other]].concat());
            if is_genuine {
                new[4..].iter().for_each(|entry| exported.entry(entry));
            }
            exported.erasure(erasure(&old, &new));
            new.iter().for_each(|entry| exported.entry(entry));
            let findings = found(exported);
            assert_eq!(findings, if is_genuine { vec![] } else { named(4, EntryFlaw::Unlinked) });
        }
    }
}

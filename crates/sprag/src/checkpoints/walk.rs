//! One chain of the journal, entry by entry.

use super::cuts::{AllGone, Gone, Rule};
use super::erasures::Accounted;
use super::tally::Tally;
use super::{EntryFlaw, Finding, Report};
use crate::audit::{Entry, Head};
use crate::clock::Timestamp;

/// One chain, entry by entry.
pub(super) struct Walk {
    pub(super) head: Head,
    first: Entry,
    /// By which rule it was cut, if any was, and the last entry before the rule's moment, and the last that was covered then.
    rule: Option<Rule>,
    last_to_go: Option<Entry>,
    covered_then: Option<u64>,
    /// The last entry that the newest checkpoint covers, and how many it covers of this chain.
    covered: Option<Head>,
    entries_covered: u64,
    is_broken: bool,
}

impl Walk {
    /// Begins with a chain's first entry. Where the journal was cut, it need not be the first that ever was: what is gone
    /// counts, and is held against the cut in the end.
    pub(super) fn from(first: &Entry, rule: Option<Rule>) -> Self {
        let unbroken = Head::new(first.event.account);
        let Gone { number, hash } = Gone::before(first);
        let head = if rule.is_some() && number > 0 { Head { number, hash, ..unbroken } } else { unbroken };
        Self {
            head,
            first: first.clone(),
            rule,
            last_to_go: None,
            covered_then: None,
            covered: None,
            entries_covered: head.number,
            is_broken: false,
        }
    }

    pub(super) fn step(
        &mut self,
        entry: &Entry,
        before: Timestamp,
        accounted: &Accounted,
        report: &mut Report,
    ) {
        report.erased += u64::from(entry.is_erased());
        if !self.is_broken
            && let Some((number, flaw)) = self.flaw(entry, accounted)
        {
            self.is_broken = true;
            report.found(Finding::Entry { account: entry.event.account, number, flaw });
        }
        self.head = entry.head();
        if let Some(Rule { before, covered_before }) = self.rule {
            if entry.event.at < before {
                self.last_to_go = Some(entry.clone());
            }
            if entry.event.at < covered_before {
                self.covered_then = Some(entry.number);
            }
        }
        if entry.event.at < before {
            self.covered = Some(self.head);
            self.entries_covered += 1;
        }
    }

    fn flaw(&self, entry: &Entry, accounted: &Accounted) -> Option<(u64, EntryFlaw)> {
        let expected = self.head.number + 1;
        if entry.number != expected {
            return Some((expected, EntryFlaw::Missing));
        }
        let flaw = if !entry.is_intact() {
            self.written_as(entry)
                .map_or(EntryFlaw::Altered, |written_as| EntryFlaw::Reordered { written_as })
        } else if entry.previous != self.head.hash {
            EntryFlaw::Unlinked
        } else if entry.event.at < self.head.at {
            EntryFlaw::Backdated
        } else {
            accounted.flaw(entry)?
        };
        Some((expected, flaw))
    }

    /// The number under which an entry was written that stands under another; looked for nearby.
    fn written_as(&self, entry: &Entry) -> Option<u64> {
        const NEARBY: u64 = 1000;
        let numbers = entry.number.saturating_sub(NEARBY)..=entry.number.saturating_add(NEARBY);
        numbers.into_iter().find(|number| Entry { number: *number, ..entry.clone() }.is_intact())
    }
}

/// Ends a chain: what it comes to, and what is gone of it.
pub(super) fn finish(tally: &mut Tally, all_gone: &mut AllGone, chain: Option<Walk>) {
    let Some(Walk { first, rule, last_to_go, covered_then, covered, entries_covered, .. }) = chain else {
        return;
    };
    if rule.is_some() {
        all_gone.add(first.event.account, &Gone::by_rule(&first, last_to_go.as_ref(), covered_then));
    }
    if let Some(head) = covered {
        tally.add(&head, entries_covered);
    }
}

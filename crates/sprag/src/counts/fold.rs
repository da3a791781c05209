//! Folding a day's sums once nobody adds to it any more: those of all runs become one.

use std::collections::BTreeMap;

use super::distinct::Distinct;
use super::names::{COUNTED_UNTIL, LEFT, LOST, Merge, merge_of};
use super::sums::WRITTEN_FOR;
use crate::clock::Timestamp;
use crate::day::Day;
use crate::error::Fault;
use crate::store::{CountKey, DailyCount, RunId, Slice, Store};

/// How many days are folded at a time.
const DAYS: u32 = 31;

/// How many sums are put into the place of others in one transaction.
const AT_ONCE: usize = 500;

/// How many sums are read at a time.
const SLICE: u32 = 1000;

/// Folds the days that are over long enough that no run writes their sums any more, however its clock differs; says how many.
///
/// # Errors
/// A [`Fault`]; what was folded stays so, and the others are folded the next time.
pub(crate) async fn fold(store: &dyn Store, now: Timestamp) -> Result<u64, Fault> {
    let until = Day::of(now).plus(-WRITTEN_FOR - 2);
    let days = store.unfolded(until, DAYS).await?;
    for day in &days {
        fold_day(store, *day).await?;
    }
    Ok(days.len() as u64)
}

/// All sums of these days.
pub(super) async fn read(store: &dyn Store, from: Day, until: Day) -> Result<Vec<DailyCount>, Fault> {
    let mut all: Vec<DailyCount> = Vec::new();
    loop {
        let slice = Slice::after(all.last().map(|last| last.key.clone()), SLICE);
        let more = store.daily_counts(from..=until, slice).await?;
        let is_last = more.len() < SLICE as usize;
        all.extend(more);
        if is_last {
            return Ok(all);
        }
    }
}

async fn fold_day(store: &dyn Store, day: Day) -> Result<(), Fault> {
    let mut of_name: BTreeMap<(String, String), Vec<DailyCount>> = BTreeMap::new();
    let mut marks = Vec::new();
    for count in read(store, day, day).await? {
        if [COUNTED_UNTIL, LEFT, LOST].contains(&count.key.name.as_str()) {
            marks.push(count);
        } else {
            of_name.entry((count.key.name.clone(), count.key.label.clone())).or_default().push(count);
        }
    }
    for counts in of_name.into_values() {
        fold_all(store, counts).await?;
    }
    let lost = Runs::of(&marks, day, None).lost.len() as u64;
    let known = marks.iter().filter(|mark| mark.key.name == LOST).map(|mark| mark.count).sum::<u64>();
    if marks.iter().any(|mark| mark.key.run != RunId::FOLDED) {
        let key = CountKey { day, name: LOST.to_owned(), label: String::new(), run: RunId::FOLDED };
        let to = (lost + known > 0).then_some(DailyCount { key, count: lost + known, detail: None });
        // If it is not as it was, another node has folded the day.
        let _ = store.replace_counts(marks, to.into_iter().collect()).await?;
    }
    Ok(())
}

/// Folds the sums of one name and label.
async fn fold_all(store: &dyn Store, mut counts: Vec<DailyCount>) -> Result<(), Fault> {
    counts.sort_by_key(|count| count.key.run != RunId::FOLDED);
    while counts.iter().any(|count| count.key.run != RunId::FOLDED) {
        let rest = counts.split_off(counts.len().min(AT_ONCE));
        let Some(folded) = counts.iter().cloned().reduce(merge) else { return Ok(()) };
        let folded = DailyCount { key: CountKey { run: RunId::FOLDED, ..folded.key }, ..folded };
        if !store.replace_counts(counts, vec![folded.clone()]).await? {
            return Ok(());
        }
        counts = std::iter::once(folded).chain(rest).collect();
    }
    Ok(())
}

/// Two sums of one name and label as one.
pub(super) fn merge(one: DailyCount, other: DailyCount) -> DailyCount {
    match merge_of(&one.key.name) {
        Merge::Sum => DailyCount { count: one.count.saturating_add(other.count), ..one },
        Merge::Greatest if other.count > one.count => other,
        Merge::Greatest => one,
        Merge::Distinct => {
            let counted = |of: &DailyCount| Distinct::from_bytes(of.detail.as_deref()?);
            match (counted(&one), counted(&other)) {
                (Some(these), Some(others)) => {
                    let all = these.merge(others);
                    DailyCount { count: all.count().0, detail: Some(all.to_bytes()), key: one.key }
                }
                // Of what a newer build wrote, the greater sum is what is certain.
                _ if other.count > one.count => other,
                _ => one,
            }
        }
    }
}

/// Which runs counted on a day, and what became of them.
pub(super) struct Runs {
    /// Until when the sums of each are whole that goes on.
    pub(super) counting: Vec<Timestamp>,
    /// Until when the sums of each are whole that ended without a word.
    pub(super) lost: Vec<Timestamp>,
}

/// After how long a run that wrote nothing has ended: it writes once a minute.
pub(super) const SILENT_MILLIS: i64 = 180_000;

impl Runs {
    /// The runs of a day by their marks; without a moment, none goes on.
    pub(super) fn of(marks: &[DailyCount], day: Day, now: Option<Timestamp>) -> Self {
        let mut until: BTreeMap<RunId, Timestamp> = BTreeMap::new();
        for mark in marks.iter().filter(|mark| mark.key.name == COUNTED_UNTIL) {
            until.insert(mark.key.run, Timestamp(mark.count.cast_signed()));
        }
        for mark in marks.iter().filter(|mark| mark.key.name == LEFT) {
            until.remove(&mark.key.run);
        }
        let unfinished = until.into_values().filter(|until| *until < day.ends());
        let goes_on = |until: &Timestamp| now.is_some_and(|now| now.millis_since(*until) <= SILENT_MILLIS);
        let (counting, lost) = unfinished.partition(goes_on);
        Self { counting, lost }
    }
}

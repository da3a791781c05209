//! A run's own sums, day by day, as they grow and as they are written.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::distinct::Distinct;
use super::names::{ACTIVE_ACCOUNTS, COUNTED_UNTIL, LEFT};
use crate::clock::Timestamp;
use crate::day::Day;
use crate::store::{CountKey, DailyCount, RunId};

/// How many days before today sums may still be written: whoever could not write them by then has lost them, so that a day
/// can be folded once it is older.
pub(super) const WRITTEN_FOR: i32 = 1;

/// How many days are kept at most, whatever a clock does and whether or not anybody writes them.
const MOST_DAYS: usize = 8;

type Label = Cow<'static, str>;

/// Sums by day.
#[derive(Debug, Default)]
pub(super) struct Sums(BTreeMap<Day, OfDay>);

#[derive(Debug, Default)]
struct OfDay {
    sums: BTreeMap<(&'static str, Label), Sum>,
    active: Distinct,
    has_been_written: bool,
}

#[derive(Debug, Default)]
struct Sum {
    count: u64,
    detail: Option<Vec<u8>>,
    is_written: bool,
}

impl Sums {
    pub(super) fn add(&mut self, day: Day, name: &'static str, label: impl Into<Label>, more: u64) {
        if more > 0 {
            let sum = self.of(day).sums.entry((name, label.into())).or_default();
            sum.count += more;
            sum.is_written = false;
        }
    }

    /// Takes a count in place of a smaller one.
    pub(super) fn at_least(&mut self, day: Day, name: &'static str, count: u64, detail: Option<Vec<u8>>) {
        let sum = self.of(day).sums.entry((name, Cow::Borrowed(""))).or_default();
        if count >= sum.count {
            *sum = Sum { count, detail, is_written: false };
        }
    }

    pub(super) fn active(&mut self, day: Day, accounts: Distinct) {
        let of_day = self.of(day);
        of_day.active = std::mem::take(&mut of_day.active).merge(accounts);
        let (count, detail) = (of_day.active.count().0, of_day.active.to_bytes());
        // An estimate never shrinks as accounts come.
        self.at_least(day, ACTIVE_ACCOUNTS, count, Some(detail));
    }

    /// Whether there is anything to tell.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the store does not know yet, as of `now`, and of how many days it will never know it.
    pub(super) fn due(&mut self, run: RunId, now: Timestamp, is_last: bool) -> (Vec<DailyCount>, usize) {
        let today = Day::of(now);
        let too_late: Vec<Day> = self.0.range(..today.plus(-WRITTEN_FOR)).map(|(day, _)| *day).collect();
        let is_lost = |of_day: &OfDay| of_day.sums.values().any(|sum| !sum.is_written);
        let lost = too_late.iter().filter_map(|day| self.0.remove(day)).filter(is_lost).count();
        self.of(today);
        let mut due = Vec::new();
        for (day, of_day) in self.0.range_mut(..=today) {
            let until = now.0.min(day.ends().0);
            let marks =
                [(COUNTED_UNTIL, until.cast_unsigned())].into_iter().chain(is_last.then_some((LEFT, 1)));
            let has_news = of_day.sums.iter().any(|((name, _), sum)| !sum.is_written && !is_mark(name));
            if *day != today
                && of_day.has_been_written
                && !has_news
                && !is_last
                && of_day.is_told_until(until)
            {
                continue;
            }
            for (mark, count) in marks {
                let sum = of_day.sums.entry((mark, Cow::Borrowed(""))).or_default();
                if sum.count < count {
                    *sum = Sum { count, ..Sum::default() };
                }
            }
            let unwritten = of_day.sums.iter().filter(|(_, sum)| !sum.is_written);
            due.extend(unwritten.map(|((name, label), sum)| DailyCount {
                key: CountKey { day: *day, name: (*name).to_owned(), label: label.to_string(), run },
                count: sum.count,
                detail: sum.detail.clone(),
            }));
        }
        (due, lost)
    }

    /// The store knows these.
    pub(super) fn written(&mut self, counts: &[DailyCount]) {
        for DailyCount { key: CountKey { day, name, label, .. }, count, detail } in counts {
            let Some(of_day) = self.0.get_mut(day) else { continue };
            of_day.has_been_written = true;
            let known = of_day.sums.iter_mut().find(|((of, kind), _)| of == name && kind == label);
            if let Some((_, sum)) = known.filter(|(_, sum)| sum.count == *count && sum.detail == *detail) {
                sum.is_written = true;
            }
        }
    }

    fn of(&mut self, day: Day) -> &mut OfDay {
        while self.0.len() >= MOST_DAYS && !self.0.contains_key(&day) {
            self.0.pop_first();
        }
        self.0.entry(day).or_default()
    }
}

impl OfDay {
    fn is_told_until(&self, until: i64) -> bool {
        let told = self.sums.get(&(COUNTED_UNTIL, Cow::Borrowed("")));
        told.is_some_and(|sum| sum.is_written && sum.count == until.cast_unsigned())
    }
}

fn is_mark(name: &str) -> bool {
    [LEFT, COUNTED_UNTIL].contains(&name)
}

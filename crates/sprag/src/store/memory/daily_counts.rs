//! What is counted by the day.

use std::ops::RangeInclusive;

use async_trait::async_trait;

use super::MemoryStore;
use crate::day::Day;
use crate::error::Fault;
use crate::store::{CountKey, DailyCount, DailyCounts, RunId, Slice};

#[async_trait]
impl DailyCounts for MemoryStore {
    async fn write_counts(&self, counts: Vec<DailyCount>) -> Result<(), Fault> {
        let mut tables = self.tables();
        for DailyCount { key, count, detail } in counts {
            let known = tables.daily_counts.entry(key).or_insert_with(|| (count, detail.clone()));
            if known.0 <= count {
                *known = (count, detail);
            }
        }
        Ok(())
    }

    async fn daily_counts(
        &self,
        days: RangeInclusive<Day>,
        slice: Slice<CountKey>,
    ) -> Result<Vec<DailyCount>, Fault> {
        let tables = self.tables();
        let found = tables.daily_counts.iter().filter(|(key, _)| {
            days.contains(&key.day) && slice.after.as_ref().is_none_or(|after| *key > after)
        });
        let found = found.map(|(key, (count, detail))| DailyCount {
            key: key.clone(),
            count: *count,
            detail: detail.clone(),
        });
        Ok(found.take(slice.limit as usize).collect())
    }

    async fn unfolded(&self, until: Day, limit: u32) -> Result<Vec<Day>, Fault> {
        let tables = self.tables();
        let single = tables.daily_counts.keys().filter(|key| key.day <= until && key.run != RunId::FOLDED);
        let mut days: Vec<Day> = single.map(|key| key.day).collect();
        days.dedup();
        days.truncate(limit as usize);
        Ok(days)
    }

    async fn replace_counts(&self, was: Vec<DailyCount>, to: Vec<DailyCount>) -> Result<bool, Fault> {
        let mut tables = self.tables();
        let is_as_it_was = |count: &DailyCount| {
            tables.daily_counts.get(&count.key).is_some_and(|(known, _)| *known == count.count)
        };
        if !was.iter().all(is_as_it_was) {
            return Ok(false);
        }
        for count in was {
            tables.daily_counts.remove(&count.key);
        }
        tables.daily_counts.extend(to.into_iter().map(|count| (count.key, (count.count, count.detail))));
        Ok(true)
    }
}

//! What is counted by the day: each run's own sums.

use std::ops::RangeInclusive;

use async_trait::async_trait;
use uuid::Uuid;

use super::Slice;
use crate::day::Day;
use crate::error::Fault;

/// One run of one node: everything that counts takes a new one each time that it starts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RunId(pub Uuid);

impl RunId {
    /// Of sums that were those of several runs.
    pub const FOLDED: Self = Self(Uuid::nil());
}

/// What a sum is of.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CountKey {
    /// On which day it was counted.
    pub day: Day,
    /// What was counted.
    pub name: String,
    /// Which kind of it; empty where there is but one.
    pub label: String,
    /// By which run.
    pub run: RunId,
}

/// A run's own sum for a day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DailyCount {
    /// What it is of.
    pub key: CountKey,
    /// How many.
    pub count: u64,
    /// What more belongs to that count.
    pub detail: Option<Vec<u8>>,
}

/// Keeps what is counted by the day.
#[async_trait]
pub trait DailyCounts: Send + Sync {
    /// Writes sums, all of them or none. Where one is known already, the greater count stays with what belongs to it, and of
    /// two that are as great the later: so a write whose answer was lost is repeated, and counts once. No key twice.
    async fn write_counts(&self, counts: Vec<DailyCount>) -> Result<(), Fault>;

    /// The sums of these days, in the order of their keys.
    async fn daily_counts(
        &self,
        days: RangeInclusive<Day>,
        slice: Slice<CountKey>,
    ) -> Result<Vec<DailyCount>, Fault>;

    /// Days up to `until` of which there are sums of single runs, in their order.
    async fn unfolded(&self, until: Day, limit: u32) -> Result<Vec<Day>, Fault>;

    /// Puts some sums in the place of others, where each of those is as it was; otherwise nothing changes, and it is `false`.
    async fn replace_counts(&self, was: Vec<DailyCount>, to: Vec<DailyCount>) -> Result<bool, Fault>;
}

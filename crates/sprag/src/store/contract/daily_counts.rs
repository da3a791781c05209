//! What is counted by the day.

use std::sync::Arc;

use tokio::task::JoinSet;
use uuid::Uuid;

use super::Subject;
use super::world::World;
use crate::day::Day;
use crate::store::{CountKey, DailyCount, RunId, Slice};

const TODAY: Day = Day(20_786);

fn run(number: u128) -> RunId {
    RunId(Uuid::from_u128(number))
}

fn of(day: Day, name: &str, label: &str, by: RunId, count: u64) -> DailyCount {
    let key = CountKey { day, name: name.to_owned(), label: label.to_owned(), run: by };
    DailyCount { key, count, detail: None }
}

impl World {
    async fn write(&self, counts: &[DailyCount]) {
        self.store().write_counts(counts.to_vec()).await.expect("write_counts");
    }

    /// All that was counted, read in slices of so many.
    async fn counted(&self, from: Day, until: Day, rows: u32) -> Vec<DailyCount> {
        let mut all: Vec<DailyCount> = Vec::new();
        loop {
            let slice = Slice::after(all.last().map(|last| last.key.clone()), rows);
            let more = self.store().daily_counts(from..=until, slice).await.expect("daily_counts");
            let is_last = more.len() < rows as usize;
            all.extend(more);
            if is_last {
                return all;
            }
        }
    }

    async fn replace(&self, was: &[DailyCount], to: &[DailyCount]) -> bool {
        self.store().replace_counts(was.to_vec(), to.to_vec()).await.expect("replace_counts")
    }
}

pub(super) async fn a_sum_that_is_written_again_counts_once_and_never_shrinks(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let mut counts = vec![
        of(TODAY, "ended", "logout", run(1), 3),
        of(TODAY, "ended", "logout", run(2), 4),
        of(TODAY, "ended", "reuse", run(1), u64::from(u32::MAX) * 7),
        of(TODAY, "live", "", run(1), 5),
    ];
    counts[3].detail = Some(vec![0, 255, 7]);
    world.write(&counts).await;
    world.write(&counts).await;
    assert_eq!(world.counted(TODAY, TODAY, 100).await, counts, "a write that is repeated");
    let late = [of(TODAY, "ended", "logout", run(1), 2), of(TODAY, "live", "", run(1), 4)];
    world.write(&late).await;
    assert_eq!(
        world.counted(TODAY, TODAY, 100).await,
        counts,
        "one that comes late, with what belongs to it"
    );
    counts[0].count = 9;
    counts[3].detail = Some(vec![1]);
    world.write(&[counts[0].clone(), counts[3].clone()]).await;
    assert_eq!(world.counted(TODAY, TODAY, 100).await, counts, "and one that knows more");
    world.write(&[]).await;
}

pub(super) async fn what_was_counted_is_read_day_by_day_in_slices(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let mut counts = Vec::new();
    for day in [-1, 0, 1, 2] {
        for (name, label) in
            [("ended", "logout"), ("ended", "logout_all"), ("ended_", "a"), ("refreshes", "")]
        {
            for by in [RunId::FOLDED, run(1), run(u128::MAX)] {
                counts.push(of(TODAY.plus(day), name, label, by, 1));
            }
        }
    }
    let mut shuffled = counts.clone();
    shuffled.reverse();
    world.write(&shuffled).await;
    for rows in [1, 5, 12, 100] {
        assert_eq!(world.counted(TODAY.plus(-9), TODAY.plus(9), rows).await, counts, "slices of {rows}");
        assert_eq!(world.counted(TODAY, TODAY.plus(1), rows).await, counts[12..36], "slices of {rows}");
    }
    assert_eq!(world.counted(TODAY.plus(3), TODAY.plus(9), 5).await, []);
    let unfolded = async |until, limit| world.store().unfolded(until, limit).await.expect("unfolded");
    assert_eq!(unfolded(TODAY, 100).await, [TODAY.plus(-1), TODAY]);
    assert_eq!(unfolded(TODAY.plus(9), 3).await, [TODAY.plus(-1), TODAY, TODAY.plus(1)]);
    let of_yesterday: Vec<_> =
        counts[..12].iter().filter(|count| count.key.run != RunId::FOLDED).cloned().collect();
    assert!(world.replace(&of_yesterday, &[]).await);
    assert_eq!(unfolded(TODAY, 100).await, [TODAY], "sums of many runs are folded");
}

pub(super) async fn sums_are_replaced_all_or_none_and_once(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let was = [of(TODAY, "ended", "logout", run(1), 3), of(TODAY, "ended", "logout", run(2), 4)];
    let folded = of(TODAY, "ended", "logout", RunId::FOLDED, 7);
    world.write(&was).await;
    let moved_on = [was[0].clone(), of(TODAY, "ended", "logout", run(2), 5)];
    let gone = [was[0].clone(), of(TODAY, "ended", "logout", run(3), 5)];
    for stale in [&moved_on, &gone] {
        assert!(!world.replace(stale, std::slice::from_ref(&folded)).await, "{stale:?}");
        assert_eq!(world.counted(TODAY, TODAY, 9).await, was, "nothing has changed");
    }
    let mut folding = JoinSet::new();
    for _ in 0..8 {
        let (world, was, folded) = (Arc::clone(&world), was.clone(), folded.clone());
        folding.spawn(async move { world.replace(&was, &[folded]).await });
    }
    let done = folding.join_all().await.into_iter().filter(|is_done| *is_done).count();
    assert_eq!(done, 1, "however many try");
    assert_eq!(world.counted(TODAY, TODAY, 9).await, std::slice::from_ref(&folded));
    let again = [folded.clone(), of(TODAY, "ended", "logout", run(4), 2)];
    world.write(&again[1..]).await;
    let both = of(TODAY, "ended", "logout", RunId::FOLDED, 9);
    assert!(world.replace(&again, std::slice::from_ref(&both)).await, "one in whose place it stands itself");
    assert_eq!(world.counted(TODAY, TODAY, 9).await, [both]);
}

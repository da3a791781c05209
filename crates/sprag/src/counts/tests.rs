use std::time::Duration;

use super::*;
use crate::clock::HandClock;
use crate::error::Refusal;
use crate::store::memory::MemoryStore;
use crate::store::{CountKey, DailyCount, DailyCounts as _};

/// 2026-11-21T23:59:50Z.
const BEFORE_MIDNIGHT: Timestamp = Timestamp(1_795_305_590_000);

fn counts() -> (Arc<HandClock>, Counts) {
    let clock = Arc::new(HandClock::at(BEFORE_MIDNIGHT));
    (Arc::clone(&clock), Counts::new(Uuid::from_u128(1), clock))
}

fn account(number: u128) -> AccountId {
    AccountId(Uuid::from_u128(number))
}

async fn told(store: &MemoryStore, since: Day, until: Day, now: Timestamp) -> Report {
    report(store, (since, until), By::Day, now).await.unwrap()
}

#[tokio::test]
async fn what_happens_around_midnight_counts_for_its_own_day_however_late_it_is_told() {
    let ((clock, counts), store) = (counts(), MemoryStore::new());
    let today = Day::of(clock.now());
    for second in 0..20 {
        let at = BEFORE_MIDNIGHT.plus(Duration::from_secs(second));
        counts.refreshed(account(u128::from(second)), second % 4 != 0, at);
    }
    // One that began before midnight and is answered after it.
    counts.refreshed(account(99), true, BEFORE_MIDNIGHT);
    clock.wind(Duration::from_secs(20));
    counts.write(&store, false).await.unwrap();
    counts.refreshed(account(98), true, BEFORE_MIDNIGHT);
    counts.write(&store, false).await.unwrap();
    let report = told(&store, today, today.plus(1), clock.now()).await;
    let found: Vec<_> =
        report.rows.iter().map(|row| (row.refreshes, row.refreshes_repeated, row.active_accounts)).collect();
    assert_eq!(found, [(12, 3, 12), (10, 2, 10)]);
    assert_eq!(report.total.active_accounts, 22);
}

#[tokio::test]
async fn a_clock_that_goes_back_loses_nothing() {
    let ((clock, counts), store) = (counts(), MemoryStore::new());
    let today = Day::of(clock.now());
    for days in [0, 2, 0, 1, 2, 0] {
        let at = BEFORE_MIDNIGHT.minus(Duration::from_secs(days * 86_400));
        counts.refreshed(account(u128::from(days)), true, at);
    }
    counts.write(&store, false).await.unwrap();
    let report = told(&store, today.plus(-1), today, clock.now()).await;
    let found: Vec<_> = report.rows.iter().map(|row| (row.refreshes, row.active_accounts)).collect();
    assert_eq!(found, [(1, 1), (3, 1)]);
}

#[tokio::test]
async fn what_could_not_be_written_for_days_is_lost_and_said_to_be() {
    let ((clock, counts), store) = (counts(), MemoryStore::new());
    let today = Day::of(clock.now());
    counts.new_device();
    clock.wind(Duration::from_secs(86_400));
    counts.login_refused("credentials_invalid");
    assert_eq!(
        counts.write(&store, false).await.unwrap().lost_days,
        0,
        "of yesterday it may still be written"
    );
    clock.wind(Duration::from_secs(2 * 86_400));
    counts.new_device();
    clock.wind(Duration::from_secs(2 * 86_400));
    assert_eq!(counts.write(&store, false).await.unwrap().lost_days, 1, "and of the day before no more");
    let report = told(&store, today, Day::of(clock.now()), clock.now()).await;
    let devices: Vec<_> = report.rows.iter().map(|row| row.new_devices).collect();
    assert_eq!(devices, [1, 0, 0, 0, 0, 0]);
}

#[tokio::test]
async fn a_run_that_counted_nothing_and_ends_writes_nothing() {
    let ((_, counts), store) = (counts(), MemoryStore::new());
    counts.write(&store, true).await.unwrap();
    let all = store.daily_counts(Day(0)..=Day(i32::MAX), crate::store::Slice::first(9)).await.unwrap();
    assert_eq!(all, [], "as a command that only looks");
}

#[tokio::test]
async fn a_report_is_complete_until_its_slowest_node_wrote_and_says_who_was_killed() {
    let ((clock, one), store) = (counts(), MemoryStore::new());
    let other = Counts::new(Uuid::from_u128(2), Arc::clone(&clock) as Arc<dyn Clock>);
    let killed = Counts::new(Uuid::from_u128(3), Arc::clone(&clock) as Arc<dyn Clock>);
    clock.wind(Duration::from_secs(3600));
    let today = Day::of(clock.now());
    let begun = clock.now();
    for counts in [&one, &other, &killed] {
        counts.write(&store, false).await.unwrap();
    }
    for _ in 0..5 {
        clock.wind(Duration::from_secs(40));
        one.write(&store, false).await.unwrap();
    }
    other.write(&store, false).await.unwrap();
    let slowest = clock.now();
    clock.wind(Duration::from_secs(30));
    one.write(&store, false).await.unwrap();
    let report = told(&store, today, today, clock.now()).await;
    assert_eq!(report.complete_until, slowest);
    let gap =
        Gap { day: today, nodes: 1, from: Some(begun), until: Some(begun.plus(Duration::from_secs(60))) };
    assert_eq!(report.gaps, [gap]);
    one.new_device();
    one.write(&store, true).await.unwrap();
    other.write(&store, true).await.unwrap();
    clock.wind(Duration::from_secs(600));
    let report = told(&store, today, today, clock.now()).await;
    assert_eq!(
        (report.complete_until, report.gaps.len()),
        (clock.now(), 1),
        "who ended in order left nothing out"
    );
}

#[tokio::test]
async fn periods_are_days_weeks_or_months_and_none_is_left_out() {
    let store = MemoryStore::new();
    let (since, until): (Day, Day) = ("2026-10-20".parse().unwrap(), "2026-11-21".parse().unwrap());
    let run = RunId(Uuid::from_u128(1));
    let key = |day, name: &str| CountKey { day, name: name.to_owned(), label: String::new(), run };
    let days = (since.0 - 1..=until.0 + 1).map(Day);
    let of_day = |day: Day| DailyCount { key: key(day, LOGINS), count: 1, detail: None };
    store.write_counts(days.map(of_day).collect()).await.unwrap();
    let told = async |by| {
        let report = report(&store, (since, until), by, until.begins()).await.unwrap();
        assert_eq!(report.total.logins, 33);
        report.rows.iter().map(|row| (row.from.to_string(), row.logins)).collect::<Vec<_>>()
    };
    assert_eq!(told(By::Day).await.len(), 33);
    let row = |from: &str, logins| (from.to_owned(), logins);
    assert_eq!(told(By::Month).await, [row("2026-10-20", 12), row("2026-11-01", 21)]);
    assert_eq!(
        told(By::Week).await,
        [
            row("2026-10-20", 6),
            row("2026-10-26", 7),
            row("2026-11-02", 7),
            row("2026-11-09", 7),
            row("2026-11-16", 6)
        ]
    );
}

#[tokio::test]
async fn labels_that_come_from_outside_are_few_and_name_nobody() {
    let ((clock, counts), store) = (counts(), MemoryStore::new());
    let today = Day::of(clock.now());
    for country in [Some("de"), Some("DE"), Some("ann@example.org"), Some("<b"), Some(""), None] {
        counts.login_from(country);
    }
    counts.refresh_refused(&Error::Refused(Refusal::TokenInvalid), clock.now());
    counts.write(&store, false).await.unwrap();
    let row = told(&store, today, today, clock.now()).await.total;
    assert_eq!(row.login_countries, [("DE".to_owned(), 2), ("other".to_owned(), 4)].into());
    assert_eq!(row.refused_refreshes, [("token_invalid".to_owned(), 1)].into());
}

//! The report of a known history is what a naive count of that history gives: on two nodes, one of which is killed.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::sync::Arc;
use std::time::Duration;

use sprag::counts::By;
use sprag::day::Day;
use sprag::store::memory::MemoryStore;
use sprag::store::{RunId, Slice, Store};

mod history;

use history::{History, START};

#[tokio::test(flavor = "multi_thread")]
async fn the_report_is_what_a_naive_count_gives_in_memory() {
    let store = Arc::new(MemoryStore::new());
    tell(Arc::clone(&store) as Arc<dyn Store>, store).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread")]
async fn the_report_is_what_a_naive_count_gives_on_sqlite() {
    use sprag::store::sqlite::{Settings, SqliteStore};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sprag.db");
    SqliteStore::migrate(&path).unwrap();
    let open = || {
        let patient = Duration::from_secs(120);
        let settings = Settings {
            deadline: patient,
            busy_timeout: patient,
            restamp_after: patient,
            ..Settings::default()
        };
        Arc::new(SqliteStore::open(&path, settings).unwrap())
    };
    tell(open(), open()).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread")]
async fn the_report_is_what_a_naive_count_gives_with_two_nodes_on_postgresql() {
    use sprag::store::postgres::{PostgresStore, Settings};
    let database = sprag_rig::Postgres::shared().fresh_database();
    let patient = Duration::from_secs(120);
    let settings = || Settings {
        deadline: patient,
        pool_wait: patient,
        restamp_after: patient,
        connect_timeout: patient,
        ..Settings::new(database.url().parse().unwrap())
    };
    PostgresStore::migrate(&settings()).await.unwrap();
    let (one, other) =
        (PostgresStore::open(settings()).await.unwrap(), PostgresStore::open(settings()).await.unwrap());
    tell(Arc::new(one), Arc::new(other)).await;
}

/// Twenty minutes around midnight on two nodes, one of which is killed and comes back.
async fn tell(one: Arc<dyn Store>, other: Arc<dyn Store>) {
    let mut history = History::begin(one, other).await;
    for step in 0..170 {
        history.step(step).await;
        if step == 93 {
            history.kill_second_node();
        }
        if step == 110 {
            history.start_second_node();
        }
        if step % 40 == 39 {
            history.sweep().await;
        }
    }
    assert!(!history.lost().is_empty(), "the killed node had counted something");
    history.leave().await;

    let (first, last) = (Day::of(START), Day::of(START).plus(1));
    let report = history.report(first, last, By::Day).await;
    assert_eq!(report.rows.len(), 2);
    for row in &report.rows {
        history.expect_naive(row);
    }
    assert_eq!(report.complete_until, history.now(), "nobody counts any more, and all that left is written");
    let gaps = &report.gaps;
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    let (from, until) = (gaps[0].from.unwrap(), gaps[0].until.unwrap());
    assert_eq!(from, history.last_write_of_the_killed());
    assert_eq!(until.millis_since(from), 60_000, "at most a minute is missing");
    let killed_at = history.killed_at();
    assert!(from <= killed_at && killed_at <= until, "and it is the one in which the node was killed");

    folded(&history, first, last).await;
}

/// Days later each count has one row, and the report says the same.
async fn folded(history: &History, first: Day, last: Day) {
    let before = history.report(first, last, By::Day).await;
    let week = history.report(first.plus(-40), last.plus(40), By::Month).await;
    assert_eq!(history.fold().await, 0, "nodes may still add to these days");
    history.wind(Duration::from_secs(4 * 86_400));
    assert_eq!(history.fold().await, 2);
    let counts = history.store().daily_counts(first..=last, Slice::first(1000)).await.unwrap();
    assert!(counts.iter().all(|count| count.key.run == RunId::FOLDED), "{counts:?}");
    let after = history.report(first, last, By::Day).await;
    assert_eq!(after.rows, before.rows);
    assert_eq!(history.report(first.plus(-40), last.plus(40), By::Month).await.rows, week.rows);
    assert_eq!(
        (after.gaps[0].nodes, after.gaps[0].from),
        (1, None),
        "that something is missing is remembered"
    );
    assert_eq!(history.fold().await, 0, "once");
}

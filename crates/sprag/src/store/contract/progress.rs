//! How far the store has come. A store that does not outlive its process says nothing of it.

use std::sync::Arc;
use std::time::Duration;

use super::Subject;
use super::world::{NOW, World};
use crate::clock::Timestamp;
use crate::outages::{Mark, Marking, NodeId};
use crate::store::{BudgetKey, Rate, Store, Wanted};

/// What is known once everything is counted.
async fn counted(store: &dyn Store) -> Option<u64> {
    store.count_commits().await.expect("count");
    let read = store.read_progress().await.expect("read")?;
    let followed = *store.progress().expect("whoever counts can be followed").borrow();
    assert_eq!(
        (followed.store, followed.position, followed.went_back_at),
        (read.store, read.position, read.went_back_at),
        "what is followed is what stands in the store"
    );
    Some(read.position)
}

pub(super) async fn what_is_committed_moves_the_store_on_and_what_nobody_misses_does_not(
    subject: Arc<dyn Subject>,
) {
    let world = World::of(Arc::clone(&subject));
    let store = subject.store();
    let Some(before) = counted(store).await else { return };
    world.person().await;
    let after = counted(store).await.expect("it counts");
    assert!(after > before, "{before} to {after}");
    let node = NodeId(uuid::Uuid::from_u128(1));
    let mark = Mark { node, place: String::new(), moved_at: NOW, clock_off_by: None };
    store.mark(Marking { mark: Some(mark), ..Marking::default() }).await.expect("mark");
    assert_eq!(counted(store).await, Some(after), "a mark of life may be lost without a word");
    let rate = Rate { burst: 1, interval: Duration::from_secs(1) };
    let wanted = [1, 2].map(|number| Wanted { key: BudgetKey([number; 16]), rate });
    store.reserve(wanted.to_vec(), NOW).await.expect("reserve");
    store.sweep_budgets(NOW).await.expect("sweep");
    assert_eq!(counted(store).await, Some(after), "nor is what was reserved missed");
}

pub(super) async fn a_store_counts_on_beyond_what_was_seen_and_remembers_since_when(
    subject: Arc<dyn Subject>,
) {
    let store = subject.store();
    let Some(before) = counted(store).await else { return };
    for (seen, went_back_at) in [(before + 100, Some(Timestamp(7))), (before, None)] {
        store.count_on(seen, went_back_at).await.expect("count on");
        let read = store.read_progress().await.expect("read").expect("it counts");
        assert!(read.position > before + 100, "{} is not beyond {}", read.position, before + 100);
        assert_eq!(read.went_back_at, went_back_at);
        assert_eq!(counted(store).await, Some(read.position));
    }
}

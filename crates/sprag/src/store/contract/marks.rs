//! When nodes served, and when they could not.

use std::sync::Arc;

use tokio::task::JoinSet;
use uuid::Uuid;

use super::Subject;
use super::world::{NOW, SECOND, World};
use crate::outages::{Mark, Marked, Marking, NodeId, Outage};

fn node(number: u128) -> NodeId {
    NodeId(Uuid::from_u128(number))
}

fn mark(number: u128, seconds: u32) -> Mark {
    let moved_at = NOW.plus(SECOND * seconds);
    Mark { node: node(number), place: format!("place {number}"), moved_at, clock_off_by: None }
}

fn outage(number: u128, from: u32, until: u32) -> Outage {
    Outage { node: node(number), from: NOW.plus(SECOND * from), until: NOW.plus(SECOND * until) }
}

impl World {
    async fn marked(&self) -> Marked {
        let mut marked = self.store().marked().await.expect("marked");
        marked.marks.sort_by_key(|mark| mark.node);
        marked.outages.sort_by_key(|outage| (outage.node, outage.from));
        marked
    }

    async fn mark(&self, marking: Marking) {
        self.store().mark(marking).await.expect("mark");
    }
}

pub(super) async fn a_mark_moves_and_goes_with_its_node(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    assert_eq!(world.marked().await, Marked::default());
    for moved in [mark(1, 0), mark(2, 1), Mark { clock_off_by: Some(-3_600_000), ..mark(1, 2) }] {
        world.mark(Marking { mark: Some(moved), ..Marking::default() }).await;
    }
    let first = Mark { clock_off_by: Some(-3_600_000), ..mark(1, 2) };
    assert_eq!(world.marked().await.marks, [first, mark(2, 1)]);
    let back = Mark { place: "elsewhere".to_owned(), ..mark(1, 1) };
    world.mark(Marking { mark: Some(back.clone()), ..Marking::default() }).await;
    assert_eq!(world.marked().await.marks, [back.clone(), mark(2, 1)], "also back, as a clock may go");
    world.mark(Marking { mark: None, forgets: vec![node(2), node(3)], ..Marking::default() }).await;
    assert_eq!(world.marked().await.marks, [back]);
}

pub(super) async fn an_outage_is_noted_once_and_only_grows(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    for outages in [vec![outage(1, 0, 5), outage(2, 0, 3)], vec![outage(1, 0, 9)], vec![outage(1, 0, 7)]] {
        world.mark(Marking { outages, ..Marking::default() }).await;
    }
    assert_eq!(world.marked().await.outages, [outage(1, 0, 9), outage(2, 0, 3)]);
    let last = outage(3, 9, 9);
    world
        .mark(Marking { outages: vec![last], forgets_before: NOW.plus(SECOND * 4), ..Marking::default() })
        .await;
    assert_eq!(world.marked().await.outages, [outage(1, 0, 9), last], "what was over before is forgotten");
}

pub(super) async fn nodes_move_their_marks_at_once(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let mut nodes = JoinSet::new();
    for number in 1..=6 {
        let world = Arc::clone(&world);
        nodes.spawn(async move {
            for second in 0..8 {
                let outages = vec![outage(number, second, second + 1)];
                world.mark(Marking { mark: Some(mark(number, second)), outages, ..Marking::default() }).await;
            }
        });
    }
    nodes.join_all().await;
    let marked = world.marked().await;
    assert_eq!(marked.marks, (1..=6).map(|number| mark(number, 7)).collect::<Vec<_>>());
    assert_eq!(marked.outages.len(), 48);
}

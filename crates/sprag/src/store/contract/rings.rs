//! Which key rings the tokens were made with.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::Subject;
use super::world::{NOW, World};
use crate::keys::Fingerprint;

fn ring(keys: &[u8]) -> Vec<Fingerprint> {
    keys.iter().map(|key| Fingerprint([*key; 16])).collect()
}

impl World {
    async fn admits(&self, keys: &[u8]) -> bool {
        self.store().admit(ring(keys), NOW).await.expect("admit")
    }
}

pub(super) async fn the_first_ring_is_admitted_and_whichever_shares_a_key(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    assert!(world.admits(&[]).await, "no ring is known yet, and none has been noted");
    assert!(world.admits(&[1]).await);
    assert!(world.admits(&[1]).await, "once more, as after a restart");
    assert!(!world.admits(&[2]).await);
    assert!(!world.admits(&[]).await);
    assert!(!world.admits(&[2]).await, "a ring that was refused was not noted");
    assert!(world.admits(&[1, 2]).await, "a key was added to the ring");
    assert!(world.admits(&[2, 3]).await, "and the first one left it");
    assert!(world.admits(&[3]).await);
    assert!(!world.admits(&[4, 5]).await);
}

pub(super) async fn of_two_first_rings_one_is_admitted(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let mut starts = JoinSet::new();
    for key in 1..=8 {
        let world = Arc::clone(&world);
        starts.spawn(async move { world.admits(&[key]).await });
    }
    let admitted = starts.join_all().await.into_iter().filter(|is_admitted| *is_admitted).count();
    assert_eq!(admitted, 1);
}

pub(super) async fn a_ring_that_replaces_takes_the_place_of_all_others(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    assert!(world.admits(&[1, 2]).await);
    world.store().replace(ring(&[3, 4]), NOW).await.expect("replace");
    assert!(!world.admits(&[1, 2]).await);
    assert!(world.admits(&[4]).await && world.admits(&[3]).await);
}

//! Numbers that new accounts are known by.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::Subject;
use super::world::{PROFILE, World};
use crate::account::{External, Name};
use crate::session::ProfileId;
use crate::store::{MAX_NUMBER, Numbering};

const OTHER: ProfileId = ProfileId(8);
const FLOOR: u64 = 1_000_000;

impl World {
    async fn next(&self, profile: ProfileId, floor: u64) -> u64 {
        self.store().next_number(profile, floor).await.expect("next_number")
    }

    async fn numbering(&self, profile: ProfileId) -> Option<Numbering> {
        self.store().numbering(profile).await.expect("numbering")
    }
}

pub(super) async fn numbers_begin_above_the_floor_and_each_profile_has_its_own(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    assert_eq!(world.numbering(PROFILE).await, None);
    assert_eq!(world.next(PROFILE, FLOOR).await, FLOOR + 1);
    assert_eq!(world.next(PROFILE, FLOOR).await, FLOOR + 2);
    assert_eq!(world.next(OTHER, 7).await, 8, "another profile counts for itself");
    assert_eq!(world.next(PROFILE, FLOOR).await, FLOOR + 3);
    assert_eq!(world.numbering(PROFILE).await, Some(Numbering { floor: FLOOR, last: FLOOR + 3 }));
    assert_eq!(world.numbering(OTHER).await, Some(Numbering { floor: 7, last: 8 }));
}

pub(super) async fn a_raised_floor_is_jumped_to_and_a_lower_one_changes_nothing(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let raised = world.store().raise_floor(PROFILE, FLOOR).await.expect("raise_floor");
    assert_eq!(raised, Numbering::above(FLOOR));
    assert_eq!(world.next(PROFILE, FLOOR).await, FLOOR + 1);
    let raised = world.store().raise_floor(PROFILE, 7).await.expect("raise_floor");
    assert_eq!(raised, Numbering { floor: FLOOR, last: FLOOR + 1 }, "a floor is never lowered");
    assert_eq!(world.next(PROFILE, 7).await, FLOOR + 2);
    assert_eq!(world.next(PROFILE, 2 * FLOOR).await, 2 * FLOOR + 1, "a node that knows of a higher one");
    assert_eq!(world.next(PROFILE, FLOOR).await, 2 * FLOOR + 2, "and one that does not yet");
    let raised = world.store().raise_floor(PROFILE, 3 * FLOOR).await.expect("raise_floor");
    assert_eq!(raised, Numbering::above(3 * FLOOR));
    assert_eq!(world.next(PROFILE, FLOOR).await, 3 * FLOOR + 1);
}

pub(super) async fn however_many_ask_no_number_is_handed_out_twice(subject: Arc<dyn Subject>) {
    const ASKING: u64 = 64;
    const EACH: u64 = 8;
    let world = World::of(subject);
    let mut asking = JoinSet::new();
    for asker in 0..ASKING {
        let world = Arc::clone(&world);
        asking.spawn(async move {
            let mut got = Vec::new();
            for _ in 0..EACH {
                // Nodes that were told of different floors, as while one is raised.
                got.push(world.next(PROFILE, FLOOR + asker % 3).await);
            }
            got
        });
    }
    let got: Vec<u64> = asking.join_all().await.into_iter().flatten().collect();
    let distinct: BTreeSet<u64> = got.iter().copied().collect();
    assert_eq!(distinct.len() as u64, ASKING * EACH, "one was handed out twice");
    assert!(distinct.first().is_some_and(|least| *least > FLOOR), "one is not above the floor");
    let last = world.numbering(PROFILE).await.map(|numbering| numbering.last);
    assert_eq!(distinct.last().copied(), last);
}

pub(super) async fn where_no_number_is_left_none_is_handed_out(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    assert_eq!(world.next(PROFILE, MAX_NUMBER - 2).await, MAX_NUMBER - 1);
    assert_eq!(world.next(PROFILE, 0).await, MAX_NUMBER);
    for floor in [0, MAX_NUMBER - 1, MAX_NUMBER, u64::MAX] {
        assert!(world.store().next_number(PROFILE, floor).await.is_err(), "above {floor}");
    }
    assert!(world.store().raise_floor(OTHER, MAX_NUMBER).await.is_err());
    assert_eq!(world.numbering(OTHER).await, None);
}

pub(super) async fn the_highest_number_is_found_whoever_gave_it(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let highest = async |profile| world.store().highest_number(profile).await.expect("highest_number");
    assert_eq!(highest(PROFILE).await, None);
    let keys = [
        (PROFILE, "41"),
        (PROFILE, "9"),
        (PROFILE, "-50"),
        (PROFILE, "507f1f77bcf86cd799439011"),
        (PROFILE, "60 "),
        (PROFILE, "99999999999999999999999999"),
        (OTHER, "77"),
        (ProfileId(71), "88"),
    ];
    for (profile, key) in keys {
        let mut stranger = world.stranger();
        stranger.names.push(Name::external(profile, key).expect("a key"));
        stranger.account.particulars.external = Some(External { profile, id: key.to_owned() });
        assert!(world.create(stranger).await.expect("create"), "{key}");
    }
    assert_eq!(highest(PROFILE).await, Some(41));
    assert_eq!(highest(OTHER).await, Some(77));
    assert_eq!(highest(ProfileId(1)).await, None);
}

//! A database that went back in time: restored backups and lost commits (T11, T12).

use crate::call::Call;
use crate::people::{ME, Way};
use crate::verdicts::generation_of;
use crate::world::{W, World};

#[tokio::test]
async fn t11_a_restored_backup_logs_nobody_out_and_raises_an_alarm() {
    for way in Way::BOTH {
        let world = World::new();
        let ann = world.ann().await;
        let mut device = ann.logs_in_by(way).await;
        device.refreshes().await.is(200);
        let backup = world.backs_up();
        for _ in 0..3 {
            device.turns().await;
        }
        let spent = device.refresh.clone();
        device.turns().await;
        assert_eq!(generation_of(&world, &device.refresh), 5);

        world.restores(&backup);
        assert_eq!(device.row().await.generation.0, 1);
        let journal = ann.journal().await;
        let lost = device.presents(&device.refresh).await.is(200);
        let again = device.presents(&device.refresh).await.is(200);
        assert_eq!(lost.refresh_token(), again.refresh_token(), "from here on all is as ever");
        device.keeps(&again);
        assert_eq!(device.row().await.generation.0, 6);
        assert_eq!(ann.journal_since(&journal).await, ["critical ahead_adopted"]);
        let ready = world.sends(Call::get("/readyz")).await.is(200);
        assert_eq!(ready.field("state_regressions"), "1");
        device.asks(ME).await.is(200);

        world.winds(W + 1);
        device.presents(&spent).await.refused(401, "session_ended").because("reuse");
    }
}

#[tokio::test]
async fn t11_where_the_profile_refuses_it_a_restored_backup_ends_the_sessions_it_finds_ahead() {
    let world = World::with(&[("ahead = \"fast_forward\"", "ahead = \"refuse\"")]);
    let ann = world.ann().await;
    let (mut phone, mut laptop) = (ann.logs_in().await, ann.logs_in().await);
    laptop.refreshes().await.is(200);
    let backup = world.backs_up();
    phone.refreshes().await.is(200);
    world.restores(&backup);
    phone.refreshes().await.refused(401, "session_ended").because("ahead");
    assert!(laptop.is_logged_in().await, "who did not refresh since goes on");
}

#[tokio::test]
async fn t11_a_session_that_the_backup_does_not_know_is_over() {
    let world = World::new();
    let ann = world.ann().await;
    let backup = world.backs_up();
    let mut phone = ann.logs_in().await;
    world.restores(&backup);
    phone.refreshes().await.refused(401, "session_ended").because("");
    phone.asks(ME).await.refused(401, "session_ended");
}

#[tokio::test]
async fn t11_an_account_that_was_disabled_after_the_backup_was_disabled_in_vain() {
    let world = World::new();
    let ann = world.ann().await;
    let mut phone = ann.logs_in().await;
    let backup = world.backs_up();
    phone.refreshes().await.is(200);
    ann.is_disabled().await;
    world.restores(&backup);
    // Documented: a restore brings back what was ended since; whoever restores must end it again.
    phone.refreshes().await.is(200);
    ann.is_disabled().await;
    phone.refreshes().await.refused(401, "session_ended").because("disabled");
}

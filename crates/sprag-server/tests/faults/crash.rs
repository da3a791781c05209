//! The database is killed under load and comes back: clients are put off, and nothing else.

use std::thread::sleep;
use std::time::Duration;

use sprag_rig::Postgres;

use crate::crowd::{Crowd, Rhythm};
use crate::stage::{Stage, metric};

const STEADY: Rhythm = Rhythm::Each(Duration::from_millis(20));

pub(crate) fn f3_a_database_that_crashes_and_recovers_ends_no_session() {
    let database_server = Postgres::start();
    let stage = Stage::on(&database_server.fresh_database().url());
    let node = stage.node(&["--reuse-interval", "1s"]);
    let mut crowd = Crowd::log_in(&stage, &[&node], 32, 4);
    let returns = crowd.live_through(STEADY, |outside| {
        [0, 2500].map(|away_millis| {
            sleep(Duration::from_millis(1300));
            database_server.kill();
            sleep(Duration::from_millis(away_millis));
            database_server.start_again();
            let back = outside.now();
            sleep(Duration::from_millis(2000));
            back
        })
    });
    crowd.assert_unharmed(&stage, "killed twice");
    for back in returns {
        crowd.assert_back_soon(back, "killed");
    }
    assert!(crowd.count(503) > 0, "somebody should have noticed");
    assert!(crowd.rotations() > 64, "they should have rotated, not {} times", crowd.rotations());
    assert_eq!(metric(&node, "sprag_state_regressions_total"), 0);
    stage.home.verify_journal();
}

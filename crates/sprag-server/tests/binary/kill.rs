//! The server is killed under load: nothing that was acknowledged is lost, and nobody is logged out.

use std::thread::sleep;
use std::time::Duration;

use crate::SPRAG;
use crate::bad_disk::KillsInCommits;
use crate::checker::{self, Outcome};
use crate::load::{self, Kills, Plan, Trouble};
use crate::people::log_in;
use crate::random::Random;
use crate::server::Home;

const EVERYDAY: Plan =
    Plan { seed: 20_261, clients: 8, sessions: 200, operations: 3000, strikes: 4, reuse_interval: "0s" };

#[test]
fn f1_killed_in_the_midst_of_commits() {
    judged(Plan { seed: 20_260, sessions: 40, operations: 1000, strikes: 6, ..EVERYDAY }, &KillsInCommits);
}

#[test]
fn f1_killed_under_load_without_a_reuse_interval() {
    let run = judged(EVERYDAY, &Kills);
    assert!(run.rotations() > 2000, "where every refresh rotates there were {} rotations", run.rotations());
}

#[test]
fn f1_killed_under_load_with_a_reuse_interval_and_lost_answers() {
    let run = judged(Plan { seed: 20_262, reuse_interval: "10s", ..EVERYDAY }, &Kills);
    assert!(run.rotations() > 150, "each session should have rotated at least once, not {}", run.rotations());
    assert!(run.count(|attempt| attempt.outcome == Outcome::Unknown) > 50, "answers should have been lost");
}

#[test]
fn f1_killed_in_its_first_start_it_starts_the_next_time() {
    let mut random = Random::new(20_265);
    for _ in 0..20 {
        let home = Home::new(SPRAG);
        let first = home.begin(&[], &[]);
        sleep(Duration::from_micros(random.below(60_000)));
        first.kill();
        home.create_user("ann");
        let server = home.start(&[]);
        log_in(&mut server.connect(), "ann").unwrap();
    }
}

fn judged(plan: Plan, trouble: &dyn Trouble) -> load::Run {
    eprintln!("{plan:?}");
    let run = load::run(&Home::new(SPRAG), plan, trouble);
    eprintln!("{} rotations, listening again within {:?}", run.rotations(), run.slowest_restart);
    let violations = checker::check(&run.history, &run.disks);
    assert!(violations.is_empty(), "{} violations, first {:?}", violations.len(), violations.first());
    assert_eq!(run.state_regressions, 0);
    assert_eq!(run.disks.len() as u64, plan.strikes + 1, "the disk was looked at after each life");
    run
}

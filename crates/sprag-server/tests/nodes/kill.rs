//! Nodes and PostgreSQL are killed under load: nothing that was acknowledged is lost, and nobody is logged out.

use sprag_rig::Postgres;

use crate::SPRAG;
use crate::checker::{self, Outcome};
use crate::load::{self, Plan};

const EVERYDAY: Plan = Plan {
    seed: 20_261,
    clients: 48,
    sessions_per_client: 6,
    operations: 66_000,
    node_kills: 15,
    database_kills: 5,
    reuse_interval: "0s",
};

/// One after the other: both would only take turns on the same cores.
#[test]
fn f1_f3_nodes_and_database_killed_under_load_lose_nothing_and_end_nobodys_session() {
    let every = judged(EVERYDAY);
    assert!(every.rotations() > 50_000, "where every refresh rotates there were {}", every.rotations());
    let some = judged(Plan { seed: 20_262, operations: 35_000, reuse_interval: "10s", ..EVERYDAY });
    assert!(some.count(|attempt| attempt.outcome == Outcome::Unknown) > 500, "answers should have been lost");
    let asked = every.history.len() + some.history.len();
    assert!(asked >= 100_000, "this is about 100,000 operations, not {asked}");
}

fn judged(plan: Plan) -> load::Run {
    eprintln!("{plan:?}");
    let run = load::run(SPRAG, &Postgres::start(), plan);
    eprintln!(
        "{} requests in {:?}, {} rotations, {} unanswered, {} log-outs, {} ended by {} password changes; listening \
         again within {:?}, ready within {:?} of the database",
        run.history.len(),
        run.elapsed,
        run.rotations(),
        run.count(|attempt| attempt.outcome == Outcome::Unknown),
        run.count(|attempt| attempt.outcome == Outcome::Ended),
        run.count(|attempt| attempt.outcome == Outcome::PasswordChanged),
        run.disk.events.iter().filter(|(kind, ..)| kind == "password_changed").count(),
        run.slowest_restart,
        run.slowest_recovery,
    );
    let violations = checker::check(&run.history, std::slice::from_ref(&run.disk));
    assert!(violations.is_empty(), "{} violations, first {:?}", violations.len(), violations.first());
    assert_eq!(run.state_regressions, 0);
    run
}

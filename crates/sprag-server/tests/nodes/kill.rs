//! Nodes and PostgreSQL are killed under load: nothing that was acknowledged is lost, and nobody is logged out.

use sprag_rig::Postgres;
use sprag_testkit::often::often;

use crate::SPRAG;
use crate::checker::{self, Outcome};
use crate::load::{self, Plan};

/// How many operations there are in all: two thirds where every refresh rotates, one third within a reuse interval.
fn operations() -> u64 {
    often(15_000, 100_000)
}

fn plan() -> Plan {
    Plan {
        seed: 20_261,
        clients: 48,
        sessions_per_client: 6,
        operations: operations() * 2 / 3,
        node_kills: often(5, 15),
        database_kills: often(2, 5),
        reuse_interval: "0s",
    }
}

/// One after the other: both would only take turns on the same cores.
#[test]
fn f1_f3_nodes_and_database_killed_under_load_lose_nothing_and_end_nobodys_session() {
    let every = judged(plan());
    let rotations = u64::try_from(every.rotations()).unwrap();
    assert!(rotations > operations() / 2, "where every refresh rotates there were {rotations}");
    let some = judged(Plan { seed: 20_262, operations: operations() / 3, reuse_interval: "10s", ..plan() });
    let lost = u64::try_from(some.count(|attempt| attempt.outcome == Outcome::Unknown)).unwrap();
    assert!(lost > operations() / 200, "answers should have been lost, not {lost}");
    let asked = u64::try_from(every.history.len() + some.history.len()).unwrap();
    assert!(asked >= operations(), "this is about {} operations, not {asked}", operations());
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

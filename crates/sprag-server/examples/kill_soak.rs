//! Kills a server under refresh load, again and again, and judges what its clients saw: the long form of the test
//! binary's everyday run.
//!
//! `cargo run --example kill_soak -- --kills 50 --operations 100000 --seed 1`, after `cargo build`. It takes the
//! `sprag` that was built beside it. With `--database postgres` there are three nodes on one PostgreSQL, which waits
//! for the disk, and a quarter of the kills are PostgreSQL's.

use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use sprag_rig::Postgres;

use bad_disk::KillsInCommits;
use checker::Outcome;
use load::{Kills, Plan, Trouble};
use server::Home;

#[path = "../tests/binary/bad_disk.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod bad_disk;
#[path = "../tests/binary/checker.rs"]
mod checker;
#[path = "../tests/nodes/cluster.rs"]
mod cluster;
#[path = "../tests/nodes/database_state.rs"]
mod database_state;
#[path = "../tests/binary/disk_state.rs"]
mod disk_state;
#[path = "../tests/binary/load.rs"]
mod load;
#[path = "../tests/nodes/load.rs"]
mod nodes_load;
#[path = "../tests/binary/people.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod people;
#[path = "../tests/binary/random.rs"]
mod random;
#[path = "../tests/binary/server.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod server;
#[path = "../tests/binary/token.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod token;
#[path = "../tests/binary/wire.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod wire;

/// How long, and how rough.
#[derive(Debug, Parser)]
struct Soak {
    /// How often the server is killed, all in all
    #[arg(long, default_value_t = 60)]
    kills: u64,
    /// How many requests the clients make, all in all
    #[arg(long, default_value_t = 120_000)]
    operations: u64,
    /// What randomness begins with
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Whether one server is killed on its file, or three and PostgreSQL below them
    #[arg(long, value_enum, default_value_t = Database::Sqlite)]
    database: Database,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Database {
    Sqlite,
    Postgres,
}

fn main() -> ExitCode {
    let soak = Soak::parse();
    let is_sound = match soak.database {
        Database::Sqlite => on_a_file(&soak),
        Database::Postgres => on_postgres(&soak),
    };
    if is_sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn on_a_file(soak: &Soak) -> bool {
    let share = Plan {
        seed: soak.seed,
        clients: 8,
        sessions: 200,
        operations: soak.operations * 2 / 5,
        strikes: soak.kills / 3,
        reuse_interval: "0s",
    };
    let fewer = Plan { operations: soak.operations / 5, strikes: soak.kills - 2 * share.strikes, ..share };
    let parts: [(&str, Plan, &dyn Trouble); 3] = [
        ("every refresh rotates", share, &Kills),
        ("the same, killed in the midst of commits", fewer, &KillsInCommits),
        ("with a reuse interval and lost answers", Plan { reuse_interval: "10s", ..share }, &Kills),
    ];
    parts.map(|(name, plan, trouble)| part(name, plan, trouble)) == [true; 3]
}

fn on_postgres(soak: &Soak) -> bool {
    let most = nodes_load::Plan {
        seed: soak.seed,
        clients: 64,
        sessions_per_client: 16,
        operations: soak.operations * 4 / 5,
        node_kills: soak.kills * 3 / 5,
        database_kills: soak.kills / 5,
        reuse_interval: "0s",
    };
    let rest = nodes_load::Plan {
        operations: soak.operations - most.operations,
        node_kills: soak.kills * 3 / 20,
        database_kills: soak.kills / 20,
        reuse_interval: "10s",
        ..most
    };
    let parts = [("every refresh rotates", most), ("with a reuse interval and lost answers", rest)];
    parts.map(|(name, plan)| part_on_postgres(name, plan)) == [true; 2]
}

/// As [`part`], on three nodes.
fn part_on_postgres(name: &str, plan: nodes_load::Plan) -> bool {
    let postgres = Postgres::builder().set("fsync", "on").start();
    let run = nodes_load::run(&binary().display().to_string(), &postgres, plan);
    let violations = checker::check(&run.history, std::slice::from_ref(&run.disk));
    println!("{name}: {plan:?}");
    println!(
        "  {} requests in {:.0} s, {} rotations, {} answers lost or \"not now\", {} log-outs, {} password changes",
        run.history.len(),
        run.elapsed.as_secs_f64(),
        run.rotations(),
        run.count(|attempt| attempt.outcome == Outcome::Unknown),
        run.count(|attempt| attempt.outcome == Outcome::Ended),
        run.disk.events.iter().filter(|(kind, ..)| kind == "password_changed").count(),
    );
    println!(
        "  {} kills of nodes, listening again within {:.0} ms; {} of PostgreSQL, all nodes ready {:.0} ms after it",
        plan.node_kills,
        run.slowest_restart.as_secs_f64() * 1000.0,
        plan.database_kills,
        run.slowest_recovery.as_secs_f64() * 1000.0,
    );
    println!("  state regressions {}, violations {}", run.state_regressions, violations.len());
    for violation in violations.iter().take(10) {
        println!("  {:?}: {violation:?}", violation.kind);
    }
    violations.is_empty() && run.state_regressions == 0
}

/// The `sprag` that was built beside this program.
fn binary() -> std::path::PathBuf {
    let here = std::env::current_exe().expect("a program knows where it is");
    here.ancestors().nth(2).expect("an example lies below its profile's folder").join("sprag")
}

/// Runs one part and says what it came to; `true` if nothing is wrong with it.
fn part(name: &str, plan: Plan, trouble: &dyn Trouble) -> bool {
    let begun = Instant::now();
    let run = load::run(&Home::new(binary()), plan, trouble);
    let violations = checker::check(&run.history, &run.disks);
    println!("{name}: {plan:?}");
    println!(
        "  {} requests in {:.0} s, {} rotations, {} answers lost or \"not now\", {} log-outs",
        run.history.len(),
        begun.elapsed().as_secs_f64(),
        run.rotations(),
        run.count(|attempt| attempt.outcome == Outcome::Unknown),
        run.count(|attempt| attempt.outcome == Outcome::Ended),
    );
    println!(
        "  {} kills, listening again within {:.0} ms; state regressions {}, violations {}",
        run.disks.len() - 1,
        run.slowest_restart.as_secs_f64() * 1000.0,
        run.state_regressions,
        violations.len()
    );
    for violation in violations.iter().take(10) {
        println!("  {:?}: {violation:?}", violation.kind);
    }
    violations.is_empty() && run.state_regressions == 0
}

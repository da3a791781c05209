//! `sprag-bench soak`: kills a server under refresh load, again and again, and judges what its clients saw: the long form of
//! the everyday runs in `sprag-server`'s tests.
//!
//! With `--database postgres` there are three nodes on one PostgreSQL, which waits for the disk, and a quarter of the kills
//! are PostgreSQL's.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::ValueEnum;
use sprag_rig::Postgres;
use sprag_testkit::binary::bad_disk::KillsInCommits;
use sprag_testkit::binary::checker::{self, Outcome};
use sprag_testkit::binary::load::{self, Kills, Plan, Trouble};
use sprag_testkit::binary::server::Home;
use sprag_testkit::nodes::load as nodes_load;

use crate::server_binary;

/// How long, and how rough.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
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
    /// The server to kill [default: the `sprag` that was built beside this program]
    #[arg(long, value_name = "PATH")]
    server_binary: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Database {
    Sqlite,
    Postgres,
}

/// Runs it to its end. Fails if a promise was broken.
///
/// # Errors
/// There is no server to kill.
pub(crate) fn run(soak: &Args) -> anyhow::Result<ExitCode> {
    let sprag = server_binary::beside(soak.server_binary.clone())?;
    let is_sound = match soak.database {
        Database::Sqlite => on_a_file(&sprag, soak),
        Database::Postgres => on_postgres(&sprag, soak),
    };
    Ok(if is_sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn on_a_file(sprag: &Path, soak: &Args) -> bool {
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
    parts.map(|(name, plan, trouble)| part(sprag, name, plan, trouble)) == [true; 3]
}

fn on_postgres(sprag: &Path, soak: &Args) -> bool {
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
    parts.map(|(name, plan)| part_on_postgres(sprag, name, plan)) == [true; 2]
}

/// As [`part`], on three nodes.
fn part_on_postgres(sprag: &Path, name: &str, plan: nodes_load::Plan) -> bool {
    let postgres = Postgres::builder().set("fsync", "on").start();
    let run = nodes_load::run(&sprag.display().to_string(), &postgres, plan);
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

/// Runs one part and says what it came to; `true` if nothing is wrong with it.
fn part(sprag: &Path, name: &str, plan: Plan, trouble: &dyn Trouble) -> bool {
    let begun = Instant::now();
    let run = load::run(&Home::new(sprag), plan, trouble);
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

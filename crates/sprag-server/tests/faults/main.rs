//! The real binary on a real PostgreSQL that is killed, frozen, slow, full, fails over or stands behind a pooler.

#![expect(clippy::unwrap_used, reason = "these are tests")]

#[path = "../binary/people.rs"]
mod people;
#[path = "../binary/server.rs"]
#[expect(dead_code, reason = "the tests on SQLite use more of it")]
mod server;
#[path = "../binary/token.rs"]
#[expect(dead_code, reason = "the tests on SQLite use more of it")]
mod token;
#[path = "../binary/wire.rs"]
#[expect(dead_code, reason = "the tests on SQLite use more of it")]
mod wire;

mod clocks;
mod crash;
mod crowd;
mod failover;
mod frozen;
mod held;
mod pooler;
mod slow;
mod stage;
mod start;

/// The binary under test.
const SPRAG: &str = env!("CARGO_BIN_EXE_sprag");

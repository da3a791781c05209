//! The real binary, three times over one real PostgreSQL: any node answers any request, and any may go.

#![expect(clippy::unwrap_used, reason = "these are tests")]

#[path = "../binary/checker.rs"]
#[expect(dead_code, reason = "the tests of one node use more of it")]
mod checker;
mod cluster;
mod crowd;
mod database_state;
mod first_start;
mod keys;
mod kill;
mod load;
#[path = "../binary/people.rs"]
mod people;
mod races;
#[path = "../binary/random.rs"]
mod random;
mod rolling;
mod schema;
#[path = "../binary/server.rs"]
#[expect(dead_code, reason = "the tests of one node use more of it")]
mod server;
#[path = "../binary/token.rs"]
#[expect(dead_code, reason = "the tests of one node use more of it")]
mod token;
#[path = "../binary/wire.rs"]
#[expect(dead_code, reason = "the tests of one node use more of it")]
mod wire;

/// The binary under test.
const SPRAG: &str = env!("CARGO_BIN_EXE_sprag");

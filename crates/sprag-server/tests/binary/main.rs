//! The real binary, from outside: told over HTTP and by signals, killed, starved of disk, and attacked.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod end_to_end;
mod flood;
mod people;
mod server;
mod startup;
mod stop;
mod token;
mod wire;

/// The binary under test.
const SPRAG: &str = env!("CARGO_BIN_EXE_sprag");

//! The real binary, three times over one real PostgreSQL: any node answers any request, and any may go.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod crowd;
mod first_start;
mod keys;
mod kill;
mod letters;
mod numbers;
mod outages;
mod passwords;
mod races;
mod rolling;
mod schema;
mod webhooks;

use sprag_testkit::binary::{checker, late, people, random, server, token, wire};
use sprag_testkit::nodes::{cluster, load};

/// The binary under test.
const SPRAG: &str = env!("CARGO_BIN_EXE_sprag");

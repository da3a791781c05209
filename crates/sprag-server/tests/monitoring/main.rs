//! What is watched: the numbers, the alerts and the dashboard, judged by Prometheus itself.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod dashboard;
mod numbers;
mod readers;
mod requests;
mod rules;

use std::path::PathBuf;

use sprag_testkit::binary::server::Server;
use sprag_testkit::binary::wire::Request;

/// The binary under test.
const SPRAG: &str = env!("CARGO_BIN_EXE_sprag");

/// A file of the repository.
fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository(path)).unwrap()
}

/// What a server counts, in the older form.
fn scraped(server: &Server) -> String {
    let answer = server.ask(&Request::get("/metrics"));
    assert_eq!(answer.status, 200);
    String::from_utf8(answer.body).unwrap()
}

//! Clients whose answer was lost just before an outage, and what becomes of them after it.

use std::thread::sleep;
use std::time::Duration;

use crate::binary::people::{Pair, log_in, refresh};
use crate::binary::server::Server;
use crate::binary::token::facts;
use crate::binary::wire::Request;

/// Longer than the reuse interval of the servers that these clients ask, which is two seconds.
const LONGER_THAN_THE_WINDOW: Duration = Duration::from_millis(2300);

/// So many clients of one person that refreshed once and never heard of it.
pub fn unheard(server: &Server, name: &str, clients: usize) -> Vec<Pair> {
    let mut at = server.connect();
    let held: Vec<_> = (0..clients).map(|_| log_in(&mut at, name).expect("a log-in")).collect();
    for pair in &held {
        let answer = at.ask(&refresh(&pair.refresh)).expect("an answer");
        assert_eq!(answer.status, 200, "and nobody reads it");
    }
    held
}

/// All of them come with the token that they have, and are answered as if the answer had only been late.
#[track_caller]
pub fn go_on(server: &Server, held: &[Pair], what: &str) {
    let mut at = server.connect();
    for pair in held {
        let answer = at.ask(&refresh(&pair.refresh)).expect("an answer");
        assert_eq!(answer.status, 200, "{what}: {}", String::from_utf8_lossy(&answer.body));
        goes_on(pair, &Pair::of(&answer), what);
    }
}

/// The answer that was lost, given again: the next generation and no later one.
#[track_caller]
pub fn goes_on(held: &Pair, answered: &Pair, what: &str) {
    let (before, after) = (facts(&held.refresh), facts(&answered.refresh));
    assert_eq!((after.session, after.generation), (before.session, before.generation + 1), "{what}");
}

/// Once enough of service lies behind, the same is reuse.
#[track_caller]
pub fn are_found_out(server: &Server, held: &[Pair]) {
    sleep(LONGER_THAN_THE_WINDOW);
    let refused = server.ask(&refresh(&held[0].refresh));
    assert_eq!((refused.status, refused.member("cause").as_str()), (401, "reuse"), "a thief is still found");
}

/// What `/readyz` says of a clock that is not believed.
///
/// # Panics
/// Where the server is not ready: a doubtful clock is no reason to send nothing to it.
pub fn clock_off_by(server: &Server) -> Option<i64> {
    let ready = server.ask(&Request::get("/readyz"));
    assert_eq!(ready.status, 200, "a doubtful clock is no reason to send nothing here");
    ready.json()["clock_off_by_seconds"].as_i64()
}

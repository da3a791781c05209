//! People who log in again and again while somebody else disables and enables their account.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::scope;

use crate::beside::Over;
use crate::binary::people::login;
use crate::binary::server::{PASSWORD, await_some};
use crate::binary::wire::{Answer, Connection};

/// How many log-ins were let in and how many refused so far.
#[derive(Default)]
struct Seen {
    let_in: AtomicUsize,
    refused: AtomicUsize,
}

impl Seen {
    fn note(&self, answer: &Answer) {
        match answer.status {
            200 => _ = self.let_in.fetch_add(1, Ordering::Relaxed),
            401 => _ = self.refused.fetch_add(1, Ordering::Relaxed),
            // Put off: neither.
            _ => {}
        }
    }

    fn await_let_in(&self) {
        one_more(&self.let_in);
    }

    fn await_refused(&self) {
        one_more(&self.refused);
    }
}

#[track_caller]
fn one_more(counted: &AtomicUsize) {
    let before = counted.load(Ordering::Relaxed);
    await_some(|| (counted.load(Ordering::Relaxed) > before).then_some(())).expect("an answer");
}

/// Logs `name` in over each connection again and again while `change(round)` disables and enables the account, and fails
/// where somebody hears anything but that it is in, disabled, or put off.
///
/// Every second round waits for both answers: where a log-in takes longer than a round does, each of them may find the
/// account disabled at its beginning or at its end, and none would be let in.
pub fn log_in_while_disabled_and_enabled(
    people: Vec<Connection>,
    name: &str,
    rounds: usize,
    change: impl Fn(usize, &str),
) {
    let (is_over, seen) = (AtomicBool::new(false), Seen::default());
    let answers: Vec<Answer> = scope(|scope| {
        let (is_over, seen) = (&is_over, &seen);
        let person = |mut client: Connection| {
            move || {
                let mut answers = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    let answer = client.ask(&login(name, PASSWORD)).unwrap();
                    seen.note(&answer);
                    answers.push(answer);
                }
                answers
            }
        };
        let people: Vec<_> = people.into_iter().map(|client| scope.spawn(person(client))).collect();
        let over = Over(is_over);
        for round in 0..rounds {
            change(round, "disable");
            if round % 2 == 1 {
                seen.await_refused();
            }
            change(round, "enable");
            if round % 2 == 1 {
                seen.await_let_in();
            }
        }
        drop(over);
        people.into_iter().flat_map(|one| one.join().unwrap()).collect()
    });
    for answer in &answers {
        let told = (answer.status, answer.member("code"));
        let is_true = matches!(told.0, 200 | 503) || (told.0 == 401 && told.1 == "account_disabled");
        assert!(is_true, "{told:?}");
    }
}

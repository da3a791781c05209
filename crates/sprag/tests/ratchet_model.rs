//! The ratchet among tabs, a network, a thief, crashes and restored backups: every order of events there is.
//!
//! [`model::row`] runs the ratchet itself. What was checked, and how to repeat the long run, stands in
//! `docs/reference/model-check.md`.

mod model {
    pub(crate) mod check;
    pub(crate) mod questions;
    pub(crate) mod row;
    pub(crate) mod setting;
    pub(crate) mod settle;
    pub(crate) mod watch;
    pub(crate) mod world;
}

use model::check::Question;
use model::questions;

#[test]
fn every_promise_is_kept() {
    settle(questions::kept());
}

/// Known, and told in the guide; whoever closes one moves it to the promises kept.
#[test]
fn what_remains_is_what_we_say_remains() {
    settle(questions::remainders());
}

#[test]
fn planted_faults_are_found() {
    settle(questions::faults());
}

fn settle(questions: Vec<Question>) {
    for question in questions {
        let answer = question.settle(1);
        println!("{:>9} states, {:>3} deep: {}", answer.states, answer.depth, question.name);
    }
}

//! The ratchet among tabs, a network, a thief, crashes and restored backups: every order of events there is.
//!
//! [`row`] runs the ratchet itself. What was checked, and how to repeat the long run, stands in
//! `docs/reference/model-check.md`.

#[path = "model/check.rs"]
mod check;
#[path = "model/questions.rs"]
mod questions;
#[path = "model/row.rs"]
mod row;
#[path = "model/setting.rs"]
mod setting;
#[path = "model/settle.rs"]
mod settle;
#[path = "model/watch.rs"]
mod watch;
#[path = "model/world.rs"]
mod world;

use check::Question;

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

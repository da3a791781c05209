//! The checker itself: it finds what is planted, and nothing in an honest history.

use std::collections::HashMap;

use crate::checker::{Attempt, Disk, Kind, Outcome, Row, check};
use crate::token::Id;

const SESSION: Id = [7; 16];

fn attempt(life: usize, presented: u64, outcome: Outcome) -> Attempt {
    Attempt { session: SESSION, life, is_beside: false, presented, outcome }
}

fn holds(generation: u64) -> Outcome {
    Outcome::Holds { generation, text: 1000 + generation }
}

fn disk(generation: u64) -> Disk {
    let row = Row { generation, ended: None };
    Disk { rows: HashMap::from([(SESSION, row)]), integrity: "ok".into(), events: Vec::new() }
}

/// A log-in, a rotation, one whose answer was lost at the kill, the retry, a duplicate, and a token kept.
fn honest() -> (Vec<Attempt>, Vec<Disk>) {
    let mut history = vec![
        attempt(0, 0, holds(0)),
        attempt(0, 0, holds(1)),
        attempt(0, 1, Outcome::Unknown),
        attempt(1, 1, holds(2)),
        attempt(1, 2, holds(3)),
        attempt(1, 2, holds(3)),
        attempt(1, 3, holds(3)),
    ];
    history[5].is_beside = true;
    (history, vec![disk(2), disk(3)])
}

fn kinds(history: &[Attempt], disks: &[Disk]) -> Vec<Kind> {
    let mut kinds: Vec<_> = check(history, disks).into_iter().map(|violation| violation.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

#[test]
fn an_honest_history_is_left_in_peace() {
    let (history, disks) = honest();
    assert_eq!(kinds(&history, &disks), []);
}

#[test]
fn a_log_out_that_was_asked_for_is_no_false_end() {
    let (mut history, mut disks) = honest();
    history.push(attempt(1, 3, Outcome::MayHaveEnded));
    history.push(attempt(1, 3, Outcome::Ended));
    let refused = Outcome::Refused { code: "session_ended".into(), cause: "logout".into() };
    history.push(attempt(1, 3, refused));
    disks[1].rows.insert(SESSION, Row { generation: 3, ended: Some("logout".into()) });
    disks[1].events.push(("session_ended".into(), Some(SESSION), Some("logout".into())));
    assert_eq!(kinds(&history, &disks), []);
}

#[test]
fn a_change_of_the_password_is_no_false_end_but_a_log_out_instead_of_it_is() {
    let (mut history, mut disks) = honest();
    history.push(attempt(1, 3, Outcome::PasswordMayHaveChanged));
    history.push(attempt(1, 3, Outcome::PasswordChanged));
    let refused = |cause: &str| Outcome::Refused { code: "session_ended".into(), cause: cause.into() };
    history.push(attempt(1, 3, refused("password_changed")));
    let ended = |cause: &str| Row { generation: 3, ended: Some(cause.into()) };
    disks[1].rows.insert(SESSION, ended("password_changed"));
    disks[1].events.push(("session_ended".into(), Some(SESSION), Some("password_changed".into())));
    assert_eq!(kinds(&history, &disks), []);
    history.push(attempt(1, 3, refused("logout")));
    assert_eq!(kinds(&history, &disks), [Kind::FalselyEnded], "in an answer");
    history.pop();
    disks[1].rows.insert(SESSION, ended("logout"));
    assert_eq!(kinds(&history, &disks), [Kind::FalselyEnded], "in the row");
    disks[1].rows.insert(SESSION, Row { generation: 3, ended: None });
    assert_eq!(kinds(&history, &disks), [Kind::Resurrected], "not at all");
}

#[test]
fn two_successors_of_one_generation_are_a_fork() {
    let (mut history, disks) = honest();
    history[5].outcome = Outcome::Holds { generation: 3, text: 77 };
    assert_eq!(kinds(&history, &disks), [Kind::Forked]);
}

#[test]
fn a_leap_over_a_generation_is_a_fork() {
    let (mut history, disks) = honest();
    history[4].outcome = holds(4);
    assert!(kinds(&history, &disks).contains(&Kind::Forked));
}

#[test]
fn a_spent_token_that_still_works_is_an_old_branch() {
    let (mut history, disks) = honest();
    history.push(attempt(1, 1, holds(2)));
    assert_eq!(kinds(&history, &disks), [Kind::OldBranchLives]);
}

#[test]
fn a_row_that_lags_behind_an_acknowledgement_is_a_loss() {
    let (history, mut disks) = honest();
    disks[0] = disk(0);
    assert_eq!(kinds(&history, &disks), [Kind::Lost]);
}

#[test]
fn a_session_that_is_gone_from_the_disk_is_a_loss() {
    let (history, mut disks) = honest();
    disks[1].rows.clear();
    assert_eq!(kinds(&history, &disks), [Kind::Lost]);
}

#[test]
fn a_token_ahead_of_the_database_means_that_it_went_back() {
    let (history, mut disks) = honest();
    disks[1].events.push(("ahead_adopted".into(), Some(SESSION), None));
    assert_eq!(kinds(&history, &disks), [Kind::WentBack]);
}

#[test]
fn an_end_that_nobody_asked_for_is_false_wherever_it_shows() {
    let (mut history, disks) = honest();
    let refused = Outcome::Refused { code: "session_ended".into(), cause: "reuse".into() };
    history.push(attempt(1, 3, refused));
    assert_eq!(kinds(&history, &disks), [Kind::FalselyEnded], "in an answer");

    let (history, mut disks) = honest();
    disks[1].rows.insert(SESSION, Row { generation: 3, ended: Some("reuse".into()) });
    assert_eq!(kinds(&history, &disks), [Kind::FalselyEnded], "in the row");

    let (history, mut disks) = honest();
    disks[1].events.push(("session_ended".into(), Some(SESSION), Some("logout".into())));
    assert_eq!(kinds(&history, &disks), [Kind::FalselyEnded], "in the journal");
}

#[test]
fn a_session_that_lives_after_its_end_was_acknowledged_is_resurrected() {
    let (mut history, disks) = honest();
    history.push(attempt(1, 3, Outcome::Ended));
    history.push(attempt(1, 3, holds(3)));
    assert_eq!(kinds(&history, &disks), [Kind::Resurrected]);
}

#[test]
fn a_damaged_file_is_seen() {
    let (history, mut disks) = honest();
    disks[0].integrity = "row 3 missing from index".into();
    assert_eq!(kinds(&history, &disks), [Kind::Damaged]);
}

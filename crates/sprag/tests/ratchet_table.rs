//! The ratchet judges every case of the verdict table as the table says; `common/cases.rs` lists them.

mod common {
    pub(crate) mod cases;
    pub(crate) mod given;
}

use std::collections::BTreeSet;

use common::cases::Does::{self, End, Fault, Keep, Refuse, Repeat, Rotate};
use common::cases::{QUIET, all_cases};
use common::given::{Given, Where};
use sprag::policy::MAX_RETRIES;
use sprag::ratchet::{Retried, Rotation, Row, Verdict};
use sprag::session::SessionId;
use uuid::Uuid;

#[test]
fn every_case_is_judged_as_the_table_says() {
    let mut wrong = Vec::new();
    for case in all_cases() {
        let judged = case.given.judged();
        let does = said(&judged.verdict);
        if (judged.row, does, judged.notice) != (case.row, case.does, case.notice) {
            wrong.push(format!(
                "{}\n  expected {:?} {:?} {:?}\n  judged   {:?} {:?} {:?}",
                case.name, case.row, case.does, case.notice, judged.row, does, judged.notice
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_row_decides_some_case_and_every_name_is_its_own() {
    let rows: BTreeSet<_> = all_cases().iter().map(|case| case.row as u8).collect();
    assert_eq!(rows, (1..=15).collect::<BTreeSet<u8>>());

    let names: BTreeSet<_> = all_cases().iter().map(|case| case.name).collect();
    assert_eq!(names.len(), all_cases().len());
}

#[test]
fn the_hoped_rotation_applies_to_a_case_just_where_it_is_judged_current() {
    for case in all_cases() {
        let given = Given { misses: 0, ..case.given };
        if given.place != Where::Here {
            continue;
        }
        let optimistic = Rotation::optimistic(&given.token(), given.now(), &given.policy());
        let applied = optimistic.filter(|rotation| rotation.applies_to(&given.state()));
        let ordered = match given.judged() {
            judged if judged.row == Row::Current => Some(judged.verdict),
            _ => None,
        };
        assert_eq!(applied.map(Verdict::Rotate), ordered, "{}", case.name);
    }
}

/// Two requests may be judged by the same row before either is written; the second order must miss.
#[test]
fn what_was_judged_by_a_row_that_has_changed_does_not_apply() {
    let last = Given { n: 4, age: 1000, retries: MAX_RETRIES - 1, ..QUIET };
    let mut state = last.state();
    let retried = retried_by(&last);
    assert!(retried.applies_to(&state));
    retried.apply(&mut state.session);
    assert!(!retried.applies_to(&state), "a seventeenth retry");

    let foreign = Given { is_foreign: true, retries: 0, ..last };
    let mut state = foreign.state();
    let first = retried_by(&foreign);
    first.apply(&mut state.session);
    assert!(!first.applies_to(&state), "a streak counted twice in one generation");
}

#[test]
fn an_order_applies_to_no_other_session() {
    let mut other = QUIET.state();
    other.session.key.session = SessionId(Uuid::from_u128(99));
    let Verdict::Rotate(rotation) = QUIET.judged().verdict else { panic!("the newest token turns") };
    assert!(!rotation.applies_to(&other));
    assert!(!retried_by(&Given { n: 4, age: 0, ..QUIET }).applies_to(&other));
}

#[test]
fn turning_starts_the_count_of_retries_anew_and_moves_no_absolute_end() {
    let given = Given { retries: MAX_RETRIES, ..QUIET };
    let before = given.state().session;
    let Verdict::Rotate(rotation) = given.judged().verdict else { panic!("the newest token turns") };
    let mut after = before.clone();
    rotation.apply(&mut after);
    assert_eq!((after.retries, after.generation.0, after.rotated_at), (0, 6, given.now()));
    assert_eq!((after.expires_at, after.created_at), (before.expires_at, before.created_at));
}

fn retried_by(given: &Given) -> Retried {
    match given.judged().verdict {
        Verdict::Retry(retried) => retried,
        verdict => panic!("a late tab is answered again, not {verdict:?}"),
    }
}

fn said(verdict: &Verdict) -> Does {
    match verdict {
        Verdict::Refuse(denial) => Refuse(*denial),
        Verdict::Fault => Fault,
        Verdict::End(cause, denial) => End(*cause, *denial),
        Verdict::Repeat => Repeat,
        Verdict::Retry(Retried { streak, .. }) => Does::Retry(*streak),
        Verdict::Keep => Keep,
        Verdict::Rotate(rotation) => Rotate(rotation.from.0, rotation.to.0),
    }
}

//! The ratchet judges every case of the verdict table as the table says; `common/cases.rs` lists them.

mod common {
    pub(crate) mod cases;
    pub(crate) mod given;
}

use std::collections::BTreeSet;
use std::time::Duration;

use common::cases::Does::{self, Contest, End, Fault, Keep, Refuse, Rotate};
use common::cases::{QUIET, all_cases};
use common::given::{Given, Where};
use sprag::clock::Timestamp;
use sprag::policy::{MAX_RETRIES, Retry};
use sprag::ratchet::{
    Denial, LogOut, Presented, Retried, Rotation, Row, Verdict, access, at_log_out, counts_from, judged_at,
    waits,
};
use sprag::session::{EndCause, Generation, NO_INSTANCE, Session, SessionId};
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
    let mut rows: BTreeSet<_> = all_cases().iter().map(|case| case.row).collect();
    // Row 2 is the store's, and nobody is judged by it.
    assert!(rows.insert(Row::StoreFault));
    assert_eq!(rows.into_iter().collect::<Vec<_>>(), Row::ALL);

    let names: BTreeSet<_> = all_cases().iter().map(|case| case.name).collect();
    assert_eq!(names.len(), all_cases().len());
}

#[test]
fn the_optimistic_rotation_applies_to_a_case_just_where_it_is_judged_current() {
    for case in all_cases() {
        let given = Given { misses: 0, ..case.given };
        if given.place != Where::Here {
            continue;
        }
        let optimistic = Rotation::optimistic(&given.token(), given.moment(), &given.policy());
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

/// The contest is over as soon as the row's last other instance goes on.
#[test]
fn a_contest_is_noted_once_and_ends_with_the_next_rotation() {
    let taker = Given { is_foreign: true, taken: Some(5), n: 4, age: 0, retry: Retry::Refuse, ..QUIET };
    let Verdict::Contest(contest) = taker.judged().verdict else { panic!("{:?}", taker.judged()) };
    let mut state = taker.state();
    assert!(contest.applies_to(&state));
    contest.apply(&mut state.session);
    assert_eq!((state.session.contested_generation, state.session.retries), (Some(Generation(5)), 0));
    assert!(!contest.applies_to(&state), "noted once");

    let victim = Given { contested: Some(5), is_foreign: true, knows_foreign: true, ..QUIET };
    let Verdict::Rotate(rotation) = victim.judged().verdict else { panic!("{:?}", victim.judged()) };
    let mut session = victim.state().session;
    rotation.apply(&mut session);
    assert_eq!((session.contested_generation, session.generation), (None, Generation(6)));
}

/// Which instances a row knows, and what it was taken from, after each of them has turned it.
#[test]
fn a_row_knows_its_own_instance_and_the_last_other_one() {
    let mut session = Session { instance_hash: [1; 16], ..QUIET.state().session };
    session.taken_generation = None;
    let mut turn = |instance: u8| {
        let token =
            Presented { instance_hash: [instance; 16], generation: session.generation, ..QUIET.token() };
        Rotation::optimistic(&token, QUIET.moment(), &QUIET.policy()).unwrap().apply(&mut session);
        (session.instance_hash[0], session.other_instance_hash.map(|hash| hash[0]), session.taken_generation)
    };
    assert_eq!(turn(1), (1, None, None));
    assert_eq!(turn(2), (2, Some(1), Some(Generation(7))), "nobody knew it");
    assert_eq!(turn(1), (1, Some(2), Some(Generation(7))), "known");
    assert_eq!(turn(1), (1, Some(2), Some(Generation(7))));
    assert_eq!(turn(3), (3, Some(1), Some(Generation(10))), "the second is forgotten");
    assert_eq!(turn(2), (2, Some(3), Some(Generation(11))));
}

/// A session from another system has seen no instance; whoever comes first introduces themselves.
#[test]
fn the_first_instance_of_an_imported_session_takes_it_from_nobody() {
    let mut session = Session { instance_hash: NO_INSTANCE, ..QUIET.state().session };
    let Verdict::Rotate(rotation) = QUIET.judged().verdict else { panic!("the newest token turns") };
    rotation.apply(&mut session);
    assert_eq!((session.other_instance_hash, session.taken_generation), (None, None));
}

/// What an access token's own end does not tell.
#[test]
fn an_access_token_is_as_good_as_its_session_and_account() {
    let says = |given: Given| access(&given.state(), given.now());
    assert_eq!(says(QUIET), None);
    let ended = Given { ended: Some(EndCause::Logout), is_disabled: true, idle_in: 0, ..QUIET };
    assert_eq!(says(ended), Some(Denial::Ended(Some(EndCause::Logout))));
    assert_eq!(says(Given { is_disabled: true, has_epoch_moved: true, ..QUIET }), Some(Denial::Disabled));
    assert_eq!(says(Given { has_epoch_moved: true, idle_in: 0, ..QUIET }), Some(Denial::Ended(None)));
    for out in [Given { idle_in: 0, ..QUIET }, Given { expires_in: 0, ..QUIET }] {
        assert_eq!(says(out), Some(Denial::Expired));
    }
    assert_eq!(says(Given { idle_in: 1, expires_in: 1, ..QUIET }), None);
}

/// A log-out ends what a refresh would not have ended, and for the cause that was asked for, unless the token is reuse.
#[test]
fn a_log_out_is_judged_as_a_refresh_would_be() {
    let asked = EndCause::Revoked;
    for case in all_cases() {
        let given = Given { misses: 0, ..case.given };
        if given.place != Where::Here {
            continue;
        }
        let judged = given.judged();
        let log_out = at_log_out(&given.token(), given.state(), asked, given.moment(), &given.policy());
        let expected = match (judged.row, &judged.verdict) {
            (Row::SecretMismatch, _) => LogOut::SecretMismatch,
            (Row::Ended, _) => LogOut::Nothing,
            (_, Verdict::End(EndCause::Reuse, _)) => {
                LogOut::Ends { cause: EndCause::Reuse, is_current: false, notice: judged.notice }
            }
            (_, verdict) => {
                let is_newest_or_before = given.n + 1 >= given.g;
                let is_current = is_newest_or_before && !matches!(verdict, Verdict::End(..));
                LogOut::Ends { cause: asked, is_current, notice: judged.notice }
            }
        };
        assert_eq!(log_out, expected, "{}", case.name);
    }
}

#[test]
fn a_request_is_judged_by_when_it_came_unless_the_row_has_turned_since() {
    let at = |turned, asked, now| judged_at(Timestamp(turned), Timestamp(asked), Timestamp(now)).0;
    assert_eq!(at(100, 100, 90_000), 100, "a slow store pushes nobody out of the window");
    assert_eq!(at(200, 100, 300), 300, "another has turned it meanwhile");
    assert_eq!(at(1300, 100, 300), 1300, "two nodes of one clock differ by a second at most");
    assert_eq!(at(1301, 100, 300), 300, "more, and a clock went backwards");
}

#[test]
fn a_rotation_that_was_written_late_counts_from_then() {
    let counts = |took| counts_from(Timestamp(1000), Duration::from_millis(took), Duration::from_millis(50));
    assert_eq!(counts(49), None);
    assert_eq!(counts(50), Some(Timestamp(1050)));
}

#[test]
fn nobody_is_accused_while_rotations_may_have_been_missed() {
    for cause in EndCause::ALL {
        assert!(!waits(cause, false));
        assert_eq!(waits(cause, true), cause == EndCause::Reuse);
    }
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
        Verdict::Contest(_) => Contest,
        Verdict::Retry(Retried { streak, .. }) => Does::Retry(*streak),
        Verdict::Keep => Keep,
        Verdict::Rotate(rotation) => Rotate(rotation.from.0, rotation.to.0),
    }
}

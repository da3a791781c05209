//! Cases of spent tokens, of a contested generation and of outages.

use sprag::policy::{Lockstep, MAX_RETRIES, Retry};
use sprag::ratchet::{Denial, Notice, Row};
use sprag::session::EndCause;

use super::Does::{self, Contest, End, Keep, Refuse, Rotate};
use super::{
    AGAIN, Case, FRESH, LATE_TAB, NOT_NOW, OLDER, QUIET, REFUSING, RESENT, REUSE, STALE, STRICT, TURN, case,
};
use crate::common::given::{Given, Id, W};

/// Row 7.
pub(super) fn long_spent() -> Vec<Case> {
    let in_window = Given { n: 3, ..FRESH };
    let refusing = |age| Given { n: 3, age, ..REFUSING };
    let foreign = Given { is_foreign: true, ..refusing(1000) };
    let known = Given { knows_foreign: true, ..foreign };
    let row = Row::LongSpent;
    vec![
        case("two behind", OLDER, row, REUSE),
        case("the very first token", Given { n: 0, ..QUIET }, row, REUSE),
        case("two behind, a moment after the turn", in_window, row, REUSE),
        case("two behind, clock gone back", Given { age: -1, ..in_window }, row, REUSE),
        case("two behind, same request", Given { id: Id::Same, ..in_window }, row, REUSE),
        case("two behind, the row has idled out", Given { idle_in: 0, ..OLDER }, row, REUSE),
        case("two behind, retries refused, age 0", refusing(0), row, NOT_NOW),
        case("two behind, retries refused, age W", refusing(W), row, NOT_NOW),
        case("two behind, retries refused, age W + 1 ms", refusing(W + 1), row, REUSE),
        case("two behind, retries refused, clock gone back", refusing(-1), row, NOT_NOW),
        case("three behind, retries refused, age W", Given { n: 2, ..refusing(W) }, row, NOT_NOW),
        case("two behind, retries refused, unknown instance", foreign, row, REUSE),
        case("two behind, retries refused, last other instance", known, row, NOT_NOW),
        case("the same, age W + 1 ms", Given { age: W + 1, ..known }, row, REUSE),
        case("taken from the token after it", Given { taken: Some(5), ..known }, row, REUSE),
        case("taken from the token itself", Given { taken: Some(4), ..known }, row, REUSE),
        case("taken before the token was made", Given { taken: Some(3), ..known }, row, NOT_NOW),
        case("taken from it, the row's own instance", Given { taken: Some(4), ..refusing(1000) }, row, REUSE),
    ]
}

/// Row 7's second exception: the request that made the rotation before the last, once more.
pub(super) fn twins() -> Vec<Case> {
    let at = |age| Given { n: 3, age, id: Id::BeforeLast, ..QUIET };
    let row = Row::LongSpent;
    let spared = |name, given| case(name, given, row, NOT_NOW).noticing(Notice::LateTwin);
    vec![
        spared("a late twin, age 0", at(0)),
        spared("a late twin, age W", at(W)),
        case("a late twin, age W + 1 ms", at(W + 1), row, REUSE),
        spared("a late twin, clock gone back", at(-1)),
        spared("a late twin, unknown instance", Given { is_foreign: true, ..at(0) }),
        spared("a late twin, taken meanwhile", Given { taken: Some(5), ..at(0) }),
        spared("a late twin, retries refused", Given { retry: Retry::Refuse, ..at(0) }),
        spared("a late twin, the row has idled out", Given { idle_in: 0, ..at(0) }),
        case("that id with the token before", Given { n: 2, ..at(0) }, row, REUSE),
        case("no id made the rotation before the last", Given { has_earlier_id: false, ..at(0) }, row, REUSE),
        case("neither has an id", Given { has_earlier_id: false, id: Id::None, ..at(0) }, row, REUSE),
        case("another id", Given { id: Id::Other, ..at(0) }, row, REUSE),
        case("a late twin, W = 0", Given { window: 0, ..at(0) }, row, REUSE),
    ]
}

/// Row 8.
pub(super) fn same_request() -> Vec<Case> {
    let at = |age| Given { age, ..RESENT };
    let foreign = |age| Given { is_foreign: true, ..at(age) };
    let known = |age| Given { knows_foreign: true, ..foreign(age) };
    let warn = |streak| Notice::ForeignRetry { streak };
    let row = Row::SameRequest;
    let first = Does::Retry(Some(1));
    let lockstep = Given { streak: (2, Some(4)), ..known(W + 1) };
    vec![
        case("same request at once", at(0), row, AGAIN),
        case("same request at W", at(W), row, AGAIN),
        case("same request at W + 1 ms", at(W + 1), row, AGAIN),
        case("same request a week later", at(7 * 86_400_000), row, AGAIN),
        case("same request, clock gone back", at(-1), row, AGAIN),
        case("same request, sixteenth", Given { retries: MAX_RETRIES - 1, ..at(0) }, row, AGAIN),
        case(
            "same request, retries used up",
            Given { retries: MAX_RETRIES, ..at(0) },
            row,
            Refuse(Denial::TooManyRetries),
        ),
        case("same request, retries refused", Given { retry: Retry::Refuse, ..RESENT }, row, AGAIN),
        case("same request, W = 0", Given { window: 0, ..RESENT }, row, AGAIN),
        case("same request, foreign instance, at W", foreign(W), row, first).noticing(warn(1)),
        case("same request, foreign instance, clock gone back", foreign(-1), row, first).noticing(warn(1)),
        case("same request, foreign instance, at W + 1 ms", foreign(W + 1), Row::Spent, REUSE),
        case("same request, last other instance, at W + 1 ms", known(W + 1), row, first).noticing(warn(1)),
        case("same request, W = 0, foreign instance", Given { window: 0, ..foreign(0) }, Row::Spent, REUSE),
        case(
            "same request, foreign instance, counted already",
            Given { streak: (1, Some(5)), ..foreign(0) },
            row,
            AGAIN,
        ),
        case("same request, foreign in three generations running", lockstep, row, Does::Retry(Some(3)))
            .noticing(Notice::Lockstep { streak: 3 }),
        case(
            "the same where lockstep ends: the request was made once",
            Given { lockstep: Lockstep::End, ..lockstep },
            row,
            Does::Retry(Some(3)),
        )
        .noticing(Notice::Lockstep { streak: 3 }),
        case("other request, late", Given { id: Id::Other, ..STALE }, Row::Spent, REUSE),
        case("other request, in time", Given { id: Id::Other, ..LATE_TAB }, Row::JustSpent, AGAIN),
        case("no request id on either side", Given { has_retry_id: false, ..STALE }, Row::Spent, REUSE),
        case("same id, newest token", Given { id: Id::Same, ..QUIET }, Row::Current, TURN),
    ]
}

/// Row 9.
pub(super) fn just_spent() -> Vec<Case> {
    let at = |age| Given { n: 4, age, ..QUIET };
    let refusing = |age| Given { n: 4, age, ..REFUSING };
    let retried = |retries| Given { retries, ..LATE_TAB };
    vec![
        case("one behind, age 0", at(0), Row::JustSpent, AGAIN),
        case("one behind, age W", at(W), Row::JustSpent, AGAIN),
        case("the first token, just spent", Given { g: 1, n: 0, ..LATE_TAB }, Row::JustSpent, AGAIN),
        case("sixteenth retry", retried(MAX_RETRIES - 1), Row::JustSpent, AGAIN),
        case("seventeenth retry", retried(MAX_RETRIES), Row::JustSpent, Refuse(Denial::TooManyRetries)),
        case("one behind, retries refused, age 0", refusing(0), Row::JustSpent, NOT_NOW),
        case("one behind, retries refused, age W", refusing(W), Row::JustSpent, NOT_NOW),
        case("one behind, clock gone back", at(-1), Row::JustSpent, NOT_NOW),
        case("one behind, retries refused, clock gone back", refusing(-1), Row::JustSpent, NOT_NOW),
    ]
}

/// Row 9: who is asking?
pub(super) fn streaks() -> Vec<Case> {
    let foreign = |streak| Given { is_foreign: true, streak, ..LATE_TAB };
    let ending = |streak| Given { lockstep: Lockstep::End, ..foreign(streak) };
    let row = Row::JustSpent;
    let noted = |streak| Does::Retry(Some(streak));
    let warn = |streak| Notice::ForeignRetry { streak };
    let alert = |streak| Notice::Lockstep { streak };
    vec![
        case("foreign retry, the first", foreign((0, None)), row, noted(1)).noticing(warn(1)),
        case("foreign retry, two running", foreign((1, Some(4))), row, noted(2)).noticing(warn(2)),
        case("foreign retry, three running", foreign((2, Some(4))), row, noted(3)).noticing(alert(3)),
        case("foreign retry, four running", foreign((3, Some(4))), row, noted(4)).noticing(alert(4)),
        case("foreign retry, streak full", foreign((255, Some(4))), row, noted(255)).noticing(alert(255)),
        case("foreign retry after a pause", foreign((2, Some(3))), row, noted(1)).noticing(warn(1)),
        case("foreign retry, counted already", foreign((3, Some(5))), row, AGAIN),
        case("own retry in a streak", Given { streak: (3, Some(4)), ..LATE_TAB }, row, AGAIN),
        case("two running, lockstep ends", ending((1, Some(4))), row, noted(2)).noticing(warn(2)),
        case(
            "three running, lockstep ends",
            ending((2, Some(4))),
            row,
            End(EndCause::Lockstep, Denial::Ended(Some(EndCause::Lockstep))),
        )
        .noticing(alert(3)),
        case(
            "foreign retry, retries used up",
            Given { retries: MAX_RETRIES, ..foreign((2, Some(4))) },
            row,
            Refuse(Denial::TooManyRetries),
        ),
    ]
}

/// Row 10.
pub(super) fn spent() -> Vec<Case> {
    vec![
        case("one behind, age W + 1 ms", Given { age: W + 1, ..STALE }, Row::Spent, REUSE),
        case("one behind, long after", STALE, Row::Spent, REUSE),
        case(
            "one behind, retries refused, age W + 1 ms",
            Given { n: 4, age: W + 1, ..REFUSING },
            Row::Spent,
            REUSE,
        ),
        case("the first token, long spent", Given { g: 1, n: 0, ..QUIET }, Row::Spent, REUSE),
    ]
}

/// Row 9 where retries are refused, and row 12b.
pub(super) fn contests() -> Vec<Case> {
    let at = |age| Given { n: 4, age, is_foreign: true, ..REFUSING };
    let taken = |age| Given { taken: Some(5), ..at(age) };
    let contested = |given: Given| Given { contested: Some(5), ..given };
    let theirs = Given { is_foreign: true, knows_foreign: true, ..contested(REFUSING) };
    let row = Row::JustSpent;
    let warned = |name, given| case(name, given, row, NOT_NOW).noticing(Notice::ForeignSpent);
    let noticed = |name, given| case(name, given, row, Contest).noticing(Notice::Contested);
    vec![
        warned("refused, foreign instance", at(0)),
        noticed("refused, taken from it, foreign instance, age 0", taken(0)),
        noticed("refused, taken from it, last other instance", Given { knows_foreign: true, ..taken(0) }),
        noticed("refused, taken from it, age W", taken(W)),
        case("refused, taken from it, age W + 1 ms", taken(W + 1), Row::Spent, REUSE),
        case("refused, taken from it, clock gone back", taken(-1), row, NOT_NOW),
        case("refused, taken from it, own instance", Given { is_foreign: false, ..taken(0) }, row, NOT_NOW),
        warned("refused, taken when it was made", Given { taken: Some(4), ..at(0) }),
        warned("refused, contested already", contested(taken(0))),
        noticed("refused, an earlier one was contested", Given { contested: Some(4), ..taken(0) }),
        warned("refused, taken from it, and the row has idled out", Given { idle_in: 0, ..taken(0) }),
        case(
            "answered, taken from it, foreign instance",
            Given { retry: Retry::Answer, ..taken(0) },
            row,
            Does::Retry(Some(1)),
        )
        .noticing(Notice::ForeignRetry { streak: 1 }),
        case("contested, own instance", contested(REFUSING), Row::Contested, REUSE),
        case(
            "contested, own instance, just turned",
            contested(Given { age: 0, ..REFUSING }),
            Row::Contested,
            REUSE,
        ),
        case("contested, unknown instance", Given { knows_foreign: false, ..theirs }, Row::Contested, REUSE),
        case("contested, last other instance", theirs, Row::Current, TURN),
        case("contested, and the profile answers retries since", contested(FRESH), Row::Contested, REUSE),
        case("an earlier one was contested", Given { contested: Some(4), ..QUIET }, Row::Current, TURN),
        case(
            "contested, and it has idled out",
            Given { idle_in: 0, ..contested(REFUSING) },
            Row::Expired,
            End(EndCause::Idle, Denial::Expired),
        ),
        case("ahead of a contested one", Given { n: 6, ..contested(QUIET) }, Row::Ahead, Rotate(5, 7))
            .noticing(Notice::Ahead { gap: 1 }),
    ]
}

/// Time in which nobody could be answered does not count.
pub(super) fn outages() -> Vec<Case> {
    let out = |given: Given| Given { outage: 60_000, age: W + 60_000, ..given };
    let over = |given: Given| Given { outage: 60_000, age: W + 60_001, ..given };
    vec![
        case("one behind, W of served time ago", out(STALE), Row::JustSpent, AGAIN),
        case("one behind, 1 ms longer ago", over(STALE), Row::Spent, REUSE),
        case("newest, W of served time ago", out(QUIET), Row::JustTurned, Keep),
        case("newest, 1 ms longer ago", over(QUIET), Row::Current, TURN),
        case(
            "retries refused, W of served time ago",
            out(Given { n: 4, ..REFUSING }),
            Row::JustSpent,
            NOT_NOW,
        ),
        case(
            "two behind, a twin, W of served time ago",
            out(Given { id: Id::BeforeLast, ..OLDER }),
            Row::LongSpent,
            NOT_NOW,
        )
        .noticing(Notice::LateTwin),
        case("W = 0, an outage before", out(Given { n: 4, ..STRICT }), Row::Spent, REUSE),
        case("W = 0, an outage before, newest", out(STRICT), Row::Current, TURN),
    ]
}

//! The verdict table, case by case: every row, and both sides of every boundary.
//!
//! Each case starts from [`QUIET`], a live session at generation 5 whose newest token is presented long after
//! it last turned, and says what is different.

use sprag::policy::{Ahead, Lockstep, MAX_GAP, MAX_GENERATION, Retry};
use sprag::ratchet::{Denial, MAX_MISSES, Notice, Row};
use sprag::session::EndCause;

use crate::common::given::{Given, Id, W, Where};

mod spent_cases;

use spent_cases::{contests, just_spent, long_spent, outages, same_request, spent, streaks, twins};

/// A verdict, without what a store alone needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Does {
    Refuse(Denial),
    Fault,
    End(EndCause, Denial),
    /// With the streak to note.
    Retry(Option<u8>),
    /// Spent, and the newest generation is contested.
    Contest,
    Keep,
    /// From g to.
    Rotate(u64, u64),
}

use Does::{End, Fault, Keep, Refuse, Rotate};

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) given: Given,
    pub(crate) row: Row,
    pub(crate) does: Does,
    pub(crate) notice: Option<Notice>,
}

fn case(name: &'static str, given: Given, row: Row, does: Does) -> Case {
    Case { name, given, row, does, notice: None }
}

impl Case {
    fn noticing(mut self, notice: Notice) -> Self {
        self.notice = Some(notice);
        self
    }
}

/// A live session that turned five times, the last time long ago, and its newest token.
pub(crate) const QUIET: Given = Given {
    place: Where::Here,
    g: 5,
    has_retry_id: true,
    has_earlier_id: true,
    knows_foreign: false,
    taken: None,
    contested: None,
    retries: 0,
    streak: (0, None),
    ended: None,
    is_disabled: false,
    has_epoch_moved: false,
    idle_in: 3_600_000,
    expires_in: 86_400_000,
    n: 5,
    age: 600_000,
    outage: 0,
    id: Id::None,
    is_foreign: false,
    has_wrong_secret: false,
    has_other_profile: false,
    misses: 0,
    window: W,
    retry: Retry::Answer,
    ahead: Ahead::FastForward,
    lockstep: Lockstep::Alert,
};

const REUSE: Does = End(EndCause::Reuse, Denial::Ended(Some(EndCause::Reuse)));
const AGAIN: Does = Does::Retry(None);
const NOT_NOW: Does = Refuse(Denial::Spent);
const TURN: Does = Rotate(5, 6);

/// The token before the newest, a second after it was spent.
const LATE_TAB: Given = Given { n: 4, age: 1000, ..QUIET };
/// The token before the newest, long after it was spent.
const STALE: Given = Given { n: 4, ..QUIET };
/// The token before the newest, long after, sent by the request that spent it.
const RESENT: Given = Given { id: Id::Same, ..STALE };
/// The token before that.
const OLDER: Given = Given { n: 3, ..QUIET };
/// The newest token, a second after the row turned.
const FRESH: Given = Given { age: 1000, ..QUIET };

const STRICT: Given = Given { window: 0, ..QUIET };
const REFUSING: Given = Given { retry: Retry::Refuse, ..QUIET };

pub(crate) fn all_cases() -> Vec<Case> {
    [
        before_any_generation(),
        ahead(),
        long_spent(),
        twins(),
        same_request(),
        just_spent(),
        streaks(),
        spent(),
        contests(),
        outages(),
        barred(),
        expiry(),
        current(),
        strict(),
        misses(),
        order(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Rows 1 to 5.
fn before_any_generation() -> Vec<Case> {
    let logged_out = Given { ended: Some(EndCause::Logout), ..QUIET };
    let over = Refuse(Denial::Ended(Some(EndCause::Logout)));
    let invalid = Refuse(Denial::Invalid);
    vec![
        case("not a token of ours", Given { place: Where::NotLooked, ..QUIET }, Row::Malformed, invalid),
        case(
            "no such session",
            Given { place: Where::Nowhere, ..QUIET },
            Row::Unknown,
            Refuse(Denial::Ended(None)),
        ),
        case(
            "the tag is right, the secret is not",
            Given { has_wrong_secret: true, ..QUIET },
            Row::SecretMismatch,
            invalid,
        )
        .noticing(Notice::SecretMismatch),
        case(
            "the tag is right, the row is another profile's",
            Given { has_other_profile: true, ..QUIET },
            Row::SecretMismatch,
            invalid,
        )
        .noticing(Notice::SecretMismatch),
        case("ended, newest token", logged_out, Row::Ended, over),
        case("ended, late tab", Given { n: 4, age: 0, ..logged_out }, Row::Ended, over),
        case("ended, same request", Given { n: 4, id: Id::Same, ..logged_out }, Row::Ended, over),
        case("ended, long spent", Given { n: 0, ..logged_out }, Row::Ended, over),
        case("ended, ahead", Given { n: 6, ..logged_out }, Row::Ended, over),
    ]
}

/// Row 6.
fn ahead() -> Vec<Case> {
    let refused = End(EndCause::Ahead, Denial::Ended(Some(EndCause::Ahead)));
    let by = |gap: u64, given: Given| Given { n: given.g + gap, ..given };
    let noticed = |name, given: Given, does| {
        case(name, given, Row::Ahead, does).noticing(Notice::Ahead { gap: given.n - given.g })
    };
    let refusing = Given { ahead: Ahead::Refuse, ..QUIET };
    vec![
        noticed("one ahead", by(1, QUIET), Rotate(5, 7)),
        noticed("one ahead, though it turned a moment ago", by(1, FRESH), Rotate(5, 7)),
        noticed("one ahead, clock gone back", Given { n: 6, age: -1, ..QUIET }, Rotate(5, 7)),
        noticed("ahead of a row that never turned", Given { g: 0, n: 3, ..QUIET }, Rotate(0, 4)),
        noticed("as far ahead as is followed", by(MAX_GAP, QUIET), Rotate(5, 6 + MAX_GAP)),
        noticed("one further than is followed", by(MAX_GAP + 1, QUIET), refused),
        noticed("ahead, and the profile refuses that", by(1, refusing), refused),
        noticed("the last generation but one, ahead", last(2, 1), Rotate(MAX_GENERATION - 2, MAX_GENERATION)),
        case("the last generation, ahead", last(1, 0), Row::Expired, End(EndCause::Expired, Denial::Expired))
            .noticing(Notice::Ahead { gap: 1 }),
        case(
            "ahead, and the account is disabled",
            Given { is_disabled: true, ..by(1, QUIET) },
            Row::AccountMoved,
            End(EndCause::Disabled, Denial::Disabled),
        )
        .noticing(Notice::Ahead { gap: 1 }),
        case(
            "ahead, and the row has idled out",
            Given { idle_in: 0, ..by(1, QUIET) },
            Row::Expired,
            End(EndCause::Idle, Denial::Expired),
        )
        .noticing(Notice::Ahead { gap: 1 }),
    ]
}

/// A row so many generations before the last, and a token so many before it.
fn last(row: u64, token: u64) -> Given {
    Given { g: MAX_GENERATION - row, n: MAX_GENERATION - token, ..QUIET }
}

/// Row 11, and where rows 8 and 9 yield to it.
fn barred() -> Vec<Case> {
    let row = Row::AccountMoved;
    let disabled = End(EndCause::Disabled, Denial::Disabled);
    let moved = End(EndCause::Revoked, Denial::Ended(Some(EndCause::Revoked)));
    let off = |given: Given| Given { is_disabled: true, ..given };
    let new = |given: Given| Given { has_epoch_moved: true, ..given };
    vec![
        case("disabled, newest token", off(QUIET), row, disabled),
        case("disabled, newest token, just turned", off(FRESH), row, disabled),
        case("disabled, same request", off(RESENT), row, disabled),
        case("disabled, late tab", off(LATE_TAB), row, disabled),
        case("disabled, late tab, retries used up", off(Given { retries: 16, ..LATE_TAB }), row, disabled),
        case("epoch moved, newest token", new(QUIET), row, moved),
        case("epoch moved, newest token, just turned", new(FRESH), row, moved),
        case("epoch moved, same request", new(RESENT), row, moved),
        case("epoch moved, late tab", new(LATE_TAB), row, moved),
        case("disabled and epoch moved", new(off(QUIET)), row, disabled),
    ]
}

/// Row 12, and where rows 8 and 9 yield to it.
fn expiry() -> Vec<Case> {
    let row = Row::Expired;
    let idle = End(EndCause::Idle, Denial::Expired);
    let expired = End(EndCause::Expired, Denial::Expired);
    let idle_in = |idle_in, given: Given| Given { idle_in, ..given };
    let expires_in = |expires_in, given: Given| Given { expires_in, ..given };
    vec![
        case("1 ms before the idle timeout", idle_in(1, QUIET), Row::Current, TURN),
        case("at the idle timeout", idle_in(0, QUIET), row, idle),
        case("1 ms before the absolute end", expires_in(1, QUIET), Row::Current, TURN),
        case("at the absolute end", expires_in(0, QUIET), row, expired),
        case("idle and absolute", idle_in(0, expires_in(0, QUIET)), row, expired),
        case("idle, just turned", idle_in(0, FRESH), row, idle),
        case("idle, same request", idle_in(0, RESENT), row, idle),
        case("idle, late tab", idle_in(0, LATE_TAB), row, idle),
        case("absolute end, same request", expires_in(0, RESENT), row, expired),
        case("absolute end, late tab", expires_in(0, LATE_TAB), row, expired),
        case(
            "the last generation but one",
            last(1, 1),
            Row::Current,
            Rotate(MAX_GENERATION - 1, MAX_GENERATION),
        ),
        case("the last generation", last(0, 0), row, expired),
        case("the last generation, late tab", Given { age: 0, ..last(0, 1) }, row, expired),
    ]
}

/// Rows 13 and 14.
fn current() -> Vec<Case> {
    let at = |age| Given { age, ..QUIET };
    let first = |age| Given { g: 0, n: 0, age, has_retry_id: false, ..QUIET };
    vec![
        case("newest, age 0", at(0), Row::JustTurned, Keep),
        case("newest, age W", at(W), Row::JustTurned, Keep),
        case("newest, age W + 1 ms", at(W + 1), Row::Current, TURN),
        case("newest, clock gone back", at(-1), Row::JustTurned, Keep),
        case("newest, with a new retry id", Given { id: Id::Other, ..QUIET }, Row::Current, TURN),
        case("newest, foreign instance", Given { is_foreign: true, ..QUIET }, Row::Current, TURN),
        case("first refresh, age 0", first(0), Row::Current, Rotate(0, 1)),
        case("first refresh, age W", first(W), Row::Current, Rotate(0, 1)),
        case("first refresh, age W + 1 ms", first(W + 1), Row::Current, Rotate(0, 1)),
        case("second refresh, age W", Given { g: 1, n: 1, ..at(W) }, Row::JustTurned, Keep),
        case("newest, retries refused, age 0", Given { age: 0, ..REFUSING }, Row::Current, TURN),
    ]
}

/// W = 0.
fn strict() -> Vec<Case> {
    let at = |n, age| Given { n, age, ..STRICT };
    let refusing = |n, age| Given { retry: Retry::Refuse, ..at(n, age) };
    vec![
        case("strict, newest, age 0", at(5, 0), Row::Current, TURN),
        case("strict, one behind, age 0", at(4, 0), Row::Spent, REUSE),
        case("strict, one behind, age 1 ms", at(4, 1), Row::Spent, REUSE),
        case("strict, two behind, age 0", at(3, 0), Row::LongSpent, REUSE),
        case("strict, one behind, clock gone back", at(4, -1), Row::JustSpent, NOT_NOW),
        case("strict, refusing, one behind, age 0", refusing(4, 0), Row::Spent, REUSE),
        case("strict, refusing, two behind, age 0", refusing(3, 0), Row::LongSpent, REUSE),
    ]
}

/// Row 15.
fn misses() -> Vec<Case> {
    let missed = |misses, given: Given| Given { misses, ..given };
    vec![
        case("one miss, newest", missed(1, QUIET), Row::Current, TURN),
        case("two misses, newest", missed(2, QUIET), Row::Current, TURN),
        case("three misses, newest", missed(MAX_MISSES, QUIET), Row::Missed, Fault),
        case("two misses, late tab", missed(2, LATE_TAB), Row::JustSpent, AGAIN),
        case("three misses, late tab", missed(MAX_MISSES, LATE_TAB), Row::Missed, Fault),
        case("three misses, ahead", missed(MAX_MISSES, Given { n: 6, ..QUIET }), Row::Missed, Fault),
        case("three misses, same request", missed(MAX_MISSES, RESENT), Row::Missed, Fault),
        case("three misses, just turned", missed(MAX_MISSES, FRESH), Row::JustTurned, Keep),
        case("three misses, spent", missed(MAX_MISSES, STALE), Row::Spent, REUSE),
    ]
}

/// Where two rows could claim a case, the earlier has it.
fn order() -> Vec<Case> {
    let everything = Given {
        ended: Some(EndCause::Admin),
        is_disabled: true,
        has_epoch_moved: true,
        idle_in: 0,
        expires_in: 0,
        misses: MAX_MISSES,
        ..STALE
    };
    let live = Given { ended: None, ..everything };
    vec![
        case(
            "secret before ended",
            Given { has_wrong_secret: true, ..everything },
            Row::SecretMismatch,
            Refuse(Denial::Invalid),
        )
        .noticing(Notice::SecretMismatch),
        case(
            "ended before all the rest",
            everything,
            Row::Ended,
            Refuse(Denial::Ended(Some(EndCause::Admin))),
        ),
        case("spent before disabled and expired", live, Row::Spent, REUSE),
        case("long spent before disabled and expired", Given { n: 3, ..live }, Row::LongSpent, REUSE),
        case(
            "ahead refused before disabled and expired",
            Given { n: 6, ahead: Ahead::Refuse, ..live },
            Row::Ahead,
            End(EndCause::Ahead, Denial::Ended(Some(EndCause::Ahead))),
        )
        .noticing(Notice::Ahead { gap: 1 }),
        case(
            "disabled before expired",
            Given { n: 5, ..live },
            Row::AccountMoved,
            End(EndCause::Disabled, Denial::Disabled),
        ),
        case(
            "expired before just turned",
            Given { age: 0, expires_in: 0, ..QUIET },
            Row::Expired,
            End(EndCause::Expired, Denial::Expired),
        ),
    ]
}

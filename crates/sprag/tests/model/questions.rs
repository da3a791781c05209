//! The questions that are put to the checker every day.

use sprag::policy::{Ahead, Lockstep, Retry};

use crate::model::check::{Promise, Question, Sight};
use crate::model::row::{Fault, NEVER, Rules};
use crate::model::setting::{Losses, Restores, RetryIdTheft, Setting};

const RULES: Rules = Rules {
    window: 3,
    idle: NEVER,
    retry: Retry::Answer,
    ahead: Ahead::FastForward,
    lockstep: Lockstep::Alert,
    fault: None,
};

/// Two tabs that know nothing of each other but the store; delays of W/3, no retry ids, and nothing is lost.
pub(crate) const TABS: Setting = Setting {
    rules: RULES,
    tabs: 2,
    is_locked: false,
    has_retry_ids: false,
    keeps_newer: true,
    losses: Losses::None,
    has_duplicates: false,
    messages: 2,
    is_two_step: false,
    has_two_networks: false,
    has_thief: false,
    retry_id_theft: RetryIdTheft::No,
    has_ends: false,
    restores: Restores::Never,
    clock_back: 0,
    generations: 6,
};

pub(crate) const ONE_TAB: Setting = Setting { tabs: 1, ..TABS };
const DUPLICATED: Setting = Setting { has_duplicates: true, ..TABS };
/// Of a duplicated request one answer may be lost.
const ONE_ANSWER: Setting = Setting { has_duplicates: true, losses: Losses::OfCopies, ..ONE_TAB };
/// Of each generation one message is lost, and repeated within W.
const LOSSY: Setting = Setting { losses: Losses::OnePerGeneration, ..TABS };
/// Anything may be lost, and is repeated under the same retry id, however late.
pub(crate) const WITH_IDS: Setting = Setting { losses: Losses::Any, has_retry_ids: true, ..TABS };
pub(crate) const THIEF: Setting = Setting { has_thief: true, ..TABS };

const fn within(window: u8, setting: Setting) -> Setting {
    Setting { rules: Rules { window, ..setting.rules }, ..setting }
}

const fn locked(setting: Setting) -> Setting {
    Setting { is_locked: true, ..setting }
}

const fn faulty(fault: Fault, setting: Setting) -> Setting {
    Setting { rules: Rules { fault: Some(fault), ..setting.rules }, ..setting }
}

/// Where every promise holds.
pub(crate) fn kept() -> Vec<Question> {
    let kept = |name, setting, sights| Question { name, setting, breaks: None, sights };
    let refusing = Setting { rules: Rules { retry: Retry::Refuse, ..RULES }, ..TABS };
    let idling = Setting { rules: Rules { idle: 5, ..RULES }, ..THIEF };
    let lockstep = Setting { rules: Rules { lockstep: Lockstep::End, ..RULES }, tabs: 1, ..THIEF };
    let two_step = Setting { is_two_step: true, ..TABS };
    vec![
        kept("two tabs, messages duplicated", DUPLICATED, &[Sight::Retried, Sight::Kept]),
        kept(
            "three tabs, delays of W/2",
            within(2, Setting { tabs: 3, ..TABS }),
            &[Sight::Retried, Sight::Kept],
        ),
        kept("three tabs, reads and writes interleaved", Setting { tabs: 3, ..two_step }, &[Sight::Missed]),
        kept("two tabs, retries refused", refusing, &[Sight::NotNow]),
        kept(
            "one tab on two networks, retries refused",
            Setting { tabs: 1, has_two_networks: true, ..refusing },
            &[],
        ),
        kept("two tabs on two networks", Setting { has_two_networks: true, ..TABS }, &[Sight::Retried]),
        kept("two tabs, answers lost, retry ids", WITH_IDS, &[Sight::SameRequest, Sight::TwinSpared]),
        kept(
            "one tab, one answer to duplicated requests, retry ids",
            Setting { has_retry_ids: true, ..ONE_ANSWER },
            &[Sight::SameRequest],
        ),
        kept("one tab, an answer lost", Setting { tabs: 1, ..LOSSY }, &[Sight::Retried]),
        kept("two tabs that take turns, an answer lost", locked(LOSSY), &[Sight::Retried]),
        kept(
            "three tabs, an answer lost, delays of W/5",
            within(5, Setting { tabs: 3, ..LOSSY }),
            &[Sight::Retried],
        ),
        kept(
            "three tabs that take turns, retry ids",
            locked(Setting { tabs: 3, ..WITH_IDS }),
            &[Sight::SameRequest],
        ),
        kept("two tabs, a backup restored after a pause", quiet(), &[Sight::FastForwarded, Sight::Retried]),
        kept(
            "two tabs, logged out or disabled meanwhile",
            Setting { has_ends: true, ..two_step },
            &[Sight::LoggedOut],
        ),
        kept(
            "two tabs, answers lost, retry ids, logged out meanwhile",
            Setting { has_ends: true, ..WITH_IDS },
            &[Sight::SameRequest, Sight::LoggedOut],
        ),
        kept("two tabs, the clock set back", Setting { clock_back: 1, ..TABS }, &[Sight::Kept]),
        kept("two tabs and a thief", THIEF, &[Sight::ReuseFound, Sight::Retried]),
        kept(
            "one tab and a thief, ended meanwhile",
            ended_meanwhile(),
            &[Sight::ReuseFound, Sight::LoggedOut],
        ),
        kept(
            "one tab and a thief, retries refused",
            Setting { tabs: 1, has_thief: true, ..refusing },
            &[Sight::Contested, Sight::ReuseFound],
        ),
        kept("one tab and a thief, lockstep ends", lockstep, &[Sight::LockstepFound]),
        kept("two tabs and a thief, idling out", idling, &[Sight::IdleFound, Sight::ReuseFound]),
        kept(
            "one tab and a thief, retry ids",
            robbed(RetryIdTheft::No),
            &[Sight::SameRequest, Sight::ReuseFound],
        ),
        kept(
            "one tab and a thief of retry ids, found later",
            robbed(RetryIdTheft::FoundLater),
            &[Sight::ReuseFound],
        ),
    ]
}

fn quiet() -> Setting {
    Setting { restores: Restores::Quietly, ..TABS }
}

fn ended_meanwhile() -> Setting {
    Setting { tabs: 1, has_ends: true, is_two_step: true, ..THIEF }
}

fn robbed(retry_id_theft: RetryIdTheft) -> Setting {
    Setting { tabs: 1, has_thief: true, retry_id_theft, ..WITH_IDS }
}

/// What remains: where the table as designed takes an honest client for a thief, or finds a thief late.
pub(crate) fn remainders() -> Vec<Question> {
    let ends = |name, setting| Question { name, setting, breaks: Some(Promise::HonestSpared), sights: &[] };
    vec![
        ends("two tabs, delays of W", within(1, TABS)),
        ends("two tabs that store whichever answer comes last", Setting { keeps_newer: false, ..TABS }),
        ends("two tabs, an answer lost, delays of W/4", within(4, LOSSY)),
        ends(
            "two tabs on two networks, retries refused",
            Setting { has_two_networks: true, rules: Rules { retry: Retry::Refuse, ..RULES }, ..TABS },
        ),
        ends("one tab, one answer to duplicated requests", ONE_ANSWER),
        ends("two tabs, a backup restored under them", Setting { restores: Restores::Anytime, ..TABS }),
        Question {
            name: "one tab and a thief of retry ids, found next",
            setting: robbed(RetryIdTheft::FoundNext),
            breaks: Some(Promise::ThiefFound),
            sights: &[],
        },
    ]
}

/// Mistakes that the checker must find, each with the promise it breaks.
pub(crate) fn faults() -> Vec<Question> {
    let breaks = |promise, fault, name, setting| Question {
        name,
        setting: faulty(fault, setting),
        breaks: Some(promise),
        sights: &[],
    };
    let idling = Setting { rules: Rules { idle: 5, ..RULES }, tabs: 1, ..THIEF };
    let two_step = Setting { is_two_step: true, ..TABS };
    let refusing = Setting { rules: Rules { retry: Retry::Refuse, ..RULES }, tabs: 1, ..THIEF };
    let ended = Setting { has_ends: true, tabs: 1, ..two_step };
    vec![
        breaks(Promise::WindowAnchored, Fault::SlidingWindow, "sliding window", THIEF),
        breaks(Promise::WindowAnchored, Fault::PredecessorAlways, "predecessor always answered", THIEF),
        breaks(Promise::OneSuccessor, Fault::Fork, "a fork in the window", TABS),
        breaks(Promise::SpentIsReuse, Fault::ExpiryFirst, "expiry before spent", idling),
        breaks(Promise::HonestSpared, Fault::NoJustTurned, "no row 13", TABS),
        breaks(Promise::ThiefFound, Fault::ContestIgnored, "no row 12b", refusing),
        breaks(Promise::HonestSpared, Fault::TwinIsReuse, "no exception for a twin", WITH_IDS),
        breaks(Promise::OneSuccessor, Fault::BlindWrite, "read, then write blindly", two_step),
        breaks(Promise::EndIsFinal, Fault::EndForgotten, "ends forgotten in the write's condition", ended),
    ]
}

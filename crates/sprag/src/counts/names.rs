//! What is counted, by name, and what becomes of the sums of several runs or days.

/// Log-ins that opened a session.
pub(crate) const LOGINS: &str = "logins";
/// Log-ins that were refused, by the refusal.
pub(crate) const FAILED_LOGINS: &str = "failed_logins";
/// From which countries log-ins came.
pub(crate) const COUNTRIES: &str = "login_countries";
/// Devices that an account logged in from for the first time.
pub(crate) const NEW_DEVICES: &str = "new_devices";
/// Refreshes that were answered with tokens.
pub(crate) const REFRESHES: &str = "refreshes";
/// Refreshes that were refused, by the refusal.
pub(crate) const REFUSED_REFRESHES: &str = "refused_refreshes";
/// Sessions that began, by what opened them.
pub(crate) const SESSIONS_OPENED: &str = "sessions_opened";
/// Sessions that ended, by their cause.
pub(crate) const SESSIONS_ENDED: &str = "sessions_ended";
/// Sessions that lived when a sweep looked, and how many each account had.
pub(crate) const LIVE_SESSIONS: &str = "live_sessions";
/// Accounts that logged in or refreshed.
pub(crate) const ACTIVE_ACCOUNTS: &str = "active_accounts";
/// What else the journal was told, by kind.
pub(crate) const EVENTS: &str = "events";
/// What sweeps did.
pub(crate) const SWEEP: &str = "sweep";
/// Until which moment of the day a run's sums are whole.
pub(crate) const COUNTED_UNTIL: &str = "counted_until";
/// That a run ended in order: nothing of it is missing.
pub(crate) const LEFT: &str = "left";
/// How many runs ended without a word, where that can be told no more of each.
pub(crate) const LOST: &str = "lost";

/// The label of a country that nobody could name.
pub(crate) const OTHER: &str = "other";

/// What becomes of two sums of one name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Merge {
    /// They are added.
    Sum,
    /// The greater counts, with what belongs to it.
    Greatest,
    /// What was counted in both counts once.
    Distinct,
}

/// How sums of that name are put together.
pub(crate) fn merge_of(name: &str) -> Merge {
    match name {
        LIVE_SESSIONS | COUNTED_UNTIL => Merge::Greatest,
        ACTIVE_ACCOUNTS => Merge::Distinct,
        _ => Merge::Sum,
    }
}

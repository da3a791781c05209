//! What calls off an erasure that an account's owner planned: a log-in, the link of a letter, an address that is put back.

use super::Requester;
use crate::audit::{Event, EventKind};
use crate::clock::Timestamp;
use crate::one_time::Purpose;
use crate::session::AccountId;
use crate::store::Step;

/// What keeps an account that was to be erased.
pub(super) fn calling_off() -> [Step; 2] {
    [Step::EndTokens { purpose: Purpose::KeepAccount }, Step::CallOffErasure]
}

/// What the journal says of it.
pub(super) fn called_off(requester: &Requester, account: AccountId, at: Timestamp) -> Event {
    requester.event_of_account(account, EventKind::DeletionCalledOff, at, None)
}

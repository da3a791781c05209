//! An account whose address nobody has shown to be theirs, once somebody shows that: whoever made it need not be whoever has the
//! address, so what they could log in with must not go on.

use crate::account::Account;
use crate::audit::EventKind;
use crate::error::Fault;
use crate::store::{CredentialId, CredentialKind, Slice, Step, Store};

/// What the journal says where an address was confirmed and what was shown before counts no more.
pub(super) const TAKEN_OVER: &str =
    "e-mail address confirmed by a letter; password, factors, devices and sessions from before end";

/// Whether an account may have been made by somebody else than whoever has its address: nobody has confirmed that, and whoever
/// came made the account by themselves. One that an import brought, or that an administrator or operator made, is its owner's; so is one
/// that has a second factor, for no letter gets around that.
///
/// # Errors
/// A [`Fault`].
pub(super) async fn may_be_a_strangers(store: &dyn Store, account: &Account) -> Result<bool, Fault> {
    let is_factor = |(id, _): &(CredentialId, Vec<u8>)| CredentialKind::FACTORS.contains(&id.kind);
    if !account.is_unconfirmed() || store.factors_of(account.id).await?.iter().any(is_factor) {
        return Ok(false);
    }
    let first = store.entries_of(account.id, Slice::after(Some(2), 1)).await?;
    let Some(first) = first.into_iter().next() else {
        // The journal was cut: what another system knows its owner by is all that is left to tell.
        return Ok(account.particulars.external.is_none());
    };
    let event = first.event;
    let is_by_operator = event.ip.is_none() && event.user_agent.is_none();
    let is_made_for_its_owner =
        event.kind == EventKind::AccountImported || event.is_by_administrator() || is_by_operator;
    // Whoever is invited chooses the address, unless a letter took the invitation there; and then it is confirmed.
    Ok(event.kind == EventKind::AccountInvited || !is_made_for_its_owner)
}

/// Forgets all that anybody could log in to the account with, but a letter.
pub(super) fn forgetting_credentials() -> impl Iterator<Item = Step> {
    let own = [CredentialKind::Password, CredentialKind::Device];
    own.into_iter().chain(CredentialKind::OF_FACTORS).map(Step::ForgetCredentials)
}

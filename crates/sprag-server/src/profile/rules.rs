//! What a route must keep to so that a request to it can succeed: rules that the actions choose from, or add to.

use super::takes::{Input, Takes};
use super::{RefreshTransport, Transport};

/// A rule of an action.
pub(crate) type Rule = fn(&Offer<'_>) -> Result<(), Unmet>;

/// What a route offers to those who call it.
pub(crate) struct Offer<'a> {
    /// Its path.
    pub(crate) path: &'a str,
    /// What it reads from the body.
    pub(crate) takes: &'a Takes,
    /// Whether it opens a session.
    pub(crate) opens_session: bool,
    /// How the profile's refresh tokens travel.
    pub(crate) refresh: &'a RefreshTransport,
}

/// What a route lacks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Unmet {
    /// The end of a sentence that begins with the action's name and "needs".
    pub(crate) needs: &'static str,
    /// What to write.
    pub(crate) hint: &'static str,
}

impl Unmet {
    /// Unless `is_met`, says what is needed and what to write.
    pub(crate) fn unless(is_met: bool, needs: &'static str, hint: &'static str) -> Result<(), Self> {
        if is_met { Ok(()) } else { Err(Self { needs, hint }) }
    }
}

/// The path must say of what.
pub(crate) fn has_id(offer: &Offer<'_>) -> Result<(), Unmet> {
    Unmet::unless(offer.path.contains("{id}"), "an id", "write {id} in the path")
}

/// Somebody must be named.
pub(crate) fn names_account(offer: &Offer<'_>) -> Result<(), Unmet> {
    let is_named =
        [Input::Name, Input::Username, Input::Email].into_iter().any(|name| offer.takes.takes(name));
    Unmet::unless(is_named, "a name", "add a field to takes, as username = \"$name\"")
}

/// Without its token, nobody knows which letter is meant.
pub(crate) fn requires_token(offer: &Offer<'_>) -> Result<(), Unmet> {
    let is_required = offer.takes.requires(Input::Token);
    Unmet::unless(is_required, "the token", "add a field to takes, as token = \"$token\"")
}

/// There is no account without a password.
pub(crate) fn requires_password(offer: &Offer<'_>) -> Result<(), Unmet> {
    let is_required = offer.takes.requires(Input::Password);
    Unmet::unless(is_required, "a password", "add a field to takes, as password = \"$password\"")
}

/// Where a client says how the refresh token of its new session shall travel, it must be able to; elsewhere it is not
/// asked.
pub(crate) fn asks_for_transport(offer: &Offer<'_>) -> Result<(), Unmet> {
    let is_asked = offer.refresh.transport == Transport::Asked;
    let asks = offer.takes.takes(Input::Transport);
    Unmet::unless(
        asks || !is_asked || !offer.opens_session,
        "a way to ask for the cookie",
        "take \"$transport?\", or set refresh_token.transport to \"both\"",
    )?;
    Unmet::unless(
        is_asked || !asks,
        "no transport, since the profile decides it",
        "set refresh_token.transport to \"asked\"",
    )
}

/// A request whose refresh token is in the cookie must do without one in the body.
pub(crate) fn leaves_token_to_cookie(offer: &Offer<'_>) -> Result<(), Unmet> {
    let has_cookie = offer.refresh.cookie.is_some();
    Unmet::unless(
        !has_cookie || !offer.takes.requires(Input::RefreshToken),
        "no field where there is a cookie",
        "write \"$refresh_token?\"",
    )
}

//! What a session begins with.

use super::{ClientPolicy, Engine, Requester};
use crate::clock::Timestamp;
use crate::counts::Counts;
use crate::error::Fault;
use crate::place::Country;
use crate::ratchet::{SessionState, access};
use crate::session::{AccountId, Epoch, Session, SessionDetail, SessionId, SessionKey};
use crate::token::RefreshToken;

/// What a client asks of a new session.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenRequest<'a> {
    /// What the user calls the device.
    pub device: Option<&'a str>,
    /// The refresh token this device still has from before, if it shows one: that session gives way.
    pub superseded: Option<&'a str>,
    /// Whether the account shall know the device from now on, by what the pair's [`device`](super::TokenPair::device) says; the
    /// client is to keep that and show it at its next log-in.
    pub remembers_device: bool,
}

impl Engine {
    /// The live session whose newest refresh token a client shows at a log-in: the account knows the device that it is on. The
    /// one before it will do, for the answer with the newest may have been lost; an older one may be a thief's.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn session_shown(
        &self,
        client: &ClientPolicy,
        text: &str,
    ) -> Result<Option<SessionKey>, Fault> {
        let now = self.now();
        let Some(token) = self.recognise(client, text, now).await? else { return Ok(None) };
        let found = self.store.find(token.key).await?;
        let is_its = |state: &SessionState| {
            state.session.profile == client.profile
                && state.session.secret_hash == token.secret_hash()
                && state.session.generation.0.abs_diff(token.generation.0) <= 1
                && access(state, now).is_none()
        };
        Ok(found.filter(is_its).map(|_| token.key))
    }

    /// The session on the same device whose place a new one takes. A tag alone is not enough to end a session: the token's
    /// secret must be the row's.
    pub(super) async fn session_to_replace(
        &self,
        client: &ClientPolicy,
        account: AccountId,
        superseded: Option<&str>,
    ) -> Result<Option<SessionId>, Fault> {
        let Some(text) = superseded else { return Ok(None) };
        let token = self.recognise(client, text, self.now()).await?;
        let Some(token) = token.filter(|token| token.key.account == account) else { return Ok(None) };
        let found = self.store.find(token.key).await?;
        let is_its = |state: &SessionState| {
            state.session.secret_hash == token.secret_hash() && state.session.ended.is_none()
        };
        Ok(found.filter(is_its).map(|_| token.key.session))
    }

    /// What counts, once it is done, what is known of a log-in besides that it opens a session.
    pub(super) fn counting_login(
        &self,
        is_new_device: bool,
        requester: &Requester,
    ) -> impl FnOnce(&Counts) + Send + 'static {
        let country = self.whereabouts.knows_places().then(|| {
            let address = requester.ip.as_deref().and_then(|ip| ip.parse().ok());
            let place = address.and_then(|address| self.whereabouts.place(address));
            place.and_then(|place| place.country)
        });
        move |counts| {
            if is_new_device {
                counts.new_device();
            }
            if let Some(country) = country {
                counts.login_from(country.as_ref().map(Country::code));
            }
        }
    }
}

pub(super) fn new_session(
    client: &ClientPolicy,
    token: &RefreshToken,
    epoch: Epoch,
    requester: &Requester,
    now: Timestamp,
) -> Session {
    let begun = Session::begun(token.key, client.profile, token.secret_hash(), epoch, &client.policy, now);
    Session { instance_hash: requester.instance, ..begun }
}

pub(super) fn detail(requester: &Requester, device: Option<&str>) -> SessionDetail {
    SessionDetail {
        ip: requester.ip.clone(),
        user_agent: requester.user_agent.clone(),
        device: device.map(str::to_owned),
        ended_ip: None,
    }
}

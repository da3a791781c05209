//! Reading tokens without letting anybody in.

use super::{ClientPolicy, Engine};
use crate::access;
use crate::error::Fault;
use crate::session::{AccountId, Generation, SessionKey};
use crate::token::RefreshToken;

/// Reads tokens without judging them; nothing changes, and nobody is let in. From [`Engine::tokens`].
#[derive(Clone, Copy, Debug)]
pub struct Tokens<'a>(pub(super) &'a Engine);

impl Tokens<'_> {
    /// What a refresh token of this profile says, or nothing: malformed, forged and another profile's are told apart by
    /// nobody.
    #[must_use]
    pub fn parse(&self, client: &ClientPolicy, text: &str) -> Option<RefreshToken> {
        let Self(engine) = self;
        let token = RefreshToken::parse(text, &engine.keys.load(), engine.now()).ok();
        token.filter(|token| token.profile == client.profile)
    }

    /// The session that a text is a refresh token of, ours or another system's, and the generation it stands for. Another
    /// system's token counts only as long as its session lives.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn session_of(
        &self,
        client: &ClientPolicy,
        text: &str,
    ) -> Result<Option<(SessionKey, Generation)>, Fault> {
        if let Some(token) = self.parse(client, text) {
            return Ok(Some((token.key, token.generation)));
        }
        self.0.live_session_of_imported(client, text).await
    }

    /// The account that an access token of this profile names, also where it has expired or its session is over; none
    /// where it is none of ours.
    #[must_use]
    pub fn account_named(&self, client: &ClientPolicy, bearer: &str) -> Option<AccountId> {
        self.0.session_named(client, bearer).map(|key| key.account)
    }
}

impl Engine {
    /// The session that an access token of this profile names, also where it has expired or that session is over.
    pub(super) fn session_named(&self, client: &ClientPolicy, bearer: &str) -> Option<SessionKey> {
        let named = access::genuine(bearer, &self.keys.load(), self.expected(client), self.now());
        let named = named.ok().filter(|token| token.client_id == client.client_id);
        named.map(|token| SessionKey { account: token.subject, session: token.session })
    }
}

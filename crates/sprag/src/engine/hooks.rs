//! Asking other systems before something is decided here ([`hooks`](crate::hooks)).

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{ClientPolicy, Engine};
use crate::access::RESERVED_CLAIMS;
use crate::account::Account;
use crate::audit::EventKind;
use crate::clock::Timestamp;
use crate::error::{Error, Fault, Refusal};
use crate::hooks::{AsksClaims, BeforeLogin, LoginAsked, MAX_CLAIMS_BYTES, WhenAway};
use crate::seldom;
use crate::session::{AccountId, ProfileId, SessionId};
use crate::store::{Commit, CredentialId, CredentialKind, Expect, Step, Was};
use crate::token::RefreshToken;

const ASKING: &str = "ask what an access token shall say";

/// What another system says of an account in its access tokens.
pub(super) type AskedClaims = Option<Box<Map<String, Value>>>;

impl Engine {
    /// Asks whether somebody may log in. The journal tells a refusal under that account.
    ///
    /// # Errors
    /// [`Refusal::LoginRefused`] where they may not; a [`Fault`] where nobody says.
    pub(super) async fn ask_before_login(
        &self,
        hook: &dyn BeforeLogin,
        asked: &LoginAsked<'_>,
        (told_under, note): (AccountId, &str),
    ) -> Result<(), Error> {
        if hook.may_log_in(asked).await? {
            return Ok(());
        }
        let (requester, note) = (asked.requester, Some(note.to_owned()));
        let event = requester.event_of_account(told_under, EventKind::LoginRefused, self.now(), note);
        self.store.record(event).await?;
        Err(Refusal::LoginRefused.into())
    }

    /// What another system says of an account in the access token that is about to be made, where the client has it asked.
    ///
    /// # Errors
    /// A [`Fault`] where nobody says, and the client wants no token then.
    pub(super) async fn claims_asked(
        &self,
        client: &ClientPolicy,
        account: &Account,
        session: Option<SessionId>,
    ) -> Result<AskedClaims, Fault> {
        let claims = self.claims_unkept(client, account, session).await?;
        if let Some(claims) = &claims {
            self.keep_claims(client.profile, account.id, claims).await?;
        }
        Ok(claims)
    }

    /// As [`claims_asked`](Self::claims_asked), and nothing is written: there may be no such account yet.
    pub(super) async fn claims_unkept(
        &self,
        client: &ClientPolicy,
        account: &Account,
        session: Option<SessionId>,
    ) -> Result<AskedClaims, Fault> {
        let Some((hook, when_away)) = &client.hooks.claims else { return Ok(None) };
        let (hook, profile) = (hook.as_ref(), client.profile);
        match self.claims_said(hook, account, session).await {
            Ok(claims) => Ok(Some(Box::new(claims))),
            Err(fault) => {
                if let Some(left_out) = seldom::left_out(ASKING) {
                    tracing::warn!(%fault, left_out, "nobody said what an access token shall tell");
                }
                match when_away {
                    WhenAway::Refuse => Err(fault),
                    WhenAway::None => Ok(None),
                    WhenAway::Stale => match self.claims_kept(profile, account.id).await? {
                        Some(claims) => Ok(Some(Box::new(claims))),
                        None => Err(fault),
                    },
                }
            }
        }
    }

    /// What another system says of the account of a refresh token. The account may not have been read, and the token may be good
    /// for nothing: who holds one that no refresh would take has nobody asked.
    pub(super) async fn claims_at_refresh(
        &self,
        client: &ClientPolicy,
        token: &RefreshToken,
        account: Option<&Account>,
    ) -> Result<AskedClaims, Fault> {
        let Some(state) = self.store.find(token.key).await? else { return Ok(None) };
        let is_of_row =
            state.session.secret_hash == token.secret_hash() && state.session.profile == token.profile;
        if !is_of_row || crate::ratchet::access(&state, self.now()).is_some() {
            return Ok(None);
        }
        let read;
        let account = match account {
            Some(account) => account,
            None => match self.store.account(token.key.account).await? {
                Some(found) => {
                    read = found;
                    &read
                }
                None => return Ok(None),
            },
        };
        self.claims_asked(client, account, Some(token.key.session)).await
    }

    async fn claims_said(
        &self,
        hook: &dyn AsksClaims,
        account: &Account,
        session: Option<SessionId>,
    ) -> Result<Map<String, Value>, Fault> {
        let claims = hook.claims(account, session).await?;
        if let Some(reserved) = claims.keys().find(|claim| RESERVED_CLAIMS.contains(&claim.as_str())) {
            return Err(Fault::unavailable(
                ASKING,
                format!("the answer has a claim {reserved}, which is ours"),
            ));
        }
        if Value::Object(claims.clone()).to_string().len() > MAX_CLAIMS_BYTES {
            return Err(Fault::unavailable(
                ASKING,
                format!("the answer has more than {MAX_CLAIMS_BYTES} bytes"),
            ));
        }
        Ok(claims)
    }

    /// Keeps what was said, for when nobody says anything; nothing is written where it is what was said last.
    async fn keep_claims(
        &self,
        profile: ProfileId,
        account: AccountId,
        claims: &Map<String, Value>,
    ) -> Result<(), Fault> {
        if self.claims_kept(profile, account).await?.as_ref() == Some(claims) {
            return Ok(());
        }
        let steps = vec![self.keeping_claims(profile, account, claims)];
        let commit = Commit { account, expect: Expect::Anything, steps, events: Vec::new() };
        self.store.commit(commit).await.map(drop)
    }

    /// What keeps what was said with the account.
    pub(super) fn keeping_claims(
        &self,
        profile: ProfileId,
        account: AccountId,
        claims: &Map<String, Value>,
    ) -> Step {
        let (keys, now) = (self.keys.load(), self.now());
        let text = serde_json::to_vec(claims).unwrap_or_default();
        let to = keys.seal(now, self.random.as_ref(), &bound_to(&id(profile), &account), &text);
        Step::PutCredential { id: id(profile), was: Was::Any, to, at: now }
    }

    async fn claims_kept(
        &self,
        profile: ProfileId,
        account: AccountId,
    ) -> Result<Option<Map<String, Value>>, Fault> {
        let sealed = self.store.secret_of(account, id(profile)).await?;
        let now: Timestamp = self.now();
        Ok(sealed.and_then(|sealed| {
            let opened = self.keys.load().open(now, &bound_to(&id(profile), &account), &sealed)?;
            serde_json::from_slice(&opened).ok()
        }))
    }
}

/// Under which of an account's credentials they are kept: one for each profile.
fn id(profile: ProfileId) -> CredentialId {
    CredentialId { kind: CredentialKind::Claims, id: Uuid::from_u128(u128::from(profile.0)) }
}

fn bound_to<'a>(id: &'a CredentialId, account: &'a AccountId) -> [&'a [u8]; 4] {
    [b"credential", id.kind.name().as_bytes(), account.0.as_bytes(), id.id.as_bytes()]
}

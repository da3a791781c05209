//! A session that takes the place of the one that asked for it, at a change of password or a step-up: its first token, and the
//! answer to the same request again.

use super::pair::{About, Told};
use super::refresh::present;
use super::{Caller, ClientPolicy, Engine, Requester, TokenPair};
use crate::account::Account;
use crate::authn::{Authenticated, Code};
use crate::clock::Timestamp;
use crate::error::{Error, Fault, Refusal};
use crate::password::Password;
use crate::ratchet::{SessionState, access, answers_again, judged_at};
use crate::session::{EndCause, Generation, Session, SessionKey, ShortHash};
use crate::store::Rotated;
use crate::token::{RefreshToken, Replacing, hash_retry_id};

/// A request that may have been carried out already.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    /// The session that asked.
    pub(super) key: SessionKey,
    /// Its refresh token, as it came.
    pub(super) text: &'a str,
    /// The retry id.
    pub(super) retry_id: &'a str,
    /// How what was asked for ends the session.
    pub(super) cause: EndCause,
}

impl Engine {
    /// The refresh token that a request brought, if it is of the session that asks.
    pub(super) async fn token_of(
        &self,
        client: &ClientPolicy,
        key: SessionKey,
        text: Option<&str>,
    ) -> Result<Option<RefreshToken>, Fault> {
        let Some(text) = text else { return Ok(None) };
        let token = self.recognise(client, text, self.now()).await?;
        Ok(token.filter(|token| token.key == key))
    }

    /// Has whoever calls be the account's owner: they showed it a moment ago, or know its password. Of an account with a second
    /// factor the password alone says nothing: a stolen session and a phished password would own it.
    pub(super) async fn expect_owner(
        &self,
        caller: &Caller,
        (password, is_fresh): (Option<&str>, bool),
        why: &'static str,
        requester: &Requester,
    ) -> Result<(), Error> {
        self.expect_fresh_by_factor(caller, is_fresh).await?;
        match password {
            Some(password) => {
                self.owner(caller.key, Password::typed(password)?, why, requester).await.map(drop)
            }
            None if is_fresh => Ok(()),
            None => Err(Refusal::StepUpRequired.into()),
        }
    }

    /// Refuses whoever has a second factor and did not show it a moment ago.
    pub(super) async fn expect_fresh_by_factor(&self, caller: &Caller, is_fresh: bool) -> Result<(), Error> {
        match is_fresh || !self.authn().held(caller.key.account).await?.has_factor() {
            true => Ok(()),
            false => Err(Refusal::StepUpRequired.into()),
        }
    }

    /// The owner of the account whose session asks, if they know its password.
    pub(super) async fn owner(
        &self,
        key: SessionKey,
        password: Password,
        why: &'static str,
        requester: &Requester,
    ) -> Result<Authenticated, Error> {
        let wrong = match self.authn().password_of(key, password, requester).await? {
            Ok(owner) => return Ok(owner),
            Err(wrong) => wrong,
        };
        // It may have been right when the caller was let in: another request has changed it since, and ended this session.
        let state = self.store.find(key).await?.ok_or(Refusal::SessionEnded(None))?;
        if let Some(denial) = access(&state, self.now()) {
            return Err(Refusal::from(denial).into());
        }
        self.authn().refuse(wrong, why, requester).await?;
        Err(Refusal::CurrentPasswordWrong.into())
    }

    /// The first token of the session that takes the place of this one.
    pub(super) fn replacement(
        &self,
        client: &ClientPolicy,
        state: &SessionState,
        own: Option<&RefreshToken>,
        retry_hash: Option<ShortHash>,
        requester: &Requester,
        now: Timestamp,
    ) -> Result<RefreshToken, Refusal> {
        let session = &state.session;
        if let Some(ended) = session.ended {
            return Err(Refusal::SessionEnded(Some(ended.cause)));
        }
        let keys = self.keys.load();
        let key = self.key_of_new_session(session.key.account, now);
        // A tag alone is not enough: the token's secret must be the row's.
        let own = own.filter(|token| token.secret_hash() == session.secret_hash);
        Ok(match (own, retry_hash) {
            (Some(token), Some(retry_hash)) => {
                let request = Replacing { retry_hash, instance_hash: requester.instance, at: now };
                token.replacement_by(&request, &keys, now)
            }
            (Some(token), None) => token.replacement(key, &keys, now),
            (None, _) => RefreshToken::first(client.profile, key, self.random.as_ref()),
        })
    }

    /// The pair of the session that has taken the place of the one that asked, by this very request, if it has and if
    /// `password` is the account's. `why` is what the journal says where it is not.
    pub(super) async fn answer_again(
        &self,
        client: &ClientPolicy,
        asked: Asked<'_>,
        password: Password,
        why: &'static str,
        requester: &Requester,
    ) -> Result<Option<TokenPair>, Error> {
        let at = self.now();
        let Some(token) = self.token_of(client, asked.key, Some(asked.text)).await? else { return Ok(None) };
        let found = self.replaced_by(client, &token, asked, at, requester).await?;
        let Some((successor, session)) = found else { return Ok(None) };
        let owner = match self.authn().password_of(asked.key, password, requester).await? {
            Ok(owner) => owner,
            Err(wrong) => {
                self.authn().refuse(wrong, why, requester).await?;
                return Ok(None);
            }
        };
        self.told_again(client, owner.account(), (successor, session)).await
    }

    /// The pair of the session that has taken the place of the one that asked, by this very request with the code of an app, if it
    /// has. The code is used by then, and so is looked for among those that are.
    pub(super) async fn answer_again_by_code(
        &self,
        client: &ClientPolicy,
        asked: Asked<'_>,
        code: &str,
        requester: &Requester,
    ) -> Result<Option<TokenPair>, Error> {
        let at = self.now();
        let Some(token) = self.token_of(client, asked.key, Some(asked.text)).await? else { return Ok(None) };
        let found = self.replaced_by(client, &token, asked, at, requester).await?;
        let Some((successor, session)) = found else { return Ok(None) };
        let (authn, account) = (self.authn(), asked.key.account);
        let reserved = authn.reserve_code(account, requester).await?;
        let held = authn.held(account).await?;
        let Code::UsedBefore = authn.factor_code(account, &held, code, requester).await? else {
            authn.note_wrong_code(account, requester).await?;
            return Ok(None);
        };
        authn.give_code_back(&reserved).await;
        let owner = self.accounts().get(account).await?;
        self.told_again(client, &owner, (successor, session)).await
    }

    /// The pair of the session that has taken the place of the one that asked, by this very request, if it has. What `asked` calls its
    /// retry id is known to nobody who has not shown who they are.
    pub(super) async fn answer_again_by_name(
        &self,
        client: &ClientPolicy,
        asked: Asked<'_>,
        requester: &Requester,
    ) -> Result<Option<TokenPair>, Error> {
        let at = self.now();
        let Some(token) = self.token_of(client, asked.key, Some(asked.text)).await? else { return Ok(None) };
        let found = self.replaced_by(client, &token, asked, at, requester).await?;
        let Some(found) = found else { return Ok(None) };
        let owner = self.accounts().get(asked.key.account).await?;
        self.told_again(client, &owner, found).await
    }

    /// The pair that the session has which took another's place; `None` where the account has moved on since.
    async fn told_again(
        &self,
        client: &ClientPolicy,
        owner: &Account,
        (token, session): (RefreshToken, Session),
    ) -> Result<Option<TokenPair>, Error> {
        if owner.epoch != session.epoch {
            return Ok(None);
        }
        let asked = self.claims_asked(client, owner, Some(session.key.session)).await?;
        let now = self.now();
        let told = Told::fresh(client, Rotated::of(&session), now);
        Ok(Some(self.pair(client, About::of(owner, &asked), &token, None, told, now)?))
    }

    /// The session that has taken this token's place by the request of this retry id, and its first token, if there is one that
    /// lives and has not been refreshed: who refreshes it has had the answer.
    async fn replaced_by(
        &self,
        client: &ClientPolicy,
        token: &RefreshToken,
        asked: Asked<'_>,
        at: Timestamp,
        requester: &Requester,
    ) -> Result<Option<(RefreshToken, Session)>, Fault> {
        let Some(SessionState { session: row, .. }) = self.store.find(token.key).await? else {
            return Ok(None);
        };
        let ended = row.ended.filter(|ended| ended.cause == asked.cause);
        let Some(ended) = ended else { return Ok(None) };
        let at = judged_at(ended.at, at, self.now());
        let presented = present(token, Some(asked.retry_id), requester);
        let judged_by = |moment| answers_again(&presented, &row, moment, &client.policy);
        if !self.judge_by(client, at, judged_by, |is_in_time| !is_in_time).await? {
            return Ok(None);
        }
        let request = Replacing {
            retry_hash: hash_retry_id(asked.retry_id),
            instance_hash: requester.instance,
            at: ended.at,
        };
        let successors: Vec<_> = token.replacements_by(&request, &self.keys.load(), at).collect();
        for successor in successors {
            let Some(state) = self.store.find(successor.key).await? else { continue };
            let is_it = state.session.profile == client.profile
                && state.session.secret_hash == successor.secret_hash()
                && state.session.generation == Generation(0);
            if is_it && access(&state, self.now()).is_none() {
                return Ok(Some((successor, state.session)));
            }
        }
        Ok(None)
    }
}

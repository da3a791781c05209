//! A letter with a link and a code by which somebody logs in.

use super::letters::{addressed, both};
use super::{ClientPolicy, Letters, Requester};
use crate::account::Account;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::letter::{Letter, LetterKind};
use crate::one_time::login::{LogIn, LoginId, new_code};
use crate::one_time::{OneTimeText, OneTimeToken, Purpose, TokenId, hashed, sealed};
use crate::outbox::MessageKey;
use crate::proof_of_work::Solved;
use crate::random;
use crate::session::{AccountId, ProfileId};
use crate::store::{Commit, Expect, meant_by};

/// How somebody may log in by mail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LoginByMail {
    /// With which profile.
    pub profile: ProfileId,
    /// Whether the link works on another device than the one that asked for it.
    pub works_anywhere: bool,
}

impl Letters<'_> {
    /// Has a letter written by which whoever a name leads to logs in, and gives the login id: what the code must come with.
    /// Nothing tells whether the name leads to anybody.
    ///
    /// # Errors
    /// [`Refusal::RateLimited`](crate::Refusal::RateLimited); a [`Fault`](crate::Fault).
    pub async fn ask_for_login(
        &self,
        typed: &str,
        how: LoginByMail,
        solved: Option<Solved>,
        requester: &Requester,
    ) -> Result<String, Error> {
        let Self(engine) = self;
        let found = meant_by(engine.store.as_ref(), typed).await?.map(|found| found.account);
        let has_room = self.reserve_letter_by_name(found.as_ref(), typed, solved, requester).await?;
        let (now, keys, random) = (engine.now(), engine.keys.load(), engine.random.as_ref());
        let known = found.filter(|account| has_room && account.disabled_at.is_none()).and_then(addressed);
        let account =
            known.as_ref().map_or_else(|| AccountId(random::id(random, now)), |(known, _)| known.id);
        let login = LoginId::new(account, TokenId(random::id(random, now)), random);
        let login_id = login.write(&keys, random, now);
        let (commit, key) = match known {
            Some((account, address)) => {
                self.letter_with_code(&account, &address, &login, how, requester, now)
            }
            None => {
                // A row of nobody's, so that a guess at its code takes as long as one at an account's.
                let (token, _) = self.login_token(None, typed, &login, how, now);
                let message = self.nothing(account, Purpose::LogIn, now);
                let key = message.key;
                (both(account, Expect::Anything, token, message), key)
            }
        };
        self.written(commit, key).await?;
        Ok(login_id)
    }

    fn letter_with_code(
        &self,
        account: &Account,
        address: &str,
        login: &LoginId,
        how: LoginByMail,
        requester: &Requester,
        now: Timestamp,
    ) -> (Commit, MessageKey) {
        let (token, (text, code)) = self.login_token(Some(account), address, login, how, now);
        let letter = Letter::asked_for(LetterKind::LogIn, address, requester, now);
        let letter = letter.with_link(&text, token.expires_at);
        let letter = Letter { code: Some(code), ..letter };
        let message = self.to(account, letter, token.expires_at);
        let key = message.key;
        (both(account.id, Expect::Standing(account.epoch), token, message), key)
    }

    /// The token, with the text of its link and its code.
    fn login_token(
        &self,
        account: Option<&Account>,
        address: &str,
        login: &LoginId,
        how: LoginByMail,
        now: Timestamp,
    ) -> (OneTimeToken, (OneTimeText, String)) {
        let engine = self.0;
        let (keys, random) = (engine.keys.load(), engine.random.as_ref());
        let (secret, code) = (random::bytes::<16>(random), new_code(random));
        let (owner, id) = (login.account, login.token);
        let text = OneTimeText::write(&keys, now, (Purpose::LogIn, owner, id), &secret);
        let payload = LogIn {
            address: address.to_owned(),
            profile: how.profile.0,
            code: code.clone(),
            works_anywhere: how.works_anywhere,
        };
        let token = OneTimeToken {
            account: owner,
            id,
            purpose: Purpose::LogIn,
            bound_to: login.bound_to(),
            secret_hash: hashed(&secret),
            code_hash: Some(login.code_hash(&code)),
            solved_by: None,
            tries: 0,
            epoch: account.map(|account| account.epoch),
            made_at: now,
            expires_at: now.plus(Purpose::LogIn.lives()),
            sealed: sealed::seal((&keys, random), now, (owner, id), &payload),
        };
        (token, (text, code))
    }

    /// What a link to log in is about, for a page: a look, by which nothing is spent.
    ///
    /// # Errors
    /// [`Refusal::LinkInvalid`](crate::Refusal::LinkInvalid); a [`Fault`](crate::Fault).
    pub async fn login_link(&self, text: &str) -> Result<LoginLink, Error> {
        let Self(engine) = self;
        let usable = engine.usable(Purpose::LogIn, text).await?;
        let login: LogIn = usable.payload(&engine.keys.load(), engine.now())?;
        let has_factor = engine.authn().held(usable.account.id).await?.has_factor();
        Ok(LoginLink {
            address: login.address,
            code: login.code,
            how: LoginByMail { profile: ProfileId(login.profile), works_anywhere: login.works_anywhere },
            owner: usable.account,
            has_factor,
        })
    }
}

/// What a link to log in is about.
#[derive(Clone, PartialEq, Eq)]
pub struct LoginLink {
    /// The address that it was sent to.
    pub address: String,
    /// The code that does what the link does, in the browser that asked for it.
    pub code: String,
    /// With which profile, and where.
    pub how: LoginByMail,
    owner: Account,
    has_factor: bool,
}

impl LoginLink {
    /// Whether its owner must add a second factor first, so that it opens no session yet.
    #[must_use]
    pub fn wants_enrolment(&self, client: &ClientPolicy) -> bool {
        !self.has_factor && client.second_factor.is_asked_of(&self.owner)
    }
}

/// Prints what a log may show.
impl std::fmt::Debug for LoginLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LoginLink")
    }
}

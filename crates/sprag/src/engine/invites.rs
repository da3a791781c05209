//! Invitations: whoever has one makes an account. It carries the id that the account will have, so that spending it and making the
//! account are one commit, and of two who come at one moment one has it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Engine, Error, Requester};
use crate::account::{Name, language, particular};
use crate::audit::EventKind;
use crate::clock::Timestamp;
use crate::error::Refusal;
use crate::letter::{Letter, LetterKind};
use crate::one_time::{Digest, OneTimeText, OneTimeToken, Parsed, Proof, Purpose, TokenId, hashed};
use crate::random;
use crate::session::{AccountId, ProfileId};
use crate::store::{Commit, Expect, Step};

/// What an invitation is sealed for.
const TABLE: &[u8] = b"one_time_token invite";

/// What administrators here are called as a role: an invitation makes none.
const ADMINISTRATOR: &str = "admin";

/// Whom an administrator invites.
#[derive(Clone, Copy, Debug, Default)]
pub struct Invitation<'a> {
    /// The address that the account must have, if it is for one; a letter goes there.
    pub email: Option<&'a str>,
    /// What the account may do, as other systems call it.
    pub role: Option<&'a str>,
    /// In which language the letter is: a tag such as `de` or `pt-BR`. Where nothing is told, the first that the inviter reads.
    pub language: Option<&'a str>,
    /// For how long it can be used: seven days unless it is less.
    pub lasts: Option<Duration>,
    /// Whose profile's registration it is for, where a page of the server's own asks for what that wants.
    pub profile: Option<ProfileId>,
}

/// An invitation that was made.
#[derive(Debug)]
pub struct Invited {
    /// What whoever is invited shows.
    pub text: OneTimeText,
    /// From when on it is worth nothing.
    pub expires_at: Timestamp,
}

/// An invitation that somebody shows, and that can still be used.
#[derive(Clone, Debug)]
pub struct Invite {
    parsed: Parsed,
    facts: InviteFacts,
}

/// What is sealed in it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct InviteFacts {
    email: Option<String>,
    role: Option<String>,
    /// Whether a letter took it there.
    is_mailed: bool,
    /// Who invited.
    by: uuid::Uuid,
    #[serde(default)]
    profile: Option<ProfileId>,
}

/// Invites people. From [`Engine::invites`].
#[derive(Clone, Copy, Debug)]
pub struct Invites<'a>(&'a Engine);

impl Engine {
    /// Invitations to make an account.
    #[must_use]
    pub fn invites(&self) -> Invites<'_> {
        Invites(self)
    }
}

impl Invites<'_> {
    /// Invites somebody, by a letter where there is an address and letters are sent. It works while whoever invites is an
    /// administrator.
    ///
    /// # Errors
    /// [`Refusal::NameInvalid`]; [`Refusal::NameTaken`] where the address has an account; a [`Fault`](crate::Fault).
    pub async fn invite(
        &self,
        invitation: Invitation<'_>,
        by: AccountId,
        requester: &Requester,
    ) -> Result<Invited, Error> {
        let Self(engine) = self;
        let email = invitation.email.map(str::trim);
        if let Some(email) = email
            && !engine.store.alike(&Name::email(email)?).await?.is_empty()
        {
            return Err(Refusal::NameTaken.into());
        }
        let chosen = language(invitation.language)?;
        let role = particular(invitation.role)?;
        if role.as_deref().is_some_and(|role| role.trim().eq_ignore_ascii_case(ADMINISTRATOR)) {
            let why = "an invitation makes no administrator; invite with another role, and change it once the account is there";
            return Err(Refusal::NameInvalid(why).into());
        }
        let is_mailed = email.is_some() && engine.sends_letters;
        let profile = invitation.profile;
        let facts = InviteFacts { email: email.map(str::to_owned), role, is_mailed, by: by.0, profile };
        let (now, keys, random) = (engine.now(), engine.keys.load(), engine.random.as_ref());
        let lasts = invitation.lasts.unwrap_or(Purpose::Invite.lives()).min(Purpose::Invite.lives());
        let expires_at = now.plus(lasts);
        let (account, id) = (AccountId(random::id(random, now)), TokenId(random::id(random, now)));
        let secret = random::bytes::<16>(random);
        let text = OneTimeText::write(&keys, now, (Purpose::Invite, account, id), &secret);
        let sealed = serde_json::to_vec(&facts).unwrap_or_default();
        let token = OneTimeToken {
            account,
            id,
            purpose: Purpose::Invite,
            bound_to: bound_to(&facts),
            secret_hash: hashed(&secret),
            code_hash: None,
            solved_by: None,
            tries: 0,
            epoch: None,
            made_at: now,
            expires_at,
            sealed: keys.seal(now, random, &[TABLE, account.0.as_bytes(), id.0.as_bytes()], &sealed),
        };
        let mut steps = vec![Step::PutToken(Box::new(token))];
        let letter = facts.email.as_deref().filter(|_| is_mailed).map(|to| {
            let letter = Letter::asked_for(LetterKind::Invite, to, requester, now);
            let languages = chosen.clone().or(letter.languages);
            let letter = Letter { languages, ..letter };
            letter.with_link(&text, expires_at).sealed(account, (&keys, random), expires_at)
        });
        let key = letter.as_ref().map(|letter| letter.key);
        steps.extend(letter.map(|letter| Step::PutMessage(Box::new(letter))));
        let events = vec![requester.event_of_account(account, EventKind::AccountInvited, now, None)];
        let commit = Commit { account, expect: Expect::Anything, steps, events };
        if !engine.store.commit(commit).await?.is_done() {
            return Err(super::tried_too_often("invite somebody").into());
        }
        key.into_iter().for_each(|key| engine.letter_waits(key));
        Ok(Invited { text, expires_at })
    }

    /// Looks at an invitation that somebody shows; nothing is spent by that.
    ///
    /// # Errors
    /// [`Refusal::LinkInvalid`]; a [`Fault`](crate::Fault).
    pub async fn read(&self, text: &str) -> Result<Invite, Error> {
        let Self(engine) = self;
        let (now, keys) = (engine.now(), engine.keys.load());
        let parsed = Parsed::read(&keys, now, Purpose::Invite, text).ok_or(Refusal::LinkInvalid)?;
        let found = engine.store.one_time_token(parsed.account, parsed.id).await?;
        let token =
            found.filter(|token| token.secret_hash == parsed.secret_hash).ok_or(Refusal::LinkInvalid)?;
        let place: [&[u8]; 3] = [TABLE, parsed.account.0.as_bytes(), parsed.id.0.as_bytes()];
        let opened = keys.open(now, &place, &token.sealed);
        let facts = opened.and_then(|opened| serde_json::from_slice::<InviteFacts>(&opened).ok());
        let facts = facts.ok_or(Refusal::LinkInvalid)?;
        let by = engine.store.account(AccountId(facts.by)).await?;
        let may_invite = by.is_some_and(|by| by.is_admin && by.disabled_at.is_none());
        match token.is_for(Purpose::Invite, &bound_to(&facts), now) && may_invite {
            true => Ok(Invite { parsed, facts }),
            false => Err(Refusal::LinkInvalid.into()),
        }
    }
}

impl Invite {
    /// The address that it is for, if it is for one.
    #[must_use]
    pub fn email(&self) -> Option<&str> {
        self.facts.email.as_deref()
    }

    /// Whose profile's registration it is for, if that was said.
    #[must_use]
    pub fn profile(&self) -> Option<ProfileId> {
        self.facts.profile
    }

    /// The id of the account that it makes.
    pub(super) fn account(&self) -> AccountId {
        self.parsed.account
    }

    /// What the account may do, as other systems call it.
    pub(super) fn role(&self) -> Option<&str> {
        self.facts.role.as_deref()
    }

    /// Whether an account with that address may be made with it.
    #[must_use]
    pub fn is_for(&self, email: &str) -> bool {
        self.email().is_none_or(|own| Name::email(own).ok() == Name::email(email).ok())
    }

    /// Whether a letter took it to that address: whoever shows it has shown by that that letters reach them there.
    #[must_use]
    pub fn confirms(&self, email: &str) -> bool {
        self.facts.is_mailed && self.is_for(email)
    }

    /// The step that spends it.
    pub(super) fn spending(&self, at: Timestamp) -> Step {
        Step::SpendToken {
            token: self.parsed.id,
            purpose: Purpose::Invite,
            bound_to: bound_to(&self.facts),
            proof: Proof::Secret(self.parsed.secret_hash),
            at,
        }
    }
}

fn bound_to(facts: &InviteFacts) -> Digest {
    hashed(facts.email.as_deref().unwrap_or_default().as_bytes())
}

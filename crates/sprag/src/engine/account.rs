//! Accounts: making them, changing a password, disabling and enabling.

use super::login::{detail, new_session};
use super::pair::Told;
use super::{Caller, ClientPolicy, Engine, Requester, TokenPair, tried_too_often};
use crate::account::{Account, Name, Particulars, is_particular};
use crate::audit::{Event, EventKind};
use crate::clock::Timestamp;
use crate::error::{Error, Fault, Refusal};
use crate::password::{Match, NO_PASSWORD, Password};
use crate::random;
use crate::ratchet::{MAX_MISSES, SessionState};
use crate::session::{AccountId, EndCause, Epoch, Session};
use crate::store::{Ending, NewAccount, PasswordChange, PasswordChanged, Rotated};
use crate::token::RefreshToken;

/// An account to be made.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewUser<'a> {
    /// A user name, if it shall have one.
    pub username: Option<&'a str>,
    /// An e-mail address, if it shall have one.
    pub email: Option<&'a str>,
    /// Its password, as typed.
    pub password: &'a str,
    /// Whether it may administer others.
    pub is_admin: bool,
    /// What people call its owner.
    pub name: Option<&'a str>,
    /// The owner's given name.
    pub given_name: Option<&'a str>,
    /// The owner's family name.
    pub family_name: Option<&'a str>,
}

impl Engine {
    /// Makes an account.
    ///
    /// # Errors
    /// [`Refusal::NameInvalid`], [`Refusal::PasswordRejected`] or [`Refusal::NameTaken`]; a [`Fault`].
    pub async fn create_account(&self, user: NewUser<'_>, requester: &Requester) -> Result<Account, Error> {
        let names = [user.username.map(Name::username), user.email.map(Name::email)];
        let names = names.into_iter().flatten().collect::<Result<Vec<_>, _>>()?;
        if names.is_empty() {
            return Err(Refusal::NameInvalid("an account needs a user name or an e-mail address").into());
        }
        let password = Password::chosen(user.password)?;
        let password_hash = self.hasher.hash(password, self.random.as_ref()).await?;
        let now = self.now();
        let account = Account {
            id: AccountId(random::id(self.random.as_ref(), now)),
            username: user.username.map(|name| name.trim().to_owned()),
            email: user.email.map(|email| email.trim().to_owned()),
            is_admin: user.is_admin,
            disabled_at: None,
            epoch: Epoch(0),
            created_at: now,
            particulars: Particulars {
                name: particular(user.name)?,
                given_name: particular(user.given_name)?,
                family_name: particular(user.family_name)?,
                ..Particulars::default()
            },
        };
        let event = about(account.id, EventKind::AccountCreated, now, requester, None);
        let new = NewAccount { account: account.clone(), names, password_hash, event };
        if self.store.create(new).await? { Ok(account) } else { Err(Refusal::NameTaken.into()) }
    }

    /// Makes an account and opens its first session.
    ///
    /// # Errors
    /// As [`create_account`](Self::create_account). A [`Fault`] may leave the account made, and its owner logs in.
    pub async fn sign_up(
        &self,
        client: &ClientPolicy,
        user: NewUser<'_>,
        device: Option<&str>,
        requester: &Requester,
    ) -> Result<(Account, TokenPair), Error> {
        let account = self.create_account(user, requester).await?;
        let pair = self.open(client, &account, device, None, requester).await?;
        Ok((account, pair))
    }

    /// The account of a caller.
    ///
    /// # Errors
    /// [`Refusal::AccountUnknown`] if it has gone meanwhile; a [`Fault`].
    pub async fn account(&self, id: AccountId) -> Result<Account, Error> {
        Ok(self.store.account(id).await?.ok_or(Refusal::AccountUnknown)?)
    }

    /// Changes the caller's password: the account's epoch moves, every session ends, and a new one takes the place of
    /// the caller's. So nothing that was handed out before works after it.
    ///
    /// Where the caller shows its refresh token too, the new session's secret is made of the old one
    /// ([`RefreshToken::replacement`]); where it shows only the access token, it is a fresh one.
    ///
    /// # Errors
    /// [`Refusal::CurrentPasswordWrong`], [`Refusal::PasswordRejected`], or [`Refusal::SessionEnded`] if the session
    /// or the account moved on meanwhile; a [`Fault`].
    pub async fn change_password(
        &self,
        client: &ClientPolicy,
        caller: &Caller,
        passwords: (&str, &str),
        refresh_token: Option<&str>,
        requester: &Requester,
    ) -> Result<TokenPair, Error> {
        let (current, new) = (Password::typed(passwords.0)?, Password::chosen(passwords.1)?);
        let account = caller.key.account;
        let credential = self.store.credential_of(account).await?.ok_or(Refusal::AccountUnknown)?;
        let matched = self.hasher.verify(current, Some(credential.password_hash)).await?;
        if matched == Match::No {
            let why = Some("the current password, asked for to change it, was wrong".into());
            let event = about(account, EventKind::LoginFailed, self.now(), requester, why);
            self.store.record(event).await?;
            return Err(Refusal::CurrentPasswordWrong.into());
        }
        let password_hash = self.hasher.hash(new, self.random.as_ref()).await?;
        let own = match refresh_token {
            Some(text) => self.recognise(client, text, self.now()).await?,
            None => None,
        };
        let own = own.filter(|token| token.key == caller.key);
        for _ in 0..=MAX_MISSES {
            let state = self.store.find(caller.key).await?.ok_or(Refusal::SessionEnded(None))?;
            if state.session.ended.is_none() && state.epoch != credential.account.epoch {
                return Err(Refusal::SessionEnded(None).into());
            }
            let device = self.store.named(caller.key.session).await?.and_then(|(_, detail)| detail.device);
            let now = self.now();
            let token = self.replacement(client, &state, own.as_ref(), now)?;
            // It is no log-in: the session ends no later than the one before, and was authenticated when that one was.
            let Session { expires_at, authenticated_at, methods, .. } = state.session;
            let successor = new_session(client, &token, state.epoch.next(), requester, now);
            let successor = Session { expires_at, authenticated_at, methods, ..successor };
            let told = Told::fresh(client, Rotated::of(&successor), now);
            let change = PasswordChange {
                account,
                verified_under: credential.account.epoch,
                password_hash: password_hash.clone(),
                replaced: caller.key.session,
                successor: Box::new(successor),
                detail: detail(requester, device.as_deref()),
                ending: requester.ending(EndCause::PasswordChanged, now),
                event: about(account, EventKind::PasswordChanged, now, requester, None),
            };
            match self.store.change_password(change).await? {
                PasswordChanged::Done => {
                    return Ok(self.new_pair(client, Some(&credential.account), &token, told, now)?);
                }
                PasswordChanged::Moved => {}
            }
        }
        Err(tried_too_often("change a password").into())
    }

    /// The first token of the session that takes the place of this one.
    fn replacement(
        &self,
        client: &ClientPolicy,
        state: &SessionState,
        own: Option<&RefreshToken>,
        now: Timestamp,
    ) -> Result<RefreshToken, Refusal> {
        let session = &state.session;
        if let Some(ended) = session.ended {
            return Err(Refusal::SessionEnded(Some(ended.cause)));
        }
        let key = self.key_of_new_session(session.key.account, now);
        // A tag alone is not enough: the token's secret must be the row's.
        Ok(match own.filter(|token| token.secret_hash() == session.secret_hash) {
            Some(token) => token.replacement(key, &self.keys.load(), now),
            None => RefreshToken::first(client.profile, key, self.random.as_ref()),
        })
    }

    /// Gives an account that has no password its first one; `false` if it has one, which then stays as it is.
    ///
    /// # Errors
    /// [`Refusal::AccountUnknown`], [`Refusal::PasswordRejected`]; a [`Fault`].
    pub async fn set_first_password(
        &self,
        account: AccountId,
        password: &str,
        requester: &Requester,
    ) -> Result<bool, Error> {
        let password = Password::chosen(password)?;
        self.account(account).await?;
        let hash = self.hasher.hash(password, self.random.as_ref()).await?;
        let note = Some("its first, set by an operator".into());
        let event = about(account, EventKind::PasswordChanged, self.now(), requester, note);
        Ok(self.store.rehash(account, NO_PASSWORD, &hash, Some(event)).await?)
    }

    /// Disables an account and ends its sessions; `false` if it was disabled already.
    ///
    /// # Errors
    /// [`Refusal::AccountUnknown`]; a [`Fault`].
    pub async fn disable(&self, account: AccountId, requester: &Requester) -> Result<bool, Error> {
        self.account(account).await?;
        let event = about(account, EventKind::AccountDisabled, self.now(), requester, None);
        Ok(self.store.disable(account, event).await?)
    }

    /// Lets an account log in again; `false` if it could. Its ended sessions stay ended.
    ///
    /// # Errors
    /// [`Refusal::AccountUnknown`]; a [`Fault`].
    pub async fn enable(&self, account: AccountId, requester: &Requester) -> Result<bool, Error> {
        self.account(account).await?;
        let event = about(account, EventKind::AccountEnabled, self.now(), requester, None);
        Ok(self.store.enable(account, event).await?)
    }

    /// The account that a user name, an e-mail address or an id leads to.
    ///
    /// # Errors
    /// [`Refusal::AccountUnknown`]; a [`Fault`].
    pub async fn find_account(&self, who: &str) -> Result<Account, Error> {
        if let Ok(id) = who.parse::<AccountId>()
            && let Some(account) = self.store.account(id).await?
        {
            return Ok(account);
        }
        let name = Name::either(who).map_err(|_| Refusal::AccountUnknown)?;
        let found: Result<_, Fault> = self.store.credential(&name).await;
        Ok(found?.ok_or(Refusal::AccountUnknown)?.account)
    }
}

/// What people call somebody: kept as it was typed.
pub(super) fn particular(text: Option<&str>) -> Result<Option<String>, Refusal> {
    match text.filter(|text| !text.is_empty()) {
        Some(text) if !is_particular(text) => {
            Err(Refusal::NameInvalid("a name has at most 255 bytes and no control character"))
        }
        text => Ok(text.map(str::to_owned)),
    }
}

impl Requester {
    /// Nobody in person: what happens by an import or by itself.
    #[must_use]
    pub fn nobody() -> Self {
        Self { ip: None, user_agent: None, instance: [0; 16] }
    }

    /// How a session ends that this client ends.
    #[must_use]
    pub fn ending(&self, cause: EndCause, at: Timestamp) -> Ending {
        Ending { cause, at, ip: self.ip.clone(), user_agent: self.user_agent.clone(), note: None }
    }
}

pub(super) fn about(
    account: AccountId,
    kind: EventKind,
    at: Timestamp,
    requester: &Requester,
    note: Option<String>,
) -> Event {
    let (ip, user_agent) = (requester.ip.clone(), requester.user_agent.clone());
    Event { account, at, kind, session: None, cause: None, ip, user_agent, note }
}

//! Accounts: making them, finding them, disabling and enabling.

use super::commits::{self, NewAccount};
use super::next_id::NextId;
use super::sign_up::{Made, Planned, SigningUp};
use super::{ClientPolicy, Confirmation, Engine, Invite, Requester, tried_too_often};
use crate::account::{Account, ConfirmedEmail, External, Name, NameKind, Particulars, language, particular};
use crate::audit::EventKind;
use crate::authn::Authenticated;
use crate::budget::Budget;
use crate::clock::Timestamp;
use crate::error::{Error, Fault, Refusal};
use crate::limits::Whose;
use crate::password::{NewPassword, Password};
use crate::policy::PasswordLength;
use crate::proof_of_work::Solved;
use crate::random;
use crate::session::{AccountId, ProfileId};
use crate::store::{Commit, Committed, Expect, Step, meant_by};

/// How many keys in a row may be an account's already. One is where an import ran past the floor.
const MAX_KEYS_TAKEN: usize = 16;

/// An account to be made.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewUser<'a> {
    /// A user name, if it shall have one.
    pub username: Option<&'a str>,
    /// An e-mail address, if it shall have one.
    pub email: Option<&'a str>,
    /// The key that another system, or your own application, has for its owner, and the profile it belongs to.
    pub external_id: Option<(ProfileId, &'a str)>,
    /// Where it has no such key yet: which profile gives it one, and of which kind.
    pub next_id: Option<(ProfileId, NextId)>,
    /// Its password, as typed; none where its owner shows by other means who they are.
    pub password: Option<&'a str>,
    /// How long that must be; what the engine was built with, where nothing is said.
    pub password_length: Option<PasswordLength>,
    /// Whether it may administer others.
    pub is_admin: bool,
    /// What it may do, as other systems call it.
    pub role: Option<&'a str>,
    /// What people call its owner.
    pub name: Option<&'a str>,
    /// The owner's given name.
    pub given_name: Option<&'a str>,
    /// The owner's family name.
    pub family_name: Option<&'a str>,
    /// In which language they are written to where they have not asked for it just now: a tag such as `de` or `pt-BR`.
    pub language: Option<&'a str>,
    /// Whether its owner is asked to confirm the address.
    pub confirmation: Confirmation,
    /// The invitation that it is made with, if it is: whoever makes it is asked to confirm no address that a letter took that to.
    pub invite: Option<&'a Invite>,
}

impl NewUser<'_> {
    /// The names that will lead to it.
    pub(super) fn names(&self) -> Result<Vec<Name>, Refusal> {
        let external = self.external_id.map(|(profile, id)| Name::external(profile, id));
        let names = [external, self.username.map(Name::username), self.email.map(Name::email)];
        let names = names.into_iter().flatten().collect::<Result<Vec<_>, _>>()?;
        if names.is_empty() {
            return Err(Refusal::NameInvalid("an account needs a user name or an e-mail address"));
        }
        Ok(names)
    }

    pub(super) fn account(&self, id: AccountId, now: Timestamp) -> Result<Account, Refusal> {
        let external = self.external_id.map(|(profile, id)| External { profile, id: id.to_owned() });
        let particulars = Particulars {
            external,
            role: particular(self.invite.map_or(self.role, Invite::role))?,
            name: particular(self.name)?,
            given_name: particular(self.given_name)?,
            family_name: particular(self.family_name)?,
            language: language(self.language)?,
        };
        let email = self.email.map(|email| email.trim().to_owned());
        Ok(Account {
            username: self.username.map(|name| name.trim().to_owned()),
            confirmed: email
                .clone()
                .filter(|email| self.invite.is_some_and(|invite| invite.confirms(email)))
                .map(|address| ConfirmedEmail { address, at: now }),
            email,
            is_admin: self.is_admin,
            particulars,
            ..Account::new(id, now)
        })
    }
}

/// Makes, finds and changes accounts. From [`Engine::accounts`].
#[derive(Clone, Copy, Debug)]
pub struct Accounts<'a>(pub(super) &'a Engine);

impl Accounts<'_> {
    /// Makes an account; without a password, nobody logs in to it by one.
    ///
    /// # Errors
    /// [`Refusal::NameInvalid`], [`Refusal::PasswordRejected`] or [`Refusal::NameTaken`]; [`Refusal::LinkInvalid`] of an
    /// invitation that is no longer good; a [`Fault`].
    pub async fn create(&self, user: NewUser<'_>, requester: &Requester) -> Result<Account, Error> {
        self.make(user, None, None, requester).await.map(|made| made.account)
    }

    /// Makes an account. Where somebody else has the address, and that must not show, the address leads to them as before, and they
    /// are told by a letter. Where it is to log in at once, hooks are asked first, and may have none made.
    pub(super) async fn make(
        &self,
        user: NewUser<'_>,
        owner: Option<&Account>,
        signing_up: Option<SigningUp<'_>>,
        requester: &Requester,
    ) -> Result<Made, Error> {
        let Self(engine) = self;
        let names = user.names()?;
        let password = self.chosen_of_new(&user, requester).await?;
        let id = match user.invite {
            Some(invite) => invite.account(),
            None => AccountId(random::id(engine.random.as_ref(), engine.now())),
        };
        // A step in front of the others: of two who have one invitation, one makes an account.
        let before = usize::from(user.invite.is_some());
        let password_hash = password.as_ref().map(|(_, hash)| hash.clone());
        for _ in 0..=MAX_KEYS_TAKEN {
            let key = match user.next_id {
                Some((profile, next)) => {
                    // Where nobody is to learn who has an address, what is done does not depend on that.
                    let looked_for = if user.confirmation == Confirmation::Required { &[] } else { &*names };
                    engine.next_key(profile, next, looked_for).await?.map(|key| (profile, key))
                }
                None => None,
            };
            let given = key.as_ref().map(|(profile, key)| (*profile, key.as_str()));
            let user = NewUser { external_id: given.or(user.external_id), ..user };
            let now = engine.now();
            let account = user.account(id, now)?;
            let event = requester.event_of_account(id, EventKind::AccountCreated, now, None);
            let (mut leading, password_hash) = (user.names()?, password_hash.clone());
            leading.retain(|name| owner.is_none() || name.kind != NameKind::Email);
            let new = NewAccount { account: account.clone(), names: leading, password_hash, event };
            let asks = user.confirmation != Confirmation::Off;
            let asked = account.email.as_ref().filter(|_| account.confirmed.is_none());
            let (letters, made) = (engine.letters(), new.commit());
            let (mut commit, letter) = match (owner, asked.filter(|_| asks && engine.sends_letters)) {
                (Some(owner), _) => letters.telling_owner(made, owner, requester),
                (None, Some(address)) => letters.asking_to_confirm(made, &account, address, requester),
                (None, None) => (made, None),
            };
            commit.steps.splice(0..0, user.invite.map(|invite| invite.spending(now)));
            let planned = Planned { account: &account, names: &names, has_password: password.is_some() };
            let asked = Box::pin(engine.ask_ahead(signing_up, planned, requester)).await?;
            commit.steps.extend(engine.keeps_asked(asked.as_deref()));
            match engine.store.commit(commit).await? {
                Committed::Missed { step: 0 } if user.invite.is_some() => {
                    return Err(Refusal::LinkInvalid.into());
                }
                // An account has this key: an import brought it. It is the first of the names.
                Committed::Missed { step } if step == before + 1 && key.is_some() => {}
                committed if NewAccount::is_made(committed)? => {
                    letter.into_iter().for_each(|key| engine.letter_waits(key));
                    return Ok(Made { account, password, asked });
                }
                _ => return Err(Refusal::NameTaken.into()),
            }
        }
        Err(tried_too_often("make an account").into())
    }

    /// Reserves the making of an account by whoever comes, before any work is done for it; where their network's budget has no
    /// room, a solved challenge stands in for it. Who may make them anyway needs none.
    ///
    /// # Errors
    /// [`Refusal::RateLimited`] if too many were made from that network; a [`Fault`].
    pub async fn reserve_one(&self, solved: Option<Solved>, requester: &Requester) -> Result<(), Error> {
        let Self(engine) = self;
        let wanted = [(Budget::RegisterPrefix, Whose::NetworkOf(requester))];
        let (store, keys, now) = (engine.store.as_ref(), engine.keys.load(), engine.now());
        match engine.gate.reserve_or_by_work(store, &keys, (&wanted, 1), solved, now).await? {
            // Spent, whatever comes of it: asking whether a name is taken is worth as much as making an account.
            Ok(_spent) => Ok(()),
            Err(spent) => Err(spent.into()),
        }
    }

    /// The password that somebody chose for an account that is to be made, if they did, with the hash that it is kept as.
    async fn chosen_of_new(
        &self,
        user: &NewUser<'_>,
        requester: &Requester,
    ) -> Result<Option<(Password, String)>, Error> {
        let Self(engine) = self;
        let Some(text) = user.password else { return Ok(None) };
        let own = [user.username, user.email, user.name, user.given_name, user.family_name];
        let own: Vec<&str> = own.into_iter().flatten().collect();
        let new = NewPassword { text, length: user.password_length };
        let (password, from) = (engine.chosen(new, &own).await?, requester.prefix());
        let hash = engine.hasher.hash_from(from, password.clone(), engine.random.as_ref()).await?;
        Ok(Some((password, hash)))
    }

    /// Makes an account for somebody who is here and chose its password, if it has one, so that their first session can be
    /// opened at once, for that client and on the device of that name. The client's hooks are asked before anything is written,
    /// and not once more when the session opens; one that must have a second factor first has them asked when it does.
    ///
    /// # Errors
    /// As [`create`](Self::create); [`Refusal::LoginRefused`] where a [hook](crate::hooks) says no, and a
    /// [`Fault`](crate::Fault) where one does not answer: then no account is made.
    pub async fn sign_up(
        &self,
        client: &ClientPolicy,
        user: NewUser<'_>,
        device: Option<&str>,
        requester: &Requester,
    ) -> Result<Authenticated, Error> {
        let signing_up = SigningUp { client, device };
        let Made { account, password, asked } = self.make(user, None, Some(signing_up), requester).await?;
        Ok(Authenticated::by_sign_up(account, password).asked_ahead(asked))
    }

    /// The account of one of your own users, known by the key that your application has for them; made where there is none
    /// yet, without a name or a password.
    ///
    /// Keys of two profiles have nothing to do with each other. With [`Subject::External`](super::Subject) that key is
    /// the `sub` of the profile's access tokens.
    ///
    /// # Errors
    /// [`Refusal::NameInvalid`] if the key cannot be one; a [`Fault`].
    pub async fn of_own_user(
        &self,
        profile: ProfileId,
        key: &str,
        requester: &Requester,
    ) -> Result<Account, Error> {
        let Self(engine) = self;
        let name = Name::external(profile, key)?;
        if let Some(found) = engine.store.credential(&name).await? {
            return Ok(found.account);
        }
        let user = NewUser { external_id: Some((profile, key)), ..NewUser::default() };
        match self.create(user, requester).await {
            // Another request has made it since.
            Err(Error::Refused(Refusal::NameTaken)) => {
                Ok(engine.store.credential(&name).await?.ok_or(Refusal::AccountUnknown)?.account)
            }
            made => made,
        }
    }

    /// The account of that id.
    ///
    /// # Errors
    /// [`Refusal::AccountUnknown`] if there is none, or no longer; a [`Fault`].
    pub async fn get(&self, id: AccountId) -> Result<Account, Error> {
        Ok(self.0.store.account(id).await?.ok_or(Refusal::AccountUnknown)?)
    }

    /// The account that a user name, an e-mail address or an id leads to.
    ///
    /// # Errors
    /// [`Refusal::AccountUnknown`]; a [`Fault`].
    pub async fn find(&self, who: &str) -> Result<Account, Error> {
        let Self(engine) = self;
        if let Ok(id) = who.parse::<AccountId>()
            && let Some(account) = engine.store.account(id).await?
        {
            return Ok(account);
        }
        let found: Result<_, Fault> = meant_by(engine.store.as_ref(), who).await;
        Ok(found?.ok_or(Refusal::AccountUnknown)?.account)
    }

    /// Has an account log in under another user name or e-mail address, in place of the one that it has; `false` if it has
    /// none of that kind that leads to it. An address from before is told, and can undo it.
    ///
    /// # Errors
    /// [`Refusal::AccountUnknown`], [`Refusal::NameInvalid`], [`Refusal::NameTaken`]; a [`Fault`].
    pub async fn rename(
        &self,
        account: AccountId,
        told_as: NameKind,
        text: &str,
        requester: &Requester,
    ) -> Result<bool, Error> {
        let Self(engine) = self;
        let to = if told_as == NameKind::Email { Name::email(text) } else { Name::username(text) }?;
        let account = self.get(account).await?;
        let id = account.id;
        let from = self.leading(&account, told_as).await?.into_iter().next();
        let Some(from) = from else { return Ok(false) };
        let (now, text) = (engine.now(), text.trim());
        let event = requester.event_of_account(id, EventKind::AccountRenamed, now, None);
        let mut steps = vec![Step::Rename { from, to, told_as, text: text.to_owned() }];
        let is_moved = told_as == NameKind::Email && account.email.as_deref() != Some(text);
        let letters = engine.letters();
        let told = is_moved.then(|| letters.telling_old(&account, text, true, requester, now));
        let (told, letter) = told.unwrap_or_default();
        steps.extend(told);
        let commit = Commit { account: id, expect: Expect::Anything, steps, events: vec![event] };
        match engine.store.commit(commit).await?.is_done() {
            true => {
                letter.into_iter().for_each(|key| engine.letter_waits(key));
                Ok(true)
            }
            false => Err(Refusal::NameTaken.into()),
        }
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
        let Self(engine) = self;
        let found = self.get(account).await?;
        let password = engine.chosen_for(password.into(), &found).await?;
        let hash = engine.hasher.hash(password, engine.random.as_ref()).await?;
        let note = Some("its first, set by an operator".into());
        let event = requester.event_of_account(account, EventKind::PasswordChanged, engine.now(), note);
        let commit = commits::rehash(account, None, hash, event.at, Some(event));
        Ok(engine.store.commit(commit).await?.is_done())
    }

    /// Disables an account and ends its sessions; `false` if it was disabled already.
    ///
    /// # Errors
    /// [`Refusal::AccountUnknown`]; a [`Fault`].
    pub async fn disable(&self, account: AccountId, requester: &Requester) -> Result<bool, Error> {
        let Self(engine) = self;
        self.get(account).await?;
        let event = requester.event_of_account(account, EventKind::AccountDisabled, engine.now(), None);
        Ok(engine.store.commit(commits::disable(account, event)).await?.is_done())
    }

    /// Lets an account log in again; `false` if it could. Its ended sessions stay ended.
    ///
    /// # Errors
    /// [`Refusal::AccountUnknown`]; a [`Fault`].
    pub async fn enable(&self, account: AccountId, requester: &Requester) -> Result<bool, Error> {
        let Self(engine) = self;
        self.get(account).await?;
        let event = requester.event_of_account(account, EventKind::AccountEnabled, engine.now(), None);
        Ok(engine.store.commit(commits::enable(account, event)).await?.is_done())
    }
}

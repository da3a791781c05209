//! What an operator does to an account: another password, other names, another role, and its end.

use super::commits;
use super::{Accounts, Requester, tried_too_often};
use crate::account::{Account, Name, NameKind, Particular, language, particular};
use crate::audit::EventKind;
use crate::clock::Timestamp;
use crate::error::{Error, Fault, Refusal};
use crate::one_time::Purpose;
use crate::password::NewPassword;
use crate::ratchet::MAX_MISSES;
use crate::session::{AccountId, EndCause};
use crate::store::{Commit, Committed, Expect, Step};

/// Why no address is confirmed where there is none.
const NO_ADDRESS: &str =
    "the account has no e-mail address that could be confirmed; give it one along with that";

/// What people call that which a change of the address changes.
const EMAIL: &str = "e-mail address";

/// What is to be changed of an account. What is `None` stays as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccountChanges<'a> {
    /// The user name it logs in with from now on, in place of the one it has, if it has one.
    pub username: Option<&'a str>,
    /// The e-mail address it logs in with from now on, in place of the one it has, if it has one.
    pub email: Option<&'a str>,
    /// What it may do, as other systems call it; empty for `admin` or `user`, whichever it is.
    pub role: Option<&'a str>,
    /// What people call its owner; empty for nothing.
    pub name: Option<&'a str>,
    /// The owner's given name; empty for nothing.
    pub given_name: Option<&'a str>,
    /// The owner's family name; empty for nothing.
    pub family_name: Option<&'a str>,
    /// In which language they are written to where they have not asked for it just now; empty for none.
    pub language: Option<&'a str>,
    /// Whether it may administer others.
    pub is_admin: Option<bool>,
    /// Whether it may log in no more; where it could, its sessions end.
    pub is_disabled: Option<bool>,
    /// Whether the address that it has, or gets by this, counts as confirmed by its owner. Another address does not by itself.
    pub is_email_verified: Option<bool>,
    /// Whether the address that it had is told of another one without a link that undoes it.
    pub closes_undo: bool,
}

/// What became of [`AccountChanges`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Changed {
    /// The account as it is now.
    pub account: Account,
    /// What of it is another than before, in words for people; empty where all was so already.
    pub what: Vec<&'static str>,
    /// How many sessions ended.
    pub ended: u64,
}

/// What is to be done for changes, on an account as it was looked at.
#[derive(Clone, Default)]
pub(super) struct Planned {
    steps: Vec<Step>,
    /// What people call that which changes of its names.
    renamed: Vec<&'static str>,
    /// What people call all else that changes.
    changed: Vec<&'static str>,
    /// Whether it administers others no more, so that its sessions end.
    is_demoted: bool,
    /// Whether it may log in no more, or again.
    is_disabled: Option<bool>,
}

impl AccountChanges<'_> {
    fn particulars(&self) -> [(Particular, Option<&str>); 4] {
        [
            (Particular::Role, self.role),
            (Particular::Name, self.name),
            (Particular::GivenName, self.given_name),
            (Particular::FamilyName, self.family_name),
        ]
    }
}

impl Accounts<'_> {
    /// Sets an account's password, whatever it had: its epoch moves and every session ends, so that nothing handed out
    /// before works. Says how many sessions ended.
    ///
    /// # Errors
    /// [`Refusal::AccountUnknown`], [`Refusal::PasswordRejected`]; a [`Fault`].
    pub async fn set_password(
        &self,
        account: AccountId,
        password: impl Into<NewPassword<'_>>,
        requester: &Requester,
    ) -> Result<u64, Error> {
        let Self(engine) = self;
        let password = password.into();
        engine.expect_choosable(password)?;
        let found = self.get(account).await?;
        let password = engine.chosen_for(password, &found).await?;
        let hash = engine.hasher.hash(password, engine.random.as_ref()).await?;
        let note = Some("set by an operator".into());
        let event = requester.event_of_account(account, EventKind::PasswordChanged, engine.now(), note);
        let news = engine.news(&found, requester, event.at);
        match engine.store.commit(commits::set_password(account, hash, event, news)).await? {
            Committed::Done { ended } => Ok(ended),
            // It was deleted since it was looked for.
            Committed::AccountMoved | Committed::Missed { .. } => Err(Refusal::AccountUnknown.into()),
        }
    }

    /// Changes what an account is called, what is told of it and what it may do, all of it or nothing. Sessions go on, and
    /// their access tokens tell it from the next refresh on; those of an account that administers others no more end, and
    /// those of one that may log in no more.
    ///
    /// # Errors
    /// [`Refusal::AccountUnknown`], [`Refusal::NameInvalid`], [`Refusal::NameTaken`]; a [`Fault`].
    pub async fn set(
        &self,
        account: AccountId,
        changes: AccountChanges<'_>,
        requester: &Requester,
    ) -> Result<Changed, Error> {
        let Self(engine) = self;
        for _ in 0..=MAX_MISSES {
            let found = self.get(account).await?;
            let planned = self.planned(&found, &changes).await?;
            let what = planned.what();
            if what.is_empty() {
                return Ok(Changed { account: found, what, ended: 0 });
            }
            let now = engine.now();
            let to = changes.email.filter(|_| planned.renamed.contains(&EMAIL)).map(str::trim);
            let told =
                to.map(|to| engine.letters().telling_old(&found, to, !changes.closes_undo, requester, now));
            let (told, letter) = told.unwrap_or_default();
            let mut commit = planned.commit(account, None, requester, now);
            commit.steps.extend(told);
            if let Committed::Done { ended } = engine.store.commit(commit).await? {
                letter.into_iter().for_each(|key| engine.letter_waits(key));
                return Ok(Changed { account: self.get(account).await?, what, ended });
            }
        }
        Err(tried_too_often("change an account").into())
    }

    /// Deletes an account: its sessions end, its user name and e-mail address are free for others, and its password and
    /// what was told of its owner are gone. The journal stays, under the account's id; so does the key of the source system
    /// that an import brought, so that no import brings the account back. Says how many sessions ended.
    ///
    /// # Errors
    /// [`Refusal::AccountUnknown`]; a [`Fault`].
    pub async fn delete(&self, account: AccountId, requester: &Requester) -> Result<u64, Error> {
        let Self(engine) = self;
        for _ in 0..=MAX_MISSES {
            let found = self.get(account).await?;
            let mut names = self.leading(&found, NameKind::Username).await?;
            names.extend(self.leading(&found, NameKind::Email).await?);
            names.sort_unstable_by_key(|name| (name.kind, name.value.clone()));
            names.dedup();
            let event = requester.event_of_account(account, EventKind::AccountDeleted, engine.now(), None);
            let commit = commits::delete(account, names, event);
            if let Committed::Done { ended } = engine.store.commit(commit).await? {
                return Ok(ended);
            }
        }
        Err(tried_too_often("delete an account").into())
    }

    /// The names of the store that lead to an account and are told as this kind.
    pub(super) async fn leading(&self, account: &Account, told_as: NameKind) -> Result<Vec<Name>, Fault> {
        let has = if told_as == NameKind::Email { &account.email } else { &account.username };
        let meant: Vec<_> = has.iter().flat_map(|had| Name::meant_by(had)).collect();
        let mut leading = Vec::new();
        for name in meant {
            let alike = self.0.store.alike(&name).await?;
            let its_own = alike.into_iter().find(|(like, id)| *id == account.id && *like == name);
            leading.extend(its_own.map(|(name, _)| name));
        }
        Ok(leading)
    }

    /// What is to be done for changes.
    async fn planned(&self, account: &Account, changes: &AccountChanges<'_>) -> Result<Planned, Error> {
        let mut planned = Planned::default();
        for (told_as, text) in [(NameKind::Username, changes.username), (NameKind::Email, changes.email)] {
            if let Some(text) = text {
                self.plan_name(&mut planned, account, told_as, text).await?;
            }
        }
        for (which, text) in changes.particulars() {
            let Some(text) = text else { continue };
            planned.tell(account, which, particular(Some(text))?);
        }
        if let Some(text) = changes.language {
            planned.tell(account, Particular::Language, language(Some(text))?);
        }
        if let Some(is_admin) = changes.is_admin {
            planned.administer(account, is_admin);
        }
        if let Some(is_verified) = changes.is_email_verified {
            self.plan_confirmation(&mut planned, account, changes.email.map(str::trim), is_verified).await?;
        }
        planned.is_disabled = changes.is_disabled.filter(|wanted| *wanted != account.disabled_at.is_some());
        Ok(planned)
    }

    /// Has the address that the account has, or gets as `to`, count as confirmed, or no more.
    async fn plan_confirmation(
        &self,
        planned: &mut Planned,
        account: &Account,
        to: Option<&str>,
        is_verified: bool,
    ) -> Result<(), Error> {
        let Some(address) = to.or(account.email.as_deref()) else {
            return if is_verified { Err(Refusal::NameInvalid(NO_ADDRESS).into()) } else { Ok(()) };
        };
        let is_other = account.email.as_deref() != Some(address);
        let is_confirmed = !is_other && account.email_confirmed_at().is_some();
        if is_confirmed == is_verified {
            return Ok(());
        }
        if !is_verified {
            planned.steps.push(Step::UnconfirmEmail);
            planned.changed.push("e-mail address not confirmed");
            return Ok(());
        }
        // Where somebody registered with an address that was another's, it leads to them still.
        if !is_other && self.leading(account, NameKind::Email).await?.is_empty() {
            let name = Name::email(address)?;
            if !self.0.store.alike(&name).await?.is_empty() {
                return Err(Refusal::NameTaken.into());
            }
            planned.steps.push(Step::AddName(name));
        }
        planned.steps.push(Step::EndTokens { purpose: Purpose::VerifyEmail });
        planned.steps.push(Step::ConfirmEmail { address: address.to_owned(), at: self.0.now() });
        planned.changed.push("e-mail address confirmed");
        Ok(())
    }

    /// Has another name lead to the account in place of the one that it has, or beside what it has.
    pub(super) async fn plan_name(
        &self,
        planned: &mut Planned,
        account: &Account,
        told_as: NameKind,
        text: &str,
    ) -> Result<(), Error> {
        let to = if told_as == NameKind::Email { Name::email(text) } else { Name::username(text) }?;
        let (text, has) = (
            text.trim().to_owned(),
            if told_as == NameKind::Email { &account.email } else { &account.username },
        );
        if has.as_ref() == Some(&text) {
            return Ok(());
        }
        let alike = self.0.store.alike(&to).await?;
        if alike.iter().any(|(_, owner)| *owner != account.id) {
            return Err(Refusal::NameTaken.into());
        }
        let from = self.leading(account, told_as).await?.into_iter().next();
        match from {
            Some(from) => planned.steps.push(Step::Rename { from, to, told_as, text }),
            None => {
                planned.steps.extend(alike.is_empty().then_some(Step::AddName(to)));
                planned.steps.push(Step::TellName { told_as, text });
            }
        }
        planned.renamed.push(if told_as == NameKind::Email { EMAIL } else { "user name" });
        Ok(())
    }
}

impl Planned {
    /// The steps alone, for a commit of another kind.
    pub(super) fn into_steps(self) -> Vec<Step> {
        self.steps
    }

    /// What of the account will be another than before, in words for people.
    pub(super) fn what(&self) -> Vec<&'static str> {
        let switched = self.is_disabled.map(|off| if off { "disabled" } else { "enabled" });
        self.renamed.iter().chain(&self.changed).copied().chain(switched).collect()
    }

    /// The commit that carries it out; the journal says by whom, if it was not by the requester's own hand.
    pub(super) fn commit(
        self,
        account: AccountId,
        by: Option<&str>,
        requester: &Requester,
        at: Timestamp,
    ) -> Commit {
        let Self { mut steps, renamed, changed, is_demoted, is_disabled } = self;
        let event = |kind, note| requester.event_of_account(account, kind, at, note);
        let mut events = Vec::new();
        let told = [(EventKind::AccountRenamed, renamed), (EventKind::AccountChanged, changed)];
        for (kind, what) in told.into_iter().filter(|(_, what)| !what.is_empty()) {
            let what = what.join(", ");
            events.push(event(kind, Some(by.map_or_else(|| what.clone(), |by| format!("{by}: {what}")))));
        }
        match is_disabled {
            Some(true) => {
                steps.extend(commits::disabling(at, requester.ending(EndCause::Disabled, at)));
                events.push(event(EventKind::AccountDisabled, None));
            }
            Some(false) => {
                steps.push(Step::Enable);
                events.push(event(EventKind::AccountEnabled, None));
            }
            None => {}
        }
        // Where it is disabled they end for that.
        if is_demoted && is_disabled != Some(true) {
            let ending = requester.ending(EndCause::Revoked, at);
            steps.push(Step::EndSessions { except: None, with: None, ending });
        }
        Commit { account, expect: Expect::Anything, steps, events }
    }

    /// Tells a particular anew, if it is another.
    pub(super) fn tell(&mut self, account: &Account, which: Particular, text: Option<String>) {
        if account.particulars.told(which) != text.as_deref() {
            self.steps.push(Step::TellParticular { which, text });
            self.changed.push(which.words());
        }
    }

    /// Lets it administer others, or no more, if it was otherwise.
    pub(super) fn administer(&mut self, account: &Account, is_admin: bool) {
        if account.is_admin != is_admin {
            self.steps.push(Step::SetAdministrator(is_admin));
            self.changed.push(if is_admin { "administrator: on" } else { "administrator: off" });
            self.is_demoted = !is_admin;
        }
    }
}

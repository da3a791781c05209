//! What an import takes over of a user who is here: what has changed in the source system, unless it was changed here.

use std::collections::BTreeSet;

use super::super::administration::Planned;
use super::super::commits;
use super::super::{Accounts, Requester};
use super::factors::{BY_IMPORT, BroughtFactors};
use super::{ImportedUser, Imports, SameNames};
use crate::account::{Account, Name, NameKind, Particular};
use crate::audit::{Event, EventKind};
use crate::error::{Error, Fault, Refusal};
use crate::password::{is_peppered, is_todays, says_no_password};
use crate::session::Epoch;
use crate::store::{Credential, Slice};

/// How many of the journal's entries are read at a time.
const ENTRIES: u32 = 500;

/// What an import changes of a user who is here.
pub(super) struct Changes {
    hash: bool,
    disabling: bool,
    /// A second factor that it has there and never had here.
    factor: bool,
    /// Names, role, what is told of them, and whether they administer others.
    planned: Planned,
    /// What they are called there and cannot be called here, for another account is.
    taken: Option<&'static str>,
}

impl Changes {
    /// What changed in the source system, where nothing has changed here: no password, and no log-in that made the hash
    /// anew.
    fn due(found: &Credential, user: &ImportedUser<'_>, is_usable: bool) -> Self {
        let (account, stored) = (&found.account, found.password_hash.as_deref());
        let is_untouched = account.epoch == Epoch(0);
        let is_as_imported = !stored.is_some_and(is_todays);
        // Of a user who never had a password it is nothing, and no reason to name anybody.
        let has_another =
            stored != Some(user.password_hash) && is_usable && !says_no_password(user.password_hash);
        // Of a run that was not told of the pepper; without its mark the hash would match no password.
        let is_same = stored.is_some_and(|stored| is_peppered(stored, user.password_hash));
        Self {
            hash: is_untouched && is_as_imported && has_another && !is_same,
            disabling: is_untouched && user.is_disabled && account.disabled_at.is_none(),
            factor: false,
            planned: Planned::default(),
            taken: None,
        }
    }

    /// What changed, in a sentence; `None` where nothing did.
    pub(super) fn sentence(&self) -> Option<String> {
        let mut other: Vec<_> = self.hash.then_some("password hash").into_iter().collect();
        let what = self.planned.what();
        other.extend(what.iter().copied().filter(|what| !what.starts_with(ADMINISTRATOR)));
        let mut clauses = Vec::new();
        if let Some((last, before)) = other.split_last() {
            let and = if before.is_empty() { String::new() } else { format!("{} and ", before.join(", ")) };
            clauses.push(format!("has another {and}{last} there"));
        }
        for what in what.iter().filter(|what| what.starts_with(ADMINISTRATOR)) {
            let is_on = what.ends_with("on");
            clauses.push(
                if is_on { "administers others there" } else { "administers others there no more" }.into(),
            );
        }
        if self.factor {
            clauses.push("has a second factor there".into());
        }
        if self.disabling {
            let there = if clauses.is_empty() { " there" } else { "" };
            clauses.push(format!("may not log in{there} any more"));
        }
        (!clauses.is_empty()).then(|| format!("it {}", clauses.join(", and ")))
    }

    /// Why not all of it can be taken over, if it cannot.
    pub(super) fn why_not_all(&self) -> Option<&'static str> {
        self.taken
    }
}

/// How the words begin that tell whether an account administers others.
const ADMINISTRATOR: &str = "administrator";

impl Imports<'_> {
    /// What is to be taken over of a user who is here, and is `there` in the source system.
    pub(super) async fn changes(
        &self,
        found: &Credential,
        there: &Account,
        user: &ImportedUser<'_>,
        is_usable: bool,
    ) -> Result<Changes, Fault> {
        let mut changes = Changes::due(found, user, is_usable);
        let brought = BroughtFactors::of(user).unwrap_or_default();
        changes.factor = self.lacks_factor(found, brought.as_ref()).await?;
        let (here, is_admin) = (&found.account, user.is_admin);
        let particulars = other_particulars(here, there);
        let is_admin = is_admin.filter(|is_admin| here.is_admin != *is_admin);
        let names = other_names(here, there);
        if particulars.is_empty() && is_admin.is_none() && names.is_empty() {
            return Ok(changes);
        }
        let by_hand = self.changed_by_hand(here).await?;
        for (which, text) in particulars {
            if !by_hand.contains(which.words()) {
                changes.planned.tell(here, which, Some(text));
            }
        }
        if let Some(is_admin) = is_admin.filter(|_| !by_hand.contains(ADMINISTRATOR)) {
            changes.planned.administer(here, is_admin);
        }
        for (told_as, text) in names {
            if by_hand.contains(words(told_as)) {
                continue;
            }
            match Accounts(self.0).plan_name(&mut changes.planned, here, told_as, &text).await {
                Ok(()) => {}
                // Told with the names that it has to do without.
                Err(Error::Refused(Refusal::NameTaken)) if self.2 == SameNames::LeftOut => {}
                Err(Error::Refused(Refusal::NameTaken)) => changes.taken = Some(taken(told_as)),
                // Nobody could log in with it.
                Err(Error::Refused(_)) => {}
                Err(Error::Failed(fault)) => return Err(fault),
            }
        }
        Ok(changes)
    }

    /// Takes over what changed in the source system; says what did here.
    pub(super) async fn take_over(
        &self,
        found: &Credential,
        there: &Account,
        user: &ImportedUser<'_>,
        is_usable: bool,
    ) -> Result<Changes, Fault> {
        let (account, nobody, now) = (found.account.id, Requester::nobody(), self.0.now());
        let mut changes = self.changes(found, there, user, is_usable).await?;
        if changes.hash {
            let note = "by an import: it has another hash in the source system".to_owned();
            let told = nobody.event_of_account(account, EventKind::PasswordChanged, now, Some(note));
            let (old, new) = (found.password_hash.as_deref(), user.password_hash.to_owned());
            let rehash = commits::rehash(account, old, new, told.at, Some(told));
            changes.hash = self.0.store.commit(rehash).await?.is_done();
        }
        if changes.factor
            && let Ok(Some(brought)) = BroughtFactors::of(user)
        {
            changes.factor = self.bring_later(account, &brought).await?;
        }
        if changes.disabling {
            let note = Some(BY_IMPORT.to_owned());
            let told = nobody.event_of_account(account, EventKind::AccountDisabled, now, note);
            changes.disabling = self.0.store.commit(commits::disable(account, told)).await?.is_done();
        }
        if !changes.planned.what().is_empty() {
            let commit = changes.planned.clone().commit(account, Some(BY_IMPORT), &nobody, self.0.now());
            if !self.0.store.commit(commit).await?.is_done() {
                // Somebody else has changed it meanwhile, and the next run looks again.
                changes.planned = Planned::default();
            }
        }
        Ok(changes)
    }

    /// Whether somebody has given an account a name here by hand.
    pub(super) async fn is_renamed_by_hand(&self, account: &Account) -> Result<bool, Fault> {
        let by_hand = self.changed_by_hand(account).await?;
        Ok([NameKind::Username, NameKind::Email].into_iter().any(|kind| by_hand.contains(words(kind))))
    }

    /// What of an account somebody has changed here by hand, as its journal tells: in the words of [`Planned`].
    async fn changed_by_hand(&self, account: &Account) -> Result<BTreeSet<String>, Fault> {
        let (mut by_hand, mut after) = (BTreeSet::new(), None);
        loop {
            let slice = self.0.store.entries_of(account.id, Slice::after(after, ENTRIES)).await?;
            after = slice.last().map(|entry| entry.number);
            slice.iter().for_each(|entry| by_hand.extend(told_by_hand(&entry.event)));
            if slice.len() < ENTRIES as usize {
                return Ok(by_hand);
            }
        }
    }
}

/// What an event tells that somebody changed by hand.
fn told_by_hand(event: &Event) -> Vec<String> {
    let note = event.note.as_deref().unwrap_or_default();
    let is_told = matches!(event.kind, EventKind::AccountRenamed | EventKind::AccountChanged);
    match (is_told && !note.starts_with(BY_IMPORT), note) {
        (false, _) => Vec::new(),
        // One of an earlier build, which did not say which name it was.
        (true, "") => [NameKind::Username, NameKind::Email].map(|kind| words(kind).to_owned()).into(),
        (true, what) => {
            let word = |what: &str| what.split(':').next().unwrap_or_default().to_owned();
            what.split(", ").map(word).collect()
        }
    }
}

/// What is told of a user there and not here.
fn other_particulars(here: &Account, there: &Account) -> Vec<(Particular, String)> {
    let told =
        |which| there.particulars.told(which).filter(|text| here.particulars.told(which) != Some(text));
    Particular::ALL.into_iter().filter_map(|which| Some((which, told(which)?.to_owned()))).collect()
}

/// The names that lead to a user there and not here. A user name that looks like an address waits for those whose address it is.
fn other_names(here: &Account, there: &Account) -> Vec<(NameKind, String)> {
    let pairs =
        [(NameKind::Username, &here.username, &there.username), (NameKind::Email, &here.email, &there.email)];
    let other = pairs.into_iter().filter_map(|(told_as, here, there)| {
        let name = |text: &str| {
            if told_as == NameKind::Email { Name::email(text) } else { Name::username(text) }.ok()
        };
        let there = there.as_deref()?;
        let is_another = name(there)?
            != here.as_deref().and_then(name).unwrap_or(Name { kind: told_as, value: String::new() });
        let is_address_here =
            here.as_deref().is_some_and(|text| told_as == NameKind::Username && text.contains('@'));
        (is_another && !is_address_here).then(|| (told_as, there.to_owned()))
    });
    other.collect()
}

fn words(told_as: NameKind) -> &'static str {
    if told_as == NameKind::Email { "e-mail address" } else { "user name" }
}

fn taken(told_as: NameKind) -> &'static str {
    if told_as == NameKind::Email {
        "it has another e-mail address there, which is another account's here; all else that changed there is taken over"
    } else {
        "it has another user name there, which is another account's here; all else that changed there is taken over"
    }
}

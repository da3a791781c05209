//! Letters: what is told to whom, before anybody has put it into words. A letter is sealed and kept in the
//! [outbox](crate::outbox) as facts; whoever sends it finds the words, in the reader's language, when it leaves.

use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::clock::Timestamp;
use crate::keys::KeyRing;
use crate::news::News;
use crate::one_time::OneTimeText;
use crate::outbox::{Message, MessageKey, MessageKind};
use crate::random::{self, Random};
use crate::requester::Requester;
use crate::session::AccountId;

/// Which table a letter is sealed for.
const TABLE: &[u8] = b"outbox";

/// The longest user name that is told to somebody who may not have chosen it, in characters.
const MAX_TOLD_USERNAME: usize = 32;

/// What a letter is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LetterKind {
    /// Asks whether the address is its owner's.
    VerifyEmail,
    /// Has a link by which a new password is set.
    ResetPassword,
    /// Tells what happened to the account; its link ends what somebody else has opened.
    News,
    /// Somebody tried to sign up with an address that has an account.
    SignUpKnown,
    /// Asks whether the address is that of whoever wants to log in under it from now on.
    ChangeEmail,
    /// Somebody tried to have another account log in under an address that has one.
    ChangeEmailKnown,
    /// The account logs in under another address from now on; its link undoes that.
    EmailChanged,
    /// Has a link and a code by which somebody logs in.
    LogIn,
    /// Has the code that a log-in waits for whose password was right.
    LogInCode,
    /// A second factor was added.
    FactorAdded,
    /// A second factor was removed, or all of them were.
    FactorRemoved,
    /// A recovery code stood in for a second factor.
    RecoveryCodeUsed,
    /// A recovery code stood in for a second factor, and three are left.
    RecoveryCodesFew,
    /// Recovery codes were made in the place of those from before.
    RecoveryCodesMade,
    /// Invites somebody to make an account.
    Invite,
    /// The account is to be erased; it has a link by which it is kept.
    AccountDeletion,
    /// Nothing but that letters arrive.
    Test,
}

impl LetterKind {
    /// Every one of them.
    pub const ALL: [Self; 17] = [
        Self::VerifyEmail,
        Self::ResetPassword,
        Self::News,
        Self::SignUpKnown,
        Self::ChangeEmail,
        Self::ChangeEmailKnown,
        Self::EmailChanged,
        Self::LogIn,
        Self::LogInCode,
        Self::Invite,
        Self::AccountDeletion,
        Self::FactorAdded,
        Self::FactorRemoved,
        Self::RecoveryCodeUsed,
        Self::RecoveryCodesFew,
        Self::RecoveryCodesMade,
        Self::Test,
    ];

    /// Whether its reader has asked for it just now, or somebody who says that they are; the others tell what happened.
    #[must_use]
    pub fn is_asked_for(self) -> bool {
        match self {
            Self::VerifyEmail
            | Self::ResetPassword
            | Self::ChangeEmail
            | Self::LogIn
            | Self::LogInCode
            | Self::Invite
            | Self::Test => true,
            Self::News
            | Self::FactorAdded
            | Self::FactorRemoved
            | Self::RecoveryCodeUsed
            | Self::RecoveryCodesFew
            | Self::RecoveryCodesMade
            | Self::SignUpKnown
            | Self::ChangeEmailKnown
            | Self::EmailChanged
            | Self::AccountDeletion => false,
        }
    }

    /// Its name, which is also that of its templates.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
            Self::News => "news",
            Self::SignUpKnown => "sign_up_known",
            Self::ChangeEmail => "change_email",
            Self::ChangeEmailKnown => "change_email_known",
            Self::EmailChanged => "email_changed",
            Self::LogIn => "log_in",
            Self::LogInCode => "log_in_code",
            Self::FactorAdded => "factor_added",
            Self::FactorRemoved => "factor_removed",
            Self::RecoveryCodeUsed => "recovery_code_used",
            Self::RecoveryCodesFew => "recovery_codes_few",
            Self::RecoveryCodesMade => "recovery_codes_made",
            Self::Invite => "invite",
            Self::AccountDeletion => "account_deletion",
            Self::Test => "test",
        }
    }
}

/// What a letter says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// What it is about.
    pub kind: LetterKind,
    /// To which address.
    pub to: String,
    /// What people call whoever reads it, if anything is known.
    pub name: Option<String>,
    /// The languages that its reader reads, as a browser says (`Accept-Language`) or as they chose.
    pub languages: Option<String>,
    /// The token of its link, where it has one.
    pub token: Option<String>,
    /// The code that does what the link does, where it has one.
    #[serde(default)]
    pub code: Option<String>,
    /// What it tells of, the first first.
    #[serde(default)]
    pub news: Vec<News>,
    /// How much more happened besides.
    #[serde(default)]
    pub more: u32,
    /// By when the link must be used.
    pub expires_at: Option<Timestamp>,
    /// The user name of the account whose address it asks about, where one is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// From which address it was asked for.
    pub ip: Option<String>,
    /// Whether an administrator did it to an account of somebody else; then it does not tell from which address.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_by_administrator: bool,
    /// The administrator who asked for it, where one did, until it is known whose account it is about.
    #[serde(skip)]
    pub(crate) acting: Option<AccountId>,
    /// When it was asked for.
    pub at: Timestamp,
}

/// Says nothing of what is in it: whoever has its link is its reader.
impl std::fmt::Debug for Letter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Letter").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Letter {
    /// A letter that somebody asked for.
    #[must_use]
    pub fn asked_for(kind: LetterKind, to: &str, requester: &Requester, at: Timestamp) -> Self {
        Self {
            kind,
            to: to.to_owned(),
            name: None,
            languages: requester.languages.clone(),
            token: None,
            code: None,
            news: Vec::new(),
            more: 0,
            expires_at: None,
            username: None,
            ip: requester.ip.clone(),
            is_by_administrator: false,
            acting: requester.acting,
            at,
        }
    }

    /// To the owner of an account: in the language that they chose, unless whoever asked for it just now reads another; and by what
    /// people call them, where it goes to the address that they confirmed. At any other, somebody reads it who did not choose that
    /// name, and whoever did would have us write to them. A letter that asks about an address says of which account, by a user name
    /// that can be nothing else. From where an administrator works who did something to it, its owner does not learn.
    #[must_use]
    pub fn to_owner_of(self, account: &Account) -> Self {
        let told = &account.particulars;
        let is_theirs = account.email_confirmed_at().is_some() && account.email.as_ref() == Some(&self.to);
        let called = told.name.as_ref().or(told.given_name.as_ref()).or(account.username.as_ref());
        let called = called.filter(|_| is_theirs).cloned();
        let (own, asked) = (told.language.clone(), self.languages.clone());
        let languages = if self.kind.is_asked_for() { asked.or(own) } else { own.or(asked) };
        let is_by_administrator = self.acting.is_some_and(|administrator| administrator != account.id);
        let ip = self.ip.filter(|_| !is_by_administrator);
        let asks_about = self.kind == LetterKind::VerifyEmail;
        let username = account.username.clone().filter(|name| asks_about && is_plain(name));
        Self { name: called, languages, username, ip, is_by_administrator, ..self }
    }

    /// With a link.
    #[must_use]
    pub fn with_link(self, token: &OneTimeText, expires_at: Timestamp) -> Self {
        Self { token: Some(token.as_str().to_owned()), expires_at: Some(expires_at), ..self }
    }

    /// As it goes into the outbox.
    #[must_use]
    pub fn sealed(
        &self,
        account: AccountId,
        (keys, random): (&KeyRing, &dyn Random),
        gives_up_at: Timestamp,
    ) -> Message {
        let key = MessageKey { account, id: random::id(random, self.at) };
        self.sealed_as(key, (keys, random), gives_up_at)
    }

    /// As it goes into the outbox, as that message.
    #[must_use]
    pub fn sealed_as(
        &self,
        key: MessageKey,
        (keys, random): (&KeyRing, &dyn Random),
        gives_up_at: Timestamp,
    ) -> Message {
        let text = serde_json::to_vec(self).unwrap_or_default();
        Message {
            key,
            kind: MessageKind::Mail,
            sealed: keys.seal(self.at, random, &bound_to(&key), &text),
            made_at: self.at,
            gives_up_at,
        }
    }

    /// A letter as it stands in the outbox; `None` where it was sealed for another message, or with a key that is no longer
    /// accepted.
    #[must_use]
    pub fn open(keys: &KeyRing, now: Timestamp, key: &MessageKey, sealed: &[u8]) -> Option<Self> {
        serde_json::from_slice(&keys.open(now, &bound_to(key), sealed)?).ok()
    }
}

/// Whether a user name that a stranger may have chosen is told to whoever reads a letter: it is short, and can be no sentence and no
/// address of a site.
fn is_plain(username: &str) -> bool {
    let is_short = username.chars().count() <= MAX_TOLD_USERNAME;
    is_short && username.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
}

fn bound_to(key: &MessageKey) -> [&[u8]; 3] {
    [TABLE, key.account.0.as_bytes(), key.id.as_bytes()]
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::account::ConfirmedEmail;

    #[test]
    fn a_stranger_chose_what_a_letter_to_somebody_elses_address_begins_with() {
        let (at, address) = (Timestamp(0), "victim@example.org");
        let account = Account {
            username: Some("click evil.example".to_owned()),
            email: Some(address.to_owned()),
            ..Account::new(AccountId(Uuid::from_u128(1)), at)
        };
        let letter = |to| Letter::asked_for(LetterKind::VerifyEmail, to, &Requester::nobody(), at);
        assert_eq!(letter(address).to_owner_of(&account).name, None);
        let confirmed = Some(ConfirmedEmail { address: address.to_owned(), at });
        let account = Account { confirmed, ..account };
        assert_eq!(letter(address).to_owner_of(&account).name, account.username);
        assert_eq!(
            letter("new@example.org").to_owner_of(&account).name,
            None,
            "the address that it shall have"
        );
    }

    #[test]
    fn a_letter_that_asks_about_an_address_says_of_which_account_by_a_name_that_is_no_bait() {
        let (at, nobody) = (Timestamp(0), Requester::nobody());
        let told = |kind, username: &str| {
            let username = Some(username.to_owned());
            let account = Account { username, ..Account::new(AccountId(Uuid::from_u128(1)), at) };
            Letter::asked_for(kind, "ann@example.org", &nobody, at).to_owner_of(&account).username
        };
        for name in ["ann", "ann_1-2", "アン"] {
            assert_eq!(told(LetterKind::VerifyEmail, name).as_deref(), Some(name));
            assert_eq!(told(LetterKind::ResetPassword, name), None);
        }
        for bait in ["evil.example", "click here", "evil/x", &"a".repeat(33)] {
            assert_eq!(told(LetterKind::VerifyEmail, bait), None, "{bait}");
        }
    }

    #[test]
    fn an_owner_does_not_learn_from_where_an_administrator_works() {
        let (at, administrator) = (Timestamp(0), AccountId(Uuid::from_u128(2)));
        let requester = Requester {
            ip: Some("192.0.2.7".to_owned()),
            acting: Some(administrator),
            ..Requester::nobody()
        };
        let letter = |id| {
            let letter = Letter::asked_for(LetterKind::EmailChanged, "ann@example.org", &requester, at);
            letter.to_owner_of(&Account::new(id, at))
        };
        let told = letter(AccountId(Uuid::from_u128(1)));
        assert_eq!((told.ip, told.is_by_administrator), (None, true));
        let own = letter(administrator);
        assert_eq!((own.ip.as_deref(), own.is_by_administrator), (Some("192.0.2.7"), false));
    }
}

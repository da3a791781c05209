//! What is written rarely, all by one verb: a [`Commit`] is a list of [`Step`]s that happen together or not at all.
//!
//! A step is named by what is meant, carries the condition under which it applies, and tells the caller nothing that it
//! read. What each does to an account's rows is written once more in Rust, as a pure function ([`reference`]): the
//! memory store is made of it, and the contract holds every other store against it.
//!
//! [`reference`]: super::reference

use async_trait::async_trait;

use super::credentials::{CredentialId, CredentialKind, Was};
use super::ending::{Ending, Room};
use crate::account::{Account, Name, NameKind, Particular};
use crate::audit::Event;
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::one_time::{Digest, OneTimeToken, Proof, Purpose, TokenId};
use crate::outbox::Message;
use crate::session::{AccountId, Epoch, SecretHash, Session, SessionDetail, SessionId};

/// How many ended sessions of one account are kept, however recently they ended.
///
/// Whoever opens a session, by a log-in or a password change, removes those beyond it that ended longest ago
/// ([`Step::ForgetEnded`]), with what people read of them; the journal stays. So an account has at most this many rows
/// besides its live ones and those the sweep has yet to end, and looking through them all, as an opening does, takes a
/// bounded time however fast somebody logs in.
pub const MAX_ENDED_KEPT: u32 = 1000;

/// Everything that is written but what a refresh and a sweep write.
#[async_trait]
pub trait Commits: Send + Sync {
    /// Takes a commit's steps in their order, in one transaction with its events, if the account is as expected and
    /// every step applies; otherwise nothing is stored, and nothing journalled.
    ///
    /// In the journal the commit's own events come first, in their order, then one for each session that ended by it: by
    /// step, and within a step in the order that the step says.
    ///
    /// # Errors
    /// A [`Fault`]; then nothing was stored, or the store will show what was.
    async fn commit(&self, commit: Commit) -> Result<Committed, Fault>;

    /// Adds an event to its account's chain: a commit without steps.
    ///
    /// # Errors
    /// A [`Fault`], as [`commit`](Self::commit).
    async fn record(&self, event: Event) -> Result<(), Fault> {
        self.commit(Commit::telling(event)).await.map(drop)
    }
}

/// What is to be written about one account, all of it or nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Commit {
    /// Whose rows and whose journal.
    pub account: AccountId,
    /// What must hold of the account before the first step.
    pub expect: Expect,
    /// What changes, in this order: each step finds what those before it left.
    pub steps: Vec<Step>,
    /// What the journal says of it, besides the ends of sessions. All of this account.
    pub events: Vec<Event>,
}

/// What must hold of an account for a commit to be more than nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expect {
    /// Nothing: the steps' own conditions decide.
    Anything,
    /// It may log in, and it is in the epoch in which something was verified.
    Standing(Epoch),
}

/// One change, and the condition under which it applies. A step that does not apply undoes its whole commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Makes the account, where there is none of its id.
    CreateAccount(Box<Account>),
    /// Has a name lead to the account, where there is the account and the name leads to nobody: neither as it stands in
    /// the store nor as the [form](Name::form_today) of a name that an earlier build made.
    AddName(Name),
    /// Has another name lead to the account in place of one that does, where nobody else has the new one.
    Rename {
        /// The name that leads to it, as it stands in the store.
        from: Name,
        /// The name that takes its place.
        to: Name,
        /// Which of the account's names is told anew: [`NameKind::Username`] or [`NameKind::Email`].
        told_as: NameKind,
        /// How it was typed.
        text: String,
    },
    /// Has a name lead to the account no more, where it does.
    DropName(Name),
    /// Has people shown another text as the account's user name or e-mail address, where there is the account. Which names
    /// lead to it is other steps' business.
    TellName {
        /// Which of the account's names: [`NameKind::Username`] or [`NameKind::Email`].
        told_as: NameKind,
        /// How it was typed.
        text: String,
    },
    /// Tells one of the account's particulars anew, where there is the account.
    TellParticular {
        /// Which.
        which: Particular,
        /// What is told from now on, if anything is.
        text: Option<String>,
    },
    /// Lets the account administer others (`true`), or no more, where it was otherwise.
    SetAdministrator(bool),
    /// Keeps what one of the account's credentials is verified with, where there is the account and of the credential what
    /// [`Was`] says.
    PutCredential {
        /// Which credential.
        id: CredentialId,
        /// What it takes the place of.
        was: Was,
        /// What the credential is verified with from now on.
        to: Vec<u8>,
        /// When it was made.
        at: Timestamp,
    },
    /// Forgets those of the account's [known devices](CredentialKind::Device) that are beyond so many, by when they were last
    /// seen, and of those that [need no second factor](CredentialKind::Remembered), by when that ends. It always applies.
    KeepDevices {
        /// How many stay.
        most: u32,
    },
    /// Forgets one of the account's credentials, where the account has it and it is verified with this, if that is said.
    ForgetCredential {
        /// Which.
        id: CredentialId,
        /// What it must be verified with.
        was: Option<Vec<u8>>,
    },
    /// Forgets all of the account's credentials of a kind. It always applies.
    ForgetCredentials(CredentialKind),
    /// Changes nothing, and applies where the account has no second factor. Whoever opens a session without one says so, for one
    /// may have been added since they looked.
    ExpectNoFactor,
    /// Changes nothing, and applies where this session of the account has not ended. What its user may do with the session they say so
    /// in the commit that does it, for it may have ended since they were let in.
    ExpectSession(SessionId),
    /// Moves the account's epoch by one, where there is the account: what was handed out before stops working.
    MoveEpoch,
    /// Disables the account, where it may log in. Its sessions and its epoch are other steps' business.
    Disable {
        /// Since when.
        at: Timestamp,
    },
    /// Lets the account log in, where it is disabled.
    Enable,
    /// Removes the account with its credentials and one-time tokens, where there is one. Its sessions, and the names that lead to it, are other
    /// steps' business; the journal stays.
    DeleteAccount,
    /// Removes whatever tells of the account's owner: the account, its credentials, one-time tokens and messages, every name that leads
    /// to it, and all of its sessions with what people read of them. It always applies, also where there is no account any more; the journal is
    /// [another matter](super::Erasures).
    EraseAccount,
    /// Has the account erased at that moment, where there is the account and nothing of the kind is planned.
    PlanErasure {
        /// When.
        at: Timestamp,
    },
    /// Has the account erased at no moment, where there is the account.
    CallOffErasure,
    /// Changes nothing; it applies where the account is to be erased at that moment or before.
    ExpectErasureDue {
        /// That moment.
        at: Timestamp,
    },
    /// Ends the sessions that give way to one that a later step opens. It always applies.
    MakeRoom(Room),
    /// Opens a session, where there is none of its id and the account may log in and is in the session's epoch.
    OpenSession {
        /// Its row, one of the account's.
        session: Box<Session>,
        /// What people read of it.
        detail: SessionDetail,
    },
    /// Ends one of the account's sessions, where it has not ended.
    EndSession {
        /// Which.
        session: SessionId,
        /// How.
        ending: Ending,
    },
    /// Ends all of the account's sessions that have not ended, in the order of their ids; where one is named that must be
    /// among them, only if it is.
    EndSessions {
        /// The one that stays.
        except: Option<SessionId>,
        /// The one that must be among them.
        with: Option<SessionId>,
        /// How.
        ending: Ending,
    },
    /// Removes those of the account's ended sessions that ended before the last [`MAX_ENDED_KEPT`].
    /// It always applies; the journal stays.
    ForgetEnded,
    /// Has the account's address count as confirmed, where it is the one that the account has.
    ConfirmEmail {
        /// The address, as it stands in the account.
        address: String,
        /// When its owner confirmed it.
        at: Timestamp,
    },
    /// Has the account's address count as not confirmed, where it does.
    UnconfirmEmail,
    /// Keeps a one-time token of the account, where there is none of its id.
    PutToken(Box<OneTimeToken>),
    /// Counts a try of a one-time token's code, and notes whether it was the right one, where there is the token, for that
    /// purpose, bound so and not expired, and fewer tries than [`MAX_TRIES`](crate::one_time::MAX_TRIES) were counted. Whether the
    /// code was right, spending the token by this try shows.
    TryCode {
        /// Which token.
        token: TokenId,
        /// What it must be good for.
        purpose: Purpose,
        /// What it must be bound to.
        bound_to: Digest,
        /// SHA-256 of the code that was typed.
        code_hash: Digest,
        /// Which try this is: a hash that no other try has.
        solver: Digest,
        /// When it is tried.
        at: Timestamp,
    },
    /// Spends a one-time token, and with that forgets it, where there is the token, for that purpose, bound so, not expired, of
    /// the epoch in which the account is, or of none, and the proof is right.
    SpendToken {
        /// Which token.
        token: TokenId,
        /// What it must be good for.
        purpose: Purpose,
        /// What it must be bound to.
        bound_to: Digest,
        /// What shows that whoever spends it may.
        proof: Proof,
        /// When it is spent.
        at: Timestamp,
    },
    /// Forgets all of the account's one-time tokens for a purpose. It always applies.
    EndTokens {
        /// Which.
        purpose: Purpose,
    },
    /// Forgets those of the account's one-time tokens for a purpose that were made at that moment or later. It always applies.
    EndTokensSince {
        /// Which.
        purpose: Purpose,
        /// Made from when on.
        since: Timestamp,
    },
    /// Puts a message of the account's into the outbox, where there is none of its id.
    PutMessage(Box<Message>),
    /// Puts a message of the account's into the outbox that nobody sends before a moment; where there is one of its id, also one
    /// that was sent, that stays as it is. It always applies.
    PutMessageOnce {
        /// The message.
        message: Box<Message>,
        /// Before when nobody sends it.
        due_at: Timestamp,
    },
    /// Gives an imported session its secret, where its row has what it was imported with. Nothing else of the row changes,
    /// so an ended one stays ended.
    BindImportedToken {
        /// Which.
        session: SessionId,
        /// What its row has had in place of a secret's hash since it was imported.
        from: SecretHash,
        /// SHA-256 of its secret from now on.
        to: SecretHash,
    },
}

/// What a commit came to.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Committed {
    /// All of it is stored.
    Done {
        /// How many sessions ended by it.
        ended: u64,
    },
    /// The account is not as the commit expects; nothing was stored.
    AccountMoved,
    /// A step did not apply; nothing was stored.
    Missed {
        /// Its place among the steps, from 0.
        step: usize,
    },
}

impl Committed {
    /// Whether it is stored.
    #[must_use]
    pub fn is_done(self) -> bool {
        matches!(self, Self::Done { .. })
    }
}

impl Commit {
    /// A commit that only has the journal tell something.
    #[must_use]
    pub fn telling(event: Event) -> Self {
        Self { account: event.account, expect: Expect::Anything, steps: Vec::new(), events: vec![event] }
    }

    /// What is being done, for the fault that says that it failed.
    pub(super) fn doing(&self) -> &'static str {
        self.steps.first().map_or("record an event", Step::doing)
    }

    /// Refuses a commit that reaches into another account's rows or journal, which only a mistake in the caller makes.
    pub(super) fn expect_one_account(&self) -> Result<(), Fault> {
        let is_own = |step: &Step| match step {
            Step::CreateAccount(account) => account.id == self.account,
            Step::OpenSession { session, .. } => session.key.account == self.account,
            Step::PutToken(token) => token.account == self.account,
            Step::PutMessage(message) | Step::PutMessageOnce { message, .. } => {
                message.key.account == self.account
            }
            _ => true,
        };
        if self.steps.iter().all(is_own) && self.events.iter().all(|event| event.account == self.account) {
            return Ok(());
        }
        Err(Fault::internal(self.doing(), format!("a commit for account {} names another one", self.account)))
    }
}

impl Step {
    /// Keeps a password's hash.
    #[must_use]
    pub fn put_password(was: Was, hash: String, at: Timestamp) -> Self {
        Self::PutCredential { id: CredentialId::PASSWORD, was, to: hash.into_bytes(), at }
    }

    fn doing(&self) -> &'static str {
        match self {
            Self::CreateAccount(_) => "create an account",
            Self::AddName(_) => "give an account a name",
            Self::Rename { .. } => "rename an account",
            Self::DropName(_) => "take a name from an account",
            Self::TellName { .. } | Self::TellParticular { .. } => "tell an account's particulars anew",
            Self::SetAdministrator(_) => "let an account administer others, or no more",
            Self::PutCredential { .. } => "store a credential",
            Self::KeepDevices { .. } => "forget known devices",
            Self::ForgetCredential { .. } | Self::ForgetCredentials(_) => "forget a credential",
            Self::ExpectNoFactor => "expect no second factor",
            Self::ExpectSession(_) => "expect a session that goes on",
            Self::MoveEpoch => "move an account's epoch",
            Self::Disable { .. } => "disable an account",
            Self::Enable => "enable an account",
            Self::DeleteAccount => "delete an account",
            Self::EraseAccount => "erase an account",
            Self::PlanErasure { .. } => "plan to erase an account",
            Self::CallOffErasure => "call off that an account is erased",
            Self::ExpectErasureDue { .. } => "see whether an account is to be erased",
            Self::MakeRoom(_) | Self::OpenSession { .. } => "open a session",
            Self::EndSession { .. } => "end a session",
            Self::EndSessions { .. } => "end an account's sessions",
            Self::ForgetEnded => "forget ended sessions",
            Self::BindImportedToken { .. } => "bind an imported token",
            Self::ConfirmEmail { .. } => "confirm an account's address",
            Self::UnconfirmEmail => "have an account's address confirmed no more",
            Self::PutToken(_) => "keep a one-time token",
            Self::TryCode { .. } => "try a code",
            Self::SpendToken { .. } => "spend a one-time token",
            Self::EndTokens { .. } | Self::EndTokensSince { .. } => "forget one-time tokens",
            Self::PutMessage(_) | Self::PutMessageOnce { .. } => "put a message into the outbox",
        }
    }
}

/// What a commit depends on of its account, as the steps taken so far have left it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct AccountState {
    pub(super) epoch: Epoch,
    pub(super) is_disabled: bool,
}

impl AccountState {
    pub(super) fn of(account: &Account) -> Self {
        Self { epoch: account.epoch, is_disabled: account.disabled_at.is_some() }
    }

    /// What is left of the account by a step that has been taken.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(super) fn after(before: Option<Self>, step: &Step) -> Option<Self> {
        match step {
            Step::CreateAccount(account) => Some(Self::of(account)),
            Step::MoveEpoch => before.map(|state| Self { epoch: state.epoch.next(), ..state }),
            Step::Disable { .. } => before.map(|state| Self { is_disabled: true, ..state }),
            Step::Enable => before.map(|state| Self { is_disabled: false, ..state }),
            Step::DeleteAccount | Step::EraseAccount => None,
            _ => before,
        }
    }
}

impl Expect {
    /// Whether it holds of an account; `None` is no account.
    pub(super) fn holds(self, account: Option<AccountState>) -> bool {
        match self {
            Self::Anything => true,
            Self::Standing(epoch) => account == Some(AccountState { epoch, is_disabled: false }),
        }
    }
}

/// Whether a session may be opened in that state of its account.
pub(super) fn admits(account: Option<AccountState>, session: &Session) -> bool {
    Expect::Standing(session.epoch).holds(account)
}

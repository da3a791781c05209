//! The commits that the checks are about, as the engine makes them.

use crate::account::{Account, Name};
use crate::audit::Event;
use crate::session::{AccountId, EndCause, Epoch, SecretHash, Session, SessionDetail, SessionId, SessionKey};
use crate::store::{Commit, Ending, Expect, Room, Step, Was};

/// An account to be made.
#[derive(Clone, Debug)]
pub(super) struct NewAccount {
    pub(super) account: Account,
    pub(super) names: Vec<Name>,
    pub(super) password_hash: Option<String>,
    pub(super) event: Event,
}

impl NewAccount {
    pub(super) fn commit(self) -> Commit {
        let at = self.event.at;
        let password = self.password_hash.map(|hash| Step::put_password(Was::Missing, hash, at));
        let account = self.account.id;
        let steps = [Step::CreateAccount(Box::new(self.account))].into_iter();
        let steps = steps.chain(self.names.into_iter().map(Step::AddName)).chain(password).collect();
        Commit { account, expect: Expect::Anything, steps, events: vec![self.event] }
    }
}

/// A session to be opened, and what gives way to it; [`u32::MAX`] is no bound.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    pub(super) session: Session,
    pub(super) detail: SessionDetail,
    pub(super) replaces: Option<SessionId>,
    pub(super) most: u32,
    pub(super) spares_the_rest: bool,
    pub(super) event: Event,
}

impl Opening {
    pub(super) fn commit(self) -> Commit {
        let Self { session, detail, replaces, most, spares_the_rest, event } = self;
        let (account, epoch) = (session.key.account, session.epoch);
        let ending = Ending::along_with(&event, EndCause::Replaced);
        let open = Step::OpenSession { session: Box::new(session), detail };
        let room = Step::MakeRoom(Room { replaces, most, spares_the_rest, ending });
        let steps = if most < u32::MAX { vec![room, open, Step::ForgetEnded] } else { vec![open] };
        Commit { account, expect: Expect::Standing(epoch), steps, events: vec![event] }
    }
}

/// What opening came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Opened {
    Open,
    AccountMoved,
}

/// A new password and what it does to the account's sessions.
#[derive(Clone, Debug)]
pub(super) struct PasswordChange {
    pub(super) account: AccountId,
    pub(super) verified_under: Epoch,
    pub(super) password_hash: String,
    pub(super) replaced: SessionId,
    pub(super) successor: Box<Session>,
    pub(super) detail: SessionDetail,
    pub(super) ending: Ending,
    pub(super) event: Event,
}

impl PasswordChange {
    pub(super) fn commit(self) -> Commit {
        let steps = vec![
            Step::put_password(Was::Any, self.password_hash, self.event.at),
            Step::MoveEpoch,
            Step::EndSessions { except: None, with: Some(self.replaced), ending: self.ending },
            Step::OpenSession { session: self.successor, detail: self.detail },
            Step::ForgetEnded,
        ];
        let expect = Expect::Standing(self.verified_under);
        Commit { account: self.account, expect, steps, events: vec![self.event] }
    }
}

/// The first token of an imported session.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenBinding {
    pub(super) key: SessionKey,
    pub(super) from: SecretHash,
    pub(super) to: SecretHash,
}

/// A commit of one step, whatever the account is like.
pub(super) fn alone(account: AccountId, step: Step, event: Option<Event>) -> Commit {
    Commit { account, expect: Expect::Anything, steps: vec![step], events: event.into_iter().collect() }
}

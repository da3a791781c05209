//! What the engine writes, as commits: each is a list of steps that happen together or not at all.

use crate::account::{Account, Name};
use crate::audit::Event;
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::one_time::Purpose;
use crate::session::{AccountId, EndCause, Epoch, SecretHash, Session, SessionDetail, SessionId, SessionKey};
use crate::store::{Commit, Committed, Ending, Expect, Room, Step, Was};

/// An account to be made.
#[derive(Clone, Debug)]
pub(super) struct NewAccount {
    pub(super) account: Account,
    pub(super) names: Vec<Name>,
    /// Its password's hash, if it has a password.
    pub(super) password_hash: Option<String>,
    pub(super) event: Event,
}

impl NewAccount {
    /// Missed at its first step, there is an account of that id; at a later one, a name is taken.
    pub(super) fn commit(self) -> Commit {
        let Self { account, names, password_hash, event } = self;
        let (id, at) = (account.id, account.created_at);
        let password = password_hash.map(|hash| Step::put_password(Was::Missing, hash, at));
        let steps = std::iter::once(Step::CreateAccount(Box::new(account)))
            .chain(names.into_iter().map(Step::AddName))
            .chain(password);
        Commit { account: id, expect: Expect::Anything, steps: steps.collect(), events: vec![event] }
    }

    /// Whether it is made; not where one of its names is taken.
    pub(super) fn is_made(committed: Committed) -> Result<bool, Fault> {
        match committed {
            Committed::Missed { step: 0 } | Committed::AccountMoved => {
                Err(Fault::internal("create an account", "there is an account of this id already"))
            }
            committed => Ok(committed.is_done()),
        }
    }
}

/// Has a name lead to an account, if it leads to nobody.
pub(super) fn add_name(account: AccountId, name: Name) -> Commit {
    Commit { account, expect: Expect::Anything, steps: vec![Step::AddName(name)], events: Vec::new() }
}

/// A session to be opened, in the epoch in which its account showed who it is.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    pub(super) session: Session,
    pub(super) detail: SessionDetail,
    /// What gives way to it; where nothing does, nothing is removed either.
    pub(super) room: Option<Room>,
    /// What is spent for it, and what remembers the device that it is on.
    pub(super) remembers: Vec<Step>,
    /// What has the owner told of it.
    pub(super) news: Vec<Step>,
    pub(super) events: Vec<Event>,
}

impl Opening {
    pub(super) fn commit(self) -> Commit {
        let Self { session, detail, room, remembers, news, events } = self;
        let (account, epoch) = (session.key.account, session.epoch);
        let forget = room.is_some().then_some(Step::ForgetEnded);
        let open = Step::OpenSession { session: Box::new(session), detail };
        let steps = remembers.into_iter().chain(news).chain(room.map(Step::MakeRoom)).chain([open]);
        let steps = steps.chain(forget).collect();
        Commit { account, expect: Expect::Standing(epoch), steps, events }
    }
}

/// A new password and what it does to the account's sessions.
pub(super) struct PasswordChange {
    /// The epoch under which the present password was verified; the account must still be in it.
    pub(super) verified_under: Epoch,
    pub(super) password_hash: String,
    /// The session that asked for it, which must not have ended.
    pub(super) replaced: SessionId,
    /// The one that takes its place, in the epoch that the change begins.
    pub(super) successor: Session,
    pub(super) detail: SessionDetail,
    /// How all the sessions from before end.
    pub(super) ending: Ending,
    pub(super) event: Event,
    /// What has the owner told of it.
    pub(super) news: Vec<Step>,
}

impl PasswordChange {
    pub(super) fn commit(self) -> Commit {
        let Self { verified_under, password_hash, replaced, successor, detail, ending, event, news } = self;
        let account = successor.key.account;
        let mut steps = vec![
            Step::put_password(Was::Any, password_hash, event.at),
            Step::KeepDevices { most: 0 },
            Step::MoveEpoch,
            Step::EndSessions { except: None, with: Some(replaced), ending },
            Step::OpenSession { session: Box::new(successor), detail },
        ];
        steps.extend(news);
        steps.push(Step::ForgetEnded);
        Commit { account, expect: Expect::Standing(verified_under), steps, events: vec![event] }
    }
}

/// A session that takes the place of the one that asked for it, once its owner has shown again who they are.
pub(super) struct StepUp {
    /// The session that asked for it, which must not have ended.
    pub(super) replaced: SessionId,
    /// The one that takes its place, in the epoch in which its owner showed who they are.
    pub(super) successor: Session,
    pub(super) detail: SessionDetail,
    /// How the one before ends.
    pub(super) ending: Ending,
    pub(super) event: Event,
    /// What is to be told besides: of the refresh token that came with the request, of what was shown.
    pub(super) judged: Vec<Event>,
    /// What spends what was shown.
    pub(super) shown: Vec<Step>,
}

impl StepUp {
    pub(super) fn commit(self) -> Commit {
        let Self { replaced, successor, detail, ending, event, judged, shown } = self;
        let (account, epoch) = (successor.key.account, successor.epoch);
        let steps = std::iter::once(Step::EndSession { session: replaced, ending })
            .chain(shown)
            .chain([Step::OpenSession { session: Box::new(successor), detail }, Step::ForgetEnded])
            .collect();
        // The first entry says what opened the session.
        let events = std::iter::once(event).chain(judged).collect();
        Commit { account, expect: Expect::Standing(epoch), steps, events }
    }
}

/// Puts another hash in the place of one, or of none; epoch and sessions stay.
pub(super) fn rehash(
    account: AccountId,
    was: Option<&str>,
    to: String,
    at: Timestamp,
    event: Option<Event>,
) -> Commit {
    let was = was.map_or(Was::Missing, |was| Was::This(was.as_bytes().to_vec()));
    let steps = vec![Step::put_password(was, to, at)];
    Commit { account, expect: Expect::Anything, steps, events: event.into_iter().collect() }
}

/// Sets a password whatever there was: nothing that was handed out works any more, and all sessions end.
pub(super) fn set_password(account: AccountId, hash: String, event: Event, news: Vec<Step>) -> Commit {
    let ending = Ending::along_with(&event, EndCause::PasswordChanged);
    let mut steps = vec![
        Step::put_password(Was::Any, hash, event.at),
        Step::KeepDevices { most: 0 },
        Step::MoveEpoch,
        Step::EndSessions { except: None, with: None, ending },
    ];
    steps.extend(news);
    Commit { account, expect: Expect::Anything, steps, events: vec![event] }
}

/// Deletes an account with the names that lead to it; its sessions end, and stay until they are swept away.
pub(super) fn delete(account: AccountId, names: Vec<Name>, event: Event) -> Commit {
    let ending = Ending::along_with(&event, EndCause::Admin);
    let steps = std::iter::once(Step::EndSessions { except: None, with: None, ending })
        .chain(names.into_iter().map(Step::DropName))
        .chain([Step::DeleteAccount]);
    Commit { account, expect: Expect::Anything, steps: steps.collect(), events: vec![event] }
}

/// Removes whatever tells of an account's owner but the journal's entries, in which its sessions end first; that they end is told
/// of nobody who asked for it.
pub(super) fn erase(account: AccountId, at: Timestamp) -> Commit {
    let ending = Ending::by_itself(EndCause::Admin, at);
    let steps = vec![Step::EndSessions { except: None, with: None, ending }, Step::EraseAccount];
    Commit { account, expect: Expect::Anything, steps, events: Vec::new() }
}

/// Disables an account: nothing that was handed out works any more, and its sessions end.
pub(super) fn disable(account: AccountId, event: Event) -> Commit {
    let ending = Ending::along_with(&event, EndCause::Disabled);
    let steps = disabling(event.at, ending).into();
    Commit { account, expect: Expect::Anything, steps, events: vec![event] }
}

/// What disables an account: it knows no device any more, and all its sessions end.
pub(super) fn disabling(at: Timestamp, ending: Ending) -> [Step; 4] {
    [
        Step::Disable { at },
        Step::KeepDevices { most: 0 },
        Step::MoveEpoch,
        Step::EndSessions { except: None, with: None, ending },
    ]
}

/// Lets an account log in again; its ended sessions stay ended.
pub(super) fn enable(account: AccountId, event: Event) -> Commit {
    Commit { account, expect: Expect::Anything, steps: vec![Step::Enable], events: vec![event] }
}

/// Ends one session.
pub(super) fn end(key: SessionKey, ending: Ending) -> Commit {
    end_and_tell(key, ending, Vec::new())
}

/// Ends one session, and has its owner told of it.
pub(super) fn end_and_tell(
    SessionKey { account, session }: SessionKey,
    ending: Ending,
    news: Vec<Step>,
) -> Commit {
    let steps = std::iter::once(Step::EndSession { session, ending }).chain(news).collect();
    Commit { account, expect: Expect::Anything, steps, events: Vec::new() }
}

/// Ends all of an account's sessions, and has it know no device any more, nor a change of address that one of them asked for.
pub(super) fn end_all(account: AccountId, ending: Ending) -> Commit {
    let steps = vec![
        Step::KeepDevices { most: 0 },
        Step::EndTokens { purpose: Purpose::ChangeEmail },
        Step::EndSessions { except: None, with: None, ending },
    ];
    Commit { account, expect: Expect::Anything, steps, events: Vec::new() }
}

/// Gives an imported session its secret: the first time that a client presents the token of the source system, for only
/// that token makes it.
pub(super) fn bind_imported_token(
    SessionKey { account, session }: SessionKey,
    from: SecretHash,
    to: SecretHash,
) -> Commit {
    let steps = vec![Step::BindImportedToken { session, from, to }];
    Commit { account, expect: Expect::Anything, steps, events: Vec::new() }
}

/// How many sessions a commit ended.
pub(super) fn ended(committed: Committed) -> u64 {
    match committed {
        Committed::Done { ended } => ended,
        Committed::AccountMoved | Committed::Missed { .. } => 0,
    }
}

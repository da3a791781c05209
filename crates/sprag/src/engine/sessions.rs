//! What a user or an administrator does with sessions: list them, end them, ask why one ended.

use super::commits;
use super::refresh::{note, present};
use super::{Caller, ClientPolicy, Engine, Requester};
use crate::audit::{Entry, Event, EventKind};
use crate::error::{Error, Fault, Refusal};
use crate::ratchet::{LogOut, at_log_out};
use crate::risk::Risk;
use crate::session::{AccountId, EndCause, Session, SessionDetail, SessionId, SessionKey};
use crate::store::{Ending, Slice};

/// How many rows a slice of a listing has.
const SLICE: u32 = 200;

/// How many slices a listing reads at most. They hold the 10,000 live sessions that may be set at most and the
/// [`MAX_ENDED_KEPT`](crate::store::MAX_ENDED_KEPT) ended ones, with room to spare.
const SLICES: usize = 100;

/// How many of an account's events an explanation looks through: a few weeks where every rotation is journalled.
const EVENTS: u32 = 10_000;

/// A live session in a listing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// The row.
    pub session: Session,
    /// What people read of it.
    pub detail: SessionDetail,
}

/// What is known of one session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// The row.
    pub session: Session,
    /// What people read of it.
    pub detail: SessionDetail,
    /// What happened to it, oldest first.
    pub events: Vec<Entry>,
}

impl Explanation {
    /// How unlike those before it the log-in was that opened the session; `None` where nothing made it so, or it was not
    /// weighed.
    #[must_use]
    pub fn risk(&self) -> Option<Risk> {
        let mut opened = self.events.iter().filter(|entry| entry.event.kind == EventKind::SessionOpened);
        opened.next()?.event.note.as_deref()?.parse().ok()
    }
}

/// A request to log out with a refresh token.
#[derive(Clone, Copy, Debug)]
pub struct LogOutRequest<'a> {
    /// The refresh token as it came.
    pub token: &'a str,
    /// The retry id (`Idempotency-Key`) of the token's refresh, if the client sent one: where the answer to that refresh was
    /// lost, it shows that this is its holder, and not somebody who stole the token.
    pub retry_id: Option<&'a str>,
    /// Why the session shall end.
    pub cause: EndCause,
}

impl<'a> LogOutRequest<'a> {
    /// A log-out with this refresh token, and no retry id.
    #[must_use]
    pub fn with(token: &'a str) -> Self {
        Self { token, retry_id: None, cause: EndCause::Logout }
    }
}

/// A session that is to end, and how.
pub(super) struct Leaving {
    pub(super) key: SessionKey,
    pub(super) ending: Ending,
    /// Whether the token is one that its client may still have in good faith, of a session that has not run out.
    is_current: bool,
}

/// Lists, ends and explains sessions. From [`Engine::sessions`].
#[derive(Clone, Copy, Debug)]
pub struct Sessions<'a>(pub(super) &'a Engine);

impl Sessions<'_> {
    /// Ends all sessions of the account that a refresh token is of: the newest of its session, or the one before.
    ///
    /// False, and then the others live on: if it is none of a live session; if it is an older one, or its session has run
    /// out, for which a log-out ends that session alone; and if it is not `of` the account that is given.
    ///
    /// # Errors
    /// A [`Fault`] if the end could not be committed.
    pub async fn log_out_everywhere_with(
        &self,
        client: &ClientPolicy,
        request: LogOutRequest<'_>,
        of: Option<AccountId>,
        requester: &Requester,
    ) -> Result<bool, Fault> {
        let Some(leaving) = self.0.leaving(client, request, requester).await? else { return Ok(false) };
        if of.is_some_and(|account| account != leaving.key.account) {
            return Ok(false);
        }
        if leaving.is_current {
            let _ = self.0.store.commit(commits::end_all(leaving.key.account, leaving.ending)).await?;
        } else {
            // If it has ended meanwhile, that is as well.
            let _ = self.0.store.commit(commits::end(leaving.key, leaving.ending)).await?;
        }
        Ok(leaving.is_current)
    }

    /// Ends all sessions of the caller's account, this one too.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn log_out_everywhere(&self, caller: &Caller, requester: &Requester) -> Result<u64, Fault> {
        let ending = requester.ending(EndCause::LogoutAll, self.0.now());
        self.0.store.commit(commits::end_all(caller.key.account, ending)).await.map(commits::ended)
    }

    /// Ends one session of an account.
    ///
    /// # Errors
    /// [`Refusal::SessionUnknown`] if the account has no such live session; a [`Fault`].
    pub async fn end(&self, key: SessionKey, cause: EndCause, requester: &Requester) -> Result<(), Error> {
        let ending = requester.ending(cause, self.0.now());
        let has_ended = self.0.store.commit(commits::end(key, ending)).await?.is_done();
        if has_ended { Ok(()) } else { Err(Refusal::SessionUnknown.into()) }
    }

    /// Ends one session, whoever's it is, as an administrator.
    ///
    /// # Errors
    /// [`Refusal::SessionUnknown`] if there is no such live session; a [`Fault`].
    pub async fn end_named(&self, id: SessionId, requester: &Requester) -> Result<(), Error> {
        let Some((session, _)) = self.0.store.named(id).await? else {
            return Err(Refusal::SessionUnknown.into());
        };
        self.end(session.key, EndCause::Admin, requester).await
    }

    /// Ends all sessions of an account, as an administrator.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn end_all_of(&self, account: AccountId, requester: &Requester) -> Result<u64, Fault> {
        let ending = requester.ending(EndCause::Admin, self.0.now());
        self.0.store.commit(commits::end_all(account, ending)).await.map(commits::ended)
    }

    /// An account's live sessions, oldest first.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn of(&self, account: AccountId) -> Result<Vec<Listed>, Fault> {
        let now = self.0.now();
        let mut live = Vec::new();
        let mut after = None;
        for _ in 0..SLICES {
            let slice = self.0.store.of(account, Slice::after(after, SLICE)).await?;
            after = slice.last().map(|(session, _)| session.key.session);
            let is_last = slice.len() < SLICE as usize;
            live.extend(
                slice.into_iter().filter_map(|(session, detail)| {
                    session.is_live(now).then_some(Listed { session, detail })
                }),
            );
            if is_last {
                break;
            }
        }
        // The order of ids, but for imported sessions, whose ids have none.
        live.sort_by_key(|listed| listed.session.created_at);
        Ok(live)
    }

    /// What is known of a session and what happened to it; `None` if there is none of that id, or no longer.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn explain(&self, id: SessionId) -> Result<Option<Explanation>, Fault> {
        let Some((session, detail)) = self.0.store.named(id).await? else { return Ok(None) };
        let entries = self.0.store.entries_of(session.key.account, Slice::first(EVENTS)).await?;
        let concerns_it = |event: &Event| match event.session {
            Some(named) => named == id,
            None => event.at >= session.created_at && event.kind != EventKind::LoginFailed,
        };
        let mut events: Vec<_> = entries.into_iter().filter(|entry| concerns_it(&entry.event)).collect();
        events.reverse();
        Ok(Some(Explanation { session, detail, events }))
    }
}

impl Engine {
    /// Which session a token presented at log-out ends, and how; none where it is of no live one.
    pub(super) async fn leaving(
        &self,
        client: &ClientPolicy,
        request: LogOutRequest<'_>,
        requester: &Requester,
    ) -> Result<Option<Leaving>, Fault> {
        let now = self.now();
        let Some(token) = self.recognise(client, request.token, now).await? else { return Ok(None) };
        let Some(state) = self.store.find(token.key).await? else { return Ok(None) };
        let presented = present(&token, request.retry_id, requester);
        let judged_by = |moment| at_log_out(&presented, state.clone(), request.cause, moment, &client.policy);
        match self.judge_by(client, now, judged_by, LogOut::accuses).await? {
            LogOut::Nothing => Ok(None),
            LogOut::SecretMismatch => {
                let note = Some("at log-out".into());
                let event = requester.event(token.key, EventKind::SecretMismatch, now, note);
                self.store.record(event).await?;
                Ok(None)
            }
            LogOut::Ends { cause, is_current, notice } => {
                let ending = Ending { note: notice.map(note), ..requester.ending(cause, now) };
                Ok(Some(Leaving { key: token.key, ending, is_current }))
            }
        }
    }
}

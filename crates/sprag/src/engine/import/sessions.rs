//! Sessions of another system: how they come in, and how their clients' old tokens find them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::super::commits::{self, Opening};
use super::super::opening::detail;
use super::super::{ClientPolicy, Engine, Requester, tried_too_often};
use super::{Imported, ImportedSession, Imports, Known, refused};
use crate::account::Name;
use crate::audit::EventKind;
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::session::{AccountId, EndCause, Epoch, Generation, NO_INSTANCE, Session, SessionKey};
use crate::store::{Committed, Slice};
use crate::text;
use crate::token::{First, ForeignToken, RefreshToken};

/// So long before it came, at least, somebody is taken to have shown who they are for a session of which nobody knows when it was
/// opened. It is longer than a log-in can be set to be fresh.
const LONG_AGO: Duration = Duration::from_secs(25 * 60 * 60);

/// How much is kept of what a client or a user called itself, in bytes.
const MAX_LABEL_BYTES: usize = 256;

/// How many accounts a run remembers. One with more begins anew, and looks through what it has written itself.
const MAX_REMEMBERED: usize = 1 << 16;

/// One run of an import, and what it remembers.
///
/// What was here once and was swept away is known by its account's journal alone. What the run itself adds there need not
/// be looked through for each session, or one with many would take the square of their number; so the run remembers how
/// long a journal was when it came to the account first. A run takes far less time than ended sessions are kept.
#[derive(Debug, Default)]
pub struct Run {
    journals: Mutex<HashMap<AccountId, u64>>,
}

impl Run {
    fn length(&self, account: AccountId) -> Option<u64> {
        self.journals.lock().unwrap_or_else(PoisonError::into_inner).get(&account).copied()
    }

    /// Remembers a journal's length, the first that was found.
    fn remember(&self, account: AccountId, length: u64) -> u64 {
        let mut journals = self.journals.lock().unwrap_or_else(PoisonError::into_inner);
        if journals.len() >= MAX_REMEMBERED {
            journals.clear();
        }
        *journals.entry(account).or_insert(length)
    }
}

impl Imports<'_> {
    /// Makes the session whose token of generation 0 is the other system's token, in a run of its own.
    ///
    /// # Errors
    /// A [`Fault`], as [`user`](Self::user).
    pub async fn session(
        &self,
        client: &ClientPolicy,
        session: ImportedSession<'_>,
    ) -> Result<Imported, Fault> {
        self.session_of(&Run::default(), client, session).await
    }

    /// Makes such a session in a run with others.
    ///
    /// # Errors
    /// A [`Fault`], as [`user`](Self::user).
    pub async fn session_of(
        &self,
        run: &Run,
        client: &ClientPolicy,
        session: ImportedSession<'_>,
    ) -> Result<Imported, Fault> {
        let now = self.0.now();
        if let Some((cause, why)) = over(&session, now) {
            let Some(key) = self.unadopted(client, &session.token, now).await? else {
                return Ok(Imported::Over(why));
            };
            let ending = Requester::nobody().ending(cause, now);
            let has_ended = self.0.store.commit(commits::end(key, ending)).await?.is_done();
            return Ok(if has_ended {
                Imported::Changed(ENDED_IN_SOURCE.into())
            } else {
                Imported::Over(why)
            });
        }
        let opening = match self.look_at_session(run, client, &session, now).await? {
            Ok(opening) => opening,
            Err(outcome) => return Ok(outcome),
        };
        let key = opening.session.key;
        let outcome = self.0.store.commit(opening.commit()).await;
        match outcome {
            Ok(Committed::Done { .. }) => Ok(Imported::New),
            Ok(Committed::AccountMoved) => Ok(refused(MOVED)),
            // Another import may have brought it since it was looked for.
            Ok(Committed::Missed { .. }) | Err(_) => match (self.0.store.named(key.session).await, outcome) {
                (Ok(Some((there, _))), _) => Ok(found(&there, key.account)),
                (_, Err(fault)) | (Err(fault), _) => Err(fault),
                (Ok(None), Ok(_)) => Err(tried_too_often("import a session")),
            },
        }
    }

    /// What [`session_of`](Self::session_of) would say; writes nothing.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn preview_session(
        &self,
        run: &Run,
        client: &ClientPolicy,
        session: ImportedSession<'_>,
    ) -> Result<Imported, Fault> {
        let now = self.0.now();
        if let Some((_, why)) = over(&session, now) {
            let unadopted = self.unadopted(client, &session.token, now).await?;
            return Ok(unadopted.map_or(Imported::Over(why), |_| Imported::Changed(ENDED_IN_SOURCE.into())));
        }
        let looked = self.look_at_session(run, client, &session, now).await?;
        Ok(looked.map_or_else(|outcome| outcome, |_| Imported::New))
    }

    async fn look_at_session(
        &self,
        run: &Run,
        client: &ClientPolicy,
        session: &ImportedSession<'_>,
        now: Timestamp,
    ) -> Result<Result<Opening, Imported>, Fault> {
        let Ok(external) = Name::external(client.profile, session.user) else {
            return Ok(Err(refused("it names no user")));
        };
        let account = match self.known_by(&external).await? {
            Known::Account(found) => found.account,
            Known::Deleted => return Ok(Err(Imported::Over("its user was deleted here"))),
            Known::Nobody => return Ok(Err(refused("its user is not here; import the users first"))),
        };
        let key = SessionKey { account: account.id, session: session.token.session(client.profile) };
        if let Some((there, _)) = self.0.store.named(key.session).await? {
            return Ok(Err(found(&there, account.id)));
        }
        if account.disabled_at.is_some() {
            return Ok(Err(Imported::Over("its account is disabled")));
        }
        if account.epoch != Epoch(0) {
            return Ok(Err(refused(MOVED)));
        }
        // It may have been here, ended and been swept away; what has ended stays so.
        if self.was_told_of(run, key).await? {
            // Or somebody else has imported it since the row was looked for.
            let there = self.0.store.named(key.session).await?;
            let gone = refused("it was imported before and has ended since");
            return Ok(Err(there.map_or(gone, |(there, _)| found(&there, account.id))));
        }
        let placeholder = session.token.placeholder(client.profile, account.id, &self.0.keys.load(), now);
        Ok(Ok(opening(client, session, key, placeholder, now)))
    }

    /// Whether an account's journal told of a session before this run came to it.
    async fn was_told_of(&self, run: &Run, key: SessionKey) -> Result<bool, Fault> {
        let until = match run.length(key.account) {
            Some(length) => length,
            None => {
                let newest = self.0.store.entries_of(key.account, Slice::first(1)).await?;
                run.remember(key.account, newest.first().map_or(0, |entry| entry.number))
            }
        };
        // The first entry tells that the account was made.
        Ok(until > 1 && self.0.store.mentions(key, until).await?)
    }

    /// The live session here whose client has not presented its imported token yet.
    async fn unadopted(
        &self,
        client: &ClientPolicy,
        token: &ForeignToken,
        now: Timestamp,
    ) -> Result<Option<SessionKey>, Fault> {
        let found = self.0.store.named(token.session(client.profile)).await?;
        let waiting = found.filter(|(session, _)| {
            session.is_live(now) && token.is_unadopted(session, &self.0.keys.load(), now)
        });
        Ok(waiting.map(|(session, _)| session.key))
    }
}

impl Engine {
    /// The token of generation 0 that another system's token stands for, if a session was imported for it.
    ///
    /// The first time, the session gets the secret that this very text makes; the verdict is the ratchet's.
    pub(in crate::engine) async fn bind_imported_token(
        &self,
        client: &ClientPolicy,
        text: &str,
    ) -> Result<Option<RefreshToken>, Fault> {
        let Some((first, session)) = self.find_foreign(client, text).await? else { return Ok(None) };
        if first.is_unadopted {
            let (from, to) = (session.secret_hash, first.token.secret_hash());
            // Where somebody else was faster it was with the same text, and so with the same secret.
            let _ = self.store.commit(commits::bind_imported_token(session.key, from, to)).await?;
        }
        Ok(Some(first.token))
    }

    /// The live session that was imported for another system's token, and the generation which that token stands for.
    pub(in crate::engine) async fn live_session_of_imported(
        &self,
        client: &ClientPolicy,
        text: &str,
    ) -> Result<Option<(SessionKey, Generation)>, Fault> {
        let found = self.find_foreign(client, text).await?;
        let live = found.filter(|(_, session)| session.is_live(self.now()));
        Ok(live.map(|(first, _)| (first.token.key, first.token.generation)))
    }

    async fn find_foreign(
        &self,
        client: &ClientPolicy,
        text: &str,
    ) -> Result<Option<(First, Session)>, Fault> {
        let Some(foreign) = ForeignToken::new(text).filter(|_| client.takes_imported_tokens) else {
            return Ok(None);
        };
        let found = self.store.named(foreign.session(client.profile)).await?;
        let Some((session, _)) = found.filter(|(session, _)| session.profile == client.profile) else {
            return Ok(None);
        };
        let first = foreign.recognise(text, &session, &self.keys.load(), self.now());
        Ok(first.map(|first| (first, session)))
    }
}

const MOVED: &str = "its account has changed its password or was disabled since it was imported";

/// What became of a session whose client will not present its token.
const ENDED_IN_SOURCE: &str = "it has ended in the source system";

impl ImportedSession<'_> {
    /// Whether it is over in the source system: revoked, inactive or expired.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        over(self, now).is_some()
    }
}

/// Why a session is not live in the source system, if it is not.
fn over(session: &ImportedSession<'_>, now: Timestamp) -> Option<(EndCause, &'static str)> {
    if !session.is_live {
        return Some((EndCause::Revoked, "it is revoked or inactive there"));
    }
    (session.expires_at <= now).then_some((EndCause::Expired, "it has expired"))
}

/// What becomes of a session whose token has one here. No text opens two accounts.
fn found(there: &Session, account: AccountId) -> Imported {
    if there.key.account == account {
        Imported::AlreadyThere
    } else {
        refused("its token is here already, for a session of another user")
    }
}

fn opening(
    client: &ClientPolicy,
    session: &ImportedSession<'_>,
    key: SessionKey,
    placeholder: [u8; 32],
    now: Timestamp,
) -> Opening {
    let label = |label: &str| text::label(label, MAX_LABEL_BYTES);
    let requester = Requester {
        ip: session.ip.map(label),
        user_agent: session.user_agent.map(label),
        instance: NO_INSTANCE,
        ..Requester::nobody()
    };
    let device = session.device.map(label);
    let told = session.created_at.map(|at| at.min(now));
    let created_at = told.unwrap_or(now);
    let begun = Session::begun(key, client.profile, placeholder, Epoch(0), &client.policy, now);
    let row = Session {
        created_at,
        rotated_at: created_at,
        // By whatever means: its system does not say. Where it does not say when either, it was not just now.
        authenticated_at: told.unwrap_or(now.minus(LONG_AGO)),
        idle_expires_at: session.expires_at.min(begun.expires_at),
        ..begun
    };
    Opening {
        news: Vec::new(),
        session: row,
        detail: detail(&requester, device.as_deref()),
        // However many it had, nobody is logged out by moving.
        room: None,
        remembers: Vec::new(),
        events: vec![requester.event(key, EventKind::SessionImported, now, None)],
    }
}

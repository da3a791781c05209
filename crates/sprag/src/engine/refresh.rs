//! Refresh: from a presented token to a verdict carried out.

use std::time::Duration;

use zeroize::Zeroizing;

use super::pair::fresh_life;
use super::{ClientPolicy, Engine, Refresh, Requester, TokenPair, tried_too_often};
use crate::account::Account;
use crate::audit::{Event, EventKind};
use crate::clock::{Timestamp, millis};
use crate::error::{Error, Fault, Refusal};
use crate::ratchet::{
    Denial, Found, Judgement, MAX_MISSES, Notice, Presented, Rotation, Row, Verdict, judge,
};
use crate::session::{AccountId, EndCause};
use crate::store::{Ending, Rotated};
use crate::token::{RefreshToken, hash_retry_id};

/// How far apart two nodes may be that follow one clock: each is off by half the time that its slowest question for
/// the time may take. Further, and a clock went backwards.
const CLOCKS_DIFFER: Duration = Duration::from_secs(1);

/// A request to refresh.
#[derive(Clone, Copy, Debug)]
pub struct RefreshRequest<'a> {
    /// The refresh token as it came.
    pub token: &'a str,
    /// The retry id (`Idempotency-Key`), if the client sent one.
    pub retry_id: Option<&'a str>,
}

/// What a refresh came to, and the row of the verdict table that decided.
#[derive(Debug)]
pub struct RefreshOutcome {
    /// For metrics and tests; clients are not told.
    pub row: Row,
    /// The token pair, or why there is none.
    pub answer: Result<TokenPair, Error>,
}

impl Engine {
    /// Refreshes a session: judges the presented token and carries the verdict out.
    pub async fn refresh(
        &self,
        client: &ClientPolicy,
        renewal: RefreshRequest<'_>,
        requester: &Requester,
    ) -> RefreshOutcome {
        let now = self.now();
        let token = match self.recognise(client, renewal.token, now).await {
            Ok(Some(token)) => token,
            Ok(None) => {
                let malformed = judge(None, &Found::Nothing, 0, now, &client.policy);
                return RefreshOutcome { row: malformed.row, answer: Err(Refusal::TokenInvalid.into()) };
            }
            Err(fault) => return RefreshOutcome { row: Row::StoreFault, answer: Err(fault.into()) },
        };
        // Read before the row turns: if it cannot be read, nothing has happened yet.
        let account = match self.account_to_tell_of(client, token.key.account).await {
            Ok(account) => account,
            Err(fault) => return RefreshOutcome { row: Row::StoreFault, answer: Err(fault.into()) },
        };
        let mut turn = RefreshInProgress {
            engine: self,
            client,
            requester,
            now,
            text: renewal.token,
            account,
            presented: present(&token, renewal.retry_id, requester),
            token,
        };
        match turn.rotate_optimistically().await {
            Ok(Some(pair)) => return RefreshOutcome { row: Row::Current, answer: Ok(pair) },
            Ok(None) => {}
            Err(fault) => return RefreshOutcome { row: Row::StoreFault, answer: Err(fault.into()) },
        }
        for misses in 0..=MAX_MISSES {
            let found = match self.store.find(turn.presented.key).await {
                Ok(Some(state)) => Found::Session(Box::new(state)),
                Ok(None) => Found::Nothing,
                Err(fault) => return RefreshOutcome { row: Row::StoreFault, answer: Err(fault.into()) },
            };
            // A request is judged by when it came, or a slow store would push it out of its window. But where
            // another has turned the row since, that moment would look like a clock gone back.
            if let Found::Session(state) = &found {
                turn.now = self.not_before(state.session.rotated_at, turn.now);
            }
            let judgement = judge(Some(&turn.presented), &found, misses, turn.now, &client.policy);
            let row = judgement.row;
            match turn.carry_out(judgement, &found).await {
                Ok(Some(pair)) => return RefreshOutcome { row, answer: Ok(pair) },
                Ok(None) => {}
                Err(error) => return RefreshOutcome { row, answer: Err(error) },
            }
        }
        RefreshOutcome { row: Row::Missed, answer: Err(tried_too_often("refresh a session").into()) }
    }

    /// The moment to judge by: `asked`, or now where the row has turned since. Two nodes that read one clock at the
    /// same time do not read quite the same: what another has just dated is no later than now.
    fn not_before(&self, turned: Timestamp, asked: Timestamp) -> Timestamp {
        if turned <= asked {
            return asked;
        }
        let now = self.now();
        let is_one_clock = turned.millis_since(now) <= millis(CLOCKS_DIFFER);
        if is_one_clock { now.max(turned) } else { now }
    }

    /// A token of this profile, its own or one of the system whose place it took, or none.
    pub(super) async fn recognise(
        &self,
        client: &ClientPolicy,
        text: &str,
        now: Timestamp,
    ) -> Result<Option<RefreshToken>, Fault> {
        match self.parse(client, text, now) {
            Some(token) => Ok(Some(token)),
            None => self.bind_imported_token(client, text).await,
        }
    }

    /// The account, where the profile's access tokens tell of it.
    async fn account_to_tell_of(
        &self,
        client: &ClientPolicy,
        id: AccountId,
    ) -> Result<Option<Account>, Fault> {
        if client.access.tells_of_account() { self.store.account(id).await } else { Ok(None) }
    }

    /// A token of this profile, or none: row 1 tells no difference between malformed, forged and another profile's.
    pub(super) fn parse(&self, client: &ClientPolicy, text: &str, now: Timestamp) -> Option<RefreshToken> {
        let token = RefreshToken::parse(text, &self.keys.load(), now).ok()?;
        (token.profile == client.profile).then_some(token)
    }
}

/// One refresh under way.
struct RefreshInProgress<'a> {
    engine: &'a Engine,
    client: &'a ClientPolicy,
    requester: &'a Requester,
    now: Timestamp,
    text: &'a str,
    account: Option<Account>,
    token: RefreshToken,
    presented: Presented,
}

impl RefreshInProgress<'_> {
    /// Most refreshes are row 14. Asking the store for that first saves reading the row; where it does not
    /// apply, nothing has changed and the row is read and judged.
    async fn rotate_optimistically(&self) -> Result<Option<TokenPair>, Fault> {
        let Some(rotation) = Rotation::optimistic(&self.presented, self.now, &self.client.policy) else {
            return Ok(None);
        };
        let successor = self.token.at(rotation.to);
        let event = self.rotation_event(&rotation);
        let Some(rotated) = self.engine.store.rotate(rotation, event).await? else {
            return Ok(None);
        };
        self.hand_out(&successor, rotated).map(Some)
    }

    /// Does what the verdict says. `None` means that a write matched no row: judge again.
    async fn carry_out(&self, judgement: Judgement, found: &Found) -> Result<Option<TokenPair>, Error> {
        match judgement.verdict {
            Verdict::Fault => Err(tried_too_often("refresh a session").into()),
            Verdict::Refuse(denial) => {
                if let Some(notice) = judgement.notice {
                    self.engine.store.record(self.event(notice)).await?;
                }
                Err(Refusal::from(denial).into())
            }
            Verdict::End(cause, denial) => self.end(cause, denial, judgement.notice).await,
            Verdict::Keep => Ok(Some(self.keep(found)?)),
            Verdict::Repeat => Ok(Some(self.repeat(found)?)),
            Verdict::Retry(retried) => {
                let successor = self.token.at(retried.generation);
                let event = judgement.notice.map(|notice| self.event(notice));
                let counted = self.engine.store.retry(retried, event).await?;
                Ok(counted.map(|row| self.hand_out(&successor, row)).transpose()?)
            }
            Verdict::Rotate(rotation) => {
                let successor = self.token.at(rotation.to);
                let event = judgement.notice.map(|notice| self.event(notice));
                let event = event.or_else(|| self.rotation_event(&rotation));
                let rotated = self.engine.store.rotate(rotation, event).await?;
                Ok(rotated.map(|row| self.hand_out(&successor, row)).transpose()?)
            }
        }
    }

    async fn end(
        &self,
        cause: EndCause,
        denial: Denial,
        notice: Option<Notice>,
    ) -> Result<Option<TokenPair>, Error> {
        let ending = Ending {
            cause,
            at: self.now,
            ip: self.requester.ip.clone(),
            user_agent: self.requester.user_agent.clone(),
            note: notice.map(note),
        };
        // Somebody else may have ended it a moment before: then that cause is the one to tell.
        let has_ended = self.engine.store.end(self.presented.key, ending).await?;
        if has_ended { Err(Refusal::from(denial).into()) } else { Ok(None) }
    }

    fn hand_out(&self, successor: &RefreshToken, rotated: Rotated) -> Result<TokenPair, Fault> {
        let life = fresh_life(self.client, rotated.expires_at, self.now);
        self.engine.new_pair(self.client, self.account.as_ref(), successor, life, self.now)
    }

    /// Row 13: the client's own token, unchanged.
    fn keep(&self, found: &Found) -> Result<TokenPair, Fault> {
        let session = session_in(found)?;
        let life = fresh_life(self.client, session.expires_at, self.now);
        let kept = Refresh::Kept(Zeroizing::new(self.text.to_owned()));
        self.engine.pair(self.client, self.account.as_ref(), &self.token, kept, life, self.now)
    }

    /// Row 8: the successor as it was given, however long ago; so its life may be shorter than a fresh one's. It is
    /// told to the hour, rounded up: a cookie of no life would take a live session's token away.
    fn repeat(&self, found: &Found) -> Result<TokenPair, Fault> {
        const HOUR_MILLIS: i64 = 3_600_000;
        let session = session_in(found)?;
        let left = session.idle_expires_at.min(session.expires_at).millis_since(self.now).max(0);
        let hours = left / HOUR_MILLIS + i64::from(left % HOUR_MILLIS > 0);
        let life = (hours * 3600).min(fresh_life(self.client, session.expires_at, self.now));
        let successor = self.token.at(session.generation);
        self.engine.new_pair(self.client, self.account.as_ref(), &successor, life, self.now)
    }

    fn event(&self, notice: Notice) -> Event {
        let kind = match notice {
            Notice::SecretMismatch => EventKind::SecretMismatch,
            Notice::Ahead { .. } => EventKind::AheadAdopted,
            Notice::ForeignRetry { .. } => EventKind::ForeignRetry,
            Notice::Lockstep { .. } => EventKind::Lockstep,
        };
        self.requester.event(self.presented.key, kind, self.now, Some(note(notice)))
    }

    fn rotation_event(&self, rotation: &Rotation) -> Option<Event> {
        self.client.policy.journal_rotations.then(|| {
            let note = format!("generation {} replaced generation {}", rotation.to.0, rotation.from.0);
            self.requester.event(rotation.key, EventKind::SessionRotated, self.now, Some(note))
        })
    }
}

pub(super) fn present(token: &RefreshToken, retry_id: Option<&str>, requester: &Requester) -> Presented {
    Presented {
        key: token.key,
        profile: token.profile,
        generation: token.generation,
        secret_hash: token.secret_hash(),
        retry_hash: retry_id.map(hash_retry_id),
        instance_hash: requester.instance,
    }
}

fn session_in(found: &Found) -> Result<&crate::session::Session, Fault> {
    match found {
        Found::Session(state) => Ok(&state.session),
        Found::Fault | Found::Nothing => {
            Err(Fault::internal("answer from a session's row", "the verdict needs one and there is none"))
        }
    }
}

pub(super) fn note(notice: Notice) -> String {
    match notice {
        Notice::SecretMismatch => {
            "the token's tag is right and its secret is not: the refresh key has leaked, \
                                   retire it (sprag key rotate, sprag key retire)"
                .into()
        }
        Notice::Ahead { gap } => {
            format!("the token is {gap} generations ahead of the database, which must have gone back in time")
        }
        Notice::ForeignRetry { streak } => {
            format!("another client presented the token just spent, in {streak} generations running")
        }
        Notice::Lockstep { streak } => {
            format!("another client refreshes in step with this session, in {streak} generations running")
        }
    }
}

//! Refresh: from a presented token to a verdict carried out.

use super::commits;
use super::hooks::AskedClaims;
use super::pair::{About, Told};
use super::{ClientPolicy, Engine, Requester, TokenPair, tried_too_often};
use crate::account::Account;
use crate::audit::{Event, EventKind, Severity};
use crate::clock::Timestamp;
use crate::error::{Error, Fault, Refusal};
use crate::ratchet::{
    Denial, Found, Judgement, MAX_MISSES, Moment, Notice, Presented, Retried, Rotation, Row, Verdict, judge,
    judged_at,
};
use crate::security::{self, Outcome};
use crate::session::{AccountId, EndCause, Generation, SessionKey};
use crate::store::{Ending, Rotated};
use crate::token::{RefreshToken, hash_retry_id};

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
        request: RefreshRequest<'_>,
        requester: &Requester,
    ) -> RefreshOutcome {
        let now = self.now();
        let token = self.recognise(client, request.token, now).await;
        self.refresh_with(client, request, (token, now), requester).await
    }

    /// Refreshes a session with what [`recognise`](Self::recognise) has read, and when. Whoever limits how often a session may
    /// refresh looks between the two whose it is: a token of ours has cost the store nothing by then, and one that is forged
    /// is of no session.
    pub async fn refresh_with(
        &self,
        client: &ClientPolicy,
        request: RefreshRequest<'_>,
        (token, now): (Result<Option<RefreshToken>, Fault>, Timestamp),
        requester: &Requester,
    ) -> RefreshOutcome {
        let token = match token {
            Ok(Some(token)) => token,
            Ok(None) => {
                let moment = Moment::uninterrupted(now, client.policy.reuse_interval);
                let malformed = judge(None, &Found::Nothing, 0, moment, &client.policy);
                tell_refused(malformed.row, Refusal::TokenInvalid, None, requester);
                return self.came_to(malformed.row, Err(Refusal::TokenInvalid.into()), now);
            }
            Err(fault) => return self.came_to(Row::StoreFault, Err(fault.into()), now),
        };
        // Read before the row turns: if it cannot be read, nothing has happened yet.
        let account = match self.account_to_tell_of(client, token.key.account).await {
            Ok(account) => account,
            Err(fault) => return self.came_to(Row::StoreFault, Err(fault.into()), now),
        };
        let asked = match client.hooks.claims {
            Some(_) => match Box::pin(self.claims_at_refresh(client, &token, account.as_deref())).await {
                Ok(asked) => asked,
                Err(fault) => return self.came_to(Row::StoreFault, Err(fault.into()), now),
            },
            None => None,
        };
        let mut turn = RefreshInProgress {
            engine: self,
            client,
            requester,
            now,
            text: request.token,
            account,
            asked,
            presented: present(&token, request.retry_id, requester),
            token,
        };
        match turn.rotate_optimistically().await {
            Ok(Some(pair)) => return self.came_to(Row::Current, Ok(pair), now),
            Ok(None) => {}
            Err(fault) => return self.came_to(Row::StoreFault, Err(fault.into()), now),
        }
        // In a box, as few refreshes come here, and all others would have room for it.
        let (row, answer) = Box::pin(turn.judge_and_carry_out()).await;
        self.came_to(row, answer, now)
    }

    /// What a refresh came to, counted for the report.
    fn came_to(&self, row: Row, answer: Result<TokenPair, Error>, now: Timestamp) -> RefreshOutcome {
        match &answer {
            Ok(pair) => {
                let has_rotated = matches!(row, Row::Current | Row::Ahead);
                self.counts().refreshed(pair.account, has_rotated, now);
            }
            Err(error) => self.counts().refresh_refused(error, now),
        }
        RefreshOutcome { row, answer }
    }

    /// Whose session a refresh token is of, if a refresh would take it: judged like one, and nothing turns. What a refresh
    /// would refuse is refused, and what it would end ends. What the journal would be told of a token that is taken is for
    /// the caller to tell, once they know that it is the owner who asks: the row does not note that the token came, so
    /// whoever holds a copy could have it told as often as they like.
    pub(super) async fn holder(
        &self,
        client: &ClientPolicy,
        text: &str,
        retry_id: Option<&str>,
        requester: &Requester,
    ) -> Result<(SessionKey, Option<Event>), Error> {
        let now = self.now();
        let Some(token) = self.recognise(client, text, now).await? else {
            tell_refused(Row::Malformed, Refusal::TokenInvalid, None, requester);
            return Err(Refusal::TokenInvalid.into());
        };
        let presented = present(&token, retry_id, requester);
        let mut judged = RefreshInProgress {
            engine: self,
            client,
            requester,
            now,
            text,
            account: None,
            asked: None,
            presented,
            token,
        };
        for misses in 0..=MAX_MISSES {
            let found = self.store.find(judged.presented.key).await?;
            let found = found.map_or(Found::Nothing, |state| Found::Session(Box::new(state)));
            if let Found::Session(state) = &found {
                judged.now = judged_at(state.session.rotated_at, judged.now, self.now());
            }
            let judgement = judged.judge(&found, misses).await?;
            if let Verdict::Rotate(_) | Verdict::Keep | Verdict::Retry(_) = judgement.verdict {
                return Ok((judged.presented.key, judgement.notice.map(|notice| judged.event(notice))));
            }
            let _ = judged.carry_out(judgement, &found).await?;
        }
        Err(tried_too_often("judge a refresh token").into())
    }

    /// A token of this profile, its own or one of the system whose place it took, or none.
    ///
    /// # Errors
    /// A [`Fault`]; only a token of another system has the store asked.
    pub async fn recognise(
        &self,
        client: &ClientPolicy,
        text: &str,
        now: Timestamp,
    ) -> Result<Option<RefreshToken>, Fault> {
        // Row 1 tells no difference between malformed, forged and another profile's.
        let token = RefreshToken::parse(text, &self.keys.load(), now).ok();
        match token.filter(|token| token.profile == client.profile) {
            Some(token) => Ok(Some(token)),
            None => Box::pin(self.bind_imported_token(client, text)).await,
        }
    }

    /// The account, where the profile's access tokens tell of it.
    async fn account_to_tell_of(
        &self,
        client: &ClientPolicy,
        id: AccountId,
    ) -> Result<Option<Box<Account>>, Fault> {
        if !client.access.tells_of_account() {
            return Ok(None);
        }
        Ok(self.store.account(id).await?.map(Box::new))
    }
}

/// One refresh under way.
struct RefreshInProgress<'a> {
    engine: &'a Engine,
    client: &'a ClientPolicy,
    requester: &'a Requester,
    now: Timestamp,
    text: &'a str,
    account: Option<Box<Account>>,
    /// What another system says of it.
    asked: AskedClaims,
    token: RefreshToken,
    presented: Presented,
}

impl RefreshInProgress<'_> {
    /// Most refreshes are row 14. Asking the store for that first saves reading the row; where it does not
    /// apply, nothing has changed and the row is read and judged.
    async fn rotate_optimistically(&self) -> Result<Option<TokenPair>, Fault> {
        let moment = self.engine.moment(self.client, self.now).await?;
        let Some(rotation) = Rotation::optimistic(&self.presented, moment, &self.client.policy) else {
            return Ok(None);
        };
        let successor = self.token.at(rotation.to);
        let event = self.rotation_event(&rotation);
        let Some(rotated) = self.engine.store.rotate(rotation, event).await? else {
            return Ok(None);
        };
        let told = Told::fresh(self.client, rotated, self.now);
        self.engine.pair(self.client, self.about(), &successor, None, told, self.now).map(Some)
    }

    /// Reads the row, judges and does what the verdict says, anew where the row has turned meanwhile. Gives the row of the
    /// verdict table that decided.
    async fn judge_and_carry_out(&mut self) -> (Row, Result<TokenPair, Error>) {
        for misses in 0..=MAX_MISSES {
            let found = match self.engine.store.find(self.presented.key).await {
                Ok(Some(state)) => Found::Session(Box::new(state)),
                Ok(None) => Found::Nothing,
                Err(fault) => return (Row::StoreFault, Err(fault.into())),
            };
            if let Found::Session(state) = &found {
                self.now = judged_at(state.session.rotated_at, self.now, self.engine.now());
            }
            let judgement = match self.judge(&found, misses).await {
                Ok(judgement) => judgement,
                Err(fault) => return (Row::StoreFault, Err(fault.into())),
            };
            let row = judgement.row;
            match self.carry_out(judgement, &found).await {
                Ok(Some(pair)) => return (row, Ok(pair)),
                Ok(None) => {}
                Err(error) => return (row, Err(error)),
            }
        }
        (Row::Missed, Err(tried_too_often("refresh a session").into()))
    }

    /// The verdict, by what is known of outages; before it accuses anybody, by what is known now.
    async fn judge(&self, found: &Found, misses: u8) -> Result<Judgement, Fault> {
        let judged_by = |moment| judge(Some(&self.presented), found, misses, moment, &self.client.policy);
        self.engine.judge_by(self.client, self.now, judged_by, Judgement::accuses).await
    }

    /// Does what the verdict says. `None` means that a write matched no row: judge again.
    async fn carry_out(&self, judgement: Judgement, found: &Found) -> Result<Option<TokenPair>, Error> {
        match judgement.verdict {
            Verdict::Fault => Err(tried_too_often("refresh a session").into()),
            Verdict::Refuse(denial) => {
                let refusal = Refusal::from(denial);
                match judgement.notice {
                    Some(notice) => self.engine.store.record(self.event(notice)).await?,
                    None => tell_refused(judgement.row, refusal, Some(self.presented.key), self.requester),
                }
                Err(refusal.into())
            }
            Verdict::End(cause, denial) => self.end(cause, denial, judgement.notice).await,
            Verdict::Keep => Ok(Some(self.keep(found)?)),
            Verdict::Retry(retried) => {
                let generation = retried.generation;
                let Some(rotated) = self.note_return(retried, judgement.notice).await? else {
                    return Ok(None);
                };
                Ok(Some(self.returned(judgement.row, generation, rotated)?))
            }
            Verdict::Contest(contest) => match self.note_return(contest, judgement.notice).await? {
                Some(_) => Err(Refusal::from(Denial::Spent).into()),
                None => Ok(None),
            },
            Verdict::Rotate(rotation) => {
                let successor = self.token.at(rotation.to);
                let event = judgement.notice.map(|notice| self.event(notice));
                let event = event.or_else(|| self.rotation_event(&rotation));
                let Some(row) = self.engine.store.rotate(rotation, event.clone()).await? else {
                    return Ok(None);
                };
                self.tell_journalled(event.as_ref());
                let told = Told::fresh(self.client, row, self.now);
                Ok(Some(self.engine.pair(self.client, self.about(), &successor, None, told, self.now)?))
            }
        }
    }

    /// Rows 8 and 9: the successor that was handed out already, with a fresh access token.
    fn returned(&self, row: Row, generation: Generation, rotated: Rotated) -> Result<TokenPair, Fault> {
        let told = match row {
            Row::SameRequest => Told::to_the_hour(self.client, rotated, self.now),
            _ => Told::fresh(self.client, rotated, self.now),
        };
        self.engine.pair(self.client, self.about(), &self.token.at(generation), None, told, self.now)
    }

    fn about(&self) -> About<'_> {
        About { account: self.account.as_deref(), asked: self.asked.as_deref() }
    }

    /// Has the row note that a spent token came back. `None` where it has moved on.
    async fn note_return(&self, retried: Retried, notice: Option<Notice>) -> Result<Option<Rotated>, Fault> {
        let event = notice.map(|notice| self.event(notice));
        let noted = self.engine.store.retry(retried, event.clone()).await?;
        self.tell_journalled(event.as_ref().filter(|_| noted.is_some()));
        Ok(noted)
    }

    /// Tells the security log, and counts, what the journal was told along with a write to the row.
    fn tell_journalled(&self, event: Option<&Event>) {
        security::journalled(event);
        self.engine.counts().journalled_with_a_row(event.map(|event| event.kind), self.now);
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
        let is_news = matches!(cause, EndCause::Reuse | EndCause::Lockstep);
        let news = match is_news {
            true => self.engine.news_of(self.presented.key.account, self.requester, self.now).await?,
            false => Vec::new(),
        };
        let commit = commits::end_and_tell(self.presented.key, ending, news);
        // Somebody else may have ended it a moment before: then that cause is the one to tell.
        let has_ended = self.engine.store.commit(commit).await?.is_done();
        if has_ended { Err(Refusal::from(denial).into()) } else { Ok(None) }
    }

    /// Row 13: the client's own token, unchanged.
    fn keep(&self, found: &Found) -> Result<TokenPair, Fault> {
        let session = session_in(found)?;
        let told = Told::fresh(self.client, Rotated::of(session), self.now);
        self.engine.pair(self.client, self.about(), &self.token, Some(self.text), told, self.now)
    }

    fn event(&self, notice: Notice) -> Event {
        let kind = match notice {
            Notice::SecretMismatch => EventKind::SecretMismatch,
            Notice::Ahead { .. } => EventKind::AheadAdopted,
            Notice::ForeignRetry { .. } | Notice::ForeignSpent => EventKind::ForeignRetry,
            Notice::Contested => EventKind::Contested,
            Notice::LateTwin => EventKind::LateTwin,
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

/// Tells the security log of a refusal that the journal does not keep.
fn tell_refused(row: Row, refusal: Refusal, key: Option<SessionKey>, requester: &Requester) {
    let (ip, user_agent) = (requester.ip.as_deref(), requester.user_agent.as_deref());
    let outcome = Outcome {
        account: key.map(|key| key.account),
        session: key.map(|key| key.session),
        cause: if let Refusal::SessionEnded(cause) = refusal { cause } else { None },
        verdict: Some(row),
        ..Outcome::named("", Severity::Notice, ip, user_agent).refused(refusal.code())
    };
    outcome.tell_seldom();
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
        Found::Nothing => {
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
        Notice::ForeignSpent => "another client presented the token just spent, and was refused".into(),
        Notice::Contested => {
            "another client presented a token after an unknown one had spent it: only the client from before may go on"
                .into()
        }
        Notice::LateTwin => "a request came twice, and another had refreshed in between: nothing ended".into(),
        Notice::Lockstep { streak } => {
            format!("another client refreshes in step with this session, in {streak} generations running")
        }
    }
}

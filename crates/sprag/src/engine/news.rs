//! News by mail, so that a flood of events is one letter.
//!
//! What happens puts two letters into the outbox. The first of its hour is sent a minute later, and tells what the journal has by then.
//! What happens once that is on its way stands in the second, which is sent when the next hour begins, or nowhere where nothing did. So
//! there is one letter an hour, and no news waits where none was told in its hour.

use std::time::Duration;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::letters::{TELLS_FOR, addressed, bound_to};
use super::one_time::NewToken;
use super::{Engine, Letters, Requester, tried_too_often};
use crate::account::Account;
use crate::audit::Event;
use crate::clock::{Timestamp, millis};
use crate::error::{Error, Fault};
use crate::letter::{Letter, LetterKind};
use crate::news::{News, NewsKind};
use crate::one_time::{OneTimeText, Purpose, hashed};
use crate::outbox::{MessageKey, MessageState, Queued};
use crate::ratchet::MAX_MISSES;
use crate::session::{AccountId, EndCause, Session, SessionId};
use crate::store::{Commit, Committed, Expect, Slice, Step};

/// How long news waits for more of it.
const GATHERS_FOR: Duration = Duration::from_secs(60);

/// How long what is behind one letter.
const HOUR: Duration = Duration::from_secs(3600);

/// How many rows are read at once.
const AT_ONCE: u32 = 200;

/// How many slices of an account's newest entries are looked through. Nobody makes as many entries in the hours between two letters.
const MOST_SLICES: usize = 5_000;

/// How many things a letter tells one by one.
const MAX_TOLD: usize = 20;

/// What the link of such a letter does.
#[derive(Serialize, Deserialize)]
pub(super) struct NotMe {
    pub(super) address: String,
    /// Which sessions end, in a letter of an earlier build.
    #[serde(default)]
    pub(super) sessions: Vec<Uuid>,
    pub(super) news: Vec<News>,
    /// When the first thing happened that it tells of: whatever was opened then or later may be a thief's.
    #[serde(default)]
    pub(super) since: Option<Timestamp>,
    /// Whether all of the account's sessions end, whatever whoever follows it says.
    #[serde(default)]
    pub(super) everywhere: bool,
}

/// What a link does by which somebody says that it was not them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotMeLink {
    /// The address that it was sent to.
    pub address: String,
    /// What it tells of.
    pub news: Vec<News>,
    /// Whether it ends all of the account's sessions, so that there is nothing to choose.
    pub everywhere: bool,
}

/// What came of that somebody said that it was not them.
#[derive(Debug)]
pub struct Disowned {
    /// How many sessions ended.
    pub ended: u64,
    /// By which its owner chooses a new password now; nothing where the account has another address by now.
    pub reset: Option<OneTimeText>,
}

/// What a letter with news tells.
pub(super) enum Gathered {
    /// All of this.
    Letter(Box<Letter>),
    /// Nothing, and until then everything has been told.
    Nothing {
        /// When.
        told_until: Timestamp,
    },
}

/// Which of an hour's letters.
#[derive(Clone, Copy)]
enum NewsLetter {
    /// The one that is sent a minute after something happened.
    First,
    /// The one that is sent when the next hour begins.
    Second,
}

impl Letters<'_> {
    /// What a link does by which somebody says that it was not them: a look, by which nothing is spent.
    ///
    /// # Errors
    /// [`LinkInvalid`](crate::Refusal::LinkInvalid); a [`Fault`].
    pub async fn not_me_link(&self, text: &str) -> Result<NotMeLink, Error> {
        let Self(engine) = self;
        let usable = engine.usable(Purpose::NotMe, text).await?;
        let NotMe { address, news, everywhere, .. } = usable.payload(&engine.keys.load(), engine.now())?;
        Ok(NotMeLink { address, news, everywhere })
    }

    /// Ends the sessions that were opened since the first thing that a letter told of, or all of the account's, and has whoever says so
    /// choose a new password.
    ///
    /// # Errors
    /// [`LinkInvalid`](crate::Refusal::LinkInvalid); a [`Fault`].
    pub async fn not_me(
        &self,
        text: &str,
        everywhere: bool,
        requester: &Requester,
    ) -> Result<Disowned, Error> {
        let Self(engine) = self;
        for _ in 0..=MAX_MISSES {
            let usable = engine.usable(Purpose::NotMe, text).await?;
            let (account, now) = (&usable.account, engine.now());
            let told: NotMe = usable.payload(&engine.keys.load(), now)?;
            let ending = requester.ending(EndCause::Revoked, now);
            let mut steps = vec![usable.spend(now), Step::KeepDevices { most: 0 }];
            let mut epoch = account.epoch;
            if everywhere || told.everywhere {
                epoch = epoch.next();
                steps.extend([Step::MoveEpoch, Step::EndSessions { except: None, with: None, ending }]);
            } else {
                let opened = self.opened_since(account.id, &told).await?;
                let end = |session| Step::EndSession { session, ending: ending.clone() };
                steps.extend(opened.into_iter().map(end));
            }
            let is_its_address = account.email.as_ref() == Some(&told.address);
            let reset = is_its_address.then(|| {
                let new = NewToken {
                    account: account.id,
                    purpose: Purpose::ResetPassword,
                    bound_to: bound_to(&told.address),
                    epoch: Some(epoch),
                    payload: &(),
                };
                engine.new_token(&new, now)
            });
            let (reset, text) = reset.unzip();
            steps.extend(reset.map(|reset| Step::PutToken(Box::new(reset))));
            let expect = Expect::Standing(account.epoch);
            let commit = Commit { account: account.id, expect, steps, events: Vec::new() };
            if let Committed::Done { ended } = engine.store.commit(commit).await? {
                return Ok(Disowned { ended, reset: text });
            }
        }
        Err(tried_too_often("end sessions").into())
    }

    /// The live sessions of an account that a letter told of, or that were opened since what it told of: whoever logs in again, changes
    /// the password or steps up has another one than the letter knew.
    async fn opened_since(&self, account: AccountId, told: &NotMe) -> Result<Vec<SessionId>, Fault> {
        let Self(engine) = self;
        let is_meant = |session: &Session| {
            let is_told = told.sessions.contains(&session.key.session.0);
            let is_later = told.since.is_some_and(|since| session.created_at >= since);
            session.ended.is_none() && (is_told || is_later)
        };
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let slice = engine.store.of(account, Slice::after(after, AT_ONCE)).await?;
            after = slice.last().map(|(session, _)| session.key.session);
            let is_last = slice.len() < AT_ONCE as usize;
            let sessions = slice.into_iter().map(|(session, _)| session);
            found.extend(sessions.filter(is_meant).map(|session| session.key.session));
            if is_last {
                return Ok(found);
            }
        }
    }
}

impl Engine {
    /// What has an account's owner told of something that a commit tells the journal: steps of that commit. What is news,
    /// [`NewsKind::of`] says.
    pub(super) fn news(&self, account: &Account, requester: &Requester, at: Timestamp) -> Vec<Step> {
        let Some((account, address)) = addressed(account.clone()).filter(|_| self.sends_letters) else {
            return Vec::new();
        };
        let hour = hour_of(at);
        let soon = at.plus(GATHERS_FOR);
        let next = begins(hour + 1).max(soon.plus(GATHERS_FOR));
        [(NewsLetter::First, soon), (NewsLetter::Second, next)]
            .into_iter()
            .map(|(which, due_at)| {
                let letter = Letter::asked_for(LetterKind::News, &address, requester, at);
                let letter = Letter { ip: None, ..letter.to_owner_of(&account) };
                let key = key_of(account.id, &address, hour, which);
                let keys = self.keys.load();
                let sealed = letter.sealed_as(key, (&keys, self.random.as_ref()), due_at.plus(TELLS_FOR));
                Step::PutMessageOnce { message: Box::new(sealed), due_at }
            })
            .collect()
    }

    /// As [`news`](Self::news), of an account that nobody has read yet.
    pub(super) async fn news_of(
        &self,
        account: AccountId,
        requester: &Requester,
        at: Timestamp,
    ) -> Result<Vec<Step>, Fault> {
        if !self.sends_letters {
            return Ok(Vec::new());
        }
        let found = self.store.account(account).await?;
        Ok(found.map(|account| self.news(&account, requester, at)).unwrap_or_default())
    }

    /// What a letter with news tells, as far as the journal has it; nothing where that has been told, or the next one tells it.
    pub(super) async fn gathered(
        &self,
        key: MessageKey,
        letter: Letter,
        now: Timestamp,
    ) -> Result<Gathered, Fault> {
        let Some(account) = self.store.account(key.account).await? else {
            return Ok(Gathered::Nothing { told_until: now });
        };
        let since = self.told_until(key, &letter).await?;
        let found = match self.waits_for_next(key, &letter).await? {
            true => Vec::new(),
            false => self.news_since(key.account, since).await?,
        };
        let [(_, first), ..] = &found[..] else { return Ok(Gathered::Nothing { told_until: since }) };
        let more = found.len().saturating_sub(MAX_TOLD);
        let news: Vec<News> =
            found.iter().take(MAX_TOLD).map(|(kind, event)| self.told(*kind, event)).collect();
        let payload = NotMe {
            address: letter.to.clone(),
            sessions: Vec::new(),
            news: news.clone(),
            since: Some(first.at),
            // A password that somebody else chose, or a token that somebody else has, may be behind any session.
            everywhere: found.iter().any(|(kind, _)| matches!(kind, NewsKind::Password | NewsKind::Reuse)),
        };
        let new = NewToken {
            account: account.id,
            purpose: Purpose::NotMe,
            bound_to: hashed(key.id.as_bytes()),
            epoch: None,
            payload: &payload,
        };
        let (token, text) = self.new_token(&new, now);
        let letter = letter.with_link(&text, token.expires_at);
        let steps = vec![Step::PutToken(Box::new(token))];
        let commit = Commit { account: account.id, expect: Expect::Anything, steps, events: Vec::new() };
        let _ = self.store.commit(commit).await?;
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        Ok(Gathered::Letter(Box::new(Letter { news, more, ..letter })))
    }

    /// What of an account's journal is news since a moment, the first first.
    async fn news_since(
        &self,
        account: AccountId,
        since: Timestamp,
    ) -> Result<Vec<(NewsKind, Event)>, Fault> {
        let (mut found, mut after) = (Vec::new(), None);
        for _ in 0..MOST_SLICES {
            let entries = self.store.entries_of(account, Slice::after(after, AT_ONCE)).await?;
            let is_last = entries.len() < AT_ONCE as usize
                || entries.last().is_some_and(|oldest| oldest.event.at < since);
            after = entries.last().map(|oldest| oldest.number);
            let events = entries.into_iter().map(|entry| entry.event).filter(|event| event.at >= since);
            found.extend(events.filter_map(|event| Some((NewsKind::of(&event)?, event))));
            if is_last {
                break;
            }
        }
        found.reverse();
        Ok(found)
    }

    fn told(&self, kind: NewsKind, event: &Event) -> News {
        if event.is_by_administrator() {
            // With what and from where an administrator works is not for the owner of the account to know.
            let (device, place, ip) = (None, None, None);
            return News { kind, at: event.at, device, place, ip, is_by_administrator: true };
        }
        let about = self.whereabouts.as_ref();
        let device = event.user_agent.as_deref().and_then(|agent| about.device(agent));
        let place = event.ip.as_deref().and_then(|ip| ip.parse().ok()).and_then(|ip| about.place(ip));
        let place = place.map(|place| {
            let country = place.country.map(|country| country.to_string());
            place.city.into_iter().chain(country).collect::<Vec<_>>().join(", ")
        });
        let place = place.filter(|place| !place.is_empty());
        News { kind, at: event.at, device, place, ip: event.ip.clone(), is_by_administrator: false }
    }

    /// Until when letters before this one have told what happened: each was sent with what the journal had then. Where none was sent,
    /// since what it was put there for.
    async fn told_until(&self, key: MessageKey, letter: &Letter) -> Result<Timestamp, Fault> {
        let (account, to, hour) = (key.account, letter.to.as_str(), hour_of(letter.at));
        let others = [
            key_of(account, to, hour - 1, NewsLetter::First),
            key_of(account, to, hour - 1, NewsLetter::Second),
            key_of(account, to, hour, NewsLetter::First),
            key_of(account, to, hour, NewsLetter::Second),
        ];
        let mut told_until = letter.at;
        for other in others.into_iter().filter(|other| *other != key) {
            told_until = told_until.max(self.sent_at(other).await?.unwrap_or(letter.at));
        }
        Ok(told_until)
    }

    /// Whether a letter leaves what happened to the next one: it is the first of its hour, and in that hour one of the hour before was
    /// sent.
    async fn waits_for_next(&self, key: MessageKey, letter: &Letter) -> Result<bool, Fault> {
        let (account, to, hour) = (key.account, letter.to.as_str(), hour_of(letter.at));
        if key != key_of(account, to, hour, NewsLetter::First) {
            return Ok(false);
        }
        for which in [NewsLetter::First, NewsLetter::Second] {
            let sent_at = self.sent_at(key_of(account, to, hour - 1, which)).await?;
            if sent_at.is_some_and(|at| at >= begins(hour)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Until when a letter told what happened, if it was sent.
    async fn sent_at(&self, key: MessageKey) -> Result<Option<Timestamp>, Fault> {
        let sent = self.message(key).await?.filter(|sent| sent.state() == MessageState::Sent);
        Ok(sent.and_then(|sent| sent.settled_at))
    }

    async fn message(&self, key: MessageKey) -> Result<Option<Queued>, Fault> {
        let before = MessageKey { id: Uuid::from_u128(key.id.as_u128().wrapping_sub(1)), ..key };
        let found = self.store.messages(Slice::after(Some(before), 1)).await?;
        Ok(found.into_iter().find(|found| found.key == key))
    }
}

/// Which hour since 1970 a moment is in.
fn hour_of(at: Timestamp) -> i64 {
    at.0.div_euclid(millis(HOUR))
}

fn begins(hour: i64) -> Timestamp {
    Timestamp(hour.saturating_mul(millis(HOUR)))
}

/// Which of the two letters of an hour tells an address what happened in it.
fn key_of(account: AccountId, address: &str, hour: i64, which: NewsLetter) -> MessageKey {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(match which {
        NewsLetter::First => b"news\n",
        NewsLetter::Second => b"more\n",
    });
    context.update(account.0.as_bytes());
    context.update(&hour.to_be_bytes());
    context.update(address.as_bytes());
    let mut id = [0; 16];
    id.copy_from_slice(&context.finish().as_ref()[..16]);
    MessageKey { account, id: Uuid::from_bytes(id) }
}

//! News by mail, so that a flood of events is one letter.
//!
//! What happens puts a letter into the outbox that is sent a minute later, and tells what the journal has by then. There is one for each
//! hour, and one for the next: what happens once a letter is on its way stands in that one, which is sent when its hour begins, or
//! nowhere where nothing did.

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
use crate::session::{AccountId, EndCause, SessionId, SessionKey};
use crate::store::{Commit, Committed, Expect, Slice, Step};

/// How long news waits for more of it.
const GATHERS_FOR: Duration = Duration::from_secs(60);

/// How long what is behind one letter.
const HOUR: Duration = Duration::from_secs(3600);

/// How many of an account's newest entries are looked through.
const ENTRIES: u32 = 200;

/// How many things a letter tells one by one.
const MAX_TOLD: usize = 20;

/// What the link of such a letter does.
#[derive(Serialize, Deserialize)]
pub(super) struct NotMe {
    pub(super) address: String,
    pub(super) sessions: Vec<Uuid>,
    pub(super) news: Vec<News>,
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

    /// Ends the sessions that a letter told of, or all of the account's, and has whoever says so choose a new password.
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
                for session in told.sessions.iter().copied().map(SessionId) {
                    let found = engine.store.find(SessionKey { account: account.id, session }).await?;
                    let lives = found.is_some_and(|found| found.session.ended.is_none());
                    steps.extend(lives.then(|| Step::EndSession { session, ending: ending.clone() }));
                }
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
        [(hour, soon), (hour + 1, soon.max(begins(hour + 1)))]
            .into_iter()
            .map(|(hour, due_at)| {
                let letter = Letter::asked_for(LetterKind::News, &address, requester, at);
                let letter = Letter { ip: None, ..letter.to_owner_of(&account) };
                let key = key_of(account.id, &address, hour);
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

    /// What a letter with news tells, as far as the journal has it; nothing where that has been told.
    pub(super) async fn gathered(
        &self,
        key: MessageKey,
        letter: Letter,
        now: Timestamp,
    ) -> Result<Option<Letter>, Fault> {
        let Some(account) = self.store.account(key.account).await? else { return Ok(None) };
        let since = self.told_until(key, &letter).await?;
        let entries = self.store.entries_of(key.account, Slice::first(ENTRIES)).await?;
        let events = entries.iter().map(|entry| &entry.event).filter(|event| event.at >= since);
        let mut found: Vec<(NewsKind, &Event)> =
            events.filter_map(|event| Some((NewsKind::of(event)?, event))).collect();
        found.reverse();
        if found.is_empty() {
            return Ok(None);
        }
        let sessions = found.iter().filter(|(kind, _)| *kind == NewsKind::Login);
        let sessions = sessions.filter_map(|(_, event)| event.session).map(|session| session.0).collect();
        let more = found.len().saturating_sub(MAX_TOLD);
        let news: Vec<News> =
            found.iter().take(MAX_TOLD).map(|(kind, event)| self.told(*kind, event)).collect();
        let payload = NotMe { address: letter.to.clone(), sessions, news: news.clone(), everywhere: false };
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
        Ok(Some(Letter { news, more: u32::try_from(more).unwrap_or(u32::MAX), ..letter }))
    }

    fn told(&self, kind: NewsKind, event: &Event) -> News {
        let about = self.whereabouts.as_ref();
        let device = event.user_agent.as_deref().and_then(|agent| about.device(agent));
        let place = event.ip.as_deref().and_then(|ip| ip.parse().ok()).and_then(|ip| about.place(ip));
        let place = place.map(|place| {
            let country = place.country.map(|country| country.to_string());
            place.city.into_iter().chain(country).collect::<Vec<_>>().join(", ")
        });
        let place = place.filter(|place| !place.is_empty());
        News { kind, at: event.at, device, place, ip: event.ip.clone() }
    }

    /// Until when the letter before this one has told what happened: it was sent with what the journal had then. Where it was
    /// not sent, since what it was put there for.
    async fn told_until(&self, key: MessageKey, letter: &Letter) -> Result<Timestamp, Fault> {
        let hour = hour_of(letter.at);
        let hours = [hour, hour + 1].map(|hour| key_of(key.account, &letter.to, hour));
        let [own, _] = hours;
        let before = if key == own { key_of(key.account, &letter.to, hour - 1) } else { own };
        let sent = self.message(before).await?.filter(|before| before.state() == MessageState::Sent);
        Ok(sent.and_then(|sent| sent.settled_at).map_or(letter.at, |at| at.max(letter.at)))
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

/// Which letter tells an address what happened in an hour.
fn key_of(account: AccountId, address: &str, hour: i64) -> MessageKey {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"news\n");
    context.update(account.0.as_bytes());
    context.update(&hour.to_be_bytes());
    context.update(address.as_bytes());
    let mut id = [0; 16];
    id.copy_from_slice(&context.finish().as_ref()[..16]);
    MessageKey { account, id: Uuid::from_bytes(id) }
}

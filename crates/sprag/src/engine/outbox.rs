//! Sending what waits in the outbox: by whichever node comes first, and again until it is taken.

use super::{Engine, Requester};
use crate::audit::EventKind::LetterRefused;
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::letter::{Letter, LetterKind};
use crate::outbox::{KEPT, LEASE, MessageKey, MessageKind, Queued, Settled, wait_after};
use crate::store::Slice;
use crate::text;

/// How many messages are looked for at once.
const AT_ONCE: u32 = 8;

/// How much of what a mail server said stands in the journal, in bytes.
const MAX_WHY_BYTES: usize = 300;

/// What must leave the server. From [`Engine::outbox`].
#[derive(Clone, Copy, Debug)]
pub struct Outbox<'a>(&'a Engine);

/// A letter that this node alone has for one try.
#[derive(Debug)]
pub struct Leased {
    /// Which.
    pub key: MessageKey,
    /// What it says.
    pub letter: Letter,
    /// Which try this is, from 1.
    pub attempt: u32,
    message: Queued,
    /// When it was taken: what it tells is what was known then.
    taken_at: Timestamp,
}

/// What sending a letter came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was taken.
    Taken,
    /// It was not taken; later it may be.
    NotNow(String),
    /// It was not taken, and never will be.
    Never(String),
}

impl Engine {
    /// What must leave the server.
    #[must_use]
    pub fn outbox(&self) -> Outbox<'_> {
        Outbox(self)
    }
}

impl Outbox<'_> {
    /// Takes letters that are due, each for one try. None are left for now where there are none; what is too late, or cannot be
    /// opened, is given up, and `given_up` hears of it.
    ///
    /// # Errors
    /// A [`Fault`]; what was taken then is due again in a minute.
    pub async fn lease(&self, mut given_up: impl FnMut(MessageKey, &str)) -> Result<Vec<Leased>, Fault> {
        let Self(engine) = self;
        let now = engine.now();
        let mut leased = Vec::new();
        while leased.is_empty() {
            let due = engine.store.due_messages(now, AT_ONCE).await?;
            if due.is_empty() {
                break;
            }
            for message in due {
                leased.extend(self.lease_one(message, now, &mut given_up).await?);
            }
        }
        Ok(leased)
    }

    /// Takes a message, if nobody else was first; what is no letter that can be sent is settled at once.
    async fn lease_one(
        &self,
        mut message: Queued,
        now: Timestamp,
        given_up: &mut impl FnMut(MessageKey, &str),
    ) -> Result<Option<Leased>, Fault> {
        let Self(engine) = self;
        let (key, until) = (message.key, engine.now().plus(LEASE));
        if !engine.store.lease_message(key, message.attempts, until).await? {
            return Ok(None);
        }
        message.attempts += 1;
        if message.kind == MessageKind::Nothing {
            engine.store.settle_message(key, message.attempts, Settled::Sent { at: now }).await?;
            return Ok(None);
        }
        let letter = match &message.sealed {
            _ if message.gives_up_at <= now => Err("what it says is no longer true, so it was not sent"),
            Some(sealed) => Letter::open(&engine.keys.load(), now, &key, sealed)
                .ok_or("it was sealed with a key that this ring no longer has"),
            None => Err("there is nothing left of it"),
        };
        let letter = match letter {
            Ok(letter) if letter.kind == LetterKind::News => {
                let Some(letter) = engine.gathered(key, letter, now).await? else {
                    engine.store.settle_message(key, message.attempts, Settled::Sent { at: now }).await?;
                    return Ok(None);
                };
                Ok(letter)
            }
            letter => letter,
        };
        match letter {
            Ok(letter) => Ok(Some(Leased { key, letter, attempt: message.attempts, message, taken_at: now })),
            Err(why) => {
                given_up(key, why);
                let settled = Settled::GivenUp { at: now, trouble: why.to_owned() };
                engine.store.settle_message(key, message.attempts, settled).await?;
                Ok(None)
            }
        }
    }

    /// Notes what sending came to; says whether it was given up.
    ///
    /// # Errors
    /// A [`Fault`]; then the letter is due again in a minute, and may be sent twice, under one id.
    pub async fn settle(&self, leased: &Leased, outcome: Outcome) -> Result<bool, Fault> {
        let Self(engine) = self;
        let now = engine.now();
        let settled = match outcome {
            Outcome::Taken => Settled::Sent { at: leased.taken_at },
            Outcome::Never(trouble) => Settled::GivenUp { at: now, trouble },
            Outcome::NotNow(trouble) => {
                let due_at = now.plus(wait_after(leased.attempt));
                if due_at < leased.message.gives_up_at {
                    Settled::Later { due_at, trouble }
                } else {
                    Settled::GivenUp { at: now, trouble }
                }
            }
        };
        let given_up = match &settled {
            Settled::GivenUp { trouble, .. } => Some(trouble.clone()),
            Settled::Sent { .. } | Settled::Later { .. } => None,
        };
        let is_settled = engine.store.settle_message(leased.key, leased.attempt, settled).await?;
        let Some(trouble) = given_up.filter(|_| is_settled) else { return Ok(false) };
        let (kind, why) = (leased.letter.kind.name(), text::label(&trouble, MAX_WHY_BYTES));
        let note = Some(format!("{kind}: {why}"));
        let event = Requester::nobody().event_of_account(leased.key.account, LetterRefused, now, note);
        engine.store.record(event).await.map(|()| true)
    }

    /// What stands in the outbox, with what each letter says where it can be told.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn list(&self, slice: Slice<MessageKey>) -> Result<Vec<(Queued, Option<Letter>)>, Fault> {
        let Self(engine) = self;
        let (now, keys) = (engine.now(), engine.keys.load());
        let found = engine.store.messages(slice).await?;
        let opened = found.into_iter().map(|message| {
            let sealed = message.sealed.as_ref();
            let letter = sealed.and_then(|sealed| Letter::open(&keys, now, &message.key, sealed));
            (message, letter)
        });
        Ok(opened.collect())
    }

    /// Has a letter that was given up tried again; `false` where there is none such.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn revive(&self, key: MessageKey) -> Result<bool, Fault> {
        let Self(engine) = self;
        let now = engine.now();
        let is_revived = engine.store.revive_message(key, now, now.plus(LEASE * 30)).await?;
        if is_revived {
            engine.letter_waits(key);
        }
        Ok(is_revived)
    }

    /// Forgets letters that were settled long ago, and one-time tokens that have expired; says how many.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn sweep(&self) -> Result<u64, Fault> {
        let Self(engine) = self;
        let now = engine.now();
        let tokens = engine.store.sweep_one_time_tokens(now).await?;
        Ok(tokens + engine.store.sweep_messages(now.minus(KEPT)).await?)
    }
}

//! Sending what waits in the outbox: by whichever node comes first, and again until it is taken.

use super::news::Gathered;
use super::{Engine, Requester};
use crate::audit::EventKind::{self, LetterRefused};
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::letter::{Letter, LetterKind};
use crate::outbox::{KEPT, LEASE, MessageKey, MessageKind, Queued, Settled, Waiting, wait_after};
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
    of: Try,
}

/// One try to send a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Try {
    pub(super) key: MessageKey,
    /// Which one this is, from 1.
    pub(super) attempt: u32,
    gives_up_at: Timestamp,
    /// When it began: what it tells is what was known then.
    taken_at: Timestamp,
}

/// What sending a message came to.
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
    pub async fn lease(
        &self,
        mut given_up: impl FnMut(MessageKey, &str) + Send,
    ) -> Result<Vec<Leased>, Fault> {
        let open = |message: &Queued, now: Timestamp| {
            let sealed = message.sealed.as_ref()?;
            Letter::open(&self.0.keys.load(), now, &message.key, sealed)
        };
        let kinds = [MessageKind::Mail, MessageKind::Nothing];
        loop {
            let leased = self.lease_of(&kinds, open, &mut given_up).await?;
            let is_last = leased.is_empty();
            let mut letters = Vec::with_capacity(leased.len());
            for (of, letter) in leased {
                let letter = self.with_news(&of, letter).await?;
                letters.extend(letter.map(|letter| Leased { key: of.key, letter, attempt: of.attempt, of }));
            }
            if is_last || !letters.is_empty() {
                return Ok(letters);
            }
        }
    }

    /// A letter with what it tells; one that has nothing left to tell is settled, and nobody sends it.
    async fn with_news(&self, of: &Try, letter: Letter) -> Result<Option<Letter>, Fault> {
        let Self(engine) = self;
        if letter.kind != LetterKind::News {
            return Ok(Some(letter));
        }
        match engine.gathered(of.key, letter, of.taken_at).await? {
            Gathered::Letter(letter) => Ok(Some(*letter)),
            Gathered::Nothing { told_until } => {
                let settled = Settled::Sent { at: told_until };
                engine.store.settle_message(of.key, of.attempt, settled).await?;
                Ok(None)
            }
        }
    }

    /// Takes messages of these kinds that are due, each for one try, with what `open` makes of each.
    pub(super) async fn lease_of<T>(
        &self,
        kinds: &[MessageKind],
        open: impl Fn(&Queued, Timestamp) -> Option<T>,
        mut given_up: impl FnMut(MessageKey, &str),
    ) -> Result<Vec<(Try, T)>, Fault> {
        let Self(engine) = self;
        let now = engine.now();
        let mut leased = Vec::new();
        while leased.is_empty() {
            let mut due = Vec::new();
            for kind in kinds {
                due.extend(engine.store.due_messages(*kind, now, AT_ONCE).await?);
            }
            if due.is_empty() {
                break;
            }
            for message in due {
                leased.extend(self.lease_one(message, now, &open, &mut given_up).await?);
            }
        }
        Ok(leased)
    }

    /// Takes a message, if nobody else was first; what cannot be sent is settled at once.
    async fn lease_one<T>(
        &self,
        message: Queued,
        now: Timestamp,
        open: &impl Fn(&Queued, Timestamp) -> Option<T>,
        given_up: &mut impl FnMut(MessageKey, &str),
    ) -> Result<Option<(Try, T)>, Fault> {
        let Self(engine) = self;
        let (key, until) = (message.key, engine.now().plus(LEASE));
        if !engine.store.lease_message(key, message.attempts, until).await? {
            return Ok(None);
        }
        let of = Try { key, attempt: message.attempts + 1, gives_up_at: message.gives_up_at, taken_at: now };
        if message.kind == MessageKind::Nothing {
            engine.store.settle_message(key, of.attempt, Settled::Sent { at: now }).await?;
            return Ok(None);
        }
        let opened = if message.gives_up_at <= now {
            Err("what it says is no longer true, so it was not sent")
        } else {
            open(&message, now).ok_or("it was sealed with a key that this ring no longer has")
        };
        match opened {
            Ok(opened) => Ok(Some((of, opened))),
            Err(why) => {
                given_up(key, why);
                let settled = Settled::GivenUp { at: now, trouble: why.to_owned() };
                engine.store.settle_message(key, of.attempt, settled).await?;
                Ok(None)
            }
        }
    }

    /// Notes what sending came to; says whether it was given up.
    ///
    /// # Errors
    /// A [`Fault`]; then the letter is due again in a minute, and may be sent twice, under one id.
    pub async fn settle(&self, leased: &Leased, outcome: Outcome) -> Result<bool, Fault> {
        self.settle_try(&leased.of, outcome, (LetterRefused, leased.letter.kind.name())).await
    }

    /// Notes what a try came to; where it is given up, the journal hears of it as an event of that kind, about what was sent.
    pub(super) async fn settle_try(
        &self,
        of: &Try,
        outcome: Outcome,
        (kind, what): (EventKind, &str),
    ) -> Result<bool, Fault> {
        let Self(engine) = self;
        let now = engine.now();
        let settled = match outcome {
            Outcome::Taken => Settled::Sent { at: of.taken_at },
            Outcome::Never(trouble) => Settled::GivenUp { at: now, trouble },
            Outcome::NotNow(trouble) => {
                let due_at = now.plus(wait_after(of.attempt));
                if due_at < of.gives_up_at {
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
        let is_settled = engine.store.settle_message(of.key, of.attempt, settled).await?;
        let Some(trouble) = given_up.filter(|_| is_settled) else { return Ok(false) };
        let note = Some(format!("{what}: {}", text::label(&trouble, MAX_WHY_BYTES)));
        let event = Requester::nobody().event_of_account(of.key.account, kind, now, note);
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
            engine.webhooks_wait.notify_one();
        }
        Ok(is_revived)
    }

    /// How much waits, of each kind of which something does.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn waiting(&self) -> Result<Vec<Waiting>, Fault> {
        self.0.store.waiting_messages().await
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

//! Telling other systems what happened: sending what waits for them in the outbox, and putting it there once more.

use super::outbox::{Outcome, Try};
use super::{Engine, along};
use crate::account::Name;
use crate::audit::Event;
use crate::audit::EventKind::WebhookRefused;
use crate::clock::Timestamp;
use crate::error::{Error, Fault};
use crate::outbox::{MessageKey, MessageKind, MessageState, Queued};
use crate::store::{Along as _, Commit, Expect, Slice, Step};
use crate::webhook::WebhookEvent;

/// How many entries of the journal are looked at in one go.
const SLICE: u32 = 200;

/// Webhooks. From [`Engine::webhooks`].
#[derive(Clone, Copy, Debug)]
pub struct Webhooks<'a>(&'a Engine);

/// What is told to another system, which this node alone has for one try.
#[derive(Debug)]
pub struct LeasedWebhook {
    /// Which.
    pub key: MessageKey,
    /// What is told.
    pub event: WebhookEvent,
    /// Which try this is, from 1.
    pub attempt: u32,
    of: Try,
}

impl Engine {
    /// Webhooks.
    #[must_use]
    pub fn webhooks(&self) -> Webhooks<'_> {
        Webhooks(self)
    }

    /// Waits until something to tell another system may have been written here.
    pub async fn webhook_was_written(&self) {
        self.webhooks_wait.notified().await;
    }

    /// Whether a name, as typed, led to somebody once.
    pub(super) async fn was_held(&self, typed: &str) -> Result<bool, Fault> {
        self.were_held(&Name::meant_by(typed)).await
    }

    /// Whether one of these names led to somebody once.
    pub(super) async fn were_held(&self, names: &[Name]) -> Result<bool, Fault> {
        let keys = self.keys.load();
        let hashes: Vec<_> =
            names.iter().flat_map(|name| keys.held_name_hashes(&along::compared(name))).collect();
        self.store.was_held(hashes).await
    }
}

impl Webhooks<'_> {
    /// Takes what is due, each for one try. What is too late, or cannot be opened, is given up, and `given_up` hears of it.
    ///
    /// # Errors
    /// A [`Fault`]; what was taken then is due again in a minute.
    pub async fn lease(
        &self,
        given_up: impl FnMut(MessageKey, &str) + Send,
    ) -> Result<Vec<LeasedWebhook>, Fault> {
        let open = |message: &Queued, now: Timestamp| {
            let sealed = message.sealed.as_ref()?;
            WebhookEvent::open(&self.0.keys.load(), now, &message.key, sealed)
        };
        let leased = self.0.outbox().lease_of(&[MessageKind::Webhook], open, given_up).await?;
        let leased = leased.into_iter();
        Ok(leased.map(|(of, event)| LeasedWebhook { key: of.key, event, attempt: of.attempt, of }).collect())
    }

    /// Notes what sending came to; says whether it was given up.
    ///
    /// # Errors
    /// A [`Fault`]; then it is due again in a minute, and may be sent twice, under one id.
    pub async fn settle(&self, leased: &LeasedWebhook, outcome: Outcome) -> Result<bool, Fault> {
        self.0.outbox().settle_try(&leased.of, outcome, (WebhookRefused, &leased.event.kind)).await
    }

    /// What stands in the outbox, with what each says where it can be told.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn list(&self, slice: Slice<MessageKey>) -> Result<Vec<(Queued, Option<WebhookEvent>)>, Fault> {
        let Self(engine) = self;
        let (now, keys) = (engine.now(), engine.keys.load());
        let found = engine.store.messages(slice).await?;
        let opened = found.into_iter().map(|message| {
            let sealed = message.sealed.as_ref();
            let event = sealed.and_then(|sealed| WebhookEvent::open(&keys, now, &message.key, sealed));
            (message, event)
        });
        Ok(opened.collect())
    }

    /// Has one that was given up tried again; `false` where there is none such.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn revive(&self, message: &Queued) -> Result<bool, Fault> {
        if message.kind != MessageKind::Webhook || message.state() != MessageState::GivenUp {
            return Ok(false);
        }
        self.0.outbox().revive(message.key).await
    }

    /// Tells once more what the journal has since then of what somebody wants to hear, each under a new id; says how many
    /// messages that made.
    ///
    /// # Errors
    /// A [`Fault`]; what was put into the outbox before it stays there.
    pub async fn replay(&self, since: Timestamp) -> Result<u64, Error> {
        let (mut told, mut after) = (0, None);
        loop {
            let entries = self.0.store.recent(since, Slice::after(after, SLICE)).await?;
            let Some(last) = entries.last() else { return Ok(told) };
            after = Some((last.event.at, last.event.account, last.number));
            for entry in &entries {
                told += self.tell(&entry.event).await?;
            }
        }
    }

    /// Puts into the outbox what is told of an event; says how many messages that made.
    async fn tell(&self, event: &Event) -> Result<u64, Fault> {
        let Self(engine) = self;
        let messages = engine.written_along.messages(event);
        let made = messages.len() as u64;
        if made > 0 {
            let steps = messages.into_iter().map(|message| Step::PutMessage(Box::new(message))).collect();
            let commit =
                Commit { account: event.account, expect: Expect::Anything, steps, events: Vec::new() };
            let _ = engine.store.commit(commit).await?;
        }
        Ok(made)
    }

    /// Something to try an endpoint with.
    #[must_use]
    pub fn trial(&self, endpoint: &str) -> WebhookEvent {
        WebhookEvent {
            endpoint: endpoint.to_owned(),
            kind: "test".to_owned(),
            severity: "notice".to_owned(),
            at: self.0.now(),
            account: None,
            session: None,
            cause: None,
            ip: None,
            user_agent: None,
            note: Some("somebody tries whether this arrives".to_owned()),
        }
    }
}

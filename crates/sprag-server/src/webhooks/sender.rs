//! What a running server does with what waits for other systems.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use sprag::engine::{LeasedWebhook, Outcome};
use sprag::outbox::{MessageKey, MessageKind};
use sprag::webhook::WebhookEvent;
use sprag::{Engine, Fault, seldom};
use tokio::time::sleep;
use uuid::Uuid;

use super::{body, id_of};
use crate::config::Webhook;
use crate::metrics::Metrics;
use crate::outgoing::{Outgoing, shown};

/// How often the outbox is looked at, if nobody says that something was put there.
const INTERVAL: Duration = Duration::from_secs(5);

/// How long after somebody says so it is looked at: what was written is committed by then, and a few go together.
const SHORTLY: Duration = Duration::from_millis(50);

/// How long one try may take: less than the lease on it.
const PATIENCE: Duration = Duration::from_secs(15);

/// An answer by which an endpoint says that it is no more (Standard Webhooks).
const GONE: u16 = 410;

/// Sends what waits.
#[derive(Debug)]
pub(crate) struct Sender {
    engine: Arc<Engine>,
    metrics: Arc<Metrics>,
    outgoing: Outgoing,
    webhooks: Vec<Webhook>,
}

impl Sender {
    pub(crate) fn new(
        engine: Arc<Engine>,
        metrics: Arc<Metrics>,
        outgoing: Outgoing,
        webhooks: Vec<Webhook>,
    ) -> Self {
        Self { engine, metrics, outgoing, webhooks }
    }

    /// Sends, until it is dropped.
    pub(crate) async fn send_on(self) {
        loop {
            match self.send_due().await {
                Ok(0) => {}
                Ok(_) => continue,
                Err(fault) => {
                    if let Some(left_out) = seldom::left_out("send webhooks") {
                        tracing::warn!(%fault, left_out, "webhooks wait in the outbox; trying again in 5 seconds");
                    }
                }
            }
            tokio::select! {
                () = sleep(INTERVAL) => {}
                () = self.engine.webhook_was_written() => sleep(SHORTLY).await,
            }
        }
    }

    /// Sends some of what is due; says how many there were.
    async fn send_due(&self) -> Result<usize, Fault> {
        let leased = self.engine.webhooks().lease(tell_given_up).await?;
        let sent = join_all(leased.iter().map(|one| self.send(one))).await;
        sent.into_iter().collect::<Result<Vec<()>, Fault>>().map(|_| leased.len())
    }

    async fn send(&self, leased: &LeasedWebhook) -> Result<(), Fault> {
        let outcome = self.send_once(&leased.event, leased.key.id).await;
        let why = if let Outcome::Never(why) | Outcome::NotNow(why) = &outcome {
            why.clone()
        } else {
            String::new()
        };
        if let Outcome::NotNow(why) = &outcome
            && let Some(left_out) = seldom::left_out("send a webhook")
        {
            let message = leased.key.id;
            tracing::warn!(%message, attempt = leased.attempt, left_out, "a webhook was not taken and is tried again: {why}");
        }
        let is_taken = outcome == Outcome::Taken;
        let is_given_up = self.engine.webhooks().settle(leased, outcome).await?;
        self.metrics.message_tried(MessageKind::Webhook, is_taken, is_given_up);
        if is_given_up {
            tell_given_up(leased.key, &why);
        }
        Ok(())
    }

    /// Tells an endpoint once, and says what it answered.
    pub(crate) async fn send_once(&self, event: &WebhookEvent, message: Uuid) -> Outcome {
        let Some(webhook) = self.webhooks.iter().find(|webhook| webhook.url.as_str() == event.endpoint)
        else {
            return Outcome::Never("its endpoint is no longer among the webhooks that are set".to_owned());
        };
        let at_seconds = self.engine.now().0.div_euclid(1000);
        let id = id_of(message);
        let reply = self.outgoing.post(&webhook.url, (&id, at_seconds), body(event), PATIENCE).await;
        let endpoint = shown(&webhook.url);
        match reply {
            Ok(reply) if reply.is_success() => Outcome::Taken,
            Ok(reply) if reply.status == GONE => {
                Outcome::Never(format!("{endpoint} answers 410: it is no more"))
            }
            Ok(reply) if (300..400).contains(&reply.status) => {
                Outcome::NotNow(format!("{endpoint} answers {}, and no redirect is followed", reply.status))
            }
            Ok(reply) => Outcome::NotNow(format!("{endpoint} answers {}", reply.status)),
            Err(error) => Outcome::NotNow(error.to_string()),
        }
    }
}

fn tell_given_up(key: MessageKey, why: &str) {
    tracing::error!(
        message = %key.id,
        account = %key.account,
        "another system could not be told of an event, and nobody tries any more: {why}. Mend what is wrong, then run: \
         sprag webhook replay {}",
        key.id
    );
}

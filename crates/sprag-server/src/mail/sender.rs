//! What a running server does with what waits in the outbox: it takes a few letters at a time, puts them into words, hands them
//! over, and notes what became of each.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use futures_util::future::join_all;
use sprag::engine::{Leased, Outcome, Requester};
use sprag::letter::{Letter, LetterKind};
use sprag::outbox::{MessageKey, MessageKind};
use sprag::{Engine, Fault, seldom};
use tokio::time::sleep;

use super::links::Links;
use super::outgoing::{Mailer, Outgoing};
use crate::metrics::Metrics;
use crate::words::{Pieces, Words, in_days, told_at};

/// How often the outbox is looked at, if nobody says that something was put there.
const INTERVAL: Duration = Duration::from_secs(5);

/// Sends what waits.
pub(crate) struct Sender {
    engine: Arc<Engine>,
    mailer: Box<dyn Mailer>,
    words: Arc<Words>,
    /// Where the links lead.
    links: Links,
    metrics: Arc<Metrics>,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sender")
    }
}

impl Sender {
    pub(crate) fn new(engine: Arc<Engine>, mailer: Box<dyn Mailer>, words: Arc<Words>, links: Links) -> Self {
        Self { engine, mailer, words, links, metrics: Arc::default() }
    }

    /// What becomes of letters is counted there.
    pub(crate) fn counted_in(self, metrics: Arc<Metrics>) -> Self {
        Self { metrics, ..self }
    }

    /// Sends, until it is dropped.
    pub(crate) async fn send_on(self) {
        loop {
            match self.send_due().await {
                Ok(0) => {}
                Ok(_) => continue,
                Err(fault) => {
                    if let Some(left_out) = seldom::left_out("send letters") {
                        tracing::warn!(%fault, left_out, "letters wait in the outbox; trying again in 5 seconds");
                    }
                }
            }
            tokio::select! {
                () = sleep(INTERVAL) => {}
                () = self.engine.letter_was_written() => {}
            }
        }
    }

    /// Sends some of what is due; says how many letters there were.
    ///
    /// # Errors
    /// The store fails.
    pub(crate) async fn send_due(&self) -> Result<usize, Fault> {
        let leased = self.engine.outbox().lease(tell_given_up).await?;
        let sent = join_all(leased.iter().map(|letter| self.send(letter))).await;
        sent.into_iter().collect::<Result<Vec<()>, Fault>>().map(|_| leased.len())
    }

    async fn send(&self, leased: &Leased) -> Result<(), Fault> {
        let outcome = match self.outgoing(&leased.letter, leased.key.id.simple().to_string()) {
            Ok(letter) => self.mailer.send(&letter).await,
            Err(error) => Outcome::NotNow(format!("{error:#}")),
        };
        if let Outcome::NotNow(why) = &outcome
            && let Some(left_out) = seldom::left_out("send a letter")
        {
            let letter = leased.key.id;
            tracing::warn!(%letter, attempt = leased.attempt, left_out, "a letter was not taken and is tried again: {why}");
        }
        let why = if let Outcome::Never(why) | Outcome::NotNow(why) = &outcome {
            why.clone()
        } else {
            String::new()
        };
        let is_taken = outcome == Outcome::Taken;
        let is_given_up = self.engine.outbox().settle(leased, outcome).await?;
        self.metrics.message_tried(MessageKind::Mail, is_taken, is_given_up);
        if is_given_up {
            tell_given_up(leased.key, &why);
        }
        Ok(())
    }

    /// Sends a letter that waits nowhere, so that whoever asked for it hears what became of it.
    ///
    /// # Errors
    /// It cannot be put into words.
    pub(crate) async fn send_now(&self, kind: LetterKind, to: &str) -> anyhow::Result<Outcome> {
        let now = self.engine.now();
        let letter = Letter::asked_for(kind, to, &Requester::nobody(), now);
        let id = BASE64URL_NOPAD.encode(&self.engine.random::<16>());
        Ok(self.mailer.send(&self.outgoing(&letter, id)?).await)
    }

    fn outgoing(&self, letter: &Letter, id: String) -> anyhow::Result<Outgoing> {
        let token = letter.token.as_deref();
        let link = token.and_then(|token| self.links.link(letter.kind, token));
        let hours = letter.expires_at.map(|at| (at.millis_since(letter.at) + 1_800_000) / 3_600_000);
        let at = told_at(letter.at);
        let pieces = Pieces {
            name: letter.name.as_deref(),
            address: &letter.to,
            link: link.as_deref(),
            hours,
            days: hours.and_then(in_days),
            username: letter.username.as_deref(),
            by_administrator: letter.is_by_administrator,
            ip: letter.ip.as_deref(),
            at: &at,
            code: letter.code.as_deref(),
            more: Some(letter.more).filter(|more| *more > 0),
            ..Pieces::default()
        };
        let moments: Vec<String> = letter.news.iter().map(|news| told_at(news.at)).collect();
        let news = letter
            .news
            .iter()
            .zip(&moments)
            .map(|(news, at)| (news.kind.name(), Pieces::of_news(news, at, &letter.to)));
        let news: Vec<_> = news.collect();
        let language = self.words.language(letter.languages.as_deref());
        let written = self.words.letter(letter.kind, language, &pieces, &news)?;
        Ok(Outgoing { id, to: letter.to.clone(), link, code: letter.code.clone(), written })
    }
}

fn tell_given_up(key: MessageKey, why: &str) {
    tracing::error!(
        letter = %key.id,
        account = %key.account,
        "a letter could not be delivered, and nobody tries any more: {why}. Mend what is wrong, then run: sprag mail retry {}",
        key.id
    );
}

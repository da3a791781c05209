//! The way from a source to whoever takes its records: a channel of bounded length.

use std::borrow::Cow;
use std::collections::VecDeque;

use anyhow::bail;
use tokio::sync::mpsc;

use super::record::{Position, Record};

/// The longest line or row that is taken. Documents with a picture in them are not unheard of.
pub(super) const MAX_RECORD_BYTES: usize = 1024 * 1024;

/// What is said of a longer one.
pub(super) const TOO_LONG: &str = "it is longer than 1 MiB";

/// How many records wait.
const WAITING: usize = 64;

/// A record, or why a line is none.
pub struct Item {
    /// Where it stands.
    pub position: Position,
    /// How much of the source has been read with it, in the measure of [`Opened::total`](super::Opened::total).
    pub done: u64,
    /// The record, or what is wrong.
    pub record: Result<Record, Cow<'static, str>>,
}

enum Message {
    Item(Item),
    /// The source is read to its end; without this word a reader has broken off.
    End,
    Failed(anyhow::Error),
}

/// What a reader writes to.
pub(super) struct Sender(mpsc::Sender<Message>);

/// Nobody listens any more.
pub(super) struct Unheard;

impl Sender {
    /// From a thread.
    pub(super) fn send(&self, item: Item) -> Result<(), Unheard> {
        self.0.blocking_send(Message::Item(item)).map_err(|_| Unheard)
    }

    /// From a thread, the last word.
    pub(super) fn finish(self, read: anyhow::Result<()>) {
        // Whoever listens no more has its own reason, which it tells.
        let _ = self.0.blocking_send(read.map_or_else(Message::Failed, |()| Message::End));
    }

    /// From a task.
    pub(super) async fn send_soon(&self, item: Item) -> Result<(), Unheard> {
        self.0.send(Message::Item(item)).await.map_err(|_| Unheard)
    }

    /// From a task, the last word.
    pub(super) async fn finish_soon(self, read: anyhow::Result<()>) {
        let _ = self.0.send(read.map_or_else(Message::Failed, |()| Message::End)).await;
    }
}

/// The records of a source, one after the other.
pub struct Feed {
    ahead: VecDeque<Item>,
    receiver: mpsc::Receiver<Message>,
    has_ended: bool,
}

impl Feed {
    pub(super) fn new() -> (Sender, Self) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Sender(sender), Self { ahead: VecDeque::new(), receiver, has_ended: false })
    }

    /// The next record; `None` after the last.
    ///
    /// # Errors
    /// The source cannot be read any further.
    pub async fn next(&mut self) -> anyhow::Result<Option<Item>> {
        match self.ahead.pop_front() {
            Some(item) => Ok(Some(item)),
            None => self.receive().await,
        }
    }

    /// The first records, `most` of them or all there are; they are still to come.
    pub(super) async fn look_ahead(&mut self, most: usize) -> anyhow::Result<impl Iterator<Item = &Item>> {
        while self.ahead.len() < most
            && let Some(item) = self.receive().await?
        {
            self.ahead.push_back(item);
        }
        Ok(self.ahead.iter())
    }

    async fn receive(&mut self) -> anyhow::Result<Option<Item>> {
        if self.has_ended {
            return Ok(None);
        }
        match self.receiver.recv().await {
            Some(Message::Item(item)) => Ok(Some(item)),
            Some(Message::End) => {
                self.has_ended = true;
                Ok(None)
            }
            Some(Message::Failed(error)) => Err(error),
            None => bail!("the source's reader broke off; this is a defect of ours, not of the source"),
        }
    }
}

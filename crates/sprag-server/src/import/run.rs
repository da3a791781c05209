//! Takes a whole source in, many records at a time, and counts.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::pin::pin;

use anyhow::Context as _;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use sprag::Fault;
use sprag::engine::Imported;

use super::feed::{Feed, Item};
use super::record::Position;
use super::take::Taker;

/// How many reasons are counted apart; what is refused for yet others is counted together.
const MAX_REASONS: usize = 50;

/// Those others.
const OTHERWISE: &str = "other reasons";

/// What an import has come to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// Taken in.
    pub new: u64,
    /// Taken in by an earlier run.
    pub already_there: u64,
    /// Sessions that are over where they come from, and are left out.
    pub over: u64,
    /// How many of them for what reason.
    pub over_reasons: BTreeMap<&'static str, u64>,
    /// Refused.
    pub refused: u64,
    /// How many of them for what reason.
    pub reasons: BTreeMap<Cow<'static, str>, u64>,
    /// The last record that was looked at; all before it were too.
    pub last: Option<Position>,
}

/// A record that was refused.
#[derive(Debug)]
pub struct Refusal {
    /// Where it stands.
    pub position: Position,
    /// The id of its user in the other system, where that can be shown.
    pub user: Option<String>,
    /// Why.
    pub reason: Cow<'static, str>,
}

/// Hears how it goes.
pub trait Progress {
    /// A record was refused.
    ///
    /// # Errors
    /// It cannot be noted down; then the import stops.
    fn refused(&mut self, refusal: Refusal) -> anyhow::Result<()>;

    /// So much has been done, in the measure of [`Opened::total`](super::Opened::total).
    fn reached(&mut self, summary: &Summary, done: u64);
}

/// Why an import stopped before the end of its source.
#[derive(Debug)]
pub enum Stopped {
    /// Somebody stopped it.
    Interrupted,
    /// Source or store failed.
    Failed(anyhow::Error),
}

impl Summary {
    /// How many records were looked at.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.new + self.already_there + self.over + self.refused
    }

    fn count(&mut self, reason: Cow<'static, str>) {
        self.refused += 1;
        let is_known = self.reasons.contains_key(&reason) || self.reasons.len() < MAX_REASONS;
        *self.reasons.entry(if is_known { reason } else { OTHERWISE.into() }).or_default() += 1;
    }
}

/// Takes in what `feed` holds, `at_once` records at a time: a store commits together what waits together. Whatever is
/// under way when it stops is finished first.
pub async fn run(
    mut feed: Feed,
    taker: &Taker,
    at_once: usize,
    interrupt: impl Future<Output = ()>,
    progress: &mut dyn Progress,
) -> (Summary, Option<Stopped>) {
    let (mut summary, mut stopped, mut has_more) = (Summary::default(), None, true);
    let mut interrupt = pin!(interrupt);
    let mut flying = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            () = &mut interrupt, if has_more => {
                (stopped, has_more) = (Some(Stopped::Interrupted), false);
            }
            item = feed.next(), if has_more && flying.len() < at_once => match item {
                Ok(Some(item)) => {
                    summary.last = Some(item.position);
                    flying.push(taken(taker, item));
                }
                Ok(None) => has_more = false,
                Err(error) => (stopped, has_more) = (Some(Stopped::Failed(error)), false),
            },
            Some((item, outcome)) = flying.next() => {
                let noted = note(&mut summary, progress, &item, taker, outcome);
                progress.reached(&summary, item.done);
                if let Err(error) = noted {
                    has_more = false;
                    // The first failure is the one to tell; those after it mostly follow from it.
                    if !matches!(stopped, Some(Stopped::Failed(_))) {
                        stopped = Some(Stopped::Failed(error));
                    }
                }
            }
            else => return (summary, stopped),
        }
    }
}

async fn taken(taker: &Taker, item: Item) -> (Item, Result<Imported, Fault>) {
    let outcome = match &item.record {
        Ok(record) => taker.take(record).await,
        Err(reason) => Ok(Imported::Refused(reason.clone())),
    };
    (item, outcome)
}

fn note(
    summary: &mut Summary,
    progress: &mut dyn Progress,
    item: &Item,
    taker: &Taker,
    outcome: Result<Imported, Fault>,
) -> anyhow::Result<()> {
    match outcome.with_context(|| format!("{} could not be taken in", item.position))? {
        Imported::New | Imported::WithoutPassword(_) => summary.new += 1,
        Imported::AlreadyThere => summary.already_there += 1,
        Imported::Over(why) => {
            summary.over += 1;
            *summary.over_reasons.entry(why).or_default() += 1;
        }
        Imported::Refused(reason) => {
            summary.count(reason.clone());
            let user = item.record.as_ref().ok().and_then(|record| taker.shown_id(record));
            progress.refused(Refusal { position: item.position, user, reason })?;
        }
    }
    Ok(())
}

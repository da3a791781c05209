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
    /// Those of them that are taken in without a password, as theirs cannot be verified here.
    pub without_password: u64,
    /// How many of them for what reason.
    pub without_password_reasons: BTreeMap<Cow<'static, str>, u64>,
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

/// A record that somebody must look after.
#[derive(Debug)]
pub struct Remark {
    /// Whether it was taken in all the same, though without a password. Else it was refused.
    pub is_taken: bool,
    /// Where it stands.
    pub position: Position,
    /// The id of its user in the other system, where that can be shown.
    pub user: Option<String>,
    /// Why.
    pub reason: Cow<'static, str>,
}

/// Hears how it goes.
pub trait Progress {
    /// A record was refused, or taken without a password.
    ///
    /// # Errors
    /// It cannot be noted down; then the import stops.
    fn remarked(&mut self, remark: Remark) -> anyhow::Result<()>;

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

    /// How many records somebody must look after.
    #[must_use]
    pub fn remarked(&self) -> u64 {
        self.refused + self.without_password
    }
}

fn count(reasons: &mut BTreeMap<Cow<'static, str>, u64>, reason: Cow<'static, str>) {
    let is_known = reasons.contains_key(&reason) || reasons.len() < MAX_REASONS;
    *reasons.entry(if is_known { reason } else { OTHERWISE.into() }).or_default() += 1;
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
    let mut remark = |is_taken: bool, reason: Cow<'static, str>| {
        let user = item.record.as_ref().ok().and_then(|record| taker.shown_id(record));
        progress.remarked(Remark { is_taken, position: item.position, user, reason })
    };
    match outcome.with_context(|| format!("{} could not be taken in", item.position))? {
        Imported::New => summary.new += 1,
        Imported::WithoutPassword(reason) => {
            summary.new += 1;
            summary.without_password += 1;
            let reason = Cow::from(reason);
            count(&mut summary.without_password_reasons, reason.clone());
            remark(true, reason)?;
        }
        Imported::AlreadyThere => summary.already_there += 1,
        Imported::Over(why) => {
            summary.over += 1;
            *summary.over_reasons.entry(why).or_default() += 1;
        }
        Imported::Refused(reason) => {
            summary.refused += 1;
            count(&mut summary.reasons, reason.clone());
            remark(false, reason)?;
        }
    }
    Ok(())
}

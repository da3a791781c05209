//! Takes a whole source in, many records at a time, and counts.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::pin::{Pin, pin};

use anyhow::Context as _;
use futures_util::StreamExt as _;
use futures_util::stream::{self, FuturesUnordered};
use sprag::Fault;
use sprag::account::NameKind;
use sprag::engine::{Imported, NameKept};

use super::import_one::{Taken, Taker, Waits};
use super::reader::{Feed, Item};
use super::record::Position;

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
    /// Taken in by an earlier run, and as they were.
    pub already_there: u64,
    /// Those of them that have no password here still.
    pub still_without_password: u64,
    /// How many of them for what reason.
    pub still_without_password_reasons: BTreeMap<Cow<'static, str>, u64>,
    /// Taken in by an earlier run, and changed by this one.
    pub changed: u64,
    /// How many of them in what.
    pub changed_reasons: BTreeMap<Cow<'static, str>, u64>,
    /// Sessions that are over where they come from, and users and sessions of users who were deleted here: left out.
    pub over: u64,
    /// How many of them for what reason.
    pub over_reasons: BTreeMap<&'static str, u64>,
    /// Those of all these that have no password in the source system either.
    pub no_password_there: u64,
    /// Those of all these that have to do without a name which another account keeps.
    pub without_name: u64,
    /// How many times for what reason.
    pub without_name_reasons: BTreeMap<Cow<'static, str>, u64>,
    /// Those of all these of which something was left out that could not be kept.
    pub left_out: u64,
    /// How many times for what reason.
    pub left_out_reasons: BTreeMap<Cow<'static, str>, u64>,
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
    /// What became of it.
    pub fate: Fate,
    /// Where it stands.
    pub position: Position,
    /// The id of its user in the other system, where that can be shown.
    pub user: Option<String>,
    /// Why.
    pub reason: Cow<'static, str>,
    /// The id there of whoever keeps its name, where that is why and it is known.
    pub kept_by: Option<String>,
    /// That name, for whoever writes to its user. It is no secret, and nothing for a log.
    pub name: Option<String>,
}

/// What became of a record that somebody must look after.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It was not taken in.
    Refused,
    /// It is here, now or since an earlier run, but without a password.
    WithoutPassword,
    /// It is here, but without a name, which another account keeps.
    WithoutName,
    /// It is here, but for something that could not be kept.
    LeftOut,
}

/// Hears how it goes.
pub trait Progress {
    /// A record was refused, or taken without something that it should have.
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
        self.new + self.already_there + self.changed + self.over + self.refused
    }

    /// How many remarks there are for somebody to look after.
    #[must_use]
    pub fn remarked(&self) -> u64 {
        let left_out: u64 = self.left_out_reasons.values().chain(self.without_name_reasons.values()).sum();
        self.refused + self.without_password + self.still_without_password + left_out
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
    let (mut flying, mut waiting) = (FuturesUnordered::new(), Vec::new());
    loop {
        tokio::select! {
            biased;
            () = &mut interrupt, if has_more => {
                (stopped, has_more) = (Some(Stopped::Interrupted), false);
            }
            item = feed.next(), if has_more && flying.len() < at_once => match item {
                Ok(Some(item)) => {
                    summary.last = Some(item.position);
                    match taker.waits(&item.record) {
                        Waits::All => waiting.push((Waits::All, item)),
                        Waits::Nothing | Waits::ItsUserName => flying.push(taken(taker, item)),
                    }
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
                } else if taker.waits(&item.record) == Waits::ItsUserName {
                    waiting.push((Waits::ItsUserName, item));
                }
            }
            else => break,
        }
    }
    if stopped.is_none() {
        stopped = follow(waiting, taker, at_once, interrupt, (&mut summary, progress)).await;
    }
    (summary, stopped)
}

/// What waited until all other records were taken in follows.
async fn follow(
    waiting: Vec<(Waits, Item)>,
    taker: &Taker,
    at_once: usize,
    mut interrupt: Pin<&mut impl Future<Output = ()>>,
    (summary, progress): (&mut Summary, &mut dyn Progress),
) -> Option<Stopped> {
    let follow = |(waits, item): (Waits, Item)| async move {
        if waits == Waits::All { taken(taker, item).await } else { named(taker, item).await }
    };
    let mut flying = stream::iter(waiting).map(follow).buffer_unordered(at_once.max(1));
    loop {
        let followed = tokio::select! {
            biased;
            () = &mut interrupt => return Some(Stopped::Interrupted),
            followed = flying.next() => followed,
        };
        let (item, outcome) = followed?;
        if let Err(error) = note(summary, progress, &item, taker, outcome) {
            return Some(Stopped::Failed(error));
        }
        progress.reached(summary, item.done);
    }
}

async fn taken(taker: &Taker, item: Item) -> (Item, Result<Taken, Fault>) {
    let outcome = match &item.record {
        Ok(record) => taker.take(record).await,
        Err(reason) => Ok(Taken::refused(reason.clone())),
    };
    (item, outcome)
}

/// The user name of a record that is taken in.
async fn named(taker: &Taker, item: Item) -> (Item, Result<Taken, Fault>) {
    let left_out = match &item.record {
        Ok(record) => taker.claim_user_name(record).await,
        Err(_) => Ok(None),
    };
    (item, left_out.map(Taken::before))
}

/// Who keeps a name, and the name.
type Shared = (Option<String>, Option<String>);

fn without_name(name: &NameKept) -> &'static str {
    match name.told_as {
        NameKind::Email => "its e-mail address is another account's, which keeps it",
        NameKind::Username | NameKind::External => "its user name is another account's, which keeps it",
    }
}

fn note(
    summary: &mut Summary,
    progress: &mut dyn Progress,
    item: &Item,
    taker: &Taker,
    taken: Result<Taken, Fault>,
) -> anyhow::Result<()> {
    let mut remark = |fate: Fate, reason: Cow<'static, str>, (kept_by, name): Shared| {
        let user = item.record.as_ref().ok().and_then(|record| taker.shown_id(record));
        progress.remarked(Remark { fate, position: item.position, user, reason, kept_by, name })
    };
    let Taken { outcome, left_out, has_no_password } =
        taken.with_context(|| format!("{} could not be taken in", item.position))?;
    let is_taken = !matches!(outcome, Some(Imported::Refused(_) | Imported::Over(_)));
    summary.no_password_there += u64::from(has_no_password && is_taken);
    if !left_out.is_empty() && is_taken {
        summary.left_out += 1;
        for reason in left_out {
            count(&mut summary.left_out_reasons, reason.clone());
            remark(Fate::LeftOut, reason, (None, None))?;
        }
    }
    let outcome = match outcome {
        Some(Imported::WithoutName(outcome, kept)) => {
            summary.without_name += 1;
            for name in kept {
                let reason = without_name(&name);
                count(&mut summary.without_name_reasons, reason.into());
                let text = item.record.as_ref().ok().and_then(|record| taker.name_of(record, name.told_as));
                remark(Fate::WithoutName, reason.into(), (name.by, text))?;
            }
            Some(*outcome)
        }
        outcome => outcome,
    };
    let Some(outcome) = outcome else { return Ok(()) };
    match outcome {
        Imported::New => summary.new += 1,
        Imported::WithoutPassword(reason) => {
            summary.new += 1;
            summary.without_password += 1;
            let reason = Cow::from(reason);
            count(&mut summary.without_password_reasons, reason.clone());
            remark(Fate::WithoutPassword, reason, (None, None))?;
        }
        Imported::AlreadyThere => summary.already_there += 1,
        Imported::StillWithoutPassword(reason) => {
            summary.already_there += 1;
            summary.still_without_password += 1;
            let reason = Cow::from(reason);
            count(&mut summary.still_without_password_reasons, reason.clone());
            remark(Fate::WithoutPassword, reason, (None, None))?;
        }
        Imported::Changed(what) => {
            summary.changed += 1;
            count(&mut summary.changed_reasons, what);
        }
        Imported::Over(why) => {
            summary.over += 1;
            *summary.over_reasons.entry(why).or_default() += 1;
        }
        // What stands around another outcome was taken off above.
        Imported::WithoutName(..) => {}
        Imported::Refused(reason) => {
            summary.refused += 1;
            count(&mut summary.reasons, reason.clone());
            remark(Fate::Refused, reason, (None, None))?;
        }
    }
    Ok(())
}

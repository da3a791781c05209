//! Checkpoints over the journal, and finding where it was tampered with.
//!
//! Each account's chain shows by itself an entry that was altered, taken out or moved. What it cannot show is
//! that its end was cut off, that it is gone altogether, or that somebody wrote it anew from some entry on.
//! That is what checkpoints are for: each names how many entries there were and what they came to, under a tag
//! whose key is not in the database. One checkpoint is made only over a journal that still holds what the last
//! one covers, so that the newest vouches for all of them.
//!
//! Entries that have been kept long enough may be [cut off](cut) at the beginnings of the chains. Each [`Cut`] says how many
//! and which, under such a tag, so that nobody else can remove one more and say that it was that. In the same way an
//! [`Erasure`] accounts for each time that the journal was made to [forget](erase) an account's owner.
//!
//! What remains: who can delete rows can take away the newest checkpoint together with all that came after
//! the one before it. [`Report::newest`] is therefore worth keeping elsewhere.

use std::future::Future;
use std::time::Duration;

use crate::audit::{Checkpoint, Cut, Erasure, Hash};
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::keys::KeyRing;
use crate::store::{Cuts, Erasures, Journal, Slice};
use cuts::{AllGone, Rule};
use erasures::Accounted;
use tally::Tally;
use walk::{Walk, finish};

mod cuts;
mod erasures;
mod exported;
mod findings;
mod tags;
mod tally;
mod walk;

pub use cuts::{CutFlaw, Cutting, cut};
pub use erasures::{Erasing, erase};
pub use exported::{Exported, Verified};
pub use findings::{CheckpointFlaw, EntryFlaw, ErasureFlaw, Finding};

/// How old an entry is before a checkpoint covers it: what is being written, at most a few seconds old, is
/// left for the next one.
pub const SETTLED: Duration = Duration::from_secs(60);

/// How many rows are read at a time.
const SLICE: u32 = 1000;

/// How often the journal may be cut while it is verified, before that is given up.
const MAX_CUTS_MEANWHILE: u8 = 3;

/// How many findings a report lists; the rest is only counted.
pub const MAX_FINDINGS: usize = 100;

/// Makes and checks the tags of checkpoints, with keys that the database does not hold.
pub trait CheckpointKey: Send + Sync {
    /// The tag of `bytes`, and which key made it.
    fn tag(&self, now: Timestamp, bytes: &[u8]) -> (u8, Hash);

    /// Whether `tag` is what that key makes of `bytes`.
    fn verifies(&self, key_id: u8, bytes: &[u8], tag: &Hash) -> bool;
}

impl CheckpointKey for KeyRing {
    fn tag(&self, now: Timestamp, bytes: &[u8]) -> (u8, Hash) {
        self.audit_tag(None, now, bytes)
    }

    fn verifies(&self, key_id: u8, bytes: &[u8], tag: &Hash) -> bool {
        self.audit_verify(key_id, bytes, tag)
    }
}

/// What making a checkpoint came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Checkpointing {
    /// It is made and stored.
    Added(Checkpoint),
    /// There is nothing that the last one does not cover, or another node made one just now.
    NothingNew,
    /// The journal no longer holds what the last checkpoint covers. None is made over it: run [`verify`].
    Broken(CheckpointFlaw),
}

/// What verifying the journal came to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// How many chains there are.
    pub chains: u64,
    /// How many entries.
    pub entries: u64,
    /// How many checkpoints.
    pub checkpoints: u64,
    /// The newest checkpoint whose tag verifies; the journal was held against it. Worth keeping elsewhere.
    pub newest: Option<Checkpoint>,
    /// The newest cut whose tag verifies: what the journal has lost because it was kept long enough.
    pub cut: Option<Cut>,
    /// How many entries were made to tell of nobody any more.
    pub erased: u64,
    /// The newest erasure whose tag verifies.
    pub erasure: Option<Erasure>,
    /// What is wrong: of each chain the first bad entry, of the checkpoints each bad one. At most
    /// [`MAX_FINDINGS`].
    pub findings: Vec<Finding>,
    /// How much is wrong, counted as in `findings` but without end.
    pub flaws: u64,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.flaws == 0
    }

    fn found(&mut self, finding: Finding) {
        self.flaws += 1;
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        }
    }
}

/// Makes a checkpoint over all entries older than [`SETTLED`], if there are new ones.
///
/// # Errors
/// A [`Fault`] if the store fails.
pub async fn add(
    journal: &(impl Journal + ?Sized),
    key: &dyn CheckpointKey,
    now: Timestamp,
) -> Result<Checkpointing, Fault> {
    let settled = now.minus(SETTLED);
    let last = journal.last_checkpoint().await?;
    if let Some(last) = &last {
        if settled <= last.before {
            return Ok(Checkpointing::NothingNew);
        }
        if let Some(flaw) = tally_heads(journal, last.before).await?.flaw(last) {
            return Ok(Checkpointing::Broken(flaw));
        }
    }
    let tally = tally_heads(journal, settled).await?;
    let root = tally.root();
    if tally.entries == 0 || last.as_ref().is_some_and(|last| last.root == root) {
        return Ok(Checkpointing::NothingNew);
    }
    let mut checkpoint = Checkpoint {
        number: last.as_ref().map_or(1, |last| last.number + 1),
        before: tally.newest.plus(Duration::from_millis(1)),
        chains: tally.chains,
        entries: tally.entries,
        root,
        previous: last.map_or([0; 32], |last| last.tag),
        tag: [0; 32],
        key_id: 0,
    };
    (checkpoint.key_id, checkpoint.tag) = key.tag(now, &tags::checkpoint(&checkpoint));
    let is_stored = journal.add_checkpoint(checkpoint.clone()).await?;
    Ok(if is_stored { Checkpointing::Added(checkpoint) } else { Checkpointing::NothingNew })
}

/// Cuts off what was made longer than `keep` ago, as [`cut`] does, where the newest checkpoint is one of ours and the journal still
/// holds what it covers; `Err` says what is wrong with it otherwise.
///
/// # Errors
/// A [`Fault`] if the store fails.
pub async fn cut_what_is_covered<P: Future<Output = ()> + Send>(
    journal: &(impl Journal + Cuts + Erasures + ?Sized),
    key: &dyn CheckpointKey,
    (now, keep): (Timestamp, Duration),
    pause: impl FnMut(u64) -> P + Send,
) -> Result<Result<Cutting, CheckpointFlaw>, Fault> {
    if !journal.may_cut().await? {
        return Ok(Ok(Cutting::NotAllowed));
    }
    let Some(newest) = journal.last_checkpoint().await? else { return Ok(Ok(Cutting::NothingOldEnough)) };
    if !key.verifies(newest.key_id, &tags::checkpoint(&newest), &newest.tag) {
        return Ok(Err(CheckpointFlaw::Forged));
    }
    match tally_heads(journal, newest.before).await?.flaw(&newest) {
        Some(flaw) => Ok(Err(flaw)),
        None => cut(journal, key, (now, keep), &newest, pause).await.map(Ok),
    }
}

/// Goes through the whole journal and says what is wrong with it; `progress` is told, now and then, how many
/// entries have been read.
///
/// Reads a slice at a time, so it may run beside a busy server.
///
/// # Errors
/// A [`Fault`] if the store fails, also where it cannot make sense of a row.
pub async fn verify(
    journal: &(impl Journal + Cuts + Erasures + ?Sized),
    key: &dyn CheckpointKey,
    mut progress: impl FnMut(u64) + Send,
) -> Result<Report, Fault> {
    for looked in 1..=MAX_CUTS_MEANWHILE {
        let before = changes(journal).await?;
        let report = verify_once(journal, key, &mut progress).await?;
        // What a server cuts meanwhile would seem to be missing, also of a cut that was decided on before; and what is erased
        // meanwhile, to be altered.
        let is_changed_meanwhile = changes(journal).await? != before;
        let may_be_half_cut = before.0 > 0 && !report.is_sound() && looked < MAX_CUTS_MEANWHILE;
        if !is_changed_meanwhile && !may_be_half_cut {
            return Ok(report);
        }
    }
    Err(Fault::unavailable("verify the journal", "it was cut again and again meanwhile; try once more"))
}

/// How many cuts and erasures there were.
async fn changes(journal: &(impl Cuts + Erasures + ?Sized)) -> Result<(u64, u64), Fault> {
    let cut = journal.last_cut().await?.map_or(0, |cut| cut.number);
    let erasure = journal.last_erasure().await?.map_or(0, |erasure| erasure.number);
    Ok((cut, erasure))
}

async fn verify_once(
    journal: &(impl Journal + Cuts + Erasures + ?Sized),
    key: &dyn CheckpointKey,
    progress: &mut (impl FnMut(u64) + Send),
) -> Result<Report, Fault> {
    let mut report = Report::default();
    let accounted = verify_erasures(journal, key, &mut report).await?;
    verify_checkpoints(journal, key, &accounted, &mut report).await?;
    verify_cuts(journal, key, &mut report).await?;
    let before = report.newest.as_ref().map_or(Timestamp(i64::MIN), |newest| newest.before);
    let rule = report.cut.as_ref().map(Rule::of);
    let (mut tally, mut all_gone) = (Tally::new(), AllGone::new());
    let mut chain = None;
    let mut after = None;
    loop {
        let slice = journal.entries(Slice::after(after, SLICE)).await?;
        for entry in &slice {
            let account = entry.event.account;
            if chain.as_ref().is_none_or(|chain: &Walk| chain.head.account != account) {
                finish(&mut tally, &mut all_gone, chain.take());
                report.chains += 1;
            }
            report.entries += 1;
            chain.get_or_insert_with(|| Walk::from(entry, rule)).step(entry, before, &accounted, &mut report);
        }
        let Some(last) = slice.last() else { break };
        after = Some((last.event.account, last.number));
        progress(report.entries);
    }
    finish(&mut tally, &mut all_gone, chain);
    if let Some(cut) = report.cut.clone()
        && let Some(flaw) = all_gone.flaw(&cut)
    {
        report.found(Finding::Cut { number: cut.number, flaw });
    }
    if let Some(newest) = report.newest.clone()
        && let Some(flaw) = tally.flaw(&newest)
    {
        report.found(Finding::Checkpoint { number: newest.number, flaw });
    }
    Ok(report)
}

/// Checks that the checkpoints follow one another and that each is ours.
async fn verify_checkpoints(
    journal: &(impl Journal + ?Sized),
    key: &dyn CheckpointKey,
    accounted: &Accounted,
    report: &mut Report,
) -> Result<(), Fault> {
    let (mut number, mut previous, mut covered) = (0, [0; 32], Timestamp(i64::MIN));
    loop {
        let slice = journal.checkpoints(Slice::after(Some(number), SLICE)).await?;
        for checkpoint in &slice {
            report.checkpoints += 1;
            let is_ours = key.verifies(checkpoint.key_id, &tags::checkpoint(checkpoint), &checkpoint.tag);
            let flaw = if !is_ours {
                Some((checkpoint.number, CheckpointFlaw::Forged))
            } else if checkpoint.number != number + 1 {
                Some((number + 1, CheckpointFlaw::Missing))
            } else if checkpoint.previous != previous {
                Some((checkpoint.number, CheckpointFlaw::Unlinked))
            } else if checkpoint.before <= covered && !accounted.has_made(checkpoint.number) {
                Some((checkpoint.number, CheckpointFlaw::Unaccounted))
            } else {
                None
            };
            if is_ours {
                report.newest = Some(checkpoint.clone());
            }
            if let Some((number, flaw)) = flaw {
                report.found(Finding::Checkpoint { number, flaw });
            }
            (number, previous, covered) = (checkpoint.number, checkpoint.tag, checkpoint.before);
        }
        if slice.is_empty() {
            return Ok(());
        }
    }
}

/// Checks that the cuts follow one another and that each is ours.
async fn verify_cuts(
    journal: &(impl Cuts + ?Sized),
    key: &dyn CheckpointKey,
    report: &mut Report,
) -> Result<(), Fault> {
    let (mut number, mut previous) = (0, [0; 32]);
    loop {
        let slice = journal.cuts(Slice::after(Some(number), SLICE)).await?;
        if slice.is_empty() {
            return Ok(());
        }
        for cut in slice {
            let is_ours = cuts::verifies(&cut, key);
            let flaw = if !is_ours {
                Some((cut.number, CutFlaw::Forged))
            } else if cut.number != number + 1 {
                Some((number + 1, CutFlaw::Missing))
            } else if cut.previous != previous {
                Some((cut.number, CutFlaw::Unlinked))
            } else {
                None
            };
            if let Some((number, flaw)) = flaw {
                report.found(Finding::Cut { number, flaw });
            }
            (number, previous) = (cut.number, cut.tag);
            if is_ours {
                report.cut = Some(cut);
            }
        }
    }
}

/// Checks that the erasures follow one another and that each is ours, and says what they account for.
async fn verify_erasures(
    journal: &(impl Erasures + ?Sized),
    key: &dyn CheckpointKey,
    report: &mut Report,
) -> Result<Accounted, Fault> {
    let (mut number, mut previous, mut accounted) = (0, [0; 32], Accounted::default());
    loop {
        let slice = journal.erasures(Slice::after(Some(number), SLICE)).await?;
        if slice.is_empty() {
            return Ok(accounted);
        }
        for erasure in slice {
            let is_ours = erasures::verifies(&erasure, key);
            let flaw = if !is_ours {
                Some((erasure.number, ErasureFlaw::Forged))
            } else if erasure.number != number + 1 {
                Some((number + 1, ErasureFlaw::Missing))
            } else if erasure.previous != previous {
                Some((erasure.number, ErasureFlaw::Unlinked))
            } else {
                None
            };
            if let Some((number, flaw)) = flaw {
                report.found(Finding::Erasure { number, flaw });
            }
            (number, previous) = (erasure.number, erasure.tag);
            if is_ours {
                accounted.add(&erasure);
                report.erasure = Some(erasure);
            }
        }
    }
}

/// What the chains come to by their heads alone: an entry's number says how many there are.
async fn tally_heads(journal: &(impl Journal + ?Sized), before: Timestamp) -> Result<Tally, Fault> {
    let mut tally = Tally::new();
    let mut after = None;
    loop {
        let slice = journal.heads(before, Slice::after(after, SLICE)).await?;
        for head in &slice {
            tally.add(head, head.number);
        }
        let Some(last) = slice.last() else { return Ok(tally) };
        after = Some(last.account);
    }
}

//! Having the journal forget an account's owner, so that it can still be verified.
//!
//! An entry's hash covers what tells of a person by way of an HMAC under a salt of its own, so removing both leaves the hash as it
//! is. Entries of earlier builds are chained anew, once, and the newest checkpoint gives way to one with another root. Each
//! erasure says which chain it is about and what its end was before and is since, under a tag, so that nobody else can remove an
//! address, or write a chain anew, and say that it was that.

use std::collections::HashMap;

use super::cuts::Rule;
use super::tags;
use super::tally::Tally;
use super::{CheckpointFlaw, CheckpointKey, EntryFlaw, Finding, SLICE};
use crate::audit::{Checkpoint, Cover, Entry, Erasure, Event, EventKind, Hash, Head};
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::random::{self, Random};
use crate::session::AccountId;
use crate::store::{ChainedAnew, Cuts, Erasures, Forgetting, Journal, Slice};

/// How often somebody may write to the journal meanwhile, before that is given up.
const MAX_MISSES: u8 = 10;

const DOING: &str = "erase what the journal tells of an account's owner";

/// What having the journal forget somebody came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Erasing {
    /// It tells of nobody any more.
    Done {
        /// What accounts for it.
        erasure: Erasure,
        /// How many entries told of somebody.
        entries: u64,
    },
    /// There is no entry that tells of somebody.
    NothingLeft,
    /// Whoever asks may not change entries.
    NotAllowed,
    /// Nothing is erased from a journal that somebody tampered with: it would cover that up.
    Broken(Finding),
}

/// Has the journal forget an account's owner: what its entries tell of addresses and clients, and their notes.
///
/// # Errors
/// A [`Fault`] if the store fails; then nothing is erased, or all of it.
pub async fn erase(
    journal: &(impl Journal + Cuts + Erasures + ?Sized),
    key: &dyn CheckpointKey,
    random: &dyn Random,
    (now, account): (Timestamp, AccountId),
) -> Result<Erasing, Fault> {
    for _ in 0..=MAX_MISSES {
        let cut = journal.last_cut().await?.map_or(0, |cut| cut.number);
        let chain = whole_chain(journal, account).await?;
        let entries = chain.iter().filter(|entry| !entry.tells_of_nobody()).count() as u64;
        let Some(end) = chain.last().filter(|_| entries > 0) else { return Ok(Erasing::NothingLeft) };
        if !journal.may_erase().await? {
            return Ok(Erasing::NotAllowed);
        }
        if let Some((number, flaw)) = first_flaw(&chain) {
            return Ok(Erasing::Broken(Finding::Entry { account, number, flaw }));
        }
        let links = chained_anew(&chain, random);
        let covering = match links.is_empty() {
            true => None,
            false => match cover_anew(journal, key, now, (&chain, &links)).await? {
                Ok(checkpoint) => Some(checkpoint),
                Err(finding) => return Ok(Erasing::Broken(finding)),
            },
        };
        let forgetting = forgetting(journal, key, now, (end, links, covering, cut), random).await?;
        let erasure = forgetting.erasure.clone();
        if journal.erase(forgetting).await? {
            return Ok(Erasing::Done { erasure, entries });
        }
    }
    Err(Fault::unavailable(DOING, "it was written to again and again meanwhile; try once more"))
}

async fn whole_chain(journal: &(impl Journal + ?Sized), account: AccountId) -> Result<Vec<Entry>, Fault> {
    let mut chain: Vec<Entry> = Vec::new();
    loop {
        let after = chain.last().map_or(0, |last| last.number);
        let mut slice = journal.entries(Slice::after(Some((account, after)), SLICE)).await?;
        let is_last =
            slice.len() < SLICE as usize || slice.iter().any(|entry| entry.event.account != account);
        slice.retain(|entry| entry.event.account == account);
        chain.extend(slice);
        if is_last {
            return Ok(chain);
        }
    }
}

fn first_flaw(chain: &[Entry]) -> Option<(u64, EntryFlaw)> {
    let altered = chain.iter().find(|entry| !entry.is_intact());
    let unlinked = chain.windows(2).find(|pair| pair[1].previous != pair[0].hash);
    let missing = chain.windows(2).find(|pair| pair[1].number != pair[0].number + 1);
    altered
        .map(|entry| (entry.number, EntryFlaw::Altered))
        .or_else(|| missing.map(|pair| (pair[0].number + 1, EntryFlaw::Missing)))
        .or_else(|| unlinked.map(|pair| (pair[1].number, EntryFlaw::Unlinked)))
}

/// The entries from the first on whose hash covers what it tells as it stands.
fn chained_anew(chain: &[Entry], random: &dyn Random) -> Vec<ChainedAnew> {
    let is_plain = |entry: &&Entry| entry.cover == Cover::Plain && !entry.tells_of_nobody();
    let first = chain.iter().position(|entry| is_plain(&entry)).unwrap_or(chain.len());
    let mut previous = chain.get(first).map(|entry| entry.previous).unwrap_or_default();
    let link = |entry: &Entry| {
        let anew = entry.erased_behind(previous, &random::bytes(random));
        let Cover::Salted { mac, .. } = anew.cover else { return None };
        previous = anew.hash;
        Some(ChainedAnew { number: anew.number, mac, previous: anew.previous, hash: anew.hash })
    };
    chain[first..].iter().filter_map(link).collect()
}

/// A checkpoint over what the newest one covers, with one chain as it will be; `Err` says what is wrong with the newest one.
async fn cover_anew(
    journal: &(impl Journal + Cuts + ?Sized),
    key: &dyn CheckpointKey,
    now: Timestamp,
    (chain, links): (&[Entry], &[ChainedAnew]),
) -> Result<Result<Checkpoint, Finding>, Fault> {
    // What is to be cut off is bound by the hashes that the entries have.
    if let Some(cut) = journal.last_cut().await?
        && chain.iter().filter(|entry| entry.event.at < Rule::of(&cut).before).count() > 1
    {
        return Err(Fault::unavailable(
            DOING,
            "its oldest entries are being cut off; try again once that is done",
        ));
    }
    let Some(newest) = journal.last_checkpoint().await? else {
        let why = "no checkpoint covers the journal of an earlier build yet; try again in a minute";
        return Err(Fault::unavailable(DOING, why));
    };
    let number = newest.number;
    if !key.verifies(newest.key_id, &tags::checkpoint(&newest), &newest.tag) {
        return Ok(Err(Finding::Checkpoint { number, flaw: CheckpointFlaw::Forged }));
    }
    let account = chain.first().map(|entry| entry.event.account);
    let (mut before, mut since) = (Tally::new(), Tally::new());
    let mut after = None;
    loop {
        let slice = journal.heads(newest.before, Slice::after(after, SLICE)).await?;
        for head in &slice {
            before.add(head, head.number);
            let link = links.iter().find(|link| Some(head.account) == account && link.number == head.number);
            let hash = link.map_or(head.hash, |link| link.hash);
            since.add(&Head { hash, ..*head }, head.number);
        }
        let Some(last) = slice.last() else { break };
        after = Some(last.account);
    }
    if let Some(flaw) = before.flaw(&newest) {
        return Ok(Err(Finding::Checkpoint { number, flaw }));
    }
    let mut checkpoint =
        Checkpoint { number: number + 1, root: since.root(), previous: newest.tag, ..newest };
    (checkpoint.key_id, checkpoint.tag) = key.tag(now, &tags::checkpoint(&checkpoint));
    Ok(Ok(checkpoint))
}

async fn forgetting(
    journal: &(impl Journal + Erasures + ?Sized),
    key: &dyn CheckpointKey,
    now: Timestamp,
    (end, links, checkpoint, cut): (&Entry, Vec<ChainedAnew>, Option<Checkpoint>, u64),
    random: &dyn Random,
) -> Result<Forgetting, Fault> {
    let head = end.head();
    let new_head = links.last().map_or(head.hash, |link| link.hash);
    let last = journal.last_erasure().await?;
    let mut erasure = Erasure {
        number: last.as_ref().map_or(1, |last| last.number + 1),
        at: now,
        account: head.account,
        last: head.number,
        chained_anew: links.len() as u64,
        old_head: head.hash,
        new_head,
        checkpoint: checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.number),
        previous: last.map_or([0; 32], |last| last.tag),
        tag: [0; 32],
        key_id: 0,
    };
    (erasure.key_id, erasure.tag) = key.tag(now, &tags::erasure(&erasure));
    // No entry is dated before the moment that a checkpoint covers.
    let covered = journal.last_checkpoint().await?.map_or(now, |newest| newest.before);
    let told = Event {
        account: head.account,
        at: now.max(covered),
        kind: EventKind::AccountErased,
        session: None,
        cause: None,
        ip: None,
        user_agent: None,
        note: None,
    };
    let last = Head { hash: new_head, ..head }.add(told, random::bytes(random));
    Ok(Forgetting { head, last, erasure, links, checkpoint, cut })
}

/// Whether an erasure's tag was made with a key of the ring.
pub(super) fn verifies(erasure: &Erasure, key: &dyn CheckpointKey) -> bool {
    key.verifies(erasure.key_id, &tags::erasure(erasure), &erasure.tag)
}

/// What erasures account for.
#[derive(Default)]
pub(super) struct Accounted {
    /// Of each account, up to which entries nothing need tell of anybody, and what those entries' hashes are.
    ends: HashMap<AccountId, Vec<(u64, Hash)>>,
    /// The checkpoints that were made along with them.
    checkpoints: Vec<u64>,
}

impl Accounted {
    pub(super) fn add(&mut self, erasure: &Erasure) {
        self.ends.entry(erasure.account).or_default().push((erasure.last, erasure.new_head));
        self.checkpoints.push(erasure.checkpoint);
    }

    /// Whether a checkpoint may cover no more than the one before it.
    pub(super) fn has_made(&self, checkpoint: u64) -> bool {
        self.checkpoints.contains(&checkpoint)
    }

    /// What is wrong with an entry that is intact by itself.
    pub(super) fn flaw(&self, entry: &Entry) -> Option<EntryFlaw> {
        let ends = self.ends.get(&entry.event.account).map(Vec::as_slice).unwrap_or_default();
        if entry.is_erased() && !ends.iter().any(|(last, _)| entry.number <= *last) {
            return Some(EntryFlaw::Erased);
        }
        let is_other = |(last, hash): &(u64, Hash)| *last == entry.number && *hash != entry.hash;
        ends.iter().any(is_other).then_some(EntryFlaw::NotAsErased)
    }
}

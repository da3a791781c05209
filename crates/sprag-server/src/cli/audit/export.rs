//! `sprag audit export`: the journal for another system, so that it can be verified there.
//!
//! What is exported ends where the newest checkpoint does: from then on no entry is dated before that moment, whoever commits
//! late. So an export by time misses nothing, and each run ends where every chain is covered.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use sprag::audit::{Checkpoint, Erasure, NOBODY};
use sprag::checkpoints::Checkpointing;
use sprag::clock::Timestamp;
use sprag::store::{Slice, Store};

use super::cursor::Cursor;
use super::lines::Line;
use super::since::{Since, since};
use crate::cli::output::{Progress, counted, tell};
use crate::run::node::Node;

/// How many rows are read at a time.
const SLICE: u32 = 1000;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Go on behind where an export ended: the cursor of its last line
    #[arg(long, value_name = "CURSOR", conflicts_with_all = ["since", "cursor_file"])]
    after: Option<String>,
    /// Go on from the cursor in this file, and leave the next one there; a file that is not there yet is the beginning
    #[arg(long, value_name = "FILE")]
    cursor_file: Option<PathBuf>,
    /// Begin with what happened since, where there is no cursor: a span as 7d, a day as 2026-11-21, or a moment
    #[arg(long, value_name = "SPAN|MOMENT", value_parser = since)]
    since: Option<Since>,
    /// Export what the newest checkpoint covers, instead of adding one first over all that is older than a minute
    #[arg(long)]
    no_checkpoint: bool,
}

/// An export on its way.
struct Export<'s, W: Write> {
    store: &'s dyn Store,
    out: W,
    cursor: Cursor,
    progress: Progress,
    entries: u64,
}

pub(super) async fn run(args: &Args, node: &Node) -> anyhow::Result<ExitCode> {
    let after = from(args)?;
    let begins = args.since.map(|since| since.moment(node.engine.now())).unwrap_or(Timestamp(i64::MIN));
    let start = Cursor { entry: (begins, NOBODY, 0), checkpoint: 0, cut: 0, erasure: 0 };
    let is_whole = after.is_none() && args.since.is_none();
    if !args.no_checkpoint
        && let Checkpointing::Broken(flaw) = node.engine.upkeep().add_checkpoint().await?
    {
        bail!("the journal was tampered with, and nothing was exported: {flaw}; run: sprag audit verify");
    }
    let cursor = after.unwrap_or(start);
    let out = BufWriter::new(io::stdout().lock());
    let store = node.engine.store();
    let mut export = Export { store: store.as_ref(), out, cursor, progress: Progress::new(), entries: 0 };
    export.line(&Line::Begin((!is_whole).then_some(cursor)))?;
    export.all().await?;
    let (cursor, entries) = (export.cursor, export.entries);
    export.line(&Line::End(cursor))?;
    export.out.flush().context("could not write to standard output")?;
    drop(export);
    if let Some(path) = &args.cursor_file {
        // Only what has been written is passed: whoever dies before this line gets it once more.
        keep(path, &cursor)?;
    }
    tell(format_args!(
        "exported {}, up to the newest checkpoint; what is younger (a minute or so) comes with the next run, which goes on with \
         --after {cursor}",
        counted(entries, "entry", "entries")
    ));
    Ok(ExitCode::SUCCESS)
}

/// Where to go on, if not at the beginning.
fn from(args: &Args) -> anyhow::Result<Option<Cursor>> {
    if let Some(text) = &args.after {
        return text.parse().map(Some);
    }
    let Some(path) = &args.cursor_file else { return Ok(None) };
    match std::fs::read_to_string(path) {
        Ok(text) => text.parse().with_context(|| format!("{} holds no cursor", path.display())).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("could not read the cursor in {}", path.display())),
    }
}

/// Replaces the cursor in a file as a whole.
fn keep(path: &PathBuf, cursor: &Cursor) -> anyhow::Result<()> {
    let doing =
        || format!("the export is complete, but its cursor {cursor} could not be kept in {}", path.display());
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| ".".as_ref());
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(doing)?;
    writeln!(file, "{cursor}").with_context(doing)?;
    file.as_file().sync_all().with_context(doing)?;
    file.persist(path).with_context(doing)?;
    Ok(())
}

impl<W: Write> Export<'_, W> {
    fn line(&mut self, line: &Line) -> anyhow::Result<()> {
        writeln!(self.out, "{}", line.write()).context("could not write to standard output")
    }

    /// Everything behind the cursor, up to the newest checkpoint.
    async fn all(&mut self) -> anyhow::Result<()> {
        self.cuts().await?;
        loop {
            let Some(newest) = self.store.last_checkpoint().await? else { return Ok(()) };
            let erased = self.erasures().await?;
            self.entries_before(newest.before).await?;
            // Whatever was chained anew meanwhile is exported in its new form, too, up to here.
            let last = self.store.last_erasure().await?.map_or(0, |erasure| erasure.number);
            if last <= erased {
                // A cut that was made meanwhile accounts for what this run did not see any more.
                self.cuts().await?;
                return self.checkpoints(&newest).await;
            }
        }
    }

    async fn cuts(&mut self) -> anyhow::Result<()> {
        loop {
            let slice = self.store.cuts(Slice::after(Some(self.cursor.cut), SLICE)).await?;
            let Some(last) = slice.last() else { return Ok(()) };
            self.cursor.cut = last.number;
            slice.into_iter().try_for_each(|cut| self.line(&Line::Cut(cut)))?;
        }
    }

    /// The erasures since, each with what it chained anew of what was exported before; says which was the last.
    async fn erasures(&mut self) -> anyhow::Result<u64> {
        loop {
            let after = Slice::after(Some(self.cursor.erasure), SLICE);
            let slice = self.store.erasures(after).await?;
            let Some(last) = slice.last() else { return Ok(self.cursor.erasure) };
            self.cursor.erasure = last.number;
            for erasure in slice {
                self.line(&Line::Erasure(erasure.clone()))?;
                if erasure.chained_anew > 0 {
                    self.again(&erasure).await?;
                }
            }
        }
    }

    /// An account's entries that were exported in another form.
    async fn again(&mut self, Erasure { account, .. }: &Erasure) -> anyhow::Result<()> {
        let mut number = 0;
        loop {
            let after = Slice::after(Some((*account, number)), SLICE);
            let slice = self.store.entries(after).await?;
            let is_last = slice.len() < SLICE as usize;
            for entry in slice {
                if entry.event.account != *account || Cursor::place(&entry) > self.cursor.entry {
                    return Ok(());
                }
                number = entry.number;
                self.line(&Line::Entry(entry))?;
            }
            if is_last {
                return Ok(());
            }
        }
    }

    async fn entries_before(&mut self, before: Timestamp) -> anyhow::Result<()> {
        loop {
            let after = Slice::after(Some(self.cursor.entry), SLICE);
            let slice = self.store.by_time(before, after).await?;
            let Some(last) = slice.last() else { return Ok(()) };
            self.cursor.entry = Cursor::place(last);
            self.entries += slice.len() as u64;
            slice.into_iter().try_for_each(|entry| self.line(&Line::Entry(entry)))?;
            self.progress.show(format_args!("exported {} entries", self.entries));
        }
    }

    /// The checkpoints up to the one that covers what was exported.
    async fn checkpoints(&mut self, newest: &Checkpoint) -> anyhow::Result<()> {
        loop {
            let after = Slice::after(Some(self.cursor.checkpoint), SLICE);
            let slice = self.store.checkpoints(after).await?;
            if slice.is_empty() || self.cursor.checkpoint >= newest.number {
                return Ok(());
            }
            for checkpoint in slice.into_iter().filter(|checkpoint| checkpoint.number <= newest.number) {
                self.cursor.checkpoint = checkpoint.number;
                self.line(&Line::Checkpoint(checkpoint))?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use sprag::access::Algorithm;
    use sprag::audit::{Entry, Event, EventKind, Head};
    use sprag::checkpoints::{self, EntryFlaw, Erasing, Finding, SETTLED};
    use sprag::keys::KeyRing;
    use sprag::random::SeededRandom;
    use sprag::session::AccountId;
    use sprag::store::Commits as _;
    use sprag::store::memory::MemoryStore;
    use uuid::Uuid;

    use super::super::exported::Reading;
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);
    const HOUR: Duration = Duration::from_secs(3600);
    const ANN: AccountId = AccountId(Uuid::from_u128(1));
    const BEN: AccountId = AccountId(Uuid::from_u128(2));

    /// A journal, and what was exported of it so far.
    struct Ledger {
        store: MemoryStore,
        ring: KeyRing,
        cursor: Option<Cursor>,
        runs: Vec<String>,
    }

    impl Ledger {
        async fn written() -> Self {
            let random = SeededRandom::new(1);
            let ring = KeyRing::generate(Algorithm::EdDsa, &random, NOW).unwrap();
            let store = MemoryStore::new().with_random(Arc::new(SeededRandom::new(2)));
            let ledger = Self { store, ring, cursor: None, runs: Vec::new() };
            for hour in 0..5 {
                ledger.record(ANN, HOUR * hour).await;
                ledger.record(BEN, HOUR * hour).await;
            }
            ledger
        }

        async fn record(&self, account: AccountId, after: Duration) {
            self.store.record(told(account, after)).await.unwrap();
        }

        /// Exports what there is, as of so long after the beginning.
        async fn exports(&mut self, after: Duration) -> &str {
            checkpoints::add(&self.store, &self.ring, NOW.plus(after)).await.unwrap();
            let cursor = self.cursor.unwrap_or(Cursor {
                entry: (Timestamp(i64::MIN), NOBODY, 0),
                checkpoint: 0,
                cut: 0,
                erasure: 0,
            });
            let mut export =
                Export { store: &self.store, out: Vec::new(), cursor, progress: Progress::new(), entries: 0 };
            export.line(&Line::Begin(self.cursor)).unwrap();
            export.all().await.unwrap();
            export.line(&Line::End(export.cursor)).unwrap();
            self.cursor = Some(export.cursor);
            self.runs.push(String::from_utf8(export.out).unwrap());
            self.runs.last().unwrap()
        }

        fn verified(&self) -> Result<sprag::checkpoints::Verified, String> {
            verified(&self.runs, &self.ring)
        }

        fn is_sound(&self) -> sprag::checkpoints::Verified {
            let verified = self.verified().unwrap();
            assert!(verified.report.is_sound(), "{:?}", verified.report.findings);
            assert!(verified.is_held, "all chains were held against the newest checkpoint");
            verified
        }
    }

    fn verified(runs: &[String], ring: &KeyRing) -> Result<sprag::checkpoints::Verified, String> {
        let mut reading = Reading::new(Some(ring));
        for run in runs {
            reading.read("an export", run.as_bytes()).map_err(|error| format!("{error:#}"))?;
        }
        reading.finish().map_err(|error| format!("{error:#}"))
    }

    fn told(account: AccountId, after: Duration) -> Event {
        Event {
            account,
            at: NOW.plus(after),
            kind: EventKind::LoginFailed,
            session: None,
            cause: None,
            ip: Some("192.0.2.1".to_owned()),
            user_agent: None,
            note: Some("wrong password".to_owned()),
        }
    }

    fn entries(run: &str) -> Vec<Entry> {
        let lines = run.lines().map(|line| Line::read(line).unwrap());
        lines.filter_map(|line| if let Line::Entry(entry) = line { Some(entry) } else { None }).collect()
    }

    #[tokio::test]
    async fn an_export_goes_on_where_it_ended_and_verifies_as_a_whole() {
        let mut ledger = Ledger::written().await;
        assert_eq!(entries(ledger.exports(HOUR * 3 + HOUR / 2).await).len(), 8, "what is settled");
        ledger.is_sound();
        assert_eq!(entries(ledger.exports(HOUR * 3 + HOUR / 2).await), [], "nothing twice");
        assert_eq!(entries(ledger.exports(HOUR * 9).await).len(), 2, "and nothing lost");
        let verified = ledger.is_sound();
        assert_eq!((verified.report.entries, verified.report.chains, verified.missed), (10, 2, 0));
        // By itself a later run is a part, and says so.
        let part = super::tests::verified(&ledger.runs[2..], &ledger.ring).unwrap();
        assert!(part.report.is_sound() && !part.is_held);
        let reversed = [ledger.runs[2].clone(), ledger.runs[0].clone()];
        assert!(!super::tests::verified(&reversed, &ledger.ring).unwrap().is_held);
    }

    /// An entry that was made earlier and is committed later, by whoever was slow.
    #[tokio::test]
    async fn what_commits_late_is_not_lost() {
        let mut ledger = Ledger::written().await;
        ledger.exports(HOUR * 4 + SETTLED * 2).await;
        ledger.record(ANN, HOUR).await;
        ledger.record(AccountId(Uuid::from_u128(0)), HOUR).await;
        ledger.record(AccountId(Uuid::from_u128(3)), HOUR).await;
        assert_eq!(entries(ledger.exports(HOUR * 9).await).len(), 3);
        assert_eq!(ledger.is_sound().report.entries, 13);
    }

    #[tokio::test]
    async fn a_tampered_line_is_named_at_the_first_bad_entry() {
        let mut ledger = Ledger::written().await;
        ledger.exports(HOUR * 9).await;
        let whole = ledger.runs[0].clone();
        let lines: Vec<&str> = whole.lines().collect();
        let place = |account, number| {
            let is_it = |line: &&str| matches!(Line::read(line), Ok(Line::Entry(entry)) if (entry.event.account, entry.number) == (account, number));
            lines.iter().position(is_it).unwrap()
        };
        let with = |number: usize, line: Option<String>| {
            let mut changed: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            match line {
                Some(line) => changed[number] = line,
                None => drop(changed.remove(number)),
            }
            vec![changed.join("\n")]
        };
        let finds = |runs: Vec<String>| super::tests::verified(&runs, &ledger.ring).unwrap().report.findings;
        let entry = |account, number, flaw| Finding::Entry { account, number, flaw };
        let at = place(BEN, 3);
        let altered = lines[at].replace("192.0.2.1", "198.51.100.9");
        assert_eq!(finds(with(at, Some(altered))), [entry(BEN, 3, EntryFlaw::Altered)]);
        assert_eq!(finds(with(at, None)), [entry(BEN, 3, EntryFlaw::Missing)]);
        let Ok(Line::Entry(third)) = Line::read(lines[at]) else { panic!("it is an entry") };
        let forged =
            Head { hash: third.previous, number: 2, ..Head::new(BEN) }.add(told(BEN, HOUR * 2), [9; 32]);
        assert_eq!(
            finds(with(at, Some(Line::Entry(forged).write().to_string()))),
            [entry(BEN, 4, EntryFlaw::Unlinked)]
        );
        let robbed = Line::Entry(third.erased()).write().to_string();
        assert_eq!(finds(with(at, Some(robbed))), [entry(BEN, 3, EntryFlaw::Erased)]);
        // The end of a chain is held against the checkpoint.
        assert!(matches!(finds(with(place(BEN, 5), None))[..], [Finding::Checkpoint { .. }]));
        let told = super::tests::verified(&[whole[..whole.len() / 2].to_owned()], &ledger.ring).unwrap_err();
        assert!(told.contains("altered, or cut short"), "{told}");
    }

    #[tokio::test]
    async fn an_export_verifies_after_retention_and_erasure_in_between() {
        for is_cut in [false, true] {
            let mut ledger = Ledger::written().await;
            ledger.exports(HOUR * 4 + SETTLED * 2).await;
            if is_cut {
                let keep = (NOW.plus(HOUR * 9), HOUR * 2);
                checkpoints::cut_what_is_covered(&ledger.store, &ledger.ring, keep, |_| async {})
                    .await
                    .unwrap()
                    .unwrap();
            }
            let random = SeededRandom::new(3);
            let erasing = checkpoints::erase(&ledger.store, &ledger.ring, &random, (NOW.plus(HOUR * 9), ANN))
                .await
                .unwrap();
            assert!(matches!(erasing, Erasing::Done { .. }));
            ledger.record(BEN, HOUR * 10).await;
            ledger.exports(HOUR * 11).await;
            let verified = ledger.is_sound();
            assert_eq!(verified.report.cut.is_some(), is_cut);
            assert!(verified.report.erasure.is_some());
            // Whoever begins anew gets what is left, with what accounts for the rest.
            (ledger.cursor, ledger.runs) = (None, Vec::new());
            ledger.exports(HOUR * 11).await;
            assert_eq!(ledger.is_sound().missed > 0, is_cut);
            let without_cut: Vec<&str> =
                ledger.runs[0].lines().filter(|line| !line.contains("\"cut\"")).collect();
            let verified = super::tests::verified(&[without_cut.join("\n")], &ledger.ring).unwrap();
            assert_eq!(
                verified.report.is_sound(),
                !is_cut,
                "a chain that starts without a boundary is tampering"
            );
        }
    }

    #[test]
    fn a_cursor_is_read_as_it_is_written() {
        let cursor = Cursor { entry: (NOW, ANN, 7), checkpoint: 1, cut: 2, erasure: 3 };
        let text = "1:1800000000000:00000000-0000-0000-0000-000000000001:7:1:2:3";
        assert_eq!(cursor.to_string(), text);
        assert_eq!(format!("{text}\n").parse::<Cursor>().unwrap(), cursor);
        for wrong in ["", "2:0:0:0:0:0:0", "1:x:00000000-0000-0000-0000-000000000001:7:1:2:3", "1:1:2"] {
            assert!(wrong.parse::<Cursor>().unwrap_err().to_string().contains("no cursor"), "{wrong}");
        }
    }
}

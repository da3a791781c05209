//! `sprag audit verify --from`: verifies what was exported, where there is no database.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::json;
use sprag::checkpoints::{CheckpointKey, Exported, Verified};
use sprag::keys::KeyRing;

use super::lines::Line;
use super::verified::{record, summary};
use crate::cli::output::{Progress, counted, say, say_json};
use crate::config::Sources;
use crate::run::node::resolve;
use crate::run::ring_file::RingSource;

pub(super) fn run(files: &[PathBuf], is_json: bool, sources: &Sources) -> anyhow::Result<ExitCode> {
    let ring = ring(sources)?;
    let verified = verify(files, ring.as_ref().map(|ring| ring as &dyn CheckpointKey))?;
    let Verified { report, missed, is_held } = &verified;
    if is_json {
        let mut record = record(report);
        record["cut_before_export"] = json!(missed);
        record["is_held_against_a_checkpoint"] = json!(is_held);
        record["tags_are_verified"] = json!(ring.is_some());
        say_json(&record)?;
    } else {
        say(summary(report) + &beyond(&verified, ring.is_some()))?;
    }
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The key ring of this machine, if it has one.
fn ring(sources: &Sources) -> anyhow::Result<Option<KeyRing>> {
    let (config, _) = resolve(sources)?;
    let source = RingSource::of(&config);
    if source.is_missing() {
        return Ok(None);
    }
    source.read(&config).map(Some)
}

/// Reads files in their order, as the runs that wrote them followed each other.
fn verify(files: &[PathBuf], key: Option<&dyn CheckpointKey>) -> anyhow::Result<Verified> {
    let mut reading = Reading::new(key);
    for path in files {
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| format!("could not read {name}"))?;
        reading.read(&name, BufReader::new(file))?;
    }
    reading.finish()
}

/// An export that is read, file by file.
pub(super) struct Reading<'k> {
    key: Option<&'k dyn CheckpointKey>,
    exported: Option<Exported<'k>>,
    progress: Progress,
    lines: u64,
}

impl<'k> Reading<'k> {
    pub(super) fn new(key: Option<&'k dyn CheckpointKey>) -> Self {
        Self { key, exported: None, progress: Progress::new(), lines: 0 }
    }

    /// Reads the next file; the first line of the first one says whether the export begins where the journal does.
    pub(super) fn read(&mut self, name: &str, file: impl BufRead) -> anyhow::Result<()> {
        for (number, text) in (1..).zip(file.lines()) {
            let text = text.with_context(|| format!("could not read {name}"))?;
            let line = Line::read(&text).with_context(|| {
                format!("line {number} of {name} is none of `sprag audit export`: altered, or cut short")
            })?;
            let is_whole = matches!(line, Line::Begin(None));
            let exported = self.exported.get_or_insert_with(|| Exported::new(self.key, is_whole));
            match line {
                Line::Begin(_) => exported.begin(),
                Line::End(_) => {}
                Line::Entry(entry) => exported.entry(&entry),
                Line::Checkpoint(checkpoint) => exported.checkpoint(checkpoint),
                Line::Cut(cut) => exported.cut(cut),
                Line::Erasure(erasure) => exported.erasure(erasure),
            }
            self.lines += 1;
            self.progress.show(format_args!("read {} lines", self.lines));
        }
        Ok(())
    }

    pub(super) fn finish(self) -> anyhow::Result<Verified> {
        let nothing = "there is nothing in these files; each export begins with a line of its own";
        Ok(self.exported.context(nothing)?.finish())
    }
}

/// What an export cannot show, or this machine cannot tell.
fn beyond(verified: &Verified, has_ring: bool) -> String {
    let mut text = String::new();
    if verified.missed > 0 {
        let missed = counted(verified.missed, "entry was", "entries were");
        text += &format!("\n{missed} cut off by retention before they were exported.");
    }
    if !verified.is_held {
        text += "\nThis is a part of the journal, or the last export ended in the middle: its chains were not held against a \
                 checkpoint, so it would not show if the end of one were cut off. Name all files, the oldest first.";
    }
    if !has_ring {
        text += "\nThere is no key ring here, so whether the checkpoints are genuine stays open: compare the newest tag with the \
                 server's log, or verify on a machine that has the ring.";
    }
    text
}

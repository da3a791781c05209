//! What an import says: how far it has come, and in the end what became of each line.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use serde::Serialize;
use serde_json::json;
use sprag::text::shown;

use super::super::output::{self, say, say_json, tell};
use super::refused::RefusedFile;
use crate::profile::ImportKind;
use sprag_import::{Fate, Progress, Remark, Stopped, Summary};

/// How many refused lines are shown where no file keeps them.
const SHOWN: usize = 20;

/// The width of the bar.
const CELLS: u64 = 30;

/// What is imported, and how that is told.
pub(super) struct Heading {
    pub(super) kind: ImportKind,
    pub(super) source: String,
    pub(super) is_dry_run: bool,
    pub(super) is_json: bool,
}

/// Listens to an import.
pub(super) struct Report {
    heading: Heading,
    line: output::Progress,
    started: Instant,
    total: Option<u64>,
    first: Vec<Remark>,
    file: Option<RefusedFile>,
    path: Option<PathBuf>,
}

impl Report {
    pub(super) fn begin(
        heading: Heading,
        total: Option<u64>,
        refused: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let file = refused.map(RefusedFile::create).transpose()?;
        let (line, started) = (output::Progress::new(), Instant::now());
        let path = refused.map(Path::to_owned);
        Ok(Self { heading, line, started, total, first: Vec::new(), file, path })
    }

    /// Says what it came to.
    pub(super) fn end(self, summary: &Summary, stopped: Option<Stopped>) -> anyhow::Result<ExitCode> {
        // The line of progress is gone before anything else is said.
        drop(self.line);
        let heading = &self.heading;
        if heading.is_json {
            say_json(&document(heading, summary, stopped.is_none()))?;
        } else {
            say(table(heading, summary))?;
        }
        let kept = self.file.map(RefusedFile::finish).transpose();
        match self.path {
            Some(path) if kept.is_ok() && summary.remarked() > 0 => {
                let or_taken = or_taken(summary);
                let refused = format_args!("each line that was refused{or_taken} and its reason is in");
                tell(format_args!("{refused} {}", path.display()));
            }
            Some(_) => {}
            None => tell_first(self.first, summary.remarked()),
        }
        kept?;
        match stopped {
            None if summary.refused == 0 => Ok(ExitCode::SUCCESS),
            None => Ok(ExitCode::FAILURE),
            Some(Stopped::Interrupted) => {
                tell(format_args!("sprag: interrupted{}", how_to_go_on(heading, summary)));
                Ok(ExitCode::FAILURE)
            }
            Some(Stopped::Failed(error)) => {
                let stopped = format!("the import stopped{}", how_to_go_on(heading, summary));
                Err(error.context(stopped))
            }
        }
    }
}

impl Progress for Report {
    fn remarked(&mut self, remark: Remark) -> anyhow::Result<()> {
        match &mut self.file {
            Some(file) => file.add(&remark),
            None => {
                if self.first.len() < SHOWN {
                    self.first.push(remark);
                }
                Ok(())
            }
        }
    }

    fn reached(&mut self, summary: &Summary, done: u64) {
        let (what, seen, total) = (self.heading.kind.name(), summary.seen(), self.total);
        self.line.show(Bar { what, seen, done, total, started: self.started });
    }
}

/// `users  ███████░░░░░░░  41 %  410000, 8100 a second`
struct Bar {
    what: &'static str,
    seen: u64,
    done: u64,
    total: Option<u64>,
    started: Instant,
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, seen, .. } = self;
        write!(f, "  {what}  ")?;
        if let Some(total) = self.total.filter(|total| *total > 0) {
            let done = self.done.min(total);
            let full = done * CELLS / total;
            let cells = |cell: &str, count| cell.repeat(usize::try_from(count).unwrap_or(0));
            let (bar, rest) = (cells("█", full), cells("░", CELLS - full));
            write!(f, "{bar}{rest}  {} %  ", done * 100 / total)?;
        }
        let millis = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        write!(f, "{seen}, {} a second", seen.saturating_mul(1000) / millis)
    }
}

/// How lines were taken that the file of what was refused has as well.
fn or_taken(summary: &Summary) -> String {
    let has_no_password = summary.without_password + summary.still_without_password > 0;
    let ways = [
        (has_no_password, "without a password"),
        (summary.without_name > 0, "without a name"),
        (summary.left_out > 0, "with something left out"),
    ];
    let ways: Vec<_> = ways.into_iter().filter(|(is_so, _)| *is_so).map(|(_, way)| way).collect();
    if ways.is_empty() { String::new() } else { format!(", or taken {},", ways.join(" or ")) }
}

fn table(heading: &Heading, summary: &Summary) -> String {
    let (kind, source) = (heading.kind.name(), shown(&heading.source));
    let mut lines = vec![if heading.is_dry_run {
        format!(
            "a dry run of {kind} from {source}: nothing was written; the same without --dry-run would have"
        )
    } else {
        format!("{kind} from {source}")
    }];
    let counts = [summary.new, summary.already_there, summary.changed, summary.over, summary.refused];
    let width = counts.iter().map(|count| count.to_string().len()).max().unwrap_or(0);
    let mut add = |count: u64, what: &str, reasons: &[Reason<'_>]| {
        lines.push(format!("  {count:>width$}  {what}"));
        let reason = |Reason { reason, count }: &Reason<'_>| {
            format!("  {:width$}  {count:>width$}  {}", "", shown(reason))
        };
        lines.extend(reasons.iter().map(reason));
    };
    add(summary.new, "new", &[]);
    if summary.without_password > 0 {
        let reasons = by_frequency(&summary.without_password_reasons);
        add(summary.without_password, "of them taken without a password; they need a new one", &reasons);
    }
    add(summary.already_there, "already there", &[]);
    if summary.still_without_password > 0 {
        let reasons = by_frequency(&summary.still_without_password_reasons);
        add(
            summary.still_without_password,
            "of them still without a password; they need a new one",
            &reasons,
        );
    }
    if summary.changed > 0 {
        let reasons = by_frequency(&summary.changed_reasons);
        add(summary.changed, "changed here, for they have changed there", &reasons);
    }
    if heading.kind == ImportKind::Sessions || summary.over > 0 {
        add(summary.over, "over, and left out", &by_frequency(&summary.over_reasons));
    }
    if summary.no_password_there > 0 {
        add(
            summary.no_password_there,
            "of all these without a password there, too: it is empty or says so",
            &[],
        );
    }
    if summary.without_name > 0 {
        let reasons = by_frequency(&summary.without_name_reasons);
        add(summary.without_name, "of all these without a name that another account has", &reasons);
    }
    if summary.left_out > 0 {
        let reasons = by_frequency(&summary.left_out_reasons);
        add(summary.left_out, "of all these with something left out that nobody needs to log in", &reasons);
    }
    add(summary.refused, "refused", &by_frequency(&summary.reasons));
    lines.join("\n")
}

#[derive(Serialize)]
struct Reason<'a> {
    reason: &'a str,
    count: u64,
}

fn document(heading: &Heading, summary: &Summary, is_complete: bool) -> serde_json::Value {
    let last = summary.last.map(|last| json!({ last.unit.name(): last.number }));
    json!({
        "what": heading.kind.name(),
        "from": heading.source,
        "is_dry_run": heading.is_dry_run,
        "is_complete": is_complete,
        "new": summary.new,
        "without_password": summary.without_password,
        "without_password_reasons": by_frequency(&summary.without_password_reasons),
        "already_there": summary.already_there,
        "still_without_password": summary.still_without_password,
        "still_without_password_reasons": by_frequency(&summary.still_without_password_reasons),
        "changed": summary.changed,
        "changed_reasons": by_frequency(&summary.changed_reasons),
        "over": summary.over,
        "over_reasons": by_frequency(&summary.over_reasons),
        "no_password_there": summary.no_password_there,
        "without_name": summary.without_name,
        "without_name_reasons": by_frequency(&summary.without_name_reasons),
        "left_out": summary.left_out,
        "left_out_reasons": by_frequency(&summary.left_out_reasons),
        "refused": summary.refused,
        "reasons": by_frequency(&summary.reasons),
        "last": last,
    })
}

/// The most frequent first.
fn by_frequency<T: AsRef<str>>(reasons: &BTreeMap<T, u64>) -> Vec<Reason<'_>> {
    let counted = reasons.iter().map(|(reason, count)| Reason { reason: reason.as_ref(), count: *count });
    let mut reasons: Vec<_> = counted.collect();
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.count));
    reasons
}

fn tell_first(mut first: Vec<Remark>, remarked: u64) {
    first.sort_by_key(|remark| remark.position.number);
    for Remark { fate, position, user, reason, kept_by, name: _ } in &first {
        let user = user.as_ref().map(|user| format!(" (user {})", shown(user))).unwrap_or_default();
        let taken = match fate {
            Fate::Refused => "",
            Fate::WithoutPassword => "taken without a password: ",
            Fate::WithoutName => "taken without a name: ",
            Fate::LeftOut => "taken with something left out: ",
        };
        let kept_by = kept_by.as_ref().map(|by| format!(" (user {})", shown(by))).unwrap_or_default();
        tell(format_args!("{position}{user}: {taken}{}{kept_by}", shown(reason)));
    }
    let more = remarked.saturating_sub(first.len() as u64);
    if more > 0 {
        tell(format_args!("and {more} more; --refused FILE keeps all of them"));
    }
}

/// The end of a sentence that begins with having stopped.
fn how_to_go_on(heading: &Heading, summary: &Summary) -> String {
    let Some(last) = summary.last else {
        return " before the first line; nothing was written".to_owned();
    };
    if heading.is_dry_run {
        return format!(" at {last}; nothing was written");
    }
    format!(" at {last}; what is counted as new is in for good, and the same command goes on from there")
}

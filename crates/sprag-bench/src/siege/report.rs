//! Writes what was measured into a document of the documentation, between two marks.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::thread::available_parallelism;

use anyhow::{Context as _, ensure};

use super::Figure;

const BEGIN: &str = "<!-- figures: just siege writes them -->\n";
const END: &str = "<!-- end of figures -->\n";

/// Attacks and what came of them.
#[derive(Default)]
pub(super) struct Report {
    /// All attacks that there are, made or not, in their order.
    known: Vec<String>,
    made: Vec<(String, Vec<Figure>)>,
}

impl Report {
    /// Notes that there is such an attack.
    pub(super) fn knows(&mut self, name: &str) {
        self.known.push(name.to_owned());
    }

    pub(super) fn add(&mut self, name: &str, figures: Vec<Figure>) {
        self.made.push((name.to_owned(), figures));
    }

    /// Puts the figures in place of those that the document has. Of an attack that was not made this time those stay; what is said
    /// there of attacks that there are not goes.
    pub(super) fn write(&self, document: &Path) -> anyhow::Result<()> {
        let text =
            fs::read_to_string(document).with_context(|| format!("could not read {}", document.display()))?;
        let parts = text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?)));
        let (before, (old, after)) =
            parts.with_context(|| format!("{} has no place for figures", document.display()))?;
        ensure!(!self.made.is_empty(), "nothing was measured");
        let text = format!("{before}{BEGIN}{}{END}{after}", self.table(old));
        fs::write(document, text).with_context(|| format!("could not write {}", document.display()))
    }

    fn table(&self, old: &str) -> String {
        let mut table =
            format!("Measured on {}.\n\n| attack | what came of it |\n| --- | --- |\n", machine());
        let mut rows: BTreeMap<String, String> = old.lines().filter_map(row).collect();
        for (name, figures) in &self.made {
            let lines: Vec<String> = figures.iter().map(Figure::line).collect();
            rows.insert(name.clone(), lines.join("; "));
        }
        let rows = self.known.iter().filter_map(|name| Some((name, rows.remove(name)?)));
        for (name, found) in rows {
            // Writing into memory does not fail.
            let _ = writeln!(table, "| {name} | {found} |");
        }
        table
    }
}

/// The two cells of a row of the table.
fn row(line: &str) -> Option<(String, String)> {
    let (name, found) = line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ")?;
    (name != "attack" && name != "---").then(|| (name.to_owned(), found.to_owned()))
}

fn machine() -> String {
    let cores = available_parallelism().map_or(0, usize::from);
    let about = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = about.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processors", |(_, model)| model.trim());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{cores} cores ({model}), Linux {}; server, attackers and honest clients share them",
        kernel.trim()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_replaced_by_its_name_and_the_others_stay() {
        let mut report = Report::default();
        ["one", "two", "three", "four"].iter().for_each(|name| report.knows(name));
        report.add("one", vec![Figure { what: "new".to_owned(), is_within: true }]);
        report.add("three", vec![Figure { what: "broken".to_owned(), is_within: false }]);
        let old = "| attack | what came of it |\n| --- | --- |\n| one | old |\n| two | kept |\n";
        let table = report.table(old);
        let (_, rows) = table.split_once("| --- | --- |\n").unwrap();
        assert_eq!(rows, "| one | new |\n| two | kept |\n| three | BROKEN: broken |\n");
    }

    #[test]
    fn a_row_that_somebody_wrote_by_hand_stayed_for_ever() {
        let mut report = Report::default();
        ["one", "two"].iter().for_each(|name| report.knows(name));
        report.add("two", vec![Figure { what: "new".to_owned(), is_within: true }]);
        let old = "| attack | what came of it |\n| --- | --- |\n| two, 15 s | by hand |\n| two | old |\n| one | kept |\n";
        let table = report.table(old);
        let (_, rows) = table.split_once("| --- | --- |\n").unwrap();
        assert_eq!(rows, "| one | kept |\n| two | new |\n", "and they stand in their order");
    }

    #[test]
    fn a_document_without_a_place_for_them_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let document = folder.path().join("attacks.md");
        fs::write(&document, "# No place\n").unwrap();
        let mut report = Report::default();
        report.knows("one");
        report.add("one", Vec::new());
        assert!(report.write(&document).is_err());
        fs::write(&document, format!("# Place\n{BEGIN}{END}Rest\n")).unwrap();
        report.write(&document).unwrap();
        let written = fs::read_to_string(&document).unwrap();
        assert!(
            written.starts_with("# Place\n") && written.ends_with("Rest\n") && written.contains("| one |")
        );
    }
}

//! The table of promises: what it calls a test is one, and every promise has a test or a reason.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::rooms;

const TABLE: &str = include_str!("../../../../docs/reference/promises.md");

/// What a row says that has no test.
const REASONS: [&str; 3] = ["Differs: ", "Not claimed", "Of the old code"];

/// Compares the table with the tests there are; `trials` are those of this binary.
pub(crate) fn are_kept(trials: &BTreeSet<String>) -> Result<(), String> {
    let mut functions = BTreeSet::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &mut functions);
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let rooms = rooms::all(&tests.join("front_ends")).map_err(|error| error.to_string())?;
    let scenes =
        rooms.iter().flat_map(|room| room.scenes.iter().map(|scene| format!("{}: {scene}", room.profile)));
    let front_ends: BTreeSet<String> = scenes.collect();
    let mut wrong = Vec::new();
    for reference in TABLE.split('`').skip(1).step_by(2) {
        if let Some(scene) = reference.strip_prefix("profiles::") {
            if scene != "…" && !trials.contains(scene) {
                wrong.push(format!("there is no scene {scene}"));
            }
        } else if let Some(scene) = reference.strip_prefix("front_ends: ") {
            if scene != "…" && !front_ends.contains(scene) {
                wrong.push(format!("there is no scene {scene} among the front ends"));
            }
        } else if let Some(profile) = reference.strip_prefix("moves: ") {
            if profile != "…" && !tests.join("moves").join(format!("{profile}.toml")).is_file() {
                wrong.push(format!("there is no move from {profile}"));
            }
        } else if let Some((_, function)) =
            reference.rsplit_once("::").filter(|(place, _)| !place.contains(' '))
            && !functions.contains(function)
        {
            wrong.push(format!("there is no test {reference}"));
        }
    }
    let rows = TABLE.lines().filter(|line| line.starts_with("| ") && line.matches(" | ").count() == 2);
    for row in rows.filter(|row| !row.starts_with("| in the document |")) {
        let shown = row.rsplit(" | ").next().unwrap_or_default();
        if !shown.contains("::")
            && !shown.contains("`front_ends: ")
            && !shown.contains("`moves: ")
            && !REASONS.iter().any(|reason| shown.starts_with(reason))
        {
            wrong.push(format!("neither a test nor a reason: {row}"));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("docs/reference/promises.md: {}", wrong.join("\n"))) }
}

/// The names of all functions below a folder.
fn collect(folder: &Path, functions: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if entry.is_dir() && name != "node_modules" && name != "target" {
            collect(&entry, functions);
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(&entry).expect("a file");
            let names = text.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
            functions.extend(names.map(str::to_owned));
        }
    }
}

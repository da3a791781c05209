//! Units for systemd in the documents: a server that is hardened and waits for its database is not given up.

use std::path::Path;

use crate::{complain, files, read, root};

/// A line `name=value` of a unit, and the section that it stands in.
type Line = (String, String, String);

/// Every unit in a document that runs something.
fn units(text: &str) -> Vec<Vec<Line>> {
    let blocks = text.split("```ini\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.filter(|block| block.contains("[Service]")).map(lines).collect()
}

fn lines(unit: &str) -> Vec<Line> {
    let mut section = String::new();
    let mut lines = Vec::new();
    for line in unit.lines().filter(|line| !line.starts_with('#')) {
        if line.starts_with('[') {
            line.clone_into(&mut section);
        } else if let Some((name, value)) = line.split_once('=') {
            lines.push((section.clone(), name.to_owned(), value.to_owned()));
        }
    }
    lines
}

fn complaints(unit: &[Line], settings: &str) -> Vec<String> {
    let value = |section: &str, name: &str| {
        let found = unit.iter().find(|(at, called, _)| at == section && called == name);
        found.map(|(_, _, value)| value.as_str())
    };
    let seconds = |name| value("[Service]", name).and_then(|text| text.parse::<u32>().ok());
    let mut wrong = Vec::new();
    let mut must = |holds: bool, what: &str| {
        if !holds {
            wrong.push(what.to_owned());
        }
    };
    must(value("[Unit]", "StartLimitIntervalSec") == Some("0"), "gives up after some starts");
    must(value("[Service]", "Restart") == Some("always"), "does not start again whatever happened");
    must(seconds("RestartSec").is_some_and(|pause| pause > 0), "starts again without a pause");
    must(seconds("TimeoutStopSec").is_none_or(|patience| patience > 8), "kills what is leaving in order");
    let is_sealed = value("[Service]", "ProtectSystem") == Some("strict");
    must(!is_sealed || value("[Service]", "StateDirectory").is_some(), "leaves no folder to write to");
    let environment = unit.iter().filter(|(_, name, _)| name == "Environment");
    for pair in environment.flat_map(|(_, _, value)| value.split_whitespace()) {
        let variable = pair.split('=').next().unwrap_or_default();
        must(settings.contains(&format!("`{variable}`")), &format!("sets {variable}, which is no setting"));
    }
    wrong
}

#[test]
fn a_unit_in_the_documents_does_not_run_into_the_start_limit() {
    let settings = read(root().join("docs/reference/config.md"));
    let mut broken = Vec::new();
    let mut documents = Vec::new();
    for path in files(&root(), &[".md"]) {
        let shown = path.strip_prefix(root()).unwrap_or(Path::new("?")).display().to_string();
        for unit in units(&read(&path)) {
            broken.extend(complaints(&unit, &settings).iter().map(|what| format!("{shown}: a unit {what}")));
            documents.push(shown.clone());
        }
    }
    let found = |name: &str| documents.iter().any(|shown| shown.ends_with(name));
    assert!(found("guide/production.md") && found("guide/three-nodes.md"), "units stand in {documents:?}");
    complain("a unit waits as long as its database takes", &broken);
}

#[test]
fn the_check_of_units_bites() {
    let unit = lines(
        "[Service]\nStartLimitIntervalSec=0\nRestart=on-failure\nProtectSystem=strict\nTimeoutStopSec=5\n\
         Environment=SPRAG_NO_SETTING=1",
    );
    let found = complaints(&unit, "`SPRAG_DATA_DIR`").join("\n");
    for words in ["gives up", "whatever happened", "a pause", "in order", "no folder", "SPRAG_NO_SETTING"] {
        assert!(found.contains(words), "{words}: {found}");
    }
}

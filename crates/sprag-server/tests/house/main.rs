//! The rules of the house (STYLE.md) that a machine can check.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod circles;
mod documents;
mod first_build;
mod graph;
mod refusals;
mod units;
mod way;
mod words;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use sprag::audit::EventKind;
use sprag::ratchet::Row;
use sprag::session::EndCause;
use sprag_server::profile::{self, CODES};

const MAX_FILE_LINES: usize = 500;

fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).expect("the crate lies two folders below the root").to_path_buf()
}

/// Every file below `folder` whose name ends so, but what is built or fetched.
fn files(folder: &Path, ends: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                let is_ours = !matches!(
                    name.as_str(),
                    "target"
                        | ".git"
                        | "node_modules"
                        | "dist"
                        | ".venv"
                        | ".next"
                        | ".svelte-kit"
                        | "corpus"
                        | "sprag-data"
                );
                if is_ours {
                    folders.push(path);
                }
            } else if ends.iter().any(|end| name.ends_with(end)) {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "no file below {} ends in one of {ends:?}", folder.display());
    found.sort();
    found
}

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn complain(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

/// What a file says to the compiler: without comments, and without what stands in its test module.
fn code(path: &Path) -> Vec<(usize, String)> {
    let text = read(path);
    let body = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or(&text);
    let lines = body.lines().enumerate().map(|(index, line)| (index + 1, line.to_owned()));
    lines.filter(|(_, line)| !line.trim_start().starts_with("//")).collect()
}

#[test]
fn a_file_fits_a_sitting() {
    let mut broken = Vec::new();
    for path in files(&root(), &[".rs", ".sql", ".toml", ".py", ".js", ".c"]) {
        let lines = read(&path).lines().count();
        if lines > MAX_FILE_LINES {
            broken.push(format!("{} has {lines} lines", path.display()));
        }
    }
    complain("split these files; a file has at most 500 lines", &broken);
}

#[test]
fn the_library_knows_no_wire_and_no_environment() {
    let forbidden = [
        "axum",
        "hyper",
        "tower",
        "clap",
        "toml::",
        "std::env",
        "std::net",
        "reqwest",
        "println!",
        "eprintln!",
        "static mut",
        "OnceLock",
        "LazyLock",
        "thread_local!",
    ];
    let mut broken = Vec::new();
    for path in files(&root().join("crates/sprag/src"), &[".rs"]) {
        for (number, line) in code(&path) {
            if let Some(word) = forbidden.iter().find(|word| line.contains(**word)) {
                broken.push(format!("{}:{number} uses {word}", path.display()));
            }
        }
    }
    complain("crates/sprag has no HTTP, configuration, environment or globals", &broken);
}

#[test]
fn dependencies_point_one_way() {
    let library = root().join("crates/sprag/src");
    let mut broken = Vec::new();
    for path in files(&library, &[".rs"]) {
        let room = path.strip_prefix(&library).unwrap().to_string_lossy().into_owned();
        let may_use_engine = room.starts_with("engine") || room == "lib.rs";
        for (number, line) in code(&path) {
            if !may_use_engine && line.contains("crate::engine") {
                broken.push(format!("{room}:{number}: only the engine and lib.rs know the engine"));
            }
            let judging: Option<&[&str]> = match room.as_str() {
                "verdict.rs" => Some(&["session", "clock", "policy"]),
                "ratchet.rs" => Some(&["session", "clock", "policy", "verdict"]),
                _ => None,
            };
            if let Some(known) = judging {
                let is_known = |path: &str| known.iter().any(|name| path.starts_with(&format!("{name}::")));
                if !line.split("crate::").skip(1).all(is_known) {
                    broken.push(format!("{room}:{number}: it knows {} only", known.join(", ")));
                }
            }
            if room.starts_with("session") && line.contains("crate::store") {
                broken.push(format!("{room}:{number}: a session does not know how it is stored"));
            }
        }
    }
    complain("dependencies point from the engine inwards", &broken);
}

#[test]
fn nothing_is_unfinished_skipped_or_unsafe() {
    let marks = ["todo!(", "unimplemented!(", "#[ignore", "unsafe {", "unsafe fn", "unsafe impl", "#[allow("];
    let mut broken = Vec::new();
    for path in files(&root().join("crates"), &[".rs"]) {
        if path.ends_with("tests/house/main.rs") {
            continue;
        }
        for (number, line) in read(&path).lines().enumerate() {
            if let Some(mark) = marks.iter().find(|mark| line.contains(**mark)) {
                broken.push(format!("{}:{}: {mark}", path.display(), number + 1));
            }
        }
    }
    complain("these stay out of the house", &broken);
}

#[test]
fn tests_do_not_sleep() {
    let mut broken = Vec::new();
    let stories = files(&root().join("crates/sprag-server/tests/stories"), &[".rs"]);
    let helpers = ["call", "people", "seam", "world"]
        .map(|name| root().join(format!("crates/sprag-testkit/src/{name}.rs")));
    for path in stories.into_iter().chain(helpers) {
        for (number, line) in read(&path).lines().enumerate() {
            if line.contains("sleep(") || line.contains("Instant::now") {
                broken.push(format!("{}:{}", path.display(), number + 1));
            }
        }
    }
    complain("a story winds its clock; it neither sleeps nor measures", &broken);
}

#[test]
fn every_refusal_code_is_documented() {
    let documented = read(root().join("docs/reference/errors.md"));
    let missing: Vec<_> = CODES
        .iter()
        .map(|code| code.name.to_owned())
        .filter(|name| !documented.contains(&format!("| `{name}` |")))
        .collect();
    complain("docs/reference/errors.md has no row for these codes; run: just reference", &missing);
}

#[test]
fn every_cause_and_every_event_is_documented() {
    let errors = read(root().join("docs/reference/errors.md"));
    let events = read(root().join("docs/reference/events.md"));
    let causes = EndCause::ALL.iter().map(|cause| (cause.name(), errors.contains(&format!("| `{cause}` |"))));
    let kinds =
        EventKind::ALL.iter().map(|kind| (kind.name(), events.contains(&format!("| `{}` |", kind.name()))));
    let missing: Vec<_> =
        causes.chain(kinds).filter(|(_, found)| !found).map(|(name, _)| name.into()).collect();
    complain("docs/reference/errors.md or events.md has no row for these", &missing);
}

#[test]
fn every_verdict_row_is_named_in_the_map() {
    let map = read(root().join("ARCHITECTURE.md"));
    let lacks = |row: &Row| !map.contains(&format!("| {} |", row.number()));
    let missing: Vec<_> =
        Row::ALL.into_iter().filter(lacks).map(|row| format!("row {}", row.number())).collect();
    complain("ARCHITECTURE.md's verdict table lacks these", &missing);
}

#[test]
fn migrations_come_in_pairs() {
    let names = |engine: &str| -> BTreeSet<String> {
        files(&root().join("crates/sprag/migrations").join(engine), &[".sql"])
            .iter()
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect()
    };
    assert_eq!(names("sqlite"), names("postgres"), "each migration stands under the same name on both sides");
}

#[test]
fn no_code_knows_a_profile_by_name() {
    let mut broken = Vec::new();
    // The binary's own name is also that of our own profile; a profile is known by where it stands, too.
    let names: Vec<String> = profile::builtin_names()
        .flat_map(|name| [format!("\"{name}\""), format!("{name}.toml")])
        .filter(|name| name != "\"sprag\"" && name != "sprag.toml")
        .chain(["profiles/sprag".to_owned()])
        .collect();
    for path in files(&root().join("crates/sprag-server/src"), &[".rs"]) {
        for (number, line) in code(&path) {
            if let Some(name) = names.iter().find(|name| line.contains(*name)) {
                broken.push(format!("{}:{number} names {name}", path.display()));
            }
        }
    }
    complain("profiles are data; no Rust file knows one", &broken);
}

#[test]
fn only_the_actions_themselves_know_an_action_by_name() {
    let server = root().join("crates/sprag-server/src");
    let mut broken = Vec::new();
    for room in ["profile", "openapi", "edge"] {
        for path in files(&server.join(room), &[".rs"]) {
            for (number, line) in code(&path) {
                let marks = ["crate::api", "Action::named(", "action.name() =", "match action"];
                if let Some(mark) = marks.iter().find(|mark| line.contains(**mark)) {
                    broken.push(format!("{}:{number}: {mark}", path.display()));
                }
            }
        }
    }
    complain("what these rooms must know of an action, its file in api/ declares", &broken);
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut broken = Vec::new();
    for path in files(&root(), &[".md"]) {
        let text = read(&path);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or(target);
            let is_elsewhere = file.is_empty() || file.contains("://") || file.starts_with("mailto:");
            let place = path.parent().unwrap().join(file);
            if !is_elsewhere && !place.exists() {
                broken.push(format!("{} links to {target}", path.display()));
            }
        }
    }
    complain("these links lead nowhere", &broken);
}

#[test]
fn the_project_speaks_only_of_itself() {
    // Written in two halves, so that this file does not contain what it looks for.
    let foreign = [
        concat!("/wor", "k/"),
        concat!("/hom", "e/"),
        concat!("/roo", "t/.cargo"),
        concat!("Co-Authored", "-By"),
    ];
    let mut broken = Vec::new();
    for path in
        files(&root(), &[".rs", ".md", ".toml", ".sql", ".sh", "justfile", "run", "test", ".json", ".c"])
    {
        let text = read(&path);
        for (number, line) in text.lines().enumerate() {
            if let Some(word) = foreign.iter().find(|word| line.contains(**word)) {
                broken.push(format!("{}:{}: {word}", path.display(), number + 1));
            }
        }
    }
    complain("no path of a machine and no author stands in the project", &broken);
}

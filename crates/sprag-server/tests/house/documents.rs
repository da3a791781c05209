//! Documents: links lead to headings that are there, and the recipes of `docs/adding` are short and true.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::{complain, files, read, root};

/// How many lines a recipe has at most: a screen.
const MAX_RECIPE_LINES: usize = 60;

/// A document's lines outside of its blocks of code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// What a heading can be linked by, as forges make it: small letters, hyphens for spaces, no other sign.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    let mut anchors = BTreeSet::new();
    for heading in prose(text).filter(|line| line.starts_with('#')) {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        let anchor: String = kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect();
        let before = times.entry(anchor.clone()).or_default();
        anchors.insert(if *before == 0 { anchor } else { format!("{anchor}-{before}") });
        *before += 1;
    }
    anchors
}

#[test]
fn links_into_documents_lead_to_a_heading() {
    let mut broken = Vec::new();
    for path in files(&root(), &[".md"]) {
        let text = read(&path);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let Some((file, anchor)) = target.split_once('#') else { continue };
            let lines =
                anchor.strip_prefix('L').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
            let named = path.parent().unwrap().join(file);
            let named = if file.is_empty() { path.clone() } else { named };
            let is_ours = !file.contains("://") && named.extension().is_some_and(|end| end == "md");
            if is_ours && !lines && named.exists() && !anchors(&read(&named)).contains(anchor) {
                broken.push(format!("{} links to {target}", path.display()));
            }
        }
    }
    complain("these links lead to no heading", &broken);
}

fn recipes() -> Vec<PathBuf> {
    let mut recipes = files(&root().join("docs/adding"), &[".md"]);
    recipes.retain(|path| !path.ends_with("README.md"));
    recipes
}

/// The files that a recipe lists: what stands in backticks at the start of each item or row of its lists and tables.
fn listed(recipe: &str) -> Vec<String> {
    let items = prose(recipe).filter_map(|line| {
        let marks = |letter: char| letter.is_ascii_digit() || " .-*|".contains(letter);
        let item = line.trim_start_matches(marks);
        (item.len() < line.len()).then(|| item.strip_prefix('`')?.split('`').next()).flatten()
    });
    let paths = items.filter(|item| item.contains('/') || item.contains('.'));
    paths.map(str::to_owned).collect()
}

/// Whether a listed file is there; of one that is still to be made, as `api/<action>.rs`, whether its folder is. Paths are
/// from the project's folder, or from a crate's `src`.
fn is_there(listed: &str) -> bool {
    let path = match listed.split_once(['<', '*']) {
        Some((folder, _)) => folder.rsplit_once('/').map_or("", |(folder, _)| folder),
        None => listed,
    };
    let sources = files(&root().join("crates"), &["lib.rs"]).into_iter();
    let mut bases = sources.filter_map(|lib| lib.parent().map(Path::to_path_buf)).chain([root()]);
    bases.any(|base| base.join(path).exists())
}

#[test]
fn a_recipe_fits_a_screen_and_names_files_that_are_there() {
    let mut broken = Vec::new();
    for path in recipes() {
        let text = read(&path);
        let lines = text.lines().count();
        if lines > MAX_RECIPE_LINES {
            broken.push(format!("{} has {lines} lines; it has at most {MAX_RECIPE_LINES}", path.display()));
        }
        let listed = listed(&text);
        if listed.is_empty() {
            broken.push(format!("{} lists no file; begin an item with a path in backticks", path.display()));
        }
        let gone = listed.iter().filter(|file| !is_there(file));
        broken.extend(gone.map(|file| format!("{} names {file}, which is not there", path.display())));
    }
    complain("recipes are short, and touch what is there", &broken);
}

#[test]
fn the_recipes_index_counts_their_files() {
    let index = read(root().join("docs/adding/README.md"));
    let mut broken = Vec::new();
    for path in recipes() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let files = listed(&read(&path)).len();
        let row = index.lines().find(|line| line.starts_with('|') && line.contains(&format!("]({name})")));
        let counted = row.and_then(|row| row.trim_end_matches([' ', '|']).rsplit('|').next());
        match counted.map(|count| count.trim().parse::<usize>()) {
            None => broken.push(format!("it has no row that links to {name}")),
            Some(count) if count == Ok(files) => {}
            Some(_) => {
                broken.push(format!("the last column of {name} must say {files}, as many as it lists"))
            }
        }
    }
    complain("docs/adding/README.md has a row for each recipe, with the number of its files", &broken);
}

#[test]
fn names_in_the_glossary_are_names_in_the_code() {
    let sources = files(&root().join("crates"), &[".rs"]).into_iter().filter(|path| {
        let name = path.to_string_lossy();
        name.contains("/src/")
    });
    let code: String = sources.map(|path| read(&path)).collect();
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    let known: BTreeSet<&str> = code.split(|letter| !is_name(letter)).collect();
    let glossary = read(root().join("docs/glossary.md"));
    let quoted = glossary.split('`').skip(1).step_by(2);
    let mut broken = Vec::new();
    for path in quoted.filter(|path| path.chars().all(|letter| is_name(letter) || letter == ':')) {
        let is_code = path.contains("::") || path.starts_with(char::is_uppercase);
        let name = path.rsplit("::").next().unwrap_or_default();
        if is_code && !known.contains(name) {
            broken.push(format!("{path}: no code has that name"));
        }
    }
    complain("docs/glossary.md says where a word stands in the code", &broken);
}

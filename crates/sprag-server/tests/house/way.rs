//! The way of one refresh, as ARCHITECTURE.md prints it: the functions are there, none is left out between two of them, and
//! it stays short.

use std::collections::BTreeSet;

use crate::{complain, read, root};

const HEADING: &str = "## One refresh, five decisions";

/// How many functions the way passes at most, and in how many files: what a reader opens in one sitting.
const MAX_FUNCTIONS: usize = 18;
const MAX_FILES: usize = 10;

/// One line of the list.
struct Stop {
    /// The function's name, behind its type's where it is a method.
    name: String,
    file: String,
}

impl Stop {
    /// The function's text from its name to its end, or nothing where the file has no such function.
    fn text(&self, file: &str) -> Option<String> {
        let (owner, function) = match self.name.rsplit_once("::") {
            Some((owner, function)) => (Some(owner), function),
            None => (None, self.name.as_str()),
        };
        match owner {
            Some(owner) => {
                blocks(file, "").into_iter().filter(|block| is_impl_of(block, owner)).find_map(|block| {
                    blocks(&block, "    ").into_iter().find(|method| defines(method, function))
                })
            }
            None => blocks(file, "").into_iter().find(|block| defines(block, function)),
        }
    }
}

/// What stands in braces at one depth of a text that rustfmt has set: each from its first line to its closing brace.
fn blocks(text: &str, indent: &str) -> Vec<String> {
    let (mut found, mut block) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let at_depth = line.strip_prefix(indent).filter(|rest| !rest.starts_with([' ', '/', '#']));
        if at_depth.is_some_and(|rest| rest != "where" && rest.starts_with(char::is_alphabetic)) {
            block.clear();
        }
        block.push(line);
        if at_depth.is_some_and(|rest| rest.starts_with('}')) {
            found.push(block.join("\n"));
            block.clear();
        }
    }
    found
}

fn first_line(block: &str) -> &str {
    block.lines().next().unwrap_or_default()
}

fn is_impl_of(block: &str, owner: &str) -> bool {
    let first = first_line(block);
    first.starts_with("impl") && words(first).any(|word| word == owner)
}

fn defines(block: &str, function: &str) -> bool {
    let mut words = words(first_line(block));
    words.any(|word| word == "fn") && words.next() == Some(function)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').filter(|word| !word.is_empty())
}

/// Whether a function's text, its own first line apart, calls another: a method as `.name(`, what belongs to a type as
/// `Type::name(`, any other by its bare name or as `(field.name)(`.
fn calls(text: &str, name: &str, is_method: bool) -> bool {
    let body = text.split_once('\n').map_or("", |(_, body)| body);
    let function = name.rsplit("::").next().unwrap();
    if is_method {
        return body.contains(&format!(".{function}("));
    }
    body.contains(&format!(".{function})("))
        || body.match_indices(&format!("{name}(")).any(|(at, _)| {
            !body[..at].ends_with(|letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '.'))
        })
}

/// Whether a function's first parameter is `self`.
fn is_method(text: &str) -> bool {
    let parameters =
        text.split("fn ").nth(1).and_then(|text| text.split(['(', ')']).nth(1)).unwrap_or_default();
    words(parameters).take(2).any(|word| word == "self")
}

/// The lines of the list.
fn list(map: &str) -> Vec<Stop> {
    let section = map.split(HEADING).nth(1).unwrap_or_default();
    let section = section.split("\n## ").next().unwrap_or_default();
    let code = |cell: &str| cell.strip_prefix('`')?.strip_suffix('`').map(str::to_owned);
    let rows = section.lines().map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    let stops =
        rows.filter_map(|cells| Some(Stop { name: code(cells.get(2)?)?, file: code(cells.get(3)?)? }));
    stops.collect()
}

#[test]
fn the_way_of_one_refresh_is_short() {
    let stops = list(&read(root().join("ARCHITECTURE.md")));
    let files: BTreeSet<&str> = stops.iter().map(|stop| stop.file.as_str()).collect();
    assert!(!stops.is_empty(), "ARCHITECTURE.md has no list under {HEADING:?}");
    assert!(
        stops.len() <= MAX_FUNCTIONS && files.len() <= MAX_FILES,
        "the way of one refresh passes {} functions in {} files; at most {MAX_FUNCTIONS} in {MAX_FILES} fit a sitting",
        stops.len(),
        files.len()
    );
}

#[test]
fn the_way_of_one_refresh_is_as_it_is_printed() {
    let stops = list(&read(root().join("ARCHITECTURE.md")));
    let mut broken = Vec::new();
    let mut passed: Vec<String> = Vec::new();
    for stop in &stops {
        let path = root().join(&stop.file);
        let text = path.exists().then(|| read(&path)).and_then(|file| stop.text(&file));
        let Some(text) = text else {
            broken.push(format!("{} has no function {}", stop.file, stop.name));
            continue;
        };
        // What one thread sends, another one takes from the queue.
        let is_sent =
            || text.contains("queue.recv()") && passed.last().is_some_and(|last| calls(last, "send", false));
        let is_method = is_method(&text);
        let is_called = passed.iter().any(|before| calls(before, &stop.name, is_method));
        if !(passed.is_empty() || is_called || is_sent()) {
            broken.push(format!("nothing that stands before it calls {} of {}", stop.name, stop.file));
        }
        passed.push(text);
    }
    complain("the list of ARCHITECTURE.md and the code differ", &broken);
}

#[test]
fn a_function_is_found_by_its_type_and_a_call_by_its_name() {
    let file = "\
struct Two;

impl Other {
    fn go(&self) {
        never();
    }
}

impl Store for Two {
    /// Goes.
    pub(super) async fn go(
        &self,
    ) -> bool {
        self.inner.gone() && (self.run)(1)
    }
}

fn gone() -> bool {
    go_on()
}
";
    let stop = |name: &str| Stop { name: name.to_owned(), file: String::new() };
    let go = stop("Two::go").text(file).unwrap();
    let gone = stop("gone").text(file).unwrap();
    assert!(is_method(&go) && !is_method(&gone));
    assert!(calls(&go, "Inner::gone", true) && calls(&go, "run", false) && calls(&gone, "go_on", false));
    assert!(!calls(&go, "gone", false) && !calls(&go, "Inner::gone", false) && !calls(&go, "Two::go", true));
    assert!(!calls(&gone, "on", false) && !calls(&go, "never", false));
    assert!(stop("go").text(file).is_none() && stop("Two::gone").text(file).is_none());
    let map = format!(
        "{HEADING}\n\n| | `f` | `a.rs` | x |\n| --- | --- | --- | --- |\n\n## Next\n| | `g` | `b.rs` | |"
    );
    let listed = list(&map);
    assert_eq!(listed.iter().map(|stop| stop.name.as_str()).collect::<Vec<_>>(), ["f"]);
}

//! No circles between modules: what uses each other is one thing in two files, or lacks a third that both use.
//!
//! **What counts.** A crate is a tree of modules, and at each of its branches stand neighbours: the children of one
//! parent, each with everything below it (a *room*), and the parent's own file. One neighbour *uses* another where any
//! file of the one refers to something that any file of the other defines. A name that a module only passes on is
//! counted for the module that defines it. Among neighbours there may be no circle, however long.
//!
//! So two files of one room may not use each other, and neither may two rooms. A parent may use its children, and they
//! its types and constants: that is how a room is built. They may not call its functions: a parent that calls what
//! calls it is a circle too, and the function belongs into a file of its own beside them.
//!
//! Not counted: `mod` and `pub use` of a child, for they call nothing; test modules; `pub(in …)`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;

use crate::graph::{Graph, Module, Reference};
use crate::{complain, files, root};

/// Who uses whom among the neighbours at one branch, each with the places where it does.
type Uses = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// At which branch two modules are neighbours, and as what. The parent's own file is called as the parent is.
fn neighbours(from: &Module, to: &Module) -> (Module, String, String) {
    let shared = from.iter().zip(to).take_while(|(one, other)| one == other).count();
    let name = |module: &Module| match module.get(..=shared) {
        Some(room) => room.join("::"),
        None => module.join("::"),
    };
    (from[..shared].to_vec(), name(from), name(to))
}

fn branches(references: &[Reference]) -> BTreeMap<Module, Uses> {
    let mut branches: BTreeMap<Module, Uses> = BTreeMap::new();
    for reference in references {
        let (branch, from, to) = neighbours(&reference.from, &reference.to);
        let parent = branch.join("::");
        let is_shown = from == parent && reference.is_reexport;
        let is_ground = to == parent && !reference.is_call;
        if !is_shown && !is_ground {
            let uses = branches.entry(branch).or_default().entry(from).or_default();
            uses.entry(to).or_default().insert(reference.place.clone());
        }
    }
    branches
}

/// The shortest way from a neighbour back to itself.
fn shortest_circle(uses: &Uses, start: &str) -> Option<Vec<String>> {
    let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for next in uses.get(at).into_iter().flat_map(BTreeMap::keys) {
            if next == start {
                let mut way = vec![start.to_owned(), at.to_owned()];
                let mut back = at;
                while back != start {
                    back = came_from[back];
                    way.push(back.to_owned());
                }
                way.reverse();
                way.dedup();
                return Some(way);
            }
            if !came_from.contains_key(next.as_str()) {
                came_from.insert(next, at);
                queue.push_back(next);
            }
        }
    }
    None
}

/// The circles at one branch, shortest first; what is said of one is not said again of another that shares a step with it.
fn circles(uses: &Uses) -> Vec<Vec<String>> {
    let mut all: Vec<_> = uses.keys().filter_map(|start| shortest_circle(uses, start)).collect();
    all.sort_by_key(Vec::len);
    let mut told = BTreeSet::new();
    all.retain(|circle| {
        let steps: Vec<_> = circle.windows(2).map(<[String]>::to_vec).collect();
        let is_new = steps.iter().all(|step| !told.contains(step));
        told.extend(steps);
        is_new
    });
    all
}

/// A circle step by step, each with one place where it is taken.
fn tell(krate: &str, uses: &Uses, circle: &[String]) -> String {
    let name = |module: &str| if module.is_empty() { "lib.rs".to_owned() } else { module.to_owned() };
    let mut told =
        format!("{krate}: {}", circle.iter().map(|one| name(one)).collect::<Vec<_>>().join(" -> "));
    for step in circle.windows(2) {
        let places = &uses[&step[0]][&step[1]];
        let first = places.first().map_or("", String::as_str);
        told +=
            &format!("\n      {} -> {} at {first}, {} in all", name(&step[0]), name(&step[1]), places.len());
    }
    told
}

#[test]
fn modules_use_each_other_in_no_circle() {
    let mut broken = Vec::new();
    for lib in files(&root().join("crates"), &["src/lib.rs", "lib.rs"]) {
        let Some(src) = lib.parent().filter(|src| src.ends_with("src")) else { continue };
        let krate = src.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        for uses in branches(&Graph::read(src).references()).values() {
            broken.extend(circles(uses).iter().map(|circle| tell(&krate, uses, circle)));
        }
    }
    complain("these modules use each other; move what both need into a third, or join them", &broken);
}

/// The circles among modules whose texts are given.
fn circles_of(texts: &[(&str, &str)]) -> Vec<String> {
    let graph =
        Graph::of(texts.iter().map(|(name, text)| (PathBuf::from(format!("{name}.rs")), (*text).to_owned())));
    let branches = branches(&graph.references());
    branches.values().flat_map(circles).map(|circle| circle.join(" -> ")).collect()
}

#[test]
fn a_circle_is_found_through_groups_rooms_and_names_passed_on() {
    let lib = ("lib", "mod a; mod b; pub use b::Passed;");
    let direct = [lib, ("a", "use crate::{b::Thing, c};"), ("b", "fn f() { super::a::go() }")];
    assert_eq!(circles_of(&direct), ["a -> b -> a"]);
    let by_rooms =
        [lib, ("a/inner", "use super::super::b::B as Other;"), ("a", ""), ("b", "use crate::a::inner::A;")];
    assert_eq!(circles_of(&by_rooms), ["a -> b -> a"]);
    let passed_on = [lib, ("a", "use crate::Passed;"), ("b", "use crate::a::A;")];
    assert_eq!(circles_of(&passed_on), ["a -> b -> a"]);
    let long = [lib, ("a", "use crate::b::B;"), ("b", "use crate::c::C;"), ("c", "use crate::a::A;")];
    assert_eq!(circles_of(&long), ["a -> b -> c -> a"]);
}

#[test]
fn a_parent_may_use_its_children_and_they_its_types_but_not_its_functions() {
    let parent = ("room", "mod child; use child::Part; pub struct Whole;");
    assert!(circles_of(&[parent, ("room/child", "use super::Whole;")]).is_empty());
    assert_eq!(
        circles_of(&[parent, ("room/child", "fn f() { super::call() }")]),
        ["room -> room::child -> room"]
    );
    let face = ("room", "mod child; pub use child::Part;");
    assert!(
        circles_of(&[face, ("room/child", "fn f() { super::call() }")]).is_empty(),
        "it only passes names on"
    );
}

#[test]
fn comments_texts_and_test_modules_use_nothing() {
    let uses_nothing = "
        // use crate::b::B;
        const TEXT: &str = \"crate::b::B\"; const RAW: &str = r#\"crate::b\"#; const LETTER: char = '\"';
        pub(in crate::b) struct A<'a>(&'a str);
        \n#[cfg(test)]\nmod tests {\n    use crate::b::B;\n}";
    let texts = [("lib", "mod a; mod b;"), ("a", uses_nothing), ("b", "use crate::a::A;")];
    assert!(circles_of(&texts).is_empty());
}

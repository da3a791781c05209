//! Which module of a crate refers to which, read from the source text: paths that begin with `crate`, `self`, `super`
//! or the name of a child, in `use` and in the middle of code. What stands in test modules does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::{files, read};

/// How many re-exports one name is followed through.
const MAX_REEXPORTS: usize = 8;

/// A module's path inside its crate, empty for the root.
pub(crate) type Module = Vec<String>;

pub(crate) struct Graph {
    modules: BTreeMap<Module, Source>,
}

/// A reference from one module to another, at a line of the first.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub(crate) from: Module,
    pub(crate) to: Module,
    pub(crate) place: String,
    /// Whether it is a `pub use`, which only shows what is elsewhere.
    pub(crate) is_reexport: bool,
    /// Whether what it names is a function, as its small letter says: no type, constant or whole module.
    pub(crate) is_call: bool,
}

struct Source {
    file: PathBuf,
    paths: Vec<Named>,
    /// What a `use` has brought into the module, by the name it has there.
    brought: BTreeMap<String, Vec<String>>,
}

/// A path as it is written: its segments, and where.
struct Named {
    segments: Vec<String>,
    line: usize,
    is_reexport: bool,
}

impl Graph {
    /// Reads all modules below a crate's `src`.
    pub(crate) fn read(src: &Path) -> Self {
        Self::of(files(src, &[".rs"]).into_iter().map(|file| {
            let below = file.strip_prefix(src).unwrap().to_path_buf();
            let text = read(&file);
            (below, text)
        }))
    }

    /// Reads modules from their texts, each with its path below `src`.
    pub(crate) fn of(texts: impl IntoIterator<Item = (PathBuf, String)>) -> Self {
        let mut modules = BTreeMap::new();
        for (file, text) in texts {
            let below = file.with_extension("");
            let mut module: Module = below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            match module.first().map(String::as_str) {
                Some("lib") => module.clear(),
                Some("main" | "bin") => continue,
                _ => {}
            }
            modules.insert(module, Source::parse(file, &text));
        }
        Self { modules }
    }

    /// Every reference from one module to another of the crate.
    pub(crate) fn references(&self) -> Vec<Reference> {
        let mut found = Vec::new();
        for (module, source) in &self.modules {
            for named in &source.paths {
                let resolved = self.resolve(module, &named.segments, MAX_REEXPORTS);
                let Some((to, item)) = resolved.filter(|(to, _)| to != module) else { continue };
                let place = format!("{}:{}", source.file.display(), named.line);
                let is_call = item.is_some_and(|name| name.starts_with(char::is_lowercase));
                found.push(Reference {
                    from: module.clone(),
                    to,
                    place,
                    is_reexport: named.is_reexport,
                    is_call,
                });
            }
        }
        found
    }

    /// The module that defines what a path names, as `module` writes it, and the name there unless it is the module's own.
    fn resolve<'p>(
        &'p self,
        module: &Module,
        segments: &'p [String],
        reexports: usize,
    ) -> Option<(Module, Option<&'p str>)> {
        let mut at = module.clone();
        let mut rest = segments;
        match segments.first()?.as_str() {
            "crate" => {
                at.clear();
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {}
            child => {
                at.push(child.to_owned());
                self.modules.get(&at)?;
                rest = &rest[1..];
            }
        }
        while rest.first().is_some_and(|segment| segment == "super") {
            at.pop()?;
            rest = &rest[1..];
        }
        while let Some(segment) = rest.first() {
            at.push(segment.clone());
            if !self.modules.contains_key(&at) {
                at.pop();
                break;
            }
            rest = &rest[1..];
        }
        let item = rest.first().map(String::as_str);
        let brought = item.and_then(|name| self.modules.get(&at)?.brought.get(name));
        let elsewhere = brought.filter(|_| reexports > 0 && at != *module);
        elsewhere.and_then(|path| self.resolve(&at, path, reexports - 1)).or(Some((at, item)))
    }
}

impl Source {
    fn parse(file: PathBuf, text: &str) -> Self {
        let text = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or(text);
        let tokens = tokens(text);
        let word = |index: usize| tokens.get(index).map_or("", |token| token.text.as_str());
        let children: BTreeSet<&str> = (0..tokens.len())
            .filter(|&index| word(index) == "mod" && word(index + 2) == ";")
            .map(|index| word(index + 1))
            .collect();
        let mut source = Self { file, paths: Vec::new(), brought: BTreeMap::new() };
        let mut index = 0;
        while index < tokens.len() {
            let is_use = word(index) == "use";
            let start = if is_use { index + 1 } else { index };
            let is_first = start == 0 || word(start - 1) != "::";
            let is_scope = start > 0 && word(start - 1) == "in";
            let begins = matches!(word(start), "crate" | "self" | "super") || children.contains(word(start));
            let goes_on = is_use || word(start + 1) == "::";
            if !(begins && goes_on && is_first) || is_scope {
                index += 1;
                continue;
            }
            let is_reexport = is_use && index > 0 && matches!(word(index - 1), "pub" | ")");
            let is_test = is_use && index >= 7 && word(index - 7) == "#" && word(index - 3) == "test";
            let mut leaves = Vec::new();
            index = tree(&tokens, start, &mut Vec::new(), &mut leaves);
            if is_test {
                continue;
            }
            for (segments, name, line) in leaves {
                if is_use {
                    source.brought.insert(name, segments.clone());
                }
                source.paths.push(Named { segments, line, is_reexport });
            }
        }
        source
    }
}

/// Reads a path, or a tree of them as `use` has it, from a token on. Gives each leaf with the name it has from then on,
/// and returns where the tree ends.
fn tree(
    tokens: &[Token],
    start: usize,
    before: &mut Vec<String>,
    leaves: &mut Vec<(Vec<String>, String, usize)>,
) -> usize {
    let depth = before.len();
    let word = |index: usize| tokens.get(index).map_or("", |token| token.text.as_str());
    let mut index = start;
    loop {
        if word(index) == "{" {
            index += 1;
            while !matches!(word(index), "}" | "") {
                index = tree(tokens, index, before, leaves);
                if word(index) == "," {
                    index += 1;
                }
            }
            before.truncate(depth);
            return index + 1;
        }
        if word(index) != "self" || before.is_empty() {
            before.push(word(index).to_owned());
        }
        let line = tokens.get(index).map_or(0, |token| token.line);
        index += 1;
        if word(index) == "::" && (is_name(word(index + 1)) || matches!(word(index + 1), "{" | "*")) {
            index += 1;
            continue;
        }
        let mut name = before.last().cloned().unwrap_or_default();
        if word(index) == "as" {
            name = word(index + 1).to_owned();
            index += 2;
        }
        leaves.push((before.clone(), name, line));
        before.truncate(depth);
        return index;
    }
}

fn is_name(word: &str) -> bool {
    word.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

struct Token {
    text: String,
    line: usize,
}

/// Names and signs, without comments and literals.
fn tokens(text: &str) -> Vec<Token> {
    let text: Vec<char> = text.chars().collect();
    let at = |index: usize| text.get(index).copied().unwrap_or('\0');
    let (mut found, mut line, mut index) = (Vec::new(), 1, 0);
    while index < text.len() {
        let start = index;
        match at(index) {
            '/' if at(index + 1) == '/' => {
                while index < text.len() && at(index) != '\n' {
                    index += 1;
                }
            }
            '"' => index = end_of_text(&text, index),
            'r' if at(index + 1) == '"' || (at(index + 1) == '#' && matches!(at(index + 2), '"' | '#')) => {
                index = end_of_raw_text(&text, index + 1);
            }
            '\'' if at(index + 1) == '\\' => {
                index += 3;
                while index < text.len() && at(index) != '\'' {
                    index += 1;
                }
                index += 1;
            }
            '\'' if at(index + 2) == '\'' => index += 3,
            first if first.is_alphanumeric() || first == '_' => {
                while at(index).is_alphanumeric() || at(index) == '_' {
                    index += 1;
                }
                found.push(Token { text: text[start..index].iter().collect(), line });
            }
            ':' if at(index + 1) == ':' => {
                index += 2;
                found.push(Token { text: "::".to_owned(), line });
            }
            sign => {
                index += 1;
                if !sign.is_whitespace() {
                    found.push(Token { text: sign.to_string(), line });
                }
            }
        }
        line += text[start..index.min(text.len())].iter().filter(|&&letter| letter == '\n').count();
    }
    found
}

fn end_of_text(text: &[char], start: usize) -> usize {
    let mut index = start + 1;
    while index < text.len() && text[index] != '"' {
        index += if text[index] == '\\' { 2 } else { 1 };
    }
    index + 1
}

fn end_of_raw_text(text: &[char], start: usize) -> usize {
    let hashes = text[start..].iter().take_while(|&&letter| letter == '#').count();
    let mut index = start + hashes + 1;
    while index < text.len() {
        let closes = text[index] == '"' && text[index + 1..].iter().take(hashes).all(|&letter| letter == '#');
        index += 1;
        if closes {
            return index + hashes;
        }
    }
    index
}

//! The words of the house: what `docs/glossary.md` has replaced does not come back, neither in names nor in prose, and
//! a comment stands alone.

use std::path::Path;

use crate::{complain, files, read, root};

/// A word that another has replaced. It is looked for among the words that a text is made of, where `MAX_PAGE_BYTES`,
/// `maxPageBytes` and "max page bytes" are the same three; so it may also be a phrase. A `*` stands for any ending.
struct Gone {
    word: &'static str,
    say: &'static str,
    /// Phrases in which the word means something else, across line ends too. To allow one more, add it here.
    but_in: &'static [&'static [&'static str]],
    /// Beginnings of paths where the word always means something else.
    but_at: &'static [&'static str],
}

/// Where names that have been replaced are listed, and shown to work.
const OLD_NAMES: &[&str] =
    &["crates/sprag-server/src/old_names.rs", "crates/sprag-server/tests/settings/old_names.rs"];

const NOWHERE: &[&str] = &[];

const GONE: &[Gone] = &[
    gone("hope*", "try first, optimistic", &[&["hopeless"]]),
    gone("hoping", "trying first, optimistic", &[]),
    gone("whoever s place", "source system", &[]),
    gone("former home*", "source system", &[]),
    gone("over there", "in the source system", &[]),
    gone("come by", "imported, or has presented its token", &[&["stories come by every row"]]),
    gone("comes by", "imported, or has presented its token", &[]),
    gone("dialer*", "connector", &[]),
    gone("renewal*", "refresh request", &[]),
    gone("chance", "randomness, random", &[&["by chance"]]),
    Gone {
        word: "lane*",
        say: "batcher",
        // A setting's name.
        but_in: &[&["database lanes", "besides the lanes"]],
        // Argon2 has lanes.
        but_at: &[
            "crates/sprag/src/password",
            "crates/sprag-server/src/old_names.rs",
            "crates/sprag-server/tests/settings/old_names.rs",
        ],
    },
    Gone {
        word: "adopt*",
        say: "fast-forward (a token ahead); bind (an imported token); replace (a key ring)",
        but_at: OLD_NAMES,
        but_in: &[
            &["refuse it ends adopt", "adopt still works"],
            // `ahead = "adopt"` and the event `ahead_adopted`.
            &[
                "ahead adopt",
                "adopt ahead",
                "adopt 1025",
                "ahead adopted",
                "adopt the session goes on refuse it ends adopt",
            ],
            // `adopts = true`.
            &[
                "adopts true",
                "adopts false",
                "adopts 1",
                "adopt true r 4 unknown key adopt did you mean adopts",
            ],
            &["transport adopts", "section adopts", "refresh token adopts"],
            &["adopts whether a client", "nor adopts matters", "for settings adopts tokens of the old"],
            // `sprag key adopt`.
            &["key adopt", "alias adopt"],
        ],
    },
];

const fn gone(word: &'static str, say: &'static str, but_in: &'static [&'static [&'static str]]) -> Gone {
    Gone { word, say, but_in, but_at: NOWHERE }
}

/// Types, traits and modules that have another name now.
const GONE_NAMES: &[(&str, &str)] = &[
    ("AccessTerms", "AccessTokenShape"),
    ("Chance", "Random"),
    ("Dialer", "Connector"),
    ("Grant", "AccessClaims"),
    ("Lane", "Batcher"),
    ("Link", "Connection"),
    ("Look", "FindOrder"),
    ("Place", "RouteContext, ParserState or ClashSite"),
    ("Refresh", "RefreshTokenText"),
    ("Refreshed", "RefreshOutcome"),
    ("Renewal", "RefreshRequest"),
    ("Standing", "SessionState"),
    ("Terms", "ClientPolicy"),
    ("Turn", "RefreshInProgress or RotateOrder"),
    ("answer", "response"),
    ("carriage", "cookie or transport"),
    ("chance", "random"),
    ("decoration", "system"),
    ("feed", "reader"),
    ("fixed", "system"),
    ("lane", "batcher"),
    ("link", "connection"),
    ("look", "find"),
    ("nowhere", "not_found"),
    ("over", "revoked_tokens or optional_fields"),
    ("reach", "cookie_reach"),
    ("slip", "toml_hints"),
    ("take", "import_one"),
    ("together", "overlap"),
    ("trouble", "error"),
    ("turn", "rotate"),
    ("wanted", "columns_needed"),
];

/// What is never rewritten, or tells of old words. A migration that has run is known by its checksum.
const EXEMPT: &[&str] = &[
    // Made from clients/js, by a program.
    "crates/sprag-server/src/cli/demo/page/files/sprag-client.js",
    "docs/glossary.md",
    "STYLE.md",
    "crates/sprag-server/tests/house/",
    "crates/sprag/migrations/postgres/V1__",
    "crates/sprag/migrations/postgres/V3__",
    "crates/sprag/migrations/sqlite/V1__",
    "crates/sprag/migrations/sqlite/V3__",
    "crates/sprag/migrations/postgres/V4__",
    "crates/sprag/migrations/sqlite/V4__",
    "crates/sprag/tests/migration.rs",
];

const TEXTS: &[&str] = &[
    ".rs",
    ".md",
    ".toml",
    ".sql",
    ".py",
    ".js",
    ".mjs",
    ".sh",
    ".cfg",
    ".conf",
    ".c",
    "justfile",
    "access.json",
    "refresh.json",
];

/// A text as its words, each with its line: small letters, names taken apart.
fn words(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut word = String::new();
        let mut last = ' ';
        for letter in line.chars().chain([' ']) {
            let begins = letter.is_uppercase() && last.is_lowercase();
            if (begins || !letter.is_alphanumeric()) && !word.is_empty() {
                found.push((index + 1, std::mem::take(&mut word)));
            }
            if letter.is_alphanumeric() {
                word.extend(letter.to_lowercase());
            }
            last = letter;
        }
    }
    found
}

fn is_word(word: &str, pattern: &str) -> bool {
    pattern.strip_suffix('*').map_or(word == pattern, |start| word.starts_with(start))
}

/// Whether the words from `at` on are those of a phrase.
fn stands(words: &[(usize, String)], at: usize, phrase: &[&str]) -> bool {
    let here = words.get(at..at + phrase.len());
    here.is_some_and(|here| here.iter().zip(phrase).all(|((_, word), pattern)| is_word(word, pattern)))
}

/// The lines of a text where a word stands, but in the phrases where it may.
fn lines_with(words: &[(usize, String)], gone: &Gone) -> Vec<usize> {
    let phrase: Vec<_> = gone.word.split(' ').collect();
    let others: Vec<Vec<_>> =
        gone.but_in.iter().copied().flatten().map(|other| other.split(' ').collect()).collect();
    let is_allowed = |at: usize| {
        others
            .iter()
            .any(|other| (0..other.len()).any(|offset| at >= offset && stands(words, at - offset, other)))
    };
    (0..words.len())
        .filter(|&at| stands(words, at, &phrase) && !is_allowed(at))
        .map(|at| words[at].0)
        .collect()
}

fn texts() -> Vec<(String, String)> {
    let mut paths = files(&root(), TEXTS);
    let scripts = files(&root().join("scripts"), &[""]).into_iter().filter(|path| path.extension().is_none());
    paths.extend(scripts);
    let named = paths.iter().map(|path| (below_root(path), path));
    named.filter(|(name, _)| !begins(name, EXEMPT)).map(|(name, path)| (name, read(path))).collect()
}

fn below_root(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_string_lossy().into_owned()
}

fn begins(path: &str, starts: &[&str]) -> bool {
    starts.iter().any(|start| path.starts_with(start))
}

#[test]
fn words_that_were_replaced_do_not_come_back() {
    let mut broken = Vec::new();
    for (name, text) in texts() {
        let words = words(&text);
        for gone in GONE.iter().filter(|gone| !begins(&name, gone.but_at)) {
            for line in lines_with(&words, gone) {
                broken.push(format!("{name}:{line}: not {:?}; say {}", gone.word, gone.say));
            }
        }
    }
    complain(
        "docs/glossary.md has another word (where this one means something else, allow its phrase)",
        &broken,
    );
}

#[test]
fn names_that_were_replaced_do_not_come_back() {
    let mut broken = Vec::new();
    for (name, text) in texts().into_iter().filter(|(name, _)| name.ends_with(".rs")) {
        let stem = Path::new(&name).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let lines = text.lines().enumerate().map(|(index, line)| (index + 1, defined(line)));
        let defined = lines.flat_map(|(line, names)| names.into_iter().map(move |defined| (line, defined)));
        for (line, defined) in [(1, stem.as_str())].into_iter().chain(defined) {
            if let Some((old, now)) = GONE_NAMES.iter().find(|(old, _)| *old == defined) {
                broken.push(format!("{name}:{line}: {old} is called {now}"));
            }
        }
    }
    complain("these types and files have other names now; see docs/glossary.md", &broken);
}

/// The types, traits and modules that a line of code defines.
fn defined(line: &str) -> Vec<&str> {
    let code = if line.trim_start().starts_with("//") { "" } else { line };
    let words: Vec<_> = code.split(|letter: char| !letter.is_alphanumeric() && letter != '_').collect();
    let defines = |pair: &&[&str]| matches!(pair[0], "struct" | "enum" | "trait" | "type" | "mod");
    words.windows(2).filter(defines).map(|pair| pair[1]).collect()
}

#[test]
fn comments_stand_alone() {
    let leaning =
        ["The same", "Same ", "As above", "As before", "Likewise", "Ditto", "See above", "Like above"];
    let mut broken = Vec::new();
    for (name, text) in texts() {
        let mark = |line: &str| {
            let marks = ["///", "//!", "//", "--", "#", "/**", "*"];
            let line = line.trim_start();
            marks.iter().find_map(|mark| line.strip_prefix(mark)).map(str::to_owned)
        };
        let is_code = !name.ends_with(".md");
        let mut before = None;
        for (index, line) in text.lines().enumerate().filter(|_| is_code) {
            let comment = mark(line);
            let opens = before.is_none();
            let said = comment.as_deref().map_or("", str::trim_start);
            if opens && leaning.iter().any(|start| said.starts_with(start)) {
                broken.push(format!("{name}:{}: {said}", index + 1));
            }
            before = comment;
        }
    }
    complain("these comments lean on what stands above; name what they are about", &broken);
}

#[test]
fn a_word_is_found_in_names_and_prose_and_spared_in_its_phrases() {
    let page = &gone("page", "slice", &[&["page size", "page of this site"]]);
    let lines = |text: &str| lines_with(&words(text), page);
    assert_eq!(lines("one\nMAX_PAGE_LINES, maxPage, a Page."), [2, 2, 2]);
    assert!(lines("pagers; SQLite's page\n    /// size, and a page\n    // of this site").is_empty());
}

//! Every code of a refusal is answered somewhere: a table may not promise what no code does.

use sprag_server::profile::CODES;

use crate::{code, complain, files, root};

/// Codes of the table that nothing answers yet, and why they stand there.
const NOT_YET: &[&str] = &[];

/// Where codes are listed and described, not answered.
const TABLES: &[&str] = &["error/refusals.rs", "profile/reference.rs", "openapi/"];

/// A name as a variant has it, `token_spent` as `TokenSpent`.
fn variant(code: &str) -> String {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    code.split('_').map(capital).collect()
}

/// Whether a line makes the refusal, and does not merely ask which one it is (as the left side of a `match` does).
fn makes(line: &str, code: &str) -> bool {
    let signs = [format!("::{}", variant(code)), code.to_uppercase(), format!("\"{code}\"")];
    signs.iter().any(|sign| {
        line.match_indices(sign.as_str()).any(|(at, _)| {
            let rest = &line[at + sign.len()..];
            !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_') && !rest.contains("=>")
        })
    })
}

#[test]
fn every_refusal_code_is_answered_somewhere() {
    let sources = files(&root().join("crates"), &[".rs"]);
    let answering = sources.iter().filter(|path| {
        let name = path.to_string_lossy();
        name.contains("/src/") && !TABLES.iter().any(|table| name.contains(table))
    });
    let lines: Vec<String> = answering.flat_map(|path| code(path)).map(|(_, line)| line).collect();
    let mut broken = Vec::new();
    for name in CODES.iter().map(|code| code.name) {
        let is_answered = lines.iter().any(|line| makes(line, name));
        match (is_answered, NOT_YET.contains(&name)) {
            (false, false) => broken.push(format!("{name}: no code answers it; take its row out")),
            (true, true) => broken.push(format!("{name}: answered now; take it out of NOT_YET")),
            _ => {}
        }
    }
    complain("each row of the table of refusals stands for an answer that is given", &broken);
}

//! What is wrong with a profile, where, and what to do about it.

use std::fmt;

use crate::quoted::LONGEST;

/// Why a profile cannot be used: `profiles/x.toml:12: unknown key "lifetime"; did you mean "lifetimes"?`
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProfileError {
    /// The file as it was named to [`Profile::parse`](super::Profile::parse).
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// What to do about it, where that is not plain from `what`.
    pub hint: Option<String>,
}

impl ProfileError {
    /// This error with advice.
    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

impl std::error::Error for ProfileError {}

/// Advice for a word that is not one of `known`: the nearest of them, or all.
pub(super) fn suggest(word: &str, known: &[&str]) -> String {
    let near = |candidate: &&str| strsim::damerau_levenshtein(word, candidate);
    let short_enough = word.len() <= LONGEST;
    match known.iter().min_by_key(|candidate| near(candidate)) {
        Some(nearest) if short_enough && near(nearest) <= 1 + nearest.len() / 4 => {
            format!("did you mean {nearest:?}?")
        }
        Some(_) => format!("use one of {}", list(known)),
        None => "there is nothing to choose from here; leave it out".to_owned(),
    }
}

/// `"a", "b", "c"`.
pub(super) fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ")
}

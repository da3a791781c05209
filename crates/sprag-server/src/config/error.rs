//! What is wrong with a configuration, in a sentence that says where and what to do.

use sprag::files::FileFault;

use super::origin::Origin;
use crate::quoted::without_password;

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A value that its setting does not accept.
    #[error("{}: {problem}", .origin.subject(.setting))]
    Value {
        /// Whose value.
        setting: &'static str,
        /// Where it came from.
        origin: Origin,
        /// Which value, and what would be accepted; a secret's value is never repeated.
        problem: String,
    },
    /// A name that is no setting's.
    #[error("{what} is no setting of sprag; {hint}")]
    Unknown {
        /// The name and where it stands.
        what: String,
        /// The nearest name there is, or where the names are listed.
        hint: String,
    },
    /// A line that cannot be understood, or must not stand there.
    #[error("{place}: {problem}")]
    Line {
        /// File and line.
        place: String,
        /// What is wrong with it; what the line says is not repeated, it may be a secret.
        problem: String,
    },
    /// A file that cannot be read.
    #[error("could not read {}", without_password(.path))]
    File {
        /// The file, as it was named.
        path: String,
        /// What stopped it.
        #[source]
        source: FileFault,
    },
    /// Values that are each accepted and together are not safe, or contradict each other.
    #[error("{0}")]
    Together(String),
    /// A profile that maps a variable to what is no setting.
    #[error("the profile maps {variable} to {target:?}: {problem}")]
    Mapping {
        /// The variable.
        variable: String,
        /// What it is mapped to.
        target: String,
        /// What is wrong with that.
        problem: String,
    },
}

/// "did you mean …" if a known name is near or has this one in it, else where the names are listed.
pub(super) fn hint<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    // Whoever writes capitals, or none, means the same name.
    let wanted = name.to_lowercase();
    let wanted = wanted.strip_prefix("sprag_").unwrap_or(&wanted);
    let far = |candidate: &str| {
        let own = candidate.strip_prefix("SPRAG_").unwrap_or(candidate).to_lowercase();
        if wanted.len() >= 3 && own != wanted && own.contains(wanted) { 1 } else { distance(wanted, &own) }
    };
    match known.map(|candidate| (far(candidate), candidate)).min() {
        Some((far, candidate)) if far <= 1 + wanted.len() / 5 => format!("did you mean {candidate}?"),
        _ => "`sprag config --reference` lists them".to_owned(),
    }
}

/// How many letters must be added, left out or changed to get from one name to the other; names longer than
/// 64 bytes are as far from everything as can be.
fn distance(from: &str, to: &str) -> usize {
    if from.len() > 64 || to.len() > 64 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.bytes().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_letters() {
        assert_eq!(distance("listen", "listen"), 0);
        assert_eq!(distance("lisen", "listen"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn a_name_far_from_all_gets_no_guess() {
        let known = ["SPRAG_LISTEN", "SPRAG_LOG"];
        assert_eq!(hint("SPRAG_LISTN", known.into_iter()), "did you mean SPRAG_LISTEN?");
        assert_eq!(hint("SPRAG_LIST", known.into_iter()), "did you mean SPRAG_LISTEN?");
        for name in ["LISTEN", "Listen", "SPRAG_Listen", "sprag_listen"] {
            assert_eq!(hint(name, known.into_iter()), "did you mean SPRAG_LISTEN?", "{name}");
        }
        assert_eq!(hint("publicUrl", ["public_url"].into_iter()), "did you mean public_url?");
        assert_eq!(hint("SPRAG_TELEMETRY", known.into_iter()), "`sprag config --reference` lists them");
        assert_eq!(hint("SPRAG_PORT", known.into_iter()), "`sprag config --reference` lists them");
    }
}

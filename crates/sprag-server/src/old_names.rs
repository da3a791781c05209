//! Names that people use and that have been replaced: each goes on working, and says once what it is called now.
//!
//! The one table of them. Whoever renames something that people write down adds a row; `ratchet.ahead = "adopt"` is no
//! row, as it stays a right word for `"fast_forward"`.

/// What kind of name it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A setting's, as its flag has it; its variable and its key in a file follow from that.
    Setting,
    /// A key of a profile, with the table it stands in.
    ProfileKey,
    /// A word of the command line, after the command it belongs to.
    Command(&'static str),
}

/// A name that has been replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OldName {
    /// What kind of name it is.
    pub kind: Kind,
    /// The name that was.
    pub old: &'static str,
    /// The name that is.
    pub new: &'static str,
}

/// Every name that has been replaced and still works.
pub const OLD_NAMES: &[OldName] = &[
    OldName { kind: Kind::Setting, old: "database-lanes", new: "database-batchers" },
    OldName { kind: Kind::ProfileKey, old: "refresh_token.adopts", new: "refresh_token.imported_tokens" },
    OldName { kind: Kind::Command("key replace"), old: "adopt", new: "replace" },
    OldName { kind: Kind::Command("audit verify"), old: "--seal", new: "--checkpoint" },
];

/// The old name of a setting or of a profile's key, if it has one.
pub(crate) fn old(kind: Kind, new: &str) -> Option<&'static OldName> {
    OLD_NAMES.iter().find(|name| name.kind == kind && name.new == new)
}

/// The settings that have old names.
pub(crate) fn settings() -> impl Iterator<Item = &'static OldName> {
    OLD_NAMES.iter().filter(|name| name.kind == Kind::Setting)
}

/// What is said of an old name, wherever it stands.
pub(crate) fn sentence(place: &str, old: &str, new: &str) -> String {
    format!("{place}: {old} still works and is now called {new}; write the new name")
}

/// What is said of old words on the command line of `command`, as in `key replace`.
pub(crate) fn of_command(command: &str, words: &[String]) -> Vec<String> {
    let stands = |word: &str| words.iter().any(|given| given == word);
    let those = OLD_NAMES.iter().filter(|name| matches!(name.kind, Kind::Command(of) if of == command));
    let given = those.filter(|name| stands(name.old) && !stands(name.new));
    given.map(|name| sentence(&format!("sprag {command}"), name.old, name.new)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn an_old_word_of_a_command_is_told_of_and_a_new_one_is_not() {
        let told = of_command("key replace", &words("sprag key adopt --now"));
        assert_eq!(
            told,
            ["sprag key replace: adopt still works and is now called replace; write the new name"]
        );
        let told = of_command("audit verify", &words("sprag audit verify --seal"));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(of_command("key replace", &words("sprag key replace")).is_empty());
        assert!(of_command("user create", &words("sprag user create adopt")).is_empty());
    }

    #[test]
    fn no_old_name_is_the_new_name_of_something() {
        for name in OLD_NAMES {
            assert!(
                OLD_NAMES.iter().all(|other| other.kind != name.kind || other.new != name.old),
                "{}",
                name.old
            );
        }
    }
}

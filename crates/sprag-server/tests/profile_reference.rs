//! The reference of the profile format is complete, and its examples are right.

use sprag_server::profile::{
    Action, CODES, Fact, ImportField, Input, OWN_CLAIMS, Profile, SETTINGS, SYSTEM_PATHS, builtin_names,
};

const REFERENCE: &str = include_str!("../../../docs/reference/profiles.md");

#[test]
fn everything_a_profile_may_name_is_in_the_reference() {
    let facts = Fact::ALL.iter().map(|fact| format!("`${}`", fact.name()));
    let inputs = Input::ALL.iter().map(|input| format!("`${}`", input.name()));
    let plain = Action::ALL.iter().map(|action| action.name()).chain(CODES.iter().map(|code| code.name));
    let plain = plain.chain(ImportField::ALL.iter().map(|field| field.name()));
    let plain = plain.chain(SYSTEM_PATHS.iter().chain(OWN_CLAIMS).chain(SETTINGS).copied());
    for word in facts.chain(inputs).chain(plain.map(|word| format!("`{word}`"))) {
        assert!(REFERENCE.contains(&word), "docs/reference/profiles.md has no {word}");
    }
}

#[test]
fn every_key_of_the_shipped_profiles_is_in_the_reference() {
    for name in builtin_names() {
        let text = Profile::builtin_text(name).expect("a shipped profile");
        let profile: toml::Table = text.parse().expect("TOML");
        for (key, value) in profile {
            assert!(
                REFERENCE.contains(&format!("`{key}`")) || REFERENCE.contains(&format!("[{key}]")),
                "{key}"
            );
            let free = ["route", "environment", "refusal", "import"].contains(&key.as_str());
            for (key, _) in value.as_table().into_iter().filter(|_| !free).flatten() {
                assert!(
                    REFERENCE.contains(&format!("| `{key}` |")),
                    "docs/reference/profiles.md has no row {key}"
                );
            }
        }
    }
}

#[test]
fn the_profiles_in_the_reference_are_right() {
    let profiles: Vec<&str> =
        REFERENCE.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(profiles.len(), 2);
    for profile in profiles {
        Profile::parse("example", "docs/reference/profiles.md", profile)
            .unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn the_statuses_in_the_reference_are_the_usual_ones() {
    for code in CODES {
        let word = format!("`{}`", code.name);
        let status = code.status.as_str();
        let rows = REFERENCE.lines().filter(|line| line.starts_with("| 4") || line.starts_with("| 5"));
        let row = rows.into_iter().find(|line| line.contains(&word)).expect(&word);
        assert!(row.split('|').nth(1).is_some_and(|statuses| statuses.contains(status)), "{row}");
    }
}

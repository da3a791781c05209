//! The reference of the profile format is complete, and its examples are right.

use sprag::access::RESERVED_CLAIMS;
use sprag_server::profile::{
    Action, CODES, Fact, ImportField, Input, Profile, SETTINGS, SYSTEM_PATHS, builtin_names,
    refusals_reference,
};

const REFERENCE: &str = include_str!("../../../docs/reference/profiles.md");

/// The reference of refusals, to which that of profiles leads for their codes.
const REFUSALS: &str = include_str!("../../../docs/reference/errors.md");

#[test]
fn everything_a_profile_may_name_is_in_the_reference() {
    let facts = Fact::ALL.iter().map(|fact| format!("`${}`", fact.name()));
    let inputs = Input::ALL.iter().map(|input| format!("`${}`", input.name()));
    let plain = Action::ALL.iter().map(|action| action.name());
    let plain = plain.chain(ImportField::ALL.iter().map(|field| field.name()));
    let plain = plain.chain(SYSTEM_PATHS.iter().chain(&RESERVED_CLAIMS).chain(SETTINGS).copied());
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
fn the_reference_of_refusals_says_what_the_table_says() {
    assert!(REFUSALS == refusals_reference(), "docs/reference/errors.md is stale; run: just reference");
    assert!(
        REFERENCE.contains("](errors.md#codes)"),
        "docs/reference/profiles.md does not lead to the codes"
    );
    for code in CODES {
        let row = format!("| `{}` | {} | {} |", code.name, code.status, code.when);
        assert!(REFUSALS.contains(&row), "docs/reference/errors.md has no row {row}");
    }
}

//! The reference of the profile format is complete, and its examples are right.

use std::collections::BTreeSet;

use sprag::access::RESERVED_CLAIMS;
use sprag_server::profile::{
    Action, Answer, CODES, Fact, ImportField, Input, Needs, Profile, SETTINGS, SYSTEM_PATHS, builtin_names,
    refusals_reference,
};

const REFERENCE: &str = include_str!("../../../../docs/reference/profiles.md");

/// The reference of refusals, to which that of profiles leads for their codes.
const REFUSALS: &str = include_str!("../../../../docs/reference/errors.md");

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
    assert!(
        REFUSALS == refusals_reference(Action::ALL),
        "docs/reference/errors.md is stale; run: just reference"
    );
    assert!(
        REFERENCE.contains("](errors.md#codes)"),
        "docs/reference/profiles.md does not lead to the codes"
    );
    for code in CODES {
        let row = format!("| `{}` | {} | {} |", code.name, code.status, code.when);
        assert!(REFUSALS.contains(&row), "docs/reference/errors.md has no row {row}");
    }
}

#[test]
fn the_table_of_actions_says_what_each_needs_takes_and_gives() {
    let after = REFERENCE
        .split("| `does` | what it does | needs | can take | can give |\n")
        .nth(1)
        .expect("the table");
    let rows: Vec<Vec<&str>> = after
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let named: BTreeSet<String> = rows.iter().map(|row| row[0].to_owned()).collect();
    let known: BTreeSet<String> = Action::ALL.iter().map(|action| format!("`{}`", action.name())).collect();
    assert_eq!(named, known, "docs/reference/profiles.md has one row for each action");
    for action in Action::ALL {
        let name = action.name();
        let row = rows.iter().find(|row| row[0] == format!("`{name}`")).expect("it is there");
        assert_eq!(row[2], needs(*action), "{name} needs");
        let taken: BTreeSet<&str> = row[3].split('`').filter(|word| word.starts_with('$')).collect();
        let inputs: Vec<String> = action.inputs().iter().map(|input| format!("${}", input.name())).collect();
        assert_eq!(taken, inputs.iter().map(String::as_str).collect(), "{name} can take");
        assert_eq!(given(row[4]), (names(&action.facts()), names(action.facts_of_each())), "{name} can give");
        let is_json = matches!(action.answer(), Answer::Json { .. });
        assert_eq!(row[4].starts_with("JSON "), is_json, "{name} can give");
    }
}

fn needs(action: Action) -> &'static str {
    match action.needs() {
        Needs::Nothing => "–",
        Needs::AccessToken => "access token",
        Needs::AccessTokenOrRepeat => "access token, or the same request again",
        Needs::AccessTokenOrCookie => "access token, or the cookie beside it",
        Needs::AccessTokenOrEnrolment => {
            "access token, or `$mfa_token` of a log-in that waits until the account has a second factor"
        }
        Needs::Administrator => "an administrator's access token",
        Needs::AdministratorUnlessOpen => "an administrator's access token where `registration = \"admin\"`",
        Needs::RefreshToken => "refresh token",
        Needs::RefreshOrAccessToken => "refresh token, or else the access token",
    }
}

/// The names of what can stand anywhere, and of what can stand in a list.
type Given = (BTreeSet<&'static str>, BTreeSet<&'static str>);

fn given(cell: &str) -> Given {
    let (mut anywhere, mut each) = (BTreeSet::new(), BTreeSet::new());
    for word in cell.split(", ") {
        match word {
            "constants" | "JSON as its standard has it" | "JSON of its own" => {}
            "pair" => anywhere.extend(names(Fact::PAIR)),
            "account" => anywhere.extend(names(Fact::ACCOUNT)),
            "explained session" => anywhere.extend(names(&[Fact::ITEM, Fact::ENDED].concat())),
            "session list" => each.extend(names(Fact::ITEM)),
            "account list" => each.extend(names(Fact::ACCOUNT)),
            "event list" => each.extend(names(Fact::EVENT)),
            word => {
                let name = word.trim_matches('`').strip_prefix('$');
                let fact = name.and_then(Fact::named).unwrap_or_else(|| panic!("{word} is no fact"));
                anywhere.extend(names(&[fact]));
            }
        }
    }
    (anywhere, each)
}

fn names(facts: &[Fact]) -> BTreeSet<&'static str> {
    facts.iter().map(|fact| fact.name()).collect()
}

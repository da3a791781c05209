//! What a profile says for APIs and people of another system: claims and `sub` of the account, its key there, old tokens.

use serde_json::{Value, json};
use sprag::account::{Account, External, Particulars};
use sprag::clock::Timestamp;
use sprag::engine::{Claims, Subject};
use sprag::session::{AccountId, ProfileId};
use sprag_server::profile::{Facts, Profile};
use uuid::Uuid;

use sprag_testkit::wrong_profile::assert_wrong_in;

const PROFILE: &str = r#"id = 1000
about = "a profile for tests"
registration = "open"
refresh_token = { body = "refreshToken", imported_tokens = true }
access_token = { subject = "external", audience = false, claims = { role = "$account.role", name = "$account.name?" } }

[[route]]
on = "POST /register"
does = "register"
takes = { email = "$email", name = "$full_name?", first = "$given_name?", last = "$family_name?", password = "$password" }
gives = { id = "$account.subject_number", key = "$account.subject", name = "$account.name", first = "$account.given_name?", last = "$account.family_name?", token = "$access_token", refreshToken = "$refresh_token" }

[[route]]
on = "POST /login"
does = "login"
takes = { email = "$name", password = "$password" }
gives = { token = "$access_token", refreshToken = "$refresh_token" }

[environment]
NODE_ENV = "secure-cookies:production"
ORIGIN = "cors-origins"

[[route]]
on = "POST /logout"
does = "logout"
"#;

fn profile(text: &str) -> Profile {
    Profile::parse("x", "x.toml", text).unwrap_or_else(|error| panic!("{error}"))
}

/// The error after `old` in [`PROFILE`] became `new`.
#[track_caller]
fn assert_wrong(old: &str, new: &str, expected: &str) {
    assert_wrong_in(PROFILE, old, new, expected);
}

fn account(particulars: Particulars) -> Account {
    Account {
        email: Some("ann@example.org".to_owned()),
        particulars,
        ..Account::new(AccountId(Uuid::from_u128(1)), Timestamp(0))
    }
}

fn imported(external_id: &str) -> Account {
    let external = Some(External { profile: profile(PROFILE).client.id, id: external_id.to_owned() });
    account(Particulars { external, ..Particulars::default() })
}

fn registered(account: &Account) -> Value {
    let facts = Facts {
        account: Some(account),
        access_token: Some("a"),
        refresh_token: Some("r"),
        profile: Some(profile(PROFILE).client.id),
        ..Facts::default()
    };
    profile(PROFILE).wire.routes[0].gives.render(&facts)
}

fn claims(account: &Account) -> Value {
    match profile(PROFILE).client_policy().access.claims {
        Claims::OfAccount(claims) => Value::Object(claims(account)),
        _ => panic!("the profile's claims tell of the account"),
    }
}

#[test]
fn a_profile_says_who_its_tokens_speak_for() {
    let client = profile(PROFILE).client_policy();
    assert!(client.takes_imported_tokens && client.access.has_no_audience);
    assert_eq!(client.access.subject, Subject::External);
    let words = [("id", Subject::Id), ("username", Subject::Username), ("email", Subject::Email)];
    for (word, subject) in words {
        let other = profile(&PROFILE.replace("\"external\"", &format!("{word:?}")));
        assert_eq!(other.client_policy().access.subject, subject);
    }
    let plain = profile(&PROFILE.replace("access_token = {", "access_token = { jitter_percent = 0 } #"))
        .client_policy();
    assert!(!plain.access.has_no_audience && matches!(plain.access.claims, Claims::None));
    assert_eq!(plain.access.subject, Subject::Id);
}

#[test]
fn claims_tell_what_the_account_brought_along() {
    let role = Some("editor".to_owned());
    let ann = account(Particulars { role, name: Some("Ann".to_owned()), ..Particulars::default() });
    assert_eq!(claims(&ann), json!({ "role": "editor", "name": "Ann" }));
    assert_eq!(
        claims(&account(Particulars::default())),
        json!({ "role": "user" }),
        "there is no name to tell"
    );
    let constant = profile(
        &PROFILE.replace("{ role = \"$account.role\", name = \"$account.name?\" }", "{ type = \"access\" }"),
    );
    assert!(
        matches!(constant.client_policy().access.claims, Claims::Constant(claims) if claims["type"] == "access")
    );
}

#[test]
fn a_key_of_the_source_system_is_a_number_where_it_was_one() {
    for (key, number) in [
        ("7", json!(7)),
        ("0", json!(0)),
        ("9007199254740991", json!(9_007_199_254_740_991_u64)),
        ("9007199254740992", json!("9007199254740992")),
        ("007", json!("007")),
        ("+7", json!("+7")),
        ("-7", json!("-7")),
        ("65f1c0ffee65f1c0ffee0007", json!("65f1c0ffee65f1c0ffee0007")),
    ] {
        let answer = registered(&imported(key));
        assert_eq!((&answer["id"], &answer["key"]), (&number, &json!(key)), "{key}");
    }
    let id = json!("00000000-0000-0000-0000-000000000001");
    let external =
        Some(External { profile: ProfileId(profile(PROFILE).client.id.0 + 1), id: "7".to_owned() });
    let stranger = registered(&account(Particulars { external, ..Particulars::default() }));
    assert_eq!(stranger["id"], id, "another system's key means nothing here");
    let answer = registered(&account(Particulars::default()));
    assert_eq!((&answer["id"], &answer["key"]), (&id, &id), "whoever never lived elsewhere has its id there");
}

#[test]
fn names_of_people_are_null_or_absent_where_they_are_not_known() {
    let nobody = registered(&account(Particulars::default()));
    assert_eq!(nobody["name"], Value::Null);
    assert!(nobody.get("first").is_none() && nobody.get("last").is_none(), "{nobody}");
    let [name, given_name, family_name] = ["Ann Archer", "Ann", "Archer"].map(|name| Some(name.to_owned()));
    let ann = registered(&account(Particulars { name, given_name, family_name, ..Particulars::default() }));
    assert_eq!(
        (&ann["name"], &ann["first"], &ann["last"]),
        (&json!("Ann Archer"), &json!("Ann"), &json!("Archer"))
    );
}

#[test]
fn what_is_wrong_with_them_has_its_line_and_a_way_out() {
    assert_wrong(
        "subject = \"external\"",
        "subject = \"externl\"",
        r#"5: access_token.subject cannot be "externl"; did you mean "external"?"#,
    );
    assert_wrong(
        "subject = \"external\"",
        "subject = 7",
        "5: access_token.subject must be a text in quotes, not 7",
    );
    assert_wrong(
        "audience = false",
        "audience = \"none\"",
        r#"5: access_token.audience must be true or false, not "none""#,
    );
    assert_wrong(
        "audience = false",
        "audiences = false",
        r#"5: unknown key "audiences"; did you mean "audience"?"#,
    );
    assert_wrong(
        "imported_tokens = true",
        "imported_tokens = 1",
        "4: refresh_token.imported_tokens must be true or false, not 1",
    );
    assert_wrong(
        "imported_tokens = true",
        "import_tokens = true",
        r#"4: unknown key "import_tokens"; did you mean "imported_tokens"?"#,
    );
    assert_wrong(
        "role = \"$account.role\"",
        "account_id = \"$account.id\"",
        r#"5: the claim "account_id" is always set by the server; choose another name"#,
    );
    assert_wrong(
        "\"$account.role\"",
        "\"$account.rol\"",
        r#"5: "$account.rol" is not available here; did you mean "$account.role"?"#,
    );
    assert_wrong(
        "email = \"$name\"",
        "email = \"$name\", full = \"$full_name\"",
        r#"16: this action does not take "$full_name"; it takes "$name", "$username", "$email", "$password", "$device", "$transport", "$refresh_token", "$device_token", "$altcha""#,
    );
}

#[test]
fn claims_tell_of_the_account_and_of_nothing_else() {
    let told = PROFILE.replace("\"$account.role\"", "\"$access_token\"");
    let error = Profile::parse("x", "x.toml", &told).expect_err("an error").to_string();
    let begins = "x.toml:5: \"$access_token\" is not available here; available are \"$account.id\", ";
    assert!(error.starts_with(begins), "{error}");
}

#[test]
fn a_variable_turns_a_switch_on_by_its_word() {
    assert_wrong(
        "\"secure-cookies:production\"",
        "\"secure-cookies:\"",
        r#"20: after secure-cookies: stands the word that turns it on; as "secure-cookies:production""#,
    );
    assert_wrong("\"cors-origins\"", "\"cors-origins:days\"", "21: cors-origins has no unit");
    assert_wrong(
        "\"cors-origins\"",
        "\"cors-origin\"",
        r#"21: there is no setting "cors-origin" for a variable to stand for; did you mean "cors-origins"?"#,
    );
}

#[test]
fn a_former_path_of_the_cookie_is_another_one() {
    let profile = |former: &str| {
        let text = Profile::builtin_text("sprag").expect("our profile");
        let text = text.replace("path = \"/\"", &format!("path = \"/\", former_path = {former:?}"));
        Profile::parse("sprag", "sprag.toml", &text)
    };
    let error = profile("/").expect_err("an error").to_string();
    assert!(
        error.ends_with(
            "the former path is the path; leave former_path out: a cookie of the same path is overwritten"
        ),
        "{error}"
    );
    let cookie = profile("/old").expect("a profile").wire.refresh.cookie.expect("a cookie");
    assert_eq!(cookie.former_path.as_deref(), Some("/old"));
}

//! `[import]` of a profile: what it says, and what is wrong with it, by line.

use sprag_server::profile::{ImportField, ImportKind, Profile};

use sprag_testkit::wrong_profile::{assert_wrong_in, error};

/// A profile in which everything may stand that a test wants to replace.
const PROFILE: &str = r#"id = 7
about = "a profile for tests"

[[route]]
on = "POST /refresh"
does = "refresh"
gives = { token = "$access_token", refreshToken = "$refresh_token" }

[import.users]
table = "users"
columns = { external_id = "_id", email = "e-mail?", password_hash = "hash", role = "role?" }
admin_role = "admin"

[import.sessions]
table = "public.refresh_tokens"
columns = { user = "user_id", token_sha256 = "token_hash", expires_at = "expires", is_revoked = "revoked" }
"#;

/// The error after `old` in [`PROFILE`] became `new`.
#[track_caller]
fn assert_wrong(old: &str, new: &str, expected: &str) {
    assert_wrong_in(PROFILE, old, new, expected);
}

#[test]
fn columns_tables_and_what_may_be_lacking_are_read() {
    let profile = Profile::parse("x", "profiles/x.toml", PROFILE).expect("a profile that is right");
    let import = profile.import.expect("an import");
    let users = import.of(ImportKind::Users).expect("users");
    assert_eq!((users.table.as_deref(), users.admin_role.as_deref()), (Some("users"), Some("admin")));
    let email = users.column(ImportField::Email).expect("an e-mail address");
    assert_eq!((email.column.as_str(), email.is_optional), ("e-mail", true));
    let id = users.column(ImportField::ExternalId).expect("an id");
    assert_eq!((id.column.as_str(), id.is_optional), ("_id", false));
    let sessions = import.of(ImportKind::Sessions).expect("sessions");
    assert_eq!(sessions.table.as_deref(), Some("public.refresh_tokens"));
    assert_eq!(sessions.column(ImportField::Token), None);
    for alone in ["[import.users]", "[import.sessions]"] {
        let (head, tables) = PROFILE.split_at(PROFILE.find("[import.users]").expect("an import"));
        let at = tables.find(alone).expect("the table");
        let table = tables[at..].split("\n\n").next().expect("its text");
        assert_eq!(error(&format!("{head}{table}\n")), "no error", "{alone} may stand alone");
    }
}

#[test]
fn what_is_wrong_has_its_line() {
    let cases = [
        ("role = \"role?\"", "rolle = \"role?\"", "11: unknown key \"rolle\"; did you mean \"role\"?"),
        ("table = \"users\"", "tabel = \"users\"", "10: unknown key \"tabel\"; did you mean \"table\"?"),
        (
            "table = \"users\"",
            "table = \"\"",
            "10: \"\" is not the name of a table; it has 1 to 200 bytes, as \"users\"",
        ),
        ("\"role?\"", "\"?\"", "11: role needs a column's name, of 1 to 200 bytes; as \"user_id\""),
        ("\"role?\"", "7", "11: import.users.columns.role must be a text in quotes, not 7"),
        ("external_id = \"_id\", ", "", "9: import.users.columns has no \"external_id\"; add it"),
        (
            "\"_id\"",
            "\"_id?\"",
            "9: nothing can be imported without \"external_id\"; leave out the question mark",
        ),
        (
            "email = \"e-mail?\", ",
            "",
            "9: a user needs a name to log in with; add \"username\" or \"email\", or both",
        ),
        (", role = \"role?\"", "", "9: admin_role needs the column of the role; add \"role\" to columns"),
        (
            "token_sha256 = \"token_hash\", ",
            "",
            "14: a session needs its token, in clear or hashed; write either \"token\" or \"token_sha256\"",
        ),
        (
            "token_sha256 = \"token_hash\"",
            "token_sha256 = \"token_hash\", token = \"token\"",
            "14: a session needs its token, in clear or hashed; write either \"token\" or \"token_sha256\"",
        ),
        (", expires_at = \"expires\"", "", "14: import.sessions.columns has no \"expires_at\"; add it"),
        (
            "is_revoked = \"revoked\"",
            "is_revoked = \"revoked?\"",
            "16: is_revoked takes no question mark: where its column is not found, what is revoked or disabled there would \
             live on here; name the column alone, or leave the field out if the source has none",
        ),
        (
            "is_revoked = \"revoked\"",
            "revoked_at = \"revoked_at?\"",
            "16: revoked_at takes no question mark: where its column is not found, what is revoked or disabled there would \
             live on here; name the column alone, or leave the field out if the source has none",
        ),
        (
            "[import.sessions]",
            "[import.tokens]",
            "14: unknown key \"tokens\"; use one of \"users\", \"sessions\"",
        ),
    ];
    for (old, new, expected) in cases {
        assert_wrong(old, new, expected);
    }
    let head = PROFILE.split("[import.users]").next().expect("a profile");
    assert_eq!(
        error(&format!("{head}[import]\n")),
        "profiles/x.toml:9: import says nothing; add [import.users] or [import.sessions]"
    );
    let sessions = PROFILE.replace("is_revoked = \"revoked\"", "email = \"x\"");
    assert!(
        error(&sessions)
            .starts_with("profiles/x.toml:16: unknown key \"email\"; use one of \"user\", \"token\"")
    );
}

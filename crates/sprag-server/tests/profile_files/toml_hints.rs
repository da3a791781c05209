//! What TOML has against a profile is told with a way out; and what a profile hands out must have a way back.

use sprag_testkit::wrong_profile::{assert_wrong_in, error};

const PROFILE: &str = r#"id = 7
about = "a profile for tests"
registration = "open"
refresh_token = { body = "refreshToken", cookie = { name = "refreshToken", path = "/api/auth" } }
ratchet = { reuse_interval = "30s", retry = "refuse" }

[refusal]
gives = { success = false, message = "$message" }

[environment]
JWT_EXPIRE = "access-ttl"

[[route]]
on = "POST /api/auth/login"
does = "login"
takes = { email = "$email", password = "$password" }
gives = { token = "$access_token", refreshToken = "$refresh_token" }

[[route]]
on = "POST /api/auth/refresh"
does = "refresh"
gives = { token = "$access_token", refreshToken = "$refresh_token" }
"#;

/// The error after `old` in [`PROFILE`] became `new`.
#[track_caller]
fn assert_wrong(old: &str, new: &str, expected: &str) {
    assert_wrong_in(PROFILE, old, new, expected);
}

#[test]
fn the_profile_itself_is_right() {
    assert_eq!(error(PROFILE), "no error");
}

#[test]
fn what_toml_does_not_allow_has_its_line_too() {
    let cases = [
        (
            "registration = \"open\"",
            "registration = open",
            r#"3: the value of registration is a text and stands in no quotes; write registration = "open""#,
        ),
        (
            "reuse_interval = \"30s\"",
            "reuse_interval = 30s",
            r#"5: the value of reuse_interval is a text and stands in no quotes; write reuse_interval = "30s""#,
        ),
        (
            "success = false",
            "success = False",
            "8: the value of success is no word of TOML, which writes true and false in small letters; write success = false",
        ),
        ("id = 7", "id: 7", "1: a colon stands after id where TOML has an equals sign; write id = \"value\""),
        (
            "does = \"login\"",
            "does = \u{201c}login\u{201d}",
            "15: a typographic quote stands here (\u{201c}), which TOML does not know; write straight quotes, as in name = \"value\"",
        ),
        (
            "\"open\"",
            "\"open",
            "3: invalid basic string, expected `\"`; close the double quote on the same line",
        ),
        (
            "[refusal]",
            "[refusal",
            "7: unclosed table, expected `]`; close the bracket, as in [refusal]; a call begins with [[route]]",
        ),
        (
            "registration = \"open\"",
            "id = 8",
            r#"3: the key "id" stands here twice, first on line 1; keep one of them"#,
        ),
        (
            "retry = ",
            "reuse_interval = ",
            r#"5: the key "reuse_interval" stands here twice; keep one of them"#,
        ),
        (
            "[environment]",
            "[refusal]",
            r#"10: the table "refusal" stands here twice, first on line 7; put the lines of both into one"#,
        ),
    ];
    for (old, new, expected) in cases {
        assert_wrong(old, new, expected);
    }
}

#[test]
fn a_call_that_does_not_begin_with_two_brackets_is_told_so() {
    const HINT: &str =
        "begin each call with the line [[route]], just so: two brackets on either side, and no s";
    let profile = "id = 7\nabout = \"\"\n[[route]]\non = \"POST /a\"\n[route.gives]\na = 1\n";
    for (more, line, table, first) in [
        ("[route]\n", 7, "route", 3),
        ("[route.gives]\n", 7, "route.gives", 5),
        ("[[routes]]\n[route.gives]\n", 8, "route.gives", 5),
    ] {
        let expected = format!(
            "profiles/x.toml:{line}: the table {table:?} stands here twice, first on line {first}; {HINT}"
        );
        assert_eq!(error(&format!("{profile}{more}")), expected);
    }
    let told = error(&profile.replace("[[route]]", "[route]"));
    assert_eq!(
        told,
        "profiles/x.toml:3: route must be an array, not a table; begin each call with the line [[route]], with two brackets"
    );
}

#[test]
fn a_refresh_token_that_reaches_nobody_is_told() {
    let unreachable = |path: &str, line: usize| {
        format!(
            "{line}: the cookie's path \"/api/auth\" does not cover {path:?}, so no browser would send the refresh token there; \
             widen the path of refresh_token.cookie on line 4"
        )
    };
    assert_wrong("POST /api/auth/refresh", "POST /shop/refresh", &unreachable("/shop/refresh", 20));
    assert_wrong("POST /api/auth/refresh", "POST /api/authors", &unreachable("/api/authors", 20));
    // A log-out and a password change do with the access token, and a token to revoke may stand in the body.
    for rest in [
        "\"password\"\ntakes = { a = \"$current_password\", b = \"$new_password\" }\ngives = { token = \"$access_token\", \
         refreshToken = \"$refresh_token\" }",
        "\"logout\"",
        "\"revoke\"",
    ] {
        let profile = format!("{PROFILE}\n[[route]]\non = \"POST /shop/elsewhere\"\ndoes = {rest}\n");
        assert_eq!(error(&profile), "no error");
    }
    let cookie_only = PROFILE
        .replace("{ body = \"refreshToken\", cookie", "{ transport = \"cookie\", cookie")
        .replace(", refreshToken = \"$refresh_token\"", "");
    assert_eq!(error(&cookie_only), "no error");
    let profile = format!("{cookie_only}\n[[route]]\non = \"POST /shop/revoke\"\ndoes = \"revoke\"\n");
    assert_eq!(error(&profile), format!("profiles/x.toml:{}", unreachable("/shop/revoke", 25)));
    let profile = &PROFILE[..PROFILE.rfind("[[route]]").unwrap_or_default()];
    let told =
        "14: login hands out a refresh token that no call takes; add a [[route]] that does = \"refresh\"";
    assert_eq!(error(profile), format!("profiles/x.toml:{told}"));
}

//! What is wrong with a profile is told with its line and a way out.

use sprag_server::profile::{Profile, check_together};

use sprag_testkit::wrong_profile::{assert_wrong_in, error};

/// A profile in which everything may stand that a test wants to replace.
const PROFILE: &str = r#"id = 7
about = "a profile for tests"
lifetimes = { access = "15m", refresh = "7d", absolute = "30d" }
registration = "open"
refresh_token = { encoding = "opaque", body = "refreshToken", cookie = { name = "refreshToken", path = "/api/auth" } }
ratchet = { reuse_interval = "30s", retry = "refuse" }
access_token = { jitter_percent = 0, claims = { type = "access" } }

[[route]]
on = "POST /api/auth/login"
does = "login"
takes = { email = "$email", password = "$password" }
gives = { success = true, token = "$access_token", refreshToken = "$refresh_token" }

[[route]]
on = "GET /api/auth/tokens"
does = "sessions"
gives = { tokens = [{ createdByIp = "$session.ip" }] }

[[route]]
on = "DELETE /api/auth/tokens/{id}"
does = "end_session"

[refusal]
gives = { success = false, message = "$message" }
[refusal.codes.token_expired]
status = 401
message = "Token expired"

[environment]
JWT_EXPIRE = "access-ttl"

[[route]]
on = "POST /api/auth/logout"
does = "logout"
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
fn an_unknown_key_is_an_error_wherever_it_stands() {
    let cases = [
        ("lifetimes =", "lifetime =", r#"3: unknown key "lifetime"; did you mean "lifetimes"?"#),
        (
            "registration =",
            "colour =",
            r#"4: unknown key "colour"; use one of "extends", "id", "about", "lifetimes", "refresh_token", "ratchet", "access_token", "registration", "email_confirmation", "login_link", "password", "second_factor", "geo", "hooks", "offers", "next_id", "next_id_floor", "route", "refusal", "environment", "import""#,
        ),
        ("access = \"15m\"", "acess = \"15m\"", r#"3: unknown key "acess"; did you mean "access"?"#),
        ("encoding =", "encodng =", r#"5: unknown key "encodng"; did you mean "encoding"?"#),
        ("path =", "pth =", r#"5: unknown key "pth"; did you mean "path"?"#),
        (
            "reuse_interval =",
            "reuse_intervall =",
            r#"6: unknown key "reuse_intervall"; did you mean "reuse_interval"?"#,
        ),
        (
            "jitter_percent",
            "jitter",
            r#"7: unknown key "jitter"; use one of "jitter_percent", "claims", "subject", "audience""#,
        ),
        ("does = \"login\"", "dose = \"login\"", r#"11: unknown key "dose"; did you mean "does"?"#),
        ("message = \"Token", "mesage = \"Token", r#"28: unknown key "mesage"; did you mean "message"?"#),
        ("[refusal]\ngives", "[refusal]\ngive", r#"25: unknown key "give"; did you mean "gives"?"#),
    ];
    for (old, new, expected) in cases {
        assert_wrong(old, new, expected);
    }
}

#[test]
fn a_word_from_a_closed_list_is_checked() {
    let cases = [
        (
            "\"opaque\"",
            "\"opague\"",
            r#"5: refresh_token.encoding cannot be "opague"; did you mean "opaque"?"#,
        ),
        ("\"refuse\"", "\"maybe\"", r#"6: ratchet.retry cannot be "maybe"; use one of "answer", "refuse""#),
        ("\"open\"", "\"opened\"", r#"4: registration cannot be "opened"; did you mean "open"?"#),
        (
            "path = \"/api/auth\"",
            "same_site = \"stric\"",
            r#"5: refresh_token.cookie.same_site cannot be "stric"; did you mean "strict"?"#,
        ),
        ("\"sessions\"", "\"session\"", r#"17: route.does cannot be "session"; did you mean "sessions"?"#),
        (
            "codes.token_expired",
            "codes.token_expire",
            r#"26: unknown code "token_expire"; did you mean "token_expired"?"#,
        ),
        (
            "\"access-ttl\"",
            "\"access_ttl\"",
            r#"31: there is no setting "access_ttl" for a variable to stand for; did you mean "access-ttl"?"#,
        ),
        ("\"access-ttl\"", "\"access-ttl:minute\"", r#"31: "minute" is not a unit; did you mean "minutes"?"#),
        ("\"access-ttl\"", "\"hs256-secret:days\"", "31: hs256-secret has no unit"),
    ];
    for (old, new, expected) in cases {
        assert_wrong(old, new, expected);
    }
}

#[test]
fn a_value_of_another_type_or_size_is_an_error() {
    let cases = [
        (
            "id = 7",
            "id = \"7\"",
            r#"1: id must be a whole number from 1 to 65535, not "7"; write 7, without quotes"#,
        ),
        ("id = 7", "id = 65536", r#"1: id must be a whole number from 1 to 65535, not 65536"#),
        ("id = 7", "id = 0", r#"1: id must be a whole number from 1 to 65535, not 0"#),
        (
            "jitter_percent = 0",
            "jitter_percent = 51",
            "7: access_token.jitter_percent must be a whole number from 0 to 50, not 51",
        ),
        ("{ type = \"access\" }", "3", "7: access_token.claims must be a table, not 3"),
        (
            "status = 401",
            "status = 200",
            "27: refusal.codes.token_expired.status must be a whole number from 400 to 599, not 200",
        ),
        ("about = \"a profile for tests\"", "about = [1]", "2: about must be a text in quotes, not an array"),
        (
            "path = \"/api/auth\"",
            "secure = \"yes\"",
            r#"5: refresh_token.cookie.secure must be true or false, not "yes"; write true, without quotes"#,
        ),
        (
            "\"15m\"",
            "\"15min\"",
            r#"3: lifetimes.access: "15min" is not a duration; write a whole number and s, m, h or d, as "15m""#,
        ),
        (
            "\"15m\"",
            "15",
            r#"3: lifetimes.access must be a text in quotes, not 15; write a whole number and s, m, h or d in quotes, as "15m""#,
        ),
        ("\"15m\"", "\"0s\"", r#"3: a lifetime cannot be zero; write one such as "15m""#),
        (
            "\"30s\"",
            "\"301s\"",
            "6: the reuse interval is at most 300 s; 30s covers lost answers and tabs that wake together",
        ),
        (
            "\"15m\"",
            "\"8d\"",
            "3: an access token would outlive the refresh token; access is the shorter one",
        ),
        (
            "\"7d\"",
            "\"31d\"",
            "3: a refresh token would outlive its session, whose absolute lifetime is 30d; set lifetimes.absolute to \"31d\" or more",
        ),
        (
            "type = \"access\"",
            "sub = \"x\"",
            r#"7: the claim "sub" is always set by the server; choose another name"#,
        ),
        (
            "JWT_EXPIRE =",
            "\"JWT EXPIRE\" =",
            r#"31: "JWT EXPIRE" is not the name of a variable; it has letters, digits and underscores"#,
        ),
    ];
    for (old, new, expected) in cases {
        assert_wrong(old, new, expected);
    }
}

#[test]
fn a_profile_has_what_it_must_and_is_not_too_long() {
    assert_eq!(error(""), "profiles/x.toml:1: the profile has no \"id\"; add it");
    assert_eq!(
        error("id = 1\nabout = \"\"\n"),
        "profiles/x.toml:1: the profile has no \"route\"; write [[route]] with on, does, takes and gives"
    );
    assert!(error(&" ".repeat(70_000)).contains("a profile has at most 65536 bytes"));
}

#[test]
fn a_bad_path_is_told_before_the_router_panics() {
    let cases = [
        ("POST /api/auth/login", "POST", r#"10: "POST" is not a method and a path; write "POST /login""#),
        (
            "POST /api/auth/login",
            "Post /login",
            r#"10: unknown method "Post"; use one of "GET", "POST", "PUT", "PATCH", "DELETE""#,
        ),
        ("POST /api/auth/login", "POST login", r#"10: the path "login" must begin with a slash"#),
        ("POST /api/auth/login", "POST  /login", r#"10: the path " /login" must begin with a slash"#),
        ("POST /api/auth/login", "POST /a//b", r#"10: the path "/a//b" has two slashes in a row"#),
        (
            "POST /api/auth/login",
            "POST /:id",
            r#"10: the path "/:id" may have letters, digits, - _ . ~ and, as a whole segment, {id}"#,
        ),
        (
            "POST /api/auth/login",
            "POST /{*rest}",
            r#"10: the path "/{*rest}" may have letters, digits, - _ . ~ and, as a whole segment, {id}"#,
        ),
        (
            "POST /api/auth/login",
            "POST /a/../b",
            r#"10: the path "/a/../b" has a segment of dots, which clients resolve before they send it"#,
        ),
        (
            "POST /api/auth/login",
            "POST /a/{id}",
            r#"10: the path "/a/{id}" has {id}, which login does not take"#,
        ),
        ("DELETE /api/auth/tokens/{id}", "DELETE /{id}/{id}", r#"21: the path "/{id}/{id}" has {id} twice"#),
        (
            "POST /api/auth/login",
            "GET /login",
            "10: login cannot be a GET; browsers send GET from any link; write POST",
        ),
        (
            "POST /api/auth/login",
            "GET /api/auth/tokens",
            "10: login cannot be a GET; browsers send GET from any link; write POST",
        ),
        (
            "GET /api/auth/tokens",
            "POST /api/auth/login",
            "16: POST /api/auth/login already belongs to profiles/x.toml:10; change one of them",
        ),
        (
            "GET /api/auth/tokens",
            "GET /healthz",
            "16: GET /healthz already belongs to the server itself; change one of them",
        ),
        (
            "GET /api/auth/tokens",
            "GET /docs/x",
            "16: GET /docs/x already belongs to the server itself; change one of them",
        ),
    ];
    for (old, new, expected) in cases {
        assert_wrong(old, new, expected);
    }
}

#[test]
fn a_template_names_only_what_its_action_can_give() {
    let cases = [
        (
            "token = \"$access_token\"",
            "token = \"$acces_token\"",
            r#"13: "$acces_token" is not available here; did you mean "$access_token"?"#,
        ),
        (
            "createdByIp = \"$session.ip\"",
            "token = \"$access_token\"",
            r#"18: "$access_token" is not available here; available are "$session_id", "$account.id", "$session.id", "$session.created_at", "$session.last_used_at", "$session.idle_expires_at", "$session.expires_at", "$session.ip", "$session.user_agent", "$session.device", "$session.is_current", "$session.label", "$session.country", "$session.city""#,
        ),
        (
            "[{ createdByIp = \"$session.ip\" }]",
            "{ createdByIp = \"$session.ip\" }",
            r#"18: "$session.ip" stands outside a list; put it into an array of one element, which is repeated for each of them"#,
        ),
        (
            "message = \"$message\"",
            "message = \"$account.email\"",
            r#"25: "$account.email" is not available here; available are "$message", "$code", "$cause", "$status", "$title", "$field", "$mfa_token", "$factors", "$mfa_expires_in""#,
        ),
        ("success = true", "success = 2024-12-13", "13: JSON has no dates; write a text in quotes"),
        ("success = true", "success = nan", "13: JSON has no such number"),
        ("success = true", "success = 99999999999999999999", "13: this number is too large"),
    ];
    for (old, new, expected) in cases {
        assert_wrong(old, new, expected);
    }
    let login = PROFILE.replace("token = \"$access_token\"", "token = \"$session.id\"");
    assert!(error(&login).starts_with(
        "profiles/x.toml:13: \"$session.id\" is not available here; available are \"$access_token\""
    ));
}

#[test]
fn takes_names_only_what_its_action_takes() {
    let cases = [
        (
            "email = \"$email\"",
            "email = \"$mail\"",
            r#"12: this action does not take "$mail"; did you mean "$email"?"#,
        ),
        (
            "email = \"$email\"",
            "email = \"email\"",
            r#"12: this action does not take "email"; did you mean "$email"?"#,
        ),
        (
            "email = \"$email\"",
            "email = \"$new_password\"",
            r#"12: this action does not take "$new_password"; it takes "$name", "$username", "$email", "$password", "$device", "$transport", "$refresh_token", "$device_token", "$altcha""#,
        ),
        (
            "email = \"$email\", ",
            "",
            r#"12: login needs a name; add a field to takes, as username = "$name""#,
        ),
        (
            "\"$password\"",
            "\"$password?\"",
            r#"12: login needs a password; add a field to takes, as password = "$password""#,
        ),
        (
            "email = \"$email\"",
            "email = \"$email\", transport = \"$transport?\"",
            r#"12: login needs no transport, since the profile decides it; set refresh_token.transport to "asked""#,
        ),
        (
            "does = \"sessions\"",
            "does = \"sessions\"\ntakes = { x = \"$name\" }",
            r#"18: this action does not take "$name"; there is nothing to choose from here; leave it out"#,
        ),
        (
            "tokens/{id}",
            "tokens",
            r#"20: end_session needs one place for the session's id; write {id} in the path or take "$session_id", not both"#,
        ),
        (
            "\"end_session\"",
            "\"password\"",
            r#"21: the path "/api/auth/tokens/{id}" has {id}, which password does not take"#,
        ),
    ];
    for (old, new, expected) in cases {
        assert_wrong(old, new, expected);
    }
}

#[test]
fn a_token_pair_reaches_the_client_and_nobody_else() {
    let cases = [
        (
            "token = \"$access_token\", ",
            "",
            r#"13: login does not give the access token; put "$access_token" into gives"#,
        ),
        (
            ", refreshToken = \"$refresh_token\"",
            "",
            r#"13: login does not give the refresh token; put "$refresh_token" into gives, or set refresh_token.transport to "cookie""#,
        ),
        (
            "encoding = \"opaque\"",
            "transport = \"cookie\"",
            r#"13: login gives a refresh token that travels in a cookie only; leave "$refresh_token" out, or set refresh_token.transport to "both""#,
        ),
        (
            "encoding = \"opaque\"",
            "transport = \"asked\"",
            r#"12: login needs a way to ask for the cookie; take "$transport?", or set refresh_token.transport to "both""#,
        ),
        (
            "encoding = \"opaque\"",
            "transport = \"body\"",
            r#"5: the cookie would never be set; leave the cookie out, or set transport to "both""#,
        ),
        (
            ", body = \"refreshToken\"",
            ", transport = \"both\"",
            "5: this transport needs a body field; add refresh_token.body, the name of the field",
        ),
        (
            ", cookie = { name = \"refreshToken\", path = \"/api/auth\" }",
            ", transport = \"cookie\"",
            "5: this transport needs a cookie; add refresh_token.cookie with a name",
        ),
    ];
    for (old, new, expected) in cases {
        assert_wrong(old, new, expected);
    }
    let by_admin =
        PROFILE.replace("\"open\"", "\"admin\"").replace("does = \"login\"", "does = \"register\"");
    assert_eq!(
        error(&by_admin),
        "profiles/x.toml:13: register would give the administrator the tokens of somebody else's session; set registration = \"open\", or give no tokens"
    );
}

#[test]
fn a_cookie_that_browsers_refuse_is_refused_here() {
    let cases = [
        (
            "name = \"refreshToken\"",
            "name = \"refresh token\"",
            r#"5: "refresh token" is not the name of a cookie; it has 1 to 64 letters, digits, dashes and underscores"#,
        ),
        (
            "path = \"/api/auth\"",
            "path = \"/a;b\"",
            r#"5: "/a;b" is not the path of a cookie; it begins with a slash, as "/api/auth""#,
        ),
        (
            "name = \"refreshToken\"",
            "name = \"__Host-x\"",
            r#"5: browsers refuse a __Host- cookie unless its path is "/"; leave path out, or choose another name"#,
        ),
        (
            "name = \"refreshToken\"",
            "secure = false, name = \"__Secure-x\"",
            "5: browsers refuse a cookie of this name unless it is secure; leave secure out, or choose another name",
        ),
        (
            "path = \"/api/auth\"",
            "same_site = \"none\", secure = false",
            r#"5: browsers refuse same_site = "none" unless it is secure; leave secure out"#,
        ),
        ("name = \"refreshToken\", ", "", r#"5: refresh_token.cookie has no "name"; add it"#),
    ];
    for (old, new, expected) in cases {
        assert_wrong(old, new, expected);
    }
}

#[test]
fn a_status_and_its_body_agree() {
    let cases = [
        (
            "does = \"end_session\"",
            "does = \"end_session\"\nstatus = 200",
            "23: an answer with status 200 has a body; add gives, which may be {}, or write status = 204",
        ),
        (
            "does = \"sessions\"",
            "does = \"sessions\"\nstatus = 204",
            "18: an answer with status 204 has no body; leave gives out",
        ),
        (
            "does = \"sessions\"",
            "does = \"sessions\"\nstatus = 401",
            "18: route.status must be a whole number from 200 to 299, not 401",
        ),
    ];
    for (old, new, expected) in cases {
        assert_wrong(old, new, expected);
    }
}

#[test]
fn profiles_that_cannot_be_served_together_are_both_named() {
    let profile =
        |file: &str, text: &str| Profile::parse("x", file, text).unwrap_or_else(|error| panic!("{error}"));
    let clash = |second: &str| {
        let profiles = [profile("a.toml", PROFILE), profile("b.toml", second)];
        check_together(&profiles).map_err(|clash| clash.to_string())
    };
    let wrong = |what: &str| Err(what.to_owned());
    let advice = "change one of them, or serve only one of the profiles";
    assert_eq!(
        clash(PROFILE),
        wrong(&format!("b.toml:1: the id 7, which tokens carry, already belongs to a.toml:1; {advice}"))
    );
    let other_id = PROFILE.replace("id = 7", "# another\nid = 8");
    assert_eq!(
        clash(&other_id),
        wrong(&format!("b.toml:6: the cookie \"refreshToken\" already belongs to a.toml:5; {advice}"))
    );
    let other_cookie = other_id.replace("name = \"refreshToken\"", "name = \"other\"");
    assert_eq!(
        clash(&other_cookie),
        wrong(&format!("b.toml:11: POST /api/auth/login already belongs to a.toml:10; {advice}"))
    );
    assert_eq!(clash(&other_cookie.replace(" /api/", " /v2/").replace("\"/api", "\"/v2")), Ok(()));
    let beside = other_id.replace("/api/auth", "/api/authors");
    assert_eq!(clash(&beside), Ok(()), "a cookie's path covers whole segments");
}

#[test]
fn an_error_stays_on_one_line_and_short() {
    let long = format!("\"{}\\n\" = 1\n", "x".repeat(50_000));
    let error = error(&long);
    assert!(error.len() < 400 && !error.contains('\n'), "{error}");
}

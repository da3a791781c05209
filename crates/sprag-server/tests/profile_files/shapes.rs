//! Wire shapes found in the field can be said as data: five systems written by other hands.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use sprag::account::Account;
use sprag::clock::Timestamp;
use sprag::policy::Retry;
use sprag::session::{AccountId, SessionId};
use sprag_server::profile::{
    Encoding, Facts, FieldAtFault, Input, Profile, Registration, Route, Transport, check_together,
};
use uuid::Uuid;

fn profile(text: &str) -> Profile {
    Profile::parse("profile", "profile.toml", text).unwrap_or_else(|error| panic!("{error}"))
}

fn route<'a>(profile: &'a Profile, on: &str) -> &'a Route {
    profile.wire.routes.iter().find(|route| route.on() == on).expect(on)
}

fn ann() -> Account {
    Account {
        email: Some("ann@example.org".to_owned()),
        is_admin: true,
        ..Account::new(AccountId(Uuid::from_u128(1)), Timestamp(0))
    }
}

fn pair(account: &Account) -> Facts<'_> {
    Facts {
        access_token: Some("eyJ"),
        refresh_token: Some("spr_x"),
        expires_in: Some(900),
        refresh_expires_in: Some(604_800),
        session_id: Some(SessionId(Uuid::nil())),
        account: Some(account),
        ..Facts::default()
    }
}

/// The status and body of a refusal.
fn refused(profile: &Profile, code: &str, message: &str, field: Option<&str>) -> (u16, Value) {
    let mut out = Vec::new();
    let field = field.map(|name| FieldAtFault { name, code, message });
    let status = profile.wire.refusal.write(code, message, None, field.as_slice(), &mut out);
    (status.as_u16(), serde_json::from_slice(&out).expect("JSON"))
}

/// Camel case, a cookie beside the body, the user in the answer, log-out that ends every session.
const CAMEL: &str = r#"
id = 101
about = "camelCase, httpOnly cookie and body"
lifetimes = { access = "15m", refresh = "7d" }
ratchet = { retry = "refuse" }
registration = "open"

[refresh_token]
body = "refreshToken"
cookie = { name = "refreshToken", path = "/api/auth", origin = "if_sent" }

[[route]]
on = "POST /api/auth/login"
does = "login"
takes = { email = "$email", password = "$password" }
[route.gives]
success = true
user = { id = "$account.id", email = "$account.email", role = "$account.role" }
token = "$access_token"
refreshToken = "$refresh_token"

[[route]]
on = "POST /api/auth/register"
does = "register"
takes = { email = "$email", password = "$password" }
status = 201
gives = { success = true, user = { id = "$account.id" }, token = "$access_token", refreshToken = "$refresh_token" }

[[route]]
on = "POST /api/auth/refresh-token"
does = "refresh"
gives = { success = true, token = "$access_token", refreshToken = "$refresh_token" }

[[route]]
on = "POST /api/auth/revoke-token"
does = "revoke"
gives = { success = true, message = "Token revoked successfully" }

[[route]]
on = "POST /api/auth/logout"
does = "logout_all"
gives = { success = true, message = "Logged out successfully" }

[[route]]
on = "GET /api/auth/tokens"
does = "sessions"
gives = { success = true, tokens = [{ createdByIp = "$session.ip", createdAt = "$session.created_at", expiresAt = "$session.idle_expires_at" }] }

[refusal]
gives = { success = false, message = "$message" }
[refusal.codes]
field_missing = { message = "Please provide an email and password" }
name_taken = { status = 400, message = "User already exists" }

[environment]
JWT_SECRET = "hs256-secret"
JWT_EXPIRE = "access-ttl"
"#;

#[test]
fn camel_case_with_a_cookie_and_the_user_in_the_answer() {
    let profile = profile(CAMEL);
    let account = ann();
    assert_eq!(profile.wire.refresh.transport, Transport::Both);
    assert_eq!(profile.policy.retry, Retry::Refuse);
    assert_eq!(
        route(&profile, "POST /api/auth/login").gives.render(&pair(&account)),
        json!({
            "success": true,
            "user": { "id": "00000000-0000-0000-0000-000000000001", "email": "ann@example.org", "role": "admin" },
            "token": "eyJ",
            "refreshToken": "spr_x",
        })
    );
    assert!(route(&profile, "POST /api/auth/register").opens_session());
    assert_eq!(route(&profile, "POST /api/auth/logout").action.name(), "logout_all");
    assert_eq!(
        route(&profile, "POST /api/auth/logout").gives.render(&Facts::default()),
        json!({ "success": true, "message": "Logged out successfully" })
    );
    assert_eq!(
        refused(&profile, "token_expired", "over", None),
        (401, json!({ "success": false, "message": "over" }))
    );
    assert_eq!(
        refused(&profile, "name_taken", "taken", None),
        (400, json!({ "success": false, "message": "User already exists" }))
    );
    assert_eq!(profile.wire.refusal.content_type, "application/json");
    let variables: Vec<&str> = profile.environment.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(variables, ["JWT_SECRET", "JWT_EXPIRE"]);
}

/// `{"detail": ...}`, validation errors as a list with 422, accounts made by an administrator.
const DETAIL: &str = r#"
id = 102
about = "detail, 422 lists"
lifetimes = { access = "30m", refresh = "7d" }
ratchet = { retry = "refuse" }
access_token = { jitter_percent = 0 }

[[route]]
on = "POST /api/v1/auth/login"
does = "login"
takes = { username = "$name", password = "$password" }
gives = { access_token = "$access_token", refresh_token = "$refresh_token", token_type = "bearer" }

[[route]]
on = "POST /api/v1/auth/refresh"
does = "refresh"
takes = { refresh_token = "$refresh_token" }
gives = { access_token = "$access_token", refresh_token = "$refresh_token", token_type = "bearer" }

[[route]]
on = "POST /api/v1/auth/logout"
does = "logout"
takes = { refresh_token = "$refresh_token" }
gives = { message = "Successfully logged out" }

[[route]]
on = "POST /api/v1/auth/logout-all"
does = "logout_all"
gives = { message = "Successfully logged out from all devices" }

[[route]]
on = "GET /api/v1/auth/me"
does = "me"
gives = { id = "$account.id", username = "$account.username", email = "$account.email", is_active = "$account.is_active", full_name = "$null" }

[[route]]
on = "POST /api/v1/auth/register"
does = "register"
takes = { username = "$username", email = "$email", password = "$password" }
status = 201
gives = { id = "$account.id", username = "$account.username", email = "$account.email" }

[refusal]
gives = { detail = "$message" }
[refusal.codes.token_expired]
message = "Token expired"
[refusal.codes.field_missing]
status = 422
gives = { detail = [{ type = "missing", loc = ["body", "$field"], msg = "Field required" }] }
[refusal.codes.field_invalid]
status = 422
gives = { detail = [{ type = "string_type", loc = ["body", "$field"], msg = "Input should be a valid string" }] }

[environment]
JWT_SECRET_KEY = "hs256-secret"
JWT_ALGORITHM = "signing-algorithm"
JWT_ACCESS_TOKEN_EXPIRE_MINUTES = "access-ttl:minutes"
JWT_REFRESH_TOKEN_EXPIRE_DAYS = "idle-timeout:days"
"#;

#[test]
fn detail_and_validation_errors_as_a_list() {
    let profile = profile(DETAIL);
    assert_eq!(profile.client.registration, Registration::Admin);
    assert_eq!(profile.policy.access_jitter_percent, 0, "expires_in is exact");
    assert_eq!(refused(&profile, "token_expired", "over", None), (401, json!({ "detail": "Token expired" })));
    assert_eq!(refused(&profile, "forbidden", "not you", None), (403, json!({ "detail": "not you" })));
    let takes = &route(&profile, "POST /api/v1/auth/refresh").takes;
    let error = takes.read(&Map::new()).err().expect("the token is missing");
    assert_eq!(
        refused(&profile, error.code, &error.to_string(), Some(&error.field)),
        (
            422,
            json!({ "detail": [{ "type": "missing", "loc": ["body", "refresh_token"], "msg": "Field required" }] })
        )
    );
    let body = json!({ "refresh_token": 7 });
    let error = takes.read(body.as_object().expect("an object")).err().expect("a number is no token");
    assert_eq!((error.code, error.field.as_str()), ("field_invalid", "refresh_token"));
    let of = |fields: &[&str], code: &str| {
        let told: Vec<FieldAtFault<'_>> = fields
            .iter()
            .map(|field| match field.strip_suffix('!') {
                Some(name) => FieldAtFault { name, code: "field_invalid", message: "" },
                None => FieldAtFault { name: field, code: "field_missing", message: "" },
            })
            .collect();
        let mut out = Vec::new();
        profile.wire.refusal.write(code, "no", None, &told, &mut out);
        serde_json::from_slice::<Value>(&out).expect("JSON")["detail"].clone()
    };
    let missing = |name: &str| json!({ "type": "missing", "loc": ["body", name], "msg": "Field required" });
    let wrong = |name: &str| json!({ "type": "string_type", "loc": ["body", name], "msg": "Input should be a valid string" });
    assert_eq!(of(&["a", "b"], "field_missing"), json!([missing("a"), missing("b")]));
    assert_eq!(
        of(&["a", "b!"], "field_missing"),
        json!([missing("a"), wrong("b")]),
        "each as the profile words it"
    );
    assert_eq!(of(&["a!", "b"], "field_invalid"), json!([wrong("a"), missing("b")]));
    assert_eq!(
        of(&[], "field_missing"),
        json!([{ "type": "missing", "loc": ["body", null], "msg": "Field required" }])
    );
    let account = ann();
    let me = route(&profile, "GET /api/v1/auth/me").gives.render(&pair(&account));
    assert_eq!(
        (&me["full_name"], &me["username"], &me["is_active"]),
        (&Value::Null, &Value::Null, &json!(true))
    );
}

#[test]
fn one_refresh_call_with_jwt_refresh_tokens() {
    let profile = profile(
        r#"
id = 103
about = "one call, JWT refresh tokens"
lifetimes = { access = "15m", refresh = "30d" }
refresh_token = { encoding = "jwt" }
access_token = { jitter_percent = 0, claims = { type = "access" } }

[[route]]
on = "POST /auth/token/refresh"
does = "refresh"
gives = { access_token = "$access_token", refresh_token = "$refresh_token", token_type = "bearer", expires_in = "$expires_in" }

[refusal]
gives = { detail = "$message" }
"#,
    );
    assert_eq!(profile.client.encoding, Encoding::Jwt);
    assert_eq!(profile.client.access.claims.render(&Facts::default())["type"], "access");
    let account = ann();
    assert_eq!(
        route(&profile, "POST /auth/token/refresh").gives.render(&pair(&account)),
        json!({ "access_token": "eyJ", "refresh_token": "spr_x", "token_type": "bearer", "expires_in": 900 })
    );
}

#[test]
fn an_answer_can_be_wrapped_and_a_list_can_be_bare() {
    let profile = profile(
        r#"
id = 104
about = "everything under data; a list by itself; the session's id in the body"
[[route]]
on = "POST /auth/login"
does = "login"
takes = { "user email" = "$email", password = "$password" }
gives = { status = "ok", data = { tokens = { accessToken = "$access_token", refreshToken = "$refresh_token" }, price = "$$5" } }
[[route]]
on = "POST /auth/logout"
does = "logout"
[[route]]
on = "GET /auth/sessions"
does = "sessions"
gives = ["$session.id"]
[[route]]
on = "POST /auth/sessions/end"
does = "end_session"
takes = { sessionId = "$session_id" }
gives = {}
[refusal]
gives = { status = "error", error = { code = "$code", cause = "$cause?", field = "$field?", number = "$status", title = "$title" } }
content_type = "application/vnd.api+json"
"#,
    );
    let account = ann();
    let login = route(&profile, "POST /auth/login").gives.render(&pair(&account));
    assert_eq!(
        login["data"],
        json!({ "tokens": { "accessToken": "eyJ", "refreshToken": "spr_x" }, "price": "$5" })
    );
    assert_eq!(route(&profile, "GET /auth/sessions").gives.render(&Facts::default()), json!([]));
    assert_eq!(route(&profile, "POST /auth/sessions/end").gives.render(&Facts::default()), json!({}));
    assert!(route(&profile, "POST /auth/sessions/end").takes.requires(Input::SessionId));
    assert_eq!(
        refused(&profile, "busy", "", None),
        (
            503,
            json!({ "status": "error", "error": { "code": "busy", "number": 503, "title": "Service Unavailable" } })
        )
    );
    assert_eq!(profile.wire.refusal.content_type, "application/vnd.api+json");
}

#[test]
fn fields_at_fault_are_listed_wherever_a_profile_has_a_list_of_one() {
    let profile = profile(
        r#"
id = 105
about = "errors as a list, and their fields as another"
[[route]]
on = "POST /login"
does = "login"
takes = { user = "$name", password = "$password" }
gives = { token = "$access_token", refresh = "$refresh_token" }
[[route]]
on = "POST /logout"
does = "logout"
[refusal]
gives = { field = "$field?", fields = ["$field?"], errors = [{ code = "$code", field = "$field?", message = "$message" }], pair = ["body", "$field?"] }
[refusal.codes.field_missing]
message = "Required"
"#,
    );
    let takes = &route(&profile, "POST /login").takes;
    let body = json!({ "password": 7 });
    let error = takes.read(body.as_object().expect("an object")).err().expect("two faults");
    let named: Vec<_> = error.others.iter().map(|other| (other.field.as_str(), other.code)).collect();
    assert_eq!((error.field.as_str(), error.code), ("user", "field_missing"), "in the order of the profile");
    assert_eq!(named, [("password", "field_invalid")]);
    let fields = [("user", "field_missing", "missing"), ("password", "field_invalid", "must be a text")];
    let fields = fields.map(|(name, code, message)| FieldAtFault { name, code, message });
    let mut out = Vec::new();
    profile.wire.refusal.write("field_missing", "the usual", None, &fields, &mut out);
    assert_eq!(
        serde_json::from_slice::<Value>(&out).expect("JSON"),
        json!({
            "field": "user",
            "fields": ["user", "password"],
            "errors": [
                { "code": "field_missing", "field": "user", "message": "Required" },
                { "code": "field_invalid", "field": "password", "message": "must be a text" },
            ],
            "pair": ["body", "user"],
        })
    );
    assert_eq!(
        refused(&profile, "busy", "later", None).1,
        json!({ "fields": [], "errors": [{ "code": "busy", "message": "later" }], "pair": ["body"] }),
        "one element where no field is at fault"
    );
}

#[test]
fn profiles_of_two_systems_are_served_at_once() {
    assert_eq!(check_together(&[profile(CAMEL), profile(DETAIL)]), Ok(()));
}

proptest! {
    /// Whatever a profile became, it is read or refused with a line that it has; and the router takes what is read.
    #[test]
    fn no_profile_makes_the_reader_or_the_router_panic(
        which in prop::sample::select(vec![CAMEL, DETAIL]),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..12, ".{0,6}"), 0..4),
    ) {
        let mut text = which.to_owned();
        for (at, length, put) in cuts {
            let mut characters: Vec<char> = text.chars().collect();
            let start = at.index(characters.len());
            let end = (start + length).min(characters.len());
            characters.splice(start..end, put.chars());
            text = characters.into_iter().collect();
        }
        match Profile::parse("x", "x.toml", &text) {
            Ok(profile) => mount(&profile),
            Err(error) => {
                prop_assert!(error.line >= 1 && error.line <= text.lines().count() + 1);
                prop_assert!(!error.to_string().contains('\n'), "{}", error);
            }
        }
    }
}

fn mount(profile: &Profile) {
    let mut router = axum::Router::<()>::new();
    for route in &profile.wire.routes {
        let method = axum::routing::MethodFilter::try_from(route.method.clone()).expect("a method of axum");
        router = router.route(&route.path, axum::routing::on(method, async || {}));
    }
    drop(router);
}

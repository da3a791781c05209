//! The wire of our own profile, word for word: what every route answers, and how it refuses.
//!
//! Ids, tokens and the jitter of an access token's life are replaced; all else is exact, since clients rely on it.

use insta::assert_snapshot;
use serde_json::{Value, json};

use sprag_testkit::call::{Answer, Call};
use sprag_testkit::head::head;
use sprag_testkit::people::{
    DEVICE_COOKIE, Device, LOGIN, LOGOUT, LOGOUT_ALL, ME, PASSWORD, REFRESH, REGISTER, SESSIONS,
};
use sprag_testkit::seam::Mood;
use sprag_testkit::world::{ORIGIN, W, World, days};

/// What every answer of its kind has; only what is beside these stands in the snapshots.
const USUAL: [(&str, &str); 4] = [
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("content-type", "application/json"),
    ("content-type", "application/problem+json"),
];

/// Status, headers and body as a reader of the reference would want them, one line each.
fn shape(answer: &Answer) -> String {
    let mut lines = head(answer, &USUAL, without_secret);
    let mut body = answer.json();
    redact(&mut body);
    if answer.header("content-type") == "application/problem+json" {
        lines.push(problem(&mut body));
    }
    if !body.is_null() {
        lines.push(body.to_string());
    }
    lines.join("\n")
}

/// A problem document in one sentence; what it leaves over is not part of the format.
fn problem(body: &mut Value) -> String {
    let members = body.as_object_mut().expect("an object");
    let names: Vec<&str> = members.keys().map(String::as_str).collect();
    assert!(names.starts_with(&["type", "title", "status", "detail", "code"]), "{names:?}");
    let mut take = |name: &str| members.remove(name).and_then(|value| value.as_str().map(str::to_owned));
    assert_eq!(take("type").as_deref(), Some("about:blank"));
    let said = ["title", "code", "detail"].map(|name| take(name).expect("a text"));
    members.remove("status");
    let rest = std::mem::take(body);
    *body = if rest == json!({}) { Value::Null } else { rest };
    said.join(", ")
}

fn redact(value: &mut Value) {
    match value {
        Value::String(text) => *text = redacted(text),
        Value::Array(values) => values.iter_mut().for_each(redact),
        Value::Object(members) => {
            for (name, value) in members {
                match name.as_str() {
                    "expires_in" => *value = "[810 to 900]".into(),
                    "refresh_in" => *value = "[before it expires]".into(),
                    "kid" | "x" | "y" => *value = format!("[{name}]").into(),
                    _ => redact(value),
                }
            }
        }
        _ => {}
    }
}

fn redacted(text: &str) -> String {
    let is_id = uuid::Uuid::try_parse(text).is_ok();
    let kinds = [("[refresh token]", text.starts_with("spr_")), ("[access token]", text.starts_with("eyJ"))];
    let kind = kinds.into_iter().chain([("[id]", is_id)]).find(|(_, is_it)| *is_it);
    kind.map_or(text, |(kind, _)| kind).to_owned()
}

fn without_secret(cookie: &str) -> String {
    let (name, rest) = cookie.split_once('=').expect("a cookie");
    let (value, attributes) = rest.split_once(';').expect("attributes");
    let value = if name == DEVICE_COOKIE { "[mark]".to_owned() } else { redacted(value) };
    format!("{name}={value};{attributes}")
}

#[tokio::test]
async fn logging_in() {
    let world = World::new();
    let ann = world.ann().await;
    let phone = Device::new(&world, "Phone/1.0", "192.0.2.10");
    assert_snapshot!(shape(&ann.tries_to_log_in(&phone, &ann.password).await), @r#"
        200
        {"access_token":"[access token]","refresh_token":"[refresh token]","token_type":"bearer","expires_in":"[810 to 900]","refresh_in":"[before it expires]","refresh_expires_in":604800,"session_id":"[id]"}
        "#);
    let browser = Device::browser(&world);
    assert_snapshot!(shape(&ann.tries_to_log_in(&browser, &ann.password).await), @r#"
        200
        set-cookie: __Host-sprag_refresh-device=[mark]; Path=/; Max-Age=34560000; Secure; HttpOnly; SameSite=Strict
        set-cookie: __Host-sprag_refresh=[refresh token]; Path=/; Max-Age=604800; Secure; HttpOnly; SameSite=Strict
        {"access_token":"[access token]","token_type":"bearer","expires_in":"[810 to 900]","refresh_in":"[before it expires]","refresh_expires_in":604800,"session_id":"[id]"}
        "#);
    assert_snapshot!(shape(&ann.tries_to_log_in(&phone, "wrong password").await), @r#"
        401
        Unauthorized, credentials_invalid, the name or the password is wrong
        "#);
    ann.is_disabled().await;
    assert_snapshot!(shape(&ann.tries_to_log_in(&phone, &ann.password).await), @r#"
        401
        Unauthorized, account_disabled, this account is disabled; ask whoever runs this service
        "#);
    assert_snapshot!(shape(&ann.tries_to_log_in(&phone, &"x".repeat(1025)).await), @r#"
        400
        Bad Request, password_rejected, a password has at most 1024 bytes, and none of them is zero; choose another
        {"field":"password"}
        "#);
    assert_snapshot!(shape(&world.sends(Call::post(LOGIN)).await), @r#"
        400
        Bad Request, field_missing, the field "username" is missing
        {"field":"username"}
        "#);
    let body = json!({ "username": ["ann"], "password": "x" });
    assert_snapshot!(shape(&world.sends(Call::post(LOGIN).json(&body)).await), @r#"
        400
        Bad Request, field_invalid, the field "username" must be a text
        {"field":"username"}
        "#);
    let foreign = browser.call("POST", LOGIN).without("origin").header("sec-fetch-site", "cross-site");
    let body = json!({ "username": "ann", "password": "x", "transport": "cookie" });
    assert_snapshot!(shape(&world.sends(foreign.json(&body)).await), @r#"
        403
        Forbidden, origin_refused, this request carries or asks for a session cookie, and no Origin or Sec-Fetch-Site header shows that a page of this site sent it; send it from such a page, or the token in the body
        "#);
}

#[tokio::test]
async fn refreshing() {
    let world = World::new();
    let ann = world.ann().await;
    let mut phone = ann.logs_in().await;
    let spent = phone.refresh.clone();
    assert_snapshot!(shape(&phone.refreshes().await), @r#"
        200
        {"access_token":"[access token]","refresh_token":"[refresh token]","token_type":"bearer","expires_in":"[810 to 900]","refresh_in":"[before it expires]","refresh_expires_in":604800,"session_id":"[id]"}
        "#);
    assert_snapshot!(shape(&phone.refreshes().await), @r#"
        200
        {"access_token":"[access token]","refresh_token":"[refresh token]","token_type":"bearer","expires_in":"[810 to 900]","refresh_in":"[before it expires]","refresh_expires_in":604800,"session_id":"[id]"}
        "#);
    assert_snapshot!(shape(&phone.presents("x").await), @r#"
        401
        Unauthorized, token_invalid, this token is not valid here; log in again
        "#);
    assert_snapshot!(shape(&world.sends(Call::post(REFRESH)).await), @r#"
        401
        Unauthorized, token_missing, no refresh token was sent, which is looked for in the field "refresh_token" of the body or the cookie "__Host-sprag_refresh"; send it there, or log in
        "#);
    for _ in 0..16 {
        phone.presents(&spent).await.is(200);
    }
    assert_snapshot!(shape(&phone.presents(&spent).await), @r#"
        429
        retry-after: 30
        Too Many Requests, too_many_retries, this refresh token was presented too many times; use the one that replaced it
        "#);
    world.winds(W + 1);
    assert_snapshot!(shape(&phone.presents(&spent).await), @r#"
        401
        Unauthorized, session_ended, this session has ended because an old token of this session was used again, which may mean it was stolen; log in again
        {"cause":"reuse"}
        "#);
    let mut idle = ann.logs_in().await;
    world.winds(days(7));
    assert_snapshot!(shape(&idle.refreshes().await), @r#"
        401
        Unauthorized, token_expired, this token has expired; refresh it or log in again
        "#);

    let mut browser = ann.logs_in_by_cookie().await;
    assert_snapshot!(shape(&browser.refreshes().await), @r#"
        200
        set-cookie: __Host-sprag_refresh=[refresh token]; Path=/; Max-Age=604800; Secure; HttpOnly; SameSite=Strict
        {"access_token":"[access token]","token_type":"bearer","expires_in":"[810 to 900]","refresh_in":"[before it expires]","refresh_expires_in":604800,"session_id":"[id]"}
        "#);
    assert_snapshot!(shape(&browser.refreshes().await), @r#"
        200
        {"access_token":"[access token]","token_type":"bearer","expires_in":"[810 to 900]","refresh_in":"[before it expires]","refresh_expires_in":604800,"session_id":"[id]"}
        "#);
    let call = browser.call("POST", REFRESH).json(&json!({ "refresh_token": phone.refresh }));
    assert_snapshot!(shape(&world.sends(call).await), @r#"
        400
        Bad Request, request_invalid, the cookie and the body do not carry refresh tokens of one session; send only one
        "#);
}

#[tokio::test]
async fn logging_out() {
    let world = World::new();
    let ann = world.ann().await;
    let (phone, browser) = (ann.logs_in().await, ann.logs_in_by_cookie().await);
    assert_snapshot!(shape(&phone.logs_out().await), @r#"
        204
        "#);
    assert_snapshot!(shape(&browser.logs_out().await), @r#"
        204
        set-cookie: __Host-sprag_refresh=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict
        "#);
    let phone = ann.logs_in().await;
    assert_snapshot!(shape(&phone.logs_out_everywhere().await), @r#"
        204
        set-cookie: __Host-sprag_refresh=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict
        "#);
    assert_snapshot!(shape(&phone.logs_out_everywhere().await), @r#"
        401
        www-authenticate: Bearer error="invalid_token"
        Unauthorized, session_ended, this session has ended because you signed out on all devices; log in again
        {"cause":"logout_all"}
        "#);
    assert_snapshot!(shape(&world.sends(Call::post(LOGOUT)).await), @r#"
        401
        Unauthorized, token_missing, no refresh token was sent, which is looked for in the field "refresh_token" of the body or the cookie "__Host-sprag_refresh"; send it there, or log in
        "#);
    assert_snapshot!(shape(&world.sends(Call::post(LOGOUT_ALL)).await), @r#"
        401
        www-authenticate: Bearer
        Unauthorized, token_missing, no access token was sent, which is looked for in the header Authorization, as "Bearer <token>"; send it there, or log in
        "#);
}

#[tokio::test]
async fn who_i_am_and_which_sessions_i_have() {
    let world = World::new();
    let ann = world.ann().await;
    let mut phone = ann.logs_in().await;
    assert_snapshot!(shape(&phone.asks(ME).await), @r#"
        200
        {"id":"[id]","username":"ann","email":"ann@example.org","email_verified":false,"is_admin":false,"created_at":"2026-07-01T12:00:00.000Z","session_id":"[id]"}
        "#);
    world.winds(2 * 3600 + 90);
    ann.logs_in_by_cookie().await;
    phone.refreshes().await.is(200);
    assert_snapshot!(shape(&phone.asks(SESSIONS).await), @r#"
        200
        {"sessions":[{"id":"[id]","current":true,"created_at":"2026-07-01T12:00:00.000Z","idle_expires_at":"2026-07-08T14:00:00.000Z","expires_at":"2026-07-31T12:00:00.000Z","ip":"192.0.2.10","user_agent":"Phone/1.0","device":null,"label":"Phone","country":null,"city":null},{"id":"[id]","current":false,"created_at":"2026-07-01T14:01:30.000Z","last_used_at":"2026-07-01T14:00:00.000Z","idle_expires_at":"2026-07-08T14:00:00.000Z","expires_at":"2026-07-31T14:01:30.000Z","ip":"192.0.2.20","user_agent":"Browser/1.0","device":null,"label":"Browser","country":null,"city":null}]}
        "#);
    assert_snapshot!(shape(&phone.ends(phone.session).await), @r#"
        204
        "#);
    assert_snapshot!(shape(&phone.asks(ME).await), @r#"
        401
        www-authenticate: Bearer error="invalid_token"
        Unauthorized, session_ended, this session has ended because this session was revoked; log in again
        {"cause":"revoked"}
        "#);
    let phone = ann.logs_in().await;
    assert_snapshot!(shape(&phone.ends(sprag::session::SessionId(uuid::Uuid::nil())).await), @r#"
        404
        Not Found, session_unknown, there is no such live session; list the sessions to see which there are
        "#);
    world.winds(900);
    assert_snapshot!(shape(&phone.asks(ME).await), @r#"
        401
        www-authenticate: Bearer error="invalid_token"
        Unauthorized, token_expired, this token has expired; refresh it or log in again
        "#);
}

#[tokio::test]
async fn registering() {
    let world = World::new();
    world.ann().await;
    let root = world.root().await.logs_in().await;
    let register = |body: Value| root.bearer_call("POST", REGISTER).json(&body);
    let user = json!({ "username": "Carol", "email": "carol@example.org", "password": "fifteen or more" });
    assert_snapshot!(shape(&world.sends(register(user.clone())).await), @r#"
        201
        {"id":"[id]","username":"Carol","email":"carol@example.org","email_verified":false,"is_admin":false,"created_at":"2026-07-01T12:00:00.000Z"}
        "#);
    assert_snapshot!(shape(&world.sends(register(user)).await), @r#"
        409
        Conflict, name_taken, another account has this user name or e-mail; choose another
        {"field":"username"}
        "#);
    let nameless = json!({ "password": "fifteen or more" });
    assert_snapshot!(shape(&world.sends(register(nameless)).await), @r#"
        400
        Bad Request, name_invalid, an account needs a user name or an e-mail address
        {"field":"username"}
        "#);
    let weak = json!({ "username": "dave", "password": "short" });
    assert_snapshot!(shape(&world.sends(register(weak)).await), @r#"
        400
        Bad Request, password_rejected, a password has at least 15 characters; choose a longer one, as a few words that belong together only for you
        {"field":"password"}
        "#);
    let bob = world.bob().await.logs_in().await;
    assert_snapshot!(shape(&world.sends(bob.bearer_call("POST", REGISTER)).await), @r#"
        403
        Forbidden, forbidden, only an administrator may do this
        "#);
}

#[tokio::test]
async fn changing_a_password() {
    let world = World::new();
    let ann = world.ann().await;
    let (phone, browser) = (ann.logs_in().await, ann.logs_in_by_cookie().await);
    assert_snapshot!(shape(&phone.changes_password("wrong password", "fifteen or more").await), @r#"
        403
        Forbidden, current_password_wrong, the current password is wrong
        "#);
    assert_snapshot!(shape(&phone.changes_password(&ann.password, "short").await), @r#"
        400
        Bad Request, password_rejected, a password has at least 15 characters; choose a longer one, as a few words that belong together only for you
        {"field":"new_password"}
        "#);
    assert_snapshot!(shape(&browser.changes_password(&ann.password, "fifteen or more").await), @r#"
        200
        set-cookie: __Host-sprag_refresh=[refresh token]; Path=/; Max-Age=604800; Secure; HttpOnly; SameSite=Strict
        {"access_token":"[access token]","token_type":"bearer","expires_in":"[810 to 900]","refresh_in":"[before it expires]","refresh_expires_in":604800,"session_id":"[id]"}
        "#);
    let phone = Device { access: String::new(), ..phone };
    let answer = world.sends(phone.call("POST", PASSWORD)).await;
    assert_snapshot!(shape(&answer), @r#"
        401
        www-authenticate: Bearer
        Unauthorized, token_missing, no access token was sent, which is looked for in the header Authorization, as "Bearer <token>"; send it there, or log in
        "#);
    let phone = ann.tries_to_log_in(&phone, "fifteen or more").await.is(200);
    let body = json!({ "current_password": "fifteen or more", "new_password": "another one of hers" });
    let call = Call::post(PASSWORD).bearer(&phone.access_token()).json(&body);
    assert_snapshot!(shape(&world.sends(call).await), @r#"
        200
        {"access_token":"[access token]","refresh_token":"[refresh token]","token_type":"bearer","expires_in":"[810 to 900]","refresh_in":"[before it expires]","refresh_expires_in":604800,"session_id":"[id]"}
        "#);
}

#[tokio::test]
async fn requests_that_cannot_be_read() {
    let world = World::new();
    let json = |text: &str| Call::post(LOGIN).text("application/json", text);
    assert_snapshot!(shape(&world.sends(json("{")).await), @r#"
        400
        Bad Request, request_invalid, the body is not JSON: it goes wrong at line 1 column 1
        "#);
    assert_snapshot!(shape(&world.sends(json("[]")).await), @r#"
        400
        Bad Request, request_invalid, the JSON body is not an object with each field once; send {"field": "value", …}
        "#);
    assert_snapshot!(shape(&world.sends(json(&"[".repeat(33))).await), @r#"
        400
        Bad Request, request_invalid, the JSON body nests deeper than 32 levels
        "#);
    assert_snapshot!(shape(&world.sends(json(&" ".repeat(65_537))).await), @r#"
        413
        Payload Too Large, request_too_large, the body is larger than 64 KiB; send less
        "#);
    assert_snapshot!(shape(&world.sends(Call::post(LOGIN).text("text/plain", "x")).await), @r#"
        415
        Unsupported Media Type, media_type_unsupported, send Content-Type: application/json, application/x-www-form-urlencoded or multipart/form-data
        "#);
    let gzip = Call::post(LOGIN).json(&json!({})).header("content-encoding", "gzip");
    assert_snapshot!(shape(&world.sends(gzip).await), @r#"
        415
        Unsupported Media Type, media_type_unsupported, the body has the Content-Encoding "gzip", which is not read here; send the body as it is, without one
        "#);
    let form = Call::post(LOGIN).form(&[("password", "x"), ("password", "y")]);
    assert_snapshot!(shape(&world.sends(form).await), @r#"
        400
        Bad Request, request_invalid, the form has one field twice; send each field once
        "#);
    let form = Call::post(LOGIN).text("application/x-www-form-urlencoded", "password=%ff");
    assert_snapshot!(shape(&world.sends(form).await), @r#"
        400
        Bad Request, request_invalid, the form is not UTF-8; send its fields in that encoding
        "#);
    let long = Call::post(REFRESH).json(&json!({ "refresh_token": "x" })).header("idempotency-key", "");
    assert_snapshot!(shape(&world.sends(long).await), @r#"
        400
        Bad Request, request_invalid, the header idempotency-key takes 1 to 255 visible ASCII characters
        "#);
    assert_snapshot!(shape(&world.sends(Call::get(LOGIN).header("origin", ORIGIN)).await), @r#"
        405
        allow: POST
        Method Not Allowed, method_not_allowed, this address takes another method; the Allow header names it
        "#);
    assert_snapshot!(shape(&world.sends(Call::get("/nowhere")).await), @r#"
        404
        Not Found, not_found, there is nothing at this address; /docs lists what there is
        "#);
}

#[tokio::test]
async fn when_something_breaks() {
    let world = World::new();
    let mut phone = world.ann().await.logs_in().await;
    world.seam.becomes(Mood::FailsAfter(0));
    assert_snapshot!(shape(&phone.refreshes().await), @r#"
        503
        retry-after: 1
        Service Unavailable, unavailable, the service cannot answer just now; try again in a second, with the same token
        "#);
    assert_snapshot!(shape(&world.sends(Call::get("/readyz")).await), @r#"
        503
        {"status":"not ready","code":"unavailable","detail":"the store cannot be reached or is not migrated; see the log"}
        "#);
    world.seam.becomes(Mood::PanicsAt("rotate"));
    assert_snapshot!(shape(&phone.refreshes().await), @r#"
        500
        Internal Server Error, internal, something broke here; try again later
        "#);
}

#[tokio::test]
async fn what_is_the_same_for_every_profile() {
    let world = World::new();
    assert_snapshot!(shape(&world.sends(Call::get("/healthz")).await), @r#"
        200
        {"status":"ok"}
        "#);
    assert_snapshot!(shape(&world.sends(Call::get("/readyz")).await), @r#"
        200
        {"status":"ready"}
        "#);
    assert_snapshot!(shape(&world.sends(Call::get("/.well-known/jwks.json")).await), @r#"
        200
        access-control-allow-origin: *
        cache-control: public, max-age=300
        content-type: application/jwk-set+json
        {"keys":[{"crv":"P-256","kty":"EC","x":"[x]","y":"[y]","kid":"[kid]","alg":"ES256","use":"sig"}]}
        "#);
    assert_snapshot!(shape(&world.sends(Call::post("/healthz")).await), @r#"
        405
        allow: GET, HEAD
        Method Not Allowed, method_not_allowed, this address takes another method; the Allow header names it
        "#);
}

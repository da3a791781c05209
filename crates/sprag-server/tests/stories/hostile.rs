//! Requests no honest client sends: each gets a clear no, and nothing changes.

use serde_json::{Value, json};

use crate::call::Call;
use crate::people::{Device, LOGIN, LOGOUT, ME, PASSWORD, REFRESH, REGISTER, SESSIONS};
use crate::world::{World, our_profile};

/// A world in which every route that reads a body can be reached, and how it looked before.
struct Siege {
    world: World,
    admin: (String, String),
    before: String,
}

impl Siege {
    async fn begins() -> Self {
        let world = World::new();
        world.ann().await;
        let root = world.root().await.logs_in().await;
        let admin = (root.access, root.refresh);
        let before = world.dump().await;
        Self { world, admin, before }
    }

    /// The routes that read a body, each with what it needs to get that far, and a body it would take.
    fn doors(&self) -> Vec<(Call, Value)> {
        let token = &self.admin.1;
        vec![
            (Call::post(LOGIN), json!({ "username": "ann", "password": "ann's battery staple" })),
            (Call::post(REFRESH), json!({ "refresh_token": token })),
            (Call::post(LOGOUT), json!({ "refresh_token": token })),
            (self.authorized(REGISTER), json!({ "username": "carol", "password": "fifteen or more" })),
            (
                self.authorized(PASSWORD),
                json!({ "current_password": "root's battery staple", "new_password": "fifteen or more" }),
            ),
        ]
    }

    fn authorized(&self, path: &str) -> Call {
        Call::post(path).bearer(&self.admin.0)
    }

    async fn repels(&self, call: Call, status: u16, code: &str) {
        self.world.sends(call).await.refused(status, code);
    }

    async fn is_over(&self) {
        assert_eq!(self.world.dump().await, self.before, "the store's content is as it was");
    }
}

#[tokio::test]
async fn r54_a_body_beyond_64_kib_is_413_and_one_byte_less_is_read() {
    let siege = Siege::begins().await;
    for (door, body) in siege.doors() {
        let text = body.to_string();
        let padded = |bytes: usize| format!("{text}{}", " ".repeat(bytes - text.len()));
        siege.repels(door.clone().text("application/json", padded(65_537)), 413, "request_too_large").await;
        siege.repels(door.clone().bytes(vec![b'x'; 1 << 20]), 413, "request_too_large").await;
        let broken = format!("{}!", padded(65_535));
        siege.repels(door.text("application/json", broken), 400, "request_invalid").await;
    }
    siege.is_over().await;
}

#[tokio::test]
async fn r54_only_plain_json_and_forms_are_read() {
    let siege = Siege::begins().await;
    let kinds = ["text/plain", "application/xml", "multipart/mixed", "", "application/jsonp", "application"];
    for (door, body) in siege.doors() {
        for kind in kinds {
            let call = door.clone().text(kind, body.to_string());
            siege.repels(call, 415, "media_type_unsupported").await;
        }
        siege.repels(door.clone().bytes(body.to_string()), 415, "media_type_unsupported").await;
        for coding in ["gzip", "br", "identity, gzip", "deflate", "zstd", "utf-8"] {
            let call = door.clone().json(&body).header("content-encoding", coding);
            siege.repels(call, 415, "media_type_unsupported").await;
        }
    }
    siege.is_over().await;
}

#[tokio::test]
async fn what_is_not_one_json_object_is_refused() {
    let siege = Siege::begins().await;
    for (door, body) in siege.doors() {
        let text = body.to_string();
        let cut = text[..text.len() - 1].to_owned();
        let twice = format!("{text}{text}");
        let surrogate = text.replace(":\"", ":\"\\ud800");
        let texts =
            ["[]", "\"x\"", "1", "null", "true", "{", "}", "{\"a\":}", "nul", &cut, &twice, &surrogate];
        for text in texts {
            let call = door.clone().text("application/json; charset=utf-8", text);
            siege.repels(call, 400, "request_invalid").await;
        }
        let mut broken = text.clone().into_bytes();
        let at = broken.len() - 3;
        broken[at] = 0xff;
        siege.repels(door.text("application/json", broken), 400, "request_invalid").await;
    }
    siege.is_over().await;
}

#[tokio::test]
async fn r54_json_nests_32_deep_and_no_deeper() {
    let siege = Siege::begins().await;
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
        format!("{{\"deep\":{open}{close}}}")
    };
    for (door, _) in siege.doors() {
        let call = door.clone().text("application/json", nested(33));
        siege.repels(call, 400, "request_invalid").await;
        let answer = siege.world.sends(door.text("application/json", nested(32))).await;
        assert_ne!(answer.code(), "request_invalid", "at 32 only its fields are missing");
    }
    let bomb = "[".repeat(60_000);
    siege.repels(Call::post(LOGIN).text("application/json", bomb), 400, "request_invalid").await;
    siege.is_over().await;
}

#[tokio::test]
async fn every_field_is_a_text_and_says_so_where_it_is_not() {
    let siege = Siege::begins().await;
    for (door, body) in siege.doors() {
        let fields = body.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
        for field in fields {
            for wrong in [json!(1), json!(1.5), json!(true), json!(["x"]), json!({ "x": "y" })] {
                let mut body = body.clone();
                body[&field] = wrong;
                let answer = siege.world.sends(door.clone().json(&body)).await.refused(400, "field_invalid");
                assert_eq!(answer.field("field"), field);
            }
            if field == "refresh_token" {
                continue;
            }
            for absent in [json!(null), json!("")] {
                let mut body = body.clone();
                body[&field] = absent;
                let answer = siege.world.sends(door.clone().json(&body)).await;
                let is_name = field == "username" && answer.line.ends_with("register");
                let code = if is_name { "name_invalid" } else { "field_missing" };
                answer.refused(400, code);
            }
        }
    }
    for (field, wrong) in
        [("device", json!(1)), ("transport", json!("carrier pigeon")), ("transport", json!(0))]
    {
        let mut body = siege.doors()[0].1.clone();
        body[field] = wrong;
        siege.repels(Call::post(LOGIN).json(&body), 400, "field_invalid").await;
    }
    siege.is_over().await;
}

#[tokio::test]
async fn an_empty_body_lacks_its_fields() {
    let siege = Siege::begins().await;
    for path in [LOGIN, REGISTER, PASSWORD] {
        for kind in ["application/json", "text/plain", "application/x-www-form-urlencoded"] {
            siege.repels(siege.authorized(path).text(kind, ""), 400, "field_missing").await;
        }
    }
    siege.repels(Call::post(REFRESH), 401, "token_missing").await;
    siege.repels(Call::post(REFRESH).json(&json!({})), 401, "token_missing").await;
    siege.repels(Call::post(LOGOUT).text("application/json", ""), 401, "token_missing").await;
    siege.is_over().await;
}

#[tokio::test]
async fn a_form_with_a_field_twice_is_refused() {
    let siege = Siege::begins().await;
    let forms: [&[(&str, &str)]; 3] = [
        &[("username", "ann"), ("username", "root"), ("password", "ann's battery staple")],
        &[("username", "ann"), ("password", "x"), ("password", "ann's battery staple")],
        &[("refresh_token", &siege.admin.1), ("refresh_token", &siege.admin.1)],
    ];
    for form in forms {
        for path in [LOGIN, REFRESH, LOGOUT] {
            siege.repels(Call::post(path).form(form), 400, "request_invalid").await;
            siege.repels(Call::post(path).multipart(form), 400, "request_invalid").await;
        }
    }
    siege.is_over().await;
}

/// Also where an application serves the router by itself, over whatever version of HTTP.
#[tokio::test]
async fn r56_of_two_fields_that_decide_neither_is_taken() {
    let siege = Siege::begins().await;
    let twice = [
        "host",
        "authorization",
        "content-length",
        "origin",
        "sec-fetch-site",
        "idempotency-key",
        "sprag-instance",
    ];
    for (door, body) in siege.doors() {
        for name in twice {
            let call = door.clone().without(name).json(&body).header(name, "1").header(name, "1");
            siege.repels(call, 400, "request_ambiguous").await;
        }
        let call = door.json(&body).header("content-type", "application/x-www-form-urlencoded");
        siege.repels(call, 400, "request_ambiguous").await;
    }
    siege.is_over().await;
}

#[tokio::test]
async fn headers_that_are_too_long_or_not_ascii_are_refused() {
    let siege = Siege::begins().await;
    let long = "x".repeat(256);
    let values: [&[u8]; 4] = [long.as_bytes(), b"", "caf\u{e9}".as_bytes(), b"\xff\xfe"];
    for value in values {
        for name in ["idempotency-key", "sprag-instance"] {
            let call = Call::post(REFRESH).json(&json!({ "refresh_token": siege.admin.1 }));
            siege.repels(call.header(name, value), 400, "request_invalid").await;
        }
        let (_, body) = siege.doors().swap_remove(0);
        siege
            .repels(Call::post(LOGIN).json(&body).header("sprag-instance", value), 400, "request_invalid")
            .await;
    }
    for name in ["authorization", "cookie"] {
        for value in [format!("Bearer {}", "x".repeat(9000)), "\u{1f642}".to_owned(), "=;=;,".repeat(1000)] {
            let answer = siege.world.sends(Call::get(ME).header(name, value)).await;
            assert_eq!(answer.status, 401, "{}", answer.text());
        }
    }
    siege.is_over().await;
}

#[tokio::test]
async fn a_retry_id_of_255_bytes_is_taken() {
    let world = World::new();
    let phone = world.ann().await.logs_in().await;
    let first = phone.presents_again(&phone.refresh, &"x".repeat(255)).await.is(200);
    let again = phone.presents_again(&phone.refresh, &"x".repeat(255)).await.is(200);
    assert_eq!(first.refresh_token(), again.refresh_token());
}

#[tokio::test]
async fn r52_what_a_client_calls_itself_is_kept_short_and_harmless() {
    let world = World::new();
    let ann = world.ann().await;
    let device = Device::new(&world, "Phone/1.0", "192.0.2.10");
    let body = json!({ "username": "ann", "password": ann.password });
    let agent = format!("\u{1b}[2J{}", "\u{1f642}".repeat(4000)).replace('\u{1b}', "");
    let call = device.call("POST", LOGIN).without("user-agent").header("user-agent", &agent).json(&body);
    world.sends(call).await.is(200);
    let kept = world.entries(ann.id).await.pop().expect("an entry").event.user_agent.expect("a user agent");
    assert!(kept.len() <= 256 && !kept.contains(char::is_control), "{kept:?}");
    assert!(agent.starts_with(&kept));
}

#[tokio::test]
async fn r54_a_wrong_method_is_405_and_names_the_right_ones() {
    let siege = Siege::begins().await;
    let mut allowed: std::collections::BTreeMap<String, Vec<String>> = std::collections::BTreeMap::new();
    for route in our_profile(&[]).wire.routes {
        allowed.entry(route.path.replace("{id}", "x")).or_default().push(route.method.to_string());
    }
    for path in ["/healthz", "/readyz", "/metrics", "/.well-known/jwks.json"] {
        allowed.insert(path.to_owned(), vec!["GET".to_owned()]);
    }
    for (path, methods) in allowed {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"] {
            if methods.iter().any(|allowed| allowed == method) {
                continue;
            }
            let call = Call::new(method, &path).bearer(&siege.admin.0);
            let answer = siege.world.sends(call).await.refused(405, "method_not_allowed");
            let named = answer.header("allow");
            assert!(methods.iter().all(|method| named.contains(method.as_str())), "{path}: {named}");
            assert_eq!(answer.headers.get_all("allow").iter().count(), 1);
        }
    }
    siege.is_over().await;
}

#[tokio::test]
async fn r36_nothing_changes_by_asking() {
    let siege = Siege::begins().await;
    for route in our_profile(&[]).wire.routes {
        let path = route.path.replace("{id}", "x");
        for method in ["GET", "HEAD"] {
            let answer = siege.world.sends(Call::new(method, &path).bearer(&siege.admin.0)).await;
            // There is no session or account x to be told of.
            let fits = match route.action.name() {
                "explain" => [404, 404],
                _ if route.path.contains("{id}") => [404, 405],
                _ => [200, 405],
            };
            assert!(fits.contains(&answer.status), "{method} {path}: {}", answer.status);
        }
    }
    siege.is_over().await;
}

#[tokio::test]
async fn there_is_nothing_elsewhere() {
    let siege = Siege::begins().await;
    let paths = [
        "/",
        "/api/v1/auth",
        "/api/v1/auth/",
        "/api/v1/auth/login/",
        "/api/v1/auth//login",
        "/API/v1/auth/login",
        "/api/v1/auth/../auth/login",
        "/api/v1/auth/%6cogin",
        "/admin",
        "/.env",
        "/sprag.db",
    ];
    for path in paths {
        for method in ["GET", "POST", "DELETE"] {
            siege.repels(Call::new(method, path), 404, "not_found").await;
        }
    }
    siege.repels(Call::new("DELETE", &format!("{SESSIONS}/a/b")), 404, "not_found").await;
    siege.is_over().await;
}

#[tokio::test]
async fn r54_a_refusal_does_not_repeat_what_was_sent() {
    let siege = Siege::begins().await;
    let marker = "<script>alert(1)</script>";
    let calls = [
        Call::post(LOGIN).json(&json!({ "username": marker, "password": marker })),
        Call::post(LOGIN).text("application/json", marker),
        Call::post(LOGIN).text("text/<script>", marker),
        Call::post(REFRESH).json(&json!({ "refresh_token": marker })),
        Call::get(ME).bearer(marker),
        siege.authorized(REGISTER).json(&json!({ "username": marker, "password": "x" })),
        Call::post(REFRESH)
            .header("idempotency-key", marker.repeat(20))
            .json(&json!({ "refresh_token": "x" })),
        Call::post(LOGIN)
            .header("origin", marker)
            .json(&json!({ "username": marker, "password": marker, "transport": "cookie" })),
    ];
    for call in calls {
        let answer = siege.world.sends(call).await;
        assert!(answer.status >= 400 && !answer.text().contains("script"), "{}", answer.text());
    }
}

#[tokio::test]
async fn r39_no_token_is_read_from_the_address() {
    let siege = Siege::begins().await;
    let (access, refresh) = &siege.admin;
    siege.repels(Call::get(&format!("{ME}?access_token={access}")), 401, "token_missing").await;
    siege.repels(Call::post(&format!("{REFRESH}?refresh_token={refresh}")), 401, "token_missing").await;
    siege.is_over().await;
}

#[tokio::test]
async fn r47_t32_nobody_chooses_the_address_or_the_site_they_come_from() {
    let world = World::new();
    let ann = world.ann().await;
    let device = Device::new(&world, "Phone/1.0", "192.0.2.10");
    let mut call = device.call("POST", LOGIN).json(&json!({ "username": "ann", "password": ann.password }));
    for name in ["x-forwarded-for", "x-real-ip", "forwarded", "cf-connecting-ip", "true-client-ip"] {
        call = call.header(name, "for=203.0.113.66");
    }
    world.sends(call).await.is(200);
    let opened = world.entries(ann.id).await.pop().expect("an entry").event;
    assert_eq!(opened.ip.as_deref(), Some("192.0.2.10"));

    let browser = ann.logs_in_by_cookie().await;
    let mut call =
        browser.call("POST", REFRESH).without("origin").header("origin", "https://evil.example.com");
    for name in ["host", "x-forwarded-host", "x-original-host"] {
        call = call.header(name, "evil.example.com");
    }
    world.sends(call).await.refused(403, "origin_refused");
}

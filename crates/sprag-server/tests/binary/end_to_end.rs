//! One story from the first start to the second, with everything that is beside it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;
use sprag_testkit::present::files_in;

use crate::SPRAG;
use crate::people::{Pair, log_in, login, logout, me, refresh};
use crate::server::{Home, Server};
use crate::token::facts;
use crate::wire::{Answer, Request};

#[test]
fn ann_logs_in_stays_in_and_logs_out() {
    let home = Home::new(SPRAG);
    let server = home.start(&[]);
    assert_eq!(server.ask(&Request::get("/healthz")).json()["status"], "ok");
    assert_eq!(server.ask(&Request::get("/readyz")).json()["status"], "ready");
    home.create_user("ann");

    let mut ann = server.connect();
    let first = log_in(&mut ann, "ann").unwrap();
    let shown = ann.ask(&me(&first.access)).unwrap();
    assert_eq!((shown.status, shown.member("username")), (200, "ann".to_owned()));

    let second = Pair::of(&ann.ask(&refresh(&first.refresh)).unwrap());
    let (old, new) = (facts(&first.refresh), facts(&second.refresh));
    assert_eq!((new.account, new.session, new.generation), (old.account, old.session, 1));
    let again = Pair::of(&ann.ask(&refresh(&first.refresh)).unwrap());
    assert_eq!(again.refresh, second.refresh, "the same token inside the window has the same successor");

    assert_eq!(ann.ask(&logout(&second.refresh)).unwrap().status, 204);
    assert_eq!(ann.ask(&logout(&second.refresh)).unwrap().status, 204, "logging out twice is no error");
    let refused = ann.ask(&refresh(&second.refresh)).unwrap();
    assert_eq!(refused.status, 401);
    assert_eq!(
        (refused.member("code").as_str(), refused.member("cause").as_str()),
        ("session_ended", "logout")
    );
    assert_eq!(ann.ask(&me(&second.access)).unwrap().status, 401, "its access token is over with it, here");
    server.stop();
}

#[test]
fn anyone_can_verify_an_access_token_with_the_published_keys() {
    let home = Home::new(SPRAG);
    let server = home.start(&[]);
    home.create_user("ann");
    let pair = log_in(&mut server.connect(), "ann").unwrap();
    let published = server.ask(&Request::get("/.well-known/jwks.json"));
    assert_eq!(published.header("content-type"), Some("application/jwk-set+json"));
    let claims = verified(&pair.access, &published, &format!("http://{}", server.address()));
    let account = facts(&pair.refresh).account;
    assert_eq!(claims["sub"], uuid::Uuid::from_bytes(account).to_string());
    assert_eq!(claims["sid"], uuid::Uuid::from_bytes(facts(&pair.refresh).session).to_string());
}

/// The claims of a token, verified by a library that we did not write.
fn verified(token: &str, published: &Answer, issuer: &str) -> Value {
    let header = decode_header(token).unwrap();
    assert_eq!((header.alg, header.typ.as_deref()), (Algorithm::ES256, Some("at+jwt")));
    let keys: JwkSet = serde_json::from_slice(&published.body).unwrap();
    let key = keys.find(&header.kid.unwrap()).unwrap();
    let mut expected = Validation::new(Algorithm::ES256);
    expected.set_issuer(&[issuer]);
    expected.set_audience(&[issuer]);
    decode(token, &DecodingKey::from_jwk(key).unwrap(), &expected).unwrap().claims
}

#[test]
fn what_is_beside_the_profiles_answers() {
    let home = Home::new(SPRAG);
    let server = home.start(&[]);
    let metrics = server.ask(&Request::get("/metrics").header("Accept", "application/openmetrics-text"));
    assert!(metrics.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    assert!(String::from_utf8_lossy(&metrics.body).ends_with("# EOF\n"));
    for accept in ["text/plain;version=0.0.4", "*/*"] {
        let metrics = server.ask(&Request::get("/metrics").header("Accept", accept));
        assert_eq!(
            metrics.header("content-type"),
            Some("text/plain; version=0.0.4; charset=utf-8"),
            "{accept}"
        );
        assert_eq!(metrics.header("vary"), Some("accept"));
        let text = String::from_utf8_lossy(&metrics.body);
        assert!(text.contains("# TYPE sprag_verdicts_total counter\n") && !text.contains("# EOF"), "{text}");
    }
    let document = server.ask(&Request::get("/openapi.json")).json();
    assert!(document["paths"]["/api/v1/auth/refresh"]["post"].is_object(), "{document:#}");
    let mut docs = server.ask(&Request::get("/docs"));
    if (300..400).contains(&docs.status) {
        docs = server.ask(&Request::get(docs.header("location").unwrap()));
    }
    assert_eq!(docs.status, 200);
    assert!(docs.header("content-type").unwrap().starts_with("text/html"));
    let nothing = server.ask(&Request::get("/nothing"));
    assert_eq!((nothing.status, nothing.member("code").as_str()), (404, "not_found"));
}

#[test]
fn nobody_else_on_the_machine_can_read_the_data() {
    let home = Home::new(SPRAG);
    let server = home.start(&[]);
    home.create_user("ann");
    log_in(&mut server.connect(), "ann").unwrap();
    assert_eq!(mode(&home.data()), 0o700);
    let files = files_in(&home.data());
    for wanted in ["keys.json", "sprag.db", "sprag.db-wal"] {
        assert!(files.iter().any(|(path, _)| path.ends_with(wanted)), "{wanted} is not among {files:?}");
    }
    for (path, file) in &files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
    }
}

#[test]
fn a_second_start_finds_sessions_and_keys_as_they_were() {
    let home = Home::new(SPRAG);
    let public = ["--public-url", "http://localhost:1"];
    let server = home.start(&public);
    home.create_user("ann");
    let pair = log_in(&mut server.connect(), "ann").unwrap();
    let keys = server.ask(&Request::get("/.well-known/jwks.json")).body;
    server.stop();
    assert!(!home.data().join("sprag.db-wal").exists(), "an orderly stop leaves no log behind");

    let server = home.start(&public);
    assert_eq!(server.ask(&Request::get("/.well-known/jwks.json")).body, keys);
    assert_eq!(server.ask(&me(&pair.access)).status, 200, "the access token still verifies");
    let renewed = Pair::of(&server.ask(&refresh(&pair.refresh)));
    assert_eq!(facts(&renewed.refresh).generation, 1, "the session lives on");
}

#[test]
fn a_second_server_on_the_same_port_says_so_and_leaves() {
    let home = Home::new(SPRAG);
    let server = home.start(&[]);
    let address = server.address().to_string();
    let second = Home::new(SPRAG);
    let ran = second.run(second.command(&["serve", "--listen", &address]), "");
    assert!(!ran.status.success());
    assert!(ran.stderr.contains(&format!("could not listen on {address}")), "{}", ran.stderr);
    assert!(ran.stderr.contains("is another server running there?"), "{}", ran.stderr);
    assert_eq!(login_status(&server), 401, "the first is not disturbed");
}

fn login_status(server: &Server) -> u16 {
    server.ask(&login("nobody", "a password of nobody's")).status
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

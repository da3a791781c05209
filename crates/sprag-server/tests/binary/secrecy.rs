//! No secret leaves the memory of the server but in its answers: not in the log at its finest, not on the disk.

use std::fs;
use std::path::Path;

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use serde_json::json;
use sprag_testkit::present::{bytes, files_in};

use crate::SPRAG;
use crate::bad_disk::{BadDisk, Fault};
use crate::load::Trouble as _;
use crate::people::{LOGIN, LOGOUT, Pair, REFRESH, log_in, login, logout, me, refresh, refresh_with_id};
use crate::server::{Home, PASSWORD, Server};
use crate::token::facts;
use crate::wire::{Answer, Connection, Request};

const NEW_PASSWORD: &str = "another long password for tests";
const WRONG_PASSWORD: &str = "nobody's password, typed wrong";
const COOKIE: &str = "__Host-sprag_refresh";

#[test]
fn r52_no_secret_is_in_the_log_or_on_the_disk() {
    for format in ["text", "json"] {
        let (home, disk) = (Home::new(SPRAG), BadDisk::new(Fault::Sync));
        let flags = ["--public-url", "http://localhost:1", "--log", "trace", "--log-format", format];
        let server = disk.start(&home, &flags);
        home.create_user("ann");
        let mut secrets = story(&server, &disk);
        assert!(server.log().contains("ERROR"), "there is something in the log: {}", server.log());
        // Once while the database's own log is there, and once after it has been copied.
        find_nothing(&home, &secrets);
        server.stop();
        secrets.extend(keys(&home));
        find_nothing(&home, &secrets);
    }
}

/// Everything that handles a secret, done once; gives the secrets that were in play.
fn story(server: &Server, disk: &BadDisk) -> Vec<(&'static str, Vec<u8>)> {
    let mut client = server.connect();
    let mut pairs = vec![log_in(&mut client, "ann").unwrap()];
    assert_eq!(client.ask(&login("ann", WRONG_PASSWORD)).unwrap().status, 401);
    assert_eq!(client.ask(&login(WRONG_PASSWORD, PASSWORD)).unwrap().status, 401);
    let turned = Pair::of(&client.ask(&refresh_with_id(&pairs[0].refresh)).unwrap());
    assert_eq!(client.ask(&me(&turned.access)).unwrap().status, 200);
    let broken = format!("{}x", turned.refresh);
    assert_eq!(client.ask(&refresh(&broken)).unwrap().status, 401);
    assert_eq!(client.ask(&me(&format!("{}x", turned.access))).unwrap().status, 401);
    pairs.push(turned);

    let change = json!({ "current_password": PASSWORD, "new_password": NEW_PASSWORD, "refresh_token": pairs[1].refresh });
    let change = Request::post("/api/v1/auth/password", &change).bearer(&pairs[1].access);
    pairs.push(Pair::of(&client.ask(&change).unwrap()));
    assert_eq!(client.ask(&refresh(&pairs[0].refresh)).unwrap().status, 401, "an old token is reuse");
    pairs.push(Pair::of(&client.ask(&login("ann", NEW_PASSWORD)).unwrap()));
    assert_eq!(client.ask(&logout(&pairs[3].refresh)).unwrap().status, 204);

    let cookies = with_a_cookie(&mut client);
    // What goes wrong is told in the log, with all that was known of it.
    pairs.push(Pair::of(&client.ask(&login("ann", NEW_PASSWORD)).unwrap()));
    disk.fail("");
    for request in [refresh_with_id(&pairs[4].refresh), logout(&pairs[4].refresh), login("ann", NEW_PASSWORD)]
    {
        assert_eq!(client.ask(&request).unwrap().status, 503);
    }
    disk.work();
    let mut secrets = vec![
        ("password", PASSWORD.into()),
        ("new password", NEW_PASSWORD.into()),
        ("wrong password", WRONG_PASSWORD.into()),
    ];
    for pair in &pairs {
        secrets.push(("access token", pair.access.clone().into_bytes()));
        let (_, signature) = pair.access.rsplit_once('.').unwrap();
        secrets.push(("signature", signature.into()));
    }
    for text in pairs.iter().map(|pair| &pair.refresh).chain(&cookies) {
        secrets.push(("refresh token", text.clone().into_bytes()));
        secrets.push(("tail of a refresh token", text.as_bytes()[text.len() - 30..].to_vec()));
        secrets.push(("session secret", facts(text).secret.to_vec()));
    }
    secrets
}

/// A log-in, a refresh and a log-out by cookie; gives the cookie's values.
fn with_a_cookie(client: &mut Connection) -> Vec<String> {
    let from_own_page = |request: Request| request.header("Origin", "http://localhost:1");
    let body = json!({ "username": "ann", "password": NEW_PASSWORD, "transport": "cookie" });
    let first = cookie(&client.ask(&from_own_page(Request::post(LOGIN, &body))).unwrap());
    let carry = |path: &str, value: &str| {
        from_own_page(Request::post(path, &json!({}))).header("Cookie", &format!("{COOKIE}={value}"))
    };
    let second = cookie(&client.ask(&carry(REFRESH, &first)).unwrap());
    assert_eq!(client.ask(&carry(LOGOUT, &second)).unwrap().status, 204);
    let foreign = Request::post(REFRESH, &json!({})).header("Cookie", &format!("{COOKIE}={second}"));
    assert_eq!(client.ask(&foreign).unwrap().status, 403, "no page of this site sent it");
    vec![first, second]
}

fn cookie(answer: &Answer) -> String {
    let all = answer.headers.iter().filter(|(name, _)| name == "set-cookie");
    let found = all.filter_map(|(_, value)| value.strip_prefix(COOKIE)?.strip_prefix('=')).next();
    found.and_then(|value| value.split(';').next()).unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

/// The keys in the key ring.
fn keys(home: &Home) -> Vec<(&'static str, Vec<u8>)> {
    let ring: serde_json::Value =
        serde_json::from_slice(&fs::read(home.data().join("keys.json")).unwrap()).unwrap();
    let entries = ["refresh", "access"].into_iter().flat_map(|list| ring[list].as_array().unwrap());
    let secrets: Vec<_> = entries
        .map(|entry| ("key", BASE64URL_NOPAD.decode(entry["secret"].as_str().unwrap().as_bytes()).unwrap()))
        .collect();
    assert!(secrets.len() >= 2);
    secrets
}

pub(crate) fn find_nothing(home: &Home, secrets: &[(&'static str, Vec<u8>)]) {
    let ring = home.data().join("keys.json");
    let files: Vec<_> = files_in(home.path()).into_iter().filter(|(path, _)| *path != ring).collect();
    assert!(files.len() >= 3, "the log, what was printed and the database are there: {files:?}");
    let is_given = |path: &Path| path.file_name().unwrap().to_string_lossy().starts_with("in-");
    for (path, file) in files.iter().filter(|(path, _)| !is_given(path)) {
        let bytes = bytes(file).unwrap();
        for (name, secret) in secrets {
            for form in forms(secret) {
                assert!(!contains(&bytes, &form), "a {name} is in {}", path.display());
            }
        }
    }
}

/// A secret as it is, in hexadecimal, as a list of numbers, and in base64 wherever in a text it may begin.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let numbers: Vec<_> = secret.iter().map(ToString::to_string).collect();
    let mut forms = vec![
        secret.to_vec(),
        HEXLOWER.encode(secret).into_bytes(),
        HEXUPPER.encode(secret).into_bytes(),
        numbers.join(", ").into_bytes(),
        numbers.join(",").into_bytes(),
    ];
    for shift in 0..3 {
        let shifted = [&vec![0; shift][..], secret].concat();
        // The first and the last characters depend on what stands beside the secret.
        for text in [BASE64.encode(&shifted), BASE64URL_NOPAD.encode(&shifted)] {
            let text = text.trim_end_matches('=');
            forms.push(text.as_bytes()[4..text.len() - 4].to_vec());
        }
    }
    forms
}

fn contains(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|window| window == wanted)
}

#[test]
fn the_search_finds_what_is_there() {
    let text = format!("token={}", BASE64.encode(b"so it is: a long password for tests, he said"));
    assert!(forms(PASSWORD.as_bytes()).iter().any(|form| contains(text.as_bytes(), form)));
    assert!(!forms(NEW_PASSWORD.as_bytes()).iter().any(|form| contains(text.as_bytes(), form)));
}

#[test]
fn a_crash_leaves_no_core_with_keys_in_it() {
    let home = Home::new(SPRAG);
    let server = home.start(&[]);
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let numbers: Vec<_> = core.split_whitespace().filter(|word| word.parse::<u64>().is_ok()).collect();
    assert_eq!(numbers, ["0", "0"], "neither is one written, nor can the limit be raised again: {core}");
    server.stop();
}

//! Passwords known from a breach, asked for at a service by the first digits of their hashes: wherever one is chosen, and where the
//! service is away.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use data_encoding::HEXUPPER;
use serde_json::json;

use crate::SPRAG;
use crate::people::{Pair, login};
use crate::server::{Home, PASSWORD, Server, await_some};
use crate::wire::{Answer, Request};

const STOLEN: &str = "stolen from somewhere else";
const NEW: &str = "another good password";

/// A service of stolen passwords that knows one, and notes what it is asked.
struct Service {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Service {
    fn start() -> Self {
        let hash = HEXUPPER.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, STOLEN.as_bytes()).as_ref());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let noted = Arc::clone(&asked);
        // It ends with the process, as what it holds does.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let line = lines.next().unwrap_or_default();
                lines.take_while(|line| !line.is_empty()).for_each(drop);
                let is_right = line.starts_with(&format!("GET /range/{} HTTP/1.1", &hash[..5]));
                let rest = if is_right { &hash[5..] } else { "0018A45C4D1DEF81644B54AB7F969B88D65" };
                let body = format!("{rest}:3\r\n00D4F6E8FA6EECAD2A3AA415EEC418D38EC:0\r\n");
                noted.lock().unwrap().push(line);
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                let _ = (&stream).write_all((head + &body).as_bytes());
            }
        });
        Self { address, asked }
    }
}

fn checks(server: &Server, outcome: &str) -> u64 {
    let text = String::from_utf8(server.ask(&Request::get("/metrics")).body).unwrap();
    let name = format!("sprag_breach_checks_total{{outcome=\"{outcome}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
}

fn is_refused(answer: &Answer) {
    let said = (answer.status, answer.member("code"));
    assert_eq!(said, (400, "password_rejected".to_owned()), "{}", String::from_utf8_lossy(&answer.body));
    assert!(String::from_utf8_lossy(&answer.body).contains("stolen elsewhere"), "it says why");
}

#[test]
fn a_stolen_password_is_refused_wherever_one_is_chosen_and_no_digit_more_than_five_is_told() {
    let (service, letters) = (Service::start(), tempfile::tempdir().unwrap());
    let home = Home::new(SPRAG);
    let url = format!("http://{}/range", service.address);
    let way = format!("folder:{}", letters.path().display());
    let check = ["--breach-check", url.as_str(), "--hook-networks", "127.0.0.1"];
    let create = |name: &str, password: &str, more: &[&str]| {
        let email = format!("{name}@example.org");
        let args = ["user", "create", "--username", name, "--email", &email, "--password-stdin"];
        home.run(home.command(&[&args[..], more, &check[..]].concat()), password)
    };
    let refused = create("ann", STOLEN, &[]);
    assert!(!refused.status.success() && refused.stderr.contains("stolen elsewhere"), "{refused:?}");
    for (name, more) in [("ann", &[][..]), ("root", &["--admin"])] {
        let made = create(name, PASSWORD, more);
        assert!(made.status.success(), "{made:?}");
    }
    let server = home.start(&[&check[..], &["--registration", "open", "--mail-url", &way]].concat());
    let says = |path: &str, body: serde_json::Value| Request::post(&format!("/api/v1{path}"), &body);
    let ann = Pair::of(&server.ask(&login("ann", PASSWORD)));
    let root = Pair::of(&server.ask(&login("root", PASSWORD)));
    let users = server.ask(&Request::get("/api/v1/admin/users?query=ann").bearer(&root.access)).json();
    let id = users["items"][0]["id"].as_str().unwrap().to_owned();
    let carol = |password: &str| json!({ "username": "carol", "password": password });
    let change = |password: &str| json!({ "current_password": PASSWORD, "new_password": password });
    let set = format!("/admin/users/{id}/password");

    let forgot = says("/auth/password/forgot", json!({ "email": "ann@example.org" }));
    assert_eq!(server.ask(&forgot).status, 202);
    let token = await_some(|| token_in(letters.path())).expect("a letter");
    let reset = |password: &str| json!({ "token": token, "new_password": password });

    is_refused(&server.ask(&says("/auth/register", carol(STOLEN))));
    is_refused(&server.ask(&says("/auth/password", change(STOLEN)).bearer(&ann.access)));
    is_refused(&server.ask(&says("/auth/password/reset", reset(STOLEN))));
    is_refused(&server.ask(&says(&set, json!({ "password": STOLEN })).bearer(&root.access)));
    assert_eq!((checks(&server, "known"), checks(&server, "unavailable")), (4, 0));
    // Log-ins have asked, too.
    let before = checks(&server, "unknown");
    assert_eq!(server.ask(&says("/auth/register", carol(NEW))).status, 201);
    assert_eq!(server.ask(&says("/auth/password", change(NEW)).bearer(&ann.access)).status, 200);
    assert_eq!(checks(&server, "unknown"), before + 2);
    for line in service.asked.lock().unwrap().iter() {
        let digits = line.strip_prefix("GET /range/").and_then(|rest| rest.strip_suffix(" HTTP/1.1"));
        assert_eq!(digits.map(str::len), Some(5), "{line}");
    }
    server.stop();
}

#[test]
fn where_the_service_is_away_nobody_is_kept_from_anything_and_it_is_told() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let home = Home::new(SPRAG);
    home.create_user("ann");
    let url = format!("http://{nobody}/range");
    let flags = ["--breach-check", &url, "--hook-networks", "127.0.0.1", "--risk-breached-password", "40"];
    let server = home.start(&flags);
    let ann = Pair::of(&server.ask(&login("ann", PASSWORD)));
    let change = json!({ "current_password": PASSWORD, "new_password": STOLEN });
    Pair::of(&server.ask(&Request::post("/api/v1/auth/password", &change).bearer(&ann.access)));
    Pair::of(&server.ask(&login("ann", STOLEN)));
    assert!(checks(&server, "unavailable") >= 2, "a log-in and a change");
    assert!(server.log().contains("known from a breach could not be asked"), "{}", server.log());
    server.stop();
    let plain = home.run(home.command(&["serve", "--breach-check", "http://example.org/range"]), "");
    assert!(!plain.status.success() && plain.stderr.contains("without TLS"), "{plain:?}");
}

/// The token in the only letter of a folder.
fn token_in(folder: &std::path::Path) -> Option<String> {
    let mut files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let letter = files.find(|path| path.extension().is_some_and(|end| end == "eml"))?;
    let text = std::fs::read_to_string(letter).unwrap().replace("=\r\n", "");
    let (_, rest) = text.split_once("spo_")?;
    Some(format!("spo_{}", &rest[..111]))
}

//! Devices and places: what a start needs, and what commands show.

use serde_json::{Value, json};
use sprag_testkit::binary::server::await_some;
use sprag_testkit::mmdb::{Mmdb, city};

use crate::given::{ANNS_PASSWORD, Folder, Server, a_folder_with_ann, an_empty_folder};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

fn a_folder_with_places() -> Folder {
    let folder = a_folder_with_ann()
        .set("SPRAG_TRUSTED_PROXIES", "127.0.0.1")
        .set("SPRAG_GEO_DATABASE", "places.mmdb");
    folder.write("places.mmdb", Mmdb::usual().bytes());
    folder
}

/// Asks as a client does that a proxy forwards from there.
fn post(server: &Server, path: &str, from: &str, agent: &str, body: &Value) -> (u16, Value) {
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\ncontent-type: application/json\r\nx-forwarded-for: 127.0.0.1, {from}\r\nuser-agent: {agent}\r\n\
         content-length: {}\r\n",
        body.len()
    );
    server.ask(&head, &body)
}

fn log_in(server: &Server, from: &str, agent: &str) -> (u16, Value) {
    let body = json!({ "username": "ann", "password": ANNS_PASSWORD });
    post(server, "/api/v1/auth/login", from, agent, &body)
}

#[test]
fn sessions_are_listed_with_device_and_place() {
    let folder = a_folder_with_places();
    let server = folder.serve();
    assert_eq!(log_in(&server, "198.51.100.7", FIREFOX).0, 200);
    let (_, pair) = log_in(&server, "203.0.113.7", "okhttp/4.12.0");
    let listed = folder.run(&["session", "list"]).succeeds();
    let cells: Vec<_> = listed
        .lines()
        .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>())
        .collect();
    assert_eq!(cells[0][4..], ["DEVICE", "FROM"], "{listed}");
    // A narrow line has no room for all of it.
    let begin = |line: usize, device: &str, from: &str| {
        cells[line][4].starts_with(device) && cells[line][5].starts_with(from)
    };
    assert!(begin(1, "Firefox", "Berlin") && begin(2, "okhttp", "Sydney"), "{listed}");
    let json = folder.json(&["session", "list", "--json"]);
    assert_eq!(
        (&json[0]["label"], &json[0]["country"], &json[0]["city"]),
        (&json!("Firefox on Linux"), &json!("DE"), &json!("Berlin"))
    );
    let id = pair["session_id"].as_str().unwrap();
    let why = folder.run(&["why", id]).succeeds();
    assert!(
        why.contains("from 203.0.113.7 (Sydney, AU), with okhttp/4.12.0\ndevice   okhttp (Android)\n"),
        "{why}"
    );
    assert!(
        why.contains(
            "\nrisk     100, the journal warns: new device 20, new country 30 (AU), impossible travel 50 ("
        ),
        "{why}"
    );
    assert_eq!(folder.json(&["why", id, "--json"])["risk"]["score"], 100);
    let warned = folder.json(&["audit", "list", "--kind", "risky_login", "--json"]);
    assert_eq!(warned.as_array().unwrap().len(), 1);
}

#[test]
fn places_that_are_not_let_in_are_refused_by_the_settings_of_every_profile() {
    let folder = a_folder_with_places().set("SPRAG_GEO_DENY", "AU").set("SPRAG_GEO_REFRESH_ALLOW", "DE,AU");
    let folder = folder.set("SPRAG_GEO_REFRESH_DENY", "none").set("SPRAG_PROFILES", "sprag,express-mongo");
    let server = folder.serve();
    let (_, pair) = log_in(&server, "198.51.100.7", FIREFOX);
    let refused = log_in(&server, "203.0.113.7", FIREFOX);
    assert_eq!((refused.0, &refused.1["code"]), (403, &json!("place_refused")));
    let body = json!({ "email": "ann@example.org", "password": ANNS_PASSWORD });
    let refused = post(&server, "/api/auth/login", "203.0.113.7", FIREFOX, &body);
    assert_eq!((refused.0, &refused.1["success"]), (403, &json!(false)), "in its own shape: {}", refused.1);
    let token = json!({ "refresh_token": pair["refresh_token"] });
    let refresh = |from| post(&server, "/api/v1/auth/refresh", from, FIREFOX, &token).0;
    assert_eq!(refresh("2001:db8:f::7"), 403);
    assert_eq!(refresh("203.0.113.7"), 200);
    server.stops();
    let told = folder.json(&["audit", "list", "--kind", "place_refused", "--json"]);
    assert_eq!(told.as_array().unwrap().len(), 1, "{told}");
    assert_eq!(told[0]["note"], "3 refused in a minute: 2 log-in from AU, 1 refresh from FR");
}

#[test]
fn what_a_start_cannot_use_is_said_with_what_to_do() {
    let told = |folder: Folder| folder.run(&["serve", "--listen", "127.0.0.1:0"]).fails();
    let folder = an_empty_folder().set("SPRAG_GEO_DATABASE", "places.mmdb");
    folder.write("places.mmdb", b"<html>sign in</html>");
    let error = told(folder);
    assert!(
        error.contains("could not use the geo-database places.mmdb: it is no file in MaxMind's format"),
        "{error}"
    );
    let error = told(an_empty_folder().set("SPRAG_GEO_DENY", "KP"));
    assert!(
        error.contains("SPRAG_GEO_DENY is set") || error.contains("set SPRAG_GEO_DATABASE to one"),
        "{error}"
    );
    let folder = an_empty_folder().set("SPRAG_PROFILES", "./own.toml");
    folder.write("own.toml", OWN);
    let error = told(folder);
    assert!(error.contains("own.toml") && error.contains("set SPRAG_GEO_DATABASE to one"), "{error}");
    let folder = an_empty_folder().set("SPRAG_RISK_ADDRESSES", "addresses");
    folder.write("addresses", "203.0.113.5\nexample.org\n");
    let error = told(folder);
    assert!(error.contains("addresses: line 2 is \"example.org\""), "{error}");
}

const OWN: &str = r#"
id = 7
about = "Only from one country"
extends = "sprag"
geo.allow = ["DE"]
"#;

#[test]
fn a_command_beside_the_server_goes_without_countries_where_the_file_is_broken() {
    let folder = a_folder_with_places();
    let server = folder.serve();
    assert_eq!(log_in(&server, "198.51.100.7", FIREFOX).0, 200);
    folder.write("places.mmdb", b"broken");
    let listed = folder.run(&["session", "list"]);
    assert_eq!(listed.code, 0);
    assert!(listed.out.contains("Firefox") && listed.out.contains("198.51"), "{}", listed.out);
    let all = format!("{}{}", listed.err, listed.notes);
    assert!(all.contains("countries are not shown"), "{all}");
    // The server goes on with what it has read.
    assert_eq!(log_in(&server, "203.0.113.7", FIREFOX).0, 200);
}

#[test]
fn a_newer_file_is_read_without_a_restart() {
    let folder = a_folder_with_places().set("SPRAG_GEO_DENY", "AU");
    let server = folder.serve();
    assert_eq!(log_in(&server, "203.0.113.7", FIREFOX).0, 403);
    let newer = Mmdb::of_cities().with("203.0.113.0/24", city("NZ", "Wellington", -41.3, 174.8)).bytes();
    folder.write("newer", newer);
    std::fs::rename(folder.path("newer"), folder.path("places.mmdb")).unwrap();
    server.reads_again();
    let is_let_in = || Some(()).filter(|()| log_in(&server, "203.0.113.7", FIREFOX).0 == 200);
    assert!(await_some(is_let_in).is_some(), "nobody is told when it is read");
}

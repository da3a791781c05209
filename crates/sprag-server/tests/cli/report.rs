//! `sprag report`.

use std::process::Command;

use serde_json::{Value, json};

use crate::given::{ANNS_PASSWORD, Folder, a_folder_with_ann};

/// A folder in which ann logged in twice, once with a wrong password before, and refreshed, and an operator ended a session.
fn a_folder_with_a_history() -> Folder {
    let folder = a_folder_with_ann();
    let server = folder.serve();
    let wrong = json!({ "username": "ann", "password": "another long password" });
    assert_eq!(server.post("/api/v1/auth/login", &wrong).0, 401);
    let pair = server.log_in("ann", ANNS_PASSWORD, None);
    server.log_in("ann", ANNS_PASSWORD, None);
    assert_eq!(server.refresh(&pair).0, 200);
    server.stops();
    folder.run(&["session", "revoke", pair["session_id"].as_str().unwrap()]).succeeds();
    folder
}

#[test]
fn what_servers_and_commands_counted_stands_in_the_report_once_they_have_ended_in_order() {
    let folder = a_folder_with_a_history();
    let report = folder.json(&["report", "--json"]);
    let total = &report["total"];
    for (what, expected) in [
        ("logins", json!(2)),
        ("failed_logins", json!({ "credentials_invalid": 1 })),
        ("refreshes", json!(1)),
        ("active_accounts", json!(1)),
        ("active_accounts_exact", json!(true)),
        ("sessions_opened", json!({ "session_opened": 2 })),
        ("sessions_ended", json!({ "admin": 1 })),
        ("new_accounts", json!(1)),
    ] {
        assert_eq!(total[what], expected, "{what}");
    }
    assert_eq!((&report["gaps"], report["rows"].as_array().map(Vec::len)), (&json!([]), Some(14)));
    assert_eq!(folder.json(&["report", "--json"])["total"], *total, "a look at it counts nothing");
}

#[test]
fn of_a_server_that_was_killed_the_report_is_complete_until_it_wrote_last() {
    let folder = a_folder_with_ann();
    let until = |report: &Value| report["complete_until"].as_str().unwrap().to_owned();
    let server = folder.serve();
    let asked = || until(&folder.json(&["report", "--json"]));
    // Once the server has written, as it does at its start, the report knows no more than that until it writes again.
    let before = loop {
        let before = asked();
        if before == asked() {
            break before;
        }
    };
    server.log_in("ann", ANNS_PASSWORD, None);
    drop(server);
    let report = folder.json(&["report", "--json"]);
    assert_eq!(report["total"]["logins"], 0, "it was killed before it wrote");
    assert_eq!(until(&report), before, "and the report does not claim to know more");
}

#[test]
fn a_report_is_drawn_in_what_the_locale_can_show_and_written_as_one_file() {
    let folder = a_folder_with_a_history();
    let drawn = folder.run(&["report", "--since", "3d"]).succeeds();
    assert!(drawn.is_ascii() && !drawn.contains('\x1b'), "{drawn}");
    assert!(drawn.contains("log-ins") && drawn.contains("admin"), "{drawn}");
    let mut command: Command = folder.command(&["report"]);
    let shown = command.env("LANG", "en_GB.UTF-8").output().unwrap();
    assert!(String::from_utf8(shown.stdout).unwrap().contains('█'));
    folder.run(&["report", "--html", "report.html"]);
    let html = folder.read("report.html");
    assert!(html.starts_with("<!doctype html>") && html.contains("credentials_invalid"), "{html}");
    for misused in
        [&["report", "--since", "soon"][..], &["report", "--by", "hour"], &["report", "--since", "500d"]]
    {
        assert!(!folder.run(misused).was_misused().is_empty(), "{misused:?}");
    }
}

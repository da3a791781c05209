//! `sprag session`.

use insta::assert_snapshot;
use serde_json::json;

use crate::given::{ANNS_PASSWORD, a_folder_with_ann, redacted};

#[test]
fn sessions_are_listed_and_ended_beside_the_server() {
    let folder = a_folder_with_ann();
    let server = folder.serve();
    let phone = server.log_in("ann", ANNS_PASSWORD, Some("phone"));
    let laptop = server.log_in("ann", ANNS_PASSWORD, Some("laptop"));
    assert_snapshot!(redacted(&folder.run(&["session", "list"]).succeeds()), @r"
    SESSION                               USER  OPENED (UTC)      REFRESHED (UTC)   DEVICE  FROM
    an-id-of-the-length-that-ids-do-have  ann   2026-mm-dd hh:mm  2026-mm-dd hh:mm  phone   127.0.0.1
    an-id-of-the-length-that-ids-do-have  ann   2026-mm-dd hh:mm  2026-mm-dd hh:mm  laptop  127.0.0.1
    ");
    let id = phone["session_id"].as_str().unwrap();
    let revoked = folder.run(&["session", "revoke", id]).succeeds();
    assert_snapshot!(
        redacted(&revoked),
        @"session an-id-of-the-length-that-ids-do-have has ended; its access token runs out by itself"
    );
    let (status, refusal) = server.refresh(&phone);
    assert_eq!((status, &refusal["cause"]), (401, &json!("admin")));
    assert_eq!(server.refresh(&laptop).0, 200);
    let again = folder.run(&["session", "revoke", id]).succeeds();
    assert_snapshot!(
        redacted(&again),
        @"session an-id-of-the-length-that-ids-do-have ended already, at 2026-mm-dd hh:mm:ss UTC: admin; nothing was changed"
    );
    assert_eq!(folder.json(&["session", "list", "--json"]).as_array().unwrap().len(), 1);
    assert_snapshot!(redacted(&folder.run(&["session", "list", "--all", "--user", "ann"]).succeeds()), @r"
    SESSION                               USER  OPENED (UTC)      ENDED (UTC)       STATE
    an-id-of-the-length-that-ids-do-have  ann   2026-mm-dd hh:mm  2026-mm-dd hh:mm  admin
    an-id-of-the-length-that-ids-do-have  ann   2026-mm-dd hh:mm  -                 live
    ");
    assert_snapshot!(
        folder.run(&["session", "revoke", "--user", "ann"]).succeeds(),
        @"1 session of ann has ended; its access token runs out by itself"
    );
    assert_eq!(server.refresh(&laptop).0, 401);
    let nothing = folder.run(&["session", "list"]);
    assert_eq!(
        (nothing.code, nothing.out.as_str(), nothing.err.as_str()),
        (0, "", "there are no live sessions\n")
    );
}

#[test]
fn a_session_that_is_none_is_refused_with_the_way_to_find_one() {
    let folder = a_folder_with_ann();
    let unknown = folder.run(&["session", "revoke", "01997c5e-0000-7000-8000-000000000000"]);
    assert_snapshot!(
        unknown.fails(),
        @"sprag: there is no session 01997c5e-0000-7000-8000-000000000000; `sprag session list --all` shows all that are kept"
    );
    assert!(
        folder.run(&["session", "revoke", "ann"]).was_misused().contains("`sprag session list` shows them")
    );
    assert!(folder.run(&["session", "revoke"]).was_misused().contains("<ID|--user <WHO>>"));
    assert!(folder.run(&["session", "list", "--user", "bob"]).fails().contains("there is no account"));
}

#[test]
fn a_session_that_ended_says_why() {
    let folder = a_folder_with_ann();
    let server = folder.serve();
    let pair = server.log_in("ann", ANNS_PASSWORD, Some("phone"));
    let id = pair["session_id"].as_str().unwrap();
    folder.run(&["session", "revoke", id]).succeeds();
    let why = folder.run(&["why", id]).succeeds();
    assert!(why.contains(id) && why.contains("phone") && why.contains("admin"), "{why}");
    assert_eq!(folder.json(&["why", id, "--json"])["ended"]["cause"], "admin");
    let unknown = folder.run(&["why", "01997c5e-0000-7000-8000-000000000000"]).fails();
    assert!(unknown.contains("there is no session") && unknown.contains("--keep-ended"), "{unknown}");
    assert!(folder.run(&["why", "ann"]).was_misused().contains("`sprag session list` shows them"));
}

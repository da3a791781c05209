//! `sprag key`: one key follows another while the server runs.

use std::thread;
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::given::{ANNS_PASSWORD, Folder, Server, a_folder_with_ann, an_empty_folder, redacted};

/// How long a server may take to notice that the ring has changed.
const PATIENCE: Duration = Duration::from_secs(20);

fn states(folder: &Folder) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let keys = folder.json(&["key", "list", "--json"]);
    keys.as_array().unwrap().iter().map(|key| (text(&key["purpose"]), text(&key["state"]))).collect()
}

fn pairs(states: &[(&str, &str)]) -> Vec<(String, String)> {
    states.iter().map(|(purpose, state)| ((*purpose).to_owned(), (*state).to_owned())).collect()
}

fn published(server: &Server) -> usize {
    server.get("/.well-known/jwks.json").1["keys"].as_array().unwrap().len()
}

/// Asks until the server has noticed.
fn until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "the server has not noticed");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_rotation_says_what_will_happen_when() {
    let folder = a_folder_with_ann();
    assert_snapshot!(redacted(&folder.run(&["key", "list"]).succeeds()), @r"
    FOR      KEY               ALG    STATE  MADE (UTC)        SIGNS (UTC)       RETIRES (UTC)
    refresh  1                 -      signs  2026-mm-dd hh:mm  2026-mm-dd hh:mm  -
    access   a-key-of-its-own  ES256  signs  2026-mm-dd hh:mm  2026-mm-dd hh:mm  -
    ");
    assert_snapshot!(redacted(&folder.run(&["key", "rotate"]).succeeds()), @r"
    Made refresh key 2.
      2026-mm-dd hh:mm:ss UTC  key 2 is accepted
      2026-mm-dd hh:mm:ss UTC  key 2 signs, and no key before it does
      2026-mm-dd hh:mm:ss UTC  key 1 is refused; every session it signed for is over by then

    Made ES256 access key a-key-of-its-own.
      2026-mm-dd hh:mm:ss UTC  key a-key-of-its-own is accepted, and published at /.well-known/jwks.json
      2026-mm-dd hh:mm:ss UTC  key a-key-of-its-own signs, and no key before it does
      2026-mm-dd hh:mm:ss UTC  key a-key-of-its-own is refused; every access token it signed has run out by then

    Servers that use ./sprag-data/keys.json learn of it within 2 seconds.
    A server with a copy of it needs the new file before the new key signs.
    Keys are refused after the lifetimes that are set here, of the profiles sprag: they must be the server's.
    ");
    assert_snapshot!(redacted(&folder.run(&["key", "list"]).succeeds()), @r"
    FOR      KEY               ALG    STATE  MADE (UTC)        SIGNS (UTC)       RETIRES (UTC)
    refresh  1                 -      signs  2026-mm-dd hh:mm  2026-mm-dd hh:mm  2026-mm-dd hh:mm
    refresh  2                 -      waits  2026-mm-dd hh:mm  2026-mm-dd hh:mm  -
    access   a-key-of-its-own  ES256  signs  2026-mm-dd hh:mm  2026-mm-dd hh:mm  2026-mm-dd hh:mm
    access   a-key-of-its-own  ES256  waits  2026-mm-dd hh:mm  2026-mm-dd hh:mm  -
    ");
}

#[test]
fn a_key_is_rotated_alone_and_at_another_time_where_asked() {
    let folder = a_folder_with_ann();
    let refresh = folder.run(&["key", "rotate", "--refresh", "--in", "1h"]).succeeds();
    assert!(refresh.contains("Made refresh key 2.") && !refresh.contains("access"), "{refresh}");
    let access = folder.run(&["key", "rotate", "--access", "--now"]);
    assert_eq!(access.code, 0);
    assert_snapshot!(access.err, @r"
    Warning: whoever verifies access tokens may keep the published keys for 5 minutes,
    and refuse tokens of the new key until then.
    ");
    let expected = [("refresh", "signs"), ("refresh", "waits"), ("access", "accepted"), ("access", "signs")];
    assert_eq!(states(&folder), pairs(&expected));
    for wrong in [&["--refresh", "--access"][..], &["--now", "--in", "1h"], &["--in", "soon"]] {
        folder.run(&[&["key", "rotate"], wrong].concat()).was_misused();
    }
}

#[test]
fn rotations_at_once_lose_no_key() {
    let folder = a_folder_with_ann();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| folder.run(&["key", "rotate"]).succeeds());
        }
    });
    assert_eq!(states(&folder).len(), 2 * 5);
}

#[test]
fn a_rotation_logs_nobody_out() {
    let folder = a_folder_with_ann();
    let server = folder.serve();
    let (soon, later) =
        (server.log_in("ann", ANNS_PASSWORD, None), server.log_in("ann", ANNS_PASSWORD, None));
    folder.run(&["key", "rotate", "--in", "3s"]);
    until(|| published(&server) == 2);
    assert_eq!(server.refresh(&soon).0, 200);
    until(|| states(&folder).contains(&("refresh".to_owned(), "accepted".to_owned())));
    let (status, turned) = server.refresh(&later);
    assert_eq!(status, 200, "a token of the key before turns its session: {turned}");
    let (status, kept) = server.refresh(&turned);
    assert_eq!(status, 200, "and so does what it got: {kept}");
    assert_eq!(server.refresh(&server.log_in("ann", ANNS_PASSWORD, None)).0, 200);
}

#[test]
fn looking_at_the_ring_changes_nothing() {
    let folder = a_folder_with_ann();
    let ring = folder.read("sprag-data/keys.json");
    assert_eq!(folder.run(&["key", "list", "--signing-algorithm", "EdDSA"]).code, 0);
    folder.run(&["key", "retire", "1", "--signing-algorithm", "EdDSA"]).fails();
    assert_eq!(folder.read("sprag-data/keys.json"), ring);
}

/// Every command that opens the store beside a server, or reads its ring, and how each ends.
const BESIDE_THE_SERVER: [(&[&str], i32); 11] = [
    (&["user", "create", "--username", "bob", "--password-stdin"], 0),
    (&["user", "import", "--profile", "express-mongo", "--from", "users.jsonl"], 0),
    (&["user", "import", "--profile", "express-mongo", "--from", "users.jsonl", "--dry-run"], 0),
    (&["user", "list"], 0),
    (&["user", "disable", "bob"], 0),
    (&["session", "list"], 0),
    (&["sweep"], 0),
    (&["audit", "verify", "--checkpoint"], 0),
    (&["key", "list"], 0),
    (&["restore", "none.db"], 1),
    (&["why", "0191f7a8-8b1e-7cc0-8000-000000000000"], 1),
];

#[test]
fn a_command_changes_no_key_of_the_running_server_and_says_where_its_settings_differ() {
    let folder = a_folder_with_ann();
    let hash = "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";
    let eve = json!({ "_id": "1", "email": "eve@example.org", "password": hash });
    folder.write("users.jsonl", eve.to_string());
    let server = folder.serve();
    let ring = folder.read("sprag-data/keys.json");
    for (args, code) in BESIDE_THE_SERVER {
        for settings in [&["--signing-algorithm", "EdDSA"][..], &[]] {
            let ran = folder.run_with(ANNS_PASSWORD, &[args, settings].concat());
            let differs = "signs with ES256, and signing-algorithm is EdDSA here (flag --signing-algorithm); no key was changed";
            assert_eq!(ran.err.contains(differs), !settings.is_empty(), "{args:?}: {}", ran.err);
            let has_said = ran.err.contains("or at least --signing-algorithm ES256");
            assert_eq!(has_said, !settings.is_empty(), "{args:?}: {}", ran.err);
            let again = args.contains(&"create") && settings.is_empty();
            assert_eq!(ran.code, if again { 1 } else { code }, "{args:?}: {}", ran.err);
        }
        assert_eq!(folder.read("sprag-data/keys.json"), ring, "{args:?}");
    }
    assert_eq!(published(&server), 1);
}

#[test]
fn a_command_beside_a_server_whose_algorithm_its_shell_does_not_know_changes_no_key() {
    let folder = an_empty_folder();
    let created = ["user", "create", "--username", "ann", "--password-stdin", "--signing-algorithm", "EdDSA"];
    let first = folder.run_with(ANNS_PASSWORD, &created);
    assert_eq!(first.code, 0, "{}", first.err);
    assert!(
        first.notes.contains(
            "no key ring at ./sprag-data/keys.json, so this command made one, which signs with EdDSA"
        ),
        "{}",
        first.notes
    );
    let ring = folder.read("sprag-data/keys.json");
    let bare = ["user", "create", "--username", "bob", "--password-stdin"];
    let second = folder.run_with(ANNS_PASSWORD, &bare);
    assert!(second.code == 0 && second.notes.is_empty(), "{}{}", second.err, second.notes);
    assert!(
        second.err.contains("signs with EdDSA, and signing-algorithm is ES256 here (default)"),
        "{}",
        second.err
    );
    assert_eq!(folder.read("sprag-data/keys.json"), ring);
    let given = an_empty_folder().set("SPRAG_KEY_RING", &ring);
    let told = given.run_with(ANNS_PASSWORD, &bare);
    assert!(
        told.code == 0 && told.err.contains("the key ring in SPRAG_KEY_RING signs with EdDSA"),
        "{}",
        told.err
    );
}

#[test]
fn a_rotation_keeps_the_algorithm_that_nobody_changed_and_tells_of_another() {
    let folder = an_empty_folder();
    let created = ["user", "create", "--username", "ann", "--password-stdin", "--signing-algorithm", "EdDSA"];
    folder.run_with(ANNS_PASSWORD, &created).succeeds();
    let rotated = folder.run(&["key", "rotate"]).succeeds();
    assert!(rotated.contains("Made EdDSA access key"), "{rotated}");
    let changed = folder.run(&["key", "rotate", "--access", "--signing-algorithm", "RS256"]);
    assert!(changed.code == 0 && changed.out.contains("Made RS256 access key"), "{}", changed.out);
    assert!(
        changed.err.starts_with(
            "Warning: access tokens are signed with RS256 from then on, and with EdDSA until then."
        ),
        "{}",
        changed.err
    );
    let again = folder.run(&["key", "rotate", "--access"]).succeeds();
    assert!(again.contains("Made RS256 access key"), "{again}");
}

#[test]
fn an_emergency_refuses_every_token_of_the_key() {
    let folder = a_folder_with_ann();
    let server = folder.serve();
    let stolen = server.log_in("ann", ANNS_PASSWORD, None);
    assert_snapshot!(folder.run(&["key", "retire", "1"]).fails(), @r"
    Every refresh token of key 1 is refused: whoever holds one must log in again.
    A stolen one that comes back is refused, too, and no longer noticed as reuse.
    Nothing was changed. To replace a key without anyone noticing: sprag key rotate
    To do this at once: sprag key retire 1 --now
    ");
    assert_snapshot!(
        folder.run(&["key", "retire", "1", "--now"]).fails(),
        @"sprag: key 1 is the only refresh key that is to stay, and without one nobody can log in; add another first: sprag key rotate --refresh --now"
    );
    assert_eq!(server.refresh(&stolen).0, 200, "nothing was changed so far");
    assert_eq!(folder.run(&["key", "rotate", "--refresh", "--now"]).code, 0);
    assert_snapshot!(redacted(&folder.run(&["key", "retire", "1", "--now"]).succeeds()), @r"
    Key 1 retired at 2026-mm-dd hh:mm:ss UTC; refresh key 2 signs.
    Every refresh token of key 1 is refused: whoever holds one must log in again.
    A stolen one that comes back is refused, too, and no longer noticed as reuse.
    Servers that use ./sprag-data/keys.json learn of it within 2 seconds.
    A server with a copy of it needs the new file now.
    ");
    until(|| server.refresh(&stolen).0 == 401);
    let again = folder.run(&["key", "retire", "1", "--now"]).succeeds();
    assert_snapshot!(
        redacted(&again),
        @"key 1 retired already, at 2026-mm-dd hh:mm:ss UTC; nothing was changed"
    );
    assert_eq!(server.refresh(&server.log_in("ann", ANNS_PASSWORD, None)).0, 200);
}

#[test]
fn a_key_that_is_none_of_ours_is_left_alone() {
    let folder = a_folder_with_ann();
    assert_snapshot!(
        folder.run(&["key", "retire", "9"]).fails(),
        @r#"sprag: there is no key "9"; `sprag key list` shows all there are"#
    );
    let folder = folder
        .set("SPRAG_SIGNING_ALGORITHM", "HS256")
        .set("SPRAG_HS256_SECRET", "q8Zr2mWx7LtB4vNc9KdJ1sYf6HgP3aUe");
    assert!(
        folder.run(&["key", "rotate", "--access"]).fails().contains("SPRAG_HS256_SECRET, which is yours")
    );
    assert!(
        folder
            .run(&["key", "retire", "given-1", "--now"])
            .fails()
            .contains("SPRAG_HS256_SECRET; change it there")
    );
    let both = folder.run(&["key", "rotate"]);
    assert!(both.code == 0 && both.out.contains("Made refresh key 2.") && !both.out.contains("access key"));
    assert_snapshot!(redacted(&folder.run(&["key", "list"]).succeeds()), @r"
    FOR      KEY               ALG    STATE     MADE (UTC)        SIGNS (UTC)       RETIRES (UTC)
    refresh  1                 -      signs     2026-mm-dd hh:mm  2026-mm-dd hh:mm  2026-mm-dd hh:mm
    refresh  2                 -      waits     2026-mm-dd hh:mm  2026-mm-dd hh:mm  -
    access   a-key-of-its-own  ES256  accepted  2026-mm-dd hh:mm  2026-mm-dd hh:mm  -
    access   given-1           HS256  signs     -                 -                 -
    ");
}

#[test]
fn a_secret_is_named_as_whoever_set_it_names_it() {
    const SECRET: &str = "q8Zr2mWx7LtB4vNc9KdJ1sYf6HgP3aUe";
    let folder = a_folder_with_ann().set("SPRAG_PROFILES", "sprag,express-mongo").set("JWT_SECRET", SECRET);
    let told = folder.run(&["key", "rotate", "--access"]).fails();
    assert!(told.contains("signed with the secret in JWT_SECRET, which is yours"), "{told}");
    let told = folder.run(&["key", "retire", "given-1", "--now"]).fails();
    assert!(told.contains("key given-1 is the secret in JWT_SECRET; change it there"), "{told}");
    let told = folder.run(&["key", "rotate"]).err;
    assert!(told.contains("signed with the secret in JWT_SECRET, which was not changed"), "{told}");
    folder.write("secret", SECRET);
    let folder = a_folder_with_ann().set("SPRAG_SIGNING_ALGORITHM", "HS256");
    folder.write("secret", SECRET);
    let folder = folder.set("SPRAG_HS256_SECRET_FILE", "secret");
    let told = folder.run(&["key", "rotate", "--access"]).fails();
    assert!(told.contains("the secret in ") && told.contains("secret, which is yours"), "{told}");
    assert!(!told.contains("SPRAG_HS256_SECRET"), "{told}");
}

#[test]
fn an_algorithm_is_set_by_the_name_that_it_was_set_by() {
    let folder = a_folder_with_ann().set("SPRAG_PROFILES", "fastapi-template").set("ALGORITHM", "EdDSA");
    let told = folder.run(&["key", "list"]).err;
    assert!(told.contains("or at least ALGORITHM=ES256"), "{told}");
    let told = folder.run(&["--signing-algorithm", "EdDSA", "key", "list"]).err;
    assert!(told.contains("or at least --signing-algorithm ES256"), "{told}");
}

#[test]
fn a_ring_in_the_environment_is_shown_and_not_changed() {
    let folder = a_folder_with_ann();
    let ring = folder.read("sprag-data/keys.json");
    let folder = folder.set("SPRAG_KEY_RING", &ring);
    assert_eq!(states(&folder), pairs(&[("refresh", "signs"), ("access", "signs")]));
    assert!(folder.run(&["key", "rotate"]).fails().contains("which a command cannot change"));
    assert!(folder.run(&["key", "retire", "1", "--now"]).fails().contains("which a command cannot change"));
    assert_eq!(folder.read("sprag-data/keys.json"), ring);
}

#[test]
fn a_ring_of_other_descent_is_refused_until_it_replaces_the_others() {
    let folder = a_folder_with_ann();
    let server = folder.serve();
    let pair = server.log_in("ann", ANNS_PASSWORD, None);
    drop(server);
    let elsewhere = a_folder_with_ann();
    let (own, other) = (folder.read("sprag-data/keys.json"), elsewhere.read("sprag-data/keys.json"));

    let stray = folder.set("SPRAG_KEY_RING", &other);
    let told = stray.run(&["serve", "--listen", "127.0.0.1:0"]).fails();
    assert!(told.contains("the key ring in SPRAG_KEY_RING shares no key with the one"), "{told}");
    let told = stray.run(&["key", "replace"]).fails();
    assert!(told.contains("everybody must log in again. Nothing was changed."), "{told}");
    let told = stray.run(&["key", "replace", "--now"]).succeeds();
    assert!(
        told.starts_with("The key ring in SPRAG_KEY_RING is that of ./sprag-data/sprag.db now."),
        "{told}"
    );
    let again = stray.run(&["key", "adopt", "--now"]);
    assert!(again.code == 0 && again.out.contains("already; nothing was changed"), "{}", again.out);
    let sentence = "sprag key replace: adopt still works and is now called replace; write the new name";
    assert_eq!(again.err.trim_end(), sentence);
    let server = stray.serve();
    assert_eq!(server.refresh(&pair).1["code"], "token_invalid");
    server.log_in("ann", ANNS_PASSWORD, None);
    drop(server);

    let back = stray.set("SPRAG_KEY_RING", &own);
    assert!(back.run(&["serve", "--listen", "127.0.0.1:0"]).fails().contains("shares no key"));
}

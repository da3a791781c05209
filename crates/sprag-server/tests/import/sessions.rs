//! Live sessions: in clear or hashed, taken in once, and their clients go on.

use data_encoding::{BASE64, HEXLOWER};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::given::{Folder, HASH, TOKEN, TOKEN_SHA256, a_shop, a_shop_with_statuses, lines, user};

const SESSIONS: [&str; 4] = ["session", "import", "--from", "sessions.jsonl"];

fn a_shop_with_ann() -> Folder {
    let shop = a_shop();
    shop.write("users.jsonl", lines(&[user(1, "ann")]));
    shop.imports_all(&["user", "import", "--from", "users.jsonl"]);
    shop
}

/// Its users, as its sessions, say whether they live.
fn a_shop_that_says_what_is_revoked() -> Folder {
    let shop = a_shop_with_statuses();
    let ann = json!({ "id": 1, "username": "ann", "hashed_password": HASH, "is_active": true });
    shop.write("users.jsonl", lines(&[ann]));
    shop.imports_all(&["user", "import", "--from", "users.jsonl"]);
    shop
}

fn refreshes(shop: &Folder, token: &str) -> (u16, Value) {
    shop.serve().post("/refresh", &json!({ "refreshToken": token }))
}

#[test]
fn a_client_goes_on_with_the_token_it_has() {
    let shop = a_shop_that_says_what_is_revoked();
    let session = json!({
        "user_id": 1, "token": TOKEN, "expires_at": "2100-01-01 00:00:00.000 +00:00", "ip": "192.0.2.7",
        "device": { "os": "x" }, "user_agent": "A browser", "is_revoked": 0,
    });
    shop.write("sessions.jsonl", lines(&[session]));
    assert_eq!(shop.imports_all(&SESSIONS)["new"], 1);
    assert_eq!(shop.imports_all(&SESSIONS)["already_there"], 1);
    let sessions = shop.sessions();
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0]["device"], r#"{"os":"x"}"#);
    assert_eq!((&sessions[0]["ip"], &sessions[0]["user_agent"]), (&json!("192.0.2.7"), &json!("A browser")));
    let (status, pair) = refreshes(&shop, TOKEN);
    assert_eq!(status, 200, "{pair}");
    assert_ne!(pair["refreshToken"], TOKEN);
    let next = pair["refreshToken"].as_str().unwrap();
    assert_eq!(refreshes(&shop, next).0, 200);
}

#[test]
fn a_hash_is_as_good_as_the_token() {
    let bytes = HEXLOWER.decode(TOKEN_SHA256.as_bytes()).unwrap();
    for text in [TOKEN_SHA256.to_owned(), TOKEN_SHA256.to_uppercase(), BASE64.encode(&bytes)] {
        let shop = a_shop_with_ann();
        let session = json!({ "user_id": "1", "token_hash": text, "expires_at": 4_102_444_800_u64 });
        shop.write("sessions.jsonl", lines(&[session]));
        shop.imports_all(&[&SESSIONS[..], &["--map", "token_sha256=token_hash"]].concat());
        assert_eq!(refreshes(&shop, TOKEN).0, 200);
    }
}

#[test]
fn a_hash_may_be_kept_as_bytes() {
    let shop = a_shop_with_ann();
    let source = Connection::open(shop.path("app.db")).unwrap();
    source
        .execute_batch("create table refresh_tokens (user_id integer, token_hash blob, expires_at integer)")
        .unwrap();
    let row = "insert into refresh_tokens values (1, ?1, 4102444800000)";
    source.execute(row, [HEXLOWER.decode(TOKEN_SHA256.as_bytes()).unwrap()]).unwrap();
    shop.imports_all(&["session", "import", "--from", "app.db", "--map", "token_sha256=token_hash"]);
    assert_eq!(refreshes(&shop, TOKEN).0, 200);
}

#[test]
fn what_has_ended_in_the_source_system_is_left_out_and_is_no_refusal() {
    let shop = a_shop_that_says_what_is_revoked();
    let session = |digit: u32, expires_at: &str, is_revoked: bool| {
        let token = format!("{digit}{TOKEN}");
        json!({ "user_id": 1, "token": token, "expires_at": expires_at, "is_revoked": is_revoked })
    };
    let future = "2100-01-01T00:00:00Z";
    let records =
        [session(1, future, false), session(2, future, true), session(3, "2020-01-01T00:00:00Z", false)];
    shop.write("sessions.jsonl", lines(&records));
    let summary = shop.imports_all(&SESSIONS);
    assert_eq!((&summary["new"], &summary["over"]), (&json!(1), &json!(2)));
    assert_eq!(shop.sessions().len(), 1);
    // Revoked there after it was taken in here, and before its client came: it ends here too.
    shop.write("sessions.jsonl", lines(&[session(1, future, true)]));
    let summary = shop.imports_all(&SESSIONS);
    assert_eq!(summary["changed"], 1);
    assert_eq!(shop.sessions().len(), 0);
    assert_eq!(refreshes(&shop, &format!("1{TOKEN}")).0, 401);
}

#[test]
fn a_session_without_an_end_lives_and_one_whose_end_nobody_can_read_is_refused() {
    let shop = a_shop_with_ann();
    let session = |number: usize, expires_at: &Value| json!({ "user_id": 1, "token": format!("{number}{TOKEN}"), "expires_at": expires_at });
    let ends = [
        json!("9999-12-31T23:59:59Z"),
        json!("infinity"),
        json!(253_402_300_799_u64),
        // Of the past: a date in digits is no number of milliseconds.
        json!("20240101000000"),
        json!("20240101"),
        json!("16734084000000"),
        json!("0000-00-00 00:00:00"),
    ];
    let records: Vec<_> = ends.iter().enumerate().map(|(number, end)| session(number, end)).collect();
    shop.write("sessions.jsonl", lines(&records));
    let (summary, outcome) = shop.import(&SESSIONS);
    assert_eq!((&summary["new"], &summary["over"], &summary["refused"]), (&json!(3), &json!(2), &json!(2)));
    let told = outcome.err;
    assert!(told.contains("line 6 (user 1): the column \"expires_at\" holds no moment"), "{told}");
    assert!(told.contains("line 7 (user 1): the column \"expires_at\" is empty"), "{told}");
    assert_eq!(refreshes(&shop, &format!("2{TOKEN}")).0, 200);
}

#[test]
fn a_session_that_stands_there_many_times_is_taken_once() {
    let shop = a_shop_with_ann();
    let session = json!({ "user_id": 1, "token": TOKEN, "expires_at": "2100-01-01" });
    shop.write("sessions.jsonl", lines(&vec![session; 100]));
    let (dry, _) = shop.import(&[&SESSIONS[..], &["--dry-run"]].concat());
    assert_eq!((&dry["new"], &dry["already_there"]), (&json!(1), &json!(99)));
    let summary = shop.imports_all(&SESSIONS);
    assert_eq!((&summary["new"], &summary["already_there"]), (&json!(1), &json!(99)));
}

#[test]
fn a_session_needs_its_user_a_token_and_a_profile_that_takes_it() {
    let shop = a_shop_with_ann();
    let session =
        |user: u64, token: &str| json!({ "user_id": user, "token": token, "expires_at": "2100-01-01" });
    shop.write("sessions.jsonl", lines(&[session(2, TOKEN), session(1, "short"), session(1, TOKEN)]));
    let (summary, outcome) = shop.import(&SESSIONS);
    assert_eq!((outcome.code, &summary["new"], &summary["refused"]), (1, &json!(1), &json!(2)), "{summary}");
    let told = outcome.err;
    assert!(told.contains("line 1 (user 2): its user is not here; import the users first"), "{told}");
    assert!(told.contains("line 2 (user 1): the column \"token\" holds no token"), "{told}");

    shop.write("shop.toml", shop.read("shop.toml").replace(", imported_tokens = true", ""));
    let told = shop.run(&SESSIONS).fails();
    assert!(told.contains("put imported_tokens = true under [refresh_token] in ./shop.toml"), "{told}");
    let elsewhere = a_shop();
    elsewhere.write("sessions.jsonl", lines(&[session(1, TOKEN)]));
    let told = elsewhere.run(&SESSIONS).fails();
    assert!(told.contains("there is no database"), "{told}");
}

#[test]
fn each_profile_has_users_of_its_own() {
    let shop = a_shop_with_ann();
    let profile =
        shop.read("shop.toml").replace("id = 1000", "id = 1001").replace("\"POST /", "\"POST /other/");
    shop.write("other.toml", profile);
    let shop = shop.set("SPRAG_PROFILES", "./shop.toml,./other.toml");
    // Two systems that both call somebody 1.
    shop.write("users.jsonl", lines(&[user(1, "bob")]));
    let session = json!({ "user_id": 1, "token": TOKEN, "expires_at": "2100-01-01" });
    shop.write("sessions.jsonl", lines(&[session]));
    let other = [&SESSIONS[..], &["--profile", "other"]].concat();
    let (summary, outcome) = shop.import(&other);
    assert_eq!((outcome.code, &summary["refused"]), (1, &json!(1)), "nobody has come for that profile yet");
    assert_eq!(
        shop.imports_all(&["user", "import", "--from", "users.jsonl", "--profile", "other"])["new"],
        1
    );
    assert_eq!(shop.imports_all(&other)["new"], 1);
    let users = shop.users();
    let bob = users.iter().find(|user| user["username"] == "bob").unwrap();
    assert_eq!(shop.sessions()[0]["account_id"], bob["id"], "{:?}", shop.sessions());
    let server = shop.serve();
    assert_eq!(server.post("/refresh", &json!({ "refreshToken": TOKEN })).0, 401);
    assert_eq!(server.post("/other/refresh", &json!({ "refreshToken": TOKEN })).0, 200);
}

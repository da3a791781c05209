//! Logging in by a link or a code that was sent by mail.

use serde_json::{Value, json};
use sprag::letter::{Letter, LetterKind};

use crate::call::{Answer, Call};
use crate::canary::{columns, stands_in};
use crate::people::{ME, nobody};
use crate::world::{Plan, World, our_profile};

const CODE: &str = "/api/v1/auth/code";
const LOG_IN: &str = "/api/v1/auth/code/login";

const OFFERS: &str = "registration = \"admin\"\noffers = [\"send_code\", \"login_by_code\"]\n";

/// A world whose profile offers it, with another line of it.
fn offering(line: &str) -> World {
    let offers = format!("{OFFERS}{line}\n");
    let profiles = vec![our_profile(&[("registration = \"admin\"\n", &offers)])];
    World::planned(Plan { profiles, ..Plan::default() })
}

/// Asks for a code, and gives the login id.
async fn asks(world: &World, email: &str) -> String {
    world.sends(Call::post(CODE).json(&json!({ "email": email }))).await.is(202).field("login_id")
}

async fn letter(world: &World) -> (String, String) {
    let letters = world.letters().await;
    let [Letter { kind: LetterKind::LogIn, token: Some(token), code: Some(code), .. }] = &letters[..] else {
        panic!("one letter with a link and a code, not {letters:?}");
    };
    (token.clone(), code.clone())
}

async fn logs_in(world: &World, body: Value) -> Answer {
    world.sends(Call::post(LOG_IN).json(&body)).await
}

async fn by_code(world: &World, login_id: &str, code: &str) -> Answer {
    logs_in(world, json!({ "login_id": login_id, "code": code })).await
}

/// Another code than this one.
fn wrong(code: &str) -> String {
    let number: u32 = code.parse().expect("a number");
    format!("{:06}", (number + 1) % 1_000_000)
}

#[tokio::test]
async fn it_is_off_unless_the_profile_says_otherwise() {
    let world = World::new();
    world.ann().await;
    let answer = world.sends(Call::post(CODE).json(&json!({ "email": "ann@example.org" }))).await;
    answer.refused(404, "not_found");
}

#[tokio::test]
async fn whoever_has_the_letter_logs_in_by_its_code_once_and_has_confirmed_the_address() {
    let world = offering("");
    let person = world.ann().await;
    let login_id = asks(&world, "ANN@example.org").await;
    let (link, code) = letter(&world).await;
    assert_eq!(code.len(), 6);
    by_code(&world, &login_id, &wrong(&code)).await.refused(400, "link_invalid");
    let spaced = format!(" {} {}", &code[..3], &code[3..]);
    let pair = by_code(&world, &login_id, &spaced).await.is(200);
    by_code(&world, &login_id, &code).await.refused(400, "link_invalid");
    logs_in(&world, json!({ "token": link, "login_id": login_id })).await.refused(400, "link_invalid");
    let me = world.sends(Call::get(ME).bearer(&pair.access_token())).await.is(200);
    assert_eq!(me.field("email_verified"), "true");
    let claims = claims(&pair.access_token());
    assert_eq!((&claims["amr"], &claims["acr"]), (&json!(["mail"]), &json!("aal1")));
    let journal = person.journal().await;
    assert_eq!(journal[1..], ["warning login_failed", "session_opened", "warning login_failed"]);
}

fn claims(token: &str) -> Value {
    let body = token.split('.').nth(1).expect("a JWT");
    let bytes = data_encoding::BASE64URL_NOPAD.decode(body.as_bytes()).expect("base64url");
    serde_json::from_slice(&bytes).expect("claims")
}

#[tokio::test]
async fn a_code_is_tried_five_times_and_only_in_the_browser_that_asked() {
    let world = offering("");
    world.ann().await;
    let login_id = asks(&world, "ann@example.org").await;
    let (_, code) = letter(&world).await;
    let another = asks(&world, "ann@example.org").await;
    world.letters().await;
    for odd in ["", "x", &login_id[1..], &format!("{login_id}A"), &another] {
        for _ in 0..3 {
            by_code(&world, if odd.is_empty() { "?" } else { odd }, &code).await.refused(400, "link_invalid");
        }
    }
    for odd in ["12345", "1234567", "abcdef"] {
        by_code(&world, &login_id, odd).await.refused(400, "link_invalid");
    }
    for _ in 0..4 {
        by_code(&world, &login_id, &wrong(&code)).await.refused(400, "link_invalid");
    }
    by_code(&world, &login_id, &code).await.is(200);
    // So that there is room for more.
    world.winds(360);
    let login_id = asks(&world, "ann@example.org").await;
    let (link, code) = letter(&world).await;
    for _ in 0..5 {
        by_code(&world, &login_id, &wrong(&code)).await.refused(400, "link_invalid");
    }
    by_code(&world, &login_id, &code).await.refused(400, "link_invalid");
    logs_in(&world, json!({ "token": link, "login_id": login_id })).await.is(200);
}

#[tokio::test]
async fn nothing_tells_whether_anybody_has_the_address() {
    let world = offering("");
    world.ann().await;
    let root = world.root().await;
    root.is_disabled().await;
    let written = |table: &str| -> i64 {
        let count = format!("select count(*) from {table}");
        world.database().query_row(&count, [], |row| row.get(0)).expect("a count")
    };
    let tried = || -> i64 {
        world
            .database()
            .query_row("select sum(tries) from one_time_token", [], |row| row.get(0))
            .expect("a sum")
    };
    let mut lengths = Vec::new();
    for (email, number) in ["ann@example.org", "root@example.org", "nobody@example.org", "@"].iter().zip(1..)
    {
        let login_id = asks(&world, email).await;
        lengths.push(login_id.len());
        assert_eq!((written("one_time_token"), written("outbox")), (number, number), "{email}");
        let answer = by_code(&world, &login_id, "000000").await.refused(400, "link_invalid");
        assert_eq!(tried(), number, "{email}: a guess is counted");
        lengths.push(answer.text().len());
    }
    assert!(lengths.chunks(2).all(|two| two == &lengths[..2]), "{lengths:?}");
    let letters = world.letters().await;
    let to: Vec<&str> = letters.iter().map(|letter| letter.to.as_str()).collect();
    assert_eq!(to, ["ann@example.org"]);
}

#[tokio::test]
async fn a_link_works_on_another_device_only_where_the_profile_says_so() {
    let world = offering("");
    world.ann().await;
    let login_id = asks(&world, "ann@example.org").await;
    let (link, _) = letter(&world).await;
    logs_in(&world, json!({ "token": link })).await.refused(400, "link_invalid");
    let another = asks(&world, "ann@example.org").await;
    logs_in(&world, json!({ "token": link, "login_id": another })).await.refused(400, "link_invalid");
    logs_in(&world, json!({ "token": link, "login_id": login_id })).await.is(200);
    let world = offering("login_link = \"anywhere\"");
    world.ann().await;
    asks(&world, "ann@example.org").await;
    let (link, _) = letter(&world).await;
    logs_in(&world, json!({ "token": link })).await.is(200);
    logs_in(&world, json!({ "token": link })).await.refused(400, "link_invalid");
}

#[tokio::test]
async fn a_letter_is_worth_nothing_after_ten_minutes_and_once_the_account_has_moved_on() {
    let world = offering("");
    let person = world.ann().await;
    let login_id = asks(&world, "ann@example.org").await;
    let (_, code) = letter(&world).await;
    world.winds(600);
    by_code(&world, &login_id, &code).await.refused(400, "link_invalid");
    for sets_password in [false, true] {
        let login_id = asks(&world, "ann@example.org").await;
        let (_, code) = letter(&world).await;
        if sets_password {
            let accounts = world.engine.accounts();
            let set = accounts.set_password(person.id, "another good password", &nobody()).await;
            set.expect("a store that works");
        } else {
            person.is_disabled().await;
            person.is_enabled().await;
        }
        by_code(&world, &login_id, &code).await.refused(400, "link_invalid");
    }
}

#[tokio::test]
async fn what_is_missing_is_said() {
    let world = offering("");
    for body in [json!({}), json!({ "code": "123456" }), json!({ "login_id": "x" })] {
        logs_in(&world, body).await.refused(400, "field_missing");
    }
    let both = json!({ "token": "spo_x", "login_id": "x", "code": "123456" });
    logs_in(&world, both).await.refused(400, "link_invalid");
}

#[tokio::test]
async fn no_code_and_no_login_id_stands_in_the_database() {
    let world = offering("");
    world.ann().await;
    let login_id = asks(&world, "ann@example.org").await;
    let waiting = world.engine.outbox().lease(|_, _| ()).await.expect("a store that works");
    let code = waiting[0].letter.code.clone().expect("a code");
    let token = waiting[0].letter.token.clone().expect("a link");
    let file = std::fs::read(world.backs_up()).expect("the file");
    for secret in [token[60..].to_owned(), login_id] {
        assert!(!file.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()), "{secret}");
    }
    let columns = columns(&world);
    let is_found = |text: &str| columns.iter().any(|value| stands_in(value, text));
    assert!(is_found("ann@example.org"), "what stands in a column is found");
    assert!(!is_found(&code), "{code}");
}

/// The world limits nothing: this budget holds all the same, and another letter does not make it whole.
#[tokio::test]
async fn codes_could_be_guessed_without_end_where_nothing_else_is_limited() {
    let world = offering("");
    world.ann().await;
    for email in ["ann@example.org", "nobody@example.org"] {
        for _ in 0..2 {
            let login_id = asks(&world, email).await;
            for _ in 0..5 {
                by_code(&world, &login_id, "000000").await.refused(400, "link_invalid");
            }
        }
        let login_id = asks(&world, email).await;
        by_code(&world, &login_id, "000000").await.refused(429, "rate_limited");
    }
    world.letters().await;
    world.winds(60);
    for _ in 0..2 {
        let login_id = asks(&world, "ann@example.org").await;
        let (_, code) = letter(&world).await;
        by_code(&world, &login_id, &code).await.is(200);
    }
}

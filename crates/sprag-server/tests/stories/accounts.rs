//! Getting an account, logging in with it, and being kept out.

use std::sync::Arc;

use serde_json::{Value, json};
use sprag::audit::NOBODY;

use crate::call::Call;
use crate::people::{DEVICE_COOKIE, Device, LOGIN, ME, REGISTER, Way, nobody};
use crate::world::{ORIGIN, Plan, World, our_profile};

pub(crate) fn new_user(name: &str) -> Value {
    json!({ "username": name, "email": format!("{name}@example.org"), "password": "fifteen or more" })
}

#[tokio::test]
async fn only_an_administrator_makes_accounts() {
    let world = World::new();
    let (ann, root) = (world.ann().await.logs_in().await, world.root().await.logs_in().await);
    let before = world.dump().await;
    world.sends(Call::post(REGISTER).json(&new_user("carol"))).await.refused(401, "token_missing");
    let call = ann.bearer_call("POST", REGISTER).json(&new_user("carol"));
    world.sends(call).await.refused(403, "forbidden");
    assert_eq!(world.dump().await, before);

    let answer = world.sends(root.bearer_call("POST", REGISTER).json(&new_user("carol"))).await.is(201);
    assert_eq!(answer.field("username"), "carol");
    assert_eq!(answer.field("is_admin"), "false");
    let call = Call::post(LOGIN).json(&json!({ "username": "carol", "password": "fifteen or more" }));
    let carol = world.sends(call).await.is(200);
    let me = world.sends(Call::get(ME).bearer(&carol.access_token())).await.is(200);
    assert_eq!(me.field("id"), answer.field("id"));
}

#[tokio::test]
async fn nobody_makes_an_administrator_by_asking() {
    let world = World::new();
    let root = world.root().await.logs_in().await;
    let mut body = new_user("carol");
    for member in ["is_admin", "role", "admin"] {
        body[member] = json!(true);
    }
    let answer = world.sends(root.bearer_call("POST", REGISTER).json(&body)).await.is(201);
    assert_eq!(answer.field("is_admin"), "false");
}

#[tokio::test]
async fn r44_a_name_is_taken_in_every_spelling() {
    let world = World::new();
    world.ann().await;
    let root = world.root().await.logs_in().await;
    let before = world.dump().await;
    let names = ["ann", "ANN", " ann ", "Ann", "\u{ff41}\u{ff4e}\u{ff4e}", "\u{1d41a}nn"];
    for name in names {
        let body = json!({ "username": name, "password": "fifteen or more" });
        world.sends(root.bearer_call("POST", REGISTER).json(&body)).await.refused(409, "name_taken");
    }
    for email in ["ann@example.org", "ANN@EXAMPLE.ORG", " Ann@Example.Org", "\u{ff41}nn@example.org"] {
        let body = json!({ "username": "carol", "email": email, "password": "fifteen or more" });
        world.sends(root.bearer_call("POST", REGISTER).json(&body)).await.refused(409, "name_taken");
    }
    assert_eq!(world.dump().await, before, "nothing of it is kept, carol's name neither");
}

#[tokio::test]
async fn names_that_cannot_be_are_refused() {
    let world = World::new();
    let root = world.root().await.logs_in().await;
    let before = world.dump().await;
    let long = "x".repeat(129);
    for name in
        ["a@b", "two\u{200b}words", "turned\u{202e}round", "tab\tbed", "bell\u{7}", "  ", &long, "nul\0"]
    {
        let body = json!({ "username": name, "password": "fifteen or more" });
        world.sends(root.bearer_call("POST", REGISTER).json(&body)).await.refused(400, "name_invalid");
    }
    let long = format!("{}@example.org", "x".repeat(250));
    for email in ["x", "@x", "x@", "a@b@c", "x@.org", "a b@example.org", "x@\n", &long] {
        let body = json!({ "email": email, "password": "fifteen or more" });
        world.sends(root.bearer_call("POST", REGISTER).json(&body)).await.refused(400, "name_invalid");
    }
    let body = json!({ "password": "fifteen or more" });
    world.sends(root.bearer_call("POST", REGISTER).json(&body)).await.refused(400, "name_invalid");
    assert_eq!(world.dump().await, before);
}

/// Our profile with registration open to all, which logs the new account in.
pub(crate) fn open_profile() -> Plan {
    let changes = [
        ("registration = \"admin\"", "registration = \"open\""),
        (
            "takes = { username = \"$username?\", email = \"$email?\", password = \"$password\", language = \"$language?\", invite = \"$invite?\", \
             altcha = \"$altcha?\" }\nstatus = 201",
            "takes = { username = \"$username?\", email = \"$email?\", password = \"$password\", \
             device = \"$device?\", transport = \"$transport?\" }\nstatus = 201",
        ),
        (
            "is_admin = \"$account.is_admin\"\ncreated_at = \"$account.created_at\"\n\n[[route]]\non = \"POST /api/v1/auth/invites\"",
            "access_token = \"$access_token\"\nrefresh_token = \"$refresh_token?\"\nsession_id = \"$session_id\"\n\n\
             [[route]]\non = \"POST /api/v1/auth/invites\"",
        ),
    ];
    Plan { profiles: vec![our_profile(&changes)], ..Plan::default() }
}

#[tokio::test]
async fn where_registration_is_open_a_new_account_is_logged_in_at_once() {
    let world = World::planned(open_profile());
    for way in Way::BOTH {
        let mut device = if way == Way::Cookie {
            Device::browser(&world)
        } else {
            Device::new(&world, "Phone/1.0", "192.0.2.9")
        };
        let mut body = new_user(if way == Way::Cookie { "carol" } else { "dave" });
        if way == Way::Cookie {
            body["transport"] = json!("cookie");
        }
        let answer = world.sends(device.call("POST", REGISTER).json(&body)).await.is(201);
        assert_eq!(answer.cookie(DEVICE_COOKIE).is_some(), way == Way::Cookie);
        device.keeps(&answer);
        assert!(device.is_logged_in().await);
    }
}

#[tokio::test]
async fn r36_a_registration_that_is_refused_leaves_no_account_behind() {
    let world = World::planned(open_profile());
    let before = world.dump().await;
    let mut body = new_user("carol");
    body["transport"] = json!("cookie");
    for (name, value) in
        [("origin", "https://evil.example.com"), ("sec-fetch-site", "cross-site"), ("x", "y")]
    {
        let call = Call::post(REGISTER).header(name, value).json(&body);
        world.sends(call).await.refused(403, "origin_refused");
    }
    for (field, value, code) in
        [("device", json!(7), "field_invalid"), ("password", json!("short"), "password_rejected")]
    {
        let mut body = body.clone();
        body[field] = value;
        let call = Call::post(REGISTER).header("origin", ORIGIN).json(&body);
        world.sends(call).await.refused(400, code);
    }
    assert_eq!(world.dump().await, before);
}

#[tokio::test]
async fn a_person_logs_in_by_name_or_by_address_in_json_or_a_form_in_any_spelling() {
    let world = World::new();
    let ann = world.ann().await;
    let fields = [
        ("username", "ann"),
        ("username", "ANN "),
        ("username", "\u{ff41}nn"),
        ("username", "ann@example.org"),
        ("username", "Ann@EXAMPLE.org"),
        ("email", "ann@example.org"),
        ("email", "ann"),
    ];
    for (field, name) in fields {
        let body = json!({ field: name, "password": ann.password });
        world.sends(Call::post(LOGIN).json(&body)).await.is(200);
        let form = Call::post(LOGIN).form(&[(field, name), ("password", &ann.password)]);
        world.sends(form).await.is(200);
    }
}

#[tokio::test]
async fn r45_an_unknown_name_and_a_wrong_password_cannot_be_told_apart() {
    let world = World::new();
    world.ann().await;
    let mut told = Vec::new();
    for name in ["ann", "nobody", "ann@example.org", "nobody@example.org", "not a name", "@"] {
        world.seam.calls();
        let body = json!({ "username": name, "password": "Tr0ub4dor and 3" });
        let answer = world.sends(Call::post(LOGIN).json(&body)).await.refused(401, "credentials_invalid");
        assert_eq!(world.seam.calls().last(), Some(&"record"), "one write each: time does not tell either");
        told.push(answer.everything());
    }
    assert!(told.iter().all(|answer| *answer == told[0]), "{told:#?}");
}

#[tokio::test]
async fn r53_failed_log_ins_are_journalled_without_what_was_typed() {
    let world = World::new();
    let ann = world.ann().await;
    for name in ["ann", "hunter2 typed in the wrong field", "nobody"] {
        let body = json!({ "username": name, "password": "Tr0ub4dor and 3" });
        world.sends(Call::post(LOGIN).json(&body)).await.refused(401, "credentials_invalid");
    }
    assert_eq!(ann.journal().await.last().expect("an entry"), "warning login_failed");
    assert_eq!(world.journal(NOBODY).await, ["warning login_failed"; 2]);
    let (one, other) = (world.entries(ann.id).await.pop(), world.entries(NOBODY).await.pop());
    let (one, other) = (one.expect("an entry").event, other.expect("an entry").event);
    assert_eq!((one.note, one.ip, one.session), (other.note, other.ip, other.session));
    let dump = world.dump().await;
    assert!(!dump.contains("hunter2") && !dump.contains("Tr0ub4dor and 3"));
}

#[tokio::test]
async fn r15_a_disabled_account_is_told_so_only_to_who_knows_the_password() {
    let world = World::new();
    let ann = world.ann().await;
    ann.is_disabled().await;
    let device = Device::new(&world, "Phone/1.0", "192.0.2.10");
    let rows = world.rows(ann.id).await;
    ann.tries_to_log_in(&device, "Tr0ub4dor and 3").await.refused(401, "credentials_invalid");
    ann.tries_to_log_in(&device, &ann.password).await.refused(401, "account_disabled");
    assert_eq!(world.rows(ann.id).await, rows);
    assert_eq!(
        ann.journal().await,
        ["account_created", "account_disabled", "warning login_failed", "warning login_failed"]
    );
}

#[tokio::test]
async fn r15_disabling_ends_every_session_and_enabling_revives_none() {
    let world = World::new();
    let (ann, bob) = (world.ann().await, world.bob().await);
    let (mut phone, mut browser) = (ann.logs_in().await, ann.logs_in_by_cookie().await);
    let mut bobs = bob.logs_in().await;
    ann.is_disabled().await;
    for device in [&mut phone, &mut browser] {
        device.refreshes().await.refused(401, "session_ended").because("disabled");
        device.asks(ME).await.refused(401, "session_ended").because("disabled");
    }
    ann.is_enabled().await;
    for device in [&mut phone, &mut browser] {
        device.refreshes().await.refused(401, "session_ended").because("disabled");
        device.asks(ME).await.refused(401, "session_ended").because("disabled");
    }
    assert!(ann.logs_in().await.is_logged_in().await, "a new log-in is welcome");
    assert!(bobs.is_logged_in().await);
}

#[tokio::test]
async fn r16_a_log_in_that_verified_before_the_account_was_disabled_opens_nothing_while_it_is() {
    let world = World::new();
    let ann = world.ann().await;
    let device = Device::new(&world, "Phone/1.0", "192.0.2.10");
    for comes_back in [false, true] {
        let (engine, id) = (Arc::clone(&world.engine), ann.id);
        world.seam.before("open", async move {
            engine.accounts().disable(id, &nobody()).await.expect("a store that works");
            if comes_back {
                engine.accounts().enable(id, &nobody()).await.expect("a store that works");
            }
        });
        let answer = ann.tries_to_log_in(&device, &ann.password).await;
        if comes_back {
            answer.is(200);
            assert_eq!(world.rows(ann.id).await.len(), 1);
        } else {
            answer.refused(401, "account_disabled");
            assert!(world.rows(ann.id).await.is_empty());
            ann.is_enabled().await;
        }
    }
    ann.logs_in().await;
}

//! Registration: who may, with what, and what nobody learns by it.

use serde_json::{Value, json};
use sprag::letter::LetterKind;

use crate::call::{Answer, Call};
use crate::people::{Device, LOGIN, REGISTER};
use crate::world::{Plan, World, days, our_profile, second_profile};

const INVITES: &str = "/api/v1/auth/invites";
const NEW: &str = "another good password";

fn registering(how: &str, confirmation: &str) -> World {
    let line = format!("registration = {how:?}\nemail_confirmation = {confirmation:?}\n");
    World::with(&[("registration = \"admin\"\n", &line)])
}

fn registers(fields: &Value) -> Call {
    let mut body = json!({ "password": NEW });
    let all = fields.as_object().into_iter().flatten();
    all.for_each(|(name, value)| body[name] = value.clone());
    Call::post(REGISTER).json(&body)
}

fn logs_in(name: &str, password: &str) -> Call {
    Call::post(LOGIN).json(&json!({ "username": name, "password": password }))
}

async fn invites(world: &World, root: &Device<'_>, body: &Value) -> Answer {
    world.sends(root.bearer_call("POST", INVITES).json(body)).await
}

async fn invited(world: &World, root: &Device<'_>, body: &Value) -> String {
    invites(world, root, body).await.is(201).field("invite")
}

#[tokio::test]
async fn where_nobody_registers_nobody_does_and_nobody_is_invited() {
    let world = registering("closed", "off");
    let root = world.root().await.logs_in().await;
    let refused = world.sends(registers(&json!({ "username": "carol" }))).await;
    refused.refused(403, "registration_closed");
    invites(&world, &root, &json!({})).await.refused(403, "registration_closed");
}

#[tokio::test]
async fn only_administrators_invite_and_only_who_showed_themselves_a_moment_ago() {
    let world = registering("invite", "off");
    let ann = world.ann().await.logs_in().await;
    invites(&world, &ann, &json!({})).await.refused(403, "forbidden");
    world.sends(Call::post(INVITES).json(&json!({}))).await.refused(401, "token_missing");
    let mut root = world.root().await.logs_in().await;
    world.winds(601);
    root.turns().await;
    invites(&world, &root, &json!({})).await.refused(403, "step_up_required");
}

#[tokio::test]
async fn without_an_invitation_nobody_registers_and_each_makes_one_account() {
    let world = registering("invite", "off");
    world.bob().await;
    let root = world.root().await.logs_in().await;
    world.sends(registers(&json!({ "username": "carol" }))).await.refused(400, "field_missing");
    let token = invited(&world, &root, &json!({ "role": "editor" })).await;
    assert!(token.starts_with("spo_"), "{token}");
    for odd in ["spo_", "x", &token[..token.len() - 1]] {
        let odd = registers(&json!({ "username": "carol", "invite": odd }));
        world.sends(odd).await.refused(400, "link_invalid");
    }
    // What is refused spends nothing.
    let short = Call::post(REGISTER).json(&json!({ "username": "carol", "invite": token, "password": "x" }));
    world.sends(short).await.refused(400, "password_rejected");
    world.sends(registers(&json!({ "username": "bob", "invite": token }))).await.refused(409, "name_taken");
    world.sends(registers(&json!({ "username": "carol", "invite": token }))).await.is(201);
    let again = registers(&json!({ "username": "dave", "invite": token }));
    world.sends(again).await.refused(400, "link_invalid");
    let carol = world.engine.accounts().find("carol").await.expect("it is there");
    assert_eq!((carol.role(), carol.is_admin), ("editor", false));
    let journal = world.journal(carol.id).await;
    assert_eq!(journal, ["account_invited", "account_created"]);
    assert!(world.letters().await.is_empty(), "nobody is written to where there is no address");
}

#[tokio::test]
async fn an_invitation_by_letter_is_for_one_address_and_confirms_it() {
    let world = registering("invite", "required");
    let root = world.root().await;
    world.meddles("update account set confirmed_email = email, email_confirmed_at = 1");
    let root = root.logs_in().await;
    let token = invited(&world, &root, &json!({ "email": "Carol@Example.org" })).await;
    let letters = world.letters().await;
    let told: Vec<_> = letters.iter().map(|letter| (letter.kind, letter.to.as_str())).collect();
    assert_eq!(told, [(LetterKind::Invite, "Carol@Example.org")]);
    assert_eq!(letters[0].token.as_deref(), Some(token.as_str()));
    let other = registers(&json!({ "username": "carol", "email": "mallory@example.org", "invite": token }));
    world.sends(other).await.refused(400, "name_invalid");
    // The address need not be typed once more.
    world.sends(registers(&json!({ "username": "carol", "invite": token }))).await.is(201);
    world.sends(logs_in("carol@example.org", NEW)).await.is(200);
    assert!(world.letters().await.is_empty(), "there is nothing left to confirm");
    let taken = invites(&world, &root, &json!({ "email": "carol@example.org" })).await;
    taken.refused(409, "name_taken");
}

#[tokio::test]
async fn an_invitation_ends_with_its_time_and_with_the_rights_of_whoever_gave_it() {
    let world = registering("invite", "off");
    let root = world.root().await.logs_in().await;
    for wrong in [json!(1), json!("8d"), json!("soon"), json!("-1"), json!(700_000)] {
        let refused = invites(&world, &root, &json!({ "expires_in": wrong })).await;
        refused.refused(400, "field_invalid");
    }
    invites(&world, &root, &json!({ "role": " Admin" })).await.refused(400, "name_invalid");
    let short = invited(&world, &root, &json!({ "expires_in": 3600 })).await;
    let long = invited(&world, &root, &json!({ "expires_in": "7d" })).await;
    let usual = invited(&world, &root, &json!({})).await;
    world.winds(3600);
    world.sends(registers(&json!({ "username": "a", "invite": short }))).await.refused(400, "link_invalid");
    world.winds(days(7) - 3601);
    world.sends(registers(&json!({ "username": "b", "invite": long }))).await.is(201);
    let id = world.engine.accounts().find("root").await.expect("it is there").id;
    let changes = sprag::engine::AccountChanges { is_admin: Some(false), ..Default::default() };
    let nobody = sprag::engine::Requester::nobody();
    world.engine.accounts().set(id, changes, &nobody).await.expect("it can be changed");
    world.sends(registers(&json!({ "username": "c", "invite": usual }))).await.refused(400, "link_invalid");
}

#[tokio::test]
async fn of_many_who_come_at_one_moment_with_one_invitation_one_makes_an_account() {
    let world = registering("invite", "off");
    let root = world.root().await.logs_in().await;
    let token = invited(&world, &root, &json!({})).await;
    let names: Vec<String> = (0..16).map(|number| format!("guest-{number}")).collect();
    let calls = names.iter().map(|name| registers(&json!({ "username": name, "invite": token })));
    let answers = futures_util::future::join_all(calls.map(|call| world.sends(call))).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [[201].as_slice(), &[400; 15]].concat());
}

#[tokio::test]
async fn names_that_people_would_take_for_the_service_and_addresses_that_are_thrown_away_are_not_registered()
{
    let world = registering("open", "off");
    for name in ["Admin", "support", "ＲＯＯＴ"] {
        let refused = world.sends(registers(&json!({ "username": name }))).await;
        refused.refused(400, "name_invalid");
    }
    let thrown_away = registers(&json!({ "email": "ann@x.Mailinator.com" }));
    world.sends(thrown_away).await.refused(400, "name_invalid");
    let root = world.root().await.logs_in().await;
    let body = json!({ "username": "support", "email": "ann@mailinator.com" });
    world.sends(root.bearer_call("POST", "/api/v1/admin/users").json(&body)).await.is(201);
    let lists = sprag_server::name_lists::NameLists::default();
    assert_eq!(lists.expect_free(Some("supporter"), None), Ok(()));
}

/// Whoever signs up with an address that is not theirs, under a name and with a password that they know, tries afterwards what
/// would tell whether it was free.
#[tokio::test]
async fn nothing_that_can_be_tried_after_a_sign_up_tells_whether_the_address_was_free() {
    let world = registering("open", "required");
    world.ann().await;
    let written = |table: &str| -> i64 {
        let count = format!("select count(*) from {table}");
        world.database().query_row(&count, [], |row| row.get(0)).expect("a count")
    };
    let mut seen = Vec::new();
    for (name, address) in [("one", "nobody@example.org"), ("two", "ann@example.org")] {
        let before =
            [written("account"), written("credential"), written("one_time_token"), written("outbox")];
        let mut answers = vec![world.sends(registers(&json!({ "username": name, "email": address }))).await];
        let after = [written("account"), written("credential"), written("one_time_token"), written("outbox")];
        let work: Vec<i64> = after.iter().zip(before).map(|(after, before)| after - before).collect();
        let calls = [
            registers(&json!({ "username": name, "email": format!("other-{name}@example.org") })),
            registers(&json!({ "username": format!("{name}-b"), "email": address })),
            logs_in(name, NEW),
            logs_in(name, "the wrong password"),
            logs_in(address, NEW),
            Call::post("/api/v1/auth/password/forgot").json(&json!({ "email": address })),
            Call::post("/api/v1/auth/password/forgot").json(&json!({ "username": name })),
        ];
        for call in calls {
            answers.push(world.sends(call).await);
        }
        let told: Vec<(u16, String)> = answers.iter().map(|answer| (answer.status, answer.text())).collect();
        seen.push((work, told));
    }
    assert_eq!(seen[0], seen[1]);
    let statuses: Vec<u16> = seen[0].1.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [202, 409, 202, 401, 401, 401, 202, 202]);
    let letters = world.letters().await;
    assert!(
        letters.iter().any(|letter| letter.kind == LetterKind::SignUpKnown && letter.to == "ann@example.org")
    );
    world.sends(logs_in("ann@example.org", "ann's battery staple")).await.refused(401, "credentials_invalid");
}

#[tokio::test]
async fn access_tokens_say_whether_an_address_is_confirmed_where_it_is_asked_for() {
    let world = registering("open", "asked");
    world.sends(registers(&json!({ "username": "carol", "email": "carol@example.org" }))).await.is(201);
    let claims = async || {
        let pair = world.sends(logs_in("carol", NEW)).await.is(200);
        claims_of(&pair.access_token())
    };
    assert_eq!(claims().await["email_verified"], json!(false));
    let token = world.token_by_mail(LetterKind::VerifyEmail).await;
    let verify = Call::post("/api/v1/auth/email/verify").json(&json!({ "token": token }));
    world.sends(verify).await.is(204);
    assert_eq!(claims().await["email_verified"], json!(true));
    let world = registering("open", "off");
    world.sends(registers(&json!({ "username": "carol" }))).await.is(201);
    let pair = world.sends(logs_in("carol", NEW)).await.is(200);
    assert_eq!(claims_of(&pair.access_token()).get("email_verified"), None);
}

fn claims_of(token: &str) -> Value {
    let body = token.split('.').nth(1).expect("a JWT");
    let body = data_encoding::BASE64URL_NOPAD.decode(body.as_bytes()).expect("base64url");
    serde_json::from_slice(&body).expect("JSON")
}

#[tokio::test]
async fn an_invitation_to_one_profile_made_an_account_by_another() {
    let line = "registration = \"invite\"\n";
    let profiles = vec![
        our_profile(&[("registration = \"admin\"\n", line)]),
        second_profile(&[("registration = \"admin\"\n", line)]),
    ];
    let world = World::planned(Plan { profiles, ..Plan::default() });
    let root = world.root().await.logs_in().await;
    let token = invited(&world, &root, &json!({})).await;
    let body = json!({ "username": "carol", "password": NEW, "invite": token });
    world.sends(Call::post("/second/register").json(&body)).await.refused(400, "link_invalid");
    world.sends(Call::post(REGISTER).json(&body)).await.is(201);
}

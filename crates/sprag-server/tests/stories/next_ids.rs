//! The key that a new account is known by outside, of the kind that the app's tables have.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sprag::engine::NewUser;
use sprag::session::ProfileId;

use crate::call::Call;
use crate::people::{LOGIN, ME, REGISTER, nobody};
use crate::world::World;

const FLOOR: u64 = 1_000_000;

/// Anybody registers, and is known by the key.
fn a_world(kind: &str) -> World {
    World::with(&[
        ("registration = \"admin\"\n", &format!("registration = \"open\"\n{kind}\n")),
        ("\nid = \"$account.id\"", "\nid = \"$account.subject_number\""),
        ("jitter_percent = 10", "jitter_percent = 10\nsubject = \"external\""),
    ])
}

fn numbered() -> World {
    a_world(&format!("next_id = \"integer\"\nnext_id_floor = {FLOOR}"))
}

fn registers(name: &str) -> Call {
    Call::post(REGISTER).json(&json!({ "username": name, "password": "fifteen or more" }))
}

/// What an access token says, read by nobody's rules.
fn claims(token: &str) -> Value {
    let body = token.split('.').nth(1).expect("a JWT");
    let body = data_encoding::BASE64URL_NOPAD.decode(body.as_bytes()).expect("base64");
    serde_json::from_slice(&body).expect("JSON")
}

async fn id_of(world: &World, name: &str) -> Value {
    world.sends(registers(name)).await.is(201).json()["id"].clone()
}

#[tokio::test]
async fn whoever_registers_gets_the_next_number_in_every_answer_and_in_the_token() {
    let world = numbered();
    assert_eq!(id_of(&world, "ann").await, FLOOR + 1);
    assert_eq!(id_of(&world, "bob").await, FLOOR + 2);
    let call = Call::post(LOGIN).json(&json!({ "username": "bob", "password": "fifteen or more" }));
    let token = world.sends(call).await.is(200).access_token();
    assert_eq!(claims(&token)["sub"], (FLOOR + 2).to_string());
    let me = world.sends(Call::get(ME).bearer(&token)).await.is(200);
    assert_eq!(me.json()["id"], FLOOR + 2);
}

#[tokio::test]
async fn registrations_at_one_moment_get_a_number_each_and_those_that_are_refused_cost_none() {
    let world = numbered();
    id_of(&world, "ann").await;
    for _ in 0..3 {
        world.sends(registers("ann")).await.refused(409, "name_taken");
        let short = json!({ "username": "bob", "password": "short" });
        world.sends(Call::post(REGISTER).json(&short)).await.refused(400, "password_rejected");
    }
    let names: Vec<String> = (0..24).map(|number| format!("user-{number}")).collect();
    let ids = futures_util::future::join_all(names.iter().map(|name| id_of(&world, name))).await;
    let ids: BTreeSet<u64> = ids.iter().map(|id| id.as_u64().expect("a number")).collect();
    assert_eq!(ids, (FLOOR + 2..FLOOR + 26).collect());
}

#[tokio::test]
async fn a_number_that_is_somebodys_key_already_is_left_out() {
    let world = numbered();
    let (first, second) = ((FLOOR + 1).to_string(), (FLOOR + 2).to_string());
    for key in [&first, &second] {
        let user = NewUser { external_id: Some((ProfileId(1), key)), ..NewUser::default() };
        world.engine.accounts().create(user, &nobody()).await.expect("an account");
    }
    assert_eq!(id_of(&world, "ann").await, FLOOR + 3);
}

#[tokio::test]
async fn where_the_store_fails_half_way_the_number_is_spent_and_nobody_gets_it_twice() {
    let world = numbered();
    let seam = &world.seam;
    seam.becomes(crate::seam::Mood::LosesAnswerOf("create"));
    world.sends(registers("ann")).await.refused(503, "unavailable");
    seam.becomes(crate::seam::Mood::LosesAnswerOf("next_number"));
    world.sends(registers("bob")).await.refused(503, "unavailable");
    seam.becomes(crate::seam::Mood::Well);
    assert_eq!(id_of(&world, "carol").await, FLOOR + 3);
    world.sends(registers("ann")).await.refused(409, "name_taken");
    assert_eq!(id_of(&world, "bob").await, FLOOR + 4);
}

#[tokio::test]
async fn an_object_id_has_24_digits_and_begins_with_the_moment() {
    let world = a_world("next_id = \"objectid\"");
    let seconds = format!("{:08x}", world.now().0 / 1000);
    let mut seen = BTreeSet::new();
    for name in ["ann", "bob", "carol"] {
        let id = id_of(&world, name).await;
        let id = id.as_str().expect("a text").to_owned();
        assert!(id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        assert!(id.starts_with(&seconds), "{id}");
        assert!(seen.insert(id));
    }
}

#[tokio::test]
async fn where_nothing_is_said_a_new_account_is_known_by_its_id_here() {
    for kind in ["", "next_id = \"uuid\""] {
        let world = a_world(kind);
        let id = id_of(&world, "ann").await;
        let account = world.engine.accounts().find("ann").await.expect("an account");
        assert_eq!(id, account.id.to_string());
        assert_eq!(account.particulars.external, None);
    }
}

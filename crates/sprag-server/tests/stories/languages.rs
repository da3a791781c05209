//! In which language people are written to: their own, and not that of whoever's request caused the letter.

use serde_json::json;
use sprag::letter::{Letter, LetterKind};

use crate::call::Call;
use crate::people::{LOGIN, REGISTER};
use crate::world::World;

const CAROL: &str = "carol@example.org";
const CAROLS: &str = "carol's battery staple";
const USERS: &str = "/api/v1/admin/users";
const FORGOT: &str = "/api/v1/auth/password/forgot";

fn open() -> World {
    World::with(&[("registration = \"admin\"\n", "registration = \"open\"\n")])
}

async fn carol_registers(world: &World, languages: &str, more: serde_json::Value) {
    let mut body = json!({ "username": "carol", "email": CAROL, "password": CAROLS });
    body.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    let call = Call::post(REGISTER).header("accept-language", languages).json(&body);
    world.sends(call).await.is(201);
    world.letters().await;
}

/// The letter of that kind, with the languages that it may be in.
async fn letter(world: &World, kind: LetterKind) -> Letter {
    let letters = world.letters().await;
    letters.into_iter().find(|letter| letter.kind == kind).expect("a letter")
}

#[tokio::test]
async fn a_letter_that_tells_what_happened_was_in_the_language_of_whoever_caused_it() {
    let world = open();
    carol_registers(&world, "de-AT, de;q=0.9, en;q=0.5", json!({})).await;
    let log_in = json!({ "email": CAROL, "password": CAROLS });
    let thief = Call::post(LOGIN).header("accept-language", "fr").json(&log_in);
    let thief = world.sends(thief).await.is(200);
    let delete = Call::post("/api/v1/auth/me/delete").bearer(&thief.access_token());
    let delete = delete.header("accept-language", "fr").json(&json!({ "current_password": CAROLS }));
    world.sends(delete).await.is(202);
    let told = letter(&world, LetterKind::AccountDeletion).await;
    assert_eq!(told.languages.as_deref(), Some("de-AT"));
}

#[tokio::test]
async fn a_letter_that_somebody_has_just_asked_for_is_in_the_language_that_they_read_now() {
    let world = open();
    carol_registers(&world, "de", json!({ "language": "ja" })).await;
    for (asked, languages) in [(Some("es-MX, es;q=0.8"), "es-MX, es;q=0.8"), (None, "ja")] {
        let call = Call::post(FORGOT).json(&json!({ "email": CAROL }));
        let call = asked.into_iter().fold(call, |call, asked| call.header("accept-language", asked));
        world.sends(call).await.is(202);
        let told = letter(&world, LetterKind::ResetPassword).await;
        assert_eq!(told.languages.as_deref(), Some(languages));
    }
}

#[tokio::test]
async fn a_language_is_a_tag_and_anything_else_is_refused_at_its_field() {
    let world = open();
    let root = world.root().await.logs_in().await;
    for language in ["Deutsch!", "de_DE", "x", "de;q=1"] {
        let body = json!({ "username": "carol", "email": CAROL, "password": CAROLS, "language": language });
        for call in [Call::post(REGISTER), root.bearer_call("POST", USERS)] {
            let answer = world.sends(call.json(&body)).await.refused(400, "name_invalid");
            assert_eq!(answer.json()["field"], "language", "{}", answer.text());
        }
    }
    let made = root.bearer_call("POST", USERS).json(&json!({ "username": "eve", "language": "pt-BR" }));
    let made = world.sends(made).await.is(201);
    assert_eq!(made.json()["language"], "pt-BR");
    let eve = format!("{USERS}/{}", made.field("id"));
    for (sent, kept) in [(json!("zh-Hant-TW"), json!("zh-Hant-TW")), (json!(""), json!(null))] {
        let change = root.bearer_call("PATCH", &eve).json(&json!({ "language": sent }));
        assert_eq!(world.sends(change).await.is(200).json()["language"], kept);
    }
    let wrong = root.bearer_call("PATCH", &eve).json(&json!({ "language": "no tag" }));
    let answer = world.sends(wrong).await.refused(400, "name_invalid");
    assert_eq!(answer.json()["field"], "language");
}

#[tokio::test]
async fn an_invitation_is_in_the_language_of_whoever_is_invited_where_the_inviter_says_so() {
    let world = World::with(&[("registration = \"admin\"\n", "registration = \"invite\"\n")]);
    let root = world.root().await.logs_in().await;
    for (language, languages) in [(Some("pt-BR"), "pt-BR"), (None, "de")] {
        let mut body = json!({ "email": CAROL });
        if let Some(language) = language {
            body["language"] = json!(language);
        }
        let call =
            root.bearer_call("POST", "/api/v1/auth/invites").header("accept-language", "de").json(&body);
        world.sends(call).await.is(201);
        let told = letter(&world, LetterKind::Invite).await;
        assert_eq!(told.languages.as_deref(), Some(languages));
    }
    let wrong = json!({ "email": CAROL, "language": "pt_BR" });
    let call = root.bearer_call("POST", "/api/v1/auth/invites").json(&wrong);
    let answer = world.sends(call).await.refused(400, "name_invalid");
    assert_eq!(answer.json()["field"], "language");
}

//! The page of an invitation: it asks for what registration wants, spends nothing until an account is made, and says what is wrong.

use serde_json::{Value, json};
use sprag::engine::Requester;
use sprag::letter::LetterKind;
use sprag::limits::Rates;

use crate::call::{Answer, Call};
use crate::people::LOGIN;
use crate::world::{Plan, World, days, our_profile, second_profile};

const INVITES: &str = "/api/v1/auth/invites";
const NEW: &str = "another good password";

const REGISTER: &str = "takes = { username = \"$username?\", email = \"$email?\", password = \"$password\", \
                        language = \"$language?\", invite = \"$invite?\", altcha = \"$altcha?\" }\nstatus = 201";

fn registering(how: &str, confirmation: &str) -> World {
    let line = format!("registration = {how:?}\nemail_confirmation = {confirmation:?}\n");
    World::with(&[("registration = \"admin\"\n", &line)])
}

/// An invitation of root's, who is there from the first one on.
async fn invited_at(world: &World, path: &str, body: &Value) -> String {
    if world.engine.accounts().find("root").await.is_err() {
        world.root().await;
        world.meddles("update account set confirmed_email = email, email_confirmed_at = 1");
    }
    let root = json!({ "username": "root", "password": "root's battery staple" });
    let pair = world.sends(Call::post(&path.replace("/invites", "/login")).json(&root)).await.is(200);
    let asked = Call::post(path).bearer(&pair.access_token()).json(body);
    world.sends(asked).await.is(201).field("invite")
}

async fn invited(world: &World, body: &Value) -> String {
    invited_at(world, INVITES, body).await
}

async fn looks(world: &World, token: &str) -> String {
    for method in ["GET", "HEAD", "GET"] {
        let answer = world.is_asked(Call::new(method, &format!("/invite?token={token}"))).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(
            answer.header("content-security-policy").starts_with("default-src 'none'; style-src 'nonce-")
        );
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
    }
    world.is_asked(Call::get(&format!("/invite?token={token}"))).await.text()
}

async fn sends(world: &World, token: &str, fields: &[(&str, &str)]) -> Answer {
    let fields = [&[("token", token)], fields].concat();
    world.is_asked(Call::post("/invite").form(&fields)).await
}

async fn logs_in(world: &World, name: &str) -> Answer {
    world.sends(Call::post(LOGIN).json(&json!({ "username": name, "password": NEW }))).await
}

/// The names of the fields that are shown, in their order.
fn fields(page: &str) -> Vec<String> {
    let inputs = page.split("<input class=\"field\"").skip(1);
    let name = |input: &str| input.split_once(" name=\"")?.1.split_once('"').map(|(name, _)| name.to_owned());
    inputs.filter_map(name).collect()
}

#[tokio::test]
async fn whoever_is_invited_makes_their_account_at_a_page_and_looking_at_it_spends_nothing() {
    let world = registering("invite", "off");
    let token = invited(&world, &json!({ "role": "editor" })).await;
    let page = looks(&world, &token).await;
    assert!(!page.contains("<script") && !page.contains("https:"), "{page}");
    assert_eq!(fields(&page), ["username", "email", "new_password"]);
    assert!(page.contains("At least 15 characters."), "{page}");
    let done = sends(&world, &token, &[("username", "carol"), ("new_password", NEW)]).await;
    assert_eq!(done.status, 200, "{}", done.text());
    assert!(done.text().contains("Your account is made") && done.set_cookies().is_empty());
    logs_in(&world, "carol").await.is(200);
    let carol = world.engine.accounts().find("carol").await.expect("it is there");
    assert_eq!((carol.role(), carol.is_admin), ("editor", false));
    assert_eq!(world.journal(carol.id).await[..2], ["account_invited", "account_created"]);
    let again = sends(&world, &token, &[("username", "dave"), ("new_password", NEW)]).await;
    let look = world.is_asked(Call::get(&format!("/invite?token={token}"))).await;
    for gone in [again, look] {
        assert_eq!(gone.status, 400);
        assert!(gone.text().contains("This invitation is no longer good"), "{}", gone.text());
    }
    logs_in(&world, "dave").await.refused(401, "credentials_invalid");
}

#[tokio::test]
async fn the_page_says_plainly_what_is_wrong_keeps_what_was_typed_and_spends_nothing() {
    let world = registering("invite", "off");
    world.bob().await;
    let token = invited(&world, &json!({})).await;
    let carol = ("username", "carol");
    for (typed, field, told) in [
        (vec![carol, ("new_password", "too short")], "new_password", "at least 15 characters"),
        (vec![carol, ("new_password", "passwordpassword")], "new_password", "easily guessed"),
        (vec![carol, ("new_password", "carolcarolcarol1")], "new_password", "your name or address"),
        (vec![carol], "new_password", "This is needed"),
        (vec![("username", "bob"), ("new_password", NEW)], "username", "has this user name already"),
        (vec![("email", "bob@example.org"), ("new_password", NEW)], "email", "has an account already"),
        (
            vec![carol, ("email", "bob@example.org"), ("new_password", NEW)],
            "username",
            "this user name or this address",
        ),
        (vec![("username", "admin"), ("new_password", NEW)], "username", "cannot be your user name"),
        (vec![("username", "a@b"), ("new_password", NEW)], "username", "cannot be your user name"),
        (vec![("email", "no address"), ("new_password", NEW)], "email", "This address cannot be taken"),
        (vec![("email", "x@mailinator.com"), ("new_password", NEW)], "email", "This address cannot be taken"),
        (vec![("new_password", NEW)], "username", "a user name or an e-mail address"),
        (vec![("username", " "), ("new_password", NEW)], "username", "a user name or an e-mail address"),
    ] {
        let answer = sends(&world, &token, &typed).await;
        let page = answer.text();
        assert_eq!(answer.status, 400, "{typed:?}: {page}");
        assert!(page.contains(told), "{typed:?}: {page}");
        let (_, rest) = page.split_once(&format!("id=\"{field}\"")).expect("the field");
        let (input, _) = rest.split_once('>').expect("its end");
        assert!(input.contains("aria-invalid=\"true\"") && input.contains("wrong\""), "{typed:?}: {input}");
        assert_eq!(page.matches("aria-invalid=\"true\"").count(), 1, "{typed:?}: {page}");
        for (name, text) in typed {
            let kept = page.contains(&format!("name=\"{name}\" value=\"{text}\""));
            assert_eq!(kept, name != "new_password" && !text.trim().is_empty(), "{name}: {page}");
        }
        assert!(!page.contains(NEW), "no password is shown");
    }
    let script = "\"><script>alert(1)</script>";
    let page = sends(&world, &token, &[("username", script), ("new_password", "x")]).await.text();
    assert!(!page.contains("<script"), "{page}");
    let done = sends(&world, &token, &[carol, ("new_password", NEW)]).await;
    assert_eq!(done.status, 200, "{}", done.text());
}

#[tokio::test]
async fn an_invitation_by_letter_shows_its_address_which_nobody_changes() {
    let world = registering("invite", "required");
    let token = invited(&world, &json!({ "email": "Carol@Example.org" })).await;
    assert_eq!(world.token_by_mail(LetterKind::Invite).await, token);
    let page = looks(&world, &token).await;
    assert_eq!(fields(&page), ["email", "username", "new_password"]);
    assert!(page.contains("value=\"Carol@Example.org\"") && page.contains(" readonly"), "{page}");
    let typed = [("email", "mallory@example.org"), ("new_password", NEW)];
    let done = sends(&world, &token, &typed).await;
    assert_eq!(done.status, 200, "{}", done.text());
    logs_in(&world, "carol@example.org").await.is(200);
    logs_in(&world, "mallory@example.org").await.refused(401, "credentials_invalid");
    assert!(world.letters().await.is_empty(), "there is nothing left to confirm");
}

#[tokio::test]
async fn where_an_address_must_be_confirmed_it_is_asked_for_and_a_letter_goes_there() {
    let world = registering("invite", "required");
    world.bob().await;
    let token = invited(&world, &json!({})).await;
    let short = sends(&world, &token, &[("username", "carol"), ("new_password", NEW)]).await;
    assert!(short.text().contains("This is needed"), "{}", short.text());
    let of = |page: &str| page.replace(|found: char| found.is_ascii_digit(), "");
    let carol = [("username", "carol"), ("email", "carol@example.org"), ("new_password", NEW)];
    let done = sends(&world, &token, &carol).await;
    assert_eq!(done.status, 200, "{}", done.text());
    assert!(done.text().contains("carol@example.org"), "{}", done.text());
    let link = world.token_by_mail(LetterKind::VerifyEmail).await;
    logs_in(&world, "carol").await.refused(401, "credentials_invalid");
    world.sends(Call::post("/api/v1/auth/email/verify").json(&json!({ "token": link }))).await.is(204);
    logs_in(&world, "carol@example.org").await.is(200);

    let token = invited(&world, &json!({})).await;
    let dave = [("username", "dave"), ("email", "bob@example.org"), ("new_password", NEW)];
    let known = sends(&world, &token, &dave).await;
    let nonce = |text: String| {
        let (before, rest) = text.split_once("nonce=\"").expect("a style");
        let (_, after) = rest.split_once('"').expect("its end");
        of(&format!("{before}{after}"))
    };
    let (free, known) = (nonce(done.text()), nonce(known.text()));
    assert_eq!(free.replace("carol@", "bob@"), known, "nothing tells that somebody has the address");
    let told = world.letters().await;
    assert!(
        told.iter().any(|letter| letter.kind == LetterKind::SignUpKnown && letter.to == "bob@example.org")
    );
}

#[tokio::test]
async fn each_profile_asks_for_what_its_own_registration_takes() {
    let open = ("registration = \"admin\"\n", "registration = \"invite\"\n");
    let wants = REGISTER.replace("username = \"$username?\", email = \"$email?\"", {
        "first = \"$given_name\", last = \"$family_name\", mail = \"$email\""
    });
    let small = ("password = { min = 15, min_with_factor = 8 }", "password = { min = 8 }");
    let profiles = vec![our_profile(&[open]), second_profile(&[open, (REGISTER, &wants), small])];
    let world = World::planned(Plan { profiles, ..Plan::default() });
    let ours = looks(&world, &invited(&world, &json!({})).await).await;
    assert_eq!(fields(&ours), ["username", "email", "new_password"]);
    let token = invited_at(&world, "/second/invites", &json!({})).await;
    let page = looks(&world, &token).await;
    assert_eq!(fields(&page), ["given_name", "family_name", "email", "new_password"]);
    assert!(page.contains("At least 8 characters."), "{page}");
    let typed = [("given_name", "Ann"), ("email", "ann@new.example"), ("new_password", "eight ch")];
    assert!(sends(&world, &token, &typed).await.text().contains("This is needed"));
    let sneaked = [("family_name", "Other"), ("username", "sneaked")];
    let done = sends(&world, &token, &[&typed[..], &sneaked].concat()).await;
    assert_eq!(done.status, 200, "{}", done.text());
    let ann = world.engine.accounts().find("ann@new.example").await.expect("it is there");
    let told = &ann.particulars;
    assert_eq!((told.given_name.as_deref(), told.family_name.as_deref()), (Some("Ann"), Some("Other")));
    assert_eq!(ann.username, None, "what was not asked for is not taken");
}

#[tokio::test]
async fn an_invitation_ends_at_the_page_with_its_time_and_with_the_rights_of_whoever_gave_it() {
    let world = registering("invite", "off");
    let late = invited(&world, &json!({ "expires_in": "1h" })).await;
    world.winds(3600);
    let page = sends(&world, &late, &[("username", "carol"), ("new_password", NEW)]).await;
    assert!(page.status == 400 && page.text().contains("no longer good"), "{}", page.text());
    let token = invited(&world, &json!({})).await;
    world.winds(days(1));
    looks(&world, &token).await;
    let root = world.engine.accounts().find("root").await.expect("it is there").id;
    world.engine.accounts().disable(root, &Requester::nobody()).await.expect("it can be disabled");
    let page = sends(&world, &token, &[("username", "carol"), ("new_password", NEW)]).await;
    assert!(page.status == 400 && page.text().contains("no longer good"), "{}", page.text());
    for odd in ["", "spo_", "x", &token[..token.len() - 1]] {
        let page = world.is_asked(Call::get(&format!("/invite?token={odd}"))).await;
        assert_eq!(page.status, 400, "{odd}");
    }
}

#[tokio::test]
async fn accounts_are_made_at_the_page_as_seldom_as_by_the_call() {
    let open = ("registration = \"admin\"\n", "registration = \"invite\"\n");
    let profiles = vec![our_profile(&[open])];
    let world = World::planned(Plan { profiles, rates: Rates::default(), ..Plan::default() });
    let token = invited(&world, &json!({})).await;
    for _ in 0..20 {
        assert_eq!(sends(&world, &token, &[("username", "x"), ("new_password", "x")]).await.status, 400);
    }
    let answer = sends(&world, &token, &[("username", "carol"), ("new_password", NEW)]).await;
    assert_eq!(answer.status, 429, "{}", answer.text());
    assert!(answer.text().contains("try again"), "{}", answer.text());
    world.winds(60);
    let done = sends(&world, &token, &[("username", "carol"), ("new_password", NEW)]).await;
    assert_eq!(done.status, 200, "{}", done.text());
}

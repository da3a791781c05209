//! Calls that are off until one line turns them on.

use serde_json::{Map, Value, json};
use sprag::engine::SecondFactor;
use sprag::factor::totp::Seed;
use sprag_server::profile::{Input, Profile, Route, builtin_names};

use crate::call::{Answer, Call};
use crate::people::Person;
use crate::second_factor::adds_app;
use crate::world::{ORIGIN, Plan, World};

/// The call of a profile that does this, with a body that has what each of its fields means.
pub(super) fn call_of(
    profile: &Profile,
    action: &str,
    id: &str,
    means: impl Fn(Input) -> Option<Value>,
) -> Call {
    let found = profile.wire.routes.iter().find(|route| route.action.name() == action);
    let route: &Route = found.unwrap_or_else(|| panic!("a route that does {action}"));
    let call = Call::new(route.method.as_str(), &route.path.replace("{id}", id)).header("origin", ORIGIN);
    if route.takes.fields().is_empty() {
        return call;
    }
    let fields = route.takes.fields().iter();
    let body: Map<_, _> =
        fields.filter_map(|field| Some((field.name.clone(), means(field.input)?))).collect();
    call.json(&body.into())
}

/// A shipped profile with everything that it can offer.
pub(super) fn offering_all(name: &str) -> Profile {
    let mut profile = Profile::builtin(name).expect("a shipped profile").expect("it can be read");
    let all = profile.can_offer();
    assert!(profile.offer(&all).iter().all(|is_known| *is_known), "{name}");
    profile
}

/// A log-in of ann's, with what her device keeps where it was remembered.
fn log_in(profile: &Profile, ann: &Person<'_>, device_token: Option<&str>) -> Call {
    call_of(profile, "login", "", |input| match input {
        Input::Name | Input::Email => Some("ann@example.org".into()),
        Input::Password => Some(ann.password.clone().into()),
        Input::DeviceToken => device_token.map(Value::from),
        _ => None,
    })
}

/// The access token, by the name that the profile has for it.
fn access_token(answer: &Answer) -> String {
    let body = answer.json();
    let found = ["access_token", "token"].iter().find_map(|name| body[*name].as_str());
    found.unwrap_or_else(|| panic!("an access token in {}", answer.text())).to_owned()
}

#[tokio::test]
async fn a_call_that_is_off_is_answered_like_a_path_that_was_never_there() {
    for name in builtin_names() {
        let profile = Profile::builtin(name).expect("a shipped profile").expect("it can be read");
        let off = profile.wire.off.clone();
        let world = World::planned(Plan { profiles: vec![profile], ..Plan::default() });
        for route in off {
            for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS"] {
                let asked = async |path: &str| {
                    let call = Call::new(method, path).header("origin", "https://app.example.org");
                    let answer = world.is_asked(call.bearer("a-token")).await;
                    (answer.status, answer.everything())
                };
                let (off, unknown) = (asked(&route.path).await, asked(&format!("{}-not", route.path)).await);
                assert_eq!(off, unknown, "{name}: {method} {}", route.path);
                assert!(method == "OPTIONS" || off.0 == 404, "{name}: {method} {}: {}", route.path, off.0);
            }
        }
    }
}

#[tokio::test]
async fn every_profile_asks_for_a_second_factor_in_its_own_shape_once_it_offers_one() {
    for name in builtin_names() {
        let profile = offering_all(name);
        let world = World::planned(Plan { profiles: vec![profile.clone()], ..Plan::default() });
        let ann = world.ann().await;
        let access = access_token(&world.is_asked(log_in(&profile, &ann, None)).await.is(200));
        let begun = call_of(&profile, "add_totp", "", |_| None).bearer(&access);
        let begun = world.is_asked(begun).await.is(200);
        let seed = Seed::from_base32(&begun.field("secret"), None).expect("a seed");
        let code = |world: &World| Some(Value::from(seed.code(world.now())));
        let is_code = |input| (input == Input::Code).then(|| code(&world))?;
        let confirm = call_of(&profile, "confirm_totp", &begun.field("id"), is_code);
        world.is_asked(confirm.bearer(&access)).await.is(200);
        world.winds(30);

        let asked = world.is_asked(log_in(&profile, &ann, None)).await.is(401);
        assert_eq!(asked.code(), "second_factor_required", "{name}: {}", asked.text());
        let token = asked.field("mfa_token");
        let shows = call_of(&profile, "login_factor", "", |input| match input {
            Input::MfaToken => Some(token.clone().into()),
            Input::Code => code(&world),
            Input::RememberDevice => Some(true.into()),
            _ => None,
        });
        let opened = world.is_asked(shows).await.is(200);
        let device = opened.field("device_token");
        let access = access_token(&opened);
        world.is_asked(call_of(&profile, "factors", "", |_| None).bearer(&access)).await.is(200);

        world.is_asked(log_in(&profile, &ann, Some(&device))).await.is(200);
    }
}

/// Whoever adds the factor that they must have reads the pair where their log-in has it.
#[tokio::test]
async fn a_log_in_that_waited_for_a_factor_is_told_its_pair_by_the_names_of_the_profile() {
    for name in builtin_names() {
        let mut profile = offering_all(name);
        profile.client.second_factor = SecondFactor::Required;
        let world = World::planned(Plan { profiles: vec![profile.clone()], ..Plan::default() });
        let ann = world.ann().await;
        let asked = world.is_asked(log_in(&profile, &ann, None)).await.is(401);
        let token = asked.field("mfa_token");
        let is_token = |input| (input == Input::MfaToken).then(|| token.clone().into());
        let begun = world.is_asked(call_of(&profile, "add_totp", "", is_token)).await.is(200);
        let seed = Seed::from_base32(&begun.field("secret"), None).expect("a seed");
        let confirm = call_of(&profile, "confirm_totp", &begun.field("id"), |input| match input {
            Input::MfaToken => Some(token.clone().into()),
            Input::Code => Some(seed.code(world.now()).into()),
            _ => None,
        });
        let opened = world.is_asked(confirm).await.is(200);
        assert_eq!(opened.json()["recovery_codes"].as_array().map(Vec::len), Some(10), "{name}");
        let access = access_token(&opened);
        world.is_asked(call_of(&profile, "factors", "", |_| None).bearer(&access)).await.is(200);
    }
}

#[tokio::test]
async fn what_goes_on_with_a_log_in_is_told_only_where_the_profile_goes_on() {
    let both = [Profile::builtin("express-mongo"), Profile::builtin("sprag")];
    let profiles = both.map(|found| found.expect("a shipped profile").expect("it can be read")).to_vec();
    let world = World::planned(Plan { profiles: profiles.clone(), ..Plan::default() });
    let ann = world.ann().await;
    adds_app(&ann.logs_in().await).await;
    let body = json!({ "email": "ann@example.org", "password": ann.password });
    let told =
        world.is_asked(Call::post("/api/auth/login").json(&body).header("origin", ORIGIN)).await.is(401);
    assert_eq!(told.json()["code"], "second_factor_required");
    assert!(told.json()["mfa_token"].is_null() && told.json()["factors"].is_null(), "{}", told.text());
}

//! The shipped profiles: each parses, is served by a real router, and reads back as it was written.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::routing::{MethodFilter, on};
use serde_json::{Value, json};
use sprag::account::Account;
use sprag::clock::Timestamp;
use sprag::policy::Policy;
use sprag::session::{
    AccountId, EndCause, Epoch, Generation, ProfileId, Session, SessionDetail, SessionId, SessionKey,
};
use sprag_server::places::Places;
use sprag_server::profile::{
    Encoding, Facts, Input, OriginRule, Profile, Registration, Route, SameSite, SessionFacts, Transport,
    builtin_names, check_together,
};
use uuid::Uuid;

fn shipped(name: &str) -> Profile {
    Profile::builtin(name).expect("a shipped profile").unwrap_or_else(|error| panic!("{error}"))
}

fn ours() -> Profile {
    shipped("sprag")
}

fn route<'a>(profile: &'a Profile, on: &str) -> &'a Route {
    profile.wire.routes.iter().find(|route| route.on() == on).expect(on)
}

#[test]
fn every_shipped_profile_parses_and_has_an_id_of_its_own() {
    let profiles: Vec<Profile> = builtin_names().map(shipped).collect();
    for (position, profile) in profiles.iter().enumerate() {
        assert!(
            profiles[..position].iter().all(|earlier| earlier.client.id != profile.client.id),
            "{}",
            profile.name
        );
        assert!(
            profile.client.id.0 < 1000 && !profile.about.is_empty(),
            "ids from 1000 on are for other people's profiles"
        );
        check_together(std::slice::from_ref(profile)).unwrap_or_else(|error| panic!("{error}"));
    }
    assert!(Profile::builtin("no-such-profile").is_none());
}

#[test]
fn the_router_takes_every_shipped_profile() {
    for profile in builtin_names().map(shipped) {
        let _ = profile.wire.routes.iter().fold(Router::<()>::new(), |router, route| {
            let method = MethodFilter::try_from(route.method.clone()).expect("a method of axum");
            router.route(&route.path, on(method, async || {}))
        });
    }
}

#[test]
fn our_profile_says_what_the_design_says() {
    let profile = ours();
    assert_eq!(profile.client.id, ProfileId(1));
    assert_eq!(profile.client.encoding, Encoding::Opaque);
    assert_eq!(profile.client.registration, Registration::Admin);
    assert_eq!(profile.policy, Policy::default(), "the profile spells the defaults out");
    assert_eq!(profile.wire.refresh.body.as_deref(), Some("refresh_token"));
    assert_eq!(profile.wire.refresh.transport, Transport::Asked);
    let cookie = profile.wire.refresh.cookie.as_ref().expect("a cookie");
    assert!(cookie.name.starts_with("__Host-") && cookie.secure && cookie.path == "/");
    assert_eq!((cookie.same_site, cookie.origin), (SameSite::Strict, OriginRule::Required));
    let calls: Vec<_> =
        profile.wire.routes.iter().map(|route| (route.on(), route.action.name(), route.status)).collect();
    let call = |on: &str, action, status| (on.to_owned(), action, status);
    assert_eq!(
        calls,
        [
            call("POST /api/v1/auth/login", "login", 200),
            call("POST /api/v1/auth/refresh", "refresh", 200),
            call("POST /api/v1/auth/logout", "logout", 204),
            call("POST /api/v1/auth/logout-all", "logout_all", 204),
            call("POST /api/v1/auth/logout/all", "logout_all", 204),
            call("GET /api/v1/auth/me", "me", 200),
            call("POST /api/v1/auth/register", "register", 201),
            call("POST /api/v1/auth/invites", "invite", 201),
            call("GET /api/v1/auth/sessions", "sessions", 200),
            call("DELETE /api/v1/auth/sessions/{id}", "end_session", 204),
            call("GET /api/v1/auth/admin/sessions/{id}", "explain", 200), // ours, beyond the design
            call("POST /api/v1/auth/password", "password", 200),
            call("GET /api/v1/auth/me/export", "export_me", 200),
            call("DELETE /api/v1/auth/me", "delete_me", 202),
            call("POST /api/v1/auth/me/delete", "delete_me", 202),
            call("POST /api/v1/auth/me/keep", "keep_me", 204), // ours, beyond the design
            call("POST /api/v1/auth/password/forgot", "forgot_password", 202),
            call("POST /api/v1/auth/password/reset", "reset_password", 204),
            call("POST /api/v1/auth/email/verify", "verify_email", 204),
            call("POST /api/v1/auth/email/verification", "send_verification", 202),
            call("POST /api/v1/auth/email", "change_email", 202),
            call("POST /api/v1/auth/email/confirm", "confirm_email", 204),
            call("POST /api/v1/auth/email/undo", "undo_email", 200), // for links that lead to the app
            call("POST /api/v1/auth/not-me", "not_me", 200),         // the same
            call("POST /api/v1/auth/step-up", "step_up", 200),
            call("POST /api/v1/auth/login/factor", "login_factor", 200),
            call("GET /api/v1/auth/factors", "factors", 200),
            call("DELETE /api/v1/auth/factors/{id}", "end_factor", 204),
            call("POST /api/v1/auth/factors/totp", "add_totp", 200),
            call("POST /api/v1/auth/factors/totp/{id}/confirm", "confirm_totp", 200),
            call("POST /api/v1/auth/factors/recovery-codes", "new_recovery_codes", 200),
            call("POST /api/v1/auth/factors/passkey/options", "passkey_options", 200),
            call("POST /api/v1/auth/factors/passkey", "add_passkey", 201),
            call("POST /api/v1/auth/login/passkey/options", "passkey_request", 200),
            call("POST /api/v1/auth/login/passkey", "login_passkey", 200),
            call("GET /api/v1/admin/users", "users", 200),
            call("POST /api/v1/admin/users", "create_user", 201),
            call("GET /api/v1/admin/users/{id}", "user", 200),
            call("PATCH /api/v1/admin/users/{id}", "change_user", 200),
            call("DELETE /api/v1/admin/users/{id}", "delete_user", 204),
            call("POST /api/v1/admin/users/{id}/password", "set_password", 204),
            call("GET /api/v1/admin/users/{id}/sessions", "user_sessions", 200),
            call("DELETE /api/v1/admin/users/{id}/sessions", "end_user_sessions", 204),
            call("DELETE /api/v1/admin/sessions/{id}", "end_any_session", 204),
            call("GET /api/v1/admin/users/{id}/factors", "user_factors", 200),
            call("DELETE /api/v1/admin/users/{id}/factors", "reset_user_factors", 204),
            call("GET /api/v1/admin/users/{id}/events", "user_events", 200),
            call("GET /api/v1/admin/events", "events", 200),
            call("GET /api/v1/admin/report", "report", 200),
        ]
    );
    assert!(
        profile.wire.routes.iter().filter(|route| route.status == 204).all(|route| route.gives.is_none())
    );
    assert!(!route(&profile, "POST /api/v1/auth/register").opens_session());
}

#[test]
fn a_log_in_takes_a_name_under_either_field() {
    let profile = ours();
    let takes = &route(&profile, "POST /api/v1/auth/login").takes;
    let read = |body: Value| {
        let Value::Object(object) = body else { panic!("an object") };
        takes
            .read(&object)
            .map(|inputs| inputs.get(Input::Name).map(str::to_owned))
            .map_err(|error| error.to_string())
    };
    let name = |name: &str| Ok(Some(name.to_owned()));
    assert_eq!(read(json!({ "username": "ann", "password": "p" })), name("ann"));
    assert_eq!(read(json!({ "email": "a@b.c", "password": "p" })), name("a@b.c"));
    assert_eq!(read(json!({ "email": "a@b.c", "username": "ann", "password": "p" })), name("ann"));
    assert_eq!(read(json!({ "email": "a@b.c", "username": "", "password": "p", "extra": 1 })), name("a@b.c"));
    assert_eq!(
        read(json!({ "username": null, "email": "a@b.c", "password": "p", "device": null })),
        name("a@b.c")
    );
    let error = |what: &str| Err(what.to_owned());
    assert_eq!(read(json!({ "password": "p" })), error("the field \"username\" is missing"));
    assert_eq!(read(json!({ "username": "ann" })), error("the field \"password\" is missing"));
    assert_eq!(
        read(json!({ "username": 7, "password": "p" })),
        error("the field \"username\" must be a text")
    );
    assert_eq!(
        read(json!({ "username": "ann", "password": "p", "transport": "pigeon" })),
        error("the field \"transport\" must be \"cookie\" or \"body\"")
    );
}

#[test]
fn a_refresh_takes_the_body_field_without_being_told() {
    let profile = ours();
    let takes = &route(&profile, "POST /api/v1/auth/refresh").takes;
    let body = json!({ "refresh_token": "spr_x" });
    let inputs = takes.read(body.as_object().expect("an object")).expect("inputs");
    assert_eq!(inputs.get(Input::RefreshToken), Some("spr_x"));
    assert!(takes.read(&serde_json::Map::new()).is_ok(), "the cookie may carry it");
}

#[test]
fn a_token_pair_is_written_in_the_order_of_the_profile() {
    let profile = ours();
    let mut facts = Facts {
        access_token: Some("ey\"J"),
        refresh_token: Some("spr_x"),
        expires_in: Some(900),
        refresh_in: Some(700),
        refresh_expires_in: Some(604_800),
        session_id: Some(SessionId(Uuid::nil())),
        ..Facts::default()
    };
    let gives = &route(&profile, "POST /api/v1/auth/refresh").gives;
    let mut out = b"<".to_vec();
    gives.write(&facts, &mut out);
    assert_eq!(
        String::from_utf8(out).expect("UTF-8"),
        r#"<{"access_token":"ey\"J","refresh_token":"spr_x","token_type":"bearer","expires_in":900,"refresh_in":700,"refresh_expires_in":604800,"session_id":"00000000-0000-0000-0000-000000000000"}"#
    );
    facts.refresh_token = None;
    assert!(gives.render(&facts).get("refresh_token").is_none(), "in cookie mode there is no such key");
}

#[test]
fn an_account_without_an_email_has_null_there() {
    let account = Account {
        username: Some("Änn".to_owned()),
        ..Account::new(AccountId(Uuid::from_u128(1)), Timestamp(1_700_000_000_123))
    };
    let profile = ours();
    let facts = Facts {
        account: Some(&account),
        session_id: Some(SessionId(Uuid::from_u128(2))),
        ..Facts::default()
    };
    assert_eq!(
        route(&profile, "GET /api/v1/auth/me").gives.render(&facts),
        json!({
            "id": "00000000-0000-0000-0000-000000000001",
            "username": "Änn",
            "email": null,
            "email_verified": false,
            "is_admin": false,
            "created_at": "2023-11-14T22:13:20.123Z",
            "session_id": "00000000-0000-0000-0000-000000000002",
        })
    );
}

#[test]
fn sessions_are_listed_and_do_not_tell_when_they_last_rotated() {
    let key = SessionKey { account: AccountId(Uuid::nil()), session: SessionId(Uuid::from_u128(3)) };
    let begun = Session::begun(key, ProfileId(1), [0; 32], Epoch(0), &Policy::default(), Timestamp(0));
    let session = Session {
        generation: Generation(7),
        rotated_at: Timestamp(0).plus(Duration::from_secs(5000)),
        idle_expires_at: Timestamp(0).plus(Duration::from_secs(8000)),
        expires_at: Timestamp(i64::MAX),
        ..begun
    };
    let detail = SessionDetail { ip: Some("192.0.2.1".to_owned()), ..SessionDetail::default() };
    let own_idle_end = Timestamp(0).plus(Duration::from_secs(12_000));
    let opened_at = Places::default().opened_at(&detail);
    let item = |own_idle_end| SessionFacts {
        session: &session,
        detail: &detail,
        opened_at: &opened_at,
        own_idle_end,
    };
    let profile = ours();
    let gives = &route(&profile, "GET /api/v1/auth/sessions").gives;
    assert_eq!(gives.render(&Facts::default()), json!({ "sessions": [] }));
    let answer =
        gives.render(&Facts { sessions: &[item(Some(own_idle_end)), item(None)], ..Facts::default() });
    assert_eq!(
        answer["sessions"][0],
        json!({
            "id": "00000000-0000-0000-0000-000000000003",
            "current": true,
            "created_at": "1970-01-01T00:00:00.000Z",
            "idle_expires_at": "1970-01-01T03:00:00.000Z",
            "expires_at": "9999-12-30T22:00:00.999Z",
            "ip": "192.0.2.1",
            "user_agent": null,
            "device": null,
            "label": null,
            "country": null,
            "city": null,
        })
    );
    assert_eq!(answer["sessions"][1]["current"], false);
    assert_eq!(answer["sessions"][1]["last_used_at"], "1970-01-01T01:00:00.000Z");
    assert_eq!(answer["sessions"][1]["idle_expires_at"], "1970-01-01T02:00:00.000Z");
}

#[test]
fn a_refusal_is_problem_details() {
    let profile = ours();
    let mut out = Vec::new();
    let cause = Some(EndCause::Reuse.name());
    let status = profile.wire.refusal.write("session_ended", "this session has ended", cause, &[], &mut out);
    assert_eq!(
        (status.as_u16(), profile.wire.refusal.content_type.as_str()),
        (401, "application/problem+json")
    );
    assert_eq!(
        String::from_utf8(out).expect("UTF-8"),
        r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"this session has ended","code":"session_ended","cause":"reuse"}"#
    );
}

/// What a guide's proxy sends to the server: nginx' alternatives and Caddy's list, with a star for an id.
fn sent_by_proxies(guide: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let between = |text: &str, from: &str, to: &str| {
        text.split_once(from).and_then(|(_, rest)| rest.split_once(to)).expect(from).0.to_owned()
    };
    let location = between(guide, "location ~ ^", "$ {");
    let (folder, rest) = location.split_once('(').expect("alternatives");
    let paths =
        rest.trim_end_matches(')').split('|').map(|rest| format!("{folder}{}", rest.replace("[^/]+", "*")));
    let listed = between(guide, "@sprag path ", "\n");
    (paths.collect(), listed.split(' ').map(str::to_owned).collect())
}

#[test]
fn each_guide_sends_the_paths_of_its_profile_here_and_no_others() {
    let guides = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide");
    for profile in builtin_names().map(shipped).filter(|profile| profile.import.is_some()) {
        let path = guides.join(format!("moving-from-{}.md", profile.name));
        let guide = std::fs::read_to_string(&path).expect("each profile of another system has a guide");
        let starred = |route: &Route| route.path.replace("{id}", "*");
        let paths: BTreeSet<String> = profile.wire.routes.iter().map(starred).collect();
        assert_eq!(sent_by_proxies(&guide), (paths.clone(), paths), "{}", path.display());
        for route in &profile.wire.off {
            assert!(guide.contains(&format!("`{}`", route.path)), "{} has no {}", path.display(), route.path);
            assert!(
                guide.contains(&route.on()) || guide.contains(&route.on().replace(' ', "\n")),
                "{}",
                route.on()
            );
        }
    }
}

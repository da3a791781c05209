//! Where people log in from: what the list of sessions says of it, and the places that are not let in.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sprag::factor::totp::Seed;
use sprag::letter::LetterKind;
use sprag_server::places::{Fence, Places};
use sprag_testkit::mmdb::{Mmdb, city, country};

use crate::call::Call;
use crate::people::{Device, LOGIN, ME, REGISTER};
use crate::world::{ORIGIN, Plan, World, ip, our_profile};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

const BERLIN: &str = "198.51.100.7";
const SYDNEY: &str = "203.0.113.7";
const PARIS: &str = "2001:db8:f::7";
const NOWHERE: &str = "192.0.2.1";

fn file(folder: &Path, bytes: &[u8]) -> PathBuf {
    let path = folder.join("places.mmdb");
    std::fs::write(&path, bytes).expect("a file");
    path
}

fn places() -> Places {
    let folder = tempfile::tempdir().expect("a folder");
    Places::read(Some(&file(folder.path(), &Mmdb::usual().bytes())), None).expect("a file of places")
}

/// A world whose profile has these lists.
fn fenced(geo: &str) -> World {
    let profile =
        our_profile(&[("registration = \"admin\"", &format!("registration = \"open\"\ngeo = {{ {geo} }}"))]);
    World::planned(Plan { profiles: vec![profile], places: places(), ..Plan::default() })
}

#[tokio::test]
async fn the_list_of_sessions_tells_device_country_and_city() {
    let world = World::planned(Plan { places: places(), ..Plan::default() });
    let ann = world.ann().await;
    let first = ann.logs_in_on(Device::new(&world, FIREFOX, BERLIN)).await;
    world.winds(1);
    ann.logs_in_on(Device::new(&world, "okhttp/4.12.0", PARIS)).await;
    world.winds(1);
    ann.logs_in_on(Device::new(&world, "curl/8.5.0", NOWHERE)).await;
    world.winds(1);
    let named = json!({ "username": "ann", "password": ann.password, "device": "ann's \u{1b}[31mlaptop" });
    world.sends(Call::post(LOGIN).header("user-agent", FIREFOX).from(ip(SYDNEY)).json(&named)).await.is(200);
    let listed: Vec<Value> = first
        .lists()
        .await
        .iter()
        .map(|session| json!([session["label"], session["country"], session["city"]]))
        .collect();
    assert_eq!(
        listed,
        [
            json!(["Firefox on Linux", "DE", "Berlin"]),
            json!(["okhttp (Android)", "FR", "Paris"]),
            json!(["curl", null, null]),
            json!(["ann's [31mlaptop", "AU", "Sydney"]),
        ]
    );
}

#[tokio::test]
async fn without_a_file_there_are_no_countries() {
    let world = World::new();
    let ann = world.ann().await;
    let phone = ann.logs_in_on(Device::new(&world, "okhttp/4.12.0", BERLIN)).await;
    let session = phone.lists().await.remove(0);
    assert_eq!(
        (&session["label"], &session["country"], &session["city"]),
        (&json!("okhttp (Android)"), &json!(null), &json!(null))
    );
}

#[tokio::test]
async fn who_is_in_a_place_that_is_not_let_in_gets_no_session_whatever_they_type() {
    for geo in ["allow = [\"DE\", \"FR\"]", "deny = [\"AU\"]", "allow = [\"continent:EU\"]"] {
        let world = fenced(geo);
        let ann = world.ann().await;
        ann.logs_in_on(Device::new(&world, FIREFOX, BERLIN)).await;
        ann.logs_in_on(Device::new(&world, FIREFOX, PARIS)).await;
        let journal = ann.journal().await;
        world.seam.calls();
        let mut told = Vec::new();
        for (name, password) in
            [("ann", ann.password.as_str()), ("ann", "wrong password"), ("nobody", "wrong password")]
        {
            let body = json!({ "username": name, "password": password });
            let answer = world.sends(Call::post(LOGIN).from(ip(SYDNEY)).json(&body)).await;
            told.push(answer.refused(403, "place_refused").text());
        }
        assert!(told.windows(2).all(|two| two[0] == two[1]), "{told:?}");
        let newcomer = json!({ "username": "eve", "password": "a long password" });
        world
            .sends(Call::post(REGISTER).from(ip(SYDNEY)).json(&newcomer))
            .await
            .refused(403, "place_refused");
        assert!(world.seam.calls().is_empty(), "{geo}: the store is not asked");
        assert_eq!(ann.journal().await, journal, "{geo}: and no row is written");
    }
}

#[tokio::test]
async fn a_factor_that_was_added_opened_a_session_where_nobody_may_log_in() {
    let lines = "registration = \"open\"\nsecond_factor = \"required\"\ngeo = { deny = [\"AU\"] }\n";
    let profile = our_profile(&[("registration = \"admin\"\n", lines)]);
    let world = World::planned(Plan { profiles: vec![profile], places: places(), ..Plan::default() });
    let ann = world.ann().await;
    let body = json!({ "username": "ann", "password": ann.password });
    let waits = world.sends(Call::post(LOGIN).from(ip(BERLIN)).json(&body)).await;
    let token = waits.refused(401, "enrolment_required").field("mfa_token");
    let begin = Call::post("/api/v1/auth/factors/totp").from(ip(BERLIN));
    let begun = world.sends(begin.json(&json!({ "mfa_token": token }))).await.is(200);
    let code = Seed::from_base32(&begun.field("secret"), None).expect("a seed").code(world.now());
    let path = format!("/api/v1/auth/factors/totp/{}/confirm", begun.field("id"));
    let confirm = Call::post(&path).json(&json!({ "mfa_token": token, "code": code }));
    world.sends(confirm.clone().from(ip(SYDNEY))).await.refused(403, "place_refused");
    world.sends(confirm.from(ip(BERLIN))).await.is(200);
}

#[tokio::test]
async fn a_refresh_from_a_place_that_is_not_let_in_is_refused_and_nothing_ends() {
    let world = fenced("deny = [\"AU\"]");
    let ann = world.ann().await;
    for mut device in [Device::new(&world, FIREFOX, BERLIN), Device::browser(&world)] {
        device.address = ip(BERLIN);
        let mut device = ann.logs_in_on(device).await;
        device.turns().await;
        let journal = ann.journal().await;
        let away = Device { address: ip(SYDNEY), ..device.clone() };
        for _ in 0..3 {
            let answer = away.presents(&away.refresh).await.refused(403, "place_refused");
            assert!(answer.set_cookies().is_empty(), "the cookie is kept");
        }
        away.changes_password(&ann.password, "another long password").await.refused(403, "place_refused");
        away.asks(ME).await.is(200);
        assert_eq!(ann.journal().await, journal);
        assert!(device.is_logged_in().await, "back home it goes on");
        away.logs_out().await.is(204);
    }
}

#[tokio::test]
async fn log_ins_and_refreshes_have_lists_of_their_own_where_somebody_wants_that() {
    let world = fenced("allow = [\"DE\"], refresh_allow = [], refresh_deny = [\"AU\"]");
    let ann = world.ann().await;
    let mut phone = ann.logs_in_on(Device::new(&world, FIREFOX, BERLIN)).await;
    for (address, login, refresh) in
        [(PARIS, 403, 200), (SYDNEY, 403, 403), (NOWHERE, 403, 200), (BERLIN, 200, 200)]
    {
        phone.address = ip(address);
        let body = json!({ "username": "ann", "password": ann.password });
        world.sends(phone.call("POST", LOGIN).json(&body)).await.is(login);
        world.winds(60);
        phone.refreshes().await.is(refresh);
    }
}

/// The server's own page logs in, too.
#[tokio::test]
async fn a_link_that_is_opened_where_nobody_may_log_in_is_refused_counted_and_good_elsewhere() {
    let lines = "registration = \"admin\"\noffers = [\"send_code\", \"login_by_code\"]\nlogin_link = \"anywhere\"\n\
                 geo.deny = [\"AU\"]";
    let profiles = vec![our_profile(&[("registration = \"admin\"", lines)])];
    let world = World::planned(Plan { profiles, places: places(), ..Plan::default() });
    world.ann().await;
    let asked = Call::post("/api/v1/auth/code").json(&json!({ "email": "ann@example.org" }));
    world.sends(asked).await.is(202);
    let token = world.token_by_mail(LetterKind::LogIn).await;
    let opens = |address: &str| {
        let call = Call::post("/code").form(&[("token", &token)]).header("origin", ORIGIN);
        world.is_asked(call.from(ip(address)))
    };
    let refused = opens(SYDNEY).await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert!(refused.text().contains("from this place is not allowed"), "{}", refused.text());
    assert!(refused.set_cookies().is_empty());
    let counted = world.sends(Call::get("/metrics")).await.text();
    let line =
        counted.lines().find(|line| line.contains("place_refused")).expect("a refused log-in is counted");
    assert!(line.ends_with(" 1"), "{line}");
    assert_eq!(opens(BERLIN).await.status, 200, "the link is good as before");
}

#[tokio::test]
async fn this_machine_and_networks_of_ones_own_are_always_let_in() {
    let world = fenced("allow = [\"DE\"], deny = [\"unknown\"]");
    let ann = world.ann().await;
    for local in ["127.0.0.1", "10.1.2.3", "192.168.1.7", "fd00::7", "::1"] {
        let mut device = ann.logs_in_on(Device::new(&world, FIREFOX, local)).await;
        device.turns().await;
    }
    let body = json!({ "username": "ann", "password": ann.password });
    world.sends(Call::post(LOGIN).from(ip(NOWHERE)).json(&body)).await.refused(403, "place_refused");
}

#[tokio::test]
async fn both_fences_hold_everybodys_and_the_profiles_own() {
    let mut profile = our_profile(&[(
        "registration = \"admin\"",
        "registration = \"admin\"\ngeo.allow = [\"DE\", \"AU\"]",
    )]);
    let everybodys = Fence { allow: Vec::new(), deny: vec!["AU".parse().expect("a country")] };
    profile.fences.login.push(everybodys);
    let world = World::planned(Plan { profiles: vec![profile], places: places(), ..Plan::default() });
    let ann = world.ann().await;
    let body = json!({ "username": "ann", "password": ann.password });
    for (address, status) in [(BERLIN, 200), (SYDNEY, 403), (PARIS, 403)] {
        world.sends(Call::post(LOGIN).from(ip(address)).json(&body)).await.is(status);
    }
}

#[tokio::test]
async fn a_file_that_changes_is_read_again_and_a_broken_one_leaves_what_was_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(folder.path(), &Mmdb::usual().bytes());
    let places = Places::read(Some(&path), None).expect("a file of places");
    let berlin = || places.of(Some(BERLIN)).and_then(|place| place.city);
    assert_eq!(berlin().as_deref(), Some("Berlin"));
    let replace = |bytes: &[u8]| {
        // As those do who bring such files: whole, under another name first.
        let draft = folder.path().join("draft");
        std::fs::write(&draft, bytes).expect("a file");
        std::fs::rename(&draft, &path).expect("in its place");
        places.look();
    };
    let other = Mmdb::of_cities().with("198.51.100.0/24", city("DE", "Potsdam", 52.4, 13.1)).bytes();
    replace(&other);
    assert_eq!(berlin().as_deref(), Some("Potsdam"));
    for broken in [&other[..other.len() - 20], b"<html>", b"", &Mmdb::usual().bytes()[..200]] {
        replace(broken);
        assert_eq!(berlin().as_deref(), Some("Potsdam"));
    }
    std::fs::remove_file(&path).expect("it was there");
    places.look();
    assert_eq!(berlin().as_deref(), Some("Potsdam"));
    replace(&Mmdb::usual().bytes());
    assert_eq!(berlin().as_deref(), Some("Berlin"));
}

#[test]
fn a_file_is_read_in_the_forms_that_people_have() {
    let folder = tempfile::tempdir().expect("a folder");
    let flat =
        json!({ "country_code": "DE", "country": "Germany", "city": "Berlin", "lat": "52.5", "lng": "13.4" });
    let plain = json!({ "country": "de", "city": { "names": { "en": "Berlin\u{1b}[31m" } } });
    let registered = json!({ "registered_country": { "iso_code": "US" }, "city": 7, "location": [1] });
    let bytes = Mmdb::called("A type of ours")
        .with("198.51.100.0/24", country("DE"))
        .with("203.0.113.0/25", flat)
        .with("203.0.113.128/25", plain)
        .with("192.0.2.0/25", registered)
        .with(
            "192.0.2.128/25",
            json!({ "country": { "iso_code": "ZZ" }, "location": { "latitude": 0.0, "longitude": 0.0 } }),
        )
        .bytes();
    let places = Places::read(Some(&file(folder.path(), &bytes)), None).expect("a file of places");
    let told = |address: &str| {
        let place = places.of(Some(address));
        place.map(|place| (place.country.map(|code| code.to_string()), place.city, place.spot.is_some()))
    };
    let is = |country: &str, city: Option<&str>, spot| {
        Some((Some(country.to_owned()), city.map(str::to_owned), spot))
    };
    assert_eq!(told("198.51.100.1"), is("DE", None, false));
    assert_eq!(told("::ffff:198.51.100.1"), is("DE", None, false), "however the address came");
    assert_eq!(told("203.0.113.1"), is("DE", Some("Berlin"), true));
    assert_eq!(told("203.0.113.129"), is("DE", Some("Berlin[31m"), false));
    assert_eq!(told("192.0.2.1"), is("US", None, false));
    assert_eq!(told("192.0.2.129"), None);
    assert_eq!(told("8.8.8.8"), None);
    assert_eq!(told("no address"), None);
}

#[test]
fn what_is_no_file_of_places_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = Mmdb::usual().bytes();
    let without =
        Mmdb::called("GeoLite2-ASN").with("198.51.100.0/24", json!({ "autonomous_system_number": 64496 }));
    for (bytes, told) in [
        (b"".as_slice(), "it is empty"),
        (b"<html>sign in</html>", "it is no file in MaxMind's format"),
        (&whole[..whole.len() - 30], "it is no file in MaxMind's format"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "it is an archive; unpack it"),
        (b"PK\x03\x04", "it is an archive; unpack it"),
        (&without.bytes(), "it is GeoLite2-ASN of 2026-07-01, which has no countries in it"),
    ] {
        let path = file(folder.path(), bytes);
        let error = format!("{:#}", Places::read(Some(&path), None).expect_err("it is none"));
        assert!(error.contains(told) && error.contains("places.mmdb"), "{told}: {error}");
    }
    let missing = folder.path().join("GeoLite2-City.mmdb");
    let error = format!("{:#}", Places::read(Some(&missing), None).expect_err("it is not there"));
    assert!(error.contains("could not read the geo-database") && error.contains("no such file"), "{error}");
}

#[tokio::test]
async fn an_administrator_who_asks_why_sees_the_place_too() {
    let world = World::planned(Plan { places: places(), ..Plan::default() });
    let (ann, root) = (world.ann().await, world.root().await);
    let phone = ann.logs_in_on(Device::new(&world, "okhttp/4.12.0", SYDNEY)).await;
    let desk = root.logs_in().await;
    let told =
        desk.asks(&format!("{}/{}", crate::people::ADMIN_SESSIONS, phone.session)).await.is(200).json();
    assert_eq!(
        (&told["label"], &told["country"], &told["city"]),
        (&json!("okhttp (Android)"), &json!("AU"), &json!("Sydney"))
    );
}

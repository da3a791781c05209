//! The table of reasons: what holds of which log-in, and what comes of it.

use super::*;
use crate::place::Spot;

const NOON: Timestamp = Timestamp(1_782_907_200_000);

const BERLIN: (&str, f64, f64) = ("DE", 52.5, 13.4);
const MUNICH: (&str, f64, f64) = ("DE", 48.1, 11.6);
const VIENNA: (&str, f64, f64) = ("AT", 48.2, 16.4);
const SYDNEY: (&str, f64, f64) = ("AU", -33.9, 151.2);

fn city((country, latitude, longitude): (&str, f64, f64)) -> Option<Location> {
    let spot = Some(Spot { latitude, longitude, within_km: 20.0 });
    Some(Location { country: country.parse().ok(), city: None, spot })
}

fn country(code: &str) -> Option<Location> {
    Some(Location { country: code.parse().ok(), ..Location::default() })
}

fn login(minutes: i64, device: &str, place: Option<Location>) -> LogIn {
    let devices = if device.is_empty() { Vec::new() } else { vec![device.to_owned()] };
    LogIn { at: Timestamp(NOON.0 + minutes * 60_000), devices, place }
}

fn names(facts: &Facts) -> Vec<&'static str> {
    let risk = assess(facts, &RiskPolicy::default());
    risk.reasons.iter().map(|found| found.reason.name()).collect()
}

#[test]
fn each_reason_holds_just_where_it_should() {
    const HOUR: i64 = 60;
    let (fox, curl) = ("Firefox on Linux", "curl");
    for (told, now, earlier, expected) in [
        ("the first log-in of all", login(0, curl, city(SYDNEY)), vec![], &[][..]),
        (
            "after sessions of which nothing is known",
            login(0, curl, city(SYDNEY)),
            vec![login(-HOUR, "", None)],
            &[],
        ),
        ("a client that says nothing", login(0, "", None), vec![login(-HOUR, fox, None)], &["new_device"]),
        ("as ever", login(0, fox, city(BERLIN)), vec![login(-HOUR, fox, city(BERLIN))], &[]),
        (
            "another device",
            login(0, curl, city(BERLIN)),
            vec![login(-HOUR, fox, city(BERLIN))],
            &["new_device"],
        ),
        (
            "a device that is known from before the last",
            login(0, curl, city(BERLIN)),
            vec![login(-2 * HOUR, curl, city(BERLIN)), login(-HOUR, fox, city(BERLIN))],
            &[],
        ),
        (
            "a device of the same name in a country where it never was",
            login(0, fox, city(VIENNA)),
            vec![login(-24 * HOUR, fox, city(BERLIN))],
            &["new_device", "new_country"],
        ),
        (
            "a country that is known from before the last",
            login(0, fox, city(VIENNA)),
            vec![login(-900 * HOUR, fox, city(VIENNA)), login(-24 * HOUR, fox, city(BERLIN))],
            &[],
        ),
        ("a place that is not known", login(0, fox, None), vec![login(-HOUR, fox, city(BERLIN))], &[]),
        ("after places that were not known", login(0, fox, city(SYDNEY)), vec![login(-HOUR, fox, None)], &[]),
        (
            "another city by train",
            login(0, fox, city(MUNICH)),
            vec![login(-4 * HOUR, fox, city(BERLIN))],
            &[],
        ),
        (
            "another city, faster than by air",
            login(0, fox, city(MUNICH)),
            vec![login(-10, fox, city(BERLIN))],
            &["impossible_travel"],
        ),
        (
            "around the world in an hour",
            login(0, fox, city(SYDNEY)),
            vec![login(-900 * HOUR, fox, city(SYDNEY)), login(-HOUR, fox, city(BERLIN))],
            &["impossible_travel"],
        ),
        (
            "around the world in a day",
            login(0, fox, city(SYDNEY)),
            vec![login(-900 * HOUR, fox, city(SYDNEY)), login(-24 * HOUR, fox, city(BERLIN))],
            &[],
        ),
        (
            "across a border that is all that is known",
            login(0, fox, country("AT")),
            vec![login(-900 * HOUR, fox, country("AT")), login(-1, fox, country("DE"))],
            &[],
        ),
        (
            "across the world, and the countries are all that is known",
            login(0, fox, country("AU")),
            vec![login(-900 * HOUR, fox, country("AU")), login(-HOUR, fox, country("DE"))],
            &["impossible_travel"],
        ),
        (
            "after a clock went back",
            login(0, fox, city(SYDNEY)),
            vec![login(-900 * HOUR, fox, city(SYDNEY)), login(HOUR, fox, city(BERLIN))],
            &[],
        ),
    ] {
        assert_eq!(names(&Facts::of(now, earlier)), expected, "{told}");
    }
}

#[test]
fn failures_and_listed_addresses_count_also_for_the_first_log_in() {
    let first = || Facts::of(login(0, "curl", None), vec![]);
    assert_eq!(names(&Facts { failures: 4, ..first() }), [""; 0]);
    assert_eq!(names(&Facts { failures: 5, ..first() }), ["failures_before"]);
    assert_eq!(names(&Facts { is_listed: true, ..first() }), ["listed_address"]);
}

#[test]
fn what_a_device_shows_itself_goes_before_what_it_is_called() {
    let earlier = || vec![login(-60, "curl", city(BERLIN))];
    let known =
        Facts { is_known_device: Some(true), ..Facts::of(login(0, "Firefox", city(BERLIN)), earlier()) };
    assert_eq!(names(&known), [""; 0]);
    let strange =
        Facts { is_known_device: Some(false), ..Facts::of(login(0, "curl", city(BERLIN)), earlier()) };
    assert_eq!(names(&strange), ["new_device"]);
    let first = Facts { is_known_device: Some(false), ..Facts::of(login(0, "curl", None), vec![]) };
    assert_eq!(names(&first), [""; 0], "nobody has a device before the first log-in");
}

#[test]
fn each_reason_adds_what_the_policy_says_and_the_strictest_threshold_that_is_reached_decides() {
    let facts = Facts {
        failures: 9,
        is_listed: true,
        ..Facts::of(login(0, "curl", city(SYDNEY)), vec![login(-60, "Firefox", city(BERLIN))])
    };
    let policy = RiskPolicy {
        new_device: 1,
        new_country: 2,
        impossible_travel: 4,
        failures_before: 8,
        listed_address: 16,
        breached_password: 32,
        ..RiskPolicy::default()
    };
    let risk = assess(&facts, &policy);
    assert_eq!(risk.score, 31);
    assert_eq!(risk.decision, Decision::Allow);
    let with = |notify, second_factor, refuse| {
        assess(&facts, &RiskPolicy { notify, second_factor, refuse, ..policy.clone() }).decision
    };
    assert_eq!(with(Some(31), None, None), Decision::Notify);
    assert_eq!(with(Some(32), None, None), Decision::Allow);
    assert_eq!(with(Some(1), Some(31), None), Decision::SecondFactor);
    assert_eq!(with(Some(1), Some(31), Some(31)), Decision::Refuse);
    assert_eq!(with(None, None, Some(32)), Decision::Allow);
    let unweighed = RiskPolicy { new_device: 0, listed_address: 0, ..policy };
    assert_eq!(assess(&facts, &unweighed).score, 14, "what weighs nothing is no reason");
    let most = RiskPolicy { new_device: u32::MAX, ..unweighed };
    assert_eq!(assess(&facts, &most).score, u32::MAX);
}

#[test]
fn what_the_journal_says_is_read_again_as_it_was() {
    let facts = Facts {
        failures: 9,
        is_listed: true,
        ..Facts::of(login(0, "curl", city(SYDNEY)), vec![login(-60, "Firefox", city(BERLIN))])
    };
    let risk = assess(&facts, &RiskPolicy::default());
    let note = risk.note().unwrap();
    assert_eq!(
        note,
        "risk 160 (notify): new_device 20, new_country 30 (AU), impossible_travel 50 (16057 km from DE in 60 min), \
         failures_before 20 (9 in the hour before), listed_address 40"
    );
    assert_eq!(note.parse(), Ok(risk));
    let nothing = assess(&Facts::of(login(0, "curl", None), vec![]), &RiskPolicy::default());
    assert_eq!(nothing.note(), None);
    assert_eq!(nothing.to_string().parse(), Ok(nothing));
    for other in [
        "",
        "risk",
        "risk 1: new_device",
        "risk 1 (notify): new_shoes 1",
        "generation 2 replaced generation 1",
    ] {
        assert_eq!(other.parse::<Risk>(), Err(NoRisk), "{other}");
    }
}

//! What must hold of the key ring.

use serde_json::{Value, json};
use sprag::access::Algorithm;
use sprag::clock::Timestamp;
use sprag::keys::{KeyRing, KeyRingError, Problem, Purpose, WeakSecret};
use sprag::random::SeededRandom;

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const LATER: Timestamp = Timestamp(NOW.0 + 3_600_000);

fn ring() -> KeyRing {
    KeyRing::generate(Algorithm::EdDsa, &SeededRandom::new(7), NOW).expect("a ring")
}

fn edited(edit: impl FnOnce(&mut Value)) -> Result<KeyRing, KeyRingError> {
    let mut json = serde_json::from_str(&ring().to_json()).expect("a ring's JSON");
    edit(&mut json);
    KeyRing::from_json(&json.to_string())
}

#[test]
fn a_ring_is_shared_between_threads() {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<KeyRing>();
}

#[test]
fn a_ring_survives_being_written_and_read() {
    for algorithm in Algorithm::ALL {
        let mut keys = KeyRing::generate(algorithm, &SeededRandom::new(7), NOW).unwrap();
        keys.add_refresh(&SeededRandom::new(8), NOW, LATER);
        let kid = keys.add_access(Algorithm::EdDsa, &SeededRandom::new(8), NOW, LATER);
        assert!(keys.retire("1", LATER));
        assert!(keys.retire(&keys.entries()[2].id.clone(), LATER));
        let text = keys.to_json();
        let again = KeyRing::from_json(&text).unwrap();
        assert_eq!(again.entries(), keys.entries());
        assert_eq!(*again.to_json(), *text);
        assert_eq!(again.entries()[3].id, kid);
    }
}

#[test]
fn a_fingerprint_tells_keys_apart_and_stays_with_its_key() {
    let mut keys = ring();
    let first = keys.fingerprints();
    keys.add_refresh(&SeededRandom::new(8), NOW, LATER);
    assert!(keys.retire("1", LATER));
    let both = keys.fingerprints();
    assert_eq!((both.len(), both[0]), (2, first[0]));
    assert_ne!(both[1], first[0]);
    assert_eq!(KeyRing::from_json(&keys.to_json()).unwrap().fingerprints(), both);
    let other = KeyRing::generate(Algorithm::EdDsa, &SeededRandom::new(9), NOW).unwrap();
    assert!(!both.contains(&other.fingerprints()[0]));
}

#[test]
fn nothing_prints_a_secret() {
    let keys = ring();
    let json: Value = serde_json::from_str(&keys.to_json()).unwrap();
    let shown = format!("{keys:?}");
    for list in ["refresh", "access"] {
        assert!(!shown.contains(json[list][0]["secret"].as_str().unwrap()));
    }
    let canary = r#"{ "version": 1, "refresh": "canary", "canary": "#;
    let error = KeyRing::from_json(canary).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("canary"));
    let error = edited(|ring| ring["refresh"][0]["id"] = json!("canary")).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("canary"));
}

#[test]
fn an_entry_that_will_not_do_is_named() {
    let entry = |purpose, problem| Err(KeyRingError::Entry { purpose, number: 1, problem });
    type Edit = fn(&mut Value);
    let cases: [(Edit, Purpose, Problem); 9] = [
        (|ring| ring["refresh"][0]["id"] = json!(0), Purpose::Refresh, Problem::Id),
        (|ring| ring["refresh"][0]["secret"] = json!("AAAA"), Purpose::Refresh, Problem::Key),
        (|ring| ring["refresh"][0]["secret"] = json!("AAA="), Purpose::Refresh, Problem::Encoding),
        (|ring| ring["access"][0]["kid"] = json!("../../etc"), Purpose::Access, Problem::Id),
        (|ring| ring["access"][0]["kid"] = json!("short"), Purpose::Access, Problem::Id),
        (|ring| ring["access"][0]["secret"] = json!("AAAA"), Purpose::Access, Problem::Key),
        (|ring| ring["access"][0]["algorithm"] = json!("ES256"), Purpose::Access, Problem::Key),
        (|ring| ring["access"][0]["algorithm"] = json!("RS256"), Purpose::Access, Problem::Key),
        (|ring| ring["access"][0]["shared"] = json!(true), Purpose::Access, Problem::Shared),
    ];
    for (edit, purpose, problem) in cases {
        assert_eq!(edited(edit).map(|_| ()), entry(purpose, problem));
    }
    let weak = edited(|ring| {
        ring["access"][0]["algorithm"] = json!("HS256");
        ring["access"][0]["secret"] = json!(data_encoding::BASE64URL_NOPAD.encode(b"secret"));
    });
    assert_eq!(weak.map(|_| ()), entry(Purpose::Access, Problem::Weak(WeakSecret::Known)));
    for (list, purpose) in [("refresh", Purpose::Refresh), ("access", Purpose::Access)] {
        let twice = edited(|ring| {
            let copy = ring[list][0].clone();
            ring[list].as_array_mut().unwrap().push(copy);
        });
        let error = KeyRingError::Entry { purpose, number: 2, problem: Problem::Duplicate };
        assert_eq!(twice.unwrap_err(), error);
    }
}

#[test]
fn a_ring_that_is_none_is_refused() {
    let shapes: [fn(&mut Value); 7] = [
        |ring| ring["more"] = json!(1),
        |ring| ring["refresh"][0]["more"] = json!(1),
        |ring| ring["refresh"][0]["id"] = json!(256),
        |ring| ring["refresh"][0]["id"] = json!(-1),
        |ring| ring["access"][0]["algorithm"] = json!("none"),
        |ring| ring["access"][0]["created_at"] = json!("2027-01-01"),
        |ring| ring["access"] = json!({}),
    ];
    for shape in shapes {
        assert!(matches!(edited(shape), Err(KeyRingError::Shape { .. })));
    }
    assert_eq!(edited(|ring| ring["version"] = json!(2)).unwrap_err(), KeyRingError::Version(2));
    for text in ["", "{}", "[]", "null", "\0", &"[".repeat(100_000)] {
        assert!(matches!(KeyRing::from_json(text), Err(KeyRingError::Shape { .. })));
    }
    assert_eq!(KeyRing::from_json(&" ".repeat(5 << 20)).unwrap_err(), KeyRingError::TooLong);
    for (list, purpose) in [("refresh", Purpose::Refresh), ("access", Purpose::Access)] {
        let nothing = edited(|ring| ring[list] = json!([]));
        assert_eq!(nothing.unwrap_err(), KeyRingError::NothingSigns(purpose));
        let retired = edited(|ring| ring[list][0]["retired_at"] = json!(LATER.0));
        assert_eq!(retired.unwrap_err(), KeyRingError::NothingSigns(purpose));
    }
}

#[test]
fn r27_a_secret_that_others_know_is_refused() {
    let check = |secret: &[u8]| {
        ring().with_hs256_secret(secret).map_err(|error| match error {
            KeyRingError::Secret(weak) => weak,
            other => panic!("{other}"),
        })
    };
    for placeholder in [
        "your-super-secret-key-change-this",
        "your-super-secure-secret-key-here",
        "YOUR-SUPER-SECRET-KEY-CHANGE-THIS",
        "super-secret-jwt-token-with-at-least-32-characters-long",
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
        "a-string-secret-at-least-256-bits-long",
        "FAE8649B15526F4349498C51D8552452",
        "secret",
        "",
    ] {
        assert_eq!(check(placeholder.as_bytes()), Err(WeakSecret::Known), "{placeholder}");
    }
    assert_eq!(check(b"kV8mQz2nXr5tYw7pBd4fHj6sLc9aGe1"), Err(WeakSecret::Short));
    assert_eq!(check(b"kV8mQz2nXr5tYw7pBd4fHj6sLc9aGe1u"), Ok(()));
    assert_eq!(check(&[0; 64]), Err(WeakSecret::Monotonous));
    assert_eq!(check(b"abcabcabcabcabcabcabcabcabcabcabcabc"), Err(WeakSecret::Monotonous));
}

#[test]
fn the_last_key_of_a_purpose_cannot_be_retired_and_a_retirement_is_not_taken_back() {
    let mut keys = ring();
    let kid = keys.entries()[1].id.clone();
    assert!(!keys.retire("1", NOW) && !keys.retire(&kid, NOW) && !keys.retire("2", NOW));
    keys.with_hs256_secret(b"kV8mQz2nXr5tYw7pBd4fHj6sLc9aGe1u").unwrap();
    assert!(!keys.retire(&kid, NOW), "a secret that is not in the file does not keep the file whole");
    assert!(!keys.retire("given-1", NOW), "it goes when the operator no longer gives it");

    keys.add_refresh(&SeededRandom::new(8), NOW, LATER);
    assert!(keys.retire("1", LATER));
    assert!(keys.retire("1", Timestamp(LATER.0 + 1)));
    assert_eq!(keys.entries()[0].retired_at, Some(LATER));
    assert!(keys.retire("1", NOW), "an emergency brings it forward");
    assert_eq!(keys.entries()[0].retired_at, Some(NOW));
    assert!(!keys.retire("2", NOW));
}

#[test]
fn where_no_key_signs_yet_the_first_to_begin_does() {
    let mut keys = ring();
    keys.add_refresh(&SeededRandom::new(8), NOW, LATER);
    assert!(keys.retire("1", NOW));
    assert_eq!(keys.audit_tag(None, NOW, b"x").0, 2);
    assert_eq!(ring().audit_tag(None, Timestamp(0), b"x").0, 1, "a clock before the ring was made");
}

#[test]
fn of_two_keys_that_begin_together_the_later_in_the_ring_signs() {
    let mut keys = ring();
    keys.add_refresh(&SeededRandom::new(8), NOW, NOW);
    assert_eq!(keys.audit_tag(None, NOW, b"x").0, 2);
}

#[test]
fn a_full_ring_makes_room_by_dropping_what_retired_longest_ago() {
    let mut keys = ring();
    for id in 2..=255 {
        assert_eq!(keys.add_refresh(&SeededRandom::new(id), NOW, NOW), u8::try_from(id).unwrap());
    }
    assert!(keys.retire("9", NOW) && keys.retire("8", LATER));
    assert_eq!(keys.add_refresh(&SeededRandom::new(300), NOW, NOW), 9, "the only id to spare");
    assert_eq!(keys.entries().iter().filter(|entry| entry.purpose == Purpose::Refresh).count(), 255);
    for seed in 0..70 {
        keys.add_access(Algorithm::Hs256, &SeededRandom::new(seed), NOW, NOW);
    }
    let again = KeyRing::from_json(&keys.to_json()).unwrap();
    assert_eq!(again.entries().iter().filter(|entry| entry.purpose == Purpose::Access).count(), 64);
}

#[test]
fn r25_journal_tags_verify_with_the_key_that_made_them_even_when_it_has_retired() {
    let mut keys = ring();
    let (id, tag) = keys.audit_tag(None, NOW, b"checkpoint");
    keys.add_refresh(&SeededRandom::new(8), NOW, NOW);
    assert!(keys.retire("1", NOW));
    assert!(keys.audit_verify(id, b"checkpoint", &tag));
    assert_eq!(keys.audit_tag(Some(id), NOW, b"checkpoint"), (id, tag));
    assert_eq!(keys.audit_tag(Some(77), NOW, b"checkpoint").0, 2);
    assert!(!keys.audit_verify(2, b"checkpoint", &tag));
    assert!(!keys.audit_verify(77, b"checkpoint", &tag));
    assert!(!keys.audit_verify(id, b"checkpoinT", &tag));
    assert!(!keys.audit_verify(id, b"checkpoint", &tag[..31]));
    assert!(!keys.audit_verify(id, b"checkpoint", b""));
}

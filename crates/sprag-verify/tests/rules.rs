//! What a verifier with its keys in hand accepts, says and refuses.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use sprag_verify::{Algorithm, Claims, Error, KeySet, MAX_LEEWAY, SetupError, Verifier, WeakSecret};

#[path = "common/forge.rs"]
mod forge;

use forge::{AUDIENCE, Clock, ISSUER, Key, NOW, SECRET, at, claims, hs256, jwks};

fn verify(token: &str) -> Result<Claims, Error> {
    let builder = Verifier::builder(ISSUER).audience(AUDIENCE);
    builder.shared_secret(SECRET).unwrap().verify_at(token, at(NOW))
}

fn verify_claims(changes: Value) -> Result<Claims, Error> {
    verify(&hs256(&claims(changes)))
}

#[test]
fn how_and_when_somebody_logged_in_is_told_where_the_token_says_so() {
    let claims =
        verify_claims(json!({ "auth_time": NOW - 60, "amr": ["pwd", "otp"], "acr": "aal2" })).unwrap();
    assert_eq!(claims.authenticated_at(), Some(at(NOW - 60)));
    assert_eq!(
        (claims.methods(), claims.assurance()),
        (&["pwd".to_owned(), "otp".to_owned()][..], Some("aal2"))
    );
    let claims = verify_claims(json!({})).unwrap();
    assert_eq!((claims.authenticated_at(), claims.methods(), claims.assurance()), (None, &[][..], None));
}

#[test]
fn a_claim_of_the_wrong_type_is_refused_even_where_it_may_be_absent() {
    let wrong = [
        ("auth_time", json!("1800000000")),
        ("auth_time", json!(1.5)),
        ("amr", json!("pwd")),
        ("amr", json!(["pwd", 1])),
        ("acr", json!(2)),
        ("nbf", json!(-1)),
        ("account_id", json!("ann")),
        ("aud", json!([AUDIENCE])),
        ("exp", json!(u64::MAX)),
        ("sid", json!("0198D1E0-7C00-7FED-9CBA-BA9876543210")),
        ("jti", json!("c2l4dGVlbiBieXRlcyBpZB")),
    ];
    for (name, value) in wrong {
        let refused = verify_claims(json!({ name: value })).unwrap_err();
        assert_eq!(refused, Error::Claim(name.to_owned()));
    }
}

#[test]
fn further_claims_are_read_in_the_callers_type() {
    let claims = verify_claims(json!({ "roles": ["reader"], "tenant": 7 })).unwrap();
    assert_eq!(claims.get::<Vec<String>>("roles").unwrap(), Some(vec!["reader".to_owned()]));
    assert_eq!(claims.get::<u32>("tenant").unwrap(), Some(7));
    assert_eq!(claims.get::<u32>("absent").unwrap(), None);
    assert_eq!(claims.get::<String>("tenant"), Err(Error::Claim("tenant".to_owned())));
    assert_eq!(claims.further().len(), 2, "what has an accessor of its own is not there twice");
}

#[test]
fn an_account_that_apis_know_by_another_name_has_both() {
    let id = "0198d1e0-7c00-7abc-8def-0123456789ab";
    let claims = verify_claims(json!({ "sub": "42", "account_id": id })).unwrap();
    assert_eq!((claims.subject(), claims.account()), ("42", id));
    let claims = verify_claims(json!({})).unwrap();
    assert_eq!(claims.account(), claims.subject());
    assert_eq!(verify_claims(json!({ "sub": "42" })), Err(Error::Claim("sub".to_owned())));
}

#[test]
fn leeway_counts_at_both_ends_and_no_further() {
    let token = hs256(&claims(json!({})));
    let look = |leeway: u64, now: u64| {
        let builder = Verifier::builder(ISSUER).audience(AUDIENCE).leeway(Duration::from_secs(leeway));
        builder.shared_secret(SECRET).unwrap().verify_at(&token, at(now)).map(|_| ())
    };
    assert_eq!(look(60, NOW - 60), Ok(()));
    assert_eq!(look(60, NOW - 61), Err(Error::NotYet));
    assert_eq!(look(60, NOW + 900 + 59), Ok(()));
    assert_eq!(look(60, NOW + 900 + 60), Err(Error::Expired));
    assert_eq!(look(0, NOW), Ok(()));
    assert_eq!(look(0, NOW + 899), Ok(()));
    assert_eq!(look(0, NOW + 900), Err(Error::Expired));
    assert_eq!(look(0, 0), Err(Error::NotYet), "a clock that was never set accepts nothing");
}

#[test]
fn time_comes_from_the_clock_that_was_handed_in() {
    let clock = Clock::new();
    let builder = Verifier::builder(ISSUER).audience(AUDIENCE).clock(clock.reader());
    let verifier = builder.shared_secret(SECRET).unwrap();
    let token = hs256(&claims(json!({})));
    assert!(verifier.verify(&token).is_ok());
    clock.wind(960);
    assert_eq!(verifier.verify(&token), Err(Error::Expired));
    clock.wind_back(1);
    assert!(verifier.verify(&token).is_ok());
}

#[test]
fn the_audience_is_the_one_expected_or_none_at_all() {
    let look = |builder: sprag_verify::Builder, audience: Value| {
        let token = hs256(&claims(json!({ "aud": audience })));
        builder.shared_secret(SECRET).unwrap().verify_at(&token, at(NOW)).map(|_| ())
    };
    let builder = || Verifier::builder(ISSUER);
    assert_eq!(look(builder(), json!(ISSUER)), Ok(()), "unless it is said otherwise, the issuer");
    assert_eq!(look(builder(), json!(AUDIENCE)), Err(Error::Audience));
    assert_eq!(look(builder().audience(AUDIENCE), json!(AUDIENCE)), Ok(()));
    assert_eq!(look(builder().audience(AUDIENCE), Value::Null), Err(Error::Claim("aud".to_owned())));
    assert_eq!(look(builder().no_audience(), Value::Null), Ok(()));
    assert_eq!(look(builder().no_audience(), json!(AUDIENCE)), Err(Error::Audience));
}

#[test]
fn a_verifier_takes_one_algorithm_whatever_its_keys_are() {
    let key = Key::new("a");
    let builder = || Verifier::builder(ISSUER).audience(AUDIENCE);
    let verifier = builder().jwks(jwks(&[&key])).unwrap();
    assert!(verifier.verify_at(&key.sign(&claims(json!({}))), at(NOW)).is_ok());
    let header = json!({ "alg": "EdDSA", "kid": "a", "typ": "at+jwt" });
    let twisted = key.sign_under(&header, &claims(json!({})));
    assert_eq!(verifier.verify_at(&twisted, at(NOW)), Err(Error::Algorithm));
    assert_eq!(verifier.verify_at(&hs256(&claims(json!({}))), at(NOW)), Err(Error::UnknownKey));

    let refused = builder().algorithm(Algorithm::EdDsa).jwks(jwks(&[&key])).unwrap_err();
    assert_eq!(refused, SetupError::NoKey { wanted: Algorithm::EdDsa, found: vec![Algorithm::Es256] });
    assert!(refused.to_string().contains("algorithm() with what it has: ES256"), "{refused}");
    let refused = builder().algorithm(Algorithm::Es256).shared_secret(SECRET).unwrap_err();
    assert_eq!(refused.code(), "no_key");
}

#[test]
fn a_key_of_another_algorithm_in_the_set_is_no_way_around_it() {
    let pair = Ed25519KeyPair::generate().unwrap();
    let x = BASE64URL_NOPAD.encode(pair.public_key().as_ref());
    let set =
        json!({ "keys": [Key::new("a").jwk(), { "kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": x }] });
    let look = |wanted: Algorithm, named: &str| {
        let header = json!({ "alg": named, "kid": "ed", "typ": "at+jwt" }).to_string();
        let segments =
            [header, claims(json!({})).to_string()].map(|json| BASE64URL_NOPAD.encode(json.as_bytes()));
        let signed = segments.join(".");
        let token = format!("{signed}.{}", BASE64URL_NOPAD.encode(pair.sign(signed.as_bytes()).as_ref()));
        let builder = Verifier::builder(ISSUER).audience(AUDIENCE).algorithm(wanted);
        builder.jwks(set.to_string()).unwrap().verify_at(&token, at(NOW)).map(|_| ())
    };
    assert_eq!(look(Algorithm::EdDsa, "EdDSA"), Ok(()));
    for (wanted, named) in
        [(Algorithm::Es256, "EdDSA"), (Algorithm::Es256, "ES256"), (Algorithm::EdDsa, "ES256")]
    {
        assert_eq!(look(wanted, named), Err(Error::Algorithm), "{wanted} {named}");
    }
}

#[test]
fn settings_that_cannot_be_meant_are_refused_at_the_start() {
    let builder = || Verifier::builder(ISSUER);
    assert_eq!(builder().shared_secret(&SECRET[..31]).unwrap_err(), SetupError::ShortSecret);
    let listed = builder().shared_secret(b"FAE8649B15526F4349498C51D8552452").unwrap_err();
    assert_eq!(listed, SetupError::WeakSecret(WeakSecret::Known), "a public list has it");
    assert!(listed.to_string().contains("public list"), "{listed}");
    let long = builder().leeway(MAX_LEEWAY + Duration::from_secs(1));
    assert_eq!(long.shared_secret(SECRET).unwrap_err(), SetupError::Leeway);
    for issuer in ["", "https://id.example?x", "https://id.example#x", "https://id example"] {
        let refused = Verifier::builder(issuer).shared_secret(SECRET).unwrap_err();
        assert_eq!(refused, SetupError::Issuer(issuer.to_owned()));
    }
    assert_eq!("ES384".parse::<Algorithm>(), Err(sprag_verify::UnknownAlgorithm));
    assert_eq!("EdDSA".parse(), Ok(Algorithm::EdDsa));
}

#[test]
fn a_key_set_says_each_thing_once_and_holds_no_secret() {
    let key = Key::new("a").jwk();
    let with = |name: &str, value: Value| {
        let mut key = key.clone();
        key[name] = value;
        key
    };
    let read = |keys: Value| KeySet::from_jwks(json!({ "keys": keys }).to_string().as_bytes());
    assert_eq!(read(json!([key])).unwrap().algorithms(), [Algorithm::Es256]);
    assert_eq!(read(json!([key, key])).unwrap_err(), SetupError::KidTwice("a".to_owned()));
    assert_eq!(read(json!([with("d", json!("AA"))])).unwrap_err(), SetupError::PrivateKey);
    assert_eq!(read(json!([{ "kty": "oct", "k": "AA", "kid": "s" }])).unwrap_err(), SetupError::PrivateKey);
    let passed_over = [
        with("kty", json!("XX")),
        with("crv", json!("P-384")),
        with("use", json!("enc")),
        with("alg", json!("ES384")),
        with("key_ops", json!(["sign"])),
    ];
    for other in passed_over {
        assert_eq!(read(json!([other])).unwrap().algorithms(), [], "{other}");
    }
    for broken in
        [with("x", json!("AA")), with("x", json!("A+")), with("y", json!(1)), with("x", key["y"].clone())]
    {
        assert_eq!(read(json!([broken])).unwrap_err().code(), "key_set", "{broken}");
    }
    for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[1]}"#, r#"{"keys":[],"keys":[]}"#] {
        assert_eq!(KeySet::from_jwks(text.as_bytes()).unwrap_err().code(), "key_set", "{text}");
    }
    let long = format!(r#"{{"keys":[{}]}}"#, " ".repeat(sprag_verify::MAX_KEY_SET_BYTES));
    assert_eq!(KeySet::from_jwks(long.as_bytes()).unwrap_err().code(), "key_set");
}

#[test]
fn nothing_that_is_printed_tells_a_secret() {
    let keys = KeySet::shared_secret(SECRET).unwrap();
    let verifier = Verifier::builder(ISSUER).algorithm(Algorithm::Hs256).keys(keys.clone()).unwrap();
    let printed = format!("{keys:?} {verifier:?}");
    assert!(!printed.contains("thirty-two") && printed.contains("Hs256"), "{printed}");
}

#[test]
fn every_refusal_says_what_to_do_and_nothing_of_the_token() {
    let token = hs256(&claims(json!({})));
    for text in ["", "a.b", "a.b.c.d", "=.=.=", &token[1..], &token[..token.len() - 1]] {
        let refused = verify(text).unwrap_err();
        assert_eq!((refused.code(), refused.status()), ("token_invalid", 401), "{text}");
        let sentence = refused.to_string();
        assert!(sentence.contains(';'), "{sentence}");
        assert!(text.is_empty() || !sentence.contains(text), "{sentence}");
    }
    assert_eq!(verify_claims(json!({ "exp": NOW - 60 })).unwrap_err().code(), "token_expired");
}

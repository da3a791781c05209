//! What must hold of access tokens; the numbers are those of the security requirements.

use data_encoding::BASE64URL_NOPAD;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use sprag::access::{self, AccessClaims, AccessToken, Algorithm, Expected, MAX_BYTES, Rejected};
use sprag::clock::Timestamp;
use sprag::keys::KeyRing;
use sprag::random::SeededRandom;
use sprag::session::{AccountId, Methods, ProfileId, SessionId, SessionKey};
use sprag::token::{Encoding, RefreshToken};
use uuid::Uuid;

#[expect(dead_code, reason = "each test file uses its part")]
mod support {
    pub(crate) mod forge;
}

use support::forge::{Forger, base64, hs256};

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const LATER: Timestamp = Timestamp(NOW.0 + 600_000);
const SECRET: &[u8] = b"Zm9ydHktZWlnaHQgcmFuZG9tIGJ5dGVzLCBtb3JlIG9yIGxlc3M";

const GRANT: AccessClaims<'static> = AccessClaims {
    issuer: "https://id.example",
    subject: AccountId(Uuid::from_u128(0x0195_abcd_0000_7000_8000_0000_0000_0001)),
    external_subject: None,
    audience: Some("https://api.example"),
    client_id: "sprag",
    session: SessionId(Uuid::from_u128(0x0195_abcd_0000_7000_8000_0000_0000_0002)),
    issued_at: NOW,
    expires_at: Timestamp(NOW.0 + 900_000),
    authenticated_at: Timestamp(NOW.0 - 3_599_001),
    methods: Methods::PASSWORD,
    id: *b"sixteen bytes id",
    claims: None,
};

fn ring(algorithm: Algorithm) -> KeyRing {
    KeyRing::generate(algorithm, &SeededRandom::new(7), NOW).expect("a ring")
}

fn minted(keys: &KeyRing) -> String {
    access::mint(keys, NOW, &GRANT).expect("an access token")
}

fn claims_in(text: &str) -> Value {
    let claims = text.split('.').nth(1).expect("claims");
    serde_json::from_slice(&BASE64URL_NOPAD.decode(claims.as_bytes()).expect("base64url")).expect("JSON")
}

/// When and how the session's user showed who they are: in whole seconds, in the values of RFC 8176, and as a level.
#[test]
fn a_token_says_when_and_how_its_user_was_authenticated() {
    let keys = ring(Algorithm::EdDsa);
    let says = |methods| {
        let text = access::mint(&keys, NOW, &AccessClaims { methods, ..GRANT }).expect("an access token");
        verify(&text, &keys, NOW).expect("it is genuine");
        let claims = claims_in(&text);
        ["auth_time", "amr", "acr"].map(|name| claims.get(name).cloned().unwrap_or_default())
    };
    let at = json!(NOW.0 / 1000 - 3_600);
    assert_eq!(says(Methods::PASSWORD), [at.clone(), json!(["pwd"]), json!("aal1")]);
    let both = Methods::PASSWORD | Methods::OTP;
    assert_eq!(says(both), [at.clone(), json!(["pwd", "otp", "mfa"]), json!("aal2")]);
    assert_eq!(
        says(Methods::NONE),
        [at, Value::Null, Value::Null],
        "where nothing is known, nothing is said"
    );
}

fn verify(text: &str, keys: &KeyRing, now: Timestamp) -> Result<AccessToken, Rejected> {
    access::verify(text, keys, Expected { issuer: GRANT.issuer, audience: GRANT.audience }, now)
}

fn refusal(text: &str, keys: &KeyRing) -> Rejected {
    verify(text, keys, NOW).expect_err(text)
}

/// A ring, its forger, and a header and claims that pass.
fn bench(algorithm: Algorithm) -> (KeyRing, Forger, String, Value, Value) {
    let keys = ring(algorithm);
    let forger = Forger::new(&keys.to_json());
    let kid = forger.kids().remove(0);
    let segments = minted(&keys);
    let mut segments = segments.split('.').map(|segment| {
        let bytes = data_encoding::BASE64URL_NOPAD.decode(segment.as_bytes()).expect("base64url");
        serde_json::from_slice(&bytes)
    });
    let header = segments.next().expect("a header").expect("JSON");
    let claims = segments.next().expect("claims").expect("JSON");
    (keys, forger, kid, header, claims)
}

fn with(object: &Value, name: &str, value: Value) -> String {
    let mut changed = object.clone();
    changed[name] = value;
    changed.to_string()
}

#[test]
fn every_algorithm_signs_what_it_verifies() {
    for algorithm in Algorithm::ALL {
        let keys = ring(algorithm);
        assert_eq!(keys.algorithm(NOW), algorithm);
        assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
        let token = verify(&minted(&keys), &keys, NOW).unwrap();
        assert_eq!((token.subject, token.session, token.id), (GRANT.subject, GRANT.session, GRANT.id));
        assert_eq!((token.issued_at, token.expires_at), (GRANT.issued_at, GRANT.expires_at));
        assert_eq!(token.client_id, GRANT.client_id);
    }
    assert!("es256".parse::<Algorithm>().is_err());
    assert!("none".parse::<Algorithm>().is_err());
}

#[test]
fn another_implementation_verifies_with_the_published_keys() {
    use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
    // The one that is installed already will do.
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
        let keys = ring(algorithm);
        let text = minted(&keys);
        let set: jsonwebtoken::jwk::JwkSet = serde_json::from_value(access::jwks(&keys, NOW)).unwrap();
        let header = decode_header(&text).unwrap();
        let jwk = set.find(&header.kid.unwrap()).unwrap();
        let mut validation = Validation::new(header.alg);
        validation.set_audience(&[GRANT.audience.expect("the grant names one")]);
        validation.set_issuer(&[GRANT.issuer]);
        validation.set_required_spec_claims(&["iss", "sub", "aud", "exp"]);
        let read = decode::<Value>(&text, &DecodingKey::from_jwk(jwk).unwrap(), &validation).unwrap();
        assert_eq!(read.claims["sid"], json!(GRANT.session));
        assert_eq!(jwk.common.key_algorithm.unwrap().to_string(), algorithm.name());
    }
}

#[test]
fn the_published_keys_never_contain_a_shared_secret() {
    let mut keys = ring(Algorithm::Hs256);
    keys.with_hs256_secret(SECRET).unwrap();
    assert_eq!(access::jwks(&keys, NOW), json!({ "keys": [] }));
    let kid = keys.add_access(Algorithm::Es256, &SeededRandom::new(8), NOW, LATER);
    let set = access::jwks(&keys, NOW);
    assert_eq!(set["keys"].as_array().unwrap().len(), 1, "published before it signs");
    assert_eq!((&set["keys"][0]["kid"], &set["keys"][0]["use"]), (&json!(kid), &json!("sig")));
    assert!(set["keys"][0].get("d").is_none());
}

#[test]
fn r9_no_part_of_an_access_token_and_nothing_longer_is_accepted() {
    for algorithm in Algorithm::ALL {
        let keys = ring(algorithm);
        let text = minted(&keys);
        for length in 0..text.len() {
            refusal(&text[..length], &keys);
        }
        for extra in ["A", "=", "==", ".", " ", "\n", "\0", ".AA", "AA", "AAAA"] {
            refusal(&format!("{text}{extra}"), &keys);
            refusal(&format!("{extra}{text}"), &keys);
        }
    }
}

#[test]
fn r9_every_bit_flip_of_an_access_token_is_refused() {
    for algorithm in Algorithm::ALL {
        let keys = ring(algorithm);
        let text = minted(&keys);
        for bit in 0..text.len() * 8 {
            let mut bytes = text.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(flipped) = String::from_utf8(bytes) {
                refusal(&flipped, &keys);
            }
        }
    }
}

#[test]
fn r21_a_key_has_one_algorithm_and_none_is_not_one() {
    for algorithm in Algorithm::ALL {
        let (keys, forger, kid, header, claims) = bench(algorithm);
        let claims = claims.to_string();
        for other in ["none", "None", "NONE", "", "HS384", "HS512", "RS512", "PS256", "ES384", "EdDSA\0"] {
            let header = with(&header, "alg", json!(other));
            assert_eq!(refusal(&forger.access(&kid, &header, &claims), &keys), Rejected::Algorithm);
            let unsigned = format!("{}.{}.", base64(&header), base64(&claims));
            assert_eq!(refusal(&unsigned, &keys), Rejected::Segments);
        }
        for other in Algorithm::ALL.into_iter().filter(|other| *other != algorithm) {
            let header = with(&header, "alg", json!(other.name()));
            assert_eq!(refusal(&forger.access(&kid, &header, &claims), &keys), Rejected::Algorithm);
        }
    }
}

#[test]
fn r21_a_public_key_is_no_hmac_secret() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
        let (keys, _, _, header, claims) = bench(algorithm);
        let jwk = access::jwks(&keys, NOW)["keys"][0].clone();
        let mut guesses = vec![jwk.to_string().into_bytes(), Vec::new()];
        for member in ["x", "y", "n"] {
            if let Some(text) = jwk[member].as_str() {
                guesses.push(text.as_bytes().to_vec());
                guesses.push(data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).unwrap());
            }
        }
        for secret in guesses {
            for header in [with(&header, "alg", json!("HS256")), header.to_string()] {
                let signed = format!("{}.{}", base64(header), base64(claims.to_string()));
                let signature = base64(hs256(&secret, signed.as_bytes()));
                refusal(&format!("{signed}.{signature}"), &keys);
            }
        }
    }
}

#[test]
fn r22_r23_a_header_with_anything_more_is_refused_and_kid_is_only_a_name() {
    let (keys, forger, kid, header, claims) = bench(Algorithm::EdDsa);
    let claims = claims.to_string();
    let jwk = access::jwks(&keys, NOW)["keys"][0].clone();
    let more = json!({
        "jku": "https://evil.example/jwks.json", "jwk": jwk, "x5u": "https://evil.example/x", "x5c": ["MA=="],
        "x5t": "AA", "crit": ["exp"], "b64": false, "zip": "DEF", "cty": "JWT", "enc": "A128GCM", "": 1,
    });
    for (name, value) in more.as_object().unwrap() {
        let header = with(&header, name, value.clone());
        assert_eq!(refusal(&forger.access(&kid, &header, &claims), &keys), Rejected::Header, "{name}");
    }
    for other in
        ["", "../../../../dev/null", "' or 1=1 --", "given-1", "1", "/proc/sys/kernel/hostname", "\0"]
    {
        let header = with(&header, "kid", json!(other));
        assert_eq!(refusal(&forger.access(&kid, &header, &claims), &keys), Rejected::UnknownKey, "{other}");
    }
    for other in [json!(null), json!(0), json!([kid]), json!({ "kid": kid }), json!(true)] {
        let header = with(&header, "kid", other);
        assert_eq!(refusal(&forger.access(&kid, &header, &claims), &keys), Rejected::Header);
    }
}

#[test]
fn r24_every_claim_is_required_and_has_one_type() {
    let (keys, forger, kid, header, claims) = bench(Algorithm::Hs256);
    let header = header.to_string();
    let wrong =
        json!([null, true, 1.5, -1, 1e300, "", "1800000900", [], {}, [GRANT.audience], "a\u{0}b", 0.0]);
    for name in ["iss", "sub", "aud", "client_id", "sid", "iat", "exp", "jti"] {
        let mut missing = claims.clone();
        missing.as_object_mut().unwrap().remove(name).unwrap();
        let text = forger.access(&kid, &header, &missing.to_string());
        assert_eq!(refusal(&text, &keys), Rejected::Claim(name));
        for value in wrong.as_array().unwrap() {
            if name == "client_id" && value.is_string() {
                continue;
            }
            let text = forger.access(&kid, &header, &with(&claims, name, value.clone()));
            refusal(&text, &keys);
        }
    }
    for value in wrong.as_array().unwrap() {
        let text = forger.access(&kid, &header, &with(&claims, "nbf", value.clone()));
        assert_eq!(refusal(&text, &keys), Rejected::Claim("nbf"));
    }
    let upper = GRANT.subject.to_string().to_uppercase();
    for (name, value) in [("sub", json!(upper)), ("sid", json!(GRANT.session.0.simple().to_string()))] {
        let text = forger.access(&kid, &header, &with(&claims, name, value));
        assert_eq!(refusal(&text, &keys), Rejected::Claim(name));
    }
}

#[test]
fn r24_type_issuer_audience_and_times_are_checked() {
    let (keys, forger, kid, header, claims) = bench(Algorithm::Hs256);
    let typ = |value| forger.access(&kid, &with(&header, "typ", value), &claims.to_string());
    for value in [json!("JWT"), json!("rt+jwt"), json!("AT+JWT"), json!(""), json!("at+jwt;v=1")] {
        assert_eq!(refusal(&typ(value), &keys), Rejected::Type);
    }
    assert_eq!(refusal(&typ(json!(["at+jwt"])), &keys), Rejected::Header);
    assert!(verify(&typ(json!("application/at+jwt")), &keys, NOW).is_ok());

    let claim = |name, value| forger.access(&kid, &header.to_string(), &with(&claims, name, value));
    assert_eq!(refusal(&claim("iss", json!("https://id.example/")), &keys), Rejected::Issuer);
    assert_eq!(refusal(&claim("aud", json!("https://api.example.evil")), &keys), Rejected::Audience);
    let now = NOW.seconds();
    for name in ["iat", "nbf"] {
        assert!(verify(&claim(name, json!(now + 60)), &keys, NOW).is_ok());
        assert_eq!(refusal(&claim(name, json!(now + 61)), &keys), Rejected::NotYet);
    }
    assert_eq!(refusal(&claim("exp", json!(now)), &keys), Rejected::Expired);
    assert!(verify(&claim("exp", json!(now + 1)), &keys, Timestamp(NOW.0 + 999)).is_ok());
    assert_eq!(verify(&claim("exp", json!(now + 1)), &keys, Timestamp(NOW.0 + 1000)), Err(Rejected::Expired));
    for never in [json!(u64::MAX), json!(i64::MAX), json!(i64::MAX / 1000 + 1)] {
        assert_eq!(refusal(&claim("exp", never), &keys), Rejected::Claim("exp"));
    }
}

#[test]
fn r25_no_token_passes_for_one_of_another_type() {
    for algorithm in Algorithm::ALL {
        let keys = ring(algorithm);
        let session = SessionKey { account: GRANT.subject, session: GRANT.session };
        let token = RefreshToken::first(ProfileId(1), session, &SeededRandom::new(1));
        let access = minted(&keys);
        for encoding in [Encoding::Opaque, Encoding::Jwt] {
            let refresh = token.encode(encoding, &keys, NOW);
            refusal(refresh.as_str(), &keys);
            assert!(RefreshToken::parse(refresh.as_str(), &keys, NOW).is_ok());
        }
        assert!(RefreshToken::parse(&access, &keys, NOW).is_err());
        assert!(RefreshToken::parse(&format!("spr_{access}"), &keys, NOW).is_err());
    }
}

#[test]
fn r25_a_shared_secret_signs_no_refresh_token_and_a_refresh_key_no_access_token() {
    let mut keys = ring(Algorithm::Es256);
    keys.with_hs256_secret(SECRET).unwrap();
    let text = minted(&keys);
    let (signed, _) = text.rsplit_once('.').unwrap();
    let forger = Forger::new(&keys.to_json());
    for label in ["sprag refresh v1", "sprag refresh jwt v1", "sprag audit v1"] {
        let tag = base64(forger.refresh_tag(1, label, signed.as_bytes()));
        assert_eq!(refusal(&format!("{signed}.{tag}"), &keys), Rejected::Signature);
    }
    let session = SessionKey { account: GRANT.subject, session: GRANT.session };
    let token = RefreshToken::first(ProfileId(1), session, &SeededRandom::new(1));
    let text = token.encode(Encoding::Jwt, &keys, NOW);
    let (signed, _) = text.as_str().rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", base64(hs256(SECRET, signed.as_bytes())));
    assert!(RefreshToken::parse(&forged, &keys, NOW).is_err());
}

#[test]
fn r26_ambiguous_and_oversized_tokens_are_refused_before_any_signature() {
    let (keys, forger, kid, header, claims) = bench(Algorithm::EdDsa);
    let (header, claims) = (header.to_string(), claims.to_string());
    let twice = claims.replacen('{', "{\"sub\":\"x\",", 1);
    assert_eq!(refusal(&forger.access(&kid, &header, &twice), &keys), Rejected::Json);
    let twice = header.replacen('{', "{\"alg\":\"none\",", 1);
    assert_eq!(refusal(&forger.access(&kid, &twice, &claims), &keys), Rejected::Json);
    for trailing in ["x", "{}", "\0", "]"] {
        let text = forger.access(&kid, &header, &format!("{claims}{trailing}"));
        assert_eq!(refusal(&text, &keys), Rejected::Json);
    }
    for segments in ["", ".", "..", "a.b", "a.b.c.d", "...", "a..c", "eyJ.eyJ.eyJ.eyJ.eyJ"] {
        assert_eq!(refusal(segments, &keys), Rejected::Segments);
    }
    assert_eq!(refusal("a.b.c", &keys), Rejected::Encoding);
    assert_eq!(refusal(&".".repeat(MAX_BYTES + 1), &keys), Rejected::TooLong);
    let long = json!({ "long": "x".repeat(MAX_BYTES) });
    assert_eq!(refusal(&forger.access(&kid, &header, &long.to_string()), &keys), Rejected::TooLong);
}

#[test]
fn t16_an_access_key_is_accepted_before_it_signs_and_until_it_retires() {
    let mut keys = ring(Algorithm::Es256);
    let first = keys.entries()[1].id.clone();
    keys.add_access(Algorithm::EdDsa, &SeededRandom::new(8), NOW, LATER);
    let (before, after) = (minted(&keys), access::mint(&keys, LATER, &GRANT).unwrap());
    assert_eq!((keys.algorithm(NOW), keys.algorithm(LATER)), (Algorithm::Es256, Algorithm::EdDsa));
    for text in [&before, &after] {
        assert!(verify(text, &keys, NOW).is_ok() && verify(text, &keys, LATER).is_ok());
    }
    assert!(keys.retire(&first, LATER));
    assert_eq!(verify(&before, &keys, LATER), Err(Rejected::UnknownKey));
    assert!(verify(&after, &keys, LATER).is_ok());
    assert_eq!(access::jwks(&keys, LATER)["keys"].as_array().unwrap().len(), 1);
}

#[test]
fn a_shared_secret_signs_without_a_key_id_and_its_successor_takes_over() {
    let mut keys = ring(Algorithm::Es256);
    let of_the_ring = minted(&keys);
    keys.with_hs256_secret(SECRET).unwrap();
    let first = minted(&keys);
    let (signed, signature) = first.rsplit_once('.').unwrap();
    assert_eq!(signature, base64(hs256(SECRET, signed.as_bytes())), "what the other systems compute");
    assert!(first.starts_with(&base64(r#"{"alg":"HS256","typ":"at+jwt"}"#)));

    keys.with_hs256_secret(b"bW9yZSByYW5kb20gYnl0ZXMgYXMgYSBzdWNjZXNzb3IgdG8gaXQ").unwrap();
    let second = minted(&keys);
    assert_ne!(first, second);
    for text in [&of_the_ring, &first, &second] {
        assert!(verify(text, &keys, NOW).is_ok());
    }
    assert_eq!(KeyRing::from_json(&keys.to_json()).unwrap().algorithm(NOW), Algorithm::Es256);
}

#[test]
fn a_profile_adds_claims_but_replaces_none() {
    let keys = ring(Algorithm::EdDsa);
    let claims = |name: &str| Map::from_iter([(name.to_owned(), json!({ "a": [1, "\u{2028}\"\\"] }))]);
    let own = claims("roles");
    let text = access::mint(&keys, NOW, &AccessClaims { claims: Some(&own), ..GRANT }).unwrap();
    assert!(verify(&text, &keys, NOW).is_ok());
    for name in access::RESERVED_CLAIMS {
        let own = claims(name);
        assert!(access::mint(&keys, NOW, &AccessClaims { claims: Some(&own), ..GRANT }).is_err(), "{name}");
    }
}

/// A key keeps what the tokens of a client begin with. Here are more clients than it keeps, in turn, and the claims that differ
/// between any two have every length.
#[test]
fn no_token_begins_as_another_clients_do() {
    let keys = ring(Algorithm::Hs256);
    let names: Vec<String> =
        (0..70).map(|number| format!("{number:0>width$}", width = number % 7 + 2)).collect();
    let issuers = [GRANT.issuer, "https://id.example/other"];
    for client_id in names.iter().chain(&names) {
        for (issuer, audience) in
            issuers.into_iter().flat_map(|issuer| [(issuer, None), (issuer, GRANT.audience)])
        {
            let claims = AccessClaims { client_id, issuer, audience, ..GRANT };
            let text = access::mint(&keys, NOW, &claims).expect("an access token");
            let anew = access::mint(&ring(Algorithm::Hs256), NOW, &claims).expect("an access token");
            assert_eq!(text, anew, "what was minted before makes a difference");
            let read =
                access::verify(&text, &keys, Expected { issuer, audience }, NOW).expect("it is its own");
            assert_eq!(read.client_id, *client_id);
        }
    }
}

proptest! {
    #[test]
    fn r26_nothing_else_is_accepted(text in "[A-Za-z0-9_-]{0,99}\\.[A-Za-z0-9_-]{0,300}\\.[A-Za-z0-9_-]{0,99}|\\PC*") {
        prop_assert!(verify(&text, &ring(Algorithm::Hs256), NOW).is_err());
    }

    #[test]
    fn whatever_a_client_is_called_is_read_back(client in "\\PC{0,40}", issuer in "\\PC{0,40}") {
        let keys = ring(Algorithm::Hs256);
        let claims = AccessClaims { client_id: &client, issuer: &issuer, ..GRANT };
        let text = access::mint(&keys, NOW, &claims).unwrap();
        let expected = Expected { issuer: &issuer, audience: GRANT.audience };
        prop_assert_eq!(access::verify(&text, &keys, expected, NOW).unwrap().client_id, client);
    }
}

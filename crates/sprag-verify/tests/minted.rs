//! What the server mints is verified here, whatever it signs with; and nothing that differs from it in a bit.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use sprag::access::{self, AccessClaims};
use sprag::clock::Timestamp;
use sprag::keys::KeyRing;
use sprag::random::SystemRandom;
use sprag::session::{AccountId, Methods, SessionId};
use sprag_verify::{Algorithm, Error, KeySet, Verifier};

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const ISSUER: &str = "https://id.example";
const AUDIENCE: &str = "https://api.example";
const SECRET: &[u8] = b"Zm9ydHktZWlnaHQgcmFuZG9tIGJ5dGVzLCBtb3JlIG9yIGxlc3M";

/// A token of the server, and a verifier that was told no more than an API is.
struct Minted {
    token: String,
    verifier: Verifier,
}

fn token(ring: &KeyRing, claims: &Map<String, Value>) -> String {
    let account = "0198d1e0-7c00-7abc-8def-0123456789ab".parse().unwrap();
    let session = "0198d1e0-7c00-7fed-9cba-ba9876543210".parse().unwrap();
    let claims = AccessClaims {
        issuer: ISSUER,
        subject: AccountId(account),
        external_subject: None,
        audience: Some(AUDIENCE),
        client_id: "sprag",
        session: SessionId(session),
        issued_at: NOW,
        expires_at: Timestamp(NOW.0 + 900_000),
        id: *b"sixteen bytes id",
        authenticated_at: Timestamp(NOW.0 - 60_000),
        methods: Methods::PASSWORD | Methods::OTP,
        claims: Some(claims),
    };
    access::mint(ring, NOW, &claims).unwrap()
}

fn minted(algorithm: Algorithm) -> Minted {
    let its_name = algorithm.name().parse().unwrap();
    let mut ring = KeyRing::generate(its_name, &SystemRandom::default(), NOW).unwrap();
    let mut keys = KeySet::from_jwks(access::jwks(&ring, NOW).to_string().as_bytes()).unwrap();
    if algorithm == Algorithm::Hs256 {
        assert_eq!(keys.algorithms(), [], "a secret is never published");
        ring.with_hs256_secret(SECRET).unwrap();
        keys = KeySet::shared_secret(SECRET).unwrap();
    }
    let roles = json!({ "roles": ["reader"] });
    let token = token(&ring, roles.as_object().unwrap());
    let builder = Verifier::builder(ISSUER).audience(AUDIENCE).algorithm(algorithm);
    Minted { token, verifier: builder.keys(keys).unwrap() }
}

static MINTED: LazyLock<Vec<Minted>> = LazyLock::new(|| Algorithm::ALL.map(minted).into());

fn now() -> std::time::SystemTime {
    UNIX_EPOCH + Duration::from_millis(NOW.0.unsigned_abs())
}

#[test]
fn what_the_server_mints_is_verified_with_every_algorithm() {
    for Minted { token, verifier } in MINTED.iter() {
        let claims = verifier.verify_at(token, now()).unwrap();
        assert_eq!(claims.subject(), "0198d1e0-7c00-7abc-8def-0123456789ab");
        assert_eq!(claims.session(), "0198d1e0-7c00-7fed-9cba-ba9876543210");
        assert_eq!((claims.client_id(), claims.id()), ("sprag", "c2l4dGVlbiBieXRlcyBpZA"));
        assert_eq!((claims.issued_at(), claims.expires_at()), (now(), now() + Duration::from_secs(900)));
        assert_eq!(claims.authenticated_at(), Some(now() - Duration::from_secs(60)));
        assert_eq!(
            (claims.methods(), claims.assurance()),
            (&["pwd", "otp", "mfa"].map(String::from)[..], Some("aal2"))
        );
        assert_eq!(claims.get::<Vec<String>>("roles").unwrap().unwrap(), ["reader"]);
    }
}

#[test]
fn a_token_of_one_installation_is_nothing_to_another() {
    for (one, this) in MINTED.iter().enumerate() {
        for (other, that) in MINTED.iter().enumerate() {
            assert_eq!(this.verifier.verify_at(&that.token, now()).is_ok(), one == other);
        }
    }
    let [this, that] = [minted(Algorithm::Es256), minted(Algorithm::Es256)];
    assert_eq!(this.verifier.verify_at(&that.token, now()), Err(Error::UnknownKey));
}

proptest! {
    #[test]
    fn a_token_with_one_bit_changed_is_refused(which in 0..4_usize, place in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let Minted { token, verifier } = &MINTED[which];
        let mut bytes = token.clone().into_bytes();
        let place = place.index(bytes.len());
        bytes[place] ^= 1_u8 << bit;
        // What is no text any more does not come this far.
        if let Ok(changed) = String::from_utf8(bytes) {
            prop_assert!(verifier.verify_at(&changed, now()).is_err(), "{changed}");
        }
    }

    #[test]
    fn a_token_cut_short_or_with_more_behind_it_is_refused(
        which in 0..4_usize,
        length in any::<prop::sample::Index>(),
        more in "[A-Za-z0-9_.= -]{1,4}",
    ) {
        let Minted { token, verifier } = &MINTED[which];
        prop_assert!(verifier.verify_at(&token[..length.index(token.len())], now()).is_err());
        let longer = format!("{token}{more}");
        prop_assert!(verifier.verify_at(&longer, now()).is_err());
    }

    #[test]
    fn any_text_is_refused_without_a_panic(text in ".{0,200}") {
        for Minted { verifier, .. } in MINTED.iter() {
            prop_assert!(verifier.verify_at(&text, now()).is_err());
        }
    }
}

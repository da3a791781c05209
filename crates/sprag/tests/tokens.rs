//! What must hold of tokens and keys; the numbers are those of the security requirements.

use sprag::access::{self, Algorithm, Expected, Grant, Rejected};
use sprag::chance::{SeededChance, bytes};
use sprag::clock::Timestamp;
use sprag::keys::KeyRing;
use sprag::session::{AccountId, Generation, ProfileId, SessionId, SessionKey};
use sprag::token::{Encoding, Malformed, RefreshToken};

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const ISSUER: &str = "https://id.example";
const AUDIENCE: &str = "https://api.example";
const BOTH: [Encoding; 2] = [Encoding::Opaque, Encoding::Jwt];

fn ring(algorithm: Algorithm) -> KeyRing {
    KeyRing::generate(algorithm, &SeededChance::new(7), NOW).expect("a ring")
}

fn session(seed: u64) -> SessionKey {
    let chance = SeededChance::new(seed);
    SessionKey {
        account: AccountId(sprag::chance::id(&chance, NOW)),
        session: SessionId(sprag::chance::id(&chance, NOW)),
    }
}

fn refresh_token(generation: u64) -> RefreshToken {
    RefreshToken::first(ProfileId(3), session(1), &SeededChance::new(2)).at(Generation(generation))
}

fn access_token(keys: &KeyRing, now: Timestamp) -> String {
    let key = session(1);
    let grant = Grant {
        issuer: ISSUER,
        subject: key.account,
        audience: AUDIENCE,
        client_id: "sprag",
        session: key.session,
        issued_at: now,
        expires_at: Timestamp(now.0 + 900_000),
        id: bytes(&SeededChance::new(3)),
        claims: None,
    };
    access::mint(keys, now, &grant).expect("an access token")
}

fn verify(text: &str, keys: &KeyRing, now: Timestamp) -> Result<access::AccessToken, Rejected> {
    access::verify(text, keys, Expected { issuer: ISSUER, audience: AUDIENCE }, now)
}

#[test]
fn what_is_written_is_read() {
    let keys = ring(Algorithm::Es256);
    for encoding in BOTH {
        for generation in [0, 1, 7, (1 << 53) - 1] {
            let token = refresh_token(generation);
            let text = token.encode(encoding, &keys, NOW);
            let read = RefreshToken::parse(text.as_str(), &keys, NOW).unwrap();
            assert_eq!(
                (read.profile, read.key, read.generation),
                (token.profile, token.key, token.generation)
            );
            assert_eq!(read.secret_hash(), token.secret_hash());
            assert_eq!(read.encode(encoding, &keys, NOW), text, "a retry yields the same bytes");
        }
    }
}

#[test]
fn every_algorithm_signs_what_it_verifies() {
    for algorithm in Algorithm::ALL {
        let keys = ring(algorithm);
        assert_eq!(keys.algorithm(NOW), algorithm);
        let token = verify(&access_token(&keys, NOW), &keys, NOW).unwrap();
        assert_eq!(token.subject, session(1).account);
        assert_eq!(token.session, session(1).session);
        assert_eq!(token.client_id, "sprag");
        assert_eq!((token.issued_at, token.expires_at), (NOW, Timestamp(NOW.0 + 900_000)));

        let again = KeyRing::from_json(&keys.to_json()).unwrap();
        assert_eq!(again.entries(), keys.entries());
        assert_eq!(verify(&access_token(&keys, NOW), &again, NOW).unwrap(), token);
    }
}

#[test]
fn t15_a_generation_beyond_the_last_is_refused() {
    let keys = ring(Algorithm::EdDsa);
    for encoding in BOTH {
        for generation in [1 << 53, 9_999_999_999_999_999, u64::MAX] {
            let text = refresh_token(generation).encode(encoding, &keys, NOW);
            let refused = RefreshToken::parse(text.as_str(), &keys, NOW).unwrap_err();
            assert_eq!(refused, Malformed::Generation);
        }
    }
}

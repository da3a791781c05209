//! Runs the token vectors in `vectors/`, which readers in any language can run too.
//!
//! `cargo run -p sprag --example vectors` writes them anew after a deliberate change of format.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use data_encoding::HEXLOWER;
use serde_json::{Map, Value};
use sprag::access::{self, AccessClaims, Algorithm, Expected, Rejected};
use sprag::clock::Timestamp;
use sprag::keys::KeyRing;
use sprag::session::Methods;
use sprag::token::{Encoding, RefreshToken};

const REFRESH_OPAQUE: &str = "refresh-opaque.json";
const REFRESH_JWT: &str = "refresh-jwt.json";
const ACCESS: &str = "access.json";

/// A file of vectors with the rings that they need, ready for use.
struct Vectors {
    rings: HashMap<String, KeyRing>,
    list: Vec<Value>,
}

#[test]
fn refresh_tokens_are_read_as_the_vectors_say() {
    for (file, encoding) in [(REFRESH_OPAQUE, Encoding::Opaque), (REFRESH_JWT, Encoding::Jwt)] {
        let vectors = Vectors::read(file);
        for vector in &vectors.list {
            let name = text(vector, "name");
            let (keys, now) = (vectors.ring(vector), now(vector));
            let expect = &vector["expect"];
            match RefreshToken::parse(text(vector, "token"), keys, now) {
                Err(malformed) => assert_eq!(expect["refused"], malformed.name(), "{file}: {name}"),
                Ok(token) => {
                    assert_eq!(expect["profile"], token.profile.0, "{file}: {name}");
                    assert_eq!(expect["account"], token.key.account.to_string(), "{file}: {name}");
                    assert_eq!(expect["session"], token.key.session.to_string(), "{file}: {name}");
                    assert_eq!(expect["generation"], token.generation.0, "{file}: {name}");
                    assert_eq!(
                        expect["secret_hash"],
                        HEXLOWER.encode(&token.secret_hash()),
                        "{file}: {name}"
                    );
                    let again = token.encode(encoding, keys, now);
                    assert_eq!(expect["written_again"], again.as_str(), "{file}: {name}");
                    let next = token.at(token.generation.next()).encode(encoding, keys, now);
                    assert_eq!(expect["successor"], next.as_str(), "{file}: {name}");
                }
            }
        }
        vectors.are_enough(file);
    }
}

#[test]
fn access_tokens_are_verified_as_the_vectors_say() {
    let vectors = Vectors::read(ACCESS);
    for vector in &vectors.list {
        let name = text(vector, "name");
        let (keys, now) = (vectors.ring(vector), now(vector));
        let expected = Expected { issuer: text(vector, "issuer"), audience: Some(text(vector, "audience")) };
        let expect = &vector["expect"];
        match access::verify(text(vector, "token"), keys, expected, now) {
            Err(Rejected::Claim(claim)) => {
                assert_eq!(
                    (&expect["refused"], &expect["claim"]),
                    (&"claim".into(), &claim.into()),
                    "{name}"
                );
            }
            Err(rejected) => assert_eq!(expect["refused"], rejected.name(), "{name}"),
            Ok(token) => {
                assert_eq!(expect["subject"], token.subject.to_string(), "{name}");
                assert_eq!(expect["session"], token.session.to_string(), "{name}");
                assert_eq!(expect["client_id"], token.client_id, "{name}");
                assert_eq!(expect["issued_at"], token.issued_at.seconds(), "{name}");
                assert_eq!(expect["expires_at"], token.expires_at.seconds(), "{name}");
                assert_eq!(expect["id"], HEXLOWER.encode(&token.id), "{name}");
                if expect["minted"] == true {
                    is_minted_alike(vector, keys, &token);
                }
            }
        }
    }
    vectors.are_enough(ACCESS);
}

/// What this build mints from the same facts is the vector's token, but for the signature where that is random.
fn is_minted_alike(vector: &Value, keys: &KeyRing, token: &access::AccessToken) {
    let claims: Option<Map<String, Value>> = vector["expect"]["claims"].as_object().cloned();
    let claims = AccessClaims {
        issuer: text(vector, "issuer"),
        subject: token.subject,
        external_subject: None,
        audience: Some(text(vector, "audience")),
        client_id: &token.client_id,
        session: token.session,
        issued_at: token.issued_at,
        expires_at: token.expires_at,
        authenticated_at: Timestamp(vector["expect"]["auth_time"].as_i64().expect("a time") * 1000),
        methods: Methods::from_bits(vector["expect"]["methods"].as_u64().expect("bits") as u16),
        id: token.id,
        claims: claims.as_ref(),
    };
    let minted = access::mint(keys, token.issued_at, &claims).expect("an access token");
    let genuine = text(vector, "token");
    if keys.algorithm(token.issued_at) == Algorithm::Es256 {
        let signed = |text: &str| text.rsplit_once('.').expect("a signature").0.to_owned();
        assert_eq!(signed(&minted), signed(genuine), "{}", vector["name"]);
    } else {
        assert_eq!(minted, genuine, "{}", vector["name"]);
    }
}

impl Vectors {
    fn read(file: &str) -> Self {
        let json: Value = serde_json::from_str(&fs::read_to_string(path(file)).expect(file)).expect(file);
        let rings = json["keys"].as_object().expect("rings").iter();
        Self {
            rings: rings
                .map(|(name, ring)| (name.clone(), KeyRing::from_json(&ring.to_string()).expect(name)))
                .collect(),
            list: json["vectors"].as_array().expect("vectors").clone(),
        }
    }

    fn ring(&self, vector: &Value) -> &KeyRing {
        &self.rings[text(vector, "keys")]
    }

    /// A file that lost its vectors would pass.
    fn are_enough(&self, file: &str) {
        let refused = self.list.iter().filter(|vector| vector["expect"].get("refused").is_some()).count();
        assert!(self.list.len() - refused >= 5 && refused >= 20, "{file}: {refused} of {}", self.list.len());
        let mut names: Vec<_> = self.list.iter().map(|vector| text(vector, "name")).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), self.list.len(), "{file}: two vectors have one name");
    }
}

fn now(vector: &Value) -> Timestamp {
    Timestamp(vector["now"].as_i64().expect("a time"))
}

fn text<'a>(vector: &'a Value, name: &str) -> &'a str {
    vector[name].as_str().expect(name)
}

fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../vectors").join(file)
}

//! Makes the vectors of access tokens.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde_json::{Map, Value, json};
use sprag::access::{self, Expected};
use sprag::clock::Timestamp;
use sprag::keys::KeyRing;

use crate::forge::{Forger, base64, hs256};
use crate::{ACCESS, rings, save};

const NOW: i64 = 1_800_000_000_000;
const SWITCH: i64 = NOW + 3_600_000;
const RETIRED: i64 = SWITCH + 600_000;
const ISSUER: &str = "https://id.example";
const AUDIENCE: &str = "https://api.example";

struct Maker {
    rings: Map<String, Value>,
    vectors: Vec<Value>,
}

pub(crate) fn write() {
    let mut maker = Maker { rings: rings(), vectors: Vec::new() };
    valid(&mut maker);
    keys_over_time(&mut maker);
    hostile_headers(&mut maker);
    hostile_claims(&mut maker);
    hostile_text(&mut maker);
    save(ACCESS, "Access tokens", &maker.rings, maker.vectors);
}

impl Maker {
    fn forger(&self, ring: &str) -> Forger {
        Forger::new(&self.rings[ring].to_string())
    }

    fn accepts(&mut self, is_minted: bool, name: &str, why: &str, token: &str, keys: &str, now: i64) {
        let ring = KeyRing::from_json(&self.rings[keys].to_string()).expect("a ring");
        let expected = Expected { issuer: ISSUER, audience: Some(AUDIENCE) };
        let read = access::verify(token, &ring, expected, Timestamp(now)).expect(name);
        let claims = BASE64URL_NOPAD.decode(token.split('.').nth(1).expect("claims").as_bytes());
        let claims: Value = serde_json::from_slice(&claims.expect("base64url")).expect("JSON");
        let more = claims.get("roles").map(|roles| json!({ "roles": roles }));
        self.vectors.push(json!({
            "name": name, "why": why, "token": token, "keys": keys, "now": now,
            "issuer": ISSUER, "audience": AUDIENCE,
            "expect": {
                "subject": read.subject,
                "session": read.session,
                "client_id": read.client_id,
                "issued_at": read.issued_at.seconds(),
                "expires_at": read.expires_at.seconds(),
                "id": HEXLOWER.encode(&read.id),
                "auth_time": claims.get("auth_time"),
                "methods": if claims.get("amr").is_some() { 1 } else { 0 },
                "claims": more,
                "minted": is_minted,
            },
        }));
    }

    fn refuses(&mut self, reason: &str, name: &str, why: &str, token: &str) {
        self.refuses_at(reason, name, why, token, "eddsa", NOW);
    }

    /// `reason` is the name of the refusal, and for a claim `claim:` and which.
    fn refuses_at(&mut self, reason: &str, name: &str, why: &str, token: &str, keys: &str, now: i64) {
        let expect = match reason.split_once(':') {
            Some((reason, claim)) => json!({ "refused": reason, "claim": claim }),
            None => json!({ "refused": reason }),
        };
        self.vectors.push(json!({
            "name": name, "why": why, "token": token, "keys": keys, "now": now,
            "issuer": ISSUER, "audience": AUDIENCE, "expect": expect,
        }));
    }

    /// Any header and claims under the genuine signature of the ring's first access key.
    fn signed(&self, ring: &str, header: &Value, claims: &Value) -> String {
        let forger = self.forger(ring);
        forger.access(&forger.kids()[0], &header.to_string(), &claims.to_string())
    }

    fn header(&self, ring: &str, index: usize) -> Value {
        let key = &self.rings[ring]["access"][index];
        json!({ "alg": key["algorithm"], "kid": key["kid"], "typ": "at+jwt" })
    }
}

fn valid(maker: &mut Maker) {
    for ring in ["es256", "eddsa", "rs256", "hs256"] {
        let token = maker.signed(ring, &maker.header(ring, 0), &claims());
        maker.accepts(true, ring, "signed with the ring's key", &token, ring, NOW);
    }
    let header = json!({ "alg": "HS256", "typ": "at+jwt" });
    let token = maker.signed("shared", &header, &claims());
    maker.accepts(true, "shared", "a shared secret has no `kid`", &token, "shared", NOW);
    let more = with(&claims(), "roles", json!(["reader", "writer"]));
    let token = maker.signed("eddsa", &maker.header("eddsa", 0), &more);
    maker.accepts(true, "configured-claims", "the profile's own claims come last", &token, "eddsa", NOW);
    let unknown = without(&without(&claims(), "amr"), "acr");
    let token = maker.signed("eddsa", &maker.header("eddsa", 0), &unknown);
    maker.accepts(true, "methods-unknown", "nothing is known: neither `amr` nor `acr`", &token, "eddsa", NOW);
    let earlier = without(&unknown, "auth_time");
    let token = maker.signed("eddsa", &maker.header("eddsa", 0), &earlier);
    maker.accepts(false, "before-auth-time", "builds before said none of the three", &token, "eddsa", NOW);
    let long = with(&maker.header("eddsa", 0), "typ", json!("application/at+jwt"));
    let token = maker.signed("eddsa", &long, &claims());
    maker.accepts(false, "typ-long", "RFC 9068 section 4 allows it", &token, "eddsa", NOW);
    let ahead = with(&claims(), "nbf", json!(NOW / 1000 + 60));
    let token = maker.signed("eddsa", &maker.header("eddsa", 0), &ahead);
    maker.accepts(false, "nbf-leeway", "60 s ahead: clocks differ", &token, "eddsa", NOW);
    let token = maker.signed("eddsa", &maker.header("eddsa", 0), &claims());
    maker.accepts(true, "last-moment", "one millisecond before `exp`", &token, "eddsa", NOW + 899_999);
    maker.refuses_at("expired", "expired", "at `exp` it is over", &token, "eddsa", NOW + 900_000);
    let other = with(&claims(), "jti", json!(base64([255; 16])));
    let token = maker.signed("hs256", &maker.header("hs256", 0), &other);
    maker.accepts(true, "jti-any", "any 16 bytes", &token, "hs256", NOW);
}

fn keys_over_time(maker: &mut Maker) {
    let forger = maker.forger("switching");
    let kids = forger.kids();
    let late = with(&claims(), "exp", json!(RETIRED / 1000 + 900)).to_string();
    let tokens: Vec<String> =
        (0..2).map(|i| forger.access(&kids[i], &maker.header("switching", i).to_string(), &late)).collect();
    maker.accepts(true, "old-key-signs", "before the switch", &tokens[0], "switching", NOW);
    maker.accepts(false, "new-key-early", "accepted before it signs (R29)", &tokens[1], "switching", NOW);
    maker.accepts(false, "old-key-after-switch", "until it retires", &tokens[0], "switching", SWITCH);
    maker.refuses_at("unknown_key", "old-key-retired", "retired", &tokens[0], "switching", RETIRED);
    maker.refuses_at("unknown_key", "other-ring", "no such key", &tokens[0], "eddsa", NOW);
    let crossed = forger.access(&kids[1], &maker.header("switching", 0).to_string(), &late);
    maker.refuses_at("signature", "crossed-kid", "the other key's `kid`", &crossed, "switching", NOW);
}

fn hostile_headers(maker: &mut Maker) {
    let header = maker.header("eddsa", 0);
    let cases = [
        ("algorithm", "r21-none", "alg", json!("none")),
        ("algorithm", "r21-none-mixed-case", "alg", json!("nOnE")),
        ("algorithm", "r21-es256", "alg", json!("ES256")),
        ("algorithm", "r21-lower-case", "alg", json!("eddsa")),
        ("header", "r21-alg-list", "alg", json!(["EdDSA"])),
        ("header", "r21-alg-null", "alg", json!(null)),
        ("header", "r22-jku", "jku", json!("https://evil.example/jwks.json")),
        ("header", "r22-jwk", "jwk", json!({ "kty": "oct", "k": "AA" })),
        ("header", "r22-x5u", "x5u", json!("https://evil.example/x5u")),
        ("header", "r22-x5c", "x5c", json!(["MAo="])),
        ("unknown_key", "r22-kid-path", "kid", json!("../../../../../dev/null")),
        ("unknown_key", "r22-kid-sql", "kid", json!("x' union select 'secret")),
        ("unknown_key", "r22-kid-empty", "kid", json!("")),
        ("header", "r22-kid-number", "kid", json!(0)),
        ("header", "r23-crit", "crit", json!(["exp"])),
        ("header", "r23-crit-unknown", "crit", json!(["https://evil.example/ext"])),
        ("header", "r23-b64", "b64", json!(false)),
        ("type", "r24-typ-jwt", "typ", json!("JWT")),
        ("type", "r25-typ-refresh", "typ", json!("rt+jwt")),
        ("header", "r24-typ-list", "typ", json!(["at+jwt"])),
    ];
    for (reason, name, member, value) in cases {
        let token = maker.signed("eddsa", &with(&header, member, value), &claims());
        maker.refuses(reason, name, "a header that ours never have, under a genuine signature", &token);
    }
    for (reason, member) in [("header", "alg"), ("type", "typ"), ("unknown_key", "kid")] {
        let token = maker.signed("eddsa", &without(&header, member), &claims());
        maker.refuses(reason, &format!("no-{member}"), "a member is missing", &token);
    }
    let shared = maker.signed("shared", &maker.header("shared", 0), &claims());
    maker.refuses_at("unknown_key", "shared-with-kid", "a shared secret has no name", &shared, "shared", NOW);

    for ring in ["es256", "rs256", "eddsa"] {
        let key = KeyRing::from_json(&maker.rings[ring].to_string()).expect("a ring");
        let jwk = access::jwks(&key, Timestamp(NOW))["keys"][0].to_string();
        let header = with(&maker.header(ring, 0), "alg", json!("HS256"));
        let signed = format!("{}.{}", base64(header.to_string()), base64(claims().to_string()));
        let token = format!("{signed}.{}", base64(hs256(jwk.as_bytes(), signed.as_bytes())));
        let name = format!("r21-public-{ring}-as-secret");
        maker.refuses_at("algorithm", &name, "the public key is no HMAC secret", &token, ring, NOW);
    }
}

fn hostile_claims(maker: &mut Maker) {
    let header = maker.header("eddsa", 0);
    let seconds = NOW / 1000;
    let cases = [
        ("issuer", "r24-other-issuer", "iss", json!("https://evil.example")),
        ("claim:iss", "r24-iss-list", "iss", json!([ISSUER])),
        ("audience", "r24-other-audience", "aud", json!("https://other.example")),
        ("claim:aud", "r24-aud-list", "aud", json!([AUDIENCE])),
        ("claim:sub", "r24-sub-number", "sub", json!(1)),
        ("claim:sub", "r24-sub-name", "sub", json!("admin")),
        ("claim:sid", "r24-sid-null", "sid", json!(null)),
        ("claim:client_id", "r24-client-object", "client_id", json!({})),
        ("claim:exp", "r24-exp-text", "exp", json!("1800000900")),
        ("claim:exp", "r24-exp-float", "exp", json!(1_800_000_900.5)),
        ("claim:exp", "r24-exp-negative", "exp", json!(-1)),
        ("claim:exp", "r24-exp-overflow", "exp", json!(i64::MAX)),
        ("claim:exp", "r24-exp-null", "exp", json!(null)),
        ("claim:iat", "r24-iat-text", "iat", json!("1800000000")),
        ("not_yet", "r24-iat-future", "iat", json!(seconds + 61)),
        ("not_yet", "r24-nbf-future", "nbf", json!(seconds + 61)),
        ("claim:nbf", "r24-nbf-text", "nbf", json!("0")),
        ("claim:jti", "r24-jti-short", "jti", json!("AA")),
        ("expired", "r24-exp-past", "exp", json!(seconds - 1)),
    ];
    for (reason, name, claim, value) in cases {
        let token = maker.signed("eddsa", &header, &with(&claims(), claim, value));
        maker.refuses(reason, name, "a claim is wrong, under a genuine signature", &token);
    }
    for claim in ["iss", "sub", "aud", "client_id", "sid", "iat", "exp", "jti"] {
        let token = maker.signed("eddsa", &header, &without(&claims(), claim));
        maker.refuses(&format!("claim:{claim}"), &format!("r24-no-{claim}"), "a claim is missing", &token);
    }
}

fn hostile_text(maker: &mut Maker) {
    let forger = maker.forger("eddsa");
    let (kid, header, body) =
        (forger.kids().remove(0), maker.header("eddsa", 0).to_string(), claims().to_string());
    let genuine = forger.access(&kid, &header, &body);
    let (signed, signature) = genuine.rsplit_once('.').expect("a signature");
    let twice = body.replacen('{', "{\"sub\":\"admin\",", 1);
    let nested = body.replacen('{', "{\"roles\":{\"a\":1,\"a\":2},", 1);
    let cases = [
        ("segments", "empty", "nothing", String::new()),
        ("segments", "r21-unsigned", "an empty signature", format!("{signed}.")),
        ("segments", "two-segments", "no signature", signed.to_owned()),
        ("segments", "four-segments", "more than two dots", format!("{genuine}.AA")),
        ("encoding", "padded", "padding", format!("{genuine}==")),
        ("encoding", "space", "white space", format!("{genuine} ")),
        ("signature", "cut-signature", "half a signature", format!("{signed}.{}", &signature[..44])),
        ("signature", "zero-signature", "zeroes", format!("{signed}.{}", base64([0; 64]))),
        ("json", "r26-sub-twice", "`sub` twice", forger.access(&kid, &header, &twice)),
        ("json", "r26-nested-twice", "twice, deeper", forger.access(&kid, &header, &nested)),
        ("json", "r26-trailing", "bytes after the end", forger.access(&kid, &header, &format!("{body} x"))),
        ("json", "claims-list", "no object", forger.access(&kid, &header, "[]")),
        ("json", "header-text", "no object", forger.access(&kid, "\"EdDSA\"", &body)),
        ("too_long", "r26-too-long", "more than 8 KiB", format!("{signed}.{}", "A".repeat(8192))),
    ];
    for (reason, name, why, token) in cases {
        maker.refuses(reason, name, why, &token);
    }
    let refresh = maker.forger("eddsa").refresh_jwt(
        1,
        r#"{"alg":"HS256","kid":"1","typ":"rt+jwt"}"#,
        r#"{"type":"refresh","sub":"0198d1e0-7c00-7abc-8def-0123456789ab"}"#,
    );
    maker.refuses("type", "r25-refresh-jwt", "a refresh token", &refresh);
}

fn claims() -> Value {
    json!({
        "iss": ISSUER,
        "aud": AUDIENCE,
        "client_id": "sprag",
        "sub": "0198d1e0-7c00-7abc-8def-0123456789ab",
        "sid": "0198d1e0-7c00-7fed-9cba-ba9876543210",
        "iat": NOW / 1000,
        "exp": NOW / 1000 + 900,
        "jti": base64(b"sixteen bytes id"),
        "auth_time": NOW / 1000 - 60,
        "amr": ["pwd"],
        "acr": "aal1",
    })
}

fn with(object: &Value, name: &str, value: Value) -> Value {
    let mut changed = object.clone();
    changed[name] = value;
    changed
}

fn without(object: &Value, name: &str) -> Value {
    let mut changed = object.clone();
    changed.as_object_mut().expect("an object").shift_remove(name);
    changed
}

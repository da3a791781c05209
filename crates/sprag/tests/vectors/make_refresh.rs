//! Makes the vectors of refresh tokens.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde_json::{Map, Value, json};
use sprag::clock::Timestamp;
use sprag::keys::KeyRing;
use sprag::session::Generation;
use sprag::token::{Encoding, RefreshToken};

use crate::forge::{Forger, base64};
use crate::{REFRESH_JWT, REFRESH_OPAQUE, rings, save};

/// The rings were made for this moment; in `switching`, key 2 is there now and signs from `SWITCH`, when
/// key 1 has ten minutes left.
const NOW: i64 = 1_800_000_000_000;
const SWITCH: i64 = NOW + 3_600_000;
const RETIRED: i64 = SWITCH + 600_000;

const ACCOUNT: &str = "0198d1e0-7c00-7abc-8def-0123456789ab";
const SESSION: &str = "0198d1e0-7c00-7fed-9cba-ba9876543210";
const HEADER: &str = r#"{"alg":"HS256","kid":"1","typ":"rt+jwt"}"#;

struct Maker {
    encoding: Encoding,
    rings: Map<String, Value>,
    vectors: Vec<Value>,
}

pub(crate) fn write(encoding: Encoding) {
    let mut rings = rings();
    rings.retain(|name, _| matches!(name.as_str(), "hs256" | "eddsa" | "switching"));
    let mut maker = Maker { encoding, rings, vectors: Vec::new() };
    valid(&mut maker);
    keys_over_time(&mut maker);
    match encoding {
        Encoding::Opaque => {
            hostile_text(&mut maker, &opaque(0));
            hostile_bytes(&mut maker);
            save(REFRESH_OPAQUE, "Opaque refresh tokens", &maker.rings, maker.vectors);
        }
        Encoding::Jwt => {
            hostile_text(&mut maker, &jwt(HEADER, &claims(0)));
            ends(&mut maker);
            hostile_json(&mut maker);
            save(REFRESH_JWT, "Refresh tokens in the JWT encoding", &maker.rings, maker.vectors);
        }
    }
}

impl Maker {
    /// A vector whose token must be read; what it says is taken from the claims it was forged from.
    fn reads(&mut self, name: &str, why: &str, token: &str, keys: &str, now: i64) {
        let ring = KeyRing::from_json(&self.rings[keys].to_string()).expect("a ring");
        let now_is = Timestamp(now);
        let read = RefreshToken::parse(token, &ring, now_is).expect(name);
        let next = read.at(Generation(read.generation.0 + 1));
        self.vectors.push(json!({
            "name": name, "why": why, "token": token, "keys": keys, "now": now,
            "expect": {
                "profile": read.profile.0,
                "account": read.key.account,
                "session": read.key.session,
                "generation": read.generation.0,
                "secret_hash": HEXLOWER.encode(&read.secret_hash()),
                "written_again": read.encode(self.encoding, &ring, now_is).as_str(),
                "successor": next.encode(self.encoding, &ring, now_is).as_str(),
            },
        }));
    }

    fn refuses(&mut self, reason: &str, name: &str, why: &str, token: &str) {
        self.refuses_at(reason, name, why, token, "hs256", NOW);
    }

    fn refuses_at(&mut self, reason: &str, name: &str, why: &str, token: &str, keys: &str, now: i64) {
        self.vectors.push(json!({
            "name": name, "why": why, "token": token, "keys": keys, "now": now,
            "expect": { "refused": reason },
        }));
    }

    fn genuine(&self, ring: &str, key_id: u8, profile: u16, generation: u64, secret: [u8; 16]) -> String {
        let forger = Forger::new(&self.rings[ring].to_string());
        match self.encoding {
            Encoding::Opaque => forger.opaque(key_id, &facts(key_id, profile, generation, secret)),
            Encoding::Jwt => {
                let header = HEADER.replace("\"1\"", &format!("\"{key_id}\""));
                forger.refresh_jwt(key_id, &header, &claims_of(profile, generation, secret))
            }
        }
    }
}

fn valid(maker: &mut Maker) {
    let cases: [(&str, &str, u16, u64, [u8; 16]); 6] = [
        ("first", "generation 0: what log-in hands out", 1, 0, SECRET),
        ("turned", "an ordinary token", 1, 41, SECRET),
        ("profile-0", "the smallest profile", 0, 7, SECRET),
        ("profile-65535", "the largest profile", u16::MAX, 7, SECRET),
        ("secret-zero", "any 16 bytes may be a secret", 1, 7, [0; 16]),
        ("secret-ones", "any 16 bytes may be a secret", 1, 7, [255; 16]),
    ];
    for (name, why, profile, generation, secret) in cases {
        let token = maker.genuine("hs256", 1, profile, generation, secret);
        maker.reads(name, why, &token, "hs256", NOW);
    }
    let last = maker.genuine("hs256", 1, 1, (1 << 53) - 2, SECRET);
    maker.reads("last-but-one", "its successor is the last generation, 2^53-1", &last, "hs256", NOW);
}

/// `exp` is for readers: any whole number of seconds is read and written again, and nothing is judged by it.
fn ends(maker: &mut Maker) {
    let forger = Forger::new(&maker.rings["hs256"].to_string());
    let with = |exp: &str| {
        let claims = claims(0).replace(r#","sec""#, &format!(r#","exp":{exp},"sec""#));
        forger.refresh_jwt(1, HEADER, &claims)
    };
    let reads = [
        ("exp", "what builds since write: the end of the session, to the hour", "1800604800"),
        ("exp-over", "a session that has ended is found to have by its row", "1799999999"),
        ("exp-negative", "before 1970 is a time too", "-1"),
    ];
    for (name, why, exp) in reads {
        maker.reads(name, why, &with(exp), "hs256", NOW);
    }
    for (name, exp) in [
        ("exp-text", r#""1800604800""#),
        ("exp-fraction", "1800604800.5"),
        ("exp-null", "null"),
        ("exp-empty", ""),
        ("exp-beyond", "99999999999999999999"),
    ] {
        maker.refuses("claims", name, "no whole number of seconds, under a genuine tag", &with(exp));
    }
    for (name, exp) in [("exp-plus", "+1800604800"), ("exp-zero-first", "01800604800")] {
        maker.refuses("tag", name, "the same time in another text", &with(exp));
    }
}

fn keys_over_time(maker: &mut Maker) {
    let old = maker.genuine("switching", 1, 1, 41, SECRET);
    let new = maker.genuine("switching", 2, 1, 41, SECRET);
    maker.reads("old-key-signs", "before the switch the old key signs", &old, "switching", NOW);
    maker.reads("new-key-early", "a key is accepted before it signs (R29)", &new, "switching", NOW);
    maker.reads("old-key-after-switch", "written again under the new key", &old, "switching", SWITCH);
    maker.reads("new-key-signs", "after the switch the new key signs", &new, "switching", SWITCH);
    maker.reads("old-key-last-moment", "one millisecond before it retires", &old, "switching", RETIRED - 1);
    maker.refuses_at(
        "unknown_key",
        "old-key-retired",
        "retired keys are refused",
        &old,
        "switching",
        RETIRED,
    );
    let third = maker.genuine("hs256", 1, 1, 41, SECRET);
    maker.refuses_at("tag", "other-ring", "another installation's key 1", &third, "eddsa", NOW);
    maker.refuses_at("unknown_key", "no-such-key", "a key that this ring has not", &new, "hs256", NOW);
    let beyond = maker.genuine("hs256", 1, 1, 1 << 53, SECRET);
    maker.refuses("generation", "t15-beyond-last", "2^53, under a genuine tag", &beyond);
    let far = maker.genuine("hs256", 1, 1, u64::MAX, SECRET);
    maker.refuses("generation", "t15-far-beyond-last", "2^64-1, under a genuine tag", &far);
}

/// Edits that any text can suffer (R9).
fn hostile_text(maker: &mut Maker, genuine: &str) {
    let is_opaque = maker.encoding == Encoding::Opaque;
    let length = |jwt: &'static str| if is_opaque { "length" } else { jwt };
    let mut last_flipped = genuine.to_owned();
    let last = last_flipped.pop().expect("a character");
    last_flipped.push(char::from(last as u8 ^ 1));
    let cases = [
        ("form", "empty", "nothing", String::new()),
        (length("tag"), "cut-1", "one character short", genuine[..genuine.len() - 1].to_owned()),
        (length("tag"), "cut-4", "one quantum short", genuine[..genuine.len() - 4].to_owned()),
        (length("tag"), "longer-A", "one character more", format!("{genuine}A")),
        (length("tag"), "padded", "padding is not canonical", format!("{genuine}=")),
        (length("tag"), "newline", "white space is not canonical", format!("{genuine}\n")),
        (if is_opaque { "form" } else { "encoding" }, "space-before", "the same", format!(" {genuine}")),
        ("form", "half", "the second half alone", genuine[genuine.len() / 2..].replace('.', "")),
        (
            if is_opaque { "encoding" } else { "tag" },
            "trailing-bits",
            "the last character has bits that no byte takes",
            last_flipped,
        ),
        ("too_long", "too-long", "more than 8 KiB", genuine.repeat(8192 / genuine.len() + 1)),
        (length("form"), "twice", "two tokens run together", format!("{genuine}{genuine}")),
        ("form", "other-prefix", "nothing we ever issued", "ghp_0123456789abcdefghijklmnopqrstuvwxyz".into()),
    ];
    for (reason, name, why, token) in cases {
        maker.refuses(reason, name, why, &token);
    }
}

/// Bytes of the opaque encoding, changed under the old tag or under a genuine one.
fn hostile_bytes(maker: &mut Maker) {
    let bytes = BASE64URL_NOPAD.decode(&opaque(0).as_bytes()[4..]).expect("base64url");
    let changes = [
        ("tag", "r18-other-profile", "profile 1 becomes 2", 3, 3_u8),
        ("tag", "t10-other-account", "one bit of the account", 19, 1),
        ("tag", "t10-other-session", "one bit of the session", 35, 1),
        ("tag", "later-generation", "generation 41 becomes 42", 43, 3),
        ("tag", "other-secret", "one bit of the secret", 44, 1),
        ("tag", "tag-first-bit", "the first bit of the tag", 60, 128),
        ("tag", "tag-last-bit", "the last bit of the tag", 91, 1),
        ("version", "version-0", "there never was one", 0, 1),
        ("version", "version-2", "a later build's", 0, 3),
        ("unknown_key", "key-0", "no key has the id 0", 1, 1),
        ("unknown_key", "key-9", "no such key", 1, 8),
    ];
    for (reason, name, why, place, mask) in changes {
        let mut changed = bytes.clone();
        changed[place] ^= mask;
        maker.refuses(reason, name, why, &format!("spr_{}", base64(changed)));
    }
    let forger = Forger::new(&maker.rings["hs256"].to_string());
    for (name, why, label) in [
        ("r25-jwt-sub-key", "tagged with the sub-key of the JWT encoding", "sprag refresh jwt v1"),
        ("r25-audit-sub-key", "tagged with the sub-key of the journal", "sprag audit v1"),
    ] {
        let tag = forger.refresh_tag(1, label, &bytes[..60]);
        maker.refuses("tag", name, why, &format!("spr_{}", base64([&bytes[..60], &tag].concat())));
    }
    let mut future = bytes[..60].to_vec();
    future[0] = 2;
    maker.refuses("version", "version-2-signed", "a later format under our key", &forger.opaque(1, &future));
    let standard = data_encoding::BASE64_NOPAD.encode(&[&[251_u8, 255, 191][..], &bytes[3..]].concat());
    maker.refuses("encoding", "other-alphabet", "`+` and `/`", &format!("spr_{standard}"));
    maker.refuses("form", "prefix-case", "the prefix in upper case", &opaque(0).replace("spr_", "SPR_"));
    maker.refuses("length", "prefix-only", "nothing follows", "spr_");
    maker.refuses("length", "r25-jwt-under-prefix", "a JWT", &format!("spr_{}", jwt(HEADER, &claims(0))));
    let short_tag = &bytes[..76];
    maker.refuses("length", "short-tag", "half a tag", &format!("spr_{}", base64(short_tag)));
}

/// Other JSON under a genuine tag: the form is fixed to the byte.
fn hostile_json(maker: &mut Maker) {
    let headers = [
        ("header", "r21-none", "`alg` none", HEADER.replace("HS256", "none")),
        ("header", "r21-hs512", "another `alg`", HEADER.replace("HS256", "HS512")),
        ("header", "r25-typ-at", "`typ` of an access token", HEADER.replace("rt+jwt", "at+jwt")),
        ("header", "typ-jwt", "`typ` JWT", HEADER.replace("rt+jwt", "JWT")),
        ("unknown_key", "kid-0", "no key has the id 0", HEADER.replace("\"1\"", "\"0\"")),
        ("header", "kid-256", "beyond a byte", HEADER.replace("\"1\"", "\"256\"")),
        ("length", "r22-kid-path", "`kid` is only a name", HEADER.replace("\"1\"", "\"../k\"")),
        ("tag", "kid-01", "a leading zero", HEADER.replace("\"1\"", "\"01\"")),
        ("length", "r23-crit", "`crit`", HEADER.replace("\"kid\"", "\"crit\":[\"x\"],\"kid\"")),
        ("header", "header-order", "other order", r#"{"kid":"1","alg":"HS256","typ":"rt+jwt"}"#.into()),
        ("header", "header-duplicate", "`kid` twice", r#"{"alg":"HS256","kid":"1","kid":"1"}"#.into()),
    ];
    for (reason, name, why, header) in headers {
        assert_ne!(header, HEADER, "{name}");
        maker.refuses(reason, name, why, &jwt(&header, &claims(0)));
    }
    let plain = claims(0);
    let bodies = [
        ("claims", "r25-type-access", "`type` access", plain.replace("refresh", "access")),
        ("tag", "gen-leading-zero", "041", plain.replace(":41", ":041")),
        ("tag", "gen-plus", "+41", plain.replace(":41", ":+41")),
        ("claims", "gen-negative", "-41", plain.replace(":41", ":-41")),
        ("claims", "gen-float", "41.0", plain.replace(":41", ":41.0")),
        ("claims", "gen-text", "\"41\"", plain.replace(":41", ":\"41\"")),
        ("claims", "pid-65536", "beyond 16 bits", plain.replace("\"pid\":1", "\"pid\":65536")),
        ("tag", "sub-upper-case", "the same account, written differently", plain.replace("7abc", "7ABC")),
        ("claims", "sub-text", "no UUID", plain.replace(ACCOUNT, "admin")),
        ("claims", "white-space", "a space after the first colon", plain.replacen(':', ": ", 1)),
        (
            "claims",
            "gen-duplicate",
            "`gen` twice",
            plain.replace(":41", ":41,\"gen\":42").replace("\"type\":\"refresh\",", ""),
        ),
        ("claims", "more-claims", "`exp`", plain.replace('}', ",\"exp\":1}").replace("\"pid\":1,", "")),
        ("claims", "sec-short", "15 bytes of secret", plain.replace(&base64(SECRET), &base64(&SECRET[1..]))),
        ("claims", "sec-padded", "padding", plain.replace(&base64(SECRET), &format!("{}==", base64(SECRET)))),
        ("claims", "empty-claims", "nothing is said", "{}".to_owned()),
    ];
    for (reason, name, why, body) in bodies {
        assert_ne!(body, plain, "{name}");
        maker.refuses(reason, name, why, &jwt(HEADER, &body));
    }
    let genuine = jwt(HEADER, &plain);
    let (signed, _) = genuine.rsplit_once('.').expect("a tag");
    let moved = jwt(HEADER, &plain.replace("\"pid\":1", "\"pid\":2"));
    let (moved, _) = moved.rsplit_once('.').expect("a tag");
    let tag = genuine.rsplit_once('.').expect("a tag").1;
    maker.refuses(
        "tag",
        "r18-other-profile",
        "profile 1 becomes 2 under the old tag",
        &format!("{moved}.{tag}"),
    );
    maker.refuses("tag", "no-tag", "an empty tag", &format!("{signed}."));
    maker.refuses("form", "two-segments", "no tag at all", signed);
    maker.refuses("form", "four-segments", "one more", &format!("{genuine}.AA"));
    let forger = Forger::new(&maker.rings["hs256"].to_string());
    let other = base64(forger.refresh_tag(1, "sprag refresh v1", signed.as_bytes()));
    maker.refuses(
        "tag",
        "r25-opaque-sub-key",
        "tagged with the opaque sub-key",
        &format!("{signed}.{other}"),
    );
    maker.refuses(
        "length",
        "r25-opaque",
        "an opaque token without its prefix",
        &format!("{}..", &opaque(0)[4..]),
    );
}

const SECRET: [u8; 16] = *b"test only secret";

fn opaque(generation_offset: u64) -> String {
    let forger = Forger::new(&rings()["hs256"].to_string());
    forger.opaque(1, &facts(1, 1, 41 + generation_offset, SECRET))
}

fn jwt(header: &str, claims: &str) -> String {
    Forger::new(&rings()["hs256"].to_string()).refresh_jwt(1, header, claims)
}

fn claims(generation_offset: u64) -> String {
    claims_of(1, 41 + generation_offset, SECRET)
}

fn claims_of(profile: u16, generation: u64, secret: [u8; 16]) -> String {
    let secret = base64(secret);
    format!(
        r#"{{"type":"refresh","sub":"{ACCOUNT}","sid":"{SESSION}","gen":{generation},"pid":{profile},"sec":"{secret}"}}"#
    )
}

fn facts(key_id: u8, profile: u16, generation: u64, secret: [u8; 16]) -> Vec<u8> {
    let id = |text: &str| text.parse::<uuid::Uuid>().expect("an id").into_bytes();
    let mut facts = vec![1, key_id];
    facts.extend(profile.to_be_bytes());
    facts.extend(id(ACCOUNT));
    facts.extend(id(SESSION));
    facts.extend(generation.to_be_bytes());
    facts.extend(secret);
    facts
}

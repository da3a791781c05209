//! What must hold of refresh tokens; the numbers are those of the security requirements.

use proptest::prelude::*;
use sprag::access::Algorithm;
use sprag::clock::Timestamp;
use sprag::keys::KeyRing;
use sprag::random::SeededRandom;
use sprag::session::{AccountId, Generation, ProfileId, SessionId, SessionKey};
use sprag::token::{Encoding, MAX_BYTES, Malformed, RefreshToken, Replacing, hash_instance, hash_retry_id};
use uuid::Uuid;

#[expect(dead_code, reason = "each test file uses its part")]
mod support {
    pub(crate) mod forge;
}

use support::forge::{Forger, base64};

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const LATER: Timestamp = Timestamp(NOW.0 + 3_600_000);
const BOTH: [Encoding; 2] = [Encoding::Opaque, Encoding::Jwt];

fn ring() -> KeyRing {
    KeyRing::generate(Algorithm::EdDsa, &SeededRandom::new(7), NOW).expect("a ring")
}

fn session(seed: u64) -> SessionKey {
    let random = SeededRandom::new(seed);
    SessionKey {
        account: AccountId(sprag::random::id(&random, NOW)),
        session: SessionId(sprag::random::id(&random, NOW)),
    }
}

fn token(generation: u64) -> RefreshToken {
    RefreshToken::first(ProfileId(3), session(1), &SeededRandom::new(2)).at(Generation(generation))
}

fn text(encoding: Encoding, keys: &KeyRing) -> String {
    token(41).encode(encoding, keys, NOW).as_str().to_owned()
}

fn refusal(text: &str, keys: &KeyRing) -> Malformed {
    match RefreshToken::parse(text, keys, NOW) {
        Err(malformed) => malformed,
        Ok(token) => panic!("{text} was read as {token:?}"),
    }
}

fn facts(token: &RefreshToken) -> (ProfileId, SessionKey, Generation, [u8; 32]) {
    (token.profile, token.key, token.generation, token.secret_hash())
}

fn session_secret(opaque: &str) -> Vec<u8> {
    let bytes = data_encoding::BASE64URL_NOPAD.decode(&opaque.as_bytes()["spr_".len()..]).expect("base64url");
    bytes[44..60].to_vec()
}

#[test]
fn what_is_written_is_read() {
    let keys = ring();
    for encoding in BOTH {
        for generation in [0, 1, 7, (1 << 53) - 1] {
            let token = token(generation);
            let text = token.encode(encoding, &keys, NOW);
            let read = RefreshToken::parse(text.as_str(), &keys, NOW).unwrap();
            assert_eq!(facts(&read), facts(&token));
            assert_eq!(read.encode(encoding, &keys, NOW), text, "a retry yields the same bytes");
        }
    }
}

#[test]
fn the_format_is_what_the_reference_says() {
    let keys = ring();
    let text = text(Encoding::Opaque, &keys);
    assert_eq!(text.len(), 127);
    let bytes = data_encoding::BASE64URL_NOPAD.decode(&text.as_bytes()[4..]).unwrap();
    let (facts, tag) = bytes.split_at(60);
    assert_eq!(facts[..4], [1, 1, 0, 3]);
    assert_eq!(facts[4..20], *session(1).account.0.as_bytes());
    assert_eq!(facts[20..36], *session(1).session.0.as_bytes());
    assert_eq!(facts[36..44], 41_u64.to_be_bytes());
    assert_eq!(tag, Forger::new(&keys.to_json()).refresh_tag(1, "sprag refresh v1", facts));

    let forger = Forger::new(&keys.to_json());
    let SessionKey { account, session } = session(1);
    let secret = base64(&facts[44..]);
    let claims = format!(
        r#"{{"type":"refresh","sub":"{account}","sid":"{session}","gen":41,"pid":3,"sec":"{secret}"}}"#
    );
    let jwt = forger.refresh_jwt(1, r#"{"alg":"HS256","kid":"1","typ":"rt+jwt"}"#, &claims);
    assert_eq!(self::text(Encoding::Jwt, &keys), jwt);
}

/// For front ends that expect a JWT to say when it ends: to the hour, rounded up, so that a retry yields the same bytes and
/// nothing tells when the session turned. Nothing is judged by it.
#[test]
fn a_jwt_tells_its_session_s_end_to_the_hour() {
    const HOUR: i64 = 3_600_000;
    let keys = ring();
    let forger = Forger::new(&keys.to_json());
    let SessionKey { account, session } = session(1);
    let secret = base64(session_secret(&text(Encoding::Opaque, &keys)));
    let on_the_hour = Timestamp(NOW.0 / HOUR * HOUR);
    for (ends_at, exp) in [
        (on_the_hour, on_the_hour),
        (Timestamp(on_the_hour.0 + 1), Timestamp(on_the_hour.0 + HOUR)),
        (Timestamp(on_the_hour.0 + HOUR - 1), Timestamp(on_the_hour.0 + HOUR)),
    ] {
        let written = token(41).ending(ends_at).encode(Encoding::Jwt, &keys, NOW);
        let claims = format!(
            r#"{{"type":"refresh","sub":"{account}","sid":"{session}","gen":41,"pid":3,"exp":{},"sec":"{secret}"}}"#,
            exp.seconds()
        );
        assert_eq!(
            written.as_str(),
            forger.refresh_jwt(1, r#"{"alg":"HS256","kid":"1","typ":"rt+jwt"}"#, &claims)
        );
        let read = RefreshToken::parse(written.as_str(), &keys, LATER).unwrap();
        assert_eq!(facts(&read), facts(&token(41)));
        assert_eq!(read.encode(Encoding::Jwt, &keys, NOW), written);
        assert_eq!(
            token(41).ending(ends_at).encode(Encoding::Opaque, &keys, NOW).as_str(),
            text(Encoding::Opaque, &keys)
        );
    }
}

#[test]
fn r9_every_proper_prefix_is_refused() {
    let keys = ring();
    for encoding in BOTH {
        let text = text(encoding, &keys);
        for length in 0..text.len() {
            refusal(&text[..length], &keys);
        }
    }
}

#[test]
fn r9_every_extension_is_refused() {
    let keys = ring();
    for encoding in BOTH {
        let text = text(encoding, &keys);
        for byte in 0..128_u8 {
            let extra = char::from(byte);
            refusal(&format!("{text}{extra}"), &keys);
            refusal(&format!("{extra}{text}"), &keys);
            refusal(&format!("{text}{extra}{extra}"), &keys);
        }
        refusal(&format!("{text}{text}"), &keys);
        refusal(&format!("{text}.{text}"), &keys);
    }
}

#[test]
fn r9_every_bit_flip_is_refused() {
    let keys = ring();
    for encoding in BOTH {
        let text = text(encoding, &keys);
        for bit in 0..text.len() * 8 {
            let mut bytes = text.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            // What is no longer UTF-8 cannot even be asked about.
            if let Ok(flipped) = String::from_utf8(bytes) {
                refusal(&flipped, &keys);
            }
        }
    }
}

#[test]
fn r9_every_other_character_is_refused() {
    let keys = ring();
    for encoding in BOTH {
        let text = text(encoding, &keys);
        for (place, original) in text.char_indices() {
            for other in (0..128_u8).map(char::from).filter(|other| *other != original) {
                let mut changed = text.clone();
                changed.replace_range(place..=place, other.encode_utf8(&mut [0; 4]));
                refusal(&changed, &keys);
            }
        }
    }
}

#[test]
fn r9_every_deletion_swap_and_other_alphabet_is_refused() {
    let keys = ring();
    for encoding in BOTH {
        let text = text(encoding, &keys);
        for place in 0..text.len() {
            refusal(&format!("{}{}", &text[..place], &text[place + 1..]), &keys);
            refusal(&format!("{} {}", &text[..place], &text[place..]), &keys);
        }
        for (from, to) in [("-", "+"), ("_", "/")] {
            if text.contains(from) {
                refusal(&text.replace(from, to), &keys);
            }
        }
        for changed in [text.to_lowercase(), text.to_uppercase(), text.replace("spr_", "SPR_")] {
            if changed != text {
                refusal(&changed, &keys);
            }
        }
        for padding in ["=", "==", "%3D", "\0", "\n", "\u{200b}"] {
            refusal(&format!("{text}{padding}"), &keys);
        }
    }
}

#[test]
fn r9_another_json_of_the_same_claims_is_refused_under_a_genuine_tag() {
    let keys = ring();
    let forger = Forger::new(&keys.to_json());
    let text = text(Encoding::Jwt, &keys);
    let plain = |segment: usize| {
        let segment = text.split('.').nth(segment).unwrap();
        String::from_utf8(data_encoding::BASE64URL_NOPAD.decode(segment.as_bytes()).unwrap()).unwrap()
    };
    let (header, claims) = (plain(0), plain(1));
    assert_eq!(forger.refresh_jwt(1, &header, &claims), text);

    let other_headers = [
        header.replace(":\"1\"", ":\"01\""),
        header.replace(":\"1\"", ":\"+1\""),
        header.replace(":\"1\"", ":1"),
        header.replace("rt+jwt", "RT+JWT"),
        header.replace("rt+jwt", "JWT"),
        header.replace("HS256", "none"),
        header.replace("HS256", "hs256"),
        header.replace(',', ", "),
        r#"{"typ":"rt+jwt","alg":"HS256","kid":"1"}"#.to_owned(),
        header.replace("\"kid\"", "\"crit\":[],\"kid\""),
    ];
    for other in other_headers {
        assert_ne!(other, header);
        refusal(&forger.refresh_jwt(1, &other, &claims), &keys);
    }
    let account = session(1).account;
    let other_claims = [
        claims.replace(":41", ":041"),
        claims.replace(":41", ":+41"),
        claims.replace(":41", ":41.0"),
        claims.replace(":41", ":4.1e1"),
        claims.replace(":41", ":\"41\""),
        claims.replace(":41", ":-41"),
        claims.replace(':', ": "),
        claims.replace("\"pid\":3", "\"pid\":65539"),
        claims.replace("\"pid\":3", "\"pid\":3,\"pid\":3"),
        claims.replace("refresh", "access"),
        claims.replace("refresh", "\\u0072efresh"),
        claims.replace(&account.to_string(), &account.to_string().to_uppercase()),
        claims.replace(&account.to_string(), &account.0.simple().to_string()),
        claims.replace(&account.to_string(), &account.0.braced().to_string()),
        claims.replace('}', ",\"exp\":1}"),
        format!(" {claims}"),
        format!("{claims}\n"),
    ];
    for other in other_claims {
        assert_ne!(other, claims);
        refusal(&forger.refresh_jwt(1, &header, &other), &keys);
    }
}

#[test]
fn t10_t25_a_token_cannot_be_moved_to_another_profile_account_session_or_generation() {
    let keys = ring();
    let text = text(Encoding::Opaque, &keys);
    let genuine = data_encoding::BASE64URL_NOPAD.decode(&text.as_bytes()[4..]).unwrap();
    let other = session(9);
    let moves: [(usize, &[u8]); 4] = [
        (2, &[0, 4]),
        (4, other.account.0.as_bytes()),
        (20, other.session.0.as_bytes()),
        (36, &42_u64.to_be_bytes()),
    ];
    for (place, field) in moves {
        let mut moved = genuine.clone();
        moved[place..place + field.len()].copy_from_slice(field);
        assert_eq!(refusal(&format!("spr_{}", base64(moved)), &keys), Malformed::Tag);
    }
}

#[test]
fn r25_a_tag_made_for_another_use_is_refused() {
    let keys = ring();
    let forger = Forger::new(&keys.to_json());
    let (opaque, jwt) = (text(Encoding::Opaque, &keys), text(Encoding::Jwt, &keys));
    let facts = &data_encoding::BASE64URL_NOPAD.decode(&opaque.as_bytes()[4..]).unwrap()[..60];
    let (signed, _) = jwt.rsplit_once('.').unwrap();
    for label in ["sprag refresh jwt v1", "sprag audit v1", "sprag refresh v2", ""] {
        let tag = forger.refresh_tag(1, label, facts);
        let moved = format!("spr_{}", base64([facts, &tag].concat()));
        assert_eq!(refusal(&moved, &keys), Malformed::Tag);
    }
    for label in ["sprag refresh v1", "sprag audit v1", "sprag refresh jwt v2", ""] {
        let moved = format!("{signed}.{}", base64(forger.refresh_tag(1, label, signed.as_bytes())));
        assert_eq!(refusal(&moved, &keys), Malformed::Tag);
    }
}

#[test]
fn t7_whoever_has_the_key_but_not_the_secret_is_told_apart() {
    let keys = ring();
    let genuine = token(41);
    let forged = RefreshToken::first(ProfileId(3), session(1), &SeededRandom::new(99)).at(Generation(41));
    let read = RefreshToken::parse(forged.encode(Encoding::Opaque, &keys, NOW).as_str(), &keys, NOW).unwrap();
    assert_eq!((read.profile, read.key, read.generation), (genuine.profile, genuine.key, genuine.generation));
    assert_ne!(read.secret_hash(), genuine.secret_hash());
}

#[test]
fn t15_a_generation_beyond_the_last_is_refused() {
    let keys = ring();
    for encoding in BOTH {
        for generation in [1 << 53, 9_999_999_999_999_999, u64::MAX] {
            let text = token(generation).encode(encoding, &keys, NOW);
            assert_eq!(refusal(text.as_str(), &keys), Malformed::Generation);
        }
    }
}

#[test]
fn t16_a_retry_across_a_key_switch_gets_the_same_generation_under_the_new_key() {
    let mut keys = ring();
    assert_eq!(keys.add_refresh(&SeededRandom::new(8), NOW, LATER), 2);
    for encoding in BOTH {
        let successor = token(42);
        let first = successor.encode(encoding, &keys, NOW);
        let again = successor.encode(encoding, &keys, LATER);
        assert_ne!(first, again);
        for answer in [&first, &again] {
            // Accept before sign: the new key's token passes already before the switch.
            for now in [NOW, LATER] {
                let read = RefreshToken::parse(answer.as_str(), &keys, now).unwrap();
                assert_eq!(facts(&read), facts(&successor));
            }
        }
        let mut retired = KeyRing::from_json(&keys.to_json()).unwrap();
        assert!(retired.retire("1", LATER));
        assert!(RefreshToken::parse(first.as_str(), &retired, NOW).is_ok());
        let refused = RefreshToken::parse(first.as_str(), &retired, LATER).unwrap_err();
        assert_eq!(refused, Malformed::UnknownKey);
        assert!(RefreshToken::parse(again.as_str(), &retired, LATER).is_ok());
    }
}

/// One request always leads to one secret, so that a lost answer can be given again; and whoever lacks the old secret, the
/// ring or the new session's id comes to another.
#[test]
fn a_session_that_takes_anothers_place_has_a_secret_made_of_the_old_one() {
    let (keys, place) = (ring(), session(9));
    let old = token(41);
    let new = old.replacement(place, &keys, NOW);
    assert_eq!((new.profile, new.key, new.generation), (old.profile, place, Generation(0)));
    assert_eq!(
        new.secret_hash(),
        token(7).replacement(place, &keys, NOW).secret_hash(),
        "whichever generation"
    );

    let other_ring = KeyRing::generate(Algorithm::EdDsa, &SeededRandom::new(8), NOW).expect("a ring");
    let stranger = RefreshToken::first(ProfileId(3), session(1), &SeededRandom::new(3));
    let others = [
        old.secret_hash(),
        old.replacement(session(10), &keys, NOW).secret_hash(),
        old.replacement(place, &other_ring, NOW).secret_hash(),
        stranger.replacement(place, &keys, NOW).secret_hash(),
    ];
    assert!(!others.contains(&new.secret_hash()));
}

/// Computed by hand, as the reference says: HKDF for the key, HMAC for the secret, and nothing shared with a tag.
#[test]
fn the_secret_of_a_replacement_is_what_the_reference_says() {
    let (keys, place) = (ring(), session(9));
    let old = session_secret(&text(Encoding::Opaque, &keys));
    let message = [b"replace", old.as_slice(), place.session.0.as_bytes()].concat();
    let expected = Forger::new(&keys.to_json()).refresh_tag(1, "sprag replace v1", &message);
    let new = token(41).replacement(place, &keys, NOW).encode(Encoding::Opaque, &keys, NOW);
    assert_eq!(session_secret(new.as_str()), expected[..16]);
}

fn request() -> Replacing {
    Replacing { retry_hash: hash_retry_id("change-1"), instance_hash: hash_instance("phone"), at: NOW }
}

/// Whoever repeats the request comes to the same session, under the key that signed then; another request to another one.
#[test]
fn a_session_that_takes_anothers_place_is_found_by_the_request_that_asked_for_it() {
    let (mut keys, request) = (ring(), request());
    let old = token(41);
    let new = old.replacement_by(&request, &keys, NOW);
    assert_eq!(new.key.account, old.key.account);
    assert_eq!(new.secret_hash(), old.replacement(new.key, &keys, NOW).secret_hash());
    let stranger = RefreshToken::first(ProfileId(3), session(1), &SeededRandom::new(3));
    let others = [
        old.replacement_by(&Replacing { retry_hash: hash_retry_id("change-2"), ..request }, &keys, NOW),
        old.replacement_by(&Replacing { instance_hash: hash_instance("curl"), ..request }, &keys, NOW),
        old.replacement_by(&Replacing { at: LATER, ..request }, &keys, NOW),
        stranger.replacement_by(&request, &keys, NOW),
    ];
    assert!(others.iter().all(|other| other.key.session != new.key.session));

    keys.add_refresh(&SeededRandom::new(11), NOW, NOW);
    let found: Vec<_> = old.replacements_by(&request, &keys, NOW).map(|one| one.key.session).collect();
    assert_eq!(found.len(), 2, "one for each key that is accepted");
    assert!(found.contains(&new.key.session));
    keys.retire("1", LATER);
    let mut left = old.replacements_by(&request, &keys, LATER);
    assert!(left.all(|one| one.key.session != new.key.session), "and none for a key that has retired");
}

#[test]
fn the_id_of_a_replacement_is_what_the_reference_says() {
    let keys = ring();
    let old = session_secret(&text(Encoding::Opaque, &keys));
    let (retry, instance) = (hash_retry_id("change-1"), hash_instance("phone"));
    let old_id = token(41).key.session.0;
    let message = [b"session id", old.as_slice(), old_id.as_bytes(), &retry, &instance].concat();
    let mac = Forger::new(&keys.to_json()).refresh_tag(1, "sprag replace v1", &message);
    let millis = u64::try_from(NOW.0).unwrap();
    let bytes = mac[..10].try_into().unwrap();
    let expected = uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid();
    assert_eq!(token(41).replacement_by(&request(), &keys, NOW).key.session.0, expected);
    assert_eq!(expected.get_version_num(), 7);
}

#[test]
fn nothing_prints_the_secret() {
    let keys = ring();
    let token = token(41);
    let text = token.encode(Encoding::Opaque, &keys, NOW);
    assert_eq!(format!("{text:?}"), "TokenText");
    assert!(!format!("{token:?}").contains("secret"));
    let refused = RefreshToken::parse("spr_canary", &keys, NOW).unwrap_err();
    assert!(!format!("{refused:?} {refused}").contains("canary"));
}

#[test]
fn r26_what_is_too_long_is_not_looked_at() {
    let keys = ring();
    assert_eq!(refusal(&"spr_".repeat(MAX_BYTES), &keys), Malformed::TooLong);
    assert_eq!(refusal(&"a".repeat(MAX_BYTES), &keys), Malformed::Form);
    assert_eq!(refusal(&".".repeat(MAX_BYTES), &keys), Malformed::Form);
    assert_eq!(refusal(&format!("{}..", "a".repeat(8000)), &keys), Malformed::Length);
}

#[test]
fn hashes_of_one_text_for_two_uses_differ() {
    assert_eq!(hash_retry_id("a"), hash_retry_id("a"));
    assert_ne!(hash_retry_id("a"), hash_retry_id("b"));
    assert_ne!(hash_retry_id("a"), hash_instance("a"));
}

proptest! {
    #[test]
    fn whatever_is_written_is_read(
        profile: u16, account: u128, session: u128, generation in 0..1_u64 << 53, seed: u64, jwt: bool,
    ) {
        let keys = ring();
        let key = SessionKey {
            account: AccountId(Uuid::from_u128(account)),
            session: SessionId(Uuid::from_u128(session)),
        };
        let encoding = BOTH[usize::from(jwt)];
        let token = RefreshToken::first(ProfileId(profile), key, &SeededRandom::new(seed))
            .at(Generation(generation));
        let text = token.encode(encoding, &keys, NOW);
        let read = RefreshToken::parse(text.as_str(), &keys, NOW).unwrap();
        prop_assert_eq!(facts(&read), facts(&token));
        prop_assert!(read.encode(encoding, &keys, NOW) == text);
    }

    #[test]
    fn r9_nothing_else_is_read(text in "(spr_)?[A-Za-z0-9_.-]{0,400}|\\PC*") {
        prop_assert!(RefreshToken::parse(&text, &ring(), NOW).is_err());
    }

    #[test]
    fn r9_no_edit_is_read(jwt: bool, place: prop::sample::Index, removed in 0..9_usize, added in "[A-Za-z0-9_.=-]{0,9}") {
        let keys = ring();
        let text = text(BOTH[usize::from(jwt)], &keys);
        let start = place.index(text.len());
        let end = text.len().min(start + removed);
        let edited = format!("{}{added}{}", &text[..start], &text[end..]);
        prop_assert_eq!(RefreshToken::parse(&edited, &keys, NOW).is_ok(), edited == text);
    }
}

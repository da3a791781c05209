//! Any facts under a genuine tag: what is written is read, then one edit of it is not.

#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use sprag::access::Algorithm;
use sprag::clock::Timestamp;
use sprag::keys::KeyRing;
use sprag::policy::MAX_GENERATION;
use sprag::random::SeededRandom;
use sprag::session::{AccountId, Generation, ProfileId, SessionId, SessionKey};
use sprag::token::{Encoding, RefreshToken};
use uuid::Uuid;

static KEYS: LazyLock<KeyRing> =
    LazyLock::new(|| KeyRing::generate(Algorithm::Hs256, &SeededRandom::new(1), NOW).expect("a ring"));

const NOW: Timestamp = Timestamp(1_800_000_000_000);

#[derive(Arbitrary, Debug)]
struct Facts {
    profile: u16,
    account: [u8; 16],
    session: [u8; 16],
    generation: u64,
    secret_seed: u64,
    is_jwt: bool,
    edit_start: u16,
    edit_removes: u8,
    edit_adds: String,
}

fuzz_target!(|facts: Facts| {
    let key = SessionKey {
        account: AccountId(Uuid::from_bytes(facts.account)),
        session: SessionId(Uuid::from_bytes(facts.session)),
    };
    let encoding = if facts.is_jwt { Encoding::Jwt } else { Encoding::Opaque };
    let token = RefreshToken::first(ProfileId(facts.profile), key, &SeededRandom::new(facts.secret_seed))
        .at(Generation(facts.generation));
    let text = token.encode(encoding, &KEYS, NOW);
    match RefreshToken::parse(text.as_str(), &KEYS, NOW) {
        Err(_) => assert!(facts.generation > MAX_GENERATION),
        Ok(read) => {
            assert!(facts.generation <= MAX_GENERATION);
            assert_eq!((read.profile, read.key, read.generation), (token.profile, key, token.generation));
            assert_eq!(read.secret_hash(), token.secret_hash());
        }
    }
    let text = text.as_str();
    let start = usize::from(facts.edit_start) % (text.len() + 1);
    let end = text.len().min(start + usize::from(facts.edit_removes));
    let edited = format!("{}{}{}", &text[..start], facts.edit_adds, &text[end..]);
    if edited != text {
        assert!(RefreshToken::parse(&edited, &KEYS, NOW).is_err());
    }
});

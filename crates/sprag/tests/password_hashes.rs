//! Password hashes of other systems: genuine ones are verified by their maker's rule, all else is refused unhashed.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde::Deserialize;
use sprag::password::{Hasher, Match, Password, Unusable, check_hash};
use unicode_normalization::UnicodeNormalization as _;

/// A hash by the software it names. `make_password_hashes.py` beside the file made them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    name: String,
    #[serde(rename = "version")]
    _version: String,
    hash: String,
    password: String,
    wrong: String,
    /// Another password that the maker's rule does not tell from the first.
    same: Option<String>,
}

#[derive(Deserialize)]
struct Vectors {
    vectors: Vec<Vector>,
}

fn vectors() -> Vec<Vector> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/password_hashes.json");
    serde_json::from_str::<Vectors>(&fs::read_to_string(path).unwrap()).unwrap().vectors
}

/// Each hash gets a hasher of its own, which has met no costlier one.
async fn verify(password: &str, stored: &str) -> Option<Match> {
    let hasher = Hasher::start(1, 1).unwrap();
    hasher.verify(Password::typed(password).unwrap(), Some(stored.to_owned())).await.ok()
}

fn family(hash: &str) -> &'static str {
    let is_any = |parts: &[&str]| parts.iter().any(|part| hash.contains(part));
    match () {
        () if is_any(&["argon2"]) => "Argon2",
        () if is_any(&["pbkdf2"]) => "PBKDF2",
        () if is_any(&["$2a$", "$2b$", "$2y$", "bcrypt-sha256"]) => "bcrypt",
        () if is_any(&["scrypt"]) => "scrypt",
        () => panic!("no test runs {hash}"),
    }
}

/// What the right password gives. Of 72 bytes or more plain bcrypt has not seen the tail: such a hash is never replaced.
fn right(password: &str, hash: &str) -> Match {
    let is_plain = family(hash) == "bcrypt" && !hash.contains("sha256");
    if is_plain && password.len() >= 72 { Match::Yes } else { Match::Outdated }
}

async fn verify_all(meant: &str) {
    let vectors: Vec<_> = vectors().into_iter().filter(|vector| family(&vector.hash) == meant).collect();
    assert!(vectors.len() > 10, "{} vectors", vectors.len());
    for Vector { name, hash, password, wrong, same, .. } in vectors {
        assert_eq!(check_hash(&hash), Ok(()), "{name}");
        assert_eq!(verify(&password, &hash).await, Some(right(&password, &hash)), "{name}");
        assert_eq!(verify(&wrong, &hash).await, Some(Match::No), "{name}, wrong password");
        // Composed otherwise it is the same password, whose hash is not made anew from what was typed.
        let decomposed: String = password.nfd().collect();
        if decomposed != password {
            assert_eq!(verify(&decomposed, &hash).await, Some(Match::Yes), "{name}, decomposed");
        }
        if let Some(same) = same {
            assert_eq!(verify(&same, &hash).await, Some(right(&same, &hash)), "{name}, same to the maker");
        }
    }
}

#[tokio::test]
async fn t30_hashes_by_bcrypt_are_verified_by_its_makers_rules() {
    verify_all("bcrypt").await;
}

#[tokio::test]
async fn hashes_by_argon2_are_verified_with_any_parameters() {
    verify_all("Argon2").await;
}

#[tokio::test]
async fn hashes_by_scrypt_are_verified() {
    verify_all("scrypt").await;
}

#[tokio::test]
async fn hashes_by_pbkdf2_are_verified() {
    verify_all("PBKDF2").await;
}

/// Every prefix of a genuine hash is refused, or is the hash of nothing that was typed.
#[tokio::test]
async fn t29_a_truncated_hash_does_not_match() {
    let mut shorter_hashes = 0;
    for Vector { name, hash, password, .. } in vectors() {
        for end in (0..hash.len()).filter(|end| hash.is_char_boundary(*end)) {
            let truncated = &hash[..end];
            // Only Argon2's outputs have no fixed length; the shorter one is another hash.
            if check_hash(truncated).is_ok() {
                assert!(truncated.contains("argon2"), "{name}: {truncated}");
                if name.ends_with("plain") && !name.contains("default cost") {
                    assert_eq!(verify(&password, truncated).await, Some(Match::No), "{name}: {truncated}");
                    shorter_hashes += 1;
                }
            }
        }
    }
    assert!(shorter_hashes > 10, "{shorter_hashes} shorter hashes by Argon2");
}

const SALT_AND_OUTPUT: &str = "WUwWdfR/kOeISZK8gRW1qehO34T7syXU4cskKcDMaUxAdQt41mu/.";
const OUTPUT_32: &str = "aXQgbWF0Y2hlcyBubyBwYXNzd29yZCBhdCBhbGwhISE";

async fn refuse_all(corpus: Vec<String>, is_right: impl Fn(Unusable) -> bool) {
    let hasher = Hasher::start(1, 1).unwrap();
    for stored in corpus {
        let why = check_hash(&stored).expect_err(&stored);
        assert!(is_right(why), "{stored}: {why}");
        let verified = hasher.verify(Password::typed("password").unwrap(), Some(stored.clone())).await;
        assert!(verified.is_err(), "{stored}");
    }
}

#[tokio::test]
async fn t29_a_hash_that_costs_too_much_is_refused() {
    let argon2 =
        ["m=262145,t=1,p=1", "m=4194304,t=3,p=1", "m=64,t=17,p=1", "m=512,t=1,p=17", "m=262144,t=5,p=1"]
            .into_iter()
            .chain(["m=4294967295,t=4294967295,p=4294967295", "m=99999999999999999999,t=1,p=1"])
            .flat_map(|costs| {
                let hash = format!("argon2id$v=19${costs}$c29tZXNhbHQ${OUTPUT_32}");
                [format!("${hash}"), format!("argon2${hash}")]
            });
    let bcrypt = ["16", "31", "99", "4294967296"].into_iter().flat_map(|cost| {
        let (salt, output) = SALT_AND_OUTPUT.split_at(22);
        [
            format!("$2b${cost}${SALT_AND_OUTPUT}"),
            format!("bcrypt$$2y${cost}${SALT_AND_OUTPUT}"),
            format!("bcrypt_sha256$$2b${cost}${SALT_AND_OUTPUT}"),
            format!("$bcrypt-sha256$v=2,t=2b,r={cost}${salt}${output}"),
            format!("$bcrypt-sha256$2a,{cost}${salt}${output}"),
        ]
    });
    let (b64, hex) = (format!("{}==", "A".repeat(86)), "0".repeat(128));
    let scrypt = [
        (19, 8, 1),
        (17, 8, 5),
        (1, 8, 1_000_000_000),
        (1, u32::MAX, 1),
        (10, 8, u32::MAX),
        (31, 1, 1),
        (1, 1, 33),
        (1, 33, 1),
        (1, 8, 2_000_000),
    ]
    .into_iter()
    .flat_map(|(log_n, r, p)| {
        let n = 1_u64 << log_n;
        [
            format!("$scrypt$ln={log_n},r={r},p={p}$c29tZXNhbHQ${OUTPUT_32}"),
            format!("scrypt${n}$salt${r}${p}${b64}"),
            format!("scrypt:{n}:{r}:{p}$salt${hex}"),
        ]
    });
    let scrypt = scrypt.chain([
        format!("$scrypt$ln=63,r=8,p=1$c29tZXNhbHQ${OUTPUT_32}"),
        format!("$scrypt$ln=4294967296,r=4294967296,p=4294967296$c29tZXNhbHQ${OUTPUT_32}"),
        format!("scrypt$18446744073709551616$salt$8$1${b64}"),
    ]);
    let pbkdf2 =
        ["10000001", "4294967295", "4294967296", "99999999999999999999999"].into_iter().flat_map(|n| {
            [
                format!("pbkdf2_sha256${n}$salt${OUTPUT_32}="),
                format!("pbkdf2:sha512:{n}$salt${hex}"),
                format!("$pbkdf2-sha256${n}$c2FsdA${OUTPUT_32}"),
            ]
        });
    let pbkdf2 = pbkdf2.chain([
        format!("pbkdf2:sha512:5000001$salt${hex}"),
        format!("pbkdf2:sha384:5000001$salt${}", &hex[..96]),
        format!("pbkdf2:sha1:10000001$salt${}", &hex[..40]),
    ]);
    let bombs = argon2.chain(bcrypt).chain(scrypt).chain(pbkdf2).collect();
    refuse_all(bombs, |why| matches!(why, Unusable::TooCostly { .. })).await;
}

#[tokio::test]
async fn t29_a_hash_with_a_short_output_or_a_strange_form_is_refused() {
    // An output of no or few bytes would match any password, or many.
    let short_outputs = (0..10).flat_map(|bytes| {
        let output = &OUTPUT_32[..(bytes * 4_usize).div_ceil(3)];
        [
            format!("$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ${output}"),
            format!("$scrypt$ln=4,r=8,p=1$c29tZXNhbHQ${output}"),
            format!("scrypt$16$salt$8$1${output}"),
            format!("scrypt:16:8:1$salt${}", "00".repeat(bytes)),
            format!("pbkdf2_sha256$1$salt${output}"),
            format!("pbkdf2:sha256:1$salt${}", "00".repeat(bytes)),
            format!("$pbkdf2-sha256$1$c2FsdA${output}"),
            format!("$2b$04${}", &SALT_AND_OUTPUT[..22 + bytes]),
        ]
    });
    let strange = [
        // RUSTSEC-2026-0199: letters of several bytes where a salt is cut from an output.
        format!("$2b$04${}é{}", "a".repeat(21), "a".repeat(30)),
        format!("$2b$04${}", "€".repeat(18)),
        format!("$2b$é4${SALT_AND_OUTPUT}"),
        format!("bcrypt$$2b$04${}", "🐢".repeat(13)),
        format!("$bcrypt-sha256$v=2,t=2b,r=4${}${}", "é".repeat(11), "é".repeat(15)),
        format!("$2b$+4${SALT_AND_OUTPUT}"),
        format!("$2b$ 4${SALT_AND_OUTPUT}"),
        format!("$2b$03${SALT_AND_OUTPUT}"),
        format!("$2b$00${SALT_AND_OUTPUT}"),
        format!("$2b$04${SALT_AND_OUTPUT}\n"),
        format!("$2b$04${SALT_AND_OUTPUT}a"),
        format!("$argon2id$v=19$m=0,t=1,p=1$c29tZXNhbHQ${OUTPUT_32}"),
        format!("$argon2id$v=19$m=64,t=0,p=1$c29tZXNhbHQ${OUTPUT_32}"),
        format!("$argon2id$v=19$m=+64,t=1,p=1$c29tZXNhbHQ${OUTPUT_32}"),
        format!("$argon2id$v=19$m=-64,t=1,p=1$c29tZXNhbHQ${OUTPUT_32}"),
        format!("$argon2id$v=19$m=8,t=1,p=16$c29tZXNhbHQ${OUTPUT_32}"),
        format!("$argon2id$v=19$m=64,t=1,p=1$c2FsdA${OUTPUT_32}"),
        format!("$scrypt$ln=0,r=8,p=1$c29tZXNhbHQ${OUTPUT_32}"),
        format!("scrypt:1:8:1$salt${}", "0".repeat(128)),
        format!("scrypt:1000:8:1$salt${}", "0".repeat(128)),
        format!("scrypt:16:0:1$salt${}", "0".repeat(128)),
        format!("pbkdf2_sha256$0$salt${OUTPUT_32}="),
        format!("pbkdf2_sha256$1$${OUTPUT_32}="),
        format!("pbkdf2_sha256$1${}${OUTPUT_32}=", "s".repeat(65)),
        format!("pbkdf2:sha256:1$salt${}", "0".repeat(63)),
        format!("pbkdf2:sha256$salt${}", "0".repeat(64)),
    ];
    let corpus = short_outputs.chain(strange).collect();
    refuse_all(corpus, |why| matches!(why, Unusable::Damaged(_))).await;
}

#[tokio::test]
async fn what_is_known_and_not_supported_is_named() {
    let corpus = [
        ("$1$salt$qJH7.N4xYta3aEG/dfqo/0", "MD5-crypt"),
        ("$6$rounds=5000$salt$IxDD3jeSOb5eB1CX5LBsqZFVkJdido3OUILO5Ifz5iwMuTS4", "SHA-512-crypt"),
        ("$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7", "yescrypt"),
        ("$2x$04$WUwWdfR/kOeISZK8gRW1qehO34T7syXU4cskKcDMaUxAdQt41mu/.", "faulty library"),
        ("$P$984478476IagS59wHZvyQMArzfx58u.", "phpass"),
        ("{SSHA}VHg0eFQzTUN0c2FsdA==", "braces"),
        ("sha1$salt$0123456789abcdef0123456789abcdef01234567", "SHA-1"),
        ("plain$$password", "in clear"),
        ("pbkdf2:md5:1000$salt$0123456789abcdef0123456789abcdef", "PBKDF2 with another digest"),
        ("5f4dcc3b5aa765d61d8327deb882cf99", "plain digest"),
        ("5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8", "plain digest"),
        ("$unheard-of$salt$hash", "not known"),
    ];
    for (stored, name) in corpus {
        let why = check_hash(stored).unwrap_err();
        assert!(matches!(why, Unusable::Unsupported(_)) && why.to_string().contains(name), "{stored}: {why}");
    }
    refuse_all(corpus.map(|(stored, _)| stored.to_owned()).into(), |_| true).await;
}

#[tokio::test]
async fn what_is_no_hash_is_refused() {
    let mut texts: Vec<_> = [
        "password123",
        "$",
        "$$",
        "é",
        "null",
        "0",
        "\0",
        "a$b$c",
        "$2",
        "$2b",
        "2b$04$abc",
        ":$$",
        "🐢$🐢$🐢",
    ]
    .map(str::to_owned)
    .into();
    texts.push("a".repeat(1 << 20));
    texts.push(format!("$2b$04${}", "a".repeat(1 << 20)));
    refuse_all(texts, |why| matches!(why, Unusable::NotAHash | Unusable::Unsupported(_))).await;
    let unset = ["", "!", "!fR8kq2Vp0mPz7tYc1xW3bN5sL9dH4gJ6aQeUoIrT", "*"].map(str::to_owned).into();
    refuse_all(unset, |why| why == Unusable::NoPassword).await;
}

#[test]
fn the_report_says_why_and_what_to_do() {
    let sentence = |stored: &str| check_hash(stored).unwrap_err().to_string();
    assert_eq!(
        sentence(&format!("$2b$31${SALT_AND_OUTPUT}")),
        "this hash asks for more than 15 as the cost of bcrypt, too much for one log-in; let this user set a new password"
    );
    assert_eq!(
        sentence("$2b$12$WUwWdfR"),
        "this bcrypt hash is cut short or damaged; export it again, and look whether its column is too narrow"
    );
    assert_eq!(
        sentence("hunter2"),
        "this is not a password hash; look whether it comes from the right column"
    );
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in any::<String>()) {
        let _ = check_hash(&text);
    }

    #[test]
    fn no_text_of_a_hash_s_letters_makes_the_reader_panic(
        text in "(\\$|argon2id\\$|v=19|2b|bcrypt|scrypt|pbkdf2|[:,=$é]|m=|t=|p=|ln=|r=|sha256|[0-9]{1,12}|[A-Za-z./+]{1,60}){0,16}"
    ) {
        let _ = check_hash(&text);
    }

    #[test]
    fn a_genuine_hash_with_a_letter_changed_makes_no_panic(
        which in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(), letter in any::<char>(),
    ) {
        let vectors = vectors();
        let mut letters: Vec<char> = vectors[which.index(vectors.len())].hash.chars().collect();
        let place = place.index(letters.len());
        letters[place] = letter;
        let _ = check_hash(&letters.into_iter().collect::<String>());
    }
}

//! Password hashes of the systems that people move from: read by their maker's rule, or called what they are.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::fs;
use std::path::Path;

use data_encoding::BASE64;
use serde::Deserialize;
use sprag::password::{Hasher, Match, Password, SourceSecrets, Unusable, check_hash};
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

/// A hash by the software that it names. `make_moved_hashes.py` beside the file made them, and quotes some of their makers'.
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
    pepper: Option<String>,
    /// Firebase's signer key, in Base64.
    signer_key: Option<String>,
}

#[derive(Deserialize)]
struct Vectors {
    vectors: Vec<Vector>,
}

fn vectors() -> Vec<Vector> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/moved_hashes.json");
    serde_json::from_str::<Vectors>(&fs::read_to_string(path).unwrap()).unwrap().vectors
}

fn hasher(secrets: SourceSecrets) -> Hasher {
    Hasher::start(1, 1).unwrap().with_secrets(secrets)
}

fn secrets(vector: &Vector) -> SourceSecrets {
    let signer = vector.signer_key.as_ref().map(|key| Zeroizing::new(BASE64.decode(key.as_bytes()).unwrap()));
    let pepper = vector.pepper.as_ref().map(|pepper| Zeroizing::new(pepper.clone().into_bytes()));
    SourceSecrets { pepper, firebase_signer_key: signer }
}

async fn verify(hasher: &Hasher, password: &str, hash: &str) -> Option<Match> {
    hasher.verify(Password::typed(password).unwrap(), Some(hash.to_owned())).await.ok()
}

/// Those whose name begins so; each is taken, and told from a wrong password.
async fn verify_all(begins: &[&str], least: usize) {
    let is_meant = |vector: &Vector| begins.iter().any(|begin| vector.name.starts_with(begin));
    let meant: Vec<_> = vectors().into_iter().filter(is_meant).collect();
    assert!(meant.len() >= least, "{} vectors of {begins:?}", meant.len());
    for vector in meant {
        let (hasher, Vector { name, hash, password, wrong, .. }) = (hasher(secrets(&vector)), &vector);
        assert_eq!(hasher.check(hash), Ok(()), "{name}");
        assert_eq!(verify(&hasher, wrong, hash).await, Some(Match::No), "{name}, wrong password");
        let found = verify(&hasher, password, hash).await;
        let Some(same) = &vector.same else {
            assert_eq!(found, Some(Match::Outdated), "{name}");
            continue;
        };
        // Of the spellings that are the same to its maker the hash is of one; made anew from another it would lose that.
        let plain: String = password.nfkc().collect();
        assert_eq!(verify(&hasher, &plain, hash).await, Some(Match::Outdated), "{name}");
        for (spelling, found) in [(password, found), (same, verify(&hasher, same, hash).await)] {
            let expected = if *spelling == plain { Match::Outdated } else { Match::Yes };
            assert_eq!(found, Some(expected), "{name}, {spelling:?}");
        }
    }
}

#[tokio::test]
async fn argon2_with_its_parameters_in_another_order_was_called_damaged() {
    verify_all(&["node-argon2", "PHP ARGON2"], 8).await;
}

#[tokio::test]
async fn scrypt_of_better_auth_lucia_and_node_was_no_hash() {
    verify_all(&["better-auth", "Lucia", "scrypt of Node", "AdonisJS"], 11).await;
}

#[tokio::test]
async fn hashes_of_asp_net_identity_were_no_hashes() {
    verify_all(&["ASP.NET"], 6).await;
}

#[tokio::test]
async fn firebases_hashes_are_compared_with_its_signer_key() {
    verify_all(&["Firebase"], 6).await;
}

#[tokio::test]
async fn hashes_of_php_laravel_wordpress_and_rails_are_read() {
    verify_all(&["PHP bcrypt", "WordPress", "Rails", "Devise"], 5).await;
}

#[tokio::test]
async fn a_name_in_braces_before_a_hash_hid_what_it_was() {
    verify_all(&["Spring", "ldap_", "bcrypt behind"], 7).await;
}

#[tokio::test]
async fn pbkdf2_as_a_phc_string_was_called_damaged() {
    verify_all(&["PHC PBKDF2"], 2).await;
}

#[tokio::test]
async fn a_hash_with_a_secret_of_its_maker_says_which_setting_it_wants() {
    let nobody = hasher(SourceSecrets::default());
    let mut told = 0;
    for Vector { name, hash, password, pepper, signer_key, .. } in vectors() {
        let setting = match (pepper, signer_key) {
            (None, None) => continue,
            (Some(_), _) => "SPRAG_IMPORTED_PEPPER",
            _ => "SPRAG_FIREBASE_SIGNER_KEY",
        };
        let why = check_hash(&hash).unwrap_err();
        assert!(
            matches!(why, Unusable::LacksSecret(_)) && why.to_string().contains(setting),
            "{name}: {why}"
        );
        assert_eq!(nobody.check(&hash), Err(why), "{name}");
        assert_eq!(verify(&nobody, &password, &hash).await, None, "{name}: it matches nothing without");
        told += 1;
    }
    assert!(told >= 6, "{told}");
}

/// The rest of one would be a genuine, weaker hash, or the hash of nothing.
#[tokio::test]
async fn a_moved_hash_that_was_cut_short_does_not_match() {
    for vector in vectors() {
        let (hasher, Vector { name, hash, password, .. }) = (hasher(secrets(&vector)), &vector);
        for end in (0..hash.len()).filter(|end| hash.is_char_boundary(*end)) {
            let cut = &hash[..end];
            // Without its padding it is the same.
            if hasher.check(cut).is_ok() && !hash[end..].bytes().all(|byte| byte == b'=') {
                assert_ne!(verify(&hasher, password, cut).await, Some(Match::Outdated), "{name}: {cut}");
            }
        }
    }
}

#[test]
fn what_cannot_be_read_is_called_what_it_is_and_never_damaged() {
    const OUTPUT: &str = "aXQgbWF0Y2hlcyBubyBwYXNzd29yZCBhdCBhbGwhISE";
    let long = format!("$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ${}", "A".repeat(88));
    let (hex_32, hex_40, hex_64) = ("0".repeat(32), "0".repeat(40), "0".repeat(64));
    let base64 = |bytes: usize| BASE64.encode(&vec![7; bytes]);
    for (hash, name) in [
        (format!("$argon2id$v=20$m=64,t=1,p=1$c29tZXNhbHQ${OUTPUT}"), "another version"),
        (format!("$argon2x$v=19$m=64,t=1,p=1$c29tZXNhbHQ${OUTPUT}"), "another kind than Argon2id"),
        (format!("$argon2id$v=19$m=64,t=1,p=1,x=1$c29tZXNhbHQ${OUTPUT}"), "a parameter"),
        (format!("$argon2id$v=19$m=64,t=1,p=1,data={}$c29tZXNhbHQ${OUTPUT}", base64(33)), "associated data"),
        (long, "more than 64 bytes"),
        (format!("$pbkdf2-sha3-256$i=1000$c2FsdA${OUTPUT}"), "another digest"),
        (format!("$pbkdf2-md5$1000$c2FsdA${OUTPUT}"), "another digest"),
        (format!("$pbkdf2-sha512$i=1000,l=32$c2FsdA${OUTPUT}"), "another length"),
        (format!("$scrypt$ln=4,r=8,p=1,x=1$c2FsdA${OUTPUT}"), "a parameter"),
        ("{CRYPT}$6$salt$IxDD3jeSOb5eB1CX5LBsqZFVkJdido3OUILO5Ifz5iwMuTS4".to_owned(), "SHA-512-crypt"),
        ("$5$rounds=5000$salt$IxDD3jeSOb5eB1CX5LBsqZFVkJdido3".to_owned(), "SHA-256-crypt"),
        ("{SSHA}VHg0eFQzTUN0c2FsdA==".to_owned(), "braces"),
        ("{noop}password".to_owned(), "in clear"),
        ("{pbkdf2@SpringSecurity_v5_8}00".to_owned(), "Spring's PBKDF2"),
        (r#"{"value":"x","salt":"y"}"#.to_owned(), "Keycloak"),
        (r#"[{"type":"password"}]"#.to_owned(), "Keycloak"),
        ("$P$984478476IagS59wHZvyQMArzfx58u.".to_owned(), "WordPress"),
        ("$S$D984478476IagS59wHZvyQMArzfx58u.".to_owned(), "Drupal"),
        (format!("*{hex_40}"), "MySQL"),
        (format!("{hex_32}:salt"), "a salt beside it"),
        (format!("salt:{hex_64}"), "a salt beside it"),
        (base64(64), "--firebase-scrypt"),
        (base64(32), "in Base64"),
        ("AQAAAAIAAAAyAAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4A=".to_owned(), "ASP.NET Identity"),
        ("SCRAM-SHA-256$4096:c2FsdA==$x:y".to_owned(), "PostgreSQL"),
        (":pbkdf2:sha512:30000:64:c2FsdA==:x".to_owned(), "MediaWiki"),
        (format!("{{peppered}}{hex_32}"), "peppered"),
        (format!("$scrypt$ln=4,r=8,p=1$c2FsdHNhbHQ${}", base64(64)), "another length"),
        (format!("$pbkdf2-sha256$1000$c2FsdA${}", base64(64)), "another length"),
        ("0".repeat(1024), "passport-local-mongoose"),
        (format!("400$8$36$78f4ae6983f76119${hex_64}"), "Ruby's gem"),
    ] {
        let why = check_hash(&hash).unwrap_err();
        assert!(matches!(why, Unusable::Unsupported(_)) && why.to_string().contains(name), "{hash}: {why}");
    }
}

#[test]
fn dear_parameters_are_refused_in_every_form() {
    let (salt, hex) = ("c29tZXNhbHQ", "0".repeat(128));
    let b64 = BASE64.encode(&[7; 64]);
    for bomb in [
        format!("$argon2id$v=19$p=1,t=5,m=262144${salt}${b64}"),
        format!("$scrypt$n=1048576,r=8,p=1${salt}${}", b64.trim_end_matches('=')),
        format!("$scrypt$n=4294967296,r=8,p=1${salt}${b64}"),
        format!("$160801${b64}${}", BASE64.encode(&[7; 32])),
        format!("$s0$0e2101${b64}${}", BASE64.encode(&[7; 32])),
        format!("$firescrypt$ln=20,r=8,p=1${salt}${b64}$Bw=="),
        format!("$firescrypt$ln=14,r=8,p=33${salt}${b64}$Bw==${b64}"),
        format!("$fbscrypt$v=1,n=31,r=1,p=1,ss=Bw==,sk={b64}${salt}${b64}"),
        format!("$pbkdf2-sha512$i=5000001,l=64${salt}${b64}"),
        format!("{{PBKDF2-SHA256}}10000001${salt}${}", BASE64.encode(&[7; 32]).trim_end_matches('=')),
        BASE64.encode(&[&[1, 0, 0, 0, 1, 0, 0x98, 0x96, 0x81, 0, 0, 0, 16][..], &[7; 48]].concat()),
        format!("{{bcrypt}}$2a$16${}", "a".repeat(53)),
        format!("{{peppered}}$2a$31${}", "a".repeat(53)),
        format!("$wp$2y$16${}", "a".repeat(53)),
        format!("$bcrypt$v=98$r=16${}${}", &BASE64.encode(&[7; 16])[..22], &BASE64.encode(&[7; 23])[..31]),
    ] {
        let why = check_hash(&bomb).unwrap_err();
        assert!(matches!(why, Unusable::TooCostly { .. }), "{bomb}: {why}");
    }
    assert_eq!(check_hash(&format!("{}:{hex}", "0".repeat(32))), Ok(()));
}

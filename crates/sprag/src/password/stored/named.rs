//! Why a text cannot be read as a hash: what it is called where that is known, so that whoever moves in knows what they have.

use data_encoding::BASE64;

use super::super::Unusable;
use super::plain::hex;

/// The starts of what is read here, for telling a damaged hash from another kind.
const READ: [(&str, &str); 19] = [
    ("$argon2", "Argon2"),
    ("argon2$", "Argon2"),
    ("$2a$", "bcrypt"),
    ("$2b$", "bcrypt"),
    ("$2y$", "bcrypt"),
    ("$wp$2y$", "WordPress"),
    ("bcrypt$", "bcrypt"),
    ("bcrypt_sha256$", "bcrypt"),
    ("$bcrypt-sha256$", "bcrypt"),
    ("$bcrypt$", "bcrypt"),
    ("$scrypt$", "scrypt"),
    ("scrypt$", "scrypt"),
    ("scrypt:", "scrypt"),
    ("$firescrypt$", "Firebase"),
    ("$fbscrypt$", "Firebase"),
    ("$pbkdf2", "PBKDF2"),
    ("pbkdf2_sha", "PBKDF2"),
    ("pbkdf2:sha", "PBKDF2"),
    ("s2:", "Lucia"),
];

/// The starts of what is known and not read: too weak to vouch for anybody, or too rare.
const NOT_READ: [(&str, &str); 46] = [
    ("$2x$", "bcrypt by a faulty library (2x)"),
    ("$2$", "bcrypt of its first form (2)"),
    ("$1$", "MD5-crypt"),
    ("$apr1$", "MD5-crypt"),
    ("$3$", "an NT hash, as FreeBSD writes it"),
    ("$5$", "SHA-256-crypt"),
    ("$6$", "SHA-512-crypt"),
    ("$7$", "scrypt as crypt writes it"),
    ("$8$", "PBKDF2 as Cisco writes it"),
    ("$9$", "scrypt as Cisco writes it"),
    ("$y$", "yescrypt"),
    ("$gy$", "yescrypt"),
    ("$sm3$", "SM3-crypt"),
    ("$md5", "Sun's MD5-crypt"),
    ("$sha1$", "SHA-1-crypt"),
    ("$sha$", "salted SHA-256, as AuthMe writes it"),
    ("$SHA$", "salted SHA-256, as AuthMe writes it"),
    ("$P$", "phpass, as WordPress before 6.8 writes it"),
    ("$H$", "phpass, as phpBB writes it"),
    ("$S$", "Drupal's SHA-512"),
    ("U$", "Drupal's hash of an MD5"),
    ("phpass$", "phpass"),
    ("pbkdf2_", "PBKDF2 with another digest than SHA-1 or SHA-2"),
    ("pbkdf2:", "PBKDF2 with another digest than SHA-1 or SHA-2"),
    ("grub.pbkdf2.", "PBKDF2 as GRUB writes it"),
    ("SCRAM-SHA-", "SCRAM, as PostgreSQL writes it"),
    (":pbkdf2:", "PBKDF2 as MediaWiki writes it"),
    (":A:", "MediaWiki's MD5"),
    (":B:", "MediaWiki's salted MD5"),
    ("sha1:", "PBKDF2 as Defuse's library writes it"),
    ("0x0100", "SQL Server's own hash"),
    ("0x0200", "SQL Server's own hash"),
    ("crypt$$", "Unix crypt, as Django writes it"),
    ("md5$", "salted MD5"),
    ("sha1$", "salted SHA-1"),
    ("sha256$", "salted SHA-256"),
    ("sha512$", "salted SHA-512"),
    ("unsalted_", "a plain digest, as Django writes it"),
    ("plain$", "a password in clear"),
    ("{noop}", "a password in clear"),
    ("{peppered}", "a peppered hash of a kind that is not known here"),
    ("{\"", "a hash in a JSON document, as Keycloak keeps it (secret_data, credential_data)"),
    ("{ \"", "a hash in a JSON document, as Keycloak keeps it (secret_data, credential_data)"),
    ("[", "a list in JSON, as the credentials in an export of Keycloak"),
    ("{pbkdf2", "Spring's PBKDF2 with other settings than its own"),
    ("{", "a hash with its name in braces, as LDAP and Spring write it"),
];

/// The lengths of MD5, SHA-1 and SHA-2 in hexadecimal.
const DIGEST_CHARS: [usize; 6] = [32, 40, 56, 64, 96, 128];

/// The lengths of MD5, SHA-1 and SHA-2.
const DIGEST_BYTES: [usize; 6] = [16, 20, 28, 32, 48, 64];

/// Why a text cannot be read as a hash.
pub(super) fn why_not(text: &str) -> Unusable {
    let named = |list: &[(&str, &'static str)]| {
        list.iter().find(|(start, _)| text.starts_with(start)).map(|(_, name)| *name)
    };
    if text.strip_prefix('*').is_some_and(|digest| digest.len() == 40 && hex(digest).is_some()) {
        return Unusable::Unsupported("MySQL's own hash");
    }
    // Django writes an exclamation mark for a user who has no password, Unix a star.
    if text.is_empty() || text.starts_with(['!', '*']) {
        return Unusable::NoPassword;
    }
    // Behind a name in braces a hash stands as others write it, and is called what it is.
    if let Some((_, inner)) =
        text.split_once('}').filter(|(name, inner)| name.starts_with('{') && inner.starts_with('$'))
    {
        return why_not(inner);
    }
    if let Some(name) = named(&READ) {
        return Unusable::Damaged(name);
    }
    if let Some(name) = named(&NOT_READ) {
        return Unusable::Unsupported(name);
    }
    if is_hex_digest(text) {
        return Unusable::Unsupported("a plain digest (MD5, SHA-1 or SHA-2)");
    }
    if text.split_once(':').is_some_and(|(one, other)| is_hex_digest(one) || is_hex_digest(other)) {
        return Unusable::Unsupported("a digest with a salt beside it, whose making does not stand in it");
    }
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    if text.split('$').count() == 5 && text.split('$').all(is_number) {
        return Unusable::Unsupported("scrypt as Ruby's gem writes it");
    }
    match BASE64.decode(text.replace('-', "+").replace('_', "/").as_bytes()) {
        Ok(bytes) if bytes.len() == FIREBASE_BYTES => Unusable::Unsupported(
            "64 bytes in Base64, as Firebase exports them without their salt and parameters (--firebase-scrypt)",
        ),
        Ok(bytes) if DIGEST_BYTES.contains(&bytes.len()) && text.ends_with('=') => {
            Unusable::Unsupported("a digest in Base64, without its salt and how it was made")
        }
        _ if text.starts_with('$') && text.matches('$').count() >= 2 => {
            Unusable::Unsupported("a hash of a kind not known here")
        }
        _ => Unusable::NotAHash,
    }
}

/// What is too long to be read.
pub(super) fn too_long(text: &str) -> Unusable {
    match hex(text).map(|bytes| bytes.len()) {
        Some(PASSPORT_BYTES) => Unusable::Unsupported(
            "512 bytes in hexadecimal, as passport-local-mongoose keeps them apart from their salt",
        ),
        _ => Unusable::NotAHash,
    }
}

/// What passport-local-mongoose has PBKDF2 give.
const PASSPORT_BYTES: usize = 512;

/// What Firebase exports.
const FIREBASE_BYTES: usize = 64;

fn is_hex_digest(text: &str) -> bool {
    DIGEST_CHARS.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

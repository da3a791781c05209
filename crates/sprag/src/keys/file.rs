//! The ring as JSON.

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::refresh::SECRET_BYTES;
use super::{
    AccessKey, Algorithm, Key, KeyRing, Life, MAX_ACCESS_KEYS, MAX_REFRESH_KEYS, Purpose, RefreshKey,
    WeakSecret,
};
use crate::clock::Timestamp;

/// The version of the format that this build writes.
const VERSION: u32 = 1;

/// The longest text that is read: far more than a full ring of RSA keys.
const MAX_BYTES: usize = 4 << 20;

/// Why a key ring cannot be used. It never repeats what was read, which may be a secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyRingError {
    /// The text is not JSON, or not of this shape.
    #[error(
        "the key ring cannot be read at line {line}, column {column}: there is no key ring's JSON (`version`, \
         `refresh`, `access`; each entry with its id, times in milliseconds and secret); restore it from a backup"
    )]
    Shape {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// The text is too long for a key ring.
    #[error("the key ring is longer than {MAX_BYTES} bytes; check that this is the right file")]
    TooLong,
    /// A later build wrote it.
    #[error(
        "the key ring has version {0}, and this build reads version {VERSION}; use the build that wrote it"
    )]
    Version(u32),
    /// There are more entries than a ring holds.
    #[error("the key ring has too many {0} keys; remove those that retired longest ago")]
    TooMany(Purpose),
    /// Nothing could sign.
    #[error("the key ring has no {0} key without `retired_at`; add one with `sprag key rotate`")]
    NothingSigns(Purpose),
    /// One entry is wrong.
    #[error("in the key ring, {purpose} key number {number}: {problem}")]
    Entry {
        /// In which list it stands.
        purpose: Purpose,
        /// Its place in that list, from 1.
        number: usize,
        /// What is wrong with it.
        problem: Problem,
    },
    /// The operator's HS256 secret will not do.
    #[error("the HS256 secret {0}; generate one, for example with `openssl rand -base64 48`")]
    Secret(WeakSecret),
}

/// What is wrong with one entry of a ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Problem {
    /// A refresh key is numbered 0, or a `kid` is not 8 to 64 letters, digits, `-` or `_`.
    #[error(
        "its id is not allowed; refresh keys have 1 to 255, access keys 8 to 64 letters, digits, `-` or `_`"
    )]
    Id,
    /// Another entry before has this id.
    #[error("its id is that of an entry before it; remove one of the two")]
    Duplicate,
    /// The secret is not base64url without padding.
    #[error("its secret is not base64url without padding; restore it from a backup")]
    Encoding,
    /// The secret is not a key of the algorithm.
    #[error("its secret is not a key of its algorithm; restore it from a backup")]
    Key,
    /// `shared` stands at an algorithm that has a public half.
    #[error("only an HS256 key can be `shared`; remove `shared`, and verifiers will find it by its `kid`")]
    Shared,
    /// An HS256 secret is too easy to guess.
    #[error("its secret {0}; retire it and add another")]
    Weak(WeakSecret),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ring {
    version: u32,
    refresh: Vec<RefreshEntry>,
    access: Vec<AccessEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RefreshEntry {
    id: u8,
    created_at: i64,
    signs_from: i64,
    retired_at: Option<i64>,
    secret: SecretText,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccessEntry {
    kid: String,
    algorithm: AlgorithmName,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    shared: bool,
    created_at: i64,
    signs_from: i64,
    retired_at: Option<i64>,
    secret: SecretText,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
enum AlgorithmName {
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "EdDSA")]
    EdDsa,
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "HS256")]
    Hs256,
}

/// Key bytes as base64url, wiped on drop.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(transparent)]
struct SecretText(String);

pub(super) fn read(text: &str) -> Result<KeyRing, KeyRingError> {
    if text.len() > MAX_BYTES {
        return Err(KeyRingError::TooLong);
    }
    // The parser's own message may quote a value, and a misplaced value may be a secret.
    let ring: Ring = serde_json::from_str(text)
        .map_err(|error| KeyRingError::Shape { line: error.line(), column: error.column() })?;
    if ring.version != VERSION {
        return Err(KeyRingError::Version(ring.version));
    }
    let refresh = read_list(Purpose::Refresh, MAX_REFRESH_KEYS, ring.refresh, RefreshEntry::read)?;
    let access = read_list(Purpose::Access, MAX_ACCESS_KEYS, ring.access, AccessEntry::read)?;
    Ok(KeyRing { refresh, access })
}

pub(super) fn write(ring: &KeyRing) -> Zeroizing<String> {
    let own = ring.access.iter().filter(|key| !key.life.is_given);
    let out = Ring {
        version: VERSION,
        refresh: ring.refresh.iter().map(RefreshEntry::of).collect(),
        access: own.map(AccessEntry::of).collect(),
    };
    // Large enough at once: a buffer that grew would leave secrets behind in the memory it grew out of.
    let secrets: usize = out.access.iter().map(|entry| entry.secret.0.len()).sum();
    let capacity = 256 + secrets + 512 * (out.refresh.len() + out.access.len());
    let mut text = Zeroizing::new(Vec::with_capacity(capacity));
    serde_json::to_writer_pretty(&mut *text, &out).expect("a ring has only strings and numbers to write");
    text.push(b'\n');
    debug_assert!(text.len() <= capacity, "the key ring outgrew its buffer");
    let text = String::from_utf8(std::mem::take(&mut *text)).expect("JSON is UTF-8");
    Zeroizing::new(text)
}

fn read_list<E, K: Key + Named>(
    purpose: Purpose,
    limit: usize,
    entries: Vec<E>,
    read: fn(E) -> Result<K, Problem>,
) -> Result<Vec<K>, KeyRingError> {
    if entries.len() > limit {
        return Err(KeyRingError::TooMany(purpose));
    }
    let mut keys: Vec<K> = Vec::with_capacity(entries.len());
    for (index, entry) in entries.into_iter().enumerate() {
        let at = |problem| KeyRingError::Entry { purpose, number: index + 1, problem };
        let key = read(entry).map_err(at)?;
        if keys.iter().any(|other| other.has_name_of(&key)) {
            return Err(at(Problem::Duplicate));
        }
        keys.push(key);
    }
    if keys.iter().all(|key| key.life().retired_at.is_some()) {
        return Err(KeyRingError::NothingSigns(purpose));
    }
    Ok(keys)
}

trait Named {
    fn has_name_of(&self, other: &Self) -> bool;
}

impl Named for RefreshKey {
    fn has_name_of(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Named for AccessKey {
    fn has_name_of(&self, other: &Self) -> bool {
        self.kid == other.kid
    }
}

impl RefreshEntry {
    fn of(key: &RefreshKey) -> Self {
        Self {
            id: key.id,
            created_at: key.life.created_at.0,
            signs_from: key.life.signs_from.0,
            retired_at: key.life.retired_at.map(|at| at.0),
            secret: SecretText::of(key.secret.as_slice()),
        }
    }

    fn read(self) -> Result<RefreshKey, Problem> {
        if self.id == 0 {
            return Err(Problem::Id);
        }
        let secret = self.secret.bytes()?;
        let secret: &[u8; SECRET_BYTES] = secret.as_slice().try_into().map_err(|_| Problem::Key)?;
        sprag_secret::check(secret).map_err(Problem::Weak)?;
        let life = read_life(self.created_at, self.signs_from, self.retired_at);
        Ok(RefreshKey::new(self.id, life, secret))
    }
}

impl AccessEntry {
    fn of(key: &AccessKey) -> Self {
        Self {
            kid: key.kid.clone(),
            algorithm: key.algorithm().into(),
            shared: key.is_shared,
            created_at: key.life.created_at.0,
            signs_from: key.life.signs_from.0,
            retired_at: key.life.retired_at.map(|at| at.0),
            secret: SecretText::of(&key.secret),
        }
    }

    fn read(self) -> Result<AccessKey, Problem> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !(8..=64).contains(&self.kid.len()) || !self.kid.bytes().all(is_plain) {
            return Err(Problem::Id);
        }
        let algorithm = Algorithm::from(self.algorithm);
        if self.shared && algorithm != Algorithm::Hs256 {
            return Err(Problem::Shared);
        }
        let secret = self.secret.bytes()?;
        if algorithm == Algorithm::Hs256 {
            sprag_secret::check(&secret).map_err(Problem::Weak)?;
        }
        let life = read_life(self.created_at, self.signs_from, self.retired_at);
        AccessKey::restore(self.kid, algorithm, secret, life, self.shared).ok_or(Problem::Key)
    }
}

impl SecretText {
    fn of(bytes: &[u8]) -> Self {
        Self(BASE64URL_NOPAD.encode(bytes))
    }

    fn bytes(&self) -> Result<Zeroizing<Vec<u8>>, Problem> {
        let bytes = BASE64URL_NOPAD.decode(self.0.as_bytes()).map_err(|_| Problem::Encoding)?;
        Ok(Zeroizing::new(bytes))
    }
}

impl From<Algorithm> for AlgorithmName {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Es256 => Self::Es256,
            Algorithm::EdDsa => Self::EdDsa,
            Algorithm::Rs256 => Self::Rs256,
            Algorithm::Hs256 => Self::Hs256,
        }
    }
}

impl From<AlgorithmName> for Algorithm {
    fn from(name: AlgorithmName) -> Self {
        match name {
            AlgorithmName::Es256 => Self::Es256,
            AlgorithmName::EdDsa => Self::EdDsa,
            AlgorithmName::Rs256 => Self::Rs256,
            AlgorithmName::Hs256 => Self::Hs256,
        }
    }
}

fn read_life(created_at: i64, signs_from: i64, retired_at: Option<i64>) -> Life {
    Life { retired_at: retired_at.map(Timestamp), ..Life::new(Timestamp(created_at), Timestamp(signs_from)) }
}

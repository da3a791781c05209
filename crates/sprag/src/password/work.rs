//! The slow functions behind password hashes, what each costs, and the most that is done for one log-in.

use std::fmt;
use std::num::NonZeroU32;

use argon2::{Algorithm, Argon2, AssociatedData, ParamsBuilder, Version};
use aws_lc_rs::pbkdf2;
use data_encoding::BASE64_NOPAD;
use zeroize::Zeroizing;

use super::Unusable;
use super::memory::{KEPT_KIB, Memory};
use crate::error::Fault;

const VERSION: Version = Version::V0x13;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Argon2id with 19 MiB, two passes and one queue: the first choice of OWASP's password storage cheat sheet.
pub(super) const TODAY: Work = Work::Argon2 {
    algorithm: Algorithm::Argon2id,
    version: VERSION,
    memory_kib: KEPT_KIB,
    passes: PASSES,
    queues: LANES,
};

/// What today's work came to, as a PHC string.
pub(super) fn todays_phc(salt: &[u8], output: &[u8]) -> String {
    let (version, salt, output) =
        (u32::from(VERSION), BASE64_NOPAD.encode(salt), BASE64_NOPAD.encode(output));
    format!("$argon2id$v={version}$m={KEPT_KIB},t={PASSES},p={LANES}${salt}${output}")
}

// An imported hash beyond these bounds would be a bomb, not a password. The seconds are those of one core of a
// small server: all stay below the three that clients and proxies are told to expect of an answer.

/// The most memory that Argon2 or scrypt may take. Each hashing thread takes it at most once at a time: with four
/// threads a flood of such hashes holds 1 GiB, and 2.25 GiB where they get no core and their five stand-ins work, too.
/// Django's Argon2 takes 100 MiB, OWASP's scrypt 128 MiB.
const MAX_MEMORY_KIB: u32 = 256 * 1024;

/// The most memory times passes of Argon2, which is its time: 0.7 s. libsodium's "moderate" takes 768 MiB.
const MAX_ARGON2_KIB_PASSES: u64 = 1024 * 1024;
const MAX_PASSES: u32 = 16;
const MAX_LANES: u32 = 16;

/// Each step doubles the time; this is 1.6 s. Makers default to 10 or 12.
const MAX_BCRYPT_COST: u32 = 15;
const MIN_BCRYPT_COST: u32 = 4;

/// The most memory times p of scrypt, which is its time: 1.6 s. Django's default takes 80 MiB, OWASP's 128 MiB.
const MAX_SCRYPT_KIB: u64 = 512 * 1024;

/// r is 8 everywhere and p at most 10. With a tiny N they alone could ask for time and memory of another kind.
const MAX_SCRYPT_R_AND_P: u32 = 32;

/// The most iterations of PBKDF2: 2.3 s. SHA-512 takes twice as long and may be iterated half as often. Django's
/// default, the highest, has grown to a million.
const MAX_ITERATIONS: u32 = 10_000_000;

/// What stands for all of a kind when it is measured what they cost here: bcrypt of this cost, PBKDF2 of so many iterations.
const SAMPLED_BCRYPT_COST: u32 = 8;
const SAMPLED_ITERATIONS: NonZeroU32 = NonZeroU32::new(20_000).expect("20,000 is not zero");

/// bcrypt looks at this many bytes of a password and the zero byte behind it, and no further.
pub(super) const BCRYPT_BYTES: usize = 72;

/// A slow function and its parameters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Work {
    Argon2 { algorithm: Algorithm, version: Version, memory_kib: u32, passes: u32, queues: u32 },
    Bcrypt { cost: u32 },
    Scrypt { log_n: u32, r: u32, p: u32 },
    Pbkdf2 { digest: Digest, iterations: NonZeroU32 },
}

/// What PBKDF2 repeats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Digest {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

/// What Argon2 can mix in besides password and salt.
#[derive(Clone, Copy, Default)]
pub(super) struct Keyed<'a> {
    /// A secret that stands in no hash.
    pub(super) secret: &'a [u8],
    /// Associated data.
    pub(super) data: &'a [u8],
}

impl Work {
    /// Computes the hash of a password, as long as `output`.
    pub(super) fn run(
        self,
        password: &[u8],
        salt: &[u8],
        output: &mut [u8],
        memory: &mut Memory,
    ) -> Result<(), Fault> {
        self.run_keyed(Keyed::default(), password, salt, output, memory)
    }

    /// As [`run`](Self::run), with what Argon2 mixes in besides; other functions have no such thing.
    pub(super) fn run_keyed(
        self,
        keyed: Keyed<'_>,
        password: &[u8],
        salt: &[u8],
        output: &mut [u8],
        memory: &mut Memory,
    ) -> Result<(), Fault> {
        let impossible =
            |function: &str| Fault::internal("hash a password", format!("{function} cannot do this"));
        match self {
            Self::Argon2 { .. } => {
                let argon2 = self.argon2(keyed).ok_or_else(|| impossible("Argon2"))?;
                memory.argon2(&argon2, password, salt, output)?;
            }
            Self::Bcrypt { cost } => {
                let salt = salt.try_into().map_err(|_| impossible("bcrypt"))?;
                // As the legacy rule has it: what a password has beyond 72 bytes is not looked at.
                let mut key = Zeroizing::new(Vec::with_capacity(password.len() + 1));
                key.extend_from_slice(password);
                key.push(0);
                key.truncate(BCRYPT_BYTES);
                let hash = bcrypt::bcrypt(cost, salt, &key);
                output.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
            }
            Self::Scrypt { .. } => {
                let params = self.scrypt().ok_or_else(|| impossible("scrypt"))?;
                scrypt::scrypt(password, salt, &params, output).map_err(|_| impossible("scrypt"))?;
            }
            Self::Pbkdf2 { digest, iterations } => {
                pbkdf2::derive(digest.algorithm(), iterations, salt, password, output);
            }
        }
        Ok(())
    }

    /// The length of the hash where the function has one; the shortest that is taken for Argon2 and scrypt.
    pub(super) fn output_bytes(self) -> usize {
        match self {
            Self::Argon2 { .. } => 16,
            Self::Bcrypt { .. } => 23,
            Self::Scrypt { .. } => 32,
            Self::Pbkdf2 { digest, .. } => digest.output_bytes(),
        }
    }

    /// Cheaper work that takes the same time but for two factors: so many times, by so many parts.
    pub(super) fn sample(self) -> (Self, u32, u32) {
        match self {
            Self::Bcrypt { cost } => {
                let steps = |count: u32| 1_u32.checked_shl(count).unwrap_or(u32::MAX);
                let times = steps(cost.saturating_sub(SAMPLED_BCRYPT_COST));
                let parts = steps(SAMPLED_BCRYPT_COST.saturating_sub(cost));
                (Self::Bcrypt { cost: SAMPLED_BCRYPT_COST }, times, parts)
            }
            Self::Pbkdf2 { digest, iterations } => {
                let sample = Self::Pbkdf2 { digest, iterations: SAMPLED_ITERATIONS };
                (sample, iterations.get(), SAMPLED_ITERATIONS.get())
            }
            // More memory than the caches hold takes longer, byte by byte, so each size has a sample of its own.
            Self::Argon2 { algorithm, version, memory_kib, passes, queues } => {
                let sampled = memory_kib.checked_next_power_of_two().unwrap_or(memory_kib);
                let sample = Self::Argon2 { algorithm, version, memory_kib: sampled, passes: 1, queues };
                (sample, memory_kib.saturating_mul(passes), sampled)
            }
            Self::Scrypt { log_n, r, p } => (Self::Scrypt { log_n, r, p: 1 }, p, 1),
        }
    }

    /// Whether it takes more than about a quarter of the most that is done for one log-in: then one is done at a time.
    pub(super) fn is_heavy(self) -> bool {
        match self {
            Self::Argon2 { memory_kib, passes, .. } => {
                u64::from(memory_kib) * u64::from(passes) > MAX_ARGON2_KIB_PASSES / 2
            }
            Self::Bcrypt { cost } => cost > MAX_BCRYPT_COST - 2,
            Self::Scrypt { log_n, r, p } => (u64::from(r) << log_n) / 8 * u64::from(p) > MAX_SCRYPT_KIB / 4,
            Self::Pbkdf2 { digest: Digest::Sha1 | Digest::Sha256, iterations } => {
                iterations.get() > MAX_ITERATIONS / 4
            }
            Self::Pbkdf2 { iterations, .. } => iterations.get() > MAX_ITERATIONS / 8,
        }
    }

    /// Argon2 with these parameters, if this is Argon2 and can be done.
    fn argon2(self, keyed: Keyed<'_>) -> Option<Argon2<'_>> {
        let Self::Argon2 { algorithm, version, memory_kib, passes, queues } = self else { return None };
        let mut params = ParamsBuilder::new();
        params.m_cost(memory_kib).t_cost(passes).p_cost(queues).data(AssociatedData::new(keyed.data).ok()?);
        let params = params.build().ok()?;
        Argon2::new_with_secret(keyed.secret, algorithm, version, params).ok()
    }

    fn scrypt(self) -> Option<scrypt::Params> {
        let Self::Scrypt { log_n, r, p } = self else { return None };
        scrypt::Params::new(u8::try_from(log_n).ok()?, r, p).ok().filter(|_| log_n > 0)
    }

    /// Refuses what cannot be done, and what is too much.
    pub(super) fn check_bounds(self) -> Result<(), Unusable> {
        let damaged = |name| if self.is_possible() { Ok(()) } else { Err(Unusable::Damaged(name)) };
        match self {
            Self::Argon2 { memory_kib, passes, queues, .. } => {
                at_most(MAX_MEMORY_KIB, memory_kib, "KiB of memory")?;
                at_most(MAX_PASSES, passes, "passes")?;
                at_most(MAX_LANES, queues, "queues")?;
                let product = u64::from(memory_kib) * u64::from(passes);
                at_most(MAX_ARGON2_KIB_PASSES, product, "KiB of memory times passes")?;
                damaged("Argon2")
            }
            Self::Bcrypt { cost } => {
                at_most(MAX_BCRYPT_COST, cost, "as the cost of bcrypt")?;
                damaged("bcrypt")
            }
            Self::Scrypt { log_n, r, p } => {
                at_most(u32::BITS, log_n, "as the logarithm of scrypt's N")?;
                let memory_kib = (u64::from(r) << log_n) / 8;
                at_most(MAX_MEMORY_KIB, memory_kib, "KiB of memory")?;
                at_most(MAX_SCRYPT_R_AND_P, r, "as scrypt's r")?;
                at_most(MAX_SCRYPT_R_AND_P, p, "as scrypt's p")?;
                at_most(MAX_SCRYPT_KIB, memory_kib * u64::from(p), "KiB of memory times p")?;
                damaged("scrypt")
            }
            Self::Pbkdf2 { digest: Digest::Sha1 | Digest::Sha256, iterations } => {
                at_most(MAX_ITERATIONS, iterations.get(), "iterations of PBKDF2")
            }
            Self::Pbkdf2 { digest: Digest::Sha384 | Digest::Sha512, iterations } => {
                at_most(MAX_ITERATIONS / 2, iterations.get(), "iterations of PBKDF2 with SHA-512")
            }
        }
    }

    fn is_possible(self) -> bool {
        match self {
            Self::Argon2 { .. } => self.argon2(Keyed::default()).is_some(),
            Self::Bcrypt { cost } => cost >= MIN_BCRYPT_COST,
            Self::Scrypt { .. } => self.scrypt().is_some(),
            Self::Pbkdf2 { .. } => true,
        }
    }
}

/// The function and its parameters, as those who chose them would know them again.
impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argon2 { algorithm, memory_kib, passes, queues, .. } => {
                let name = match algorithm {
                    Algorithm::Argon2id => "Argon2id",
                    Algorithm::Argon2i => "Argon2i",
                    Algorithm::Argon2d => "Argon2d",
                };
                write!(f, "{name} with m={memory_kib}, t={passes}, p={queues}")
            }
            Self::Bcrypt { cost } => write!(f, "bcrypt with cost {cost}"),
            Self::Scrypt { log_n, r, p } => write!(f, "scrypt with N=2^{log_n}, r={r}, p={p}"),
            Self::Pbkdf2 { digest, iterations } => {
                write!(f, "PBKDF2 with {} and {iterations} iterations", digest.name())
            }
        }
    }
}

fn at_most(most: impl Into<u64>, asked: impl Into<u64>, what: &'static str) -> Result<(), Unusable> {
    let most = most.into();
    if asked.into() > most { Err(Unusable::TooCostly { most, what }) } else { Ok(()) }
}

impl Digest {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "sha1" => Self::Sha1,
            "sha256" => Self::Sha256,
            "sha384" => Self::Sha384,
            "sha512" => Self::Sha512,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        }
    }

    pub(super) fn output_bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    fn algorithm(self) -> pbkdf2::Algorithm {
        match self {
            Self::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha384 => pbkdf2::PBKDF2_HMAC_SHA384,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        }
    }
}

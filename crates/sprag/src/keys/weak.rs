//! Secrets that too many people know.

/// The shortest HS256 secret: as long as the hash (RFC 7518 section 3.2).
const MIN_BYTES: usize = 32;

/// How many different bytes a secret has at least. A random one, even in hexadecimal, all but surely has more.
const MIN_DISTINCT: usize = 8;

/// Why an HS256 secret will not do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WeakSecret {
    /// It is shorter than 32 bytes.
    #[error("is shorter than {MIN_BYTES} bytes")]
    Short,
    /// It is from a document or template that everybody can read.
    #[error("is a placeholder from public documentation, which everybody knows")]
    Placeholder,
    /// It repeats a few characters.
    #[error("has fewer than {MIN_DISTINCT} different characters")]
    Monotonous,
}

/// Refuses what can be guessed. Placeholders are named first: whoever meets one should hear that, not its length.
pub(super) fn check(secret: &[u8]) -> Result<(), WeakSecret> {
    let lower = secret.to_ascii_lowercase();
    let lower = zeroize::Zeroizing::new(lower);
    let says = |words: &str| lower.windows(words.len()).any(|window| window == words.as_bytes());
    if PUBLIC.iter().any(|public| public.as_bytes() == lower.as_slice()) || TELLTALE.iter().any(|w| says(w)) {
        return Err(WeakSecret::Placeholder);
    }
    if secret.len() < MIN_BYTES {
        return Err(WeakSecret::Short);
    }
    let mut seen = [false; 256];
    for byte in secret {
        seen[usize::from(*byte)] = true;
    }
    if seen.iter().filter(|seen| **seen).count() < MIN_DISTINCT {
        return Err(WeakSecret::Monotonous);
    }
    Ok(())
}

/// Words of one who meant to replace them. No random secret contains them by chance.
const TELLTALE: &[&str] = &[
    "at-least-32-char",
    "at-least-256-bit",
    "change-in-production",
    "change-me",
    "change-this",
    "change_in_production",
    "change_me",
    "change_this",
    "changeme",
    "changethis",
    "do-not-use-in-prod",
    "insert-your",
    "key-here",
    "key_here",
    "keyboard cat",
    "mysecretkey",
    "placeholder",
    "replace-me",
    "replace-this",
    "replace-with",
    "replace_me",
    "replace_this",
    "replace_with",
    "replaceme",
    "secret-here",
    "secret_here",
    "some-secret",
    "super-secret",
    "super-secure",
    "super_secret",
    "supersecret",
    "this-is-a-secret",
    "this is a secret",
    "your-256-bit",
    "your-jwt",
    "your-secret",
    "your-super",
    "your_jwt",
    "your_secret",
    "your_super",
    "yoursecret",
];

/// Whole secrets from tutorials, templates and test suites, in lower case.
const PUBLIC: &[&str] = &[
    "",
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    "0123456789abcdef0123456789abcdef",
    "123456",
    "12345678901234567890123456789012",
    "404e635266556a586e3272357538782f413f4428472b4b6250645367566b5970",
    "abcdefghijklmnopqrstuvwxyz123456",
    "abcdefghijklmnopqrstuvwxyz",
    "admin",
    "app_secret",
    "auth-secret",
    "default",
    "dev-secret",
    "development",
    "example_key",
    "example",
    "hmac-secret",
    "jwt_secret_key",
    "jwt_secret",
    "jwt-secret-key",
    "jwt-secret",
    "jwt",
    "jwtsecret",
    "key",
    "my_secret_key",
    "my-secret-key",
    "my-secret",
    "mysecret",
    "none",
    "null",
    "passw0rd",
    "password",
    "private",
    "qwerty",
    "qwertyuiopasdfghjklzxcvbnm123456",
    "s3cr3t",
    "secret_key",
    "secret-key",
    "secret",
    "secretkey",
    "shhhh",
    "shhhhh",
    "shhhhhhared-secret",
    "some_secret",
    "test_secret",
    "test-secret",
    "test",
    "token",
    "topsecret",
    "undefined",
    "very_secret",
    "very-secret",
];

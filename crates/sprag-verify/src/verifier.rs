//! A verifier with its keys in hand.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::algorithm::Algorithm;
use crate::claims::Claims;
use crate::error::Error;
use crate::keys::KeySet;
use crate::limits::{DEFAULT_LEEWAY, MAX_LEEWAY};
use crate::rules::{Audience, Clock, Rules};
use crate::setup::SetupError;
use crate::token::Token;

/// Verifies access tokens with keys that were handed in. Cheap to clone.
///
/// It neither reads a file nor opens a connection: when the issuer's keys change, make a new one. `RemoteVerifier`
/// (feature `http`) has the same rules, and fetches and renews the keys by itself.
#[derive(Clone, Debug)]
pub struct Verifier {
    rules: Arc<Rules>,
    keys: Arc<KeySet>,
}

/// Settings of a [`Verifier`]; [`Verifier::builder`] begins them.
#[must_use]
pub struct Builder {
    issuer: String,
    audience: Option<Audience>,
    algorithm: Option<Algorithm>,
    leeway: Duration,
    clock: Clock,
}

impl Verifier {
    /// Begins with the issuer: what the server's tokens have in `iss`, which is its public URL.
    pub fn builder(issuer: impl Into<String>) -> Builder {
        Builder {
            issuer: issuer.into(),
            audience: None,
            algorithm: None,
            leeway: DEFAULT_LEEWAY,
            clock: Arc::new(system_time),
        }
    }

    /// Verifies a token and says what is in it.
    ///
    /// # Errors
    /// [`Error`] says why it is not accepted; [`Error::Expired`] only of one that is genuine in every other respect.
    pub fn verify(&self, token: &str) -> Result<Claims, Error> {
        self.verify_at(token, (self.rules.clock)())
    }

    /// Verifies a token as of a moment that is handed in.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_at(&self, token: &str, now: SystemTime) -> Result<Claims, Error> {
        Token::parse(token)?.verify(&self.keys, &self.rules, now)
    }
}

impl Builder {
    /// The audience that tokens must name (RFC 9068 section 4): what the server's setting `audience` says. Unless it is
    /// said otherwise, the issuer, which is that setting's default too.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(Audience::Named(audience.into()));
        self
    }

    /// Says that tokens name no audience: those of a profile with `audience = false`. A token that names one is then
    /// refused.
    pub fn no_audience(mut self) -> Self {
        self.audience = Some(Audience::Nobody);
        self
    }

    /// The one algorithm that is accepted: ES256 unless it is said otherwise, HS256 with a shared secret.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = Some(algorithm);
        self
    }

    /// How far the clocks of issuer and API may differ: [`DEFAULT_LEEWAY`] unless it is said otherwise,
    /// [`MAX_LEEWAY`] at most.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Another clock than the system's: for tests, or where time comes from elsewhere.
    pub fn clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Makes the verifier, with the issuer's public keys as its `/.well-known/jwks.json` has them.
    ///
    /// # Errors
    /// A [`SetupError`] if the settings or the keys cannot be used.
    pub fn jwks(self, json: impl AsRef<[u8]>) -> Result<Verifier, SetupError> {
        self.keys(KeySet::from_jwks(json.as_ref())?)
    }

    /// Makes the verifier, with the secret that the server signs with, for HS256.
    ///
    /// # Errors
    /// A [`SetupError`] if the settings or the secret cannot be used.
    pub fn shared_secret(self, secret: impl AsRef<[u8]>) -> Result<Verifier, SetupError> {
        let keys = KeySet::shared_secret(secret.as_ref())?;
        self.or_algorithm(Algorithm::Hs256).keys(keys)
    }

    /// Makes the verifier, with a set of keys.
    ///
    /// # Errors
    /// A [`SetupError`] if the settings cannot be used, or no key is for the algorithm.
    pub fn keys(self, keys: KeySet) -> Result<Verifier, SetupError> {
        let rules = self.rules()?;
        keys.require(rules.algorithm)?;
        Ok(Verifier { rules: Arc::new(rules), keys: Arc::new(keys) })
    }

    /// The algorithm, where none was named.
    fn or_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm.get_or_insert(algorithm);
        self
    }

    /// Checks the settings.
    pub(crate) fn rules(self) -> Result<Rules, SetupError> {
        let Self { issuer, audience, algorithm, leeway, clock } = self;
        if issuer.is_empty() || issuer.contains(|c: char| c.is_whitespace() || matches!(c, '?' | '#')) {
            return Err(SetupError::Issuer(issuer));
        }
        if leeway > MAX_LEEWAY {
            return Err(SetupError::Leeway);
        }
        let audience = audience.unwrap_or_else(|| Audience::Named(issuer.clone()));
        let algorithm = algorithm.unwrap_or(Algorithm::Es256);
        Ok(Rules { issuer, audience, algorithm, leeway, clock })
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that asks the machine, where no clock was handed in"
)]
fn system_time() -> SystemTime {
    SystemTime::now()
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .field("algorithm", &self.algorithm)
            .field("leeway", &self.leeway)
            .finish_non_exhaustive()
    }
}

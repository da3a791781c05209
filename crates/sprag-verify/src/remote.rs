//! A verifier that fetches the issuer's keys and keeps them fresh.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::algorithm::Algorithm;
use crate::claims::Claims;
use crate::error::Error;
use crate::fetch_error::FetchError;
use crate::rules::Rules;
use crate::setup::SetupError;
use crate::token::Token;
use crate::verifier::Builder;

mod address;
mod cache;
mod fetch;
mod freshness;

use address::Address;
use cache::{Cache, Limits};
use fetch::Fetcher;

/// Verifies access tokens with the keys that their issuer publishes. Cheap to clone; clones share the keys.
///
/// - **Fresh.** Keys are kept as long as the issuer's `Cache-Control` says, within
///   [`MIN_MAX_AGE`](crate::MIN_MAX_AGE) and [`MAX_MAX_AGE`](crate::MAX_MAX_AGE), and for
///   [`DEFAULT_MAX_AGE`](crate::DEFAULT_MAX_AGE) where it does not say.
/// - **One fetch at a time.** Whoever needs keys while they are on the way waits for them. A fetch goes on when the
///   request that caused it is given up.
/// - **Unknown keys.** A token that names a key which is not there may be the first after a rotation: it causes a fetch,
///   but only one a minute, so that invented names cannot be turned against the issuer.
/// - **The issuer is away.** The last keys stay in use, for a day. Only the first request waits for the fetch that
///   fails; it is repeated every ten seconds, behind requests that go on.
///
/// It needs a tokio runtime. It goes to the issuer directly: where an API has no way out but a proxy, fetch the keys with
/// a client of your own and hand them to a [`Verifier`](crate::Verifier).
#[derive(Clone, Debug)]
pub struct RemoteVerifier {
    rules: Arc<Rules>,
    cache: Arc<Cache>,
}

/// Settings of a [`RemoteVerifier`]; [`Builder::remote`] begins them.
#[must_use]
pub struct RemoteBuilder {
    verifier: Builder,
    url: Option<String>,
    trusted: Option<Vec<u8>>,
    timeout: Duration,
    limits: Limits,
}

impl RemoteVerifier {
    /// Verifies a token and says what is in it, fetching the issuer's keys where that is needed.
    ///
    /// # Errors
    /// [`Error`] says why it is not accepted. [`Error::Keys`] says nothing about the token: the keys could not be had.
    pub async fn verify(&self, token: &str) -> Result<Claims, Error> {
        let token = Token::parse(token)?;
        let mut keys = self.cache.keys().await?;
        if token.wants_newer_keys(&keys, self.rules.algorithm) {
            keys = self.cache.newer_keys(|keys| !token.wants_newer_keys(keys, self.rules.algorithm)).await?;
        }
        token.verify(&keys, &self.rules, (self.rules.clock)())
    }

    /// Fetches the keys now, whatever is there: at the start, so that a wrong address is noticed before the first request.
    ///
    /// # Errors
    /// A [`FetchError`] if they cannot be had, or none of them is for the algorithm.
    pub async fn fetch_keys(&self) -> Result<(), FetchError> {
        self.cache.fetch().await
    }

    /// Why the last fetch failed, for a health check; `None` if it did not.
    #[must_use]
    pub fn last_failure(&self) -> Option<FetchError> {
        self.cache.last_failure()
    }
}

impl Builder {
    /// Goes on to a verifier that fetches the keys from the issuer.
    pub fn remote(self) -> RemoteBuilder {
        let limits = Limits {
            stale_for: Duration::from_secs(24 * 60 * 60),
            unknown_key_interval: Duration::from_secs(60),
            retry_interval: Duration::from_secs(10),
        };
        RemoteBuilder { verifier: self, url: None, trusted: None, timeout: Duration::from_secs(5), limits }
    }
}

impl RemoteBuilder {
    /// Where the keys are, if not at `/.well-known/jwks.json` below the issuer: an inner address of the server, say.
    /// Tokens must name the issuer all the same.
    pub fn jwks_url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// The certificate authorities to judge the issuer by, as PEM, in place of the system's.
    pub fn trusted_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.trusted = Some(pem.into());
        self
    }

    /// How long a fetch may take, from the look-up of the name to the last byte: 5 s unless it is said otherwise.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// How long after a fetch its keys may be used while the issuer is away: a day unless it is said otherwise. A key
    /// that the issuer retires meanwhile is accepted for so long; an API that cannot have that chooses less.
    pub fn stale_for(mut self, span: Duration) -> Self {
        self.limits.stale_for = span;
        self
    }

    /// How often tokens that name unknown keys may cause a fetch: once a minute unless it is said otherwise.
    pub fn unknown_key_interval(mut self, span: Duration) -> Self {
        self.limits.unknown_key_interval = span;
        self
    }

    /// How long after a fetch that failed the next is tried: 10 s unless it is said otherwise.
    pub fn retry_interval(mut self, span: Duration) -> Self {
        self.limits.retry_interval = span;
        self
    }

    /// Makes the verifier. Nothing is fetched yet.
    ///
    /// # Errors
    /// A [`SetupError`] if the settings cannot be used, or no certificate authority is known.
    pub fn build(self) -> Result<RemoteVerifier, SetupError> {
        let rules = self.verifier.rules()?;
        if rules.algorithm == Algorithm::Hs256 {
            return Err(SetupError::NoKey { wanted: Algorithm::Hs256, found: Vec::new() });
        }
        let Limits { unknown_key_interval, retry_interval, .. } = self.limits;
        let spans = [
            ("timeout", self.timeout),
            ("unknown_key_interval", unknown_key_interval),
            ("retry_interval", retry_interval),
        ];
        if let Some((name, _)) = spans.into_iter().find(|(_, span)| span.is_zero()) {
            return Err(SetupError::Zero(name));
        }
        let url = self.url.unwrap_or_else(|| Address::of_issuer(&rules.issuer));
        let address = Address::parse(&url)?;
        let tls = if address.is_tls { Some(tls(self.trusted.as_deref())?) } else { None };
        let fetcher = Fetcher { address, tls, timeout: self.timeout };
        let cache = Cache::new(fetcher, self.limits, rules.algorithm, Arc::clone(&rules.clock));
        Ok(RemoteVerifier { rules: Arc::new(rules), cache: Arc::new(cache) })
    }
}

/// TLS with a provider of its own: nothing in this process needs to be set up for it.
fn tls(trusted: Option<&[u8]>) -> Result<Arc<ClientConfig>, SetupError> {
    let certificates = match trusted {
        Some(pem) => CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().unwrap_or_default(),
        None => rustls_native_certs::load_native_certs().certs,
    };
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates);
    if added == 0 {
        return Err(SetupError::Certificates);
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has ciphers for TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

impl fmt::Debug for RemoteBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteBuilder")
            .field("verifier", &self.verifier)
            .field("url", &self.url)
            .field("timeout", &self.timeout)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

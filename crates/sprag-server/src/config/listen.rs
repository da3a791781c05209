//! Where the server is reached, and how much it takes on at once.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::thread::available_parallelism;
use std::time::Duration;

use url::Url;

use super::chosen::Chosen;
use super::error::ConfigError;
use super::origin::Origin;
use super::setting::{Fallback, Setting};
use super::value::{self, Parsed};
use crate::quoted::quoted;
use crate::web_origin::is_this_machine;

/// The most connections that can be asked for.
const MAX_CONNECTIONS: usize = 1_000_000;

/// The settings of this feature.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "listen",
        env: "SPRAG_LISTEN",
        placeholder: "ADDRESS",
        help: "The address and port to listen on.",
        default: Fallback::Value("127.0.0.1:8080"),
        is_secret: false,
        right: "127.0.0.1:9090",
        wrong: "8080",
    },
    Setting {
        name: "admin-listen",
        env: "SPRAG_ADMIN_LISTEN",
        placeholder: "ADDRESS",
        help: "A second address and port, for administrators: their calls, /metrics and the details of /readyz are there, beside \
               everything else, and answer 404 at listen.",
        default: Fallback::Derived("none: all of it is at listen"),
        is_secret: false,
        right: "127.0.0.1:9091",
        wrong: "9091",
    },
    Setting {
        name: "public-url",
        env: "SPRAG_PUBLIC_URL",
        placeholder: "URL",
        help: "The URL clients reach this server by: the issuer of its tokens, the base of its links. \
               https, except on this machine itself.",
        default: Fallback::Derived("http://<listen>"),
        is_secret: false,
        right: "https://login.example.com",
        wrong: "http://login.example.com",
    },
    Setting {
        name: "max-connections",
        env: "SPRAG_MAX_CONNECTIONS",
        placeholder: "COUNT",
        help: "How many connections are open at once; the longest idle one gives way to one more (1 to 1000000).",
        default: Fallback::Value("4096"),
        is_secret: false,
        right: "64",
        wrong: "many",
    },
    Setting {
        name: "max-connections-per-network",
        env: "SPRAG_MAX_CONNECTIONS_PER_NETWORK",
        placeholder: "COUNT",
        help: "How many of them may come from one network, 24 bits of an IPv4 address or 64 of an IPv6 one; trusted-proxies, \
               and peers of this machine or of a private network that may be proxies, have no such limit (1 to 1000000).",
        default: Fallback::Derived("a quarter of max-connections, 64 at least"),
        is_secret: false,
        right: "16",
        wrong: "few",
    },
    Setting {
        name: "keep-alive",
        env: "SPRAG_KEEP_ALIVE",
        placeholder: "SPAN",
        help: "How long a connection may be idle between two requests (1s to 1h).",
        default: Fallback::Value("75s"),
        is_secret: false,
        right: "2m",
        wrong: "75",
    },
    Setting {
        name: "threads",
        env: "SPRAG_THREADS",
        placeholder: "COUNT",
        help: "How many threads serve requests; 0 is one per core (0 to 1024).",
        default: Fallback::Value("0"),
        is_secret: false,
        right: "2",
        wrong: "two",
    },
    Setting {
        name: "shutdown-grace",
        env: "SPRAG_SHUTDOWN_GRACE",
        placeholder: "SPAN",
        help: "How long requests under way may take to finish once the server is told to stop (0s to 10m).",
        default: Fallback::Value("8s"),
        is_secret: false,
        right: "30s",
        wrong: "10",
    },
];

/// Where the server is reached, and how much it takes on at once.
#[derive(Clone, Debug)]
pub struct Listen {
    /// Where to listen. Port 0 is any free one: see [`Config::bound_to`](super::Config::bound_to).
    pub address: SocketAddr,
    /// Where administrators are served, if not there.
    pub admin_address: Option<SocketAddr>,
    /// The URL clients reach this server by: an origin, with no path.
    pub public_url: Url,
    /// How many connections are open at once.
    pub max_connections: NonZeroUsize,
    /// How many of them may come from one network.
    pub max_connections_per_network: NonZeroUsize,
    /// How long a connection may be idle between two requests.
    pub keep_alive: Duration,
    /// How many threads serve requests.
    pub threads: NonZeroUsize,
    /// How long requests under way may take to finish at shutdown.
    pub shutdown_grace: Duration,
}

impl Listen {
    pub(super) fn from(chosen: &Chosen) -> Result<Self, ConfigError> {
        let cores = available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let address = chosen.typed("listen", self::address)?;
        let admin_address = chosen.given("admin-listen", self::address)?;
        let public_url = match chosen.given("public-url", self::public_url)? {
            Some(url) => url,
            None => own_url(address)?,
        };
        let max_connections = chosen.count("max-connections", MAX_CONNECTIONS)?;
        let per_network =
            chosen.given("max-connections-per-network", |text| value::count(text, 1, MAX_CONNECTIONS))?;
        let per_network = per_network.unwrap_or_else(|| share_of(max_connections.get()));
        let threads = chosen.typed("threads", |text| value::count(text, 0, 1024))?;
        Ok(Self {
            address,
            admin_address,
            public_url,
            max_connections,
            max_connections_per_network: NonZeroUsize::new(per_network).unwrap_or(NonZeroUsize::MIN),
            keep_alive: chosen.span("keep-alive", "1s", "1h")?,
            threads: NonZeroUsize::new(threads).unwrap_or(cores),
            shutdown_grace: chosen.span("shutdown-grace", "0s", "10m")?,
        })
    }

    /// The issuer of our tokens: the public URL without a slash at its end.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.public_url.as_str().trim_end_matches('/')
    }

    /// Refuses to be reached from elsewhere under a URL that only works here.
    pub(super) fn check(&self, public_url: &Origin) -> Result<(), ConfigError> {
        // Whichever port is free is another each time.
        if self.admin_address == Some(self.address) && self.address.port() != 0 {
            return Err(ConfigError::Together(format!(
                "listen and admin-listen are both {}, and one of them is to be reached by administrators only; choose another port \
                 for admin-listen, or leave it out",
                self.address
            )));
        }
        if *public_url != Origin::Default || self.address.ip().is_loopback() {
            return Ok(());
        }
        Err(ConfigError::Together(format!(
            "listening on {} serves other machines, and they need a URL that is not http; set --public-url https://… \
             to the URL clients use, or --public-url http://localhost:{} if only this machine reaches it",
            self.address,
            self.address.port()
        )))
    }
}

/// How many of so many connections one network may have where nobody says: a quarter, unless there are few.
pub(crate) fn share_of(connections: usize) -> usize {
    (connections / 4).max(64).min(connections)
}

/// The URL under which this machine reaches the address.
fn own_url(listen: SocketAddr) -> Result<Url, ConfigError> {
    Url::parse(&format!("http://{listen}")).map_err(|error| ConfigError::Value {
        setting: "public-url",
        origin: Origin::Default,
        problem: format!("{listen} makes no URL ({error}); set --public-url"),
    })
}

/// An address to listen on.
pub(super) fn address(text: &str) -> Parsed<SocketAddr> {
    text.parse().map_err(|_| {
        format!(
            "{} is not an IP address and a port; write 127.0.0.1:8080 for this machine only, \
             0.0.0.0:8080 or [::]:8080 for every network",
            quoted(text)
        )
    })
}

/// The URL that clients know us by: scheme, host and perhaps a port, and nothing after them.
fn public_url(text: &str) -> Parsed<Url> {
    const LIKE: &str = "write it like https://login.example.com";
    let url = Url::parse(text).map_err(|_| format!("{} is not a URL; {LIKE}", quoted(text)))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("this URL has a user name in it; {LIKE}"));
    }
    if !matches!(url.scheme(), "https" | "http") {
        return Err(format!("{} is not an https URL; {LIKE}", quoted(text)));
    }
    if url.path() != "/" && url.query().is_none() && url.fragment().is_none() {
        let host = url.host_str().unwrap_or_default();
        return Err(format!(
            "{} has a path, and a path prefix cannot be had: calls, /docs, /.well-known and cookies stand at the root of their \
             host; give this server a host name of its own, such as https://login.example.com, or write the URL without the \
             path and have {host} pass on the paths of its calls as they are",
            quoted(text)
        ));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(format!("{} goes on after the host; {LIKE}", quoted(text)));
    }
    if url.scheme() == "http" && !is_this_machine(&url) {
        return Err(format!(
            "{} is not https, so browsers would not send back our cookies and anyone on the way could read \
             the tokens; give the https URL of whatever ends TLS before this server, or \
             http://localhost:8080 to try it on this machine",
            quoted(text)
        ));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_an_origin() {
        for text in [
            "https://login.example.com",
            "https://login.example.com/",
            "http://localhost:8080",
            "http://app.localhost",
            "http://127.9.9.9:1",
            "http://[::1]:8080",
        ] {
            assert!(public_url(text).is_ok(), "{text}");
        }
        for text in [
            "login.example.com",
            "https://",
            "ftp://localhost",
            "https://a.example/auth",
            "https://a.example/?x",
            "https://a.example/#x",
            "http://a.example",
            "http://10.0.0.7:8080",
            "http://0.0.0.0:8080",
            "http://localhost.example.com",
            "http://[::]:8080",
        ] {
            assert!(public_url(text).is_err(), "{text}");
        }
        let told = public_url("https://a.example/auth").unwrap_err();
        assert!(
            told.contains("a path prefix cannot be had") && told.contains("a host name of its own"),
            "{told}"
        );
        let told = public_url("https://me:hunter2@a.example").unwrap_err();
        assert!(!told.contains("hunter2"), "{told}");
    }
}

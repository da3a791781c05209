//! Which server: a connection URL as libpq knows it, with its TLS modes.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, SslNegotiation};

pub use super::readings::has_password;
use super::readings::{is_ambiguous, unescaped};
/// A shorter wish would refuse servers that only have far to go, as libpq has it.
const LEAST_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Where a PostgreSQL database is, and how to talk to it.
///
/// Read from a URL, `postgres://user:password@host:port/database?sslmode=verify-full`, in libpq's words: several
/// hosts with commas between them, a socket's folder as `?host=/run/postgresql`, `sslmode` and `sslrootcert`. Whatever
/// `target_session_attrs` says, only a primary is ever used. Shown without its password.
#[derive(Clone)]
pub struct Server {
    pub(super) config: Config,
    pub(super) shown: String,
    pub(super) tls: TlsMode,
    pub(super) root_certificates: Roots,
}

/// How a connection is encrypted and what is checked of the server (libpq's `sslmode`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TlsMode {
    /// Never encrypted.
    Disable,
    /// Encrypted only if the server insists.
    Allow,
    /// Encrypted if the server can; nothing is checked.
    Prefer,
    /// Encrypted; nothing is checked, unless root certificates are named.
    Require,
    /// Encrypted, and the certificate leads to a trusted root.
    VerifyCa,
    /// Encrypted, the certificate leads to a trusted root, and it is that host's.
    VerifyFull,
}

/// Who vouches for the server (libpq's `sslrootcert`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Roots {
    /// Nobody was named.
    Unnamed,
    /// Those the operating system trusts.
    System,
    /// Those in this PEM file.
    File(PathBuf),
}

/// Why a URL names no PostgreSQL database. Never quotes the URL: it may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum BadUrl {
    /// Not a URL of PostgreSQL at all.
    #[error("it does not begin with postgres:// or postgresql://")]
    Scheme,
    /// Its parts cannot be told from each other.
    #[error(
        "it can be read in two ways, since an @ that stands in it as it is may end the password or be part of it, so none of it \
         is shown; write @ as %40 in the user's name, the password and the parameters, / as %2F, ? as %3F and # as %23"
    )]
    Ambiguous,
    /// libpq knows no such mode.
    #[error("sslmode is one of disable, allow, prefer, require, verify-ca and verify-full, not {0:?}")]
    TlsMode(String),
    /// Verification asked for, and nobody to vouch.
    #[error(
        "sslmode={0} needs sslrootcert: a PEM file with the certificates to trust, or \"system\" for the \
         operating system's"
    )]
    NoRoots(&'static str),
    /// Encrypted from the first byte, and perhaps not at all.
    #[error("sslnegotiation=direct goes with sslmode=require, verify-ca or verify-full, not with {0}")]
    DirectTls(&'static str),
    /// No host in it.
    #[error("it names no host; write postgres://user@host/database, or ?host=/run/postgresql for a socket")]
    NoHost,
    /// As many ports as hosts, or one for all.
    #[error("it has {ports} ports for {hosts} hosts; give one for all, or one for each")]
    Ports {
        /// How many hosts.
        hosts: usize,
        /// How many ports.
        ports: usize,
    },
    /// Anything else.
    #[error("{0}")]
    Malformed(String),
}

impl FromStr for Server {
    type Err = BadUrl;

    fn from_str(url: &str) -> Result<Self, BadUrl> {
        if is_ambiguous(url) {
            return Err(BadUrl::Ambiguous);
        }
        // A question mark may stand in a password.
        let credentials = url.find('@').unwrap_or(0);
        let (address, query) = match url[credentials..].find('?') {
            Some(at) => (&url[..credentials + at], &url[credentials + at + 1..]),
            None => (url, ""),
        };
        if !address.starts_with("postgres://") && !address.starts_with("postgresql://") {
            return Err(BadUrl::Scheme);
        }
        let (mut mode, mut roots) = (None, Roots::Unnamed);
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", name)) => mode = Some(TlsMode::named(name)?),
                Some(("sslrootcert", "system")) => roots = Roots::System,
                Some(("sslrootcert", path)) => roots = Roots::File(value(path)?.into()),
                _ => rest.push(pair),
            }
        }
        // As libpq has it: the system's roots vouch for half the internet, so the name must be checked too.
        let weakest = if roots == Roots::System { TlsMode::VerifyFull } else { TlsMode::Prefer };
        let tls = mode.unwrap_or(weakest);
        if roots == Roots::System && tls != TlsMode::VerifyFull {
            return Err(BadUrl::Malformed(
                "sslrootcert=system goes with sslmode=verify-full only".to_owned(),
            ));
        }
        if rest.contains(&"sslnegotiation=direct")
            && matches!(tls, TlsMode::Disable | TlsMode::Allow | TlsMode::Prefer)
        {
            return Err(BadUrl::DirectTls(tls.name()));
        }
        let plain =
            if rest.is_empty() { address.to_owned() } else { format!("{address}?{}", rest.join("&")) };
        let config: Config = plain.parse().map_err(|error| BadUrl::Malformed(complaint(&error)))?;
        let server = Self { shown: shown(address), config, tls, root_certificates: roots };
        server.check_hosts()?;
        let verifies = matches!(tls, TlsMode::VerifyCa | TlsMode::VerifyFull);
        if server.root_certificates == Roots::Unnamed && verifies && !server.is_by_socket() {
            return Err(BadUrl::NoRoots(tls.name()));
        }
        Ok(server)
    }
}

impl Server {
    fn check_hosts(&self) -> Result<(), BadUrl> {
        let hosts = self.config.get_hosts().len().max(self.config.get_hostaddrs().len());
        let ports = self.config.get_ports().len();
        if hosts == 0 {
            return Err(BadUrl::NoHost);
        }
        if ports > 1 && ports != hosts {
            return Err(BadUrl::Ports { hosts, ports });
        }
        Ok(())
    }

    /// One configuration for each host, so that they can be asked at the same time.
    pub(super) fn hosts(&self) -> Vec<(String, Config)> {
        let (names, addresses) = (self.config.get_hosts(), self.config.get_hostaddrs());
        let ports = self.config.get_ports();
        let each = (0..names.len().max(addresses.len())).map(|i| {
            let mut config = self.without_hosts();
            let mut shown = String::new();
            match names.get(i) {
                Some(Host::Tcp(name)) => {
                    config.host(name);
                    shown.clone_from(name);
                }
                Some(Host::Unix(folder)) => {
                    config.host_path(folder);
                    shown = folder.display().to_string();
                }
                None => {}
            }
            if let Some(address) = addresses.get(i) {
                config.hostaddr(*address);
                if shown.is_empty() {
                    shown = address.to_string();
                }
            }
            if is_socket(&config) {
                config.ssl_mode(SslMode::Disable).ssl_negotiation(SslNegotiation::Postgres);
            }
            let port = ports.get(i).or(ports.first()).copied().unwrap_or(5432);
            config.port(port);
            (format!("{shown}:{port}"), config)
        });
        each.collect()
    }

    /// How long connecting to one host may take, where the URL says so (libpq's `connect_timeout`): in seconds, at least
    /// two, and none or less for no wish.
    pub(super) fn connect_timeout(&self) -> Option<Duration> {
        let wish = self.config.get_connect_timeout().copied().filter(|wish| !wish.is_zero());
        wish.map(|wish| wish.max(LEAST_CONNECT_TIMEOUT))
    }

    /// The `sslmode` in force, where it leaves open whether what goes to another machine is encrypted.
    #[must_use]
    pub fn may_talk_in_clear(&self) -> Option<&'static str> {
        let is_elsewhere = self.hosts().iter().any(|(_, config)| !is_this_machine(config));
        let is_open = matches!(self.tls, TlsMode::Allow | TlsMode::Prefer);
        (is_open && is_elsewhere).then(|| self.tls.name())
    }

    fn without_hosts(&self) -> Config {
        let given = &self.config;
        let mut config = Config::new();
        config.application_name(given.get_application_name().unwrap_or("sprag"));
        config.ssl_mode(match self.tls {
            TlsMode::Disable | TlsMode::Allow => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => SslMode::Require,
        });
        config.ssl_negotiation(given.get_ssl_negotiation());
        config.channel_binding(given.get_channel_binding());
        // A server that vanishes without a word is noticed within seconds, unless the URL says otherwise.
        let idle = given.get_keepalives_idle();
        let is_default = idle == Config::new().get_keepalives_idle();
        config.keepalives(given.get_keepalives());
        config.keepalives_idle(if is_default { Duration::from_secs(10) } else { idle });
        config.keepalives_interval(given.get_keepalives_interval().unwrap_or(Duration::from_secs(3)));
        config.tcp_user_timeout(given.get_tcp_user_timeout().copied().unwrap_or(Duration::from_secs(5)));
        if let Some(user) = given.get_user() {
            config.user(user);
        }
        if let Some(password) = given.get_password() {
            config.password(password);
        }
        if let Some(name) = given.get_dbname() {
            config.dbname(name);
        }
        if let Some(options) = given.get_options() {
            config.options(options);
        }
        config
    }
}

/// Whether that one host is a socket.
pub(super) fn is_socket(one_host: &Config) -> bool {
    one_host.get_hostaddrs().is_empty() && matches!(one_host.get_hosts().first(), Some(Host::Unix(_)))
}

/// Whether what is said to that one host stays on this machine, as far as its name or address tells.
fn is_this_machine(one_host: &Config) -> bool {
    match (one_host.get_hostaddrs().first(), one_host.get_hosts().first()) {
        (Some(address), _) => address.is_loopback(),
        (None, Some(Host::Tcp(name))) => name == "localhost" || name == "::1" || name.starts_with("127."),
        (None, Some(Host::Unix(_)) | None) => true,
    }
}

impl TlsMode {
    pub(super) const ALL: [Self; 6] =
        [Self::Disable, Self::Allow, Self::Prefer, Self::Require, Self::VerifyCa, Self::VerifyFull];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }

    fn named(name: &str) -> Result<Self, BadUrl> {
        let found = Self::ALL.into_iter().find(|mode| mode.name() == name);
        found.ok_or_else(|| BadUrl::TlsMode(name.chars().take(40).collect()))
    }
}

/// What the driver finds wrong, with its reason.
fn complaint(error: &tokio_postgres::Error) -> String {
    let reason = std::error::Error::source(error).map(|source| format!(": {source}"));
    format!("{error}{}", reason.unwrap_or_default())
}

/// The URL's address without a password.
fn shown(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return "postgres://…".to_owned() };
    let (credentials, place) = match rest.split_once('@') {
        Some((credentials, place)) => (Some(credentials), place),
        None => (None, rest),
    };
    let user = credentials.map(|both| both.split_once(':').map_or(both, |(user, _)| user));
    match user {
        Some(user) => format!("{scheme}://{user}@{place}"),
        None => format!("{scheme}://{place}"),
    }
}

/// A value of a URL's query.
fn value(text: &str) -> Result<String, BadUrl> {
    let malformed = "a % is not followed by two hexadecimal digits, or a value is not UTF-8";
    unescaped(text).ok_or_else(|| BadUrl::Malformed(malformed.to_owned()))
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Server").field(&self.shown).field(&self.tls).finish()
    }
}

impl PartialEq for Server {
    fn eq(&self, other: &Self) -> bool {
        self.config == other.config
            && self.tls == other.tls
            && self.root_certificates == other.root_certificates
    }
}

impl Eq for Server {}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> Server {
        url.parse().unwrap()
    }

    fn complaint(url: &str) -> String {
        url.parse::<Server>().unwrap_err().to_string()
    }

    #[test]
    fn a_password_is_never_shown() {
        for url in
            ["postgres://ann:se%40cret@db/app", "postgresql://ann:se?cr:et@db/app?options=-csecret%3Dx"]
        {
            let server = server(url);
            assert!(server.to_string().ends_with("://ann@db/app"), "{server}");
            assert!(!format!("{server:?}").contains("se"), "{server:?}");
        }
        assert!(!complaint("postgres://ann:secret@db/app?nonsense=secret2").contains("secret"));
    }

    #[test]
    fn nothing_is_shown_of_a_url_that_can_be_read_in_two_ways() {
        for url in [
            "postgres://ann:p@hunter2@db/app",
            "postgres://ann:12/hunter2@db/app",
            "postgres://db/app?user=ann&password=p@hunter2",
        ] {
            let told = complaint(url);
            assert!(told.contains("write @ as %40") && !told.contains("hunter2"), "{told}");
        }
        assert_eq!(server("postgres://ann:p%40hunter2@db/app").to_string(), "postgres://ann@db/app");
    }

    #[test]
    fn tls_modes_are_named_as_libpq_names_them() {
        assert_eq!(server("postgres://db/app").tls, TlsMode::Prefer);
        for mode in [TlsMode::Disable, TlsMode::Allow, TlsMode::Prefer, TlsMode::Require] {
            assert_eq!(server(&format!("postgres://db/app?sslmode={}", mode.name())).tls, mode);
        }
        for mode in [TlsMode::VerifyCa, TlsMode::VerifyFull] {
            let url = format!("postgres://db/app?sslmode={}", mode.name());
            assert!(complaint(&url).contains("needs sslrootcert"));
            let named = server(&format!("{url}&sslrootcert=%2Fetc/ca.pem"));
            assert_eq!((named.tls, named.root_certificates), (mode, Roots::File("/etc/ca.pem".into())));
        }
        assert!(complaint("postgres://db/app?sslmode=full").contains("verify-full, not \"full\""));
    }

    #[test]
    fn the_systems_roots_go_with_a_checked_name_only() {
        assert_eq!(server("postgres://db/app?sslrootcert=system").tls, TlsMode::VerifyFull);
        assert!(
            complaint("postgres://db/app?sslmode=require&sslrootcert=system").contains("verify-full only")
        );
    }

    #[test]
    fn a_time_for_connecting_is_understood_as_libpq_understands_it() {
        let timeout = |query: &str| server(&format!("postgres://db/app?{query}")).connect_timeout();
        assert_eq!(timeout("connect_timeout=7"), Some(Duration::from_secs(7)));
        assert_eq!(timeout("connect_timeout=1"), Some(Duration::from_secs(2)));
        for none in ["", "connect_timeout=0", "connect_timeout=-1"] {
            assert_eq!(timeout(none), None, "{none}");
        }
        assert!(complaint("postgres://db/app?connect_timeout=soon").contains("connect_timeout"));
    }

    #[test]
    fn whether_another_machine_is_talked_to_in_clear_is_known() {
        let open = |url: &str| server(url).may_talk_in_clear();
        for url in ["postgres://db1/app", "postgres://localhost,db2/app", "postgres://10.0.0.7/app"] {
            assert_eq!(open(url), Some("prefer"), "{url}");
        }
        assert_eq!(open("postgres://localhost/app?hostaddr=10.0.0.7"), Some("prefer"));
        assert_eq!(open("postgres://db1/app?sslmode=allow"), Some("allow"));
        for said in ["disable", "require"] {
            assert_eq!(open(&format!("postgres://db1/app?sslmode={said}")), None, "{said}");
        }
        let here =
            ["postgres://localhost/app", "postgres://127.0.0.1/app", "postgres:///app?host=/run/postgresql"];
        for url in here {
            assert_eq!(open(url), None, "{url}");
        }
    }

    #[test]
    fn tls_from_the_first_byte_is_refused_where_there_may_be_none() {
        for mode in ["disable", "allow", "prefer"] {
            let url = format!("postgres://db/app?sslmode={mode}&sslnegotiation=direct");
            assert!(complaint(&url).contains(&format!("not with {mode}")), "{}", complaint(&url));
        }
        assert!(complaint("postgres://db/app?sslnegotiation=direct").contains("not with prefer"));
        assert!(complaint("postgres://db/app?sslnegotiation=soon").contains("sslnegotiation"));
        assert_eq!(server("postgres://db/app?sslmode=require&sslnegotiation=direct").tls, TlsMode::Require);
    }

    #[test]
    fn each_host_gets_a_configuration_of_its_own() {
        let shown: Vec<_> =
            server("postgres://ann@a,b:5433/app").hosts().into_iter().map(|(shown, _)| shown).collect();
        assert_eq!(shown, ["a:5432", "b:5433"]);
        let hosts = server("postgres://ann@/app?host=/run/postgresql").hosts();
        assert_eq!(hosts[0].0, "/run/postgresql:5432");
        assert_eq!(hosts[0].1.get_dbname(), Some("app"));
    }

    #[test]
    fn what_names_no_database_is_refused_with_a_reason() {
        assert!(complaint("mysql://db/app").contains("does not begin with postgres://"));
        assert!(complaint("postgres:///app").contains("names no host"));
        assert!(complaint("postgres://db/app?sslrootcert=%zz").contains("hexadecimal"));
    }
}

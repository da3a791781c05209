//! From text to typed values. Each says, where it refuses, which text it was and what it would accept.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::de::IgnoredAny;
use tracing_subscriber::EnvFilter;
use url::{Host, Url};

use super::{Database, LogFormat, ProfileRef, Secret};
use crate::edge::proxies::{NotProxies, Proxies};
pub(super) use crate::text::quoted;
use sprag::access::Algorithm;
use sprag::policy::Retry;
use sprag::store::postgres::{Batching, Server};

/// What a parser says: a value, or what is wrong with the text.
pub(super) type Parsed<T> = Result<T, String>;

/// A span of time within bounds, which are spelled as spans too.
pub(super) fn span(text: &str, least: &str, most: &str) -> Parsed<Duration> {
    let within = |span: &Duration| {
        duration(least).is_some_and(|least| *span >= least)
            && duration(most).is_some_and(|most| *span <= most)
    };
    match duration(text) {
        Some(span) if within(&span) => Ok(span),
        Some(_) => Err(format!("{} is out of bounds; write {least} to {most}", quoted(text))),
        None => Err(format!(
            "{} is not a span of time; write 30s, 15m, 12h or 7d ({least} to {most} here)",
            quoted(text)
        )),
    }
}

/// A whole number and one of s, m, h, d; nothing else.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = is_number.then(|| number.parse().ok())??;
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// A whole number within bounds.
pub(super) fn count<T>(text: &str, least: T, most: T) -> Parsed<T>
where
    T: FromStr + PartialOrd + std::fmt::Display,
{
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<T>() {
        Ok(number) if is_number && number >= least && number <= most => Ok(number),
        _ => Err(format!("{} is not a whole number from {least} to {most}", quoted(text))),
    }
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

/// The proxies to believe.
pub(super) fn proxies(text: &str) -> Parsed<Proxies> {
    text.parse().map_err(|error: NotProxies| error.to_string())
}

/// The URL that clients know us by: scheme, host and perhaps a port, and nothing after them.
pub(super) fn public_url(text: &str) -> Parsed<Url> {
    const LIKE: &str = "write it like https://login.example.com";
    let url = Url::parse(text).map_err(|_| format!("{} is not a URL; {LIKE}", quoted(text)))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("this URL has a user name in it; {LIKE}"));
    }
    if !matches!(url.scheme(), "https" | "http") {
        return Err(format!("{} is not an https URL; {LIKE}", quoted(text)));
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

/// Origins with commas between them, as browsers send them.
pub(super) fn origins(text: &str) -> Parsed<Vec<String>> {
    text.split(',').map(|text| origin(text.trim())).collect()
}

fn origin(text: &str) -> Parsed<String> {
    const LIKE: &str = "an origin is a scheme, a host and perhaps a port, and nothing after them; write it like \
                        https://app.example.com";
    if text == "*" {
        return Err("* would let every site use the visitor's session; name the sites one by one".to_owned());
    }
    let url = Url::parse(text).map_err(|_| format!("{} is not an origin: {LIKE}", quoted(text)))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("this origin has a user name in it: {LIKE}"));
    }
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "https" | "http") || !is_bare {
        return Err(format!("{} is not an origin: {LIKE}", quoted(text)));
    }
    if url.scheme() == "http" && !is_this_machine(&url) {
        return Err(format!(
            "{} is not https, so anyone on the way to that site could put a page of their own in its place and use \
             the visitor's session; name the site by its https origin, or one of this machine, as \
             http://localhost:3000",
            quoted(text)
        ));
    }
    Ok(url.origin().ascii_serialization())
}

/// Whether the host is this machine whatever a name server says; browsers trust http there.
fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// What a database URL may look like.
const DATABASE_LIKE: &str = "write sqlite:PATH or postgres://USER@HOST/DATABASE";

/// The database. What stands after the scheme is repeated only for SQLite: elsewhere it has a password in it.
pub(super) fn database(text: &str) -> Parsed<Database> {
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    match scheme {
        "sqlite" => sqlite(text),
        "postgres" | "postgresql" => match text.parse::<Server>() {
            Ok(server) => Ok(Database::Postgres(Box::new(server))),
            Err(bad) => Err(format!("{bad}; a URL of PostgreSQL is like postgres://USER@HOST/DATABASE")),
        },
        "" => Err(format!("this is not a database URL; {DATABASE_LIKE}")),
        _ => Err(format!("there is no store for {}; {DATABASE_LIKE}", quoted(scheme))),
    }
}

/// How waiting rotations leave for PostgreSQL.
pub(super) fn batching(text: &str) -> Parsed<Batching> {
    match text {
        "auto" => Ok(Batching::Auto),
        "unnest" => Ok(Batching::Unnest),
        "rows" => Ok(Batching::Rows),
        _ => Err(format!("{} is none of auto, unnest and rows", quoted(text))),
    }
}

fn sqlite(text: &str) -> Parsed<Database> {
    let path = text.strip_prefix("sqlite:").unwrap_or(text);
    // SQLite reads `:memory:` and `file:…?…` as something other than a file's name.
    let is_odd = path.starts_with(':') || path.starts_with("file:") || path.starts_with("//");
    if path.is_empty() || is_odd || path.contains(['?', '\0']) {
        return Err(format!(
            "{} does not name a file plainly; write sqlite:sprag.db or sqlite:/var/lib/sprag/sprag.db",
            quoted(text)
        ));
    }
    Ok(Database::Sqlite(PathBuf::from(path)))
}

/// A folder or file.
pub(super) fn path(text: &str) -> Parsed<PathBuf> {
    if text.contains('\0') {
        return Err(format!("{} is not a path", quoted(text)));
    }
    Ok(PathBuf::from(text))
}

/// The profiles to serve.
pub(super) fn profiles(text: &str) -> Parsed<Vec<ProfileRef>> {
    let mut profiles = Vec::new();
    for name in text.split(',').map(str::trim) {
        if name.is_empty() {
            return Err(format!(
                "{} has nothing between two commas; write sprag,express-mongo",
                quoted(text)
            ));
        }
        let profile = if name.ends_with(".toml") || name.contains('/') {
            ProfileRef::File(PathBuf::from(name))
        } else {
            ProfileRef::Shipped(name.to_owned())
        };
        if profiles.contains(&profile) {
            return Err(format!("{} names {} twice", quoted(text), quoted(name)));
        }
        profiles.push(profile);
    }
    Ok(profiles)
}

/// How access tokens are signed.
pub(super) fn algorithm(text: &str) -> Parsed<Algorithm> {
    let known = Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == text);
    known.ok_or_else(|| format!("{} is not one of ES256, EdDSA, RS256, HS256", quoted(text)))
}

/// `on` or `off`.
pub(super) fn switch(text: &str) -> Parsed<bool> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("{} is neither on nor off", quoted(text))),
    }
}

/// What the token just spent gets.
pub(super) fn retry(text: &str) -> Parsed<Retry> {
    match text {
        "answer" => Ok(Retry::Answer),
        "refuse" => Ok(Retry::Refuse),
        _ => Err(format!("{} is neither answer nor refuse", quoted(text))),
    }
}

/// How logs are written.
pub(super) fn log_format(text: &str) -> Parsed<LogFormat> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("{} is neither text nor json", quoted(text))),
    }
}

/// What is logged. A bare word that is no level would be a target's name to the filter, and silence to us.
pub(super) fn log_filter(text: &str) -> Parsed<String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let is_plain =
        |part: &str| part.contains(['=', '[']) || LEVELS.iter().any(|level| level.eq_ignore_ascii_case(part));
    if text.split(',').all(|part| is_plain(part.trim())) && EnvFilter::builder().parse(text).is_ok() {
        return Ok(text.to_owned());
    }
    Err(format!("{} is not a log filter; write info, or warn,sprag=debug", quoted(text)))
}

/// An audience: one word, as it stands in a token.
pub(super) fn audience(text: &str) -> Parsed<String> {
    if text.chars().any(|letter| letter.is_whitespace() || letter.is_control()) || text.len() > 255 {
        return Err(format!("{} is not one word of at most 255 bytes", quoted(text)));
    }
    Ok(text.to_owned())
}

/// The key ring's JSON; whether it is a key ring is judged where keys are.
pub(super) fn key_ring(text: &str) -> Parsed<Secret> {
    if !text.trim_start().starts_with('{') || serde_json::from_str::<IgnoredAny>(text).is_err() {
        return Err("this is not the JSON of a key ring; give the whole content of a key ring file, \
                    in single quotes where it stands in .env"
            .to_owned());
    }
    Ok(Secret::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_number_and_a_unit_and_nothing_else() {
        for (text, seconds) in [("0s", 0), ("30s", 30), ("15m", 900), ("12h", 43_200), ("7d", 604_800)] {
            assert_eq!(duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        let wrong = [
            "", "s", "30", "30 s", " 30s", "30s ", "+3s", "-3s", "1.5h", "1h30m", "3S", "5ms", "7w", "٣s",
            "3é",
        ];
        for text in wrong {
            assert_eq!(duration(text), None, "{text}");
        }
        assert_eq!(duration("99999999999999999999s"), None);
        assert_eq!(duration("18446744073709551615d"), None);
    }

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
        let told = public_url("https://me:hunter2@a.example").unwrap_err();
        assert!(!told.contains("hunter2"), "{told}");
    }

    #[test]
    fn origins_are_sites_one_by_one() {
        let named = origins("https://app.example.com, http://localhost:3000,https://a.example:443/");
        let bare = ["https://app.example.com", "http://localhost:3000", "https://a.example"];
        assert_eq!(named.unwrap(), bare);
        for text in ["", "app.example.com", "ftp://localhost", "https://a.example/app", "https://a.example,"]
        {
            let told = origins(text).unwrap_err();
            assert!(told.contains("is not an origin: an origin is a scheme, a host"), "{told}");
        }
        let told = origins("https://a.example,http://b.example").unwrap_err();
        assert!(told.starts_with("\"http://b.example\" is not https, so anyone on the way"), "{told}");
        assert!(!told.contains("TLS before this server"), "{told}");
        assert!(origins("*").unwrap_err().contains("every site"));
        let told = origins("https://me:hunter2@a.example").unwrap_err();
        assert!(!told.contains("hunter2"), "{told}");
    }

    #[test]
    fn a_wrong_postgresql_url_is_refused_without_its_password() {
        for text in
            ["postgres:", "postgresql://", "postgres:me:hunter2@db/sprag", "mysql://me:hunter2@db/sprag"]
        {
            let told = database(text).unwrap_err();
            assert!(told.contains("postgres://") && !told.contains("hunter2"), "{told}");
        }
    }

    #[test]
    fn a_database_is_a_file_named_plainly() {
        for path in ["sprag.db", "/var/lib/sprag/sprag.db", "./a b.db", "/data/memory.db"] {
            assert_eq!(database(&format!("sqlite:{path}")), Ok(Database::Sqlite(PathBuf::from(path))));
        }
        for text in [
            "sqlite:",
            "sqlite::memory:",
            "sqlite://sprag.db",
            "sqlite:a?mode=memory",
            "sqlite:file:a",
            "sprag.db",
        ] {
            assert!(database(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_bare_word_in_a_log_filter_is_a_level() {
        for text in ["info", "WARN", "off", "warn,sprag=debug", "info,hyper=off", "sprag[refresh]=trace"] {
            assert!(log_filter(text).is_ok(), "{text}");
        }
        for text in ["inof", "sprag", "sprag=loud", "info,,"] {
            assert!(log_filter(text).is_err(), "{text}");
        }
    }
}

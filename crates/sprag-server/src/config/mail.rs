//! How letters leave the server, and from whom.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use lettre::message::Mailbox;
use url::{Host, Url};

use super::chosen::Chosen;
use super::error::ConfigError;
use super::listen::Listen;
use super::origin::Origin;
use super::secret::Secret;
use super::setting::{Fallback, Setting};
use super::value::Parsed;
use crate::quoted::quoted;

/// The settings of this feature.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "mail-url",
        env: "SPRAG_MAIL_URL",
        placeholder: "URL",
        help: "How letters leave: smtp://HOST:PORT (with STARTTLS, which only a server on this machine may lack), smtps://HOST:PORT, \
               folder:PATH (a file for each), log: (they stand in the log), or off. With a password in it, in the environment, .env or a \
               file of its own only.",
        default: Fallback::Derived("log: where the server is reached from this machine alone, else off"),
        is_secret: false,
        right: "smtps://mail.example.org",
        wrong: "mail.example.org",
    },
    Setting {
        name: "mail-from",
        env: "SPRAG_MAIL_FROM",
        placeholder: "ADDRESS",
        help: "From whom letters are: an address, or a name with it, as Example <no-reply@example.org>.",
        default: Fallback::Derived("no-reply@ and the host of public-url"),
        is_secret: false,
        right: "Example <hello@example.org>",
        wrong: "Example",
    },
    Setting {
        name: "mail-words",
        env: "SPRAG_MAIL_WORDS",
        placeholder: "FOLDER",
        help: "A folder whose files take the place of the letters' and pages' own: words as de.toml, and letter.txt, letter.html, \
               page.html.",
        default: Fallback::Value("none"),
        is_secret: false,
        right: "/etc/sprag/words",
        wrong: "",
    },
    Setting {
        name: "service-name",
        env: "SPRAG_SERVICE_NAME",
        placeholder: "NAME",
        help: "What letters and pages call this service (up to 60 characters).",
        default: Fallback::Derived("the host of public-url"),
        is_secret: false,
        right: "Example",
        wrong: "",
    },
];

/// How letters leave the server, and from whom.
#[derive(Clone, Debug)]
pub struct Mail {
    /// How they leave.
    pub url: MailUrl,
    /// From whom they are.
    pub from: Mailbox,
    /// Whose files take the place of their own words.
    pub words: Option<PathBuf>,
    /// What they call the service.
    pub service: String,
}

/// How letters leave.
#[derive(Clone, Debug)]
pub enum MailUrl {
    /// Not at all; none are written.
    Off,
    /// They stand in the log.
    Log,
    /// A file for each.
    Folder(PathBuf),
    /// To a mail server.
    Smtp(Box<Smtp>),
}

/// A mail server.
#[derive(Clone, Debug)]
pub struct Smtp {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub tls: SmtpTls,
    /// As whom we log in there.
    pub login: Option<(String, Secret)>,
}

/// How a connection to a mail server is encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SmtpTls {
    /// From its beginning.
    Implicit,
    /// By STARTTLS, without which nothing is sent.
    Required,
    /// By STARTTLS where the server, on this machine, offers it.
    Offered,
}

impl Mail {
    pub(super) fn from(chosen: &Chosen, listen: &Listen) -> Result<Self, ConfigError> {
        expect_hidden_password(chosen)?;
        let url = chosen.given("mail-url", mail_url)?.unwrap_or_else(|| usual(listen));
        let host = listen.public_url.host_str().unwrap_or("localhost").to_owned();
        let own = format!("no-reply@{}", if is_named(&listen.public_url) { &host } else { "localhost" });
        let refuse = |problem| ConfigError::Value { setting: "mail-from", origin: Origin::Default, problem };
        let from = match chosen.given("mail-from", mailbox)? {
            Some(from) => from,
            None => mailbox(&own).map_err(refuse)?,
        };
        let words = chosen.typed("mail-words", folder)?;
        let service = chosen.given("service-name", service)?.unwrap_or(host);
        Ok(Self { url, from, words, service })
    }

    /// Whether any are sent.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !matches!(self.url, MailUrl::Off)
    }
}

/// What is repeated to people has no password in it.
impl fmt::Display for MailUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Log => f.write_str("log:"),
            Self::Folder(path) => write!(f, "folder:{}", path.display()),
            Self::Smtp(smtp) => {
                let scheme = if smtp.tls == SmtpTls::Implicit { "smtps" } else { "smtp" };
                let login = smtp.login.as_ref().map(|(user, _)| format!("{user}@")).unwrap_or_default();
                write!(f, "{scheme}://{login}{}:{}", smtp.host, smtp.port)
            }
        }
    }
}

/// Links stand in the log only where nobody but this machine can ask for them.
fn usual(listen: &Listen) -> MailUrl {
    let is_here = listen.address.ip().is_loopback() && is_loopback(listen.public_url.host());
    if is_here { MailUrl::Log } else { MailUrl::Off }
}

fn is_loopback(host: Option<Host<&str>>) -> bool {
    match host {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn is_named(url: &Url) -> bool {
    matches!(url.host(), Some(Host::Domain(_)))
}

/// A password is a secret wherever it stands.
fn expect_hidden_password(chosen: &Chosen) -> Result<(), ConfigError> {
    let (setting, found) = chosen.of("mail-url");
    let has_password = |text: &str| Url::parse(text).is_ok_and(|url| url.password().is_some());
    let Some(found) = found.filter(|found| has_password(&found.text)) else { return Ok(()) };
    let danger = match found.origin {
        Origin::Flag(_) => "a flag can be read in the list of processes",
        Origin::File { .. } => "a file of settings gets copied about",
        _ => return Ok(()),
    };
    let problem = format!(
        "there is a password in it, and {danger}; set {0} in the environment or .env, or {0}_FILE (in a file of settings: \
         mail_url_file) to a file that it stands in",
        setting.env
    );
    Err(ConfigError::Value { setting: setting.name, origin: found.origin.clone(), problem })
}

/// What is wrong is not repeated: there may be a password in it.
fn mail_url(text: &str) -> Parsed<MailUrl> {
    const LIKE: &str =
        "write off, log:, folder:PATH, smtp://USER:PASSWORD@HOST:PORT or smtps://USER:PASSWORD@HOST:PORT";
    match text {
        "off" => return Ok(MailUrl::Off),
        "log:" | "log" => return Ok(MailUrl::Log),
        _ => {}
    }
    if let Some(path) = text.strip_prefix("folder:") {
        return match path {
            "" => Err(format!("there is no folder named; {LIKE}")),
            path => Ok(MailUrl::Folder(path.into())),
        };
    }
    let url = Url::parse(text).map_err(|_| format!("it is no URL; {LIKE}"))?;
    let is_implicit = match url.scheme() {
        "smtps" => true,
        "smtp" => false,
        _ => return Err(format!("it begins with none of the ways that letters leave; {LIKE}")),
    };
    let host = url
        .host_str()
        .filter(|host| !host.is_empty())
        .ok_or_else(|| format!("it names no mail server; {LIKE}"))?
        .to_owned();
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(format!("there is something behind the server's name; {LIKE}"));
    }
    let is_here = host == "localhost"
        || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let tls = match (is_implicit, is_here) {
        (true, _) => SmtpTls::Implicit,
        (false, false) => SmtpTls::Required,
        (false, true) => SmtpTls::Offered,
    };
    let port = url.port().unwrap_or(if is_implicit { 465 } else { 587 });
    let decoded = |part: &str| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned();
    let login = url.password().map(|password| (decoded(url.username()), Secret::new(decoded(password))));
    if login.is_none() && !url.username().is_empty() {
        return Err(format!("it names a user and no password; {LIKE}"));
    }
    Ok(MailUrl::Smtp(Box::new(Smtp { host, port, tls, login })))
}

fn mailbox(text: &str) -> Parsed<Mailbox> {
    text.parse().map_err(|_| {
        format!(
            "{} is no address; write no-reply@example.org or Example <no-reply@example.org>",
            quoted(text)
        )
    })
}

fn folder(text: &str) -> Parsed<Option<PathBuf>> {
    match text {
        "" => Err("it is empty; name a folder, or write none".to_owned()),
        "none" => Ok(None),
        path => Ok(Some(path.into())),
    }
}

fn service(text: &str) -> Parsed<String> {
    let text = text.trim();
    let is_plain = !text.is_empty() && text.chars().count() <= 60 && !text.contains(char::is_control);
    if is_plain { Ok(text.to_owned()) } else { Err("a name has 1 to 60 characters in one line".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_server_is_named_with_how_it_is_spoken_to_and_its_password_is_never_shown() {
        let shown = |text: &str| mail_url(text).map(|url| format!("{url} {url:?}"));
        let told = shown("smtps://ann:s%40cret-1@mail.example.org").unwrap();
        assert!(told.starts_with("smtps://ann@mail.example.org:465 "), "{told}");
        assert!(!told.contains("cret-1"), "{told}");
        for (text, tls) in [
            ("smtp://mail.example.org", SmtpTls::Required),
            ("smtp://127.0.0.1:2525", SmtpTls::Offered),
            ("smtp://localhost:2525", SmtpTls::Offered),
            ("smtps://127.0.0.1", SmtpTls::Implicit),
        ] {
            let Ok(MailUrl::Smtp(smtp)) = mail_url(text) else { panic!("{text}") };
            assert_eq!(smtp.tls, tls, "{text}");
        }
        for text in ["", "mail.example.org", "http://mail.example.org", "folder:", "smtp://", "smtp://h/x"] {
            assert!(mail_url(text).is_err(), "{text}");
        }
        assert!(!mail_url("smtx://ann:secret@h").unwrap_err().contains("secret"));
    }
}

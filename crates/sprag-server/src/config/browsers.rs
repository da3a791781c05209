//! What browsers may do: pages of other sites, and cookies.

use url::Url;

use super::chosen::Chosen;
use super::error::ConfigError;
use super::setting::{Fallback, Setting};
use super::value::{self, Parsed, is_this_machine};
use crate::quoted::quoted;

/// The settings of this feature.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "cors-origins",
        env: "SPRAG_CORS_ORIGINS",
        placeholder: "URLS",
        help: "The origins of other sites whose pages may call this server from a browser, with cookies too; commas \
               between them.",
        default: Fallback::Derived("none"),
        is_secret: false,
        right: "https://app.example.com,http://localhost:3000",
        wrong: "*",
    },
    Setting {
        name: "secure-cookies",
        env: "SPRAG_SECURE_COOKIES",
        placeholder: "on|off",
        help: "Whether browsers may send this server's cookies over https only, on every profile: on or off.",
        default: Fallback::Derived("the profile's"),
        is_secret: false,
        right: "on",
        wrong: "true",
    },
];

/// What browsers may do.
#[derive(Clone, Debug)]
pub struct Browsers {
    /// The origins whose pages may call this server from a browser.
    pub cors_origins: Vec<String>,
    /// Whether cookies are `Secure`, on every profile; `None` leaves each profile its own.
    pub secure_cookies: Option<bool>,
}

impl Browsers {
    pub(super) fn from(chosen: &Chosen) -> Result<Self, ConfigError> {
        Ok(Self {
            cors_origins: chosen.given("cors-origins", origins)?.unwrap_or_default(),
            secure_cookies: chosen.given("secure-cookies", value::switch)?,
        })
    }
}

/// Origins with commas between them, as browsers send them.
fn origins(text: &str) -> Parsed<Vec<String>> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}

//! What browsers may do: pages of other sites, and cookies.

use super::chosen::Chosen;
use super::error::ConfigError;
use super::setting::{Fallback, Setting};
use super::value::{self, Parsed};
use crate::web_origin;

/// The settings of this feature.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "cors-origins",
        env: "SPRAG_CORS_ORIGINS",
        placeholder: "URLS",
        help: "The origins of other sites and apps whose pages may call this server from a browser, with cookies too; \
               commas between them.",
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
    text.split(',').map(|text| web_origin::named(text.trim())).collect()
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

//! To which pages of the app the links of letters lead, in place of the server's own.

use url::Url;

use super::chosen::Chosen;
use super::error::ConfigError;
use super::setting::{Fallback, Setting};
use super::value::Parsed;

/// What stands in an address for the token.
pub(crate) const TOKEN: &str = "{token}";

/// The settings of this feature.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "links-verify",
        env: "SPRAG_LINKS_VERIFY",
        placeholder: "URL",
        help: "The app's page to which letters lead whoever confirms an address; {token} in it stands for the token, which is added \
               as ?token= where there is none.",
        default: Fallback::Derived("the server's own page /verify"),
        is_secret: false,
        right: "https://app.example.org/verify",
        wrong: "/verify",
    },
    Setting {
        name: "links-reset",
        env: "SPRAG_LINKS_RESET",
        placeholder: "URL",
        help: "The app's page to which letters lead whoever chooses a new password; {token} as in links-verify.",
        default: Fallback::Derived("the server's own page /reset"),
        is_secret: false,
        right: "https://app.example.org/#/reset/{token}",
        wrong: "app.example.org",
    },
    Setting {
        name: "links-invite",
        env: "SPRAG_LINKS_INVITE",
        placeholder: "URL",
        help: "The app's page to which letters lead whoever is invited, who registers there; {token} as in links-verify.",
        default: Fallback::Derived("the server's own page /invite"),
        is_secret: false,
        right: "https://app.example.org/register?invite={token}",
        wrong: "javascript:alert(1)",
    },
    Setting {
        name: "links-email",
        env: "SPRAG_LINKS_EMAIL",
        placeholder: "URL",
        help: "The app's page to which letters lead whoever confirms a new address of their account; {token} as in links-verify.",
        default: Fallback::Derived("the server's own page /email"),
        is_secret: false,
        right: "https://app.example.org/address/confirm",
        wrong: "app.example.org/address",
    },
    Setting {
        name: "links-undo",
        env: "SPRAG_LINKS_UNDO",
        placeholder: "URL",
        help: "The app's page to which letters to an account's old address lead whoever undoes the change; {token} as in links-verify.",
        default: Fallback::Derived("the server's own page /undo"),
        is_secret: false,
        right: "https://app.example.org/address/undo",
        wrong: "data:text/html,undo",
    },
    Setting {
        name: "links-code",
        env: "SPRAG_LINKS_CODE",
        placeholder: "URL",
        help: "The app's page to which letters lead whoever logs in by mail; {token} as in links-verify.",
        default: Fallback::Derived("the server's own page /code"),
        is_secret: false,
        right: "https://app.example.org/log-in#token={token}",
        wrong: "../log-in",
    },
    Setting {
        name: "links-not-me",
        env: "SPRAG_LINKS_NOT_ME",
        placeholder: "URL",
        help: "The app's page to which letters that tell of a log-in or a new password lead whoever says that it was not them; \
               {token} as in links-verify.",
        default: Fallback::Derived("the server's own page /not-me"),
        is_secret: false,
        right: "https://app.example.org/not-me",
        wrong: "file:///not-me",
    },
    Setting {
        name: "links-delete",
        env: "SPRAG_LINKS_DELETE",
        placeholder: "URL",
        help: "The app's page to which letters lead whoever keeps an account that is to be deleted; {token} as in links-verify.",
        default: Fallback::Derived("the server's own page /delete"),
        is_secret: false,
        right: "https://app.example.org/keep",
        wrong: "https://",
    },
];

/// The app's pages, by what they are for.
#[derive(Clone, Debug, Default)]
pub struct AppLinks(pub Vec<(&'static str, String)>);

impl AppLinks {
    pub(super) fn from(chosen: &Chosen) -> Result<Self, ConfigError> {
        let mut pages = Vec::new();
        for Setting { name, .. } in SETTINGS {
            let page = name.split_once('-').map_or(*name, |(_, page)| page);
            pages.extend(chosen.given(name, address)?.map(|address| (page, address)));
        }
        Ok(Self(pages))
    }
}

fn address(text: &str) -> Parsed<String> {
    const LIKE: &str =
        "write one as https://app.example.org/reset or https://app.example.org/#/reset/{token}";
    let url = Url::parse(&text.replace(TOKEN, "token"))
        .map_err(|_| format!("it is no address of a page; {LIKE}"))?;
    // A custom scheme may open an app of a phone; these run what stands in them.
    let runs = ["javascript", "data", "vbscript", "file", "blob", "about"];
    if runs.contains(&url.scheme()) || text.contains(char::is_control) {
        return Err(format!("it is no address of a page; {LIKE}"));
    }
    Ok(text.to_owned())
}

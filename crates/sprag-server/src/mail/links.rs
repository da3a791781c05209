//! Where the links of letters lead: to the server's own pages, or to the app's.

use sprag::letter::LetterKind;
use url::Url;

use crate::config::TOKEN_IN_LINK;

/// Where the links of letters lead.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    /// Under which the server's own pages are.
    public_url: Url,
    /// What stands before their names: empty, or as `/account`.
    prefix: String,
    /// The app's own pages, by what they are for.
    of_app: Vec<(&'static str, String)>,
}

impl Links {
    pub(crate) fn new(public_url: Url, of_app: Vec<(&'static str, String)>) -> Self {
        Self { public_url, prefix: String::new(), of_app }
    }

    /// With the server's own pages below a prefix, as `/account`.
    pub(crate) fn below(self, prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), ..self }
    }

    /// The address of a letter's link; `None` where it has none.
    pub(crate) fn link(&self, kind: LetterKind, token: &str) -> Option<String> {
        let page = match kind {
            LetterKind::VerifyEmail => "verify",
            LetterKind::ResetPassword => "reset",
            LetterKind::Invite => "invite",
            LetterKind::AccountDeletion => "delete",
            LetterKind::ChangeEmail => "email",
            LetterKind::EmailChanged => "undo",
            LetterKind::LogIn => "code",
            LetterKind::News
            | LetterKind::FactorAdded
            | LetterKind::FactorRemoved
            | LetterKind::RecoveryCodeUsed
            | LetterKind::RecoveryCodesFew
            | LetterKind::RecoveryCodesMade => "not-me",
            LetterKind::SignUpKnown
            | LetterKind::ChangeEmailKnown
            | LetterKind::LogInCode
            | LetterKind::Test => return None,
        };
        if let Some((_, address)) = self.of_app.iter().find(|(of, _)| *of == page) {
            return Some(filled(address, token));
        }
        let base = self.public_url.as_str().trim_end_matches('/');
        Some(format!("{base}{}/{page}?token={token}", self.prefix))
    }
}

/// An address with the token where it says, or else in its query. A token has letters, digits, `-` and `_` only.
fn filled(address: &str, token: &str) -> String {
    if address.contains(TOKEN_IN_LINK) {
        return address.replace(TOKEN_IN_LINK, token);
    }
    let (address, fragment) = address.split_once('#').unwrap_or((address, ""));
    let mark = if address.contains('?') { '&' } else { '?' };
    let hash = if fragment.is_empty() { "" } else { "#" };
    format!("{address}{mark}token={token}{hash}{fragment}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::SETTINGS;

    /// Each kind of letter that has a link, and the page that it leads to.
    const PAGES: [(LetterKind, &str); 13] = [
        (LetterKind::VerifyEmail, "verify"),
        (LetterKind::ResetPassword, "reset"),
        (LetterKind::Invite, "invite"),
        (LetterKind::ChangeEmail, "email"),
        (LetterKind::EmailChanged, "undo"),
        (LetterKind::LogIn, "code"),
        (LetterKind::News, "not-me"),
        (LetterKind::FactorAdded, "not-me"),
        (LetterKind::FactorRemoved, "not-me"),
        (LetterKind::RecoveryCodeUsed, "not-me"),
        (LetterKind::RecoveryCodesFew, "not-me"),
        (LetterKind::RecoveryCodesMade, "not-me"),
        (LetterKind::AccountDeletion, "delete"),
    ];

    #[test]
    fn every_link_can_be_led_to_the_app_by_a_setting_of_its_own() {
        let public_url = Url::parse("https://auth.example.org/").unwrap();
        let of_app: Vec<_> =
            PAGES.map(|(_, page)| (page, format!("https://app.example.org/{page}#{{token}}"))).into();
        let (app, own) = (Links::new(public_url.clone(), of_app), Links::new(public_url, Vec::new()));
        let own = own.below("/account");
        for kind in LetterKind::ALL {
            let page = PAGES.iter().find(|(of, _)| *of == kind).map(|(_, page)| *page);
            let expected = page.map(|page| format!("https://app.example.org/{page}#spo_x"));
            assert_eq!(app.link(kind, "spo_x"), expected, "{kind:?}");
            let Some(page) = page else {
                assert_eq!(own.link(kind, "spo_x"), None, "{kind:?}");
                continue;
            };
            let name = format!("links-{page}");
            assert!(SETTINGS.iter().any(|setting| setting.name == name), "{name}");
            let expected = format!("https://auth.example.org/account/{page}?token=spo_x");
            assert_eq!(own.link(kind, "spo_x"), Some(expected));
        }
        let settings = SETTINGS.iter().filter(|setting| setting.name.starts_with("links-"));
        let pages: std::collections::BTreeSet<_> = PAGES.iter().map(|(_, page)| page).collect();
        assert_eq!(settings.count(), pages.len(), "none leads nowhere");
    }

    #[test]
    fn a_link_leads_to_the_apps_page_where_it_has_one() {
        let own = Links::new(Url::parse("https://auth.example.org").unwrap(), Vec::new());
        let link = own.link(LetterKind::ResetPassword, "spo_x").unwrap();
        assert_eq!(link, "https://auth.example.org/reset?token=spo_x");
        for (address, filled) in [
            ("https://app.example.org/reset", "https://app.example.org/reset?token=spo_x"),
            ("https://app.example.org/reset?a=1", "https://app.example.org/reset?a=1&token=spo_x"),
            ("https://app.example.org/#/reset/{token}", "https://app.example.org/#/reset/spo_x"),
            ("https://app.example.org/reset#form", "https://app.example.org/reset?token=spo_x#form"),
            ("app://reset/{token}", "app://reset/spo_x"),
        ] {
            let of_app = vec![("reset", address.to_owned())];
            let links = Links::new(Url::parse("https://auth.example.org").unwrap(), of_app);
            assert_eq!(links.link(LetterKind::ResetPassword, "spo_x").as_deref(), Some(filled));
            assert!(links.link(LetterKind::VerifyEmail, "spo_x").unwrap().contains("/verify?"));
        }
    }
}

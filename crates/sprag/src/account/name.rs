//! The names that lead to an account.

use super::form::{self, may_be_in_a_name};
use super::{MAX_EMAIL_BYTES, MAX_EXTERNAL_ID_BYTES, MAX_USERNAME_BYTES};
use crate::error::Refusal;
use crate::session::ProfileId;

/// A name that leads to one account: a user name or an e-mail address, in the form that is compared.
///
/// Spellings that people take for the same name are the same: NFKC, small letters, NFKC again, one blank between words and
/// none around; the domain of an address in its one form, `xn--bcher-kva.example` for `bücher.example`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Name {
    /// Which kind of name.
    pub kind: NameKind,
    /// The form that is compared.
    pub value: String,
}

/// Which kind of name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum NameKind {
    /// A user name; never contains `@`.
    Username,
    /// An e-mail address; always contains `@`.
    Email,
    /// The key of the account in the source system, or in the application that embeds the engine. Nobody logs in with it.
    External,
}

impl NameKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Username, Self::Email, Self::External];

    /// The stable name, as it stands in the store.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Username => "username",
            Self::Email => "email",
            Self::External => "external",
        }
    }

    /// The kind that [`name`](Self::name) stands for.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl Name {
    /// A user name. It may have blanks between its words, as other systems' names have.
    ///
    /// # Errors
    /// [`Refusal::NameInvalid`] if it is empty, too long, or has an `@` or a character that nobody can see.
    pub fn username(text: &str) -> Result<Self, Refusal> {
        let value = visible(text)?;
        if value.is_empty() || value.len() > MAX_USERNAME_BYTES {
            return Err(Refusal::NameInvalid("a user name has 1 to 128 bytes"));
        }
        if value.contains('@') {
            return Err(Refusal::NameInvalid("a user name has no @"));
        }
        Ok(Self { kind: NameKind::Username, value })
    }

    /// An e-mail address. Only a message sent there can show that it exists; this refuses what cannot be one.
    ///
    /// # Errors
    /// [`Refusal::NameInvalid`] if it is too long, or not one local part, one `@` and one domain.
    pub fn email(text: &str) -> Result<Self, Refusal> {
        let form = visible(text)?;
        let address = form.rsplit_once('@').and_then(|(local, domain)| {
            let is_local = !local.is_empty() && !local.contains('@') && !local.contains(char::is_whitespace);
            let domain = form::domain(domain).filter(|_| is_local)?;
            Some(format!("{local}@{domain}")).filter(|address| address.len() <= MAX_EMAIL_BYTES)
        });
        match address {
            Some(value) => Ok(Self { kind: NameKind::Email, value }),
            None => Err(Refusal::NameInvalid("this is not an e-mail address such as ann@example.org")),
        }
    }

    /// The key of an account in the source system, exactly as it is there; each profile's source system has its own keys.
    ///
    /// # Errors
    /// [`Refusal::NameInvalid`] if it is empty, too long or has a control character.
    pub fn external(profile: ProfileId, text: &str) -> Result<Self, Refusal> {
        if text.is_empty() || text.len() > MAX_EXTERNAL_ID_BYTES || text.contains(char::is_control) {
            let what = "the key of a source system has 1 to 255 bytes and no control character";
            return Err(Refusal::NameInvalid(what));
        }
        Ok(Self { kind: NameKind::External, value: format!("{}/{text}", profile.0) })
    }

    /// What somebody typed where either is accepted: with an `@` it is an e-mail address.
    ///
    /// # Errors
    /// As [`Name::username`] or [`Name::email`].
    pub fn either(text: &str) -> Result<Self, Refusal> {
        if looks_like_an_address(text) { Self::email(text) } else { Self::username(text) }
    }

    /// The names that somebody may mean by what they typed, in the order in which they are looked for: as builds before
    /// schema V6 compared it, so that whoever has such a name still logs in with it, and then in today's form.
    #[must_use]
    pub fn meant_by(typed: &str) -> Vec<Self> {
        let mut names: Vec<Self> = Self::of_earlier_build(typed).into_iter().collect();
        names.extend(Self::either(typed));
        names.dedup();
        names
    }

    /// What user names and e-mail addresses begin with, in the form that is compared, whose beginning somebody typed; a text with
    /// an `@` is the beginning of an address. Nothing where nothing was typed.
    pub(crate) fn beginnings(typed: &str) -> Vec<Self> {
        let form = form::today(typed);
        if form.is_empty() {
            return Vec::new();
        }
        if !looks_like_an_address(typed) {
            let kinds = [NameKind::Username, NameKind::Email];
            return kinds.into_iter().map(|kind| Self { kind, value: form.clone() }).collect();
        }
        // A whole domain has another form than what is typed of it.
        let address = Self::email(typed).map_or(form, |name| name.value);
        vec![Self { kind: NameKind::Email, value: address }]
    }

    /// Whether it begins with what [`beginnings`](Self::beginnings) gave.
    pub(crate) fn begins_with(&self, beginning: &Self) -> bool {
        self.kind == beginning.kind && self.value.starts_with(&beginning.value)
    }

    /// What builds before schema V6 compared, if it was a name to them.
    fn of_earlier_build(typed: &str) -> Option<Self> {
        let value = form::before(typed);
        let (kind, most) = match value.contains('@') {
            true => (NameKind::Email, MAX_EMAIL_BYTES),
            false => (NameKind::Username, MAX_USERNAME_BYTES),
        };
        let is_plain = !value.contains(|c: char| c.is_control() || c.is_whitespace());
        (is_plain && (1..=most).contains(&value.len())).then_some(Self { kind, value })
    }

    /// Its value in today's form, if it stands in the store in another: one that an earlier build made. `Some("")` is one
    /// that would be refused today.
    #[must_use]
    pub fn form_today(&self) -> Option<String> {
        let today = match self.kind {
            NameKind::Username => Self::username(&self.value),
            NameKind::Email => Self::email(&self.value),
            NameKind::External => return None,
        };
        let form = today.map(|name| name.value).unwrap_or_default();
        (form != self.value).then_some(form)
    }

    /// Whether a name that an earlier build made could have this form. It need not be looked for otherwise: a form that is
    /// not its own old one has letters beyond ASCII, or a domain that had.
    #[must_use]
    pub fn may_be_of_an_earlier_build(&self) -> bool {
        self.kind != NameKind::External && (!self.value.is_ascii() || self.value.contains("xn--"))
    }
}

/// Whether it is meant as an e-mail address, if it is a name at all.
pub(crate) fn looks_like_an_address(text: &str) -> bool {
    form::before(text).contains('@')
}

/// The form that is compared, if everything in it can be seen.
fn visible(text: &str) -> Result<String, Refusal> {
    let form = form::today(text);
    if text.trim().chars().chain(form.chars()).all(may_be_in_a_name) {
        return Ok(form);
    }
    let what =
        "a name has no character that cannot be seen, that turns the direction of reading or breaks the line";
    Err(Refusal::NameInvalid(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn username(text: &str) -> String {
        Name::username(text).expect(text).value
    }

    fn email(text: &str) -> String {
        Name::email(text).expect(text).value
    }

    #[test]
    fn two_accounts_were_made_under_names_that_look_alike() {
        for (one, other) in [
            ("ΚΏΣΤΑΣ", "κώστας"),
            ("ΚΏΣΤΑΣ", "κώστασ"),
            ("ǆ", "Ǆ"),
            ("ａｎｎ", "ann"),
            ("ﬁona", "fiona"),
            ("K", "k"),
            ("é", "e\u{301}"),
            (" ann   smith ", "Ann Smith"),
            ("ann\u{a0}smith", "ann smith"),
            ("𝐀nn", "ann"),
        ] {
            assert_eq!(username(one), username(other), "{one} {other}");
        }
        assert_eq!(email("Ann@BÜCHER.example"), "ann@xn--bcher-kva.example");
        assert_eq!(email("ann@bu\u{308}cher.example"), "ann@xn--bcher-kva.example");
        assert_eq!(email("ann@xn--bcher-kva.example"), "ann@xn--bcher-kva.example");
        assert_eq!(email("ann@XN--BCHER-KVA.EXAMPLE"), "ann@xn--bcher-kva.example");
        assert_eq!(email("ann@example。org"), "ann@example.org");
        assert_eq!(Name::either("ann＠example.org").unwrap().kind, NameKind::Email);
    }

    #[test]
    fn a_name_had_characters_that_nobody_sees() {
        let unseen = [
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{180e}',
            '\u{200b}',
            '\u{200d}',
            '\u{200e}',
            '\u{202e}',
            '\u{2028}',
            '\u{2029}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{3164}',
            '\u{ffa0}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{fff9}',
            '\u{e0041}',
            '\u{85}',
            '\u{7}',
            '\n',
            '\t',
            '\0',
            '\u{e000}',
            '\u{378}',
            '\u{ffff}',
            '\u{115f}',
            '\u{17b4}',
        ];
        for c in unseen {
            assert!(Name::username(&format!("an{c}n")).is_err(), "{c:?}");
            assert!(Name::email(&format!("an{c}n@example.org")).is_err(), "{c:?}");
            assert!(Name::email(&format!("ann@exam{c}ple.org")).is_err(), "{c:?}");
        }
        for name in ["ann", "Ann Smith", "אנה", "عائشة", "देवनागरी", "安娜", "O'Brien", "a_b-c.d", "ann🙂"]
        {
            assert!(Name::username(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn an_address_has_a_domain_that_can_be_one() {
        for refused in [
            "ann@",
            "@example.org",
            "ann@@example.org",
            "ann@-example.org",
            "ann@example-.org",
            "ann@exa mple.org",
            "ann@.example.org",
            "ann@example..org",
            "ann@example.org.",
            "ann@exa_mple.org",
            "ann@[127.0.0.1]",
            "ann@example.org,bob@example.org",
            "ann smith@example.org",
            "ann@xn--a.example",
            "ann@exam/ple.org",
        ] {
            assert!(Name::email(refused).is_err(), "{refused}");
        }
        assert!(Name::email(&format!("ann@{}.org", "a".repeat(64))).is_err());
        for taken in ["ann@localhost", "a+b@example.org", "ann@sub.example.co.uk", "ann@127.0.0.1"] {
            assert_eq!(email(taken), taken);
        }
    }

    #[test]
    fn the_form_of_a_form_is_itself_and_was_so_for_builds_before() {
        // Ideographs and syllables have no case and are left out, as what is refused is.
        let is_looked_at = |c: &char| !matches!(c, '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | '\u{17000}'..='\u{18cff}');
        for c in ('\0'..='\u{1ffff}').filter(is_looked_at) {
            for text in [format!("a{c}b"), format!("{c}\u{301}")] {
                let Ok(Name { value, .. }) = Name::username(&text) else { continue };
                assert_eq!(form::today(&value), value, "{text:?}");
                let again = Name { kind: NameKind::Username, value: value.clone() };
                assert_eq!(again.form_today(), None, "{text:?}");
                assert_eq!(form::before(&value).replace('ς', "σ"), value, "{text:?}");
            }
        }
    }

    #[test]
    fn what_somebody_typed_means_a_name_of_an_earlier_build_first() {
        let values =
            |text: &str| -> Vec<String> { Name::meant_by(text).into_iter().map(|name| name.value).collect() };
        assert_eq!(values(" Ann "), ["ann"]);
        assert_eq!(values("ΚΏΣΤΑΣ"), ["κώστας", "κώστασ"]);
        assert_eq!(values("ann@bücher.example"), ["ann@bücher.example", "ann@xn--bcher-kva.example"]);
        assert_eq!(values("an\u{200d}n"), ["an\u{200d}n"], "it was a name once, and is none today");
        let of = |kind, value: &str| Name { kind, value: value.to_owned() }.form_today();
        assert_eq!(of(NameKind::Username, "ann"), None);
        assert_eq!(of(NameKind::Username, "κώστας").as_deref(), Some("κώστασ"));
        assert_eq!(of(NameKind::Username, "an\u{200d}n").as_deref(), Some(""));
        assert_eq!(of(NameKind::Email, "ann@bücher.example").as_deref(), Some("ann@xn--bcher-kva.example"));
        assert_eq!(of(NameKind::External, "7/an\u{200d}n"), None);
    }
}

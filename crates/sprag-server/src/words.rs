//! Words: in which language a letter or page is, and what it says.
//!
//! A language is one file of words, and each text in it a small template of its own. Three templates lay the texts out, for
//! letters as plain text and as HTML, and for pages. A folder may bring files of its own in the place of any of them.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, bail};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};
use serde::Serialize;
use sprag::clock::Timestamp;
use sprag::letter::LetterKind;
use sprag::news::News;

use crate::moment;

/// The languages that this build brings, by their names in `Accept-Language`; the first is spoken where none fits.
const LANGUAGES: [(&str, &str); 7] = [
    ("en", include_str!("../words/en.toml")),
    ("de", include_str!("../words/de.toml")),
    ("es", include_str!("../words/es.toml")),
    ("fr", include_str!("../words/fr.toml")),
    ("pt", include_str!("../words/pt.toml")),
    ("zh", include_str!("../words/zh.toml")),
    ("ja", include_str!("../words/ja.toml")),
];

const TEMPLATES: [(&str, &str); 3] = [
    ("letter.txt", include_str!("../words/letter.txt")),
    ("letter.html", include_str!("../words/letter.html")),
    ("page.html", include_str!("../words/page.html")),
];

/// How much of what a browser says it reads is looked at, in bytes.
const MAX_LANGUAGES_BYTES: usize = 256;

/// Every word there is.
#[derive(Debug)]
pub(crate) struct Words {
    languages: Vec<(String, Language)>,
    templates: Environment<'static>,
    brand: Brand,
}

/// What letters and pages look like and call the service.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Brand {
    /// What they call it.
    pub(crate) service: String,
    /// The colour of buttons, as `#14508c`; that of the templates where there is none.
    pub(crate) color: Option<String>,
    /// The colour of what is written on it: black or white, whichever is told from it better.
    pub(crate) on_color: Option<&'static str>,
    /// A picture above each page, as a `data:` URL.
    pub(crate) logo: Option<String>,
}

impl Brand {
    /// A service without a look of its own.
    pub(crate) fn named(service: &str) -> Self {
        Self { service: service.to_owned(), color: None, on_color: None, logo: None }
    }
}

/// A language's texts, by section and key.
type Language = BTreeMap<String, BTreeMap<String, String>>;

/// What the texts of a letter or page may name.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Pieces<'a> {
    /// What people call the reader.
    pub(crate) name: Option<&'a str>,
    /// To which address.
    pub(crate) address: &'a str,
    /// The address of the link.
    pub(crate) link: Option<&'a str>,
    /// For how many hours from its writing the link is good.
    pub(crate) hours: Option<i64>,
    /// For how many days, where that is a whole number of them that is better told so.
    pub(crate) days: Option<i64>,
    /// The user name of the account that it is about, where it has one other than the address.
    pub(crate) username: Option<&'a str>,
    /// Whether an administrator did it, on the account of somebody else.
    pub(crate) by_administrator: bool,
    /// From which address it was asked for.
    pub(crate) ip: Option<&'a str>,
    /// When it was asked for, or happened.
    pub(crate) at: &'a str,
    /// The code that does what the link does.
    pub(crate) code: Option<&'a str>,
    /// With what something was done.
    pub(crate) device: Option<&'a str>,
    /// In which place.
    pub(crate) place: Option<&'a str>,
    /// How much more happened than is told.
    pub(crate) more: Option<u32>,
    /// How many characters a password has at least.
    pub(crate) least: Option<u16>,
}

impl<'a> Pieces<'a> {
    /// What the words of something that happened may name.
    pub(crate) fn of_news(news: &'a News, at: &'a str, address: &'a str) -> Self {
        Self {
            address,
            ip: news.ip.as_deref(),
            at,
            device: news.device.as_deref(),
            place: news.place.as_deref(),
            by_administrator: news.is_by_administrator,
            ..Self::default()
        }
    }
}

/// So many hours in days, where people would say it so: a day and two are told in hours.
pub(crate) fn in_days(hours: i64) -> Option<i64> {
    (hours > 48 && hours % 24 == 0).then_some(hours / 24)
}

/// A moment in a letter, or on a page.
pub(crate) fn told_at(at: Timestamp) -> String {
    format!("{} UTC", moment::minute(at))
}

/// A letter in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Written {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

/// A text, and what it is for: the templates lay these out.
#[derive(Debug, Serialize)]
struct Told {
    subject: String,
    greeting: String,
    lines: Vec<String>,
    button: Option<String>,
    footer: String,
}

impl Words {
    /// This build's, with what a folder brings in their place.
    ///
    /// # Errors
    /// A file of the folder cannot be read, or lacks a text; the message names both.
    pub(crate) fn load(folder: Option<&Path>, brand: Brand) -> anyhow::Result<Self> {
        let mut languages = Vec::new();
        for (name, own) in LANGUAGES {
            let given = brought(folder, &format!("{name}.toml"))?;
            languages.push((name.to_owned(), language(name, own, given.as_deref())?));
        }
        let mut templates = Environment::new();
        templates.set_undefined_behavior(UndefinedBehavior::Chainable);
        templates.set_auto_escape_callback(|name| {
            if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None }
        });
        for (name, own) in TEMPLATES {
            let given = brought(folder, name)?.unwrap_or_else(|| own.to_owned());
            let added = templates.add_template_owned(name, given);
            added.with_context(|| format!("the template {name} cannot be read; mend it"))?;
        }
        Ok(Self { languages, templates, brand })
    }

    /// The first language of ours that a browser says its reader reads (RFC 9110 section 12.5.4).
    pub(crate) fn language(&self, accepted: Option<&str>) -> &str {
        let accepted = accepted.unwrap_or_default();
        let accepted = &accepted[..accepted.floor_char_boundary(MAX_LANGUAGES_BYTES)];
        let mut wanted: Vec<(f32, &str)> = accepted.split(',').filter_map(weighed).collect();
        wanted.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        let known = wanted.iter().find_map(|(_, wanted)| {
            let primary = wanted.split('-').next().unwrap_or_default();
            self.languages.iter().find(|(name, _)| name.eq_ignore_ascii_case(primary))
        });
        known.map_or(LANGUAGES[0].0, |(name, _)| name)
    }

    /// A letter in words, with what it tells of, each in the words of its section.
    ///
    /// # Errors
    /// A template that a folder brought fails.
    pub(crate) fn letter(
        &self,
        kind: LetterKind,
        language: &str,
        pieces: &Pieces<'_>,
        news: &[(&str, Pieces<'_>)],
    ) -> anyhow::Result<Written> {
        let mut told = self.told(kind.name(), language, pieces)?;
        let mut happened = Vec::new();
        for (section, pieces) in news {
            happened.extend(self.told(section, language, pieces)?.lines);
        }
        match (pieces.more, news) {
            (Some(_), _) => happened.push(self.text(kind.name(), "more", language, pieces)?),
            (None, [(section, pieces)]) => {
                told.subject = self.text(section, "subject", language, pieces)?;
            }
            (None, _) => {}
        }
        told.lines.splice(0..0, happened);
        let laid_out = |template: &str| -> anyhow::Result<String> {
            let (service, brand) = (self.brand.service.as_str(), Serde(&self.brand));
            let values = context! { told => Serde(&told), pieces => Serde(pieces), language, service, brand };
            Ok(self.templates.get_template(template)?.render(values)?)
        };
        let (text, html) = (laid_out("letter.txt")?, laid_out("letter.html")?);
        Ok(Written { subject: one_line(&told.subject), text, html })
    }

    /// The paragraphs of a section.
    ///
    /// # Errors
    /// A text that a folder brought fails.
    pub(crate) fn lines(
        &self,
        section: &str,
        language: &str,
        pieces: &Pieces<'_>,
    ) -> anyhow::Result<Vec<String>> {
        Ok(self.told(section, language, pieces)?.lines)
    }

    /// A page in words: what `section` says, with what its form has.
    ///
    /// # Errors
    /// A template that a folder brought fails.
    pub(crate) fn page(
        &self,
        section: &str,
        language: &str,
        pieces: &Pieces<'_>,
        form: impl Serialize,
    ) -> anyhow::Result<String> {
        let told = self.told(section, language, pieces)?;
        let own = |key: &&str| Ok(((*key).to_owned(), self.text("page", key, language, pieces)?));
        let texts: BTreeMap<String, String> =
            self.keys("page").iter().map(own).collect::<anyhow::Result<_>>()?;
        let set_password = self.text("page_reset", "button", language, pieces)?;
        let values = context! {
            told => Serde(&told), pieces => Serde(pieces), language, texts => Serde(&texts), set_password,
            service => self.brand.service.as_str(), brand => Serde(&self.brand),
            ..Value::from(Serde(&form))
        };
        Ok(self.templates.get_template("page.html")?.render(values)?)
    }

    fn told(&self, section: &str, language: &str, pieces: &Pieces<'_>) -> anyhow::Result<Told> {
        let text = |key: &str| self.text(section, key, language, pieces);
        let lines = text("lines")?
            .split('\n')
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect();
        let button = Some(text("button")?).filter(|button| !button.is_empty());
        let greeting = if section.starts_with("page_") {
            String::new()
        } else {
            self.text("letter", "greeting", language, pieces)?
        };
        let footer = self.text("letter", "footer", language, pieces)?;
        Ok(Told { subject: text("subject")?, greeting, lines, button, footer })
    }

    /// Which texts a section has.
    fn keys(&self, section: &str) -> Vec<&str> {
        let words = self.languages.first().and_then(|(_, words)| words.get(section));
        words.into_iter().flat_map(BTreeMap::keys).map(String::as_str).collect()
    }

    /// One text with its pieces filled in. What is filled in is no template.
    ///
    /// # Errors
    /// A text that a folder brought fails.
    pub(crate) fn text(
        &self,
        section: &str,
        key: &str,
        language: &str,
        pieces: &Pieces<'_>,
    ) -> anyhow::Result<String> {
        let words = self.languages.iter().find(|(name, _)| name == language).or(self.languages.first());
        let text = words.and_then(|(_, words)| words.get(section)?.get(key)).map_or("", String::as_str);
        let values = context! { service => self.brand.service.as_str(), ..Value::from(Serde(pieces)) };
        let place =
            || format!("the text {key} of [{section}] in {language}.toml cannot be filled in; mend it");
        self.templates.render_str(text, values).with_context(place)
    }
}

/// A language, and how much its reader wants it.
fn weighed(part: &str) -> Option<(f32, &str)> {
    let mut pieces = part.split(';').map(str::trim);
    let name = pieces.next().filter(|name| !name.is_empty())?;
    let weight = pieces.find_map(|piece| piece.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse().ok())?;
    (weight > 0.0).then_some((weight, name))
}

fn brought(folder: Option<&Path>, name: &str) -> anyhow::Result<Option<String>> {
    let Some(path) = folder.map(|folder| folder.join(name)) else { return Ok(None) };
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
    }
}

/// A language's own texts, and those of a file that takes the place of some of them.
fn language(name: &str, own: &str, given: Option<&str>) -> anyhow::Result<Language> {
    let mut words: Language = toml::from_str(own)?;
    let Some(given) = given else { return Ok(words) };
    let given: Language = toml::from_str(given).with_context(|| format!("{name}.toml cannot be read"))?;
    for (section, texts) in given {
        for (key, text) in texts {
            match words.get_mut(&section).and_then(|own| own.get_mut(&key)) {
                Some(own) => *own = text,
                None => {
                    bail!("{name}.toml has a text {key} in [{section}], and nothing shows it; take it out")
                }
            }
        }
    }
    Ok(words)
}

fn one_line(text: &str) -> String {
    text.split(char::is_control).collect::<Vec<_>>().join(" ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use sprag::news::NewsKind;

    use super::*;

    /// What no translation may leave out.
    const PIECES: [&str; 13] = [
        "{{ least }}",
        "{{ service }}",
        "{{ address }}",
        "{{ hours }}",
        "{{ days }}",
        "{{ username }}",
        "{% if by_administrator %}",
        "{{ ip }}",
        "{{ name }}",
        "{{ code }}",
        "{{ device }}",
        "{{ place }}",
        "{{ at }}",
    ];

    fn pieces() -> Pieces<'static> {
        Pieces {
            name: Some("Ann <b>"),
            address: "ann@example.org",
            link: Some("https://example.org/reset?token=spo_x"),
            hours: Some(1),
            days: None,
            username: Some("ann"),
            by_administrator: false,
            ip: Some("192.0.2.7"),
            at: "2026-11-29 22:00 UTC",
            code: Some("012345"),
            device: Some("Firefox on Linux"),
            place: Some("Berlin, DE"),
            more: Some(7),
            least: Some(8),
        }
    }

    #[test]
    fn no_language_lacks_a_text_or_a_piece_of_one() {
        let parsed: Vec<(&str, Language)> =
            LANGUAGES.iter().map(|(name, text)| (*name, toml::from_str(text).unwrap())).collect();
        let (_, english) = &parsed[0];
        for (name, words) in &parsed {
            let sections: Vec<&String> = words.keys().collect();
            assert_eq!(sections, english.keys().collect::<Vec<_>>(), "{name}");
            for (section, texts) in words {
                let own = &english[section];
                assert_eq!(
                    texts.keys().collect::<Vec<_>>(),
                    own.keys().collect::<Vec<_>>(),
                    "{name} {section}"
                );
                for (key, text) in texts {
                    assert_eq!(text.is_empty(), own[key].is_empty(), "{name} {section}.{key}");
                    for piece in PIECES {
                        let (here, there) = (text.contains(piece), own[key].contains(piece));
                        assert_eq!(here, there, "{name} {section}.{key}: {piece}");
                    }
                }
            }
        }
        for name in LetterKind::ALL.map(LetterKind::name).into_iter().chain(NewsKind::ALL.map(NewsKind::name))
        {
            assert!(english.contains_key(name), "{name} has words");
        }
    }

    #[test]
    fn every_letter_is_whole_in_every_language() {
        let words = Words::load(None, Brand::named("Example")).unwrap();
        for kind in LetterKind::ALL {
            for (language, _) in LANGUAGES {
                let Written { subject, text, html } =
                    words.letter(kind, language, &pieces(), &[("news_login", pieces())]).unwrap();
                assert!(!subject.is_empty() && !subject.contains('\n'), "{kind:?} {language}");
                assert!(!text.contains("{{") && !html.contains("{{"), "{kind:?} {language}");
                assert!(html.contains("Ann &lt;b&gt;") && !html.contains("<b>"), "names are no markup");
                assert!(!html.contains("src="), "nothing is fetched from anywhere");
            }
        }
    }

    #[test]
    fn days_are_told_where_there_are_more_than_two_and_they_are_whole() {
        for (hours, days) in [(1, None), (24, None), (48, None), (60, None), (72, Some(3)), (336, Some(14))] {
            assert_eq!(in_days(hours), days, "{hours}");
        }
        let words = Words::load(None, Brand::named("Example")).unwrap();
        let pieces = Pieces { hours: Some(168), days: in_days(168), ..pieces() };
        for (language, told) in [("en", "7 days"), ("de", "7 Tage"), ("ja", "7 日間")] {
            let text = words.letter(LetterKind::Invite, language, &pieces, &[]).unwrap().text;
            assert!(text.contains(told) && !text.contains("168"), "{text}");
        }
    }

    #[test]
    fn what_an_administrator_did_is_told_as_such() {
        let words = Words::load(None, Brand::named("Example")).unwrap();
        let pieces = Pieces { ip: None, by_administrator: true, ..pieces() };
        for kind in [LetterKind::EmailChanged, LetterKind::FactorRemoved] {
            let text = words.letter(kind, "en", &pieces, &[]).unwrap().text;
            assert!(text.contains("administrator") && !text.contains("192.0.2.7"), "{text}");
        }
    }

    #[test]
    fn a_reader_is_written_to_in_the_first_language_of_theirs_that_there_is() {
        let words = Words::load(None, Brand::named("Example")).unwrap();
        for (accepted, language) in [
            (None, "en"),
            (Some(""), "en"),
            (Some("de-AT,de;q=0.9,en;q=0.8"), "de"),
            (Some("ru, en;q=0.5, fr;q=0.7"), "fr"),
            (Some("pt;q=0, ja;q=0.1"), "ja"),
            (Some("zh-Hant-TW"), "zh"),
            (Some("*;q=1"), "en"),
            (Some("\u{e9}\u{e9}"), "en"),
        ] {
            assert_eq!(words.language(accepted), language, "{accepted:?}");
        }
    }

    #[test]
    fn a_folder_brings_words_of_its_own_and_is_told_what_nothing_shows() {
        let folder = tempfile::tempdir().unwrap();
        let write = |text: &str| std::fs::write(folder.path().join("en.toml"), text).unwrap();
        write("[reset_password]\nsubject = \"Choose anew, {{ name }}\\nBcc: x\"\n");
        let words = Words::load(Some(folder.path()), Brand::named("Example")).unwrap();
        let written = words.letter(LetterKind::ResetPassword, "en", &pieces(), &[]).unwrap();
        assert_eq!(written.subject, "Choose anew, Ann <b> Bcc: x");
        write("[reset_password]\nheading = \"x\"\n");
        let told = Words::load(Some(folder.path()), Brand::named("Example")).unwrap_err().to_string();
        assert!(told.contains("heading") && told.contains("[reset_password]"), "{told}");
    }
}

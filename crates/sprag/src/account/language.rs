//! Languages, as browsers and people name them (BCP 47).

/// The longest tag of a language, in bytes (RFC 5646 section 4.4.1).
pub const MAX_LANGUAGE_BYTES: usize = 35;

/// Whether a text has the form of a tag: `de`, `pt-BR`, `zh-Hant-TW`.
#[must_use]
pub fn is_language(text: &str) -> bool {
    let is_part =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let primary = text.split('-').next().unwrap_or_default();
    let is_primary = primary.len() >= 2 && primary.bytes().all(|byte| byte.is_ascii_alphabetic());
    text.len() <= MAX_LANGUAGE_BYTES && is_primary && text.split('-').all(is_part)
}

/// The language that a browser says its reader wants most (`Accept-Language`, RFC 9110 section 12.5.4), if it names any.
#[must_use]
pub fn wanted_most(accepted: &str) -> Option<&str> {
    let mut most: Option<(f32, &str)> = None;
    for part in accepted.split(',') {
        let mut pieces = part.split(';').map(str::trim);
        let Some(name) = pieces.next().filter(|name| is_language(name)) else { continue };
        let weight = pieces.find_map(|piece| piece.strip_prefix("q=")).map_or(Ok(1.0), str::parse);
        let Ok(weight) = weight else { continue };
        if weight > most.map_or(0.0, |(most, _)| most) {
            most = Some((weight, name));
        }
    }
    most.map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_a_tag_and_nothing_else() {
        for tag in ["de", "pt-BR", "zh-Hant-TW", "es-419", "sl-rozaj-biske", "tlh"] {
            assert!(is_language(tag), "{tag}");
        }
        for text in ["", "d", "*", "-de", "de-", "de--AT", "de_AT", "d3", "deutsch!", "languages", "de;q=1"] {
            assert!(!is_language(text), "{text}");
        }
        assert!(!is_language(&format!("de{}", "-abcdefgh".repeat(4))), "it is too long");
    }

    #[test]
    fn the_first_of_those_that_are_wanted_most_is_taken() {
        for (accepted, wanted) in [
            ("de-AT,de;q=0.9,en;q=0.8", Some("de-AT")),
            ("en;q=0.5, fr;q=0.7, de;q=0.7", Some("fr")),
            ("*, ja;q=0.1", Some("ja")),
            ("pt;q=0", None),
            ("pt;q=x, es", Some("es")),
            ("", None),
            ("*", None),
            ("\u{e9}", None),
        ] {
            assert_eq!(wanted_most(accepted), wanted, "{accepted}");
        }
    }
}

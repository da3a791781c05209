//! The server's own pages: where they are, and what they look like.

use std::path::{Path, PathBuf};

use data_encoding::BASE64;

use super::chosen::Chosen;
use super::error::ConfigError;
use super::setting::{Fallback, Setting};
use super::value::Parsed;
use crate::quoted::quoted;

/// The settings of this feature.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "pages-prefix",
        env: "SPRAG_PAGES_PREFIX",
        placeholder: "PATH",
        help: "What stands before the names of the server's own pages, to which links in letters lead: /account has them at \
               /account/verify, /account/reset and so on.",
        default: Fallback::Value("none"),
        is_secret: false,
        right: "/account",
        wrong: "account/",
    },
    Setting {
        name: "brand-color",
        env: "SPRAG_BRAND_COLOR",
        placeholder: "#RRGGBB",
        help: "The colour of the buttons of letters and pages; what is written on them is black or white, whichever is told from it \
               better.",
        default: Fallback::Value("none"),
        is_secret: false,
        right: "#7a1fa2",
        wrong: "purple",
    },
    Setting {
        name: "brand-logo",
        env: "SPRAG_BRAND_LOGO",
        placeholder: "FILE",
        help: "A picture above each page: a file of at most 64 KiB that ends with .svg, .png, .jpg or .webp. Letters have none, for \
               they fetch nothing.",
        default: Fallback::Value("none"),
        is_secret: false,
        right: "/etc/sprag/logo.svg",
        wrong: "logo.exe",
    },
];

/// The largest picture, in bytes.
const MAX_LOGO_BYTES: usize = 64 * 1024;

/// Which pictures browsers show, by how their files' names end.
const PICTURES: [(&str, &str); 4] =
    [("svg", "image/svg+xml"), ("png", "image/png"), ("jpg", "image/jpeg"), ("webp", "image/webp")];

/// Where the server's own pages are, and what they look like.
#[derive(Clone, Debug)]
pub struct Pages {
    /// What stands before their names: empty, or as `/account`.
    pub prefix: String,
    /// The colour of buttons.
    pub color: Option<Color>,
    /// The picture above each page, and its kind.
    pub logo: Option<(PathBuf, &'static str)>,
}

/// A colour of a screen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Color([u8; 3]);

impl Pages {
    pub(super) fn from(chosen: &Chosen) -> Result<Self, ConfigError> {
        Ok(Self {
            prefix: chosen.typed("pages-prefix", prefix)?,
            color: chosen.typed("brand-color", color)?,
            logo: chosen.typed("brand-logo", logo)?,
        })
    }

    /// The picture as pages show it, which fetch nothing.
    ///
    /// # Errors
    /// The file cannot be read, or is larger than it may be.
    pub fn logo_url(&self) -> Result<Option<String>, String> {
        let Some((path, kind)) = &self.logo else { return Ok(None) };
        let found = std::fs::read(path).map_err(|error| could_not(path, &error.to_string()))?;
        if found.len() > MAX_LOGO_BYTES {
            return Err(could_not(path, "it is larger than 64 KiB; make it smaller"));
        }
        Ok(Some(format!("data:{kind};base64,{}", BASE64.encode(&found))))
    }
}

impl Color {
    /// As style sheets write it.
    #[must_use]
    pub fn css(self) -> String {
        let Self([red, green, blue]) = self;
        format!("#{red:02x}{green:02x}{blue:02x}")
    }

    /// Black or white: what is told from it better (WCAG 2.2, contrast ratio).
    #[must_use]
    pub fn ink(self) -> &'static str {
        let light = self.luminance();
        let (on_white, on_black) = (1.05 / (light + 0.05), (light + 0.05) / 0.05);
        if on_white >= on_black { "#ffffff" } else { "#000000" }
    }

    fn luminance(self) -> f64 {
        let Self(parts) = self;
        let linear = parts.map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    }
}

fn could_not(path: &Path, why: &str) -> String {
    format!("the picture {} of brand-logo cannot be shown: {why}", path.display())
}

fn prefix(text: &str) -> Parsed<String> {
    let is_plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    match text.strip_prefix('/') {
        _ if text == "none" => Ok(String::new()),
        Some(rest) if text.len() <= 100 && rest.split('/').all(is_plain) => Ok(text.to_owned()),
        _ => Err(format!("{} is no beginning of a path; write it as /account, or none", quoted(text))),
    }
}

fn color(text: &str) -> Parsed<Option<Color>> {
    if text == "none" {
        return Ok(None);
    }
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.is_ascii());
    let part = |digits: &str, at: usize| u8::from_str_radix(&digits[at..at + 2], 16).ok();
    let parts = digits.and_then(|digits| Some([part(digits, 0)?, part(digits, 2)?, part(digits, 4)?]));
    parts
        .map(|parts| Some(Color(parts)))
        .ok_or_else(|| format!("{} is no colour; write it as #14508c", quoted(text)))
}

fn logo(text: &str) -> Parsed<Option<(PathBuf, &'static str)>> {
    if text == "none" {
        return Ok(None);
    }
    let path = PathBuf::from(text);
    let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default().to_ascii_lowercase();
    let kind = PICTURES.into_iter().find(|(known, _)| *known == end || (*known == "jpg" && end == "jpeg"));
    match kind {
        Some((_, kind)) => Ok(Some((path, kind))),
        None => Err(format!("{} does not end with .svg, .png, .jpg or .webp", quoted(text))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_on_a_colour_is_told_from_it() {
        for (text, ink) in
            [("#000000", "#ffffff"), ("#ffffff", "#000000"), ("#14508c", "#ffffff"), ("#ffd400", "#000000")]
        {
            let color = color(text).unwrap().unwrap();
            assert_eq!((color.css().as_str(), color.ink()), (text, ink));
        }
        // The worst there is, in between, is still enough.
        for grey in 0..=255 {
            let light = Color([grey; 3]).luminance();
            assert!((1.05 / (light + 0.05)).max((light + 0.05) / 0.05) >= 4.5, "{grey}");
        }
        for none in ["14508c", "#14508", "#14508g", "red", "#\u{e9}\u{e9}\u{e9}"] {
            assert!(color(none).is_err(), "{none}");
        }
    }

    #[test]
    fn a_prefix_begins_with_a_slash_and_ends_with_none() {
        assert_eq!(prefix("none").unwrap(), "");
        assert_eq!(prefix("/my/account").unwrap(), "/my/account");
        for none in ["", "/", "account", "/account/", "//", "/a b", "/{id}"] {
            assert!(prefix(none).is_err(), "{none}");
        }
    }
}

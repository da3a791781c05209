//! `extends`: what several profiles share stands in a base, once.
//!
//! A profile and its bases are read as layers, the profile above its base, the base above that one's own. Tables are merged
//! key by key, any other value is the nearest one's, and a route takes the place of the base's route with the same
//! `on`. What is wrong in a base is told with the base's file and line.

use std::path::Path;

use sprag::files;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ProfileError, list};
use super::section::{Field, MAX_PROFILE_BYTES, Section, Source};
use super::{KEYS, shipped};
use crate::quoted::{LONGEST, quoted};
use crate::toml_hints::{self, Wording};

/// How many profiles one may extend, one through the other.
const MAX_BASES: usize = 4;

/// A file of a profile.
pub(super) struct Text {
    file: String,
    text: String,
}

impl Text {
    pub(super) fn source(&self) -> Source<'_> {
        Source { file: &self.file, text: &self.text }
    }

    /// # Errors
    /// It is too large, or no TOML.
    pub(super) fn table(&self) -> Result<Spanned<DeTable<'_>>, ProfileError> {
        let source = self.source();
        if self.text.len() > MAX_PROFILE_BYTES {
            return Err(source.error(0, format!("a profile has at most {MAX_PROFILE_BYTES} bytes")));
        }
        DeTable::parse(&self.text).map_err(|error| {
            let wording = Wording { repeats: &|_| true, like: &as_it_should_be };
            let told = toml_hints::told(&self.text, &error, &wording);
            let wrong = source.error(told.at, told.what);
            told.hint.map_or(wrong.clone(), |hint| wrong.hint(hint))
        })
    }
}

/// A line whose value was written wrong.
fn as_it_should_be(key: &str, value: &str) -> String {
    let is_plain = value.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\\') || c == ' ');
    match value.to_ascii_lowercase().as_str() {
        flag @ ("true" | "false") => format!("write {key} = {flag}"),
        "yes" | "on" => format!("write {key} = true, or {key} = \"{value}\" where a text is meant"),
        "no" | "off" => format!("write {key} = false, or {key} = \"{value}\" where a text is meant"),
        number if number.strip_suffix('%').is_some_and(|digits| digits.parse::<u8>().is_ok()) => {
            format!("write {key} = {}", number.trim_end_matches('%'))
        }
        _ if is_plain && value.len() <= LONGEST => format!("write {key} = \"{value}\""),
        _ => format!("write {key} = \"value\""),
    }
}

/// A profile's text, then that of the one it extends, and so on.
///
/// # Errors
/// A base that there is not, that cannot be read, or that leads back to where it came from.
pub(super) fn texts(file: &str, text: &str) -> Result<Vec<Text>, ProfileError> {
    let mut above = Vec::new();
    let mut next = Some(Text { file: file.to_owned(), text: text.to_owned() });
    while let Some(text) = next {
        next = base(&text, &above)?;
        above.push(text);
    }
    Ok(above)
}

/// The base of a profile that stands below those `above`.
fn base(text: &Text, above: &[Text]) -> Result<Option<Text>, ProfileError> {
    let table = text.table()?;
    let source = text.source();
    let Some((key, value)) = table.get_ref().get_key_value("extends") else { return Ok(None) };
    let wrong = |what: String, hint: &str| Err(source.error(key.span().start, what).hint(hint));
    let DeValue::String(name) = value.get_ref() else {
        return wrong("extends must be a text in quotes".to_owned(), NAMES);
    };
    let base = if name.contains('/') || name.ends_with(".toml") {
        let path =
            Path::new(&text.file).parent().unwrap_or(Path::new("")).join(name.trim_start_matches("./"));
        match files::read_text(&path, MAX_PROFILE_BYTES as u64 / 1024 + 1) {
            Ok(text) => Text { file: path.display().to_string(), text: String::clone(&text) },
            Err(error) => {
                return wrong(format!("could not read the base {}: {error}", path.display()), NAMES);
            }
        }
    } else {
        match shipped::base(name) {
            Some((file, text)) => Text { file, text: text.to_owned() },
            None => {
                let known: Vec<&str> = shipped::base_names().collect();
                let what =
                    format!("there is no profile {} to extend; shipped are {}", quoted(name), list(&known));
                return wrong(what, "name a file by a path that ends in .toml");
            }
        }
    };
    if above.iter().chain([text]).any(|other| other.file == base.file) {
        let what = format!("this leads back to {}, which comes before it", base.file);
        return wrong(what, "a profile cannot extend itself; take what both share into a third file");
    }
    if above.len() >= MAX_BASES {
        let what = format!("this is more than {MAX_BASES} profiles that extend one another");
        return wrong(what, "put the lines of two of them into one");
    }
    Ok(Some(base))
}

const NAMES: &str =
    "write the name of a shipped one, as \"sprag\", or a path from this file, as \"./base.toml\"";

/// The elements of `route`: the base's in their order, each with the profile's own in its place where that has the same
/// `on`, and then the profile's others.
///
/// # Errors
/// One of them is no array of tables.
pub(super) fn routes<'a>(arrays: &[Field<'a>]) -> Result<Vec<Field<'a>>, ProfileError> {
    let mut merged: Vec<Field<'a>> = Vec::new();
    for array in arrays.iter().rev() {
        let elements = array.elements();
        let elements = elements
            .map_err(|error| error.hint("begin each call with the line [[route]], with two brackets"))?;
        let inherited = merged.len();
        for element in elements {
            let of_base =
                merged[..inherited].iter().position(|base| on(base).is_some() && on(base) == on(&element));
            match of_base {
                Some(place) => merged[place] = element,
                None => merged.push(element),
            }
        }
    }
    Ok(merged)
}

fn on<'a>(route: &Field<'a>) -> Option<&'a str> {
    route.value().as_table()?.get("on")?.get_ref().as_str()
}

/// The profile in one piece: what it and its bases come to, as TOML.
///
/// # Errors
/// As [`Profile::parse`](super::Profile::parse), as far as the profile must be understood for it.
pub fn resolved(file: &str, text: &str) -> Result<String, ProfileError> {
    let texts = texts(file, text)?;
    let tables = texts.iter().map(Text::table).collect::<Result<Vec<_>, _>>()?;
    let layers: Vec<_> =
        texts.iter().zip(&tables).map(|(text, table)| (text.source(), table.get_ref())).collect();
    let profile = Section::root(&layers, &KEYS)?;
    let (mut values, mut rest) = (String::new(), String::new());
    for key in KEYS.into_iter().filter(|key| *key != "extends") {
        let Some(field) = profile.get(key) else { continue };
        match field.value() {
            DeValue::Table(_) => {
                rest += &format!("\n[{key}]\n{}", lines(&field)?);
            }
            DeValue::Array(_) if key == "route" => {
                for route in routes(&profile.each(key))? {
                    rest += &format!("\n[[route]]\n{}", lines(&route)?);
                }
            }
            _ => values += &format!("{key} = {}\n", inline(&field)?),
        }
    }
    Ok(values + &rest)
}

/// A table's keys, a line each.
fn lines(table: &Field<'_>) -> Result<String, ProfileError> {
    let fields = table.open_section()?.fields().into_iter();
    fields.map(|(key, field)| Ok(format!("{} = {}\n", bare(key), inline(&field)?))).collect()
}

/// A value on one line.
fn inline(field: &Field<'_>) -> Result<String, ProfileError> {
    match field.value() {
        DeValue::String(text) => Ok(toml::Value::String(text.to_string()).to_string()),
        DeValue::Integer(number) => Ok(number.to_string()),
        DeValue::Float(number) => Ok(number.to_string()),
        DeValue::Boolean(flag) => Ok(flag.to_string()),
        DeValue::Datetime(moment) => Ok(moment.to_string()),
        DeValue::Array(_) => {
            let elements = field.elements()?.iter().map(inline).collect::<Result<Vec<_>, _>>()?;
            Ok(format!("[{}]", elements.join(", ")))
        }
        DeValue::Table(_) => {
            let fields = field.open_section()?.fields();
            let pair = |(key, field): (&str, Field<'_>)| Ok(format!("{} = {}", bare(key), inline(&field)?));
            let pairs = fields.into_iter().map(pair).collect::<Result<Vec<_>, _>>()?;
            Ok(format!("{{ {} }}", pairs.join(", ")))
        }
    }
}

/// A key, in quotes where TOML wants them.
fn bare(key: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !key.is_empty() && key.bytes().all(is_bare) {
        key.to_owned()
    } else {
        toml::Value::String(key.to_owned()).to_string()
    }
}

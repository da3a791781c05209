//! Reads the TOML of a profile: tables and values that know their names and lines.
//!
//! Whatever is wrong is reported with its line, and a key that nobody asked for is wrong.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue};

use super::error::{ProfileError, suggest};
use crate::duration;
use crate::old_names::{self, Kind, OLD_NAMES, OldName, sentence};
use crate::quoted::{LONGEST, quoted};

/// The longest profile that is read.
pub(super) const MAX_PROFILE_BYTES: usize = 64 * 1024;

/// The text of a profile and the name of its file.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
}

impl Source<'_> {
    /// An error at a byte of the text.
    pub(super) fn error(self, at: usize, what: impl Into<String>) -> ProfileError {
        ProfileError { file: self.file.to_owned(), line: self.line(at), what: what.into(), hint: None }
    }

    pub(super) fn line(self, at: usize) -> usize {
        let before = self.text.as_bytes().iter().take(at);
        1 + before.filter(|byte| **byte == b'\n').count()
    }
}

/// Keys whose table is one value: where a profile and the one it extends both have it, the nearer one takes the whole
/// place. All other tables are merged key by key.
const WHOLE: [&str; 4] = ["gives", "takes", "claims", "columns"];

/// A table of the profile, above the tables of that name in the profiles that it extends.
#[derive(Clone)]
pub(super) struct Section<'a> {
    /// `lifetimes`, `refresh_token.cookie`; empty for the profile itself.
    name: String,
    /// The table's own place.
    source: Source<'a>,
    at: usize,
    /// The nearest first, and one at least.
    layers: Vec<Layer<'a>>,
}

/// A table as it stands in one file.
#[derive(Clone, Copy)]
struct Layer<'a> {
    source: Source<'a>,
    table: &'a DeTable<'a>,
}

impl<'a> Section<'a> {
    /// The profile itself, before those that it extends.
    ///
    /// # Errors
    /// A key that is not `known`.
    pub(super) fn root(
        tables: &[(Source<'a>, &'a DeTable<'a>)],
        known: &[&str],
    ) -> Result<Self, ProfileError> {
        let layers: Vec<_> = tables.iter().map(|(source, table)| Layer { source: *source, table }).collect();
        let source = layers.first().map_or(Source { file: "", text: "" }, |layer| layer.source);
        let section = Self { name: String::new(), source, at: 0, layers };
        section.only(known)?;
        Ok(section)
    }

    /// The value under `key`, if there is one: the nearest, and if that is a table, with those below it.
    pub(super) fn get(&self, key: &str) -> Option<Field<'a>> {
        let mut found = self.layers.iter().filter_map(|layer| Some((*layer, self.entry(layer, key)?)));
        let (layer, (name, value)) = found.next()?;
        let mut field = self.field(layer.source, name, value);
        if field.value.is_table() && !WHOLE.contains(&key) {
            let below = found.filter_map(|(Layer { source, .. }, (_, value))| {
                Some(Layer { source, table: value.get_ref().as_table()? })
            });
            field.below = below.collect();
        }
        Some(field)
    }

    /// The value under `key` in the profile's own file.
    ///
    /// # Errors
    /// There is none; that of a profile it extends does not count.
    pub(super) fn require_own(&self, key: &str) -> Result<Field<'a>, ProfileError> {
        let own = Self { layers: self.layers.iter().take(1).copied().collect(), ..self.clone() };
        own.require(key)
    }

    /// The value under `key`, once for each file that has it, the nearest first.
    pub(super) fn each(&self, key: &str) -> Vec<Field<'a>> {
        let entry = |layer: &Layer<'a>| Some((layer.source, self.entry(layer, key)?));
        let found = self.layers.iter().filter_map(entry);
        found.map(|(source, (name, value))| self.field(source, name, value)).collect()
    }

    /// The value under `key`.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn require(&self, key: &str) -> Result<Field<'a>, ProfileError> {
        let missing = || {
            let place = if self.name.is_empty() { "the profile" } else { &self.name };
            self.error(format!("{place} has no {key:?}")).hint("add it")
        };
        self.get(key).ok_or_else(missing)
    }

    /// Every value with its key, in the order of the profile, and then what only those that it extends have.
    pub(super) fn fields(&self) -> Vec<(&'a str, Field<'a>)> {
        let mut fields: Vec<(&'a str, Field<'a>)> = Vec::new();
        for layer in &self.layers {
            let mut keys: Vec<_> = layer.table.keys().collect();
            keys.sort_by_key(|key| key.span().start);
            for key in keys {
                let key: &'a str = key.get_ref().as_ref();
                if fields.iter().all(|(known, _)| *known != key) {
                    fields.extend(self.get(key).map(|field| (key, field)));
                }
            }
        }
        fields
    }

    /// A sentence for each key that stands here under the name it had before, in whatever file.
    pub(super) fn old_keys(&self) -> Vec<String> {
        let mut told = Vec::new();
        for OldName { old, new, .. } in OLD_NAMES.iter().filter(|name| name.kind == Kind::ProfileKey) {
            let Some((table, key)) = old.rsplit_once('.') else { continue };
            for field in self.each(table) {
                let Some((key, _)) = field.value.as_table().and_then(|table| table.get_key_value(key)) else {
                    continue;
                };
                let place = format!("{}:{}", field.source.file, field.source.line(key.span().start));
                told.push(sentence(&place, old, new));
            }
        }
        told
    }

    /// An error at the head of this table.
    pub(super) fn error(&self, what: impl Into<String>) -> ProfileError {
        self.source.error(self.at, what)
    }

    fn only(&self, known: &[&str]) -> Result<(), ProfileError> {
        for layer in &self.layers {
            let mut entries: Vec<_> = layer.table.iter().collect();
            entries.sort_by_key(|(key, _)| key.span().start);
            let is_known = |key: &str| known.contains(&key) || self.is_old(key);
            if let Some((key, _)) = entries.into_iter().find(|(key, _)| !is_known(key.get_ref())) {
                let error =
                    layer.source.error(key.span().start, format!("unknown key {}", quoted(key.get_ref())));
                return Err(error.hint(suggest(key.get_ref(), known)));
            }
        }
        Ok(())
    }

    /// What a file has under a key, or under the name that the key had before.
    fn entry(
        &self,
        layer: &Layer<'a>,
        key: &str,
    ) -> Option<(&'a Spanned<DeString<'a>>, &'a Spanned<DeValue<'a>>)> {
        let old = || old_names::old(Kind::ProfileKey, &self.path(key))?.old.rsplit('.').next();
        layer.table.get_key_value(key).or_else(|| layer.table.get_key_value(old()?))
    }

    fn is_old(&self, key: &str) -> bool {
        let path = self.path(key);
        OLD_NAMES.iter().any(|name| name.kind == Kind::ProfileKey && name.old == path)
    }

    fn path(&self, key: &str) -> String {
        let dot = if self.name.is_empty() { "" } else { "." };
        format!("{}{dot}{key}", self.name)
    }

    fn field(
        &self,
        source: Source<'a>,
        key: &'a Spanned<DeString<'a>>,
        value: &'a Spanned<DeValue<'a>>,
    ) -> Field<'a> {
        let (name, at) = (self.path(key.get_ref()), key.span().start);
        Field { source, name, at, value: value.get_ref(), below: Vec::new() }
    }
}

/// A value of the profile.
#[derive(Clone)]
pub(super) struct Field<'a> {
    source: Source<'a>,
    name: String,
    at: usize,
    value: &'a DeValue<'a>,
    /// If it is a table: those of that name in the profiles that are extended.
    below: Vec<Layer<'a>>,
}

impl<'a> Field<'a> {
    /// The value as TOML has it.
    pub(super) fn value(&self) -> &'a DeValue<'a> {
        self.value
    }

    /// The line it stands on.
    pub(super) fn line(&self) -> usize {
        self.source.line(self.at)
    }

    /// The file it stands in.
    pub(super) fn file(&self) -> &'a str {
        self.source.file
    }

    /// An error at this value.
    pub(super) fn error(&self, what: impl Into<String>) -> ProfileError {
        self.source.error(self.at, what)
    }

    /// A text.
    ///
    /// # Errors
    /// It is something else.
    pub(super) fn text(&self) -> Result<&'a str, ProfileError> {
        self.value.as_str().ok_or_else(|| self.wrong("a text in quotes"))
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// It is something else.
    pub(super) fn flag(&self) -> Result<bool, ProfileError> {
        self.value.as_bool().ok_or_else(|| {
            let wrong = self.wrong("true or false");
            match self.value.as_str().map(str::to_lowercase).as_deref() {
                Some("true" | "yes" | "on") => wrong.hint("write true, without quotes"),
                Some("false" | "no" | "off") => wrong.hint("write false, without quotes"),
                _ => wrong,
            }
        })
    }

    /// A whole number in `range`.
    ///
    /// # Errors
    /// It is something else, or out of range.
    pub(super) fn number<N>(&self, range: RangeInclusive<N>) -> Result<N, ProfileError>
    where
        N: TryFrom<i64> + PartialOrd + std::fmt::Display,
    {
        let number = integer(self.value).and_then(|number| N::try_from(number).ok());
        number.filter(|number| range.contains(number)).ok_or_else(|| {
            let wrong = self.wrong(&format!("a whole number from {} to {}", range.start(), range.end()));
            let is_number = |text: &str| text.parse::<i64>().is_ok();
            match self.value.as_str().filter(|text| is_number(text)) {
                Some(text) => wrong.hint(format!("write {text}, without quotes")),
                None => wrong,
            }
        })
    }

    /// A duration such as `"15m"`.
    ///
    /// # Errors
    /// It is something else.
    pub(super) fn duration(&self) -> Result<Duration, ProfileError> {
        const LIKE: &str = "write a whole number and s, m, h or d in quotes, as \"15m\"";
        let text = self.text().map_err(|error| error.hint(LIKE))?;
        duration::parse(text).map_err(|error| self.error(format!("{}: {error}", self.name)))
    }

    /// What one of a few words stands for.
    ///
    /// # Errors
    /// It is none of them.
    pub(super) fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, ProfileError> {
        let word = self.text()?;
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let found = words.iter().find(|(known, _)| *known == word);
        found.map(|(_, meaning)| *meaning).ok_or_else(|| {
            self.error(format!("{} cannot be {}", self.name, quoted(word))).hint(suggest(word, &known))
        })
    }

    /// A table with no keys but the `known` ones.
    ///
    /// # Errors
    /// It is something else, or has another key.
    pub(super) fn section(&self, known: &[&str]) -> Result<Section<'a>, ProfileError> {
        let section = self.open_section()?;
        section.only(known)?;
        Ok(section)
    }

    /// A table whose keys are free.
    ///
    /// # Errors
    /// It is something else.
    pub(super) fn open_section(&self) -> Result<Section<'a>, ProfileError> {
        let table = self.value.as_table().ok_or_else(|| self.wrong("a table"))?;
        let own = Layer { source: self.source, table };
        let layers = std::iter::once(own).chain(self.below.iter().copied()).collect();
        Ok(Section { source: self.source, name: self.name.clone(), at: self.at, layers })
    }

    /// The elements of an array, each under this value's name and its own line.
    ///
    /// # Errors
    /// It is something else.
    pub(super) fn elements(&self) -> Result<Vec<Self>, ProfileError> {
        let array: &'a DeArray<'a> = self.value.as_array().ok_or_else(|| self.wrong("an array"))?;
        let element = |value: &'a Spanned<DeValue<'a>>| Self {
            source: self.source,
            name: self.name.clone(),
            at: value.span().start,
            value: value.get_ref(),
            below: Vec::new(),
        };
        Ok(array.iter().map(element).collect())
    }

    fn wrong(&self, expected: &str) -> ProfileError {
        let found = match self.value {
            DeValue::String(text) => quoted(text),
            DeValue::Integer(number) => number.to_string().chars().take(LONGEST).collect(),
            other => format!("{} {}", article(other.type_str()), other.type_str()),
        };
        self.error(format!("{} must be {expected}, not {found}", self.name))
    }
}

/// A TOML integer, if it fits.
pub(super) fn integer(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'i', 'o', 'u', 'e']) { "an" } else { "a" }
}

//! Reads the TOML of a profile: tables and values that know their names and lines.
//!
//! Whatever is wrong is reported with its line, and a key that nobody asked for is wrong.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue};

use super::duration;
use super::error::{ProfileError, QUOTE_LIMIT, quote, suggest};

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

    fn line(self, at: usize) -> usize {
        let before = self.text.as_bytes().iter().take(at);
        1 + before.filter(|byte| **byte == b'\n').count()
    }
}

/// A table of the profile.
#[derive(Clone)]
pub(super) struct Section<'a> {
    source: Source<'a>,
    /// `lifetimes`, `refresh_token.cookie`; empty for the profile itself.
    name: String,
    at: usize,
    table: &'a DeTable<'a>,
}

impl<'a> Section<'a> {
    /// The profile itself.
    ///
    /// # Errors
    /// A key that is not `known`.
    pub(super) fn root(
        source: Source<'a>,
        table: &'a DeTable<'a>,
        known: &[&str],
    ) -> Result<Self, ProfileError> {
        let section = Self { source, name: String::new(), at: 0, table };
        section.only(known)?;
        Ok(section)
    }

    /// The value under `key`, if there is one.
    pub(super) fn get(&self, key: &str) -> Option<Field<'a>> {
        self.table.get_key_value(key).map(|(key, value)| self.field(key, value))
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

    /// Every value with its key, in the order of the profile.
    pub(super) fn fields(&self) -> Vec<(&'a str, Field<'a>)> {
        let mut fields: Vec<_> =
            self.table.iter().map(|(key, value)| (key.get_ref().as_ref(), self.field(key, value))).collect();
        fields.sort_by_key(|(_, field)| field.at);
        fields
    }

    /// An error at the head of this table.
    pub(super) fn error(&self, what: impl Into<String>) -> ProfileError {
        self.source.error(self.at, what)
    }

    fn only(&self, known: &[&str]) -> Result<(), ProfileError> {
        match self.fields().into_iter().find(|(key, _)| !known.contains(key)) {
            Some((key, field)) => {
                Err(field.error(format!("unknown key {}", quote(key))).hint(suggest(key, known)))
            }
            None => Ok(()),
        }
    }

    fn field(&self, key: &'a Spanned<DeString<'a>>, value: &'a Spanned<DeValue<'a>>) -> Field<'a> {
        let dot = if self.name.is_empty() { "" } else { "." };
        Field {
            source: self.source,
            name: format!("{}{dot}{}", self.name, key.get_ref()),
            at: key.span().start,
            value: value.get_ref(),
        }
    }
}

/// A value of the profile.
#[derive(Clone)]
pub(super) struct Field<'a> {
    source: Source<'a>,
    name: String,
    at: usize,
    value: &'a DeValue<'a>,
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
        self.value.as_bool().ok_or_else(|| self.wrong("true or false"))
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
        number
            .filter(|number| range.contains(number))
            .ok_or_else(|| self.wrong(&format!("a whole number from {} to {}", range.start(), range.end())))
    }

    /// A duration such as `"15m"`.
    ///
    /// # Errors
    /// It is something else.
    pub(super) fn duration(&self) -> Result<Duration, ProfileError> {
        duration::parse(self.text()?).map_err(|error| self.error(format!("{}: {error}", self.name)))
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
            self.error(format!("{} cannot be {}", self.name, quote(word))).hint(suggest(word, &known))
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
        Ok(Section { source: self.source, name: self.name.clone(), at: self.at, table })
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
        };
        Ok(array.iter().map(element).collect())
    }

    fn wrong(&self, expected: &str) -> ProfileError {
        let found = match self.value {
            DeValue::String(text) => quote(text),
            DeValue::Integer(number) => number.to_string().chars().take(QUOTE_LIMIT).collect(),
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

//! What was found for each setting, and how a feature reads it.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::error::ConfigError;
use super::origin::{Found, Origin};
use super::setting::Setting;
use super::value;

/// For each setting what was found for it, in the table's order.
pub(super) struct Chosen(pub(super) Vec<(&'static Setting, Option<Found>)>);

impl Chosen {
    pub(super) fn of(&self, name: &str) -> (&'static Setting, Option<&Found>) {
        let mut those = self.0.iter().filter(|(setting, _)| setting.name == name);
        let (setting, found) = those.next().expect("the code asks for settings that are in the table");
        (setting, found.as_ref())
    }

    pub(super) fn origin(&self, name: &str) -> Origin {
        self.of(name).1.map_or(Origin::Default, |found| found.origin.clone())
    }

    pub(super) fn origins(&self) -> Vec<(&'static str, Origin)> {
        self.0.iter().map(|(setting, _)| (setting.name, self.origin(setting.name))).collect()
    }

    /// Puts something else in place of what was found.
    pub(super) fn put(&mut self, name: &str, found: Option<Found>) {
        let those = self.0.iter_mut().filter(|(setting, _)| setting.name == name);
        those.for_each(|place| place.1.clone_from(&found));
    }

    /// The value as it was given, understood; `None` where nobody gave one.
    pub(super) fn given<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> value::Parsed<T>,
    ) -> Result<Option<T>, ConfigError> {
        let (setting, found) = self.of(name);
        let Some(found) = found else { return Ok(None) };
        let refuse =
            |problem| ConfigError::Value { setting: setting.name, origin: found.origin.clone(), problem };
        parse(&found.text).map(Some).map_err(refuse)
    }

    /// The value as it was given, or else the default, understood.
    pub(super) fn typed<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> value::Parsed<T>,
    ) -> Result<T, ConfigError> {
        let (setting, _) = self.of(name);
        let refuse = |problem| ConfigError::Value { setting: setting.name, origin: Origin::Default, problem };
        match self.given(name, &parse)? {
            Some(value) => Ok(value),
            None => parse(setting.default.text()).map_err(refuse),
        }
    }

    pub(super) fn span(&self, name: &str, least: &str, most: &str) -> Result<Duration, ConfigError> {
        self.typed(name, |text| value::span(text, least, most))
    }

    pub(super) fn profile_span(
        &self,
        name: &str,
        least: &str,
        most: &str,
    ) -> Result<Option<Duration>, ConfigError> {
        self.given(name, |text| value::span(text, least, most))
    }

    pub(super) fn count(&self, name: &str, most: usize) -> Result<NonZeroUsize, ConfigError> {
        let (least, most) = (NonZeroUsize::MIN, NonZeroUsize::new(most).unwrap_or(NonZeroUsize::MAX));
        self.typed(name, |text| value::count(text, least, most))
    }
}

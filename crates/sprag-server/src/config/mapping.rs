//! Other systems' names for our settings, so that the `.env` of the system a profile replaces keeps working.

use super::error::{ConfigError, hint};
use super::settings::{SETTINGS, Setting};
use crate::quoted::quoted;

/// Which variable means which setting.
#[derive(Debug, Default)]
pub(super) struct Mapping(Vec<(String, &'static Setting, Option<Reading>)>);

/// How another system's value is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// A bare number counts these.
    Number(Unit),
    /// This word means on; any other leaves the setting alone.
    Word(String),
}

/// What a bare number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Minutes,
    Hours,
    Days,
}

impl Mapping {
    /// Understands pairs of a variable's name and `setting` or `setting:unit`.
    pub(super) fn new(pairs: &[(String, String)]) -> Result<Self, ConfigError> {
        pairs.iter().map(|(variable, target)| entry(variable, target)).collect::<Result<_, _>>().map(Self)
    }

    /// The variables that mean this setting, in the profile's order.
    pub(super) fn variables_of(&self, setting: &Setting) -> impl Iterator<Item = (&str, Option<&Reading>)> {
        let those = self.0.iter().filter(|(_, mapped, _)| mapped.name == setting.name);
        those.map(|(variable, _, reading)| (variable.as_str(), reading.as_ref()))
    }
}

fn entry(variable: &str, target: &str) -> Result<(String, &'static Setting, Option<Reading>), ConfigError> {
    let refuse = |problem: String| ConfigError::Mapping {
        variable: variable.to_owned(),
        target: target.to_owned(),
        problem,
    };
    let (name, unit) = match target.split_once(':') {
        Some((name, unit)) => (name, Some(unit)),
        None => (target, None),
    };
    let Some(setting) = Setting::named(name) else {
        let hint = hint(name, SETTINGS.iter().map(|setting| setting.name));
        return Err(refuse(format!("{} is no setting; {hint}", quoted(name))));
    };
    if matches!(name, "config" | "profiles") {
        return Err(refuse("which profiles there are must be known before a profile is read".to_owned()));
    }
    let unit = unit.map(|unit| match unit {
        word if name == "secure-cookies" => Ok(Reading::Word(word.to_owned())),
        "seconds" => Ok(Reading::Number(Unit::Seconds)),
        "minutes" => Ok(Reading::Number(Unit::Minutes)),
        "hours" => Ok(Reading::Number(Unit::Hours)),
        "days" => Ok(Reading::Number(Unit::Days)),
        _ => Err(refuse("a unit is one of seconds, minutes, hours, days".to_owned())),
    });
    Ok((variable.to_owned(), setting, unit.transpose()?))
}

impl Reading {
    /// The value as our settings spell it; `None` if it says nothing of the setting.
    pub(super) fn spell(&self, text: &str) -> Result<Option<String>, String> {
        match self {
            Self::Number(unit) => unit.spell(text).map(Some),
            Self::Word(word) => Ok((text.trim() == word).then(|| "on".to_owned())),
        }
    }
}

impl Unit {
    /// The span that a bare number of these is, as our settings spell it.
    fn spell(self, text: &str) -> Result<String, String> {
        let (letter, word) = match self {
            Self::Seconds => ('s', "seconds"),
            Self::Minutes => ('m', "minutes"),
            Self::Hours => ('h', "hours"),
            Self::Days => ('d', "days"),
        };
        match text.trim() {
            "" => Ok(String::new()),
            number if number.bytes().all(|byte| byte.is_ascii_digit()) => Ok(format!("{number}{letter}")),
            _ => Err(format!("{} is not a whole number of {word}", quoted(text))),
        }
    }
}

//! The lines of a file of settings, and the sentence that each slip in one deserves.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::error::{ConfigError, hint};
use crate::config::setting::key_of;
use crate::config::settings::{self, Setting};
use crate::quoted::quoted;
use crate::toml_hints::{self, Wording};

/// One line of `sprag.toml`.
pub(super) struct Entry {
    pub(super) setting: &'static Setting,
    pub(super) key: String,
    pub(super) text: String,
    pub(super) line: usize,
    /// Whether the text is no value, but names the file that the value stands in.
    pub(super) names_file: bool,
}

/// The lines of `sprag.toml`.
pub(super) fn entries(text: &str, path: &str) -> Result<Vec<Entry>, ConfigError> {
    let line_at =
        |offset: usize| 1 + text.as_bytes().iter().take(offset).filter(|&&byte| byte == b'\n').count();
    let place = |line: usize| format!("{path} line {line}");
    let table = DeTable::parse(text).map_err(|error| {
        let wording = Wording { repeats: &|key| meant(key).is_some(), like: &|key, _| example(key) };
        let told = toml_hints::told(text, &error, &wording);
        let hint = told.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        ConfigError::Line {
            place: place(line_at(told.at)),
            problem: format!("this is not TOML: {}{hint}", told.what),
        }
    })?;
    let mut entries = Vec::new();
    for (key, value) in table.get_ref() {
        let line = line_at(key.span().start);
        let name: &str = key.get_ref();
        refuse_table(name, value.get_ref(), &place(line))?;
        let by_file = |setting: &&Setting| setting.file_key_of_file().as_deref() == Some(name);
        let by_file = settings::SETTINGS.iter().find(by_file);
        let names_file = by_file.is_some();
        let setting = by_file.map_or_else(|| known(name, &place(line)), Ok)?;
        let text = as_text(value.get_ref()).ok_or_else(|| wrong_kind(setting, value.get_ref())).map_err(
            |problem| ConfigError::Line { place: place(line), problem: format!("{name}: {problem}") },
        )?;
        entries.push(Entry { setting, key: name.to_owned(), text, line, names_file });
    }
    Ok(entries)
}

/// The setting that a name in the file means, however it is written.
fn meant(key: &str) -> Option<&'static Setting> {
    let name = key.to_lowercase().replace('_', "-");
    Setting::named(name.strip_prefix("sprag-").unwrap_or(&name))
}

/// A line for that setting, with a value that it takes; what stood there is not repeated, it may be a secret.
fn example(key: &str) -> String {
    match meant(key).filter(|setting| setting.file_key().is_some()) {
        Some(setting) => format!("write it like {} = {:?}", key_of(setting.name), setting.right),
        None => "write it like name = \"value\"".to_owned(),
    }
}

/// A file of settings has no tables, whatever they are called; one with calls is a profile.
fn refuse_table(name: &str, value: &DeValue<'_>, place: &str) -> Result<(), ConfigError> {
    let is_of_tables = |items: &[Spanned<DeValue<'_>>]| items.iter().any(|item| item.get_ref().is_table());
    let hint = match value {
        DeValue::Array(items) if name == "route" && is_of_tables(items) => {
            "this is a profile: keep it in a file of its own, and name that file here, as profiles = [\"./shop.toml\"]"
        }
        DeValue::Table(_) => {
            "a file of settings has no tables: delete the line in brackets, or what stands before the dot, and let each setting \
             stand on a line of its own"
        }
        _ => return Ok(()),
    };
    if let DeValue::Table(_) = value
        && Setting::named(&name.replace('_', "-")).is_some()
    {
        return Err(ConfigError::Line {
            place: place.to_owned(),
            problem: format!("{name} is a setting and no table; {}", example(name)),
        });
    }
    Err(ConfigError::Unknown { what: format!("{} in {place}", quoted(name)), hint: hint.to_owned() })
}

/// What a value is, where TOML takes it for something that no setting is, and how to write it.
fn wrong_kind(setting: &'static Setting, value: &DeValue<'_>) -> String {
    let key = key_of(setting.name);
    match value {
        DeValue::Boolean(flag) if matches!(setting.right, "on" | "off") => {
            format!(
                "true and false are written on and off here; write {key} = {:?}",
                if *flag { "on" } else { "off" }
            )
        }
        _ => {
            let is = match value {
                DeValue::Boolean(_) => "true and false are nothing that it can be",
                DeValue::Datetime(_) => "TOML takes this for a date or a time of day",
                DeValue::Float(_) => "TOML takes this for a number with a fraction",
                DeValue::Integer(_) => "TOML takes this for a number that is not in plain digits",
                _ => "these are not texts alone",
            };
            format!(
                "{is}; write the value as text in quotes, or as a whole number; {}",
                example(setting.name)
            )
        }
    }
}

fn known(key: &str, place: &str) -> Result<&'static Setting, ConfigError> {
    if let Some(setting) =
        settings::SETTINGS.iter().find(|setting| setting.file_key().as_deref() == Some(key))
    {
        return Ok(setting);
    }
    let by_old_name = |setting: &&Setting| setting.old_name().is_some_and(|old| key_of(old) == key);
    if let Some(setting) = settings::SETTINGS.iter().find(by_old_name) {
        return Ok(setting);
    }
    if let Some(setting) = Setting::named(&key.replace('_', "-")).filter(|setting| setting.is_secret) {
        return Err(ConfigError::Line {
            place: place.to_owned(),
            problem: format!(
                "{key} is a secret, and a file of settings gets copied about; set {0} in the environment or .env, or {0}_FILE to \
                 a file that it stands in; here {key}_file names that file",
                setting.env
            ),
        });
    }
    let of_files = settings::SETTINGS.iter().filter_map(Setting::file_key_of_file);
    let keys: Vec<String> = settings::SETTINGS.iter().filter_map(Setting::file_key).chain(of_files).collect();
    Err(ConfigError::Unknown {
        what: format!("{} in {place}", quoted(key)),
        hint: hint(key, keys.iter().map(String::as_str)),
    })
}

/// The text of a value: text, a whole number, or a list of texts, which is joined by commas.
fn as_text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Array(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(|item| item.get_ref().as_str()).collect();
            texts.map(|texts| texts.join(","))
        }
        _ => None,
    }
}

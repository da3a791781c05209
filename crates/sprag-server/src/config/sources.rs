//! Where settings come from: flags, the environment, `.env`, `sprag.toml`. Nearest first.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use sprag::files::{self, FileFault};
use zeroize::Zeroizing;

use super::dotenv::{self, Dotenv};
use super::error::{ConfigError, hint};
use super::mapping::Mapping;
use super::origin::{Found, Origin};
use super::secret_files;
use super::setting::{env_of, key_of};
use super::settings::{self, Setting};
use crate::old_names::{self, OldName, sentence};

mod lines;

use lines::{Entry, entries};

/// Where a process finds its files: in its working directory.
const PLACE: &str = ".";

/// The file of settings that is read if it is there.
const FILE: &str = "sprag.toml";

/// The most that is read of `.env` or `sprag.toml`; more is a mistake.
const MAX_FILE_KIB: u64 = 1024;

/// The flags that were given: a setting's name and the text of its value.
pub type Flags = HashMap<&'static str, String>;

/// Everything that was given, read once and not yet understood. Not `Debug`, as secrets are among it.
pub struct Sources {
    flags: Flags,
    environment: BTreeMap<String, String>,
    /// Variables of the process environment whose value is not UTF-8.
    not_text: BTreeSet<String>,
    dotenv: Dotenv,
    file: Vec<Entry>,
    file_path: Option<String>,
    /// The secrets that stand in files which a variable names, each read once: a pipe gives it once only.
    in_files: HashMap<&'static str, Found>,
    /// Those in files that the file of settings names.
    in_named_files: HashMap<&'static str, Found>,
}

/// What the variables of a setting say.
enum Nearest {
    Itself(Found),
    /// Which file it stands in.
    File(Found),
    Nothing,
}

impl Sources {
    /// Reads `.env` and `sprag.toml` in `dir`, and takes the flags and the environment as they are given.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or understood; a name that is no setting's, wherever it stands.
    pub fn read(
        flags: Flags,
        environment: impl IntoIterator<Item = (String, String)>,
        dir: &Path,
    ) -> Result<Self, ConfigError> {
        let mut sources = Self::read_open(flags, environment, dir)?;
        sources.read_secrets(dir)?;
        Ok(sources)
    }

    /// As [`Sources::read`], without the files that secrets stand in.
    fn read_open(
        flags: Flags,
        environment: impl IntoIterator<Item = (String, String)>,
        dir: &Path,
    ) -> Result<Self, ConfigError> {
        let mut sources = Self {
            flags,
            environment: environment.into_iter().collect(),
            not_text: BTreeSet::new(),
            dotenv: Dotenv::default(),
            file: Vec::new(),
            file_path: None,
            in_files: HashMap::new(),
            in_named_files: HashMap::new(),
        };
        if let Some(text) =
            text_of(&dir.join(dotenv::NAME)).map_err(|source| unreadable(dotenv::NAME, source))?
        {
            sources.dotenv = dotenv::read(&text);
            // Left out without a word, it would let a command work on another store than is meant.
            if let Some(line) = sources.dotenv.odd_lines_of_ours.first() {
                return Err(ConfigError::Line {
                    place: format!("{} line {line}", dotenv::NAME),
                    problem: "a setting of sprag is named here, but not as NAME=value; begin the line with the bare name, \
                              as in SPRAG_LISTEN=127.0.0.1:8080"
                        .to_owned(),
                });
            }
        }
        sources.refuse_unknown_variables()?;
        sources.read_file(dir)?;
        Ok(sources)
    }

    /// Reads the files that secrets stand in.
    fn read_secrets(&mut self, dir: &Path) -> Result<(), ConfigError> {
        self.read_secret_files(dir)?;
        self.read_named_files(dir)
    }

    /// Reads the process environment, and the files in the working directory.
    ///
    /// # Errors
    ///
    /// As [`Sources::read`].
    pub fn from_process(flags: Flags) -> Result<Self, ConfigError> {
        let mut sources = Self::open_from_process(flags)?;
        sources.read_secrets(Path::new(PLACE))?;
        Ok(sources)
    }

    /// As [`Sources::from_process`], without the files that secrets stand in: for whoever needs none of them, and may not
    /// be allowed to read them.
    ///
    /// # Errors
    ///
    /// As [`Sources::read`].
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
    pub fn open_from_process(flags: Flags) -> Result<Self, ConfigError> {
        let mut not_text = BTreeSet::new();
        // `vars` would panic where a stranger's value is not UTF-8.
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            match value.into_string() {
                Ok(value) => Some((name, value)),
                Err(_) => {
                    not_text.insert(name);
                    None
                }
            }
        });
        let environment: Vec<_> = environment.collect();
        let mut sources = Self::read_open(flags, environment, Path::new(PLACE))?;
        sources.not_text = not_text;
        Ok(sources)
    }

    /// The file of settings that was read.
    pub(super) fn file_path(&self) -> Option<&str> {
        self.file_path.as_deref()
    }

    /// The lines of `.env` that are no variable's, and from which on readers may not agree on what it says.
    pub(super) fn odd_lines(&self) -> &[usize] {
        &self.dotenv.odd_lines
    }

    /// What was given for a setting, from the nearest place that gives it.
    pub(super) fn find(
        &self,
        setting: &'static Setting,
        mapping: &Mapping,
    ) -> Result<Option<Found>, ConfigError> {
        let found = match self.own(setting)? {
            Some(found) => Some(found),
            None => match self.mapped(setting, mapping)? {
                Some(found) => Some(found),
                None => self.in_file(setting),
            },
        };
        match found {
            Some(found) if found.text.trim().is_empty() => Err(ConfigError::Value {
                setting: setting.name,
                problem: format!(
                    "this is empty; give it a value, or leave it out for the default ({})",
                    setting.default.text()
                ),
                origin: found.origin,
            }),
            found => Ok(found),
        }
    }

    fn own(&self, setting: &'static Setting) -> Result<Option<Found>, ConfigError> {
        if let Some(text) = self.flags.get(setting.name) {
            return Ok(Some(Found { text: text.clone(), origin: Origin::Flag(setting.name) }));
        }
        if let Nearest::Itself(found) = self.nearest(setting)? {
            return Ok(Some(found));
        }
        match self.in_files.get(setting.name) {
            Some(found) => Ok(Some(found.clone())),
            None => self.by_old_name(setting),
        }
    }

    /// Reads what stands in files, of whatever is not given nearer.
    fn read_secret_files(&mut self, dir: &Path) -> Result<(), ConfigError> {
        let those = settings::SETTINGS.iter().filter(|setting| setting.may_be_in_file());
        for setting in those {
            if self.flags.contains_key(setting.name) {
                continue;
            }
            let found = match self.nearest(setting)? {
                Nearest::Itself(_) => None,
                Nearest::File(named) => Some(secret_files::named(setting, named, dir, self.credentials())?),
                Nearest::Nothing => secret_files::credential(setting, self.credentials())?,
            };
            self.in_files.extend(found.map(|found| (setting.name, found)));
        }
        Ok(())
    }

    /// Reads what stands in files that the file of settings names, of whatever is not given nearer.
    fn read_named_files(&mut self, dir: &Path) -> Result<(), ConfigError> {
        for entry in self.file.iter().filter(|entry| entry.names_file) {
            let setting = entry.setting;
            if let Some(beside) = self.line_of(setting) {
                return Err(ConfigError::Together(format!(
                    "{} and {} are both set, and each gives {}; keep one of them",
                    self.origin_of(beside).subject(setting.name),
                    self.origin_of(entry).subject(setting.name),
                    setting.name
                )));
            }
            if self.own(setting)?.is_none() {
                let named = Found { text: entry.text.clone(), origin: self.origin_of(entry) };
                let found = secret_files::named(setting, named, dir, self.credentials())?;
                self.in_named_files.insert(setting.name, found);
            }
        }
        Ok(())
    }

    /// What a setting's variable says, or which file its other variable names; the nearer of them.
    fn nearest(&self, setting: &'static Setting) -> Result<Nearest, ConfigError> {
        let itself = self.variable(setting, setting.env)?;
        let named = match setting.file_env() {
            Some(name) => self.variable(setting, &name)?,
            None => None,
        };
        let is_near = |found: &Found| matches!(found.origin, Origin::Environment(_));
        match (itself, named) {
            (Some(itself), Some(named)) if is_near(&itself) == is_near(&named) => {
                Err(ConfigError::Together(format!(
                    "{} and {} are both set, and each gives {}; keep one of them",
                    itself.origin.subject(setting.name),
                    named.origin.subject(setting.name),
                    setting.name
                )))
            }
            (Some(itself), Some(_)) if is_near(&itself) => Ok(Nearest::Itself(itself)),
            (_, Some(named)) => Ok(Nearest::File(named)),
            (Some(itself), None) => Ok(Nearest::Itself(itself)),
            (None, None) => Ok(Nearest::Nothing),
        }
    }

    fn credentials(&self) -> Option<&str> {
        self.environment.get(secret_files::CREDENTIALS).map(String::as_str)
    }

    /// What was given under the name that a setting had before.
    fn by_old_name(&self, setting: &'static Setting) -> Result<Option<Found>, ConfigError> {
        let Some(old) = setting.old_name() else { return Ok(None) };
        if let Some(text) = self.flags.get(old) {
            return Ok(Some(Found { text: text.clone(), origin: Origin::Flag(old) }));
        }
        self.variable(setting, &env_of(old))
    }

    /// A sentence for each old name that was given, with where it stands.
    pub(super) fn old_names(&self) -> Vec<String> {
        let mut told = Vec::new();
        for OldName { old, new, .. } in old_names::settings() {
            if self.flags.contains_key(old) {
                told.push(sentence("the command line", &format!("--{old}"), &format!("--{new}")));
            }
            let (old_variable, new_variable) = (env_of(old), env_of(new));
            if self.environment.contains_key(&old_variable) {
                told.push(sentence("the environment", &old_variable, &new_variable));
            }
            for found in self.dotenv.variables.iter().filter(|found| found.name == old_variable) {
                let place = format!("{} line {}", dotenv::NAME, found.line);
                told.push(sentence(&place, &old_variable, &new_variable));
            }
            let path = self.file_path.as_deref().unwrap_or(FILE);
            for entry in self.file.iter().filter(|entry| entry.key == key_of(old)) {
                told.push(sentence(&format!("{path} line {}", entry.line), &entry.key, &key_of(new)));
            }
        }
        told
    }

    /// What a profile's own names for settings give; two that disagree are refused.
    fn mapped(&self, setting: &'static Setting, mapping: &Mapping) -> Result<Option<Found>, ConfigError> {
        let mut chosen: Option<Found> = None;
        for (variable, reading) in mapping.variables_of(setting) {
            let Some(mut found) = self.variable(setting, variable)? else { continue };
            if let Some(reading) = reading {
                let spelled = reading.spell(&found.text).map_err(|problem| ConfigError::Value {
                    setting: setting.name,
                    origin: found.origin.clone(),
                    problem,
                })?;
                let Some(text) = spelled else { continue };
                found.text = text;
            }
            match &chosen {
                Some(first) if first.text != found.text => {
                    // Our own name for the secret does not say that tokens are signed with it.
                    let more = match setting.name {
                        "hs256-secret" => ", and SPRAG_SIGNING_ALGORITHM=HS256 beside it",
                        _ => "",
                    };
                    return Err(ConfigError::Together(format!(
                        "{} and {} differ and both mean {}; set {} to say which holds{more}",
                        first.origin.subject(setting.name),
                        found.origin.subject(setting.name),
                        setting.name,
                        setting.env
                    )));
                }
                Some(_) => {}
                None => chosen = Some(found),
            }
        }
        Ok(chosen)
    }

    /// A variable, from the process environment or else from `.env`.
    fn variable(&self, setting: &'static Setting, name: &str) -> Result<Option<Found>, ConfigError> {
        if let Some(text) = self.environment.get(name) {
            let origin = Origin::Environment(name.to_owned());
            return Ok(Some(Found { text: text.clone(), origin }));
        }
        let refuse =
            |origin, problem: String| Err(ConfigError::Value { setting: setting.name, origin, problem });
        if self.not_text.contains(name) {
            let problem = "this is not UTF-8; write it in UTF-8".to_owned();
            return refuse(Origin::Environment(name.to_owned()), problem);
        }
        let mut those = self.dotenv.variables.iter().filter(|variable| variable.name == name);
        let Some(variable) = those.next() else { return Ok(None) };
        let origin = Origin::Dotenv { name: name.to_owned(), line: variable.line };
        if let Some(again) = those.next() {
            return refuse(origin, format!("it stands there again on line {}; keep one of them", again.line));
        }
        match &variable.value {
            Ok(text) => Ok(Some(Found { text: text.clone(), origin })),
            Err(problem) => refuse(origin, problem.clone()),
        }
    }

    fn in_file(&self, setting: &'static Setting) -> Option<Found> {
        let line = self.line_of(setting);
        let line = line.map(|entry| Found { text: entry.text.clone(), origin: self.origin_of(entry) });
        line.or_else(|| self.in_named_files.get(setting.name).cloned())
    }

    /// The line of the file that gives a setting itself.
    fn line_of(&self, setting: &'static Setting) -> Option<&Entry> {
        let is_of = |entry: &&Entry| entry.setting.name == setting.name && !entry.names_file;
        // The name that it has now goes before the one that it had.
        self.file.iter().filter(is_of).min_by_key(|entry| entry.key != key_of(setting.name))
    }

    fn origin_of(&self, entry: &Entry) -> Origin {
        let path = self.file_path.clone().unwrap_or_default();
        Origin::File { path, line: entry.line, key: entry.key.clone() }
    }

    fn refuse_unknown_variables(&self) -> Result<(), ConfigError> {
        let of_process = self.environment.iter().filter(|(name, value)| !is_service_link(name, value));
        let of_process = of_process.map(|(name, _)| (name, "the environment".to_owned()));
        let of_dotenv = self.dotenv.variables.iter();
        let of_dotenv = of_dotenv.map(|found| (&found.name, format!("{} line {}", dotenv::NAME, found.line)));
        for (name, place) in of_process.chain(of_dotenv) {
            let is_old = || old_names::settings().any(|old| env_of(old.old) == *name);
            if name.starts_with("SPRAG_")
                && !settings::SETTINGS
                    .iter()
                    .any(|setting| setting.env == name || setting.file_env().as_deref() == Some(name))
                && !is_old()
            {
                return Err(ConfigError::Unknown {
                    what: format!("{name} in {place}"),
                    hint: hint(name, settings::SETTINGS.iter().map(|setting| setting.env)),
                });
            }
        }
        if let Some(name) = secret_files::unknown_credential(self.credentials()) {
            return Err(ConfigError::Unknown {
                what: format!("{name} among the credentials"),
                hint: format!(
                    "a credential is called as the secret in it: {}",
                    secret_files::names().join(", ")
                ),
            });
        }
        Ok(())
    }

    fn read_file(&mut self, dir: &Path) -> Result<(), ConfigError> {
        let Some(setting) = Setting::named("config") else { return Ok(()) };
        let named = self.find(setting, &Mapping::default())?;
        let path = named.as_ref().map_or(FILE, |found| &found.text);
        match text_of(&dir.join(path)) {
            Ok(Some(text)) => self.file = entries(&text, path)?,
            Ok(None) if named.is_none() => return Ok(()),
            Ok(None) => return Err(unreadable(path, FileFault::Missing)),
            Err(source) => return Err(unreadable(path, source)),
        }
        self.file_path = Some(path.to_owned());
        Ok(())
    }
}

fn unreadable(path: &str, source: FileFault) -> ConfigError {
    ConfigError::File { path: path.to_owned(), source }
}

/// The file's text; `None` if there is no such file. A link to nothing is one that cannot be read.
fn text_of(path: &Path) -> Result<Option<Zeroizing<String>>, FileFault> {
    match files::read_text(path, MAX_FILE_KIB) {
        Err(FileFault::Missing) if fs::symlink_metadata(path).is_err() => Ok(None),
        read => read.map(Some),
    }
}

/// Whether a variable is one that Kubernetes and old Docker links put into every container beside a service
/// called `sprag…`: nobody wrote it, so nobody can be told to remove it.
fn is_service_link(name: &str, value: &str) -> bool {
    let is_url = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    let of_port = name.rsplit_once("_PORT_").is_some_and(|(_, rest)| {
        let mut parts = rest.split('_');
        parts.next().is_some_and(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
            && parts.next().is_some_and(|protocol| matches!(protocol, "TCP" | "UDP" | "SCTP"))
    });
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || (name.ends_with("_PORT") && is_url)
        || of_port
}

//! Secrets that stand in files: named by `SPRAG_…_FILE`, or handed over by systemd as credentials.

use std::fs;
use std::path::{Path, PathBuf};

use sprag::files::{self, FileFault};
use zeroize::Zeroizing;

use super::error::ConfigError;
use super::origin::{Found, Origin};
use super::setting::Setting;
use super::settings::SETTINGS;

/// Where systemd puts the credentials of a service.
pub(super) const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// More than any secret has.
const MAX_SECRET_KIB: u64 = 256;

/// The secret in a file that a variable names; relative to `dir`. One among the credentials is one of them.
pub(super) fn named(
    setting: &'static Setting,
    variable: Found,
    dir: &Path,
    credentials: Option<&str>,
) -> Result<Found, ConfigError> {
    let refuse = |origin, problem: String| Err(ConfigError::Value { setting: setting.name, origin, problem });
    if variable.text.trim().is_empty() {
        let problem = "this is empty; name the file that the secret stands in, or leave it out".to_owned();
        return refuse(variable.origin, problem);
    }
    if variable.text.contains("://") {
        let problem = "this is a URL, and the path of a file is expected; it is not shown here".to_owned();
        return refuse(variable.origin, problem);
    }
    let path = dir.join(&variable.text);
    let is_credential = credentials.is_some_and(|folder| path.starts_with(folder));
    let origin = match is_credential {
        true => Origin::Credential { path: path.clone() },
        false => Origin::SecretFile { path: path.clone(), named: Box::new(variable.origin) },
    };
    match text_of(&path) {
        Ok(text) => Ok(Found { text, origin }),
        Err(fault) => refuse(origin, fault.to_string()),
    }
}

/// The secret that systemd hands over under the setting's name, however that is spelled: `key-ring`, `sprag.key-ring` or
/// `SPRAG_KEY_RING`.
pub(super) fn credential(
    setting: &'static Setting,
    credentials: Option<&str>,
) -> Result<Option<Found>, ConfigError> {
    let Some(folder) = credentials.filter(|_| setting.may_be_in_file()) else { return Ok(None) };
    let mut those: Vec<PathBuf> = names_in(folder)
        .filter(|(name, _)| setting_of(name).is_some_and(|known| known.name == setting.name))
        .map(|(_, path)| path)
        .collect();
    those.sort();
    let Some(path) = those.first().cloned() else { return Ok(None) };
    let origin = Origin::Credential { path: path.clone() };
    let refuse = |problem| ConfigError::Value { setting: setting.name, origin: origin.clone(), problem };
    if let Some(other) = those.get(1) {
        return Err(refuse(format!("{} is another for the same setting; keep one of them", other.display())));
    }
    let text = text_of(&path).map_err(|fault| refuse(fault.to_string()))?;
    Ok(Some(Found { text, origin }))
}

/// A credential that begins with our name and is no setting's: somebody has mistyped it.
pub(super) fn unknown_credential(credentials: Option<&str>) -> Option<String> {
    let is_ours = |name: &str| name.to_ascii_lowercase().starts_with("sprag");
    let mut unknown: Vec<String> = names_in(credentials?)
        .filter(|(name, _)| is_ours(name) && setting_of(name).is_none())
        .map(|(name, _)| name)
        .collect();
    unknown.sort();
    unknown.into_iter().next()
}

fn names_in(folder: &str) -> impl Iterator<Item = (String, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
}

fn setting_of(credential: &str) -> Option<&'static Setting> {
    let name = credential.to_ascii_lowercase().replace(['_', '.'], "-");
    let name = name.strip_prefix("sprag-").unwrap_or(&name);
    SETTINGS.iter().find(|setting| setting.may_be_in_file() && setting.name == name)
}

/// What a credential may be called.
pub(super) fn names() -> Vec<&'static str> {
    SETTINGS.iter().filter(|setting| setting.may_be_in_file()).map(|setting| setting.name).collect()
}

/// All of the file but a line's end behind it, which every editor adds.
fn text_of(path: &Path) -> Result<String, FileFault> {
    let text: Zeroizing<String> = files::read_text(path, MAX_SECRET_KIB)?;
    let text = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if text.trim().is_empty() { Err(FileFault::Empty) } else { Ok(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::config::{Config, Flags};

    const SECRET: &str = "q8Zr2mWx7LtB4vNc9KdJ1sYf6HgP3aUe";
    const RING: &str = r#"{"keys":[]}"#;
    const URL: &str = "postgres://ann:hunter2@db/app";

    fn folder(files: &[(&str, &str)]) -> TempDir {
        let dir = TempDir::new().unwrap();
        fs::create_dir(dir.path().join("credentials")).unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        dir
    }

    /// Resolves in a folder; a value that begins with `./` is a path in there.
    fn resolve(dir: &TempDir, environment: &[(&str, &str)]) -> Result<Config, String> {
        let whole = |(name, value): &(&str, &str)| {
            let value = match value.strip_prefix("./") {
                Some(rest) => dir.path().join(rest).display().to_string(),
                None => (*value).to_owned(),
            };
            ((*name).to_owned(), value)
        };
        let flags = Flags::from([("signing-algorithm", "HS256".to_owned())]);
        Config::resolve(flags, environment.iter().map(whole), dir.path()).map_err(|error| error.to_string())
    }

    fn shown(config: &Config, name: &str) -> String {
        let line = config.lines().iter().find(|line| line.name == name).unwrap();
        format!("{} from {}", line.value, line.origin)
    }

    #[test]
    fn every_secret_is_taken_from_a_file_without_its_last_line_end() {
        let dir = folder(&[("secret", SECRET), ("ring", RING), ("url", URL)]);
        for end in ["", "\n", "\r\n"] {
            for (name, text) in [("secret", SECRET), ("ring", RING), ("url", URL)] {
                fs::write(dir.path().join(name), format!("{text}{end}")).unwrap();
            }
            let config = resolve(
                &dir,
                &[
                    ("SPRAG_HS256_SECRET_FILE", "secret"),
                    ("SPRAG_KEY_RING_FILE", "./ring"),
                    ("SPRAG_DATABASE_URL_FILE", "./url"),
                ],
            )
            .unwrap();
            assert_eq!(config.tokens.hs256_secret.as_ref().unwrap().expose(), SECRET);
            assert_eq!(config.tokens.key_ring.as_ref().unwrap().expose(), RING);
            assert_eq!(config.store.database.to_string(), "postgres://ann@db/app");
            let expected = format!(
                "(set, hidden) from {}, by environment SPRAG_HS256_SECRET_FILE",
                dir.path().join("secret").display()
            );
            assert_eq!(shown(&config, "hs256-secret"), expected);
        }
    }

    #[test]
    fn every_secret_is_taken_from_systemd_however_its_credential_is_spelled() {
        for name in ["hs256-secret", "sprag.hs256-secret", "SPRAG_HS256_SECRET", "hs256_secret"] {
            let dir = folder(&[(&format!("credentials/{name}"), SECRET), ("credentials/tls.key", "other")]);
            let config = resolve(&dir, &[(CREDENTIALS, "./credentials")]).unwrap();
            assert_eq!(config.tokens.hs256_secret.as_ref().unwrap().expose(), SECRET, "{name}");
            assert!(shown(&config, "hs256-secret").contains(" from credential "), "{name}");
        }
        let dir = folder(&[("credentials/key-ring", RING), ("credentials/database-url", URL)]);
        let config = resolve(&dir, &[(CREDENTIALS, "./credentials")]).unwrap();
        assert!(
            config.tokens.key_ring.is_some() && config.store.database.to_string().starts_with("postgres")
        );
        let named = resolve(
            &dir,
            &[(CREDENTIALS, "./credentials"), ("SPRAG_KEY_RING_FILE", "./credentials/key-ring")],
        );
        assert!(shown(&named.unwrap(), "key-ring").contains(" from credential "), "as with %d in a unit");
    }

    #[test]
    fn the_environment_goes_before_dotenv_and_that_before_a_credential() {
        let dir =
            folder(&[("secret", SECRET), ("credentials/hs256-secret", "your-super-secret-key-change-this")]);
        fs::write(dir.path().join(".env"), "SPRAG_HS256_SECRET_FILE=none\n").unwrap();
        let near = [(CREDENTIALS, "./credentials"), ("SPRAG_HS256_SECRET", SECRET)];
        assert!(
            shown(&resolve(&dir, &near).unwrap(), "hs256-secret").ends_with("environment SPRAG_HS256_SECRET")
        );
        let told = resolve(&dir, &near[..1]).unwrap_err();
        assert!(
            told.contains("none, which SPRAG_HS256_SECRET_FILE in .env line 1 names: there is no such"),
            "{told}"
        );
        fs::write(dir.path().join(".env"), format!("SPRAG_HS256_SECRET={SECRET}\n")).unwrap();
        let near = resolve(&dir, &[("SPRAG_HS256_SECRET_FILE", "./secret")]).unwrap();
        assert!(shown(&near, "hs256-secret").ends_with("by environment SPRAG_HS256_SECRET_FILE"));
    }

    #[test]
    fn a_secret_that_is_given_twice_or_not_at_all_is_refused() {
        let dir = folder(&[
            ("secret", SECRET),
            ("empty", "\n"),
            ("bytes", ""),
            ("weak", "your-super-secret-key-change-this"),
        ]);
        fs::write(dir.path().join("bytes"), b"\xff\xfe").unwrap();
        let told = |environment: &[(&str, &str)]| resolve(&dir, environment).unwrap_err();
        let both = told(&[("SPRAG_HS256_SECRET", SECRET), ("SPRAG_HS256_SECRET_FILE", "secret")]);
        assert!(both.contains("are both set") && !both.contains(SECRET), "{both}");
        for (file, expected) in [
            ("none", "there is no such file"),
            ("empty", "it is empty"),
            ("bytes", "it is not UTF-8"),
            ("credentials", "it is a folder"),
            ("weak", "this secret is"),
            (" ", "this is empty; name the file"),
            ("postgres://ann:hunter2@db/app", "this is a URL"),
        ] {
            let told = told(&[("SPRAG_HS256_SECRET_FILE", file)]);
            assert!(told.contains(expected) && !told.contains("hunter2"), "{file}: {told}");
            assert!(told.contains("SPRAG_HS256_SECRET_FILE in the environment"), "{file}: {told}");
        }
        let told = told(&[("SPRAG_LISTEN_FILE", "secret")]);
        assert!(told.starts_with("SPRAG_LISTEN_FILE in the environment is no setting"), "{told}");
    }

    #[test]
    fn a_credential_that_is_mistyped_or_given_twice_is_refused() {
        for (names, expected) in [
            (&["sprag.keyring"][..], "sprag.keyring among the credentials is no setting of sprag"),
            (&["key-ring", "sprag.key-ring"], "is another for the same setting"),
        ] {
            let files: Vec<_> = names.iter().map(|name| format!("credentials/{name}")).collect();
            let files: Vec<_> = files.iter().map(|name| (name.as_str(), RING)).collect();
            let told = resolve(&folder(&files), &[(CREDENTIALS, "./credentials")]).unwrap_err();
            assert!(told.contains(expected), "{told}");
        }
    }
}

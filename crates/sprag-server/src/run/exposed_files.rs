//! Files with secrets in them, or that decide who gets in, which others may read or write: said at every start.

use std::path::Path;

use sprag::files::open_to_others;

use crate::config::settings::{SETTINGS, Setting};
use crate::config::{Config, Database, Origin, ProfileRef};

/// The rights of others to what is secret, and to what is only trusted.
const SECRET: u32 = 0o077;
const TRUSTED: u32 = 0o022;

/// Warns of every such file.
pub fn warn(config: &Config) {
    for told in of(config) {
        tracing::warn!("{told}");
    }
}

/// Warns where others may read what an import reads.
#[cfg(feature = "import")]
pub(crate) fn warn_of_source(from: &str) {
    let path = Path::new(from.strip_prefix('@').or(from.strip_prefix("sqlite:")).unwrap_or(from));
    // A pipe has rights, too, and is gone with its writer.
    if let Some(told) = open_to_others(path, SECRET).filter(|_| path.is_file()) {
        tracing::warn!("password hashes or tokens are in what is imported: {told}");
    }
}

/// A sentence for each such file.
fn of(config: &Config) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    let mut look = |why: &str, path: &Path, forbidden| {
        told.extend(open_to_others(path, forbidden).map(|sentence| format!("{why}: {sentence}")));
    };
    // The key ring's file is refused, not warned of, where others may read it; they must not replace it either.
    look("the database, the key ring and their backups are there", &config.store.data_dir, SECRET);
    if let Database::Sqlite(path) = &config.store.database
        && let Some(folder) = path.parent().filter(|folder| *folder != config.store.data_dir)
    {
        look("the database is there, and whoever may write there may replace it", folder, TRUSTED);
    }
    // A file of settings takes no secrets.
    let is_in_dotenv = |setting: &Setting| matches!(config.origin(setting.name), Origin::Dotenv { .. });
    if SETTINGS.iter().any(|setting| setting.is_secret && is_in_dotenv(setting)) {
        look("a secret is in it", Path::new(".env"), SECRET);
    } else {
        look("settings are taken from it", Path::new(".env"), TRUSTED);
    }
    for setting in SETTINGS {
        // The key ring's is refused, not warned of.
        if let (true, Origin::SecretFile { path, .. }) =
            (setting.name != "key-ring", config.origin(setting.name))
        {
            look("a secret is in it", path, SECRET);
        }
    }
    if let Some(file) = &config.file {
        look("settings are taken from it", file, TRUSTED);
    }
    for profile in &config.profiles {
        if let ProfileRef::File(path) = profile {
            look("it says who may do what", path, TRUSTED);
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::config::Flags;

    #[test]
    fn a_secrets_own_file_that_others_may_read_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        fs::write(&path, "postgres://ann:hunter2@db/app").unwrap();
        let named = [("SPRAG_DATABASE_URL_FILE".to_owned(), path.display().to_string())];
        let data = dir.path().join("data").display().to_string();
        let config = Config::resolve(Flags::from([("data-dir", data)]), named, dir.path()).unwrap();
        let told = |mode| {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            of(&config)
        };
        assert_eq!([told(0o600), told(0o440)], [[""; 0]; 2], "0440 is for a group of ours");
        let all = told(0o644).join("\n");
        assert!(all.contains(&format!("chmod 600 {}", path.display())), "{all}");
    }

    #[test]
    fn what_others_may_read_or_write_is_told_with_the_command_that_ends_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        let (data, file, profile) = (path("data"), path("sprag.toml"), path("own.toml"));
        fs::create_dir(&data).unwrap();
        fs::write(&file, "").unwrap();
        fs::write(&profile, "").unwrap();
        let flags = Flags::from([
            ("data-dir", data.clone()),
            ("config", file.clone()),
            ("profiles", profile.clone()),
        ]);
        let config = Config::resolve(flags, [], dir.path()).unwrap();
        let told = |modes: [u32; 3]| {
            for (path, mode) in [&data, &file, &profile].into_iter().zip(modes) {
                fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
            }
            of(&config)
        };
        assert_eq!(told([0o700, 0o644, 0o644]), [""; 0]);
        let all = told([0o755, 0o666, 0o664]).join("\n");
        for command in
            [format!("chmod 700 {data}"), format!("chmod 644 {file}"), format!("chmod 644 {profile}")]
        {
            assert!(all.contains(&command), "{command} is the way out: {all}");
        }
    }
}

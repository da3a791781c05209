//! Where sessions, accounts and keys are kept.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use sprag::store::postgres::{Batching, Server, has_password};
use sprag::store::sqlite::{at_home, path_in_url};

use super::chosen::Chosen;
use super::error::ConfigError;
use super::origin::Origin;
use super::setting::{Fallback, Setting};
use super::value::Parsed;
use crate::quoted::quoted;

/// The settings of this feature.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "data-dir",
        env: "SPRAG_DATA_DIR",
        placeholder: "FOLDER",
        help: "The folder of the database file and the key ring; made if it is not there.",
        default: Fallback::Value("./sprag-data"),
        is_secret: false,
        right: "/var/lib/sprag",
        wrong: "",
    },
    Setting {
        name: "database-url",
        env: "SPRAG_DATABASE_URL",
        placeholder: "URL",
        help: "The database, as sqlite:PATH or postgres://USER@HOST/DATABASE; with a password in it, in the environment, .env or a file of its own only.",
        default: Fallback::Derived("sqlite:<data-dir>/sprag.db"),
        is_secret: false,
        right: "sqlite:/var/lib/sprag/other.db",
        wrong: "mysql://localhost/sprag",
    },
    Setting {
        name: "database-cache",
        env: "SPRAG_DATABASE_CACHE",
        placeholder: "MIB",
        help: "On SQLite, how many MiB of the database the thread that writes keeps at hand (1 to 4096).",
        default: Fallback::Value("3"),
        is_secret: false,
        right: "24",
        wrong: "0",
    },
    Setting {
        name: "database-start-timeout",
        env: "SPRAG_DATABASE_START_TIMEOUT",
        placeholder: "TIME",
        help: "On PostgreSQL, how long a start or a command goes on trying to reach a database that is not ready (0s to 1h); a \
               wrong password, name or certificate is told at once.",
        default: Fallback::Value("60s"),
        is_secret: false,
        right: "5m",
        wrong: "2h",
    },
    Setting {
        name: "database-connections",
        env: "SPRAG_DATABASE_CONNECTIONS",
        placeholder: "COUNT",
        help: "On PostgreSQL, how many connections this server opens at most, besides the batchers (1 to 1000).",
        default: Fallback::Value("8"),
        is_secret: false,
        right: "16",
        wrong: "0",
    },
    Setting {
        name: "database-batchers",
        env: "SPRAG_DATABASE_BATCHERS",
        placeholder: "COUNT",
        help: "On PostgreSQL, on how many connections the waiting refreshes leave together (1 to 4).",
        default: Fallback::Value("2"),
        is_secret: false,
        right: "1",
        wrong: "5",
    },
    Setting {
        name: "database-batch",
        env: "SPRAG_DATABASE_BATCH",
        placeholder: "auto|unnest|rows",
        help: "On PostgreSQL, how waiting refreshes leave together: unnest is one statement for all of them, rows is one for \
               each in one go, and auto finds out at start which suits.",
        default: Fallback::Value("auto"),
        is_secret: false,
        right: "rows",
        wrong: "on",
    },
];

/// Where sessions, accounts and keys are kept.
#[derive(Clone, Debug)]
pub struct Store {
    /// The folder of the database file and the key ring.
    pub data_dir: PathBuf,
    /// The database.
    pub database: Database,
    /// How many MiB of a SQLite database its writer keeps at hand.
    pub cache_mib: NonZeroUsize,
    /// How long a start or a command waits for a PostgreSQL database that is not ready.
    pub start_timeout: Duration,
    /// How many connections to PostgreSQL are opened at most, besides the batchers.
    pub connections: NonZeroUsize,
    /// On how many connections to PostgreSQL waiting refreshes leave.
    pub batchers: NonZeroUsize,
    /// How they leave.
    pub batch: Batching,
}

impl Store {
    pub(super) fn from(chosen: &Chosen) -> Result<Self, ConfigError> {
        let data_dir = chosen.typed("data-dir", path)?;
        let database = chosen.given("database-url", database)?;
        expect_hidden_password(chosen)?;
        Ok(Self {
            database: database.unwrap_or_else(|| Database::Sqlite(data_dir.join("sprag.db"))),
            data_dir,
            cache_mib: chosen.count("database-cache", 4096)?,
            start_timeout: chosen.span("database-start-timeout", "0s", "1h")?,
            connections: chosen.count("database-connections", 1000)?,
            batchers: chosen.count("database-batchers", 4)?,
            batch: chosen.typed("database-batch", batching)?,
        })
    }
}

/// Where sessions and accounts are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// In this SQLite file.
    Sqlite(PathBuf),
    /// On this PostgreSQL server.
    Postgres(Box<Server>),
}

/// The URL without its password.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(server) => server.fmt(f),
        }
    }
}

/// A password is a secret wherever it stands; a URL without one may stand where other settings do.
fn expect_hidden_password(chosen: &Chosen) -> Result<(), ConfigError> {
    let (setting, found) = chosen.of("database-url");
    let Some(found) = found.filter(|found| has_password(&found.text)) else { return Ok(()) };
    let danger = match found.origin {
        Origin::Flag(_) => "a flag can be read in the list of processes",
        Origin::File { .. } => "a file of settings gets copied about",
        _ => return Ok(()),
    };
    let problem = format!(
        "there is a password in it, and {danger}; set {0} in the environment or .env, or {0}_FILE (in a file of settings: database_url_file) to \
         a file that it stands in",
        setting.env
    );
    Err(ConfigError::Value { setting: setting.name, origin: found.origin.clone(), problem })
}

/// What a database URL may look like.
const DATABASE_LIKE: &str = "write sqlite:PATH or postgres://USER@HOST/DATABASE";

/// The database. What stands after the scheme is repeated only for SQLite: elsewhere it has a password in it. Nor is what
/// stands where a scheme should: it may be the beginning of a user's part.
fn database(text: &str) -> Parsed<Database> {
    let is_of_scheme = |letter: char| letter.is_ascii_alphanumeric() || "+.-".contains(letter);
    let scheme = match text.split_once(':') {
        Some(("sqlite", _)) => "sqlite",
        Some((scheme @ ("postgres" | "postgresql"), _)) => scheme,
        Some((scheme, rest)) if rest.starts_with("//") && scheme.chars().all(is_of_scheme) => scheme,
        _ => "",
    };
    match scheme {
        "sqlite" => sqlite(text),
        "postgres" | "postgresql" => match text.parse::<Server>() {
            Ok(server) => Ok(Database::Postgres(Box::new(server))),
            Err(bad) => Err(format!("{bad}; a URL of PostgreSQL is like postgres://USER@HOST/DATABASE")),
        },
        "" => Err(format!("this is not a database URL; {DATABASE_LIKE}")),
        _ => Err(format!("there is no store for {}; {DATABASE_LIKE}", quoted(scheme))),
    }
}

/// How waiting rotations leave for PostgreSQL.
fn batching(text: &str) -> Parsed<Batching> {
    match text {
        "auto" => Ok(Batching::Auto),
        "unnest" => Ok(Batching::Unnest),
        "rows" => Ok(Batching::Rows),
        _ => Err(format!("{} is none of auto, unnest and rows", quoted(text))),
    }
}

fn sqlite(text: &str) -> Parsed<Database> {
    path_in_url(text).map(Database::Sqlite).map_err(|why| format!("{} {why}", quoted(text)))
}

/// A folder or file.
fn path(text: &str) -> Parsed<PathBuf> {
    if text.contains('\0') || text.contains("://") {
        return Err(format!("{} is not a path", quoted(text)));
    }
    if let Some(why) = at_home(text) {
        return Err(format!("{} {why}", quoted(text)));
    }
    Ok(PathBuf::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_postgresql_url_is_refused_without_its_password() {
        for text in [
            "postgres:",
            "postgresql://",
            "postgres:me:hunter2@db/sprag",
            "mysql://me:hunter2@db/sprag",
            "postgres://me:p@hunter2@db/sprag",
            "postgres://db/sprag?user=me&password=p@hunter2",
            "sqlite://me:p@hunter2@db/sprag",
            "hunter2@db:5432/postgres://",
            "hunter2:5432",
        ] {
            let told = database(text).unwrap_err();
            let has_form = told.contains("postgres://") || told.contains("sqlite:sprag.db");
            assert!(has_form && !told.contains("hunter2"), "{told}");
        }
    }

    #[test]
    fn a_data_folder_below_a_tilde_became_a_folder_of_that_name() {
        assert!(path("~/data").unwrap_err().contains("write the whole path, like /srv/ann/data"));
        assert_eq!(path("a~/data"), Ok(PathBuf::from("a~/data")));
    }

    #[test]
    fn a_database_is_a_file_named_plainly() {
        for path in ["sprag.db", "/var/lib/sprag/sprag.db", "./a b.db", "/data/memory.db"] {
            assert_eq!(database(&format!("sqlite:{path}")), Ok(Database::Sqlite(PathBuf::from(path))));
        }
        assert_eq!(database("sqlite:///./x.db"), Ok(Database::Sqlite(PathBuf::from("./x.db"))));
        for text in [
            "sqlite:",
            "sqlite:~/sprag.db",
            "sqlite:///sprag.db",
            "sqlite::memory:",
            "sqlite://sprag.db",
            "sqlite:a?mode=memory",
            "sqlite:file:a",
            "sprag.db",
        ] {
            assert!(database(text).is_err(), "{text}");
        }
    }
}

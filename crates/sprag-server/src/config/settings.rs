//! The settings: name, default, meaning and test together.
//!
//! The flags, the environment's names, the keys of `sprag.toml`, what `sprag config` prints and
//! `docs/reference/config.md` are all derived from this one table. A setting that is added here also needs
//! its reason in `config.default.toml`, which the tests ask for.

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Its name, which is also its flag's.
    pub name: &'static str,
    /// Its name in the environment and in `.env`.
    pub env: &'static str,
    /// What stands for its value in the help.
    pub placeholder: &'static str,
    /// What it means, and what it may be.
    pub help: &'static str,
    /// What it is where nobody set it.
    pub default: Fallback,
    /// Whether it is shown to nobody, and taken from the environment or `.env` only: a flag can be read in
    /// the list of processes, and a file of settings is committed sooner or later.
    pub is_secret: bool,
    /// A value that is accepted and is not the default; the tests give it by every way there is.
    pub right: &'static str,
    /// A value that is refused; the tests expect a sentence that says where it came from.
    pub wrong: &'static str,
}

/// What a setting is where nobody set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// This value.
    Value(&'static str),
    /// Something that depends on other settings, on the machine or on the profile, in words.
    Derived(&'static str),
}

impl Fallback {
    /// The value, or the words that say where it comes from.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Value(text) | Self::Derived(text) => text,
        }
    }
}

impl Setting {
    /// Whether a flag sets it.
    #[must_use]
    pub fn has_flag(&self) -> bool {
        !self.is_secret
    }

    /// Its key in `sprag.toml`, if it may stand there: secrets may not, and a file does not name itself.
    #[must_use]
    pub fn file_key(&self) -> Option<String> {
        (!self.is_secret && self.name != "config").then(|| self.name.replace('-', "_"))
    }

    /// The setting of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.name == name)
    }
}

/// Every setting, in the order in which it is shown.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "listen",
        env: "SPRAG_LISTEN",
        placeholder: "ADDRESS",
        help: "The address and port to listen on.",
        default: Fallback::Value("127.0.0.1:8080"),
        is_secret: false,
        right: "127.0.0.1:9090",
        wrong: "8080",
    },
    Setting {
        name: "public-url",
        env: "SPRAG_PUBLIC_URL",
        placeholder: "URL",
        help: "The URL clients reach this server by: the issuer of its tokens, the base of its links. \
               https, except on this machine itself.",
        default: Fallback::Derived("http://<listen>"),
        is_secret: false,
        right: "https://login.example.com",
        wrong: "http://login.example.com",
    },
    Setting {
        name: "trusted-proxies",
        env: "SPRAG_TRUSTED_PROXIES",
        placeholder: "ADDRESSES",
        help: "The proxies in front, as IP addresses and networks with commas between them: what they say in X-Forwarded-For \
               is where a request comes from.",
        default: Fallback::Derived("none"),
        is_secret: false,
        right: "127.0.0.1,10.1.2.0/24,fd00::/8",
        wrong: "0.0.0.0/0",
    },
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
        help: "The database, as sqlite:PATH or postgres://USER@HOST/DATABASE; with a password in it, in the environment or .env only.",
        default: Fallback::Derived("sqlite:<data-dir>/sprag.db"),
        is_secret: false,
        right: "sqlite:/var/lib/sprag/other.db",
        wrong: "mysql://localhost/sprag",
    },
    Setting {
        name: "database-connections",
        env: "SPRAG_DATABASE_CONNECTIONS",
        placeholder: "COUNT",
        help: "On PostgreSQL, how many connections this server opens at most, besides the lanes (1 to 1000).",
        default: Fallback::Value("8"),
        is_secret: false,
        right: "16",
        wrong: "0",
    },
    Setting {
        name: "database-lanes",
        env: "SPRAG_DATABASE_LANES",
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
    Setting {
        name: "config",
        env: "SPRAG_CONFIG",
        placeholder: "FILE",
        help: "The file of settings.",
        default: Fallback::Derived("sprag.toml if present"),
        is_secret: false,
        right: "sprag.toml",
        wrong: "nowhere.toml",
    },
    Setting {
        name: "profiles",
        env: "SPRAG_PROFILES",
        placeholder: "NAMES",
        help: "The profiles to serve, with commas between them: names of shipped profiles, or paths that end in .toml.",
        default: Fallback::Value("sprag"),
        is_secret: false,
        right: "sprag,./profiles/shop.toml",
        wrong: "sprag,,sprag",
    },
    Setting {
        name: "reuse-interval",
        env: "SPRAG_REUSE_INTERVAL",
        placeholder: "SPAN",
        help: "How long after a rotation the token just spent is answered again, on every profile (0s to 300s).",
        default: Fallback::Derived("the profile's"),
        is_secret: false,
        right: "10s",
        wrong: "301s",
    },
    Setting {
        name: "retry",
        env: "SPRAG_RETRY",
        placeholder: "answer|refuse",
        help: "What the token just spent gets within the reuse interval, on every profile: answer gives the same successor \
               again, refuse is a 401 that ends nothing.",
        default: Fallback::Derived("the profile's"),
        is_secret: false,
        right: "answer",
        wrong: "yes",
    },
    Setting {
        name: "access-ttl",
        env: "SPRAG_ACCESS_TTL",
        placeholder: "SPAN",
        help: "How long an access token lives, on every profile (1s to 24h).",
        default: Fallback::Derived("the profile's"),
        is_secret: false,
        right: "5m",
        wrong: "25h",
    },
    Setting {
        name: "idle-timeout",
        env: "SPRAG_IDLE_TIMEOUT",
        placeholder: "SPAN",
        help: "How long a session lives without a refresh, on every profile (1s to 3650d).",
        default: Fallback::Derived("the profile's"),
        is_secret: false,
        right: "14d",
        wrong: "0s",
    },
    Setting {
        name: "absolute-lifetime",
        env: "SPRAG_ABSOLUTE_LIFETIME",
        placeholder: "SPAN",
        help: "How long a session lives at all, on every profile (1s to 3650d).",
        default: Fallback::Derived("the profile's"),
        is_secret: false,
        right: "90d",
        wrong: "1 year",
    },
    Setting {
        name: "signing-algorithm",
        env: "SPRAG_SIGNING_ALGORITHM",
        placeholder: "NAME",
        help: "How access tokens are signed: ES256, EdDSA, RS256 or HS256.",
        default: Fallback::Value("ES256"),
        is_secret: false,
        right: "EdDSA",
        wrong: "none",
    },
    Setting {
        name: "hs256-secret",
        env: "SPRAG_HS256_SECRET",
        placeholder: "SECRET",
        help: "The secret that signs and verifies HS256 access tokens: 32 bytes or more; without it the key ring has its own.",
        default: Fallback::Derived("none"),
        is_secret: true,
        right: "q8Zr2mWx7LtB4vNc9KdJ1sYf6HgP3aUe",
        wrong: "your-super-secret-key-change-this",
    },
    Setting {
        name: "key-ring",
        env: "SPRAG_KEY_RING",
        placeholder: "JSON",
        help: "The key ring itself, as JSON, instead of the key ring file in the data directory.",
        default: Fallback::Derived("the key ring file in <data-dir>"),
        is_secret: true,
        right: r#"{"keys":[]}"#,
        wrong: "{keys:[]}",
    },
    Setting {
        name: "audience",
        env: "SPRAG_AUDIENCE",
        placeholder: "NAME",
        help: "Whom access tokens are for: their `aud` claim.",
        default: Fallback::Derived("the public URL"),
        is_secret: false,
        right: "shop-api",
        wrong: "shop api",
    },
    Setting {
        name: "cors-origins",
        env: "SPRAG_CORS_ORIGINS",
        placeholder: "URLS",
        help: "The origins of other sites whose pages may call this server from a browser, with cookies too; commas \
               between them.",
        default: Fallback::Derived("none"),
        is_secret: false,
        right: "https://app.example.com,http://localhost:3000",
        wrong: "*",
    },
    Setting {
        name: "secure-cookies",
        env: "SPRAG_SECURE_COOKIES",
        placeholder: "on|off",
        help: "Whether browsers may send this server's cookies over https only, on every profile: on or off.",
        default: Fallback::Derived("the profile's"),
        is_secret: false,
        right: "on",
        wrong: "true",
    },
    Setting {
        name: "sessions-per-account",
        env: "SPRAG_SESSIONS_PER_ACCOUNT",
        placeholder: "COUNT",
        help: "How many live sessions one account may have; a log-in beyond it replaces the longest unused (1 to 10000).",
        default: Fallback::Value("100"),
        is_secret: false,
        right: "5",
        wrong: "0",
    },
    Setting {
        name: "rate-limits",
        env: "SPRAG_RATE_LIMITS",
        placeholder: "on|off",
        help: "Whether this server limits how often a client may ask, as far as it has limits yet: on or off.",
        default: Fallback::Value("on"),
        is_secret: false,
        right: "off",
        wrong: "false",
    },
    Setting {
        name: "max-connections",
        env: "SPRAG_MAX_CONNECTIONS",
        placeholder: "COUNT",
        help: "How many connections are open at once; one more is closed at once (1 to 1000000).",
        default: Fallback::Value("4096"),
        is_secret: false,
        right: "64",
        wrong: "many",
    },
    Setting {
        name: "hash-threads",
        env: "SPRAG_HASH_THREADS",
        placeholder: "COUNT",
        help: "How many passwords are hashed at once (1 to 256).",
        default: Fallback::Derived("one per core, at most 4"),
        is_secret: false,
        right: "3",
        wrong: "257",
    },
    Setting {
        name: "hash-queue",
        env: "SPRAG_HASH_QUEUE",
        placeholder: "COUNT",
        help: "How many passwords may wait to be hashed; one more is answered 503 at once (1 to 10000).",
        default: Fallback::Value("32"),
        is_secret: false,
        right: "8",
        wrong: "-1",
    },
    Setting {
        name: "threads",
        env: "SPRAG_THREADS",
        placeholder: "COUNT",
        help: "How many threads serve requests; 0 is one per core (0 to 1024).",
        default: Fallback::Value("0"),
        is_secret: false,
        right: "2",
        wrong: "two",
    },
    Setting {
        name: "keep-ended",
        env: "SPRAG_KEEP_ENDED",
        placeholder: "SPAN",
        help: "How long an ended session is kept, so that its client can be told why it ended (0s to 3650d).",
        default: Fallback::Value("30d"),
        is_secret: false,
        right: "7d",
        wrong: "7w",
    },
    Setting {
        name: "sweep-interval",
        env: "SPRAG_SWEEP_INTERVAL",
        placeholder: "SPAN",
        help: "How often sessions that are over are swept away; 0s is never (0s to 24h).",
        default: Fallback::Value("10m"),
        is_secret: false,
        right: "1h",
        wrong: "2d",
    },
    Setting {
        name: "shutdown-grace",
        env: "SPRAG_SHUTDOWN_GRACE",
        placeholder: "SPAN",
        help: "How long requests under way may take to finish once the server is told to stop (0s to 10m).",
        default: Fallback::Value("8s"),
        is_secret: false,
        right: "30s",
        wrong: "10",
    },
    Setting {
        name: "log",
        env: "SPRAG_LOG",
        placeholder: "FILTER",
        help: "What is logged: a level (error, warn, info, debug, trace), or target=level with commas between.",
        default: Fallback::Value("info"),
        is_secret: false,
        right: "warn,sprag=debug",
        wrong: "inof",
    },
    Setting {
        name: "log-format",
        env: "SPRAG_LOG_FORMAT",
        placeholder: "text|json",
        help: "How it is logged: text or json.",
        default: Fallback::Value("text"),
        is_secret: false,
        right: "json",
        wrong: "xml",
    },
];

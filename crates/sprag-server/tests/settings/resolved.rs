//! The configuration, from what was given to what is in force.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Command;
use sprag::access::Algorithm;
use sprag::policy::{MAX_REUSE_INTERVAL, Policy};
use sprag_server::config::settings::{Fallback, SETTINGS, Setting};
use sprag_server::config::{
    Config, ConfigError, DEFAULTS, Database, Flags, Lifetimes, ProfileRef, Sources, args, flags, reference,
    table,
};
use tempfile::TempDir;

const SECRET: &str = "q8Zr2mWx7LtB4vNc9KdJ1sYf6HgP3aUe";

const WEBHOOK_SECRET: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

/// What someone gave, in a folder of its own.
struct Given {
    flags: Flags,
    environment: Vec<(String, String)>,
    mapping: Vec<(String, String)>,
    dir: TempDir,
}

fn nothing() -> Given {
    let dir = TempDir::new().unwrap();
    Given { flags: Flags::new(), environment: Vec::new(), mapping: Vec::new(), dir }
}

impl Given {
    fn flag(mut self, name: &'static str, value: &str) -> Self {
        self.flags.insert(name, value.to_owned());
        self
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    fn profile(mut self, name: &str, target: &str) -> Self {
        self.mapping.push((name.to_owned(), target.to_owned()));
        self
    }

    fn file(self, name: &str, text: &str) -> Self {
        fs::write(self.dir.path().join(name), text).unwrap();
        self
    }

    fn dotenv(self, text: &str) -> Self {
        self.file(".env", text)
    }

    fn toml(self, text: &str) -> Self {
        self.file("sprag.toml", text)
    }

    fn resolve(self) -> Result<Config, ConfigError> {
        Config::resolve_with(&self.mapping, self.flags, self.environment, self.dir.path())
    }

    fn config(self) -> Config {
        self.resolve().unwrap_or_else(|error| panic!("{error}"))
    }

    fn refusal(self) -> String {
        self.resolve().unwrap_err().to_string()
    }
}

fn shown(config: &Config, name: &str) -> (String, String) {
    let line = config.lines().iter().find(|line| line.name == name).unwrap();
    (line.value.clone(), line.origin.clone())
}

fn pair(value: &str, origin: &str) -> (String, String) {
    (value.to_owned(), origin.to_owned())
}

/// Gives a setting by every way there is: what was given, how `sprag config` names the way, and how a sentence
/// about the value begins.
fn by_every_way(setting: &'static Setting, value: &str) -> Vec<(Given, String, String)> {
    let base = || match setting.name {
        "hs256-secret" => nothing().flag("signing-algorithm", "HS256"),
        "config" => nothing().toml(""),
        "webhooks" => nothing().env("SPRAG_WEBHOOK_SECRET", WEBHOOK_SECRET),
        _ => nothing(),
    };
    let (name, env) = (setting.name, setting.env);
    let mut ways = vec![
        (base().env(env, value), format!("environment {env}"), format!("{env} in the environment: ")),
        (
            base().dotenv(&format!("\n{env}='{value}'\n")),
            ".env line 2".to_owned(),
            format!("{env} in .env line 2: "),
        ),
    ];
    if setting.has_flag() {
        ways.push((base().flag(name, value), format!("flag --{name}"), format!("--{name}: ")));
    }
    if let Some(key) = setting.file_key() {
        let toml = format!("# why\n\n{key} = {value:?}\n");
        let subject = format!("{key} in sprag.toml line 3: ");
        ways.push((base().toml(&toml), "sprag.toml line 3".to_owned(), subject));
    }
    ways
}

#[test]
fn every_setting_is_taken_from_every_place_and_says_so() {
    for setting in SETTINGS {
        for (given, origin, _) in by_every_way(setting, setting.right) {
            let expected = match setting.name {
                _ if setting.is_secret => "(set, hidden)".to_owned(),
                // It is told with the port that a mail server is asked at.
                "mail-url" => format!("{}:465", setting.right),
                _ => setting.right.to_owned(),
            };
            assert_eq!(shown(&given.config(), setting.name), pair(&expected, &origin), "{}", setting.name);
        }
    }
}

#[test]
fn every_setting_refuses_what_is_wrong_and_says_where_it_stands() {
    for setting in SETTINGS.iter().filter(|setting| setting.name != "config") {
        for (given, _, subject) in by_every_way(setting, setting.wrong) {
            let told = given.refusal();
            assert!(told.starts_with(&subject), "{told}");
            assert!(!setting.is_secret || !told.contains(setting.wrong), "{told}");
        }
        for (given, _, subject) in by_every_way(setting, "") {
            let told = given.refusal();
            assert!(told.starts_with(&format!("{subject}this is empty")), "{told}");
        }
    }
}

#[test]
fn the_table_is_sound() {
    for setting in SETTINGS {
        let derived = format!("SPRAG_{}", setting.name.to_uppercase().replace('-', "_"));
        assert_eq!(setting.env, derived);
        assert_ne!(setting.right, setting.default.text());
        assert!(setting.help.ends_with('.'), "{}", setting.name);
        assert_eq!(SETTINGS.iter().filter(|other| other.name == setting.name).count(), 1);
    }
    let longest = nothing().flag("reuse-interval", "300s").config().sessions.lifetimes.reuse_interval;
    assert_eq!(longest, Some(MAX_REUSE_INTERVAL));
}

#[test]
fn with_nothing_given_it_serves_this_machine_from_this_folder() {
    let config = nothing().config();
    assert_eq!(config.listen.address.to_string(), "127.0.0.1:8080");
    assert_eq!(config.issuer(), "http://127.0.0.1:8080");
    assert_eq!(config.tokens.audience, "http://127.0.0.1:8080");
    assert_eq!(config.store.database, Database::Sqlite(PathBuf::from("./sprag-data/sprag.db")));
    assert_eq!(config.profiles, [ProfileRef::Shipped("sprag".to_owned())]);
    assert_eq!(config.sessions.lifetimes, Lifetimes::default());
    assert_eq!(config.tokens.signing_algorithm, Algorithm::Es256);
    assert!(config.limits.rates.are_on() && config.limits.knows_devices);
    assert!((1..=4).contains(&config.passwords.hash_threads.get()));
    assert_eq!(config.sessions.sweep_interval, Some(Duration::from_secs(600)));
    assert_eq!(config.sessions.keep_ended, Duration::from_secs(30 * 86_400));
    assert_eq!(config.file, None);
    assert!(config.lines().iter().all(|line| line.origin == "default"));
}

#[test]
fn the_nearest_place_wins() {
    let toml = || nothing().toml("reuse_interval = '1s'").profile("WAIT", "reuse-interval");
    let profile_dotenv = || toml().dotenv("WAIT=2s");
    let profile_environment = || profile_dotenv().env("WAIT", "3s");
    let dotenv = || profile_environment().dotenv("WAIT=2s\nSPRAG_REUSE_INTERVAL=4s");
    let environment = || dotenv().env("SPRAG_REUSE_INTERVAL", "5s");
    let flag = || environment().flag("reuse-interval", "6s");
    for (given, value, origin) in [
        (nothing(), "the profile's", "default"),
        (toml(), "1s", "sprag.toml line 1"),
        (profile_dotenv(), "2s", ".env line 1 (WAIT)"),
        (profile_environment(), "3s", "environment WAIT"),
        (dotenv(), "4s", ".env line 2"),
        (environment(), "5s", "environment SPRAG_REUSE_INTERVAL"),
        (flag(), "6s", "flag --reuse-interval"),
    ] {
        assert_eq!(shown(&given.config(), "reuse-interval"), pair(value, origin));
    }
}

#[test]
fn a_refusal_says_which_value_from_where_and_what_would_be_right() {
    let told = nothing().dotenv("A=1\nB=2\nSPRAG_REUSE_INTERVAL='5 parsecs'").refusal();
    assert_eq!(
        told,
        "SPRAG_REUSE_INTERVAL in .env line 3: \"5 parsecs\" is not a duration; \
         write a whole number and s, m, h or d, as \"15m\" (0s to 300s here)"
    );
    let told = nothing().toml("sessions_per_account = 0").refusal();
    assert_eq!(
        told,
        "sessions_per_account in sprag.toml line 1: \"0\" is not a whole number from 1 to 10000"
    );
}

#[test]
fn a_name_that_is_no_setting_is_refused_with_the_nearest() {
    let told = nothing().toml("# mine\nreuse-interval = '5s'").refusal();
    let expected =
        "\"reuse-interval\" in sprag.toml line 2 is no setting of sprag; did you mean reuse_interval?";
    assert_eq!(told, expected);
    let told = nothing().toml("[server]\nlisten = '127.0.0.1:1'").refusal();
    assert!(told.starts_with("\"server\" in sprag.toml line 1 is no setting"), "{told}");
    let told = nothing().toml("config = 'other.toml'").refusal();
    assert!(told.starts_with("\"config\" in sprag.toml line 1 is no setting"), "{told}");
    let told = nothing().env("SPRAG_LISTN", "127.0.0.1:1").refusal();
    assert_eq!(told, "SPRAG_LISTN in the environment is no setting of sprag; did you mean SPRAG_LISTEN?");
    let told = nothing().dotenv("PORT=1\nSPRAG_PORT=1").refusal();
    assert!(told.starts_with("SPRAG_PORT in .env line 2 is no setting"), "{told}");
}

#[test]
fn variables_that_kubernetes_adds_for_a_service_of_our_name_are_not_ours() {
    let given = nothing()
        .env("SPRAG_SERVICE_HOST", "10.0.0.7")
        .env("SPRAG_SERVICE_PORT", "8080")
        .env("SPRAG_SERVICE_PORT_HTTP", "8080")
        .env("SPRAG_PORT", "tcp://10.0.0.7:8080")
        .env("SPRAG_PORT_8080_TCP", "tcp://10.0.0.7:8080")
        .env("SPRAG_AUTH_PORT_8080_TCP_ADDR", "10.0.0.7");
    given.config();
    assert!(nothing().env("SPRAG_PORT", "8080").resolve().is_err());
    assert!(nothing().dotenv("SPRAG_SERVICE_HOST=10.0.0.7").resolve().is_err());
}

#[test]
fn a_file_that_was_asked_for_must_be_there_and_must_be_toml() {
    let told = nothing().flag("config", "nowhere.toml").refusal();
    assert_eq!(told, "could not read nowhere.toml");
    let config =
        nothing().file("mine.toml", "listen = '127.0.0.1:1'").dotenv("SPRAG_CONFIG=mine.toml").config();
    assert_eq!(shown(&config, "listen"), pair("127.0.0.1:1", "mine.toml line 1"));
    assert_eq!(config.file.as_deref(), Some(Path::new("mine.toml")));
    for text in ["\nlisten = hunter2", "\nlisten = 'hunter2", "\nlisten = { hunter2 = 1 }", "\nlisten = true"]
    {
        let told = nothing().toml(text).refusal();
        assert!(told.starts_with("sprag.toml line 2: "), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
    assert!(nothing().toml(&"#".repeat(1_100_000)).resolve().is_err());
}

#[test]
fn a_value_in_dotenv_that_readers_disagree_on_is_refused() {
    let told = nothing().profile("AUD", "audience").dotenv("AUD=shop#1").refusal();
    assert!(told.starts_with("AUD in .env line 1: there is a # in it"), "{told}");
    let config = nothing().dotenv("SPRAG_AUDIENCE='shop$\\#'\nTITLE=My \"shop\nOTHER=\"a ${HOME}\"").config();
    assert_eq!((config.tokens.audience.as_str(), config.left_out()), ("shop$\\#", None));
    let told = nothing().dotenv("SPRAG_LOG=info\nSPRAG_LOG=debug").refusal();
    assert_eq!(told, "SPRAG_LOG in .env line 1: it stands there again on line 2; keep one of them");
    let told = nothing().dotenv("A=1\nSPRAG_LOG=My shop").refusal();
    assert!(told.starts_with("SPRAG_LOG in .env line 2: this is not NAME=value"), "{told}");
    let told = nothing().dotenv("A='x\nhunter2 x\nB='y'").config().left_out().unwrap();
    assert!(told.starts_with(".env lines 1, 2 are not NAME=value") && !told.contains("hunter2"), "{told}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "it looks at what must not be written")]
fn the_process_environment_is_left_as_it_is() {
    let config = nothing().dotenv("SPRAG_AUDIENCE=only-in-dotenv").config();
    assert_eq!(config.tokens.audience, "only-in-dotenv");
    assert!(std::env::vars_os().all(|(name, _)| name != "SPRAG_AUDIENCE"));
}

#[test]
fn other_machines_are_not_served_under_a_url_of_this_one_or_without_tls() {
    for listen in ["0.0.0.0:8080", "[::]:8080", "192.168.1.7:8080"] {
        let told = nothing().flag("listen", listen).refusal();
        assert!(told.contains("set --public-url https://"), "{told}");
        nothing().flag("listen", listen).flag("public-url", "https://login.example.com/").config();
        nothing().flag("listen", listen).flag("public-url", "http://localhost:8080").config();
        let told = nothing().flag("listen", listen).flag("public-url", "http://login.example.com").refusal();
        assert!(told.starts_with("--public-url: "), "{told}");
    }
    let config = nothing().flag("public-url", "https://login.example.com/").config();
    assert_eq!(config.issuer(), "https://login.example.com");
    assert_eq!(shown(&config, "public-url").0, "https://login.example.com");
    assert_eq!(shown(&config, "audience"), pair("https://login.example.com", "default"));
}

#[test]
fn the_url_is_known_once_the_port_is() {
    let mut config = nothing().flag("listen", "127.0.0.1:0").config();
    config.bound_to("127.0.0.1:4321".parse().unwrap());
    assert_eq!(
        (config.issuer(), config.tokens.audience.as_str()),
        ("http://127.0.0.1:4321", "http://127.0.0.1:4321")
    );
    assert_eq!(shown(&config, "public-url"), pair("http://127.0.0.1:4321", "default"));

    let set = nothing().flag("listen", "127.0.0.1:0").flag("public-url", "https://a.example");
    let mut config = set.flag("audience", "shop").config();
    config.bound_to("127.0.0.1:4321".parse().unwrap());
    assert_eq!((config.issuer(), config.tokens.audience.as_str()), ("https://a.example", "shop"));
}

#[test]
fn lifetimes_that_contradict_each_other_are_refused_also_against_the_profile() {
    let told = nothing().flag("idle-timeout", "31d").env("SPRAG_ABSOLUTE_LIFETIME", "30d").refusal();
    assert_eq!(
        told,
        "idle-timeout is 31d (--idle-timeout) and absolute-lifetime is 30d (SPRAG_ABSOLUTE_LIFETIME in the environment); \
         make idle-timeout the same or shorter, or absolute-lifetime the same or longer, as SPRAG_ABSOLUTE_LIFETIME=31d"
    );
    assert!(nothing().flag("access-ttl", "2h").flag("idle-timeout", "1h").resolve().is_err());
    nothing().flag("idle-timeout", "30d").flag("absolute-lifetime", "30d").config();

    let config = nothing().profile("DAYS", "idle-timeout:days").dotenv("DAYS=31").config();
    let told = config.over("sprag", Policy::default()).unwrap_err().to_string();
    let expected = "on the profile sprag, idle-timeout is 31d (DAYS in .env line 1) and absolute-lifetime is 30d (the profile's own);";
    assert!(told.starts_with(expected), "{told}");
    let policy = nothing().flag("access-ttl", "5m").config().over("sprag", Policy::default()).unwrap();
    assert_eq!(policy, Policy { access_ttl: Duration::from_secs(300), ..Policy::default() });
}

#[test]
fn an_hs256_secret_can_be_relied_on() {
    let hs256 = || nothing().flag("signing-algorithm", "HS256");
    assert!(hs256().config().tokens.hs256_secret.is_none(), "the key ring has one of its own");
    for weak in ["hunter2hunter2", "your-super-secret-key-change-this", "FAE8649B15526F4349498C51D8552452"] {
        let told = hs256().env("SPRAG_HS256_SECRET", weak).refusal();
        assert!(told.starts_with("SPRAG_HS256_SECRET in the environment: this secret"), "{told}");
        assert!(!told.contains(weak), "{told}");
    }
    let config = hs256().env("SPRAG_HS256_SECRET", SECRET).config();
    assert_eq!(config.tokens.hs256_secret.as_ref().map(|secret| secret.expose()), Some(SECRET));
    assert!(!format!("{config:?}").contains(SECRET));
    assert!(!table(config.lines()).contains(SECRET));

    let told = nothing().env("SPRAG_HS256_SECRET", SECRET).refusal();
    assert!(told.contains("tokens are signed with ES256"), "{told}");
    let told = nothing().toml(&format!("hs256_secret = '{SECRET}'")).refusal();
    assert!(told.contains("set SPRAG_HS256_SECRET in the environment or .env"), "{told}");
    assert!(!told.contains(SECRET), "{told}");
}

#[test]
fn a_postgresql_server_is_taken_and_its_password_shown_nowhere() {
    const URL: &str = "postgres://me:hunter2@db.example.com/sprag";
    let config = nothing().env("SPRAG_DATABASE_URL", URL).config();
    assert!(matches!(config.store.database, Database::Postgres(_)));
    assert!(shown(&config, "database-url").0.contains("db.example.com"));
    assert!(!format!("{config:?} {}", table(config.lines())).contains("hunter2"));

    let told = nothing().flag("database-url", URL).refusal();
    assert!(told.starts_with("--database-url: there is a password in it"), "{told}");
    assert!(told.contains("set SPRAG_DATABASE_URL in the") && !told.contains("hunter2"), "{told}");
    let told = nothing().toml(&format!("database_url = {URL:?}")).refusal();
    assert!(told.contains("copied about") && !told.contains("hunter2"), "{told}");
    nothing().flag("database-url", "postgresql://me@db.example.com/sprag").config();
}

/// The variables that the systems in the wild have, as their profiles map them.
fn with_profiles_names() -> Given {
    nothing()
        .profile("JWT_SECRET", "hs256-secret")
        .profile("JWT_ALGORITHM", "signing-algorithm")
        .profile("JWT_EXPIRE", "access-ttl")
        .profile("ACCESS_TOKEN_EXPIRE_MINUTES", "access-ttl:minutes")
        .profile("REFRESH_TOKEN_EXPIRE_DAYS", "idle-timeout:days")
        .profile("REFRESH_TOKEN_EXPIRE_DAYS", "absolute-lifetime:days")
}

#[test]
fn a_system_that_is_replaced_keeps_its_dotenv() {
    let text = format!("JWT_SECRET={SECRET}\nJWT_EXPIRE=15m  # recommended\nREFRESH_TOKEN_EXPIRE_DAYS=7\n");
    let config = with_profiles_names().dotenv(&text).config();
    let week = Some(Duration::from_secs(7 * 86_400));
    assert_eq!(config.sessions.lifetimes.access_ttl, Some(Duration::from_secs(900)));
    assert_eq!(
        (config.sessions.lifetimes.idle_timeout, config.sessions.lifetimes.absolute_lifetime),
        (week, week)
    );
    assert_eq!(config.tokens.signing_algorithm, Algorithm::Hs256);
    assert_eq!(shown(&config, "signing-algorithm"), pair("HS256", ".env line 1 (JWT_SECRET)"));
    assert_eq!(shown(&config, "hs256-secret"), pair("(set, hidden)", ".env line 1 (JWT_SECRET)"));

    let config = with_profiles_names().dotenv(&text).flag("signing-algorithm", "ES256").config();
    assert_eq!(config.tokens.signing_algorithm, Algorithm::Es256);
    assert!(config.tokens.hs256_secret.is_none());

    let told = with_profiles_names().dotenv("JWT_SECRET=your-super-secret-key-change-this").refusal();
    assert!(told.starts_with("JWT_SECRET in .env line 1: this secret is a placeholder"), "{told}");
}

#[test]
fn a_profiles_name_for_a_setting_is_as_strict_as_ours() {
    let told = with_profiles_names().env("ACCESS_TOKEN_EXPIRE_MINUTES", "30m").refusal();
    let expected = "ACCESS_TOKEN_EXPIRE_MINUTES in the environment: \"30m\" is not a whole number of minutes";
    assert_eq!(told, expected);
    let told = with_profiles_names().env("JWT_EXPIRE", "900").refusal();
    assert!(told.starts_with("JWT_EXPIRE in the environment: \"900\" is not a duration"), "{told}");
    let both = || with_profiles_names().env("JWT_EXPIRE", "15m").env("ACCESS_TOKEN_EXPIRE_MINUTES", "30");
    let told = both().refusal();
    assert!(
        told.ends_with("differ and both mean access-ttl; set SPRAG_ACCESS_TTL to say which holds"),
        "{told}"
    );
    assert!(both().flag("access-ttl", "10m").resolve().is_ok());
    let told = nothing().profile("JWT_EXPIRE", "acces-ttl").refusal();
    assert!(told.contains("did you mean access-ttl?"), "{told}");
    for target in ["access-ttl:weeks", "profiles", "config", ""] {
        assert!(nothing().profile("X", target).resolve().is_err(), "{target}");
    }
}

#[test]
fn the_profiles_are_known_before_their_names_are() {
    let given = nothing().dotenv("SPRAG_PROFILES=sprag,./profiles/shop.toml");
    let sources = Sources::read(given.flags, given.environment, given.dir.path()).ok().unwrap();
    let expected =
        [ProfileRef::Shipped("sprag".to_owned()), ProfileRef::File(PathBuf::from("./profiles/shop.toml"))];
    assert_eq!(sources.profiles().unwrap(), expected);
    assert_eq!(sources.resolve(&[]).unwrap().profiles, expected);
    let config = nothing().toml("profiles = ['sprag', 'express-mongo']").config();
    assert_eq!(config.profiles.len(), 2);
}

#[test]
fn flags_stand_before_and_after_the_command() {
    let command = || Command::new("sprag").args(args()).subcommand(Command::new("serve"));
    command().debug_assert();
    let words = ["sprag", "--listen", "127.0.0.1:1", "serve", "--access-ttl", "5m"];
    let matches = command().try_get_matches_from(words).unwrap();
    let expected = Flags::from([("listen", "127.0.0.1:1".to_owned()), ("access-ttl", "5m".to_owned())]);
    assert_eq!(flags(&matches), expected);
    assert!(command().try_get_matches_from(["sprag", "--hs256-secret", SECRET]).is_err());
    assert!(flags(&Command::new("other").get_matches_from(["other"])).is_empty());
}

#[test]
fn what_is_in_force_can_be_printed_for_people_and_for_machines() {
    let config = nothing().flag("listen", "127.0.0.1:1").config();
    let table = table(config.lines());
    assert_eq!(table.lines().count(), SETTINGS.len());
    assert!(table.starts_with("listen "), "{table}");
    assert!(table.lines().all(|line| line.trim_end() == line));
    let json = serde_json::to_value(config.lines()).unwrap();
    let expected = serde_json::json!({ "name": "listen", "value": "127.0.0.1:1", "origin": "flag --listen" });
    assert_eq!(json[0], expected);
}

#[test]
fn the_default_file_has_every_setting_with_its_meaning_and_its_default() {
    for setting in SETTINGS {
        let key = setting.file_key().unwrap_or_else(|| setting.env.to_owned());
        let head = format!("# {key} = ");
        let (above, below) = DEFAULTS.split_once(&head).unwrap_or_else(|| panic!("no line {head}"));
        let value = below.lines().next().unwrap().trim_matches('"');
        match setting.default {
            Fallback::Value(default) => assert_eq!(value, default, "{key}"),
            Fallback::Derived(_) => assert!(!value.is_empty() || setting.is_secret, "{key}"),
        }
        let block = above.rsplit("\n\n").next().unwrap();
        let words: Vec<&str> = block.lines().map(|line| line.trim_start_matches("# ")).collect();
        let words = words.join(" ");
        let why = words.trim().strip_prefix(setting.help).unwrap_or_else(|| panic!("{key}: {words}"));
        assert!(!why.trim().is_empty(), "{key} has no reason for its default");
    }
}

#[test]
fn the_reference_says_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/config.md");
    let text = fs::read_to_string(path).unwrap_or_default();
    assert!(text == reference(), "docs/reference/config.md is stale; run: just reference");
}

//! What people wrote under a name of before goes on working, and they are told the name of today.

use std::fs;

use sprag_server::config::{Config, ConfigError, Flags};
use sprag_server::old_names::{Kind, OLD_NAMES};
use sprag_server::profile::{Profile, ProfileError};
use tempfile::TempDir;

fn resolved(
    flags: &[(&'static str, &str)],
    environment: &[(&str, &str)],
    dir: &TempDir,
) -> Result<Config, ConfigError> {
    let flags: Flags = flags.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Config::resolve(flags, environment.iter().map(pair), dir.path())
}

#[test]
fn a_renamed_setting_is_taken_by_every_way_under_its_old_name_and_told_of_with_its_place() {
    let told = |config: &Config| (config.store.batchers.get(), config.old_names().to_vec());
    let dir = TempDir::new().unwrap();
    let config = resolved(&[("database-lanes", "3")], &[], &dir).unwrap();
    let sentence = "the command line: --database-lanes still works and is now called --database-batchers; write the new name";
    assert_eq!(told(&config), (3, vec![sentence.to_owned()]));

    let config = resolved(&[], &[("SPRAG_DATABASE_LANES", "3")], &dir).unwrap();
    let sentence = "the environment: SPRAG_DATABASE_LANES still works and is now called SPRAG_DATABASE_BATCHERS; write the new name";
    assert_eq!(told(&config), (3, vec![sentence.to_owned()]));

    fs::write(dir.path().join(".env"), "\nSPRAG_DATABASE_LANES=4\n").unwrap();
    fs::write(dir.path().join("sprag.toml"), "\n\ndatabase_lanes = 3\n").unwrap();
    let (batchers, sentences) = told(&resolved(&[], &[], &dir).unwrap());
    assert_eq!(batchers, 4);
    assert!(sentences[0].starts_with(".env line 2: SPRAG_DATABASE_LANES still works"), "{sentences:?}");
    assert!(sentences[1].starts_with("sprag.toml line 3: database_lanes still works"), "{sentences:?}");
}

#[test]
fn the_new_name_of_a_setting_goes_before_the_old_one() {
    let dir = TempDir::new().unwrap();
    let config = resolved(&[("database-batchers", "1"), ("database-lanes", "3")], &[], &dir).unwrap();
    assert_eq!((config.store.batchers.get(), config.old_names().len()), (1, 1));
    fs::write(dir.path().join("sprag.toml"), "database_lanes = 3\ndatabase_batchers = 1\n").unwrap();
    assert_eq!(resolved(&[], &[], &dir).unwrap().store.batchers.get(), 1);
}

#[test]
fn a_wrong_value_is_told_of_under_the_name_that_was_written() {
    let dir = TempDir::new().unwrap();
    let told = resolved(&[], &[("SPRAG_DATABASE_LANES", "5")], &dir).unwrap_err().to_string();
    assert!(told.starts_with("SPRAG_DATABASE_LANES in the environment: \"5\" is not"), "{told}");
    fs::write(dir.path().join("sprag.toml"), "database_lanes = 5\n").unwrap();
    let told = resolved(&[], &[], &dir).unwrap_err().to_string();
    assert!(told.starts_with("database_lanes in sprag.toml line 1: \"5\" is not"), "{told}");
}

#[test]
fn nobody_who_writes_todays_names_is_told_anything() {
    let dir = TempDir::new().unwrap();
    let config = resolved(&[("database-batchers", "1")], &[], &dir).unwrap();
    assert!(config.old_names().is_empty());
    for name in sprag_server::profile::builtin_names() {
        let profile = Profile::builtin(name).unwrap().unwrap();
        assert!(profile.old_keys.is_empty(), "{name}: {:?}", profile.old_keys);
    }
}

fn shop(lines: &str) -> Result<Profile, ProfileError> {
    let text = format!(
        "id = 1000\nabout = \"a shop\"\n{lines}\n[[route]]\non = \"POST /refresh\"\ndoes = \"refresh\"\n\
         gives = {{ a = \"$access_token\", r = \"$refresh_token\" }}\n"
    );
    Profile::parse("shop", "shop.toml", &text)
}

#[test]
fn a_renamed_key_of_a_profile_is_taken_and_told_of_with_its_line() {
    let profile = shop("[refresh_token]\nadopts = true").unwrap();
    assert!(profile.wire.refresh.takes_imported_tokens);
    let sentence = "shop.toml:4: refresh_token.adopts still works and is now called refresh_token.imported_tokens; write the new name";
    assert_eq!(profile.old_keys, [sentence]);
    let told = shop("[refresh_token]\nadopts = 1").unwrap_err().to_string();
    assert_eq!(told, "shop.toml:4: refresh_token.adopts must be true or false, not 1");
    let told = shop("[refresh_token]\nadopt = true").unwrap_err().to_string();
    assert!(told.starts_with("shop.toml:4: unknown key \"adopt\""), "{told}");
}

#[test]
fn to_adopt_a_token_ahead_stays_a_right_word_for_fast_forward() {
    let policy = |word: &str| shop(&format!("[ratchet]\nahead = {word:?}")).unwrap().policy;
    assert_eq!(policy("adopt"), policy("fast_forward"));
    assert!(shop("[ratchet]\nahead = \"adopt\"").unwrap().old_keys.is_empty());
}

#[test]
fn every_renamed_setting_is_a_flag_that_is_taken_and_not_shown() {
    let command = || clap::Command::new("sprag").args(sprag_server::config::args());
    let help = command().render_long_help().to_string();
    for name in OLD_NAMES.iter().filter(|name| name.kind == Kind::Setting) {
        assert!(!help.contains(name.old) && help.contains(name.new), "{}", name.old);
        let matches = command().try_get_matches_from(["sprag", &format!("--{}", name.old), "1"]).unwrap();
        assert_eq!(sprag_server::config::flags(&matches).get(name.old).map(String::as_str), Some("1"));
    }
}

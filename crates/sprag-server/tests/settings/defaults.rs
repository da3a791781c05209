//! The file of settings that is handed out: each line of it, with its mark of a comment taken away, says what holds without it.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::fs;

use sprag::policy::Policy;
use sprag_server::config::settings::SETTINGS;
use sprag_server::config::{Config, DEFAULTS, Flags};
use tempfile::TempDir;

fn resolved(environment: &[(&str, &str)], file: &str) -> Config {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("sprag.toml"), file).unwrap();
    let environment: Vec<(String, String)> =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Config::resolve(Flags::new(), environment, folder.path()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_default_file_can_be_taken_as_it_is() {
    let is_setting = |line: &&str| line.split_once(" = ").is_some_and(|(key, _)| !key.contains([' ', '#']));
    let lines = DEFAULTS.lines().filter_map(|line| line.strip_prefix("# ")).filter(is_setting);
    let lines: Vec<&str> = lines.filter(|line| !line.starts_with("SPRAG_")).collect();
    let expected = SETTINGS.iter().filter(|setting| setting.file_key().is_some()).count();
    assert_eq!(lines.len(), expected);
    // What is signed needs something to sign with, which no file has.
    let secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let config = resolved(&[("SPRAG_WEBHOOK_SECRET", secret)], &lines.join("\n"));
    let (plain, ours) = (resolved(&[], ""), Policy::default());
    let lifetimes = config.sessions.lifetimes;
    assert_eq!((lifetimes.reuse_interval, lifetimes.retry), (Some(ours.reuse_interval), Some(ours.retry)));
    let spans = [lifetimes.access_ttl, lifetimes.idle_timeout, lifetimes.absolute_lifetime];
    assert_eq!(spans, [ours.access_ttl, ours.idle_timeout, ours.absolute_lifetime].map(Some));
    assert_eq!(config.store.database, plain.store.database);
    assert_eq!(
        (config.listen.public_url, config.tokens.audience),
        (plain.listen.public_url, plain.tokens.audience)
    );
    assert_eq!(
        (config.listen.threads, config.sessions.sweep_interval),
        (plain.listen.threads, plain.sessions.sweep_interval)
    );
}

//! Each guide `docs/guide/moving-from-….md`, followed word for word: a database in the old shape with ten thousand users
//! and as many live sessions, the commands of its section "The move", and then every client comes with its old token.
//!
//! What the old system looked like stands in `tests/moves/<profile>.toml`; see [`old::Old`].

use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};

mod clients;
mod guide;
mod old;
mod server;

/// How many users there are, and sessions that live.
const PEOPLE: usize = 10_000;

fn main() {
    let arguments = Arguments::from_args();
    let trials = profiles().into_iter().map(|profile| Trial::test(profile.clone(), move || follow(&profile)));
    let mut trials: Vec<Trial> = trials.collect();
    trials.push(Trial::test(
        "every profile that takes imported tokens has a guide and a move",
        every_profile_has_its_move,
    ));
    libtest_mimic::run(&arguments, trials).exit();
}

fn follow(profile: &str) -> Result<(), Failed> {
    let old = old::Old::read(&folder().join(format!("{profile}.toml")));
    let guide = guide::Guide::read(profile);
    let home = tempfile::tempdir()?;
    let source = old.fill(home.path(), PEOPLE);
    std::fs::write(home.path().join(".env"), guide.environment(&old.env))?;
    for command in &guide.commands {
        guide::run(command, home.path(), &source)?;
    }
    let server = server::Server::start(home.path());
    let profile = server.profile(home.path(), profile);
    clients::all_stay_in(&server, &profile, &old.tokens(PEOPLE))?;
    clients::dead_ones_stay_dead(&server, &profile, &old.dead_tokens())?;
    clients::log_in_with_the_old_password(&server, &old)?;
    server.expect_live_sessions(home.path(), PEOPLE + 1)
}

fn every_profile_has_its_move() -> Result<(), Failed> {
    let taking = sprag_server::profile::builtin_names().filter(|name| {
        let profile = sprag_server::profile::Profile::builtin(name).and_then(Result::ok);
        profile.is_some_and(|profile| profile.wire.refresh.takes_imported_tokens)
    });
    let missing: Vec<&str> =
        taking.filter(|name| !profiles().iter().any(|profile| profile == name)).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("no move is tested from {missing:?}").into()) }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/moves")
}

fn profiles() -> Vec<String> {
    let entries = std::fs::read_dir(folder()).expect("the folder of moves");
    let files = entries.map(|entry| entry.expect("an entry").path());
    let profiles = files.filter(|file| file.extension().is_some_and(|extension| extension == "toml"));
    let mut names: Vec<String> =
        profiles.filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    names
}

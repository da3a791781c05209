//! Each guide `docs/guide/moving-from-….md`, followed word for word: a database in the old shape with ten thousand users
//! and as many live sessions, the commands of its section "The move", and then every client comes with its old token.
//!
//! What the old system looked like stands in `tests/moves/<page>.toml`; see [`old::Old`].

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
    let trials = pages().into_iter().map(|page| Trial::test(page.clone(), move || follow(&page)));
    let mut trials: Vec<Trial> = trials.collect();
    trials.push(Trial::test("every page that adopts has a guide and a move", every_page_has_its_move));
    libtest_mimic::run(&arguments, trials).exit();
}

fn follow(page: &str) -> Result<(), Failed> {
    let old = old::Old::read(&folder().join(format!("{page}.toml")));
    let guide = guide::Guide::read(page);
    let home = tempfile::tempdir()?;
    let source = old.fill(home.path(), PEOPLE);
    std::fs::write(home.path().join(".env"), guide.environment(&old.env))?;
    for command in &guide.commands {
        guide::run(command, home.path(), &source)?;
    }
    let server = server::Server::start(home.path());
    let page = server.page(home.path(), page);
    clients::all_stay_in(&server, &page, &old.tokens(PEOPLE))?;
    clients::dead_ones_stay_dead(&server, &page, &old.dead_tokens())?;
    clients::log_in_with_the_old_password(&server, &old)?;
    server.expect_live_sessions(home.path(), PEOPLE + 1)
}

fn every_page_has_its_move() -> Result<(), Failed> {
    let adopting = sprag_server::profile::builtin_names().filter(|name| {
        let page = sprag_server::profile::Profile::builtin(name).and_then(Result::ok);
        page.is_some_and(|page| page.refresh.adopts)
    });
    let missing: Vec<&str> = adopting.filter(|name| !pages().iter().any(|page| page == name)).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("no move is tested from {missing:?}").into()) }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/moves")
}

fn pages() -> Vec<String> {
    let entries = std::fs::read_dir(folder()).expect("the folder of moves");
    let files = entries.map(|entry| entry.expect("an entry").path());
    let pages = files.filter(|file| file.extension().is_some_and(|extension| extension == "toml"));
    let mut names: Vec<String> =
        pages.filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    names
}

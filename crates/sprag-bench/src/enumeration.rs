//! `sprag-bench enumeration`: asks a real server with wrong passwords of all kinds, and says whether the time of a refusal
//! tells one from another.
//!
//! Each mix is a store with users whose password hashes came from somewhere. Every kind of user is asked for equally often,
//! in random order, beside names that nobody has; then each kind is compared with those names.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{bail, ensure};
use serde_json::json;
use sprag::random::SeededRandom;
use sprag_testkit::folder::{self, Folder};

use crate::server_binary;
use attempts::{Attempt, Bounds, Measured};
use kinds::{Kind, MIXES, Mix};

mod attempts;
mod calls;
mod kinds;
mod ranks;

/// How many users there are of each kind: many, so that no account's row or chain is hotter than others.
const USERS_OF_A_KIND: usize = 100;

/// By how much names that nobody has are put off, to show that such a difference would be found.
const CONTROL_MILLIS: f64 = 1.0;

/// A smaller probability means that the times differ.
const LEAST_PROBABILITY: f64 = 0.01;

/// The most by which medians may differ, in milliseconds.
const MOST_MILLIS: f64 = 1.0;

/// A profile whose users came from another system.
const PROFILE: &str = r#"id = 1000
about = "A system whose users came from another one"
refresh_token = { body = "refresh_token" }

[[route]]
on = "POST /login"
does = "login"
takes = { name = "$name", password = "$password" }
gives = { token = "$access_token", refresh_token = "$refresh_token" }

[[route]]
on = "POST /refresh"
does = "refresh"
gives = { token = "$access_token", refresh_token = "$refresh_token" }

[import.users]
table = "users"
columns = { external_id = "id", username = "name", password_hash = "hash", is_active = "is_active" }
"#;

/// How many, and of what.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How often each kind is asked for in each mix
    #[arg(long, default_value_t = 2000)]
    each: usize,
    /// How many requests are under way at a time
    #[arg(long, default_value_t = 20)]
    in_flight: usize,
    /// Ask for names whose budget is spent, and compare the times in which they are turned away
    #[arg(long)]
    turned_away: bool,
    /// Ask the calls that take an address, with those that somebody has and those that nobody has, in the place of log-ins
    #[arg(long)]
    calls: bool,
    /// Only this mix; can be given again
    #[arg(long, value_name = "NAME")]
    mix: Vec<String>,
    /// What randomness begins with
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The server to ask [default: the `sprag` that was built beside this program]
    #[arg(long, value_name = "PATH")]
    server_binary: Option<PathBuf>,
}

/// Runs every mix that was asked for. Fails where a kind can be told from names that nobody has.
///
/// # Errors
/// There is no server to ask, no such mix, or an attempt was not refused as it should be.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let sprag = server_binary::beside(args.server_binary.clone())?;
    let unknown = args.mix.iter().find(|name| MIXES.iter().all(|mix| mix.name != **name));
    if let Some(name) = unknown {
        let names: Vec<_> = MIXES.iter().map(|mix| mix.name).collect();
        bail!("there is no mix {name:?}; there are {}", names.join(", "));
    }
    if args.calls {
        let folder = folder::an_empty_folder(sprag).set("SPRAG_PROFILES", "./profile.toml");
        let folder = folder.set("SPRAG_LOG", "error").set("SPRAG_MAIL_URL", "folder:letters");
        let folder = folder.set("SPRAG_RATE_LIMITS", "off").set("SPRAG_HASH_QUEUE", "1000");
        let is_silent = calls::told_by_times(args, &folder)?;
        return Ok(if is_silent { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let mut is_silent = true;
    for mix in MIXES.iter().filter(|mix| args.mix.is_empty() || args.mix.iter().any(|name| mix.name == name))
    {
        let folder = folder::an_empty_folder(sprag.clone());
        is_silent &= told_by_times(args, mix, folder)?;
    }
    Ok(if is_silent { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs one mix, prints its table, and says whether its times tell nothing.
fn told_by_times(args: &Args, mix: &Mix, folder: Folder) -> anyhow::Result<bool> {
    let random = SeededRandom::new(args.seed);
    let folder = folder.set("SPRAG_PROFILES", "./profile.toml").set("SPRAG_LOG", "error");
    let folder = folder.set("SPRAG_HASH_THREADS", "2").set("SPRAG_HASH_QUEUE", "1000");
    let limits = [
        ("SPRAG_RATE_LIMITS", "on"),
        ("SPRAG_LIMIT_LOGIN_ACCOUNT", "1, 1/24h"),
        ("SPRAG_LIMIT_LOGIN_PREFIX", "1000000, 1/1s"),
    ];
    let limits = limits.into_iter().filter(|_| args.turned_away);
    let folder = limits.fold(folder, |folder, (name, value)| folder.set(name, value));
    folder.write("profile.toml", PROFILE);
    folder.write("users.jsonl", users(mix, &random));
    let imported = folder.run(&["user", "import", "--from", "users.jsonl", "--json"]);
    ensure!(imported.code == 0, "the users could not be imported: {}", imported.err);

    let server = folder.serve();
    let looked_at = Bounds { in_flight: args.in_flight, status: 401 };
    let status = if args.turned_away { 429 } else { 401 };
    if args.turned_away {
        // Each name's one try.
        let spent = attempts::planned(mix, USERS_OF_A_KIND, USERS_OF_A_KIND, &random);
        attempts::measure(server.address, spent, looked_at)?;
    }
    attempts::expect_one_answer(server.address, mix, status)?;
    let planned = attempts::planned(mix, args.each, USERS_OF_A_KIND, &random);
    let bounds = Bounds { status, ..looked_at };
    let measured = attempts::measure(server.address, planned, bounds)?;
    drop(server);
    Ok(report(mix, &measured))
}

/// The users of a mix, as JSON lines.
fn users(mix: &Mix, random: &SeededRandom) -> String {
    let mut lines = String::new();
    for kind in mix.kinds.iter().filter(|kind| **kind != Kind::Nobody) {
        for number in 0..USERS_OF_A_KIND {
            let (name, hash) = (Attempt::of(*kind, number).name, kind.hash(random));
            let is_active = *kind != Kind::Disabled;
            let user = json!({ "id": name, "name": name, "hash": hash, "is_active": is_active });
            lines += &format!("{user}\n");
        }
    }
    lines
}

/// Compares every kind with nobody; prints the table; says whether none differs, neither as a whole nor in its median.
fn report(mix: &Mix, measured: &BTreeMap<Kind, Vec<Measured>>) -> bool {
    let millis = |kind: Kind| -> Vec<f64> {
        measured.get(&kind).into_iter().flatten().map(|one| one.millis).collect()
    };
    let nobody = millis(Kind::Nobody);
    let compared: Vec<_> = mix.kinds.iter().filter(|kind| **kind != Kind::Nobody).collect();
    let raw: Vec<f64> = compared.iter().map(|kind| ranks::probability(&millis(**kind), &nobody)).collect();
    let together = ranks::holm(&raw);
    println!("\n### {}\n", mix.name);
    println!("| kind | n | median ms | p | p among {} |", compared.len());
    println!("|---|--:|--:|--:|--:|");
    let usual = ranks::median(&nobody);
    println!("| {} | {} | {usual:.2} | | |", Kind::Nobody.name(), nobody.len());
    let mut is_silent = true;
    for ((kind, raw), together) in compared.iter().zip(&raw).zip(&together) {
        let times = millis(**kind);
        let (n, median) = (times.len(), ranks::median(&times));
        println!("| {} | {n} | {median:.2} | {raw:.3} | {together:.3} |", kind.name());
        is_silent &= *together > LEAST_PROBABILITY && (median - usual).abs() < MOST_MILLIS;
    }
    let later: Vec<f64> = nobody.iter().map(|millis| millis + CONTROL_MILLIS).collect();
    let control = ranks::probability(&later, &nobody);
    println!("\nThe same names {CONTROL_MILLIS} ms later would have been told: p = {control:.1e}.");
    is_silent
}

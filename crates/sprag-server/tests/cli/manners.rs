//! What holds for every command.

use std::io::Read as _;
use std::process::Stdio;

use serde_json::Value;

use crate::given::{ANNS_PASSWORD, a_folder_with_ann, an_empty_folder};

#[test]
fn a_wrong_folder_is_noticed_and_stays_as_it_was() {
    let folder = an_empty_folder();
    let commands: [&[&str]; 11] = [
        &["user", "list"],
        &["user", "disable", "ann"],
        &["user", "enable", "ann"],
        &["session", "list"],
        &["session", "revoke", "--user", "ann"],
        &["why", "01997c5e-0000-7000-8000-000000000000"],
        &["sweep"],
        &["audit", "verify"],
        &["key", "list"],
        &["key", "rotate"],
        &["key", "retire", "1", "--now"],
    ];
    for command in commands {
        let complaint = folder.run(command).fails();
        assert!(complaint.contains("--data-dir"), "{command:?}: {complaint}");
        assert!(folder.is_empty(), "{command:?}");
    }
}

#[test]
fn what_strangers_call_themselves_harms_no_terminal_and_breaks_no_table() {
    let folder = a_folder_with_ann();
    let server = folder.serve();
    server.log_in("ann", ANNS_PASSWORD, Some("\u{1b}[2J\u{1b}[31m\nroot   \u{202e}"));
    server.log_in("ann", ANNS_PASSWORD, Some(&"very long ".repeat(12)));
    let long = format!("{}@example.org", "x".repeat(120));
    folder.run_with("a long password", &["user", "create", "--email", &long, "--password-stdin"]).succeeds();
    for args in [["session", "list"], ["user", "list"]] {
        let table = folder.run(&args).succeeds();
        assert!(!table.contains(['\u{1b}', '\u{202e}']), "{table:?}");
        assert_eq!(table.lines().count(), 3, "{table}");
        assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
    }
    assert_eq!(folder.json(&["user", "list", "--json"])[1]["email"], *long, "whole for machines");
}

#[test]
fn a_reader_that_goes_away_stops_a_command_quietly() {
    let folder = a_folder_with_ann();
    let commands: [&[&str]; 5] = [
        &["user", "list"],
        &["key", "list", "--json"],
        &["config"],
        &["profile", "show", "sprag"],
        &["openapi"],
    ];
    for args in commands {
        let mut command = folder.command(args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut complaint = String::new();
        child.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
        let complaint = complaint.lines().find(|line| !line.starts_with("store: "));
        assert_eq!((child.wait().unwrap().code(), complaint), (Some(0), None), "{args:?}");
    }
}

#[test]
fn no_command_prints_a_secret() {
    let folder = a_folder_with_ann();
    let server = folder.serve();
    let pair = server.log_in("ann", ANNS_PASSWORD, None);
    folder.run(&["key", "rotate"]).succeeds();
    let ring: Value = serde_json::from_str(&folder.read("sprag-data/keys.json")).unwrap();
    let keys = ["refresh", "access"].map(|purpose| ring[purpose].as_array().unwrap().clone()).concat();
    let mut secrets: Vec<_> = keys.iter().map(|key| key["secret"].as_str().unwrap().to_owned()).collect();
    secrets.extend([ANNS_PASSWORD.to_owned(), "$argon2".to_owned()]);
    secrets.extend(["access_token", "refresh_token"].map(|name| pair[name].as_str().unwrap().to_owned()));
    let commands: [&[&str]; 8] = [
        &["user", "list", "--json"],
        &["session", "list", "--all", "--json"],
        &["key", "list", "--json"],
        &["key", "retire", "1"],
        &["config", "--json"],
        &["audit", "verify", "--json"],
        &["sweep", "--log", "trace"],
        &["user", "disable", "ann", "--log", "trace"],
    ];
    for command in commands {
        let outcome = folder.run(command);
        for secret in &secrets {
            assert!(!outcome.out.contains(secret) && !outcome.err.contains(secret), "{command:?}");
        }
    }
}

#[test]
fn whoever_asks_for_load_is_told_which_program_makes_it() {
    let folder = an_empty_folder();
    let told = folder.run(&["load", "--in-store", "--chains", "4"]).was_misused();
    assert!(told.contains("run `sprag-bench load` in its place"), "{told}");
    assert!(folder.is_empty());
    assert!(folder.run(&["loaf"]).was_misused().contains("unrecognized subcommand 'loaf'"));
    assert!(!folder.run(&["--help"]).succeeds().contains("load"));
}

//! What a server refuses to start with: it leaves at once, with a sentence that names the place.

use std::fs;

use crate::SPRAG;
use crate::server::{Home, Ran};

/// What `sprag serve` says and with what it leaves, in this environment.
fn refused(home: &Home, environment: &[(&str, &str)]) -> Ran {
    let mut command = home.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.envs(environment.iter().copied());
    let ran = home.run(command, "");
    assert!(!ran.status.success(), "it should not have started: {ran:?}");
    assert_eq!(ran.stderr.matches("sprag: ").count(), 1, "one sentence: {}", ran.stderr);
    assert!(!ran.stdout.contains("listening"), "{}", ran.stdout);
    assert!(!home.data().exists(), "nothing is made by a server that refuses to start");
    ran
}

#[test]
fn r27_a_weak_secret_is_refused_and_not_repeated() {
    for weak in [
        "your-super-secret-key-change-this",
        "tiny-secret-of-ours",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ] {
        let environment = [("SPRAG_SIGNING_ALGORITHM", "HS256"), ("SPRAG_HS256_SECRET", weak)];
        let ran = refused(&Home::new(SPRAG), &environment);
        assert!(ran.stderr.contains("SPRAG_HS256_SECRET"), "{}", ran.stderr);
        assert!(!ran.stderr.contains(weak), "{}", ran.stderr);
    }
}

#[test]
fn r61_a_variable_that_is_no_settings_is_refused_with_the_likely_one() {
    let ran = refused(&Home::new(SPRAG), &[("SPRAG_REUSE_INTERVALL", "10s")]);
    assert!(ran.stderr.contains("SPRAG_REUSE_INTERVALL"), "{}", ran.stderr);
    assert!(ran.stderr.contains("SPRAG_REUSE_INTERVAL?"), "{}", ran.stderr);
}

#[test]
fn r61_a_key_that_is_no_settings_is_refused_with_its_line() {
    let home = Home::new(SPRAG);
    fs::write(home.path().join("sprag.toml"), "# ours\nthreads = 2\nreuse_intervall = \"10s\"\n").unwrap();
    let ran = refused(&home, &[]);
    assert!(ran.stderr.contains("sprag.toml line 3"), "{}", ran.stderr);
}

#[test]
fn r61_a_window_that_is_too_long_is_refused_wherever_it_stands() {
    let home = Home::new(SPRAG);
    fs::write(home.path().join(".env"), "SPRAG_REUSE_INTERVAL=301s\n").unwrap();
    let ran = refused(&home, &[]);
    assert!(ran.stderr.contains(".env line 1"), "{}", ran.stderr);
}

#[test]
fn a_key_ring_that_others_can_read_is_refused_with_the_way_out() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new(SPRAG);
    home.start(&[]).stop();
    let ring = home.data().join("keys.json");
    fs::set_permissions(&ring, fs::Permissions::from_mode(0o644)).unwrap();
    let ran = home.run(home.command(&["serve", "--listen", "127.0.0.1:0"]), "");
    assert!(!ran.status.success());
    assert!(ran.stderr.contains("chmod 600"), "{}", ran.stderr);
}

//! Other people's programs show the codes that we take: pyotp, and oathtool.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use sprag::clock::Timestamp;
use sprag::factor::totp::Seed;
use sprag::random::SystemRandom;

use crate::python::{python, script};

const PYOTP: &str = "pyotp==2.9.0";

/// Moments at which a code is asked for: the first, those around a step's end, and one after 2038.
const MOMENTS: [i64; 8] = [0, 29, 30, 59, 1_111_111_109, 1_111_111_110, 1_782_907_199, 20_000_000_000];

const SEEDS: usize = 25;

#[test]
fn r49_pyotp_reads_our_uri_and_shows_our_codes() {
    let (mut asked, mut ours) = (String::new(), Vec::new());
    for seed in seeds() {
        for at in MOMENTS {
            let uri = seed.uri("auth.example.org: a \u{e9}", "ann+1@example.org");
            writeln!(asked, "{at} {}", *uri).unwrap();
            ours.push(seed.code(Timestamp(at * 1000)));
        }
    }
    let mut command = Command::new(python("pyotp", PYOTP));
    let command = command.arg(script("totp_codes.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(asked.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let theirs = String::from_utf8(output.stdout).unwrap();
    assert_eq!(theirs.lines().map(str::to_owned).collect::<Vec<_>>(), ours);
}

#[test]
fn r49_oathtool_shows_our_codes() {
    for seed in seeds() {
        for at in MOMENTS {
            let mut command = Command::new("oathtool");
            let command = command.args(["--totp", "--base32", "--now", &format!("@{at}"), &seed.base32()]);
            let output = command.output().expect("these tests need oathtool, or run scripts/test");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let code = String::from_utf8(output.stdout).unwrap();
            assert_eq!(code.trim(), seed.code(Timestamp(at * 1000)), "at {at}");
        }
    }
}

fn seeds() -> Vec<Seed> {
    let random = SystemRandom::default();
    (0..SEEDS).map(|_| Seed::fresh(&random, None)).collect()
}

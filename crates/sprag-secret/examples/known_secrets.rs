//! Makes `known/hashes.txt` from lists of secrets, or tells which of their entries would be taken.
//!
//! `known_secrets FILE...` prints the hashes; `known_secrets --check FILE...` fails if an entry passes.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::{env, fs, io};

use sprag_secret::{check, hashes};

fn main() -> ExitCode {
    let mut files: Vec<String> = env::args().skip(1).collect();
    let only_check = files.first().is_some_and(|first| first == "--check");
    if only_check {
        files.remove(0);
    }
    if files.is_empty() {
        eprintln!("known_secrets: name the lists, one secret a line");
        return ExitCode::FAILURE;
    }
    match if only_check { look_for_passing(&files) } else { print(&files) } {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err((file, error)) => {
            eprintln!("known_secrets: {file}: {error}; give a file that can be read");
            ExitCode::FAILURE
        }
    }
}

type Wrong = (String, io::Error);

fn print(files: &[String]) -> Result<bool, Wrong> {
    let mut all = BTreeSet::new();
    for file in files {
        all.extend(lines(file)?.iter().flat_map(|line| hashes(line)));
    }
    all.iter().for_each(|hash| println!("{hash}"));
    Ok(true)
}

/// Prints each entry that is taken, with its file; `true` if there is none.
fn look_for_passing(files: &[String]) -> Result<bool, Wrong> {
    let (mut looked_at, mut passed) = (0, 0);
    for file in files {
        for line in lines(file)? {
            looked_at += 1;
            if check(&line).is_ok() {
                passed += 1;
                println!("{file}: taken: {}", String::from_utf8_lossy(&line).escape_debug());
            }
        }
    }
    println!("{looked_at} entries of {} lists looked at, {passed} of them taken", files.len());
    Ok(passed == 0)
}

/// The lines of the file, whichever way it ends them.
fn lines(file: &str) -> Result<Vec<Vec<u8>>, Wrong> {
    let bytes = fs::read(file).map_err(|error| (file.to_owned(), error))?;
    let without_end = |line: &[u8]| line.strip_suffix(b"\r").unwrap_or(line).to_vec();
    Ok(bytes.split(|byte| *byte == b'\n').map(without_end).collect())
}

//! The guide to a profile of your own, command by command: what it prints is what is printed.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

const GUIDE: &str = include_str!("../../../docs/guide/own-profile.md");

/// Where the guide's server listens. The test's has whatever port is free.
const ADDRESS: &str = "127.0.0.1:8080";

/// A command of the guide, and what it says that is printed.
struct Typed {
    command: String,
    prints: Vec<String>,
}

/// What is typed into a terminal, in a folder of its own.
struct Terminal {
    folder: TempDir,
    address: String,
    server: Option<Child>,
}

#[test]
fn the_commands_of_the_guide_do_what_it_says() {
    let mut terminal = Terminal { folder: TempDir::new().unwrap(), address: String::new(), server: None };
    let commands = typed();
    assert!(commands.len() >= 8, "the guide has its commands in blocks of console");
    for Typed { command, prints } in commands {
        if let Some(arguments) = command.strip_prefix("sprag serve ") {
            terminal.serves(arguments);
            continue;
        }
        let printed = terminal.runs(&command);
        let lines: Vec<&str> = printed.lines().collect();
        assert_eq!(lines.len(), prints.len(), "{command}\n{printed}");
        for (line, expected) in lines.iter().zip(&prints) {
            assert!(is_like(line, expected), "{command}\nprints  {line}\nbut not {expected}");
        }
    }
    assert!(terminal.server.is_some(), "the guide serves the profile");
}

/// The commands of the guide, in their order.
fn typed() -> Vec<Typed> {
    let mut commands: Vec<Typed> = Vec::new();
    let blocks = GUIDE.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next());
    for line in blocks.flat_map(str::lines) {
        match line.strip_prefix("$ ") {
            Some(command) => commands.push(Typed { command: command.to_owned(), prints: Vec::new() }),
            None => commands.last_mut().unwrap().prints.push(line.to_owned()),
        }
    }
    commands
}

/// Whether a line is what the guide prints, which writes `…` where runs differ.
fn is_like(line: &str, expected: &str) -> bool {
    let mut rest = line;
    let mut parts = expected.split('…');
    let begins = parts.next().is_some_and(|first| match rest.strip_prefix(first) {
        Some(after) => {
            rest = after;
            true
        }
        None => false,
    });
    let mut last_is_open = false;
    let goes_on = parts.all(|part| {
        last_is_open = part.is_empty();
        rest.find(part).is_some_and(|at| {
            rest = &rest[at + part.len()..];
            true
        })
    });
    begins && goes_on && (rest.is_empty() || last_is_open)
}

impl Terminal {
    /// Runs a command to its end; what it prints, on either stream.
    fn runs(&self, command: &str) -> String {
        let command = command.replace(ADDRESS, &self.address);
        let binaries = Path::new(env!("CARGO_BIN_EXE_sprag")).parent().unwrap();
        let script = format!("PATH='{}':$PATH; {command}", binaries.display());
        let output = Command::new("sh").args(["-c", &script]).current_dir(&self.folder).output().unwrap();
        let printed = [output.stdout, output.stderr].concat();
        String::from_utf8(printed).unwrap()
    }

    fn serves(&mut self, arguments: &str) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sprag"));
        command.arg("serve").args(arguments.split(' ')).args(["--listen", "127.0.0.1:0"]);
        command.current_dir(&self.folder).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut server = command.spawn().unwrap();
        let screen = BufReader::new(server.stdout.take().unwrap());
        self.server = Some(server);
        let address = screen.lines().find_map(|line| {
            Some(line.unwrap().trim().strip_prefix("listening")?.trim().strip_prefix("http://")?.to_owned())
        });
        self.address = address.unwrap();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

#[test]
fn a_line_is_compared_but_for_what_differs() {
    assert!(is_like("a 17 b", "a … b") && is_like("same", "same") && is_like("a tail", "a …"));
    assert!(!is_like("a 17 c", "a … b") && !is_like("same more", "same") && !is_like("b", "a …"));
}

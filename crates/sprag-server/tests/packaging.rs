//! What is handed out: the unit is the guide's, the settings are understood, and packing gives the same bytes twice.
//!
//! `just package-test` installs the packages in a Debian of their own.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use sprag_server::config::{Config, Flags};
use tempfile::TempDir;

const SPRAG: &str = env!("CARGO_BIN_EXE_sprag");

fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).expect("the crate lies two folders below the root").to_path_buf()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Runs a program that must succeed; what it prints.
fn prints(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {told}");
    String::from_utf8(output.stdout).unwrap()
}

/// Packs by one of the scripts into a folder; where the package lies.
fn packed(script: &str, binary: &Path, folder: &Path) -> PathBuf {
    let mut command = Command::new(root().join("scripts").join(script));
    command.args([binary, folder]);
    // Another moment than the newest commit's, and no time for packing tightly.
    command.env("SOURCE_DATE_EPOCH", "1000000000").env("SPRAG_DEB_COMPRESSION", "none");
    PathBuf::from(prints(&mut command).trim_end())
}

/// A program that is packed where what it does does not matter: a small one.
fn a_small_program() -> PathBuf {
    fs::canonicalize("/bin/true").unwrap()
}

#[test]
fn the_unit_in_the_guide_is_the_one_that_is_packed() {
    let guide = read("docs/guide/production.md");
    let mut blocks = guide.split("```ini\n").skip(1).filter_map(|rest| rest.split("```").next());
    let unit = blocks.find(|block| block.starts_with("[Unit]")).expect("the guide has a unit");
    assert_eq!(
        unit,
        read("packaging/sprag.service"),
        "docs/guide/production.md shows another unit than is packed"
    );
}

#[test]
fn the_settings_that_are_packed_are_understood_with_every_line_that_is_commented_out() {
    let text = read("packaging/sprag.toml");
    let is_setting = |line: &&str| {
        let (name, _) = line.trim_start_matches("# ").split_once(" = ").unwrap_or_default();
        !name.is_empty() && name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_')
    };
    let all: Vec<&str> = text.lines().filter(is_setting).map(|line| line.trim_start_matches("# ")).collect();
    assert!(all.len() >= 5, "the file shows how the usual settings are written: {all:?}");
    for text in [text.clone(), all.join("\n")] {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("sprag.toml"), text).unwrap();
        let config =
            Config::resolve(Flags::new(), [], folder.path()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            config.store.data_dir,
            Path::new("/var/lib/sprag"),
            "the folder that the unit may write to"
        );
    }
}

#[test]
fn every_command_is_in_the_manual() {
    let help = prints(Command::new(SPRAG).arg("--help"));
    let lines =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // A line that goes on with what stands above begins further to the right.
    let names = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let commands: Vec<&str> = names.filter(|name| !name.is_empty() && *name != "help").collect();
    assert!(commands.contains(&"serve"), "{help}");
    let manual = read("packaging/sprag.1");
    let bold = manual.lines().filter(|line| line.starts_with(".B ") || line.starts_with(".BR "));
    let told: BTreeSet<&str> = bold.flat_map(|line| line.split([' ', '"', ','])).collect();
    for command in commands {
        assert!(told.contains(command), "packaging/sprag.1 does not say what `sprag {command}` does");
    }
}

#[test]
fn a_plain_shell_reads_every_script() {
    let folders = ["scripts", "packaging/debian"].map(|folder| fs::read_dir(root().join(folder)).unwrap());
    let files = folders.into_iter().flatten().map(|entry| entry.unwrap().path());
    let scripts: Vec<PathBuf> =
        files.filter(|path| fs::read(path).is_ok_and(|text| text.starts_with(b"#!/bin/sh\n"))).collect();
    assert!(scripts.len() > 10, "{scripts:?}");
    for script in scripts {
        prints(Command::new("sh").arg("-n").arg(&script));
    }
}

#[test]
fn a_debian_package_has_its_files_where_debian_expects_them() {
    let folder = TempDir::new().unwrap();
    let package = packed("package-deb", &a_small_program(), folder.path());
    let listed = prints(Command::new("dpkg-deb").arg("--contents").arg(&package));
    let listed: BTreeSet<String> =
        listed.lines().filter(|line| !line.ends_with('/')).map(listed_file).collect();
    let expected = [
        "-rw-r--r-- root/root ./etc/sprag/sprag.toml",
        "-rw-r--r-- root/root ./usr/lib/systemd/system/sprag.service",
        "-rw-r--r-- root/root ./usr/share/doc/sprag/README.Debian",
        "-rw-r--r-- root/root ./usr/share/doc/sprag/changelog.Debian.gz",
        "-rw-r--r-- root/root ./usr/share/doc/sprag/changelog.gz",
        "-rw-r--r-- root/root ./usr/share/doc/sprag/copyright",
        "-rw-r--r-- root/root ./usr/share/lintian/overrides/sprag",
        "-rw-r--r-- root/root ./usr/share/man/man1/sprag.1.gz",
        "-rwxr-xr-x root/root ./usr/bin/sprag",
        "-rwxr-xr-x root/root ./usr/lib/sprag/sprag",
    ];
    assert_eq!(listed, expected.map(str::to_owned).into());

    let field = |name: &str| prints(Command::new("dpkg-deb").arg("--field").arg(&package).arg(name));
    assert!(field("Version").starts_with(concat!(env!("CARGO_PKG_VERSION"), "-1")), "{}", field("Version"));
    for needed in ["adduser", "procps", "libc6 (>= "] {
        assert!(field("Depends").contains(needed), "{needed} is missed in {}", field("Depends"));
    }
    let control = folder.path().join("control");
    prints(Command::new("dpkg-deb").arg("--control").arg(&package).arg(&control));
    assert_eq!(fs::read_to_string(control.join("conffiles")).unwrap(), "/etc/sprag/sprag.toml\n");
    for script in ["postinst", "prerm", "postrm"] {
        let mode = fs::metadata(control.join(script)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755, "{script}");
    }
    let sums = fs::read_to_string(control.join("md5sums")).unwrap();
    assert_eq!(sums.lines().count(), expected.len() - 1, "a sum for each file but the settings:\n{sums}");
}

/// Mode, owner and name in a line of a listing.
fn listed_file(line: &str) -> String {
    let parts: Vec<&str> = line.split_whitespace().collect();
    format!("{} {} {}", parts[0], parts[1], parts[parts.len() - 1])
}

#[test]
fn what_is_packed_twice_has_the_same_bytes() {
    let folders = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    for script in ["package-deb", "package-tarball"] {
        let [one, two] = folders
            .each_ref()
            .map(|folder| fs::read(packed(script, &a_small_program(), folder.path())).unwrap());
        assert!(one == two, "{script} makes other bytes of the same files");
    }
    let tarball = packed("package-tarball", &a_small_program(), folders[0].path());
    let listed = prints(Command::new("tar").args(["--numeric-owner", "-tvf"]).arg(tarball).env("TZ", "UTC"));
    for line in listed.lines() {
        let is_so = line.contains(" 0/0 ") && line.contains(" 2001-09-09 01:46 ");
        assert!(is_so, "owner or time of whoever packed is in the tarball: {line}");
    }
    for file in ["sprag", "sprag.service", "sprag.toml", "INSTALL.md", "LICENSE-MIT", "LICENSE-APACHE"] {
        assert!(listed.lines().any(|line| line.ends_with(&format!("/{file}"))), "no {file} in\n{listed}");
    }
}

#[test]
fn a_packed_sprag_in_a_shell_takes_the_settings_of_the_service() {
    let folder = TempDir::new().unwrap();
    let package = packed("package-deb", Path::new(SPRAG), folder.path());
    let installed = folder.path().join("installed");
    prints(Command::new("dpkg-deb").arg("--extract").arg(package).arg(&installed));
    // It lies elsewhere than it believes.
    let script = fs::read_to_string(installed.join("usr/bin/sprag")).unwrap();
    let moved = |part: &str| format!("{}{part}", installed.display());
    let script = script.replace("/usr/lib/", &moved("/usr/lib/")).replace("/etc/", &moved("/etc/"));
    let settings = moved("/etc/sprag/sprag.toml");
    let mine = folder.path().join("mine.toml");
    fs::write(&mine, "data_dir = \"/srv/mine\"\n").unwrap();
    let data_dir = |variable: Option<&Path>, args: &[&str]| {
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sprag", "config"]).args(args).env_clear().current_dir(&folder);
        command.envs(variable.map(|path| ("SPRAG_CONFIG", path)));
        let printed = prints(&mut command);
        let line = printed.lines().find(|line| line.starts_with("data-dir")).unwrap().to_owned();
        line.split_whitespace().skip(1).take(2).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(data_dir(None, &[]), format!("/var/lib/sprag {settings}"));
    let own = format!("/srv/mine {}", mine.display());
    assert_eq!(data_dir(Some(&mine), &[]), own, "SPRAG_CONFIG goes before the settings of the service");
    assert_eq!(data_dir(None, &["--config", &mine.display().to_string()]), own, "--config goes before all");
}

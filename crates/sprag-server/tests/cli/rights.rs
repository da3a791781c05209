//! A database that this user may not use: which file or folder it is, whose, and what to do.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::geteuid;
use sprag_rig::tools::copy_program;

use crate::given::{Folder, a_folder_with_ann};

/// A user that has no right but those of its own files, as an administrator cannot be one.
const STRANGER: u32 = 65_534;

/// A store of that user's, or of ours where we are no administrator.
fn a_store_of_a_stranger() -> Folder {
    let folder = a_folder_with_ann();
    copy_program(Path::new(env!("CARGO_BIN_EXE_sprag")), &folder.path("sprag"));
    allow(&folder, ".", 0o755);
    if geteuid().is_root() {
        chown(folder.path("sprag-data"), Some(STRANGER), Some(STRANGER)).unwrap();
        for file in fs::read_dir(folder.path("sprag-data")).unwrap() {
            chown(file.unwrap().path(), Some(STRANGER), Some(STRANGER)).unwrap();
        }
    }
    folder
}

fn allow(folder: &Folder, name: &str, mode: u32) {
    fs::set_permissions(folder.path(name), Permissions::from_mode(mode)).unwrap();
}

/// Makes a file one that only an administrator may use.
fn take(folder: &Folder, name: &str) {
    if geteuid().is_root() {
        chown(folder.path(name), Some(0), Some(0)).unwrap();
    } else {
        allow(folder, name, 0);
    }
}

/// What a command says that it fails with, run as that user.
fn told(folder: &Folder, args: &[&str]) -> String {
    let mut command = Command::new(folder.path("sprag"));
    command.args(args).current_dir(folder.path(".")).env_clear().stdin(Stdio::null());
    if geteuid().is_root() {
        command.uid(STRANGER).gid(STRANGER);
    }
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{args:?}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

const COMMANDS: [&[&str]; 4] =
    [&["user", "list"], &["migrate"], &["backup", "copy.db"], &["serve", "--listen", "127.0.0.1:0"]];

#[test]
fn a_folder_that_may_not_be_written_was_told_as_a_file_that_cannot_be_opened() {
    let folder = a_store_of_a_stranger();
    allow(&folder, "sprag-data", 0o555);
    for command in [&["user", "list"][..], &["audit", "verify"], &["sweep"]] {
        let told = told(&folder, command);
        assert!(told.contains("the folder ./sprag-data belongs to"), "{command:?}: {told}");
        assert!(
            told.contains("mode 555") && told.contains("may not make files in it"),
            "{command:?}: {told}"
        );
    }
    allow(&folder, "sprag-data", 0o755);
}

#[test]
fn a_file_that_an_administrators_command_left_was_not_named() {
    for left in ["sprag.db-shm", "sprag.db-in-use", "sprag.db-migrating"] {
        let folder = a_store_of_a_stranger();
        let name = format!("sprag-data/{left}");
        folder.write(&name, "");
        allow(&folder, &name, 0o600);
        take(&folder, &name);
        // Only those that bring the schema up to date have a lock of their own.
        let commands = if left.ends_with("migrating") { &COMMANDS[1..2] } else { &COMMANDS[..1] };
        for command in commands {
            let told = told(&folder, command);
            assert!(told.contains(&format!("{name} belongs to user")), "{left}, {command:?}: {told}");
            assert!(told.contains("run: chmod") || told.contains("as root, chown"), "{left}: {told}");
        }
    }
}

#[test]
fn a_database_of_another_user_was_not_told_as_such() {
    let folder = a_store_of_a_stranger();
    take(&folder, "sprag-data/sprag.db");
    for command in COMMANDS {
        let told = told(&folder, command);
        assert!(told.contains("sprag-data/sprag.db belongs to user"), "{command:?}: {told}");
    }
}

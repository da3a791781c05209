//! Files that cannot be used: each fault of each file is told with the file, the fault, and what to do.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Stdio;

use crate::given::{Folder, a_folder_with_ann, an_empty_folder};

/// What can be wrong with a file whatever is to be in it. Rights are not among it: an administrator has them all.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Fault {
    Missing,
    Dangling,
    Folder,
    Loop,
    Latin1,
    Empty,
    Large,
}

const FAULTS: [Fault; 7] =
    [Fault::Missing, Fault::Dangling, Fault::Folder, Fault::Loop, Fault::Latin1, Fault::Empty, Fault::Large];

impl Fault {
    /// Puts a file with this fault there.
    fn put(self, folder: &Folder, name: &str) {
        let path = folder.path(name);
        let _ = fs::remove_file(&path);
        let _ = fs::remove_dir(&path);
        match self {
            Self::Missing => {}
            Self::Dangling => symlink(folder.path("nowhere"), &path).unwrap(),
            Self::Folder => fs::create_dir(&path).unwrap(),
            Self::Loop => symlink(&path, &path).unwrap(),
            Self::Latin1 => folder.write(name, b"# first\n# caf\xe9\n"),
            Self::Empty => folder.write(name, ""),
            Self::Large => folder.write(name, vec![b'#'; 1024 * 1024 + 1]),
        }
        if path.is_file() {
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        }
    }

    /// What is said of it: the fault, and what to do.
    fn sentence(self) -> [&'static str; 2] {
        match self {
            Self::Missing | Self::Dangling => ["there is no such file", "look whether its path is right"],
            Self::Folder => ["it is a folder", "name a file in it"],
            Self::Loop => ["it is a link that leads back to itself", "make the link anew"],
            Self::Latin1 => ["it is not UTF-8 on line 2", "write it in UTF-8"],
            Self::Empty => ["it is empty", "restore it from its backup"],
            Self::Large => ["it is larger than", "look whether its path is right"],
        }
    }
}

/// Runs a command beside a file with each of the faults, and looks for file, fault and way out in its complaint.
fn each_is_told(folder: &Folder, name: &str, args: &[&str], is_taken: &[Fault]) {
    for fault in FAULTS.iter().filter(|fault| !is_taken.contains(fault)) {
        fault.put(folder, name);
        let told = folder.run(args).fails();
        let file = name.rsplit('/').next().unwrap();
        assert!(told.starts_with("sprag: ") && told.contains(file), "{args:?}, {fault:?}, no file: {told}");
        for words in fault.sentence() {
            assert!(told.contains(words), "{args:?}, {fault:?}, no {words:?}: {told}");
        }
        assert!(!told.contains("os error"), "{args:?}, {fault:?}: {told}");
    }
}

#[test]
fn a_key_ring_that_cannot_be_used_is_told_with_its_fault() {
    let folder = a_folder_with_ann();
    let ring = folder.read("sprag-data/keys.json");
    // Where there is none, another sentence says where one comes from.
    each_is_told(&folder, "sprag-data/keys.json", &["key", "list"], &[Fault::Missing]);
    // None of them is a reason to make a new one, which would refuse everybody.
    for fault in [Fault::Dangling, Fault::Loop, Fault::Empty, Fault::Folder] {
        fault.put(&folder, "sprag-data/keys.json");
        let told = folder.run(&["serve", "--listen", "127.0.0.1:0"]).fails();
        assert!(told.contains(fault.sentence()[0]), "{fault:?}: {told}");
    }
    Fault::Missing.put(&folder, "sprag-data/keys.json");
    folder.write("sprag-data/keys.json", &ring[..ring.len() / 2]);
    fs::set_permissions(folder.path("sprag-data/keys.json"), Permissions::from_mode(0o600)).unwrap();
    let told = folder.run(&["key", "list"]).fails();
    assert!(told.contains("keys.json; if it is cut short or changed, restore it from its backup"), "{told}");
}

#[test]
fn a_profile_that_cannot_be_used_is_told_with_its_fault() {
    let folder = an_empty_folder().set("SPRAG_PROFILES", "./own.toml");
    each_is_told(&folder, "own.toml", &["config"], &[]);
    each_is_told(&folder, "own.toml", &["profile", "check", "./own.toml"], &[]);
    each_is_told(&folder, "own.toml", &["profile", "show", "./own.toml"], &[]);
    folder.write("own.toml", "extends = \"./base.toml\"\nid = 1000\n");
    each_is_told(&folder, "base.toml", &["profile", "check", "./own.toml"], &[Fault::Empty]);
}

#[test]
fn a_file_of_settings_that_cannot_be_used_is_told_with_its_fault() {
    let folder = an_empty_folder();
    each_is_told(&folder, ".env", &["config"], &[Fault::Missing, Fault::Empty]);
    Fault::Missing.put(&folder, ".env");
    each_is_told(&folder, "sprag.toml", &["config"], &[Fault::Missing, Fault::Empty]);
    Fault::Missing.put(&folder, "sprag.toml");
    let folder = folder.set("SPRAG_CONFIG", "ours.toml");
    each_is_told(&folder, "ours.toml", &["config"], &[Fault::Empty]);
    folder.write("ours.toml", "threads = 2\nlisten = \"127.0.0");
    let told = folder.run(&["config"]).fails();
    assert!(told.contains("ours.toml line 2: this is not TOML"), "one that is cut short: {told}");
}

#[test]
fn a_password_that_cannot_be_read_is_told_with_its_fault() {
    let folder = a_folder_with_ann();
    let create = ["user", "create", "--username", "bob", "--password-stdin"];
    let told = folder.run_with("", &create).fails();
    assert!(told.contains("from standard input: nothing came; pipe it in"), "{told}");
    fs::create_dir(folder.path("folder")).unwrap();
    let stdin = Stdio::from(fs::File::open(folder.path("folder")).unwrap());
    let output = folder.command(&create).stdin(stdin).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("from standard input: it is a folder; name a file in it"), "{told}");
}

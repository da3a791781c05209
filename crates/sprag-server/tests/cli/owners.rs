//! Whose the files are: what root does beside a service leaves every file the service's.
//!
//! Only root can try it.

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use sprag_rig::tools::copy_program;

use crate::given::{ANNS_PASSWORD, Folder, an_empty_folder};

/// The service's user and group: of no machine's own.
const SERVICE: u32 = 54_711;
const GROUP: u32 = 54_712;

const CREATE: [&str; 6] = ["user", "create", "--username", "ann", "--password-stdin", "--create"];

fn as_root() {
    assert!(
        rustix::process::geteuid().is_root(),
        "only root may give files to others; run this test as root: sudo -E scripts/test"
    );
}

/// An empty data folder of the service's, in one that everybody may look into, with the binary where everybody may run it.
fn the_services_folder() -> Folder {
    let folder = an_empty_folder();
    fs::set_permissions(folder.path("."), Permissions::from_mode(0o755)).unwrap();
    copy_program(Path::new(env!("CARGO_BIN_EXE_sprag")), &folder.path("sprag"));
    fs::create_dir(folder.path("sprag-data")).unwrap();
    fs::set_permissions(folder.path("sprag-data"), Permissions::from_mode(0o700)).unwrap();
    chown(folder.path("sprag-data"), Some(SERVICE), Some(GROUP)).unwrap();
    folder
}

/// A command that the user runs, with that group as its own.
fn by(folder: &Folder, user: u32, args: &[&str]) -> Command {
    let mut command = Command::new(folder.path("sprag"));
    command.args(args).current_dir(folder.path(".")).env_clear().uid(user).gid(GROUP);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What it printed, and its complaint; whether it succeeded.
fn ran(mut command: Command) -> (bool, String) {
    let mut child = command.spawn().unwrap();
    // A command that reads no input may be gone before it is written.
    let _ = child.stdin.take().unwrap().write_all(ANNS_PASSWORD.as_bytes());
    let output = child.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// Starts a server as the service does, and stops it once it listens.
fn the_service_starts(folder: &Folder) {
    let mut command = by(folder, SERVICE, &["serve", "--listen", "127.0.0.1:0"]);
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap();
    let screen = BufReader::new(child.stdout.take().unwrap());
    let listens = screen.lines().map_while(Result::ok).any(|line| line.trim().starts_with("listening"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(listens, "the service does not start");
}

/// Every file of the data folder is the service's, and nobody else's to read.
fn all_is_the_services(folder: &Folder, after: &[&str]) {
    for entry in fs::read_dir(folder.path("sprag-data")).unwrap() {
        let entry = entry.unwrap();
        let (about, name) = (entry.metadata().unwrap(), entry.file_name());
        assert_eq!((about.uid(), about.gid()), (SERVICE, GROUP), "{name:?} after {after:?}");
        assert_eq!(about.mode() & 0o077, 0, "{name:?} after {after:?}");
    }
}

#[test]
fn a_command_as_root_takes_no_file_from_the_service() {
    as_root();
    let folder = the_services_folder();
    let as_root = |args: &[&str]| {
        let outcome = folder.run_with(ANNS_PASSWORD, args);
        assert_eq!(outcome.code, 0, "{args:?}: {}", outcome.err);
        all_is_the_services(&folder, args);
    };
    as_root(&CREATE);
    the_service_starts(&folder);
    for args in [
        &["key", "rotate"][..],
        &["key", "rotate", "--now"],
        &["key", "retire", "1", "--now"],
        &["user", "disable", "ann"],
        &["sweep"],
        &["audit", "verify", "--checkpoint"],
        &["migrate"],
        &["backup", "sprag-data/backup.db"],
        &["restore", "sprag-data/backup.db"],
        &["session", "list"],
    ] {
        as_root(args);
        the_service_starts(&folder);
        all_is_the_services(&folder, args);
    }
    let (is_done, told) = ran(by(&folder, SERVICE, &["key", "rotate", "--now"]));
    assert!(is_done, "{told}");
    let (is_done, told) = ran(by(&folder, SERVICE, &["restore", "sprag-data/backup.db"]));
    assert!(is_done, "the service may use the backup that root made beside it: {told}");
}

#[test]
fn a_file_counts_before_the_folder_that_it_is_in() {
    as_root();
    let folder = the_services_folder();
    assert!(ran(by(&folder, SERVICE, &CREATE)).0);
    // As where the service may write into a folder of root's.
    chown(folder.path("sprag-data"), Some(0), Some(GROUP)).unwrap();
    fs::set_permissions(folder.path("sprag-data"), Permissions::from_mode(0o770)).unwrap();
    for args in
        [&["key", "rotate"][..], &["user", "disable", "ann"], &["backup", "kept.db"], &["restore", "kept.db"]]
    {
        let outcome = folder.run(args);
        assert_eq!(outcome.code, 0, "{args:?}: {}", outcome.err);
        for name in ["keys.json", "keys.lock", "sprag.db", "sprag.db-in-use", "high-water.json"] {
            let path = folder.path("sprag-data").join(name);
            if let Ok(about) = fs::metadata(&path) {
                assert_eq!((about.uid(), about.gid()), (SERVICE, GROUP), "{name} after {args:?}");
            }
        }
        the_service_starts(&folder);
    }
    let kept = fs::metadata(folder.path("kept.db")).unwrap();
    assert_eq!(
        (kept.uid(), kept.mode() & 0o777),
        (0, 0o600),
        "in another's folder a backup stays with its maker"
    );
}

#[test]
fn a_folder_that_root_makes_is_of_whom_the_one_around_it_is() {
    as_root();
    let folder = the_services_folder();
    let outcome = folder.run_with(ANNS_PASSWORD, &[&CREATE[..], &["--data-dir", "sprag-data/a/b"]].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    for name in ["a", "a/b", "a/b/keys.json", "a/b/sprag.db"] {
        let about = fs::metadata(folder.path("sprag-data").join(name)).unwrap();
        assert_eq!((about.uid(), about.gid()), (SERVICE, GROUP), "{name}");
    }
}

#[test]
fn a_lock_that_root_has_left_behind_is_given_back() {
    as_root();
    let folder = the_services_folder();
    assert!(ran(by(&folder, SERVICE, &CREATE)).0);
    folder.write("sprag-data/keys.lock", "");
    fs::set_permissions(folder.path("sprag-data/keys.lock"), Permissions::from_mode(0o600)).unwrap();
    assert!(!ran(by(&folder, SERVICE, &["key", "rotate"])).0);
    assert_eq!(folder.run(&["key", "rotate"]).code, 0);
    assert!(ran(by(&folder, SERVICE, &["key", "rotate"])).0);
}

#[test]
fn a_key_ring_that_is_roots_is_told_with_whose_it_is() {
    as_root();
    let folder = the_services_folder();
    assert!(ran(by(&folder, SERVICE, &CREATE)).0);
    chown(folder.path("sprag-data/keys.json"), Some(0), Some(0)).unwrap();
    let (is_done, told) = ran(by(&folder, SERVICE, &["serve", "--listen", "127.0.0.1:0"]));
    assert!(
        !is_done && told.contains("it belongs to user 0 and group 0 (mode 600), and this is user 54711"),
        "{told}"
    );
    assert!(told.contains("chown 54711 ./sprag-data/keys.json"), "{told}");
}

#[test]
fn a_mounted_key_ring_is_read_by_its_group_and_stays_as_it_is_mounted() {
    as_root();
    let folder = the_services_folder();
    assert!(ran(by(&folder, SERVICE, &CREATE)).0);
    let ring = folder.path("sprag-data/keys.json");
    let mount = |mode, group| {
        chown(&ring, Some(0), Some(group)).unwrap();
        fs::set_permissions(&ring, Permissions::from_mode(mode)).unwrap();
    };
    mount(0o440, GROUP);
    the_service_starts(&folder);
    // As Kubernetes has it: the group is one of several.
    let mut several = Command::new("setpriv");
    let user = format!("--reuid={SERVICE}");
    let groups = format!("--groups={GROUP}");
    several.args([&user, "--regid=54714", &groups]).arg(folder.path("sprag")).args(["key", "list"]);
    several.current_dir(folder.path(".")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (is_done, told) = ran(several);
    assert!(is_done, "{told}");
    let before = fs::read(&ring).unwrap();
    let (is_done, told) = ran(by(&folder, SERVICE, &["key", "rotate"]));
    assert!(!is_done && told.contains("it belongs to user 0 and group 54712"), "{told}");
    assert_eq!(fs::read(&ring).unwrap(), before, "a ring of somebody else's is not taken");
    assert_eq!(folder.run(&["key", "rotate"]).code, 0);
    let after = fs::metadata(&ring).unwrap();
    assert_eq!((after.uid(), after.gid(), after.mode() & 0o777), (0, GROUP, 0o440));
    the_service_starts(&folder);
    for (mode, group) in [(0o444, GROUP), (0o460, GROUP), (0o440, 54_714)] {
        mount(mode, group);
        let told = folder.run(&["key", "list"]).fails();
        assert!(
            told.contains("others may read it") && told.contains("mode 0440 and a group"),
            "{mode:o}: {told}"
        );
    }
}

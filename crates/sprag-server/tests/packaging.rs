//! What is handed out: the unit is the guide's, the settings are understood, and packing gives the same bytes twice.
//!
//! `just package-test` installs the packages in a Debian of their own.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sprag_rig::tools::write_script;
use sprag_server::config::{Config, Flags};
use tempfile::TempDir;

const SPRAG: &str = env!("CARGO_BIN_EXE_sprag");
const VERSION: &str = env!("CARGO_PKG_VERSION");

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
        "-rw-r--r-- root/root ./usr/share/doc/sprag/NOTICE",
        "-rw-r--r-- root/root ./usr/share/doc/sprag/README.Debian",
        "-rw-r--r-- root/root ./usr/share/doc/sprag/changelog.Debian.gz",
        "-rw-r--r-- root/root ./usr/share/doc/sprag/changelog.gz",
        "-rw-r--r-- root/root ./usr/share/doc/sprag/copyright",
        "-rw-r--r-- root/root ./usr/share/doc/sprag/monitoring/alerts.test.yml",
        "-rw-r--r-- root/root ./usr/share/doc/sprag/monitoring/alerts.yml",
        "-rw-r--r-- root/root ./usr/share/doc/sprag/monitoring/dashboard.json",
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
    for file in
        ["sprag", "sprag.service", "sprag.toml", "INSTALL.md", "LICENSE-MIT", "LICENSE-APACHE", "NOTICE"]
    {
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

/// A folder with the scripts and what they read, and a cargo that builds nothing: it writes into `asked` what it was called
/// with, and puts a small program where the binary is expected.
fn a_checkout_with_a_cargo_that_builds_nothing() -> TempDir {
    let folder = TempDir::new().unwrap();
    prints(Command::new("cp").arg("-R").arg(root().join("scripts")).arg(folder.path()));
    fs::create_dir(folder.path().join("packaging")).unwrap();
    for file in ["Cargo.toml", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT", "packaging/NOTICE"] {
        fs::copy(root().join(file), folder.path().join(file)).unwrap();
    }
    let source =
        format!("int puts(const char *);\nint main(void) {{ return puts(\"sprag {VERSION} (0)\") < 0; }}\n");
    fs::write(folder.path().join("says.c"), source).unwrap();
    let says = folder.path().join("says");
    prints(Command::new("cc").arg("-o").arg(&says).arg(folder.path().join("says.c")));
    let cargo = folder.path().join("cargo");
    let text = format!(
        "#!/bin/sh\n(echo \"$@\"; env) >{0}/asked\nwhile [ \"$1\" != --target-dir ]; do shift; done\n\
         mkdir -p \"$2/release\" && cp {0}/says \"$2/release/sprag\"\n",
        folder.path().display()
    );
    write_script(&cargo, &text);
    folder
}

/// One of the scripts in that folder, which calls that cargo.
fn script(name: &str, checkout: &TempDir) -> Command {
    let mut command = Command::new(checkout.path().join("scripts").join(name));
    command.env("CARGO", checkout.path().join("cargo")).env("SOURCE_DATE_EPOCH", "1000000000");
    command.env("SPRAG_BUILD_COMMIT", "0123456789ab").env_remove("SPRAG_SERVER_BINARY");
    command
}

#[test]
fn an_image_without_a_binary_holds_the_one_that_the_other_packages_hold() {
    let checkout = a_checkout_with_a_cargo_that_builds_nothing();
    prints(script("package-image", &checkout).arg(checkout.path().join("out")));
    let asked = fs::read_to_string(checkout.path().join("asked")).unwrap();
    for of_a_release in ["--remap-path-prefix=", &format!("SPRAG_VERSION_TEXT={VERSION} (0123456789ab)")] {
        assert!(
            asked.contains(of_a_release),
            "the image was built otherwise than by scripts/build-release: {asked}"
        );
    }
    assert!(checkout.path().join(format!("out/sprag-{VERSION}-oci.tar")).exists());
}

#[test]
fn what_whoever_builds_has_set_for_compilers_does_not_reach_a_release() {
    let checkout = a_checkout_with_a_cargo_that_builds_nothing();
    let names = [
        "AR",
        "AWS_LC_SYS_NO_ASM",
        "CARGO_BUILD_RUSTC_WRAPPER",
        "CARGO_BUILD_TARGET",
        "CARGO_PROFILE_RELEASE_DEBUG",
        "CARGO_PROFILE_RELEASE_OPT_LEVEL",
        "CARGO_TARGET_DIR",
        "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER",
        "CC",
        "CC_x86_64_unknown_linux_gnu",
        "CFLAGS",
        "CFLAGS_x86_64-unknown-linux-gnu",
        "CFLAGS_x86_64_unknown_linux_gnu",
        "CXXFLAGS",
        "HOST_CC",
        "LDFLAGS",
        "LIBSQLITE3_FLAGS",
        "RUSTC_BOOTSTRAP",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTFLAGS",
        "TARGET_CC",
        "TARGET_CFLAGS",
    ];
    let mut command = script("build-release", &checkout);
    prints(command.envs(names.map(|name| (name, "of-whoever-builds"))).env("CARGO_BUILD_JOBS", "3"));
    let asked = fs::read_to_string(checkout.path().join("asked")).unwrap();
    let left: Vec<&str> = asked.lines().filter(|line| line.contains("of-whoever-builds")).collect();
    assert!(left.is_empty(), "these would make another binary of the same sources: {left:?}");
    assert!(asked.contains("CARGO_BUILD_JOBS=3"), "how many jobs there are makes no other binary: {asked}");
}

#[test]
fn a_tool_that_is_missing_is_told_before_the_long_build() {
    let checkout = a_checkout_with_a_cargo_that_builds_nothing();
    let done = script("package", &checkout).env("PATH", "/usr/bin:/bin").output().unwrap();
    let told = String::from_utf8(done.stderr).unwrap();
    assert!(!done.status.success() && told.contains("cargo install --locked cargo-cyclonedx"), "{told}");
    assert!(!checkout.path().join("asked").exists(), "it was built, and then told: {told}");
}

#[test]
fn a_recipe_takes_the_image_of_this_version_alone() {
    let recipes = read("justfile");
    let globs: Vec<&str> =
        recipes.lines().filter(|line| line.contains("target/package/") && line.contains('*')).collect();
    assert!(globs.is_empty(), "where an older version lies there too, these are given both: {globs:?}");
}

#[test]
fn whoever_gets_a_package_reads_what_is_in_it_beside_crates() {
    let script = read("scripts/package-sbom");
    for (what, licence, listed) in [
        ("SQLite", "public domain", "libsqlite3-sys"),
        ("AWS-LC", "Apache-2.0", "aws-lc-sys"),
        ("Swagger UI", "Copyright 2020-2021 SmartBear", "swagger-ui-dist"),
        ("mimalloc", "Permission is hereby granted", "libmimalloc-sys"),
    ] {
        let notice = read("packaging/NOTICE");
        assert!(notice.contains(what) && notice.contains(licence), "packaging/NOTICE is silent about {what}");
        assert!(script.contains(listed), "scripts/package-sbom does not see to {listed}");
        for file in ["packaging/debian/copyright", "docs/guide/installing.md"] {
            assert!(read(file).contains(what), "{file} is silent about {what}");
        }
        assert!(read("docs/guide/installing.md").contains(listed), "installing.md does not name {listed}");
    }
}

#[test]
fn the_list_of_what_is_in_the_binary_has_the_files_that_come_out_of_a_build_dependency() {
    let folder = TempDir::new().unwrap();
    let lists = folder.path().join("cargo-cyclonedx");
    // Lists no more than what must be there, beside the manifest that it is given.
    let text = r#"#!/bin/sh
while [ "$1" != --manifest-path ]; do shift; done
component() { printf '{"bom-ref":"%s","name":"%s"}' "$1" "$1"; }
printf '{"metadata":{"component":%s},"components":[%s,%s,%s],"dependencies":[{"ref":"sprag"}]}' "$(component sprag)" \
    "$(component aws-lc-sys)" "$(component libsqlite3-sys)" "$(component ${MIMALLOC:-libmimalloc-sys})" \
    >"$(dirname "$2")/sprag_bin.cdx.json"
"#;
    write_script(&lists, text);
    let mut command = Command::new("sh");
    command.args(["-c", "PATH=$1:$PATH exec \"$0\" \"$1\""]);
    command.arg(root().join("scripts/package-sbom")).arg(folder.path());
    prints(&mut command);
    let written = fs::read_to_string(folder.path().join("sprag.cdx.json")).unwrap();
    let list: serde_json::Value = serde_json::from_str(&written).unwrap();
    let viewer =
        list["components"].as_array().unwrap().iter().find(|one| one["name"] == "swagger-ui-dist").unwrap();
    assert_eq!(viewer["licenses"][0]["expression"], "Apache-2.0");
    assert_eq!(list["dependencies"].as_array().unwrap().last().unwrap()["dependsOn"][0], viewer["purl"]);
    let done = command.env("MIMALLOC", "other").output().unwrap();
    let told = String::from_utf8(done.stderr).unwrap();
    assert!(
        !done.status.success() && told.contains("libmimalloc-sys should be in the list and is not"),
        "{told}"
    );
}

/// Runs one of the package's own scripts on a machine that this folder is: its data and settings are below it, and it has the
/// programs that are named and these stand-ins, each a name and its lines of shell.
fn maintained(script: &str, args: &[&str], machine: &Path, programs: &[(&str, &str)]) -> Output {
    let tools = machine.join("tools");
    fs::create_dir_all(&tools).unwrap();
    for program in ["cat", "find", "rm", "rmdir"] {
        let _ = std::os::unix::fs::symlink(format!("/usr/bin/{program}"), tools.join(program));
    }
    for (name, lines) in programs {
        let tool = tools.join(name);
        let _ = fs::remove_file(&tool);
        write_script(&tool, &format!("#!/bin/sh\n{lines}\n"));
    }
    let text = read(&format!("packaging/debian/{script}"));
    let text = ["/var/lib/sprag", "/etc/sprag", "/run/systemd/system"]
        .iter()
        .fold(text, |text, path| text.replace(path, &format!("{}{path}", machine.display())));
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &text, script]).args(args).env("PATH", &tools).output().unwrap()
}

/// The folder for data on that machine, with something in it.
fn data_on(machine: &Path) -> PathBuf {
    let data = machine.join("var/lib/sprag");
    fs::create_dir_all(data.join("a/b")).unwrap();
    for file in ["sprag.db", ".hidden", "a/b/file"] {
        fs::write(data.join(file), "").unwrap();
    }
    data
}

#[test]
fn a_purge_deletes_the_data_also_where_their_folder_is_a_mount_or_a_link() {
    let machine = TempDir::new().unwrap();
    let data = data_on(machine.path());
    let done = maintained("postrm", &["purge"], machine.path(), &[]);
    assert!(done.status.success() && done.stderr.is_empty(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(!data.exists(), "a purge has left the folder of the data");
    // Again, and there is nothing any more.
    assert!(maintained("postrm", &["purge"], machine.path(), &[]).status.success());

    // As it is with a mount: what is in it goes, and itself is busy.
    data_on(machine.path());
    let busy = "case $1 in */var/lib/sprag) echo busy >&2; exit 1 ;; esac; exec /usr/bin/rmdir \"$@\"";
    let done = maintained("postrm", &["purge"], machine.path(), &[("rmdir", busy)]);
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "a purge failed at a mount: {told}");
    assert!(told.contains("something is mounted there") && !told.contains("busy"), "{told}");
    assert_eq!(fs::read_dir(&data).unwrap().count(), 0, "a purge has left data in a mount");

    // A link goes, and what it leads to is whoever's who put it there.
    let elsewhere = machine.path().join("elsewhere");
    fs::rename(data_on(machine.path()), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &data).unwrap();
    let done = maintained("postrm", &["purge"], machine.path(), &[]);
    assert!(done.status.success() && fs::symlink_metadata(&data).is_err());
    assert!(elsewhere.join("sprag.db").exists());
}

#[test]
fn a_removal_leaves_the_data() {
    let machine = TempDir::new().unwrap();
    let data = data_on(machine.path());
    assert!(maintained("postrm", &["remove"], machine.path(), &[]).status.success());
    assert!(data.join("sprag.db").exists());
}

#[test]
fn an_ordinary_user_of_that_name_does_not_stop_the_installation_and_is_told_of() {
    // Whom there is, what is said of it, and what is asked of adduser.
    for (user, expected, asked) in [
        ("exit 1", "", "--system"),
        ("case $1 in -u) echo 105 ;; *) echo sprag ;; esac", "", ""),
        ("case $1 in -u) echo 1000 ;; *) echo sprag ;; esac", "it is an ordinary one", ""),
        ("case $1 in -u) echo 1000 ;; *) echo users ;; esac", "it is an ordinary one", "--quiet sprag sprag"),
    ] {
        let machine = TempDir::new().unwrap();
        let note = format!("echo \"$@\" >>{}/asked", machine.path().display());
        let programs =
            [("id", user), ("getent", ""), ("adduser", &note), ("install", ""), ("deb-systemd-helper", "")];
        let done = maintained("postinst", &["configure"], machine.path(), &programs);
        let told = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{user}: {told}");
        assert_eq!(told.contains("ordinary"), !expected.is_empty(), "{user}: {told}");
        assert!(told.contains(expected), "{user}: {told}");
        let all = fs::read_to_string(machine.path().join("asked")).unwrap_or_default();
        assert!(all.contains(asked) && all.is_empty() == asked.is_empty(), "{user}: adduser was asked {all}");
    }
}

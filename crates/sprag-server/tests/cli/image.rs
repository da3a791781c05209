//! The container image, as scripts/package-image makes it of this binary. That it runs, `just image-test` shows.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::given::an_empty_folder;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The moment from which everything in the image is.
const EPOCH: &str = "1767225600";

/// The user of the image, whom no machine has.
const USER: &str = "65532:65532";

fn told(command: &mut Command) -> String {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// Makes the image of that binary in a new folder, with the rights that this mask leaves; gives back its archive.
fn made(binary: &Path, folder: &Path, umask: &str) -> PathBuf {
    let script = format!("umask {umask} && exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, &format!("{ROOT}/scripts/package-image")]).args([binary, folder]);
    told(command.env("SOURCE_DATE_EPOCH", EPOCH));
    folder.join(format!("sprag-{}-oci.tar", env!("CARGO_PKG_VERSION")))
}

/// An image taken apart.
struct Image {
    layout: PathBuf,
    /// What a container finds below `/`.
    root: PathBuf,
    manifest: Value,
    config: Value,
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn sha256(path: &Path) -> String {
    told(Command::new("sha256sum").arg(path)).split(' ').next().unwrap().to_owned()
}

impl Image {
    fn taken_apart(archive: &Path, folder: &Path) -> Self {
        let (layout, root) = (folder.join("layout"), folder.join("root"));
        for folder in [&layout, &root] {
            fs::create_dir(folder).unwrap();
        }
        told(Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(&layout));
        let index = read_json(&layout.join("index.json"));
        let mut image = Self { layout, root, manifest: Value::Null, config: Value::Null };
        image.manifest = read_json(&image.blob(&index["manifests"][0]));
        image.config = read_json(&image.blob(&image.manifest["config"]));
        for layer in image.layers() {
            told(Command::new("tar").arg("-xzf").arg(layer).arg("-C").arg(&image.root));
        }
        image
    }

    /// The file of what is named by its digest, which must be of that length and content.
    fn blob(&self, named: &Value) -> PathBuf {
        let digest = named["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
        let path = self.layout.join("blobs/sha256").join(digest);
        assert_eq!(fs::metadata(&path).unwrap().len(), named["size"].as_u64().unwrap(), "{named}");
        assert_eq!(sha256(&path), digest, "a blob is named by its content");
        path
    }

    fn layers(&self) -> Vec<PathBuf> {
        self.manifest["layers"].as_array().unwrap().iter().map(|layer| self.blob(layer)).collect()
    }

    /// The lines of a listing of all layers: rights, owner, size, day, time and path.
    fn listed(&self) -> Vec<Vec<String>> {
        let listing = |layer| {
            let mut tar = Command::new("tar");
            told(tar.args(["--utc", "--full-time", "--numeric-owner", "-tvzf"]).arg(layer).env("LC_ALL", "C"))
        };
        let lines: String = self.layers().into_iter().map(listing).collect();
        lines.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
    }
}

/// Docker reads another list of the same files, and compares the layers as they are when unpacked.
fn both_lists_name_the_same_layers(image: &Image) {
    let archive = read_json(&image.layout.join("manifest.json"));
    let named = |value: &Value| image.layout.join(value.as_str().unwrap());
    assert_eq!(named(&archive[0]["Config"]), image.blob(&image.manifest["config"]));
    let layers: Vec<_> = archive[0]["Layers"].as_array().unwrap().iter().map(named).collect();
    assert_eq!(layers, image.layers());
    for (layer, expected) in layers.iter().zip(image.config["rootfs"]["diff_ids"].as_array().unwrap()) {
        let unpacked = told(Command::new("sh").args(["-c", "gzip -dc \"$0\" | sha256sum"]).arg(layer));
        assert_eq!(expected.as_str().unwrap(), format!("sha256:{}", unpacked.split(' ').next().unwrap()));
    }
}

/// Where the binary is started with the image's loader, every library comes from the image.
fn the_libraries_that_the_binary_needs_are_there(image: &Image) {
    let linked = told(Command::new("ldd").arg(image.root.join("usr/bin/sprag")));
    let loader = linked.lines().map(str::trim).find(|line| line.starts_with('/')).unwrap();
    let loader = image.root.join(loader.split(' ').next().unwrap().trim_start_matches('/'));
    let folders = linked.lines().filter_map(|line| line.split("=> ").nth(1));
    let folders: Vec<_> = folders
        .map(|path| Path::new(path.split(' ').next().unwrap()).parent().unwrap())
        .map(|folder| image.root.join(folder.strip_prefix("/").unwrap()).display().to_string())
        .collect();
    let mut command = Command::new(loader);
    command.args(["--inhibit-cache", "--library-path", &folders.join(":"), "--list"]);
    let found = told(command.arg(image.root.join("usr/bin/sprag")));
    for line in found.lines().filter(|line| line.contains("=> ")) {
        assert!(line.contains(&format!("=> {}", image.root.display())), "from elsewhere: {line}");
    }
}

fn nothing_is_anybodys_to_change_but_the_data(image: &Image) {
    for entry in image.listed() {
        let [rights, owner, _, day, time, path] = &entry[..] else { panic!("{entry:?}") };
        let (expected, may_others_write) = match path.as_str() {
            "var/lib/sprag/" => (USER.replace(':', "/"), false),
            "tmp/" => ("0/0".to_owned(), true),
            _ => ("0/0".to_owned(), false),
        };
        assert_eq!(*owner, expected, "{path}");
        let is_open = rights.as_bytes()[5] == b'w' || rights.as_bytes()[8] == b'w';
        assert_eq!(is_open, may_others_write, "{rights} {path}");
        assert_eq!(format!("{day} {time}"), "2026-01-01 00:00:00", "{path}");
    }
}

/// What the image says of its own start is what the binary understands.
fn the_settings_and_the_health_check_are_the_binarys(image: &Image) {
    let config = &image.config["config"];
    assert_eq!(config["User"], USER);
    let words = |value: &Value| {
        value.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let entry = words(&config["Entrypoint"]);
    let program = entry.first().unwrap();
    let file = fs::metadata(image.root.join(program.trim_start_matches('/'))).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o755);
    let environment = words(&config["Env"]);
    let pairs: BTreeMap<_, _> = environment.iter().map(|pair| pair.split_once('=').unwrap()).collect();
    let folder = an_empty_folder();
    let run = |args: &[&str], url: &str| {
        let mut command = folder.command_as_typed(args);
        let output = command.envs(&pairs).env("SPRAG_PUBLIC_URL", url).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let settings = run(&["config"], "https://login.example.com");
    assert!(settings.contains("0.0.0.0:8080") && settings.contains(pairs["SPRAG_DATA_DIR"]), "{settings}");
    assert!(config["Volumes"][pairs["SPRAG_DATA_DIR"]].is_object(), "what is kept is in a volume: {config}");
    let check = words(&config["Healthcheck"]["Test"]);
    assert_eq!(check[..2], ["CMD".to_owned(), program.clone()], "no shell is asked, for there is none");
    let asked: Vec<&str> = check[2..].iter().map(String::as_str).chain(["--help"]).collect();
    let help = run(&asked, "https://login.example.com");
    assert!(help.contains("as a container's health check"), "{help}");
}

fn no_authority_of_this_machines_own_is_trusted(image: &Image) {
    let all = fs::read_to_string(image.root.join("etc/ssl/certs/ca-certificates.crt")).unwrap();
    let files = fs::read_dir("/usr/share/ca-certificates/mozilla").unwrap();
    assert_eq!(all.matches("-----BEGIN CERTIFICATE-----").count(), files.count());
}

#[test]
fn the_image_is_whole_fits_the_binary_and_is_the_same_wherever_it_is_made() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    // What is only for debugging would take most of the time.
    told(Command::new("strip").arg("-o").arg(path("sprag")).arg(env!("CARGO_BIN_EXE_sprag")));
    let archive = made(&path("sprag"), &path("one"), "022");
    let again = made(&path("sprag"), &path("another"), "077");
    assert!(fs::read(&archive).unwrap() == fs::read(again).unwrap(), "the same binary made two images");
    let image = Image::taken_apart(&archive, folder.path());
    both_lists_name_the_same_layers(&image);
    the_libraries_that_the_binary_needs_are_there(&image);
    nothing_is_anybodys_to_change_but_the_data(&image);
    the_settings_and_the_health_check_are_the_binarys(&image);
    no_authority_of_this_machines_own_is_trusted(&image);
}

/// A program that says this of itself, whatever it is asked.
fn a_program_that_says(told: &str, folder: &Path) -> PathBuf {
    let (source, program) = (folder.join("says.c"), folder.join("says"));
    fs::write(&source, format!("#include <stdio.h>\nint main(void) {{ return puts(\"{told}\") < 0; }}\n"))
        .unwrap();
    self::told(Command::new("cc").arg("-o").args([&program, &source]));
    program
}

#[test]
fn a_release_that_names_its_commit_is_packed_and_another_version_is_not() {
    let folder = TempDir::new().unwrap();
    let version = env!("CARGO_PKG_VERSION");
    for commit in ["", " (0123456789ab)", " (0123456789ab, changed)"] {
        let program = a_program_that_says(&format!("sprag {version}{commit}"), folder.path());
        assert!(made(&program, folder.path(), "022").exists(), "{commit}");
    }
    for other in [format!("sprag {version}1"), "sprag 99.0.0 (0123456789ab)".to_owned()] {
        let program = a_program_that_says(&other, folder.path());
        let mut command = Command::new(format!("{ROOT}/scripts/package-image"));
        let done = command.arg(program).arg(folder.path()).output().unwrap();
        let told = String::from_utf8(done.stderr).unwrap();
        assert!(
            !done.status.success() && told.contains(&format!("is {other}, and the sources are")),
            "{told}"
        );
    }
}

#[test]
fn a_file_that_is_no_program_makes_no_image() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("sprag"), "#!/bin/sh\n").unwrap();
    let mut command = Command::new(format!("{ROOT}/scripts/package-image"));
    let done = command.arg(folder.path().join("sprag")).arg(folder.path()).output().unwrap();
    let told = String::from_utf8(done.stderr).unwrap();
    assert!(!done.status.success() && told.contains("is no program for Linux"), "{told}");
}

fn guide(name: &str) -> String {
    fs::read_to_string(format!("{ROOT}/docs/guide/{name}")).unwrap()
}

#[test]
fn the_guide_names_the_image_of_this_version() {
    let mut named = 0;
    for name in ["containers.md", "containers/compose.yaml"] {
        let text = guide(name);
        for rest in text.split("sprag:").skip(1).filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        {
            let tag: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
            assert_eq!(tag.trim_end_matches('.'), env!("CARGO_PKG_VERSION"), "{name}");
            named += 1;
        }
    }
    assert!(named >= 3, "the guide runs an image by its name");
}

/// The directives of a file for nginx, without comments.
fn directives(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

#[test]
fn the_proxy_of_the_compose_file_does_as_the_one_before_three_nodes() {
    let (ours, theirs) = (guide("containers/nginx.conf"), guide("three-nodes/nginx.conf"));
    let of_a_place = |line: &&str| {
        let is_path = line.starts_with("pid ") || line.contains("temp_path ");
        is_path || line.starts_with("listen ") || (line.starts_with("server ") && line.contains("max_fails"))
    };
    let told = |text| {
        directives(text).into_iter().filter(|line| !of_a_place(line)).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(told(&ours), told(&theirs));
    for node in directives(&ours).iter().filter(|line| line.contains("max_fails")) {
        assert!(node.ends_with("max_fails=2 fail_timeout=1s;"), "{node}");
    }
}

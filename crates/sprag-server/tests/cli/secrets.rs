//! Secrets: in files of their own, and never in what is printed.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::thread;
use std::time::{Duration, Instant};

use crate::given::{ANNS_PASSWORD, Folder, a_folder_with_ann, an_empty_folder};

/// How long a server may take to notice that the ring has changed.
const PATIENCE: Duration = Duration::from_secs(20);

/// URLs whose password a reader takes for something else.
const IN_TWO_WAYS: [&str; 5] = [
    "postgres://ann:secret@hunter2@db.invalid/app",
    "postgres://ann@secret:hunter2@db.invalid/app",
    "postgres://ann:12/hunter2@db.invalid/app",
    "postgres://db.invalid/app?user=ann&password=secret@hunter2",
    "postgresql://ann:secret@hunter2/x?y@db.invalid/app",
];

/// Every command that reads the settings, and one of each kind that opens a store.
const COMMANDS: [&[&str]; 9] = [
    &["config"],
    &["config", "--json"],
    &["serve", "--listen", "127.0.0.1:0"],
    &["user", "list"],
    &["migrate"],
    &["backup", "copy.db"],
    &["key", "list"],
    &["why", "0191f7a8-8b1e-7cc0-8000-000000000000"],
    &["openapi"],
];

fn private(folder: &Folder, name: &str, text: &str) -> String {
    folder.write(name, text);
    fs::set_permissions(folder.path(name), Permissions::from_mode(0o600)).unwrap();
    folder.path(name).display().to_string()
}

/// The command fails, and says how an `@` is written without any of what may be a password.
fn tells_nothing(folder: &Folder, args: &[&str], url: &str) {
    let ran = folder.run(args);
    let told = format!("{}{}{}", ran.out, ran.err, ran.notes);
    assert_eq!(ran.code, 1, "{args:?}, {url}: {told}");
    for part in ["hunter2", "secret@", "secret:"] {
        assert!(!told.contains(part), "{args:?}, {url}: {told}");
    }
    assert!(told.contains("%40"), "{args:?}, {url}: {told}");
}

#[test]
fn no_part_of_a_password_with_a_raw_at_is_printed_wherever_the_url_was_given() {
    for url in IN_TWO_WAYS {
        let folder = an_empty_folder().set("SPRAG_DATABASE_URL", url);
        COMMANDS.iter().for_each(|args| tells_nothing(&folder, args, url));
        let folder = an_empty_folder();
        let file = private(&folder, "url", url);
        tells_nothing(&folder, &["config", "--database-url", url], url);
        folder.write(".env", format!("SPRAG_DATABASE_URL='{url}'\n"));
        tells_nothing(&folder, &["config"], url);
        folder.write(".env", format!("SPRAG_DATABASE_URL_FILE='{file}'\n"));
        tells_nothing(&folder, &["config"], url);
        folder.write(".env", "");
        folder.write("sprag.toml", format!("database_url = \"{url}\"\n"));
        tells_nothing(&folder, &["config"], url);
    }
}

#[test]
fn no_part_of_a_sources_password_is_printed() {
    let folder = a_folder_with_ann();
    for url in IN_TWO_WAYS {
        private(&folder, "url", url);
        for kind in ["user", "session"] {
            let from = [kind, "import", "--profile", "express-mongo", "--map", "token=token", "--from"];
            let from = if kind == "user" { [&from[..4], &from[6..]].concat() } else { from.to_vec() };
            tells_nothing(&folder, &[&from[..], &["@url"]].concat(), url);
            let told = folder.run(&[&from[..], &[url]].concat()).fails();
            assert!(!told.contains("hunter2") && !told.contains("secret@"), "{url}: {told}");
        }
    }
    for args in [&["import-store", "--from"][..], &["backup"], &["restore"]] {
        let folder = match args[0] {
            "import-store" => a_folder_with_ann().set("SPRAG_DATABASE_URL", "postgres://ann@127.0.0.1:1/app"),
            _ => a_folder_with_ann(),
        };
        let told = folder.run(&[args, &[IN_TWO_WAYS[0]]].concat()).fails();
        assert!(
            told.contains("takes the name or path of a file") && !told.contains("hunter2"),
            "{args:?}: {told}"
        );
    }
}

#[test]
fn a_password_that_is_written_as_it_should_be_is_not_printed_either() {
    let url = "postgres://ann:secret%40hunter2@127.0.0.1:1/app";
    let folder = an_empty_folder().set("SPRAG_DATABASE_URL", url).set("SPRAG_DATABASE_START_TIMEOUT", "0s");
    let shown = folder.run(&["config"]).succeeds();
    assert!(shown.contains("postgres://ann@127.0.0.1:1/app") && !shown.contains("hunter2"), "{shown}");
    let told = folder.run(&["migrate"]).fails();
    assert!(told.contains("127.0.0.1:1") && !told.contains("hunter2"), "{told}");
}

#[test]
fn a_key_ring_that_a_variable_names_is_served_followed_and_rotated_where_it_is() {
    let folder = a_folder_with_ann();
    let ring = folder.read("sprag-data/keys.json");
    fs::remove_file(folder.path("sprag-data/keys.json")).unwrap();
    let file = private(&folder, "ring.json", &ring);
    let folder = folder.set("SPRAG_KEY_RING_FILE", &file);
    let server = folder.serve();
    server.log_in("ann", ANNS_PASSWORD, None);
    let rotated = folder.run(&["key", "rotate", "--access"]).succeeds();
    assert!(rotated.contains(&format!("Servers that use {file} learn of it")), "{rotated}");
    let began = Instant::now();
    while server.get("/.well-known/jwks.json").1["keys"].as_array().unwrap().len() < 2 {
        assert!(began.elapsed() < PATIENCE, "the server has not noticed");
        thread::sleep(Duration::from_millis(50));
    }
    assert!(!folder.path("sprag-data/keys.json").exists(), "no other is made");
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    assert!(folder.run(&["key", "list"]).fails().contains("others may read it"));
}

#[test]
fn a_new_store_begins_with_the_ring_that_is_named_and_a_missing_one_is_not_made() {
    let elsewhere = a_folder_with_ann();
    let folder = an_empty_folder();
    let file = folder.path("ring.json").display().to_string();
    let folder = folder.set("SPRAG_KEY_RING_FILE", &file);
    let create = ["user", "create", "--username", "ann", "--password-stdin"];
    let told = folder.run_with(ANNS_PASSWORD, &create).fails();
    assert!(told.contains("ring.json, which SPRAG_KEY_RING_FILE in the environment names"), "{told}");
    assert!(folder.is_empty());
    private(&folder, "ring.json", &elsewhere.read("sprag-data/keys.json"));
    folder.run_with(ANNS_PASSWORD, &create).succeeds();
    assert!(!folder.path("sprag-data/keys.json").exists());
}

#[test]
fn a_secret_from_a_pipe_is_read_once() {
    let folder = a_folder_with_ann();
    let ring = folder.read("sprag-data/keys.json");
    fs::remove_file(folder.path("sprag-data/keys.json")).unwrap();
    let folder = folder.set("SPRAG_KEY_RING_FILE", "/dev/stdin");
    let listed = folder.run_with(ring, &["key", "list"]).succeeds();
    assert!(listed.contains("refresh  1"), "{listed}");
}

#[test]
fn systemds_credentials_are_served_from() {
    let folder = a_folder_with_ann();
    let ring = folder.read("sprag-data/keys.json");
    fs::remove_file(folder.path("sprag-data/keys.json")).unwrap();
    fs::create_dir(folder.path("credentials")).unwrap();
    folder.write("credentials/key-ring", &ring);
    // Its folder keeps others away, and what stands for an access list looks like a group's right.
    fs::set_permissions(folder.path("credentials/key-ring"), Permissions::from_mode(0o440)).unwrap();
    let credentials = folder.path("credentials").display().to_string();
    let folder = folder.set("CREDENTIALS_DIRECTORY", &credentials);
    folder.serve().log_in("ann", ANNS_PASSWORD, None);
    let told = folder.run(&["key", "rotate"]).fails();
    assert!(told.contains("the key ring is in the credential") && told.contains("cannot change"), "{told}");
}

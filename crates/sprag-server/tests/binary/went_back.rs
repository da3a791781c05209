//! A SQLite store that went back: whatever was lost of it is told before anybody is served, and a crash alone is no loss.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::SPRAG;
use crate::people::{Pair, log_in, logout, refresh};
use crate::server::{Home, Server, await_some};

const CLIENTS: usize = 8;
const ACCEPT: &str = "--accept-older-store";

fn database(home: &Home) -> PathBuf {
    home.data().join("sprag.db")
}

fn beside(home: &Home, suffix: &str) -> PathBuf {
    home.data().join(format!("sprag.db{suffix}"))
}

/// Waits until what was committed last has been seen outside the database, too.
fn await_mark(home: &Home) {
    let is_level = || {
        let position: i64 = Connection::open(database(home))
            .and_then(|found| found.query_row("select position from store_position", [], |row| row.get(0)))
            .unwrap();
        let marks = fs::read_to_string(home.data().join("high-water.json")).ok()?;
        marks.contains(&format!("\"position\": {position},")).then_some(())
    };
    await_some(is_level).expect("the mark follows");
}

fn ended(server: &Server) -> Vec<Pair> {
    let pairs: Vec<_> = (0..CLIENTS).map(|_| log_in(&mut server.connect(), "ann").unwrap()).collect();
    for pair in &pairs {
        assert_eq!(server.ask(&logout(&pair.refresh)).status, 204);
    }
    pairs
}

/// A server that ended some sessions and was killed as soon as that was seen.
fn killed() -> (Home, Vec<Pair>) {
    let home = Home::new(SPRAG);
    home.create_user("ann");
    fs::copy(database(&home), home.path().join("older.db")).unwrap();
    let server = home.start(&[]);
    let pairs = ended(&server);
    await_mark(&home);
    server.kill();
    (home, pairs)
}

/// The server does not start, and says why; nothing that may still be of use is touched.
#[track_caller]
fn is_refused(home: &Home, what: &str) {
    let files = || ["", "-wal"].map(|suffix| fs::read(beside(home, suffix)).unwrap_or_default());
    let before = files();
    for command in [
        &["serve", "--listen", "127.0.0.1:0"][..],
        &["audit", "verify"],
        &["user", "list"],
        &["migrate"],
        &["backup", "copy.db"],
    ] {
        let ran = home.run(home.command(command), "");
        assert!(!ran.status.success(), "{what}: {command:?} says nothing: {}", ran.stdout);
        assert!(ran.stderr.contains("gone back"), "{what}: {command:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(ACCEPT), "{what}: {command:?}: {}", ran.stderr);
    }
    assert!(files() == before, "{what}: the files are not as they were found");
}

#[track_caller]
fn is_accepted_once(home: &Home, what: &str) {
    let server = home.start(&[ACCEPT]);
    assert!(server.log().contains("critical: the database"), "{what}: {}", server.log());
    log_in(&mut server.connect(), "ann").unwrap();
    server.kill();
    let server = home.start(&[]);
    server.stop();
    home.verify_journal();
    let journal = Connection::open(database(home)).unwrap();
    let told = "select count(*) from event where kind = 'store_went_back'";
    let told: i64 = journal.query_row(told, [], |row| row.get(0)).unwrap();
    assert_eq!(told, 1, "{what}: the journal tells of it");
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 1;
    fs::write(file, bytes).unwrap();
}

#[test]
fn a_log_that_is_damaged_shortened_or_gone_is_told_before_anybody_is_let_in_again() {
    type Harm = fn(&Path);
    let harms: [(&str, Harm); 4] = [
        ("one byte flipped", |log| flip(log, fs::read(log).unwrap().len() / 2)),
        ("the last frame flipped", |log| {
            // What lies beyond the last commit is of an earlier one: the flip must be in a frame that counts.
            let length = fs::read(log).unwrap().len();
            (1..=20).for_each(|frame| flip(log, length - frame * 2072 + 100));
        }),
        ("cut to half", |log| {
            let bytes = fs::read(log).unwrap();
            fs::write(log, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("removed", |log| fs::remove_file(log).unwrap()),
    ];
    for (what, harm) in harms {
        let (home, _) = killed();
        harm(&beside(&home, "-wal"));
        is_refused(&home, what);
        is_accepted_once(&home, what);
    }
}

#[test]
fn an_older_file_in_the_databases_place_is_told_with_its_log_or_without() {
    let (home, pairs) = killed();
    fs::remove_file(beside(&home, "-wal")).unwrap();
    fs::copy(home.path().join("older.db"), database(&home)).unwrap();
    is_refused(&home, "an older copy alone");
    is_accepted_once(&home, "an older copy alone");
    let server = home.start(&[]);
    let refused = server.ask(&refresh(&pairs[0].refresh));
    assert_eq!(refused.status, 401, "the copy knows nothing of a session that was opened later");
    server.kill();

    // The log reaches as far as was seen, and belongs to another state of the file.
    let (home, _) = killed();
    home.start(&[]).stop();
    let server = home.start(&[]);
    ended(&server);
    await_mark(&home);
    server.kill();
    fs::copy(home.path().join("older.db"), database(&home)).unwrap();
    is_refused(&home, "an older copy under a newer log");
}

#[test]
fn a_kill_alone_is_never_taken_for_a_loss() {
    let home = Home::new(SPRAG);
    home.create_user("ann");
    for round in 0..6 {
        let server = home.start(&[]);
        assert!(!server.log().contains("high-water"), "round {round}: {}", server.log());
        let pair = log_in(&mut server.connect(), "ann").unwrap();
        let next = Pair::of(&server.ask(&refresh(&pair.refresh)));
        if round % 2 == 0 {
            await_mark(&home);
        }
        server.ask(&logout(&next.refresh));
        server.kill();
        home.verify_journal();
    }
}

#[test]
fn a_database_that_is_missing_where_it_was_seen_is_refused_whoever_gave_the_ring() {
    let (home, _) = killed();
    let ring = fs::read_to_string(home.data().join("keys.json")).unwrap();
    fs::remove_file(database(&home)).unwrap();
    let mut server = home.begin(&[], &[("SPRAG_KEY_RING", ring.as_str())]);
    assert!(!server.wait().success());
    assert!(server.log().contains("gone back"), "{}", server.log());
}

#[test]
fn a_mark_that_is_missing_is_said_and_one_that_was_altered_is_not_believed() {
    let (home, _) = killed();
    let file = home.data().join("high-water.json");
    let mark = fs::read_to_string(&file).unwrap();
    for altered in [
        mark.replace("\"position\": ", "\"position\": 1"),
        mark.replace("\"tag\": \"", "\"tag\": \"00"),
        "{}".to_owned(),
        String::new(),
    ] {
        fs::write(&file, &altered).unwrap();
        let mut server = home.begin(&["--listen", "127.0.0.1:0"], &[]);
        assert!(!server.wait().success(), "{altered}");
        assert!(server.log().contains("altered or damaged"), "{altered}: {}", server.log());
    }
    fs::remove_file(&file).unwrap();
    let server = home.start(&[]);
    assert!(server.log().contains("there is no high-water mark"), "{}", server.log());
    assert!(file.exists(), "one is kept from now on");
    server.kill();
    // What another ring vouches for is somebody else's, and counts for nothing.
    let other = mark.replace("\"key\": \"", "\"key\": \"0").replace("\"position\": ", "\"position\": 9");
    fs::write(&file, other).unwrap();
    home.start(&[]).stop();
}

#[test]
fn without_a_writable_data_folder_no_mark_is_kept_and_the_start_says_so() {
    let home = Home::new(SPRAG);
    home.create_user("ann");
    let ring = fs::read_to_string(home.data().join("keys.json")).unwrap();
    // A file in the folder's place can be written by nobody, whoever runs this.
    let elsewhere = home.path().join("elsewhere");
    fs::write(&elsewhere, "").unwrap();
    let url = format!("sqlite:{}", database(&home).display());
    let environment = [("SPRAG_KEY_RING", ring.as_str()), ("SPRAG_DATABASE_URL", url.as_str())];
    let server = home.start_in(&elsewhere, &environment);
    assert!(server.log().contains("no high-water mark is kept"), "{}", server.log());
    log_in(&mut server.connect(), "ann").unwrap();
}

//! Tampering with the journal shows, and names what was tampered with.
#![cfg(feature = "sqlite")]

use std::path::PathBuf;
use std::time::Duration;

use aws_lc_rs::hmac;
use rusqlite::{Connection, Params, params};
use sprag::audit::{Checkpoint, Cover, Entry, Event, EventKind, Hash, Head};
use sprag::checkpoints::{
    self, CheckpointFlaw, CheckpointKey, Checkpointing, EntryFlaw, Finding, Report, SETTLED,
};
use sprag::clock::Timestamp;
use sprag::session::AccountId;
use sprag::store::memory::MemoryStore;
use sprag::store::sqlite::{Settings, SqliteStore};
use sprag::store::{Commits, Journal as _, Slice};
use tempfile::TempDir;
use uuid::Uuid;

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const ANN: AccountId = AccountId(Uuid::from_u128(1));
const BEN: AccountId = AccountId(Uuid::from_u128(2));
const CAT: AccountId = AccountId(Uuid::from_u128(3));

#[tokio::test]
async fn a_journal_left_alone_is_sound() {
    let ledger = Ledger::written().await;
    let first = ledger.covered(NOW).await;
    assert_eq!((first.number, first.chains, first.entries), (1, 3, 15));
    assert_eq!(checkpoints::add(&ledger.store, &Key, NOW).await.unwrap(), Checkpointing::NothingNew);
    let later = NOW.plus(SETTLED * 2);
    assert_eq!(checkpoints::add(&ledger.store, &Key, later).await.unwrap(), Checkpointing::NothingNew);

    ledger.store.record(told(BEN, NOW)).await.unwrap();
    let second = ledger.covered(later).await;
    assert_eq!((second.number, second.entries, second.previous), (2, 16, first.tag));
    let report = ledger.verified().await;
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.chains, report.entries, report.checkpoints), (3, 16, 2));
    assert_eq!(report.newest, Some(second));
}

#[tokio::test]
async fn the_memory_store_can_be_covered_and_verified_too() {
    let store = MemoryStore::new();
    assert_eq!(checkpoints::add(&store, &Key, NOW).await.unwrap(), Checkpointing::NothingNew);
    write(&store).await;
    assert!(matches!(checkpoints::add(&store, &Key, NOW).await.unwrap(), Checkpointing::Added(_)));
    let mut read = Vec::new();
    let report = checkpoints::verify(&store, &Key, |entries| read.push(entries)).await.unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(read, [15], "progress is told");
}

#[tokio::test]
async fn what_is_still_being_written_is_left_for_the_next_checkpoint() {
    let ledger = Ledger::written().await;
    ledger.store.record(told(CAT, NOW)).await.unwrap();
    assert_eq!(ledger.covered(NOW).await.entries, 15);
    assert!(ledger.verified().await.is_sound());
    assert_eq!(ledger.covered(NOW.plus(SETTLED * 2)).await.entries, 16);
}

#[tokio::test]
async fn an_altered_entry_is_named() {
    for (change, value) in [("note", "nothing to see"), ("ip", "192.0.2.66"), ("kind", "account_enabled")] {
        let ledger = Ledger::written().await;
        let sql = format!("update event set {change} = ?1 where account_id = ?2 and id = 3");
        ledger.tamper(&sql, params![value, BEN.0.as_bytes()]);
        ledger.finds(&[entry(BEN, 3, EntryFlaw::Altered)]).await;
    }
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_is_named() {
    let ledger = Ledger::written().await;
    ledger.tamper("update event set kind = 'picnic' where account_id = ?1 and id = 3", [BEN.0.as_bytes()]);
    let fault = checkpoints::verify(&ledger.store, &Key, |_| ()).await.unwrap_err();
    let source = fault.source.expect("it has a cause").to_string();
    assert!(source.contains(&format!("account {BEN}, entry 3")), "{source}");
    assert!(source.contains("picnic"), "{source}");
}

#[tokio::test]
async fn an_entry_taken_out_is_named() {
    for number in [1_u32, 3] {
        let ledger = Ledger::written().await;
        ledger
            .tamper("delete from event where account_id = ?1 and id = ?2", params![BEN.0.as_bytes(), number]);
        ledger.finds(&[entry(BEN, number.into(), EntryFlaw::Missing)]).await;
    }
}

#[tokio::test]
async fn entries_that_changed_places_are_named() {
    let ledger = Ledger::written().await;
    for (from, to) in [(2, 99), (4, 2), (99, 4)] {
        ledger.tamper(
            "update event set id = ?3 where account_id = ?1 and id = ?2",
            params![BEN.0.as_bytes(), from, to],
        );
    }
    ledger.finds(&[entry(BEN, 2, EntryFlaw::Reordered { written_as: 4 })]).await;
}

#[tokio::test]
async fn an_entry_written_anew_does_not_fit_its_successor() {
    let ledger = Ledger::written().await;
    let chain = ledger.chain(BEN).await;
    let forged =
        chain[1].head().add(Event { note: Some("forged".to_owned()), ..chain[2].event.clone() }, [1; 32]);
    ledger.replace(&forged);
    ledger.finds(&[entry(BEN, 4, EntryFlaw::Unlinked)]).await;
}

#[tokio::test]
async fn a_backdated_entry_is_named() {
    let ledger = Ledger::written().await;
    let chain = ledger.chain(BEN).await;
    let unbound = Head { at: Timestamp(0), ..chain[3].head() };
    ledger.replace(&unbound.add(told(BEN, Timestamp(7)), [1; 32]));
    ledger.finds(&[entry(BEN, 5, EntryFlaw::Backdated)]).await;
}

#[tokio::test]
async fn a_chain_cut_short_shows_against_the_checkpoint() {
    let ledger = Ledger::written().await;
    ledger.covered(NOW).await;
    ledger.tamper("delete from event where account_id = ?1 and id > 3", [BEN.0.as_bytes()]);
    let flaw = CheckpointFlaw::EntriesLost { covered: 15, found: 13 };
    ledger.finds(&[Finding::Checkpoint { number: 1, flaw }]).await;

    let later = NOW.plus(SETTLED * 2);
    ledger.store.record(told(ANN, NOW)).await.unwrap();
    let made = checkpoints::add(&ledger.store, &Key, later).await.unwrap();
    assert_eq!(made, Checkpointing::Broken(flaw), "no checkpoint is made over it");
}

#[tokio::test]
async fn a_deleted_chain_shows_against_the_checkpoint() {
    let ledger = Ledger::written().await;
    ledger.covered(NOW).await;
    ledger.tamper("delete from event where account_id = ?1", [BEN.0.as_bytes()]);
    let flaw = CheckpointFlaw::ChainsLost { covered: 3, found: 2 };
    ledger.finds(&[Finding::Checkpoint { number: 1, flaw }]).await;
}

#[tokio::test]
async fn a_chain_written_anew_to_its_end_shows_against_the_checkpoint() {
    let ledger = Ledger::written().await;
    ledger.covered(NOW).await;
    let chain = ledger.chain(BEN).await;
    let mut head = chain[1].head();
    for entry in &chain[2..] {
        let forged = head.add(Event { ip: Some("192.0.2.66".to_owned()), ..entry.event.clone() }, [1; 32]);
        head = forged.head();
        ledger.replace(&forged);
    }
    ledger.finds(&[Finding::Checkpoint { number: 1, flaw: CheckpointFlaw::Rewritten }]).await;
}

#[tokio::test]
async fn a_forged_checkpoint_is_named() {
    for change in ["chains = 2", "entries = 13", "before = before + 1", "tag = zeroblob(32)", "key_id = 9"] {
        let ledger = Ledger::written().await;
        ledger.covered(NOW).await;
        ledger.store.record(told(ANN, NOW)).await.unwrap();
        ledger.covered(NOW.plus(SETTLED * 2)).await;
        ledger.tamper(&format!("update checkpoint set {change} where number = 1"), []);
        let findings = ledger.verified().await.findings;
        let forged = Finding::Checkpoint { number: 1, flaw: CheckpointFlaw::Forged };
        assert_eq!(findings.first(), Some(&forged), "{change}");
    }
}

#[tokio::test]
async fn a_checkpoint_taken_out_or_put_in_is_named() {
    let ledger = Ledger::written().await;
    for round in 1..=3 {
        ledger.store.record(told(ANN, NOW)).await.unwrap();
        ledger.covered(NOW.plus(SETTLED * 2 * round)).await;
        if round < 3 {
            ledger.store.record(told(ANN, NOW.plus(SETTLED * 2 * round))).await.unwrap();
        }
    }
    ledger.tamper("delete from checkpoint where number = 2", []);
    ledger.finds(&[Finding::Checkpoint { number: 2, flaw: CheckpointFlaw::Missing }]).await;
}

/// Verifies, with no key, what somebody who has none could have made.
#[tokio::test]
async fn a_checkpoint_made_with_another_key_is_forged() {
    struct OtherKey;
    impl CheckpointKey for OtherKey {
        fn tag(&self, _: Timestamp, bytes: &[u8]) -> (u8, Hash) {
            (1, tag(b"another key", bytes))
        }

        fn verifies(&self, _: u8, _: &[u8], _: &Hash) -> bool {
            true
        }
    }
    let ledger = Ledger::written().await;
    ledger.tamper("delete from event where account_id = ?1", [BEN.0.as_bytes()]);
    let made = checkpoints::add(&ledger.store, &OtherKey, NOW).await.unwrap();
    assert!(matches!(made, Checkpointing::Added(_)));
    ledger.finds(&[Finding::Checkpoint { number: 1, flaw: CheckpointFlaw::Forged }]).await;
}

/// A journal of three people in a file, and whoever gets at the file.
struct Ledger {
    store: SqliteStore,
    path: PathBuf,
    _directory: TempDir,
}

impl Ledger {
    async fn written() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("sprag.db");
        SqliteStore::migrate(&path).expect("migrate");
        let patience = Duration::from_secs(120);
        let settings = Settings {
            deadline: patience,
            busy_timeout: patience,
            restamp_after: patience,
            ..Settings::default()
        };
        let store = SqliteStore::open(&path, settings).expect("open");
        write(&store).await;
        Self { store, path, _directory: directory }
    }

    async fn covered(&self, now: Timestamp) -> Checkpoint {
        match checkpoints::add(&self.store, &Key, now).await.expect("checkpoint") {
            Checkpointing::Added(checkpoint) => checkpoint,
            other => panic!("a checkpoint should be made, not {other:?}"),
        }
    }

    async fn verified(&self) -> Report {
        checkpoints::verify(&self.store, &Key, |_| ()).await.expect("verify")
    }

    async fn finds(&self, findings: &[Finding]) {
        let report = self.verified().await;
        assert_eq!(report.findings, findings);
        assert_eq!(report.flaws, findings.len() as u64);
    }

    async fn chain(&self, account: AccountId) -> Vec<Entry> {
        let mut chain = self.store.entries_of(account, Slice::first(100)).await.expect("entries_of");
        chain.reverse();
        chain
    }

    fn tamper(&self, sql: &str, params: impl Params) {
        let connection = Connection::open(&self.path).expect("connect");
        assert_ne!(connection.execute(sql, params), Ok(0), "{sql}");
    }

    fn replace(&self, entry: &Entry) {
        let event = &entry.event;
        let Cover::Salted { mac, salt } = entry.cover else { panic!("it is under a salt") };
        self.tamper(
            "update event set at = ?3, ip = ?4, note = ?5, previous = ?6, hash = ?7, particulars = ?8, salt = ?9
             where account_id = ?1 and id = ?2",
            params![
                event.account.0.as_bytes(),
                i64::try_from(entry.number).expect("it fits"),
                event.at.0,
                event.ip,
                event.note,
                entry.previous,
                entry.hash,
                mac,
                salt
            ],
        );
    }
}

/// Five entries for each of three people, long enough ago to be covered.
async fn write(journal: &dyn Commits) {
    for seconds in 0..5 {
        for account in [ANN, BEN, CAT] {
            let at = NOW.minus(SETTLED * 10).plus(Duration::from_secs(seconds));
            journal.record(told(account, at)).await.expect("record");
        }
    }
}

fn told(account: AccountId, at: Timestamp) -> Event {
    Event {
        account,
        at,
        kind: EventKind::LoginFailed,
        session: None,
        cause: None,
        ip: Some("192.0.2.1".to_owned()),
        user_agent: None,
        note: Some("wrong password".to_owned()),
    }
}

fn entry(account: AccountId, number: u64, flaw: EntryFlaw) -> Finding {
    Finding::Entry { account, number, flaw }
}

struct Key;

impl CheckpointKey for Key {
    fn tag(&self, _: Timestamp, bytes: &[u8]) -> (u8, Hash) {
        (1, tag(b"a key outside the database", bytes))
    }

    fn verifies(&self, key_id: u8, bytes: &[u8], tag: &Hash) -> bool {
        key_id == 1 && *tag == self.tag(Timestamp(0), bytes).1
    }
}

fn tag(key: &[u8], bytes: &[u8]) -> Hash {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, bytes).as_ref().try_into().expect("a tag has 32 bytes")
}

//! A journal on each store, and whoever gets at the database.

use std::time::Duration;

use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;
use sprag::audit::{Entry, Event, EventKind, Hash};
use sprag::checkpoints::{self, CheckpointKey, Checkpointing, Cutting, Report, SETTLED};
use sprag::clock::Timestamp;
use sprag::session::AccountId;
use sprag::store::sqlite::{Settings, SqliteStore};
use sprag::store::{Slice, Store, postgres};
use sprag_rig::{Database, Postgres};
use tempfile::TempDir;
use uuid::Uuid;

pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000_000);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);
pub(crate) const ANN: AccountId = AccountId(Uuid::from_u128(1));
pub(crate) const BEN: AccountId = AccountId(Uuid::from_u128(2));

/// A journal, and whoever gets at the database.
pub(crate) struct Ledger {
    pub(crate) store: Box<dyn Store>,
    kept: Kept,
}

enum Kept {
    File(TempDir),
    Database(Database),
}

impl Ledger {
    /// One on each store, which says nothing yet.
    pub(crate) async fn on_each_store() -> Vec<Self> {
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
        let sqlite = SqliteStore::open(&path, settings).expect("open");
        let database = Postgres::shared().fresh_database();
        let settings = postgres::Settings::new(database.url().parse().expect("an address"));
        postgres::PostgresStore::migrate(&settings).await.expect("migrate");
        let postgres = postgres::PostgresStore::open(settings).await.expect("open");
        vec![
            Self { store: Box::new(sqlite), kept: Kept::File(directory) },
            Self { store: Box::new(postgres), kept: Kept::Database(database) },
        ]
    }

    /// Somebody could not log in, with this program.
    pub(crate) async fn record(&self, account: AccountId, at: Timestamp, user_agent: Option<&str>) {
        let told = Event {
            account,
            at,
            kind: EventKind::LoginFailed,
            session: None,
            cause: None,
            ip: Some("192.0.2.1".to_owned()),
            user_agent: user_agent.map(str::to_owned),
            note: Some("wrong password".to_owned()),
        };
        self.store.record(told).await.expect("record");
    }

    pub(crate) async fn covered(&self, now: Timestamp) {
        let made = checkpoints::add(self.store.as_ref(), &Key, now).await.expect("checkpoint");
        assert!(matches!(made, Checkpointing::Added(_)), "{made:?}");
    }

    pub(crate) async fn cut(&self, now: Timestamp, keep: Duration) -> Cutting {
        let cut =
            checkpoints::cut_what_is_covered(self.store.as_ref(), &Key, (now, keep), |_| async {}).await;
        cut.expect("cut").expect("the checkpoint is sound")
    }

    pub(crate) async fn verified(&self) -> Report {
        checkpoints::verify(self.store.as_ref(), &Key, |_| ()).await.expect("verify")
    }

    pub(crate) async fn is_sound(&self) -> Report {
        let report = self.verified().await;
        assert!(report.is_sound(), "{:?}", report.findings);
        report
    }

    /// An account's entries, oldest first.
    pub(crate) async fn chain(&self, account: AccountId) -> Vec<Entry> {
        let mut chain = self.store.entries_of(account, Slice::first(100)).await.expect("entries_of");
        chain.reverse();
        chain
    }

    /// What somebody does who can write to the database, `{account}` being whose chain it is done to.
    pub(crate) fn tamper(&self, account: AccountId, sql: &str) {
        let sql = sql.replace("{account}", &self.id(account));
        match &self.kept {
            Kept::File(directory) => {
                let connection =
                    rusqlite::Connection::open(directory.path().join("sprag.db")).expect("connect");
                assert_ne!(connection.execute(&sql, []), Ok(0), "{sql}");
            }
            Kept::Database(database) => drop(database.psql(&sql)),
        }
    }

    /// An account's id, as the database writes it.
    pub(crate) fn id(&self, account: AccountId) -> String {
        match &self.kept {
            Kept::File(_) => format!("x'{}'", account.0.simple()),
            Kept::Database(_) => format!("'{}'", account.0),
        }
    }

    /// A hash, as the database writes it.
    pub(crate) fn bytes(&self, hash: &Hash) -> String {
        match &self.kept {
            Kept::File(_) => format!("x'{}'", HEXLOWER.encode(hash)),
            Kept::Database(_) => format!("decode('{}', 'hex')", HEXLOWER.encode(hash)),
        }
    }
}

pub(crate) struct Key;

impl CheckpointKey for Key {
    fn tag(&self, _: Timestamp, bytes: &[u8]) -> (u8, Hash) {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"a key outside the database");
        (1, hmac::sign(&key, bytes).as_ref().try_into().expect("a tag has 32 bytes"))
    }

    fn verifies(&self, key_id: u8, bytes: &[u8], tag: &Hash) -> bool {
        key_id == 1 && *tag == self.tag(Timestamp(0), bytes).1
    }
}

#[test]
fn what_settles_is_covered() {
    assert!(SETTLED < DAY, "the days of these tests are covered at once");
}

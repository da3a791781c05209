//! Every store keeps the same promises.

use async_trait::async_trait;
use sprag::clock::Timestamp;
use sprag::session::{AccountId, Epoch};
use sprag::store::Store;
use sprag::store::contract::{self, Subject};
use sprag::store::memory::MemoryStore;

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_store_keeps_its_promises() {
    contract::run(async || InMemory(MemoryStore::new())).await;
}

struct InMemory(MemoryStore);

#[async_trait]
impl Subject for InMemory {
    fn store(&self) -> &dyn Store {
        &self.0
    }

    async fn place_account(&self, id: AccountId, epoch: Epoch, disabled_at: Option<Timestamp>) {
        self.0.place_account(id, epoch, disabled_at);
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use std::time::Duration;

    use rusqlite::{Connection, params};
    use sprag::store::sqlite::{Settings, SqliteStore};
    use tempfile::TempDir;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_sqlite_store_keeps_its_promises() {
        contract::run(async || OnDisk::new()).await;
    }

    struct OnDisk {
        store: SqliteStore,
        directory: TempDir,
    }

    impl OnDisk {
        fn new() -> Self {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let path = directory.path().join("sprag.db");
            SqliteStore::migrate(&path).expect("migrate");
            // A machine that stops for a while is no broken promise.
            let patient = Duration::from_secs(120);
            let settings = Settings {
                deadline: patient,
                busy_timeout: patient,
                restamp_after: patient,
                ..Settings::default()
            };
            let store = SqliteStore::open(&path, settings).expect("open");
            Self { store, directory }
        }
    }

    #[async_trait]
    impl Subject for OnDisk {
        fn store(&self) -> &dyn Store {
            &self.store
        }

        async fn place_account(&self, id: AccountId, epoch: Epoch, disabled_at: Option<Timestamp>) {
            let connection = Connection::open(self.directory.path().join("sprag.db")).expect("connect");
            connection.busy_timeout(Duration::from_secs(120)).expect("busy_timeout");
            let changed = connection.execute(
                "update account
                 set epoch = ?2,
                     disabled_at = ?3
                 where id = ?1",
                params![id.0.as_bytes(), epoch.0, disabled_at.map(|at| at.0)],
            );
            assert_eq!(changed, Ok(1));
        }
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use std::time::Duration;

    use sprag::store::postgres::{Batching, PostgresStore, Settings};
    use sprag_rig::{Database, Postgres};

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_postgres_store_keeps_its_promises() {
        contract::run(async || OnServer::new(Batching::Unnest, Postgres::shared().fresh_database()).await)
            .await;
    }

    /// As on a distributed engine: each rotation a statement of its own.
    #[tokio::test(flavor = "multi_thread")]
    async fn the_postgres_store_keeps_its_promises_row_by_row() {
        contract::run(async || OnServer::new(Batching::Rows, Postgres::shared().fresh_database()).await)
            .await;
    }

    struct OnServer {
        store: PostgresStore,
        beside: tokio_postgres::Client,
    }

    impl OnServer {
        async fn new(batching: Batching, database: Database) -> Self {
            let url = database.url();
            // A machine that stops for a while is no broken promise.
            let patient = Duration::from_secs(120);
            let settings = Settings {
                batching,
                deadline: patient,
                pool_wait: patient,
                restamp_after: patient,
                connect_timeout: patient,
                ..Settings::new(url.parse().expect("a URL"))
            };
            PostgresStore::migrate(&settings).await.expect("migrate");
            let store = PostgresStore::open(settings).await.expect("open");
            let (beside, connection) =
                tokio_postgres::connect(&url, tokio_postgres::NoTls).await.expect("connect");
            tokio::spawn(connection);
            Self { store, beside }
        }
    }

    #[async_trait]
    impl Subject for OnServer {
        fn store(&self) -> &dyn Store {
            &self.store
        }

        async fn place_account(&self, id: AccountId, epoch: Epoch, disabled_at: Option<Timestamp>) {
            let sql = "update account
                       set epoch = $2,
                           disabled_at = $3
                       where id = $1";
            let changed = self.beside.execute(sql, &[&id.0, &epoch.0, &disabled_at.map(|at| at.0)]).await;
            assert_eq!(changed.expect("place an account"), 1);
        }
    }
}

//! Real servers for tests, started by the tests themselves.
//!
//! Each server lives in a temporary directory of its own, listens on 127.0.0.1 on a port that was free, and is gone
//! with the test process, however that ends (see `supervisor.rs`). As root the servers run as another user, since
//! PostgreSQL and PgBouncer refuse root. Everything here blocks, for milliseconds, and panics with a sentence where it
//! fails: it serves tests only. It looks into `/proc`, and so needs Linux.
//!
//! ```no_run
//! let server = sprag_rig::Postgres::shared();
//! let database = server.fresh_database();
//! assert_eq!(database.psql("select 1"), "1");
//! ```

mod balancer;
mod clock;
mod listener;
pub mod npm;
mod pgbouncer;
mod ports;
mod postgres;
mod process;
mod prometheus;
mod proxy;
mod supervisor;
pub mod tools;

pub use balancer::{Haproxy, Nginx};
pub use clock::WoundClock;
pub use pgbouncer::PgBouncer;
pub use postgres::{Builder, Database, Identity, Postgres, Sync, TlsFiles};
pub use prometheus::{Prometheus, promtool};
pub use proxy::Proxy;

//! One connection: to a primary that keeps what it commits, and known to be our own or not.

use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use data_encoding::HEXLOWER;
use futures_util::FutureExt as _;
use futures_util::future::select_ok;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Config, Connection, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::server::{Server, TlsMode};
use super::tls;
use super::trouble::Trouble;
use crate::chance::{self, SystemChance};
use crate::error::Fault;

/// A statement and the types of its parameters.
#[derive(Debug)]
pub(super) struct Sql {
    pub(super) text: &'static str,
    pub(super) types: &'static [Type],
}

/// Makes connections.
#[derive(Clone)]
pub(super) struct Dialer {
    hosts: Vec<(String, Config)>,
    tls: MakeRustlsConnect,
    mode: TlsMode,
    timeout: Duration,
    options: &'static str,
}

/// What the server is asked to do for the hot statements: they find rows by their keys, whatever its statistics say of
/// tables that have just been filled, and their plans are made once.
const PLANS: &str = "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off \
                     -c plan_cache_mode=force_generic_plan";

/// The same, and in a lane nobody waits long for a row that somebody holds, for all others in the batch wait too.
const LANE_OPTIONS: &str = "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off \
                            -c plan_cache_mode=force_generic_plan -c lock_timeout=500ms";

/// A setting that a server takes on at the start of a connection and nobody else has. A pooler in between does not
/// pass it on: then the next statement may run on another connection of the pooler's, and none may be prepared.
const MARK: &str = "sprag.connection";

impl Dialer {
    pub(super) fn new(server: &Server, timeout: Duration) -> Result<Self, Fault> {
        let tls = tls::connector(server)?;
        Ok(Self { hosts: server.hosts(), tls, mode: server.tls, timeout, options: PLANS })
    }

    /// The same for lanes.
    pub(super) fn for_lanes(&self) -> Self {
        Self { options: LANE_OPTIONS, ..self.clone() }
    }

    /// Connects to the primary among the hosts. All are asked at the same time, so that one that is frozen holds
    /// nobody up.
    pub(super) async fn dial(&self) -> Result<Link, Trouble> {
        let attempts = self.hosts.iter().map(|(shown, config)| self.dial_host(shown, config).boxed());
        let (link, _) = select_ok(attempts).await?;
        Ok(link)
    }

    async fn dial_host(&self, shown: &str, config: &Config) -> Result<Link, Trouble> {
        let found = match tokio::time::timeout(self.timeout, self.greet(config)).await {
            Ok(found) => found,
            Err(_) => Err(Trouble::Silent(self.timeout)),
        };
        found.map_err(|trouble| Trouble::At(shown.to_owned(), Box::new(trouble)))
    }

    async fn greet(&self, config: &Config) -> Result<Link, Trouble> {
        let mark = HEXLOWER.encode(&chance::bytes::<16>(&SystemChance::default()));
        let given = config.get_options().unwrap_or_default();
        let mut marked = config.clone();
        marked.options(format!("{given} -c {MARK}={mark} {}", self.options).trim_start());
        let link = match self.connect(&marked).await {
            // A pooler that knows no such option says so here.
            Err(Trouble::Database(error)) if is_about_options(&error) => self.connect(config).await?,
            connected => connected?,
        };
        link.inspect(&mark).await
    }

    async fn connect(&self, config: &Config) -> Result<Link, Trouble> {
        match self.connect_once(config).await {
            Err(Trouble::Database(error)) if self.mode == TlsMode::Allow && error.as_db_error().is_some() => {
                self.connect_once(config.clone().ssl_mode(SslMode::Require)).await
            }
            connected => connected,
        }
    }

    async fn connect_once(&self, config: &Config) -> Result<Link, Trouble> {
        let (client, connection) = config.connect(self.tls.clone()).await?;
        let is_doubtful = Arc::new(AtomicBool::new(false));
        let driver = tokio::spawn(drive(connection, Arc::clone(&is_doubtful))).abort_handle();
        Ok(Link { client, driver, is_ours: false, is_doubtful, statements: Mutex::default() })
    }
}

/// Where in the server a commit waits for a synchronous standby; its words may be in any language.
const SYNCHRONOUS_WAIT: &str = "SyncRepWaitForLSN";

/// Carries a connection's messages until it ends. Whoever waits on it is told of its end there.
///
/// A commit that was to wait for a synchronous standby, and was cancelled by an operator while it waited, is reported as
/// done with no more than a warning: it is on the primary alone, and a failover may lose it.
async fn drive<S, T>(mut connection: Connection<S, T>, is_doubtful: Arc<AtomicBool>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
        match message {
            Ok(AsyncMessage::Notice(notice)) if notice.routine() == Some(SYNCHRONOUS_WAIT) => {
                is_doubtful.store(true, Ordering::Release);
                tracing::warn!("the database warns: {}", notice.message());
            }
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(error = %Trouble::from(error), "a connection to the database ended");
                return;
            }
        }
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.hosts.iter().map(|(shown, _)| shown)).finish()
    }
}

/// One connection. Dropping it closes it, whatever it was doing.
pub(super) struct Link {
    client: Client,
    driver: AbortHandle,
    /// Whether every statement goes to the same server process, so that one prepared there can be found again.
    is_ours: bool,
    /// Whether a commit did not wait for the standby; what was under way then counts as unknown.
    is_doubtful: Arc<AtomicBool>,
    statements: Mutex<HashMap<&'static str, Statement>>,
}

impl Link {
    /// Refuses a server that may not be written to or forgets what it commits.
    async fn inspect(mut self, mark: &str) -> Result<Self, Trouble> {
        const INSPECT: Sql = Sql {
            text: "select coalesce(current_setting('sprag.connection', true), '') as mark,
                          current_setting('synchronous_commit') as synchronous_commit,
                          pg_is_in_recovery() or current_setting('transaction_read_only') = 'on' as is_read_only",
            types: &[],
        };
        let row = self.one(&INSPECT, &[]).await?;
        if row.try_get("is_read_only")? {
            return Err(Trouble::ReadOnly);
        }
        let synchronous_commit: &str = row.try_get("synchronous_commit")?;
        if synchronous_commit == "off" {
            return Err(Trouble::Forgetful);
        }
        self.is_ours = row.try_get::<_, &str>("mark")? == mark;
        Ok(self)
    }

    pub(super) fn is_ours(&self) -> bool {
        self.is_ours
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    pub(super) async fn query(
        &self,
        sql: &Sql,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Trouble> {
        let rows = if self.is_ours {
            let statement = self.prepared(sql).await?;
            self.client.query(&statement, parameters).await?
        } else {
            let typed: Vec<_> = parameters.iter().copied().zip(sql.types.iter().cloned()).collect();
            self.client.query_typed(sql.text, &typed).await?
        };
        self.refuse_doubt()?;
        Ok(rows)
    }

    /// The row, if there is one.
    pub(super) async fn optional(
        &self,
        sql: &Sql,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, Trouble> {
        Ok(self.query(sql, parameters).await?.into_iter().next())
    }

    /// The row that there must be.
    pub(super) async fn one(&self, sql: &Sql, parameters: &[&(dyn ToSql + Sync)]) -> Result<Row, Trouble> {
        let row = self.optional(sql, parameters).await?;
        row.ok_or_else(|| Trouble::Unreadable("no row where there must be one".to_owned()))
    }

    /// How many rows were changed.
    pub(super) async fn execute(
        &self,
        sql: &Sql,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Trouble> {
        let count = if self.is_ours {
            let statement = self.prepared(sql).await?;
            self.client.execute(&statement, parameters).await?
        } else {
            let typed: Vec<_> = parameters.iter().copied().zip(sql.types.iter().cloned()).collect();
            self.client.execute_typed(sql.text, &typed).await?
        };
        self.refuse_doubt()?;
        Ok(count)
    }

    /// Runs statements that have no parameters and no answer.
    pub(super) async fn run(&self, text: &str) -> Result<(), Trouble> {
        self.client.batch_execute(text).await?;
        self.refuse_doubt()
    }

    fn refuse_doubt(&self) -> Result<(), Trouble> {
        if self.is_doubtful.load(Ordering::Acquire) { Err(Trouble::Doubtful) } else { Ok(()) }
    }

    /// For what goes by no statement of [`Sql`]: copying whole tables.
    #[cfg(feature = "sqlite")]
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    async fn prepared(&self, sql: &Sql) -> Result<Statement, Trouble> {
        let known = self.lock().get(sql.text).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = self.client.prepare_typed(sql.text, sql.types).await?;
        self.lock().insert(sql.text, statement.clone());
        Ok(statement)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<&'static str, Statement>> {
        self.statements.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("is_ours", &self.is_ours).finish_non_exhaustive()
    }
}

/// Whether a refusal may concern the options we sent.
fn is_about_options(error: &tokio_postgres::Error) -> bool {
    let codes = [
        SqlState::PROTOCOL_VIOLATION,
        SqlState::FEATURE_NOT_SUPPORTED,
        SqlState::UNDEFINED_OBJECT,
        SqlState::INVALID_PARAMETER_VALUE,
        SqlState::SYNTAX_ERROR,
        SqlState::CANT_CHANGE_RUNTIME_PARAM,
    ];
    error.code().is_some_and(|code| codes.contains(code))
}

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
use tokio_postgres::{AsyncMessage, Client, Config, Connection as Driver, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::QueryError;
use super::server::{Server, TlsMode};
use super::tls;
use crate::error::Fault;
use crate::random::{self, SystemRandom};

/// A statement and the types of its parameters.
#[derive(Debug)]
pub(super) struct Sql {
    pub(super) text: &'static str,
    pub(super) types: &'static [Type],
}

/// Makes connections.
#[derive(Clone)]
pub(super) struct Connector {
    hosts: Vec<(String, Config)>,
    tls: MakeRustlsConnect,
    mode: TlsMode,
    timeout: Duration,
    bounds: Option<Bounds>,
}

/// How long the server goes on with what nobody waits for any more. Whoever asked may have died or be cut off; locks that
/// were kept for it would hold up the living.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    statement: Duration,
    lock: Duration,
}

impl Bounds {
    fn settings(self) -> [(&'static str, String); 4] {
        let millis = |span: Duration| span.as_millis().to_string();
        [
            ("statement_timeout", millis(self.statement)),
            ("lock_timeout", millis(self.lock)),
            ("idle_in_transaction_session_timeout", millis(self.statement * 2)),
            ("client_connection_check_interval", "1000".to_owned()),
        ]
    }
}

/// What the server is asked to do for the hot statements: they find rows by their keys, whatever its statistics say of
/// tables that have just been filled, and their plans are made once.
const PLANS: [(&str, &str); 5] = [
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
    ("plan_cache_mode", "force_generic_plan"),
];

/// How long is waited for the server to hear that something is given up.
const CANCEL_PATIENCE: Duration = Duration::from_secs(1);

/// A setting that a server takes on at the start of a connection and nobody else has. A pooler in between does not
/// pass it on: then the next statement may run on another connection of the pooler's, and none may be prepared.
const MARK: &str = "sprag.connection";

impl Connector {
    pub(super) fn new(server: &Server, timeout: Duration) -> Result<Self, Fault> {
        let tls = tls::connector(server)?;
        Ok(Self { hosts: server.hosts(), tls, mode: server.tls, timeout, bounds: None })
    }

    /// A connector of connections on which nobody waits longer than `deadline`, nor longer than `lock` for a row that
    /// somebody else holds.
    pub(super) fn bounded(&self, deadline: Duration, lock: Duration) -> Self {
        Self { bounds: Some(Bounds { statement: deadline, lock }), ..self.clone() }
    }

    /// Connects to the primary among the hosts. All are asked at the same time, so that one that is frozen holds
    /// nobody up.
    pub(super) async fn connect_to_primary(&self) -> Result<Connection, QueryError> {
        let attempts = self.hosts.iter().map(|(shown, config)| self.connect_to_host(shown, config).boxed());
        let (connection, _) = select_ok(attempts).await?;
        Ok(connection)
    }

    /// Connects to any of the hosts, a standby too, and sets nothing: for reading what another system has written.
    pub(super) async fn connect_to_any(&self) -> Result<Connection, QueryError> {
        let attempts = self.hosts.iter().map(|(shown, config)| {
            let connected = async move {
                match tokio::time::timeout(self.timeout, self.connect(config)).await {
                    Ok(connected) => connected,
                    Err(_) => Err(QueryError::Silent(self.timeout)),
                }
            };
            connected
                .map(|found| found.map_err(|error| QueryError::At(shown.to_owned(), Box::new(error))))
                .boxed()
        });
        let (connection, _) = select_ok(attempts).await?;
        Ok(connection)
    }

    async fn connect_to_host(&self, shown: &str, config: &Config) -> Result<Connection, QueryError> {
        let found = match tokio::time::timeout(self.timeout, self.greet(config)).await {
            Ok(found) => found,
            Err(_) => Err(QueryError::Silent(self.timeout)),
        };
        found.map_err(|error| QueryError::At(shown.to_owned(), Box::new(error)))
    }

    async fn greet(&self, config: &Config) -> Result<Connection, QueryError> {
        let mark = HEXLOWER.encode(&random::bytes::<16>(&SystemRandom::default()));
        let given = config.get_options().unwrap_or_default();
        let mut marked = config.clone();
        marked.options(format!("{given} -c {MARK}={mark}").trim_start());
        let mut connection = match self.connect(&marked).await {
            // A pooler that knows no such option says so here.
            Err(QueryError::Database(error)) if is_about_options(&error) => self.connect(config).await?,
            connected => connected?,
        };
        connection.inspect(&mark).await?;
        let bounds = self.bounds.map(Bounds::settings).into_iter().flatten();
        if connection.is_ours {
            let plans = PLANS.map(|(name, value)| (name, value.to_owned()));
            connection.set(&plans.into_iter().chain(bounds).collect::<Vec<_>>()).await?;
        } else {
            let local = bounds.filter(|(name, _)| *name != "client_connection_check_interval");
            connection.begin.extend(local.map(|(name, value)| format!("; set local {name} = {value}")));
        }
        Ok(connection)
    }

    async fn connect(&self, config: &Config) -> Result<Connection, QueryError> {
        match self.connect_once(config).await {
            Err(QueryError::Database(error))
                if self.mode == TlsMode::Allow && error.as_db_error().is_some() =>
            {
                self.connect_once(config.clone().ssl_mode(SslMode::Require)).await
            }
            connected => connected,
        }
    }

    async fn connect_once(&self, config: &Config) -> Result<Connection, QueryError> {
        let (client, connection) = config.connect(self.tls.clone()).await?;
        let is_doubtful = Arc::new(AtomicBool::new(false));
        let driver = tokio::spawn(drive(connection, Arc::clone(&is_doubtful))).abort_handle();
        Ok(Connection {
            client,
            driver,
            tls: self.tls.clone(),
            is_ours: false,
            is_doubtful,
            begin: "begin isolation level read committed".to_owned(),
            statements: Mutex::default(),
        })
    }
}

/// Where in the server a commit waits for a synchronous standby; its words may be in any language.
const SYNCHRONOUS_WAIT: &str = "SyncRepWaitForLSN";

/// Carries a connection's messages until it ends. Whoever waits on it is told of its end there.
///
/// A commit that was to wait for a synchronous standby, and was cancelled by an operator while it waited, is reported as
/// done with no more than a warning: it is on the primary alone, and a failover may lose it.
async fn drive<S, T>(mut connection: Driver<S, T>, is_doubtful: Arc<AtomicBool>)
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
                tracing::debug!(error = %QueryError::from(error), "a connection to the database ended");
                return;
            }
        }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.hosts.iter().map(|(shown, _)| shown)).finish()
    }
}

/// One connection. Dropping it closes it, whatever it was doing.
pub(super) struct Connection {
    client: Client,
    driver: AbortHandle,
    tls: MakeRustlsConnect,
    /// Whether every statement goes to the same server process, so that one prepared there can be found again.
    is_ours: bool,
    /// Whether a commit did not wait for the standby; what was under way then counts as unknown.
    is_doubtful: Arc<AtomicBool>,
    /// What begins a transaction.
    begin: String,
    statements: Mutex<HashMap<&'static str, Statement>>,
}

impl Connection {
    /// Refuses a server that may not be written to or forgets what it commits.
    async fn inspect(&mut self, mark: &str) -> Result<(), QueryError> {
        const INSPECT: Sql = Sql {
            text: "select coalesce(current_setting('sprag.connection', true), '') as mark,
                          current_setting('synchronous_commit') as synchronous_commit,
                          pg_is_in_recovery() or current_setting('transaction_read_only') = 'on' as is_read_only",
            types: &[],
        };
        let row = self.one(&INSPECT, &[]).await?;
        if row.try_get("is_read_only")? {
            return Err(QueryError::ReadOnly);
        }
        let synchronous_commit: &str = row.try_get("synchronous_commit")?;
        if synchronous_commit == "off" {
            return Err(QueryError::Forgetful);
        }
        self.is_ours = row.try_get::<_, &str>("mark")? == mark;
        Ok(())
    }

    /// Sets what the server knows of these, for this connection.
    async fn set(&self, settings: &[(&'static str, String)]) -> Result<(), QueryError> {
        const SET: Sql = Sql {
            text: "
            select set_config(wanted.name, wanted.value, false)
            from unnest($1::text[], $2::text[]) as wanted (name, value)
            where wanted.name in (select name from pg_settings)",
            types: &[Type::TEXT_ARRAY, Type::TEXT_ARRAY],
        };
        let (names, values): (Vec<_>, Vec<_>) =
            settings.iter().map(|(name, value)| (*name, value.as_str())).unzip();
        self.query(&SET, &[&names, &values]).await.map(drop)
    }

    pub(super) async fn begin(&self) -> Result<(), QueryError> {
        self.run(&self.begin).await
    }

    /// Has the server make its plans anew. One made while a table was nearly empty reads all of it, and would go on
    /// doing so until somebody analyses the table.
    pub(super) async fn forget_plans(&self) -> Result<(), QueryError> {
        if self.is_ours { self.run("discard plans").await } else { Ok(()) }
    }

    /// Closes a connection on which something is still under way, and asks the server to give that up: whether it waits
    /// for a lock, a disk or a standby, nobody waits for it any more.
    pub(super) fn abandon(self) {
        if !self.is_ours || self.client.is_closed() {
            return;
        }
        let (cancel, tls) = (self.client.cancel_token(), self.tls.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                // It may have ended by itself, or the server may be gone; both are as good.
                let _ = tokio::time::timeout(CANCEL_PATIENCE, cancel.cancel_query(tls)).await;
            });
        }
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
    ) -> Result<Vec<Row>, QueryError> {
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
    ) -> Result<Option<Row>, QueryError> {
        Ok(self.query(sql, parameters).await?.into_iter().next())
    }

    /// The row that there must be.
    pub(super) async fn one(&self, sql: &Sql, parameters: &[&(dyn ToSql + Sync)]) -> Result<Row, QueryError> {
        let row = self.optional(sql, parameters).await?;
        row.ok_or_else(|| QueryError::Unreadable("no row where there must be one".to_owned()))
    }

    /// How many rows were changed.
    pub(super) async fn execute(
        &self,
        sql: &Sql,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, QueryError> {
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
    pub(super) async fn run(&self, text: &str) -> Result<(), QueryError> {
        self.client.batch_execute(text).await?;
        self.refuse_doubt()
    }

    fn refuse_doubt(&self) -> Result<(), QueryError> {
        if self.is_doubtful.load(Ordering::Acquire) { Err(QueryError::Doubtful) } else { Ok(()) }
    }

    /// For what goes by no statement of [`Sql`]: copying and reading whole tables.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    async fn prepared(&self, sql: &Sql) -> Result<Statement, QueryError> {
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

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("is_ours", &self.is_ours).finish_non_exhaustive()
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

//! One connection: to a primary that keeps what it commits, and known to be our own or not.

use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use data_encoding::HEXLOWER;
use futures_util::FutureExt as _;
use futures_util::future::{join, select_ok};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Config, Connection as Driver, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Batching;
use super::error::{QueryError, handshake_failed};
use super::server::{Server, TlsMode, is_socket};
use super::tls;
use crate::error::Fault;
use crate::random::{self, SystemRandom};

/// A statement and the types of its parameters.
#[derive(Debug)]
pub(super) struct Sql {
    pub(super) text: &'static str,
    pub(super) types: &'static [Type],
}

/// Where a statement's text stands and how long it is: enough to know it again, without hashing all of it for each batch.
type Whereabouts = (usize, usize);

fn whereabouts(sql: &Sql) -> Whereabouts {
    (sql.text.as_ptr().addr(), sql.text.len())
}

/// Makes connections.
#[derive(Clone)]
pub(super) struct Connector {
    hosts: Vec<(String, Config)>,
    tls: MakeRustlsConnect,
    mode: TlsMode,
    timeout: Duration,
    bounds: Option<Bounds>,
    batching: Batching,
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
/// tables that have just been filled, and their plans are made once. Not on Citus: it makes no plan for several shards while
/// it does not know a statement's parameters, and fails.
const PLANS: [(&str, &str); 5] = [
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
    ("plan_cache_mode", "force_generic_plan"),
];

/// The pause before a host that refused is asked again while another is silent.
const AGAIN: Duration = Duration::from_millis(250);

/// How long is waited for the server to hear that something is given up.
const CANCEL_PATIENCE: Duration = Duration::from_secs(1);

/// A setting that a server takes on at the start of a connection and nobody else has. A pooler in between does not
/// pass it on: then the next statement may run on another connection of the pooler's, and none may be prepared.
const MARK: &str = "sprag.connection";

impl Connector {
    /// A connector that gives each host `timeout` to greet, unless the URL says otherwise (`connect_timeout`).
    pub(super) fn new(server: &Server, timeout: Duration) -> Result<Self, Fault> {
        let tls = tls::connector(server)?;
        let timeout = server.connect_timeout().unwrap_or(timeout);
        Ok(Self {
            hosts: server.hosts(),
            tls,
            mode: server.tls,
            timeout,
            bounds: None,
            batching: Batching::Auto,
        })
    }

    /// How long connecting to one host may take.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// A connector of connections on which nobody waits longer than `deadline`, nor longer than `lock` for a row that
    /// somebody else holds.
    pub(super) fn bounded(&self, deadline: Duration, lock: Duration) -> Self {
        Self { bounds: Some(Bounds { statement: deadline, lock }), ..self.clone() }
    }

    /// A connector of connections whose statements suit an engine; see [`Connection::sends_rows`].
    pub(super) fn suiting(&self, batching: Batching) -> Self {
        Self { batching, ..self.clone() }
    }

    /// Connects to the primary among the hosts. All are asked at the same time, and those that refuse again until each has
    /// been heard or given up, so that one that is frozen holds nobody up: another may become the primary meanwhile.
    pub(super) async fn connect_to_primary(&self) -> Result<Connection, QueryError> {
        let unheard = AtomicUsize::new(self.hosts.len());
        let attempts = self.hosts.iter().map(|(shown, config)| {
            let unheard = &unheard;
            let again_and_again = async move {
                let mut found = self.connect_to_host(shown, config).await;
                unheard.fetch_sub(1, Ordering::AcqRel);
                while found.is_err() && unheard.load(Ordering::Acquire) > 0 {
                    tokio::time::sleep(AGAIN).await;
                    found = self.connect_to_host(shown, config).await;
                }
                found
            };
            again_and_again.boxed()
        });
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
        let bounds: Vec<_> = self.bounds.map(Bounds::settings).into_iter().flatten().collect();
        let plans = PLANS.map(|(name, value)| (name, value.to_owned()));
        connection.inspect(&mark, &plans.into_iter().chain(bounds.clone()).collect::<Vec<_>>()).await?;
        if !connection.is_ours {
            let local = bounds.iter().filter(|(name, _)| *name != "client_connection_check_interval");
            connection.begin.extend(local.map(|(name, value)| format!("; set local {name} = {value}")));
        }
        Ok(connection)
    }

    /// Connects, and once more the other way where the mode leaves it open whether TLS is used, as libpq does: `allow` goes
    /// on with TLS where the server refuses to talk without; `prefer` goes on without where the handshake fails, or where
    /// the server takes this user with TLS not at all.
    async fn connect(&self, config: &Config) -> Result<Connection, QueryError> {
        if is_socket(config) {
            return self.connect_once(config).await;
        }
        match (self.connect_once(config).await, self.mode) {
            (Err(QueryError::Database(error)), TlsMode::Allow) if error.as_db_error().is_some() => {
                self.connect_once(config.clone().ssl_mode(SslMode::Require)).await
            }
            (Err(QueryError::Database(error)), TlsMode::Prefer) if is_about_tls(&error) => {
                self.connect_once(config.clone().ssl_mode(SslMode::Disable)).await
            }
            (connected, _) => connected,
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
            sends_rows: self.batching == Batching::Rows,
            is_doubtful,
            begin: "begin isolation level read committed".to_owned(),
            transacts: AtomicBool::new(false),
            statements: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
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
    sends_rows: bool,
    /// Whether a commit did not wait for the standby; what was under way then counts as unknown.
    is_doubtful: Arc<AtomicBool>,
    /// What begins a transaction.
    begin: String,
    /// Whether a transaction has begun whose end has not been sent.
    transacts: AtomicBool,
    statements: Mutex<HashMap<Whereabouts, Statement>>,
    /// Behind a pooler, outside of transactions, one statement is answered before the next is written: a pooler that takes a
    /// server back at the first answer would hand what is still to come to whoever has that server then. In a transaction it
    /// keeps the server until the end.
    turn: tokio::sync::Mutex<()>,
}

impl Connection {
    /// Refuses a server that may not be written to or forgets what it commits, and sets what the server knows of
    /// `settings`, where the connection is ours: all in one round trip, for the server may be far away. Generic plans are
    /// not for Citus, which cannot make them for statements that go to several shards.
    async fn inspect(&mut self, mark: &str, settings: &[(&'static str, String)]) -> Result<(), QueryError> {
        const INSPECT: Sql = Sql {
            text: "select coalesce(current_setting('sprag.connection', true), '') as mark,
                          current_setting('synchronous_commit') as synchronous_commit,
                          pg_is_in_recovery() or current_setting('transaction_read_only') = 'on' as is_read_only,
                          (select count(set_config(wanted.name, wanted.value, false))
                           from unnest($2::text[], $3::text[]) as wanted (name, value)
                           where current_setting('sprag.connection', true) = $1
                             and wanted.name in (select name from pg_settings)
                             and case wanted.name
                                     when 'plan_cache_mode'
                                         then not exists (select from pg_extension where extname = 'citus')
                                     else true
                                 end) as how_many_set",
            types: &[Type::TEXT, Type::TEXT_ARRAY, Type::TEXT_ARRAY],
        };
        let (names, values): (Vec<_>, Vec<_>) =
            settings.iter().map(|(name, value)| (*name, value.as_str())).unzip();
        let row = self.one(&INSPECT, &[&mark, &names, &values]).await?;
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

    pub(super) async fn begin(&self) -> Result<(), QueryError> {
        self.transacts.store(true, Ordering::Release);
        self.run(&self.begin).await
    }

    /// Ends what [`begin`](Self::begin) began: what was sent before belongs to it still, what is sent from now on does not.
    pub(super) async fn end(&self, is_kept: bool) -> Result<(), QueryError> {
        self.transacts.store(false, Ordering::Release);
        self.run(if is_kept { "commit" } else { "rollback" }).await
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

    /// Has statements suit an engine from now on, as those of [`Connector::suiting`] do.
    pub(super) fn suit(&mut self, batching: Batching) {
        self.sends_rows = batching == Batching::Rows;
    }

    /// Whether statements go to one row each, or to one account's rows, and so to one shard of a distributed engine.
    pub(super) fn sends_rows(&self) -> bool {
        self.sends_rows
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    pub(super) async fn query(
        &self,
        sql: &Sql,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, QueryError> {
        let rows = match self.prepared(sql) {
            Some(statement) => self.client.query(&statement, parameters).await?,
            None => {
                let typed: Vec<_> = parameters.iter().copied().zip(sql.types.iter().cloned()).collect();
                let _turn = self.turn().await;
                self.first(sql, self.client.query_typed(sql.text, &typed)).await?
            }
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
        let count = match self.prepared(sql) {
            Some(statement) => self.client.execute(&statement, parameters).await?,
            None => {
                let typed: Vec<_> = parameters.iter().copied().zip(sql.types.iter().cloned()).collect();
                let _turn = self.turn().await;
                self.first(sql, self.client.execute_typed(sql.text, &typed)).await?
            }
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

    fn prepared(&self, sql: &Sql) -> Option<Statement> {
        self.lock().get(&whereabouts(sql)).cloned()
    }

    /// Runs a statement for the first time, and has it prepared behind that for the next: both leave at once, so that
    /// a connection's first use of a statement takes one round trip like every other.
    async fn first<T>(
        &self,
        sql: &Sql,
        run: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, tokio_postgres::Error> {
        if !self.is_ours {
            return run.await;
        }
        let (ran, prepared) = join(run, self.client.prepare_typed(sql.text, sql.types)).await;
        // Behind a statement that failed in a transaction it fails too, and is prepared the next time.
        if let Ok(statement) = prepared {
            self.lock().insert(whereabouts(sql), statement);
        }
        ran
    }

    async fn turn(&self) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let may_go_at_once = self.is_ours || self.transacts.load(Ordering::Acquire);
        if may_go_at_once { None } else { Some(self.turn.lock().await) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Whereabouts, Statement>> {
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

/// Whether going on without TLS may help: the handshake failed, or the server has no rule for this user with TLS.
fn is_about_tls(error: &tokio_postgres::Error) -> bool {
    error.code().map_or_else(
        || handshake_failed(error),
        |code| *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
    )
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

//! What is promised where the tables are spread over several servers, as far as one PostgreSQL can tell: which statements are
//! sent, and what becomes of the time in which not all servers answered. `scripts/citus` holds the rest against a cluster.
#![cfg(feature = "postgres")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use sprag::account::{Account, Name};
use sprag::audit::{Event, EventKind};
use sprag::clock::Timestamp;
use sprag::outages::{Mark, Marking, NodeId};
use sprag::policy::Policy;
use sprag::ratchet::{Moment, Presented, Rotation};
use sprag::session::{
    AccountId, EndCause, Epoch, Generation, ProfileId, Session, SessionDetail, SessionId, SessionKey,
};
use sprag::store::postgres::{Batching, PostgresStore, Settings};
use sprag::store::{Commit, Ending, Expect, Marks as _, Queries as _, Sessions as _, Step, Store as _};
use sprag_rig::{PgBouncer, Postgres};
use tokio::time::{Instant, sleep};
use uuid::{Builder, Uuid};

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const PATIENCE: Duration = Duration::from_secs(30);

async fn opened(url: &str) -> PostgresStore {
    let settings = Settings { batching: Batching::Rows, ..Settings::new(url.parse().expect("a URL")) };
    PostgresStore::migrate(&settings).await.expect("migrate");
    PostgresStore::open(settings).await.expect("open")
}

/// An account with two sessions, one of them imported.
fn made(account: AccountId, sessions: &[SessionId]) -> Commit {
    let event = Event {
        account,
        at: NOW,
        kind: EventKind::SessionOpened,
        session: None,
        cause: None,
        ip: None,
        user_agent: None,
        note: None,
    };
    let person = Account {
        id: account,
        epoch: Epoch(0),
        disabled_at: None,
        is_admin: false,
        created_at: NOW,
        username: None,
        email: None,
        confirmed: None,
        erase_at: None,
        particulars: Default::default(),
    };
    let open = sessions.iter().map(|session| {
        let key = SessionKey { account, session: *session };
        let session = Session::begun(key, ProfileId(1), [7; 32], Epoch(0), &Policy::default(), NOW);
        Step::OpenSession { session: Box::new(session), detail: SessionDetail::default() }
    });
    let create = Commit {
        account,
        expect: Expect::Anything,
        steps: vec![Step::CreateAccount(Box::new(person))],
        events: vec![event.clone()],
    };
    let steps = create.steps.into_iter().chain(open).collect();
    Commit { steps, events: vec![event.clone(), event], ..create }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_tables_are_spread_no_statement_is_for_the_rows_of_several_accounts() {
    let server = Postgres::builder().set("log_statement", "all").start();
    let store = opened(&server.fresh_database().url()).await;
    let account = AccountId(Uuid::from_u128(1));
    let imported = SessionId(Builder::from_custom_bytes([5; 16]).into_uuid());
    let sessions = [imported, SessionId(Uuid::from_u128(2))];
    assert!(store.commit_of(made(account, &sessions)).await);
    let end_all =
        Step::EndSessions { except: None, with: None, ending: Ending::by_itself(EndCause::LogoutAll, NOW) };
    let key = SessionKey { account, session: imported };
    assert!(store.find(key).await.expect("find").is_some());
    assert!(store.session(key).await.expect("session").is_some());
    assert!(store.named(imported).await.expect("named").is_some());
    let junk = SessionId(Builder::from_custom_bytes([6; 16]).into_uuid());
    assert_eq!(store.named(junk).await.expect("named"), None);
    let end = Commit { account, expect: Expect::Anything, steps: vec![end_all], events: Vec::new() };
    assert!(store.commit_of(end).await);

    // Names of earlier builds are on whichever server; whose name it is needs none of them.
    let name = Name::username("κώστας").expect("a name");
    let steps = vec![Step::AddName(name.clone())];
    assert!(store.commit_of(Commit { account, expect: Expect::Anything, steps, events: Vec::new() }).await);
    assert!(store.credential(&name).await.expect("credential").is_some());

    let log = server.log();
    assert_eq!(
        log.matches("and form = $2").count(),
        1,
        "registering looks for names alike, a log-in does not"
    );
    assert_eq!(log.matches("insert into event").count(), 4, "each entry by a statement of its own");
    for (wrong, why) in [
        ("unnest($1::uuid[]", "a batch goes to every server"),
        ("unnest($2::bigint[]", "entries made by the statement itself are a copy, under two-phase commit"),
        ("where d.session_id", "an imported session is found by its id, not by asking every server"),
    ] {
        assert!(!log.contains(wrong), "{why}");
    }
    assert!(log.contains("from imported_session"));
}

/// A server that does not answer, here a table that somebody has locked, costs its accounts; and the time costs nobody a
/// session.
#[tokio::test(flavor = "multi_thread")]
async fn the_time_in_which_not_all_servers_answered_is_written_down_as_an_outage() {
    let database = Postgres::shared().fresh_database();
    let store = opened(&database.url()).await;
    let node = NodeId(Uuid::from_u128(7));
    let mark = || {
        let mark = Mark { node, place: "here".into(), moved_at: store.clock().now(), clock_off_by: None };
        store.mark(Marking { mark: Some(mark), ..Marking::default() })
    };
    mark().await.expect("mark");
    assert_eq!(store.marked().await.expect("marked").outages, []);

    let (client, connection) =
        tokio_postgres::connect(&database.url(), tokio_postgres::NoTls).await.expect("connect");
    tokio::spawn(connection);
    client.batch_execute("begin; lock table account in access exclusive mode").await.expect("lock");
    let deadline = Instant::now() + PATIENCE;
    while store.marked().await.expect("marked").outages.is_empty() {
        assert!(Instant::now() < deadline, "nobody noticed");
        sleep(Duration::from_millis(20)).await;
    }
    mark().await.expect("the mark moves all the same");
    let written = || database.psql("select count(*) || ' ' || max(until_at - from_at) from outage");
    let first = written();
    assert!(first.starts_with("1 "), "{first}");
    client.batch_execute("rollback").await.expect("rollback");
    let deadline = Instant::now() + PATIENCE;
    loop {
        mark().await.expect("mark");
        let before = written();
        mark().await.expect("mark");
        // Once all answer it grows no more.
        if before != first && written() == before {
            break;
        }
        assert!(Instant::now() < deadline, "the outage does not end: {before}");
        sleep(Duration::from_millis(20)).await;
    }
    assert!(written().starts_with("1 "), "it is one outage");
}

/// The guide's own file, which `scripts/citus` runs, and the statements are held against the same columns.
#[tokio::test(flavor = "multi_thread")]
async fn the_guide_spreads_every_table_or_says_that_it_stays() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/growing/distribute.sql");
    let sql = std::fs::read_to_string(guide).expect("the guide's file");
    let mut spread = BTreeMap::new();
    for line in sql.lines().filter(|line| line.starts_with("select create_distributed_table(")) {
        let words: Vec<&str> = line.split('\'').collect();
        spread.insert(words[1].to_owned(), words[3].to_owned());
    }
    let by_account = ["credential", "session", "session_detail", "event", "one_time_token", "outbox"];
    let mut expected: BTreeMap<String, String> =
        by_account.iter().map(|table| ((*table).to_owned(), "account_id".to_owned())).collect();
    for (table, column) in
        [("account", "id"), ("identity", "value"), ("imported_session", "session_id"), ("held_name", "hash")]
    {
        expected.insert(table.to_owned(), column.to_owned());
    }
    assert_eq!(spread, expected);
    let database = Postgres::shared().fresh_database();
    opened(&database.url()).await.ready().await.expect("ready");
    let tables =
        database.psql("select string_agg(tablename, ' ') from pg_tables where schemaname = 'public'");
    for table in tables.split_whitespace() {
        assert!(sql.contains(table), "distribute.sql says nothing of the table {table}");
    }
    for (table, column) in &spread {
        // What is unique must be so on each server: the column is part of every primary key.
        let in_key = database.psql(&format!(
            "select count(*) from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
             where i.indrelid = '{table}'::regclass and i.indisprimary and a.attname = '{column}'"
        ));
        assert_eq!(in_key, "1", "{table} is spread by {column}, which is not in its key");
    }
}

/// Some of the statements fail, as all do whose server is away; what the others ask is answered to them.
#[tokio::test(flavor = "multi_thread")]
async fn behind_a_pooler_nobody_gets_the_answer_of_another_when_a_statement_fails() {
    let server = Postgres::shared();
    let database = server.fresh_database();
    let direct = opened(&database.url()).await;
    let key = |number: u128| SessionKey {
        account: AccountId(Uuid::from_u128(number)),
        session: SessionId(Uuid::from_u128(100 + number)),
    };
    for number in 1..=12 {
        assert!(direct.commit_of(made(key(number).account, &[key(number).session])).await);
    }
    database.psql(
        "create function fail() returns trigger language plpgsql as $$
         begin raise exception 'away' using errcode = '53400'; end $$;
         create trigger fail before update on session for each row
         when (new.account_id < '00000000-0000-0000-0000-000000000005') execute function fail()",
    );
    let pooler = PgBouncer::start(server, 4);
    let name = database.url().rsplit('/').next().expect("a name").to_owned();
    let store = opened(&pooler.url(&name)).await;
    for generation in 0..60 {
        let asks = (1..=12).map(|number| {
            let (store, key) = (&store, key(number));
            async move {
                let policy = Policy::default();
                let token = Presented {
                    key,
                    profile: ProfileId(1),
                    // What is away does not turn.
                    generation: Generation(if number < 5 { 0 } else { generation }),
                    secret_hash: [7; 32],
                    retry_hash: None,
                    instance_hash: [u8::try_from(number).expect("a small number"); 16],
                };
                let now = NOW.plus(Duration::from_secs(60 * (generation + 1)));
                let moment = Moment::uninterrupted(now, policy.reuse_interval);
                let rotation = Rotation::optimistic(&token, moment, &policy).expect("not the last one");
                let (turned, found) = tokio::join!(store.rotate(rotation, None), store.find(key));
                let found = found.expect("find").expect("it is there").session;
                assert_eq!(found.key, key, "another's row");
                if number < 5 {
                    turned.expect_err("it is away");
                } else {
                    assert!(turned.expect("rotate").is_some(), "{number} does not turn from {generation}");
                }
            }
        });
        futures_util::future::join_all(asks).await;
    }
}

trait Done {
    async fn commit_of(&self, commit: Commit) -> bool;
}

impl Done for PostgresStore {
    async fn commit_of(&self, commit: Commit) -> bool {
        sprag::store::Commits::commit(self, commit).await.expect("commit").is_done()
    }
}

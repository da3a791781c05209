//! What becomes of a database of the version before: its sessions go on, under the rules that are newer than they are.
#![cfg(any(feature = "sqlite", feature = "postgres"))]

use std::fs;
use std::path::Path;

use sprag::account::Name;
use sprag::clock::Timestamp;
use sprag::policy::{MAX_RETRIES, Policy};
use sprag::ratchet::{Moment, Presented, Rotation};
use sprag::session::{AccountId, EndCause, Generation, Methods, ProfileId, Session, SessionId, SessionKey};
use sprag::store::{Slice, Store};
use uuid::Uuid;

/// The last migration of the version before.
const BEFORE: i64 = 3;
const OPENED: Timestamp = Timestamp(1_800_000_000_000);
const TURNED: Timestamp = Timestamp(OPENED.0 + 60_000);

const HISTORY: &str = "create table refinery_schema_history (
    version int4 primary key, name varchar(255), applied_on varchar(255), checksum varchar(255))";

/// Of the version before's sessions: one that goes on, one whose password was changed a moment ago, one that has ended, and
/// one that was imported.
const LIVE: u8 = 1;
const SEALED: u8 = 2;
const ENDED: u8 = 3;
const IMPORTED: u8 = 4;

/// Sixteen times the same byte; of the imported session, with the version of what is made of a token.
fn id(byte: u8) -> Uuid {
    let id = Uuid::from_bytes([byte; 16]);
    if byte == IMPORTED { uuid::Builder::from_custom_bytes([byte; 16]).into_uuid() } else { id }
}

fn key(session: u8) -> SessionKey {
    SessionKey { account: AccountId(id(9)), session: SessionId(id(session)) }
}

/// The SQL of every migration up to the version before, in order.
fn sql_before(engine: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(engine);
    let names = fs::read_dir(&folder).expect("migrations").map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<_> = names.collect();
    paths.sort_by_key(|path| number(path));
    let before = usize::try_from(BEFORE).expect("a small number");
    paths[..before].iter().map(|path| fs::read_to_string(path).expect("SQL")).collect()
}

/// V10 comes after V9.
fn number(path: &Path) -> u32 {
    let name = path.file_name().expect("a name").to_string_lossy();
    let digits: String = name.chars().skip(1).take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a number")
}

/// Rows as that build wrote them; `hex` makes a blob of hexadecimal digits.
fn rows(hex: impl Fn(&str) -> String, written: impl Fn(Uuid) -> String, truth: [&str; 2]) -> String {
    let (opened, turned, ends) = (OPENED.0, TURNED.0, OPENED.0 + 86_400_000);
    let [is_false, is_true] = truth;
    let (secret, instance) = (hex(&"07".repeat(32)), hex(&"02".repeat(16)));
    let account = written(id(9));
    let session = |number: u8, is_sealed: &str, ended: &str| {
        let id = written(id(number));
        format!(
            "insert into session (account_id, id, profile, generation, secret_hash, epoch, created_at, rotated_at,
                 idle_expires_at, expires_at, retry_hash, instance_hash, retries, is_sealed, streak, streak_generation,
                 ended_at, ended_cause)
             values ({account}, {id}, 1, 4, {secret}, 0, {opened}, {turned}, {ends}, {ends}, null, {instance}, 2,
                 {is_sealed}, 0, null, {ended});"
        )
    };
    [
        format!(
            "insert into account (id, epoch, is_admin, created_at, username, password_hash, external_id, external_page)
             values ({account}, 0, {is_false}, {opened}, 'ann', 'hash', 'old-7', 5);"
        ),
        format!(
            "insert into identity (kind, value, account_id)
             values ('username', 'ann', {account}), ('external', '5/old-7', {account}),
                    ('username', 'κώστας', {account}), ('username', 'an\u{200d}n', {account}),
                    ('email', 'ann@bücher.example', {account}), ('email', 'ann@xn--bcher-kva.example', {other});",
            other = written(id(8))
        ),
        session(LIVE, is_false, "null, null"),
        session(SEALED, is_true, "null, null"),
        session(ENDED, is_true, &format!("{turned}, 'logout'")),
        session(IMPORTED, is_false, "null, null"),
        format!(
            "insert into session_detail (account_id, session_id) values ({account}, {});",
            written(id(IMPORTED))
        ),
    ]
    .concat()
}

/// Each name leads where it did, and those of an earlier build are told.
async fn names_go_on(store: &dyn Store) {
    let listed = store.names_of_earlier_builds(Slice::first(10)).await.expect("names");
    let mut values: Vec<&str> = listed.iter().map(|(name, _)| name.value.as_str()).collect();
    values.sort_unstable();
    assert_eq!(values, ["ann@bücher.example", "an\u{200d}n", "κώστας"]);
    for typed in ["ann", "ΚΏΣΤΑΣ", "κώστας", "κώστασ", "an\u{200d}n", "ANN@bücher.example"]
    {
        let mut found = None;
        for name in Name::meant_by(typed) {
            found = found.or(store.credential(&name).await.expect("credential"));
        }
        assert_eq!(found.map(|found| found.account.id), Some(key(LIVE).account), "{typed}");
    }
    let clash = store.alike(&Name::email("ann@bücher.example").expect("an address")).await.expect("alike");
    assert_eq!(clash.len(), 2, "two accounts have one address: {clash:?}");
}

async fn goes_on_as_it_should(store: &dyn Store) {
    names_go_on(store).await;
    let find = async |session| store.find(key(session)).await.expect("find").expect("it is there");
    let live = find(LIVE).await.session;
    let expected = Session {
        generation: Generation(4),
        authenticated_at: OPENED,
        methods: Methods::NONE,
        instance_hash: [2; 16],
        previous_retry_hash: None,
        other_instance_hash: None,
        taken_generation: None,
        contested_generation: None,
        retries: 2,
        ..live.clone()
    };
    assert_eq!(live, expected);
    assert_eq!(find(SEALED).await.session.retries, MAX_RETRIES, "its spent token still gets nothing");
    let ended = find(ENDED).await.session;
    assert_eq!((ended.ended.map(|ended| ended.cause), ended.retries), (Some(EndCause::Logout), 2));
    let named = store.named(key(IMPORTED).session).await.expect("named");
    assert_eq!(named.map(|(session, _)| session.key), Some(key(IMPORTED)), "its token leads to it still");
    let ann = store.account(key(LIVE).account).await.expect("account").expect("it is there");
    let external = ann.particulars.external.expect("it came from another system");
    assert_eq!((external.id.as_str(), external.profile), ("old-7", ProfileId(5)));

    // Its own instance and then another turn it.
    let mut row = live;
    for instance in [2, 3] {
        let token = Presented {
            key: row.key,
            profile: row.profile,
            generation: row.generation,
            secret_hash: [7; 32],
            retry_hash: None,
            instance_hash: [instance; 16],
        };
        let policy = Policy::default();
        let now = Timestamp(row.rotated_at.0 + 60_000);
        let moment = Moment::uninterrupted(now, policy.reuse_interval);
        let rotation = Rotation::optimistic(&token, moment, &policy).expect("not the last generation");
        let rotated = store.rotate(rotation, None).await.expect("rotate").expect("it turns");
        assert_eq!((rotated.authenticated_at, rotated.methods), (OPENED, Methods::NONE));
        row = find(LIVE).await.session;
    }
    assert_eq!((row.other_instance_hash, row.taken_generation), (Some([2; 16]), Some(Generation(6))));
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_sqlite_file_of_the_version_before_goes_on() {
    use sprag::store::sqlite::{Settings, SqliteStore};

    let directory = tempfile::tempdir().expect("a temporary directory");
    let (path, reference) = (directory.path().join("sprag.db"), directory.path().join("reference.db"));
    SqliteStore::migrate(&reference).expect("migrate");
    let connection = rusqlite::Connection::open(&path).expect("a database");
    connection.execute_batch(HISTORY).expect("the table of migrations");
    sql_before("sqlite").iter().for_each(|sql| connection.execute_batch(sql).expect("a migration"));
    let copied = format!(
        "attach '{}' as reference;
         insert into main.refinery_schema_history
         select * from reference.refinery_schema_history where version <= {BEFORE};
         detach reference;",
        reference.display()
    );
    connection.execute_batch(&copied).expect("the history");
    let written = |id: Uuid| format!("x'{}'", id.simple());
    connection.execute_batch(&rows(|hex| format!("x'{hex}'"), written, ["0", "1"])).expect("rows");
    drop(connection);

    let applied = SqliteStore::migrate(&path).expect("migrate");
    assert_eq!(
        applied.iter().map(|migrated| migrated.version).collect::<Vec<_>>(),
        (BEFORE + 1..=BEFORE + 11).collect::<Vec<_>>()
    );
    goes_on_as_it_should(&SqliteStore::open(&path, Settings::default()).expect("open")).await;
    let connection = rusqlite::Connection::open(&path).expect("a database");
    let noted = "select hex(session_id) || hex(account_id) from imported_session";
    let noted: String = connection.query_row(noted, [], |row| row.get(0)).expect("one imported session");
    assert_eq!(noted.to_lowercase(), format!("{}{}", id(IMPORTED).simple(), id(9).simple()));
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_database_of_the_version_before_goes_on() {
    use sprag::store::postgres::{Batching, PostgresStore, Server, Settings};

    let (database, reference) =
        (sprag_rig::Postgres::shared().fresh_database(), sprag_rig::Postgres::shared().fresh_database());
    let settings = |url: &str| Settings::new(url.parse::<Server>().expect("an address"));
    PostgresStore::migrate(&settings(&reference.url())).await.expect("migrate");
    let history = reference.psql(&format!(
        "select string_agg(format('(%s, %L, %L, %L)', version, name, applied_on, checksum), ', ')
         from refinery_schema_history where version <= {BEFORE}"
    ));
    database.psql(HISTORY);
    sql_before("postgres").iter().for_each(|sql| drop(database.psql(sql)));
    database.psql(&format!("insert into refinery_schema_history values {history}"));
    let written = |id: Uuid| format!("'{id}'");
    database.psql(&rows(|hex| format!("decode('{hex}', 'hex')"), written, ["false", "true"]));

    let applied = PostgresStore::migrate(&settings(&database.url())).await.expect("migrate");
    assert_eq!(
        applied.iter().map(|migrated| migrated.version).collect::<Vec<_>>(),
        (BEFORE + 1..=BEFORE + 11).collect::<Vec<_>>()
    );
    // As where the tables are spread, which finds an imported session by the table that the migration has filled.
    let spread = Settings { batching: Batching::Rows, ..settings(&database.url()) };
    goes_on_as_it_should(&PostgresStore::open(spread).await.expect("open")).await;
}

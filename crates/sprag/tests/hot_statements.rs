//! Every statement of the PostgreSQL store either stays on one shard or is named here as one that need not.
//!
//! The statements are read out of the store's own source, so that none can be forgotten, and prepared on a real server,
//! which also says which functions are volatile.
#![cfg(feature = "postgres")]

use std::collections::HashMap;
use std::path::Path;

use sprag::store::postgres::{PostgresStore, Settings};
use sprag_rig::Postgres;
use tokio_postgres::{Client, NoTls};

/// What may go to every shard, or to none: no log-in, refresh, end or password change waits for it.
const COLD: &[&str] = &[
    // Listings of everything, for the audit and for administrators, slice by slice; and the sweep's walk.
    "ENTRIES",
    "RECENT",
    "BY_TIME",
    "HEADS",
    "HEADS_OF_SHARDS",
    "ACCOUNTS",
    "WITHOUT_PASSWORD",
    "NAMES_BEGINNING",
    "ACCOUNTS_AMONG",
    "LOOK",
    // A session by its id alone that was not imported: `sprag why`, `session revoke`, an administrator's look.
    "NAMED",
    // Names that an earlier build made, by their form: only for a name that nobody has and that has letters beyond ASCII or
    // an international domain; and their listing, and the migration that goes through all names.
    "EARLIER_NAMES",
    "NAMES_OF_EARLIER_BUILDS",
    "NEXT_NAMES",
    // Checkpoints, once an hour; a reference table.
    "LAST_CHECKPOINT",
    "CHECKPOINTS",
    "ADD_CHECKPOINT",
    // What the journal loses once it is older than it is kept: a listing of all accounts, and a small table.
    "MAY_CUT",
    "BEGINNINGS",
    "BEGINNINGS_OF_SHARDS",
    "LAST_CUT",
    "CUTS",
    "ADD_CUT",
    "LAST_ERASED",
    "WAIT_FOR_JOURNAL",
    // What the journal is made to forget, as seldom as somebody asks for it: a small table, and one account's names, which are
    // found by nothing else.
    "MAY_ERASE",
    "LAST_ERASURE",
    "ERASURES",
    "ADD_ERASURE",
    "LAST_CUT_OFF",
    "FORGET_NAMES",
    "FORGET_IMPORTED",
    // Moving a whole store, once.
    "UNHURRIED",
    // Looks at the server and its schema, at the start of a connection or of a node.
    "NOW",
    "INSPECT",
    "ENGINE",
    "RISKY",
    "HAS_HISTORY",
    "HISTORY",
    "FOREIGN",
    "UNREADABLE",
    "TRY_LOCK",
    "NOTE",
    // The key ring, at the start of a node and when the ring changes.
    "WAIT_FOR_RINGS",
    "IS_KIN",
    "FORGET_RINGS",
    "NOTE_RING",
    // Numbers for new accounts: one row for each profile that gives them, asked for by a registration; and looks at the start.
    "NUMBERING",
    "RAISE_FLOOR",
    "NEXT_NUMBER",
    "HIGHEST_NUMBER",
    // What is counted by the day: once a minute beside the refreshes, and for whoever looks at the report.
    "WRITE_COUNTS",
    "DAILY_COUNTS",
    "UNFOLDED",
    "REMOVE_COUNT",
    // Each node's mark of life, once a second beside the refreshes, and before somebody is accused.
    "MARKS",
    "OUTAGES",
    "MOVE_MARK",
    "FORGET_MARK",
    "NOTE_OUTAGE",
    "FORGET_OUTAGES",
    // As whom nodes sign, at the start of a node and then every ten minutes, and when it leaves; beside the marks of life.
    "SIGN_AS",
    "OTHER_ISSUERS",
    "SIGN_NO_MORE",
    "FORGET_ISSUERS",
    // How far the store has come: once a second beside the refreshes, and for whoever asks whether the store is ready.
    "POSITION",
    "COUNT",
    "FORGET_COUNTS",
    "COUNT_ON",
    // Whether every server of a distributed engine answers, once a second, on a connection of its own.
    "LOOK_EVERYWHERE",
    // The move of a whole store.
    "UNHURRIED",
    // Budgets that are whole, each minute.
    "WHOLE_BUDGETS",
    "FORGET_BUDGETS",
    // What must leave the server: looked for by the job that sends it, listed for administrators, swept.
    "DUE_MESSAGES",
    "MESSAGES",
    "SETTLED_MESSAGES",
    "FORGET_SETTLED",
    // How much waits there, for whoever measures.
    "WAITING_MESSAGES",
    // Accounts whose owners had them deleted, each hour; the names of one that is told its owner whole.
    "ERASURES_DUE",
    "NAMES_OF",
    // One-time tokens that have expired.
    "EXPIRED_TOKENS",
    "FORGET_EXPIRED",
];

/// Batches of one statement, which a distributed engine gets only where something went wrong; each of their rows is
/// found by the shard key all the same.
const BATCHES: &[&str] = &["ROTATE_MANY", "FIND_MANY", "REDATE_MANY", "OVER_MANY"];

/// Tables that stand whole on every shard.
const REFERENCE_TABLES: &[&str] = &["checkpoint"];

/// Each table and the column it is sharded by.
const SHARD_KEYS: &[(&str, &str)] = &[
    ("account", "id"),
    ("session", "account_id"),
    ("session_detail", "account_id"),
    ("credential", "account_id"),
    ("event", "account_id"),
    ("identity", "value"),
    ("imported_session", "session_id"),
    ("rate_limit", "key"),
    ("one_time_token", "account_id"),
    ("outbox", "account_id"),
    ("held_name", "hash"),
];

#[tokio::test]
async fn every_hot_statement_names_the_shard_key_and_calls_nothing_volatile() {
    let client = migrated().await;
    let volatile = volatile_functions(&client).await;
    let statements = statements();
    assert!(statements.len() > 40, "only {} statements were found in the source", statements.len());
    let mut wrong = Vec::new();
    for (name, text) in &statements {
        if let Err(error) = client.prepare(text).await {
            wrong.push(format!("{name} does not prepare: {error:?}"));
        }
        if text.contains("select *") || text.contains(".*") {
            wrong.push(format!(
                "{name} does not name its columns: once a newer build adds one, what is prepared fails for ever"
            ));
        }
        if COLD.contains(&name.as_str()) {
            continue;
        }
        wrong.extend(complaints(name, text, &volatile));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for name in COLD.iter().chain(BATCHES) {
        assert!(statements.contains_key(*name), "{name} is listed here and stands nowhere");
    }
}

#[tokio::test]
async fn the_check_bites() {
    let client = migrated().await;
    let volatile = volatile_functions(&client).await;
    for (text, complaint) in [
        ("update session set generation = 1 where id = $1", "session is not found by account_id"),
        (
            "select * from session s join session_detail d on d.session_id = s.id where s.account_id = $1",
            "joins",
        ),
        (
            "update session set rotated_at = f(clock_timestamp()) where account_id = $1",
            "clock_timestamp is volatile",
        ),
        ("select * from account where username = $1", "account is not found by id"),
        ("delete from identity where account_id = $1", "identity is not found by value"),
        ("insert into event (id, account_id) values ($1, $2)", "does not begin with account_id"),
    ] {
        let found = complaints("PLANTED", text, &volatile);
        assert!(found.iter().any(|found| found.contains(complaint)), "{text}: {found:?}");
    }
}

/// What keeps a statement from staying on one shard.
fn complaints(name: &str, text: &str, volatile: &[String]) -> Vec<String> {
    let words = words(text);
    let mut found = Vec::new();
    for call in words.windows(2).filter(|pair| pair[1] == "(") {
        if volatile.contains(&call[0]) {
            found.push(format!("{name}: {} is volatile", call[0]));
        }
    }
    let tables = tables(&words);
    if tables.is_empty() {
        found.push(format!("{name}: no table is named"));
    }
    for (table, alias) in &tables {
        if REFERENCE_TABLES.contains(&table.as_str()) {
            continue;
        }
        let key = SHARD_KEYS.iter().find(|(known, _)| known == table).map(|(_, key)| *key);
        let Some(key) = key else {
            found.push(format!("{name}: {table} is no table with a shard key"));
            continue;
        };
        let column = if *alias == *table { key.to_owned() } else { format!("{alias}.{key}") };
        if words[0] == "insert" {
            let first = words.iter().position(|word| word == "(").map(|open| words[open + 1].as_str());
            let is_first = first == Some(key) || (table == "identity" && first == Some("kind"));
            if !is_first {
                found.push(format!("{name}: the list of {table}'s columns does not begin with {key}"));
            }
            continue;
        }
        let equals: Vec<&str> = words
            .windows(3)
            .filter(|triple| triple[1] == "=" && (triple[0] == column || triple[2] == column))
            .map(|triple| if triple[0] == column { triple[2].as_str() } else { triple[0].as_str() })
            .collect();
        let is_found = equals.iter().any(|other| {
            let is_parameter = other.starts_with('$');
            let is_batch = BATCHES.contains(&name) && *other == "b.account_id";
            let is_other_table = tables.iter().any(|(table, alias)| {
                let key = SHARD_KEYS.iter().find(|(known, _)| known == table).map_or("", |(_, key)| *key);
                *other == format!("{alias}.{key}")
            });
            is_parameter || is_batch || is_other_table
        });
        if !is_found {
            let joins = if tables.len() > 1 { " and joins across it" } else { "" };
            found.push(format!("{name}: {table} is not found by {key}{joins}"));
        }
    }
    found
}

/// The tables a statement uses, with their aliases.
fn tables(words: &[String]) -> Vec<(String, String)> {
    const KEYWORDS: &[&str] =
        &["set", "where", "on", "join", "left", "order", "limit", "for", "(", "returning", "values"];
    let mut tables = Vec::new();
    for (at, word) in words.iter().enumerate() {
        // "for update" locks, and "do update" is about the table that is inserted into.
        let before = words.get(at.wrapping_sub(1)).map(String::as_str);
        let is_update = word == "update" && !matches!(before, Some("for" | "do"));
        if !(is_update || ["from", "join", "into"].contains(&word.as_str())) {
            continue;
        }
        let Some(table) = words.get(at + 1) else { continue };
        // What follows "distinct from" is an operand; unnest is no table, nor is a subquery, whose own tables come later.
        let is_operand = words.get(at.wrapping_sub(1)).is_some_and(|word| word == "distinct");
        if is_operand || ["unnest", "("].contains(&table.as_str()) || table.starts_with('$') {
            continue;
        }
        let alias = words.get(at + 2).filter(|next| !KEYWORDS.contains(&next.as_str())).unwrap_or(table);
        tables.push((table.clone(), alias.clone()));
    }
    tables
}

/// A statement's words; parentheses and "=" are words of their own.
fn words(text: &str) -> Vec<String> {
    let spaced: String = text
        .to_lowercase()
        .chars()
        .flat_map(|char| match char {
            '(' | ')' | '=' => vec![' ', char, ' '],
            ',' => vec![' '],
            _ => vec![char],
        })
        .collect();
    // Operators with "=" in them are not equality.
    let spaced = spaced.replace("< =", "<=").replace("> =", ">=");
    spaced.split_whitespace().map(str::to_owned).collect()
}

/// Every statement in the store's source by its name.
fn statements() -> HashMap<String, String> {
    let store = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let mut files = vec![store.join("postgres.rs")];
    let mut folders = vec![store.join("postgres")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the folder is there") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    let mut statements = HashMap::new();
    for file in files {
        let source = std::fs::read_to_string(&file).expect("the file is text");
        let mut rest = source.as_str();
        while let Some((before, after)) = rest.split_once(": Sql =") {
            let name = before.rsplit(|char: char| !(char.is_ascii_uppercase() || char == '_')).next();
            let name = name.expect("a name stands before it");
            let (_, text) = after.split_once("text: \"").expect("a statement has a text");
            // The text ends at the first quotation mark that is not escaped.
            let mut quotes = text.match_indices('"').map(|(at, _)| at);
            let end = quotes.find(|at| !text[..*at].ends_with('\\'));
            let (text, after) = text.split_at(end.expect("the text ends"));
            let text = text.replace("\\\"", "\"");
            let is_new = statements.insert(name.to_owned(), text).is_none();
            assert!(is_new, "{name} in {} is the name of two statements", file.display());
            rest = after;
        }
    }
    statements
}

async fn migrated() -> Client {
    let url = Postgres::shared().fresh_database().url();
    PostgresStore::migrate(&Settings::new(url.parse().expect("a URL"))).await.expect("migrate");
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.expect("connect");
    tokio::spawn(connection);
    client
}

async fn volatile_functions(client: &Client) -> Vec<String> {
    let sql = "select distinct proname::text from pg_proc where provolatile = 'v'";
    client.query(sql, &[]).await.expect("query").iter().map(|row| row.get(0)).collect()
}

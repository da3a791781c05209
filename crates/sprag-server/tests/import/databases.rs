//! Straight from a database: SQLite, PostgreSQL.

use std::fs;

use rusqlite::Connection;
use serde_json::json;
use sprag_rig::Postgres;

use crate::given::{Folder, HASH, PASSWORD, TOKEN, a_shop, a_shop_with_statuses};

#[test]
fn users_come_from_a_sqlite_file() {
    let shop = a_shop_with_statuses();
    let source = Connection::open(shop.path("app.db")).unwrap();
    source
        .execute_batch(&format!(
            "create table users (id integer primary key, username text, email text, hashed_password text,
                                 is_superuser boolean, is_active boolean, created_at datetime, avatar blob);
             insert into users values
                 (1, 'ann', 'ann@example.org', '{HASH}', 1, 1, '2024-12-13 10:00:00.123456', zeroblob(2000000)),
                 (2, 'bob', null, '{HASH}', 0, 0, '2024-12-13 10:00:00', null),
                 (3, cast(x'ff' as text), null, '{HASH}', 0, 0, null, null);"
        ))
        .unwrap();
    // The name says nothing; its first bytes do.
    for from in ["app.db", "sqlite:app.db", "sqlite:///./app.db"] {
        let (summary, outcome) = shop.import(&["user", "import", "--from", from]);
        assert_eq!(outcome.err, "row 3: it is not UTF-8\n", "{summary}");
        assert_eq!(
            (&summary["refused"], &summary["last"], outcome.code),
            (&json!(1), &json!({ "row": 3 }), 1)
        );
    }
    let users = shop.users();
    let of = |name: &str| users.iter().find(|user| user["username"] == name).unwrap();
    assert_eq!(
        [&of("ann")["is_admin"], &of("ann")["created_at"], &of("bob")["is_admin"]],
        [&json!(true), &json!("2024-12-13T10:00:00.123Z"), &json!(false)]
    );
    assert!(of("bob")["disabled_at"].is_string() && of("ann")["disabled_at"].is_null());

    let told = shop.run(&["user", "import", "--from", "app.db", "--table", "user"]).fails();
    assert!(told.contains("it has no table \"user\"; did you mean \"users\"?"), "{told}");
}

#[test]
fn users_come_from_postgresql() {
    let (shop, database) = (a_shop(), Postgres::shared().fresh_database());
    database.psql(&format!(
        "create schema other;
         create table other.users (id uuid primary key, username varchar, email varchar, hashed_password varchar not null,
                                   is_superuser boolean, is_active boolean default true,
                                   created_at timestamptz default '2024-12-13 11:00:00.123456+01', \"Odd Name\" jsonb);
         insert into other.users (id, username, hashed_password, is_superuser, \"Odd Name\")
             values ('01997c5e-0000-4000-8000-000000000001', 'ann', '{HASH}', true, '{{\"a\": 1}}'),
                    ('01997c5e-0000-4000-8000-000000000002', 'ann2', '{HASH}', false, null),
                    ('01997c5e-0000-4000-8000-000000000003', 'no' || chr(8203) || 'good', '{HASH}', false, null);"
    ));
    let url = database.url();
    let import = ["user", "import", "--from", &url, "--table", "other.users"];
    let (summary, outcome) = shop.import(&import);
    assert_eq!((outcome.code, &summary["new"], &summary["refused"]), (1, &json!(2), &json!(1)), "{summary}");
    assert!(outcome.err.contains(" (user 01997c5e-0000-4000-8000-000000000003): "), "{}", outcome.err);
    assert_eq!(shop.usernames(), ["ann", "ann2"]);
    assert_eq!(shop.users()[0]["created_at"], "2024-12-13T10:00:00.123Z");

    let told = shop.run(&["user", "import", "--from", &url]).fails();
    assert!(told.contains("it has no table \"users\"; did you mean \"other.users\"?"), "{told}");
    let told = shop.run(&[&import[..], &["--map", "name=odd_name"]].concat()).fails();
    assert!(told.contains("no column \"odd_name\" for name; did you mean \"Odd Name\"?"), "{told}");
}

#[test]
fn a_database_is_read_as_it_stood_at_one_moment_and_never_written() {
    let (shop, database) = (a_shop(), Postgres::shared().fresh_database());
    // A view that tries to write when it is read.
    database.psql(
        "create table trace (at int);
         create function leave_trace() returns int language sql as 'insert into trace values (1) returning at';
         create view users as select leave_trace() as id, 'ann' as username, 'x' as hashed_password",
    );
    let outcome = shop.run(&["user", "import", "--from", &database.url()]);
    assert_eq!(outcome.code, 1);
    assert!(outcome.err.contains("cannot execute INSERT in a read-only transaction"), "{}", outcome.err);
    assert_eq!(database.psql("select count(*) from trace"), "0");
}

#[test]
fn the_store_may_be_postgresql_too() {
    let server = Postgres::shared();
    let (source, target) = (server.fresh_database(), server.fresh_database());
    source.psql(&format!(
        "create table users (id bigint generated always as identity, username text, hashed_password text);
         insert into users (username, hashed_password) select 'user' || n, '{HASH}' from generate_series(1, 500) n"
    ));
    let shop = a_shop().set("SPRAG_DATABASE_URL", &target.url());
    let import = ["user", "import", "--from", &source.url()];
    assert_eq!(shop.imports_all(&import)["new"], 500);
    assert_eq!(target.psql("select count(*) from account"), "500");
    assert_eq!(shop.imports_all(&import)["already_there"], 500);
}

#[test]
fn a_password_stands_in_a_file_and_never_on_the_command_line() {
    let shop = a_shop();
    let told = shop.run(&["user", "import", "--from", "postgres://app:hush-hush@127.0.0.1:1/x"]).fails();
    assert!(told.contains("there is a password in it") && told.contains("--from @FILE"), "{told}");
    assert!(!told.contains("hush"), "{told}");
    shop.write("source.url", "postgres://app:hush-hush@127.0.0.1:1/x\n");
    let told = shop.run(&["user", "import", "--from", "@source.url"]).fails();
    assert!(told.contains("could not read postgres://app@127.0.0.1:1/x") && !told.contains("hush"), "{told}");
    let told = shop.run(&["user", "import", "--from", "postgres://app@127.0.0.1/x?sslmode=perhaps"]).fails();
    assert!(told.contains("sslmode is one of disable"), "{told}");
}

#[test]
fn what_may_be_a_secret_is_never_repeated() {
    let shop = a_shop();
    shop.write("source.url", "host=db.internal password=hush-hush\n");
    let cases = [
        ("POSTGRES://app:hush-hush@127.0.0.1:1/x", "there is a password in it"),
        ("PostgreSQL://127.0.0.1:1/x?user=app&Password=hush-hush", "there is a password in it"),
        ("mysql://app:hush-hush@127.0.0.1/x", "no URL that is understood"),
        ("MongoDB+srv://app:hush-hush@127.0.0.1/x", "no URL that is understood"),
        ("mysql://app:hush-hush@127.0.0.1/x.csv", "no URL that is understood"),
        ("sqlite://app:hush-hush@127.0.0.1/x", "no URL that is understood"),
        ("host=db.internal password=hush-hush", "no URL that is understood"),
        ("host=db.internal PASSWORD=hush-hush.json", "no URL that is understood"),
        ("app:hush-hush@db.internal/x", "no URL that is understood"),
        ("@source.url", "no URL that is understood"),
    ];
    for (from, expected) in cases {
        for kind in ["user", "session"] {
            let told = shop.run(&[kind, "import", "--from", from]).fails();
            assert!(told.contains(expected) && !told.contains("hush"), "{told}");
        }
    }
    let told = shop.run(&["user", "import", "--from", "POSTGRES://app@127.0.0.1:1/x"]).fails();
    assert!(told.contains("could not read postgres://app@127.0.0.1:1/x"), "{told}");
    // A file may be called what it likes.
    shop.write("password=none@x:.csv", format!("id,username,hashed_password\n1,ann,{HASH}\n"));
    shop.imports_all(&["user", "import", "--from", "password=none@x:.csv"]);
}

/// Logs in, and asks again where a busy machine had no time to compare the hash.
fn log_in(shop: &Folder, name: &str) -> u16 {
    let server = shop.serve();
    let tries =
        std::iter::repeat_with(|| server.post("/login", &json!({ "name": name, "password": PASSWORD })).0);
    tries.take(20).find(|status| *status != 503).unwrap_or(503)
}

#[test]
fn a_hash_that_sqlite_keeps_as_bytes_is_the_same_hash() {
    let shop = a_shop();
    let source = Connection::open(shop.path("app.db")).unwrap();
    source
        .execute_batch(&format!(
            "create table users (id blob, username text, hashed_password blob);
             insert into users values (x'0197', 'ann', cast('{HASH}' as blob)), (x'0198', 'bob', '{HASH}' || char(10));
             create table refresh_tokens (user_id blob, token blob, expires_at text);
             insert into refresh_tokens values (x'0197', cast('{TOKEN}' as blob), '9999-12-31 23:59:59');"
        ))
        .unwrap();
    let summary = shop.imports_all(&["user", "import", "--from", "app.db"]);
    assert_eq!((&summary["new"], &summary["without_password"]), (&json!(2), &json!(0)), "{summary}");
    assert_eq!(shop.imports_all(&["session", "import", "--from", "app.db"])["new"], 1);
    assert_eq!([log_in(&shop, "ann"), log_in(&shop, "bob")], [200, 200]);
    assert_eq!(shop.serve().post("/refresh", &json!({ "refreshToken": TOKEN })).0, 200);
}

#[test]
fn a_hash_that_postgresql_keeps_as_bytes_or_padded_is_the_same_hash() {
    let (shop, database) = (a_shop(), Postgres::shared().fresh_database());
    database.psql(&format!(
        "create table users (id int, username text, hashed_password bytea);
         insert into users values (1, 'ann', '{HASH}'::bytea);
         create table padded (id int, username text, hashed_password char(100));
         insert into padded values (2, 'bob', '{HASH}');
         create table refresh_tokens (user_id int, token char(100), expires_at timestamptz);
         insert into refresh_tokens values (1, '{TOKEN}', 'infinity')"
    ));
    let url = database.url();
    for more in [&[][..], &["--table", "padded"]] {
        let summary = shop.imports_all(&[&["user", "import", "--from", &url], more].concat());
        assert_eq!((&summary["new"], &summary["without_password"]), (&json!(1), &json!(0)), "{summary}");
    }
    assert_eq!(shop.imports_all(&["session", "import", "--from", &url])["new"], 1);
    assert_eq!([log_in(&shop, "ann"), log_in(&shop, "bob")], [200, 200]);
    assert_eq!(shop.serve().post("/refresh", &json!({ "refreshToken": TOKEN })).0, 200);
}

#[test]
fn a_sqlite_file_whose_service_was_killed_is_told_from_one_that_cannot_be_read() {
    let shop = a_shop();
    let source = Connection::open(shop.path("app.db")).unwrap();
    // With so small a cache, changes are written before they are committed; then the service dies.
    source
        .execute_batch(&format!(
            "create table users (id integer, username text, hashed_password text, bio blob);
             insert into users values (1, 'ann', '{HASH}', zeroblob(10000));
             pragma cache_size = 1; begin;
             with recursive n(i) as (select 2 union all select i + 1 from n where i < 500)
             insert into users select i, 'user' || i, '{HASH}', zeroblob(10000) from n;"
        ))
        .unwrap();
    for end in ["", "-journal"] {
        fs::copy(shop.path(&format!("app.db{end}")), shop.path(&format!("killed.db{end}"))).unwrap();
    }
    let told = shop.run(&["user", "import", "--from", "killed.db"]).fails();
    assert!(told.contains("could not read killed.db: whoever wrote it last was interrupted"), "{told}");
    assert!(told.contains("start the old service and stop it in an orderly way"), "{told}");
    assert!(!told.contains("Error code"), "{told}");
    // As the message says: whoever may write takes them back.
    let copy = Connection::open(shop.path("killed.db")).unwrap();
    copy.query_row("select count(*) from users", [], |row| row.get::<_, i64>(0)).unwrap();
    drop(copy);
    assert_eq!(shop.imports_all(&["user", "import", "--from", "killed.db"])["new"], 1);
}

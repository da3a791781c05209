//! More than fits into one hand: thousands of users, an import that is stopped in the middle, a store that fails.

use std::io::{BufRead as _, BufReader, Write as _};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use sprag_rig::Postgres;

use crate::given::{HASH, a_shop, lines, user};

const MANY: u64 = 5000;

fn many() -> Vec<Value> {
    (1..=MANY).map(|number| user(number, &format!("user{number}"))).collect()
}

#[test]
fn thousands_of_users_come_in_at_once() {
    let shop = a_shop();
    let mut records = many();
    // One user once more, much later.
    records.push(user(1, "user1"));
    shop.write("users.jsonl", lines(&records));
    let summary = shop.imports_all(&["user", "import", "--from", "users.jsonl"]);
    assert_eq!((&summary["new"], &summary["already_there"]), (&json!(MANY), &json!(1)));
    let summary = shop.imports_all(&["user", "import", "--from", "users.jsonl"]);
    assert_eq!((&summary["new"], &summary["already_there"]), (&json!(0), &json!(MANY + 1)));
}

#[test]
fn one_that_is_interrupted_says_how_far_it_came_and_goes_on() {
    let shop = a_shop();
    let records = many();
    let mut child = shop.command(&["user", "import", "--from", "-", "--json"]).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    // The first hundred lines are looked at before anything is taken in, and the pipe stays open after them.
    input.write_all(lines(&records[..200]).as_bytes()).unwrap();
    let is_in = || {
        let listed = shop.run(&["user", "list", "--json"]);
        listed.code == 0
            && serde_json::from_str::<Vec<Value>>(&listed.out).is_ok_and(|users| users.len() == 200)
    };
    for _ in 0..2000 {
        if is_in() {
            break;
        }
        assert!(child.try_wait().unwrap().is_none(), "it is still there, for its input goes on");
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let told = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let told: Vec<_> = told.filter(|line| !line.starts_with("store: ")).collect();
    let summary: Value = serde_json::from_reader(child.stdout.take().unwrap()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!((&summary["is_complete"], &summary["new"]), (&json!(false), &json!(200)));
    assert_eq!(summary["last"], json!({ "line": 200 }));
    let expected = "sprag: interrupted at line 200; what is counted as new is in for good, and the same command goes on from \
                    there";
    assert_eq!(told, [expected]);
    drop(input);

    let (summary, outcome) = shop.import_from(&lines(&records[..300]), &["user", "import", "--from", "-"]);
    assert_eq!((outcome.code, &summary["new"], &summary["already_there"]), (0, &json!(100), &json!(200)));
}

#[test]
fn a_store_that_fails_stops_it_and_says_how_to_go_on() {
    let target = Postgres::shared().fresh_database();
    let shop = a_shop().set("SPRAG_DATABASE_URL", &target.url());
    shop.write("users.jsonl", lines(&many()[..50]));
    let import = ["user", "import", "--from", "users.jsonl"];
    shop.run(&["migrate"]).succeeds();
    // Nobody whose name ends in 7 can be written.
    target.psql("alter table account add constraint never check (username not like '%7')");
    let (summary, outcome) = shop.import(&import);
    assert_eq!((outcome.code, &summary["is_complete"]), (1, &json!(false)), "{summary}");
    assert!(outcome.err.starts_with("sprag: the import stopped at line "), "{}", outcome.err);
    assert!(outcome.err.contains("the same command goes on from there: line "), "{}", outcome.err);
    assert!(outcome.err.contains("could not be taken in: could not "), "{}", outcome.err);
    assert!(!outcome.err.contains(HASH), "{}", outcome.err);
    target.psql("alter table account drop constraint never");
    let summary = shop.imports_all(&import);
    assert_eq!(summary["new"].as_u64().unwrap() + summary["already_there"].as_u64().unwrap(), 50);
    assert_eq!(target.psql("select count(*) from account"), "50");
}

#[test]
fn a_source_that_breaks_off_is_told_from_its_end() {
    let (shop, source) = (a_shop(), Postgres::shared().fresh_database());
    // The hundredth row cannot be read.
    source.psql(&format!(
        "create view users as
         select n as id, 'user' || n as username, case when 1 / (100 - n) > 1000 then '' else '{HASH}' end as hashed_password
         from generate_series(1, 200) n"
    ));
    let (summary, outcome) = shop.import(&["user", "import", "--from", &source.url()]);
    assert_eq!((outcome.code, &summary["is_complete"], &summary["new"]), (1, &json!(false), &json!(99)));
    assert!(outcome.err.contains("the import stopped at row 99; "), "{}", outcome.err);
    assert!(outcome.err.contains("division by zero"), "{}", outcome.err);
}

//! The database is far away: two tenths of a second each way.

use std::fs;
use std::net::SocketAddr;
use std::thread::scope;
use std::time::Duration;

use serde_json::{Value, json};
use sprag_rig::{Postgres, Proxy};

use crate::SPRAG;
use crate::people::{Pair, log_in, login, logout, me, refresh};
use crate::server::{Home, PASSWORD, Server};
use crate::stage::{DATABASE_URL, Stage};
use crate::wire::{Answer, Request};

const EACH_WAY: Duration = Duration::from_millis(200);

/// How many do the same at once: more than there are connections ready.
const CROWD: usize = 6;

/// A shop that has had a system of its own.
const SHOP: &str = r#"id = 1000
about = "A shop that has had a system of its own"
refresh_token = { body = "refresh_token", imported_tokens = true }

[[route]]
on = "POST /refresh"
does = "refresh"
gives = { access_token = "$access_token", refresh_token = "$refresh_token" }

[import.users]
table = "users"
columns = { external_id = "id", username = "username", password_hash = "hashed_password" }

[import.sessions]
table = "refresh_tokens"
columns = { user = "user_id", token = "token", expires_at = "expires_at" }
"#;

/// The password "secret", as the shop has hashed it: so cheaply that the hashing threads hold nobody up.
const HASH: &str = "pbkdf2_sha256$20000$aSaltOfTheShop$2MNAlx0Lm9Whm8BzNDmSxBeQEhVNmax8vZ6Gq+oUQ74=";

/// A database that is far away from the start, as nodes and commands reach it.
struct Far {
    stage: Stage,
    near: String,
    _proxy: Proxy,
}

impl Far {
    fn new() -> Self {
        let server = Postgres::shared();
        let database = server.fresh_database();
        let proxy = Proxy::start(SocketAddr::from(([127, 0, 0, 1], server.port())));
        proxy.delay(EACH_WAY);
        let url = format!("postgres://postgres@{}/{}", proxy.addr(), database.name());
        Self { stage: Stage::on(&url), near: database.url(), _proxy: proxy }
    }

    /// One whose tables are made from nearby: that takes many round trips, and is tried once, by [`Far::new`].
    fn migrated() -> Self {
        let far = Self::new();
        far.done_by(&["migrate"], &[(DATABASE_URL, &far.near)], "");
        far
    }

    /// What a command prints that must succeed.
    #[track_caller]
    fn done(&self, args: &[&str], input: &str) -> String {
        self.done_by(args, &[], input)
    }

    #[track_caller]
    fn done_by(&self, args: &[&str], environment: &[(&str, &str)], input: &str) -> String {
        let mut command = self.stage.home.command(args);
        command.envs(environment.iter().copied());
        let ran = self.stage.home.run(command, input);
        assert!(ran.status.success(), "sprag {}: {ran:?}", args.join(" "));
        ran.stdout
    }
}

/// Asks for what must be answered so.
#[track_caller]
fn ask(node: &Server, request: &Request, status: u16) -> Answer {
    let answer = node.ask(request);
    let (told, log) = (String::from_utf8_lossy(&answer.body), node.log());
    assert_eq!(answer.status, status, "{told}\n{log}");
    answer
}

pub(crate) fn every_call_works_on_a_database_two_tenths_of_a_second_away() {
    let far = Far::migrated();
    far.stage.home.create_user("ann");
    let node = far.stage.node(&[]);
    ask(&node, &Request::get("/readyz"), 200);
    let ann = sessions_live_and_end(&node);
    let strict = far.stage.node(&["--reuse-interval", "0s"]);
    let next = Pair::of(&ask(&strict, &refresh(&ann.refresh), 200));
    assert_eq!(ask(&strict, &refresh(&ann.refresh), 401).member("cause"), "reuse");
    assert_eq!(ask(&node, &refresh(&next.refresh), 401).member("cause"), "reuse");
    far.stage.home.verify_journal();
    for node in [node, strict] {
        assert!(!node.log().contains("could not"), "{}", node.log());
        node.stop();
    }
}

pub(crate) fn imports_and_a_crowd_work_on_a_database_that_is_far_away() {
    let far = Far::migrated();
    let node = far.stage.node(&[]);
    many_at_once(&far, &node);
    assert!(!node.log().contains("could not"), "{}", node.log());
    node.stop();
}

pub(crate) fn commands_work_on_a_database_that_is_far_away() {
    let far = Far::migrated();
    far.done(&["migrate", "--check"], "");
    far.stage.home.create_user("ann");
    let node = far.stage.node(&[]);
    commands_do_what_they_say(&far, &node);
    assert!(!node.log().contains("could not"), "{}", node.log());
    node.stop();
}

/// Every call of the server's own profile; the tokens of the session that is left.
fn sessions_live_and_end(node: &Server) -> Pair {
    let first = Pair::of(&ask(node, &login("ann", PASSWORD), 200));
    let second = Pair::of(&ask(node, &refresh(&first.refresh), 200));
    assert_eq!(Pair::of(&ask(node, &refresh(&first.refresh), 200)).refresh, second.refresh, "a retry");
    ask(node, &me(&second.access), 200);
    ask(node, &login("ann", "a wrong password for tests"), 401);
    ask(node, &login("nobody", PASSWORD), 401);
    let other = Pair::of(&ask(node, &login("ann", PASSWORD), 200));
    let listed =
        ask(node, &Request::get("/api/v1/auth/sessions").bearer(&second.access), 200).json()["sessions"]
            .clone();
    let of_other = listed.as_array().unwrap().iter().find(|session| session["current"] == false).unwrap();
    let path = format!("/api/v1/auth/sessions/{}", of_other["id"].as_str().unwrap());
    ask(node, &Request::bare("DELETE", &path).bearer(&second.access), 204);
    ask(node, &refresh(&other.refresh), 401);

    let other = Pair::of(&ask(node, &login("ann", PASSWORD), 200));
    let change = |from: &str, to: &str, token: &str| json!({ "current_password": from, "new_password": to, "refresh_token": token });
    let path = "/api/v1/auth/password";
    let to = change(PASSWORD, "another long password", &second.refresh);
    let changed = Pair::of(&ask(node, &Request::post(path, &to).bearer(&second.access), 200));
    ask(node, &refresh(&other.refresh), 401);
    let back = change("another long password", PASSWORD, &changed.refresh);
    let changed = Pair::of(&ask(node, &Request::post(path, &back).bearer(&changed.access), 200));
    ask(node, &logout(&changed.refresh), 204);
    ask(node, &refresh(&changed.refresh), 401);

    let last = Pair::of(&ask(node, &login("ann", PASSWORD), 200));
    let everywhere = Request::bare("POST", "/api/v1/auth/logout-all").bearer(&last.access);
    ask(node, &everywhere, 204);
    ask(node, &refresh(&last.refresh), 401);
    Pair::of(&ask(node, &login("ann", PASSWORD), 200))
}

/// More than there are connections ready, each on an account of its own.
fn many_at_once(far: &Far, node: &Server) {
    let users: Vec<Value> = (0..CROWD + 30)
        .map(|number| json!({ "id": number, "username": format!("user-{number}"), "hashed_password": HASH }))
        .collect();
    let in_days = |day: u32| format!("2099-01-{day:02}T00:00:00Z");
    let session = |number: usize| {
        let token = format!("{number:04}-{}", "q8Jt3vY0pXw5LmN7kRz1dFh2sGb4cVa6TeUoIyPj9QxZ".repeat(2));
        json!({ "user_id": number, "token": token, "expires_at": in_days(1 + u32::try_from(number % 9).unwrap()) })
    };
    let sessions: Vec<Value> = (0..CROWD + 30).map(session).collect();
    import(far, "user", &users);
    import(far, "session", &sessions);
    let shop = far.stage.node_with(&[], &[("SPRAG_PROFILES", "./shop.toml")]);
    scope(|scope| {
        for (number, imported) in sessions[..CROWD].iter().enumerate() {
            let shop = &shop;
            scope.spawn(move || {
                let name = format!("user-{number}");
                let mut connection = node.connect();
                let pair = Pair::of(&connection.ask(&login(&name, "secret")).unwrap());
                let pair = Pair::of(&connection.ask(&refresh(&pair.refresh)).unwrap());
                assert_eq!(connection.ask(&logout(&pair.refresh)).unwrap().status, 204);
                let taken_in = json!({ "refresh_token": imported["token"] });
                Pair::of(&ask(shop, &Request::post("/refresh", &taken_in), 200));
            });
        }
    });
    shop.stop();
}

fn import(far: &Far, what: &str, records: &[Value]) {
    let home = &far.stage.home;
    fs::write(home.path().join("shop.toml"), SHOP).unwrap();
    let lines: String = records.iter().map(|record| format!("{record}\n")).collect();
    let profiles = [("SPRAG_PROFILES", "./shop.toml")];
    let summary = far.done_by(&[what, "import", "--from", "-", "--json"], &profiles, &lines);
    let summary: Value = serde_json::from_str(&summary).unwrap();
    assert_eq!((&summary["refused"], &summary["new"]), (&json!(0), &json!(records.len())), "{summary}");
}

fn commands_do_what_they_say(far: &Far, node: &Server) {
    let pair = log_in(&mut node.connect(), "ann").unwrap();
    let listed = far.done(&["session", "list", "--user", "ann", "--json"], "");
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let id = listed[0]["id"].as_str().unwrap();
    far.done(&["why", id], "");
    far.done(&["session", "revoke", id], "");
    assert_eq!(ask(node, &refresh(&pair.refresh), 401).member("cause"), "admin");
    far.done(&["user", "list"], "");
    far.done(&["user", "disable", "ann"], "");
    far.done(&["user", "enable", "ann"], "");
    far.done(&["key", "list"], "");
    far.done(&["key", "rotate", "--in", "1h"], "");
    far.done(&["sweep"], "");
    far.done(&["audit", "verify", "--checkpoint"], "");
}

pub(crate) fn a_store_moves_to_a_database_that_is_far_away() {
    let far = Far::new();
    let old = Home::new(SPRAG);
    old.create_user("ann");
    let server = old.start(&["--public-url", "http://localhost:1"]);
    let pair = log_in(&mut server.connect(), "ann").unwrap();
    server.stop();
    fs::create_dir_all(far.stage.home.data()).unwrap();
    fs::copy(old.data().join("keys.json"), far.stage.home.data().join("keys.json")).unwrap();
    far.done(&["migrate"], "");
    far.done(&["import-store", "--from", old.data().join("sprag.db").to_str().unwrap()], "");
    let node = far.stage.node(&[]);
    ask(&node, &refresh(&pair.refresh), 200);
    node.stop();
}

//! Behind PgBouncer in transaction mode, where each transaction may run on another connection.

use std::thread::{scope, sleep};
use std::time::Duration;

use serde_json::json;
use sprag_rig::{PgBouncer, Postgres};

use crate::crowd::{Crowd, Rhythm};
use crate::people::{Pair, log_in, login, logout, me, refresh};
use crate::server::{PASSWORD, Server};
use crate::stage::Stage;
use crate::wire::Request;

const STEADY: Rhythm = Rhythm::Each(Duration::from_millis(20));

pub(crate) fn everything_works_behind_a_pooler() {
    let server = Postgres::shared();
    let database = server.fresh_database();
    let pooler = PgBouncer::start(server, 3);
    let stage = Stage::on(&pooler.url(database.name()));
    for applied in ["V1", "nothing to do"] {
        let ran = stage.home.run(stage.home.command(&["migrate"]), "");
        assert!(ran.status.success(), "{ran:?}");
        eprintln!("{applied}: {}", ran.stdout);
    }
    let nodes = [stage.node(&["--reuse-interval", "1s"]), stage.node(&["--reuse-interval", "1s"])];
    for node in &nodes {
        assert!(node.log().contains("behind a connection pooler"), "{}", node.log());
    }
    let mut crowd = Crowd::log_in(&stage, &[&nodes[0], &nodes[1]], 16, 2);
    for name in ["ann", "bob", "eve"] {
        stage.home.create_user(name);
    }
    crowd.live_through(STEADY, |_| {
        scope(|scope| {
            for name in ["ann", "bob", "eve"] {
                let nodes = &nodes;
                scope.spawn(move || lives(nodes, name));
            }
        });
    });
    crowd.assert_unharmed(&stage, "behind a pooler");
    assert_eq!(crowd.count(503), 0);
    stage.home.verify_journal();
    for node in nodes {
        let log = node.log();
        assert!(
            !log.contains("prepared statement") && !log.contains("defect") && !log.contains("could not"),
            "{log}"
        );
        node.stop();
    }
    let said = server.log();
    let complaints: Vec<_> = said.lines().filter(|line| line.contains("prepared statement")).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
}

/// Logs in, refreshes, retries, is robbed, changes the password, looks and leaves; now here, now there.
fn lives(nodes: &[Server; 2], name: &str) {
    let [here, there] = nodes;
    let first = log_in(&mut here.connect(), name).unwrap();
    let second = Pair::of(&there.ask(&refresh(&first.refresh)));
    assert_eq!(Pair::of(&here.ask(&refresh(&first.refresh))).refresh, second.refresh, "a retry");
    sleep(Duration::from_millis(1100));
    let third = Pair::of(&here.ask(&refresh(&second.refresh)));
    let refused = there.ask(&refresh(&first.refresh));
    assert_eq!((refused.status, refused.member("cause").as_str()), (401, "reuse"));
    let ended = here.ask(&refresh(&third.refresh));
    assert_eq!((ended.status, ended.member("cause").as_str()), (401, "reuse"));

    let (one, other) =
        (log_in(&mut here.connect(), name).unwrap(), log_in(&mut there.connect(), name).unwrap());
    let listed = there.ask(&Request::get("/api/v1/auth/sessions").bearer(&one.access));
    assert_eq!(listed.json()["sessions"].as_array().map(Vec::len), Some(2), "{listed:?}");
    let change = json!({
        "current_password": PASSWORD,
        "new_password": "another long password",
        "refresh_token": one.refresh,
    });
    let changed = Pair::of(&here.ask(&Request::post("/api/v1/auth/password", &change).bearer(&one.access)));
    assert_eq!(there.ask(&refresh(&other.refresh)).status, 401, "the other session ended with the password");
    assert_eq!(there.ask(&login(name, PASSWORD)).status, 401);
    assert_eq!(there.ask(&login(name, "another long password")).status, 200);
    assert_eq!(there.ask(&me(&changed.access)).member("username"), name);
    assert_eq!(there.ask(&logout(&changed.refresh)).status, 204);
    let over = here.ask(&refresh(&changed.refresh));
    assert_eq!((over.status, over.member("cause").as_str()), (401, "logout"));
}

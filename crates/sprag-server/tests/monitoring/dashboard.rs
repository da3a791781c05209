//! The dashboard: each of its queries is run by Prometheus, over servers on both stores.

use std::collections::BTreeSet;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use sprag_rig::{Postgres, Prometheus};
use sprag_testkit::binary::people::{Pair, log_in, login, refresh};
use sprag_testkit::binary::server::{Home, PASSWORD, Server, await_some};
use sprag_testkit::binary::wire::Connection;

use super::{SPRAG, read};

/// Everything that the dashboard shows happens: sessions, failures, a token that comes back, and much that is written.
fn everything_happens(home: &Home, server: &Server, environment: &[(&str, &str)]) {
    let mut command = home.command(&["user", "create", "--username", "ann", "--password-stdin"]);
    command.envs(environment.iter().copied());
    let made = home.run(command, PASSWORD);
    assert!(made.status.success(), "{made:?}");
    for (name, password) in [("ann", "wrong"), ("nobody", PASSWORD)] {
        assert_eq!(server.ask(&login(name, password)).status, 401);
    }
    let mut connection = server.connect();
    let mut pair = log_in(&mut connection, "ann").unwrap();
    let first = pair.clone();
    for _ in 0..20 {
        pair = Pair::of(&connection.ask(&refresh(&pair.refresh)).unwrap());
    }
    // Spent long ago: the reuse interval is nothing here.
    assert_eq!(server.ask(&refresh(&first.refresh)).status, 401);
    assert_eq!(server.ask(&refresh("nothing")).status, 401);
    log_in(&mut connection, "ann").unwrap();
}

/// Every query of the dashboard, its variables filled in.
fn queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read("docs/guide/monitoring/dashboard.json")).unwrap();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: BTreeSet<&str> = variables.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
    assert!(names.is_superset(&BTreeSet::from(["datasource", "instance", "job"])));
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().unwrap();
            let filled =
                query.replace("$job", ".*").replace("$instance", ".*").replace("$__rate_interval", "1m");
            assert!(!filled.contains('$'), "{query} has a variable that nobody fills in");
            queries.push(filled);
        }
    }
    queries
}

/// What a query gives, or how Prometheus refuses it.
fn asked(prometheus: &Prometheus, query: &str) -> Result<Vec<Value>, String> {
    let path = format!("/api/v1/query?query={}", utf8_percent_encode(query, NON_ALPHANUMERIC));
    let mut connection = Connection::open(prometheus.addr()).unwrap();
    // As an older client, which is answered in one piece.
    connection.write(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).unwrap();
    let answer = String::from_utf8(connection.rest()).unwrap();
    // One that is about to start says so in plain words.
    let answer: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).map_err(|_| answer)?;
    match answer["status"].as_str() {
        Some("success") => Ok(answer["data"]["result"].as_array().unwrap().clone()),
        _ => Err(answer["error"].to_string()),
    }
}

fn has_data(prometheus: &Prometheus, query: &str) -> bool {
    let result = asked(prometheus, query).unwrap_or_else(|error| panic!("{query}\n{error}"));
    result.iter().any(|sample| sample["value"][1].as_str().is_some_and(|value| value != "NaN"))
}

#[test]
fn every_query_of_the_dashboard_gives_data_from_servers_that_are_at_work() {
    let queries = queries();
    assert!(queries.len() > 50);
    let database = Postgres::shared().fresh_database();
    let url = database.url();
    let (home, other_home) = (Home::new(SPRAG), Home::new(SPRAG));
    let flags = ["--sweep-interval", "1s", "--reuse-interval", "0s"];
    let server = home.start(&flags);
    let environment = [("SPRAG_DATABASE_URL", url.as_str())];
    let other = other_home.start_with(&flags, &environment);
    let targets = [server.address(), other.address()];
    let prometheus = Prometheus::scraping("sprag", &targets);
    prometheus.wait_until("both servers to be scraped", || {
        asked(&prometheus, "count(up == 1) == 2").is_ok_and(|result| !result.is_empty())
    });
    everything_happens(&home, &server, &[]);
    everything_happens(&other_home, &other, &environment);
    let mut left: Vec<&String> = queries.iter().collect();
    let all = await_some(|| {
        left.retain(|query| !has_data(&prometheus, query));
        left.is_empty().then_some(())
    });
    assert!(all.is_some(), "these give no data: {left:#?}");
}

//! The text of `/metrics`: well written, in one order, and explained.

use std::collections::BTreeMap;
use std::path::Path;

use sprag_rig::{Postgres, promtool};
use sprag_testkit::binary::people::{Pair, log_in, login, refresh};
use sprag_testkit::binary::server::{Home, PASSWORD, Server};
use sprag_testkit::binary::wire::Request;

use super::{SPRAG, read, scraped};

/// Something of everything: log-ins that work and that fail, refreshes, a token that comes back, what is refused.
fn a_little_of_everything(home: &Home, server: &Server) {
    home.create_user("ann");
    let mut connection = server.connect();
    let pair = log_in(&mut connection, "ann").unwrap();
    for (name, password) in [("ann", "wrong"), ("nobody", PASSWORD)] {
        assert_eq!(server.ask(&login(name, password)).status, 401);
    }
    Pair::of(&server.ask(&refresh(&pair.refresh)));
    Pair::of(&server.ask(&refresh(&pair.refresh)));
    assert_eq!(server.ask(&refresh("nothing")).status, 401);
    assert_eq!(server.ask(&Request::post("/api/v1/auth/login", &serde_json::json!({}))).status, 400);
}

fn families(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect()
}

/// Each sample's name and labels.
fn samples(text: &str) -> Vec<&str> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.filter_map(|line| Some(line.rsplit_once(' ')?.0)).collect()
}

#[test]
fn promtool_finds_nothing_to_say_against_the_numbers_of_either_store() {
    let database = Postgres::shared().fresh_database();
    let url = database.url();
    for environment in [vec![], vec![("SPRAG_DATABASE_URL", url.as_str())]] {
        let home = Home::new(SPRAG);
        let server = home.start_with(&["--sweep-interval", "1s"], &environment);
        let text = scraped(&server);
        let (is_content, said) = promtool(&["check", "metrics"], Path::new("/"), &text);
        assert!(is_content && said.trim().is_empty(), "{said}\n{text}");
        server.stop();
    }
}

#[test]
fn families_and_labels_stand_in_one_order_from_one_scrape_to_the_next() {
    let home = Home::new(SPRAG);
    let server = home.start(&[]);
    let before = scraped(&server);
    a_little_of_everything(&home, &server);
    let after = scraped(&server);
    assert_eq!(families(&before), families(&after), "whatever has happened");
    let (first, then) = (samples(&before), samples(&after));
    let mut rest = then.iter();
    for sample in &first {
        assert!(rest.any(|next| next == sample), "{sample} has moved");
    }
    assert!(then.len() > first.len(), "new labels stand between those that were there");
    let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for sample in then.iter().filter(|sample| !sample.contains("le=\"")) {
        let (name, labels) = sample.split_once('{').unwrap_or((sample, ""));
        by_name.entry(name).or_default().push(labels);
    }
    for name in [
        "sprag_requests_total",
        "sprag_refusals_total",
        "sprag_login_failures_total",
        "sprag_store_faults_total",
    ] {
        let labels = &by_name[name];
        assert!(labels.len() > 1 && labels.is_sorted(), "{name}: {labels:?}");
    }
}

#[test]
fn each_number_says_what_has_happened() {
    let home = Home::new(SPRAG);
    let server = home.start(&["--sweep-interval", "1s"]);
    a_little_of_everything(&home, &server);
    let has_swept = || scraped(&server).contains("\nsprag_sessions_live 1\n").then_some(());
    sprag_testkit::binary::server::await_some(has_swept).expect("a sweep counts the session");
    let text = scraped(&server);
    for line in [
        "sprag_verdicts_total{row=\"14\",verdict=\"rotated\"} 1",
        "sprag_verdicts_total{row=\"9\",verdict=\"just_spent\"} 1",
        "sprag_verdicts_total{row=\"1\",verdict=\"malformed\"} 1",
        "sprag_refresh_seconds_count 3",
        "sprag_requests_total{action=\"login\",status=\"401\"} 2",
        "sprag_refusals_total{action=\"login\",code=\"credentials_invalid\"} 2",
        "sprag_refusals_total{action=\"refresh\",code=\"token_invalid\"} 1",
        "sprag_login_failures_total{reason=\"account_disabled\"} 0",
        "sprag_login_failures_total{reason=\"field_missing\"} 1",
        "sprag_login_failures_total{reason=\"unknown_name\"} 1",
        "sprag_login_failures_total{reason=\"wrong_password\"} 1",
        "sprag_sessions_per_account_bucket{le=\"1.0\"} 1",
        "sprag_sessions_per_account_count 1",
        "sprag_hash_queue 0",
        "sprag_hash_wait_seconds_count 3",
        "sprag_store_faults_total{operation=\"rotate a session\"} 0",
        "sprag_store_operation_seconds_count{operation=\"rotate a session\"} 1",
        "sprag_clock_offset_seconds 0.0",
        "sprag_store_away 0",
    ] {
        assert!(text.lines().any(|told| told == line), "{line}\n{text}");
    }
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name}\n{text}")).parse::<f64>().unwrap()
    };
    assert!(value("sprag_swept_seen_total") >= 1.0);
    assert!(value("sprag_store_log_bytes") > 1000.0);
    assert!(value("process_resident_memory_bytes") > 1e6);
    assert!(value("process_open_fds") > 3.0 && value("process_max_fds") > value("process_open_fds"));
    assert!(value("sprag_mark_age_seconds") < 60.0);
    let build = format!("sprag_build_info{{version=\"{}\",commit=\"", env!("CARGO_PKG_VERSION"));
    assert!(text.contains(&build), "{text}");
}

/// The reference has a row for each family, `| name | type | what it is |`, and none for what there is not.
#[test]
fn the_reference_explains_each_number_and_no_other() {
    let reference = read("docs/reference/metrics.md");
    let server_home = Home::new(SPRAG);
    let text = scraped(&server_home.start(&[]));
    let help: BTreeMap<&str, &str> =
        text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' ')).collect();
    let mut missing = Vec::new();
    for family in families(&text) {
        let (name, kind) = family.split_once(' ').unwrap();
        let row = format!("| `{name}` | {kind} | {}", help[name].trim_end_matches('.'));
        if !reference.contains(&row) {
            missing.push(row);
        }
    }
    assert!(missing.is_empty(), "docs/reference/metrics.md lacks these rows:\n{}", missing.join("\n"));
    let rows = reference.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    for name in rows.filter(|name| name.starts_with("sprag_") || name.starts_with("process_")) {
        assert!(help.contains_key(name), "there is no {name}");
    }
}

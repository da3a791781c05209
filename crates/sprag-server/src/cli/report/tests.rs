use std::sync::Arc;

use sprag::Engine;
use sprag::clock::{HandClock, Timestamp};
use sprag::counts::{By, Report};
use sprag::day::Day;
use sprag::keys::{Algorithm, KeyRing};
use sprag::random::SeededRandom;
use sprag::store::memory::MemoryStore;
use sprag::store::{CountKey, DailyCount, DailyCounts as _, RunId};
use uuid::Uuid;

use super::figures::{completeness, series};
use super::screen::Screen;
use super::*;

const TODAY: Day = Day(20_786);
const PLAIN: Screen = Screen { width: 80, has_colour: false, has_unicode: false };

/// A fortnight in which a bit of everything happened, and a node was killed on the last day but one.
async fn fortnight() -> Report {
    let store = MemoryStore::new();
    let run = |number| RunId(Uuid::from_u128(number));
    let mut counts = Vec::new();
    let mut put = |day: Day, name: &str, label: &str, by, count| {
        let key = CountKey { day, name: name.to_owned(), label: label.to_owned(), run: by };
        counts.push(DailyCount { key, count, detail: None });
    };
    for (at, logins) in [3, 0, 8, 5, 13, 1, 0, 0, 21, 34, 4, 6, 9, 1234].into_iter().enumerate() {
        let day = TODAY.plus(i32::try_from(at).unwrap() - 13);
        let until = u64::try_from(day.ends().0).unwrap();
        put(day, "logins", "", run(1), logins);
        put(day, "refreshes", "rotated", run(1), logins * 40);
        put(day, "sessions_ended", "logout", run(1), logins / 2);
        put(day, "sessions_ended", "reuse", run(2), logins / 9);
        put(day, "failed_logins", "credentials_invalid", run(2), logins / 3);
        put(day, "login_countries", "<b>&'\"", run(2), 1);
        if day < TODAY {
            put(day, "counted_until", "", run(1), until);
        }
        if at == 12 {
            put(day, "counted_until", "", run(2), until - 30_000_000);
        }
    }
    put(TODAY, "counted_until", "", run(1), u64::try_from(TODAY.begins().0 + 43_230_000).unwrap());
    store.write_counts(counts).await.unwrap();
    let keys = KeyRing::generate(Algorithm::Es256, &SeededRandom::new(1), Timestamp(0)).unwrap();
    let clock = HandClock::at(Timestamp(TODAY.begins().0 + 43_260_000));
    let engine =
        Engine::builder(Arc::new(store)).keys(keys).issuer("https://auth.example.org").clock(Arc::new(clock));
    engine.build().unwrap().report(TODAY.plus(-13), TODAY, By::Day).await.unwrap()
}

#[tokio::test]
async fn a_report_says_until_when_it_is_complete_and_what_may_be_missing() {
    let report = fortnight().await;
    assert_eq!(
        completeness(&report),
        [
            "Complete until 2026-11-29 12:00:30.000 UTC; nodes write what they count once a minute.",
            "A node ended without a word: what it counted between 2026-11-28 15:40:00.000 and 2026-11-28 15:41 UTC, its last \
             minute at most, is missing."
        ]
    );
}

#[tokio::test]
async fn a_report_fits_its_screen_and_shows_nothing_that_the_screen_cannot() {
    let report = fortnight().await;
    for width in [32, 40, 60, 80, 120] {
        for has_unicode in [false, true] {
            let drawn = charts::drawn(&report, &Screen { width, has_unicode, ..PLAIN });
            for line in drawn.lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
            assert_eq!(drawn.is_ascii(), !has_unicode, "{drawn}");
            assert!(!drawn.contains('\x1b'), "no colour where none is wanted");
        }
    }
    assert!(charts::drawn(&report, &Screen { has_colour: true, ..PLAIN }).contains("\x1b[36m"));
}

#[tokio::test]
async fn a_report_on_a_terminal_has_totals_and_a_mark_for_each_day() {
    let drawn = charts::drawn(&fortnight().await, &Screen { has_unicode: true, ..PLAIN });
    let line = drawn.lines().find(|line| line.starts_with("log-ins")).unwrap();
    let cells: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(cells[..2], ["log-ins", "1,338"], "{drawn}");
    assert_eq!(cells[2].chars().count(), 14, "{drawn}");
    assert!(cells[2].ends_with('█') && cells[2].contains('·'), "{drawn}");
}

#[tokio::test]
async fn an_html_report_needs_nothing_from_elsewhere_and_runs_no_script() {
    let html = html::document(&fortnight().await);
    for from_elsewhere in
        ["<script", "http://", "https://", "src=", "<link", "url(", "@import", " style=", " onload"]
    {
        assert!(!html.contains(from_elsewhere), "{from_elsewhere}");
    }
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, include_bytes!("report.css"));
    let hash = data_encoding::BASE64.encode(hash.as_ref());
    let policy =
        format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'");
    assert!(html.contains(&policy), "the style is the one that the policy allows: {policy}");
    assert!(
        html.contains("&lt;b&gt;&amp;&#39;&quot;") && !html.contains("<b>&'"),
        "what was counted is text"
    );
}

#[tokio::test]
async fn an_html_report_has_a_table_beside_each_chart() {
    let report = fortnight().await;
    let html = html::document(&report);
    assert_eq!(html.matches("role=\"img\"").count(), series(&report).len());
    assert_eq!(html.matches("<details>").count(), series(&report).len());
    assert!(html.contains("<tr><th scope=\"row\">2026-11-29</th><td>1,234</td></tr>"));
    assert!(
        html.contains("what it counted between 2026-11-28 15:40:00.000"),
        "what is missing is said here, too"
    );
}

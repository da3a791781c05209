//! The alerts: each is tried by promtool, and explained by the guide.

use std::collections::BTreeSet;

use sprag_rig::promtool;

use super::{read, repository};

const ALERTS: &str = "docs/guide/monitoring/alerts.yml";
const TESTS: &str = "docs/guide/monitoring/alerts.test.yml";

fn names(text: &str, key: &str) -> BTreeSet<String> {
    text.lines()
        .filter_map(|line| line.trim_start().strip_prefix(key))
        .map(|name| name.trim().to_owned())
        .collect()
}

#[test]
fn each_alert_fires_where_it_should_and_is_quiet_where_it_should() {
    let folder = repository("docs/guide/monitoring");
    for words in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]] {
        let (is_content, said) = promtool(&words, &folder, "");
        assert!(is_content && said.contains("SUCCESS"), "{said}");
    }
    let (alerts, tests) = (read(ALERTS), read(TESTS));
    for alert in names(&alerts, "- alert: ") {
        for kind in ["fires", "is quiet"] {
            assert!(tests.contains(&format!("- name: {alert} {kind}\n")), "{alert} {kind} nowhere");
        }
    }
}

#[test]
fn each_alert_has_its_section_in_the_guide() {
    let (alerts, guide) = (read(ALERTS), read("docs/guide/monitoring.md"));
    let named = names(&alerts, "- alert: ");
    assert!(named.len() > 10);
    let sections = names(&guide, "### ");
    let runbooks = names(&alerts, "runbook: ");
    for alert in &named {
        assert!(sections.contains(alert), "docs/guide/monitoring.md has no section {alert}");
        let place = format!("docs/guide/monitoring.md#{}", alert.to_lowercase());
        assert!(runbooks.contains(&place), "{alert} leads nowhere");
        let section = guide.split(&format!("### {alert}\n")).nth(1).unwrap().split("\n#").next().unwrap();
        for part in ["**What happened.**", "**What to do.**"] {
            assert!(section.contains(part), "{alert} lacks {part}");
        }
    }
    let of_alerts = sections.iter().filter(|section| section.starts_with("Sprag"));
    assert!(of_alerts.clone().all(|section| named.contains(section)), "{sections:?}");
}

/// What the alerts ask for is what a server tells.
#[test]
fn each_alert_asks_for_numbers_that_there_are() {
    let reference = read("docs/reference/metrics.md");
    let known: BTreeSet<&str> =
        reference.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    for expression in names(&read(ALERTS), "expr: ") {
        let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let ours = words.filter(|word| word.starts_with("sprag_") || word.starts_with("process_"));
        for word in ours {
            let family =
                ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word);
            assert!(known.contains(word) || known.contains(family), "{word} in {expression}");
        }
    }
}

//! What verifying the journal came to, for people and for machines.

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sprag::audit::Checkpoint;
use sprag::checkpoints::{Finding, Report};

use super::cut;
use crate::cli::output::{counted, moment, rfc3339};

/// What verifying came to, for people.
pub(super) fn summary(report: &Report) -> String {
    let Report { chains, entries, checkpoints, newest, cut, erased, erasure, findings, flaws } = report;
    let extent = format!(
        "{} in {}, {}",
        counted(*entries, "entry", "entries"),
        counted(*chains, "chain", "chains"),
        counted(*checkpoints, "checkpoint", "checkpoints"),
    );
    let mut text = match findings.first() {
        None => format!("The journal is intact: {extent}."),
        Some(first) => {
            format!("The journal is NOT intact: {extent}, {flaws} found wrong.\nFirst:\n  {first}")
        }
    };
    for (at, finding) in findings.iter().enumerate().skip(1) {
        text += if at == 1 { "\nFurther:\n  " } else { "\n  " };
        text += &finding.to_string();
    }
    let unlisted = flaws.saturating_sub(findings.len() as u64);
    if unlisted > 0 {
        text += &format!("\n  and {unlisted} more");
    }
    if let Some(cut) = cut {
        text += &format!("\n{}.", cut::told(cut));
    }
    if let Some(erasure) = erasure {
        text += &format!(
            "\nErased: {} tell of nobody any more; last on {} (erasure {}).",
            counted(*erased, "entry", "entries"),
            moment(erasure.at),
            erasure.number
        );
    }
    match newest {
        None => {
            text += "\nThere is no checkpoint yet, so it would not show if the end of a chain were cut off."
        }
        Some(Checkpoint { number, before, entries, tag, .. }) => {
            let (before, tag) = (moment(*before), HEXLOWER.encode(tag));
            text += &format!(
                "\nNewest checkpoint: {number}, over {} before {before}, with the tag\n  {tag}\n\
                 A copy of that tag elsewhere, as in the server's log, shows whether it is still the newest.",
                counted(*entries, "entry", "entries")
            );
        }
    }
    text
}

/// What verifying came to, for machines.
pub(super) fn record(report: &Report) -> Value {
    let Report { chains, entries, checkpoints, newest, cut, erased, erasure, findings, flaws } = report;
    let newest = newest.as_ref().map(|newest| {
        json!({
            "number": newest.number,
            "before": rfc3339(newest.before),
            "chains": newest.chains,
            "entries": newest.entries,
            "tag": HEXLOWER.encode(&newest.tag),
            "key_id": newest.key_id,
        })
    });
    let findings = findings.iter().map(|finding| match finding {
        Finding::Entry { account, number, flaw } => {
            json!({ "account_id": account, "entry": number, "flaw": flaw.to_string() })
        }
        Finding::Checkpoint { number, flaw } => json!({ "checkpoint": number, "flaw": flaw.to_string() }),
        Finding::Erasure { number, flaw } => json!({ "erasure": number, "flaw": flaw.to_string() }),
        Finding::Cut { number, flaw } => json!({ "cut": number, "flaw": flaw.to_string() }),
    });
    json!({
        "is_intact": report.is_sound(),
        "chains": chains,
        "entries": entries,
        "checkpoints": checkpoints,
        "newest_checkpoint": newest,
        "newest_cut": cut.as_ref().map(cut::record),
        "erased": erased,
        "newest_erasure": erasure.as_ref().map(|erasure| {
            json!({
                "number": erasure.number,
                "at": rfc3339(erasure.at),
                "account_id": erasure.account,
                "last": erasure.last,
                "chained_anew": erasure.chained_anew,
                "old_head": HEXLOWER.encode(&erasure.old_head),
                "new_head": HEXLOWER.encode(&erasure.new_head),
                "checkpoint": erasure.checkpoint,
                "tag": HEXLOWER.encode(&erasure.tag),
                "key_id": erasure.key_id,
            })
        }),
        "flaws": flaws,
        "findings": findings.collect::<Vec<_>>(),
    })
}

//! `sprag user factors` and `sprag user reset-factors`: what an account has of second factors, and what is done when they are
//! lost.

use std::process::ExitCode;

use anyhow::bail;
use serde::Serialize;
use sprag::factor::Factor;
use sprag::{Engine, Error, Refusal};

use super::super::accounts::{called, find};
use super::super::on_node::{plainly, requester};
use super::super::output::{Column, List, counted, minute, rfc3339, say};

const COLUMNS: [Column; 5] = [
    Column::whole("FACTOR"),
    Column::whole("KIND"),
    Column::cut("CALLED"),
    Column::whole("ADDED (UTC)"),
    Column::whole("LAST USED (UTC)"),
];

#[derive(Serialize)]
struct Record<'a> {
    id: String,
    kind: &'static str,
    label: Option<&'a str>,
    added_at: String,
    last_used_at: Option<String>,
}

pub(super) async fn list(engine: &Engine, who: &str, is_json: bool) -> anyhow::Result<ExitCode> {
    let account = find(engine, who).await?;
    let held = engine.factors().of(account.id).await?;
    let mut list = List::new(&COLUMNS, is_json);
    for factor in &held.factors {
        list.add(&record(factor), cells(factor))?;
    }
    list.finish("it has no second factor; its owner adds one in the app")?;
    if !is_json && !held.factors.is_empty() {
        say(format_args!(
            "{} left",
            counted(held.recovery_codes as u64, "recovery code is", "recovery codes are")
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn record(factor: &Factor) -> Record<'_> {
    Record {
        id: factor.id.to_string(),
        kind: factor.kind.name(),
        label: factor.label.as_deref(),
        added_at: rfc3339(factor.added_at),
        last_used_at: factor.used_at.map(rfc3339),
    }
}

fn cells(factor: &Factor) -> Vec<String> {
    vec![
        factor.id.to_string(),
        factor.kind.name().to_owned(),
        factor.label.clone().unwrap_or_else(|| "-".to_owned()),
        minute(factor.added_at),
        factor.used_at.map_or_else(|| "-".to_owned(), minute),
    ]
}

pub(super) async fn reset(engine: &Engine, who: &str) -> anyhow::Result<ExitCode> {
    let account = find(engine, who).await?;
    let name = called(&account);
    match engine.factors().reset(account.id, &requester()).await {
        Ok(ended) => say(format_args!(
            "{name} has no second factor any more, and no recovery codes; {} ended. The password alone logs in until its owner \
             adds one",
            counted(ended, "session", "sessions")
        ))?,
        Err(Error::Refused(Refusal::FactorUnknown)) => {
            bail!("{name} has no second factor, so there is nothing to take away; nothing was changed")
        }
        Err(error) => return Err(plainly(error)),
    }
    Ok(ExitCode::SUCCESS)
}

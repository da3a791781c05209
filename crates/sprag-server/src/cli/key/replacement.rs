//! Another key ring for a database whose own is lost.

use std::process::ExitCode;

use sprag::audit::{Event, EventKind, NOBODY};
use sprag::clock::Timestamp;

use crate::cli::on_node::{block_on, requester};
use crate::cli::output::{say, tell};
use crate::config::Config;
use crate::run::database;
use crate::run::high_water::HighWater;
use crate::run::ring_file::RingSource;

/// Lets servers use the configured ring, which shares no key with the one before, and no server that ring any more.
pub(super) fn replace(config: &Config, is_meant: bool) -> anyhow::Result<ExitCode> {
    let (source, shown) = (RingSource::of(config), database::shown(config));
    let keys = source.read(config)?;
    let ring = keys.fingerprints();
    database::expect(config)?;
    block_on(async {
        let store = database::open(config).await?;
        let clock = store.clock();
        if store.admit(ring.clone(), clock.now()).await? {
            say(format_args!("the key ring {source} is that of {shown} already; nothing was changed"))?;
            return Ok(ExitCode::SUCCESS);
        }
        if !is_meant {
            tell(format_args!(
                "The tokens of {shown} were made with another key ring. Taking the one {source} in its place refuses\n\
                 all of them: everybody must log in again. Nothing was changed. If the other ring is in a backup or on\n\
                 another node, use that one. If it is lost for good, stop every server and run: sprag key replace --now"
            ));
            return Ok(ExitCode::FAILURE);
        }
        store.replace(ring, clock.now()).await?;
        store.record(told(clock.now())).await?;
        store.count_commits().await?;
        if let Some(progress) = store.read_progress().await? {
            // Nobody could verify the one before.
            HighWater::of(config).write(&keys, clock.now(), progress)?;
        }
        say(format_args!(
            "The key ring {source} is that of {shown} now. Every refresh token of the one before is refused, and a server\n\
             that still runs with that one refuses the new tokens: stop it, give it this ring and start it again."
        ))?;
        Ok(ExitCode::SUCCESS)
    })
}

fn told(at: Timestamp) -> Event {
    let requester = requester();
    Event {
        account: NOBODY,
        at,
        kind: EventKind::KeysChanged,
        session: None,
        cause: None,
        ip: requester.ip,
        user_agent: requester.user_agent,
        note: Some("took a key ring in place of another that shares no key with the one before".to_owned()),
    }
}

//! What waits in the outbox, as `sprag mail` and `sprag webhook` tell of it.

use std::fmt::Display;

use anyhow::bail;
use serde_json::{Map, Value, json};
use sprag::Fault;
use sprag::outbox::{MessageKey, MessageKind, Queued};
use sprag::store::Slice;

use super::output::{rfc3339, say};

/// How many are read at once.
const SLICE: u32 = 200;

/// Every message of a kind that is remembered, each with what `list` makes of it.
pub(super) async fn all<T>(
    kind: MessageKind,
    list: impl AsyncFn(Slice<MessageKey>) -> Result<Vec<(Queued, T)>, Fault>,
) -> anyhow::Result<Vec<(Queued, T)>> {
    let (mut all, mut after): (_, Option<MessageKey>) = (Vec::new(), None);
    loop {
        let slice = list(Slice::after(after, SLICE)).await?;
        let Some((last, _)) = slice.last() else { return Ok(all) };
        after = Some(last.key);
        all.extend(slice.into_iter().filter(|(message, _)| message.kind == kind));
    }
}

/// A message as JSON, with what its kind alone has.
pub(super) fn record<const N: usize>(message: &Queued, own: [(&str, Value); N]) -> Value {
    let before = [
        ("id", json!(message.key.id)),
        ("account_id", json!(message.key.account.0)),
        ("state", json!(message.state().name())),
    ];
    let after = [
        ("written_at", json!(rfc3339(message.made_at))),
        ("tries", json!(message.attempts)),
        ("next_try_at", json!(message.due_at.map(rfc3339))),
        ("settled_at", json!(message.settled_at.map(rfc3339))),
        ("trouble", json!(message.trouble)),
    ];
    let members = before.into_iter().chain(own).chain(after);
    Value::Object(members.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
}

/// What messages of a kind are called where people read of them.
pub(super) struct Called {
    /// One of them.
    pub(super) noun: &'static str,
    /// The command that lists them.
    pub(super) list: &'static str,
    /// What does not happen once more to one that was not given up.
    pub(super) done: &'static str,
}

/// What came of having messages tried again.
pub(super) struct Revived<'a> {
    /// The one that was meant; all of them, where none is named.
    pub(super) wanted: Option<&'a dyn Display>,
    /// Whether there is what was meant.
    pub(super) is_known: bool,
    /// How many are tried again.
    pub(super) count: u64,
}

/// Says how many messages are tried again.
///
/// # Errors
/// The one that was meant is not there, or was not given up.
pub(super) fn tell_revived(called: &Called, revived: &Revived<'_>) -> anyhow::Result<()> {
    let Called { noun, list, done } = called;
    match (revived.wanted, revived.count) {
        (Some(wanted), 0) if !revived.is_known => {
            bail!("there is no {noun} {wanted}; {list} shows which there are")
        }
        (Some(wanted), 0) => {
            bail!(
                "the {noun} {wanted} was not given up, so it is not {done} again; {list} says where it stands"
            )
        }
        (_, 0) => say(format_args!("no {noun} was given up"))?,
        (_, 1) => say(format_args!("one {noun} is tried again by whatever server runs on this store"))?,
        (_, many) => {
            say(format_args!("{many} {noun}s are tried again by whatever server runs on this store"))?
        }
    }
    Ok(())
}

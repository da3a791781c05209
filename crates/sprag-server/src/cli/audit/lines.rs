//! An export's lines: JSON objects, each complete enough to verify the journal by.

use anyhow::{Context as _, bail};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sprag::audit::{Checkpoint, Cover, Cut, Entry, Erasure, Event, EventKind, Hash};
use sprag::clock::{Timestamp, rfc3339};
use sprag::session::{AccountId, EndCause, SessionId};

use super::cursor::Cursor;

/// What a line says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Line {
    /// Where a run begins; `None` is the beginning of the journal.
    Begin(Option<Cursor>),
    Entry(Entry),
    Checkpoint(Checkpoint),
    Cut(Cut),
    Erasure(Erasure),
    /// From where the next run goes on.
    End(Cursor),
}

impl Line {
    pub(super) fn write(&self) -> Value {
        match self {
            Self::Begin(after) => {
                json!({ "record": "begin", "format": 1, "after": after.map(|after| after.to_string()) })
            }
            Self::Entry(entry) => write_entry(entry),
            Self::Checkpoint(checkpoint) => json!({
                "record": "checkpoint",
                "number": checkpoint.number,
                "before": rfc3339(checkpoint.before),
                "before_ms": checkpoint.before.0,
                "chains": checkpoint.chains,
                "entries": checkpoint.entries,
                "root": hex(&checkpoint.root),
                "previous": hex(&checkpoint.previous),
                "tag": hex(&checkpoint.tag),
                "key_id": checkpoint.key_id,
            }),
            Self::Cut(cut) => json!({
                "record": "cut",
                "number": cut.number,
                "at": rfc3339(cut.at),
                "at_ms": cut.at.0,
                "before": rfc3339(cut.before),
                "before_ms": cut.before.0,
                "covered_before_ms": cut.covered_before.0,
                "chains": cut.chains,
                "entries": cut.entries,
                "root": hex(&cut.root),
                "previous": hex(&cut.previous),
                "tag": hex(&cut.tag),
                "key_id": cut.key_id,
            }),
            Self::Erasure(erasure) => json!({
                "record": "erasure",
                "number": erasure.number,
                "at": rfc3339(erasure.at),
                "at_ms": erasure.at.0,
                "account_id": erasure.account,
                "last": erasure.last,
                "chained_anew": erasure.chained_anew,
                "old_head": hex(&erasure.old_head),
                "new_head": hex(&erasure.new_head),
                "checkpoint": erasure.checkpoint,
                "previous": hex(&erasure.previous),
                "tag": hex(&erasure.tag),
                "key_id": erasure.key_id,
            }),
            Self::End(cursor) => json!({ "record": "end", "cursor": cursor.to_string() }),
        }
    }

    pub(super) fn read(text: &str) -> anyhow::Result<Self> {
        let value: Value = serde_json::from_str(text).context("it is no JSON")?;
        let from = From(&value);
        Ok(match from.text("record")? {
            "begin" => {
                if from.count("format")? != 1 {
                    bail!("its format is {}, and this build knows format 1", value["format"]);
                }
                Self::Begin(from.optional("after")?.map(str::parse).transpose()?)
            }
            "entry" => Self::Entry(from.entry()?),
            "checkpoint" => Self::Checkpoint(Checkpoint {
                number: from.count("number")?,
                before: from.moment("before_ms")?,
                chains: from.count("chains")?,
                entries: from.count("entries")?,
                root: from.hash("root")?,
                previous: from.hash("previous")?,
                tag: from.hash("tag")?,
                key_id: from.key_id()?,
            }),
            "cut" => Self::Cut(Cut {
                number: from.count("number")?,
                at: from.moment("at_ms")?,
                before: from.moment("before_ms")?,
                covered_before: from.moment("covered_before_ms")?,
                chains: from.count("chains")?,
                entries: from.count("entries")?,
                root: from.hash("root")?,
                previous: from.hash("previous")?,
                tag: from.hash("tag")?,
                key_id: from.key_id()?,
            }),
            "erasure" => Self::Erasure(Erasure {
                number: from.count("number")?,
                at: from.moment("at_ms")?,
                account: from.account()?,
                last: from.count("last")?,
                chained_anew: from.count("chained_anew")?,
                old_head: from.hash("old_head")?,
                new_head: from.hash("new_head")?,
                checkpoint: from.count("checkpoint")?,
                previous: from.hash("previous")?,
                tag: from.hash("tag")?,
                key_id: from.key_id()?,
            }),
            "end" => Self::End(from.text("cursor")?.parse()?),
            other => bail!("there is no record {other:?}"),
        })
    }
}

fn write_entry(entry: &Entry) -> Value {
    let event = &entry.event;
    let (mac, salt) = match &entry.cover {
        Cover::Plain => (None, None),
        Cover::Salted { mac, salt } => (Some(hex(mac)), salt.as_ref().map(hex)),
    };
    json!({
        "record": "entry",
        "account_id": event.account,
        "entry": entry.number,
        "at": rfc3339(event.at),
        "at_ms": event.at.0,
        "severity": event.severity().name(),
        "kind": event.kind.name(),
        "session_id": event.session,
        "cause": event.cause,
        "ip": event.ip,
        "user_agent": event.user_agent,
        "note": event.note,
        "particulars": mac,
        "salt": salt,
        "previous": hex(&entry.previous),
        "hash": hex(&entry.hash),
    })
}

fn hex(hash: &Hash) -> String {
    HEXLOWER.encode(hash)
}

/// A line's object, read field by field.
struct From<'v>(&'v Value);

impl<'v> From<'v> {
    fn optional(&self, name: &str) -> anyhow::Result<Option<&'v str>> {
        match &self.0[name] {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text)),
            _ => bail!("{name} is no text"),
        }
    }

    fn text(&self, name: &str) -> anyhow::Result<&'v str> {
        self.optional(name)?.with_context(|| format!("{name} is missing"))
    }

    fn owned(&self, name: &str) -> anyhow::Result<Option<String>> {
        Ok(self.optional(name)?.map(str::to_owned))
    }

    fn count(&self, name: &str) -> anyhow::Result<u64> {
        self.0[name].as_u64().with_context(|| format!("{name} is no count"))
    }

    fn moment(&self, name: &str) -> anyhow::Result<Timestamp> {
        self.0[name].as_i64().map(Timestamp).with_context(|| format!("{name} is no moment"))
    }

    fn key_id(&self) -> anyhow::Result<u8> {
        u8::try_from(self.count("key_id")?).context("key_id is too large")
    }

    fn account(&self) -> anyhow::Result<AccountId> {
        self.text("account_id")?.parse().ok().context("account_id is no id")
    }

    fn optional_hash(&self, name: &str) -> anyhow::Result<Option<Hash>> {
        let Some(text) = self.optional(name)? else { return Ok(None) };
        let bytes = HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| Hash::try_from(bytes).ok());
        Ok(Some(bytes.with_context(|| format!("{name} is not 32 bytes in lower-case hexadecimal"))?))
    }

    fn hash(&self, name: &str) -> anyhow::Result<Hash> {
        self.optional_hash(name)?.with_context(|| format!("{name} is missing"))
    }

    fn entry(&self) -> anyhow::Result<Entry> {
        let kind = self.text("kind")?;
        let cause = self.optional("cause")?;
        let session = self.optional("session_id")?;
        let event = Event {
            account: self.account()?,
            at: self.moment("at_ms")?,
            kind: EventKind::named(kind)
                .with_context(|| format!("this build does not know the kind {kind:?}"))?,
            session: session
                .map(|id| id.parse().map(SessionId))
                .transpose()
                .context("session_id is no id")?,
            cause: match cause {
                None => None,
                Some(name) => Some(
                    EndCause::named(name)
                        .with_context(|| format!("this build does not know the cause {name:?}"))?,
                ),
            },
            ip: self.owned("ip")?,
            user_agent: self.owned("user_agent")?,
            note: self.owned("note")?,
        };
        let salt = self.optional_hash("salt")?;
        let cover = match self.optional_hash("particulars")? {
            None => Cover::Plain,
            Some(mac) => Cover::Salted { mac, salt },
        };
        Ok(Entry {
            number: self.count("entry")?,
            event,
            previous: self.hash("previous")?,
            hash: self.hash("hash")?,
            cover,
        })
    }
}

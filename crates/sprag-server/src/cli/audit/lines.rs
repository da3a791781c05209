//! An export's lines: JSON objects, each complete enough to verify the journal by.

use std::fmt;

use anyhow::{Context as _, bail};
use data_encoding::HEXLOWER;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value, json};
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

    /// Reads a line, which must be what [`write`](Self::write) makes of what it says: whoever reads an export reads all of its fields,
    /// and not only those that hashes cover.
    pub(super) fn read(text: &str) -> anyhow::Result<Self> {
        let Fields(value) =
            serde_json::from_str(text).context("it is no JSON object with each field once")?;
        let line = Self::said_by(&value)?;
        let written = line.write();
        match differing(&value, &written) {
            None => Ok(line),
            Some(field) => bail!("{}the field {field:?} is not as an export writes it", line.whose()),
        }
    }

    /// Which entry it is, before what is wrong with it.
    fn whose(&self) -> String {
        match self {
            Self::Entry(entry) => format!("account {}, entry {}: ", entry.event.account, entry.number),
            _ => String::new(),
        }
    }

    fn said_by(value: &Value) -> anyhow::Result<Self> {
        let from = From(value);
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

/// The first field of a line that another line does not have, or has otherwise.
fn differing<'v>(line: &'v Value, other: &'v Value) -> Option<&'v str> {
    let fields = |value: &'v Value| value.as_object().into_iter().flat_map(|object| object.keys());
    fields(line).chain(fields(other)).find(|name| line.get(name) != other.get(name)).map(String::as_str)
}

/// A line's object, each of whose fields came once: of two that are called alike, programs take either.
struct Fields(Value);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Once)
    }
}

struct Once;

impl<'de> Visitor<'de> for Once {
    type Value = Fields;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Fields, A::Error> {
        let mut fields = Map::new();
        while let Some((name, value)) = from.next_entry::<String, Value>()? {
            if fields.insert(name.clone(), value).is_some() {
                return Err(de::Error::custom(format!("the field {name:?} comes twice")));
            }
        }
        Ok(Fields(Value::Object(fields)))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// An entry that says everything an entry can say.
    fn entry() -> Entry {
        let event = Event {
            account: "01980000-0000-7000-8000-000000000001".parse().unwrap(),
            at: Timestamp(1_800_000_000_123),
            kind: EventKind::SessionEnded,
            session: Some(SessionId("01980000-0000-7000-8000-000000000002".parse().unwrap())),
            cause: EndCause::named("reuse"),
            ip: Some("192.0.2.7".to_owned()),
            user_agent: Some("curl/8".to_owned()),
            note: Some("a note".to_owned()),
        };
        Entry::chained(7, event, [1; 32], Some([2; 32]))
    }

    /// Why a line is none of an export's.
    fn why(text: &str) -> String {
        format!("{:#}", Line::read(text).unwrap_err())
    }

    #[test]
    fn a_line_reads_as_it_was_written_however_its_fields_stand() {
        let line = Line::Entry(entry());
        let text = line.write().to_string();
        assert_eq!(Line::read(&text).unwrap(), line);
        assert_eq!(Line::read(&format!(" {} ", text.replace(',', " ,\t"))).unwrap(), line);
    }

    #[test]
    fn a_moment_and_a_severity_that_people_read_were_altered_unseen() {
        let written = Line::Entry(entry()).write();
        let fields: Vec<_> = written.as_object().unwrap().keys().cloned().collect();
        for name in fields {
            let mut altered = written.clone();
            altered[&name] = match &altered[&name] {
                Value::Number(number) => json!(number.as_i64().unwrap() + 1),
                Value::String(text) if name == "at" => json!(text.replace("2027", "2026")),
                Value::String(_) if name == "severity" => json!("notice"),
                _ => continue,
            };
            let read = Line::read(&altered.to_string());
            // What a hash covers is found by it.
            let is_covered =
                read.as_ref().is_ok_and(|line| matches!(line, Line::Entry(entry) if !entry.is_intact()));
            assert!(read.is_err() || is_covered, "{name}");
        }
        let mut later = written.clone();
        later["at"] = json!("2027-01-15T08:00:00.124Z");
        let begin = "account 01980000-0000-7000-8000-000000000001, entry 7: ";
        assert_eq!(why(&later.to_string()), format!("{begin}the field \"at\" is not as an export writes it"));
    }

    #[test]
    fn a_field_that_came_twice_was_read_by_others_as_the_first_of_them() {
        let text = Line::Entry(entry()).write().to_string();
        let twice = text.replacen("\"ip\":", "\"ip\":\"203.0.113.6\",\"ip\":", 1);
        assert!(why(&twice).contains("the field \"ip\" comes twice"), "{}", why(&twice));
        let more = text.replacen("\"ip\":", "\"ips\":[1],\"ip\":", 1);
        assert!(why(&more).ends_with("the field \"ips\" is not as an export writes it"), "{}", why(&more));
        let fewer = text.replacen("\"note\":\"a note\",", "", 1);
        assert!(fewer.len() < text.len() && Line::read(&fewer).is_err());
        assert!(why("[]").starts_with("it is no JSON object"));
    }
}

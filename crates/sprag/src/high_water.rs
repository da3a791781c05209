//! How far a store has come, and noticing that it went back: a backup was put back, a failover lost commits, the end of a log
//! was damaged.
//!
//! A store counts what it commits, in itself ([`Progress`]). A server keeps the newest count that it saw outside of the store,
//! under a key that the store does not hold: a high-water mark ([`HighWaterMark`]). The mark is written after the commit, so
//! it is never ahead of what is durable; a store that is behind it has lost something. Everything here is text and
//! arithmetic; the store counts, and the server keeps the file.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::keys::{Fingerprint, KeyRing};

/// Which store: random, made with it. A copy is the same store.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct StoreId(pub Uuid);

/// How far a store has come, as it says itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Which store.
    pub store: StoreId,
    /// Counts what was committed; it never goes down, unless the store goes back.
    pub position: u64,
    /// The position up to which everything stands in the database's own file too, where a log is copied into one and that is
    /// known; 0 otherwise.
    pub copied: u64,
    /// When it was noticed that it had gone back, until somebody accepts that.
    pub went_back_at: Option<Timestamp>,
    /// Whether this process has found, since it last told, that something is missing which it had counted, however far the
    /// store has come since.
    pub has_lost: bool,
}

/// What was last seen of a store, under a key of the ring.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HighWaterMark {
    store: Uuid,
    /// Where the store was, as the one who kept the mark calls it.
    place: String,
    position: u64,
    /// The position up to which everything stood in the database's own file, where a log is copied into one.
    copied: u64,
    key: String,
    tag: String,
}

/// How many stores a file of marks remembers; those written last.
const MAX_MARKS: usize = 16;

/// The high-water marks that one server keeps, of each store that it has used.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HighWaterMarks {
    marks: Vec<HighWaterMark>,
}

/// What is found where a store should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found<'a> {
    /// Where it was looked for.
    pub place: &'a str,
    /// What the store says of itself; `None` where there is none that says anything.
    pub progress: Option<Progress>,
    /// What the database's own file says without its log, where somebody could look.
    pub copied: Option<u64>,
}

/// How a store compares with what was last seen of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Comparison {
    /// Nothing was seen of it, or nothing that this ring can vouch for.
    Unknown,
    /// It has all that was seen.
    Level,
    /// It has less.
    Behind {
        /// The position that was seen.
        seen: u64,
        /// The position that it has.
        found: u64,
    },
    /// It has come as far as was seen or further, and not by way of what was seen: something is missing.
    Parted {
        /// The position that was seen.
        seen: u64,
    },
    /// Where a store was seen there is another one, or one from before stores were told apart.
    Another {
        /// The position that was seen.
        seen: u64,
    },
    /// The log reaches as far as was seen, and the file that it belongs to is an older one.
    OlderFile {
        /// The position that was seen.
        seen: u64,
    },
    /// The mark is not what this ring's key made: it was altered or damaged, so nothing can be said.
    Altered,
}

impl Comparison {
    /// Whether something is missing, or may be.
    #[must_use]
    pub fn is_doubtful(&self) -> bool {
        !matches!(self, Self::Unknown | Self::Level)
    }

    /// The position that was seen, where the store has not reached it.
    #[must_use]
    pub fn seen(&self) -> u64 {
        match self {
            Self::Behind { seen, .. }
            | Self::Parted { seen }
            | Self::Another { seen }
            | Self::OlderFile { seen } => *seen,
            Self::Unknown | Self::Level | Self::Altered => 0,
        }
    }
}

impl HighWaterMark {
    /// What is seen of a store now.
    #[must_use]
    pub fn new(keys: &KeyRing, now: Timestamp, place: &str, progress: Progress) -> Self {
        let Progress { store: StoreId(store), position, copied, .. } = progress;
        let (key, tag) = (String::new(), String::new());
        let mut mark = Self { store, place: place.to_owned(), position, copied, key, tag };
        let (fingerprint, tag) = keys.high_water_tag(now, &mark.tagged_bytes());
        mark.key = HEXLOWER.encode(&fingerprint.0);
        mark.tag = HEXLOWER.encode(&tag);
        mark
    }

    /// Whether the ring vouches for it; `None` where it does not have the key.
    fn is_genuine(&self, keys: &KeyRing) -> Option<bool> {
        let key: [u8; 16] = HEXLOWER.decode(self.key.as_bytes()).ok()?.try_into().ok()?;
        let tag = HEXLOWER.decode(self.tag.as_bytes()).unwrap_or_default();
        keys.high_water_verify(Fingerprint(key), &self.tagged_bytes(), &tag)
    }

    /// Each field of fixed length, and the one that is not at the end.
    fn tagged_bytes(&self) -> Vec<u8> {
        let mut bytes = self.store.as_bytes().to_vec();
        bytes.extend(self.position.to_be_bytes());
        bytes.extend(self.copied.to_be_bytes());
        bytes.extend(self.place.as_bytes());
        bytes
    }
}

impl HighWaterMarks {
    /// Reads what [`to_text`](Self::to_text) wrote; `None` where it is something else.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The text to keep. There is no secret in it.
    #[must_use]
    pub fn to_text(&self) -> String {
        let text =
            serde_json::to_string_pretty(self).expect("text, numbers and lists can be written as JSON");
        text + "\n"
    }

    /// Remembers how far a store has come, in place of what was remembered of it or of its place; of that store itself never
    /// less than before. Says whether anything changed.
    pub fn put(&mut self, keys: &KeyRing, now: Timestamp, place: &str, mut progress: Progress) -> bool {
        let is_same = |known: &&HighWaterMark| known.store == progress.store.0;
        let genuine = self.marks.iter().filter(is_same).filter(|known| known.is_genuine(keys) == Some(true));
        let (position, copied) = genuine.fold((0, 0), |(position, copied), known| {
            (known.position.max(position), known.copied.max(copied))
        });
        progress.position = progress.position.max(position);
        progress.copied = progress.copied.max(copied);
        let mark = HighWaterMark::new(keys, now, place, progress);
        if self.marks.contains(&mark) {
            return false;
        }
        self.marks.retain(|known| known.store != mark.store && known.place != mark.place);
        self.marks.push(mark);
        let beyond = self.marks.len().saturating_sub(MAX_MARKS);
        self.marks.drain(..beyond);
        true
    }

    /// The furthest position of all that the ring vouches for.
    #[must_use]
    pub fn newest(&self, keys: &KeyRing) -> u64 {
        let genuine = self.marks.iter().filter(|mark| mark.is_genuine(keys) == Some(true));
        genuine.map(|mark| mark.position).max().unwrap_or(0)
    }

    /// How what is found compares with what was last seen. What the ring has no key for counts for nothing: it was kept by
    /// somebody with another ring.
    #[must_use]
    pub fn compare(&self, keys: &KeyRing, found: Found<'_>) -> Comparison {
        let is_about = |mark: &&HighWaterMark| {
            let is_same = found.progress.is_some_and(|progress| progress.store.0 == mark.store);
            is_same || mark.place == found.place
        };
        let about = self.marks.iter().filter(is_about);
        let judged: Vec<_> = about.filter_map(|mark| Some((mark, mark.is_genuine(keys)?))).collect();
        if judged.iter().any(|(_, is_genuine)| !is_genuine) {
            return Comparison::Altered;
        }
        let comparisons = judged.iter().map(|(mark, _)| mark.compare(found));
        // The worst counts.
        comparisons
            .max_by_key(|comparison| (comparison.is_doubtful(), comparison.seen()))
            .unwrap_or(Comparison::Unknown)
    }
}

impl HighWaterMark {
    fn compare(&self, found: Found<'_>) -> Comparison {
        let seen = self.position;
        match found.progress {
            Some(Progress { store, position, .. }) if store.0 == self.store => {
                if position < seen {
                    Comparison::Behind { seen, found: position }
                } else if found.copied.is_some_and(|copied| copied < self.copied) {
                    Comparison::OlderFile { seen }
                } else {
                    Comparison::Level
                }
            }
            Some(_) | None => Comparison::Another { seen },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Algorithm;
    use crate::random::SeededRandom;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);
    const HERE: &str = "sprag.db";

    fn ring(seed: u64) -> KeyRing {
        KeyRing::generate(Algorithm::EdDsa, &SeededRandom::new(seed), NOW).unwrap()
    }

    fn store(number: u128, position: u64, copied: u64) -> Progress {
        Progress {
            store: StoreId(Uuid::from_u128(number)),
            position,
            copied,
            went_back_at: None,
            has_lost: false,
        }
    }

    fn seen(progress: &[Progress]) -> HighWaterMarks {
        let mut marks = HighWaterMarks::default();
        progress.iter().for_each(|progress| assert!(marks.put(&ring(1), NOW, HERE, *progress)));
        HighWaterMarks::from_text(&marks.to_text()).unwrap()
    }

    fn compare(marks: &HighWaterMarks, place: &str, progress: Option<Progress>) -> Comparison {
        marks.compare(&ring(1), Found { place, progress, copied: None })
    }

    #[test]
    fn a_store_is_level_with_its_mark_or_behind_it_wherever_it_is_found() {
        let marks = seen(&[store(1, 7, 0)]);
        for (position, expected) in
            [(6, Comparison::Behind { seen: 7, found: 6 }), (7, Comparison::Level), (8, Comparison::Level)]
        {
            for place in [HERE, "elsewhere"] {
                assert_eq!(
                    compare(&marks, place, Some(store(1, position, 0))),
                    expected,
                    "{position} {place}"
                );
            }
        }
        assert_eq!(compare(&marks, HERE, Some(store(2, 9, 0))), Comparison::Another { seen: 7 });
        assert_eq!(compare(&marks, HERE, None), Comparison::Another { seen: 7 }, "from before it counted");
        assert_eq!(compare(&marks, "elsewhere", Some(store(2, 1, 0))), Comparison::Unknown);
        assert_eq!(compare(&HighWaterMarks::default(), HERE, None), Comparison::Unknown);
    }

    #[test]
    fn a_newer_log_does_not_hide_an_older_file() {
        let marks = seen(&[store(1, 7, 5)]);
        for (copied, expected) in [
            (Some(4), Comparison::OlderFile { seen: 7 }),
            (Some(5), Comparison::Level),
            (None, Comparison::Level),
        ] {
            let found = Found { place: HERE, progress: Some(store(1, 7, 0)), copied };
            assert_eq!(marks.compare(&ring(1), found), expected, "{copied:?}");
        }
    }

    #[test]
    fn a_mark_never_says_less_than_before_and_a_place_has_one() {
        let mut marks = seen(&[store(1, 7, 5)]);
        assert!(!marks.put(&ring(1), NOW, HERE, store(1, 6, 0)), "nothing changes");
        assert_eq!(compare(&marks, HERE, Some(store(1, 6, 0))), Comparison::Behind { seen: 7, found: 6 });
        assert!(marks.put(&ring(1), NOW, HERE, store(2, 1, 0)));
        assert_eq!(compare(&marks, HERE, Some(store(2, 1, 0))), Comparison::Level);
        assert_eq!(marks.marks.len(), 1);
        for number in 3..100 {
            marks.put(&ring(1), NOW, &format!("place {number}"), store(number, 1, 0));
        }
        assert_eq!(marks.marks.len(), MAX_MARKS);
    }

    #[test]
    fn what_was_altered_is_told_and_what_another_ring_wrote_counts_for_nothing() {
        let text = seen(&[store(1, 7, 5)]).to_text();
        for (from, to) in [
            ("\"position\": 7", "\"position\": 6"),
            ("\"copied\": 5", "\"copied\": 4"),
            ("\"tag\": \"", "\"tag\": \"00"),
            ("00000001", "00000002"),
        ] {
            let altered = HighWaterMarks::from_text(&text.replace(from, to)).unwrap();
            assert_ne!(altered.to_text(), text, "{from}");
            assert_eq!(compare(&altered, HERE, Some(store(1, 7, 0))), Comparison::Altered, "{from}");
        }
        let marks = HighWaterMarks::from_text(&text).unwrap();
        let found = Found { place: HERE, progress: Some(store(1, 1, 0)), copied: None };
        assert_eq!(marks.compare(&ring(2), found), Comparison::Unknown);
        assert_eq!(HighWaterMarks::from_text("{}"), None);
    }

    #[test]
    fn a_key_that_retired_vouches_for_what_it_wrote() {
        let marks = seen(&[store(1, 7, 0)]);
        let mut ring = ring(1);
        ring.add_refresh(&SeededRandom::new(3), NOW, NOW);
        assert!(ring.retire("1", NOW));
        let found = Found { place: HERE, progress: Some(store(1, 6, 0)), copied: None };
        assert!(marks.compare(&ring, found).is_doubtful());
    }
}

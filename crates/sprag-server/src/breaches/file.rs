//! Stolen passwords in a file of their hashes.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use sprag::Fault;
use sprag::password::{Breaches, PasswordSha1};
use tokio::task::spawn_blocking;

use super::DOING;

/// The longest line: 40 digits, a colon, a number and the end of the line.
const MAX_LINE_BYTES: usize = 80;

/// A file of hashes, one a line, in capital letters or small ones, sorted; behind each may stand how often it was seen.
#[derive(Debug)]
pub(crate) struct BreachFile(PathBuf);

impl BreachFile {
    /// The file, if it looks like one.
    ///
    /// # Errors
    /// It cannot be read, or begins with something else than a hash; the message names it.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let told = |why: String| {
            anyhow::anyhow!(
                "{} cannot be searched for stolen passwords: {why}; give it one SHA-1 hash a line, sorted, or set breach-check to off",
                path.display()
            )
        };
        let file = File::open(path).map_err(|error| told(error.to_string()))?;
        let line = line_at(&file, 0).map_err(|error| told(error.to_string()))?;
        match hash_of(&line) {
            Some(_) => Ok(Self(path.to_owned())),
            None => Err(told("its first line is no SHA-1 hash".to_owned())),
        }
    }
}

#[async_trait]
impl Breaches for BreachFile {
    async fn know(&self, hash: &PasswordSha1) -> Result<bool, Fault> {
        let (path, wanted) = (self.0.clone(), hash.as_hex());
        let looked = spawn_blocking(move || has(&path, &wanted)).await;
        looked
            .map_err(|error| Fault::internal(DOING, error))?
            .map_err(|error| Fault::unavailable(DOING, error))
    }
}

/// Whether a sorted file has a hash, in some forty reads however long it is.
fn has(path: &Path, wanted: &str) -> std::io::Result<bool> {
    let file = File::open(path)?;
    // The line that is looked for, if it is there, begins at `low` or behind it, and before `high`.
    let (mut low, mut high) = (0, file.metadata()?.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let begin = begin_of_line(&file, middle, low)?;
        let line = line_at(&file, begin)?;
        let Some(hash) = hash_of(&line) else { return Ok(false) };
        match hash.as_str().cmp(wanted) {
            std::cmp::Ordering::Equal => return Ok(true),
            std::cmp::Ordering::Less => low = begin + line.len() as u64 + 1,
            std::cmp::Ordering::Greater => high = begin,
        }
    }
    Ok(false)
}

/// Where the line begins that `at` is in; no further back than `floor`, where one begins.
fn begin_of_line(file: &File, at: u64, floor: u64) -> std::io::Result<u64> {
    let from = at.saturating_sub(MAX_LINE_BYTES as u64).max(floor);
    let mut before = vec![0; usize::try_from(at - from).unwrap_or(MAX_LINE_BYTES)];
    file.read_exact_at(&mut before, from)?;
    Ok(before.iter().rposition(|byte| *byte == b'\n').map_or(from, |found| from + found as u64 + 1))
}

/// What stands in a line, without its end.
fn line_at(file: &File, at: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; MAX_LINE_BYTES];
    let mut read = 0;
    while read < bytes.len() {
        match file.read_at(&mut bytes[read..], at + read as u64)? {
            0 => break,
            more => read += more,
        }
    }
    bytes.truncate(read);
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    bytes.truncate(end);
    Ok(bytes)
}

/// The hash that a line begins with, in capital letters.
fn hash_of(line: &[u8]) -> Option<String> {
    let digits = line.get(..40).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    let ends = line.get(40).is_none_or(|byte| matches!(byte, b':' | b'\r' | b' ' | b'\t'));
    ends.then(|| String::from_utf8_lossy(digits).to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn each_hash_of_a_file_is_found_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hashes.txt");
        for (count, end) in [(1, "\n"), (2, "\r\n"), (1000, "\r\n"), (1001, "\n")] {
            let hashes: Vec<String> = (0..count).map(|number| format!("{:040X}", number * 3 + 1)).collect();
            let mut text = String::new();
            for (number, hash) in hashes.iter().enumerate() {
                write!(text, "{hash}:{}{end}", number * 7919).unwrap();
            }
            for text in [text.as_str(), text.trim_end()] {
                std::fs::write(&path, text).unwrap();
                assert!(hashes.iter().all(|hash| has(&path, hash).unwrap()), "{count}");
                for number in [0, 2, 3, count * 3 + 1] {
                    assert!(!has(&path, &format!("{number:040X}")).unwrap(), "{count} {number}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_list_of_hashes_is_told_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("words.txt");
        std::fs::write(&path, "password\n").unwrap();
        for path in [path, folder.path().join("none")] {
            let told = BreachFile::open(&path).unwrap_err().to_string();
            assert!(told.contains(&path.display().to_string()) && told.contains("breach-check"), "{told}");
        }
    }
}

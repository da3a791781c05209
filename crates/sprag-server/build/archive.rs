//! What lies in a ZIP archive, each file as gzip: both forms hold the same compressed stream, so none is made anew.
//!
//! A reader of our own, for the sake of the first build: the crates that read archives bring compressors, checksums and
//! dates, some ten more to be built before the server is, and all that is wanted here is where nine files begin and end.
//! It reads one archive alone, which `Cargo.lock` names with its checksum, and gives up where that is otherwise than expected.
//! The checksum of each file goes on into its gzip; a test (`all_that_the_viewer_asks_for_is_there_and_whole`) unpacks every one
//! with `gzip`, which compares it. Of what is not compressed, it is compared here.

/// A file of an archive, as it lies in it.
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a str,
    is_compressed: bool,
    crc: u32,
    size: u32,
    stream: &'a [u8],
}

/// How a file says that its content is compressed by deflate, and that it is not.
const DEFLATED: u16 = 8;
const STORED: u16 = 0;

impl Entry<'_> {
    /// The file's content, and whether it is gzip; `None` where it is damaged, as far as that shows without unpacking it.
    pub(crate) fn content(&self) -> Option<(Vec<u8>, bool)> {
        if !self.is_compressed {
            return (checksum(self.stream) == self.crc).then(|| (self.stream.to_vec(), false));
        }
        // Deflate, no flags, no time, no hint, an unknown system.
        let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
        gzip.extend_from_slice(self.stream);
        gzip.extend_from_slice(&self.crc.to_le_bytes());
        gzip.extend_from_slice(&self.size.to_le_bytes());
        Some((gzip, true))
    }
}

/// The CRC-32 that archives and gzip have of a content.
fn checksum(content: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !content.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

/// The files of an archive; `None` where it cannot be read.
pub(crate) fn entries(archive: &[u8]) -> Option<Vec<Entry<'_>>> {
    let end = archive.windows(4).rposition(|mark| mark == b"PK\x05\x06")?;
    let count = short(archive, end + 10)?;
    let mut at = usize::try_from(long(archive, end + 16)?).ok()?;
    let mut found = Vec::new();
    for _ in 0..count {
        let name_length = usize::from(short(archive, at + 28)?);
        let name = str::from_utf8(archive.get(at + 46..at + 46 + name_length)?).ok()?;
        if let Some(entry) = entry(archive, at, name) {
            found.push(entry);
        }
        let after_name = usize::from(short(archive, at + 30)?) + usize::from(short(archive, at + 32)?);
        at += 46 + name_length + after_name;
    }
    Some(found)
}

/// The file that the directory describes at `at`; `None` where it is packed in a way that gzip does not know.
fn entry<'a>(archive: &'a [u8], at: usize, name: &'a str) -> Option<Entry<'a>> {
    let is_compressed = match short(archive, at + 10)? {
        DEFLATED => true,
        STORED => false,
        _ => return None,
    };
    let length = usize::try_from(long(archive, at + 20)?).ok()?;
    let local = usize::try_from(long(archive, at + 42)?).ok()?;
    // The names and notes of the two descriptions may differ in length.
    let described = usize::from(short(archive, local + 26)?) + usize::from(short(archive, local + 28)?);
    let start = local + 30 + described;
    let stream = archive.get(start..start + length)?;
    Some(Entry { name, is_compressed, crc: long(archive, at + 16)?, size: long(archive, at + 24)?, stream })
}

fn short(archive: &[u8], at: usize) -> Option<u16> {
    archive.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes)
}

fn long(archive: &[u8], at: usize) -> Option<u32> {
    archive.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

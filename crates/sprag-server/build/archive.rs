//! What lies in a ZIP archive, each file as gzip: both forms hold the same compressed stream, so none is made anew.

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
    /// The file's content, and whether it is gzip.
    pub(crate) fn content(&self) -> (Vec<u8>, bool) {
        if !self.is_compressed {
            return (self.stream.to_vec(), false);
        }
        // Deflate, no flags, no time, no hint, an unknown system.
        let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
        gzip.extend_from_slice(self.stream);
        gzip.extend_from_slice(&self.crc.to_le_bytes());
        gzip.extend_from_slice(&self.size.to_le_bytes());
        (gzip, true)
    }
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

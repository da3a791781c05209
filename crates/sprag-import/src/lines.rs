//! Bytes of a file or a pipe, line by line, however long a line may be.

use std::io::{self, BufRead};

/// A line, or that it was too long to be kept.
pub(super) enum Line<'a> {
    Whole(&'a [u8]),
    TooLong,
}

/// Reads lines into one buffer that never grows beyond its bound.
pub(super) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    most_bytes: usize,
    /// How many lines have been read.
    pub(super) number: u64,
    /// How many bytes have been read.
    pub(super) done: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R, most_bytes: usize) -> Self {
        Self { input, line: Vec::new(), most_bytes, number: 0, done: 0 }
    }

    /// The next line without its end; `None` after the last.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let (mut has_begun, mut is_too_long) = (false, false);
        loop {
            let available = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            if available.is_empty() {
                if !has_begun {
                    return Ok(None);
                }
                break;
            }
            has_begun = true;
            let end = available.iter().position(|byte| *byte == b'\n');
            let part = &available[..end.unwrap_or(available.len())];
            if is_too_long || self.line.len() + part.len() > self.most_bytes {
                is_too_long = true;
            } else {
                self.line.extend_from_slice(part);
            }
            let taken = end.map_or(available.len(), |end| end + 1);
            self.input.consume(taken);
            self.done += taken as u64;
            if end.is_some() {
                break;
            }
        }
        self.number += 1;
        if is_too_long {
            return Ok(Some(Line::TooLong));
        }
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        let is_first = self.number == 1;
        Ok(Some(Line::Whole(line.strip_prefix(b"\xef\xbb\xbf").filter(|_| is_first).unwrap_or(line))))
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn read(text: &[u8]) -> Vec<(u64, Option<String>)> {
        let mut lines = Lines::new(BufReader::with_capacity(3, text), 8);
        let mut found = Vec::new();
        loop {
            let line = match lines.next().unwrap() {
                Some(Line::Whole(line)) => Some(String::from_utf8(line.to_vec()).unwrap()),
                Some(Line::TooLong) => None,
                None => break,
            };
            found.push((lines.number, line));
        }
        assert_eq!(lines.done, text.len() as u64);
        found
    }

    #[test]
    fn lines_are_read_whole_or_told_to_be_too_long() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(read(b""), []);
        assert_eq!(read(b"a\n\nb\r\nc"), [(1, some("a")), (2, some("")), (3, some("b")), (4, some("c"))]);
        assert_eq!(read(b"12345678\n123456789\nx\n"), [(1, some("12345678")), (2, None), (3, some("x"))]);
        assert_eq!(read("\u{feff}a\n\u{feff}".as_bytes()), [(1, some("a")), (2, some("\u{feff}"))]);
        assert_eq!(read(&[b'x'; 100]), [(1, None)]);
    }
}

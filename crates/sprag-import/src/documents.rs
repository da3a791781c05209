//! JSON objects that span lines, one behind the other or in a list: what `mongoexport` writes with `--pretty` and
//! `--jsonArray`, and `jq` by itself.
//!
//! No string of JSON goes on in the next line, so a quote too many takes one line with it and no more: there the reading
//! stops, and nobody behind it is lost in silence.

use std::borrow::Cow;
use std::io::BufRead;

use anyhow::{Context as _, bail};

use super::lines::{Line, Lines};
use super::reader::{MAX_RECORD_BYTES, TOO_LONG};

/// An object's text, and the line on which it begins.
pub(super) struct Document {
    pub(super) line: u64,
    pub(super) text: Result<Vec<u8>, Cow<'static, str>>,
}

/// Finds objects in lines. It looks at braces and quotes only; whether what stands between them is JSON is told by who
/// parses it.
#[derive(Default)]
pub(super) struct Documents {
    text: Vec<u8>,
    is_too_long: bool,
    /// The line on which the object under way begins.
    begins: u64,
    depth: usize,
    is_in_string: bool,
    is_escaped: bool,
}

impl Documents {
    /// Takes a line in; what ends in it is handed on.
    ///
    /// # Errors
    /// It is nothing that objects are made of.
    pub(super) fn take(
        &mut self,
        number: u64,
        line: &[u8],
        mut found: impl FnMut(Document) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        for byte in line {
            if self.depth == 0 && *byte != b'{' {
                if !byte.is_ascii_whitespace() && !matches!(byte, b'[' | b',' | b']') {
                    bail!("line {number} has something between its objects that is no JSON");
                }
                continue;
            }
            if self.depth == 0 {
                self.begins = number;
            }
            self.keep(*byte);
            if self.step(*byte) {
                let text = std::mem::take(&mut self.text);
                let text =
                    if std::mem::take(&mut self.is_too_long) { Err(TOO_LONG.into()) } else { Ok(text) };
                found(Document { line: self.begins, text })?;
            }
        }
        if self.is_in_string {
            bail!(
                "a quote on line {number} is not closed, so all below it would be part of one text; look at that line, and \
                 export it anew"
            );
        }
        self.keep(b'\n');
        Ok(())
    }

    /// Nothing may be under way at the end.
    pub(super) fn finish(&self) -> anyhow::Result<()> {
        if self.depth > 0 {
            bail!(
                "the object that opens on line {} is not closed, so all below it would be part of it; look at that line, \
                 and export it anew",
                self.begins
            );
        }
        Ok(())
    }

    fn keep(&mut self, byte: u8) {
        if self.depth == 0 && byte != b'{' {
            return;
        }
        if self.text.len() < MAX_RECORD_BYTES {
            self.text.push(byte);
        } else {
            (self.is_too_long, self.text) = (true, Vec::new());
        }
    }

    /// Whether the object ends with this byte.
    fn step(&mut self, byte: u8) -> bool {
        if self.is_in_string {
            let ends = byte == b'"' && !self.is_escaped;
            self.is_escaped = byte == b'\\' && !self.is_escaped;
            self.is_in_string = !ends;
            return false;
        }
        match byte {
            b'"' => self.is_in_string = true,
            b'{' => self.depth += 1,
            b'}' => {
                self.depth -= 1;
                return self.depth == 0;
            }
            _ => {}
        }
        false
    }
}

/// The next line; nothing after the last.
///
/// # Errors
/// It cannot be read, or is too long for a line of objects.
pub(super) fn next<R: BufRead>(lines: &mut Lines<R>) -> anyhow::Result<Option<Vec<u8>>> {
    let line = match lines.next().context("could not read on")? {
        None => return Ok(None),
        Some(Line::Whole(line)) => Some(line.to_vec()),
        Some(Line::TooLong) => None,
    };
    let number = lines.number;
    line.map(Some).with_context(|| {
        format!("line {number} is longer than 1 MiB; make a line of each object with: jq -c '.[]' FILE")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(u64, String)>, String> {
        let (mut documents, mut all) = (Documents::default(), Vec::new());
        for (index, line) in text.lines().enumerate() {
            let found = |document: Document| {
                let text = document.text.map(|text| String::from_utf8(text).unwrap().replace('\n', " "));
                all.push((document.line, text.unwrap_or_else(|why| why.into_owned())));
                Ok(())
            };
            documents.take(index as u64 + 1, line.as_bytes(), found).map_err(|error| error.to_string())?;
        }
        documents.finish().map_err(|error| error.to_string()).map(|()| all)
    }

    #[test]
    fn objects_that_span_lines_are_found_with_the_line_on_which_they_begin() {
        let some =
            |all: &[(u64, &str)]| Ok(all.iter().map(|(line, text)| (*line, (*text).to_owned())).collect());
        assert_eq!(
            read("{\n\"a\": 1\n}\n{\n\"a\": 2\n}\n"),
            some(&[(1, "{ \"a\": 1 }"), (4, "{ \"a\": 2 }")])
        );
        assert_eq!(
            read("[{\"a\":1},\n{\"a\":{\"b\":2}}]"),
            some(&[(1, "{\"a\":1}"), (2, "{\"a\":{\"b\":2}}")])
        );
        assert_eq!(
            read("[\n  {\"a\": \"}{\\\"\\\\\"},{\"b\":1}\n]"),
            some(&[(2, "{\"a\": \"}{\\\"\\\\\"}"), (2, "{\"b\":1}")])
        );
        assert_eq!(read("[]"), some(&[]));
        assert_eq!(
            read(&format!("{{\n\"a\": \"{}\"\n}}\n{{\"b\":1}}", "x".repeat(MAX_RECORD_BYTES))).unwrap()[0].1,
            TOO_LONG
        );
    }

    #[test]
    fn a_quote_or_brace_too_many_swallows_nobody_in_silence() {
        assert!(
            read("{\n\"a\": \"x\n}\n{\n\"a\": 2\n}").unwrap_err().contains("a quote on line 2 is not closed")
        );
        let told = read("{\n\"a\": {\n}\n{\n\"a\": 2\n}").unwrap_err();
        assert!(told.contains("the object that opens on line 1 is not closed"), "{told}");
        assert!(read("{}\nx").unwrap_err().contains("line 2"));
    }
}

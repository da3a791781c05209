//! Text of strangers, where others will read it: on a terminal, in the journal, as a name within SQL.

/// A stranger's text, safe for a terminal: what would move the cursor, change colours or turn the direction of reading
/// is shown as `�`, so that two names which differ only there look different.
#[must_use]
pub fn shown(text: &str) -> String {
    text.chars().map(|c| if is_harmful(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Lines for a terminal, whoever's text is in them: as [`shown`], but that lines end and are indented.
#[must_use]
pub fn shown_lines(text: &str) -> String {
    let is_layout = |c| matches!(c, '\n' | '\t');
    text.chars()
        .map(|c| if is_harmful(c) && !is_layout(c) { char::REPLACEMENT_CHARACTER } else { c })
        .collect()
}

/// JSON that may be looked at on a terminal: what [`shown`] would replace stands in it as an escape, so that it says what it
/// said.
#[must_use]
pub fn shown_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if is_harmful(c) && !matches!(c, '\n' | '\t' | '\r') {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().for_each(|unit| escaped.push_str(&format!("\\u{unit:04x}")));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Writes a text as JSON does, in quotes, at the end of `out`. Most texts have nothing in them that JSON escapes, and are
/// copied as they are.
pub fn write_json(text: &str, out: &mut Vec<u8>) {
    let is_escaped = |byte: u8| u8::from(byte < b' ') | u8::from(byte == b'"') | u8::from(byte == b'\\');
    // It looks at every byte and adds up bytes, and so the compiler has it look at many at once.
    if text.bytes().fold(0, |any, byte| any | is_escaped(byte)) != 0 {
        serde_json::to_writer(out, text).expect("a buffer takes every text");
        return;
    }
    out.reserve(text.len() + 2);
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// What somebody calls itself, as it is kept for people to read: without what [`shown`] would replace, and of at most
/// `most` bytes.
#[must_use]
pub fn label(text: &str, most: usize) -> String {
    let is_plain = text.bytes().fold(true, |all, byte| all & (b' '..=b'~').contains(&byte));
    if is_plain && text.len() <= most {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars().filter(|c| !is_harmful(*c)) {
        if kept.len() + c.len_utf8() > most {
            break;
        }
        kept.push(c);
    }
    kept
}

/// The name of a table or column as SQLite and PostgreSQL read it, whatever is in it.
#[must_use]
pub fn sql_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Control characters, separators of lines, what turns the direction of reading, and what takes no room and joins nothing.
fn is_harmful(c: char) -> bool {
    let turns =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_nothing = matches!(
        c,
        '\u{200b}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    );
    c.is_control() || turns || is_nothing || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_text_moves_no_cursor() {
        assert_eq!(shown("a\u{1b}[2Jb\nc\u{202e}d\u{9b}é"), "a�[2Jb�c�d�é");
        assert_eq!(shown("a\u{2028}b\u{61c}"), "a�b�");
    }

    #[test]
    fn lines_are_shown_as_lines_and_nothing_else_moves() {
        assert_eq!(shown_lines("a\tb\nc\u{202e}d\r\u{85}e\u{2029}f\u{1b}"), "a\tb\nc�d��e�f�");
        assert_eq!(shown_lines("क्‍ष \u{200d}"), "क्‍ष \u{200d}", "people's names have joiners");
        assert_eq!(
            shown_json("{\"a\":\"x\u{202e}\u{2028}\u{e0041}\"}\n"),
            "{\"a\":\"x\\u202e\\u2028\\udb40\\udc41\"}\n"
        );
    }

    #[test]
    fn a_text_in_json_is_read_as_what_it_was_and_written_as_everybody_writes_it() {
        for text in (0..=0x2f_u8)
            .map(|byte| format!("a{}b", char::from(byte)))
            .chain(["", "\"", "\\", "ab\\", "é\u{7f}\u{80}\u{2028}", "\u{10ffff}"].map(str::to_owned))
        {
            let mut written = b"x".to_vec();
            write_json(&text, &mut written);
            assert_eq!(
                written,
                [b"x", serde_json::to_string(&text).unwrap().as_bytes()].concat(),
                "{text:?}"
            );
        }
    }

    #[test]
    fn r52_control_characters_do_not_reach_the_journal() {
        assert_eq!(label("curl\u{1b}[31m\r\n8\u{202e}", 256), "curl[31m8");
        assert_eq!(label(&"é".repeat(300), 256).len(), 256);
        assert_eq!(label("aé", 2), "a", "no half of a character");
    }

    #[test]
    fn a_name_does_not_end_where_it_says_so() {
        assert_eq!(sql_name("a\"; drop table b; --"), "\"a\"\"; drop table b; --\"");
    }
}

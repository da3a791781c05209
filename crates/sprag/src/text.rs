//! Text of strangers, where others will read it: on a terminal, in the journal, as a name within SQL.

/// A stranger's text, safe for a terminal: what would move the cursor, change colours or turn the direction of reading
/// is shown as `�`, so that two names which differ only there look different.
#[must_use]
pub fn shown(text: &str) -> String {
    text.chars().map(|c| if is_harmful(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// What somebody calls itself, as it is kept for people to read: without what [`shown`] would replace, and of at most
/// `most` bytes.
#[must_use]
pub fn label(text: &str, most: usize) -> String {
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

/// Control characters, separators of lines, and what turns the direction of reading.
fn is_harmful(c: char) -> bool {
    let turns =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
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

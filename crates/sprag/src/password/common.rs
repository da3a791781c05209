//! The passwords that most people have, in small letters; `common.txt` says where they come from.
//!
//! The list is sorted and looked at where it stands in the binary, so it takes no memory and no start.

/// The list, with remarks at its head.
const TEXT: &str = include_str!("common.txt");

/// What a remark begins with; no password of the list does.
const REMARK: char = '#';

/// Whether a password in small letters is on the list.
pub(super) fn has(plain: &str) -> bool {
    let list = list();
    let (mut low, mut high) = (0, list.len());
    while low < high {
        let middle = list.floor_char_boundary(low + (high - low) / 2);
        let begin = list[low..middle].rfind('\n').map_or(low, |at| low + at + 1);
        let end = list[begin..high].find('\n').map_or(high, |at| begin + at);
        match list[begin..end].cmp(plain) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => low = (end + 1).min(high),
            std::cmp::Ordering::Greater => high = begin,
        }
    }
    false
}

/// The lines behind the remarks.
fn list() -> &'static str {
    let head: usize =
        TEXT.split_inclusive('\n').take_while(|line| line.starts_with(REMARK)).map(str::len).sum();
    &TEXT[head..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_the_list_is_found_and_nothing_else() {
        let lines: Vec<&str> = list().lines().collect();
        assert!(lines.len() >= 10_000, "{}", lines.len());
        assert!(lines.windows(2).all(|two| two[0] < two[1]), "sorted, each once");
        for line in &lines {
            assert!(has(line), "{line}");
            assert!(!line.starts_with(REMARK) && !line.is_empty() && line.to_lowercase() == **line, "{line}");
        }
        for other in [
            "",
            "\n",
            "zzzzzzzzzzzzzzzzzzzz",
            "!",
            "correct horse battery staple",
            "passwordz",
            "passwordx\u{e9}",
        ] {
            assert!(!has(other), "{other:?}");
        }
    }

    #[test]
    fn the_source_and_its_licence_stand_at_the_head() {
        let head: Vec<&str> = TEXT.lines().take_while(|line| line.starts_with(REMARK)).collect();
        assert!(head.join(" ").contains("MIT"), "{head:?}");
    }
}

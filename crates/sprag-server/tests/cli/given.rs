//! What the tests find: folders with and without `ann`, servers that know her, and texts without ids and times.

use sprag_testkit::folder;
pub(crate) use sprag_testkit::folder::{Folder, Outcome, Server};
use uuid::Uuid;

/// The password of `ann`.
pub(crate) const ANNS_PASSWORD: &str = "ann's long password";

/// An empty folder for the binary under test.
pub(crate) fn an_empty_folder() -> Folder {
    folder::an_empty_folder(env!("CARGO_BIN_EXE_sprag"))
}

/// A folder with a database and keys, in which `ann` is an administrator.
pub(crate) fn a_folder_with_ann() -> Folder {
    let folder = an_empty_folder();
    let created =
        ["user", "create", "--username", "ann", "--email", "ann@example.org", "--password-stdin", "--admin"];
    folder.run_with(format!("{ANNS_PASSWORD}\n"), &created).succeeds();
    folder
}

/// The text with ids and times replaced by others of the same width, so that it can be compared.
pub(crate) fn redacted(text: &str) -> String {
    text.split_inclusive(char::is_whitespace).map(redacted_word).collect()
}

fn redacted_word(word: &str) -> String {
    let bare = word.trim_matches(|c: char| c.is_whitespace() || ".,;:".contains(c));
    let is_shaped = |shape: &str| {
        bare.len() == shape.len()
            && bare
                .chars()
                .zip(shape.chars())
                .all(|(c, s)| if s == '0' { c.is_ascii_digit() } else { c == s })
    };
    let is_kid = bare.len() == 16 && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
    let replacement = if Uuid::try_parse(bare).is_ok() {
        "an-id-of-the-length-that-ids-do-have"
    } else if is_kid {
        "a-key-of-its-own"
    } else if is_shaped("0000-00-00") {
        "2026-mm-dd"
    } else if is_shaped("00:00") {
        "hh:mm"
    } else if is_shaped("00:00:00.000") {
        // A moment with another number of digits is not taken for one.
        "hh:mm:ss"
    } else {
        bare
    };
    word.replace(bare, replacement)
}

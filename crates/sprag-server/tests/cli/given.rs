//! What the tests find: folders with and without `ann`, servers that know her, and texts without ids and times.

use std::fs;

use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) use crate::folder::{Folder, Server, an_empty_folder};

/// The password of `ann`.
pub(crate) const ANNS_PASSWORD: &str = "ann's long password";

/// A folder with a database and keys, in which `ann` is an administrator.
pub(crate) fn a_folder_with_ann() -> Folder {
    let folder = an_empty_folder();
    let created =
        ["user", "create", "--username", "ann", "--email", "ann@example.org", "--password-stdin", "--admin"];
    folder.run_with(format!("{ANNS_PASSWORD}\n"), &created).succeeds();
    folder
}

impl Folder {
    pub(crate) fn is_empty(&self) -> bool {
        fs::read_dir(self.path(".")).unwrap().next().is_none()
    }
}

impl Server {
    pub(crate) fn log_in(&self, name: &str, password: &str, device: Option<&str>) -> Value {
        let body = json!({ "username": name, "password": password, "device": device });
        let (status, pair) = self.post("/api/v1/auth/login", &body);
        assert_eq!(status, 200, "{pair}");
        pair
    }

    /// Refreshes with a token pair: the status, and the new pair or the refusal.
    pub(crate) fn refresh(&self, pair: &Value) -> (u16, Value) {
        self.post("/api/v1/auth/refresh", &json!({ "refresh_token": pair["refresh_token"] }))
    }

    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        self.ask(&format!("GET {path} HTTP/1.1\r\n"), "")
    }
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
    } else if is_shaped("00:00:00") {
        "hh:mm:ss"
    } else {
        bare
    };
    word.replace(bare, replacement)
}

//! A folder with a profile of its own in it, and the lines that are imported there.

use std::ops::Deref;

use serde_json::{Value, json};

use sprag_testkit::folder;
use sprag_testkit::folder::Outcome;

/// A folder for the binary under test, into which is imported.
pub(crate) struct Folder(folder::Folder);

impl Deref for Folder {
    type Target = folder::Folder;

    fn deref(&self) -> &folder::Folder {
        &self.0
    }
}

/// A password, and its hash with bcrypt as Python's `passlib` writes it.
pub(crate) const PASSWORD: &str = "secret";
pub(crate) const HASH: &str = "$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW";

/// A token as other systems make them: 64 random bytes in base64.
pub(crate) const TOKEN: &str =
    "q8Jt3vY0pXw5LmN7kRz1dFh2sGb4cVa6TeUoIyPj9QxZ_WnMrBvKlCfHgDsEaOiu-1234567890abcdefghij";

/// The SHA-256 of [`TOKEN`].
pub(crate) const TOKEN_SHA256: &str = "1de0ce3bd33eee703cae6e22eb4881099ae2f1d1e6077fdf8760a60fee506b09";

const PROFILE: &str = r#"id = 1000
about = "A shop that has had a system of its own"
refresh_token = { body = "refreshToken", imported_tokens = true }

[[route]]
on = "POST /login"
does = "login"
takes = { name = "$name", password = "$password" }
gives = { token = "$access_token", refreshToken = "$refresh_token", isAdmin = "$account.is_admin" }

[[route]]
on = "POST /refresh"
does = "refresh"
gives = { token = "$access_token", refreshToken = "$refresh_token" }

[import.users]
table = "users"
columns = { external_id = "id", username = "username", email = "email?", password_hash = "hashed_password", is_admin = "is_superuser?", name = "full_name?", role = "role?", created_at = "created_at?" }
admin_role = "boss"

[import.sessions]
table = "refresh_tokens"
columns = { user = "user_id", token = "token", expires_at = "expires_at", created_at = "created_at?", ip = "ip?", device = "device?", user_agent = "user_agent?" }
"#;

/// A folder with the profile and nothing else.
pub(crate) fn a_shop() -> Folder {
    let folder = folder::an_empty_folder(env!("CARGO_BIN_EXE_sprag"));
    folder.write("shop.toml", PROFILE);
    Folder(folder.set("SPRAG_PROFILES", "./shop.toml").set("SPRAG_LOG", "error"))
}

/// A shop with a profile whose lines say who is active and what is revoked.
pub(crate) fn a_shop_with_statuses() -> Folder {
    let folder = a_shop();
    let profile =
        PROFILE.replace("name = \"full_name?\"", "name = \"full_name?\", is_active = \"is_active\"");
    folder.write("shop.toml", profile.replace("ip = \"ip?\"", "is_revoked = \"is_revoked\", ip = \"ip?\""));
    folder
}

/// A line of a user that has all it needs.
pub(crate) fn user(id: u64, username: &str) -> Value {
    json!({ "id": id, "username": username, "hashed_password": HASH })
}

pub(crate) fn lines(records: &[Value]) -> String {
    records.iter().map(|record| format!("{record}\n")).collect()
}

impl Folder {
    pub(crate) fn set(self, name: &'static str, value: &str) -> Self {
        Self(self.0.set(name, value))
    }

    /// The summary of an import, and what it said besides.
    pub(crate) fn import(&self, args: &[&str]) -> (Value, Outcome) {
        self.import_from("", args)
    }

    pub(crate) fn import_from(&self, input: &str, args: &[&str]) -> (Value, Outcome) {
        let args = [args, &["--json"]].concat();
        let outcome = self.run_with(input, &args);
        let summary = serde_json::from_str(&outcome.out);
        (summary.unwrap_or_else(|_| panic!("{args:?}: {}", outcome.err)), outcome)
    }

    /// Imports what must all be taken.
    pub(crate) fn imports_all(&self, args: &[&str]) -> Value {
        let (summary, outcome) = self.import(args);
        assert_eq!((outcome.code, outcome.err.as_str()), (0, ""), "{summary}");
        assert_eq!((&summary["refused"], &summary["is_complete"]), (&json!(0), &json!(true)), "{summary}");
        summary
    }

    pub(crate) fn users(&self) -> Vec<Value> {
        self.list("user")
    }

    /// The user names there are, in order.
    pub(crate) fn usernames(&self) -> Vec<String> {
        let name = |user: &Value| user["username"].as_str().map(str::to_owned);
        let mut names: Vec<_> = self.users().iter().filter_map(name).collect();
        names.sort_unstable();
        names
    }

    pub(crate) fn sessions(&self) -> Vec<Value> {
        self.list("session")
    }

    fn list(&self, what: &str) -> Vec<Value> {
        serde_json::from_value(self.json(&[what, "list", "--json"])).unwrap()
    }
}

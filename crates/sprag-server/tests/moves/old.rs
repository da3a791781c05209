//! A database as the old system left it.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use jsonwebtoken::{EncodingKey, Header};
use serde::Deserialize;
use sprag_rig::Postgres;

/// The old password of every user.
pub(crate) const PASSWORD: &str = "a password from before";

/// What an old system looked like; a profile's name is its file's.
///
/// In rows, `{i}` is the number of the user, `{key}` the key, `{token}` and `{sha256}` its session's, `{now}` and
/// `{expires}` (six days on), `{past}` moments written as `time` says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Old {
    kind: Kind,
    /// How it wrote its tokens.
    token: TokenForm,
    /// How it wrote the keys of its users.
    key: KeyForm,
    /// How it wrote times (`strftime`).
    time: String,
    /// Its `.env`.
    pub(crate) env: String,
    /// Its tables.
    #[serde(default)]
    schema: String,
    /// One user, as a row of SQL or a line of JSON.
    user: String,
    /// One live session, likewise.
    session: String,
    /// Sessions that are over, each as a row or line of its own.
    dead: Vec<String>,
    /// How a user logs in.
    pub(crate) log_in: LogIn,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Postgres,
    Sqlite,
    Jsonl,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum TokenForm {
    /// 64 random bytes in base64url.
    Urlsafe,
    /// 40 random bytes in hexadecimal digits.
    Hex,
    /// A JWT.
    Jwt,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum KeyForm {
    Uuid,
    Number,
    ObjectId,
}

#[derive(Deserialize)]
pub(crate) struct LogIn {
    pub(crate) path: String,
    pub(crate) name: String,
    pub(crate) value: String,
}

/// Where a guide's commands find it.
pub(crate) enum Source {
    /// Under `$OLD_DATABASE`.
    Url(String),
    /// In files of the folder.
    Files,
}

impl Old {
    pub(crate) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).expect("the old system's file");
        toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Fills a database of the old shape.
    pub(crate) fn fill(&self, home: &Path, people: usize) -> Source {
        let users = (1..=people).map(|i| self.written(&self.user, i));
        let sessions = (1..=people).map(|i| self.written(&self.session, i));
        let dead = self.dead.iter().zip(1..).map(|(row, i)| self.written(row, people + i));
        let sessions = sessions.chain(dead);
        match self.kind {
            Kind::Jsonl => {
                lines(&home.join("users.jsonl"), users);
                lines(&home.join("refreshtokens.jsonl"), sessions);
                Source::Files
            }
            Kind::Sqlite => {
                let path = home.join("old.db");
                let connection = rusqlite::Connection::open(&path).expect("the old database");
                let script = self.script(users.chain(sessions));
                connection.execute_batch(&script).expect("the old database can be filled");
                Source::Url("old.db".to_owned())
            }
            Kind::Postgres => {
                let database = Postgres::shared().fresh_database();
                let script = home.join("old.sql");
                std::fs::write(&script, self.script(users.chain(sessions))).expect("the script");
                database.psql(&format!("\\i {}", script.display()));
                Source::Url(database.url())
            }
        }
    }

    fn script(&self, rows: impl Iterator<Item = String>) -> String {
        let mut script = format!("{}\nbegin;\n", self.schema);
        rows.for_each(|row| writeln!(script, "{row};").expect("a text takes everything"));
        script + "commit;\n"
    }

    /// The tokens of the live sessions, as their clients hold them.
    pub(crate) fn tokens(&self, people: usize) -> Vec<String> {
        (1..=people).map(|i| self.token(i)).collect()
    }

    /// The tokens of those that are over.
    pub(crate) fn dead_tokens(&self) -> Vec<String> {
        (1..=self.dead.len()).map(|i| self.token(super::PEOPLE + i)).collect()
    }

    fn written(&self, row: &str, i: usize) -> String {
        let token = self.token(i);
        // A session that is over is a user's who is there.
        let user = if i > super::PEOPLE { i - super::PEOPLE } else { i };
        let sha256 = HEXLOWER.encode(digest(&SHA256, token.as_bytes()).as_ref());
        let day = |days: i64| self.moment(days * 24 * 3600);
        row.replace("{i}", &user.to_string())
            .replace("{row}", &i.to_string())
            .replace("{key}", &self.key(user))
            .replace("{token}", &token)
            .replace("{sha256}", &sha256)
            .replace("{now}", &day(0))
            .replace("{expires}", &day(6))
            .replace("{past}", &day(-2))
    }

    /// A moment some seconds from now. It is the machine's now: the binary goes by it too.
    fn moment(&self, seconds: i64) -> String {
        let now = jiff::Timestamp::now();
        let then = Timestamp::from_second(now.as_second() + seconds).expect("a moment of this century");
        then.to_zoned(TimeZone::UTC).strftime(&self.time).to_string()
    }

    fn key(&self, i: usize) -> String {
        match self.key {
            KeyForm::Number => i.to_string(),
            KeyForm::ObjectId => format!("65f0{i:020x}"),
            KeyForm::Uuid => uuid::Builder::from_random_bytes(noise(i)[..16].try_into().expect("16 bytes"))
                .into_uuid()
                .to_string(),
        }
    }

    fn token(&self, i: usize) -> String {
        match self.token {
            TokenForm::Urlsafe => BASE64URL_NOPAD.encode(&noise(i)),
            TokenForm::Hex => HEXLOWER.encode(&noise(i)[..40]),
            TokenForm::Jwt => {
                let claims = serde_json::json!({
                    "sub": self.key(i), "type": "refresh", "exp": 1_900_000_000 + i, "iat": 1_800_000_000,
                });
                let key = EncodingKey::from_secret(b"the old system's own secret, whatever it was");
                jsonwebtoken::encode(&Header::default(), &claims, &key).expect("a token")
            }
        }
    }
}

/// 64 bytes that look random and are the same each time.
fn noise(i: usize) -> [u8; 64] {
    let mut bytes = [0; 64];
    for (half, part) in bytes.chunks_mut(32).zip(["one", "two"]) {
        half.copy_from_slice(digest(&SHA256, format!("{part} {i}").as_bytes()).as_ref());
    }
    bytes
}

fn lines(path: &Path, rows: impl Iterator<Item = String>) {
    let mut file = BufWriter::new(File::create(path).expect("a file"));
    rows.for_each(|row| writeln!(file, "{}", row.trim().replace('\n', " ")).expect("a line"));
}

//! Canaries: whatever was handed out or typed is found nowhere afterwards, and whatever is found opens nothing.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Mutex, OnceLock, PoisonError};

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use rusqlite::types::Value as Sql;
use serde_json::json;
use sprag::audit::NOBODY;
use sprag::random::Random;
use sprag::session::{Generation, ProfileId};
use sprag::token::{Encoding, RefreshToken};

use crate::call::Call;
use crate::canary_letters::{a_day_of_letters, with_letters};
use crate::people::{Device, LOGIN, ME, Person, REFRESH, REGISTER, Way};
use crate::seam::Mood;
use crate::world::{W, World, key};

const TYPED: [&str; 5] = [
    "canary-password-Zq81-typed-by-carol",
    "canary-password-Yx72-next-of-carol",
    "canary-password-Wv63-wrong",
    "canary-password-Ut54-in-the-name-field",
    "canary-retry-id-Sr45",
];

/// What the process has logged since the first story asked, at the finest level.
fn log() -> &'static Mutex<Vec<u8>> {
    static LOG: OnceLock<Mutex<Vec<u8>>> = OnceLock::new();
    LOG.get_or_init(|| {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(|| Ink)
            .finish();
        tracing::subscriber::set_global_default(subscriber).expect("nobody else listens");
        Mutex::default()
    })
}

struct Ink;

impl Write for Ink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        log().lock().unwrap_or_else(PoisonError::into_inner).extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Everything that can happen to tokens and passwords, in one day.
async fn a_long_day(world: &World) {
    let (ann, root) = (world.ann().await, world.root().await.logs_in().await);
    for password in [TYPED[0], "short"] {
        let body = json!({ "username": "carol", "email": "carol@example.org", "password": password });
        world.sends(root.bearer_call("POST", REGISTER).json(&body)).await;
    }
    for (name, password) in [("carol", TYPED[2]), (TYPED[3], TYPED[0]), ("carol", TYPED[0])] {
        world.sends(Call::post(LOGIN).json(&json!({ "username": name, "password": password }))).await;
        world.sends(Call::post(LOGIN).form(&[("username", name), ("password", password)])).await;
        world
            .sends(Call::post(LOGIN).text("text/plain", password))
            .await
            .refused(415, "media_type_unsupported");
        let broken = format!("{{\"password\":\"{password}\"");
        world.sends(Call::post(LOGIN).text("application/json", broken)).await.refused(400, "request_invalid");
    }
    for way in Way::BOTH {
        let mut device = ann.logs_in_by(way).await;
        let thief = device.is_robbed();
        device.presents_again(&device.refresh, TYPED[4]).await.is(200);
        device.presents_again(&device.refresh, TYPED[4]).await.is(200);
        device.refreshes().await.is(200);
        device.turns().await;
        for mood in [Mood::FailsAfter(0), Mood::PanicsAt("rotate"), Mood::LosesAnswerOf("rotate")] {
            world.winds(W + 1);
            world.seam.becomes(mood);
            device.refreshes().await;
        }
        world.seam.becomes(Mood::Well);
        device.refreshes().await.is(200);
        device.asks(ME).await.is(200);
        world.sends(Call::get(&format!("{ME}?access_token={}", device.access))).await;
        world.sends(Call::post(&format!("{REFRESH}/{}", device.refresh))).await.refused(404, "not_found");
        device.lists().await;
        thief.presents(&thief.refresh).await.refused(401, "session_ended");
        device.logs_out().await.is(204);
    }
    let (browser, mut forger) = (ann.logs_in_by_cookie().await, ann.logs_in().await);
    browser.changes_password(TYPED[2], TYPED[1]).await.refused(403, "current_password_wrong");
    forger.refresh = forged(world, forger.session, &ann, [7; 16]);
    forger.refreshes().await.refused(401, "token_invalid");
    browser.changes_password(&ann.password, TYPED[1]).await.is(200);
    ann.is_disabled().await;
    ann.tries_to_log_in(&browser, TYPED[1]).await.refused(401, "account_disabled");
    ann.is_enabled().await;
}

/// A token under the stolen key, with a secret taken from elsewhere.
fn forged(world: &World, session: sprag::session::SessionId, ann: &Person<'_>, secret: [u8; 16]) -> String {
    #[derive(Debug)]
    struct Given([u8; 16]);
    impl Random for Given {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.copy_from_slice(&self.0);
        }
    }
    let token = RefreshToken::first(ProfileId(1), key(ann.id, session), &Given(secret));
    token.encode(Encoding::Opaque, &world.stolen_ring(), world.now()).as_str().to_owned()
}

/// The forms in which somebody might write a secret.
pub(super) fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let texts = [
        BASE64.encode(secret),
        BASE64URL_NOPAD.encode(secret),
        HEXLOWER.encode(secret),
        HEXUPPER.encode(secret),
    ];
    let mut forms: Vec<Vec<u8>> = texts.into_iter().map(|text| text.trim_end_matches('=').into()).collect();
    forms.push(secret.to_vec());
    forms
}

/// What must not be found: every token whole, its secret and its tag in every form, and what was typed.
fn canaries(world: &World) -> Vec<Vec<u8>> {
    let handed_out = world.handed_out.lock().expect("no test panics here").clone();
    assert!(handed_out.len() > 30, "the day was long");
    let mut canaries: BTreeSet<Vec<u8>> = BTreeSet::new();
    for token in &handed_out {
        canaries.insert(token.clone().into_bytes());
        if let Some(body) = token.strip_prefix("spr_") {
            let bytes = BASE64URL_NOPAD.decode(body.as_bytes()).expect("base64url");
            assert_eq!(bytes.len(), 92);
            for part in [&bytes[44..60], &bytes[60..]] {
                canaries.extend(forms(part));
            }
        } else if let Some((_, signature)) = token.rsplit_once('.') {
            canaries.insert(signature.into());
        }
    }
    let owns = ["ann's battery staple", "bob's battery staple", "root's battery staple"];
    for typed in TYPED.into_iter().chain(owns) {
        canaries.extend(forms(typed.as_bytes()));
    }
    let ring: serde_json::Value = serde_json::from_str(&world.engine.keys().to_json()).expect("JSON");
    for list in ["refresh", "access"] {
        for entry in ring[list].as_array().expect("keys") {
            let secret = entry["secret"].as_str().expect("a secret");
            canaries.extend(forms(&BASE64URL_NOPAD.decode(secret.as_bytes()).expect("base64url")));
        }
    }
    canaries.into_iter().collect()
}

/// How much of a canary is looked for first. None is shorter.
const BEGINNING_BYTES: usize = 8;

fn assert_free_of(canaries: &[Vec<u8>], place: &str, content: &[u8]) {
    let mut beginnings: HashMap<&[u8], Vec<&[u8]>> = HashMap::new();
    for canary in canaries {
        beginnings.entry(&canary[..BEGINNING_BYTES]).or_default().push(canary);
    }
    for (at, window) in content.windows(BEGINNING_BYTES).enumerate() {
        for canary in beginnings.get(window).into_iter().flatten() {
            let text = String::from_utf8_lossy(canary);
            assert!(!content[at..].starts_with(canary), "{place} has {text} at byte {at}");
        }
    }
}

/// Whether a text stands somewhere by itself, and not within a longer number, moment or id.
fn stands_alone(content: &[u8], text: &str) -> bool {
    let is_free = |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-');
    let mut windows =
        content.windows(text.len()).enumerate().filter(|(_, window)| *window == text.as_bytes());
    windows.any(|(at, _)| {
        let (before, after) = (content[..at].last(), content.get(at + text.len()));
        is_free(before) && before != Some(&b'.') && is_free(after)
    })
}

#[test]
fn a_code_is_found_by_itself_and_not_within_something_else() {
    for text in ["123456", "code=123456,", "{\"code\":\"123456\"}", "x 0123456 123456"] {
        assert!(stands_alone(text.as_bytes(), "123456"), "{text}");
    }
    for text in ["", "12345", "0123456", "1234567", "12:00:00.123456Z", "ab123456", "0000-123456-00"] {
        assert!(!stands_alone(text.as_bytes(), "123456"), "{text}");
    }
}

#[tokio::test]
async fn r10_r52_f18_nothing_handed_out_or_typed_is_found_in_logs_database_journal_or_metrics() {
    log();
    let world = with_letters();
    a_long_day(&world).await;
    let confided = a_day_of_letters(&world).await;
    tracing::trace!("the finest level is heard");
    let mut canaries = canaries(&world);
    assert!(confided.secrets.len() > 200 && confided.codes.len() >= 6, "it was another long day");
    canaries.extend(confided.secrets);
    for row in ["outbox where sealed is not null", "one_time_token", "credential where kind = 'remembered'"] {
        let count = format!("select count(*) from {row}");
        let count: i64 = world.database().query_row(&count, [], |row| row.get(0)).expect("a count");
        assert!(count > 0, "there is {row}");
    }

    let log = log().lock().unwrap_or_else(PoisonError::into_inner).clone();
    let text = String::from_utf8_lossy(&log);
    assert!(
        text.contains("the finest level is heard") && text.contains("could not"),
        "the log was listening"
    );
    let mut places = vec![
        ("the log".to_owned(), log.clone()),
        ("the dump".to_owned(), world.dump().await.into_bytes()),
        ("the journal".to_owned(), format!("{:#?}", world.entries(NOBODY).await).into_bytes()),
        ("the metrics".to_owned(), world.sends(Call::get("/metrics")).await.body),
    ];
    let columns = columns(&world);
    for code in &confided.codes {
        for (place, content) in &places {
            assert!(!stands_alone(content, code), "{place} has the code {code}");
        }
        let found = columns.iter().find(|value| stands_in(value, code));
        assert!(found.is_none(), "a column has the code {code}: {found:?}");
    }
    for entry in fs::read_dir(world.folder.path()).expect("a folder") {
        let path = entry.expect("a file").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name} is for its owner only");
        places.push((name, fs::read(&path).expect("a file")));
    }
    assert!(places.iter().any(|(name, content)| name.ends_with("-wal") && content.len() > 10_000));
    for (place, content) in places {
        assert_free_of(&canaries, &place, &content);
    }
}

/// Every text and blob of the database.
fn values(world: &World) -> BTreeSet<Vec<u8>> {
    let values = columns(world).into_iter();
    values
        .filter_map(|value| match value {
            Sql::Text(text) => Some(text.into_bytes()),
            Sql::Blob(bytes) => Some(bytes),
            _ => None,
        })
        .collect()
}

/// Whether a value of the database is a text, or has it.
pub(super) fn stands_in(value: &Sql, text: &str) -> bool {
    match value {
        Sql::Text(found) => stands_alone(found.as_bytes(), text),
        Sql::Blob(bytes) => bytes.windows(text.len()).any(|window| window == text.as_bytes()),
        Sql::Integer(number) => number.to_string() == text,
        Sql::Null | Sql::Real(_) => false,
    }
}

/// Every value of the database.
pub(super) fn columns(world: &World) -> Vec<Sql> {
    let connection = world.database();
    let mut tables = connection.prepare("select name from sqlite_master where type = 'table'").expect("SQL");
    let tables = tables.query_map([], |row| row.get::<_, String>(0)).expect("tables");
    let tables: Vec<String> = tables.map(|name| name.expect("a name")).collect();
    let mut values = Vec::new();
    for table in tables {
        let mut statement = connection.prepare(&format!("select * from \"{table}\"")).expect("SQL");
        let columns = statement.column_count();
        let mut rows = statement.query([]).expect("rows");
        while let Some(row) = rows.next().expect("a row") {
            values.extend((0..columns).map(|column| row.get::<_, Sql>(column).expect("a value")));
        }
    }
    values
}

#[tokio::test]
async fn t8_r10_nothing_in_the_database_opens_anything() {
    let world = World::new();
    let ann = world.ann().await;
    let mut phone = ann.logs_in().await;
    phone.presents_again(&phone.refresh, "a retry id").await.is(200);
    phone.refreshes().await.is(200);
    phone.turns().await;
    let values = values(&world);
    assert!(values.len() > 10, "ids, hashes, names and notes");
    for value in &values {
        let mut texts: Vec<String> =
            forms(value).into_iter().filter_map(|form| String::from_utf8(form).ok()).collect();
        texts.extend(texts.clone().into_iter().map(|text| format!("spr_{text}")));
        for text in texts.iter().filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic())) {
            let answer = phone.presents(text).await;
            answer.refused(401, "token_invalid");
            let answer = world.sends(Call::get(ME).bearer(text)).await;
            answer.refused(401, "token_invalid");
        }
        if let Ok(text) = String::from_utf8(value.clone()) {
            let device = Device::new(&world, "Phone/1.0", "192.0.2.10");
            let answer = ann.tries_to_log_in(&device, &text).await;
            // A zero byte is refused before anything is compared.
            let expected = if text.contains("\0") { 400 } else { 401 };
            assert_eq!(answer.status, expected, "{text} is no password");
        }
    }
    assert!(phone.is_logged_in().await);
}

#[tokio::test]
async fn t9_r10_nor_does_it_together_with_the_refresh_key() {
    let world = World::new();
    let ann = world.ann().await;
    let mut phone = ann.logs_in().await;
    phone.turns().await;
    let ring = world.stolen_ring();
    for value in values(&world) {
        for secret in value.windows(16).step_by(8) {
            let text = forged(&world, phone.session, &ann, secret.try_into().expect("16 bytes"));
            for generation in 0..3 {
                let token = RefreshToken::parse(&text, &ring, world.now()).expect("a genuine tag");
                let token = token.at(Generation(generation)).encode(Encoding::Opaque, &ring, world.now());
                phone.presents(token.as_str()).await.refused(401, "token_invalid");
            }
        }
    }
    assert!(phone.is_logged_in().await);
}

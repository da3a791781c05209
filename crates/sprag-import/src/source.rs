//! Where users and sessions come from.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::Context as _;
use sprag::files::{self, FileFault};
use sprag::store::postgres::foreign::ForeignTable;
use sprag::store::postgres::{Server, has_password};
use sprag::store::sqlite::{at_home, path_in_url};
use sprag::text::shown;

use super::csv::Records;
use super::lacking::{Known, SAMPLED};
use super::reader::{Feed, Sender};
use super::source_error::SourceError;
use super::{jsonl, postgres, sqlite};

/// How much of a file is read at once.
const BLOCK_BYTES: usize = 64 * 1024;

/// A file, a pipe or a database.
#[derive(Clone, Debug)]
pub enum Source {
    /// JSON lines on standard input.
    Input,
    /// A file of JSON lines.
    Lines(PathBuf),
    /// A CSV file.
    Csv(PathBuf),
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL database.
    Postgres(Box<Server>),
}

/// A source whose columns are known.
pub struct Opened {
    /// What it has: columns, or the members of its first objects.
    pub columns: Vec<String>,
    /// How sure it is that there are no others.
    pub known: Known,
    /// How much there is to read, in the measure of [`Item::done`](super::Item::done), where that is known.
    pub total: Option<u64>,
    rows: Rows,
}

/// The most that is read of a file with a URL in it.
const MAX_URL_KIB: u64 = 16;

enum Rows {
    Flowing(Feed),
    Sqlite(sqlite::Table),
    Postgres(ForeignTable),
}

impl Source {
    /// The source that a text names.
    ///
    /// # Errors
    /// It cannot be told what it is.
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        if let Some(path) = text.strip_prefix('@') {
            let url = files::read_text(Path::new(path), MAX_URL_KIB);
            let url = url.and_then(|url| if url.trim().is_empty() { Err(FileFault::Empty) } else { Ok(url) });
            let url = url.context("could not read the URL in that file").map_err(SourceError::Unreadable)?;
            return Self::named(url.trim());
        }
        let is_postgres = matches!(Location::of(text), Location::Postgres(_));
        if is_postgres && has_password(&text.to_ascii_lowercase()) {
            return Err(SourceError::Password);
        }
        Self::named(text)
    }

    fn named(text: &str) -> Result<Self, SourceError> {
        if text == "-" {
            return Ok(Self::Input);
        }
        let path = match Location::of(text) {
            Location::Postgres(place) => {
                return Ok(Self::Postgres(Box::new(format!("postgres://{place}").parse()?)));
            }
            // A file may be called what it likes.
            Location::Sqlite(path) if !path.exists() => {
                return path_in_url(text).map(Self::Sqlite).map_err(SourceError::Plainly);
            }
            Location::Sqlite(path) => return Ok(Self::Sqlite(path.into())),
            Location::Foreign => return Err(SourceError::Foreign),
            Location::Path(path) => path,
        };
        if !path.exists() {
            let named = text.strip_prefix("file:").filter(|file| !file.starts_with("//"));
            let why = named.map(|file| format!("has a scheme that is not read; write {}", shown(file)));
            if let Some(why) = at_home(text).or(why) {
                return Err(SourceError::Plainly(why));
            }
        }
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
        match extension.as_deref() {
            Some("jsonl" | "ndjson" | "json") => Ok(Self::Lines(path.to_owned())),
            Some("csv") => Ok(Self::Csv(path.to_owned())),
            _ if is_sqlite(path).map_err(SourceError::Unreadable)? => Ok(Self::Sqlite(path.to_owned())),
            _ => Err(SourceError::Kind),
        }
    }

    /// Looks into it.
    ///
    /// # Errors
    /// It cannot be read, or has no such table.
    pub async fn open(&self, table: Option<&str>) -> Result<Opened, SourceError> {
        match self {
            Self::Input => lines(io::stdin(), None, table).await.map_err(SourceError::Unreadable),
            Self::Lines(path) => {
                let (file, bytes) = open(path).map_err(SourceError::Unreadable)?;
                lines(file, bytes, table).await.map_err(SourceError::Unreadable)
            }
            Self::Csv(path) => csv(path).map_err(SourceError::Unreadable),
            Self::Sqlite(path) => {
                let table = sqlite::Table::open(path, table.ok_or(SourceError::Unnamed)?)?;
                let (columns, total) = (table.columns.clone(), Some(table.count));
                Ok(Opened { columns, known: Known::Named, total, rows: Rows::Sqlite(table) })
            }
            Self::Postgres(server) => {
                let (table, count) = postgres::open(server, table.ok_or(SourceError::Unnamed)?).await?;
                let columns = table.columns().to_vec();
                Ok(Opened { columns, known: Known::Named, total: Some(count), rows: Rows::Postgres(table) })
            }
        }
    }
}

/// What a text says of where a source is.
enum Location<'a> {
    /// What stands behind the scheme.
    Postgres(&'a str),
    Sqlite(&'a Path),
    Path(&'a Path),
    /// Something with a password in it, perhaps.
    Foreign,
}

impl<'a> Location<'a> {
    fn of(text: &'a str) -> Self {
        if let Some((scheme, place)) = text.split_once("://") {
            let schemes = ["postgres", "postgresql"];
            if schemes.iter().any(|ours| scheme.eq_ignore_ascii_case(ours)) {
                return Self::Postgres(place);
            }
        }
        let path = text.strip_prefix("sqlite:").unwrap_or(text);
        let lower = text.to_ascii_lowercase();
        let has_user = path.split_once('@').is_some_and(|(user, _)| user.contains(':'));
        let marks = ["password", "passwd", "pwd="];
        let is_foreign = path.contains("://") || has_user || marks.iter().any(|mark| lower.contains(mark));
        match Path::new(path) {
            // A file may be called what it likes.
            path if is_foreign && !path.exists() => Self::Foreign,
            path if text.starts_with("sqlite:") => Self::Sqlite(path),
            path => Self::Path(path),
        }
    }
}

/// Never with a password.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input => f.write_str("standard input"),
            Self::Lines(path) | Self::Csv(path) | Self::Sqlite(path) => path.display().fmt(f),
            Self::Postgres(server) => server.fmt(f),
        }
    }
}

impl Opened {
    /// Begins to read. Of a table only those of its columns that are `wanted` are read.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(self, wanted: Vec<String>) -> anyhow::Result<Feed> {
        match self.rows {
            Rows::Flowing(feed) => Ok(feed),
            Rows::Sqlite(table) => in_background(move |sender| table.read(&wanted, sender)),
            Rows::Postgres(table) => {
                let (sender, feed) = Feed::new();
                tokio::spawn(async move {
                    let read = postgres::read(table, &wanted, &sender).await;
                    sender.finish_soon(read).await;
                });
                Ok(feed)
            }
        }
    }
}

async fn lines(
    input: impl io::Read + Send + 'static,
    total: Option<u64>,
    table: Option<&str>,
) -> anyhow::Result<Opened> {
    let table = table.map(str::to_owned);
    let mut feed = in_background(move |sender| {
        jsonl::read(BufReader::with_capacity(BLOCK_BYTES, input), table.as_deref(), sender)
    })?;
    let mut columns: Vec<String> = Vec::new();
    let mut looked_at = 0;
    for item in feed.look_ahead(SAMPLED).await? {
        looked_at += 1;
        for name in item.record.iter().flat_map(|record| record.keys()) {
            if !columns.contains(name) {
                columns.push(name.clone());
            }
        }
    }
    let known = if looked_at < SAMPLED { Known::Seen } else { Known::Sampled };
    Ok(Opened { columns, known, total, rows: Rows::Flowing(feed) })
}

fn csv(path: &Path) -> anyhow::Result<Opened> {
    let (file, bytes) = open(path)?;
    let mut records = Records::new(BufReader::with_capacity(BLOCK_BYTES, file));
    let header = records.header()?;
    let columns = header.iter().filter(|name| !name.is_empty()).cloned().collect();
    let feed = in_background(move |sender| records.read(&header, sender))?;
    Ok(Opened { columns, known: Known::Named, total: bytes, rows: Rows::Flowing(feed) })
}

/// Reads on a thread that nobody waits for: one that hangs at a pipe must not keep the process.
fn in_background(read: impl FnOnce(&Sender) -> anyhow::Result<()> + Send + 'static) -> anyhow::Result<Feed> {
    let (sender, feed) = Feed::new();
    let reader = move || {
        let read = read(&sender);
        sender.finish(read);
    };
    let started = thread::Builder::new().name("import-source".to_owned()).spawn(reader);
    started.context("could not start a thread to read with")?;
    Ok(feed)
}

/// The file, and how many bytes it has, unless it is a pipe.
fn open(path: &Path) -> anyhow::Result<(File, Option<u64>)> {
    let file = files::open(path)?;
    let about = file.metadata().map_err(FileFault::from)?;
    let bytes = about.is_file().then_some(about.len());
    Ok((file, bytes))
}

fn is_sqlite(path: &Path) -> anyhow::Result<bool> {
    let (file, _) = open(path)?;
    let mut head = Vec::new();
    file.take(sqlite::MAGIC.len() as u64).read_to_end(&mut head).context("could not read it")?;
    Ok(head == sqlite::MAGIC)
}

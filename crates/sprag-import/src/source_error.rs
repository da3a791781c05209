//! Why a source is not read, said to whoever named it.

use sprag::store::postgres::BadUrl;

use super::columns;
use super::lacking::Lacking;

/// Why a source cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It is none of the kinds there are.
    #[error(
        "its kind cannot be told: a file of JSON lines ends in .jsonl, .ndjson or .json, one of CSV in .csv; a SQLite file \
         or postgres://USER@HOST/DATABASE will do, and - for JSON lines on standard input"
    )]
    Kind,
    /// It is a URL of PostgreSQL with something wrong in it.
    #[error("{0}; a URL of PostgreSQL is like postgres://USER@HOST/DATABASE")]
    Url(#[from] BadUrl),
    /// Whoever lists the processes of the machine would see it.
    #[error(
        "there is a password in it, and everybody on this machine could read it; write the URL into a file of mode 0600 \
         and name that: --from @FILE"
    )]
    Password,
    /// It has no table of that name.
    #[error(
        "it has no table {name:?}{}{}; name another with --table",
        columns::nearest(name, tables),
        columns::listed("tables", tables)
    )]
    NoTable {
        /// The name.
        name: String,
        /// The tables that it has.
        tables: Vec<String>,
    },
    /// No table was named.
    #[error("it is a database, and nothing says which table to read; name it with --table")]
    Unnamed,
    /// It is a URL or a list of parameters that nobody here reads. The text is not repeated: there may be a password in it.
    #[error(
        "it is no file, and no URL that is understood; one of PostgreSQL is like postgres://USER@HOST/DATABASE, and what \
         another database holds comes as CSV or JSON lines. The text is not shown here, for there may be a password in it"
    )]
    Foreign,
    /// It names a file in a way that is not read; the sentence says what would be.
    #[error("it {0}")]
    Plainly(String),
    /// It has not the columns that are needed.
    #[error(transparent)]
    Lacking(#[from] Lacking),
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(anyhow::Error),
}

//! What goes wrong on the way to the database, and what follows from it.

use std::sync::Arc;
use std::time::Duration;

use rustls::CertificateError;
use tokio_postgres::error::{Severity, SqlState};

use crate::error::Fault;

/// What went wrong with one statement or one connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum QueryError {
    /// Not the driver's error as its source: that shows the row that failed, and there are hashes in it.
    #[error("{}", told(.0))]
    Database(tokio_postgres::Error),
    #[error("{0}: {1}")]
    At(String, Box<QueryError>),
    #[error("no answer within {0:?}")]
    Silent(Duration),
    #[error(
        "this server can only be read (a standby, or default_transaction_read_only is on); connect to the primary, or \
         name all hosts in the URL so that the primary among them is found"
    )]
    ReadOnly,
    #[error(
        "synchronous_commit is off there, so that what is committed may still be lost; set it to on, for instance: \
         alter role … set synchronous_commit = on"
    )]
    Forgetful,
    #[error("the server warned while it committed, so that a failover may lose this; the log has its words")]
    Doubtful,
    #[error(
        "the answer is about another row than was asked for: whatever stands between this node and the server mixes \
         connections up"
    )]
    Astray,
    #[error("all connections are in use; try again, or set more of them (database_connections)")]
    Crowded,
    #[error("{0}")]
    Unreadable(String),
}

impl From<tokio_postgres::Error> for QueryError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
    }
}

/// What can be done about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Remedy {
    /// The transaction lost to another and left nothing behind: the same again.
    Repeat,
    /// The connection is of no use any more, and what was under way on it may or may not have happened.
    Reconnect,
    /// A server behind the one that we talk to is gone, and what was under way there may or may not have happened; the
    /// connection is sound, and what concerns other servers works.
    Part,
    /// The statement failed and nothing of it happened; the connection is sound.
    Wait,
    /// It is our own defect.
    None,
}

impl QueryError {
    pub(super) fn remedy(&self) -> Remedy {
        let code = match self {
            Self::Database(error) => match error.code() {
                Some(code) => code,
                None if is_conversion(error) => return Remedy::None,
                None => return Remedy::Reconnect,
            },
            Self::At(_, error) => return error.remedy(),
            Self::Silent(_) | Self::ReadOnly | Self::Forgetful | Self::Doubtful | Self::Astray => {
                return Remedy::Reconnect;
            }
            Self::Crowded => return Remedy::Wait,
            Self::Unreadable(_) => return Remedy::None,
        };
        let lost_a_race = [
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::LOCK_NOT_AVAILABLE,
        ];
        if lost_a_race.contains(code) || self.is_taken_entry() {
            return Remedy::Repeat;
        }
        if self.is_of_another_server() {
            return Remedy::Part;
        }
        match code.code().get(..2) {
            // Connection exceptions, an operator's intervention, a system error; and a primary that is none any more.
            Some("08" | "57" | "58" | "XX") | None => Remedy::Reconnect,
            Some("25") => Remedy::Reconnect,
            // Data, constraints, syntax; but a privilege or a table may yet come.
            Some("22" | "23") => Remedy::None,
            Some("42") if *code != SqlState::INSUFFICIENT_PRIVILEGE => Remedy::None,
            _ => Remedy::Wait,
        }
    }

    /// Whether it only failed because a statement before it in its transaction had.
    pub(super) fn is_aftermath(&self) -> bool {
        matches!(self, Self::Database(error) if error.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION))
    }

    /// Whether the database may only not be ready yet, so that a start does well to try again. What somebody must set right
    /// first is not waited for: a wrong password, a database that is not there, a certificate that is not trusted.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::At(_, error) => error.may_pass(),
            // A standby may be about to be promoted.
            Self::Silent(_) | Self::ReadOnly | Self::Crowded | Self::Doubtful => true,
            Self::Forgetful | Self::Astray | Self::Unreadable(_) => false,
            Self::Database(error) => match error.as_db_error() {
                Some(said) if *said.code() == SqlState::PROTOCOL_VIOLATION => {
                    !is_poolers_refusal(said.message())
                }
                Some(said) => {
                    matches!(said.code().code().get(..2), Some("08" | "40" | "53" | "55" | "57" | "58"))
                }
                None => is_broken_off(error),
            },
        }
    }

    /// Whether another has taken the number in the account's chain. (A sharded table's constraint has a number more.)
    fn is_taken_entry(&self) -> bool {
        let Self::Database(error) = self else { return false };
        error.as_db_error().is_some_and(|error| {
            *error.code() == SqlState::UNIQUE_VIOLATION
                && error.constraint().is_some_and(|name| name.starts_with("event_pkey"))
        })
    }

    /// Whether a distributed engine has lost one of its servers under a statement, or is told by it that it stops or starts.
    /// An end of our own connection is no mere error but fatal.
    fn is_of_another_server(&self) -> bool {
        let Self::Database(error) = self else { return false };
        error.as_db_error().is_some_and(|error| {
            let stops = [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW];
            let is_lost = error.code().code().starts_with("08") || stops.contains(error.code());
            is_lost && error.parsed_severity() == Some(Severity::Error)
        })
    }

    pub(super) fn fault(self, doing: &'static str) -> Fault {
        if self.remedy() == Remedy::None {
            Fault::internal(doing, self)
        } else {
            Fault::unavailable(doing, self)
        }
    }
}

/// One error as a fault of each who waited for what it stopped.
pub(super) fn shared_fault(error: &Arc<QueryError>, doing: &'static str) -> Fault {
    let told = Told(Arc::clone(error));
    if error.remedy() == Remedy::None {
        Fault::internal(doing, told)
    } else {
        Fault::unavailable(doing, told)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Told(Arc<QueryError>);

/// Whether the TLS handshake failed, on whosever side. The driver tells by its words alone.
pub(super) fn handshake_failed(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_none() && error.to_string().starts_with("error performing TLS handshake")
}

/// Whether nobody answered, or the answer broke off. What failed for a reason is no such: a certificate that is not
/// trusted, a server without TLS where it must be, a way to log in that is not known.
fn is_broken_off(error: &tokio_postgres::Error) -> bool {
    let source = std::error::Error::source(error);
    let io = source.and_then(|source| source.downcast_ref::<std::io::Error>());
    if handshake_failed(error) {
        let is_judged = |io: &std::io::Error| io.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
        return io.is_some_and(|io| !is_judged(io));
    }
    error.is_closed() || io.is_some()
}

/// PgBouncer has one code for all that it refuses, a database that is starting included; its words are never translated.
fn is_poolers_refusal(message: &str) -> bool {
    ["no such database", "no such user", "authentication failed"].iter().any(|words| message.contains(words))
}

/// Why the server's certificate was not taken, and what to do.
fn judged(error: &tokio_postgres::Error) -> Option<String> {
    let io = std::error::Error::source(error)?.downcast_ref::<std::io::Error>()?;
    let rustls::Error::InvalidCertificate(found) = io.get_ref()?.downcast_ref::<rustls::Error>()? else {
        return None;
    };
    let why = match found {
        CertificateError::UnknownIssuer => {
            "the server's certificate leads to none of those in sslrootcert; name the file with the certificate of whoever \
             signed it, or, where it is self-signed, with the certificate itself"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired; have the server show a new one, or look at this machine's clock"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet; look at this machine's clock and the server's"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the server's certificate is for another host than the URL names; name the host that it is for, or write \
             sslmode=verify-ca if any name will do"
        }
        CertificateError::BadSignature => {
            "the server's certificate was not signed by the one in sslrootcert that has the name of its issuer; name the file \
             with the certificate that signed it"
        }
        // Whether it is the issuer that is unknown cannot be told where the certificate is of a kind that webpki does not read.
        other => {
            return Some(format!(
                "the server's certificate leads to none of those in sslrootcert, or has something in it that is not taken \
                 ({other:?}); name the file with the certificate of whoever signed it, or, where it is self-signed, with the \
                 certificate itself"
            ));
        }
    };
    Some(why.to_owned())
}

/// A value that did not fit its column or its type: the driver gives no code for it.
fn is_conversion(error: &tokio_postgres::Error) -> bool {
    let Some(source) = std::error::Error::source(error) else { return false };
    source.downcast_ref::<tokio_postgres::types::WrongType>().is_some()
        || source.downcast_ref::<tokio_postgres::types::WasNull>().is_some()
}

/// The server's own words where there are some; they never repeat a parameter.
fn told(error: &tokio_postgres::Error) -> String {
    if let Some(why) = judged(error) {
        return format!("{error}: invalid peer certificate: {why}");
    }
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(error), _) => format!("{} ({})", error.message(), error.code().code()),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}

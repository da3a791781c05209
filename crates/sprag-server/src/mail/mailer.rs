//! The ways that a letter can leave: to a mail server, into a folder, into the log.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use async_trait::async_trait;
use lettre::message::Mailbox;
use sprag::engine::Outcome;
use tokio::task::spawn_blocking;

use super::outgoing::{Mailer, Outgoing};
use super::smtp;
use crate::config::{Mail, MailUrl};

/// The way that is set; `None` where letters are off.
///
/// # Errors
/// The folder cannot be made, or TLS cannot be set up.
pub(crate) fn mailer(mail: &Mail) -> anyhow::Result<Option<Box<dyn Mailer>>> {
    let from = mail.from.clone();
    Ok(match &mail.url {
        MailUrl::Off => None,
        MailUrl::Log => Some(Box::new(Log)),
        MailUrl::Folder(path) => {
            let made = fs::create_dir_all(path);
            made.with_context(|| format!("the folder {} for letters cannot be made", path.display()))?;
            Some(Box::new(Folder { path: path.clone(), from }))
        }
        MailUrl::Smtp(server) => Some(Box::new(smtp::Server::new(server, from)?)),
    })
}

/// Letters stand in the log: for whoever develops.
struct Log;

#[async_trait]
impl Mailer for Log {
    async fn send(&self, letter: &Outgoing) -> Outcome {
        let (to, subject) = (&letter.to, &letter.written.subject);
        let told = told(letter);
        tracing::info!("a letter to {to}, {subject:?}{told}");
        Outcome::Taken
    }
}

/// What of a letter somebody who develops goes on with.
fn told(letter: &Outgoing) -> String {
    let link = letter.link.as_ref().map(|link| format!("; its link: {link}"));
    let code = letter.code.as_ref().map(|code| format!("; its code: {code}"));
    [link, code].into_iter().flatten().collect()
}

/// A file for each letter.
struct Folder {
    path: PathBuf,
    from: Mailbox,
}

#[async_trait]
impl Mailer for Folder {
    async fn send(&self, letter: &Outgoing) -> Outcome {
        let message = match letter.message(&self.from) {
            Ok(message) => message.formatted(),
            Err(why) => return Outcome::Never(why),
        };
        let (folder, id) = (self.path.clone(), letter.id.clone());
        let written = spawn_blocking(move || write_anew(&folder, &id, &message)).await;
        match written {
            Ok(Ok(())) => Outcome::Taken,
            Ok(Err(error)) => Outcome::NotNow(format!("the folder does not take it: {error}")),
            Err(panic) => Outcome::NotNow(panic.to_string()),
        }
    }
}

/// A file that is there whole or not at all, for its owner alone: a link in it is as good as a password.
fn write_anew(folder: &Path, id: &str, message: &[u8]) -> io::Result<()> {
    let (unfinished, whole) = (folder.join(format!(".{id}.part")), folder.join(format!("{id}.eml")));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(message)?;
    file.sync_all()?;
    fs::rename(unfinished, whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Written;

    #[test]
    fn the_log_showed_no_code_of_a_letter_that_has_nothing_else() {
        let letter = |link: Option<&str>, code: Option<&str>| Outgoing {
            id: String::new(),
            to: "ann@example.org".to_owned(),
            link: link.map(str::to_owned),
            code: code.map(str::to_owned),
            written: Written { subject: String::new(), text: String::new(), html: String::new() },
        };
        assert_eq!(told(&letter(None, Some("123456"))), "; its code: 123456");
        assert_eq!(told(&letter(Some("x"), Some("123456"))), "; its link: x; its code: 123456");
        assert_eq!(told(&letter(None, None)), "");
    }
}

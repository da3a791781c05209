//! `sprag user password`: a password set by an operator; and where commands have a new password from.

use std::io::{self, Read as _};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use sprag::error::Rejected;
use sprag::files::FileFault;
use sprag::policy::MAX_PASSWORD_BYTES;
use sprag::{Engine, Refusal};
use zeroize::Zeroizing;

use super::super::accounts::{called, find};
use super::super::on_node::{plainly, requester};
use super::super::output::{counted, misused, say};
use super::super::terminal;

/// A new password: asked for on a terminal, or read from a pipe where the command line says so. The other outcome is that
/// the command was not understood.
pub(super) fn read_new(
    is_from_stdin: bool,
    command: &str,
) -> anyhow::Result<Result<Zeroizing<String>, ExitCode>> {
    if terminal::is_there() {
        return terminal::new_password().map(Ok);
    }
    if is_from_stdin {
        return from(io::stdin().lock()).map(Ok);
    }
    Ok(Err(misused(&format!(
        "a password given as an argument could be read by others, so it is asked for on a terminal, or read from standard \
         input; that is no terminal here, so add --password-stdin and pipe it in: sprag user {command} … --password-stdin < \
         FILE"
    ))))
}

/// All of the input but a newline at its end; no more is read than a password may have.
fn from(input: impl io::Read) -> anyhow::Result<Zeroizing<String>> {
    const DOING: &str = "could not read the password from standard input";
    let limit = MAX_PASSWORD_BYTES + "\r\n".len() + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit));
    input.take(limit as u64).read_to_end(&mut bytes).map_err(FileFault::from).context(DOING)?;
    if bytes.is_empty() {
        bail!("{DOING}: nothing came; pipe it in: printf '%s' 'a long password' | sprag user …");
    }
    let text = bytes.strip_suffix(b"\n").map_or(&bytes[..], |line| line.strip_suffix(b"\r").unwrap_or(line));
    if text.len() > MAX_PASSWORD_BYTES {
        return Err(Refusal::PasswordRejected(Rejected::Unfit).into());
    }
    match str::from_utf8(text) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => bail!("{DOING}: it is not UTF-8; write it in UTF-8"),
    }
}

/// Sets an account's password. The sessions of one that had none go on, for nobody else can know it; all others end.
pub(super) async fn set(engine: &Engine, who: &str, password: &str) -> anyhow::Result<ExitCode> {
    let account = find(engine, who).await?;
    let (name, accounts) = (called(&account), engine.accounts());
    if accounts.set_first_password(account.id, password, &requester()).await.map_err(plainly)? {
        say(format_args!("{name} can log in with a password now"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let ended = accounts.set_password(account.id, password, &requester()).await.map_err(plainly)?;
    say(format_args!("{name} has another password now{}", and_ended(ended)))?;
    if account.disabled_at.is_some() {
        say(format_args!("it is disabled still: `sprag user enable` lets it log in"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The end of a sentence about an account whose sessions ended.
pub(super) fn and_ended(ended: u64) -> String {
    match ended {
        0 => String::new(),
        1 => ", and its session has ended; the access token runs out by itself".to_owned(),
        _ => format!(
            ", and its {} have ended; access tokens run out by themselves",
            counted(ended, "session", "sessions")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_newline_at_the_end_is_not_part_of_a_password() {
        let read = |text: &str| from(text.as_bytes()).unwrap().to_string();
        assert_eq!(read("a b c "), "a b c ");
        assert_eq!(read("a b c \n"), "a b c ");
        assert_eq!(read("a b c\r\n"), "a b c");
        assert_eq!(read("a b c\n\n"), "a b c\n");
        assert!(from(&b""[..]).is_err(), "an empty one is none");
    }

    #[test]
    fn a_password_is_read_whole_or_refused() {
        let longest = "é".repeat(MAX_PASSWORD_BYTES / 2);
        assert_eq!(*from(format!("{longest}\n").as_bytes()).unwrap(), longest);
        let refused = from(format!("{longest}x\n").as_bytes()).unwrap_err();
        assert_eq!(refused.to_string(), Refusal::PasswordRejected(Rejected::Unfit).to_string());
        assert!(from(io::repeat(b'x')).is_err(), "an endless one is not read to its end");
        assert!(from(&b"\xff\xfe long enough"[..]).is_err());
    }
}

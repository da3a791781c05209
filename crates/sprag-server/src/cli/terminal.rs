//! Asking a person at a terminal: for a password, which nobody may read over their shoulder, and whether they mean it.

use std::io::{self, IsTerminal as _, Read, Write as _};

use anyhow::{Context as _, bail};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use sprag::password::Password;
use sprag::policy::MAX_PASSWORD_BYTES;
use zeroize::Zeroizing;

/// What keys send where the terminal hands each of them on as it comes.
const CONTROL_C: u8 = 0x03;
const CONTROL_D: u8 = 0x04;
const BACKSPACE: u8 = 0x08;
const CONTROL_U: u8 = 0x15;
const DELETE: u8 = 0x7f;

/// Whether there is somebody to ask.
pub(super) fn is_there() -> bool {
    io::stdin().is_terminal()
}

/// Asks for a new password, twice, for nobody sees what they type.
pub(super) fn new_password() -> anyhow::Result<Zeroizing<String>> {
    let unseen = Unseen::begin().context("could not keep the terminal from showing the password")?;
    let first = unseen.ask("new password (it is not shown): ")?;
    Password::chosen(&first)?;
    let again = unseen.ask("once more: ")?;
    if first != again {
        bail!("the two passwords differ; nothing was changed");
    }
    Ok(first)
}

/// Asks whether something shall be done; anything but a yes is a no.
pub(super) fn confirms(question: &str) -> anyhow::Result<bool> {
    const DOING: &str = "could not ask on the terminal";
    tell(&format!("{question} [y/N] ")).context(DOING)?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context(DOING)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// A question is nobody's output.
fn tell(text: &str) -> io::Result<()> {
    let mut screen = io::stderr().lock();
    screen.write_all(text.as_bytes())?;
    screen.flush()
}

/// While it lives the terminal shows nothing of what is typed, and hands on each key as it comes. Whoever stops the command
/// in the middle does so by one of these keys, so that the terminal is never left behind like that.
struct Unseen(Termios);

impl Unseen {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut unseen = before.clone();
        unseen.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        // What was typed before it was asked for has been shown, and is no password.
        tcsetattr(io::stdin(), OptionalActions::Flush, &unseen)?;
        Ok(Self(before))
    }

    fn ask(&self, question: &str) -> anyhow::Result<Zeroizing<String>> {
        const DOING: &str = "could not read the password from the terminal";
        tell(question).context(DOING)?;
        let line = line_of_keys(io::stdin().lock().bytes());
        tell("\n").context(DOING)?;
        match line.context(DOING)? {
            None => bail!("interrupted; nothing was changed"),
            Some(line) => match str::from_utf8(&line) {
                Ok(text) => Ok(Zeroizing::new(text.to_owned())),
                Err(_) => bail!(
                    "{DOING}: it is not UTF-8; set the terminal to UTF-8, or pipe it in with --password-stdin"
                ),
            },
        }
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        // A terminal that is gone needs no mending.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// What keys make of a line; `None` where they broke it off. No more of it is kept than a password may have, and one byte.
fn line_of_keys(keys: impl Iterator<Item = io::Result<u8>>) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_PASSWORD_BYTES + 1));
    let mut has_other_keys = false;
    for key in keys {
        match key? {
            b'\n' | b'\r' if has_other_keys => {
                return Err(io::Error::other(
                    "a key was pressed that writes nothing, as those with arrows; begin again",
                ));
            }
            b'\n' | b'\r' => return Ok(Some(line)),
            CONTROL_C => return Ok(None),
            CONTROL_D if line.is_empty() => return Ok(None),
            CONTROL_D => return Ok(Some(line)),
            CONTROL_U => {
                line.clear();
                has_other_keys = false;
            }
            // One key takes away one character, of however many bytes.
            DELETE | BACKSPACE => while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {},
            // Of other keys, as those with arrows, nobody could see that they have become part of it.
            byte if byte.is_ascii_control() => has_other_keys = true,
            byte if line.len() <= MAX_PASSWORD_BYTES => line.push(byte),
            _ => {}
        }
    }
    // The terminal is gone.
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[u8]) -> Option<String> {
        let line = line_of_keys(keys.iter().map(|key| Ok(*key))).unwrap();
        line.map(|line| String::from_utf8(line.to_vec()).unwrap())
    }

    #[test]
    fn keys_make_a_line_and_mistakes_in_it_can_be_taken_back() {
        let line = |text: &str| Some(text.to_owned());
        assert_eq!(typed(b"correct horse\nmore"), line("correct horse"));
        assert_eq!(typed("caf\u{e9}\u{7f}e\r".as_bytes()), line("cafe"), "one key takes back one letter");
        assert_eq!(typed("a\u{1f422}\u{8}\u{7f}\u{7f}b\n".as_bytes()), line("b"));
        assert_eq!(typed(b"all wrong\x15right\n"), line("right"));
        assert_eq!(typed(b"ended by\x04"), line("ended by"));
        for broken_off in [&b"\x04"[..], b"a\x03b\n", b"never ended", b""] {
            assert_eq!(typed(broken_off), None);
        }
        let endless = typed(&[&[b'x'; MAX_PASSWORD_BYTES + 100][..], b"\n"].concat()).unwrap();
        assert!(Password::chosen(&endless).is_err(), "what is too long is refused, not cut");
    }
}

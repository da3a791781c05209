//! The forms of Unicode in which one and the same password may come.
//!
//! A letter with a mark can be one character or two, and which of them a keyboard sends depends on the system. What is
//! stored was made from what somebody typed once, or by another system from a form of its choice.

use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::Password;
use crate::policy::MAX_PASSWORD_BYTES;

/// The most bytes that one byte becomes in any of the forms (U+FDFA in NFKC).
const MOST_GROWTH: usize = 11;

/// A password as it was typed, and then in its other forms: NFC, NFD and NFKC, each once. One in ASCII has no other. How many
/// there are depends on nothing but what was typed.
///
/// A form that is longer than a password may be is left out, for none so long was ever stored here.
pub(super) fn forms(typed: &Password) -> Vec<Password> {
    let mut forms = vec![typed.clone()];
    let text = typed.0.as_str();
    if text.is_ascii() {
        return forms;
    }
    let mut add = |form: Zeroizing<String>| {
        let is_new = forms.iter().all(|known| known.0 != form);
        if is_new && form.len() <= MAX_PASSWORD_BYTES {
            forms.push(Password(form));
        }
    };
    add(collected(text, text.nfc()));
    add(collected(text, text.nfd()));
    add(collected(text, text.nfkc()));
    forms
}

/// A text that is written to one place only, which is wiped.
fn collected(typed: &str, characters: impl Iterator<Item = char>) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(typed.len() * MOST_GROWTH));
    text.extend(characters);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        forms(&Password::typed(text).unwrap()).iter().map(|form| form.0.to_string()).collect()
    }

    #[test]
    fn a_password_has_each_form_once_and_the_typed_one_first() {
        assert_eq!(of("correct horse"), ["correct horse"]);
        assert_eq!(of("\u{1f422} и"), ["\u{1f422} и"]);
        assert_eq!(of("caf\u{e9}"), ["caf\u{e9}", "cafe\u{301}"]);
        assert_eq!(of("cafe\u{301}"), ["cafe\u{301}", "caf\u{e9}"]);
        assert_eq!(of("\u{ff41}"), ["\u{ff41}", "a"]);
        assert_eq!(of("\u{fb01} \u{e9}"), ["\u{fb01} \u{e9}", "\u{fb01} e\u{301}", "fi \u{e9}"]);
        // Neither form is what was typed.
        assert_eq!(of("\u{e9} e\u{301}"), ["\u{e9} e\u{301}", "\u{e9} \u{e9}", "e\u{301} e\u{301}"]);
        assert_eq!(of("\u{d55c}"), ["\u{d55c}", "\u{1112}\u{1161}\u{11ab}"]);
    }

    #[test]
    fn a_form_is_no_longer_than_a_password_may_be() {
        let long = "\u{e9}".repeat(MAX_PASSWORD_BYTES / 2);
        assert_eq!(of(&long).len(), 1, "in two characters each it is too long");
        let longest = "\u{fdfa}".repeat(MAX_PASSWORD_BYTES / 3);
        assert_eq!(of(&longest).len(), 1);
        let grown: String = "\u{fdfa}".nfkc().collect();
        assert_eq!(grown.len(), 3 * MOST_GROWTH, "so that no place has to be found anew");
    }
}

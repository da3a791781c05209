//! The form in which names are compared, and the characters that no name may have.

use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory};
use icu_properties::{CodePointMapData, CodePointSetData};
use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};
use unicode_normalization::UnicodeNormalization as _;

/// How often the form is made of itself at most; two rounds are enough for every character there is.
const ROUNDS: usize = 8;

/// What is compared: NFKC, small letters (with one sigma), NFKC again, until nothing changes; blanks around it are left out
/// and those between words are one.
pub(super) fn today(text: &str) -> String {
    let mut form = text.trim().to_owned();
    for _ in 0..ROUNDS {
        let small = form.nfkc().collect::<String>().to_lowercase().replace('ς', "σ");
        let next = small.split_whitespace().collect::<Vec<_>>().join(" ").nfkc().collect::<String>();
        if next == form {
            break;
        }
        form = next;
    }
    form
}

/// What builds before schema V6 compared, whose names stand in the store so.
pub(super) fn before(text: &str) -> String {
    text.trim().nfkc().collect::<String>().to_lowercase()
}

/// The one form of a domain: its A-labels (RFC 5890), as browsers hand them out; `None` if it can be none.
pub(super) fn domain(domain: &str) -> Option<String> {
    let ascii = Uts46::new().to_ascii(
        domain.as_bytes(),
        AsciiDenyList::STD3,
        Hyphens::CheckFirstLast,
        DnsLength::Verify,
    );
    ascii.ok().map(|domain| domain.to_ascii_lowercase())
}

/// Whether a name may have it: nothing that cannot be seen, that turns the direction of reading or breaks the line, and
/// nothing that has no meaning of its own (private, or not assigned to a character yet).
pub(super) fn may_be_in_a_name(c: char) -> bool {
    let is_unseen = CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c);
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    let is_nothing = matches!(
        category,
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
            | GeneralCategory::PrivateUse
            | GeneralCategory::Surrogate
            | GeneralCategory::Unassigned
    );
    !is_unseen && !is_nothing
}

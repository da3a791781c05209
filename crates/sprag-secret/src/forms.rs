//! The forms in which one secret is written.

use data_encoding::{BASE64_NOPAD, Encoding, HEXLOWER, Specification};
use zeroize::Zeroizing;

/// One form of a secret, wiped when it is dropped.
pub(crate) type Form = Zeroizing<Vec<u8>>;

/// How many times over a secret may be encoded and still be recognised.
const LAYERS: usize = 2;

/// The shortest form that says anything: shorter ones are common words, and a secret that short is refused anyway.
pub(crate) const MIN_BYTES: usize = 16;

/// The secret, what it is the Base64 or hexadecimal of, and its own Base64 and hexadecimal.
pub(crate) fn of(secret: &[u8]) -> Vec<Form> {
    let mut forms = vec![Zeroizing::new(secret.to_vec())];
    let mut layer = 0..1;
    for _ in 0..LAYERS {
        let decoded: Vec<_> = forms[layer.clone()].iter().flat_map(|form| decoded(form)).collect();
        layer = forms.len()..forms.len() + decoded.len();
        forms.extend(decoded);
    }
    forms.push(Zeroizing::new(BASE64_NOPAD.encode(secret).into_bytes()));
    forms.push(Zeroizing::new(HEXLOWER.encode(secret).into_bytes()));
    forms
}

/// What the text stands for if it is hexadecimal or Base64, in either alphabet, padded or not, in lines or with blanks.
fn decoded(text: &[u8]) -> Vec<Form> {
    let is_filler = |byte: u8| byte.is_ascii_whitespace() || byte == b'=';
    let base64: Form = text
        .iter()
        .filter(|byte| !is_filler(**byte))
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => *other,
        })
        .collect::<Vec<u8>>()
        .into();
    let hex: Form = text
        .iter()
        .filter(|byte| !matches!(byte, b'-' | b':') && !byte.is_ascii_whitespace())
        .map(u8::to_ascii_lowercase)
        .collect::<Vec<u8>>()
        .into();
    let hex = hex.strip_prefix(b"0x").unwrap_or(&hex);
    lenient().decode(&base64).into_iter().chain(HEXLOWER.decode(hex)).map(Zeroizing::new).collect()
}

/// Base64 whose last digit may have bits to spare that are not zero.
fn lenient() -> Encoding {
    let mut base64: Specification = BASE64_NOPAD.specification();
    base64.check_trailing_bits = false;
    base64.encoding().expect("it is Base64 with one rule fewer")
}

/// The one way in which spellings of a secret are compared: small ASCII letters and digits only, so that neither case nor
/// quotes, blanks, line ends or a choice of punctuation hide it. Where too few of them are left, the whole, in small
/// letters, without blanks or zero bytes around it.
pub(crate) fn plain(form: &[u8]) -> Form {
    let letters = letters(form);
    if letters.len() >= MIN_BYTES {
        return letters;
    }
    let is_around = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0;
    let start = form.iter().position(|byte| !is_around(byte)).unwrap_or(form.len());
    let end = form.iter().rposition(|byte| !is_around(byte)).map_or(start, |last| last + 1);
    Zeroizing::new(form[start..end].to_ascii_lowercase())
}

/// Its ASCII letters, small, and digits.
pub(crate) fn letters(form: &[u8]) -> Form {
    let kept = form.iter().filter(|byte| byte.is_ascii_alphanumeric());
    Zeroizing::new(kept.map(u8::to_ascii_lowercase).collect())
}

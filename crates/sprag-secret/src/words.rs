//! Words of one who meant to replace a secret.

use crate::forms::letters;

/// Whether they are in this form of a secret, however it is spelled.
pub(crate) fn are_in(form: &[u8]) -> bool {
    let letters = letters(form);
    let says = |words: &str| letters.windows(words.len()).any(|window| window == words.as_bytes());
    PLAIN.iter().any(|plain| form.eq_ignore_ascii_case(plain)) || TELLTALE.iter().any(|words| says(words))
}

/// What documentation, tutorials and templates write where a secret should be, in small letters and digits only. No random
/// secret contains them by chance.
const TELLTALE: &[&str] = &[
    "0123456789abcdef",
    "12345678901234567890",
    "abcdefghijklmnop",
    "astringsecretatleast256bitslong",
    "atleast256bit",
    "atleast32byte",
    "atleast32char",
    "atleast512bit",
    "changebefore",
    "changeinprod",
    "changeit",
    "changeme",
    "changethis",
    "correcthorsebatterystaple",
    "donotuse",
    "examplekey",
    "examplesecret",
    "insecure",
    "insertyour",
    "jwtsecret",
    "keyboardcat",
    "keyhere",
    "mysecret",
    "notasecret",
    "password",
    "placeholder",
    "pleasechange",
    "replaceit",
    "replaceme",
    "replacethis",
    "replacewith",
    "secrethere",
    "secretkey",
    "secretsecret",
    "somesecret",
    "superlongsecret",
    "supersecret",
    "supersecure",
    "superstrong",
    "thisisasecret",
    "thisisnotasecret",
    "topsecret",
    "verysecret",
    "your256bit",
    "your384bit",
    "your512bit",
    "yourjwt",
    "yourownsecret",
    "yourprivatekey",
    "yoursecret",
    "yoursecure",
    "yoursigningkey",
    "yoursuper",
    "yourverylong",
];

/// Short secrets that stand for none at all: whoever gives one should hear that rather than its length.
const PLAIN: &[&[u8]] = &[
    b"",
    b"123456",
    b"admin",
    b"default",
    b"dev",
    b"development",
    b"example",
    b"jwt",
    b"key",
    b"none",
    b"null",
    b"private",
    b"qwerty",
    b"s3cr3t",
    b"secret",
    b"shhhh",
    b"shhhhh",
    b"test",
    b"token",
    b"undefined",
];

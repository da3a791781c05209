//! What a test reads out of an opaque refresh token by itself.

use data_encoding::BASE64URL_NOPAD;

/// The 16 bytes of an id.
pub type Id = [u8; 16];

/// The facts in a token's bytes: version 1 ‖ key id 1 ‖ profile 2 ‖ account 16 ‖ session 16 ‖ generation 8 ‖ …
pub struct Facts {
    pub account: Id,
    pub session: Id,
    pub generation: u64,
    pub secret: [u8; 16],
}

pub fn facts(text: &str) -> Facts {
    let body = text.strip_prefix("spr_").expect("an opaque token begins with spr_");
    let bytes = BASE64URL_NOPAD.decode(body.as_bytes()).expect("an opaque token is base64url");
    assert_eq!(bytes.len(), 92, "an opaque token has 92 bytes");
    let field = |from: usize| bytes[from..from + 16].try_into().expect("16 bytes are 16 bytes");
    Facts {
        account: field(4),
        session: field(20),
        generation: u64::from_be_bytes(bytes[36..44].try_into().expect("8 bytes are 8 bytes")),
        secret: field(44),
    }
}

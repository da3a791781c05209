//! Signatures after [Standard Webhooks](https://www.standardwebhooks.com): whoever is asked or told can see that it is us.

use std::fmt;

use aws_lc_rs::hmac;
use data_encoding::BASE64;
use zeroize::Zeroizing;

/// What a secret begins with.
const PREFIX: &str = "whsec_";

/// How many bytes a secret has, at least and at most.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Secrets that requests are signed with: all of them, so that one can take another's place while both are known.
#[derive(Clone)]
pub struct SigningSecrets(Vec<hmac::Key>);

/// Why a text is no secret. What it is is not said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadSecret {
    /// It does not begin as one.
    #[error("a secret begins with whsec_; make one with: echo whsec_$(openssl rand -base64 32)")]
    Prefix,
    /// What follows cannot be read.
    #[error(
        "behind whsec_ stands base64 with its padding; make one with: echo whsec_$(openssl rand -base64 32)"
    )]
    Encoding,
    /// It is too short or too long.
    #[error("a secret has 24 to 64 bytes; make one with: echo whsec_$(openssl rand -base64 32)")]
    Length,
}

impl SigningSecrets {
    /// Reads secrets with blanks between them.
    ///
    /// # Errors
    /// One of them is none, or there is none at all.
    pub fn read(text: &str) -> Result<Self, BadSecret> {
        let keys = text.split_whitespace().map(|secret| {
            let encoded = secret.strip_prefix(PREFIX).ok_or(BadSecret::Prefix)?;
            let secret = BASE64.decode(encoded.as_bytes()).map_err(|_| BadSecret::Encoding)?;
            let secret = Zeroizing::new(secret);
            let is_long_enough = SECRET_BYTES.contains(&secret.len());
            is_long_enough.then(|| hmac::Key::new(hmac::HMAC_SHA256, &secret)).ok_or(BadSecret::Length)
        });
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err(BadSecret::Prefix) } else { Ok(Self(keys)) }
    }

    /// The header `webhook-signature` of a message of that id, sent at that second.
    #[must_use]
    pub fn sign(&self, id: &str, at_seconds: i64, body: &[u8]) -> String {
        let signed = [id.as_bytes(), b".", at_seconds.to_string().as_bytes(), b".", body].concat();
        let signatures =
            self.0.iter().map(|key| format!("v1,{}", BASE64.encode(hmac::sign(key, &signed).as_ref())));
        signatures.collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Debug for SigningSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecrets")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_signed_as_the_standard_shows_it() {
        let secrets = SigningSecrets::read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = secrets.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn with_two_secrets_there_are_two_signatures() {
        let (one, other) =
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX");
        let both = SigningSecrets::read(&format!("{one} {other}")).unwrap().sign("a", 1, b"{}");
        let each = [one, other].map(|secret| SigningSecrets::read(secret).unwrap().sign("a", 1, b"{}"));
        assert_eq!(both, each.join(" "));
    }

    #[test]
    fn what_is_no_secret_is_refused_without_being_repeated() {
        for (text, why) in [
            ("", BadSecret::Prefix),
            ("hunter2", BadSecret::Prefix),
            ("whsec_hunter2", BadSecret::Encoding),
            ("whsec_aHVudGVyMg==", BadSecret::Length),
        ] {
            assert_eq!(SigningSecrets::read(text).unwrap_err(), why, "{text}");
            assert!(!why.to_string().contains("hunter2"));
        }
    }
}

//! What a request is told that does not get in.

use std::error;
use std::fmt;

#[cfg(feature = "http")]
use crate::fetch_error::FetchError;

/// Why a request is not let in, with the answer that it should get.
///
/// [`name`](Self::name) tells every reason apart and is for counters; [`code`](Self::code) is what clients decide by and
/// is taken from the server's own list, so that one interceptor serves both. The text says what happened and what to do,
/// and holds nothing of the token.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Error {
    /// No bearer token came with the request.
    Missing,
    /// The `Authorization` header stands there twice, or its bearer token is not one word of visible ASCII.
    Credentials,
    /// The token is longer than [`MAX_TOKEN_BYTES`](crate::MAX_TOKEN_BYTES).
    TooLong,
    /// It is not three segments with two dots between.
    Segments,
    /// A segment is not canonical base64url.
    Encoding,
    /// Header or claims are not one unambiguous JSON object.
    Json,
    /// The header has a member that an access token of Sprag never has (`crit`, `jku`, `jwk`, `x5u`, …), lacks one, or
    /// has one of the wrong type.
    Header,
    /// `typ` says that it is another kind of token: an identity or a refresh token, say.
    Type,
    /// It names no key that the issuer publishes.
    UnknownKey,
    /// `alg` is not the one that this verifier takes, or not its key's.
    Algorithm,
    /// The signature is not its key's.
    Signature,
    /// This claim is missing, or has the wrong type or form.
    Claim(String),
    /// Another issuer's.
    Issuer,
    /// For another audience.
    Audience,
    /// `iat` or `nbf` lies in the future.
    NotYet,
    /// Genuine, and its time is over.
    Expired,
    /// The issuer's keys could not be had, so nothing can be said about the token: a fault of ours, never the client's.
    #[cfg(feature = "http")]
    Keys(FetchError),
    /// A handler wants claims, and no layer has verified the request: a defect in the wiring of the API.
    #[cfg(feature = "axum")]
    NoLayer,
}

impl Error {
    /// The stable name of the reason, for counters; the token vectors and `sprag::access::Rejected` use the names of
    /// the token's faults too.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Credentials => "credentials",
            Self::TooLong => "too_long",
            Self::Segments => "segments",
            Self::Encoding => "encoding",
            Self::Json => "json",
            Self::Header => "header",
            Self::Type => "type",
            Self::UnknownKey => "unknown_key",
            Self::Algorithm => "algorithm",
            Self::Signature => "signature",
            Self::Claim(_) => "claim",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::NotYet => "not_yet",
            Self::Expired => "expired",
            #[cfg(feature = "http")]
            Self::Keys(_) => "keys",
            #[cfg(feature = "axum")]
            Self::NoLayer => "no_layer",
        }
    }

    /// What clients decide by, as in the server's list of refusals.
    ///
    /// `token_expired` and `token_invalid`: refresh once, then repeat. `unavailable`: try again later with the token
    /// that is there.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "token_missing",
            Self::Credentials => "request_invalid",
            Self::Expired => "token_expired",
            #[cfg(feature = "http")]
            Self::Keys(_) => "unavailable",
            #[cfg(feature = "axum")]
            Self::NoLayer => "internal",
            _ => "token_invalid",
        }
    }

    /// The HTTP status to answer with (RFC 6750 section 3.1): 401, 400 for a request that contradicts itself, 503 where
    /// the issuer's keys are missing.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self.code() {
            "request_invalid" => 400,
            "unavailable" => 503,
            "internal" => 500,
            _ => 401,
        }
    }

    /// The value of the `WWW-Authenticate` header that belongs to the answer (RFC 6750 section 3), if one does.
    ///
    /// A request without a token is told only that a bearer token is wanted, as section 3.1 asks.
    #[must_use]
    pub fn www_authenticate(&self) -> Option<String> {
        let error = match self.status() {
            401 if *self == Self::Missing => return Some("Bearer".to_owned()),
            401 => "invalid_token",
            400 => "invalid_request",
            _ => return None,
        };
        // A name of a claim may hold what must not stand in a quoted text (section 3: no quotes, no backslash, ASCII).
        let is_allowed = |c: &char| matches!(c, ' ' | '!' | '#'..='[' | ']'..='~');
        let description: String = self.to_string().chars().filter(is_allowed).collect();
        Some(format!(r#"Bearer error="{error}", error_description="{description}""#))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LOG_IN: &str = "log in again";
        let sentence = match self {
            Self::Missing => "no access token came with the request; send it as `Authorization: Bearer`",
            Self::Credentials => {
                "the request must carry one Authorization header with one bearer token; send each once"
            }
            Self::TooLong => {
                "the access token is too long to be one of ours; send the token as it was issued"
            }
            Self::Segments => {
                "the access token is not three segments; send the token as it was issued, whole"
            }
            Self::Encoding => {
                "a segment of the access token is not base64url; send the token as it was issued"
            }
            Self::Json => {
                "the access token does not hold JSON that says each thing once; use a token of our issuer"
            }
            Self::Header => {
                "the header of the access token is not one of our issuer's; use a token of our issuer"
            }
            Self::Type => {
                "the token is not an access token; send the access token, not another one of the pair"
            }
            Self::UnknownKey => "the access token is signed with a key that is not accepted; refresh it",
            Self::Algorithm => {
                "the access token is not signed with the algorithm that is accepted here; refresh it"
            }
            Self::Signature => "the signature of the access token is wrong; send the token as it was issued",
            Self::Issuer => "the access token is from another issuer; log in at the one that this API trusts",
            Self::Audience => "the access token is for another audience; get one that is meant for this API",
            Self::NotYet => {
                "the access token is not valid yet; the clocks of its issuer and this API differ, set them"
            }
            Self::Expired => "the access token has expired; refresh it, then repeat the request",
            Self::Claim(name) => {
                return write!(
                    f,
                    "the claim `{name}` of the access token is missing or has the wrong type; {LOG_IN}"
                );
            }
            #[cfg(feature = "http")]
            Self::Keys(_) => {
                "the keys to verify access tokens cannot be had just now; try again with this token"
            }
            #[cfg(feature = "axum")]
            Self::NoLayer => "this route does not verify access tokens; its API must add the layer that does",
        };
        f.write_str(sentence)
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            #[cfg(feature = "http")]
            Self::Keys(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_what_rfc_6750_asks_for() {
        let challenge = |error: Error| error.www_authenticate();
        assert_eq!(challenge(Error::Missing).as_deref(), Some("Bearer"), "no error where there was no token");
        assert!(challenge(Error::Expired).unwrap().starts_with(r#"Bearer error="invalid_token", "#));
        assert!(challenge(Error::Credentials).unwrap().starts_with(r#"Bearer error="invalid_request", "#));
        assert_eq!([Error::Missing, Error::Expired].map(|error| error.status()), [401, 401]);
        assert_eq!(Error::Credentials.status(), 400);
    }

    #[test]
    fn the_name_of_a_claim_cannot_break_out_of_the_header() {
        let challenge = Error::Claim("a\"\\\r\nx: é".to_owned()).www_authenticate().unwrap();
        assert_eq!(challenge.matches('"').count(), 4);
        assert!(challenge.chars().all(|c| matches!(c, ' '..='~') && c != '\\'), "{challenge}");
    }
}

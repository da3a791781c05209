//! One public key as the issuer publishes it (RFC 7517, RFC 7518 section 6, RFC 8037 section 2).

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value};

use crate::algorithm::Algorithm;
use crate::setup::SetupError;

/// What only the owner of a key may know (RFC 7518 sections 6.2.2, 6.3.2 and 6.4).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// How many bytes an RSA modulus may have: 2048 to 8192 bits.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// Reads a key with its name; `None` if it is one that cannot verify an access token.
///
/// # Errors
/// A [`SetupError`] if a key of ours is broken, or tells what it must not.
pub(super) fn read(
    members: &Map<String, Value>,
) -> Result<Option<(&str, Algorithm, ParsedPublicKey)>, SetupError> {
    if members.keys().any(|name| PRIVATE.contains(&name.as_str())) {
        return Err(SetupError::PrivateKey);
    }
    let text = |name| match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(SetupError::KeySet("a member of a key that must be a text is none")),
    };
    let algorithm = match (text("kty")?, text("crv")?) {
        (Some("EC"), Some("P-256")) => Algorithm::Es256,
        (Some("OKP"), Some("Ed25519")) => Algorithm::EdDsa,
        (Some("RSA"), None) => Algorithm::Rs256,
        _ => return Ok(None),
    };
    let is_for_another = text("alg")?.is_some_and(|alg| alg != algorithm.name())
        || text("use")?.is_some_and(|usage| usage != "sig")
        || members.get("key_ops").is_some_and(|operations| !is_for_verifying(operations));
    let Some(kid) = text("kid")?.filter(|_| !is_for_another) else { return Ok(None) };
    let number = |name| -> Result<Vec<u8>, SetupError> {
        let text = text(name)?.ok_or(SetupError::KeySet("a key lacks one of its numbers"))?;
        let broken = SetupError::KeySet("a number of a key is not canonical base64url");
        BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| broken)
    };
    let public = match algorithm {
        Algorithm::Es256 => p256(&number("x")?, &number("y")?),
        Algorithm::EdDsa => ed25519(&number("x")?),
        Algorithm::Rs256 => rsa(number("n")?, number("e")?),
        Algorithm::Hs256 => None,
    };
    let public = public.ok_or(SetupError::KeySet("the numbers of a key are not those of a key"))?;
    Ok(Some((kid, algorithm, public)))
}

fn is_for_verifying(operations: &Value) -> bool {
    operations.as_array().is_some_and(|list| list.iter().any(|operation| operation == "verify"))
}

fn p256(x: &[u8], y: &[u8]) -> Option<ParsedPublicKey> {
    const UNCOMPRESSED: &[u8] = &[4];
    let is_whole = x.len() == 32 && y.len() == 32;
    let point = [UNCOMPRESSED, x, y].concat();
    is_whole.then(|| ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point).ok()).flatten()
}

fn ed25519(point: &[u8]) -> Option<ParsedPublicKey> {
    let is_whole = point.len() == 32;
    is_whole.then(|| ParsedPublicKey::new(&ED25519, point).ok()).flatten()
}

fn rsa(n: Vec<u8>, e: Vec<u8>) -> Option<ParsedPublicKey> {
    if !RSA_BYTES.contains(&n.len()) {
        return None;
    }
    RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok()
}

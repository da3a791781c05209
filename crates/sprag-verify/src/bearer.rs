//! The token in a request's `Authorization` header.

use crate::error::Error;

/// Takes the bearer token out of the `Authorization` headers of a request (RFC 6750 section 2.1), for frameworks that
/// this crate has no feature for. Hand in the values of all such headers that came.
///
/// `None` if there is none, or one of another scheme. Tokens in a form or in the address are not looked at: section 5.3
/// has good reasons against them.
///
/// # Errors
/// [`Error::Credentials`] if the header stands there twice, or what follows `Bearer` is not one word.
pub fn bearer<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<Option<&'a str>, Error> {
    let mut values = values.into_iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Error::Credentials);
    }
    let end = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
    let (scheme, token) = value.split_at(end);
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Ok(None);
    }
    let token = token.trim_ascii();
    let is_word = !token.is_empty() && token.iter().all(|byte| byte.is_ascii_graphic() && *byte != b',');
    let token = str::from_utf8(token).ok().filter(|_| is_word);
    token.map(Some).ok_or(Error::Credentials)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_header_with_one_token_is_read_and_nothing_else() {
        let read = |values: &[&'static str]| bearer(values.iter().map(|value| value.as_bytes()));
        assert_eq!(read(&["Bearer a.b.c"]), Ok(Some("a.b.c")));
        assert_eq!(
            read(&["bEARER   a.b.c"]),
            Ok(Some("a.b.c")),
            "the scheme has no case (RFC 9110 section 11.1)"
        );
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["Basic a.b.c"]), Ok(None));
        assert_eq!(read(&["Bearera.b.c"]), Ok(None));
        for twisted in ["Bearer", "Bearer ", "Bearer a b", "Bearer a,b", "Bearer a, Bearer b", "Bearer ä"] {
            assert_eq!(read(&[twisted]), Err(Error::Credentials), "{twisted}");
        }
        assert_eq!(read(&["Bearer a", "Bearer a"]), Err(Error::Credentials));
        assert_eq!(read(&["Basic a", "Bearer a"]), Err(Error::Credentials));
    }
}

//! The cookies that a request brings, and those that an answer sets and clears.

use std::borrow::Cow;

use axum::response::Response;
use hyper::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use sprag::engine::{RefreshTokenText, TokenPair};

use crate::profile::{CookieSpec, RefreshTransport, SameSite};

/// How long a device cookie lasts: 400 days, the longest that browsers allow (RFC 6265bis section 4.1.2.2).
const DEVICE_COOKIE_SECONDS: i64 = 400 * 24 * 3600;

/// The values of all cookies of one name, in the order they came; a browser may send several.
///
/// A header is bytes: whatever another's cookie has in it, a letter of Latin-1 or half of one in UTF-8, ours beside it are
/// read. Over HTTP/2 each cookie may come in a header of its own (RFC 9113 section 8.2.3).
pub(crate) fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
    pairs(headers).filter(move |(found, _)| *found == name.as_bytes()).map(|(_, value)| unquoted(value))
}

/// The names and values of all cookies, as they came.
pub(crate) fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    let headers = headers.get_all(COOKIE).into_iter();
    headers.flat_map(|header| header.as_bytes().split(|byte| *byte == b';')).filter_map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        Some((pair[..equals].trim_ascii(), pair[equals + 1..].trim_ascii()))
    })
}

/// A cookie's value without the double quotes around it, which belong to how it is written (RFC 6265 section 4.1.1).
///
/// Python, and so Starlette, puts them around whatever has a `/` or `=` in it, and writes within them a backslash before
/// a quote or three octal digits. Values that are no UTF-8 are nobody's token, and are not hidden either: a refusal says
/// that what came is none.
fn unquoted(value: &[u8]) -> Cow<'_, str> {
    let inside = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    match inside {
        Some(inside) if inside.contains(&b'\\') => {
            String::from_utf8_lossy(&unescaped(inside)).into_owned().into()
        }
        Some(inside) => String::from_utf8_lossy(inside),
        None => String::from_utf8_lossy(value),
    }
}

fn unescaped(mut rest: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(rest.len());
    while let [byte, tail @ ..] = rest {
        let (taken, after) = match (byte, tail) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                (((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0'), after)
            }
            (b'\\', [escaped, after @ ..]) => (*escaped, after),
            _ => (*byte, tail),
        };
        bytes.push(taken);
        rest = after;
    }
    bytes
}

/// The name of the cookie that marks the device.
pub(crate) fn device_cookie(transport: &RefreshTransport) -> Option<String> {
    transport.cookie.as_ref().map(|cookie| format!("{}-device", cookie.name))
}

/// Puts a new refresh token into its cookie. One that stays as it is is not sent: an answer that was overtaken would
/// put back an older one.
pub(crate) fn set(response: &mut Response, cookie: &CookieSpec, pair: &TokenPair) {
    if let RefreshTokenText::New(token) = &pair.refresh {
        add(response, &written(cookie, &cookie.name, token.as_str(), pair.refresh_expires_in));
    }
}

/// Marks the device, so that its retries are known from another client's.
pub(crate) fn mark_device(response: &mut Response, cookie: &CookieSpec, name: &str, mark: &str) {
    add(response, &written(cookie, name, mark, DEVICE_COOKIE_SECONDS));
}

/// Has the client keep a cookie of our own on every path, for as long as browsers allow.
pub(crate) fn keep(response: &mut Response, (name, value): (&str, &str), is_secure: bool, rule: SameSite) {
    let (secure, same_site) = (if is_secure { "; Secure" } else { "" }, same_site(rule));
    add(
        response,
        &format!(
            "{name}={value}; Path=/; Max-Age={DEVICE_COOKIE_SECONDS}{secure}; HttpOnly; SameSite={same_site}"
        ),
    );
}

/// Clears the cookie, with the attributes it was set with. Only a log-out does so: a refusal that cleared it could
/// wipe the cookie of a newer log-in.
pub(crate) fn clear(response: &mut Response, cookie: &CookieSpec) {
    add(response, &written(cookie, &cookie.name, "", 0));
}

/// Clears the cookie of the system before, where it had another path: beside ours it would stay, and a browser that
/// somebody else logs in with would show two sessions. It goes first, for clients that tell cookies by name only.
pub(crate) fn clear_former(response: &mut Response, cookie: &CookieSpec) {
    let Some(path) = &cookie.former_path else { return };
    let former = CookieSpec { path: path.clone(), ..cookie.clone() };
    let others: Vec<HeaderValue> = response.headers().get_all(SET_COOKIE).iter().cloned().collect();
    response.headers_mut().remove(SET_COOKIE);
    add(response, &written(&former, &former.name, "", 0));
    for other in others {
        response.headers_mut().append(SET_COOKIE, other);
    }
}

fn written(cookie: &CookieSpec, name: &str, value: &str, max_age_seconds: i64) -> String {
    let secure = if cookie.secure { "; Secure" } else { "" };
    let (path, same_site) = (&cookie.path, same_site(cookie.same_site));
    format!("{name}={value}; Path={path}; Max-Age={max_age_seconds}{secure}; HttpOnly; SameSite={same_site}")
}

fn same_site(rule: SameSite) -> &'static str {
    match rule {
        SameSite::Strict => "Strict",
        SameSite::Lax => "Lax",
        SameSite::None => "None",
    }
}

fn add(response: &mut Response, cookie: &str) {
    let value = HeaderValue::from_str(cookie).expect("names, paths and tokens are visible ASCII");
    response.headers_mut().append(SET_COOKIE, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brought(headers: &[&[u8]]) -> HeaderMap {
        let values = headers.iter().map(|header| HeaderValue::from_bytes(header).unwrap());
        values.map(|value| (COOKIE, value)).collect()
    }

    #[test]
    fn cookies_come_in_order_and_by_exact_name() {
        let headers = brought(&[b"a=1; refresh=one; b=2", b"refresh=two;xrefresh=3; Refresh=4"]);
        assert_eq!(cookies(&headers, "refresh").collect::<Vec<_>>(), ["one", "two"]);
    }

    #[test]
    fn another_cookie_hides_none_of_ours_whatever_bytes_it_has() {
        for other in
            ["name=J\u{f6}rg".as_bytes(), b"name=J\xf6rg", b"n\xe4me=x", b"\xff", b"half=\xc3", b"=", b""]
        {
            for header in [[other, b"; refresh=one"].concat(), [b"refresh=one; ", other].concat()] {
                let headers = brought(&[&header]);
                assert_eq!(cookies(&headers, "refresh").collect::<Vec<_>>(), ["one"], "{header:?}");
            }
        }
        let headers = brought(&[b"refresh=\xff"]);
        assert_eq!(
            cookies(&headers, "refresh").collect::<Vec<_>>(),
            ["\u{fffd}"],
            "it came, and is no token"
        );
    }

    #[test]
    fn quotes_around_a_value_are_not_part_of_it() {
        for (written, value) in [
            ("\"a.b\"", "a.b"),
            ("\"a/b==\"", "a/b=="),
            (" \"a\" ", "a"),
            ("\"\"", ""),
            ("\"", "\""),
            ("\"a", "\"a"),
            ("a\"", "a\""),
            ("a\"b\"", "a\"b\""),
            (r#""a\054b\"c\\d\073""#, r#"a,b"c\d;"#),
            (r#""\303\251""#, "\u{e9}"),
            (r#""a\""#, "a\\"),
            (r#""\8\777""#, "8777"),
            (r"a\054", r"a\054"),
        ] {
            let headers = brought(&[format!("x=1; refresh={written}").as_bytes()]);
            assert_eq!(cookies(&headers, "refresh").collect::<Vec<_>>(), [value], "{written}");
        }
    }
}

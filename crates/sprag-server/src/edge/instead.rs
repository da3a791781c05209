//! What a request brought in the place of the token that was looked for: a refusal names where that would stand and what came
//! in its place, by its name only.

use std::borrow::Cow;

use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::cookie;
use crate::profile::{name_instead, name_of_field_instead};
use crate::quoted::quoted;

/// Headers in which other systems take an access token.
const OTHER_HEADERS: [&str; 10] = [
    "x-access-token",
    "access-token",
    "x-auth-token",
    "auth-token",
    "x-authorization",
    "x-token",
    "token",
    "x-jwt",
    "x-jwt-token",
    "x-api-key",
];

/// Why there is no refresh token. `field` and `cookie` are where one is looked for.
pub(crate) fn of_refresh_token(
    parts: &Parts,
    fields: &Map<String, Value>,
    field: Option<&str>,
    cookie: Option<&str>,
) -> String {
    let in_body = field.map(|name| format!("the field {name:?} of the body"));
    let in_cookie = cookie.map(|name| format!("the cookie {name:?}"));
    let places: Vec<String> = in_body.into_iter().chain(in_cookie).collect();
    let mut came = Vec::new();
    let wanted = field.unwrap_or("refresh_token");
    if field.is_some_and(|name| fields.contains_key(name)) {
        came.push(format!("the field {wanted:?} came empty"));
    } else if let Some(other) = name_of_field_instead(wanted, fields) {
        came.push(format!("the body has {} in its place", quoted(&other)));
    }
    came.extend(in_address(parts, &[wanted, "refresh_token"]));
    let names = [cookie.unwrap_or(wanted), wanted, "refresh_token"];
    came.extend(in_cookie_named(&parts.headers, &names, cookie));
    let header =
        ["x-refresh-token", "refresh-token"].into_iter().find(|name| parts.headers.contains_key(*name));
    came.extend(header.map(|name| format!("the header {name} came, which is not read")));
    if parts.headers.contains_key(AUTHORIZATION) {
        came.push("Authorization came, which is for access tokens".to_owned());
    }
    sentence("refresh", &places.join(" or "), &came)
}

/// Why there is no access token.
pub(crate) fn of_access_token(parts: &Parts) -> String {
    let mut came = Vec::new();
    if let Some(value) = parts.headers.get(AUTHORIZATION) {
        came.push(of_scheme(value));
    }
    let header = OTHER_HEADERS.into_iter().find(|name| parts.headers.contains_key(*name));
    came.extend(header.map(|name| format!("the header {name} came, which is not read")));
    let names = ["access_token", "token", "jwt", "auth_token"];
    came.extend(in_address(parts, &names));
    came.extend(in_cookie_named(&parts.headers, &names, None));
    sentence("access", "the header Authorization, as \"Bearer <token>\"", &came)
}

/// What stands before a token in `Authorization`; a word that may be the token itself is not repeated.
fn of_scheme(value: &HeaderValue) -> String {
    let scheme = value.as_bytes().split(|byte| *byte == b' ').next().unwrap_or_default();
    let is_word = scheme.len() <= 16 && scheme.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b'-');
    match str::from_utf8(scheme).ok().filter(|_| is_word && scheme.len() < value.len()) {
        Some(scheme) => format!("Authorization came with {scheme:?} before the token"),
        None if scheme.eq_ignore_ascii_case(b"bearer") => {
            "Authorization came with no token behind Bearer".to_owned()
        }
        None => "Authorization came without \"Bearer \" before the token".to_owned(),
    }
}

fn in_address(parts: &Parts, wanted: &[&str]) -> Option<String> {
    let query = parts.uri.query()?;
    let pairs = query.split('&').take(MOST_NAMES).map(|pair| pair.split('=').next().unwrap_or_default());
    let names: Vec<Cow<'_, str>> = pairs.map(|name| percent_decode_str(name).decode_utf8_lossy()).collect();
    let found = wanted.iter().find_map(|wanted| name_of(wanted, names.iter().map(AsRef::as_ref)))?;
    Some(format!("the address has {}, where no token is read", quoted(found)))
}

/// A cookie of another name than the one that is read.
fn in_cookie_named(headers: &HeaderMap, wanted: &[&str], read: Option<&str>) -> Option<String> {
    let names = cookie::pairs(headers).take(MOST_NAMES).filter_map(|(name, _)| str::from_utf8(name).ok());
    let names: Vec<&str> = names.filter(|name| Some(*name) != read && !name.ends_with("-device")).collect();
    let found = wanted.iter().find_map(|wanted| name_of(wanted, names.iter().copied()))?;
    Some(format!("the cookie {} came, which is not read", quoted(found)))
}

/// The name itself, where it came, or one that was probably meant for it.
fn name_of<'a>(wanted: &str, came: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    came.clone().find(|name| *name == wanted).or_else(|| name_instead(wanted, came))
}

/// How many names of an address or a header are looked at.
const MOST_NAMES: usize = 64;

fn sentence(kind: &str, place: &str, came: &[String]) -> String {
    let came = if came.is_empty() { String::new() } else { format!("; {}", came.join(", and ")) };
    format!("no {kind} token was sent, which is looked for in {place}{came}; send it there, or log in")
}

#[cfg(test)]
mod tests {
    use hyper::Request;
    use serde_json::json;

    use super::*;

    fn parts(address: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::get(address);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_refresh_token_in_another_place_is_named_by_that() {
        let told = |address: &str, headers: &[(&str, &str)], body: Value| {
            let fields = body.as_object().unwrap().clone();
            of_refresh_token(&parts(address, headers), &fields, Some("refresh_token"), Some("rt"))
        };
        let nothing = told("/", &[], json!({}));
        assert_eq!(
            nothing,
            "no refresh token was sent, which is looked for in the field \"refresh_token\" of the body or the cookie \"rt\"; \
             send it there, or log in"
        );
        for body in [
            json!({ "refreshToken": "x" }),
            json!({ "RefreshToken": "x" }),
            json!({ "refresh-token": "x" }),
            json!({ "refresh_tokn": "x" }),
            json!({ "token": "x" }),
            json!({ "refresh": "x" }),
        ] {
            let name = body.as_object().unwrap().keys().next().unwrap().clone();
            let told = told("/", &[], body);
            assert!(
                told.contains(&format!("; the body has \"{name}\" in its place; send it there")),
                "{told}"
            );
        }
        let nested = told("/", &[], json!({ "data": { "refreshToken": "x" } }));
        assert!(nested.contains("the body has \"data.refreshToken\" in its place"), "{nested}");
        for body in [json!({ "refresh_token": "" }), json!({ "refresh_token": null })] {
            let empty = told("/", &[], body);
            assert!(empty.contains("the field \"refresh_token\" came empty"), "{empty}");
        }
        for (address, header, said) in [
            (
                "/?refreshToken=x",
                ("accept", "*/*"),
                "the address has \"refreshToken\", where no token is read",
            ),
            ("/", ("cookie", "a=1; refresh_token=x"), "the cookie \"refresh_token\" came, which is not read"),
            ("/", ("x-refresh-token", "x"), "the header x-refresh-token came, which is not read"),
            ("/", ("authorization", "Bearer x"), "Authorization came, which is for access tokens"),
        ] {
            let told = told(address, &[header], json!({ "name": "ann" }));
            assert!(told.contains(said), "{told}");
        }
        let odd = told("/", &[], json!({ "refresh<b>token": "x", "refresh\u{1b}token": "x" }));
        assert_eq!(odd, nothing, "what is no plain name is not repeated");
    }

    #[test]
    fn an_access_token_in_another_place_is_named_by_that() {
        let told =
            |address: &str, name: &str, value: &str| of_access_token(&parts(address, &[(name, value)]));
        assert_eq!(
            told("/", "accept", "*/*"),
            "no access token was sent, which is looked for in the header Authorization, as \"Bearer <token>\"; send it there, \
             or log in"
        );
        for (name, value, said) in [
            ("authorization", "Token hunter2", "Authorization came with \"Token\" before the token"),
            ("authorization", "hunter2.x.y", "Authorization came without \"Bearer \" before the token"),
            ("authorization", "hunter", "Authorization came without \"Bearer \" before the token"),
            ("authorization", "Bearer", "Authorization came with no token behind Bearer"),
            ("x-access-token", "hunter2", "the header x-access-token came"),
            ("cookie", "accessToken=hunter2", "the cookie \"accessToken\" came"),
        ] {
            let told = told("/", name, value);
            assert!(told.contains(said) && !told.contains("hunter"), "{told}");
        }
        assert!(told("/?access_token=hunter2", "accept", "*/*").contains("the address has \"access_token\""));
    }
}

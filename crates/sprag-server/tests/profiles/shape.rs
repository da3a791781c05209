//! An answer as a reader of the reference would want it: status, headers, body, without what differs from run to run.

use serde_json::Value;
use sprag_server::profile::Profile;

use crate::call::Answer;
use crate::head::head;
use crate::hole::{is_access_token, is_refresh_token};

/// What every answer with a body has.
const USUAL: [(&str, &str); 2] = [("cache-control", "no-store"), ("x-content-type-options", "nosniff")];

pub(crate) fn shape(profile: &Profile, answer: &Answer) -> String {
    let mut lines = head(answer, &USUAL, without_secret);
    if !answer.body.is_empty() {
        let mut body = answer.json();
        redact(&mut body, profile.policy.access_jitter_percent > 0);
        lines.push(body.to_string());
    }
    lines.join("\n")
}

/// Every token that an answer hands out: access tokens, and refresh tokens in body or cookie.
pub(crate) fn tokens(answer: &Answer) -> (Option<String>, Option<String>) {
    let mut texts = Vec::new();
    collect(&answer.json(), &mut texts);
    let cookies = answer.set_cookies();
    let values = cookies.iter().filter_map(|cookie| cookie.split_once('=')?.1.split(';').next());
    texts.extend(values.map(str::to_owned));
    let first = |is_it: fn(&str) -> bool| texts.iter().find(|text| is_it(text)).cloned();
    (first(is_access_token), first(is_refresh_token))
}

fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| collect(value, texts)),
        Value::Object(members) => members.values().for_each(|value| collect(value, texts)),
        _ => {}
    }
}

fn redact(value: &mut Value, has_jitter: bool) {
    match value {
        Value::String(text) => *text = redacted(text),
        Value::Array(values) => values.iter_mut().for_each(|value| redact(value, has_jitter)),
        Value::Object(members) => {
            for (name, value) in members {
                if has_jitter && name == "expires_in" {
                    *value = "[at most the lifetime]".into();
                } else if name == "challenge" && value.is_string() {
                    *value = "[challenge]".into();
                } else if name == "refresh_in" {
                    *value = "[before it expires]".into();
                } else {
                    redact(value, has_jitter);
                }
            }
        }
        _ => {}
    }
}

fn redacted(text: &str) -> String {
    let is_id = uuid::Uuid::try_parse(text).is_ok();
    let kinds = [
        ("[refresh token]", is_refresh_token(text)),
        ("[access token]", is_access_token(text)),
        ("[one-time token]", text.starts_with("spo_")),
        ("[id]", is_id),
        ("[signature]", is_signature(text)),
        ("[seed]", is_seed(text)),
        ("[seed as a URI]", text.starts_with("otpauth://")),
        ("[picture]", text.contains("<svg ")),
        ("[recovery code]", is_recovery_code(text)),
        ("[login id]", is_login_id(text)),
        ("[account]", is_account_in_base64url(text)),
    ];
    let kind = kinds.into_iter().find(|(_, is_it)| *is_it);
    kind.map_or(text, |(kind, _)| kind).to_owned()
}

/// Whose a passkey is, as its device keeps it.
fn is_account_in_base64url(text: &str) -> bool {
    let bytes = data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).unwrap_or_default();
    uuid::Uuid::from_slice(&bytes).is_ok_and(|id| id.get_version_num() == 7)
}

/// An HMAC in hexadecimal digits, as a challenge has it.
fn is_signature(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A seed of time-based codes: 20 bytes in base32.
fn is_seed(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7'))
}

fn is_recovery_code(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let is_group = |group: &&str| group.len() == 4 && group.bytes().all(|byte| byte.is_ascii_alphanumeric());
    groups.len() == 4 && groups.iter().all(is_group)
}

/// What a code by mail comes with: 77 bytes as base64url.
fn is_login_id(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    text.len() == 103 && text.bytes().all(is_plain)
}

fn without_secret(cookie: &str) -> String {
    let (name, rest) = cookie.split_once('=').expect("a cookie");
    let (value, attributes) = rest.split_once(';').expect("attributes");
    let value = match value {
        "" => String::new(),
        token if is_refresh_token(token) => "[refresh token]".to_owned(),
        _ => "[mark]".to_owned(),
    };
    format!("{name}={value};{attributes}")
}

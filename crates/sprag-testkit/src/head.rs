//! Status and headers of an answer as a reader of the reference would want them.

use crate::call::Answer;

/// One line each, in order, without those that are `usual`, and each cookie by `cookie`, which takes what is secret out.
pub fn head(answer: &Answer, usual: &[(&str, &str)], cookie: fn(&str) -> String) -> Vec<String> {
    let headers = answer.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().expect("ASCII")));
    let mut headers: Vec<_> = headers.filter(|header| !usual.contains(header)).collect();
    // Every answer has a request's name, and each another one.
    headers.retain(|(name, _)| !matches!(*name, "content-length" | "x-request-id"));
    headers.sort_unstable();
    let lines = headers.into_iter().map(|(name, value)| {
        let value = if name == "set-cookie" { cookie(value) } else { value.to_owned() };
        format!("{name}: {value}")
    });
    [answer.status.to_string()].into_iter().chain(lines).collect()
}

//! The client instance: which of a session's clients asks.

use hyper::header::{HeaderMap, HeaderName};
use sprag::session::ShortHash;
use sprag::token::hash_instance;

use super::cookie::cookies;
use super::last_client::Client;
use super::refusal::Problem;

/// A name that is read at each refresh is made once.
static INSTANCE: HeaderName = HeaderName::from_static("sprag-instance");

/// The longest `Idempotency-Key` and `Sprag-Instance`, in bytes.
const MAX_ID_BYTES: usize = 255;

/// The client instance: the cookie that marks the device, else what the client says of itself, else what its requests
/// have in common; and whether it is no guess. The cookie goes first, because scripts cannot read it: whoever copied the rest of a request is another.
pub(super) fn of(
    headers: &HeaderMap,
    device_cookie: Option<&str>,
    client: &Client,
) -> Result<(ShortHash, bool), Problem> {
    let named = short_header(headers, &INSTANCE)?;
    if let Some(mark) = device_cookie.and_then(|name| cookies(headers, name).next()) {
        return Ok((marked(&mark), true));
    }
    Ok(match named {
        Some(named) => (hash_instance(["named\n", named].concat()), true),
        None => (client.guess(), false),
    })
}

/// The instance of a device that brings this mark in its cookie.
pub(crate) fn marked(mark: &str) -> ShortHash {
    hash_instance(["device\n", mark].concat())
}

/// What a header says of 1 to 255 visible characters, if the client sent it.
pub(super) fn short_header<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a str>, Problem> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let is_visible = |text: &str| !text.is_empty() && !text.contains('\t');
    match value.to_str() {
        Ok(text) if is_visible(text) && text.len() <= MAX_ID_BYTES => Ok(Some(text)),
        _ => Err(Problem::invalid(format!("the header {name} takes 1 to 255 visible ASCII characters"))),
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::COOKIE;

    use super::*;
    use crate::edge::last_client::LastClient;

    fn client(agent: Option<&str>, ip: Option<&str>) -> std::sync::Arc<Client> {
        LastClient::default().next(agent.map(str::as_bytes), ip.map(|ip| ip.parse().unwrap()))
    }

    #[test]
    fn an_instance_survives_an_update_of_the_browser_and_a_move_within_the_network() {
        let guess =
            |agent: &str, ip: &str| of(&HeaderMap::new(), None, &client(Some(agent), Some(ip))).unwrap().0;
        assert_eq!(guess("Firefox/120.0", "192.0.2.1"), guess("Firefox/121.0", "192.0.2.77"));
        assert_ne!(guess("Firefox/120.0", "192.0.2.1"), guess("Chrome/120.0", "192.0.2.1"));
        assert_ne!(guess("Firefox/120.0", "192.0.2.1"), guess("Firefox/120.0", "198.51.100.1"));
    }

    /// Scripts read what a client says of itself, but not the cookie: who copied the rest of a request is somebody else.
    #[test]
    fn the_cookie_that_marks_a_device_outranks_what_a_client_says_of_itself() {
        let mut headers = HeaderMap::new();
        headers.insert("sprag-instance", "tab".parse().unwrap());
        let named = of(&headers, Some("device"), &client(None, None)).unwrap();
        assert_eq!(named, (hash_instance("named\ntab"), true));
        headers.insert(COOKIE, "device=mark".parse().unwrap());
        assert_eq!(of(&headers, Some("device"), &client(None, None)).unwrap(), (marked("mark"), true));
        headers.insert("sprag-instance", "".parse().unwrap());
        assert!(
            of(&headers, Some("device"), &client(None, None)).is_err(),
            "a bad name is told all the same"
        );
    }
}

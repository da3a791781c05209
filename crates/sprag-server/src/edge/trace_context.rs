//! What a request is called, and the trace that it is part of: `X-Request-Id`, and `traceparent` of the W3C.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::response::Response;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use sprag::security::{Asked, RequestId, TraceId};

/// The header that a request's name comes and goes in.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

/// A name that somebody gave has no more bytes; what is longer is no name but a load.
const MAX_GIVEN_BYTES: usize = 64;

/// Makes names for requests that come without one. They tell neither how many there were nor which came before which.
#[derive(Debug, Default)]
pub(crate) struct RequestIds {
    key: RandomState,
    next: AtomicU64,
}

impl RequestIds {
    /// The name that a request came with, or a new one.
    pub(crate) fn of(&self, headers: &HeaderMap) -> RequestId {
        let given = only(headers, &REQUEST_ID).filter(|given| is_name(given));
        let made = || RequestId::Made(self.key.hash_one(self.next.fetch_add(1, Ordering::Relaxed)));
        given.map_or_else(made, |given| RequestId::Given(Arc::from(given)))
    }

    /// What a request of this profile is told by while it is carried out, and the one of another service that it is part of.
    pub(crate) fn asked(&self, client: &Arc<str>, headers: &HeaderMap) -> (Asked, Option<TraceParent>) {
        let parent = TraceParent::of(headers);
        let asked = Asked {
            client: Arc::clone(client),
            request: self.of(headers),
            trace: parent.map(|parent| parent.trace),
            is_sampled: parent.is_some_and(|parent| parent.is_sampled),
        };
        (asked, parent)
    }
}

/// Tells who asked what their request is called.
pub(crate) fn tell(id: &RequestId, response: &mut Response) {
    let value = match id {
        RequestId::Given(id) => HeaderValue::from_str(id).ok(),
        RequestId::Made(id) => HeaderValue::from_bytes(&hexadecimal(*id)).ok(),
    };
    if let Some(value) = value {
        response.headers_mut().insert(REQUEST_ID, value);
    }
}

/// A request of another service that this one is part of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TraceParent {
    pub(crate) trace: TraceId,
    pub(crate) span: u64,
    /// Whether whoever began it keeps it.
    pub(crate) is_sampled: bool,
}

impl TraceParent {
    /// The one that a request names; none where it names none, several, or one that is not written as it should be.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        Self::read(only(headers, &TRACE_PARENT)?)
    }

    /// `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01`. A later version may have more behind it.
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(5, '-');
        let version = hex(parts.next()?, 2)?;
        let (trace, span) = (hex(parts.next()?, 32)?, hex(parts.next()?, 16)?);
        let flags = hex(parts.next()?, 2)?;
        let has_more = parts.next().is_some();
        if version == 0xff || (version == 0 && has_more) || trace == 0 || span == 0 {
            return None;
        }
        Some(Self { trace: TraceId(trace), span: u64::try_from(span).ok()?, is_sampled: flags & 1 == 1 })
    }
}

/// A number of exactly so many hexadecimal digits, none of them a capital.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_number = text.len() == digits && text.bytes().all(is_digit);
    is_number.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

fn hexadecimal(id: u64) -> [u8; 16] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    std::array::from_fn(|at| DIGITS[(id >> (60 - 4 * at) & 0xf) as usize])
}

/// The value of a header that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    if values.next().is_some() { None } else { first.to_str().ok() }
}

/// Whether a line of a log may show it as it is: the characters of a token (RFC 9110 section 5.6.2), and not too many.
fn is_name(text: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.len() <= MAX_GIVEN_BYTES && text.bytes().all(is_token)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn headers(name: &HeaderName, values: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    #[test]
    fn a_request_keeps_the_name_that_it_came_with_where_a_log_may_show_it() {
        let ids = RequestIds::default();
        let longest = "x".repeat(MAX_GIVEN_BYTES);
        for name in ["a", "0b8f2c1e-53c1-4b0c-9a70-6f2f9f7d4f11", "Root=1.2~3", longest.as_str()] {
            let id = ids.of(&headers(&REQUEST_ID, &[name.as_bytes()]));
            if name.contains('=') {
                assert!(matches!(id, RequestId::Made(_)), "{name}");
            } else {
                assert_eq!(id, RequestId::Given(name.into()));
            }
        }
        let odd: [&[u8]; 8] = [
            b"",
            b"a b",
            b"a,b",
            b"\"a\"",
            b"a\tb",
            "\u{e9}".as_bytes(),
            b"a;b",
            &[b'x'; MAX_GIVEN_BYTES + 1],
        ];
        for name in odd {
            assert!(matches!(ids.of(&headers(&REQUEST_ID, &[name])), RequestId::Made(_)), "{name:?}");
        }
        assert!(matches!(ids.of(&headers(&REQUEST_ID, &[b"a", b"b"])), RequestId::Made(_)), "which of them?");
    }

    #[test]
    fn the_names_that_are_made_tell_neither_how_many_there_were_nor_which_came_first() {
        let ids = RequestIds::default();
        let made: Vec<String> = (0..1000).map(|_| ids.of(&HeaderMap::new()).to_string()).collect();
        assert_eq!(made.iter().collect::<HashSet<_>>().len(), 1000);
        assert!(made.iter().all(|id| id.len() == 16 && is_name(id)));
        assert!(!made.is_sorted());
        let other = RequestIds::default();
        assert_ne!(other.of(&HeaderMap::new()).to_string(), made[0], "another process makes others");
        let mut response = Response::default();
        tell(&RequestId::Made(0x0123_4567_89ab_cdef), &mut response);
        assert_eq!(response.headers()[REQUEST_ID], "0123456789abcdef");
    }

    #[test]
    fn a_trace_goes_on_only_where_its_parent_is_written_as_the_standard_says() {
        let read = |text: &str| TraceParent::of(&headers(&TRACE_PARENT, &[text.as_bytes()]));
        let trace = TraceId(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);
        let parent = TraceParent { trace, span: 0xb7ad_6b71_6920_3331, is_sampled: true };
        assert_eq!(read("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), Some(parent));
        let unsampled = TraceParent { is_sampled: false, ..parent };
        assert_eq!(read("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"), Some(unsampled));
        assert_eq!(read("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more"), Some(parent));
        for odd in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 x",
            "0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(read(odd), None, "{odd}");
        }
        let one = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".as_bytes();
        assert_eq!(TraceParent::of(&headers(&TRACE_PARENT, &[one, one])), None, "which of them?");
    }
}

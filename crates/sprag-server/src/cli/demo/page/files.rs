//! The page's files, which are in the binary, and what a browser may do with them: run these, ask this server, and nothing else.

use axum::response::Response;
use hyper::StatusCode;
use hyper::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
};

use crate::edge::response::with_body;

/// Nothing comes from anywhere else, no script or style stands in the page itself, and nobody frames it.
const ALLOWED: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);

const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// One file of the page.
pub(super) struct File {
    pub(super) path: &'static str,
    kind: &'static str,
    content: &'static str,
}

macro_rules! files {
    ($($path:literal = $kind:literal, $name:literal;)*) => {
        /// Every file of the page.
        pub(super) const FILES: &[File] = &[$(File {
            path: $path,
            kind: $kind,
            content: include_str!(concat!("files/", $name)),
        }),*];
    };
}

files! {
    "/" = "text/html; charset=utf-8", "index.html";
    "/page.css" = "text/css; charset=utf-8", "page.css";
    "/wheel.svg" = "image/svg+xml", "wheel.svg";
    "/page.js" = "text/javascript; charset=utf-8", "page.js";
    "/world.js" = "text/javascript; charset=utf-8", "world.js";
    "/pause.js" = "text/javascript; charset=utf-8", "pause.js";
    "/plain.js" = "text/javascript; charset=utf-8", "plain.js";
    "/stories.js" = "text/javascript; charset=utf-8", "stories.js";
    "/words.js" = "text/javascript; charset=utf-8", "words.js";
    "/picture.js" = "text/javascript; charset=utf-8", "picture.js";
    "/sprag-client.js" = "text/javascript; charset=utf-8", "sprag-client.js";
}

pub(super) fn answer(file: &'static File) -> Response {
    let mut response =
        with_body(StatusCode::OK, HeaderValue::from_static(file.kind), Vec::from(file.content));
    keep_to_this_site(response.headers_mut());
    response
}

/// What every answer of the page has.
pub(super) fn keep_to_this_site(headers: &mut HeaderMap) {
    headers.insert(CONTENT_SECURITY_POLICY, ALLOWED);
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(OPENER, HeaderValue::from_static("same-origin"));
    headers.insert(RESOURCE, HeaderValue::from_static("same-origin"));
    debug_assert!(headers.contains_key(CONTENT_TYPE), "a file says what it is");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_no_other_host_and_holds_no_script_or_style_of_its_own() {
        for file in FILES.iter().filter(|file| file.path != "/sprag-client.js") {
            let text = file.content.replace("http://www.w3.org/2000/svg", "");
            assert!(!text.contains("http://") && !text.contains("https://"), "{}", file.path);
        }
        let page = FILES.iter().find(|file| file.path == "/").unwrap().content;
        for forbidden in [" style=", "<style", " onclick=", "javascript:"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        let scripts = page.matches("<script").count();
        assert_eq!(page.matches("<script type=\"module\" src=\"/").count(), scripts);
    }

    #[test]
    fn every_script_that_another_one_imports_is_served() {
        for file in FILES {
            for named in file.content.split("from './").skip(1).filter_map(|rest| rest.split('\'').next()) {
                assert!(
                    FILES.iter().any(|other| other.path == format!("/{named}")),
                    "{} wants {named}",
                    file.path
                );
            }
        }
    }
}

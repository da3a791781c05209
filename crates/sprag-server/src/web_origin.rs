//! The origin of a page, as a browser or an app's web view names it in `Origin`: a scheme, a host, and a port where it is
//! not the scheme's own.

use url::{Host, Url};

use crate::quoted::quoted;

/// What an origin is, as a refusal of something else says it.
const IS: &str = "is not an origin: an origin is a scheme, a host and perhaps a port, and nothing after them";

/// Schemes that no page which could be told from others has: their pages send `null`, or there are none.
const OF_NO_PAGES: [&str; 12] = [
    "about",
    "blob",
    "content",
    "data",
    "file",
    "filesystem",
    "ftp",
    "javascript",
    "mailto",
    "ws",
    "wss",
    "view-source",
];

/// An origin as browsers send it, from how somebody wrote it: `HTTPS://App.Example.com:443/` is `https://app.example.com`.
///
/// Web pages, `https` or on this machine `http`, and pages of apps and extensions, whose schemes nobody else can serve:
/// `capacitor://localhost`, `chrome-extension://<id>`.
///
/// # Errors
/// What is wrong with it, and what would be right, as far as that can be guessed.
pub(crate) fn named(text: &str) -> Result<String, String> {
    match text {
        "*" => {
            return Err(
                "* would let every site use the visitor's session; name the sites one by one".to_owned()
            );
        }
        "null" => {
            return Err(
                "null is what files and pages in a sandbox send, whoever made them; serve the page from an address of \
                 its own, and name that"
                    .to_owned(),
            );
        }
        _ if text.contains('@') => return Err(format!("this origin has a user name in it and {IS}; {LIKE}")),
        _ if text.contains([' ', '\t', ';', '|']) => {
            return Err(format!("{} {IS}; put a comma between two of them", quoted(text)));
        }
        _ if text.contains('*') => return Err(no_pattern(text)),
        _ => {}
    }
    match Url::parse(text) {
        // As a wildcard is written elsewhere: `.example.com`, or escaped.
        Ok(url) if url.host_str().is_some_and(|host| host.starts_with('.') || host.contains(['*', '%'])) => {
            Err(format!(
                "{} names no host that a page can have; {LIKE}, and name each host by itself",
                quoted(text)
            ))
        }
        Ok(url) if text.contains("://") => of_url(&url, text),
        _ => Err(format!("{} {IS}; {}", quoted(text), advice(text))),
    }
}

const LIKE: &str = "write it like https://app.example.com";

/// Whether the host is this machine whatever a name server says; browsers trust http there.
pub(crate) fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether a page has this origin that came over plain http from another machine: browsers tell such a page's server
/// less, and keep `Secure` cookies from it.
pub(crate) fn is_insecure(origin: &str) -> bool {
    let is_whole = |url: &Url| url.origin().ascii_serialization() == origin;
    Url::parse(origin).is_ok_and(|url| url.scheme() == "http" && !is_this_machine(&url) && is_whole(&url))
}

fn of_url(url: &Url, text: &str) -> Result<String, String> {
    let is_bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    match url.scheme() {
        "https" | "http" if !is_bare => {
            Err(format!("{} {IS}; write {}", quoted(text), url.origin().ascii_serialization()))
        }
        "http" if !is_this_machine(url) => Err(format!(
            "{} is not https, so anyone on the way to that site could put a page of their own in its place and use \
             the visitor's session; name the site by its https origin, or one of this machine, as \
             http://localhost:3000",
            quoted(text)
        )),
        "https" | "http" => Ok(url.origin().ascii_serialization()),
        scheme if OF_NO_PAGES.contains(&scheme) => {
            Err(format!("{} {IS}, and no page of {scheme}: can be told from others; {LIKE}", quoted(text)))
        }
        scheme => of_app(scheme, url, is_bare, text),
    }
}

/// The origin of an app's or an extension's own pages.
fn of_app(scheme: &str, url: &Url, is_bare: bool, text: &str) -> Result<String, String> {
    let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let origin = format!("{scheme}://{host}{port}");
    let is_plain = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if host.is_empty() || !is_plain {
        return Err(format!("{} {IS}; write it like capacitor://localhost", quoted(text)));
    }
    if !is_bare {
        return Err(format!("{} {IS}; write {origin}", quoted(text)));
    }
    let is_of = |digits: &[u8], length: usize| {
        host.len() == length && host.bytes().all(|byte| digits.contains(&byte))
    };
    match scheme {
        "chrome-extension" if !is_of(b"abcdefghijklmnop", 32) => Err(format!(
            "{} names no extension; its id is 32 letters from a to p, and stands in chrome://extensions",
            quoted(text)
        )),
        "moz-extension" | "safari-web-extension" if !is_of(b"0123456789abcdef-", 36) => Err(format!(
            "{} names no extension; write the UUID that the browser gave it, in Firefox in about:debugging, and it is \
             another in each browser",
            quoted(text)
        )),
        _ => Ok(origin),
    }
}

fn no_pattern(text: &str) -> String {
    let one = text.replacen("*.", "app.", 1);
    let like = if one.contains('*') { None } else { named(&one).ok() };
    let like = like.unwrap_or_else(|| "https://app.example.com".to_owned());
    format!(
        "{} has a * in it, which stands for no name: each of them, one that somebody else gets hold of too, could use the \
         visitor's session; name the origins one by one, as {like}",
        quoted(text)
    )
}

/// The nearest thing that is an origin.
fn advice(text: &str) -> String {
    let bare = text.trim_start_matches(['/', ':']);
    let bare = bare.strip_prefix("https:").or_else(|| bare.strip_prefix("http:")).unwrap_or(bare);
    let bare = bare.trim_start_matches('/');
    // Of two schemes the second is for names that only this machine has.
    let guesses = ["https", "http"].map(|scheme| format!("{scheme}://{bare}"));
    let is_local = Url::parse(&guesses[0]).is_ok_and(|url| is_this_machine(&url));
    let url = Url::parse(&guesses[usize::from(is_local)]).ok().filter(|_| !bare.is_empty());
    match url.map(|url| url.origin().ascii_serialization()) {
        Some(origin) if named(&origin).is_ok() => format!("write {origin}"),
        _ => LIKE.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_the_web_of_apps_and_of_extensions_have_origins() {
        for (text, origin) in [
            ("https://app.example.com", "https://app.example.com"),
            ("HTTPS://App.Example.com:443/", "https://app.example.com"),
            ("https://app.example.com:8443", "https://app.example.com:8443"),
            ("https://b\u{fc}cher.example", "https://xn--bcher-kva.example"),
            ("http://localhost", "http://localhost"),
            ("https://localhost", "https://localhost"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://tauri.localhost", "http://tauri.localhost"),
            ("http://[::1]:80", "http://[::1]"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("Capacitor://Localhost/", "capacitor://localhost"),
            ("ionic://localhost", "ionic://localhost"),
            ("tauri://localhost", "tauri://localhost"),
            ("app://shop", "app://shop"),
            ("vite-app://bundle:1234", "vite-app://bundle:1234"),
            (
                "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
                "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
            ),
            (
                "moz-extension://0B8B1F1E-0000-4000-8000-1234567890ab/",
                "moz-extension://0b8b1f1e-0000-4000-8000-1234567890ab",
            ),
        ] {
            assert_eq!(named(text).as_deref(), Ok(origin), "{text}");
        }
    }

    #[test]
    fn what_could_never_match_is_refused_with_the_right_form() {
        for (text, right) in [
            ("https://*.example.com", "as https://app.example.com"),
            ("*.example.com", "as https://app.example.com"),
            ("https://*.shop.example:8443", "as https://app.shop.example:8443"),
            ("https://*", "as https://app.example.com"),
            ("http://localhost:*", "as https://app.example.com"),
            ("https://app-*.example.com", "one by one"),
            ("capacitor://*", "one by one"),
            ("https://app.example.com/shop", "write https://app.example.com"),
            ("https://app.example.com:8443/?x", "write https://app.example.com:8443"),
            ("https://app.example.com/#", "write https://app.example.com"),
            ("app.example.com", "write https://app.example.com"),
            ("App.Example.com/shop", "write https://app.example.com"),
            ("//app.example.com", "write https://app.example.com"),
            ("https:/app.example.com", "write https://app.example.com"),
            ("localhost:3000", "write http://localhost:3000"),
            ("127.0.0.1:5173", "write http://127.0.0.1:5173"),
            ("https://a.example https://b.example", "put a comma between"),
            ("https://a.example;https://b.example", "put a comma between"),
            ("", "write it like https://app.example.com"),
            ("https://", "write it like https://app.example.com"),
            ("file:///index.html", "no page of file: can be told"),
            ("wss://a.example", "no page of wss: can be told"),
            ("null", "whoever made them"),
            ("capacitor://", "write it like capacitor://localhost"),
            ("capacitor://localhost/index.html", "write capacitor://localhost"),
            ("chrome-extension://shop", "32 letters from a to p"),
            ("moz-extension://shop", "the UUID that the browser gave it"),
        ] {
            let told = named(text).unwrap_err();
            assert!(told.contains(right), "{text}: {told}");
        }
    }

    #[test]
    fn a_password_in_an_origin_is_not_repeated() {
        for text in
            ["https://me:hunter2@a.example", "https://me:hunter2@", "me:hunter2@*.example", "hunter2@"]
        {
            let told = named(text).unwrap_err();
            assert!(told.contains("user name") && !told.contains("hunter"), "{told}");
        }
    }

    #[test]
    fn a_page_over_http_from_another_machine_is_insecure() {
        for origin in ["http://192.168.1.5:8080", "http://box.lan", "http://[fd00::1]"] {
            assert!(is_insecure(origin), "{origin}");
        }
        for origin in
            ["https://192.168.1.5", "http://127.0.0.1:8080", "http://localhost", "null", "http://a.lan/<b>"]
        {
            assert!(!is_insecure(origin), "{origin}");
        }
    }
}

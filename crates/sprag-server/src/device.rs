//! What people would call a device, from what its client says of itself: "Firefox on Linux", "okhttp (Android)", "curl".
//!
//! Browsers are told apart by a library that others keep; [`clients`] has the HTTP libraries and tools that it does not
//! know. A label is made where it is shown and kept nowhere, so that a better table mends old sessions, too. Whatever a
//! stranger sent, it moves no cursor and is short.

use sprag::text;
use woothee::parser::Parser;
use woothee::woothee::VALUE_UNKNOWN;

mod clients;
mod systems;

use systems::{on, system, system_named};

/// How much is read of what a client says of itself, in bytes. As much is kept of it.
const MOST_READ: usize = 256;

/// How long a label is at most, in bytes.
const MOST_SHOWN: usize = 60;

/// What a client is called that says nothing anybody understands.
const NOBODY_KNOWS: &str = "an unknown client";

/// The engine of a browser says nothing of who it is, and every browser says it is all of them.
const EVERYBODY: [&str; 6] = ["mozilla", "applewebkit", "gecko", "khtml", "version", "mobile"];

/// What people would call the device of a client that calls itself so; `None` where it says nothing.
#[must_use]
pub(crate) fn label(user_agent: &str) -> Option<String> {
    let agent = text::label(user_agent, MOST_READ);
    let agent = agent.trim();
    if agent.is_empty() || agent == "-" {
        return None;
    }
    let named = clients::named(agent).or_else(|| app(agent)).or_else(|| browser(agent));
    let named = named.or_else(|| first_word(agent)).unwrap_or_default();
    let shown = text::label(&named, MOST_SHOWN).trim().to_owned();
    Some(if shown.is_empty() { NOBODY_KNOWS.to_owned() } else { shown })
}

/// An application that puts its own name before the library's: `Shop/7 CFNetwork/1410 Darwin/22.6.0`.
fn app(agent: &str) -> Option<String> {
    let system = if agent.contains("CFNetwork/") {
        Some("Apple")
    } else if agent.contains(" Alamofire/") {
        system(agent)
    } else {
        return electron(agent);
    };
    let name = plainly(product(agent).0);
    let name = if name.is_empty() || name.eq_ignore_ascii_case("cfnetwork") { "an app" } else { &name };
    Some(system.map_or_else(|| name.to_owned(), |system| format!("{name} ({system})")))
}

/// A desktop application that is a browser inside: `… Shop/1.2 Chrome/114 Electron/25 Safari/537`.
fn electron(agent: &str) -> Option<String> {
    let (before, _) = agent.split_once(" Electron/")?;
    let is_own = |name: &&str| {
        let name = name.to_ascii_lowercase();
        !name.trim().is_empty() && !EVERYBODY.contains(&name.as_str()) && name != "chrome"
    };
    let words = before.rsplit(')').next().unwrap_or_default().split(' ');
    let mut names = words.filter_map(|word| word.split_once('/').map(|(name, _)| name)).filter(is_own);
    let name = names.next().map_or_else(|| "an app".to_owned(), plainly);
    Some(on(&name, system(agent)))
}

/// A browser, or a crawler.
fn browser(agent: &str) -> Option<String> {
    let found = Parser::new().parse(agent)?;
    let known = |text: &str| (text != VALUE_UNKNOWN && !text.is_empty()).then(|| text.to_owned());
    let name = known(found.name).filter(|name| name != "HTTP Library" && name != "misc crawler");
    let name = name.map(|name| match name.as_str() {
        "SamsungBrowser" => "Samsung Internet".to_owned(),
        "Webview" => "an app".to_owned(),
        _ => name,
    });
    match (name, system(agent).or_else(|| system_named(found.os))) {
        (Some(name), _) if found.category == "crawler" => Some(name),
        // A console is its own browser, and is named once.
        (Some(name), Some(system)) if name.contains(system) => Some(name),
        (Some(name), system) => Some(on(&name, system)),
        (None, Some(system)) if agent.starts_with("Mozilla/") => Some(on("a browser", Some(system))),
        (None, _) => None,
    }
}

/// What stands before the first version: a name that nobody here knows.
fn first_word(agent: &str) -> Option<String> {
    let name = plainly(product(agent).0);
    if EVERYBODY.contains(&name.to_ascii_lowercase().as_str()) {
        return Some(on("a browser", system(agent)));
    }
    let is_told = name.chars().any(char::is_alphanumeric);
    is_told.then(|| system(agent).map_or_else(|| name.clone(), |system| format!("{name} ({system})")))
}

/// The first product that a client names, and its version. A name may have blanks, as those of apps do.
fn product(agent: &str) -> (&str, &str) {
    let end = agent.find(['/', '(', ';', ',']).unwrap_or(agent.len());
    let (name, rest) = agent.split_at(end);
    let version = rest.strip_prefix('/').unwrap_or_default();
    (name.trim(), version.split(' ').next().unwrap_or_default())
}

/// A name as people write it: an app's may have come as `My%20App`.
fn plainly(name: &str) -> String {
    text::label(name.trim(), MOST_SHOWN).replace("%20", " ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SAFARI: &str = "AppleWebKit/605.1.15 (KHTML, like Gecko)";
    const CHROME: &str = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0";

    #[test]
    fn browsers_are_called_what_people_call_them() {
        for (agent, expected) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0",
                "Firefox on Windows",
            ),
            ("Mozilla/5.0 (Android 14; Mobile; rv:128.0) Gecko/128.0 Firefox/128.0", "Firefox on Android"),
            (
                &format!(
                    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) {SAFARI} Version/17.5 Mobile/15E148 Safari/604.1"
                ),
                "Safari on iPhone",
            ),
            (
                &format!(
                    "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) {SAFARI} Version/16.6 Mobile/15E148 Safari/604.1"
                ),
                "Safari on iPad",
            ),
            (
                &format!(
                    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {SAFARI} Version/17.5 Safari/605.1.15"
                ),
                "Safari on macOS",
            ),
            (
                &format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36"),
                "Chrome on Windows",
            ),
            (
                &format!("Mozilla/5.0 (Linux; Android 10; K) {CHROME} Mobile Safari/537.36"),
                "Chrome on Android",
            ),
            (
                &format!("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {CHROME} Safari/537.36"),
                "Chrome on ChromeOS",
            ),
            (
                &format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36 Edg/126.0.0.0"),
                "Edge on Windows",
            ),
            (
                &format!("Mozilla/5.0 (X11; Linux x86_64) {CHROME} Safari/537.36 OPR/111.0.0.0"),
                "Opera on Linux",
            ),
            (
                "Mozilla/5.0 (Linux; Android 13; SM-S901B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/23.0 Chrome/115.0.0.0 Mobile Safari/537.36",
                "Samsung Internet on Android",
            ),
            (
                &format!(
                    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) {SAFARI} FxiOS/128.0 Mobile/15E148 Safari/605.1.15"
                ),
                "Firefox on iPhone",
            ),
            (
                &format!(
                    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) {SAFARI} CriOS/126.0 Mobile/15E148 Safari/604.1"
                ),
                "Chrome on iPhone",
            ),
            ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot"),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Shop/1.2 Chrome/114.0 Electron/25.3 Safari/537.36",
                "Shop on macOS",
            ),
        ] {
            assert_eq!(label(agent).as_deref(), Some(expected), "{agent}");
        }
    }

    #[test]
    fn libraries_and_tools_are_called_by_their_names() {
        for (agent, expected) in [
            ("okhttp/4.12.0", "okhttp (Android)"),
            ("Dart/3.4 (dart:io)", "Dart"),
            ("python-requests/2.32.3", "python-requests"),
            ("python-httpx/0.27.0", "httpx (Python)"),
            ("Python/3.12 aiohttp/3.9.5", "aiohttp (Python)"),
            ("Python-urllib/3.12", "urllib (Python)"),
            ("PostmanRuntime/7.39.0", "Postman"),
            ("insomnia/9.2.0", "Insomnia"),
            ("node", "Node.js"),
            ("undici", "undici (Node.js)"),
            ("axios/1.7.2", "axios"),
            ("node-fetch/1.0 (+https://github.com/bitinn/node-fetch)", "node-fetch"),
            ("curl/8.5.0", "curl"),
            ("Wget/1.21.4", "wget"),
            ("Go-http-client/2.0", "Go-http-client"),
            ("Java/17.0.11", "Java"),
            ("Java-http-client/21.0.3", "Java"),
            ("Apache-HttpClient/4.5.14 (Java/17.0.11)", "Apache HttpClient (Java)"),
            ("Shop/7 CFNetwork/1410.1 Darwin/22.6.0", "Shop (Apple)"),
            ("My%20Shop/12 CFNetwork/1496.0.7 Darwin/23.5.0", "My Shop (Apple)"),
            ("iOS Example/1.0 (org.example; build:1; iOS 17.5.0) Alamofire/5.9.1", "iOS Example (iOS)"),
            (
                "Mozilla/5.0 (Windows NT; Windows NT 10.0; de-DE) WindowsPowerShell/5.1.22621.2506",
                "PowerShell on Windows",
            ),
            ("Mozilla/5.0 (Linux; Ubuntu 22.04.4 LTS; en-US) PowerShell/7.4.3", "PowerShell on Linux"),
            ("Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/AP1A)", "an app on Android"),
            ("sprag 0.1.0 command line, uid 1000", "the command line of sprag"),
            ("HTTPie/3.2.2", "HTTPie"),
            ("reqwest/0.12.5", "reqwest"),
            ("GuzzleHttp/7", "Guzzle (PHP)"),
            ("Shop/2.0 (Android 14)", "Shop (Android)"),
            ("Shop", "Shop"),
            ("Phone/1.0", "Phone"),
        ] {
            assert_eq!(label(agent).as_deref(), Some(expected), "{agent}");
        }
    }

    #[test]
    fn who_says_nothing_has_no_label_and_who_says_nonsense_an_honest_one() {
        for nothing in ["", " ", "-", "\u{1b}", "\u{202e}\u{200b}"] {
            assert_eq!(label(nothing), None, "{nothing:?}");
        }
        for nonsense in ["/", "()", "((((((((", ";;"] {
            assert_eq!(label(nonsense).as_deref(), Some("an unknown client"), "{nonsense}");
        }
        assert_eq!(label("Mozilla/5.0").as_deref(), Some("a browser"));
    }

    proptest! {
        #[test]
        fn whatever_a_stranger_sends_is_short_and_moves_no_cursor(agent in any::<String>()) {
            for agent in [agent.clone(), format!("{agent} CFNetwork/1 Darwin/1"), format!("Mozilla/5.0 {agent} Electron/1")] {
                let Some(label) = label(&agent) else { continue };
                prop_assert!(!label.is_empty() && label.len() <= MOST_SHOWN, "{}", label);
                prop_assert_eq!(text::shown(&label), label);
            }
        }
    }
}

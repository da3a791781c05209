//! HTTP libraries and tools, by how they begin to say who they are. The library of browsers knows none of them, or no more
//! than that they are libraries.

use super::systems::{on, system};

/// How a client begins, in small letters, and what people call it. Of two that fit, the first counts.
const CLIENTS: &[(&str, &str)] = &[
    ("okhttp", "okhttp (Android)"),
    ("ktor-client", "Ktor"),
    ("ktor client", "Ktor"),
    ("retrofit", "Retrofit"),
    ("dart", "Dart"),
    ("flutter", "Flutter"),
    ("expo", "Expo"),
    ("react-native", "React Native"),
    ("python-requests", "python-requests"),
    ("python-httpx", "httpx (Python)"),
    ("python-urllib3", "urllib3 (Python)"),
    ("python-urllib", "urllib (Python)"),
    ("urllib3", "urllib3 (Python)"),
    ("aiohttp", "aiohttp (Python)"),
    ("scrapy", "Scrapy"),
    ("postmanruntime", "Postman"),
    ("postman", "Postman"),
    ("insomnia", "Insomnia"),
    ("bruno", "Bruno"),
    ("thunder client", "Thunder Client"),
    ("hoppscotch", "Hoppscotch"),
    ("paw/", "Paw"),
    ("rapidapi", "RapidAPI"),
    ("intellij http client", "IntelliJ HTTP client"),
    ("vscode-restclient", "REST Client (VS Code)"),
    ("node-fetch", "node-fetch"),
    ("node-superagent", "superagent"),
    ("undici", "undici (Node.js)"),
    ("axios", "axios"),
    ("got ", "got (Node.js)"),
    ("got/", "got (Node.js)"),
    ("needle/", "needle (Node.js)"),
    ("bun/", "Bun"),
    ("deno/", "Deno"),
    ("curl", "curl"),
    ("libcurl", "curl"),
    ("wget", "wget"),
    ("httpie", "HTTPie"),
    ("xh/", "xh"),
    ("lwp", "LWP (Perl)"),
    ("libwww-perl", "LWP (Perl)"),
    ("go-http-client", "Go-http-client"),
    ("go-resty", "Resty (Go)"),
    ("fasthttp", "fasthttp (Go)"),
    ("java-http-client", "Java"),
    ("java/", "Java"),
    ("apache-httpclient", "Apache HttpClient (Java)"),
    ("apache-httpasyncclient", "Apache HttpClient (Java)"),
    ("jakarta commons-httpclient", "Apache HttpClient (Java)"),
    ("reactornetty", "Reactor Netty (Java)"),
    ("jersey/", "Jersey (Java)"),
    ("feign", "Feign (Java)"),
    ("unirest", "Unirest (Java)"),
    ("spring", "Spring (Java)"),
    ("jetty", "Jetty (Java)"),
    ("akka-http", "Akka HTTP"),
    ("guzzlehttp", "Guzzle (PHP)"),
    ("symfony httpclient", "Symfony (PHP)"),
    ("wordpress", "WordPress"),
    ("php/", "PHP"),
    ("ruby", "Ruby"),
    ("faraday", "Faraday (Ruby)"),
    ("rest-client", "rest-client (Ruby)"),
    ("httparty", "HTTParty (Ruby)"),
    ("typhoeus", "Typhoeus (Ruby)"),
    ("mint/", "Mint (Elixir)"),
    ("hackney", "hackney (Elixir)"),
    ("req/", "Req (Elixir)"),
    ("reqwest", "reqwest"),
    ("hyper/", "hyper"),
    ("ureq", "ureq"),
    ("isahc", "isahc"),
    ("restsharp", "RestSharp (.NET)"),
    (".net", ".NET"),
    ("microsoft.net", ".NET"),
    ("system.net", ".NET"),
    ("winhttp", "WinHTTP"),
    ("microsoft-cryptoapi", "Windows"),
    ("swift", "Swift"),
    ("k6/", "k6"),
    ("grafana k6", "k6"),
    ("apachebench", "ApacheBench"),
    ("hey/", "hey"),
    ("oha/", "oha"),
    ("wrk", "wrk"),
    ("locust", "Locust"),
    ("artillery", "Artillery"),
    ("jmeter", "JMeter"),
    ("kube-probe", "kube-probe"),
    ("elb-healthchecker", "a load balancer"),
    ("prometheus", "Prometheus"),
    ("sprag-bench", "sprag-bench"),
];

/// What people call a client that is a library or a tool, if it is one that is known.
pub(super) fn named(agent: &str) -> Option<String> {
    let small = agent.to_ascii_lowercase();
    if small.contains("powershell/") {
        return Some(on("PowerShell", system(agent)));
    }
    if small == "node" || small.starts_with("node.js") || small.starts_with("node/") {
        return Some("Node.js".to_owned());
    }
    if small.starts_with("dalvik/") {
        return Some(on("an app", Some("Android")));
    }
    if small.starts_with("sprag ") && small.contains(" command line") {
        return Some("the command line of sprag".to_owned());
    }
    // Python says what it is before what asks.
    let asking = match small.split_once(' ') {
        Some((first, rest)) if first.starts_with("python/") => rest,
        _ => &small,
    };
    let found = CLIENTS.iter().find(|(begins, _)| begins_with(asking, begins));
    found.map(|(_, name)| (*name).to_owned())
}

/// Whether a client's words begin with these, and not with a longer word.
fn begins_with(asking: &str, begins: &str) -> bool {
    let rest = asking.strip_prefix(begins);
    rest.is_some_and(|rest| {
        !begins.ends_with(|c: char| c.is_ascii_alphanumeric())
            || !rest.starts_with(|c: char| c.is_ascii_alphanumeric() && !c.is_ascii_digit())
    })
}

//! Where the keys are: `https` anywhere, `http` on this machine only.

use std::net::IpAddr;

use hyper::Uri;

use crate::setup::SetupError;

/// The address of a key set, with what a connection needs.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub(super) is_tls: bool,
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    /// The `Host` header.
    pub(super) authority: String,
    /// The path and the query.
    pub(super) path: String,
}

impl Address {
    /// Where Sprag publishes the keys of an issuer.
    pub(super) fn of_issuer(issuer: &str) -> String {
        format!("{}/.well-known/jwks.json", issuer.trim_end_matches('/'))
    }

    pub(super) fn parse(url: &str) -> Result<Self, SetupError> {
        Self::read(url).ok_or_else(|| SetupError::Url(url.to_owned()))
    }

    fn read(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok().filter(|_| !url.contains('#'))?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let is_tls = match uri.scheme_str()? {
            "https" => true,
            "http" if is_this_machine(host) => false,
            _ => return None,
        };
        let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Some(Self {
            is_tls,
            host: host.to_owned(),
            port,
            authority: authority.as_str().to_owned(),
            path: path.to_owned(),
        })
    }
}

fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_https_or_from_this_machine() {
        let address = Address::parse("https://id.example:8443/tenant/keys?v=1").unwrap();
        assert_eq!((address.is_tls, address.port), (true, 8443));
        assert_eq!((address.host.as_str(), address.path.as_str()), ("id.example", "/tenant/keys?v=1"));
        assert_eq!(Address::parse("https://[2001:db8::1]/").unwrap().host, "2001:db8::1");
        for near in ["http://127.0.0.1:8080/x", "http://[::1]/x", "http://LOCALHOST/x"] {
            assert!(!Address::parse(near).unwrap().is_tls, "{near}");
        }
        let elsewhere = [
            "http://id.example/x",
            "http://127.0.0.1.evil.example/x",
            "http://localhost@evil.example/x",
            "https://user@id.example/x",
            "https://id.example/x#y",
            "ftp://id.example/x",
            "/x",
            "id.example",
            "",
        ];
        for url in elsewhere {
            assert_eq!(Address::parse(url).map(|_| ()), Err(SetupError::Url(url.to_owned())), "{url}");
        }
    }

    #[test]
    fn an_issuer_publishes_below_its_own_url() {
        for issuer in ["https://id.example/tenant", "https://id.example/tenant/"] {
            assert_eq!(Address::of_issuer(issuer), "https://id.example/tenant/.well-known/jwks.json");
        }
    }
}

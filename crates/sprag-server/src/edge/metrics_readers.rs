//! Who may read `/metrics`: its counters tell a thief when somebody refreshes.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::extract::ConnectInfo;
use hyper::header::{HeaderMap, HeaderName};

use super::proxies::Proxies;
use crate::quoted::quoted;

/// What proxies, load balancers and networks of caches add that forward for somebody else, and how the names of such fields
/// begin or end. Whoever's request has one of them need not be who connects.
const FORWARDING: [&str; 11] = [
    "forwarded",
    "forwarded-for",
    "via",
    "cdn-loop",
    "x-real-ip",
    "x-original-forwarded-for",
    "x-originating-ip",
    "x-remote-ip",
    "x-remote-addr",
    "x-envoy-external-address",
    "x-appengine-user-ip",
];
const FORWARDING_BEGINS: [&str; 2] = ["x-forwarded", "x-proxyuser"];
const FORWARDING_ENDS: [&str; 4] = ["client-ip", "clientip", "connecting-ip", "connecting-ipv6"];

/// Why a text names nobody who may read `/metrics`, and what would.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotReaders(String);

/// Who may read `/metrics`: this machine itself, where nobody forwards, and whoever comes from one of the networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricsReaders(Proxies);

impl MetricsReaders {
    /// Whether a request with these headers, from that peer, may. Whoever is behind a proxy is who the proxy says if it is one
    /// of `trusted`, and nobody otherwise.
    pub(crate) fn include(
        &self,
        peer: Option<&ConnectInfo<SocketAddr>>,
        headers: &HeaderMap,
        trusted: &Proxies,
    ) -> bool {
        let Some(ConnectInfo(peer)) = peer else { return false };
        let peer = peer.ip().to_canonical();
        let is_forwarded = headers.keys().any(forwards);
        match (is_forwarded, trusted.believes(peer)) {
            (false, _) => peer.is_loopback() || self.name(peer),
            (true, true) => {
                let client = trusted.client(peer, headers);
                client != peer && !trusted.believes(client) && self.name(client)
            }
            (true, false) => false,
        }
    }

    fn name(&self, address: IpAddr) -> bool {
        self.0.believes(address)
    }
}

/// Whether a field says that its request is somebody else's.
fn forwards(field: &HeaderName) -> bool {
    let name = field.as_str();
    FORWARDING.contains(&name)
        || FORWARDING_BEGINS.iter().any(|begin| name.starts_with(begin))
        || FORWARDING_ENDS.iter().any(|end| name.ends_with(end))
}

/// Addresses and networks with commas between them.
impl FromStr for MetricsReaders {
    type Err = NotReaders;

    fn from_str(text: &str) -> Result<Self, NotReaders> {
        let named = text.parse().map(Self);
        named.map_err(|_| {
            NotReaders(format!(
                "{} is no list of IP addresses and networks, or it is everybody, or an address within a network; write what \
                 your Prometheus connects from, like 10.1.2.3 or 10.1.2.0/24,fd00:5::/64",
                quoted(text)
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(peer: &str, lines: &[(&'static str, &'static str)]) -> bool {
        let readers: MetricsReaders = "10.5.0.0/16,fd00:5::/32".parse().unwrap();
        let trusted: Proxies = "127.0.0.1,10.9.0.1".parse().unwrap();
        let mut headers = HeaderMap::new();
        lines.iter().for_each(|(name, value)| {
            headers.append(*name, value.parse().unwrap());
        });
        let peer = ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 40_000));
        readers.include(Some(&peer), &headers, &trusted)
    }

    #[test]
    fn this_machine_reads_and_the_networks_that_are_named_and_nobody_else() {
        for peer in
            ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", "10.5.0.7", "::ffff:10.5.1.1", "fd00:5::1"]
        {
            assert!(may(peer, &[]), "{peer}");
        }
        for peer in ["192.0.2.1", "10.6.0.1", "10.9.0.1", "2001:db8::1", "fd00:6::1"] {
            assert!(!may(peer, &[]), "{peer}");
        }
        assert!(
            !MetricsReaders::default().include(None, &HeaderMap::new(), &Proxies::default()),
            "who knows who"
        );
    }

    #[test]
    fn behind_a_proxy_of_this_machine_the_whole_world_would_be_this_machine() {
        let more = [
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-forwarded-server",
            "true-client-ip",
        ];
        for name in FORWARDING.into_iter().chain(more) {
            assert!(!may("127.0.0.1", &[(name, "1")]), "{name}");
            assert!(!may("::1", &[(name, "127.0.0.1")]), "{name}");
            assert!(!may("10.5.0.7", &[(name, "10.5.0.7")]), "{name}: nobody believes that one");
        }
        assert!(may("127.0.0.1", &[("x-forwarded-for", "10.5.3.3")]), "a trusted proxy says so");
        assert!(!may("127.0.0.1", &[("x-forwarded-for", "203.0.113.9")]));
        assert!(
            !may("127.0.0.1", &[("x-forwarded-for", "10.5.3.3, 203.0.113.9")]),
            "anybody can begin the list"
        );
        assert!(!may("127.0.0.1", &[("x-forwarded-for", "127.0.0.1")]));
        assert!(!may("127.0.0.1", &[("x-forwarded-for", "nonsense")]));
    }

    #[test]
    fn a_network_of_caches_with_a_field_of_its_own_was_taken_for_this_machine() {
        for name in [
            "cf-connecting-ip",
            "cf-connecting-ipv6",
            "fastly-client-ip",
            "fly-client-ip",
            "x-client-ip",
            "x-cluster-client-ip",
            "x-azure-clientip",
            "x-forwarded",
            "x-forwarded-ssl",
            "cdn-loop",
        ] {
            assert!(!may("127.0.0.1", &[(name, "203.0.113.9")]), "{name}");
        }
        for name in
            ["x-prometheus-scrape-timeout-seconds", "accept", "user-agent", "x-request-id", "traceparent"]
        {
            assert!(may("127.0.0.1", &[(name, "1")]), "{name}");
        }
    }
}

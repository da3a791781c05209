//! Proxies that are believed, and whom they say a request comes from.
//!
//! `X-Forwarded-For` is a list that anybody can begin and each proxy adds to at its right end. So it is read from the
//! right, and only as far as proxies that are named have written it.

use std::net::IpAddr;
use std::str::FromStr;

use hyper::header::{HeaderMap, HeaderName};
use ipnet::{IpNet, Ipv4Net};

use crate::quoted::quoted;

/// The one header that is read, of those that say where a request comes from.
pub(crate) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// How many entries are read at most. Nobody has as many proxies one behind the other.
const MAX_HOPS: usize = 32;

/// The addresses whose word is taken for where a request comes from; none at first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies(Vec<IpNet>);

/// Why a text names no proxies, and what would.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotProxies(String);

impl Proxies {
    /// The client of a request that came from `peer`: the peer itself, unless it is a proxy that is believed. Then the
    /// first address from the right that is none, or the leftmost if all are.
    ///
    /// An entry that is no address ends the walk at the proxy that wrote it: what stands further left may be anybody's.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if self.are_none() {
            return client;
        }
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        let entries = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        for entry in entries.take(MAX_HOPS) {
            if !self.believes(client) {
                break;
            }
            let Some(hop) = hop(entry) else { break };
            client = hop;
        }
        client
    }

    /// Whether a peer may be a proxy that was forgotten here: it is on this machine or in a private network, and its word is not
    /// taken.
    #[must_use]
    pub fn may_be_missing(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        let is_near = match peer {
            IpAddr::V4(peer) => {
                let [first, second, ..] = peer.octets();
                // Carriers and clouds put load balancers into 100.64.0.0/10 (RFC 6598).
                let is_shared = first == 100 && (64..128).contains(&second);
                peer.is_loopback() || peer.is_private() || peer.is_link_local() || is_shared
            }
            IpAddr::V6(peer) => peer.is_loopback() || peer.is_unique_local() || peer.is_unicast_link_local(),
        };
        is_near && !self.believes(peer)
    }

    /// Whether nobody's word is taken.
    #[must_use]
    pub fn are_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the word of that address is taken.
    pub(crate) fn believes(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// The address in an entry, which may have brackets around it and a port behind it.
fn hop(entry: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(entry.trim_ascii()).ok()?;
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']').filter(|(host, _)| host.contains(':'))?,
        None if text.matches(':').count() == 1 => text.split_at(text.find(':')?),
        None => (text, ""),
    };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
        return None;
    }
    host.parse().ok().map(|address: IpAddr| address.to_canonical())
}

/// Addresses and networks with commas between them.
impl FromStr for Proxies {
    type Err = NotProxies;

    fn from_str(text: &str) -> Result<Self, NotProxies> {
        let named: Vec<IpNet> = text.split(',').map(|text| network(text.trim())).collect::<Result<_, _>>()?;
        let networks = IpNet::aggregate(&named);
        if networks.iter().any(|network| network.prefix_len() == 0) {
            return Err(NotProxies(format!(
                "{} is every address there is, and then anybody could choose where they come from; name only your \
                 proxies, like 127.0.0.1 or 10.1.2.0/24",
                quoted(text)
            )));
        }
        Ok(Self(networks))
    }
}

fn network(text: &str) -> Result<IpNet, NotProxies> {
    let parsed = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    let network = parsed.ok_or_else(|| {
        NotProxies(format!(
            "{} is neither an IP address nor a network; write what your proxies connect from, like 127.0.0.1,::1 or \
             10.1.2.0/24",
            quoted(text)
        ))
    })?;
    if network.addr() != network.network() {
        return Err(NotProxies(format!(
            "{} is an address within a network; write {} for the network, or {} for that address alone",
            quoted(text),
            network.trunc(),
            network.addr()
        )));
    }
    Ok(canonical(network))
}

/// IPv4 in the clothes of IPv6 is IPv4, as it is where addresses are compared.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let mapped = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96));
    let v4 = mapped.and_then(|(address, prefix)| Ipv4Net::new(address, prefix).ok());
    v4.map_or(network, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const NAMED: &str = "127.0.0.1, 10.0.0.0/8, ::1, fd00::/8";

    fn proxies() -> Proxies {
        NAMED.parse().unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn headers(lines: &[impl AsRef<[u8]>]) -> HeaderMap {
        let lines = lines.iter().map(|line| HeaderValue::from_bytes(line.as_ref()).unwrap());
        let mut headers = HeaderMap::new();
        lines.for_each(|line| {
            headers.append(FORWARDED_FOR, line);
        });
        headers
    }

    #[test]
    fn t32_the_client_is_the_first_from_the_right_that_is_no_proxy_of_ours() {
        let matrix: &[(&str, &[&str], &str)] = &[
            // Nobody is believed who is not named, and without the header it is the peer.
            ("192.0.2.1", &["203.0.113.5"], "192.0.2.1"),
            ("11.0.0.1", &["203.0.113.5, 10.0.0.1"], "11.0.0.1"),
            ("127.0.0.1", &[], "127.0.0.1"),
            // The first from the right; what a client claims stands left of it.
            ("127.0.0.1", &["203.0.113.5"], "203.0.113.5"),
            ("127.0.0.1", &["198.51.100.1, 203.0.113.5"], "203.0.113.5"),
            ("127.0.0.1", &["198.51.100.1, 203.0.113.5, 10.9.9.9,10.0.0.2"], "203.0.113.5"),
            ("127.0.0.1", &["10.0.0.7, 203.0.113.5"], "203.0.113.5"),
            // Lines are one list.
            ("127.0.0.1", &["198.51.100.1", "203.0.113.5", "10.0.0.2"], "203.0.113.5"),
            ("127.0.0.1", &["203.0.113.5, 10.0.0.3", "10.0.0.2"], "203.0.113.5"),
            // All of them proxies: the leftmost.
            ("127.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("::1", &["fd00::7"], "fd00::7"),
            // How addresses are written.
            ("127.0.0.1", &["203.0.113.5:4711"], "203.0.113.5"),
            ("127.0.0.1", &["[2001:db8::5]"], "2001:db8::5"),
            ("127.0.0.1", &["[2001:db8::5]:4711"], "2001:db8::5"),
            ("127.0.0.1", &["2001:db8::5"], "2001:db8::5"),
            ("127.0.0.1", &["\t203.0.113.5 \t"], "203.0.113.5"),
            // IPv4 in IPv6 is IPv4, of peer and hop.
            ("::ffff:127.0.0.1", &["203.0.113.5"], "203.0.113.5"),
            ("::ffff:192.0.2.1", &["203.0.113.5"], "192.0.2.1"),
            ("127.0.0.1", &["203.0.113.5, ::ffff:10.0.0.2"], "203.0.113.5"),
            ("127.0.0.1", &["::ffff:203.0.113.5"], "203.0.113.5"),
            ("127.0.0.1", &["[::ffff:203.0.113.5]:80"], "203.0.113.5"),
        ];
        for (peer, lines, client) in matrix {
            assert_eq!(proxies().client(ip(peer), &headers(lines)), ip(client), "{peer} {lines:?}");
        }
    }

    #[test]
    fn t32_what_is_no_address_ends_the_walk_at_the_proxy_that_wrote_it() {
        let odd = [
            "",
            " ",
            "unknown",
            "_hidden",
            "unix:",
            "proxy.example.com",
            "203.0.113.5 198.51.100.1",
            "203.0.113.5;",
            "\"203.0.113.5\"",
            "for=203.0.113.5",
            "203.0.113.5:",
            "203.0.113.5:http",
            "203.0.113.5:+80",
            "203.0.113.5:65536",
            "203.0.113.05",
            "203.0.113",
            "203.0.113.0/24",
            "0xcb007105",
            "[203.0.113.5]",
            "[2001:db8::5",
            "2001:db8::5]",
            "[2001:db8::5]80",
            "[2001:db8::5]:",
            "[[2001:db8::5]]",
            "[]",
            ":80",
            "fe80::1%eth0",
            "203.0.113.5\u{a0}",
            "２03.0.113.5",
        ];
        for odd in odd {
            let at_once = format!("198.51.100.1, {odd}");
            assert_eq!(proxies().client(ip("127.0.0.1"), &headers(&[at_once])), ip("127.0.0.1"), "{odd}");
            let later = format!("198.51.100.1, {odd}, 10.0.0.2");
            assert_eq!(proxies().client(ip("127.0.0.1"), &headers(&[later])), ip("10.0.0.2"), "{odd}");
            let beyond = format!("{odd}, 203.0.113.5");
            assert_eq!(proxies().client(ip("127.0.0.1"), &headers(&[beyond])), ip("203.0.113.5"), "{odd}");
        }
        let no_text = [b"203.0.113.5, \xff\xfe".as_slice(), b"10.0.0.2".as_slice()];
        assert_eq!(proxies().client(ip("127.0.0.1"), &headers(&no_text)), ip("10.0.0.2"));
    }

    #[test]
    fn t32_the_walk_has_an_end() {
        let hops: Vec<String> = (0..100).rev().map(|hop| format!("10.0.0.{hop}")).collect();
        let last = format!("10.0.0.{}", MAX_HOPS - 1);
        assert_eq!(proxies().client(ip("127.0.0.1"), &headers(&[hops.join(",")])), ip(&last));
        assert_eq!(proxies().client(ip("127.0.0.1"), &headers(&hops)), ip(&last));
    }

    #[test]
    fn t32_no_other_header_is_read() {
        let mut headers = HeaderMap::new();
        for name in ["forwarded", "x-real-ip", "cf-connecting-ip", "true-client-ip", "x-client-ip"] {
            headers.append(name, HeaderValue::from_static("203.0.113.5"));
        }
        assert_eq!(proxies().client(ip("127.0.0.1"), &headers), ip("127.0.0.1"));
    }

    #[test]
    fn whoever_is_near_and_not_named_may_be_a_proxy() {
        let may_be = |address: &str| proxies().may_be_missing(ip(address));
        for near in [
            "127.9.9.9",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.7.7",
            "169.254.1.1",
            "100.64.0.1",
            "100.127.255.255",
            "fc00::1",
            "fe80::1",
            "::ffff:192.168.7.7",
        ] {
            assert!(may_be(near), "{near}");
            assert!(Proxies::default().may_be_missing(ip(near)), "{near}");
        }
        for named in ["127.0.0.1", "10.1.2.3", "::1", "fd00::7", "::ffff:10.1.2.3"] {
            assert!(!may_be(named), "{named}");
        }
        for far in ["192.0.2.1", "172.32.0.1", "192.169.0.1", "100.128.0.1", "2001:db8::1", "11.0.0.1"] {
            assert!(!may_be(far), "{far}");
        }
    }

    #[test]
    fn proxies_are_addresses_and_networks_and_never_everybody() {
        for text in
            ["127.0.0.1", "::1,127.0.0.1", "10.0.0.0/8 , fd00::/8", "10.0.0.1/32", "10.0.0.1,10.0.0.1"]
        {
            assert!(text.parse::<Proxies>().is_ok(), "{text}");
        }
        let mapped: Proxies = "::ffff:10.0.0.0/104,::ffff:127.0.0.1".parse().unwrap();
        assert_eq!(mapped, "10.0.0.0/8,127.0.0.1".parse().unwrap());
        let told = |text: &str| text.parse::<Proxies>().unwrap_err().to_string();
        let unreadable =
            ["", ",", "127.0.0.1,", "localhost", "127.0.0.1:80", "[::1]", "10.0.0.0/33", "10/8", "*"];
        for text in unreadable {
            assert!(told(text).contains("is neither an IP address nor a network; write"), "{text}");
        }
        let everything = [
            "0.0.0.0/0",
            "::/0",
            "127.0.0.1,::/0",
            "0.0.0.0/1,128.0.0.0/1",
            "::/1,8000::/1",
            "::ffff:0.0.0.0/96",
        ];
        for text in everything {
            assert!(told(text).contains("is every address there is"), "{text}");
        }
        assert!(
            told("10.1.2.3/8").contains("write 10.0.0.0/8 for the network, or 10.1.2.3 for that address")
        );
    }

    /// An entry and the address in it, if there is one.
    fn entry() -> impl Strategy<Value = (String, Option<IpAddr>)> {
        let v4 = prop_oneof![any::<u32>(), any::<u32>().prop_map(|low| (10 << 24) | (low >> 8))];
        let v4 = v4.prop_map(Ipv4Addr::from);
        let v6 = prop_oneof![any::<u128>(), any::<u128>().prop_map(|low| (0xfd << 120) | (low >> 8))];
        let v6 = v6.prop_map(Ipv6Addr::from);
        prop_oneof![
            v4.clone().prop_map(|ip| (ip.to_string(), Some(IpAddr::from(ip)))),
            (v4.clone(), any::<u16>()).prop_map(|(ip, port)| (format!("{ip}:{port}"), Some(ip.into()))),
            v4.prop_map(|ip| (format!("::ffff:{ip}"), Some(ip.into()))),
            v6.clone().prop_map(|ip| (ip.to_string(), Some(IpAddr::from(ip).to_canonical()))),
            v6.clone().prop_map(|ip| (format!("[{ip}]"), Some(IpAddr::from(ip).to_canonical()))),
            (v6, any::<u16>())
                .prop_map(|(ip, port)| (format!("[{ip}]:{port}"), Some(IpAddr::from(ip).to_canonical()))),
            "[ g-z_=\"-]{0,9}".prop_map(|junk| (junk, None)),
        ]
    }

    fn entries() -> impl Strategy<Value = Vec<(String, Option<IpAddr>)>> {
        prop::collection::vec(entry(), 0..12)
    }

    fn text(entries: &[(String, Option<IpAddr>)]) -> String {
        entries.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// What a header may hold, commas included.
    fn anything() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![32_u8..127, 128_u8..=255, Just(b','), Just(b'\t'), Just(b'1'), Just(b'.')];
        prop::collection::vec(byte, 0..40)
    }

    proptest! {
        #[test]
        fn t32_a_peer_that_is_not_named_is_the_client_whatever_it_says(peer: u32, lines in prop::collection::vec(anything(), 0..4)) {
            let peer = IpAddr::from(Ipv4Addr::from(peer));
            prop_assume!(!proxies().believes(peer));
            prop_assert_eq!(proxies().client(peer, &headers(&lines)), peer);
            prop_assert_eq!(Proxies::default().client(ip("127.0.0.1"), &headers(&lines)), ip("127.0.0.1"));
        }

        #[test]
        fn t32_the_client_is_the_peer_or_stands_in_the_header(entries in entries()) {
            let client = proxies().client(ip("10.0.0.1"), &headers(&[text(&entries)]));
            let is_there = entries.iter().any(|(_, address)| *address == Some(client));
            prop_assert!(client == ip("10.0.0.1") || is_there);
            // And all that stands right of it is proxies.
            let from_right = entries.iter().rev().map_while(|(_, address)| *address);
            let walked: Vec<_> = from_right.take_while(|address| proxies().believes(*address)).collect();
            let end = entries.iter().rev().nth(walked.len()).and_then(|(_, address)| *address);
            prop_assert_eq!(client, end.or(walked.last().copied()).unwrap_or(ip("10.0.0.1")));
        }

        #[test]
        fn t32_nothing_to_the_left_of_a_stranger_matters(entries in entries(), stranger: u32, before in anything()) {
            let stranger = IpAddr::from(Ipv4Addr::from(stranger));
            prop_assume!(!proxies().believes(stranger));
            let rest = [vec![(stranger.to_string(), Some(stranger))], entries].concat();
            let rest = text(&rest);
            let expected = proxies().client(ip("10.0.0.1"), &headers(&[&rest]));
            let same_line = [&before[..], b",", rest.as_bytes()].concat();
            prop_assert_eq!(proxies().client(ip("10.0.0.1"), &headers(&[same_line])), expected);
            let own_line = [before, rest.into_bytes()];
            prop_assert_eq!(proxies().client(ip("10.0.0.1"), &headers(&own_line)), expected);
        }

        #[test]
        fn t32_lines_are_one_list_wherever_they_are_cut(entries in entries(), cut in 0_usize..12) {
            prop_assume!(cut > 0 && cut < entries.len());
            let (left, right) = entries.split_at(cut);
            let whole = proxies().client(ip("10.0.0.1"), &headers(&[text(&entries)]));
            prop_assert_eq!(proxies().client(ip("10.0.0.1"), &headers(&[text(left), text(right)])), whole);
        }
    }
}

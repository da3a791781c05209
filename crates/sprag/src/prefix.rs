//! The network that a request comes from.

use std::fmt;

use core::net::{IpAddr, Ipv4Addr};

/// The network that a request comes from: 24 bits of an IPv4 address, 64 of an IPv6 one. Within it, devices move about.
///
/// Whoever has one address has its neighbours, too: providers hand out IPv6 by 64 bits. Requests without an address, those
/// of commands and of an embedder that tells none, are of one network of their own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Prefix(Option<Bits>);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Bits {
    V4([u8; 3]),
    V6([u16; 4]),
}

impl Prefix {
    /// The network of a request from this address.
    #[must_use]
    pub fn of(address: Option<&str>) -> Self {
        Self(address.and_then(|text| text.parse().ok()).map(Bits::of))
    }

    /// It, as people write a network.
    #[must_use]
    pub fn network(&self) -> String {
        match self.0 {
            Some(Bits::V4(_)) => format!("{self}.0/24"),
            Some(Bits::V6(_)) => format!("{self}::/64"),
            None => "an unknown network".to_owned(),
        }
    }
}

impl From<IpAddr> for Prefix {
    fn from(address: IpAddr) -> Self {
        Self(Some(Bits::of(address)))
    }
}

/// The bits that count, as addresses are written; nothing where no address is known. Client instances are guessed by this
/// text, so it never changes.
impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(Bits::V4([a, b, c])) => write!(f, "{a}.{b}.{c}"),
            Some(Bits::V6([a, b, c, d])) => write!(f, "{a:x}:{b:x}:{c:x}:{d:x}"),
            None => Ok(()),
        }
    }
}

impl Bits {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6([a, b, c, d])
            }
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        let [a, b, c, _] = address.octets();
        Self::V4([a, b, c])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_and_its_neighbours_are_one_network() {
        let same = |one, other| Prefix::of(Some(one)) == Prefix::of(Some(other));
        assert!(same("192.0.2.1", "192.0.2.254"));
        assert!(!same("192.0.2.1", "192.0.3.1"));
        assert!(same("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
    }

    #[test]
    fn an_ipv4_address_within_ipv6_is_what_it_stands_for() {
        let same = |one, other| Prefix::of(Some(one)) == Prefix::of(Some(other));
        assert!(same("::ffff:192.0.2.1", "192.0.2.7"));
        assert!(!same("::ffff:192.0.2.1", "::ffff:198.51.100.1"), "or all of IPv4 would be one network");
    }

    #[test]
    fn it_is_written_as_it_was_when_instances_were_first_guessed_by_it() {
        let written = |address| Prefix::of(address).to_string();
        assert_eq!(written(Some("192.0.2.7")), "192.0.2");
        assert_eq!(written(Some("2001:db8:0:a::1")), "2001:db8:0:a");
        assert_eq!(written(None), "");
    }

    #[test]
    fn a_network_is_written_as_people_write_one() {
        let written = |address| Prefix::of(address).network();
        assert_eq!(written(Some("192.0.2.7")), "192.0.2.0/24");
        assert_eq!(written(Some("2001:db8:0:a::1")), "2001:db8:0:a::/64");
        assert_eq!(written(None), "an unknown network");
    }

    #[test]
    fn who_tells_no_address_is_of_one_network() {
        assert_eq!(Prefix::of(None), Prefix::default());
        assert_eq!(Prefix::of(Some("a unix socket")), Prefix::default());
    }
}

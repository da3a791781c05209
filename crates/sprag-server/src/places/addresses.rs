//! An operator's list of addresses and networks to beware of: one a line, in a file.

use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context as _, bail};
use ipnet::IpNet;
use sprag::files;

use super::watched::About;
use crate::quoted::quoted;

/// The largest list that is read. One of all exits of anonymising networks has some 100 KiB.
const MOST_KIB: u64 = 64 * 1024;

/// A list of addresses and networks.
#[derive(Debug, Default)]
pub struct AddressList {
    /// From where to where, as IPv6 has them; in order, and none touches the next.
    ranges: Vec<(u128, u128)>,
    /// How many lines named one.
    named: usize,
}

impl AddressList {
    /// Reads a file: an address or a network a line; what follows `#` or `;` is for people.
    ///
    /// # Errors
    /// It cannot be read, or a line is neither.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let named = || format!("could not read the list of addresses {}", path.display());
        let text = files::read_text(path, MOST_KIB).with_context(named)?;
        Self::of(&text).with_context(named)
    }

    fn of(text: &str) -> anyhow::Result<Self> {
        let mut ranges = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let entry = line.split(['#', ';']).next().unwrap_or_default().trim();
            if entry.is_empty() {
                continue;
            }
            let Some(range) = range(entry) else {
                bail!(
                    "line {} is {}, which is neither an IP address nor a network; write one a line, such as 203.0.113.5 or \
                     2001:db8::/32",
                    at + 1,
                    quoted(entry)
                );
            };
            ranges.push(range);
        }
        let named = ranges.len();
        ranges.sort_unstable();
        let mut joined: Vec<(u128, u128)> = Vec::with_capacity(named);
        for (first, last) in ranges {
            match joined.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => joined.push((first, last)),
            }
        }
        Ok(Self { ranges: joined, named })
    }

    /// Whether an address is on it.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        let address = number(address);
        let after = self.ranges.partition_point(|(first, _)| *first <= address);
        after > 0 && address <= self.ranges[after - 1].1
    }
}

impl About for AddressList {
    fn about(&self) -> String {
        match self.named {
            1 => "1 address or network to beware of".to_owned(),
            named => format!("{named} addresses and networks to beware of"),
        }
    }
}

fn range(entry: &str) -> Option<(u128, u128)> {
    if let Ok(address) = entry.parse::<IpAddr>() {
        return Some((number(address), number(address)));
    }
    let network: IpNet = entry.parse().ok()?;
    // Whoever writes a host's address before the slash means the network that it is in.
    let network = network.trunc();
    Some((number(network.network()), number(network.broadcast())))
}

/// An address as IPv6 has it: one of IPv4 is what it stands for, however it came.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_on_the_list_by_itself_or_by_its_network() {
        let text = "# exits\r\n203.0.113.5\n198.51.100.0/24 ; a host\n198.51.100.128/25\n\n2001:db8:1::/48\n192.0.2.77/28\n";
        let list = AddressList::of(text).unwrap();
        assert_eq!((list.named, list.ranges.len()), (5, 4));
        for listed in [
            "203.0.113.5",
            "::ffff:203.0.113.5",
            "198.51.100.0",
            "198.51.100.255",
            "2001:db8:1:ffff::1",
            "192.0.2.64",
        ] {
            assert!(list.has(listed.parse().unwrap()), "{listed}");
        }
        for other in
            ["203.0.113.4", "203.0.113.6", "198.51.101.0", "2001:db8:2::", "::", "192.0.2.80", "0.0.0.0"]
        {
            assert!(!list.has(other.parse().unwrap()), "{other}");
        }
        assert!(!AddressList::of("").unwrap().has("203.0.113.5".parse().unwrap()));
        assert!(AddressList::of("::/0").unwrap().has("203.0.113.5".parse().unwrap()));
    }

    #[test]
    fn a_line_that_is_neither_is_named_by_its_number() {
        let error = AddressList::of("203.0.113.5\n\nexample.org\n").unwrap_err().to_string();
        assert!(error.contains("line 3 is \"example.org\""), "{error}");
    }
}

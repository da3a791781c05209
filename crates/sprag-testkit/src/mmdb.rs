//! Writes small files of places in MaxMind's format, as version 2.0 of its description has it.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

/// What stands before the metadata.
const MARK: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// A file of places under construction.
pub struct Mmdb {
    kind: &'static str,
    networks: Vec<(IpAddr, u8, Value)>,
}

/// A record as GeoLite2-City has them.
pub fn city(country: &str, name: &str, latitude: f64, longitude: f64) -> Value {
    json!({
        "city": { "geoname_id": 1, "names": { "de": format!("{name} auf Deutsch"), "en": name } },
        "continent": { "code": "XX", "names": { "en": "Somewhere" } },
        "country": { "iso_code": country, "names": { "en": "A country" } },
        "location": { "accuracy_radius": 20, "latitude": latitude, "longitude": longitude, "time_zone": "UTC" },
        "subdivisions": [{ "iso_code": "XX" }],
    })
}

/// A record as GeoLite2-Country has them.
pub fn country(code: &str) -> Value {
    json!({ "country": { "iso_code": code, "names": { "en": "A country" } }, "is_anycast": true })
}

impl Mmdb {
    pub fn of_cities() -> Self {
        Self::called("GeoLite2-City")
    }

    pub fn called(kind: &'static str) -> Self {
        Self { kind, networks: Vec::new() }
    }

    /// The usual: networks that are for documentation, at places far apart.
    pub fn usual() -> Self {
        Self::of_cities()
            .with("198.51.100.0/24", city("DE", "Berlin", 52.52, 13.40))
            .with("203.0.113.0/24", city("AU", "Sydney", -33.87, 151.21))
            .with("2001:db8:f::/48", city("FR", "Paris", 48.86, 2.35))
            .with("192.0.2.128/25", city("DE", "Munich", 48.14, 11.58))
    }

    pub fn with(mut self, network: &str, record: Value) -> Self {
        let (first, length) = network.split_once('/').expect("a network");
        let (first, length) = (first.parse().expect("an address"), length.parse().expect("a length"));
        self.networks.push((first, length, record));
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let (mut tree, mut data) = (Tree(vec![[Child::Nothing; 2]]), Vec::new());
        for (first, length, record) in &self.networks {
            let at = data.len();
            write(record, &mut data);
            tree.add(*first, *length, at);
        }
        let count = u32::try_from(tree.0.len()).expect("a small tree");
        let mut file = Vec::new();
        for node in &tree.0 {
            for child in node {
                let record = match child {
                    Child::Nothing => count,
                    Child::Node(node) => u32::try_from(*node).expect("a small tree"),
                    Child::Data(at) => count + 16 + u32::try_from(*at).expect("little data"),
                };
                file.extend(record.to_be_bytes());
            }
        }
        file.extend([0; 16]);
        file.extend(data);
        file.extend(MARK);
        let mut about = Map::new();
        about.insert("binary_format_major_version".into(), 2.into());
        about.insert("binary_format_minor_version".into(), 0.into());
        about.insert("build_epoch".into(), 1_782_907_200_u64.into());
        about.insert("database_type".into(), self.kind.into());
        about.insert("description".into(), json!({ "en": "A file for tests" }));
        about.insert("ip_version".into(), 6.into());
        about.insert("languages".into(), json!(["en"]));
        about.insert("node_count".into(), count.into());
        about.insert("record_size".into(), 32.into());
        write(&about.into(), &mut file);
        file
    }
}

/// A binary tree over the 128 bits of IPv6, in which IPv4 is below `::/96`.
struct Tree(Vec<[Child; 2]>);

#[derive(Clone, Copy)]
enum Child {
    Nothing,
    Node(usize),
    Data(usize),
}

impl Tree {
    fn add(&mut self, first: IpAddr, length: u8, data: usize) {
        let (bits, length) = match first {
            IpAddr::V4(address) => (u128::from(address.to_bits()), length + 96),
            IpAddr::V6(address) => (address.to_bits(), length),
        };
        let mut node = 0;
        for depth in 0..length {
            let side = usize::from(bits >> (127 - depth) & 1 == 1);
            if depth + 1 == length {
                self.0[node][side] = Child::Data(data);
                return;
            }
            node = match self.0[node][side] {
                Child::Node(next) => next,
                _ => {
                    self.0.push([Child::Nothing; 2]);
                    let next = self.0.len() - 1;
                    self.0[node][side] = Child::Node(next);
                    next
                }
            };
        }
    }
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::String(text) => {
            head(2, text.len(), out);
            out.extend(text.as_bytes());
        }
        Value::Number(number) => match number.as_u64() {
            Some(whole) => {
                let bytes = whole.to_be_bytes();
                let significant = &bytes[(whole.leading_zeros() / 8) as usize..];
                head(if whole > u64::from(u32::MAX) { 9 } else { 6 }, significant.len(), out);
                out.extend(significant);
            }
            None => {
                head(3, 8, out);
                out.extend(number.as_f64().expect("a number").to_be_bytes());
            }
        },
        Value::Bool(is_so) => head(14, usize::from(*is_so), out),
        Value::Array(elements) => {
            head(11, elements.len(), out);
            elements.iter().for_each(|element| write(element, out));
        }
        Value::Object(members) => {
            head(7, members.len(), out);
            for (key, member) in members {
                write(&Value::String(key.clone()), out);
                write(member, out);
            }
        }
        Value::Null => panic!("the format has no null"),
    }
}

/// The kind of a value and how long it is.
fn head(kind: u8, length: usize, out: &mut Vec<u8>) {
    let (size, more) = match length {
        0..29 => (length, Vec::new()),
        29..285 => (29, vec![u8::try_from(length - 29).expect("a byte")]),
        _ => (30, u16::try_from(length - 285).expect("two bytes").to_be_bytes().to_vec()),
    };
    let size = u8::try_from(size).expect("five bits");
    if kind < 8 {
        out.push(kind << 5 | size);
    } else {
        out.extend([size, kind - 7]);
    }
    out.extend(more);
}

//! Where a request comes from: countries, cities, and how far it is from one to another.
//!
//! Nothing here looks anything up: [`Whereabouts`] is what an engine asks of an address and a client, and whoever serves
//! answers it from a file that an operator has. Without one, nothing is known of any place.

use core::net::IpAddr;
use std::fmt;
use std::str::FromStr;

mod countries;

use countries::{COUNTRIES, Row};

/// The mean radius of the earth.
const EARTH_KM: f64 = 6371.0;

/// A country, by its code of two capitals: those of ISO 3166-1, and `XK` for Kosovo.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

/// A continent, by the code of two capitals that files of places have: `AF`, `AN`, `AS`, `EU`, `NA`, `OC`, `SA`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Continent([u8; 2]);

/// What is known of the place that an address is at.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Location {
    /// The country.
    pub country: Option<Country>,
    /// The city, by its name in English.
    pub city: Option<String>,
    /// Where on the earth it is.
    pub spot: Option<Spot>,
}

/// A spot on the earth, as exactly as it is known.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Spot {
    /// In degrees, north of the equator.
    pub latitude: f64,
    /// In degrees, east of Greenwich.
    pub longitude: f64,
    /// How far from there it may be, in kilometres.
    pub within_km: f64,
}

/// What is known of whoever asks, besides what their requests show.
pub trait Whereabouts: Send + Sync {
    /// The place that an address is at; `None` where nothing is known of it.
    fn place(&self, address: IpAddr) -> Option<Location>;

    /// Whether places of addresses are known at all; without them, log-ins are not counted by country.
    fn knows_places(&self) -> bool {
        true
    }

    /// What people would call the device of a client that calls itself so.
    fn device(&self, user_agent: &str) -> Option<String>;

    /// Whether the operator has put the address, or a network that it is in, on the list of those to beware of.
    fn is_listed(&self, address: IpAddr) -> bool;
}

/// Nothing is known of anybody.
impl Whereabouts for () {
    fn place(&self, _: IpAddr) -> Option<Location> {
        None
    }

    fn knows_places(&self) -> bool {
        false
    }

    fn device(&self, _: &str) -> Option<String> {
        None
    }

    fn is_listed(&self, _: IpAddr) -> bool {
        false
    }
}

impl Country {
    /// Its code.
    #[must_use]
    pub fn code(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The continent that it is counted to.
    #[must_use]
    pub fn continent(self) -> Continent {
        Continent(self.row().1)
    }

    /// Its middle, and how far it reaches.
    #[must_use]
    pub fn middle(self) -> Spot {
        let (_, _, latitude, longitude, reach) = *self.row();
        Spot { latitude: latitude.into(), longitude: longitude.into(), within_km: 2.0 * f64::from(reach) }
    }

    fn row(self) -> &'static Row {
        // Whoever has a country has it from the table.
        let at = COUNTRIES.binary_search_by_key(&self.0, |row| row.0).unwrap_or_default();
        &COUNTRIES[at]
    }
}

/// In capitals or not.
impl FromStr for Country {
    type Err = NoCountry;

    fn from_str(text: &str) -> Result<Self, NoCountry> {
        let code = two_capitals(text).ok_or(NoCountry)?;
        COUNTRIES.binary_search_by_key(&code, |row| row.0).map(|_| Self(code)).map_err(|_| NoCountry)
    }
}

impl Continent {
    /// Every one.
    pub const ALL: [Self; 7] =
        [Self(*b"AF"), Self(*b"AN"), Self(*b"AS"), Self(*b"EU"), Self(*b"NA"), Self(*b"OC"), Self(*b"SA")];

    /// Its code.
    #[must_use]
    pub fn code(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// In capitals or not.
impl FromStr for Continent {
    type Err = NoCountry;

    fn from_str(text: &str) -> Result<Self, NoCountry> {
        let code = two_capitals(text).ok_or(NoCountry)?;
        Self::ALL.into_iter().find(|continent| continent.0 == code).ok_or(NoCountry)
    }
}

/// A text that is no code of a country or continent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoCountry;

impl Location {
    /// Where on the earth it is: as exactly as is known, or somewhere in its country.
    #[must_use]
    pub fn somewhere(&self) -> Option<Spot> {
        self.spot.or(self.country.map(Country::middle))
    }
}

impl Spot {
    /// How far it is at least from here to there, in kilometres: nothing, where both may be the same.
    #[must_use]
    pub fn at_least_km(self, other: Self) -> f64 {
        (self.distance_km(other) - self.within_km - other.within_km).max(0.0)
    }

    /// How far it is from the one to the other, as the crow flies.
    fn distance_km(self, other: Self) -> f64 {
        let (from, to) = (self.latitude.to_radians(), other.latitude.to_radians());
        let up = ((to - from) / 2.0).sin().powi(2);
        let along = ((other.longitude - self.longitude).to_radians() / 2.0).sin().powi(2);
        2.0 * EARTH_KM * (up + from.cos() * to.cos() * along).clamp(0.0, 1.0).sqrt().asin()
    }
}

fn two_capitals(text: &str) -> Option<[u8; 2]> {
    let code: [u8; 2] = text.as_bytes().try_into().ok()?;
    code.iter().all(u8::is_ascii_alphabetic).then(|| code.map(|byte| byte.to_ascii_uppercase()))
}

macro_rules! shows_its_code {
    ($($code:ty),*) => {$(
        impl fmt::Display for $code {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.code())
            }
        }

        impl fmt::Debug for $code {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.code())
            }
        }
    )*};
}

shows_its_code!(Country, Continent);

/// Whether an address is of nobody's country: of this machine, of a network of one's own, or given out for a while by the
/// network that it is in.
#[must_use]
pub fn is_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            address.is_loopback() || address.is_private() || address.is_link_local() || is_shared
        }
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn country(code: &str) -> Country {
        code.parse().unwrap()
    }

    fn spot(latitude: f64, longitude: f64) -> Spot {
        Spot { latitude, longitude, within_km: 0.0 }
    }

    #[test]
    fn each_country_stands_once_in_the_table_in_the_order_of_the_codes() {
        assert!(COUNTRIES.windows(2).all(|two| two[0].0 < two[1].0));
        for (code, continent, latitude, longitude, reach) in COUNTRIES {
            let country = Country(*code);
            assert_eq!(country.code().parse(), Ok(country));
            assert!(Continent::ALL.contains(&Continent(*continent)), "{country}");
            assert!((-90..=90).contains(latitude) && (-180..=180).contains(longitude), "{country}");
            assert!(*reach > 0, "{country}");
        }
    }

    #[test]
    fn a_code_is_read_whatever_its_letters_are_and_nothing_else_is() {
        assert_eq!("de".parse(), Ok(country("DE")));
        assert_eq!("eu".parse::<Continent>().map(|continent| continent.code().to_owned()), Ok("EU".into()));
        for text in ["", "D", "DEU", "UK", "EU", "ZZ", "D ", "1A", "ß"] {
            assert_eq!(text.parse::<Country>(), Err(NoCountry), "{text}");
        }
        assert_eq!(country("AU").continent().code(), "OC");
    }

    #[test]
    fn how_far_it_is_is_what_a_map_says() {
        let (berlin, sydney) = (spot(52.52, 13.40), spot(-33.87, 151.21));
        let km = berlin.at_least_km(sydney);
        assert!((16_000.0..16_200.0).contains(&km), "{km}");
        assert!(spot(0.0, 179.9).at_least_km(spot(0.0, -179.9)) < 25.0, "across the line of dates");
        assert!(spot(0.0, 0.0).at_least_km(spot(0.0, 180.0)) > 20_000.0);
    }

    #[test]
    fn what_may_be_the_same_place_is_no_way_at_all() {
        let near = Spot { within_km: 50.0, ..spot(52.5, 13.4) };
        assert_eq!(near.at_least_km(Spot { within_km: 50.0, ..spot(52.4, 13.1) }), 0.0);
        let middle = |code| country(code).middle();
        assert_eq!(middle("DE").at_least_km(middle("AT")), 0.0, "neighbours");
        assert_eq!(middle("US").at_least_km(middle("CA")), 0.0, "neighbours");
        assert!(middle("DE").at_least_km(middle("AU")) > 8_000.0);
    }

    #[test]
    fn addresses_of_a_network_of_ones_own_are_of_no_country() {
        for local in
            ["127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.1.1", "100.64.0.1", "::1"]
                .into_iter()
                .chain(["fd00::1", "fe80::1", "::ffff:10.0.0.1"])
        {
            assert!(is_local(local.parse().unwrap()), "{local}");
        }
        for public in ["203.0.113.5", "100.128.0.1", "172.32.0.1", "2001:db8::1", "::ffff:198.51.100.1"] {
            assert!(!is_local(public.parse().unwrap()), "{public}");
        }
    }
}

//! What one record of a file of places says, in the forms that those who make such files have.
//!
//! MaxMind, DB-IP and IP2Location write `country.iso_code`, `city.names.en` and `location.latitude`; IPinfo writes `country`
//! (or `country_code`), `city`, `lat` and `lng` as texts of the record itself. What has another form than is known is left out.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use sprag::place::{Country, Location, Spot};
use sprag::text;

/// How much of a city's name is taken, in bytes.
const MOST_OF_A_NAME: usize = 80;

/// How exactly a spot is taken to be known where the file does not say, in kilometres.
const UNTOLD_RADIUS_KM: f64 = 100.0;

/// How far it is at most from a spot to what is meant by it.
const MOST_RADIUS_KM: f64 = 5000.0;

/// One record.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Record<'a> {
    #[serde(borrow)]
    country: Named<'a>,
    /// Where the network is registered: said of those that are in no country, such as satellites' and those that are
    /// everywhere.
    registered_country: Named<'a>,
    country_code: Named<'a>,
    city: Named<'a>,
    location: Coordinates<'a>,
    lat: Number<'a>,
    lng: Number<'a>,
}

#[derive(Debug, Default)]
struct Coordinates<'a> {
    latitude: Number<'a>,
    longitude: Number<'a>,
    accuracy_radius: Number<'a>,
}

impl Record<'_> {
    /// The place; `None` where it says nothing of one.
    pub(super) fn place(&self) -> Option<Location> {
        let codes = [&self.country, &self.country_code, &self.registered_country];
        let country: Option<Country> = codes.into_iter().find_map(|named| named.code()?.parse().ok());
        let city = self.city.name().map(|name| text::label(name.trim(), MOST_OF_A_NAME));
        let place = Location { country, city: city.filter(|name| !name.is_empty()), spot: self.spot() };
        (place != Location::default()).then_some(place)
    }

    fn spot(&self) -> Option<Spot> {
        let Coordinates { latitude, longitude, accuracy_radius } = &self.location;
        let spot = |latitude: &Number<'_>, longitude: &Number<'_>| {
            let (latitude, longitude) = (latitude.value()?, longitude.value()?);
            let is_one = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
            // Nobody lives at 0/0: it is what some write where they know nothing.
            let is_told = latitude != 0.0 || longitude != 0.0;
            (is_one && is_told).then_some((latitude, longitude))
        };
        let (latitude, longitude) = spot(latitude, longitude).or_else(|| spot(&self.lat, &self.lng))?;
        let radius = accuracy_radius.value().filter(|radius| (0.0..=MOST_RADIUS_KM).contains(radius));
        Some(Spot { latitude, longitude, within_km: radius.unwrap_or(UNTOLD_RADIUS_KM) })
    }
}

/// A country or city: its code or name, or a map that has them.
#[derive(Debug, Default)]
enum Named<'a> {
    #[default]
    Nothing,
    Plain(&'a str),
    Map {
        iso_code: Option<&'a str>,
        name: Option<&'a str>,
    },
}

impl<'a> Named<'a> {
    fn code(&self) -> Option<&'a str> {
        match self {
            Self::Nothing => None,
            Self::Plain(text) => Some(text),
            Self::Map { iso_code, .. } => *iso_code,
        }
    }

    fn name(&self) -> Option<&'a str> {
        match self {
            Self::Nothing => None,
            Self::Plain(text) => Some(text),
            Self::Map { name, .. } => *name,
        }
    }
}

/// A number, or a text that is one.
#[derive(Debug, Default)]
enum Number<'a> {
    #[default]
    Nothing,
    Value(f64),
    Text(&'a str),
}

impl Number<'_> {
    fn value(&self) -> Option<f64> {
        match self {
            Self::Nothing => None,
            Self::Value(value) => Some(*value).filter(|value| value.is_finite()),
            Self::Text(text) => text.parse().ok().filter(|value: &f64| value.is_finite()),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Named<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Lenient::<Self>::new())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Number<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Lenient::<Self>::new())
    }
}

/// Takes whatever there is, and knows what to make of some of it.
struct Lenient<T>(std::marker::PhantomData<T>);

impl<T> Lenient<T> {
    fn new() -> Self {
        Self(std::marker::PhantomData)
    }
}

/// What can be made of what a file has in a place.
trait Made<'a>: Default {
    fn of_text(_: &'a str) -> Self {
        Self::default()
    }

    fn of_number(_: f64) -> Self {
        Self::default()
    }

    fn of_member(&mut self, _: &str, _: Member<'a>) {}

    fn of_measure(&mut self, _: &str, _: Number<'a>) {}
}

/// A member of a map: a text, or what English calls it.
#[derive(Debug, Default)]
struct Member<'a>(Option<&'a str>);

impl<'a> Made<'a> for Member<'a> {
    fn of_text(text: &'a str) -> Self {
        Self(Some(text))
    }

    fn of_member(&mut self, key: &str, member: Self) {
        if key == "en" {
            *self = member;
        }
    }
}

impl<'a> Made<'a> for Named<'a> {
    fn of_text(text: &'a str) -> Self {
        Self::Plain(text)
    }

    fn of_member(&mut self, key: &str, member: Member<'a>) {
        let (mut code, mut named) = (self.code(), self.name());
        match key {
            "iso_code" => code = member.0,
            "names" | "name" => named = member.0.or(named),
            _ => return,
        }
        *self = Self::Map { iso_code: code, name: named };
    }
}

impl<'a> Made<'a> for Number<'a> {
    fn of_text(text: &'a str) -> Self {
        Self::Text(text)
    }

    fn of_number(value: f64) -> Self {
        Self::Value(value)
    }
}

impl<'a> Made<'a> for Coordinates<'a> {
    fn of_measure(&mut self, key: &str, measure: Number<'a>) {
        match key {
            "latitude" => self.latitude = measure,
            "longitude" => self.longitude = measure,
            _ => self.accuracy_radius = measure,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Coordinates<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Lenient::<Self>::new())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Member<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Lenient::<Self>::new())
    }
}

impl<'de: 'a, 'a, T: Made<'a> + 'a> Visitor<'de> for Lenient<T>
where
    T: 'a,
{
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<T, E> {
        Ok(T::of_text(text))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<T, E> {
        Ok(i32::try_from(value).map_or_else(|_| T::default(), |value| T::of_number(value.into())))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<T, E> {
        Ok(u32::try_from(value).map_or_else(|_| T::default(), |value| T::of_number(value.into())))
    }

    fn visit_u128<E: Error>(self, _: u128) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<T, E> {
        Ok(T::of_number(value))
    }

    fn visit_bytes<E: Error>(self, _: &[u8]) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_unit<E: Error>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut elements: S) -> Result<T, S::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(T::default())
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<T, M::Error> {
        let mut made = T::default();
        while let Some(key) = members.next_key::<&'de str>()? {
            match key {
                "iso_code" | "names" | "name" | "en" => made.of_member(key, members.next_value()?),
                "latitude" | "longitude" | "accuracy_radius" => made.of_measure(key, members.next_value()?),
                _ => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(made)
    }
}

//! How far apart two places are.

use crate::clock::Timestamp;

/// The mean radius of the earth.
const RADIUS_KILOMETRES: f64 = 6371.0;

/// A place on the earth, in degrees.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Coordinates {
    /// North of the equator.
    pub latitude: f64,
    /// East of Greenwich.
    pub longitude: f64,
}

/// Where and when an account logged in last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Login {
    pub(super) at: Timestamp,
    pub(super) coordinates: Coordinates,
    pub(super) number: u64,
}

/// The distance of two places along the surface (the haversine formula).
#[must_use]
pub fn kilometres(from: Coordinates, to: Coordinates) -> f64 {
    let (latitude, other) = (from.latitude.to_radians(), to.latitude.to_radians());
    let half = |one: f64, other: f64| ((other - one) / 2.0).sin().powi(2);
    let longitudes = half(from.longitude.to_radians(), to.longitude.to_radians());
    let chord = half(latitude, other) + latitude.cos() * other.cos() * longitudes;
    2.0 * RADIUS_KILOMETRES * chord.sqrt().min(1.0).asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_london_to_new_york_it_is_as_far_as_on_a_globe() {
        let london = Coordinates { latitude: 51.5074, longitude: -0.1278 };
        let new_york = Coordinates { latitude: 40.7128, longitude: -74.006 };
        assert!((kilometres(london, new_york) - 5570.0).abs() < 10.0);
        assert!(kilometres(london, london) < 0.001);
        let antipode = Coordinates { latitude: -51.5074, longitude: 179.8722 };
        assert!((kilometres(london, antipode) - 20_015.0).abs() < 10.0);
    }
}

//! Where the places of addresses are read, and which places are let in.

use std::path::PathBuf;

use super::chosen::Chosen;
use super::error::ConfigError;
use super::setting::{Fallback, Setting};
use super::value::{self, Parsed};
use crate::places::{Fence, Region};

/// The settings of this feature.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "geo-database",
        env: "SPRAG_GEO_DATABASE",
        placeholder: "FILE",
        help: "A file of places in MaxMind's format (.mmdb), of cities or countries: from it come the country and city of an \
               address. It is read again when it changes.",
        default: Fallback::Derived("none"),
        is_secret: false,
        right: "/var/lib/GeoIP/GeoLite2-City.mmdb",
        wrong: "",
    },
    Setting {
        name: "geo-allow",
        env: "SPRAG_GEO_ALLOW",
        placeholder: "COUNTRIES",
        help: "From where people may log in and refresh, on every profile: codes of countries with commas between them \
               (ISO 3166-1, as DE,AT), continents as continent:EU, unknown for addresses of no known country; or any.",
        default: Fallback::Value("any"),
        is_secret: false,
        right: "DE,at,continent:NA,unknown",
        wrong: "Germany",
    },
    Setting {
        name: "geo-deny",
        env: "SPRAG_GEO_DENY",
        placeholder: "COUNTRIES",
        help: "From where nobody may log in or refresh, on every profile, whatever else is allowed: written as geo-allow; or none.",
        default: Fallback::Value("none"),
        is_secret: false,
        right: "KP,continent:AN",
        wrong: "UK",
    },
    Setting {
        name: "geo-refresh-allow",
        env: "SPRAG_GEO_REFRESH_ALLOW",
        placeholder: "COUNTRIES",
        help: "From where sessions may be refreshed, in the place of geo-allow, which then is for log-ins alone; or any.",
        default: Fallback::Derived("as geo-allow"),
        is_secret: false,
        right: "any",
        wrong: "none",
    },
    Setting {
        name: "geo-refresh-deny",
        env: "SPRAG_GEO_REFRESH_DENY",
        placeholder: "COUNTRIES",
        help: "From where sessions may not be refreshed, in the place of geo-deny, which then is for log-ins alone; or none.",
        default: Fallback::Derived("as geo-deny"),
        is_secret: false,
        right: "none",
        wrong: "any",
    },
];

/// Where places are read, and which are let in on every profile.
#[derive(Clone, Debug)]
pub struct Places {
    /// The file of places.
    pub geo_database: Option<PathBuf>,
    /// From where people may log in.
    pub login: Fence,
    /// From where sessions may be refreshed.
    pub refresh: Fence,
}

impl Places {
    pub(super) fn from(chosen: &Chosen) -> Result<Self, ConfigError> {
        let (allowed, denied) = (|text: &str| regions(text, "any"), |text: &str| regions(text, "none"));
        let (allow, deny) = (chosen.typed("geo-allow", allowed)?, chosen.typed("geo-deny", denied)?);
        let refresh = Fence {
            allow: chosen.given("geo-refresh-allow", allowed)?.unwrap_or_else(|| allow.clone()),
            deny: chosen.given("geo-refresh-deny", denied)?.unwrap_or_else(|| deny.clone()),
        };
        let geo_database =
            chosen.given("geo-database", |text| value::file(text, "/var/lib/GeoIP/GeoLite2-City.mmdb"))?;
        Ok(Self { geo_database, login: Fence { allow, deny }, refresh })
    }
}

/// A list of regions; none, where the word for that stands in its place.
fn regions(text: &str, nothing: &str) -> Parsed<Vec<Region>> {
    if text.trim().eq_ignore_ascii_case(nothing) {
        return Ok(Vec::new());
    }
    let regions = text.split(',').map(str::parse).collect::<Result<Vec<Region>, String>>();
    regions.map_err(|wrong| format!("{wrong}; or {nothing}, where there is no such list"))
}

//! Where requests come from: what an operator's files say of addresses, and which places are let in.
//!
//! [`GeoDatabase`] is a file of places in MaxMind's format, [`AddressList`] a list of addresses to beware of. Both are read
//! again when they change, and stay as they were where the new one is broken. [`Fence`] says which places are let in, and
//! `Turned` counts those that were not. Without a file nothing is known of any place.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use sprag::place::{Country, Location, Whereabouts};
use sprag::session::SessionDetail;

mod addresses;
mod database;
mod fence;
mod record;
mod turned;
mod watched;

pub use addresses::AddressList;
pub use database::GeoDatabase;
pub use fence::{Fence, Fences, Region, Whence};
pub(crate) use turned::Turned;
pub use watched::Looked;
use watched::{About as _, Watched};

use crate::device;

/// What is known of places and devices, and what was refused for its place.
#[derive(Debug, Default)]
pub struct Places {
    geo: Option<Watched<GeoDatabase>>,
    listed: Option<Watched<AddressList>>,
    pub(crate) turned: Turned,
}

/// What people read of where a session was opened, besides what is kept of it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct OpenedAt {
    /// What they would call its device: by the name that its user gave it, or what its client comes to.
    pub label: Option<String>,
    /// The country of its address.
    pub country: Option<Country>,
    /// The city of its address.
    pub city: Option<String>,
}

impl OpenedAt {
    /// The place, as people write it: `Berlin, DE`.
    #[must_use]
    pub fn place(&self) -> Option<String> {
        let country = self.country.map(|country| country.to_string());
        let parts: Vec<String> = self.city.iter().cloned().chain(country).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

impl Places {
    /// Reads the files that are named.
    ///
    /// # Errors
    /// One of them cannot be read, or is none of its kind; the message says which, why, and what to do.
    pub fn read(geo: Option<&Path>, listed: Option<&Path>) -> anyhow::Result<Self> {
        let geo = geo.map(|path| Watched::read(path, GeoDatabase::read)).transpose()?;
        let listed = listed.map(|path| Watched::read(path, AddressList::read)).transpose()?;
        Ok(Self { geo, listed, turned: Turned::default() })
    }

    /// As [`read`](Self::read), for a command beside the server: a file that is broken is told of, and nothing is known by it.
    #[must_use]
    pub fn read_or_tell(geo: Option<&Path>) -> Self {
        Self::read(geo, None).unwrap_or_else(|error| {
            tracing::warn!("{error:#}; countries are not shown");
            Self::default()
        })
    }

    /// Whether countries are known at all.
    #[must_use]
    pub fn knows_countries(&self) -> bool {
        self.geo.is_some()
    }

    /// What the file of places says of itself, where there is one.
    #[must_use]
    pub fn geo(&self) -> Option<String> {
        self.geo.as_ref().map(|geo| geo.current().about())
    }

    /// Reads again what has changed of the files.
    pub fn look(&self) {
        if let Some(geo) = &self.geo {
            geo.look();
        }
        if let Some(listed) = &self.listed {
            listed.look();
        }
    }

    /// Whether a file is looked at again and again.
    #[must_use]
    pub(crate) fn has_files(&self) -> bool {
        self.geo.is_some() || self.listed.is_some()
    }

    /// What people read of where a session was opened.
    #[must_use]
    pub fn opened_at(&self, detail: &SessionDetail) -> OpenedAt {
        self.each_opened_at(std::iter::once(detail)).pop().unwrap_or_default()
    }

    /// As [`opened_at`](Self::opened_at), for each of them; most of a person's devices are of few kinds.
    #[must_use]
    pub fn each_opened_at<'a>(&self, details: impl Iterator<Item = &'a SessionDetail>) -> Vec<OpenedAt> {
        let mut labels: BTreeMap<&str, Option<String>> = BTreeMap::new();
        let opened_at = |detail: &'a SessionDetail| {
            let place = self.of(detail.ip.as_deref());
            let (country, city) = place.map(|place| (place.country, place.city)).unwrap_or_default();
            let mut by_client =
                |agent: &'a str| labels.entry(agent).or_insert_with(|| device::label(agent)).clone();
            let label =
                detail.device.clone().or_else(|| detail.user_agent.as_deref().and_then(&mut by_client));
            OpenedAt { label, country, city }
        };
        details.map(opened_at).collect()
    }

    /// The place of an address as it is written.
    #[must_use]
    pub fn of(&self, address: Option<&str>) -> Option<Location> {
        self.place(address?.parse().ok()?)
    }

    /// From where an address is, as fences see it.
    #[must_use]
    pub fn whence(&self, address: Option<IpAddr>) -> Whence {
        match address {
            Some(address) if sprag::place::is_local(address) => Whence::Local,
            Some(address) => {
                self.place(address).and_then(|place| place.country).map_or(Whence::Unknown, Whence::In)
            }
            None => Whence::Unknown,
        }
    }
}

impl Whereabouts for Places {
    fn place(&self, address: IpAddr) -> Option<Location> {
        self.geo.as_ref()?.current().place(address.to_canonical())
    }

    fn knows_places(&self) -> bool {
        self.geo.is_some()
    }

    fn device(&self, user_agent: &str) -> Option<String> {
        device::label(user_agent)
    }

    fn is_listed(&self, address: IpAddr) -> bool {
        self.listed.as_ref().is_some_and(|listed| listed.current().has(address))
    }
}

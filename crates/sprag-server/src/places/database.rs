//! A file of places in MaxMind's format: GeoLite2, GeoIP2, DB-IP, IP2Location, IPinfo.
//!
//! It is kept in memory as it is on the disk. Whoever writes such files does so with care, but it is a stranger's file all
//! the same: what cannot be read of it is as what it does not have.

use std::fmt;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use anyhow::{Context as _, bail};
use maxminddb::{Reader, WithinOptions};
use sprag::files::{self, FileFault};
use sprag::place::Location;
use sprag::text;

use super::record::Record;
use super::watched::About;
use crate::moment;

/// The largest file that is read. Those of cities have some 150 MiB.
const MOST_MIB: u64 = 1024;

/// How many of its networks are looked through for a country before there is said to be none.
const LOOKED_THROUGH: usize = 20_000;

/// How much of what a file calls itself is repeated, in bytes.
const MOST_REPEATED: usize = 60;

/// A file of places, in memory.
pub struct GeoDatabase(Reader<Vec<u8>>);

impl GeoDatabase {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, is no such file or a broken one, or has no countries in it.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let bytes =
            bytes(path).with_context(|| format!("could not read the geo-database {}", path.display()))?;
        Self::of(bytes).with_context(|| format!("could not use the geo-database {}", path.display()))
    }

    /// What its bytes say.
    ///
    /// # Errors
    /// They are no such file or a broken one, or have no countries in them.
    pub fn of(bytes: Vec<u8>) -> anyhow::Result<Self> {
        const WHERE_FROM: &str =
            "download it again, whole and unpacked: a file that ends in .mmdb, of cities or countries";
        let is_packed = bytes.starts_with(&[0x1f, 0x8b]) || bytes.starts_with(b"PK");
        let reader = match Reader::from_source(bytes) {
            Ok(reader) => reader,
            Err(_) if is_packed => {
                bail!("it is an archive; unpack it, and name the .mmdb file that is in it")
            }
            Err(error) => {
                bail!("it is no file in MaxMind's format, or not all of one ({error}); {WHERE_FROM}")
            }
        };
        let database = Self(reader);
        if let Some(error) = database.fault() {
            bail!("it is broken ({error}); {WHERE_FROM}");
        }
        if !database.has_countries() {
            bail!("it is {}, which has no countries in it; {WHERE_FROM}", database.about());
        }
        Ok(database)
    }

    /// The place of an address.
    #[must_use]
    pub fn place(&self, address: IpAddr) -> Option<Location> {
        let record: Record<'_> = self.0.lookup(address).ok()?.decode().ok()??;
        record.place()
    }

    /// What is wrong with it, as far as a look at addresses from all over shows.
    fn fault(&self) -> Option<maxminddb::MaxMindDbError> {
        let addresses = (1..=223_u8).flat_map(|first| [0, 85, 170].map(|second| [first, second, 1, 1]));
        addresses.into_iter().find_map(|address| {
            let found = self.0.lookup(IpAddr::from(Ipv4Addr::from(address)));
            found.and_then(|found| found.decode::<Record<'_>>()).err()
        })
    }

    fn has_countries(&self) -> bool {
        let Ok(networks) = self.0.networks(WithinOptions::default()) else { return false };
        let mut records = networks.take(LOOKED_THROUGH).flatten();
        records.any(|found| {
            let record = found.decode::<Record<'_>>().ok().flatten();
            record.and_then(|record| record.place()).is_some_and(|place| place.country.is_some())
        })
    }
}

impl About for GeoDatabase {
    fn about(&self) -> String {
        let about = self.0.metadata();
        let made = i64::try_from(about.build_epoch).unwrap_or_default().saturating_mul(1000);
        let made = moment::rfc3339(sprag::clock::Timestamp(made));
        let day = made.split('T').next().unwrap_or_default();
        format!("{} of {day}", text::label(&about.database_type, MOST_REPEATED))
    }
}

impl fmt::Debug for GeoDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GeoDatabase").field(&self.about()).finish()
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, FileFault> {
    let mut bytes = Vec::new();
    let file = files::open(path)?;
    // Room for all of it at once: grown by doubling, it would take twice that for a moment.
    bytes.reserve_exact(file.metadata().map_or(0, |about| about.len().min(MOST_MIB << 20)) as usize + 1);
    file.take((MOST_MIB << 20) + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 {
        0 => Err(FileFault::Empty),
        length if length > MOST_MIB << 20 => Err(FileFault::TooLarge(MOST_MIB << 10)),
        _ => Ok(bytes),
    }
}

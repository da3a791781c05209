//! Which migrations a database has, and whether this build can use it.
//!
//! A migration changes the schema while nodes of the build before are still running, so it comes in two: one that
//! expands (adds what the new build needs and leaves everything the old one uses), and, a release later, one that
//! contracts (removes what only the old one used). A migration's name says which builds may run beside it:
//! `V3__needs_2_devices` may be applied while builds run that know V2; without `needs_…`, only builds that know the
//! migration itself can use the database.

use std::fmt::Display;

use refinery_core::{Migration, Runner};

use crate::error::Fault;

/// A migration that has been applied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Migrated {
    /// Its number.
    pub version: i64,
    /// Its name.
    pub name: String,
}

/// A line of the schema's history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Applied {
    pub(super) version: i64,
    pub(super) name: String,
    pub(super) checksum: String,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Mismatch {
    #[error("{0} holds tables, and nothing tells that they are Sprag's; choose another path")]
    Foreign(String),
    #[error("migration V{0}__{1} has not been applied; run `sprag migrate`")]
    Lacking(i64, String),
    #[error(
        "there is no store in it yet, for migration V{0}__{1} has not been applied; look whether it is the one you mean, or \
         make a store there with: sprag migrate --create"
    )]
    New(i64, String),
    #[error(
        "migration V{0}__{1} is not known to this build, which cannot run beside it; run the newer build of sprag that \
         applied it, or go back to a backup from before"
    )]
    TooNew(i64, String),
    #[error(
        "migration V{0}__{1} was applied with other content than this build's; run the build that applied it"
    )]
    Differs(i64, String),
}

/// The migrations of one engine, by file name and content. One that has been released is never edited.
pub(super) type Migrations = [(&'static str, &'static str)];

/// The embedded migrations as the library for them reads them.
pub(super) fn read(migrations: &Migrations) -> Vec<Migration> {
    let read = migrations.iter().map(|(name, sql)| {
        Migration::unapplied(name, sql).expect("the embedded migrations are named V<number>__<name>")
    });
    read.collect()
}

pub(super) fn expected(migrations: &Migrations) -> Vec<Applied> {
    let migrations = Runner::new(&read(migrations)).get_migrations().clone();
    let lines = migrations.iter().map(|migration| Applied {
        version: migration.version().into(),
        name: migration.name().to_owned(),
        checksum: migration.checksum().to_string(),
    });
    lines.collect()
}

/// Refuses a schema that this build cannot use.
pub(super) fn expect_usable(migrations: &Migrations, schema: &[Applied]) -> Result<(), Fault> {
    refuse_newer(migrations, schema)?;
    let expected = expected(migrations);
    match expected.iter().find(|migration| !schema.contains(migration)) {
        Some(Applied { version, name, .. }) if schema.is_empty() => {
            Err(mismatch(Mismatch::New(*version, name.clone())))
        }
        Some(Applied { version, name, .. }) => Err(mismatch(Mismatch::Lacking(*version, name.clone()))),
        None => Ok(()),
    }
}

/// Refuses a schema that a newer build has made unfit for this one, or that differs from what this one knows.
pub(super) fn refuse_newer(migrations: &Migrations, schema: &[Applied]) -> Result<(), Fault> {
    let expected = expected(migrations);
    let known = expected.iter().map(|migration| migration.version).max().unwrap_or(0);
    for Applied { version, name, checksum } in schema {
        let found = match expected.iter().find(|migration| migration.version == *version) {
            None if needs(name).is_some_and(|needed| needed <= known) => continue,
            None => Mismatch::TooNew(*version, name.clone()),
            Some(own) if own.checksum != *checksum => Mismatch::Differs(*version, name.clone()),
            Some(_) => continue,
        };
        return Err(mismatch(found));
    }
    Ok(())
}

/// The oldest migration that a build must know to run beside this one.
fn needs(name: &str) -> Option<i64> {
    let (number, _) = name.strip_prefix("needs_")?.split_once('_')?;
    number.parse().ok()
}

fn mismatch(found: Mismatch) -> Fault {
    Fault::unavailable("use the database", found)
}

/// A database of something else.
pub(super) fn foreign(place: impl Display) -> Fault {
    Fault::unavailable("migrate the database", Mismatch::Foreign(place.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &Migrations = &[("V1__sessions", "create table a (x int)"), ("V2__needs_1_b", "select 1")];

    fn with(version: i64, name: &str) -> Vec<Applied> {
        let mut schema = expected(KNOWN);
        schema.push(Applied { version, name: name.to_owned(), checksum: "1".to_owned() });
        schema
    }

    #[test]
    fn a_build_runs_beside_a_newer_schema_exactly_where_its_name_allows_it() {
        assert!(expect_usable(KNOWN, &expected(KNOWN)).is_ok());
        for (name, is_usable) in [
            ("needs_2_devices", true),
            ("needs_1_devices", true),
            ("needs_3_devices", false),
            ("devices", false),
            ("needs_devices", false),
            ("needs_2", false),
        ] {
            assert_eq!(expect_usable(KNOWN, &with(3, name)).is_ok(), is_usable, "{name}");
        }
    }

    #[test]
    fn what_lacks_or_differs_is_refused_by_name() {
        let told = |schema: &[Applied]| expect_usable(KNOWN, schema).unwrap_err().source.unwrap().to_string();
        assert!(told(&expected(KNOWN)[..1]).contains("V2__needs_1_b has not been applied"));
        let mut other = expected(KNOWN);
        other[0].checksum = "1".to_owned();
        assert!(told(&other).contains("V1__sessions was applied with other content"));
    }
}

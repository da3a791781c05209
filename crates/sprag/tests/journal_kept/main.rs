//! A journal that was cut, or made to forget people, still shows tampering, on each store.
#![cfg(all(feature = "sqlite", feature = "postgres"))]

mod cuts;
mod erasure;
mod ledger;

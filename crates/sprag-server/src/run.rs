//! Running a server: what a configuration comes to, where its keys and its store are, and what it does by itself.

pub mod accepted;
mod brand;
pub mod database;
pub mod exposed_files;
pub(crate) mod first_process;
pub mod high_water;
pub mod jobs;
pub mod keeper;
pub mod logs;
pub mod memory_dumps;
pub mod node;
pub(crate) mod numbering;
pub(crate) mod open_files;
mod overrides;
pub(crate) mod passkeys;
pub(crate) mod reload;
pub mod ring_file;
pub mod ring_watch;
pub mod traces;

//! The real binary, from outside: in a folder of its own, told over HTTP, killed, and starved of disk.
//!
//! Only Cargo knows where the binary lies, and tells it to the test programs of `sprag-server` alone
//! (`CARGO_BIN_EXE_sprag`), so that whoever starts one hands the path in.

pub mod bad_disk;
pub mod checker;
pub mod disk_state;
pub mod framing;
pub mod late;
pub mod load;
pub mod log_ins;
pub mod people;
pub mod random;
pub mod server;
pub mod token;
pub mod wire;

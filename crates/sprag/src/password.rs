//! stub
/// x
pub const MIN_BYTES: usize = 8;
/// x
pub const MAX_BYTES: usize = 1024;

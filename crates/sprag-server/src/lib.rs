//! x

pub mod openapi;
pub mod profile;

//! The real binary, three times over one real PostgreSQL.

pub mod cluster;
pub mod database_state;
pub mod load;

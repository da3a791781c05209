//! Names that led to somebody once.

use async_trait::async_trait;

use super::MemoryStore;
use crate::error::Fault;
use crate::store::{HeldNames, NameHash};

#[async_trait]
impl HeldNames for MemoryStore {
    async fn was_held(&self, hashes: Vec<NameHash>) -> Result<bool, Fault> {
        let tables = self.tables();
        Ok(hashes.iter().any(|hash| tables.held_names.contains(hash)))
    }
}

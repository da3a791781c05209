//! Looking whether the files that tell of addresses have changed.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::task::spawn_blocking;

use super::Work;
use crate::places::Places;

/// Reads again what has changed of the files that tell of addresses.
pub(super) struct LookAtPlaces(pub(super) Arc<Places>);

#[async_trait]
impl Work for LookAtPlaces {
    async fn run(&mut self) {
        let places = Arc::clone(&self.0);
        // Such a file may have a hundred megabytes, and answers go on meanwhile.
        if spawn_blocking(move || places.look()).await.is_err() {
            tracing::error!(
                "a defect stopped a look at the files of places; what they said before still counts"
            );
        }
    }
}

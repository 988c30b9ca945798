//! The digest of a whole blob, where the source told it.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

use super::{Blob, Found};
use crate::BlobError;

impl Blob {
    /// Whether the kept segments are what the source told of the whole; also where it told nothing. Where it told another
    /// digest, the blob ends. Reads every segment.
    pub(super) async fn is_as_told(self: &Arc<Self>) -> bool {
        let Some(told) = self.manifest().sha256 else { return true };
        match self.sha256().await {
            Some(found) if found == told => true,
            Some(_) => {
                self.end(&BlobError::changed("its SHA-256 is not the one that the source told"));
                false
            }
            None => false,
        }
    }

    /// The digest over all segments in order; `None` when one is missing.
    async fn sha256(&self) -> Option<[u8; 32]> {
        let segments = self.manifest().segments()?;
        let mut hasher = Sha256::new();
        for index in 0..segments {
            let Found::Body(body) = self.read_segment(index).await else { return None };
            // Milliseconds for each.
            let work = spawn_blocking(move || {
                hasher.update(&body);
                hasher
            });
            hasher = work.await.ok()?;
        }
        Some(hasher.finalize().into())
    }
}

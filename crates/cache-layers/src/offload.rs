//! Work on bytes, done where it holds nobody up.

use std::sync::Arc;
use std::thread;

use cache_core::{Error, ErrorKind, Result};
use tokio::sync::Semaphore;

/// From this many bytes on, work leaves the runtime's workers.
const OFFLOAD: u64 = 64 << 10;

/// How many pieces of long work run at once.
#[derive(Debug)]
pub(crate) struct Workers(Arc<Semaphore>);

impl Workers {
    /// At least one.
    pub(crate) fn new(count: usize) -> Self {
        Self(Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS))))
    }

    pub(crate) fn one_for_each_core() -> Self {
        Self::new(thread::available_parallelism().map_or(1, std::num::NonZero::get))
    }

    /// Does `work` over `bytes` bytes: in place when they are few, on tokio's threads for blocking work otherwise. Work
    /// that has begun there ends by itself when its caller leaves.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        bytes: u64,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        if bytes < OFFLOAD {
            return Ok(work());
        }
        let turn = self.0.clone().acquire_owned().await.map_err(|error| {
            Error::new(ErrorKind::Internal, "the workers of this layer are gone").with_source(error)
        })?;
        // The turn goes with the work, which a caller that leaves does not stop.
        let work = move || {
            let _turn = turn;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| {
            let (kind, message) = if error.is_panic() {
                (ErrorKind::Internal, "the work of a layer panicked: please report it")
            } else {
                (ErrorKind::Unavailable, "the runtime is shutting down")
            };
            Error::new(kind, message).with_source(error)
        })
    }
}

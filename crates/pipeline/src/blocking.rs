//! File work moved off the runtime's workers.

use cache_core::{Error, ErrorKind, Result};

/// Runs `work` on the blocking pool. Dropping the future does not stop work that has begun.
pub(crate) async fn run<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_cancelled() => Err(Error::new(ErrorKind::Closed, "the runtime is shutting down")),
        Err(error) => Err(Error::new(ErrorKind::Internal, "file work panicked").with_source(error)),
    }
}

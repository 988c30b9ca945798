//! Panics of backends and loaders turned into errors.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;

use cache_core::{Error, ErrorKind, Result};
use futures_util::FutureExt;

/// Runs `work`; its panic is an error of kind [`ErrorKind::Internal`].
pub(crate) async fn guarded<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| {
        let message = format!("a panic: {}", panic_message(&*panic));
        Err(Error::new(ErrorKind::Internal, message))
    })
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}

//! Panics of backends, loaders and jobs turned into errors.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use cache_core::{Error, ErrorKind, Result};
use futures_util::FutureExt;

/// Runs `work`; its panic is an error of kind [`ErrorKind::Internal`].
pub(crate) async fn guarded<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| {
        let message = format!("a panic: {}", panic_message(&*panic));
        discard(panic);
        Err(Error::new(ErrorKind::Internal, message))
    })
}

/// As [`guarded`], and a panic of `work` where it is dropped, half done or done, goes no further. Costs an allocation.
pub(crate) async fn contained<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let mut work = Contained(Some(Box::pin(work)));
    guarded(poll_fn(|context| work.poll(context))).await
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}

/// Drops what a panic carried, which may panic in turn.
pub(crate) fn discard(panic: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        // Whatever panics as it is dropped is better kept than dropped again.
        std::mem::forget(again);
    }
}

/// A future whose drop does not panic.
struct Contained<F>(Option<Pin<Box<F>>>);

impl<F: Future> Contained<F> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<F::Output> {
        self.0.as_mut().map_or(Poll::Pending, |work| work.as_mut().poll(context))
    }
}

impl<F> Drop for Contained<F> {
    fn drop(&mut self) {
        let work = self.0.take();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(work))) {
            tracing::warn!(panic = panic_message(&*panic), "work that was stopped panicked as it was dropped");
            discard(panic);
        }
    }
}

//! `Decoy`: a task that does nothing, and lets commands queue up by being woken.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// A task that does nothing. Dropping it ends the task.
///
/// The library writes at once what has queued up for a connection. But the runtime runs its task next when a caller has
/// sent a command, so that it finds just that one. Waking another task puts that task behind the callers that are ready
/// to run, and it writes for all of them.
#[derive(Debug)]
pub(super) struct Decoy {
    wake: Arc<Notify>,
    task: AbortHandle,
}

impl Decoy {
    pub(super) fn start() -> Self {
        let wake = Arc::new(Notify::new());
        let woken = wake.clone();
        let task = tokio::spawn(async move {
            loop {
                woken.notified().await;
            }
        });
        Self { wake, task: task.abort_handle() }
    }

    /// Awaits `command`, which its first poll sends, and lets others queue up behind it if there is a `decoy`.
    pub(super) async fn share_write<T>(decoy: Option<&Self>, command: impl Future<Output = T>) -> T {
        let mut command = pin!(command);
        let sent = std::future::poll_fn(|context| Poll::Ready(command.as_mut().poll(context))).await;
        if let Poll::Ready(answer) = sent {
            return answer;
        }
        if let Some(decoy) = decoy {
            decoy.wake.notify_one();
        }
        command.await
    }
}

impl Drop for Decoy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

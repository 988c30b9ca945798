//! Runtimes for bodies that ask what is asynchronous.

use std::future::pending;
use std::sync::LazyLock;
use std::time::Duration;

use cache_core::HOUR;
use parking_lot::Mutex;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

/// Longer than any task lingers.
const LINGERING: Duration = HOUR;

/// Runs `work` on a runtime of its own, which ends with all of its tasks. Its time stands still while anything can go on
/// without it, and then jumps: no limit of time is waited for.
pub(crate) fn alone<T>(work: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let done = work.await;
        // Tasks that linger end by themselves: what they hold adds up, over many inputs, when a runtime ends before them.
        _ = timeout(LINGERING, pending::<()>()).await;
        done
    })
}

/// Runs `work` on the one runtime of all that have connections to keep.
pub(crate) fn shared<T>(work: impl Future<Output = T>) -> T {
    static SHARED: LazyLock<Mutex<Runtime>> =
        LazyLock::new(|| Mutex::new(Builder::new_current_thread().enable_all().build().expect("a runtime")));
    SHARED.lock().block_on(work)
}

/// Runs `work`, which makes connections, on a runtime of its own, which ends with all of its tasks and connections.
pub(crate) fn connected<T>(work: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

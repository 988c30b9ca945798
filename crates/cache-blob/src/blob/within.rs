//! `within`: a wait with a limit that counts only while nothing has come, however late somebody looks.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

/// Wakes who waits, and knows when it did.
#[derive(Debug, Default)]
struct Bell(Mutex<Rope>);

#[derive(Debug, Default)]
struct Rope {
    waker: Option<Waker>,
    rung: Option<Instant>,
}

/// Waits for `work`, and says for how long it made its waiter wait. `None` when that exceeds `limit`.
///
/// Time between a wake and the next poll is that of the waiter: it may be a player that is paused.
pub(super) async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> (Option<T>, Duration) {
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(bell.clone());
    let (mut work, mut alarm) = (pin!(work), pin!(sleep(limit)));
    let (mut waited, mut since) = (Duration::ZERO, None::<Instant>);
    let done = poll_fn(|context| {
        let rung = bell.listen(context.waker());
        if let Some(since) = since.take() {
            let until = rung.unwrap_or_else(Instant::now);
            waited = waited.saturating_add(until.saturating_duration_since(since));
        }
        if let Poll::Ready(done) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Poll::Ready(Some(done));
        }
        if waited >= limit {
            return Poll::Ready(None);
        }
        since = Some(Instant::now());
        alarm.set(sleep(limit.saturating_sub(waited)));
        if alarm.as_mut().poll(context).is_ready() {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    });
    let done = done.await;
    (done, waited)
}

impl Bell {
    /// From here on `waker` is woken; when it rang before, if it did.
    fn listen(&self, waker: &Waker) -> Option<Instant> {
        let mut rope = self.0.lock();
        match &mut rope.waker {
            Some(held) => held.clone_from(waker),
            None => rope.waker = Some(waker.clone()),
        }
        rope.rung.take()
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let waker = {
            let mut rope = self.0.lock();
            rope.rung.get_or_insert_with(Instant::now);
            rope.waker.clone()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use futures_util::FutureExt;
    use tokio::time::timeout;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    async fn pass(time: Duration) {
        drop(timeout(time, pending::<()>()).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_at_its_limit() {
        let (got, waited) = within(3 * SECOND, pending::<()>()).await;
        assert!(got.is_none() && (3 * SECOND..4 * SECOND).contains(&waited), "{waited:?}");
        let (got, waited) = within(Duration::MAX, pass(5 * SECOND)).await;
        assert!(got.is_some() && (5 * SECOND..6 * SECOND).contains(&waited), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nobody_looks_for_what_is_there_does_not_count() {
        let steps = async {
            pass(SECOND).await;
            pass(SECOND).await;
        };
        let mut wait = pin!(within(3 * SECOND, steps));
        for _ in 0..2 {
            assert!(wait.as_mut().now_or_never().is_none());
            pass(60 * SECOND).await;
        }
        let (got, waited) = wait.await;
        assert!(got.is_some() && (2 * SECOND..3 * SECOND).contains(&waited), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_gives_nothing_while_nobody_looks_is_waited_for() {
        let mut wait = pin!(within(3 * SECOND, pending::<()>()));
        assert!(wait.as_mut().now_or_never().is_none());
        pass(60 * SECOND).await;
        assert!(wait.as_mut().now_or_never().is_some_and(|(got, _)| got.is_none()));
    }
}

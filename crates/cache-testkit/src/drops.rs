//! `drops`: futures polled a number of times, then dropped.

mod methods;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::timeout;

pub use methods::check_dropped_methods;

/// How long one case of [`for_each_drop_point`] may take, on tokio's clock.
const LIMIT: Duration = Duration::from_mins(10);

/// An instant in the life of a future.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DropPoint {
    /// How many polls it gets.
    pub polls: usize,
    /// Whether it is then left alone until it is woken: what it waited for has happened, and it has not taken notice.
    pub woken: bool,
}

impl DropPoint {
    /// Before the first poll.
    pub const FIRST: Self = Self { polls: 0, woken: false };

    /// The next one: between two polls there are the instants before and after the wake.
    #[must_use]
    pub const fn next(self) -> Self {
        if self.polls == 0 || self.woken {
            Self { polls: self.polls + 1, woken: false }
        } else {
            Self { polls: self.polls, woken: true }
        }
    }
}

/// Runs `future` up to `point` and drops it there; its answer, if it had one by then.
///
/// It is polled when it was woken and not otherwise, so each poll is one that it would get from a runtime, and other
/// tasks run in between. It needs a task of its own, or the main future of a runtime: what is polled beside it, as by
/// `join!`, would be taken for its wakes.
pub async fn drop_at<F: Future>(point: DropPoint, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut polls = 0;
    poll_fn(|context| {
        if polls == point.polls {
            return Poll::Ready(None);
        }
        polls += 1;
        match future.as_mut().poll(context) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending if polls == point.polls && !point.woken => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Polls `future` up to `polls` times, each time when it was woken, and drops it right after the last; its answer, if
/// it had one by then. Otherwise as [`drop_at`].
pub async fn drop_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    drop_at(DropPoint { polls, woken: false }, future).await
}

/// Runs `case` for one drop point after another until it answers that its future has ended before the point; how many
/// points there were.
///
/// The case makes what it tests afresh, calls [`drop_at`] with the point, checks what it likes, and answers whether
/// there was an answer. Run it on a paused clock: waits cost nothing then, and who waits forever is found out.
///
/// ```
/// # use cache_testkit::{drop_at, for_each_drop_point};
/// # use tokio::sync::Semaphore;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let points = for_each_drop_point(100, async |point| {
///     let places = Semaphore::new(1);
///     let work = async {
///         let _place = places.acquire().await;
///         tokio::task::yield_now().await;
///     };
///     let answer = drop_at(point, work).await;
///     assert_eq!(places.available_permits(), 1);
///     answer.is_some()
/// });
/// assert_eq!(points.await, 3);
/// # }
/// ```
///
/// # Panics
/// When a case takes more than ten minutes, or the future has not ended by the `limit`-th point; both name the point.
pub async fn for_each_drop_point(limit: usize, mut case: impl AsyncFnMut(DropPoint) -> bool) -> usize {
    let mut point = DropPoint::FIRST;
    for points in 0..limit {
        let ended = timeout(LIMIT, case(point)).await;
        assert!(ended.is_ok(), "the case at {point:?} waits forever");
        if ended == Ok(true) {
            return points;
        }
        point = point.next();
    }
    assert!(limit == 0, "the future has not ended at {point:?}");
    0
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Notify;
    use tokio::task::yield_now;

    use super::*;

    async fn yields(times: usize) -> usize {
        for _ in 0..times {
            yield_now().await;
        }
        times
    }

    #[tokio::test]
    async fn a_future_gets_as_many_polls_as_it_may_have() {
        assert_eq!(drop_after(0, yields(0)).await, None);
        assert_eq!(drop_after(1, yields(0)).await, Some(0));
        assert_eq!(drop_after(3, yields(3)).await, None);
        assert_eq!(drop_after(4, yields(3)).await, Some(3));
    }

    #[tokio::test]
    async fn a_future_is_polled_only_when_it_was_woken() {
        let notify = Arc::new(Notify::new());
        let late = notify.clone();
        tokio::spawn(async move {
            yields(10).await;
            late.notify_one();
        });
        assert_eq!(drop_after(2, notify.notified()).await, Some(()));
    }

    #[tokio::test]
    async fn a_future_can_be_dropped_with_its_wake_unnoticed() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        tokio::spawn(async move { sender.send(1) });
        let mut receiver = Box::pin(receiver);
        assert_eq!(drop_at(DropPoint { polls: 1, woken: true }, &mut receiver).await, None);
        assert_eq!(drop_after(1, receiver).await, Some(Ok(1)));
    }

    #[tokio::test]
    async fn every_point_is_tried_until_the_future_ends() {
        let mut tried = Vec::new();
        let points = for_each_drop_point(100, async |point| {
            tried.push((point.polls, point.woken));
            drop_at(point, yields(2)).await.is_some()
        });
        assert_eq!(points.await, 5);
        assert_eq!(tried, [(0, false), (1, false), (1, true), (2, false), (2, true), (3, false)]);
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "waits forever")]
    async fn a_case_that_waits_forever_is_found() {
        for_each_drop_point(100, async |point| drop_at(point, std::future::pending::<()>()).await.is_some()).await;
    }

    #[tokio::test]
    #[should_panic(expected = "has not ended")]
    async fn a_future_that_does_not_end_by_the_limit_is_found() {
        for_each_drop_point(4, async |point| drop_at(point, yields(9)).await.is_some()).await;
    }
}

//! Rules of the queue, with writers that can be held.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::runtime::Builder;
use tokio::task::{JoinSet, unconstrained};
use tokio::time::timeout;

use super::*;

const LONG: Duration = Duration::from_secs(30);

/// Doubles numbers; panics at [`BAD`](Self::BAD).
#[derive(Debug, Clone, Default)]
struct Doubler(Arc<Seen>);

#[derive(Debug, Default)]
struct Seen {
    is_held: Mutex<bool>,
    free: Condvar,
    groups: Mutex<Vec<Vec<u64>>>,
    steps: AtomicUsize,
    finished: AtomicUsize,
}

impl Doubler {
    const BAD: u64 = 13;

    fn hold(&self, held: bool) {
        *self.0.is_held.lock() = held;
        self.0.free.notify_all();
    }

    fn start(&self) -> WriteQueue<Self> {
        WriteQueue::start("test", 1 << 20, self.clone(), || {}).unwrap()
    }

    fn seen(&self) -> Vec<u64> {
        self.0.groups.lock().concat()
    }
}

impl GroupWriter for Doubler {
    type Request = u64;
    type Answer = u64;

    fn carry_out(&mut self, requests: &[u64]) -> Vec<Result<u64>> {
        self.0.groups.lock().push(requests.to_vec());
        let mut held = self.0.is_held.lock();
        while *held {
            self.0.free.wait(&mut held);
        }
        assert!(!requests.contains(&Self::BAD), "a panic that was asked for");
        requests.iter().map(|number| Ok(2 * number)).collect()
    }

    fn catch_up(&mut self) -> bool {
        self.0.steps.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }

    fn finish(&mut self) {
        self.0.finished.fetch_add(1, Ordering::SeqCst);
    }
}

/// Looks once, without the bound on what one task may do.
fn poll<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    std::pin::pin!(unconstrained(future)).poll(&mut Context::from_waker(Waker::noop()))
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    timeout(LONG, future).await.unwrap()
}

#[tokio::test]
async fn what_one_task_queues_is_carried_out_in_that_order() {
    let writer = Doubler::default();
    let queue = writer.start();
    let mut queued = Vec::new();
    for number in 100..400 {
        queued.push(queue.enqueue(number, 0).await.unwrap());
    }
    for (number, pending) in (100..400).zip(queued) {
        assert_eq!(in_time(pending.answer()).await.unwrap(), 2 * number);
    }
    assert_eq!(writer.seen(), (100..400).collect::<Vec<_>>());
}

#[tokio::test]
async fn requests_that_wait_together_are_one_group_up_to_its_bounds() {
    let writer = Doubler::default();
    let queue = writer.start();
    writer.hold(true);
    let mut queued = vec![queue.enqueue(0, 0).await.unwrap()];
    while writer.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    for number in 100..400 {
        queued.push(queue.enqueue(number, 0).await.unwrap());
    }
    for number in 400..404 {
        queued.push(queue.enqueue(number, 512 << 10).await.unwrap());
    }
    writer.hold(false);
    in_time(queue.close()).await;
    let groups: Vec<_> = writer.0.groups.lock().iter().map(Vec::len).collect();
    // The third ends with the body that brings it to 1 MiB.
    assert_eq!(groups, [1, 256, 46, 2]);
}

#[tokio::test]
async fn no_more_than_its_bounds_waits() {
    let writer = Doubler::default();
    let queue = writer.start();
    writer.hold(true);
    let mut calls: Vec<_> = (100..1_000).map(|number| Box::pin(queue.write(number, 1))).collect();
    assert!(calls.iter_mut().all(|call| poll(call.as_mut()).is_pending()));
    // Those that were not queued are dropped, the others are carried out.
    drop(calls);
    writer.hold(false);
    in_time(queue.close()).await;
    assert_eq!(writer.seen().len(), 512);
}

#[tokio::test]
async fn bodies_are_bounded_by_their_bytes() {
    let writer = Doubler::default();
    let queue = writer.start();
    writer.hold(true);
    let mut calls: Vec<_> = (100..103).map(|number| Box::pin(queue.enqueue(number, 64 << 20))).collect();
    let looks: Vec<_> = calls.iter_mut().map(|call| poll(call.as_mut()).is_ready()).collect();
    assert_eq!(looks, [true, true, false]);
    writer.hold(false);
    let last = calls.pop().unwrap();
    assert_eq!(in_time(in_time(last).await.unwrap().answer()).await.unwrap(), 204);
    // Longer than everything: alone.
    assert_eq!(in_time(queue.write(5, 1 << 30)).await.unwrap(), 10);
}

#[tokio::test]
async fn who_waits_for_a_turn_ends_with_the_queue_and_what_was_queued_is_carried_out() {
    let writer = Doubler::default();
    let queue = writer.start();
    writer.hold(true);
    let mut calls: Vec<_> = (100..1_000).map(|number| Box::pin(queue.write(number, 0))).collect();
    assert!(calls.iter_mut().all(|call| poll(call.as_mut()).is_pending()));
    assert!(poll(Box::pin(queue.close()).as_mut()).is_pending());
    assert_eq!(queue.check().unwrap_err().kind(), ErrorKind::Closed);
    writer.hold(false);
    in_time(queue.close()).await;
    let mut done = Vec::new();
    for call in calls {
        match in_time(call).await {
            Ok(answer) => done.push(answer / 2),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Closed),
        }
    }
    assert_eq!(done, writer.seen());
    assert_eq!(done.len(), 512);
    assert_eq!(writer.0.finished.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_turn_that_is_used_after_the_end_is_refused() {
    let queue = Doubler::default().start();
    let turn = queue.inbox.try_turn().unwrap();
    in_time(queue.close()).await;
    let (reply, answer) = oneshot::channel();
    let late = queue.inbox.push(Waiting { request: 1, len: 0, reply: Some(reply), turn });
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Closed);
    assert!(in_time(answer).await.is_err(), "nobody holds the request");
}

#[tokio::test]
async fn a_panic_answers_those_of_its_group_those_that_wait_and_all_later_ones() {
    let writer = Doubler::default();
    let queue = writer.start();
    writer.hold(true);
    let first = queue.enqueue(Doubler::BAD, 0).await.unwrap();
    while writer.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    let waiting = queue.enqueue(1, 0).await.unwrap();
    writer.hold(false);
    for answer in [in_time(first.answer()).await, in_time(waiting.answer()).await, in_time(queue.write(2, 0)).await] {
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Internal);
    }
    in_time(queue.close()).await;
    assert_eq!(writer.0.finished.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn dropping_the_queue_carries_out_what_waits_then_ends() {
    let writer = Doubler::default();
    let queue = writer.start();
    let mut running = queue.running.clone();
    for number in 100..110 {
        drop(queue.enqueue(number, 0).await.unwrap());
    }
    queue.offer(110);
    drop(queue);
    assert!(in_time(running.changed()).await.is_err());
    assert_eq!(writer.seen(), (100..=110).collect::<Vec<_>>());
    assert_eq!(writer.0.finished.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn work_that_nobody_waits_for_is_done_between_groups_and_ends_with_the_queue() {
    let writer = Doubler::default();
    writer.0.steps.store(3, Ordering::SeqCst);
    let queue = writer.start();
    while writer.0.steps.load(Ordering::SeqCst) > 0 {
        tokio::task::yield_now().await;
    }
    writer.0.steps.store(usize::MAX, Ordering::SeqCst);
    assert_eq!(in_time(queue.write(1, 0)).await.unwrap(), 2);
    in_time(queue.close()).await;
}

#[test]
fn no_request_is_left_without_an_answer_whenever_the_end_comes() {
    let runtime = Builder::new_multi_thread().worker_threads(4).enable_time().build().unwrap();
    for round in 0..1_000_u64 {
        runtime.block_on(async {
            let writer = Doubler::default();
            let queue = Arc::new(writer.start());
            let mut callers = JoinSet::new();
            for number in 100..160 {
                let queue = queue.clone();
                let number = if round % 2 == 1 && number == 100 + round % 60 { Doubler::BAD } else { number };
                callers.spawn(async move { queue.write(number, 64 << 20).await });
            }
            for _ in 0..round % 7 {
                tokio::task::yield_now().await;
            }
            in_time(queue.close()).await;
            let answers = in_time(callers.join_all()).await;
            let done = answers.iter().filter(|answer| answer.is_ok()).count();
            if round % 2 == 0 {
                assert_eq!(done, writer.seen().len(), "round {round}");
            }
        });
    }
}

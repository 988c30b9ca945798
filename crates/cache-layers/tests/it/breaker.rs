//! `Breaker`: opens after failures, lets one probe through, closes when it works.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use cache_core::{Backend, ErrorKind, Key, KeyPrefix, ManualClock, Result};
use cache_layers::{Breaker, BreakerState, Timeout};
use cache_testkit::{Fault, Faulty, NaiveModel, Operation, Plan, entry};
use futures_util::{FutureExt, StreamExt};

use crate::kit::{self, faulty, key, kind, kinds, millis};

const OPEN: Option<ErrorKind> = Some(ErrorKind::BreakerOpen);
const DOWN: Option<ErrorKind> = Some(ErrorKind::Unavailable);

struct Bed {
    inner: Arc<Faulty<NaiveModel>>,
    clock: Arc<ManualClock>,
    layer: Breaker<Arc<Faulty<NaiveModel>>>,
}

impl Bed {
    /// Opens after 3 failures, for 1 to 4 seconds.
    fn new() -> Self {
        let (inner, clock) = (faulty(), kit::clock());
        let layer = Breaker::new(inner.clone()).failures(3).span(millis(1_000)).longest(millis(4_000));
        Self { layer: layer.clock(clock.clone()), inner, clock }
    }

    /// One whose breaker is open while the backend is down.
    async fn open() -> Self {
        let bed = Self::new();
        bed.plan(Fault::Fail(ErrorKind::Unavailable));
        for _ in 0..3 {
            assert_eq!(bed.get().await, DOWN);
        }
        assert_eq!(bed.layer.state(), BreakerState::Open);
        bed
    }

    fn plan(&self, fault: Fault) {
        self.inner.set_plan(Plan::new().all(fault));
    }

    async fn get(&self) -> Option<ErrorKind> {
        kind(self.layer.get(&key("a")).await)
    }
}

#[tokio::test]
async fn failures_in_a_row_open_it_and_an_open_one_asks_nothing() {
    let bed = Bed::open().await;
    let asked = bed.inner.total_calls();
    let a = key("a");
    let mut answers = vec![
        bed.get().await,
        kind(bed.layer.stat(&a).await),
        kind(bed.layer.put(&a, entry(1, "x")).await),
        kind(bed.layer.remove(&a).await),
        kind(bed.layer.renew(&a, entry(1, "").meta.stamp, entry(2, "").meta).await),
        kind(bed.layer.usage().await),
        kind(bed.layer.sweep(cache_testkit::Bench::START, 1).await),
    ];
    answers.extend(kinds(bed.layer.get_many(&[a.clone(), key("b")]).await));
    answers.extend(kinds(bed.layer.put_many(vec![(a, entry(1, "x"))]).await));
    answers.extend(kinds(bed.layer.scan(&KeyPrefix::all()).collect().await));
    assert_eq!(answers, [OPEN; 11]);
    assert_eq!(bed.inner.total_calls(), asked);
    let stats = bed.layer.stats();
    assert_eq!((stats.state, stats.opened, stats.refused), (BreakerState::Open, 1, 10));
}

#[tokio::test]
async fn an_answer_between_failures_ends_the_row() {
    let bed = Bed::new();
    for _ in 0..10 {
        bed.plan(Fault::Fail(ErrorKind::Timeout));
        assert_eq!([bed.get().await, bed.get().await], [Some(ErrorKind::Timeout); 2]);
        bed.inner.heal();
        assert_eq!(bed.get().await, None);
    }
    assert_eq!(bed.layer.stats().opened, 0);
}

#[tokio::test]
async fn corruption_refusals_and_misses_never_open_it() {
    let bed = Bed::new();
    for harmless in [ErrorKind::Corrupt, ErrorKind::TooLarge, ErrorKind::Invalid, ErrorKind::Closed] {
        bed.plan(Fault::Fail(harmless));
        for _ in 0..20 {
            assert_eq!(bed.get().await, Some(harmless));
        }
    }
    bed.inner.heal();
    for _ in 0..20 {
        assert_eq!(bed.get().await, None);
    }
    assert_eq!((bed.layer.state(), bed.layer.stats().opened), (BreakerState::Closed, 0));
}

#[tokio::test]
async fn half_open_lets_exactly_one_probe_through_and_closes_when_it_works() {
    let bed = Bed::open().await;
    bed.clock.advance(millis(999));
    assert_eq!(bed.get().await, OPEN);
    bed.clock.advance(millis(1));
    bed.plan(Fault::Delay(millis(10)));
    tokio::time::pause();
    let a = key("a");
    let mut probe = Box::pin(bed.layer.get(&a));
    assert!(probe.as_mut().now_or_never().is_none());
    assert_eq!(bed.layer.state(), BreakerState::HalfOpen);
    for _ in 0..10 {
        assert_eq!(bed.get().await, OPEN);
    }
    assert_eq!(kind(probe.await), None);
    assert_eq!(bed.layer.state(), BreakerState::Closed);
    assert_eq!(bed.get().await, None);
    assert_eq!(bed.inner.calls(Operation::Get), 5);
}

#[tokio::test]
async fn a_probe_that_fails_opens_it_for_twice_as_long() {
    let bed = Bed::open().await;
    for span in [2_000, 4_000, 4_000] {
        bed.clock.advance(millis(4_000));
        assert_eq!(bed.get().await, DOWN);
        bed.clock.advance(millis(span - 1));
        assert_eq!(bed.get().await, OPEN);
        bed.clock.advance(millis(1));
    }
    assert_eq!(bed.get().await, DOWN);
}

#[tokio::test]
async fn after_a_dropped_probe_the_next_call_probes() {
    let bed = Bed::open().await;
    bed.clock.advance(millis(1_000));
    bed.plan(Fault::Hang);
    let a = key("a");
    for _ in 0..5 {
        let mut probe = Box::pin(bed.layer.get(&a));
        assert!(probe.as_mut().now_or_never().is_none());
        assert_eq!(bed.layer.state(), BreakerState::HalfOpen);
    }
    bed.inner.heal();
    assert_eq!(bed.get().await, None);
    assert_eq!(bed.layer.state(), BreakerState::Closed);
}

#[tokio::test]
async fn a_probe_that_tells_nothing_leaves_the_question_to_the_next_call() {
    let bed = Bed::open().await;
    bed.clock.advance(millis(1_000));
    bed.plan(Fault::Fail(ErrorKind::TooLarge));
    assert_eq!([bed.get().await, bed.get().await], [Some(ErrorKind::TooLarge); 2]);
    assert_eq!(bed.layer.state(), BreakerState::Open);
    bed.plan(Fault::Fail(ErrorKind::Corrupt));
    assert_eq!(bed.get().await, Some(ErrorKind::Corrupt));
    assert_eq!(bed.layer.state(), BreakerState::Closed);
}

#[tokio::test]
async fn a_batch_of_which_nothing_works_is_one_failure() {
    let bed = Bed::new();
    let keys: Vec<Key> = ["a", "b", "c", "d"].map(key).into();
    bed.plan(Fault::Fail(ErrorKind::Unavailable));
    for failures in 1..=3 {
        assert_eq!(bed.layer.state(), BreakerState::Closed, "before failure {failures}");
        assert_eq!(kinds(bed.layer.get_many(&keys).await), [DOWN; 4]);
    }
    assert_eq!(bed.layer.state(), BreakerState::Open);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_hangs_opens_it_through_a_timeout_inside() {
    let inner = faulty();
    let layer = Breaker::new(Timeout::new(inner.clone(), millis(100))).failures(2).clock(kit::clock());
    inner.set_plan(Plan::new().all(Fault::Hang));
    let a = key("a");
    let mut answers: Vec<Result<_>> = Vec::new();
    for _ in 0..3 {
        answers.push(layer.get(&a).await);
    }
    assert_eq!(kinds(answers), [Some(ErrorKind::Timeout), Some(ErrorKind::Timeout), OPEN]);
}

#[tokio::test]
async fn an_open_one_that_is_closed_says_so() {
    let bed = Bed::open().await;
    bed.inner.heal();
    bed.layer.close().await.unwrap();
    assert_eq!(bed.get().await, Some(ErrorKind::Closed));
}

#[tokio::test]
async fn a_panic_is_a_failure_and_goes_on_to_the_caller() {
    let bed = Bed::new();
    bed.plan(Fault::Panic);
    for _ in 0..2 {
        let panicked = AssertUnwindSafe(bed.layer.get(&key("a"))).catch_unwind().await;
        assert!(panicked.is_err());
    }
    let batch = [key("a")];
    assert!(AssertUnwindSafe(bed.layer.get_many(&batch)).catch_unwind().await.is_err());
    assert_eq!((bed.layer.state(), bed.get().await), (BreakerState::Open, OPEN));
}

#[tokio::test]
async fn a_call_dropped_by_a_panic_of_its_caller_says_nothing() {
    let bed = Bed::new();
    bed.plan(Fault::Hang);
    for _ in 0..3 {
        let caller = async {
            let a = key("a");
            let mut call = bed.layer.get(&a);
            assert!((&mut call).now_or_never().is_none());
            std::panic::resume_unwind(Box::new("the caller's own"));
        };
        let panicked: std::thread::Result<()> = AssertUnwindSafe(caller).catch_unwind().await;
        assert!(panicked.is_err());
    }
    assert_eq!(bed.layer.stats().failures, 0);
}

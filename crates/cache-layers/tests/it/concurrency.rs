//! `Concurrency`: so many calls at once, so many waiting, for so long.

use std::sync::Arc;

use cache_core::{Backend, ErrorKind, KeyPrefix};
use cache_layers::Concurrency;
use cache_testkit::{Fault, Faulty, NaiveModel, Operation, Plan, entry};
use futures_util::future::join_all;
use futures_util::{FutureExt, StreamExt};
use tokio::time::Instant;

use crate::kit::{faulty, key, kind, kinds, millis};

#[tokio::test(start_paused = true)]
async fn calls_beyond_the_limit_run_when_others_have_ended() {
    let inner = faulty();
    let layer = Concurrency::new(inner.clone(), 2);
    inner.set_plan(Plan::new().all(Fault::Delay(millis(10))));
    let a = key("a");
    let begun = Instant::now();
    let answers = join_all((0..10).map(|_| layer.get(&a))).await;
    assert_eq!(kinds(answers), [None; 10]);
    assert_eq!(begun.elapsed(), millis(50));
    assert_eq!((layer.running(), layer.waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_and_a_long_wait_are_unavailable_and_ask_nothing() {
    let inner = faulty();
    let layer = Concurrency::new(inner.clone(), 1).queue(2).wait(millis(100));
    inner.set_plan(Plan::new().all(Fault::Hang));
    let a = key("a");
    let mut running = Box::pin(layer.get(&a));
    assert!(running.as_mut().now_or_never().is_none());
    let waiting = [0, 1].map(|_| {
        let mut call = Box::pin(layer.get(&a));
        assert!(call.as_mut().now_or_never().is_none());
        call
    });
    assert_eq!((layer.running(), layer.waiting()), (1, 2));
    assert_eq!(kind(layer.get(&a).now_or_never().unwrap()), Some(ErrorKind::Unavailable));
    let begun = Instant::now();
    assert_eq!(kinds(join_all(waiting).await), [Some(ErrorKind::Unavailable); 2]);
    assert_eq!(begun.elapsed(), millis(100));
    assert_eq!(inner.calls(Operation::Get), 1);
    assert_eq!((layer.running(), layer.waiting()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_scan_holds_nothing_between_steps() {
    let layer = Concurrency::new(faulty(), 1).queue(0);
    for name in ["a", "b"] {
        layer.put(&key(name), entry(1, "x")).await.unwrap();
    }
    let mut scan = layer.scan(&KeyPrefix::all());
    assert!(scan.next().await.unwrap().is_ok());
    assert_eq!(kind(layer.get(&key("a")).await), None);
    assert!(scan.next().await.unwrap().is_ok());
    assert!(scan.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_during_close_hear_that_it_is_closed() {
    let inner: Arc<Faulty<NaiveModel>> = faulty();
    let layer = Concurrency::new(inner.clone(), 1);
    inner.set_plan(Plan::new().nth(Operation::Get, 1, Fault::Hang));
    let a = key("a");
    let mut running = Box::pin(layer.get(&a));
    assert!(running.as_mut().now_or_never().is_none());
    let mut waiting = Box::pin(layer.get(&a));
    assert!(waiting.as_mut().now_or_never().is_none());
    layer.close().await.unwrap();
    assert_eq!(kind(waiting.await), Some(ErrorKind::Closed));
    assert_eq!(kind(layer.usage().await), Some(ErrorKind::Closed));
}

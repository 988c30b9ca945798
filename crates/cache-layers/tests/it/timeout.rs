//! `Timeout`: every call ends within its limit.

use cache_core::{Backend, ErrorKind, Key, KeyPrefix};
use cache_layers::Timeout;
use cache_testkit::{Fault, Operation, Plan, entry};
use futures_util::StreamExt;
use tokio::time::Instant;

use crate::kit::{faulty, key, kind, kinds, millis};

#[tokio::test(start_paused = true)]
async fn every_method_of_a_backend_that_hangs_ends_at_the_limit() {
    let inner = faulty();
    let layer = Timeout::new(inner.clone(), millis(100)).closing(millis(100));
    inner.set_plan(Plan::new().all(Fault::Hang));
    let begun = Instant::now();
    let a = key("a");
    let mut kinds = vec![
        kind(layer.stat(&a).await),
        kind(layer.get(&a).await),
        kind(layer.put(&a, entry(1, "x")).await),
        kind(layer.renew(&a, entry(1, "").meta.stamp, entry(2, "").meta).await),
        kind(layer.remove(&a).await),
        kind(layer.usage().await),
        kind(layer.sweep(cache_testkit::Bench::START, 1).await),
        kind(layer.close().await),
    ];
    kinds.extend(self::kinds(layer.get_many(std::slice::from_ref(&a)).await));
    kinds.extend(self::kinds(layer.put_many(vec![(a, entry(1, "x"))]).await));
    let steps: Vec<_> = layer.scan(&KeyPrefix::all()).collect().await;
    kinds.extend(self::kinds(steps));
    assert_eq!(kinds, [Some(ErrorKind::Timeout); 11]);
    assert_eq!(begun.elapsed(), millis(1_100));
}

#[tokio::test(start_paused = true)]
async fn an_answer_within_the_limit_passes() {
    let inner = faulty();
    let layer = Timeout::new(inner.clone(), millis(100));
    layer.put(&key("a"), entry(1, "x")).await.unwrap();
    inner.set_plan(Plan::new().all(Fault::Delay(millis(99))));
    assert_eq!(layer.get(&key("a")).await.unwrap(), Some(entry(1, "x")));
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_the_limit_once_more_for_each_64_keys() {
    let inner = faulty();
    let layer = Timeout::new(inner.clone(), millis(100));
    let keys: Vec<Key> = (0..129).map(|number| key(&format!("k:{number}"))).collect();
    inner.set_plan(Plan::new().each(Operation::GetMany, Fault::Delay(millis(250))));
    assert_eq!(kinds(layer.get_many(&keys[..64]).await), vec![Some(ErrorKind::Timeout); 64]);
    assert_eq!(kinds(layer.get_many(&keys[..128]).await), vec![Some(ErrorKind::Timeout); 128]);
    assert_eq!(kinds(layer.get_many(&keys).await), vec![None; 129]);
}

#[tokio::test(start_paused = true)]
async fn close_has_a_limit_of_its_own() {
    let inner = faulty();
    let layer = Timeout::new(inner.clone(), millis(100)).closing(millis(500));
    inner.set_plan(Plan::new().nth(Operation::Close, 1, Fault::Delay(millis(400))));
    assert_eq!(kind(layer.close().await), None);
}

//! `ReadOnly`: reads pass, writes are refused.

use cache_core::{Backend, ErrorKind, KeyPrefix, MINUTE, Swept, Timestamp};
use cache_layers::ReadOnly;
use cache_testkit::{Operation, entry};
use futures_util::StreamExt;

use crate::kit::{faulty, key, kind, kinds};

#[tokio::test]
async fn every_read_answers_as_the_backend_inside() {
    let inner = faulty();
    let a = key("a");
    inner.put(&a, entry(1, "x")).await.unwrap();
    let layer = ReadOnly::new(inner);
    assert_eq!(layer.get(&a).await.unwrap(), Some(entry(1, "x")));
    assert_eq!(layer.stat(&a).await.unwrap(), Some(entry(1, "x").meta));
    assert_eq!(layer.get_many(&[a.clone(), key("b")]).await.len(), 2);
    assert_eq!(layer.scan(&KeyPrefix::all()).count().await, 1);
    assert_eq!(layer.usage().await.unwrap().entries, 1);
}

#[tokio::test]
async fn every_write_is_invalid_and_never_reaches_the_backend_inside() {
    let inner = faulty();
    let a = key("a");
    inner.put(&a, entry(1, "x")).await.unwrap();
    let before = inner.total_calls();
    let layer = ReadOnly::new(inner.clone());
    let mut answers = vec![
        kind(layer.put(&a, entry(2, "y")).await),
        kind(layer.renew(&a, entry(1, "").meta.stamp, entry(2, "").meta).await),
        kind(layer.remove(&a).await),
    ];
    answers.extend(kinds(layer.put_many(vec![(a.clone(), entry(2, "y"))]).await));
    assert_eq!(answers, [Some(ErrorKind::Invalid); 4]);
    assert_eq!(layer.sweep(Timestamp::EPOCH.after(MINUTE), 10).await.unwrap(), Swept::default());
    assert_eq!(inner.total_calls(), before);
}

#[tokio::test]
async fn after_close_every_call_is_closed() {
    let inner = faulty();
    let layer = ReadOnly::new(inner.clone());
    layer.close().await.unwrap();
    layer.close().await.unwrap();
    assert_eq!(inner.calls(Operation::Close), 2);
    let a = key("a");
    let mut answers = vec![
        kind(layer.get(&a).await),
        kind(layer.put(&a, entry(1, "x")).await),
        kind(layer.remove(&a).await),
        kind(layer.sweep(Timestamp::EPOCH, 1).await),
        kind(layer.usage().await),
    ];
    answers.extend(kinds(layer.put_many(vec![(a, entry(1, "x"))]).await));
    assert_eq!(answers, [Some(ErrorKind::Closed); 6]);
}

//! A backend that panics before it has returned a future is skipped like any other that fails.

#![expect(clippy::panic, reason = "the backend's fault")]

use std::pin::Pin;

use async_trait::async_trait;
use cache_core::{Backend, BackendInfo, Entry, Key, KeyPrefix, Meta, Result, Swept, Timestamp, Usage};
use cache_mem::MemBackend;
use cache_tiered::Tiered;
use futures_util::stream::BoxStream;

use crate::kit::{Bed, key};

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// Panics at once, except when it is written to.
#[derive(Debug)]
struct Rash(MemBackend);

#[async_trait]
impl Backend for Rash {
    fn info(&self) -> BackendInfo {
        BackendInfo::new("rash")
    }

    fn stat<'a, 'b, 'c>(&'a self, _: &'b Key) -> Answer<'c, Option<Meta>>
    where
        'a: 'c,
        'b: 'c,
    {
        panic!("at once")
    }

    fn get<'a, 'b, 'c>(&'a self, _: &'b Key) -> Answer<'c, Option<Entry>>
    where
        'a: 'c,
        'b: 'c,
    {
        panic!("at once")
    }

    async fn put(&self, key: &Key, entry: Entry) -> Result<()> {
        self.0.put(key, entry).await
    }

    async fn remove(&self, key: &Key) -> Result<bool> {
        self.0.remove(key).await
    }

    fn scan(&self, _: &KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>> {
        panic!("at once")
    }

    fn usage<'a, 'c>(&'a self) -> Answer<'c, Usage>
    where
        'a: 'c,
    {
        panic!("at once")
    }

    fn sweep<'a, 'c>(&'a self, _: Timestamp, _: usize) -> Answer<'c, Swept>
    where
        'a: 'c,
    {
        panic!("at once")
    }

    fn close<'a, 'c>(&'a self) -> Answer<'c, ()>
    where
        'a: 'c,
    {
        panic!("at once")
    }
}

#[tokio::test]
async fn a_panic_before_the_future_is_a_failure_of_its_tier_alone() {
    let bed = Bed::new();
    let rash = Rash(MemBackend::new(1 << 20));
    let tiers = Tiered::builder().tier(rash).tier(bed.far.clone()).clock(bed.clock.clone()).build().unwrap();
    let a = key("a");
    let entry = bed.entry("x");
    tiers.put(&a, entry.clone()).await.unwrap();
    assert_eq!(tiers.get(&a).await.unwrap(), Some(entry.clone()));
    assert_eq!(tiers.get_many(std::slice::from_ref(&a)).await.remove(0).unwrap(), Some(entry.clone()));
    assert_eq!(tiers.stat(&a).await.unwrap(), Some(entry.meta));
    assert_eq!(tiers.usage().await.unwrap().entries, 1);
    tiers.sweep(bed.now(), 10).await.unwrap();
    assert!(tiers.close().await.is_err(), "the others are closed all the same");
}

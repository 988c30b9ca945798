//! Forwarding implementations of the contract for pointers, written once.

use std::sync::Arc;

use async_trait::async_trait;
use futures_core::stream::BoxStream;

use super::{Backend, BackendInfo};
use crate::{Backplane, Entry, Key, KeyPrefix, Leases, Meta, Result, Stamp, Swept, Timestamp, Usage};

macro_rules! forward {
    ($($pointer:ident),*) => {$(
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<B: Backend + ?Sized> Backend for $pointer<B> {
            fn info(&self) -> BackendInfo {
                (**self).info()
            }

            async fn stat(&self, key: &Key) -> Result<Option<Meta>> {
                (**self).stat(key).await
            }

            async fn get(&self, key: &Key) -> Result<Option<Entry>> {
                (**self).get(key).await
            }

            async fn get_many(&self, keys: &[Key]) -> Vec<Result<Option<Entry>>> {
                (**self).get_many(keys).await
            }

            async fn put(&self, key: &Key, entry: Entry) -> Result<()> {
                (**self).put(key, entry).await
            }

            async fn put_many(&self, entries: Vec<(Key, Entry)>) -> Vec<Result<()>> {
                (**self).put_many(entries).await
            }

            async fn renew(&self, key: &Key, present: Stamp, meta: Meta) -> Result<bool> {
                (**self).renew(key, present, meta).await
            }

            async fn remove(&self, key: &Key) -> Result<bool> {
                (**self).remove(key).await
            }

            fn scan(&self, prefix: &KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>> {
                (**self).scan(prefix)
            }

            async fn usage(&self) -> Result<Usage> {
                (**self).usage().await
            }

            async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
                (**self).sweep(now, limit).await
            }

            fn leases(&self) -> Option<&dyn Leases> {
                (**self).leases()
            }

            fn backplane(&self) -> Option<&dyn Backplane> {
                (**self).backplane()
            }

            async fn close(&self) -> Result<()> {
                (**self).close().await
            }
        }
    )*};
}

forward!(Arc, Box);

//! The file tier with its default settings but for the capacity.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::{Backend, Clock, Entry, Hlc, Key, Meta, SystemClock};
use cache_file::{Durability, FileBackend, FileConfig};

use super::{Contender, Promise};

pub(crate) struct Ours {
    pub(crate) backend: FileBackend,
    clock: Arc<SystemClock>,
    stamps: Hlc,
}

impl Ours {
    pub(crate) async fn open(dir: &Path, capacity: u64, promise: Promise) -> Self {
        let durability = match promise {
            Promise::Process => Durability::Process,
            Promise::Power => Durability::Power,
        };
        let config = FileConfig::new(dir).capacity(capacity).entries(2_000_000).durability(durability);
        let clock = Arc::new(SystemClock::new());
        let backend = FileBackend::open(config).await.expect("a backend");
        Self { backend, stamps: Hlc::new(clock.clone()), clock }
    }

    fn entry(&self, body: Bytes) -> Entry {
        Entry::new(Meta::new(self.stamps.tick(), self.clock.now()), body)
    }
}

#[async_trait]
impl Contender for Ours {
    async fn get(&self, key: &Key) -> Bytes {
        self.backend.get(key).await.expect("a get").expect("an entry").body
    }

    async fn put(&self, key: &Key, body: Bytes) {
        self.backend.put(key, self.entry(body)).await.expect("a put");
    }

    async fn fill(&self, entries: Vec<(Key, Bytes)>) {
        let entries = entries.into_iter().map(|(key, body)| (key, self.entry(body))).collect();
        for put in self.backend.put_many(entries).await {
            put.expect("a put");
        }
    }

    async fn close(&self) {
        self.backend.close().await.expect("an end");
    }
}

//! foyer's hybrid cache with nothing in memory: its block engine, and its default engine for input and output.
//!
//! Its insert promises nothing: it queues, and drops what the queue has no room for. What is measured waits until all
//! that is queued has been written, and checks that the entry was among it.

use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::Key;
use foyer::{
    BlockEngineConfig, DeviceBuilder, FsDeviceBuilder, HybridCache, HybridCacheBuilder, HybridCachePolicy, Load,
};

use super::Contender;

/// Bodies that may be queued at the same time.
const QUEUED: usize = 80;

pub(super) struct Hybrid(HybridCache<String, Bytes>);

impl Hybrid {
    pub(super) async fn open(dir: &Path, len: usize, capacity: u64) -> Self {
        let device = FsDeviceBuilder::new(dir).with_capacity(capacity as usize).build().expect("a device");
        let room = (QUEUED * (len + 8192)).max(16 << 20);
        let engine = BlockEngineConfig::new(device)
            .with_block_size((16 << 20).max(8 * len))
            .with_buffer_pool_size(room)
            .with_submit_queue_size_threshold(2 * room);
        let cache = HybridCacheBuilder::new()
            .with_policy(HybridCachePolicy::WriteOnInsertion)
            .with_flush_on_close(false)
            .memory(1)
            .with_shards(1)
            .storage()
            .with_engine_config(engine)
            .build()
            .await
            .expect("a cache");
        Self(cache)
    }

    fn insert(&self, key: &Key, body: Bytes) {
        drop(self.0.storage_writer(key.as_str().to_owned()).force().insert(body));
    }

    fn check(&self, key: &Key) {
        assert!(self.0.storage().may_contains(key.as_str()), "foyer dropped an entry instead of writing it");
    }
}

#[async_trait]
impl Contender for Hybrid {
    async fn get(&self, key: &Key) -> Bytes {
        // `Load::Piece` would come from its queue in memory.
        let from_disk = match self.0.storage().load(key.as_str()).await.expect("a get") {
            Load::Entry { value, .. } => Some(value),
            Load::Piece { .. } | Load::Throttled | Load::Miss => None,
        };
        from_disk.expect("an entry that is read from disk")
    }

    async fn put(&self, key: &Key, body: Bytes) {
        self.insert(key, body);
        self.0.storage().wait().await;
        self.check(key);
    }

    async fn fill(&self, entries: Vec<(Key, Bytes)>) {
        for entries in entries.chunks(QUEUED / 2) {
            for (key, body) in entries {
                self.insert(key, body.clone());
            }
            self.0.storage().wait().await;
        }
        for (key, _) in &entries {
            self.check(key);
        }
    }

    async fn close(&self) {
        self.0.close().await.expect("an end");
    }
}

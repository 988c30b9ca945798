//! Who is measured: the file tier, and what else keeps bytes by key in a directory.

mod cacache;
mod files;
mod foyer;
mod ours;
mod redb;
mod sqlite;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::Key;
use tokio::task::spawn_blocking;

pub(crate) use ours::Ours;

/// Bytes by key in a directory.
#[async_trait]
pub(crate) trait Contender: Send + Sync {
    /// What is on disk under `key`.
    async fn get(&self, key: &Key) -> Bytes;

    /// Returns when what the contender is to promise holds.
    async fn put(&self, key: &Key, body: Bytes);

    /// Puts many, as fast as it may be done.
    async fn fill(&self, entries: Vec<(Key, Bytes)>) {
        for (key, body) in entries {
            self.put(&key, body).await;
        }
    }

    /// Ends it in order.
    async fn close(&self) {}
}

/// What a put promises when it returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promise {
    /// Survives the process: the bytes are in the kernel's page cache.
    Process,
    /// Survives the loss of power.
    Power,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Reelcache,
    Foyer,
    Cacache,
    Redb,
    Rusqlite,
    /// One file for each key: what a program that keeps neither index nor checksums nor a budget can reach.
    Files,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Reelcache => "Reelcache",
            Self::Foyer => "foyer",
            Self::Cacache => "cacache",
            Self::Redb => "redb",
            Self::Rusqlite => "rusqlite",
            Self::Files => "std::fs (limit)",
        }
    }

    /// Opens what is in `dir`, or makes it. Bodies are of `len` bytes at most; who has a budget gets `capacity`.
    pub(crate) async fn open(self, dir: &Path, len: usize, capacity: u64, promise: Promise) -> Arc<dyn Contender> {
        match self {
            Self::Reelcache => Arc::new(Ours::open(dir, capacity, promise).await),
            Self::Foyer => Arc::new(foyer::Hybrid::open(dir, len, capacity).await),
            Self::Cacache => Arc::new(cacache::Content::open(dir)),
            Self::Redb => Arc::new(redb::Bare::open(dir, promise)),
            Self::Rusqlite => Arc::new(sqlite::Bare::open(dir, promise)),
            Self::Files => Arc::new(files::Files::open(dir)),
        }
    }
}

/// Runs what blocks on the blocking pool, as a program on tokio has to.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    spawn_blocking(work).await.expect("work that ends")
}

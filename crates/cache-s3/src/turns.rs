//! `Turns`: writers of one object go one after the other within this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use object_store::path::Path;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use xxhash_rust::xxh3::xxh3_64;

/// Objects share this many turns.
const TURNS: usize = 256;

/// Puts writers of one object in a row, first come, first served; different objects rarely share a row.
#[derive(Debug)]
pub(crate) struct Turns(Vec<Arc<Row>>);

/// Exclusive until dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    row: Arc<Row>,
    _permit: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Row {
    free: Arc<Semaphore>,
    /// Turns that have ended.
    ended: AtomicU64,
}

impl Turns {
    pub(crate) fn new() -> Self {
        let row = || Arc::new(Row { free: Arc::new(Semaphore::new(1)), ended: AtomicU64::new(0) });
        Self((0..TURNS).map(|_| row()).collect())
    }

    /// Waits for the turn of an object. The caller bounds the wait.
    pub(crate) async fn take(&self, name: &Path) -> Option<Turn> {
        self.take_row(Self::row_of(name)).await
    }

    /// Waits for the turn of a row. Who needs several takes them in ascending order.
    pub(crate) async fn take_row(&self, row: usize) -> Option<Turn> {
        let row = self.0[row].clone();
        let permit = row.free.clone().acquire_owned().await.ok()?;
        Some(Turn { row, _permit: permit })
    }

    /// The row of an object.
    pub(crate) fn row_of(name: &Path) -> usize {
        xxh3_64(name.as_ref().as_bytes()) as usize % TURNS
    }

    /// How many turns of a row have ended: unchanged means that nobody here has written its objects.
    pub(crate) fn ended(&self, row: usize) -> u64 {
        self.0[row].ended.load(Ordering::Acquire)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.row.ended.fetch_add(1, Ordering::AcqRel);
    }
}

//! `Turns`: writers of one object go one after the other within this process.

use std::sync::Arc;

use object_store::path::Path;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use xxhash_rust::xxh3::xxh3_64;

/// Objects share this many turns.
const TURNS: usize = 256;

/// Puts writers of one object in a row, first come, first served; different objects rarely share a row.
#[derive(Debug)]
pub(crate) struct Turns(Vec<Arc<Semaphore>>);

/// Exclusive until dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _permit: OwnedSemaphorePermit,
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self((0..TURNS).map(|_| Arc::new(Semaphore::new(1))).collect())
    }

    /// Waits for the turn of an object. The caller bounds the wait.
    pub(crate) async fn take(&self, name: &Path) -> Option<Turn> {
        self.take_row(Self::row_of(name)).await
    }

    /// Waits for the turn of a row. Who needs several takes them in ascending order.
    pub(crate) async fn take_row(&self, row: usize) -> Option<Turn> {
        let permit = self.0[row].clone().acquire_owned().await.ok()?;
        Some(Turn { _permit: permit })
    }

    /// The row of an object.
    pub(crate) fn row_of(name: &Path) -> usize {
        xxh3_64(name.as_ref().as_bytes()) as usize % TURNS
    }
}

//! `Reports`: links reported to be bad, each dealt with once for all who report it.

use std::collections::HashMap;
use std::sync::Arc;

use cache_core::{Key, Result};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::Answer;

type Cell<V> = Arc<OnceCell<Result<Answer<V>>>>;

/// What is done about reports, by request. It has as many entries as there are callers at most.
#[derive(Debug)]
pub(crate) struct Reports<V>(Mutex<HashMap<Key, Cell<V>>>);

/// One caller's share in what is done.
struct Share<'a, V> {
    reports: &'a Reports<V>,
    key: &'a Key,
    cell: Cell<V>,
}

impl<V> Reports<V> {
    pub(crate) fn new() -> Self {
        Self(Mutex::default())
    }

    /// Does what `mend` does, once for all who ask for `key` meanwhile. When the one who does it is dropped, the next
    /// one begins anew.
    pub(crate) async fn once<F>(&self, key: &Key, mend: impl FnOnce() -> F) -> Result<Answer<V>>
    where
        F: Future<Output = Result<Answer<V>>>,
    {
        let cell = self.0.lock().entry(key.clone()).or_default().clone();
        let share = Share { reports: self, key, cell };
        share.cell.get_or_init(mend).await.clone()
    }
}

impl<V> Drop for Share<'_, V> {
    fn drop(&mut self) {
        let mut cells = self.reports.0.lock();
        // The table's own and this one.
        let is_last = Arc::strong_count(&self.cell) <= 2;
        let is_done = self.cell.initialized();
        if (is_last || is_done) && cells.get(self.key).is_some_and(|cell| Arc::ptr_eq(cell, &self.cell)) {
            cells.remove(self.key);
        }
    }
}

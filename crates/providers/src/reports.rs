//! `Reports`: links reported to be bad, each dealt with once for all who report it.

use std::collections::HashMap;
use std::sync::Arc;

use cache_core::{Key, Result};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::Answer;

/// What is done about reports, by request. It has as many entries as there are callers at most.
#[derive(Debug)]
pub(crate) struct Reports<V>(Mutex<HashMap<Key, Task<V>>>);

/// The link of the caller who did something about it, and what came of that.
type Cell<V> = Arc<OnceCell<(Box<str>, Result<Answer<V>>)>>;

/// Something that is done, and how many wait for it.
#[derive(Debug)]
struct Task<V> {
    cell: Cell<V>,
    sharers: usize,
}

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

    /// Does what `mend` does about the link `url` of `key`, once for all who ask meanwhile. When the one who does it is
    /// dropped, the next one begins anew.
    ///
    /// Those who report another link of `key` share it too, unless it has loaded nothing and gives them what `is_bad`.
    pub(crate) async fn once<F>(
        &self,
        key: &Key,
        url: &str,
        is_bad: impl Fn(&V) -> bool,
        mend: impl Fn() -> F,
    ) -> Result<Answer<V>>
    where
        F: Future<Output = Result<Answer<V>>>,
    {
        loop {
            let share = self.share(key);
            match share.cell.get_or_init(async || (url.into(), mend().await)).await {
                // Each of the links that the answer has takes one round at most.
                (by, Ok(answer)) if **by != *url && answer.was_cached() && is_bad(&answer.value) => {}
                (_, answer) => return answer.clone(),
            }
        }
    }

    fn share<'a>(&'a self, key: &'a Key) -> Share<'a, V> {
        let mut tasks = self.0.lock();
        let task = tasks.entry(key.clone()).or_insert_with(Task::new);
        if task.cell.initialized() {
            // It was done about something earlier.
            *task = Task::new();
        }
        task.sharers += 1;
        Share { reports: self, key, cell: task.cell.clone() }
    }
}

impl<V> Task<V> {
    fn new() -> Self {
        Self { cell: Arc::default(), sharers: 0 }
    }
}

impl<V> Drop for Share<'_, V> {
    fn drop(&mut self) {
        let mut tasks = self.reports.0.lock();
        let Some(task) = tasks.get_mut(self.key).filter(|task| Arc::ptr_eq(&task.cell, &self.cell)) else { return };
        task.sharers -= 1;
        if task.sharers == 0 {
            tasks.remove(self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use cache_core::{Error, ErrorKind};

    use super::*;

    #[test]
    fn of_those_who_leave_nothing_stays_whoever_lets_go_last() {
        let (reports, key) = (Reports::<()>::new(), Key::of("a").build().unwrap());
        let [one, other] = [(); 2].map(|()| reports.share(&key));
        // As if one had left and were about to let go.
        let _held = one.cell.clone();
        drop((one, other));
        assert!(reports.0.lock().is_empty());
    }

    #[test]
    fn what_was_done_about_an_earlier_report_is_not_joined() {
        let (reports, key) = (Reports::<()>::new(), Key::of("a").build().unwrap());
        let earlier = reports.share(&key);
        let failed = Err(Error::new(ErrorKind::Unavailable, "it is down"));
        earlier.cell.set(("link".into(), failed)).unwrap();
        let later = reports.share(&key);
        assert!(!later.cell.initialized());
        drop((earlier, later));
        assert!(reports.0.lock().is_empty());
    }
}

//! `Limit`: until when a page is read.

use std::cell::Cell;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Until when a page is read: until its time is over or nobody waits for it any more. Whoever reads looks at it between
/// steps that are short, because nothing else can stop them.
#[derive(Debug)]
pub(super) struct Limit {
    end: Instant,
    waiting: Weak<()>,
    is_over: Cell<bool>,
}

impl Limit {
    /// One of `time` from here on, for as long as `waiting` is there.
    pub(super) fn new(time: Duration, waiting: &Arc<()>) -> Self {
        Self { end: Instant::now() + time, waiting: Arc::downgrade(waiting), is_over: Cell::new(false) }
    }

    /// Whether to go on.
    pub(super) fn lasts(&self) -> bool {
        if !self.is_over.get() {
            self.is_over.set(Instant::now() >= self.end || self.waiting.strong_count() == 0);
        }
        !self.is_over.get()
    }

    /// # Errors
    /// When something has been left out because it was over.
    pub(super) fn checked(&self) -> Result<(), &'static str> {
        if self.is_over.get() { Err("takes too long to read") } else { Ok(()) }
    }
}

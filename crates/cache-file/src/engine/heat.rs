//! Heat: when entries were read last, noted at each hit and written down from time to time.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cache_core::Timestamp;
use tracing::warn;

use super::{Ref, Shared, Writer};
use crate::recent;

/// Hits that count as one moment.
const MOMENT: u32 = 6;
/// How often the list is written while entries are read.
const EVERY: Duration = Duration::from_mins(5);
/// The list takes one part in so many of the capacity at most.
const SHARE: u64 = 256;

/// When an entry was read last, in moments; 0 for never.
#[derive(Debug, Default)]
pub(super) struct Seen(AtomicU32);

impl Seen {
    pub(super) fn set(&self, moment: u32) {
        self.0.store(moment, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Clone for Seen {
    fn clone(&self) -> Self {
        Self(self.get().into())
    }
}

impl Shared {
    /// Notes that an entry is read.
    pub(super) fn heat(&self, entry: &Ref) {
        let moment = (self.hits.fetch_add(1, Ordering::Relaxed) >> MOMENT) + 1;
        entry.seen.set(u32::try_from(moment).unwrap_or(u32::MAX));
    }

    /// Goes on counting after `moment`.
    pub(super) fn heat_after(&self, moment: u32) {
        self.hits.store(u64::from(moment) << MOMENT, Ordering::Relaxed);
    }
}

impl Writer {
    /// Writes down what was read lately, if it is time or the end.
    pub(super) fn remember(&mut self, is_end: bool) {
        let hits = self.shared.hits.load(Ordering::Relaxed);
        let now = self.shared.config.clock.now();
        // A clock that was set back says nothing of how long ago that was.
        let is_due = |when: Timestamp| now < when || now.since(when) >= EVERY;
        let is_time = is_end || self.remembered.is_none_or(|(when, _)| is_due(when));
        if !is_time || self.remembered.is_some_and(|(_, then)| then == hits) {
            return;
        }
        let first = self.remembered.replace((now, hits)).is_none();
        if first && !is_end {
            // Just opened: the list is as it was read.
            return;
        }
        let mut seen: Vec<(u32, u64)> = {
            let live = self.shared.live.read();
            let entries = live.catalog.iter(Timestamp::EPOCH);
            entries.map(|(key, entry)| (entry.seen.get(), key.hash64())).filter(|(moment, _)| *moment > 0).collect()
        };
        let most = usize::try_from(self.shared.config.capacity / SHARE / 8).unwrap_or(usize::MAX).min(recent::MOST);
        if let Some(beyond) = seen.len().checked_sub(most).filter(|beyond| *beyond > 0) {
            seen.select_nth_unstable(beyond - 1);
            seen.drain(..beyond);
        }
        seen.sort_unstable();
        let hashes: Vec<u64> = seen.into_iter().map(|(_, hash)| hash).collect();
        match recent::write(&self.shared.layout, &hashes) {
            Ok(bytes) => self.recent = bytes,
            Err(error) => warn!(%error, "what was read lately is not written down"),
        }
    }
}

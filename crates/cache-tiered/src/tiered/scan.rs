//! A scan of all tiers, each key once.

use std::collections::HashSet;
use std::sync::Arc;

use cache_core::{Key, KeyPrefix, Meta, Result};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use parking_lot::Mutex;

use super::Tiered;

type Seen = Arc<Mutex<HashSet<Key>>>;

impl Tiered {
    /// Scans tier after tier. Keys of all tiers but the deepest are held in memory until the scan ends; a key is
    /// reported with the meta of the nearest tier that has it.
    pub(super) fn scan_all(&self, prefix: &KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>> {
        if let Err(error) = self.check_open("scan") {
            return stream::iter([Err(error)]).boxed();
        }
        let (seen, prefix) = (Seen::default(), prefix.clone());
        let tiers = stream::iter(0..self.0.tiers.len());
        tiers.flat_map(move |tier| self.scan_tier(tier, prefix.clone(), seen.clone())).boxed()
    }

    fn scan_tier(&self, index: usize, prefix: KeyPrefix, seen: Seen) -> BoxStream<'_, Result<(Key, Meta)>> {
        let tier = &self.0.tiers[index];
        let deepest = index + 1 == self.0.tiers.len();
        let steps = stream::unfold(Scan::New(prefix), async |scan| {
            let mut found = None;
            // Begun inside the call, which bounds and contains it.
            let step = async {
                let mut found_here = match scan {
                    Scan::New(prefix) => tier.backend.scan(&prefix),
                    Scan::Running(found) => found,
                    Scan::Ended => return Ok(None),
                };
                let next = found_here.next().await;
                found = Some(found_here);
                Ok(next)
            };
            match tier.call("scan", tier.patience, step).await {
                Ok(next) => next.map(|next| (next, found.map_or(Scan::Ended, Scan::Running))),
                Err(error) => Some((Err(error), Scan::Ended)),
            }
        });
        let servable = move |found: &Result<(Key, Meta)>| {
            let Ok((key, meta)) = found else { return true };
            if meta.is_expired(self.0.clock.now()) || !tier.suspects.trusts(key, meta) {
                return false;
            }
            let mut seen = seen.lock();
            if deepest { !seen.contains(key) } else { seen.insert(key.clone()) }
        };
        steps.filter(move |found| std::future::ready(servable(found))).boxed()
    }
}

/// Where the scan of one tier stands.
enum Scan<'a> {
    New(KeyPrefix),
    Running(BoxStream<'a, Result<(Key, Meta)>>),
    Ended,
}

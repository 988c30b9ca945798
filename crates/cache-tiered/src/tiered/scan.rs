//! A scan of all tiers, each key once.

use std::collections::HashSet;
use std::sync::Arc;

use cache_core::{Key, KeyPrefix, Meta, Result};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use parking_lot::Mutex;

use super::Tiered;
use super::marking::{is_reserved, is_reserved_prefix};
use super::tier::Tier;

type Seen = Arc<Mutex<HashSet<Key>>>;

impl Tiered {
    /// Scans tier after tier. Keys of all tiers but the deepest are held in memory until the scan ends; a key is
    /// reported with the meta of the nearest tier that has it. Marks are seen only by who asks for them.
    pub(super) fn scan_all(&self, prefix: &KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>> {
        if let Err(error) = self.check_open("scan") {
            return stream::iter([Err(error)]).boxed();
        }
        let (seen, prefix) = (Seen::default(), prefix.clone());
        let tiers = stream::once(self.open()).flat_map(|()| stream::iter(0..self.0.tiers.len()));
        tiers.flat_map(move |tier| self.scan_servable(tier, prefix.clone(), seen.clone())).boxed()
    }

    fn scan_servable(&self, index: usize, prefix: KeyPrefix, seen: Seen) -> BoxStream<'_, Result<(Key, Meta)>> {
        let tier = &self.0.tiers[index];
        let deepest = index + 1 == self.0.tiers.len();
        let marks = is_reserved_prefix(&prefix);
        let servable = move |found: &Result<(Key, Meta)>| {
            let Ok((key, meta)) = found else { return true };
            if is_reserved(key) != marks || !tier.serves(key, meta) {
                return false;
            }
            let mut seen = seen.lock();
            if deepest { !seen.contains(key) } else { seen.insert(key.clone()) }
        };
        scan_tier(tier, prefix).filter(move |found| std::future::ready(servable(found))).boxed()
    }
}

/// What one tier has below `prefix`, served or not; each step is given the tier's patience.
pub(super) fn scan_tier(tier: &Tier, prefix: KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>> {
    stream::unfold(Scan::New(prefix), async |scan| {
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
    })
    .boxed()
}

/// Where the scan of one tier stands.
enum Scan<'a> {
    New(KeyPrefix),
    Running(BoxStream<'a, Result<(Key, Meta)>>),
    Ended,
}

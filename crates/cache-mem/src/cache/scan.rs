//! Looks at everything held, one page at a time.

use std::hash::{BuildHasher, Hash};

use super::MemCache;

/// Places read under one lock.
const BATCH: usize = 256;

/// Where a scan stands.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Position {
    shard: usize,
    place: usize,
}

impl<K: Hash + Eq, V: Clone, S: BuildHasher> MemCache<K, V, S> {
    /// What `pick` makes of each unexpired key and value, in no promised order.
    ///
    /// Keys that are held during the whole scan are seen once; those that come or go meanwhile may be seen. A
    /// bounded number is picked under a lock at a time, and held in memory.
    pub fn scan<'a, T: 'a>(&'a self, mut pick: impl FnMut(&K, &V) -> Option<T> + 'a) -> impl Iterator<Item = T> + 'a {
        let mut position = Some(Position::default());
        let pages = std::iter::from_fn(move || {
            let (page, next) = self.page(position?, &mut pick);
            position = next;
            Some(page)
        });
        pages.flatten()
    }

    /// Unexpired keys and values, as a [`scan`](Self::scan).
    pub fn iter(&self) -> impl Iterator<Item = (K, V)>
    where
        K: Clone,
    {
        self.scan(|key, value| Some((key.clone(), value.clone())))
    }

    /// Unexpired keys that start with `prefix` and their values, as a [`scan`](Self::scan): it looks at every key held.
    ///
    /// ```
    /// # use cache_mem::MemCache;
    /// let cache: MemCache<String, u32> = MemCache::builder().build();
    /// cache.insert("video:1".to_owned(), 1);
    /// cache.insert("audio:1".to_owned(), 2);
    /// assert!(cache.scan_prefix("video:").eq([("video:1".to_owned(), 1)]));
    /// ```
    pub fn scan_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (K, V)> + 'a
    where
        K: Clone + AsRef<str> + 'a,
        V: 'a,
    {
        self.scan(move |key, value| key.as_ref().starts_with(prefix).then(|| (key.clone(), value.clone())))
    }

    /// One step of a scan, and where the next one starts.
    pub(crate) fn page<T>(
        &self,
        at: Position,
        mut pick: impl FnMut(&K, &V) -> Option<T>,
    ) -> (Vec<T>, Option<Position>) {
        let Some(shard) = self.shards.get(at.shard) else { return (Vec::new(), None) };
        let state = shard.read();
        let end = at.place.saturating_add(BATCH);
        let page = state.catalog.page(at.place, end, self.clock.now());
        let picked = page.filter_map(|(key, value)| pick(key, value)).collect();
        let next = if end < state.catalog.places() {
            Position { place: end, ..at }
        } else {
            Position { shard: at.shard + 1, place: 0 }
        };
        (picked, (next.shard < self.shards.len()).then_some(next))
    }
}

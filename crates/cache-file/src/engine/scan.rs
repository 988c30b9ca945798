//! Scans: one page of the index at a time, so that no transaction outlives a step.

use std::ops::Bound;

use bytes::Bytes;
use cache_core::{Key, KeyPrefix, Meta, Result};

use super::Shared;
use crate::error::offline;
use crate::index::record;

/// Records that one step of a scan looks at.
const PAGE: usize = 256;

/// One step of a scan.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) found: Vec<(Key, Meta)>,
    /// Where the next step goes on; `None` at the end.
    pub(crate) next: Option<Bytes>,
}

impl Shared {
    /// The unexpired entries below `prefix` whose keys follow `after`.
    ///
    /// Records that do not verify are passed over: a read of their keys counts and drops them.
    pub(crate) fn scan(&self, prefix: &KeyPrefix, after: Option<&Bytes>) -> Result<Page> {
        let start = after.map_or(Bound::Included(prefix.as_str().as_bytes()), |after| Bound::Excluded(&**after));
        let page = {
            let index = self.index.read();
            let page = index.as_ref().ok_or_else(offline)?.page(start, PAGE);
            page.map_err(|error| self.index_error(error))?
        };
        let full = page.len() == PAGE;
        let inside = |key: &Bytes| key.starts_with(prefix.as_str().as_bytes());
        let last = page.last().map(|(key, _)| key.clone()).filter(inside);
        let now = self.config.clock.now();
        let found = page.into_iter().filter_map(|(key, record)| {
            let name = Key::parse(std::str::from_utf8(&key).ok()?).ok().filter(|name| prefix.matches(name))?;
            let meta = record::decode(&key, &record).ok()?.meta().clone();
            (!meta.is_expired(now) && self.may_hold(&name, now)).then_some((name, meta))
        });
        Ok(Page { found: found.collect(), next: last.filter(|_| full) })
    }
}

//! `Pages`: which page a key of a song is of.

use std::collections::{HashMap, HashSet};

use cache_core::{Backend, Clock, Entry as Stored, Key, Meta, Result};
use cache_tiered::{Popularity, Tiered};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

use crate::request::Namespace;
use crate::{Canonical, LinkRequest};

/// The first part of the keys of what is saved.
const SAVED: &str = "songs~saved";

/// The pages of songs by key: what is popular is known by its key, and resolved by its page. Of songs that are not
/// popular, it has as many as may be popular at most.
#[derive(Debug)]
pub(super) struct Pages {
    popularity: Popularity,
    known: RwLock<HashMap<Key, LinkRequest>>,
}

/// A page as it is stored.
#[derive(Debug, Serialize, Deserialize)]
struct SavedPage {
    url: String,
    /// Whether `url` is an identifier, whatever it reads as.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_id: bool,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    account: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    params: Vec<(String, String)>,
}

impl Pages {
    pub(super) fn new(popularity: Popularity) -> Self {
        Self { popularity, known: RwLock::default() }
    }

    /// Remembers the `page` of `key`. Costs a look at a table, and over time a share in looking for what is popular.
    pub(super) fn note(&self, key: &Key, page: &LinkRequest) {
        if self.known.read().contains_key(key) {
            return;
        }
        let mut known = self.known.write();
        if known.len() as u64 >= self.popularity.stats().max_keys.saturating_mul(2) {
            let popular: HashSet<Key> = self.popularity.top(usize::MAX).into_iter().map(|(key, _)| key).collect();
            known.retain(|key, _| popular.contains(key));
        }
        known.insert(key.clone(), page.clone());
    }

    pub(super) fn get(&self, key: &Key) -> Option<LinkRequest> {
        self.known.read().get(key).cloned()
    }

    /// The `n` most popular songs, the most popular first, with their pages and scores.
    pub(super) fn top(&self, n: usize) -> Vec<(Key, LinkRequest, f64)> {
        // Others may count in the same popularity.
        let top = self.popularity.top(usize::MAX).into_iter();
        top.filter_map(|(key, score)| self.get(&key).map(|page| (key, page, score))).take(n).collect()
    }

    /// Stores the pages of what is popular in `tiers`.
    pub(super) async fn save(&self, tiers: &Tiered, root: &Key) -> Result<()> {
        let pages: Vec<SavedPage> = self.top(usize::MAX).iter().map(|(_, page, _)| SavedPage::of(page)).collect();
        let body = serde_json::to_vec(&pages).unwrap_or_default();
        let entry = Stored::new(Meta::new(tiers.stamps().tick(), tiers.clock().now()), body);
        tiers.put(&pages_key(root)?, entry).await
    }

    /// Adds the pages that are stored in `tiers`.
    pub(super) async fn restore(&self, tiers: &Tiered, namespace: &Namespace) {
        let Ok(key) = pages_key(namespace.root()) else { return };
        let saved = match tiers.get(&key).await {
            Ok(Some(entry)) => serde_json::from_slice::<Vec<SavedPage>>(&entry.body).unwrap_or_default(),
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%error, "the pages of popular songs cannot be read");
                return;
            }
        };
        for page in saved.into_iter().filter_map(SavedPage::request) {
            if let Ok(key) = page.key_in(namespace) {
                self.note(&key, &page);
            }
        }
    }
}

impl SavedPage {
    fn of(page: &LinkRequest) -> Self {
        let is_id = Canonical::of_id(page.url()).is_ok_and(|id| id == *page.canonical());
        let params = page.params().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { url: page.url().to_owned(), is_id, account: page.account().to_owned(), params }
    }

    fn request(self) -> Option<LinkRequest> {
        let page = if self.is_id { LinkRequest::of_id(&self.url) } else { LinkRequest::new(&*self.url) };
        let page = page.ok()?.scope(&self.account);
        Some(self.params.iter().fold(page, |page, (name, value)| page.param(name, value)))
    }
}

pub(super) fn popularity_key(root: &Key) -> Result<Key> {
    Key::of(SAVED).part("popularity").part(root).build()
}

fn pages_key(root: &Key) -> Result<Key> {
    Key::of(SAVED).part("pages").part(root).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_pages_are_known_than_twice_what_may_be_popular() {
        let popularity = Popularity::builder().keys(4).build();
        let pages = Pages::new(popularity.clone());
        let namespace = Namespace::new("a", "").unwrap();
        let popular = LinkRequest::of_id("popular").unwrap();
        let key = popular.key_in(&namespace).unwrap();
        pages.note(&key, &popular);
        for n in 0..100 {
            popularity.hit(&key);
            let page = LinkRequest::of_id(&n.to_string()).unwrap();
            pages.note(&page.key_in(&namespace).unwrap(), &page);
            assert!(pages.known.read().len() <= 8);
            assert!(pages.get(&key).is_some());
        }
    }
}

//! `Pages`: which page a key of a song is of.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use cache_core::{Backend, Clock, Entry as Stored, Key, Meta, Result};
use cache_tiered::Tiered;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::LinkRequest;
use crate::request::Namespace;

/// The first part of the keys of what is saved.
const SAVED: &str = "songs~saved";

/// The pages of songs by key: what is popular is known by its key, and resolved by its page. Bounded: when it is full,
/// pages of songs that are not popular are as good as any to go.
#[derive(Debug)]
pub(super) struct Pages {
    most: usize,
    known: Mutex<HashMap<Key, LinkRequest>>,
}

/// A page as it is stored.
#[derive(Debug, Serialize, Deserialize)]
struct SavedPage {
    url: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    account: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    params: Vec<(String, String)>,
}

impl Pages {
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(1), known: Mutex::default() }
    }

    pub(super) fn note(&self, key: &Key, page: &LinkRequest) {
        let mut known = self.known.lock();
        if known.len() >= self.most
            && !known.contains_key(key)
            && let Some(other) = known.keys().next().cloned()
        {
            known.remove(&other);
        }
        if let Entry::Vacant(place) = known.entry(key.clone()) {
            place.insert(page.clone());
        }
    }

    pub(super) fn get(&self, key: &Key) -> Option<LinkRequest> {
        self.known.lock().get(key).cloned()
    }

    /// Stores the pages of the keys in `top` in `tiers`.
    pub(super) async fn save(&self, tiers: &Tiered, root: &Key, top: Vec<(Key, f64)>) -> Result<()> {
        let pages: Vec<SavedPage> = top.into_iter().filter_map(|(key, _)| self.get(&key)).map(SavedPage::of).collect();
        let body = serde_json::to_vec(&pages).unwrap_or_default();
        let entry = Stored::new(Meta::new(tiers.stamps().tick(), tiers.clock().now()), body);
        tiers.put(&pages_key(root)?, entry).await
    }

    /// Adds the pages that are stored in `tiers`.
    pub(super) async fn restore(&self, tiers: &Tiered, root: &Key, namespace: &Namespace) {
        let Ok(key) = pages_key(root) else { return };
        let saved = match tiers.get(&key).await {
            Ok(Some(entry)) => serde_json::from_slice::<Vec<SavedPage>>(&entry.body).unwrap_or_default(),
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%error, "the pages of popular songs cannot be read");
                return;
            }
        };
        // The most popular last: they are not the first to go.
        for page in saved.into_iter().rev().filter_map(SavedPage::request) {
            if let Ok(key) = page.key_in(namespace) {
                self.note(&key, &page);
            }
        }
    }
}

impl SavedPage {
    #[expect(clippy::needless_pass_by_value, reason = "it is the function of a map")]
    fn of(page: LinkRequest) -> Self {
        let params = page.params().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { url: page.url().to_owned(), account: page.account().to_owned(), params }
    }

    fn request(self) -> Option<LinkRequest> {
        let page = LinkRequest::new(&*self.url).or_else(|_| LinkRequest::of_id(&self.url)).ok()?.scope(&self.account);
        Some(self.params.iter().fold(page, |page, (name, value)| page.param(name, value)))
    }
}

pub(super) fn popularity_key(root: &Key) -> Result<Key> {
    Key::of(SAVED).part("popularity").part(root).build()
}

fn pages_key(root: &Key) -> Result<Key> {
    Key::of(SAVED).part("pages").part(root).build()
}

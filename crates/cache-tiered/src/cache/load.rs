//! `Load`: what a loader knows and decides about the value that it is making.

use std::fmt;
use std::sync::Arc;

use cache_core::{Key, Lifetime, Meta, Timestamp};
use parking_lot::Mutex;

/// One run of a loader: what it knows and decides about the value that it is making. Cloning shares it.
///
/// What is set counts when the loader returns its value; the last call of a kind wins.
#[derive(Clone)]
pub struct Load(Arc<Shared>);

struct Shared {
    key: Key,
    settings: Mutex<Settings>,
}

#[derive(Debug, Clone, Default)]
struct Settings {
    lifetime: Option<Lifetime>,
    valid_until: Option<Timestamp>,
    tags: Arc<[Arc<str>]>,
    content_type: Option<Arc<str>>,
}

impl Load {
    pub(super) fn new(key: Key) -> Self {
        Self(Arc::new(Shared { key, settings: Mutex::default() }))
    }

    /// The key, as the caller gave it.
    pub fn key(&self) -> &Key {
        &self.0.key
    }

    /// Gives this value a lifetime of its own, instead of the cache's.
    pub fn set_lifetime(&self, lifetime: Lifetime) {
        self.0.settings.lock().lifetime = Some(lifetime);
    }

    /// Sets the instant from which on the value is never served, whatever its lifetime: the end of a signed link. A
    /// value that is loaded after it is a failed load.
    pub fn set_valid_until(&self, end: Timestamp) {
        self.0.settings.lock().valid_until = Some(end);
    }

    /// Puts the value into groups for invalidation.
    pub fn set_tags<T: Into<Arc<str>>>(&self, tags: impl IntoIterator<Item = T>) {
        self.0.settings.lock().tags = tags.into_iter().map(Into::into).collect();
    }

    /// Sets the media type of the value.
    pub fn set_content_type(&self, content_type: impl Into<Arc<str>>) {
        self.0.settings.lock().content_type = Some(content_type.into());
    }

    /// Writes the loader's decisions into `meta`, whose `created` is set.
    pub(super) fn apply(&self, meta: Meta, default: Lifetime) -> Meta {
        let settings = self.0.settings.lock().clone();
        let mut meta = meta.with_lifetime(settings.lifetime.unwrap_or(default));
        meta.valid_until = settings.valid_until.unwrap_or(Timestamp::NEVER);
        meta.tags = settings.tags;
        meta.content_type = settings.content_type;
        meta
    }
}

impl fmt::Debug for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Load").field("key", self.key()).field("settings", &*self.0.settings.lock()).finish()
    }
}

//! `SeenSources`: which contents something was stored of, by the name of the source.

use cache_core::{Key, Result};
use cache_tiered::{Cache, Hit};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::shared::OLD;
use crate::{Digest, Fingerprint, Source};

/// Which contents something was stored of, by the name of the source: what an explanation compares with when the source
/// is another one than before.
///
/// It is a hint, as [`KnownChains`](crate::known::KnownChains) are.
#[derive(Debug)]
pub(crate) struct SeenSources {
    cache: Cache<Seen>,
    /// Held while a record is read and written.
    writing: Mutex<()>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// The newest last.
    prints: Vec<Fingerprint>,
}

/// The most fingerprints that are remembered of a name.
const MOST: usize = 4;

impl SeenSources {
    pub(crate) fn new(cache: Cache<Seen>) -> Self {
        Self { cache, writing: Mutex::new(()) }
    }

    /// The fingerprints that `source` had when something was stored of it, the newest last.
    pub(crate) async fn of(&self, source: &Source) -> Vec<Fingerprint> {
        self.find(source).await.map(|hit| hit.value.prints.clone()).unwrap_or_default()
    }

    /// Notes that something of `source`, which is `print`, is being stored.
    pub(crate) async fn note(&self, source: &Source, print: Fingerprint) -> Result<()> {
        let _turn = self.writing.lock().await;
        let found = self.find(source).await;
        let is_old = found.as_ref().is_some_and(|hit| hit.age > OLD);
        let mut prints = found.map(|hit| hit.value.prints.clone()).unwrap_or_default();
        if prints.last() == Some(&print) && !is_old {
            return Ok(());
        }
        prints.retain(|seen| *seen != print);
        prints.push(print);
        prints.drain(..prints.len().saturating_sub(MOST));
        self.cache.put(&key(source)?, Seen { prints }).await
    }

    async fn find(&self, source: &Source) -> Option<Hit<Seen>> {
        self.cache.get(&key(source).ok()?).await.ok().flatten()
    }

    pub(crate) async fn close(&self) -> Result<()> {
        self.cache.close().await
    }
}

/// Names may be long, and secret.
fn key(source: &Source) -> Result<Key> {
    let name = match source {
        Source::File(path) => std::path::absolute(path).unwrap_or_else(|_| path.clone()).into_os_string(),
        Source::Remote(remote) => remote.url.clone().into(),
        // Of which there is nothing to change.
        Source::Kept(print) => print.to_string().into(),
    };
    Key::of(Digest::of(name.as_encoded_bytes())).build()
}

//! `KnownChains`: for each source, of which identities something was stored.

use cache_core::{Key, Result};
use cache_tiered::{Cache, Hit};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::identity::Chain;
use crate::shared::{OLD, VIDEO};

/// For each source, of which identities something was stored: what an explanation compares with.
///
/// It is a hint. When two processes store at once, one of them may be forgotten; what it tells of may be gone.
#[derive(Debug)]
pub(crate) struct KnownChains {
    cache: Cache<Known>,
    /// Held while a record is read and written.
    writing: Mutex<()>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Known {
    /// The newest last.
    chains: Vec<Chain>,
}

/// The most identities that are remembered for a source.
const MOST: usize = 32;

impl KnownChains {
    pub(crate) fn new(cache: Cache<Known>) -> Self {
        Self { cache, writing: Mutex::new(()) }
    }

    /// The identities of which something was stored for the source below `root`, the newest last.
    pub(crate) async fn of(&self, root: &Key) -> Vec<Chain> {
        self.find(root).await.map(|hit| hit.value.chains.clone()).unwrap_or_default()
    }

    /// Notes that something of `chain` is being stored.
    pub(crate) async fn note(&self, root: &Key, chain: &Chain) -> Result<()> {
        let _turn = self.writing.lock().await;
        let found = self.find(root).await;
        let is_old = found.as_ref().is_some_and(|hit| hit.age > OLD);
        let mut chains = found.map(|hit| hit.value.chains.clone()).unwrap_or_default();
        if chains.last() == Some(chain) && !is_old {
            return Ok(());
        }
        chains.retain(|known| known != chain);
        chains.push(chain.clone());
        chains.drain(..chains.len().saturating_sub(MOST));
        self.cache.put(&key(root)?, Known { chains }).await
    }

    /// `chain`, or what is known that differs from it in versions of programs alone: the newest such.
    pub(crate) async fn any_version(&self, root: &Key, chain: Chain) -> Chain {
        let known = self.of(root).await.into_iter().rev();
        let mut same = known.filter(|known| Chain { programs: chain.programs.clone(), ..known.clone() } == chain);
        same.next().unwrap_or(chain)
    }

    async fn find(&self, root: &Key) -> Option<Hit<Known>> {
        self.cache.get(&key(root).ok()?).await.ok().flatten()
    }

    pub(crate) async fn close(&self) -> Result<()> {
        self.cache.close().await
    }
}

/// The record's key in its cache, whose name is the first part of `root`.
fn key(root: &Key) -> Result<Key> {
    let below = root.as_str().strip_prefix(VIDEO).and_then(|rest| rest.strip_prefix(':'));
    Key::parse(below.unwrap_or(root.as_str()))?.child("known").build()
}

//! How expired records that the server has not dropped are dropped.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use cache_core::{Key, KeyPrefix, Result, Swept, Timestamp};
use futures_util::stream::{self, StreamExt};

use super::Store;
use super::pages::{AT_ONCE, Place};
use crate::record::Front;

/// Steps of one sweep.
const STEPS: usize = 64;

impl Store {
    pub(crate) async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        let nodes = self.nodes()?;
        let mut swept = Swept::default();
        if limit == 0 {
            return Ok(swept);
        }
        let left_at = self.swept_until.lock().unwrap_or_else(PoisonError::into_inner).take();
        let left_at = left_at.filter(|place| nodes.contains(&place.node));
        // From the start on, one pass finds everything; from elsewhere, it takes another one.
        let mut passes = if left_at.is_some() { 2 } else { 1 };
        let mut place = left_at.unwrap_or_else(|| Place::start_of(nodes[0].clone()));
        for _ in 0..STEPS {
            let (names, next) = self.step(&place, Some(self.names.pattern(&KeyPrefix::all()))).await?;
            if !self.sweep_step(&names, now, limit, &mut swept).await? {
                swept.more = true;
                break;
            }
            place = match (next, nodes.iter().skip_while(|node| **node != place.node).nth(1).cloned()) {
                (Some(cursor), _) => Place { cursor, ..place },
                (None, Some(node)) => Place::start_of(node),
                (None, None) => {
                    passes -= 1;
                    Place::start_of(nodes[0].clone())
                }
            };
            if passes == 0 {
                return Ok(swept);
            }
        }
        swept.more = true;
        *self.swept_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
        Ok(swept)
    }

    /// Drops what has expired of `names`; false when the limit leaves some.
    async fn sweep_step(&self, names: &[Bytes], now: Timestamp, limit: usize, swept: &mut Swept) -> Result<bool> {
        let keys: Vec<Key> = names.iter().filter_map(|name| self.names.key(name)).collect();
        let fronts: Vec<Result<(Key, Option<Front>)>> = stream::iter(keys)
            .map(|key| async move { self.find_front(&key).await.map(|front| (key, front)) })
            .buffered(AT_ONCE)
            .collect()
            .await;
        for found in fronts {
            let (key, Some(front)) = found? else { continue };
            if front.expires() > now {
                continue;
            }
            if swept.expired >= limit as u64 {
                return Ok(false);
            }
            let dropped = self.drop_record(&key, Bytes::copy_from_slice(front.as_bytes())).await?;
            if dropped > 0 {
                swept.expired += 1;
                swept.bytes += dropped;
                self.expired.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(true)
    }
}

//! The sweep: looks at one page of objects after the other and deletes those that have expired.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use cache_core::{ErrorKind, KeyPrefix, Result, Swept, Timestamp};
use futures_util::{StreamExt, stream};
use object_store::path::Path;
use tokio::time::Instant;

use crate::backend::LOOKS;
use crate::engine::Engine;
use crate::error::closed;
use crate::listing::{Cursor, PAGE};
use crate::turns::Turns;

/// Where a sweep goes on: objects that were listed and not looked at, then the next page.
#[derive(Debug, Default)]
pub(crate) struct Place {
    names: VecDeque<(Path, u64)>,
    next: Option<Cursor>,
}

/// An expired object, as it was when it was looked at.
#[derive(Debug)]
struct Expired {
    name: Path,
    len: u64,
    row: usize,
    /// Turns of the row that had ended before the look.
    ended: u64,
}

impl Engine {
    /// Looks at no more than a page of objects, and for no longer than half of the time there is; the next call goes
    /// on from there.
    pub(crate) async fn sweep(self: Arc<Self>, now: Timestamp, limit: usize, until: Instant) -> Result<Swept> {
        if limit == 0 {
            return Ok(Swept::default());
        }
        // After a failure, and beside another sweep, it starts anew.
        let mut place = std::mem::take(&mut *self.place.lock());
        if place.names.is_empty() {
            let cursor = place.next.take().unwrap_or_default();
            let page = self.bucket.page(&self.namer.below(&KeyPrefix::all()), &cursor, until).await?;
            place = Place { names: page.objects.into(), next: page.next };
        }
        // One more than may go tells whether any remain.
        let mut expired = self.look_for_expired(&mut place, now, limit.min(PAGE).saturating_add(1), until).await?;
        let more = expired.len() > limit.min(PAGE);
        if let Some(last) = expired.pop_if(|_| more) {
            place.names.push_front((last.name, last.len));
        }
        let swept = self.delete_expired(expired, until).await?;
        *self.place.lock() = place;
        Ok(Swept::new(swept.expired, swept.bytes, more))
    }

    /// Takes objects from `place` until `most` of them have expired.
    async fn look_for_expired(
        &self,
        place: &mut Place,
        now: Timestamp,
        most: usize,
        until: Instant,
    ) -> Result<Vec<Expired>> {
        let enough = Instant::now() + until.saturating_duration_since(Instant::now()) / 2;
        let mut expired = Vec::new();
        let mut looked = 0;
        let names: Vec<_> = place.names.iter().take(PAGE).cloned().collect();
        let looks = names.into_iter().map(|(name, len)| self.look_at_object(name, len, now, until));
        let mut looks = stream::iter(looks).buffered(LOOKS);
        while expired.len() < most && Instant::now() < enough {
            let Some(look) = looks.next().await else { break };
            looked += 1;
            match look {
                Ok(found) => expired.extend(found),
                // It is told about when it is read.
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    tracing::debug!(%error, "a sweep leaves an object that it cannot read");
                }
                Err(error) => return Err(error),
            }
        }
        drop(looks);
        place.names.drain(..looked);
        Ok(expired)
    }

    async fn look_at_object(&self, name: Path, len: u64, now: Timestamp, until: Instant) -> Result<Option<Expired>> {
        if !self.namer.is_ours(&name) {
            return Ok(None);
        }
        let row = Turns::row_of(&name);
        let ended = self.turns.ended(row);
        let Some(seen) = self.bucket.head(&name, until).await? else { return Ok(None) };
        let head = seen.found?;
        if !head.meta.is_expired(now) || self.namer.of(&head.key) != name {
            return Ok(None);
        }
        Ok(Some(Expired { name, len, row, ended }))
    }

    /// Deletes what nobody in this process has written since the look at it, in one request where the store can.
    async fn delete_expired(&self, expired: Vec<Expired>, until: Instant) -> Result<Swept> {
        let rows: BTreeSet<usize> = expired.iter().map(|object| object.row).collect();
        let mut turns = Vec::with_capacity(rows.len());
        for row in rows {
            turns.push(self.turns.take_row(row).await.ok_or_else(closed)?);
        }
        let unchanged = expired.into_iter().filter(|object| self.turns.ended(object.row) == object.ended);
        let lens: HashMap<Path, u64> = unchanged.map(|object| (object.name, object.len)).collect();
        if lens.is_empty() {
            return Ok(Swept::default());
        }
        let names: Vec<Path> = lens.keys().cloned().collect();
        let mut swept = Swept::default();
        for name in self.bucket.delete(&names, until).await? {
            let Some(len) = lens.get(&name) else { continue };
            self.tally.note(Some(*len), None);
            swept.expired += 1;
            swept.bytes += len;
        }
        self.expired.fetch_add(swept.expired, Ordering::Relaxed);
        drop(turns);
        Ok(swept)
    }
}

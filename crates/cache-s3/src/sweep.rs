//! The sweep: looks at one page of objects after the other and deletes those that have expired.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cache_core::{Error, ErrorKind, KeyPrefix, Meta, Result, Role, Swept, Timestamp};
use futures_util::{StreamExt, stream};
use object_store::path::Path;
use tokio::time::{Instant, timeout_at};

use crate::backend::LOOKS;
use crate::engine::Engine;
use crate::error::{closed, timeout};
use crate::listing::{Cursor, PAGE};
use crate::turns::Turns;

/// How much longer than others tombstones and marks stay: not all processes have the same time, and to lose one early
/// brings back what was removed.
const GRACE: Duration = Duration::from_hours(1);
/// From the beginning of the last look at an object to the request that deletes it.
const FRESH: Duration = Duration::from_secs(1);

/// Where a sweep goes on: objects that were listed and not looked at, then the next page.
#[derive(Debug, Default)]
pub(crate) struct Place {
    names: VecDeque<(Path, u64)>,
    next: Option<Cursor>,
    /// The last attempt to list the next page failed.
    has_failed: bool,
}

/// The place while a sweep is at work: whatever ends the sweep, the next one goes on from there.
struct Visit<'a> {
    engine: &'a Engine,
    place: Place,
}

/// What came of the objects that one sweep has asked for.
#[derive(Default)]
struct Asked {
    answered: u64,
    failed: u64,
    last_failure: Option<Error>,
}

impl Engine {
    /// Looks at no more than a page of objects, and for no longer than half of the time there is; the next call goes
    /// on from there. Passes over what it cannot read or delete: only when that is all there is, it fails.
    pub(crate) async fn sweep(self: Arc<Self>, now: Timestamp, limit: usize, until: Instant) -> Result<Swept> {
        if limit == 0 {
            return Ok(Swept::default());
        }
        let limit = limit.min(PAGE);
        // Beside another sweep it starts anew.
        let mut visit = Visit { engine: &self, place: std::mem::take(&mut *self.place.lock()) };
        if visit.place.names.is_empty() {
            self.list_next(&mut visit.place, until).await?;
        }
        let mut asked = Asked::default();
        // One more than may go tells whether any remain.
        let mut expired = self.look_for_expired(&mut visit.place, now, limit + 1, until, &mut asked).await;
        let more = expired.len() > limit;
        if let Some(last) = expired.pop_if(|_| more) {
            visit.place.names.push_front(last);
        }
        let mut swept = Swept::new(0, 0, more);
        for chunk in expired.chunks(LOOKS) {
            match self.delete_expired(chunk, now, until, &mut swept).await {
                Ok(()) => {}
                Err(error) => asked.fail(error, chunk.len() as u64),
            }
        }
        asked.outcome()?;
        Ok(swept)
    }

    async fn list_next(&self, place: &mut Place, until: Instant) -> Result<()> {
        let cursor = place.next.clone().unwrap_or_default();
        match self.bucket.page(&self.namer.below(&KeyPrefix::all()), &cursor, until).await {
            Ok(page) => {
                let ours = page.objects.into_iter().filter(|(name, _)| self.namer.is_ours(name));
                *place = Place { names: ours.collect(), next: page.next, has_failed: false };
                Ok(())
            }
            Err(error) => {
                // The store may have forgotten the page: asked for it in vain twice, the next sweep starts anew.
                if std::mem::replace(&mut place.has_failed, true) {
                    *place = Place::default();
                }
                Err(error)
            }
        }
    }

    /// Takes objects from `place` until `most` of them have expired.
    async fn look_for_expired(
        &self,
        place: &mut Place,
        now: Timestamp,
        most: usize,
        until: Instant,
        asked: &mut Asked,
    ) -> Vec<(Path, u64)> {
        let enough = Instant::now() + until.saturating_duration_since(Instant::now()) / 2;
        let mut expired = Vec::new();
        let names: Vec<_> = place.names.iter().take(PAGE).cloned().collect();
        let looks =
            names.into_iter().map(|object| async move { (self.has_expired(&object.0, now, until).await, object) });
        let mut looks = stream::iter(looks).buffered(LOOKS);
        while expired.len() < most && !asked.is_in_vain() {
            let Ok(look) = timeout_at(enough, looks.next()).await else {
                // One that hangs must not be the first of every sweep.
                if asked.is_none() && place.names.pop_front().is_some() {
                    asked.fail(timeout(self.limit), 1);
                }
                break;
            };
            let Some((look, object)) = look else { break };
            place.names.pop_front();
            match look {
                Ok(has_expired) => {
                    asked.answered += 1;
                    expired.extend(has_expired.then_some(object));
                }
                Err(error) => asked.fail(error, 1),
            }
        }
        expired
    }

    async fn has_expired(&self, name: &Path, now: Timestamp, until: Instant) -> Result<bool> {
        let Some(seen) = self.bucket.head(name, until).await? else { return Ok(false) };
        match seen.found {
            Ok(head) => Ok(is_due(&head.meta, now) && self.namer.of(&head.key) == *name),
            // It is told about when it is read.
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                tracing::debug!(%error, "a sweep leaves an object that does not verify");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Deletes what has still expired at a second look, while nobody in this process writes it. Others may: the shorter
    /// the time from look to delete, the less likely.
    async fn delete_expired(
        &self,
        objects: &[(Path, u64)],
        now: Timestamp,
        until: Instant,
        swept: &mut Swept,
    ) -> Result<()> {
        let rows: BTreeSet<usize> = objects.iter().map(|(name, _)| Turns::row_of(name)).collect();
        let mut turns = Vec::with_capacity(rows.len());
        for row in rows {
            turns.push(self.turns.take_row(row).await.ok_or_else(closed)?);
        }
        let begin = Instant::now();
        let looks = objects.iter().map(|(name, len)| async move {
            // What fails, or takes long, is left to the next round.
            let look = timeout_at(begin + FRESH, self.has_expired(name, now, until)).await;
            matches!(look, Ok(Ok(true))).then(|| (name.clone(), *len))
        });
        let found: Vec<_> = stream::iter(looks.collect::<Vec<_>>()).buffered(LOOKS).collect().await;
        let lens: HashMap<Path, u64> = found.into_iter().flatten().collect();
        if lens.is_empty() || begin.elapsed() > FRESH {
            return Ok(());
        }
        let names: Vec<Path> = lens.keys().cloned().collect();
        let doubt = self.tally.doubt();
        for name in self.bucket.delete_once(&names).await? {
            let Some(len) = lens.get(&name) else { continue };
            self.tally.note(Some(*len), None);
            swept.expired += 1;
            swept.bytes += len;
            self.expired.fetch_add(1, Ordering::Relaxed);
        }
        doubt.settle();
        drop(turns);
        Ok(())
    }
}

impl Asked {
    fn is_none(&self) -> bool {
        self.answered == 0 && self.failed == 0
    }

    /// Whether it is the store that fails, by the looks of it, and not some objects.
    fn is_in_vain(&self) -> bool {
        self.answered == 0 && self.failed >= LOOKS as u64
    }

    fn fail(&mut self, error: Error, objects: u64) {
        self.failed += objects;
        self.last_failure = Some(error);
    }

    fn outcome(self) -> Result<()> {
        match self.last_failure {
            Some(error) if self.answered == 0 => Err(error),
            Some(error) => {
                tracing::warn!(%error, objects = self.failed, "a sweep passed over objects that it cannot read or delete");
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        *self.engine.place.lock() = std::mem::take(&mut self.place);
    }
}

/// Whether an entry may go at `now`.
fn is_due(meta: &Meta, now: Timestamp) -> bool {
    match meta.role {
        Role::Value => meta.is_expired(now),
        _ => meta.expires().after(GRACE) <= now,
    }
}

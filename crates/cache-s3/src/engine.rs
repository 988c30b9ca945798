//! `Engine`: what the methods of the backend do, once they are bounded in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use cache_core::{Clock, Entry, Error, ErrorKind, Key, KeyPrefix, Meta, Result, Stamp, Usage};
use object_store::path::Path;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::bucket::{Bucket, Present, Seen, Written};
use crate::config::{Kind, ObjectConfig};
use crate::connect::connect;
use crate::error::{closed, timeout, unavailable};
use crate::name::Namer;
use crate::object::{self, Head, corrupt};
use crate::sweep::Place;
use crate::tally::{Count, Counting, Tally};
use crate::turns::Turns;

/// How often a write compares anew because another process was faster.
const ROUNDS: usize = 10;
/// Pages of names that one count reads at most.
const COUNTED_PAGES: usize = 1_000;

/// An open object store.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) name: Arc<str>,
    pub(crate) kind: Kind,
    pub(crate) max_body: u64,
    /// How long one call may take.
    pub(crate) limit: Duration,
    pub(crate) bucket: Bucket,
    pub(crate) namer: Namer,
    pub(crate) turns: Turns,
    pub(crate) tally: Tally,
    /// Where the next sweep goes on.
    pub(crate) place: Mutex<Place>,
    pub(crate) expired: AtomicU64,
    corrupt: AtomicU64,
    clock: Arc<dyn Clock>,
    /// Bounds the writes that go on after their callers have left.
    writers: Arc<Semaphore>,
    writers_max: u32,
    is_closed: AtomicBool,
}

impl Engine {
    /// May block.
    pub(crate) fn open(config: &ObjectConfig) -> Result<Self> {
        let (bucket, root) = connect(config)?;
        let writers_max = 2 * u32::from(config.concurrency);
        Ok(Self {
            name: config.name.clone(),
            kind: config.kind,
            max_body: config.max_body,
            limit: config.timeout,
            bucket,
            namer: Namer::new(root),
            turns: Turns::new(),
            tally: Tally::default(),
            place: Mutex::default(),
            expired: AtomicU64::new(0),
            corrupt: AtomicU64::new(0),
            clock: config.clock.clone(),
            writers: Arc::new(Semaphore::new(writers_max as usize)),
            writers_max,
            is_closed: AtomicBool::new(false),
        })
    }

    /// When a call that begins at this instant has to end.
    pub(crate) fn until(&self) -> Instant {
        Instant::now() + self.limit
    }

    pub(crate) fn check_open(&self) -> Result<()> {
        if self.is_closed.load(Ordering::Acquire) { Err(closed()) } else { Ok(()) }
    }

    /// `error` with what it happened to; counts what did not verify.
    pub(crate) fn told(&self, error: Error, operation: &'static str, key: Option<&Key>) -> Error {
        if error.kind() == ErrorKind::Corrupt {
            self.corrupt.fetch_add(1, Ordering::Relaxed);
        }
        let error = error.with_backend(self.name.clone()).with_operation(operation);
        if let Some(key) = key { error.with_key(key) } else { error }
    }

    /// Waits until fewer writes are under way than may be.
    pub(crate) async fn place_for_writer(&self, until: Instant) -> Result<OwnedSemaphorePermit> {
        let place = timeout_at(until, self.writers.clone().acquire_owned()).await;
        place.map_err(|_| timeout(self.limit))?.map_err(|_| closed())
    }

    /// Refuses further calls, and waits for writes whose callers have left.
    pub(crate) async fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        // Each of them ends by its own deadline.
        let _ended = timeout_at(self.until(), self.writers.acquire_many(self.writers_max)).await;
        // Who still waits for a place came too late.
        self.writers.close();
    }

    pub(crate) async fn stat(&self, key: &Key) -> Result<Option<Meta>> {
        let Some(seen) = self.look(key, &self.namer.of(key), self.until()).await? else { return Ok(None) };
        Ok(Some(seen.found?.meta).filter(|meta| self.is_live(meta)))
    }

    pub(crate) async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        let Some(seen) = self.read(key, &self.namer.of(key), self.until()).await? else { return Ok(None) };
        Ok(Some(seen.found?).filter(|entry| self.is_live(&entry.meta)))
    }

    /// The unexpired entry of an object that a scan has listed.
    pub(crate) async fn meta_of(&self, name: Path) -> Result<Option<(Key, Meta)>> {
        let Some(seen) = self.bucket.head(&name, self.until()).await? else { return Ok(None) };
        let Head { key, meta, .. } = seen.found?;
        if self.namer.of(&key) != name {
            return Err(corrupt("the object holds a key of another name: it was copied or mixed up"));
        }
        Ok(Some((key, meta)).filter(|(_, meta)| self.is_live(meta)))
    }

    pub(crate) async fn put(self: Arc<Self>, key: Key, entry: Entry, until: Instant) -> Result<()> {
        entry.check_body(self.max_body)?;
        if !self.is_live(&entry.meta) {
            return Ok(());
        }
        let name = self.namer.of(&key);
        let parts = object::encode(&key, &entry)?;
        let len = parts.iter().map(|part| part.len() as u64).sum();
        let _turn = self.turns.take(&name).await.ok_or_else(closed)?;
        // What a write was to replace that was refused: perhaps because it had been made, and the answer was lost.
        let (mut refused, mut doubt) = (None, None);
        for _ in 0..ROUNDS {
            let (present, before) = match self.look(&key, &name, until).await? {
                None => (Present::Absent, None),
                Some(Seen { found: Ok(head), .. }) if refused.is_some() && head.is_of(&entry) => {
                    self.tally.settle(doubt, refused.flatten(), Some(len));
                    return Ok(());
                }
                // What does not verify is replaced by whatever comes.
                Some(Seen { version, len, found }) => match found {
                    Ok(head) if self.is_live(&head.meta) && head.meta.stamp > entry.meta.stamp => return Ok(()),
                    _ => (version, Some(len)),
                },
            };
            doubt = doubt.or_else(|| Some(self.tally.doubt()));
            if self.bucket.write(&name, parts.clone(), present, until).await? == Written::Done {
                self.tally.settle(doubt, before, Some(len));
                return Ok(());
            }
            refused = Some(before);
        }
        Err(contended())
    }

    pub(crate) async fn renew(self: Arc<Self>, key: Key, stamp: Stamp, meta: Meta, until: Instant) -> Result<bool> {
        let name = self.namer.of(&key);
        let _turn = self.turns.take(&name).await.ok_or_else(closed)?;
        let (mut refused, mut doubt) = (None, None);
        for _ in 0..ROUNDS {
            if meta.stamp < stamp || !self.is_live(&meta) {
                return Ok(false);
            }
            let Some(seen) = self.read(&key, &name, until).await? else { return Ok(false) };
            let entry = seen.found?;
            // The write that was refused had been made, and its answer was lost.
            if refused.is_some() && entry.meta == meta {
                self.tally.settle(doubt, refused, Some(seen.len));
                return Ok(true);
            }
            if !self.is_live(&entry.meta) || entry.meta.stamp != stamp || entry.meta.role != meta.role {
                return Ok(false);
            }
            let parts = object::encode(&key, &Entry::new(meta.clone(), entry.body))?;
            let len = parts.iter().map(|part| part.len() as u64).sum();
            doubt = doubt.or_else(|| Some(self.tally.doubt()));
            if self.bucket.write(&name, parts, seen.version, until).await? == Written::Done {
                self.tally.settle(doubt, Some(seen.len), Some(len));
                return Ok(true);
            }
            refused = Some(seen.len);
        }
        Err(contended())
    }

    /// Deletes an unexpired entry, and what does not verify; an expired one is left to the sweep.
    pub(crate) async fn remove(self: Arc<Self>, key: Key, until: Instant) -> Result<bool> {
        let name = self.namer.of(&key);
        let _turn = self.turns.take(&name).await.ok_or_else(closed)?;
        let Some(seen) = self.look(&key, &name, until).await? else { return Ok(false) };
        let was_there = match seen.found {
            Ok(head) if !self.is_live(&head.meta) => return Ok(false),
            Ok(_) => true,
            Err(_) => false,
        };
        let doubt = self.tally.doubt();
        self.bucket.delete(std::slice::from_ref(&name), until).await?;
        self.tally.settle(Some(doubt), Some(seen.len), None);
        Ok(was_there)
    }

    pub(crate) async fn usage(&self) -> Result<Usage> {
        let Count { entries, bytes, .. } = self.count().await?;
        let mut usage = Usage::default();
        usage.entries = entries;
        usage.bytes = bytes;
        // Other processes may have put and removed since.
        usage.exact = false;
        usage.expired = self.expired.load(Ordering::Relaxed);
        usage.corrupt = self.corrupt.load(Ordering::Relaxed);
        Ok(usage)
    }

    /// The last count if it is recent, or if there is no time for another one.
    async fn count(&self) -> Result<Count> {
        let until = self.until();
        let counted = timeout_at(until, self.count_on(until)).await.unwrap_or_else(|_| Err(timeout(self.limit)));
        match counted {
            Err(error) if error.kind() == ErrorKind::Timeout => self.tally.last().ok_or(error),
            counted => counted,
        }
    }

    /// Goes on with a count where the last call has left it.
    async fn count_on(&self, until: Instant) -> Result<Count> {
        let mut counting = self.tally.counting.lock().await;
        if let Some(count) = self.tally.recent() {
            return Ok(count);
        }
        loop {
            self.check_open()?;
            let page = self.bucket.page(&self.namer.below(&KeyPrefix::all()), &counting.next, until).await;
            // The store may have forgotten the page.
            let page = page.inspect_err(|_| *counting = Counting::default())?;
            for (_, len) in page.objects.iter().filter(|(name, _)| self.namer.is_ours(name)) {
                counting.entries += 1;
                counting.bytes += len;
            }
            counting.pages += 1;
            match page.next {
                Some(next) if counting.pages < COUNTED_PAGES => counting.next = next,
                _ => {
                    let Counting { entries, bytes, .. } = std::mem::take(&mut *counting);
                    return Ok(self.tally.set(entries, bytes));
                }
            }
        }
    }

    /// The head of the object of `key`.
    async fn look(&self, key: &Key, name: &Path, until: Instant) -> Result<Option<Seen<Head>>> {
        let seen = self.bucket.head(name, until).await?;
        Ok(seen.map(|seen| Seen { found: seen.found.and_then(|head| of_key(head, key)), ..seen }))
    }

    /// The object of `key`.
    async fn read(&self, key: &Key, name: &Path, until: Instant) -> Result<Option<Seen<Entry>>> {
        let Some(Seen { version, len, found }) = self.bucket.whole(name, until).await? else { return Ok(None) };
        let found = found.and_then(|(head, entry)| of_key(head, key).map(|_| entry));
        Ok(Some(Seen { version, len, found }))
    }

    fn is_live(&self, meta: &Meta) -> bool {
        !meta.is_expired(self.clock.now())
    }
}

/// `head`, if it is that of `key`: a name made by a hash does not decide it.
fn of_key(head: Head, key: &Key) -> Result<Head> {
    if head.key == *key { Ok(head) } else { Err(corrupt("the object holds another key: it was copied or mixed up")) }
}

fn contended() -> Error {
    unavailable("other processes write this key all the time: try again")
}

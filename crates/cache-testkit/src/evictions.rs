//! `EvictionLog`: a listener that remembers what left a backend, and what has to be in it.

use std::time::Duration;

use cache_core::{
    Backend, Cause, Clock, Entry, Evicted, EvictionListener, Key, ManualClock, Meta, Result, Stamp, Timestamp, ttl,
};
use parking_lot::Mutex;

/// Entries that the backend of [`check_eviction_listener`] holds.
const HELD: usize = 4;
/// Entries that are put into it.
const PUT: usize = 20;

/// A listener that remembers what left a backend by itself, in the order in which it heard of it.
#[derive(Debug, Default)]
pub struct EvictionLog(Mutex<Vec<HeardEviction>>);

/// What an [`EvictionLog`] heard of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeardEviction {
    /// Its key.
    pub key: Key,
    /// Why it left.
    pub cause: Cause,
    /// What it weighed.
    pub weight: u64,
    /// When the load that made it began.
    pub made: Timestamp,
}

impl EvictionLog {
    /// What it heard so far.
    pub fn heard(&self) -> Vec<HeardEviction> {
        self.0.lock().clone()
    }
}

impl EvictionListener for EvictionLog {
    fn evicted(&self, gone: &Evicted<'_>) {
        let Evicted { key, cause, weight, made, .. } = *gone;
        self.0.lock().push(HeardEviction { key: key.clone(), cause, weight, made });
    }
}

/// Checks that `log`, which `backend` has as its listener, hears of everything that leaves by itself and of nothing else.
///
/// The backend is empty, holds four entries, lets the one used longest ago go first, and takes its time from `clock`.
///
/// # Errors
/// The first of the backend.
///
/// # Panics
/// When the listener is not told what it is to be told.
pub async fn check_eviction_listener(backend: &dyn Backend, clock: &ManualClock, log: &EvictionLog) -> Result<()> {
    let began = clock.now();
    for number in 0..PUT {
        let meta = Meta::new(Stamp::first_of(clock.now()), clock.now());
        backend.put(&key(number)?, Entry::new(meta, vec![7; 100 + number])).await?;
        clock.advance(Duration::from_secs(1));
    }
    let heard = log.heard();
    assert_eq!(heard.len(), PUT - HELD, "{heard:?}");
    for (number, heard) in heard.iter().enumerate() {
        let made = began.after(Duration::from_secs(number as u64));
        assert_eq!((&heard.key, heard.cause, heard.made), (&key(number)?, Cause::Capacity, made));
        assert!(heard.weight > 100 + number as u64, "{heard:?} weighs less than its body");
    }
    let (replaced, removed) = (key(PUT - 1)?, key(PUT - 2)?);
    let meta = Meta::new(Stamp::first_of(clock.now()), clock.now()).with_lifetime(ttl(Duration::from_secs(1)));
    backend.put(&replaced, Entry::new(meta, vec![8; 10])).await?;
    assert!(backend.remove(&removed).await?, "{removed} was held");
    assert_eq!(log.heard().len(), PUT - HELD, "what callers replace and remove is not told");

    clock.advance(Duration::from_secs(2));
    backend.sweep(clock.now(), 100).await?;
    let last = log.heard().into_iter().skip(PUT - HELD).map(|heard| (heard.key, heard.cause)).collect::<Vec<_>>();
    assert_eq!(last, [(replaced, Cause::Expired)]);
    let usage = backend.usage().await?;
    assert_eq!((usage.evicted, usage.expired), ((PUT - HELD) as u64, 1), "the counts are those of what is told");
    Ok(())
}

fn key(number: usize) -> Result<Key> {
    Key::of("evicted").part(number).build()
}

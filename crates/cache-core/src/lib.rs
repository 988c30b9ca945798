//! Words, contracts and pure policies of the Reelcache cache: no runtime, no I/O, no threads.
//!
//! * [`Key`], [`KeyPrefix`], [`KeyPattern`]: names of entries and selections of them
//! * [`Entry`] = [`Meta`] + body, with one versioned, checksummed binary form
//! * [`Backend`]: the contract of one place that stores bytes; [`BackendExt`]: convenience on top
//! * [`Selector`], [`Mark`]: what an invalidation means and how it stays in force; [`Leases`], [`Backplane`]: powers of
//!   backends that a fleet of processes shares
//! * [`Policy`]: who leaves when there is no room; [`Catalog`]: a policy joined with keys, deadlines and exact
//!   accounting
//! * [`Clock`], [`Timestamp`], [`Lifetime`], [`Stamp`]: time as a value
//! * [`Error`]: one error type for all crates
//!
//! ```
//! use cache_core::{Clock, Entry, Freshness, Hlc, HOUR, Key, ManualClock, Meta, Timestamp, ttl};
//! use std::sync::Arc;
//!
//! let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000)));
//! let stamps = Hlc::new(clock.clone());
//!
//! let key = Key::of("video").part("a3f4b2c1").param("quality", 3).build()?;
//! let meta = Meta::new(stamps.tick(), clock.now()).with_lifetime(ttl(2 * HOUR).stale(HOUR));
//! let entry = Entry::new(meta, "the body");
//! assert_eq!(Entry::decode(entry.encode()?)?, entry);
//!
//! clock.advance(2 * HOUR);
//! assert_eq!(entry.meta.freshness(clock.now()), Freshness::Stale);
//! # let _ = key;
//! # Ok::<(), cache_core::Error>(())
//! ```

mod backend;
mod backplane;
mod catalog;
mod clock;
mod entry;
mod error;
mod key;
mod lease;
mod listener;
mod meta;
mod policy;
mod selector;
mod stamp;
mod stats;
mod time;

pub use backend::{Backend, BackendExt, BackendInfo};
pub use backplane::{Backplane, Heard, Position};
pub use catalog::{Catalog, Departure, Departures, Limits, Offer};
pub use clock::{Clock, ManualClock, SystemClock};
pub use entry::Entry;
pub use error::{Error, ErrorKind, Result, Retry};
pub use key::{Key, KeyBuilder, KeyPattern, KeyPrefix};
pub use lease::{Lease, Leases};
pub use listener::{Evicted, EvictionListener};
pub use meta::{Meta, Role};
pub use policy::{Agd, CustomPolicy, Facts, Fifo, Gdsf, Lru, Policy, PolicyKind, S3Fifo, Sieve, Slot, Slru, TinyLfu};
pub use selector::{Mark, Selector};
pub use stamp::{Hlc, Stamp};
pub use stats::{Cause, Outcome, Outcomes, Swept, Usage};
pub use time::{DAY, Freshness, HOUR, Lifetime, MINUTE, Timestamp, ttl};

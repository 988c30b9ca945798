//! `Leases`: who in a fleet of processes may load a key.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use crate::{Key, Result, Stamp};

/// The right to load a key, held by one process of a fleet for a span of time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Lease {
    /// The key.
    pub key: Key,
    /// The fencing token: newer than that of every lease of this key before. What is loaded under the lease is stored
    /// with it as its stamp, so the late write of a former holder loses wherever the stamps are compared.
    pub token: Stamp,
}

impl Lease {
    /// A lease of `key` under `token`.
    pub const fn new(key: Key, token: Stamp) -> Self {
        Self { key, token }
    }
}

/// A place that gives leases to the processes of a fleet: a power that a shared backend may have.
///
/// Leases end by themselves, so a process that dies frees its keys. A holder renews in time; one whose renewal is
/// refused has lost the lease and discards what it has loaded. Dropping a future of `take` may leave the lease taken
/// until it ends by itself.
#[async_trait]
pub trait Leases: Debug + Send + Sync + 'static {
    /// Takes the lease of `key` for `span`; `None` while it is held, also by this process. The token is newer than
    /// every one given for the key before, and not older than `at_least`.
    async fn take(&self, key: &Key, at_least: Stamp, span: Duration) -> Result<Option<Lease>>;

    /// Holds `lease` for `span` from now on; whether it was still held.
    async fn renew(&self, lease: &Lease, span: Duration) -> Result<bool>;

    /// Gives `lease` back; whether it was still held.
    async fn release(&self, lease: &Lease) -> Result<bool>;
}

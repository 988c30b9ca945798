//! `TierLeases`: the leases of a tier, asked with its patience.

use std::time::Duration;

use cache_core::{Error, ErrorKind, Key, Lease, Leases, Result, Stamp};

use super::Tiered;
use super::tier::Tier;

/// The leases of the nearest tier that offers them, asked with that tier's patience.
///
/// Cancelling a call of it is cancelling that of the backend: see [`Leases`].
#[derive(Debug, Clone)]
pub(crate) struct TierLeases {
    stack: Tiered,
    tier: usize,
}

impl Tiered {
    /// The leases of the nearest tier that offers them.
    pub(crate) fn leases(&self) -> Option<TierLeases> {
        let tier = self.0.tiers.iter().position(|tier| tier.backend.leases().is_some())?;
        Some(TierLeases { stack: self.clone(), tier })
    }
}

impl TierLeases {
    /// As [`Leases::take`]. A lease whose token is from a clock far ahead is given back.
    ///
    /// # Errors
    /// Those of the tier, and [`ErrorKind::Unavailable`] for such a lease: what is stored by its token would be newer
    /// than all that this process could put or invalidate afterwards.
    pub(crate) async fn take(&self, key: &Key, at_least: Stamp, span: Duration) -> Result<Option<Lease>> {
        let work = async { self.offered()?.take(key, at_least, span).await };
        let lease = self.tier().call("take a lease", self.tier().patience, work).await?;
        if let Some(lease) = &lease
            && !self.stack.stamps().observe(lease.token)
        {
            // Not given back, it ends by itself.
            let _ = self.release(lease).await;
            return Err(Error::new(ErrorKind::Unavailable, "the token of the lease is from a clock far ahead"));
        }
        Ok(lease)
    }

    /// As [`Leases::renew`].
    pub(crate) async fn renew(&self, lease: &Lease, span: Duration) -> Result<bool> {
        let work = async { self.offered()?.renew(lease, span).await };
        self.tier().call("renew a lease", self.tier().patience, work).await
    }

    /// As [`Leases::release`].
    pub(crate) async fn release(&self, lease: &Lease) -> Result<bool> {
        let work = async { self.offered()?.release(lease).await };
        self.tier().call("release a lease", self.tier().patience, work).await
    }

    fn tier(&self) -> &Tier {
        &self.stack.0.tiers[self.tier]
    }

    fn offered(&self) -> Result<&dyn Leases> {
        let gone = || Error::new(ErrorKind::Internal, "the tier offers no leases any more: please report this backend");
        self.tier().backend.leases().ok_or_else(gone)
    }
}

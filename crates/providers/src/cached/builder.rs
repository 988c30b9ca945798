//! `CachedProviderBuilder`: how a cached provider is set up.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use cache_core::{Error, ErrorKind, Result};
use cache_tiered::{Popularity, Tiered};

use super::{CachedProvider, Inner};
use crate::check::Checks;
use crate::reports::Reports;
use crate::request::Namespace;
use crate::store::Store;
use crate::{CacheOptions, LinkCheck, Provider};

/// The first part of the keys of links in the tiers. Another one whenever stored links would mean something else.
const NAME: &str = "links";

/// Sets up a [`CachedProvider`].
#[derive(Debug)]
#[must_use = "a builder is not a provider until it is built"]
pub struct CachedProviderBuilder<P> {
    provider: P,
    options: CacheOptions,
    tiers: Option<Tiered>,
    check: Option<Arc<dyn LinkCheck>>,
    popularity: Option<Popularity>,
}

impl<P: Provider> CachedProviderBuilder<P> {
    pub(super) fn new(provider: P) -> Self {
        Self { provider, options: CacheOptions::default(), tiers: None, check: None, popularity: None }
    }

    /// Sets the tiers that links are kept in. Others may use them too.
    pub fn tiers(mut self, tiers: Tiered) -> Self {
        self.tiers = Some(tiers);
        self
    }

    /// Sets how links are kept.
    pub fn options(mut self, options: CacheOptions) -> Self {
        self.options = options;
        self
    }

    /// Tries the first link of what was cached before it is handed out, as often as the
    /// [options](CacheOptions::check_gap) say; one that is bad is reported. The default is to hand out what is valid.
    pub fn check(mut self, check: impl LinkCheck) -> Self {
        self.check = Some(Arc::new(check));
        self
    }

    /// Counts in `popularity` which requests are made most.
    pub fn popularity(mut self, popularity: Popularity) -> Self {
        self.popularity = Some(popularity);
        self
    }

    /// The provider.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] without tiers, and when the provider's name is no part of a key.
    pub fn build(self) -> Result<CachedProvider<P>> {
        let Self { provider, options, tiers, check, popularity } = self;
        let Some(tiers) = tiers else {
            let message = "a cached provider needs a place for its links: give tiers";
            return Err(Error::new(ErrorKind::Invalid, message).with_backend(provider.name()));
        };
        let namespace = Namespace::new(provider.name(), provider.version())?;
        let store = Store::open(NAME, provider.name(), tiers, &options, popularity)?;
        let checks = check.map(|check| Checks::new(check, options.check_gap));
        Ok(CachedProvider(Arc::new(Inner {
            provider,
            namespace,
            store,
            options,
            checks,
            reports: Reports::new(),
            searches: AtomicU64::new(0),
            reported: AtomicU64::new(0),
        })))
    }
}

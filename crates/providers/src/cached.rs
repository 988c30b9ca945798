//! `CachedProvider`: any provider, with its links cached.

mod builder;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use cache_core::{Clock, Key, Result, Swept};
use cache_tiered::{CacheStats, Invalidation, Load, Progress};
use futures_util::future::BoxFuture;
use serde::Serialize;

pub use builder::CachedProviderBuilder;

use crate::check::Checks;
use crate::reports::Reports;
use crate::store::{Batch, Store};
use crate::{
    Answer, CacheOptions, LinkRequest, Links, Provider, SearchPage, SearchQuery, Verdict, request::Namespace, terms,
};

/// Any provider, with its links cached; itself a provider. Cloning shares it.
///
/// # What is shared
/// Links are filed under the provider's name and version, the account, the canonical page and every parameter of the
/// request. Two providers never share links, nor do two accounts.
///
/// # How long
/// Whole answers live as long as the [options](CacheOptions) say, empty and partial ones shortly, failures not at all.
/// No link is handed out from the end of its [validity](crate::Validity) on, whichever tier it comes from, and whatever
/// stands in for what: the validity is that of the link that ends first. Links that work for less than their margin are
/// given to those who wait for them, and not kept. Links that have ended when the provider gives them, and addresses
/// that nobody may be sent to, are left out.
///
/// # Search
/// Goes to the provider each time.
///
/// # Bad links
/// A link that does not work is [reported](Self::report_bad): it is out of every tier at once, and loaded once for all
/// who report it or ask for it. With a [check](CachedProviderBuilder::check), links are tried before they are handed
/// out.
pub struct CachedProvider<P>(Arc<Inner<P>>);

/// Figures of a cached provider.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ProviderStats {
    /// Name of the provider.
    pub provider: String,
    /// Searches passed on.
    pub searches: u64,
    /// Links reported to be bad, by callers or by a check.
    pub reports: u64,
    /// Figures of the cache of links.
    pub cache: CacheStats,
}

struct Inner<P> {
    provider: P,
    namespace: Namespace,
    store: Store<Links>,
    options: CacheOptions,
    checks: Option<Checks>,
    reports: Reports<Links>,
    searches: AtomicU64,
    reported: AtomicU64,
}

impl<P: Provider> CachedProvider<P> {
    /// Starts a cached `provider`.
    pub fn builder(provider: P) -> CachedProviderBuilder<P> {
        CachedProviderBuilder::new(provider)
    }

    /// The provider behind the cache.
    pub fn provider(&self) -> &P {
        &self.0.provider
    }

    /// The key that the links of `request` are cached under, as it is shown in errors. The request remembers it.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](cache_core::ErrorKind::Invalid) when account and parameters are too long for a key.
    pub fn key(&self, request: &LinkRequest) -> Result<Key> {
        request.key_in(&self.0.namespace)
    }

    /// The links of `request`: from the nearest tier that has them, else from the provider, asked once for all who wait.
    ///
    /// Cancelling it disturbs nobody else.
    ///
    /// # Errors
    /// Those of the provider, as it gave them, with the key; those of
    /// [`Cache::get_or_load`](cache_tiered::Cache::get_or_load) otherwise.
    pub async fn get(&self, request: &LinkRequest) -> Result<Answer<Links>> {
        let inner = &self.0;
        let key = request.key_in(&inner.namespace)?;
        let answer = inner.store.get(&key, self.loader(request)).await?;
        match &inner.checks {
            // In a box, so that those who need none of it do not carry it around.
            Some(checks) if answer.was_cached() => Box::pin(self.checked(checks, request, &key, answer)).await,
            _ => Ok(answer),
        }
    }

    /// The links of all `requests`, one answer for each, in their order: what is there in one read of each tier, the
    /// rest as [`get`](Self::get), as many at once as the [options](CacheOptions::at_once) say. One that fails leaves
    /// the others alone. Links are not checked. Those that end while others are loaded are asked for anew, once.
    ///
    /// Cancelling it leaves loads under way to those who wait for them.
    pub async fn get_many(&self, requests: &[LinkRequest]) -> Vec<Result<Answer<Links>>> {
        let inner = &self.0;
        let (provider, at_once) = (inner.provider.name(), inner.options.at_once);
        let batch = Batch { provider, namespace: &inner.namespace, requests, at_once };
        inner.store.get_many(&batch, |request| self.loader(request)).await
    }

    /// Asks the provider although there may be fresh links, or joins who does.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn refresh(&self, request: &LinkRequest) -> Result<Answer<Links>> {
        let key = request.key_in(&self.0.namespace)?;
        self.0.store.refresh(&key, self.loader(request)).await
    }

    /// Says that the link `url` of `request` does not work; what is to be used instead. The links of the request leave
    /// every tier, and are loaded anew, once for all who report them or ask for them meanwhile.
    ///
    /// When others have replaced the link already, the answer is what they have found; likewise when the links have just
    /// been loaded, by the [options](CacheOptions::report_gap), because they could not be had better.
    ///
    /// # Errors
    /// As [`get`](Self::get). The link is not handed out any more all the same.
    pub async fn report_bad(&self, request: &LinkRequest, url: &str) -> Result<Answer<Links>> {
        let inner = &self.0;
        inner.reported.fetch_add(1, Ordering::Relaxed);
        let key = request.key_in(&inner.namespace)?;
        let (gap, is_bad) = (inner.options.report_gap, |links: &Links| links.contains(url));
        let replace = || inner.store.replace(&key, gap, is_bad, self.loader(request));
        let answer = inner.reports.once(&key, url, is_bad, replace).await?;
        self.current(request, &key, answer).await
    }

    /// Says with which status of HTTP the link `url` was answered: for 401, 403, 404 and 410 as
    /// [`report_bad`](Self::report_bad), for all others nothing.
    ///
    /// # Errors
    /// As [`report_bad`](Self::report_bad).
    pub async fn report_status(&self, request: &LinkRequest, url: &str, status: u16) -> Result<Option<Answer<Links>>> {
        match Verdict::of_status(status) {
            Verdict::Bad => self.report_bad(request, url).await.map(Some),
            _ => Ok(None),
        }
    }

    /// Makes all links of this provider, of whatever version and account, out of date, in every tier and for every load
    /// under way; how many answers were there.
    ///
    /// # Errors
    /// As [`Cache::invalidate`](cache_tiered::Cache::invalidate).
    pub async fn clear(&self) -> Result<Invalidation> {
        self.0.store.clear(self.0.namespace.root()).await
    }

    /// Drops what has expired in the tiers, which are swept as a whole: the count is of all that shares them, and that
    /// of the deepest tier.
    ///
    /// # Errors
    /// As [`Backend::sweep`](cache_core::Backend::sweep).
    pub async fn remove_expired(&self) -> Result<Swept> {
        self.0.store.remove_expired().await
    }

    /// How far each running lookup of links is, in no promised order.
    pub fn loads(&self) -> Vec<Progress> {
        self.0.store.cache().loads()
    }

    /// The figures of now.
    pub fn stats(&self) -> ProviderStats {
        ProviderStats {
            provider: self.0.provider.name().to_owned(),
            searches: self.0.searches.load(Ordering::Relaxed),
            reports: self.0.reported.load(Ordering::Relaxed),
            cache: self.0.store.cache().stats(),
        }
    }

    /// Ends the cache of links; the tiers stay open.
    ///
    /// # Errors
    /// As [`Cache::close`](cache_tiered::Cache::close).
    pub async fn close(&self) -> Result<()> {
        self.0.store.cache().close().await
    }

    /// What is handed out in place of a cached `answer`.
    async fn checked(
        &self,
        checks: &Checks,
        request: &LinkRequest,
        key: &Key,
        answer: Answer<Links>,
    ) -> Result<Answer<Links>> {
        let answer = match answer.value.links.first() {
            Some(link) if checks.finds_bad(key, link, self.0.clock().now()).await => {
                self.report_bad(request, &link.url).await?
            }
            _ => answer,
        };
        self.current(request, key, answer).await
    }

    /// What is handed out in place of an `answer` that others had first, or that was checked: links may end meanwhile.
    async fn current(&self, request: &LinkRequest, key: &Key, answer: Answer<Links>) -> Result<Answer<Links>> {
        let store = &self.0.store;
        let answer = if store.is_over(&answer) { store.get(key, self.loader(request)).await? } else { answer };
        store.unended(self.0.provider.name(), answer)
    }

    fn loader(
        &self,
        request: &LinkRequest,
    ) -> impl FnOnce(Load) -> BoxFuture<'static, Result<Links>> + Send + 'static + use<P> {
        let (inner, request) = (self.0.clone(), request.clone());
        move |load| Box::pin(async move { inner.load(&load, &request).await })
    }
}

impl<P: Provider> Inner<P> {
    fn clock(&self) -> &Arc<dyn Clock> {
        self.store.clock()
    }

    async fn load(&self, load: &Load, request: &LinkRequest) -> Result<Links> {
        let links = self.provider.links(request).await?;
        terms::settle(load, self.provider.name(), links, self.clock().now())
    }
}

#[async_trait]
impl<P: Provider> Provider for CachedProvider<P> {
    fn name(&self) -> &str {
        self.0.provider.name()
    }

    fn version(&self) -> &str {
        self.0.provider.version()
    }

    async fn search(&self, query: &SearchQuery) -> Result<SearchPage> {
        self.0.searches.fetch_add(1, Ordering::Relaxed);
        self.0.provider.search(query).await
    }

    async fn links(&self, request: &LinkRequest) -> Result<Links> {
        Ok(Links::clone(&self.get(request).await?.value))
    }
}

impl<P> Clone for CachedProvider<P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<P: fmt::Debug> fmt::Debug for CachedProvider<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedProvider")
            .field("provider", &self.0.provider)
            .field("options", &self.0.options)
            .finish_non_exhaustive()
    }
}

//! `Provider`: the contract of a place that is searched and that knows links.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use cache_core::Result;

use crate::{LinkRequest, Links, SearchPage, SearchQuery};

/// A place that is searched and that knows the links of what is found there.
///
/// # Rules
/// * A provider keeps nothing itself: [`CachedProvider`](crate::CachedProvider) does, and only links.
/// * **A failure is no answer.** An outage, a refusal and an answer of the wrong shape are errors made from a
///   [`Failure`](crate::Failure), with its pause where the other side asked for one; an empty answer says that there is
///   nothing.
/// * **An answer that lacks something says so**: [`Links::partial`](crate::Links::partial).
/// * Links are addresses of HTTP or magnet links; others are [left out](crate::Link::is_fetchable).
/// * **Links carry their [`Validity`](crate::Validity)**, from [`link_validity`](crate::link_validity), and the headers
///   that they need.
/// * Dropping a future ends its work, child processes and connections included. Nothing blocks the runtime's threads,
///   and every wait has a limit.
#[async_trait]
pub trait Provider: Debug + Send + Sync + 'static {
    /// Its name, the same in every process and version: what its links are filed under. One part of a key.
    fn name(&self) -> &str;

    /// What its answers depend on besides the request, such as the version of a tool or of a site's description: links
    /// of another version are not found again. Constant while the provider is there; empty if there is nothing.
    #[expect(clippy::unnecessary_literal_bound, reason = "others return a part of themselves")]
    fn version(&self) -> &str {
        ""
    }

    /// What is found for `query`. Never cached.
    async fn search(&self, query: &SearchQuery) -> Result<SearchPage>;

    /// The links of what `request` names.
    async fn links(&self, request: &LinkRequest) -> Result<Links>;
}

#[async_trait]
impl<P: Provider + ?Sized> Provider for Arc<P> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn version(&self) -> &str {
        (**self).version()
    }

    async fn search(&self, query: &SearchQuery) -> Result<SearchPage> {
        (**self).search(query).await
    }

    async fn links(&self, request: &LinkRequest) -> Result<Links> {
        (**self).links(request).await
    }
}

//! `LinkRequest` and `SearchQuery`: what a provider is asked.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use cache_core::{Key, Result};

use crate::{Canonical, SourceType};

/// What a provider is asked for links: a page, for whom, and how. Cloning shares it.
///
/// Everything in it is part of the key that links are cached under: the page by its [canonical](Canonical) form, the
/// scope, and each parameter. A request that is asked again and again is best kept: it remembers its key.
#[derive(Clone)]
pub struct LinkRequest(Arc<Inner>);

/// What a provider is searched for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SearchQuery {
    /// What to search for, in the provider's own language of queries.
    pub text: String,
    /// The most results wanted; a provider may give fewer. `None` for as many as it gives by itself.
    pub limit: Option<u32>,
    /// The [`next`](crate::SearchPage::next) of the page before.
    pub page: Option<String>,
    /// What else the provider understands.
    pub params: BTreeMap<String, String>,
}

/// Where the requests of one provider have their keys.
#[derive(Debug)]
pub(crate) struct Namespace {
    /// No other namespace of this process has it.
    number: u64,
    root: Key,
    base: Key,
}

struct Inner {
    url: Box<str>,
    canonical: Canonical,
    scope: Box<str>,
    params: BTreeMap<Box<str>, Box<str>>,
    /// The key in the namespace that has asked first.
    key: OnceLock<(u64, Key)>,
}

impl LinkRequest {
    /// A request for the links of the page `url`, for no account in particular.
    ///
    /// # Errors
    /// As [`Canonical::of`].
    pub fn new(url: impl Into<String>) -> Result<Self> {
        let url: String = url.into();
        let canonical = Canonical::of(&url)?;
        let trimmed = url.trim();
        let url = if trimmed.len() == url.len() { url.into() } else { trimmed.into() };
        let (scope, params) = (Box::default(), BTreeMap::new());
        Ok(Self(Arc::new(Inner { url, canonical, scope, params, key: OnceLock::new() })))
    }

    /// A request for what has no address: an identifier in the provider's own terms.
    ///
    /// # Errors
    /// As [`Canonical::of_id`].
    pub fn of_id(id: &str) -> Result<Self> {
        let (canonical, scope, params) = (Canonical::of_id(id)?, Box::default(), BTreeMap::new());
        Ok(Self(Arc::new(Inner { url: id.into(), canonical, scope, params, key: OnceLock::new() })))
    }

    /// Sets for which account it is made, by a name that is no secret. Accounts never see each other's links.
    #[must_use]
    pub fn scope(self, account: &str) -> Self {
        self.changed(|inner| inner.scope = account.into())
    }

    /// Sets a parameter that the answer depends on, such as `quality` or `language`; not a secret, because it is shown
    /// in keys. The last value of a name counts.
    #[must_use]
    pub fn param(self, name: &str, value: &str) -> Self {
        self.changed(|inner| _ = inner.params.insert(name.into(), value.into()))
    }

    /// A request for the page `url`, for the same account and with the same parameters.
    pub(crate) fn elsewhere(&self, url: &str) -> Result<Self> {
        Ok(Self::new(url)?.changed(|inner| {
            inner.scope.clone_from(&self.0.scope);
            inner.params.clone_from(&self.0.params);
        }))
    }

    /// The page, as it was given, or the identifier.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// The page, as it is filed.
    pub fn canonical(&self) -> &Canonical {
        &self.0.canonical
    }

    /// Where the media comes from.
    pub fn source_type(&self) -> SourceType {
        self.0.canonical.source_type()
    }

    /// For which account it is made; empty for none in particular.
    pub fn account(&self) -> &str {
        &self.0.scope
    }

    /// The value of the parameter `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.params.get(name).map(|value| &**value)
    }

    /// All parameters, by name.
    pub fn params(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.params.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The key of this request in `namespace`.
    pub(crate) fn key_in(&self, namespace: &Namespace) -> Result<Key> {
        if let Some((known, key)) = self.0.key.get()
            && *known == namespace.number
        {
            return Ok(key.clone());
        }
        let canonical = &self.0.canonical;
        let mut builder = namespace.base.child(format_args!("{}/{}", canonical.source_type(), canonical.id()));
        // None has no part: parameters follow, and a part never reads as one.
        if !self.0.scope.is_empty() {
            builder = builder.part(&self.0.scope);
        }
        let key = self.params().fold(builder, |builder, (name, value)| builder.param(name, value)).build()?;
        // Lost only when another namespace was first.
        _ = self.0.key.set((namespace.number, key.clone()));
        Ok(key)
    }

    fn changed(self, change: impl FnOnce(&mut Inner)) -> Self {
        let mut inner = Arc::try_unwrap(self.0).unwrap_or_else(|shared| shared.copied());
        inner.key = OnceLock::new();
        change(&mut inner);
        Self(Arc::new(inner))
    }
}

impl SearchQuery {
    /// A search for `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Sets the most results wanted.
    #[must_use]
    pub fn limit(mut self, results: u32) -> Self {
        self.limit = Some(results);
        self
    }

    /// Asks for the page that [`next`](crate::SearchPage::next) named.
    #[must_use]
    pub fn page(mut self, page: impl Into<String>) -> Self {
        self.page = Some(page.into());
        self
    }

    /// Sets what else the provider understands.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.params.insert(name.into(), value.into());
        self
    }
}

impl Namespace {
    pub(crate) fn new(name: &str, version: &str) -> Result<Self> {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        Ok(Self { number, root: Key::of(name).build()?, base: Key::of(name).part(version).build()? })
    }

    /// What all its keys, of whatever version, are below.
    pub(crate) fn root(&self) -> &Key {
        &self.root
    }
}

impl Inner {
    fn copied(&self) -> Self {
        Self {
            url: self.url.clone(),
            canonical: self.canonical.clone(),
            scope: self.scope.clone(),
            params: self.params.clone(),
            key: OnceLock::new(),
        }
    }
}

/// Shows the canonical form, which has no secrets.
impl fmt::Debug for LinkRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkRequest")
            .field("page", &self.0.canonical)
            .field("account", &self.0.scope)
            .field("params", &self.0.params)
            .finish()
    }
}

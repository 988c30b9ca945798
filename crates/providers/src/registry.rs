//! `Registry`: cached providers by name.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use cache_core::{Error, ErrorKind, Result};
use cache_tiered::Tiered;

use crate::{CacheOptions, CachedProvider, LinkCheck, Provider};

/// A provider of whatever kind, with its links cached.
pub type AnyProvider = CachedProvider<Arc<dyn Provider>>;

/// Cached providers by name, all over the same tiers. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Registry(Arc<Vec<AnyProvider>>);

/// Sets up a [`Registry`].
#[derive(Debug)]
#[must_use = "a builder is not a registry until it is built"]
pub struct RegistryBuilder {
    tiers: Tiered,
    providers: Vec<(Arc<dyn Provider>, CacheOptions)>,
    default: Option<String>,
    check: Option<Arc<dyn LinkCheck>>,
}

/// A provider was asked for that is not there: the source of the error of [`Registry::get`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownProvider {
    /// The name that was asked for.
    pub name: String,
    /// The names that there are, the default first.
    pub known: Vec<String>,
}

impl Registry {
    /// Starts a registry whose links are kept in `tiers`.
    pub fn builder(tiers: Tiered) -> RegistryBuilder {
        RegistryBuilder { tiers, providers: Vec::new(), default: None, check: None }
    }

    /// The provider `name`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when there is none; its source is [`UnknownProvider`].
    pub fn get(&self, name: &str) -> Result<&AnyProvider> {
        self.0.iter().find(|provider| provider.name() == name).ok_or_else(|| {
            let unknown = UnknownProvider { name: name.to_owned(), known: self.names().map(str::to_owned).collect() };
            Error::new(ErrorKind::Invalid, unknown.to_string()).with_source(unknown)
        })
    }

    /// The provider `name`, or the default one without a name.
    ///
    /// # Errors
    /// As [`get`](Self::get); [`ErrorKind::Invalid`] as well when there is no provider at all.
    pub fn get_or_default(&self, name: Option<&str>) -> Result<&AnyProvider> {
        match (name, self.0.first()) {
            (Some(name), _) => self.get(name),
            (None, Some(default)) => Ok(default),
            (None, None) => self.get("default"),
        }
    }

    /// The names, the default first, the others in the order in which they were added.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Provider::name)
    }

    /// The providers, in that order.
    pub fn providers(&self) -> &[AnyProvider] {
        &self.0
    }

    /// Ends the caches of all providers; the tiers stay open.
    ///
    /// # Errors
    /// The first of [`CachedProvider::close`]; the others are closed all the same.
    pub async fn close(&self) -> Result<()> {
        let closed = futures_util::future::join_all(self.0.iter().map(CachedProvider::close)).await;
        closed.into_iter().collect()
    }
}

impl UnknownProvider {
    /// What is behind `error`, if it is that.
    pub fn of(error: &Error) -> Option<&Self> {
        crate::failure::behind(error).find_map(|cause| cause.downcast_ref())
    }
}

impl RegistryBuilder {
    /// Adds a provider whose links are kept as by default. The first is the default, unless [another](Self::default) is.
    pub fn provider(self, provider: impl Provider) -> Self {
        self.provider_with(provider, CacheOptions::default())
    }

    /// Adds a provider whose links are kept as `options` say.
    pub fn provider_with(mut self, provider: impl Provider, options: CacheOptions) -> Self {
        self.providers.push((Arc::new(provider), options));
        self
    }

    /// Sets which provider is meant where no name is given.
    pub fn default(mut self, name: &str) -> Self {
        self.default = Some(name.to_owned());
        self
    }

    /// Tries links before they are handed out, as [`check`](crate::CachedProviderBuilder::check) of each provider.
    pub fn check(mut self, check: impl LinkCheck) -> Self {
        self.check = Some(Arc::new(check));
        self
    }

    /// The registry.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when two providers have one name, when the default is not there, and as
    /// [`CachedProviderBuilder::build`](crate::CachedProviderBuilder::build).
    pub fn build(self) -> Result<Registry> {
        let mut built: Vec<AnyProvider> = Vec::with_capacity(self.providers.len());
        for (provider, options) in self.providers {
            if built.iter().any(|other| other.name() == provider.name()) {
                let message = format!("two providers are called {}: leave one out", provider.name());
                return Err(Error::new(ErrorKind::Invalid, message));
            }
            let mut builder = CachedProvider::builder(provider).tiers(self.tiers.clone()).options(options);
            if let Some(check) = &self.check {
                builder = builder.check(check.clone());
            }
            built.push(builder.build()?);
        }
        let registry = Registry(Arc::new(built));
        let Some(default) = self.default else { return Ok(registry) };
        let wanted = registry.get(&default)?.name().to_owned();
        let mut providers = registry.providers().to_vec();
        // False comes first, and the order of the others stays.
        providers.sort_by_key(|provider| provider.name() != wanted);
        Ok(Registry(Arc::new(providers)))
    }
}

impl fmt::Display for UnknownProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.known.is_empty() {
            f.write_str("no provider is configured: describe one in [providers]")
        } else {
            write!(f, "there is no provider {:?}: take one of {}", self.name, self.known.join(", "))
        }
    }
}

impl StdError for UnknownProvider {}

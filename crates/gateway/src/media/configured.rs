//! `Providers`: the configured providers over the tiers.

use std::collections::HashMap;
use std::time::Duration;

use cache_core::{HOUR, Lifetime, MINUTE, Result, ttl};
use providers::http::{Fetch, FetchOptions};
use providers::{CacheOptions, ProviderTable, Registry};

use super::allowed::Allowed;
use super::guarded::{Asks, Guarded};
use crate::config::{Config, Effective, OrOff};
use crate::reach::Reach;
use crate::stack::Stack;

/// How long links are kept of which neither their provider's table nor `cache.ttl` says it.
pub(super) const LINKS: Duration = HOUR;
/// The kind of providers that know titles by their identifier.
const ADDON: &str = "stremio";
/// The kind of providers that connect by themselves.
const BY_ITSELF: &str = "yt-dlp";

/// The configured providers over the tiers.
#[derive(Debug)]
pub(crate) struct Providers {
    pub(crate) registry: Registry,
    /// How the links of each are kept.
    pub(super) kept: HashMap<String, Kept>,
    /// Those that know titles, in the order in which their streams are numbered.
    pub(super) addons: Vec<String>,
}

impl Providers {
    /// Those that `effective` describes, their links kept in `stack`.
    ///
    /// # Errors
    /// `Invalid` for a table that describes none, and when a program that a provider needs is not there.
    pub(crate) async fn open(stack: &Stack, effective: &Effective) -> Result<Self> {
        let config = &effective.config;
        let allowed = Allowed::new(config.serve.reach, config.serve.reach_ports.clone());
        let (fetch, defaults) = (fetch(config)?, links_kept(effective));
        let (mut kept, mut addons) = (HashMap::new(), Vec::new());
        let mut registry = Registry::builder(stack.tiers.clone());
        for (name, table) in &config.providers {
            if table.kind() == ADDON {
                addons.push(name.clone());
            }
            let asks = if table.kind() == BY_ITSELF { Asks::ByItself } else { Asks::Here };
            let (provider, options) = table.clone().provider_kept(name, &fetch, defaults.clone()).await?;
            let follows = options.lifetime == defaults.lifetime;
            let terms = Kept { base: options, follows };
            let options = terms.within(config.cache.ttl.or(Duration::MAX), false);
            kept.insert(name.clone(), terms);
            registry = registry.provider_with(Guarded::new(provider, allowed.clone(), asks), options);
        }
        Ok(Self { registry: registry.build()?, kept, addons })
    }

    /// Those of `registry`, their links kept as by default; none knows titles.
    #[cfg(test)]
    pub(crate) fn of(registry: Registry) -> Self {
        Self { registry, kept: HashMap::new(), addons: Vec::new() }
    }
}

/// What providers fetch with, within the reach that is configured, and at the ports where they are.
///
/// # Errors
/// When the certificates of the system cannot be read.
pub(crate) fn fetch(config: &Config) -> Result<Fetch> {
    let admits = match config.serve.reach {
        Reach::Public => |address| Reach::Public.admits(address),
        Reach::Anywhere => |_| true,
    };
    let own = config.providers.values().flat_map(ProviderTable::ports).map(|port| port..=port);
    let ports = config.serve.reach_ports.0.iter().cloned().chain(own);
    Fetch::new(FetchOptions::new().admit(admits).ports(ports))
}

/// How links are kept unless the table of their provider says it: for an hour, or as long as the user says of everything.
fn links_kept(effective: &Effective) -> CacheOptions {
    let is_set = effective.origins.contains_key("cache.ttl");
    let span = if is_set { effective.config.cache.ttl } else { OrOff::On(LINKS) };
    CacheOptions::default().lasting(span.or(Duration::MAX))
}

/// For how long the links of a provider are kept.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    /// As its table and the configuration say it, whatever the longest for all.
    base: CacheOptions,
    /// Whether it is the configuration that says it.
    follows: bool,
}

impl Kept {
    /// For how long when nothing is kept longer than `longest`. Where that `is_said` of everything, links whose table does
    /// not say otherwise are kept as long.
    pub(crate) fn within(&self, longest: Duration, is_said: bool) -> CacheOptions {
        let base = self.base.clone();
        shortened(if is_said && self.follows { base.lasting(longest) } else { base }, longest)
    }
}

/// Options for links that are kept for so long.
trait Lasting {
    fn lasting(self, span: Duration) -> Self;
}

impl Lasting for CacheOptions {
    fn lasting(self, span: Duration) -> Self {
        self.lifetime(ttl(span)).empty(ttl(span.min(MINUTE))).partial(ttl(span.min(MINUTE)))
    }
}

/// What is held decoded lives no longer than what is in the tiers.
fn shortened(options: CacheOptions, longest: Duration) -> CacheOptions {
    let shorter = |lifetime: Lifetime| {
        let fresh = lifetime.fresh_for().min(longest);
        ttl(fresh).stale(lifetime.stale_for().min(longest.saturating_sub(fresh)))
    };
    let CacheOptions { lifetime, empty, partial, .. } = options;
    options.lifetime(shorter(lifetime)).empty(shorter(empty)).partial(shorter(partial))
}

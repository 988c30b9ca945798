//! Links brought into the cache before somebody asks for them.

use cache_core::{Lifetime, Result, ttl};
use futures_util::{StreamExt, stream};
use providers::http::{Fetch, FetchOptions};
use providers::{Answer, CacheOptions, LinkRequest, Links, Registry};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::reach::Reach;
use crate::stack::Stack;

/// Addresses that one step looks up at most.
pub(crate) const STEP: usize = 16;

/// Addresses to look up.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// The provider, unless it is the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) provider: Option<String>,
    pub(crate) addresses: Vec<String>,
}

/// What became of one address.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Warmed {
    pub(crate) address: String,
    /// Where the links were found, or that they were loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<String>,
    #[serde(default)]
    pub(crate) links: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// What providers fetch with, within the reach that is configured.
///
/// # Errors
/// When the certificates of the system cannot be read.
pub(crate) fn fetch(config: &Config) -> Result<Fetch> {
    let admits = match config.serve.reach {
        Reach::Public => |address| Reach::Public.admits(address),
        Reach::Anywhere => |_| true,
    };
    Fetch::new(FetchOptions::new().admit(admits))
}

/// The providers of the configuration, their links kept in `stack`.
///
/// # Errors
/// `Invalid` for a table that describes none; those of programs that are missing.
pub(crate) async fn registry(stack: &Stack, config: &Config) -> Result<Registry> {
    let fetch = fetch(config)?;
    let mut builder = Registry::builder(stack.tiers.clone());
    for (name, table) in &config.providers {
        let (provider, mut options) = table.clone().provider(name, &fetch).await?;
        if let Some(longest) = config.cache.ttl.on() {
            shorten(&mut options, longest);
        }
        builder = builder.provider_with(provider, options);
    }
    builder.build()
}

/// What is held decoded lives no longer than what is in the tiers.
fn shorten(options: &mut CacheOptions, longest: std::time::Duration) {
    let shortened = |lifetime: Lifetime| {
        let fresh = lifetime.fresh_for().min(longest);
        ttl(fresh).stale(lifetime.stale_for().min(longest.saturating_sub(fresh)))
    };
    options.lifetime = shortened(options.lifetime);
    options.empty = shortened(options.empty);
    options.partial = shortened(options.partial);
}

/// Looks the addresses up, [`STEP`] at most; one that fails leaves the others alone.
///
/// # Errors
/// `Invalid` when there is no such provider.
pub(crate) async fn warm(registry: &Registry, wanted: &Wanted) -> Result<Vec<Warmed>> {
    let provider = registry.get_or_default(wanted.provider.as_deref())?;
    let one = |address: String| {
        let provider = provider.clone();
        async move {
            let answer = match LinkRequest::new(address.clone()) {
                Ok(request) => provider.get(&request).await,
                Err(error) => Err(error),
            };
            told(address, answer)
        }
    };
    // Owned, so that the future can be sent whatever it borrows.
    let addresses: Vec<String> = wanted.addresses.iter().take(STEP).cloned().collect();
    Ok(stream::iter(addresses.into_iter().map(one).collect::<Vec<_>>()).buffered(STEP).collect().await)
}

fn told(address: String, answer: Result<Answer<Links>>) -> Warmed {
    match answer {
        Ok(answer) => {
            Warmed { address, origin: Some(answer.to_string()), links: answer.value.links.len(), error: None }
        }
        Err(error) => Warmed { address, origin: None, links: 0, error: Some(crate::told(&error)) },
    }
}

//! `Access`: the cache that a command works on, in this process or through the server that has it.

use std::time::Duration;

use bytes::Bytes;
use cache_core::{Backend, Error, ErrorKind, Key, KeyPattern, KeyPrefix, Result};
use http::Method;
use providers::Registry;
use serde_json::Value as Json;
use tokio::time::timeout;

use crate::beacon;
use crate::config::{Cache, Effective};
use crate::media::Providers;
use crate::ops::{self, Cleared, Cursor, Dropped, Explained, Page, Verified, Wanted, Warmed};
use crate::popular::{Popular, PopularPage};
use crate::remote::Remote;
use crate::stack::{Plan, Stack};

/// Time for a server to show that it is the one of the file.
const FIND_LIMIT: Duration = Duration::from_secs(5);
/// The longest body of an entry and what is around it, in bytes.
const LONGEST_ENTRY: usize = (cache_core::Entry::MAX_BODY as usize) + (1 << 20);

/// The cache that a command works on.
#[derive(Debug)]
pub(crate) enum Access {
    /// Its tiers are open in this process, with these settings.
    Direct(Stack, Box<Cache>),
    Server(Remote),
}

/// What looks links up, in this process or in the server.
#[derive(Debug)]
pub(crate) enum Warmer {
    Direct(Registry, Stack),
    Server(Remote),
}

/// What a command is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intent {
    /// Makes nothing, not even a directory.
    Look,
    Change,
}

/// Why there is no access, which decides the exit code.
#[derive(Debug)]
pub(crate) enum NoAccess {
    Usage(Error),
    Directory(Error),
    /// There is no cache yet.
    Absent(Error),
}

/// An entry with its body.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) meta: Json,
    pub(crate) body: Bytes,
}

impl Access {
    /// The server at `url`, or else the one that uses the cache directory, or else the tiers themselves.
    pub(crate) async fn open(
        url: Option<&str>,
        effective: &Effective,
        intent: Intent,
    ) -> std::result::Result<Self, NoAccess> {
        let config = &effective.config;
        if let Some(url) = url {
            let token = config.serve.admin_token.clone().or_else(|| config.serve.read_token.clone());
            return Remote::new(url, token).map(Self::Server).map_err(NoAccess::Usage);
        }
        if let Some(remote) = running(effective).await {
            return Ok(Self::Server(remote));
        }
        let plan = Plan::of(&config.cache).map_err(NoAccess::Usage)?;
        let plan = if intent == Intent::Look { there(plan).await.map_err(NoAccess::Absent)? } else { plan };
        let stack = plan.open().await.map_err(NoAccess::Directory)?;
        Ok(Self::Direct(stack, Box::new(config.cache.clone())))
    }

    pub(crate) async fn page(&self, prefix: &KeyPrefix, after: Option<&Key>, limit: usize) -> Result<Page> {
        match self {
            Self::Direct(stack, _) => ops::page(stack, prefix, after, limit).await,
            Self::Server(remote) => {
                let (after, limit) = (after.map_or("", Key::as_str), limit.to_string());
                let query = [("prefix", prefix.as_str()), ("after", after), ("limit", &limit)];
                remote.json(Method::GET, "/api/entries", &query).await
            }
        }
    }

    pub(crate) async fn entry(&self, key: &Key) -> Result<Option<Body>> {
        match self {
            Self::Direct(stack, _) => {
                let found = ops::entry(stack, key).await?;
                let now = stack.tiers.clock().now();
                Ok(found.map(|entry| {
                    let meta = serde_json::to_value(ops::Listed::of(key, &entry.meta, now)).unwrap_or_default();
                    Body { meta, body: entry.body }
                }))
            }
            Self::Server(remote) => {
                if ops::is_absent(&self.explain(key).await?) {
                    return Ok(None);
                }
                let answer = remote.ask(Method::GET, "/api/entry", &[("key", key.as_str())], LONGEST_ENTRY).await?;
                let meta =
                    answer.headers.get(ops::META_HEADER).and_then(|told| serde_json::from_slice(told.as_bytes()).ok());
                Ok(Some(Body { meta: meta.unwrap_or_default(), body: answer.body }))
            }
        }
    }

    pub(crate) async fn explain(&self, key: &Key) -> Result<Explained> {
        match self {
            Self::Direct(stack, _) => ops::explain(stack, key).await,
            Self::Server(remote) => remote.json(Method::GET, "/api/explain", &[("key", key.as_str())]).await,
        }
    }

    pub(crate) async fn clear(&self, pattern: &KeyPattern, dry_run: bool) -> Result<Cleared> {
        match self {
            Self::Direct(stack, _) => ops::clear(stack, pattern, dry_run).await,
            Self::Server(remote) => {
                let query = [("pattern", pattern.as_str()), ("dry_run", if dry_run { "true" } else { "false" })];
                remote.json(Method::DELETE, "/api/entries", &query).await
            }
        }
    }

    pub(crate) async fn sweep(&self) -> Result<Dropped> {
        match self {
            Self::Direct(stack, _) => ops::sweep(stack).await,
            Self::Server(remote) => remote.json(Method::POST, "/api/sweep", &[]).await,
        }
    }

    pub(crate) async fn verify(&self, from: &Cursor, repair: bool) -> Result<Verified> {
        match self {
            Self::Direct(stack, _) => ops::verify(stack, from, repair).await,
            Self::Server(remote) => {
                let tier = from.tier.to_string();
                let after = from.after.as_ref().map_or("", Key::as_str);
                let query = [("tier", &*tier), ("after", after), ("repair", if repair { "true" } else { "false" })];
                remote.json(Method::POST, "/api/verify", &query).await
            }
        }
    }

    /// The figures, as a server tells them.
    pub(crate) async fn stats(&self) -> Result<Json> {
        match self {
            Self::Direct(stack, cache) => Ok(ops::figures(stack, cache, Duration::ZERO).await),
            Self::Server(remote) => remote.json(Method::GET, "/api/cache-stats", &[]).await,
        }
    }

    /// What looks links up.
    pub(crate) async fn warmer(&self, effective: &Effective) -> Result<Warmer> {
        Ok(match self {
            Self::Direct(stack, _) => Warmer::Direct(Providers::open(stack, effective).await?.registry, stack.clone()),
            Self::Server(remote) => Warmer::Server(remote.clone()),
        })
    }

    /// Ends what was opened.
    pub(crate) async fn close(&self) -> Result<()> {
        match self {
            Self::Direct(stack, _) => stack.tiers.close().await,
            Self::Server(_) => Ok(()),
        }
    }
}

impl Warmer {
    pub(crate) async fn warm(&self, wanted: Wanted) -> Result<Vec<Warmed>> {
        match self {
            Self::Direct(registry, _) => ops::warm(registry, ops::pages(wanted, Vec::new())).await,
            Self::Server(remote) => remote.send("/api/warm", &wanted).await,
        }
    }

    /// The `most` pages whose links are asked for most: those that a server counts, or counted before it ended.
    pub(crate) async fn popular(&self, most: usize, provider: Option<&str>) -> Result<Vec<PopularPage>> {
        match self {
            Self::Direct(registry, stack) => {
                // As the server does, to which it is told.
                provider.map_or(Ok(()), |provider| registry.get(provider).map(drop))?;
                Ok(ops::popular(registry, &Popular::load(&stack.tiers).await, most, provider))
            }
            Self::Server(remote) => {
                let most = most.to_string();
                let query: Vec<(&str, &str)> =
                    [("limit", most.as_str())].into_iter().chain(provider.map(|name| ("provider", name))).collect();
                remote.json(Method::GET, "/api/popular", &query).await
            }
        }
    }

    pub(crate) async fn close(&self) -> Result<()> {
        match self {
            Self::Direct(registry, _) => registry.close().await,
            Self::Server(_) => Ok(()),
        }
    }
}

/// What of `plan` is there.
///
/// # Errors
/// `Invalid` when nothing is.
async fn there(plan: Plan) -> Result<Plan> {
    let (plan, absent) = plan.of_what_is_there().await;
    let places: Vec<&str> = absent.iter().map(|tier| tier.place.as_str()).collect();
    let told = format!("there is no cache yet ({}): it is made when something is kept", places.join(", "));
    match places.as_slice() {
        [] => {}
        _ if plan.has_lasting() => crate::complain(&told),
        _ => return Err(Error::new(ErrorKind::Invalid, told)),
    }
    Ok(plan)
}

/// The server that uses the cache directory, if one answers.
pub(crate) async fn running(effective: &Effective) -> Option<Remote> {
    let dir = effective.config.cache.directory().ok()?;
    let found = tokio::task::spawn_blocking(move || beacon::find(&dir)).await.ok()??;
    // The key is of that server alone: whoever else listens there by now learns nothing of use.
    let remote = Remote::new(&format!("http://{}", found.address), Some(found.key)).ok()?;
    let asked = timeout(FIND_LIMIT, remote.json::<Json>(Method::GET, "/api/cache-config", &[])).await;
    (asked.ok()?.ok()?["process"] == found.process).then_some(remote)
}

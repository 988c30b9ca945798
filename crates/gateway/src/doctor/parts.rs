//! Tiers and providers: whether each answers.

use std::time::Duration;

use cache_core::{Backend, Error, Key, Result};
use http::Method;
use serde_json::Value;
use tokio::time::timeout;

use super::Finding;
use crate::config::{Cache, Config};
use crate::media;
use crate::remote::Remote;
use crate::stack::{Absent, Plan};
use crate::tiers::TierKind;

/// Time for a tier to answer.
const LIMIT: Duration = Duration::from_secs(10);

/// The tiers of a running server.
pub(super) async fn through(server: Remote) -> Vec<Finding> {
    let stats: Value = match server.json(Method::GET, "/api/cache-stats", &[]).await {
        Ok(stats) => stats,
        Err(error) => return vec![Finding::of_error("server", &error, "look at its log, or stop it")],
    };
    let mut findings = vec![Finding::ok("server", format!("up for {} s", stats["uptime_seconds"]))];
    for tier in stats["tiers"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let name = format!("tier {}", tier["name"].as_str().unwrap_or("?"));
        findings.push(if tier["usage"].is_null() {
            Finding::failed(&name, "the server gets no answer from it", "look at what the server logs about it")
        } else {
            Finding::ok(&name, format!("{} entries", tier["usage"]["entries"]))
        });
    }
    findings
}

/// The tiers, opened here.
pub(super) async fn opened(cache: &Cache) -> Vec<Finding> {
    let failed = |error| Finding::of_error("tiers", &error, "see what the message says; nothing else was opened");
    let (plan, absent) = match Plan::of(cache) {
        Ok(plan) => plan.of_what_is_there().await,
        Err(error) => return vec![failed(error)],
    };
    let yet = |tier: &Absent| {
        Finding::ok(
            &format!("tier {}", tier.kind),
            format!("{}: not there yet, made when something is kept", tier.place),
        )
    };
    let mut findings: Vec<Finding> = absent.iter().map(yet).collect();
    if plan.is_empty() {
        return findings;
    }
    let stack = match plan.open().await {
        Ok(stack) => stack,
        Err(error) => {
            findings.push(failed(error));
            return findings;
        }
    };
    for part in stack.parts.iter() {
        let name = format!("tier {}", part.name);
        let answer = match probe(&*part.backend).await {
            Ok(()) => Finding::ok(&name, "answers"),
            Err(error) => Finding::of_error(&name, &error, advice(part.kind)),
        };
        findings.push(answer);
    }
    if let Err(error) = stack.tiers.close().await {
        findings.push(Finding::of_error("tiers", &error, "look at the disk"));
    }
    findings
}

async fn probe(tier: &dyn Backend) -> Result<()> {
    let key = Key::of("reelcache-doctor").build()?;
    let late = |_| Error::new(cache_core::ErrorKind::Timeout, format!("no answer within {LIMIT:?}"));
    timeout(LIMIT, tier.stat(&key)).await.map_err(late)?.map(drop)
}

fn advice(kind: TierKind) -> &'static str {
    match kind {
        TierKind::Memory => "restart it",
        TierKind::File | TierKind::Sqlite => "check the disk and the permissions of the cache directory",
        TierKind::Redis => {
            "start Redis, or set cache.redis (CACHE_REDIS_URL) to where it is; until then it is passed by"
        }
        TierKind::S3 => "check cache.s3 (CACHE_S3_URL), its keys and the network; until then it is passed by",
    }
}

/// The providers, set up as a server would.
pub(super) async fn providers(config: &Config) -> Vec<Finding> {
    let fetch = match media::fetch(config) {
        Ok(fetch) => fetch,
        Err(error) => return vec![Finding::of_error("providers", &error, "check the certificates of the system")],
    };
    let mut findings = Vec::new();
    for (name, table) in &config.providers {
        let what = format!("provider {name}");
        findings.push(match table.clone().provider(name, &fetch).await {
            Ok(_) => Finding::ok(&what, "set up"),
            Err(error) => {
                Finding::of_error(&what, &error, format!("correct [providers.{name}] in the configuration file"))
            }
        });
    }
    findings
}

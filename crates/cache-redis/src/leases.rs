//! `RedisLeases`: leases that the server gives, by its own clock.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::{Error, Hlc, Key, Lease, Leases, Result, Stamp};

use crate::error::unexpected;
use crate::link::{Link, Repeat, Reply, Script};
use crate::store::Names;

/// The longest lease.
const LONGEST_SPAN: Duration = Duration::from_hours(24);
/// How long a token is kept after the lease has ended and the server's clock has passed it, so that the next one is
/// newer. Who takes a lease asks for a token that is not older than its own clock: the next is newer without the fence,
/// too, unless that clock is so far behind the server's. Clocks that differ by more are followed nowhere.
const MARGIN: Duration = Hlc::MAX_AHEAD;
/// The lead of a token over the server's clock that is waited for. Nobody takes a token that is further ahead than this
/// of its own clock, and no two clocks that are followed differ by more.
const LEAD: Duration = Hlc::MAX_AHEAD.saturating_mul(2);

/// Leases that the server gives, by its own clock.
///
/// A key costs the server some 200 bytes for as long as its lease is held, and 10 minutes more: the last token stays
/// behind as a fence.
#[derive(Debug)]
pub(crate) struct RedisLeases {
    link: Arc<Link>,
    names: Names,
    backend: Arc<str>,
    script: Script,
}

impl RedisLeases {
    pub(crate) fn new(link: Arc<Link>, names: Names, backend: Arc<str>) -> Self {
        // Never twice: the second answer would be another one.
        let script = Script::new(include_str!("scripts/lease.lua"), Repeat::Never);
        Self { link, names, backend, script }
    }

    async fn run(&self, verb: &'static str, key: &Key, token: Stamp, span: Duration) -> Result<Reply> {
        let token = Bytes::copy_from_slice(&token.as_u64().to_be_bytes());
        let [span, lead, margin] = [span.min(LONGEST_SPAN), LEAD, MARGIN].map(|span| span.as_millis().to_string());
        let args = vec![Bytes::from_static(verb.as_bytes()), token, span.into(), lead.into(), margin.into()];
        self.link.run(&self.script, key, self.names.lease(key), args).await
    }

    fn named<'a>(&'a self, operation: &'static str, key: &'a Key) -> impl Fn(Error) -> Error + 'a {
        move |error| error.with_backend(self.backend.clone()).with_operation(operation).with_key(key)
    }
}

#[async_trait]
impl Leases for RedisLeases {
    async fn take(&self, key: &Key, at_least: Stamp, span: Duration) -> Result<Option<Lease>> {
        let reply = self.run("take", key, at_least, span).await;
        reply.and_then(|reply| given(key, reply)).map_err(self.named("take", key))
    }

    async fn renew(&self, lease: &Lease, span: Duration) -> Result<bool> {
        let reply = self.run("renew", &lease.key, lease.token, span).await;
        reply.and_then(was_held).map_err(self.named("renew", &lease.key))
    }

    async fn release(&self, lease: &Lease) -> Result<bool> {
        let reply = self.run("release", &lease.key, lease.token, Duration::ZERO).await;
        reply.and_then(was_held).map_err(self.named("release", &lease.key))
    }
}

fn given(key: &Key, reply: Reply) -> Result<Option<Lease>> {
    if matches!(reply, Reply::Nothing) {
        return Ok(None);
    }
    let token = <[u8; 8]>::try_from(&*reply.bytes()?).map_err(|_| unexpected())?;
    Ok(Some(Lease::new(key.clone(), Stamp::from_u64(u64::from_be_bytes(token)))))
}

fn was_held(reply: Reply) -> Result<bool> {
    Ok(reply.number()? == 1)
}

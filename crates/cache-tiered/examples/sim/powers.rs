//! The powers of the shared tier as one life of a node sees them: leases and the backplane.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cache_core::{Backplane, ErrorKind, Heard, Key, Lease, Leases, Mark, Position, Result, Stamp};
use cache_testkit::{LocalBackplane, LocalLeases};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

use super::link::Line;
use super::oracle::own_key;

/// The leases, over a line.
#[derive(Debug)]
pub(crate) struct LeaseLine {
    pub(crate) line: Line,
    pub(crate) inner: Arc<LocalLeases>,
}

impl LeaseLine {
    fn told(&self, key: &Key, text: &str) {
        self.line.oracle.note(own_key(key.as_str()).as_deref(), &format!("{}: {text}", self.line.name));
    }
}

#[async_trait]
impl Leases for LeaseLine {
    async fn take(&self, key: &Key, at_least: Stamp, span: Duration) -> Result<Option<Lease>> {
        let work = async {
            let taken = self.inner.take(key, at_least, span).await?;
            if let Some(lease) = &taken {
                self.told(key, &format!("takes the lease {:?}", lease.token));
            }
            Ok(taken)
        };
        self.line.call("take", key.as_str(), work).await
    }

    async fn renew(&self, lease: &Lease, span: Duration) -> Result<bool> {
        let work = async {
            let held = self.inner.renew(lease, span).await?;
            if !held {
                self.told(&lease.key, &format!("has lost the lease {:?}", lease.token));
            }
            Ok(held)
        };
        self.line.call("renew", lease.key.as_str(), work).await
    }

    async fn release(&self, lease: &Lease) -> Result<bool> {
        let work = async {
            let held = self.inner.release(lease).await?;
            self.told(&lease.key, &format!("gives the lease {:?} back: {held}", lease.token));
            Ok(held)
        };
        self.line.call("release", lease.key.as_str(), work).await
    }
}

/// The backplane, over a line. It tells the oracle what was published, and what the node has taken in.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) line: Line,
    pub(crate) node: usize,
    pub(crate) life: u64,
    pub(crate) inner: Arc<LocalBackplane>,
}

#[async_trait]
impl Backplane for Wire {
    async fn publish(&self, mark: &Mark) -> Result<()> {
        let work = async {
            self.inner.publish(mark).await?;
            self.line.oracle.published(self.node, mark);
            Ok(())
        };
        self.line.call("publish", "", work).await
    }

    fn subscribe(&self, after: Option<Position>) -> BoxStream<'static, Result<Heard>> {
        let hearing = Hearing {
            line: self.line.clone(),
            node: self.node,
            life: self.life,
            heard: self.inner.subscribe(after),
            last: None,
        };
        stream::unfold(hearing, |mut hearing| async {
            let heard = hearing.next().await?;
            Some((heard, hearing))
        })
        .boxed()
    }
}

struct Hearing {
    line: Line,
    node: usize,
    life: u64,
    heard: BoxStream<'static, Result<Heard>>,
    /// What was given out last; the node has taken it in when it asks for more.
    last: Option<Heard>,
}

impl Hearing {
    async fn next(&mut self) -> Option<Result<Heard>> {
        if let Some(last) = self.last.take() {
            self.line.oracle.taken_in(self.node, self.life, &last);
        }
        if self.line.seal.is_closed() {
            return Some(Err(self.line.error(ErrorKind::Unavailable, "subscribe")));
        }
        let heard = self.heard.next().await?;
        self.last = heard.as_ref().ok().cloned();
        Some(heard)
    }
}

//! `Link`: the connection of one life of a node to one of its tiers.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cache_core::{
    Backend, BackendInfo, Backplane, Entry, Error, ErrorKind, Key, KeyPrefix, Leases, Meta, Result, Stamp, Swept,
    Timestamp, Usage,
};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

use super::clock::pass;
use super::oracle::Oracle;
use super::weather::{Fate, Weather};

/// Whether a life has ended: nothing that it still does reaches a tier.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seal(Arc<AtomicBool>);

impl Seal {
    pub(crate) fn close(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// What decides about the calls over a connection, and who is told of the faults.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) weather: Arc<Weather>,
    pub(crate) seal: Seal,
    pub(crate) oracle: Oracle,
}

impl Line {
    /// Runs `work` as the weather has it.
    pub(crate) async fn call<T>(
        &self,
        operation: &'static str,
        key: &str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        if self.seal.is_closed() {
            return Err(self.error(ErrorKind::Unavailable, operation));
        }
        let fate = self.weather.fate(operation, key);
        if let Fate::Works(span) = fate {
            self.wait(operation, span).await?;
            return work.await;
        }
        let _over = Over(&self.weather);
        self.oracle.fault(&self.name, operation, key, fate);
        self.strike(fate, operation, work).await
    }

    #[expect(clippy::panic, reason = "one of the faults")]
    async fn strike<T>(&self, fate: Fate, operation: &'static str, work: impl Future<Output = Result<T>>) -> Result<T> {
        match fate {
            Fate::Works(_) => work.await,
            Fate::Fails => Err(self.error(ErrorKind::Unavailable, operation)),
            Fate::Corrupt => Err(self.error(ErrorKind::Corrupt, operation)),
            Fate::Panics => panic!("planned panic in {operation}"),
            Fate::ReplyLost => {
                work.await?;
                Err(self.error(ErrorKind::Unavailable, operation))
            }
            Fate::Slow(span) => {
                self.wait(operation, span / 2).await?;
                let answer = work.await;
                self.wait(operation, span / 2).await?;
                answer
            }
            Fate::Hangs { span, works } => {
                self.wait(operation, span).await?;
                if works { work.await } else { Err(self.error(ErrorKind::Unavailable, operation)) }
            }
        }
    }

    async fn wait(&self, operation: &'static str, span: Duration) -> Result<()> {
        if !span.is_zero() {
            pass(span).await;
        }
        if self.seal.is_closed() { Err(self.error(ErrorKind::Unavailable, operation)) } else { Ok(()) }
    }

    pub(crate) fn error(&self, kind: ErrorKind, operation: &'static str) -> Error {
        Error::new(kind, "a simulated fault").with_backend(self.name.as_str()).with_operation(operation)
    }
}

struct Over<'a>(&'a Weather);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.over();
    }
}

/// A tier as one life of a node sees it.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) line: Line,
    pub(crate) info: BackendInfo,
    pub(crate) inner: Arc<dyn Backend>,
    pub(crate) leases: Option<Arc<dyn Leases>>,
    pub(crate) backplane: Option<Arc<dyn Backplane>>,
}

impl Link {
    async fn call<T>(&self, operation: &'static str, key: &Key, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.line.call(operation, key.as_str(), work).await
    }
}

#[async_trait]
impl Backend for Link {
    fn info(&self) -> BackendInfo {
        self.info.clone()
    }

    async fn stat(&self, key: &Key) -> Result<Option<Meta>> {
        self.call("stat", key, self.inner.stat(key)).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        self.call("get", key, self.inner.get(key)).await
    }

    async fn put(&self, key: &Key, entry: Entry) -> Result<()> {
        let work = async {
            let told = entry.clone();
            self.inner.put(key, entry).await?;
            self.line.oracle.stored(&self.info, &self.line.name, key, &told);
            Ok(())
        };
        self.call("put", key, work).await
    }

    async fn renew(&self, key: &Key, present: Stamp, meta: Meta) -> Result<bool> {
        let work = async {
            let stamp = meta.stamp;
            let done = self.inner.renew(key, present, meta).await?;
            if done {
                self.line.oracle.restamped(&self.line.name, key, present, stamp);
            }
            Ok(done)
        };
        self.call("renew", key, work).await
    }

    async fn remove(&self, key: &Key) -> Result<bool> {
        let work = async {
            let there = self.inner.remove(key).await?;
            self.line.oracle.removed(&self.line.name, key, there);
            Ok(there)
        };
        self.call("remove", key, work).await
    }

    fn scan(&self, prefix: &KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>> {
        let prefix = prefix.clone();
        let found = async move {
            let work = async { Ok(self.inner.scan(&prefix).collect::<Vec<_>>().await) };
            self.line.call("scan", prefix.as_str(), work).await.unwrap_or_else(|error| vec![Err(error)])
        };
        stream::once(found).flat_map(stream::iter).boxed()
    }

    async fn usage(&self) -> Result<Usage> {
        self.line.call("usage", "", self.inner.usage()).await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        self.line.call("sweep", "", self.inner.sweep(now, limit)).await
    }

    fn leases(&self) -> Option<&dyn Leases> {
        self.leases.as_deref()
    }

    fn backplane(&self) -> Option<&dyn Backplane> {
        self.backplane.as_deref()
    }

    /// What it leads to stays open.
    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

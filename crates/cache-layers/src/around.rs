//! The contract for layers that treat every call alike, written once.

use std::borrow::Cow;
use std::sync::Arc;

use cache_core::{Error, ErrorKind, Key};

/// Implements `Backend` for a layer with a field `inner` and the inherent methods
///
/// * `call(operation, key, work)`: one call with one answer; a scan makes one for each step,
/// * `batch(operation, len, work)`: one call with `len` answers,
/// * `end(work)`: the call that closes.
///
/// Leases and backplane are those of `inner` as they are.
macro_rules! backend_around {
    ($layer:ident) => {
        #[async_trait::async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<B: Backend> Backend for $layer<B> {
            fn info(&self) -> BackendInfo {
                self.inner.info()
            }

            async fn stat(&self, key: &Key) -> Result<Option<Meta>> {
                self.call("stat", Some(key), self.inner.stat(key)).await
            }

            async fn get(&self, key: &Key) -> Result<Option<Entry>> {
                self.call("get", Some(key), self.inner.get(key)).await
            }

            async fn get_many(&self, keys: &[Key]) -> Vec<Result<Option<Entry>>> {
                self.batch("get_many", keys.len(), self.inner.get_many(keys)).await
            }

            async fn put(&self, key: &Key, entry: Entry) -> Result<()> {
                self.call("put", Some(key), self.inner.put(key, entry)).await
            }

            async fn put_many(&self, entries: Vec<(Key, Entry)>) -> Vec<Result<()>> {
                self.batch("put_many", entries.len(), self.inner.put_many(entries)).await
            }

            async fn renew(&self, key: &Key, present: Stamp, meta: Meta) -> Result<bool> {
                self.call("renew", Some(key), self.inner.renew(key, present, meta)).await
            }

            async fn remove(&self, key: &Key) -> Result<bool> {
                self.call("remove", Some(key), self.inner.remove(key)).await
            }

            fn scan(&self, prefix: &KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>> {
                let begin = (prefix.clone(), None);
                let steps = stream::unfold(Some(begin), move |rest| async move {
                    let (prefix, mut found) = rest?;
                    let mut answered = false;
                    let step = async {
                        let item = found.get_or_insert_with(|| self.inner.scan(&prefix)).next().await;
                        answered = true;
                        item.transpose()
                    };
                    match self.call("scan", None, step).await {
                        Ok(Some(item)) => Some((Ok(item), Some((prefix, found)))),
                        Ok(None) => None,
                        // A step that this layer broke off would be broken off again, without end.
                        Err(error) => Some((Err(error), answered.then_some((prefix, found)))),
                    }
                });
                steps.boxed()
            }

            async fn usage(&self) -> Result<Usage> {
                self.call("usage", None, self.inner.usage()).await
            }

            async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
                self.call("sweep", None, self.inner.sweep(now, limit)).await
            }

            fn leases(&self) -> Option<&dyn Leases> {
                self.inner.leases()
            }

            fn backplane(&self) -> Option<&dyn Backplane> {
                self.inner.backplane()
            }

            async fn close(&self) -> Result<()> {
                self.end(self.inner.close()).await
            }
        }
    };
}

pub(crate) use backend_around;

/// An error that a layer answers in place of the backend named `name`.
pub(crate) fn refusal(
    kind: ErrorKind,
    message: impl Into<Cow<'static, str>>,
    name: &Arc<str>,
    operation: &'static str,
    key: Option<&Key>,
) -> Error {
    let error = Error::new(kind, message).with_backend(name.clone()).with_operation(operation);
    match key {
        Some(key) => error.with_key(key),
        None => error,
    }
}

//! `Faulty`: a backend around a backend that fails as planned and counts its calls.

mod plan;

use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::{
    Backend, BackendInfo, Backplane, Entry, Error, ErrorKind, Key, KeyPrefix, Leases, Meta, Result, Stamp, Swept,
    Timestamp, Usage,
};
use futures_util::stream::{self, BoxStream, StreamExt};
use parking_lot::Mutex;

pub use plan::{Fault, Operation, Plan};

use plan::Calls;

/// A backend that passes calls on to another one, except where its [`Plan`] says otherwise.
///
/// It starts without faults and is then a counter of calls. Plans are changed while others use it; share it in an
/// `Arc`, which is a backend too.
///
/// ```
/// # use cache_core::{Backend, Clock, ErrorKind, Key};
/// # use cache_testkit::{Bench, Fault, Faulty, NaiveModel, Operation, Plan};
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let faulty = Faulty::new(NaiveModel::new(Bench::default().clock));
/// faulty.set_plan(Plan::new().nth(Operation::Get, 2, Fault::Fail(ErrorKind::Unavailable)));
/// let key = Key::parse("a")?;
/// assert!(faulty.get(&key).await.is_ok());
/// assert!(faulty.get(&key).await.is_err());
/// assert!(faulty.get(&key).await.is_ok());
/// assert_eq!(faulty.calls(Operation::Get), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Faulty<B> {
    inner: B,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    plan: Arc<Plan>,
    /// Calls since the backend was made.
    total: Calls,
    /// Calls since the plan was set.
    planned: Calls,
    /// Faults that struck, since the backend was made.
    faults: u64,
}

impl<B: Backend> Faulty<B> {
    /// Wraps `inner`, with no fault planned.
    pub fn new(inner: B) -> Self {
        let state = State { plan: Arc::default(), total: Calls::default(), planned: Calls::default(), faults: 0 };
        Self { inner, state: Mutex::new(state) }
    }

    /// Follows `plan` from the next call on, which is call 1 to it.
    pub fn set_plan(&self, plan: Plan) {
        let mut state = self.state.lock();
        state.plan = Arc::new(plan);
        state.planned = Calls::default();
    }

    /// Plans no fault any more. Calls that hang or are delayed already go on so.
    pub fn heal(&self) {
        self.set_plan(Plan::new());
    }

    /// How often `operation` was called, faults included.
    pub fn calls(&self, operation: Operation) -> u64 {
        self.state.lock().total.of(operation)
    }

    /// How often any operation was called.
    pub fn total_calls(&self) -> u64 {
        self.state.lock().total.all()
    }

    /// How many calls a fault has struck.
    pub fn faults(&self) -> u64 {
        self.state.lock().faults
    }

    /// The backend inside, reached without faults and without counting.
    pub const fn inner(&self) -> &B {
        &self.inner
    }

    /// Counts a call and decides its fate.
    fn call<'a>(&self, operation: Operation, key: Option<&'a Key>) -> Call<'a> {
        let mut state = self.state.lock();
        state.total.count(operation);
        state.planned.count(operation);
        let fault = state.plan.fault(operation, &state.planned);
        state.faults += u64::from(fault.is_some());
        Call { operation, key, fault }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<B: Backend> Backend for Faulty<B> {
    fn info(&self) -> BackendInfo {
        self.inner.info()
    }

    async fn stat(&self, key: &Key) -> Result<Option<Meta>> {
        self.call(Operation::Stat, Some(key)).around(self.inner.stat(key)).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        let call = self.call(Operation::Get, Some(key));
        let found = call.around(self.inner.get(key)).await?;
        Ok(found.map(|entry| call.corrupted(entry)))
    }

    async fn get_many(&self, keys: &[Key]) -> Vec<Result<Option<Entry>>> {
        let call = self.call(Operation::GetMany, None);
        if let Err(error) = call.before().await {
            return vec![Err(error); keys.len()];
        }
        let answers = self.inner.get_many(keys).await;
        let spoil = |answer: Result<Option<Entry>>| {
            let found = call.after(answer)?;
            Ok(found.map(|entry| call.corrupted(entry)))
        };
        answers.into_iter().map(spoil).collect()
    }

    async fn put(&self, key: &Key, entry: Entry) -> Result<()> {
        let call = self.call(Operation::Put, Some(key));
        let entry = call.corrupted(entry);
        call.around(self.inner.put(key, entry)).await
    }

    async fn put_many(&self, entries: Vec<(Key, Entry)>) -> Vec<Result<()>> {
        let call = self.call(Operation::PutMany, None);
        if let Err(error) = call.before().await {
            return vec![Err(error); entries.len()];
        }
        let entries = entries.into_iter().map(|(key, entry)| (key, call.corrupted(entry))).collect();
        let answers = self.inner.put_many(entries).await;
        answers.into_iter().map(|answer| call.after(answer)).collect()
    }

    async fn renew(&self, key: &Key, present: Stamp, meta: Meta) -> Result<bool> {
        self.call(Operation::Renew, Some(key)).around(self.inner.renew(key, present, meta)).await
    }

    async fn remove(&self, key: &Key) -> Result<bool> {
        self.call(Operation::Remove, Some(key)).around(self.inner.remove(key)).await
    }

    fn scan(&self, prefix: &KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>> {
        let call = self.call(Operation::Scan, None);
        let prefix = prefix.clone();
        let begin = async move {
            match call.before().await {
                Err(error) => stream::iter([Err(error)]).boxed(),
                Ok(()) => self.inner.scan(&prefix).chain(stream::iter(call.after(Ok(())).err().map(Err))).boxed(),
            }
        };
        stream::once(begin).flatten().boxed()
    }

    async fn usage(&self) -> Result<Usage> {
        self.call(Operation::Usage, None).around(self.inner.usage()).await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        self.call(Operation::Sweep, None).around(self.inner.sweep(now, limit)).await
    }

    fn leases(&self) -> Option<&dyn Leases> {
        self.inner.leases()
    }

    fn backplane(&self) -> Option<&dyn Backplane> {
        self.inner.backplane()
    }

    async fn close(&self) -> Result<()> {
        self.call(Operation::Close, None).around(self.inner.close()).await
    }
}

/// One call with its fate.
struct Call<'a> {
    operation: Operation,
    key: Option<&'a Key>,
    fault: Option<Fault>,
}

impl Call<'_> {
    async fn around<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.before().await?;
        self.after(work.await)
    }

    /// The faults that strike before the work.
    #[expect(clippy::panic, reason = "a planned fault")]
    async fn before(&self) -> Result<()> {
        match self.fault {
            Some(Fault::Fail(kind)) => Err(self.error(kind)),
            Some(Fault::Panic) => panic!("planned panic in {}", self.operation.name()),
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Delay(span)) => {
                tokio::time::sleep(span).await;
                Ok(())
            }
            Some(Fault::Corrupt | Fault::DropReply) | None => Ok(()),
        }
    }

    /// The fault that strikes when the work is done.
    fn after<T>(&self, answer: Result<T>) -> Result<T> {
        if self.fault == Some(Fault::DropReply) { Err(self.error(ErrorKind::Timeout)) } else { answer }
    }

    /// The entry, with its middle byte flipped if that is planned.
    fn corrupted(&self, mut entry: Entry) -> Entry {
        if self.fault == Some(Fault::Corrupt) {
            let mut body = entry.body.to_vec();
            let middle = body.len() / 2;
            match body.get_mut(middle) {
                Some(byte) => *byte ^= 0x40,
                None => body.push(0x40),
            }
            entry.body = Bytes::from(body);
        }
        entry
    }

    fn error(&self, kind: ErrorKind) -> Error {
        let error = Error::new(kind, "a planned fault").with_backend("faulty").with_operation(self.operation.name());
        match self.key {
            Some(key) => error.with_key(key),
            None => error,
        }
    }
}

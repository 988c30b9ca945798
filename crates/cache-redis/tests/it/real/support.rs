//! Small helpers of the tests of faults.

use std::time::{Duration, Instant};

use cache_core::{Backend, Entry, ErrorKind, Key, Meta, Result, Stamp, SystemClock, Timestamp};
use cache_core::{Clock as _, KeyPrefix};
use cache_redis::{RedisBackend, RedisOptions};
use cache_testkit::{body_of, eventually};
use futures_util::StreamExt;

/// How long recovery may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);
/// The limit of one command in these tests.
pub(crate) const COMMAND: Duration = Duration::from_millis(300);
/// What every call keeps to in any fault: waiting for a turn, two commands, and room for a loaded machine.
pub(crate) const BOUND: Duration = Duration::from_secs(3);

/// Options with short limits.
pub(crate) fn hasty(options: RedisOptions) -> RedisOptions {
    options.command_timeout(COMMAND).connect_timeout(Duration::from_secs(2)).connections(2)
}

pub(crate) async fn open(options: RedisOptions) -> RedisBackend {
    RedisBackend::open(hasty(options)).await.unwrap()
}

pub(crate) fn key(number: u64) -> Key {
    Key::of("test").part(number).build().unwrap()
}

/// An entry whose body follows from its number and stamp.
pub(crate) fn entry(number: u64, stamp: u64, len: usize) -> Entry {
    Entry::new(Meta::new(Stamp::from_u64(stamp), now()), body_of(number, len.max(8)))
}

pub(crate) fn now() -> Timestamp {
    SystemClock::new().now()
}

/// The answer of a call, which takes no longer than [`BOUND`].
pub(crate) async fn timed<T>(call: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, call).await.unwrap_or_else(|_| panic!("a call took longer than {BOUND:?}"))
}

/// Fails unless it is one of the kinds that an outage has.
pub(crate) fn assert_outage<T: std::fmt::Debug>(answer: &Result<T>) {
    let kind = answer.as_ref().map_err(cache_core::Error::kind).err();
    assert!(matches!(kind, Some(ErrorKind::Unavailable | ErrorKind::Timeout)), "an outage answered {answer:?}");
}

/// Waits until the backend takes and returns an entry; how long that took.
pub(crate) async fn recovered(backend: &RedisBackend) -> Duration {
    let start = Instant::now();
    let probe = key(u64::MAX);
    let works = eventually(LIMIT, || async {
        let put = timed(backend.put(&probe, entry(1, 1, 10))).await;
        put.is_ok() && timed(backend.get(&probe)).await.is_ok_and(|found| found.is_some())
    });
    assert!(works.await, "not back within {LIMIT:?}");
    start.elapsed()
}

/// How many entries a scan finds.
pub(crate) async fn count(backend: &RedisBackend) -> usize {
    backend.scan(&KeyPrefix::all()).filter(|found| std::future::ready(found.is_ok())).count().await
}

//! Every method of a backend, dropped at every point.

use std::time::Duration;

use cache_core::{Backend, Entry, ErrorKind, Key, KeyPrefix, Result};
use futures_util::TryStreamExt;

use super::{DropPoint, drop_at, for_each_drop_point};
use crate::case::describe;
use crate::{Bench, Case, Fixture, Opened, Operation, body_of, eventually, writer_of};

/// The most drop points of one call.
const POINTS: usize = 1_000;
/// How long what goes on behind a dropped call may take, on tokio's clock.
const LIMIT: Duration = Duration::from_mins(1);
const LEN: usize = 4_000;

/// Drops every method of a backend at every [`DropPoint`], each time on a fresh one; how many points there were.
///
/// `open` makes a fresh, empty backend, as for [`conformance!`](crate::conformance). After each drop the key has the
/// old value, the new one or none and never a mixture, the next calls of it work, and once everything is removed,
/// usage is that of a fresh backend. After a dropped close, a second one succeeds, and the backend is closed.
///
/// What works in the background is waited for on tokio's clock, so it can be run on a paused one.
///
/// # Panics
/// When one of these does not hold, or a call waits forever.
///
/// # Errors
/// Those of the maker and of the backend.
pub async fn check_dropped_methods<B, G, F>(
    open: F,
) -> std::result::Result<usize, Box<dyn std::error::Error + Send + Sync>>
where
    B: Backend,
    F: AsyncFn(Bench) -> Opened<B, G>,
{
    let mut points = 0;
    for operation in Operation::ALL {
        let mut failure = None;
        points += for_each_drop_point(POINTS, async |point| match drop_once(&open, operation, point).await {
            Ok(ended) => ended,
            Err(error) => {
                failure = Some(format!("{} dropped at {point:?}: {error}", operation.name()));
                true
            }
        })
        .await;
        if let Some(failure) = failure {
            return Err(failure.into());
        }
    }
    Ok(points)
}

/// One drop of one method; whether it had ended before.
async fn drop_once<B, G, F>(
    open: &F,
    operation: Operation,
    point: DropPoint,
) -> std::result::Result<bool, Box<dyn std::error::Error + Send + Sync>>
where
    B: Backend,
    F: AsyncFn(Bench) -> Opened<B, G>,
{
    let bench = Bench::default();
    let clock = bench.clock.clone();
    let Fixture { backend, guard, .. } = open(bench).await?;
    let case = Case::new(backend, clock);
    let fresh = case.backend.usage().await?;
    let key = Key::parse("drops:key")?;
    let old = case.put(&key, body_of(1, LEN)).await?;
    let ended = drop_at(point, call(&case, &key, &old, operation)).await.transpose()?.is_some();
    let what = format!("{} dropped at {point:?}", operation.name());
    if operation == Operation::Close {
        // Dropped before its first poll, it has not begun.
        case.backend.close().await?;
        let refused = case.backend.get(&key).await;
        assert!(refused.is_err_and(|error| error.kind() == ErrorKind::Closed), "after {what} and a close it is open");
    } else {
        assert_usable(&case, &key, operation, &what).await?;
        assert_emptied(&case, &key, (fresh.entries, fresh.bytes), &what).await?;
        case.backend.close().await?;
    }
    drop((case, guard));
    Ok(ended)
}

/// Calls `operation`, on the key that has `old` where it takes one.
async fn call(case: &Case, key: &Key, old: &Entry, operation: Operation) -> Result<()> {
    let backend = &case.backend;
    match operation {
        Operation::Stat => backend.stat(key).await.map(drop),
        Operation::Get => backend.get(key).await.map(drop),
        Operation::GetMany => {
            backend.get_many(std::slice::from_ref(key)).await.into_iter().try_for_each(|a| a.map(drop))
        }
        Operation::Put => backend.put(key, case.entry(body_of(2, LEN))).await,
        Operation::PutMany => {
            let entries = vec![(key.clone(), case.entry(body_of(2, LEN)))];
            backend.put_many(entries).await.into_iter().collect()
        }
        Operation::Renew => {
            let mut meta = old.meta.clone();
            meta.stamp = case.stamp();
            backend.renew(key, old.meta.stamp, meta).await.map(drop)
        }
        Operation::Remove => backend.remove(key).await.map(drop),
        Operation::Scan => backend.scan(&KeyPrefix::all()).try_for_each(async |_| Ok(())).await,
        Operation::Usage => backend.usage().await.map(drop),
        Operation::Sweep => backend.sweep(case.now(), 10).await.map(drop),
        Operation::Close => backend.close().await,
    }
}

/// Asserts that the key has what it may have, and that it can be written and read.
async fn assert_usable(case: &Case, key: &Key, operation: Operation, what: &str) -> Result<()> {
    let found = case.backend.get(key).await?;
    let writer = found.as_ref().map(|found| writer_of(&found.body).filter(|_| found.body.len() == LEN));
    let whole = match operation {
        Operation::Put | Operation::PutMany => matches!(writer, None | Some(Some(1 | 2))),
        Operation::Renew | Operation::Remove => matches!(writer, None | Some(Some(1))),
        _ => writer == Some(Some(1)),
    };
    assert!(whole, "after {what} there is {}", describe(found.as_ref()));
    let last = case.put(key, body_of(3, LEN)).await?;
    let found = case.backend.get(key).await?;
    assert!(found.as_ref() == Some(&last), "after {what} and another put there is {}", describe(found.as_ref()));
    Ok(())
}

/// Asserts that with the key gone, nothing is left, at least once what goes on in the background has ended.
async fn assert_emptied(case: &Case, key: &Key, fresh: (u64, u64), what: &str) -> Result<()> {
    let backend = &case.backend;
    assert!(backend.remove(key).await?, "after {what} and another put there was nothing to remove");
    let emptied = eventually(LIMIT, || async move {
        let usage = backend.usage().await.ok();
        usage.is_some_and(|usage| (usage.entries, usage.bytes) == fresh)
    });
    assert!(emptied.await, "after {what}, (entries, bytes) are not {fresh:?}: {:?}", backend.usage().await);
    let left = case.all().await?;
    assert!(left.is_empty(), "after {what} a scan finds {left:?}");
    Ok(())
}

//! Rules: a closed backend says so.

use cache_core::{ErrorKind, Key, KeyPrefix, Result};
use futures_util::StreamExt;

use crate::Case;

/// After `close`, every method that answers with a result answers [`ErrorKind::Closed`].
pub async fn every_call_after_close_fails_as_closed(case: &Case) -> Result<()> {
    let key = Key::parse("suite:closed")?;
    let entry = case.put(&key, "x").await?;
    let backend = &case.backend;
    backend.close().await?;
    assert_closed("stat", &backend.stat(&key).await);
    assert_closed("get", &backend.get(&key).await);
    assert_closed("put", &backend.put(&key, entry.clone()).await);
    assert_closed("renew", &backend.renew(&key, entry.meta.stamp, entry.meta.clone()).await);
    assert_closed("remove", &backend.remove(&key).await);
    assert_closed("usage", &backend.usage().await);
    assert_closed("sweep", &backend.sweep(case.now(), 10).await);
    let two = [key.clone(), Key::parse("suite:absent")?];
    let got = backend.get_many(&two).await;
    assert_eq!(got.len(), 2, "answers of get_many to two keys");
    for answer in got {
        assert_closed("get_many", &answer);
    }
    let put = backend.put_many(two.map(|key| (key, entry.clone())).into()).await;
    assert_eq!(put.len(), 2, "answers of put_many to two entries");
    for answer in put {
        assert_closed("put_many", &answer);
    }
    match backend.scan(&KeyPrefix::all()).next().await {
        Some(answer) => assert_closed("scan", &answer),
        None => assert_closed("scan", &Ok("an empty stream")),
    }
    Ok(())
}

/// `close` may be called again.
pub async fn a_second_close_succeeds(case: &Case) -> Result<()> {
    case.put(&Key::parse("suite:closed")?, "x").await?;
    case.backend.close().await?;
    case.backend.close().await
}

/// While `close` runs, calls take effect or fail as closed; none hangs or panics.
pub async fn a_call_that_races_close_succeeds_or_fails_as_closed(case: &Case) -> Result<()> {
    let tasks: Vec<_> = (0..4_u64)
        .map(|task| {
            let backend = case.backend.clone();
            let entry = case.entry("x");
            tokio::spawn(async move {
                for number in 0..50 {
                    let key = Key::of(task).part(number).build()?;
                    backend.put(&key, entry.clone()).await?;
                    backend.get(&key).await?;
                    backend.remove(&key).await?;
                }
                Ok(())
            })
        })
        .collect();
    tokio::task::yield_now().await;
    case.backend.close().await?;
    for task in tasks {
        let answer: Result<()> = super::joined(task).await;
        assert!(
            answer.as_ref().map_or_else(|error| error.kind() == ErrorKind::Closed, |()| true),
            "a call that raced close answered {answer:?}"
        );
    }
    Ok(())
}

fn assert_closed<T: std::fmt::Debug>(operation: &str, answer: &Result<T>) {
    let kind = answer.as_ref().map_err(cache_core::Error::kind).err();
    assert_eq!(kind, Some(ErrorKind::Closed), "{operation} after close answered {answer:?}");
}

//! What the task of a warming does.

use std::future::Future;
use std::sync::Arc;

use cache_core::{Error, ErrorKind, Key, Result};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::progress::Shared;
use super::{WarmEnd, Warmed, Warmer};
use crate::guard::contained;

/// Warms `keys` until they are done or it is stopped. `ended` is dropped when that happens.
pub(super) async fn run<F, W>(
    warmer: Warmer,
    keys: Vec<Key>,
    refresh: F,
    shared: Arc<Shared>,
    mut stopped: watch::Receiver<bool>,
    ended: watch::Sender<()>,
) where
    F: Fn(Key) -> W,
    W: Future<Output = Result<Warmed>>,
{
    let ending = Ending { shared, _ended: ended };
    tokio::select! {
        biased;
        // What `wait_for` gives is a lock that `cancel` waits for: a refresh may call that as it is dropped here.
        () = async { let _ = stopped.wait_for(|stopped| *stopped).await; } => {}
        end = warm_all(&warmer, keys, &refresh, &ending.shared) => ending.shared.end(end),
    }
}

async fn warm_all<F, W>(warmer: &Warmer, keys: Vec<Key>, refresh: &F, shared: &Shared) -> WarmEnd
where
    F: Fn(Key) -> W,
    W: Future<Output = Result<Warmed>>,
{
    let mut keys = keys.into_iter();
    let mut running = FuturesUnordered::new();
    let mut next = Instant::now();
    loop {
        let may_begin = running.len() < warmer.at_once && keys.len() > 0;
        tokio::select! {
            biased;
            Some((key, turn_until, result)) = running.next() => {
                if matches!(result, Ok(Warmed::Fresh)) && turn_until == next {
                    // It cost next to nothing: what is left of its turn goes to the next key.
                    next = Instant::now();
                }
                shared.done(key, result);
                if warmer.max_failures.is_some_and(|max| shared.failed() > max) {
                    return WarmEnd::TooManyFailures;
                }
            }
            () = sleep_until(next), if may_begin => {
                next = next.max(Instant::now()) + warmer.gap;
                if let Some(key) = keys.next() {
                    shared.begin(&key);
                    running.push(warm_one(warmer, key, next, refresh));
                }
            }
            else => return WarmEnd::Complete,
        }
    }
}

/// Warms `key`, whose turn to begin ends at `turn_until`.
async fn warm_one<F, W>(warmer: &Warmer, key: Key, turn_until: Instant, refresh: &F) -> (Key, Instant, Result<Warmed>)
where
    F: Fn(Key) -> W,
    W: Future<Output = Result<Warmed>>,
{
    let run = contained(async { refresh(key.clone()).await });
    let result = timeout(warmer.patience, run).await.unwrap_or_else(|_| {
        let message = format!("warming it took longer than {:?} and was stopped", warmer.patience);
        Err(Error::new(ErrorKind::Timeout, message).with_key(&key))
    });
    (key, turn_until, result)
}

/// Notes that the task has ended when it is dropped, however that came.
struct Ending {
    shared: Arc<Shared>,
    _ended: watch::Sender<()>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.shared.end(WarmEnd::Cancelled);
    }
}

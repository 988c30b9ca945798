//! `eventually`: a wait for a condition, with a limit.

use std::future::Future;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

const POLL: Duration = Duration::from_millis(2);

/// Asks `condition` again and again until it holds; false when it still does not after `limit`.
///
/// For what happens in the background and reports to nobody. Time is tokio's: under a paused clock the wait costs
/// nothing. Cancelling it has no effect.
#[must_use = "a condition that did not come to hold is a failure"]
pub async fn eventually<F>(limit: Duration, mut condition: impl FnMut() -> F) -> bool
where
    F: Future<Output = bool>,
{
    let holds = async {
        let mut ticks = tokio::time::interval(POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !condition().await {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(limit, holds).await.is_ok()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_the_condition_holds() {
        let asked = Cell::new(0);
        let condition = || async {
            asked.set(asked.get() + 1);
            asked.get() == 3
        };
        assert!(eventually(Duration::from_secs(1), condition).await);
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_at_the_limit() {
        assert!(!eventually(Duration::from_secs(1), || async { false }).await);
    }
}

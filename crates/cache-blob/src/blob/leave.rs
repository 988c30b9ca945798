//! `Open`: an opening of a blob, and what happens after the last one.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::Blob;
use super::plan::Plan;
use crate::options::WhenLeft;

/// How long fetches take to stop. One that had not begun when it was told is told again.
const STOP: Duration = Duration::from_secs(1);

/// One opening of a blob; its drop is a reader that leaves.
#[derive(Debug)]
pub(crate) struct Open(Arc<Blob>);

impl Open {
    pub(crate) fn new(blob: Arc<Blob>) -> Self {
        blob.state.lock().open += 1;
        blob.plan(|plan| plan.set_to_the_end(false));
        blob.kick();
        Self(blob)
    }

    pub(crate) fn blob(&self) -> &Arc<Blob> {
        &self.0
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let blob = &self.0;
        let is_last = {
            let mut state = blob.state.lock();
            state.open -= 1;
            state.departures += u64::from(state.open == 0);
            let is_last = state.open == 0 && !state.is_leaving;
            state.is_leaving |= is_last;
            is_last
        };
        if is_last {
            drop(blob.runtime.spawn(see_out(blob.clone())));
        }
    }
}

/// Waits for a reader for as long as the grace, then ends the fetches as the options say, and the blob.
async fn see_out(blob: Arc<Blob>) {
    loop {
        let departures = blob.state.lock().departures;
        drop(timeout(blob.shared.options.grace, pending::<()>()).await);
        if is_wanted(&blob) {
            return;
        }
        if blob.state.lock().departures != departures {
            continue;
        }
        wind_down(&blob).await;
        if is_wanted(&blob) {
            return;
        }
        if blob.shared.retire(&blob) {
            blob.stop_fetches();
            return;
        }
    }
}

/// Whether there is a reader again; then whoever leaves last after it sees the blob out.
fn is_wanted(blob: &Blob) -> bool {
    let mut state = blob.state.lock();
    state.is_leaving = state.open == 0;
    !state.is_leaving
}

/// Ends the fetches, or sees them to their end, unless a reader comes.
async fn wind_down(blob: &Arc<Blob>) {
    match blob.shared.options.when_left {
        WhenLeft::Continue => {
            blob.plan(|plan| plan.set_to_the_end(true));
            blob.kick();
        }
        WhenLeft::Pause => blob.plan(Plan::pause),
        WhenLeft::Cancel => {
            blob.plan(Plan::pause);
            blob.stop_fetches();
        }
    }
    let limit = match blob.shared.options.when_left {
        // As long as the blob is: each wait of its fetches has a limit, and one that fails leaves the rest alone.
        WhenLeft::Continue => Duration::MAX,
        WhenLeft::Pause => blob.shared.options.pause_limit,
        WhenLeft::Cancel => STOP,
    };
    let mut settled = timeout(limit, settle(blob)).await;
    while settled.is_err() {
        blob.stop_fetches();
        settled = timeout(STOP, settle(blob)).await;
    }
}

/// Waits until no fetch is under way, or a reader comes.
async fn settle(blob: &Blob) {
    loop {
        let turned = blob.turned.notified();
        if blob.state.lock().open > 0 || !blob.plan(|plan| plan.is_busy()) {
            return;
        }
        turned.await;
    }
}

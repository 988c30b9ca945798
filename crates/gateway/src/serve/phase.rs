//! `Phase`: whether the server starts, serves or ends.

use tokio::sync::watch;

/// Whether the server starts, serves or ends. Cloning shares it.
#[derive(Debug, Clone)]
pub(super) struct Phase(watch::Sender<At>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum At {
    Starting,
    Serving,
    /// Running requests end; no further ones are served.
    Draining,
}

impl Default for Phase {
    fn default() -> Self {
        Self(watch::Sender::new(At::Starting))
    }
}

impl Phase {
    pub(super) fn at(&self) -> At {
        *self.0.borrow()
    }

    /// Goes on to `at`: a server that ends does not serve again.
    pub(super) fn enter(&self, at: At) {
        self.0.send_if_modified(|now| {
            let goes_on = at > *now;
            *now = at.max(*now);
            goes_on
        });
    }

    /// Waits until the server ends. Dropping the future has no effect.
    pub(super) async fn draining(&self) {
        // The sender is this one.
        drop(self.0.subscribe().wait_for(|at| *at == At::Draining).await);
    }
}

//! A lease held while a load runs: renewed in time, given back at the end.

use std::time::Duration;

use cache_core::{Lease, Stamp};
use tokio::sync::{oneshot, watch};
use tokio::time::interval;

use crate::tiered::TierLeases;

/// Renewals in the span of a lease: one may fail, and another still comes in time.
const RENEWALS: u32 = 3;

/// A lease that is renewed until this is dropped, and given back then.
#[derive(Debug)]
pub(super) struct Leased {
    token: Stamp,
    lost: watch::Receiver<bool>,
    /// Dropped or used, it ends the task that renews.
    end: oneshot::Sender<Answer>,
}

/// Takes whether a lease was still held when it was given back.
type Answer = oneshot::Sender<bool>;

impl Leased {
    /// Holds `lease`, which was taken for `span`. One that cannot be asked about counts as held: the stamps decide then
    /// whose value stays.
    pub(super) fn new(leases: TierLeases, lease: Lease, span: Duration) -> Self {
        let token = lease.token;
        let (lost_sender, lost) = watch::channel(false);
        let (end, ended) = oneshot::channel();
        tokio::spawn(renew(leases, lease, span, lost_sender, ended));
        Self { token, lost, end }
    }

    /// The fencing token.
    pub(super) const fn token(&self) -> Stamp {
        self.token
    }

    /// Whether another process may have taken the lease.
    pub(super) fn is_lost(&self) -> bool {
        *self.lost.borrow()
    }

    /// Waits until the lease is lost.
    pub(super) async fn lost(&self) {
        let mut lost = self.lost.clone();
        if lost.wait_for(|lost| *lost).await.is_err() {
            // The task ends only with the lease, or with the runtime.
            std::future::pending::<()>().await;
        }
    }

    /// Gives the lease back; whether it was held until now. Waits for at most the tier's patience.
    pub(super) async fn give_back(self) -> bool {
        let (sender, answer) = oneshot::channel();
        match self.end.send(sender) {
            Ok(()) => answer.await.unwrap_or(true),
            Err(_) => !*self.lost.borrow(),
        }
    }
}

async fn renew(
    leases: TierLeases,
    lease: Lease,
    span: Duration,
    lost: watch::Sender<bool>,
    mut ended: oneshot::Receiver<Answer>,
) {
    let mut beat = interval((span / RENEWALS).max(Duration::from_millis(1)));
    // The first tick is at once.
    beat.tick().await;
    let answer = loop {
        tokio::select! {
            biased;
            answer = &mut ended => break answer,
            _ = beat.tick() => {}
        }
        if let Ok(false) = leases.renew(&lease, span).await {
            lost.send_replace(true);
            return;
        }
    };
    // Not given back, it ends by itself.
    let held = leases.release(&lease).await.unwrap_or(true);
    if let Ok(answer) = answer {
        let _ = answer.send(held);
    }
}

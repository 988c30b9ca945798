//! What the processes of a fleet tell each other: marks told, marks heard.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use cache_core::{Backplane, Heard, Mark, Position, Result, Selector};
use futures_util::StreamExt;
use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::doubt::Doubt;
use super::marking::{name_of, told_as};
use super::promote::Job;
use super::recover::Op;
use super::restore::Recent;
use super::tier::Tier;
use super::{Inner, Tiered};
use crate::marks::Whose;

/// The pause before a subscription is begun anew, doubled up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How often what could not be done at once for a mark is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// The most marks remembered as told by this process, until they are heard; then all are forgotten, and heard as those
/// of others.
const MOST_TOLD: usize = 1024;

/// Somebody in this process who holds copies of what is in the tiers. Called without any lock held; it must be quick.
pub(crate) trait Listener: Send + Sync {
    /// What `mark` covers is out of date: an entry was put or removed, or entries were invalidated, in this process, or
    /// at any time in another one.
    fn marked(&self, mark: &Mark);
    /// Anything may be out of date that the tiers do not confirm.
    fn gap(&self);
}

/// What a stack knows of the others of its fleet.
#[derive(Default)]
pub(super) struct Fleet {
    listeners: Mutex<Vec<Weak<dyn Listener>>>,
    listening: AtomicBool,
    pub(super) doubt: Doubt,
    /// Marks that this process has told and not heard yet.
    told: Mutex<HashSet<Mark>>,
    pub(super) recent: Recent,
    /// Ends the listening when it is true or dropped.
    left: watch::Sender<bool>,
}

impl Fleet {
    /// Ends the listening.
    pub(super) fn leave(&self) {
        self.left.send_replace(true);
    }
}

impl Tiered {
    /// Tells `listener` of every write and invalidation from now on, its own process's included, as long as it lives.
    pub(crate) fn listen(&self, listener: Weak<dyn Listener>) {
        let mut listeners = self.0.fleet.listeners.lock();
        listeners.retain(|known| known.strong_count() > 0);
        listeners.push(listener);
    }

    /// Tells the listeners of this process.
    pub(super) fn notify(&self, mark: &Mark) {
        self.each_listener(|listener| listener.marked(mark));
    }

    pub(super) fn each_listener(&self, tell: impl Fn(&dyn Listener)) {
        let listeners: Vec<_> = self.0.fleet.listeners.lock().iter().filter_map(Weak::upgrade).collect();
        for listener in listeners {
            tell(&*listener);
        }
    }

    /// Tells the listeners of this process and the other processes.
    pub(super) async fn tell(&self, mark: Mark) {
        self.notify(&mark);
        self.publish_surely(&mark).await;
    }

    /// Tells the other processes, later if that fails.
    pub(super) async fn publish_surely(&self, mark: &Mark) {
        let Err(error) = self.publish(mark).await else { return };
        tracing::warn!(%error, "the other processes were not told of a write: that is tried again");
        if let Some((index, _)) = self.speaker()
            && let Ok(name) = told_as(mark)
        {
            self.recover(index, &name, Op::Tell(mark.clone()));
        }
    }

    pub(super) async fn publish(&self, mark: &Mark) -> Result<()> {
        let Some((_, tier)) = self.speaker() else { return Ok(()) };
        {
            let mut told = self.0.fleet.told.lock();
            if told.len() >= MOST_TOLD {
                told.clear();
            }
            told.insert(mark.clone());
        }
        self.0.fleet.recent.note(mark);
        let work = async {
            match tier.backend.backplane() {
                Some(backplane) => backplane.publish(mark).await,
                None => Ok(()),
            }
        };
        tier.call("publish", tier.patience, work).await
    }

    /// The nearest tier with a backplane.
    pub(super) fn speaker(&self) -> Option<(usize, &Tier)> {
        self.0.tiers.iter().enumerate().find(|(_, tier)| tier.backend.backplane().is_some())
    }

    /// Starts to hear the other processes, unless that was done. Until then marks were missed.
    pub(super) fn join_fleet(&self) {
        let fleet = &self.0.fleet;
        if self.speaker().is_some() && !fleet.listening.load(Ordering::Acquire) {
            // First, so that whoever finds that somebody listens finds the doubt.
            self.begin_doubt();
            if !fleet.listening.swap(true, Ordering::AcqRel) {
                let left = fleet.left.subscribe();
                tokio::spawn(Ear { stack: Arc::downgrade(&self.0), left }.run());
            }
        }
        self.0.ready.store(true, Ordering::Release);
    }

    /// Takes in what another process has told, or this one itself.
    fn hear(&self, mark: &Mark) {
        // What this process has told itself was carried out by whoever told it.
        if self.0.fleet.told.lock().remove(mark) {
            return;
        }
        if !self.stamps().observe(mark.stamp) {
            self.restamp(mark, None);
            return;
        }
        // Told again for those who have missed it: here it is in force, and what was made since is not out of date.
        if self.0.fleet.recent.note(mark) {
            self.take_in(mark);
        }
    }

    /// Puts a mark in force that this process may have begun to miss before.
    pub(super) fn take_in(&self, mark: &Mark) {
        let common = &self.0.common;
        // A key is dropped at once, so nothing is left to write down.
        let name = if matches!(mark.selector, Selector::Key(_)) { None } else { name_of(mark).ok() };
        // Before the mark itself: whoever sees its epoch sees this.
        let heard = self.stamps().tick();
        let doomed = common.news.take_in(mark, heard, |key| common.is_used(key));
        let added = common.marks.add(mark.clone(), name, Whose::Others, |key| common.is_used(key));
        self.notify(&Mark { selector: mark.selector.clone(), stamp: common.news.until(mark) });
        self.enqueue(Job::Drop(mark.clone()));
        for (key, stamp) in doomed {
            self.enqueue(Job::Withdraw { key, stamp });
        }
        if added.folded.is_some() || !added.needless.is_empty() {
            self.enqueue(Job::Tend(added));
        }
    }

    /// Marks may have been missed, or lost by a server: what is not shared is in doubt, and the marks in shared tiers are
    /// read again, and put back where they are not.
    async fn catch_up(&self) {
        self.begin_doubt();
        let shared = self.0.tiers.iter().filter(|tier| tier.info.shared);
        join_all(shared.map(|tier| self.reread_marks(tier))).await;
        self.begin_restoring();
    }

    /// Looks after the marks: those of shared tiers are read again, those that tiers have lost are put back, and up to
    /// `limit` keys are dropped that were not yet.
    pub(super) async fn tend_marks(&self, limit: usize) {
        self.open().await;
        let lasting = self.0.tiers.iter().filter(|tier| tier.is_lasting());
        join_all(lasting.map(async |tier| {
            let known = tier.is_read() || self.reread_marks(tier).await;
            if known && tier.info.shared {
                // Who fails is looked after again by the next sweep.
                let _ = self.restore_marks(tier).await;
            }
        }))
        .await;
        for mark in self.0.common.marks.open(limit) {
            self.enqueue(Job::Drop(mark));
        }
    }
}

/// The task that hears the other processes, until the stack is closed or gone.
struct Ear {
    stack: Weak<Inner>,
    left: watch::Receiver<bool>,
}

impl Ear {
    async fn run(mut self) {
        let mut after: Option<Position> = None;
        let mut pause = FIRST_PAUSE;
        let mut again = Instant::now() + AGAIN;
        loop {
            let Some(mut heard) = self.subscribe(after.clone()) else { return };
            loop {
                let next = tokio::select! {
                    biased;
                    _ = self.left.wait_for(|left| *left) => return,
                    next = timeout_at(again, heard.next()) => next,
                };
                let Some(stack) = self.stack.upgrade().map(Tiered) else { return };
                // Also when there is always something to hear.
                if Instant::now() >= again {
                    stack.catch_up_with_news();
                    again = Instant::now() + AGAIN;
                }
                let Ok(next) = next else { continue };
                match next {
                    Some(Ok(Heard::Mark(mark, at))) => {
                        stack.hear(&mark);
                        after = Some(at);
                    }
                    Some(Ok(Heard::Gap(at))) => {
                        stack.catch_up().await;
                        after = Some(at);
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => {
                        tracing::warn!(%error, "the backplane is not heard: that is tried again");
                        break;
                    }
                    None => break,
                }
                pause = FIRST_PAUSE;
            }
            if timeout(pause, self.left.wait_for(|left| *left)).await.is_ok() {
                return;
            }
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }

    fn subscribe(&self, after: Option<Position>) -> Option<futures_util::stream::BoxStream<'static, Result<Heard>>> {
        let stack = self.stack.upgrade().map(Tiered)?;
        let (_, tier) = stack.speaker()?;
        tier.backend.backplane().map(|backplane: &dyn Backplane| backplane.subscribe(after))
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        // When the runtime ends: the next operation within another one listens again.
        if let Some(stack) = self.stack.upgrade() {
            stack.fleet.listening.store(false, Ordering::Release);
            stack.ready.store(false, Ordering::Release);
        }
    }
}

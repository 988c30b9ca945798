//! What is done in the tiers for marks that were heard.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cache_core::{Key, Mark, Selector, Stamp, Timestamp};
use futures_util::future::join_all;

use super::Tiered;
use super::common::just_after;
use super::invalidate::Newer;
use super::marking::name_of;
use super::promote::Job;
use super::recover::Op;

/// How long a write may be on its way to a tier after its caller has given it up.
const LATE: Duration = Duration::from_secs(15);
/// The most keys of a kind that are tried again at a time.
const OPEN: usize = 256;

impl Tiered {
    /// Has the tiers that are not shared drop what a mark covers that was heard, and keep the mark.
    pub(super) async fn drop_marked(&self, mark: &Mark) {
        let Selector::Key(key) = &mark.selector else { return self.drop_marked_widely(mark).await };
        let common = &self.0.common;
        let until = common.news.until(mark);
        let empty = AtomicBool::new(false);
        let gone = {
            // Who has the turn is writing; the mark stays until it is tried again.
            let Ok(_turn) = common.fence.turn(key, Duration::ZERO).await else { return };
            // One that was found in a tier is there for the sake of one that has missed it: whichever that is.
            let found = common.marks.of_key(key).is_some_and(|known| known.name.is_some());
            let empty = &empty;
            let answers = join_all(self.0.tiers.iter().map(|tier| async move {
                if tier.recovery.forget_fill(key, until, |stamp| common.news.has_put(key, stamp)) && tier.info.shared {
                    tier.suspects.clear(key);
                }
                let present = tier.stat(key).await?;
                if !tier.info.shared {
                    let put = present.is_some_and(|meta| common.news.has_put(key, meta.stamp));
                    return tier.drop_older(key, if put { mark.stamp } else { until }).await.map(|_| false);
                }
                if found {
                    return tier.drop_older(key, mark.stamp).await.map(|_| false);
                }
                if present.is_none() {
                    empty.store(true, Ordering::Relaxed);
                }
                // Who told may not have reached the shared tier yet: what it replaces there is out of date.
                Ok(present.is_some_and(|meta| meta.stamp < mark.stamp))
            }))
            .await;
            answers.iter().all(|older| matches!(older, Ok(false)))
        };
        if gone {
            // What the mark covers may be on its way to an empty place.
            let lingers = if empty.into_inner() { Stamp::first_of(until.instant().after(LATE)) } else { Stamp::ZERO };
            common.marks.settle(key, mark.stamp, lingers, |key| common.is_used(key));
            common.news.settle(key, lingers, |key| common.is_used(key));
            // Another process of a fleet may have a tier of its own that has missed it still.
            if !self.0.info.shared {
                self.unmark_key(key).await;
            }
        }
    }

    /// As [`drop_marked`](Self::drop_marked), for a mark of more than a key.
    async fn drop_marked_widely(&self, mark: &Mark) {
        let own = self.0.tiers.iter().enumerate().filter(|(_, tier)| !tier.info.shared);
        join_all(own.map(|(index, tier)| async move {
            let Ok(name) = name_of(mark) else { return };
            let in_force = self.0.common.marks.find(&name).is_some();
            let kept =
                if tier.is_lasting() && in_force { self.mark_tier(tier, &name, mark, &[]).await } else { Ok(()) };
            let local = Mark { selector: mark.selector.clone(), stamp: self.0.common.news.until(mark) };
            if kept.is_err() || self.purge_for(tier, &local, Newer::Heard(mark.stamp)).await.1.is_some() {
                self.recover(index, &name, Op::Mark(mark.clone()));
            }
        }))
        .await;
    }

    /// Takes back what this process has stored that another one has put out of date before, and tells those who may have
    /// read it there meanwhile.
    pub(super) async fn withdraw_doomed(&self, key: &Key, stamp: Stamp) {
        let answers = {
            let Ok(_turn) = self.0.common.fence.turn(key, Duration::ZERO).await else { return };
            let shared = self.0.tiers.iter().filter(|tier| tier.info.shared);
            join_all(shared.map(|tier| async move {
                let there = tier.stat(key).await?.is_some_and(|meta| meta.stamp == stamp);
                if there { tier.drop_older(key, just_after(stamp)).await } else { Ok(false) }
            }))
            .await
        };
        if answers.iter().any(|gone| matches!(gone, Ok(true))) {
            self.publish_surely(&Mark { selector: Selector::Key(key.clone()), stamp: just_after(stamp) }).await;
        }
        if answers.iter().all(Result::is_ok) {
            self.0.common.news.withdrawn(key, stamp, self.long_ago());
        }
    }

    /// A stamp of this process from so long ago that whatever was on its way then has arrived.
    fn long_ago(&self) -> Stamp {
        Stamp::first_of(Timestamp::from_millis(self.clock().now().as_millis().saturating_sub(LATE.as_millis() as u64)))
    }

    /// Tries again what could not be done at once for marks that were heard.
    pub(super) fn catch_up_with_news(&self) {
        let common = &self.0.common;
        // A tier that hangs would otherwise have them pile up, and promotions dropped.
        if self.0.queue.len() == 0 {
            for mark in common.marks.open(OPEN) {
                self.enqueue(Job::Drop(mark));
            }
            for (key, stamp) in common.news.doomed().into_iter().take(OPEN) {
                self.enqueue(Job::Withdraw { key, stamp });
            }
        }
        let now = self.stamps().tick();
        common.marks.tidy(now, |key| common.is_used(key));
        common.news.tidy(now, |key| common.is_used(key));
    }
}

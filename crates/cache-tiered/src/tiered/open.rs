//! Opening: the marks in the tiers are read before anything is served.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use cache_core::{ErrorKind, Key, Mark, Result, Role, Selector, Stamp};
use futures_util::TryStreamExt;
use futures_util::future::join_all;
use tokio::time::sleep;

use super::marking::{for_everything, from_entry, reserved_prefix};
use super::promote::Job;
use super::tier::Tier;
use super::{Inner, Tiered};
use crate::marks::{Added, Whose};

/// How long after a failure the marks of a tier are not read again, doubled up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// Marks fetched in one call.
const BATCH: usize = 64;

impl Tiered {
    /// Makes sure that the marks in the tiers were read once, and that this process hears the others of its fleet.
    /// One atomic load once that is so. A tier that did not answer within its patience is asked again once it answers
    /// anything, and then in the background; it is not served from before its marks are known.
    ///
    /// Cancelling it leaves it to the next caller.
    pub(crate) async fn open(&self) {
        if self.0.ready.load(Ordering::Acquire) {
            return;
        }
        let read = async {
            let unread = self.0.tiers.iter().filter(|tier| !tier.is_read());
            join_all(unread.map(|tier| self.reread_marks(tier))).await;
        };
        self.0.opened.get_or_init(|| read).await;
        self.join_fleet();
    }

    /// Sees to it that the marks of a tier are read which has answered a read; whether they are known. The first to
    /// come tries, within the patience of the tier. After a failure it is tried again in the background, and nobody
    /// waits for that.
    pub(super) async fn read_marks(&self, tier: &Tier) -> bool {
        if tier.is_read() || tier.reading.swap(true, Ordering::AcqRel) {
            return tier.is_read();
        }
        let index = self.0.tiers.iter().position(|known| std::ptr::eq(known, tier)).unwrap_or_default();
        let reader = Reader { stack: Arc::downgrade(&self.0), tier: index };
        let read = self.reread_marks(tier).await;
        if !read {
            tokio::spawn(reader.run());
        }
        read
    }

    /// Reads the marks of a tier once more.
    pub(super) async fn reread_marks(&self, tier: &Tier) -> bool {
        match fetch(tier).await {
            Ok(found) => {
                for (name, mark) in found {
                    self.absorb(name, mark);
                }
                tier.set_read();
                true
            }
            Err(error) => {
                tracing::warn!(tier = %tier.name(), %error, "the marks of a tier cannot be read");
                false
            }
        }
    }

    /// Puts back the marks that a tier has lost; those of more than a key.
    pub(super) async fn restore_marks(&self, tier: &Tier) -> Result<Vec<Mark>> {
        let found = fetch(tier).await?;
        let present: HashSet<Key> = found.iter().map(|(name, _)| name.clone()).collect();
        for (name, mark) in found {
            self.absorb(name, mark);
        }
        let mut lost = Vec::new();
        for (name, mark) in self.0.common.marks.named() {
            if present.contains(&name) {
                continue;
            }
            self.mark_tier(tier, &name, &mark, &[]).await?;
            if !matches!(mark.selector, Selector::Key(_)) {
                lost.push(mark);
            }
        }
        Ok(lost)
    }

    /// Takes a mark in that was found in a tier.
    fn absorb(&self, name: Key, mark: Mark) {
        let common = &self.0.common;
        if !common.stamps.observe(mark.stamp) {
            self.restamp(&mark, Some(name));
            return;
        }
        let added = common.marks.add(mark.clone(), Some(name), Whose::Others, |key| common.is_used(key));
        if added.new {
            self.notify(&mark);
            if matches!(mark.selector, Selector::Key(_)) {
                self.enqueue(Job::Drop(mark));
            }
        }
        if added.folded.is_some() || !added.needless.is_empty() {
            self.enqueue(Job::Tend(added));
        }
    }
    /// Puts a mark in force that is from a clock so far ahead that nothing made from here on would be newer: with a
    /// stamp of now. In the tiers, that takes its place.
    pub(super) fn restamp(&self, mark: &Mark, name: Option<Key>) {
        tracing::warn!(mark = %mark.selector, "an invalidation is from a clock far ahead: it counts as one of now");
        let mark = Mark { selector: mark.selector.clone(), stamp: self.stamps().tick() };
        let common = &self.0.common;
        let added = common.marks.add(mark.clone(), None, Whose::Others, |key| common.is_used(key));
        self.notify(&mark);
        if added.folded.is_some() || !added.needless.is_empty() {
            self.enqueue(Job::Tend(added));
        }
        if name.is_some() || !matches!(mark.selector, Selector::Key(_)) {
            let needless = name.into_iter().collect();
            self.enqueue(Job::Tend(Added { needless, folded: Some(mark.clone()), ..Added::default() }));
        }
        self.enqueue(Job::Drop(mark));
    }
}

/// Reads the marks of one tier again and again until they are known, the stack is closed or gone.
struct Reader {
    stack: Weak<Inner>,
    tier: usize,
}

impl Reader {
    async fn run(self) {
        let mut pause = PAUSE;
        loop {
            sleep(pause).await;
            pause = (2 * pause).min(LONGEST_PAUSE);
            let Some(stack) = self.stack.upgrade().map(Tiered) else { return };
            let tier = &stack.0.tiers[self.tier];
            if stack.is_closed() || tier.is_read() || stack.reread_marks(tier).await {
                return;
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(stack) = self.stack.upgrade() {
            stack.tiers[self.tier].reading.store(false, Ordering::Release);
        }
    }
}

/// The marks in a tier, with the keys of their entries.
async fn fetch(tier: &Tier) -> Result<Vec<(Key, Mark)>> {
    let work = async {
        let found: Vec<(Key, Stamp)> = tier
            .backend
            .scan(&reserved_prefix()?)
            .try_filter(|(_, meta)| std::future::ready(meta.role == Role::Mark))
            .map_ok(|(name, meta)| (name, meta.stamp))
            .try_collect()
            .await?;
        let mut marks = Vec::with_capacity(found.len());
        for batch in found.chunks(BATCH) {
            let names: Vec<Key> = batch.iter().map(|(name, _)| name.clone()).collect();
            let answers = tier.backend.get_many(&names).await;
            for ((name, stamp), answer) in batch.iter().zip(answers) {
                match answer {
                    Ok(Some(entry)) => marks.push((name.clone(), from_entry(&entry))),
                    // Removed meanwhile.
                    Ok(None) => {}
                    Err(error) if error.kind() == ErrorKind::Corrupt => {
                        marks.push((name.clone(), for_everything(*stamp)));
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(marks)
    };
    tier.call("read the marks", tier.patience, work).await
}

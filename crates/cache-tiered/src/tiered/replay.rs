//! One operation done again in the tier that has missed it.

use cache_core::{Entry, Freshness, Key, Mark, Meta, Selector, Stamp};

use super::Tiered;
use super::common::just_after;
use super::recover::{Attempt, Op};
use super::tier::Tier;

impl Tiered {
    /// Does `op` again in a tier.
    pub(super) async fn replay(&self, tier: usize, key: &Key, op: &Op) -> Attempt {
        match op {
            Op::Mark(mark) => self.replay_mark(tier, key, mark).await,
            Op::Tell(mark) => {
                if self.publish(mark).await.is_ok() {
                    Attempt::Done
                } else {
                    Attempt::Later
                }
            }
            Op::Put(_) | Op::Remove(_) => {
                let patience = self.0.tiers[tier].patience;
                let Ok(_turn) = self.0.common.fence.turn(key, patience).await else { return Attempt::Busy };
                if !self.0.tiers[tier].recovery.wants(key, op) {
                    return Attempt::Done;
                }
                match op {
                    Op::Put(meta) => self.replay_put(tier, key, meta).await,
                    Op::Remove(stamp) => self.replay_remove(tier, key, *stamp).await,
                    Op::Mark(_) | Op::Tell(_) => Attempt::Done,
                }
            }
        }
    }

    async fn replay_mark(&self, index: usize, name: &Key, mark: &Mark) -> Attempt {
        let tier = &self.0.tiers[index];
        let in_force = self.0.common.marks.find(name).is_some();
        if tier.is_lasting() && in_force && self.mark_tier(tier, name, mark, &[]).await.is_err() {
            return Attempt::Later;
        }
        if self.purge(tier, mark).await.is_err() { Attempt::Later } else { Attempt::Done }
    }

    async fn replay_remove(&self, index: usize, key: &Key, stamp: Stamp) -> Attempt {
        let tier = &self.0.tiers[index];
        let answer = if tier.info.shared { tier.bury(key, stamp).await } else { tier.remove(key).await.map(|_| ()) };
        if answer.is_ok() { Attempt::Done } else { Attempt::Later }
    }

    async fn replay_put(&self, index: usize, key: &Key, meta: &Meta) -> Attempt {
        let tier = &self.0.tiers[index];
        if self.covering(key, meta).is_some() {
            return self.replay_covered(tier, key, meta.stamp).await;
        }
        let mut newest: Option<Entry> = None;
        let mut unsure = false;
        for (other, source) in self.0.tiers.iter().enumerate() {
            if other == index {
                continue;
            }
            let found = match source.backlog.get(key) {
                Some(entry) => Ok(Some(entry)),
                None => source.ask::<Entry>(key, None).await,
            };
            match found {
                Ok(Some(entry)) if entry.meta.stamp >= meta.stamp && source.serves(key, &entry.meta) => {
                    if newest.as_ref().is_none_or(|newest| newest.meta.stamp < entry.meta.stamp) {
                        newest = Some(entry);
                    }
                }
                Ok(_) => {}
                Err(_) => unsure = true,
            }
        }
        if let Some(entry) = &newest
            && tier.info.shared
        {
            match tier.stat(key).await {
                Ok(Some(present)) if present.stamp > entry.meta.stamp && !tier.is_ahead(present.stamp) => {
                    // Another process has put or loaded it meanwhile; what others find counts here, too.
                    self.stamps().observe(present.stamp);
                    let withdrawn = self.withdraw(key, present.stamp).await;
                    return if withdrawn.is_ok() { Attempt::Done } else { Attempt::Later };
                }
                Ok(_) => {}
                Err(_) => return Attempt::Later,
            }
        }
        match newest {
            Some(entry) => match tier.put(key, &entry).await {
                Ok(()) => {
                    if self.covering(key, &entry.meta).is_some() {
                        // Invalidated meanwhile. A failure leaves the key suspect.
                        let _ = tier.discard(key, just_after(entry.meta.stamp)).await;
                    }
                    Attempt::Done
                }
                Err(_) => Attempt::Later,
            },
            None if self.has_already(tier, key, meta).await => {
                tier.suspects.clear(key);
                Attempt::Done
            }
            None if unsure => Attempt::Busy,
            None => match tier.discard(key, meta.stamp).await {
                Ok(_) if self.0.common.freshness(key, meta) == Freshness::Expired => Attempt::Done,
                Ok(_) => Attempt::Lost,
                Err(_) => Attempt::Later,
            },
        }
    }

    /// Takes away what a tier was to store, out of date by now, and may have stored all the same, with what is older.
    /// What another process has told of since stays, although its stamp may be older.
    async fn replay_covered(&self, tier: &Tier, key: &Key, stamp: Stamp) -> Attempt {
        let present = match tier.stat(key).await {
            Ok(present) => present.map(|meta| meta.stamp),
            Err(_) => return Attempt::Later,
        };
        let told = self.0.common.marks.stamp_of(&Selector::Key(key.clone())).filter(|_| tier.info.shared);
        let until = told.filter(|_| present != Some(stamp)).unwrap_or(just_after(stamp));
        if tier.discard(key, until).await.is_ok() { Attempt::Done } else { Attempt::Later }
    }

    /// Whether a tier has what it was to store: it took it after its patience, or another process has put a newer one
    /// in a shared tier.
    async fn has_already(&self, tier: &Tier, key: &Key, meta: &Meta) -> bool {
        let Ok(Some(present)) = tier.stat(key).await else { return false };
        let newer = tier.info.shared && present.stamp > meta.stamp && !tier.is_ahead(present.stamp);
        newer || present.stamp == meta.stamp && present.role == meta.role
    }
}

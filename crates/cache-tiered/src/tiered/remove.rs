//! Removes and renewals of one key, in all tiers.

use cache_core::{Error, Key, Mark, Meta, Result, Selector, Stamp};
use futures_util::future::join_all;

use super::Tiered;
use super::common::just_after;
use super::marking::is_reserved;
use super::recover::Op;
use super::tier::Tier;
use super::write::{Write, detached};

impl Tiered {
    /// Removes what is under `key` by now from all tiers; whether it was there. Tombstones stay. The caller has the
    /// [`Rights`](super::write::Rights) to the key.
    pub(crate) async fn clear(&self, key: &Key) -> Result<bool> {
        self.withdraw(key, self.stamps().tick()).await
    }

    /// As [`clear`](Self::clear), of what is older than `stamp`: in a shared tier, what another process has put since
    /// stays.
    pub(crate) async fn withdraw(&self, key: &Key, stamp: Stamp) -> Result<bool> {
        let answers = join_all(self.0.tiers.iter().map(|tier| async {
            let waiting = tier.backlog.take(key).is_some();
            tier.discard(key, stamp).await.map(|found| found | waiting)
        }))
        .await;
        self.conclude(key, stamp, answers).await
    }

    /// Removes `key` for good: from all tiers, with a tombstone in those that are shared, and tells other processes;
    /// whether it was there. The caller has the [`Rights`](super::write::Rights) to the key.
    pub(crate) async fn retire(&self, key: &Key) -> Result<bool> {
        let (stamp, answers) = self.retire_counted(key).await;
        let answer = self.conclude(key, stamp, answers).await;
        self.tell(Mark { selector: Selector::Key(key.clone()), stamp }).await;
        answer
    }

    /// Removes `key` for good; the stamp of that, and whether each tier could have served it.
    pub(super) async fn retire_counted(&self, key: &Key) -> (Stamp, Vec<Result<bool>>) {
        self.open().await;
        let present = join_all(self.0.tiers.iter().map(|tier| self.present(tier, key))).await;
        // Only here: newer than every stamp that was found.
        let stamp = self.stamps().tick();
        let each = self.0.tiers.iter().zip(present).map(|(tier, (ahead, served))| async move {
            let waiting = tier.backlog.take(key).is_some();
            if !tier.info.shared {
                let found = tier.remove(key).await?;
                return Ok(served.unwrap_or(found) | waiting);
            }
            if ahead {
                tier.remove(key).await?;
            }
            tier.bury(key, stamp).await.map(|()| served.unwrap_or_default() | waiting)
        });
        (stamp, join_all(each).await)
    }

    /// Whether a tier has an entry of `key` whose stamp cannot be followed, and whether it would have served it:
    /// `None` where its answer to the remove tells that, too.
    async fn present(&self, tier: &Tier, key: &Key) -> (bool, Option<bool>) {
        if !tier.info.shared && self.0.common.marks.is_empty() {
            return (false, None);
        }
        let Ok(found) = tier.stat(key).await else { return (false, None) };
        let ahead = found.as_ref().is_some_and(|meta| tier.is_ahead(meta.stamp));
        (ahead, Some(found.is_some_and(|meta| tier.serves(key, &meta))))
    }

    /// What a remove has come to. What failed is done again later; a tier that may still show the key to a later
    /// process or to others makes it an error.
    pub(super) async fn conclude(&self, key: &Key, stamp: Stamp, answers: Vec<Result<bool>>) -> Result<bool> {
        let mut found = false;
        let mut failed: Vec<(usize, Error)> = Vec::new();
        for (index, answer) in answers.into_iter().enumerate() {
            match answer {
                Ok(here) => {
                    found |= here;
                    self.0.tiers[index].recovery.forget(key);
                }
                Err(error) => {
                    self.recover(index, key, Op::Remove(stamp));
                    // Elsewhere it is not served as long as this process lives, and the entry lives no longer.
                    if self.0.tiers[index].is_lasting() {
                        failed.push((index, error));
                    }
                }
            }
        }
        if failed.is_empty() {
            self.unmark_key(key).await;
            return Ok(found);
        }
        let indexes: Vec<usize> = failed.iter().map(|(index, _)| *index).collect();
        let survives = !is_reserved(key) && self.mark_key(key, stamp, &indexes).await;
        let worst = failed.into_iter().find(|(index, _)| self.0.tiers[*index].info.shared || !survives);
        worst.map_or(Ok(found), |(_, error)| Err(error))
    }

    pub(super) async fn remove_detached(&self, key: &Key) -> Result<bool> {
        self.check_open("remove").map_err(|error| error.with_key(key))?;
        let rights = self.begin(key, "remove").await?;
        let (tiers, key) = (self.clone(), key.clone());
        let remove = async move {
            let answer = if is_reserved(&key) { tiers.clear(&key).await } else { tiers.retire(&key).await };
            drop(rights);
            answer
        };
        detached(remove).await
    }

    pub(super) async fn renew_detached(&self, key: &Key, present: Stamp, meta: Meta) -> Result<bool> {
        self.check_open("renew").map_err(|error| error.with_key(key))?;
        let rights = self.begin(key, "renew").await?;
        let (tiers, key) = (self.clone(), key.clone());
        let renew = async move {
            let answer = tiers.renew_held(&key, present, meta).await;
            drop(rights);
            Ok(answer? == Write::Stored)
        };
        detached(renew).await
    }

    /// Gives the entry with the stamp `present` a new meta in every tier that holds it, and leaves its body where it
    /// is. The caller has the [`Rights`](super::write::Rights) to the key. Not told to other processes.
    pub(crate) async fn renew_held(&self, key: &Key, present: Stamp, meta: Meta) -> Result<Write> {
        self.open().await;
        if meta.is_expired(self.clock().now()) {
            return Ok(Write::Expired);
        }
        self.stamps().observe(meta.stamp);
        if let Some(mark) = self.covering(key, &meta) {
            return Ok(Write::Covered(mark));
        }
        if self.speaker().is_some() {
            self.0.common.news.note_fill(key, &meta);
        }
        let may_be_covered = self.may_be_outdated(key, present);
        let renew = async |tier: &Tier| {
            if may_be_covered && self.has_gone(tier, key, present).await? {
                return Ok(false);
            }
            if tier.backlog.renew(key, present, &meta) {
                return Ok(true);
            }
            tier.renew(key, present, &meta).await
        };
        let answers = join_all(self.0.tiers.iter().map(renew)).await;
        let mut held = false;
        let mut failure = None;
        for (index, answer) in answers.into_iter().enumerate() {
            match answer {
                Ok(here) => held |= here,
                Err(error) => {
                    // It may have the older meta still.
                    self.0.tiers[index].suspects.add(key, meta.stamp, self.clock().now());
                    self.recover(index, key, Op::Put(Box::new(meta.clone())));
                    failure = Some(error);
                }
            }
        }
        if let Some(mark) = self.covering(key, &meta) {
            self.withdraw(key, just_after(meta.stamp)).await?;
            return Ok(Write::Covered(mark));
        }
        match failure {
            Some(error) if !held => Err(error),
            _ => Ok(if held { Write::Stored } else { Write::Absent }),
        }
    }

    /// Whether the entry with the stamp `present` of a tier is not there any more, or out of date by a mark.
    async fn has_gone(&self, tier: &Tier, key: &Key, present: Stamp) -> Result<bool> {
        let found = match tier.waiting(key) {
            Some(waiting) => Some(waiting.meta),
            None => tier.stat(key).await?,
        };
        Ok(found.is_none_or(|found| found.stamp != present || self.covering(key, &found).is_some()))
    }
}

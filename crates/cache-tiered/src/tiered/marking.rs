//! Marks in the tiers: one entry each, under reserved keys.

use cache_core::{Entry, Error, ErrorKind, Key, KeyPrefix, Mark, Meta, Result, Role, Stamp};
use futures_util::future::join_all;
use serde::Deserialize;

use super::Tiered;
use super::recover::Op;
use super::tier::Tier;
use crate::fnv::fnv1a;
use crate::marks::{Added, Whose};

/// The first part of the keys of entries that hold marks. A stack hides them from scans of anything else, and passes
/// them through when a stack above it uses them: a mark in a tier is in force for everyone who reads that tier.
pub(crate) const MARKS: &str = "~marks";

/// Whether `key` is that of a mark.
pub(super) fn is_reserved(key: &Key) -> bool {
    key.as_str().strip_prefix(MARKS).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

/// Whether `prefix` selects nothing but marks.
pub(super) fn is_reserved_prefix(prefix: &KeyPrefix) -> bool {
    prefix.as_str().strip_prefix(MARKS).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

/// Selects the marks.
pub(super) fn reserved_prefix() -> Result<KeyPrefix> {
    Ok(KeyPrefix::below(&Key::of(MARKS).build()?))
}

/// Refuses an entry that is no mark under the key of one.
pub(super) fn check(key: &Key, meta: &Meta) -> Result<()> {
    if !is_reserved(key) || meta.role == Role::Mark {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Invalid, "keys below ~marks hold invalidations: choose another first part").with_key(key))
}

/// The key of a mark: the same in every process, so that a mark is in a tier once, whoever puts it there.
pub(super) fn name_of(mark: &Mark) -> Result<Key> {
    let (stamp, hash) = (mark.stamp.as_u64(), fnv1a(encode(mark)?));
    Key::of(MARKS).part(format_args!("{stamp:016x}")).part(format_args!("{hash:016x}")).build()
}

/// The name under which the telling of a mark waits: another one than that of its entry, which may wait as well.
pub(super) fn told_as(mark: &Mark) -> Result<Key> {
    name_of(mark)?.child("told").build()
}

fn encode(mark: &Mark) -> Result<Vec<u8>> {
    rmp_serde::to_vec_named(mark).map_err(|error| {
        Error::new(ErrorKind::Internal, "a mark cannot be encoded: please report this").with_source(error)
    })
}

fn to_entry(stack: &Tiered, mark: &Mark) -> Result<Entry> {
    let body = encode(mark)?;
    let mut meta = Meta::new(mark.stamp, stack.clock().now());
    meta.role = Role::Mark;
    Ok(Entry::new(meta, body))
}

/// The mark that an entry holds. One that cannot be read counts as one for everything, at its stamp.
pub(super) fn from_entry(entry: &Entry) -> Mark {
    let mut decoder = rmp_serde::Deserializer::from_read_ref(&entry.body[..]);
    // Far more than a mark has: a stack is not endless, and others may write to a shared tier.
    decoder.set_max_depth(16);
    Mark::deserialize(&mut decoder).unwrap_or_else(|_| for_everything(entry.meta.stamp))
}

pub(super) fn for_everything(stamp: Stamp) -> Mark {
    Mark { selector: cache_core::Selector::all(), stamp }
}

impl Tiered {
    /// Puts `mark` in force in this process, as one that is going to be in the tiers under the name answered.
    pub(super) fn enforce(&self, mark: &Mark) -> Result<(Key, Added)> {
        let name = name_of(mark)?;
        let common = &self.0.common;
        let added = common.marks.add(mark.clone(), Some(name.clone()), Whose::Own, |key| common.is_used(key));
        Ok((name, added))
    }

    /// Writes a mark to the tiers that outlive this process or are seen by others, and removes there what it makes
    /// needless. A tier that fails is tried again later. One answer for each tier; `None` for those that keep none.
    pub(super) async fn mark_tiers(&self, name: &Key, mark: &Mark, needless: &[Key]) -> Vec<Option<Result<()>>> {
        let each = self.0.tiers.iter().enumerate().map(|(index, tier)| async move {
            if !tier.is_lasting() {
                return None;
            }
            let answer = self.mark_tier(tier, name, mark, needless).await;
            if answer.is_err() {
                self.recover(index, name, Op::Mark(mark.clone()));
            }
            Some(answer)
        });
        join_all(each).await
    }

    pub(super) async fn mark_tier(&self, tier: &Tier, name: &Key, mark: &Mark, needless: &[Key]) -> Result<()> {
        tier.put_plain(name, to_entry(self, mark)?).await?;
        for name in needless {
            // What stays is found needless again when the marks are read.
            let _ = tier.remove_plain(name).await;
        }
        Ok(())
    }

    /// Does what the adding of a mark has left to do in the tiers.
    pub(super) async fn tend(&self, added: Added) {
        if let Some(mark) = added.folded {
            if let Ok((name, more)) = self.enforce(&mark) {
                let needless: Vec<Key> = added.needless.into_iter().chain(more.needless).collect();
                self.mark_tiers(&name, &mark, &needless).await;
            }
            return;
        }
        let lasting = self.0.tiers.iter().filter(|tier| tier.is_lasting());
        join_all(lasting.map(|tier| async {
            for name in &added.needless {
                let _ = tier.remove_plain(name).await;
            }
        }))
        .await;
    }

    /// Makes sure that nothing older than `stamp` is served under `key` after a restart, although the tiers in
    /// `failed` may still hold it; whether a tier has taken note.
    pub(super) async fn mark_key(&self, key: &Key, stamp: Stamp, failed: &[usize]) -> bool {
        let mark = Mark { selector: cache_core::Selector::Key(key.clone()), stamp };
        let others =
            self.0.tiers.iter().enumerate().filter(|(index, tier)| tier.is_lasting() && !failed.contains(index));
        let others: Vec<&Tier> = others.map(|(_, tier)| tier).collect();
        if others.is_empty() {
            return false;
        }
        let Ok((name, added)) = self.enforce(&mark) else { return false };
        let needless = added.needless_now();
        let answers = join_all(others.iter().map(|tier| self.mark_tier(tier, &name, &mark, needless))).await;
        if added.folded.is_some() {
            self.tend(added).await;
        }
        answers.iter().any(Result::is_ok)
    }

    /// Forgets the mark of `key` once no tier holds what it covers.
    pub(super) async fn unmark_key(&self, key: &Key) {
        let marks = &self.0.common.marks;
        let Some(known) = marks.of_key(key).filter(|known| known.name.is_some()) else { return };
        let older = Meta::new(Stamp::from_u64(known.mark.stamp.as_u64().saturating_sub(1)), self.clock().now());
        // Also where the removal has found no place to wait: the key, or all that the tier has, is suspect then.
        let may_hold =
            |tier: &Tier| tier.recovery.contains(key) || (tier.is_lasting() && !tier.suspects.trusts(key, &older));
        if self.0.tiers.iter().any(may_hold) {
            return;
        }
        if let Some(name) = marks.release(key, known.mark.stamp) {
            self.tend(Added { needless: vec![name], ..Added::default() }).await;
        }
    }
}

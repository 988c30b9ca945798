//! Invalidations: a mark in force at once, then what it covers is removed and counted.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cache_core::{Error, Hlc, Key, Mark, Meta, Result, Role, Selector, Stamp};
use futures_util::future::join_all;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::Tiered;
use super::marking::is_reserved;
use super::recover::{Op, may_precede};
use super::scan::scan_tier;
use super::tier::Tier;
use super::write::detached;
use crate::marks::{Added, Frozen};

/// Removes of one tier under way at a time.
const WIDTH: usize = 16;

/// What an invalidation did, or would do.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Invalidation {
    /// Entries with an older stamp are out of date; `None` of a preview.
    pub stamp: Option<Stamp>,
    /// What became of each tier, the nearest first.
    pub tiers: Vec<TierCount>,
}

/// What an invalidation meant to one tier.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TierCount {
    /// Name of the tier.
    pub name: Arc<str>,
    /// Entries that could be served until then, and were removed. What was out of date already, by its deadline or by
    /// an earlier invalidation, does not count; nor does what a shared tier held under the one key of an invalidation,
    /// if it removed that without having said what it was.
    pub entries: u64,
    /// Why the count is not all, if it is not. What is selected is not served from the tier all the same, by this
    /// process; after a restart before the tier has caught up, an entry there may be that is from a clock ahead of the
    /// one of the invalidation, which the tier did not show.
    pub error: Option<Error>,
}

/// What was found in one tier.
#[derive(Debug, Default)]
pub(super) struct Purged {
    entries: u64,
    /// The newest stamp of an entry found that has a newer one than the mark, from a clock ahead of this one.
    ahead: Option<Stamp>,
}

/// What becomes of selected entries that have no older stamp than the mark.
#[derive(Debug, Clone, Copy)]
pub(super) enum Newer<'a> {
    /// They stay, and the newest is told of: its clock may be ahead, so that it is older all the same. What goes
    /// counts if it could be served before the mark.
    Tell(&'a Frozen),
    /// They stay.
    Keep,
    /// They stay, and so does what this process has put since this stamp of the mark as it was told.
    Heard(Stamp),
    /// Those go that may be older all the same.
    Drop,
}

impl Invalidation {
    /// Entries of all tiers together; one that is in two tiers counts twice.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.tiers.iter().map(|tier| tier.entries).sum()
    }
}

impl Tiered {
    /// Puts what `selector` means out of date, in every tier: what is there, and what any load or read under way now
    /// is going to bring. That is in force for this process at once, survives in the durable and shared tiers, and is
    /// told to the other processes. Then what is selected is removed and counted.
    ///
    /// Clocks of a fleet differ: an entry that another process puts while this runs may go or stay, whatever its stamp.
    /// What this process puts from now on stays, unless such an entry from a clock ahead has to go with it.
    ///
    /// Costs a put in each durable or shared tier, and a scan of each tier below the [prefix](Selector::prefix) of the
    /// selector. Cancelled once the mark is in force, it goes on; cancelled before, nothing has happened.
    ///
    /// # Errors
    /// [`Closed`](cache_core::ErrorKind::Closed), and [`Timeout`](cache_core::ErrorKind::Timeout) when too many writes
    /// were under way for a minute: nothing has happened then. Or the failure of a tier, when none that outlives the
    /// process has taken note: it holds for this process and has to be repeated for the next. Of a single key: as
    /// [`remove`](cache_core::Backend::remove).
    pub async fn invalidate(&self, selector: &Selector) -> Result<Invalidation> {
        self.check_open("invalidate")?;
        if let Selector::Key(key) = selector {
            return self.invalidate_key(key).await;
        }
        // First, so that the mark is newer than those of earlier runs, however far the wall clock is behind them.
        self.open().await;
        // Before the mark is in force: it would be neither written nor told without a place for that.
        let place = self.place().await.map_err(|error| self.name_error(error, "invalidate"))?;
        let before = self.0.common.marks.frozen();
        let mark = Mark { selector: selector.clone(), stamp: self.stamps().tick() };
        let named = self.enforce(&mark)?;
        self.notify(&mark);
        let stack = self.clone();
        detached(async move {
            let invalidation = stack.carry_out(mark, named, &before).await;
            drop(place);
            invalidation
        })
        .await
    }

    /// What [`invalidate`](Self::invalidate) would remove now, with the errors of tiers that cannot tell. Changes
    /// nothing; costs a scan. An entry counts that a read would have a shared tier confirm first. Cancelling it has no
    /// effect.
    ///
    /// # Errors
    /// [`Closed`](cache_core::ErrorKind::Closed).
    pub async fn preview(&self, selector: &Selector) -> Result<Invalidation> {
        self.check_open("preview")?;
        self.open().await;
        let each = self.0.tiers.iter().map(|tier| async {
            let counts = |key: &Key, meta: &Meta| {
                !is_reserved(key) && selector.selects(key, &meta.tags) && tier.serves(key, meta)
            };
            let waiting: HashMap<Key, Meta> = tier.backlog.metas().into_iter().collect();
            let mut entries = waiting.iter().filter(|(key, meta)| counts(key, meta)).count() as u64;
            let mut found = scan_tier(tier, selector.prefix());
            let ended = loop {
                match found.try_next().await {
                    Ok(Some((key, meta))) => entries += u64::from(!waiting.contains_key(&key) && counts(&key, &meta)),
                    Ok(None) => break None,
                    Err(error) => break Some(error),
                }
            };
            TierCount { name: tier.name().clone(), entries, error: ended }
        });
        Ok(Invalidation { stamp: None, tiers: join_all(each).await })
    }

    async fn invalidate_key(&self, key: &Key) -> Result<Invalidation> {
        let rights = self.begin(key, "invalidate").await?;
        let (stack, key) = (self.clone(), key.clone());
        detached(async move {
            let (stamp, answers) = stack.retire_counted(&key).await;
            let tiers = stack.0.tiers.iter().zip(&answers).map(|(tier, answer)| TierCount {
                name: tier.name().clone(),
                entries: u64::from(*answer.as_ref().unwrap_or(&false)),
                error: answer.as_ref().err().cloned(),
            });
            let invalidation = Invalidation { stamp: Some(stamp), tiers: tiers.collect() };
            let answer = stack.conclude(&key, stamp, answers).await;
            stack.tell(Mark { selector: Selector::Key(key.clone()), stamp }).await;
            drop(rights);
            answer.map(|_| invalidation)
        })
        .await
    }

    /// Writes a mark that is in force, tells it, and removes what it covers.
    async fn carry_out(&self, mut mark: Mark, named: (Key, Added), before: &Frozen) -> Result<Invalidation> {
        let count = |tier: &Tier| TierCount { name: tier.name().clone(), entries: 0, error: None };
        let mut counts: Vec<TierCount> = self.0.tiers.iter().map(count).collect();
        let _noting = self.0.fleet.doubt.purging();
        let mut name = named.0.clone();
        let mut failure = self.spread(&mark, named).await;
        // Once more when the mark has to be newer, and then no more: all that was there at first has been seen.
        let mut again = false;
        loop {
            let purge = self.0.tiers.iter().map(|tier| self.purge_for(tier, &mark, Newer::Tell(before)));
            let mut ahead = None;
            for (index, (purged, error)) in join_all(purge).await.into_iter().enumerate() {
                ahead = ahead.max(purged.ahead);
                counts[index].entries += purged.entries;
                if error.is_some() {
                    self.recover(index, &name, Op::Mark(mark.clone()));
                }
                counts[index].error = error;
            }
            let Some(ahead) = ahead.filter(|_| !again) else { break };
            again = true;
            self.stamps().observe(ahead);
            mark.stamp = self.stamps().tick();
            let named = self.enforce(&mark)?;
            self.notify(&mark);
            name = named.0.clone();
            failure = self.spread(&mark, named).await;
        }
        failure.map_or(Ok(Invalidation { stamp: Some(mark.stamp), tiers: counts }), Err)
    }

    /// Writes a mark to the tiers and tells it; the failure of a tier if none has taken note that ought to.
    async fn spread(&self, mark: &Mark, (name, added): (Key, Added)) -> Option<Error> {
        let answers = self.mark_tiers(&name, mark, added.needless_now()).await;
        if added.folded.is_some() {
            self.tend(added).await;
        }
        self.publish_surely(mark).await;
        let taken = answers.iter().flatten().any(Result::is_ok);
        answers.into_iter().flatten().find_map(Result::err).filter(|_| !taken)
    }

    /// Removes from a tier what a mark covers that it has missed.
    pub(super) async fn purge(&self, tier: &Tier, mark: &Mark) -> Result<()> {
        // In a shared tier, what has a newer stamp may be newer: another process could write while this one could not.
        let newer = if tier.info.shared { Newer::Keep } else { Newer::Drop };
        self.purge_for(tier, mark, newer).await.1.map_or(Ok(()), Err)
    }

    /// Removes what `mark` covers from a tier, what waits to be written there included.
    pub(super) async fn purge_for(&self, tier: &Tier, mark: &Mark, newer: Newer<'_>) -> (Purged, Option<Error>) {
        let waiting = tier.backlog.metas();
        let names: HashSet<Key> = waiting.iter().map(|(key, _)| key.clone()).collect();
        let waiting = stream::iter(waiting.into_iter().map(|(key, meta)| Ok((key, meta, true))));
        let found = scan_tier(tier, mark.selector.prefix());
        let found = found.map_ok(|(key, meta)| {
            let counts = !names.contains(&key);
            (key, meta, counts)
        });
        let selected = waiting.chain(found).try_filter(|(key, meta, _)| {
            let selected = !is_reserved(key) && meta.role == Role::Value && mark.selector.selects(key, &meta.tags);
            std::future::ready(selected)
        });
        let drop_one = async |found: Result<(Key, Meta, bool)>| {
            let (key, meta, counts) = found?;
            let mut purged = self.purge_one(tier, mark, newer, &key, &meta).await?;
            purged.entries = if counts { purged.entries } else { 0 };
            Ok(purged)
        };
        let mut steps = selected.map(drop_one).buffer_unordered(WIDTH);
        let (mut all, mut failure) = (Purged::default(), None);
        while let Some(step) = steps.next().await {
            match step {
                Ok(one) => {
                    all.entries += one.entries;
                    all.ahead = all.ahead.max(one.ahead);
                }
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        (all, failure)
    }

    /// Removes a selected entry from a tier, if `mark` covers it or `newer` says so.
    async fn purge_one(&self, tier: &Tier, mark: &Mark, newer: Newer<'_>, key: &Key, meta: &Meta) -> Result<Purged> {
        let mut until = mark.stamp;
        if let Newer::Heard(told) = newer
            && meta.stamp >= told
            && self.0.common.news.has_put(key, meta.stamp)
        {
            return Ok(Purged::default());
        }
        if !tier.is_ahead(meta.stamp) && meta.stamp >= mark.stamp {
            let is_own = self.0.fleet.doubt.is_own(key, meta.stamp);
            self.stamps().observe(meta.stamp);
            match newer {
                Newer::Tell(_) if !is_own => return Ok(Purged { entries: 0, ahead: Some(meta.stamp) }),
                Newer::Drop if !is_own && may_precede(meta.stamp, mark) => {
                    until = after(meta.stamp);
                    // No mark keeps a read from it that has its answer on the way.
                    tier.suspects.add(key, until, self.clock().now());
                }
                _ => return Ok(Purged::default()),
            }
        }
        let counts = matches!(newer, Newer::Tell(before) if self.could_serve(tier, key, meta, before));
        // Under the key's turn: what is put meanwhile stays.
        let _turn = self.0.common.fence.turn(key, tier.patience).await?;
        let waited = tier.backlog.take_older(key, until);
        let gone = tier.drop_older(key, until).await?;
        Ok(Purged { entries: u64::from(counts && (gone || waited)), ahead: None })
    }

    /// Whether a tier could serve an entry before a mark that is in force.
    fn could_serve(&self, tier: &Tier, key: &Key, meta: &Meta, before: &Frozen) -> bool {
        let now = self.clock().now();
        let dead = meta.created > now.after(Hlc::MAX_AHEAD) || meta.is_expired(now);
        !dead && tier.suspects.trusts(key, meta) && tier.is_read() && !before.covers(key, meta.stamp, &meta.tags)
    }
}

/// The first stamp after `stamp`.
const fn after(stamp: Stamp) -> Stamp {
    Stamp::from_u64(stamp.as_u64().saturating_add(1))
}

//! What is put back into a shared tier that may have come back with less than it had.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use cache_core::{Key, Mark, Result, Role, Selector, Stamp};
use futures_util::future::join_all;
use futures_util::{StreamExt, TryStreamExt, stream};
use parking_lot::Mutex;
use tokio::time::sleep;

use super::marking::{is_reserved, told_as};
use super::tier::Tier;
use super::{Inner, Tiered};

/// The most keys remembered, those with the newest marks.
const MOST_KEYS: usize = 4096;
/// The most other marks remembered; then all are forgotten, and count as unheard.
const MOST_WIDE: usize = 1024;
/// Keys looked at together: a whole fleet does this at the same time.
const WIDTH: usize = 8;
/// The processes of a fleet begin within this span, so that the later ones find what the first have put back.
const SPREAD: Duration = Duration::from_millis(512);
/// The pause after a failure, doubled up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// The marks that this process has told and heard lately, for a server that forgets them.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    keys: HashMap<Key, Stamp>,
    /// The same, the oldest first.
    ages: BTreeSet<(Stamp, Key)>,
    wide: HashSet<Mark>,
    /// Whether there is something to look after, and somebody does.
    wanted: bool,
    working: bool,
}

impl Recent {
    /// Takes note of a mark; whether it is of a key, or was not known.
    pub(super) fn note(&self, mark: &Mark) -> bool {
        let mut state = self.0.lock();
        let Selector::Key(key) = &mark.selector else {
            if state.wide.len() >= MOST_WIDE {
                state.wide.clear();
            }
            return state.wide.insert(mark.clone());
        };
        if !is_reserved(key) {
            state.note_key(key, mark.stamp);
        }
        true
    }

    /// The marks of keys, the newest first.
    fn keys(&self) -> Vec<(Key, Stamp)> {
        self.0.lock().ages.iter().rev().map(|(stamp, key)| (key.clone(), *stamp)).collect()
    }

    /// Asks for the work; whether somebody has to be started.
    fn want(&self) -> bool {
        let mut state = self.0.lock();
        state.wanted = true;
        !std::mem::replace(&mut state.working, true)
    }

    /// Begins a round, or ends the work when none is wanted.
    fn begin(&self) -> bool {
        let mut state = self.0.lock();
        state.working = std::mem::replace(&mut state.wanted, false);
        state.working
    }
}

impl State {
    fn note_key(&mut self, key: &Key, stamp: Stamp) {
        match self.keys.get(key).copied() {
            Some(known) if known >= stamp => return,
            Some(older) => {
                self.ages.remove(&(older, key.clone()));
            }
            None if self.keys.len() >= MOST_KEYS => {
                if let Some((_, oldest)) = self.ages.pop_first() {
                    self.keys.remove(&oldest);
                }
            }
            None => {}
        }
        self.keys.insert(key.clone(), stamp);
        self.ages.insert((stamp, key.clone()));
    }
}

impl Tiered {
    /// Has what this process knows put back, in the background, into shared tiers that lack it: a server that was
    /// started again, or a replica that has taken over, may have less than was acknowledged.
    pub(super) fn begin_restoring(&self) {
        if self.0.fleet.recent.want() {
            tokio::spawn(Restorer { stack: Arc::downgrade(&self.0), finished: false }.run());
        }
    }

    /// Puts back what shared tiers lack, and tells it again.
    async fn restore(&self) -> Result<()> {
        let Some((_, speaker)) = self.speaker() else { return Ok(()) };
        let mut again = Vec::new();
        let shared = self.0.tiers.iter().filter(|tier| tier.info.shared);
        let restored = join_all(shared.map(async |tier| {
            let marks = self.restore_marks(tier).await?;
            Ok::<_, cache_core::Error>(if std::ptr::eq(tier, speaker) { marks } else { Vec::new() })
        }));
        // One tier that fails keeps no other from what it lacks.
        let mut outcome = Ok(());
        for marks in restored.await {
            match marks {
                Ok(marks) => again.extend(marks),
                Err(error) => outcome = Err(error),
            }
        }
        let waits = |mark: &Mark| told_as(mark).is_ok_and(|name| speaker.recovery.contains(&name));
        for mark in again.iter().filter(|mark| !waits(mark)) {
            self.publish_surely(mark).await;
        }
        if speaker.info.shared {
            let keys = stream::iter(self.0.fleet.recent.keys());
            let restored = keys.map(|(key, stamp)| async move { self.restore_key(speaker, key, stamp).await });
            restored.buffer_unordered(WIDTH).try_for_each(|()| std::future::ready(Ok(()))).await?;
        }
        outcome
    }

    /// Buries an entry that was put out of date and has come back, and tells those who may have read it meanwhile.
    async fn restore_key(&self, tier: &Tier, key: Key, stamp: Stamp) -> Result<()> {
        let present = tier.stat(&key).await?;
        if !present.is_some_and(|meta| meta.role == Role::Value && meta.stamp < stamp) {
            return Ok(());
        }
        let buried = {
            let _turn = self.0.common.fence.turn(&key, tier.patience).await?;
            tier.drop_older(&key, stamp).await?
        };
        if buried {
            let mark = Mark { selector: Selector::Key(key), stamp };
            self.take_in(&mark);
            self.publish_surely(&mark).await;
        }
        Ok(())
    }
}

/// Restores until nobody wants it any more, the stack is closed or gone.
struct Restorer {
    stack: Weak<Inner>,
    finished: bool,
}

impl Restorer {
    async fn run(mut self) {
        let mut pause = PAUSE;
        while let Some(stack) = self.stack() {
            if !stack.0.fleet.recent.begin() {
                self.finished = true;
                return;
            }
            // By the lowest bits of a stamp, which differ from process to process.
            let part = u32::try_from(stack.stamps().tick().as_u64() % 256).unwrap_or_default();
            drop(stack);
            sleep(SPREAD / 256 * part).await;
            let Some(stack) = self.stack() else { return };
            if let Err(error) = stack.restore().await {
                tracing::warn!(%error, "a shared tier may lack invalidations: that is looked at again");
                stack.0.fleet.recent.want();
                drop(stack);
                sleep(pause).await;
                pause = (2 * pause).min(LONGEST_PAUSE);
            }
        }
    }

    /// The stack, unless it is closed or gone. Whoever holds it keeps it from being dropped.
    fn stack(&self) -> Option<Tiered> {
        self.stack.upgrade().map(Tiered).filter(|stack| !stack.is_closed())
    }
}

impl Drop for Restorer {
    fn drop(&mut self) {
        // When the runtime ends: the next gap starts another one.
        if let Some(stack) = self.stack.upgrade().filter(|_| !self.finished) {
            stack.fleet.recent.0.lock().working = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(number: usize, stamp: u64) -> Mark {
        Mark { selector: Selector::Key(Key::of(number).build().unwrap()), stamp: Stamp::from_u64(stamp) }
    }

    #[test]
    fn the_newest_mark_of_each_key_is_remembered_and_of_too_many_keys_the_oldest_is_forgotten() {
        let recent = Recent::default();
        for number in 0..=MOST_KEYS {
            assert!(recent.note(&mark(number, number as u64 + 10)));
        }
        recent.note(&mark(1, 1));
        recent.note(&mark(2, 1_000_000));
        let keys = recent.keys();
        assert_eq!(keys.len(), MOST_KEYS);
        let stamps: Vec<u64> = keys.iter().map(|(_, stamp)| stamp.as_u64()).collect();
        assert_eq!((stamps[0], stamps[1], stamps[MOST_KEYS - 1]), (1_000_000, MOST_KEYS as u64 + 10, 11));
    }

    #[test]
    fn a_mark_of_more_than_a_key_is_known_the_second_time() {
        let recent = Recent::default();
        let everything = |stamp| Mark { selector: Selector::all(), stamp: Stamp::from_u64(stamp) };
        assert!(recent.note(&everything(1)) && !recent.note(&everything(1)) && recent.note(&everything(2)));
        assert!(recent.note(&mark(1, 1)) && recent.note(&mark(1, 1)), "what a key had may have come back");
    }
}

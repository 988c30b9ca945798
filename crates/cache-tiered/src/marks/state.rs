//! `State`: marks in order of age, bounded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cache_core::{Key, Mark, Selector, Stamp};

use super::{Added, Known, Whose};

/// The most marks of prefixes, patterns and tags; the one for everything is not among them.
pub(super) const MOST_WIDE: usize = 1024;
/// The most marks of single keys.
pub(super) const MOST_KEYS: usize = 4096;
/// Of too many marks, the share that is folded at once, so that folding stays rare.
const SHARE: usize = 16;

#[derive(Debug, Clone, Default)]
pub(super) struct State {
    /// The mark for everything.
    floor: Option<Known>,
    /// One more for everything, of this process alone.
    here: Option<Stamp>,
    /// The others that select more than a key, the oldest first.
    wide: Vec<Known>,
    keys: BTreeMap<Key, KeyMark>,
    /// The same, the oldest first.
    ages: BTreeSet<(Stamp, Key)>,
}

/// A mark of one key.
#[derive(Debug, Clone)]
struct KeyMark {
    stamp: Stamp,
    name: Option<Key>,
    /// Whether nobody has to be sent to drop what it covers: every tier has, or whoever made the mark sees to it.
    settled: bool,
    /// Until when it stays all the same, for what may be on its way to an empty place.
    lingers: Stamp,
}

impl State {
    pub(super) fn may_cover(&self, key: &Key, stamp: Stamp) -> bool {
        let mut newer = self.wide.iter().rev().take_while(|known| known.mark.stamp > stamp);
        self.covering(key, stamp, &[]).is_some() || newer.any(|known| known.mark.selector.may_select(key))
    }

    pub(super) fn covering(&self, key: &Key, stamp: Stamp, tags: &[Arc<str>]) -> Option<Stamp> {
        let floor = self.floor.iter().map(|known| known.mark.stamp);
        let own = self.keys.get(key).map(|mark| mark.stamp);
        let wide = self.wide.iter().rev().take_while(|known| known.mark.stamp > stamp);
        let wide = wide.filter(|known| known.mark.selector.selects(key, tags)).map(|known| known.mark.stamp);
        floor.chain(self.here).chain(own).chain(wide).find(|mark| *mark > stamp)
    }

    pub(super) fn add(&mut self, mark: Mark, name: Option<Key>, whose: Whose, is_used: &dyn Fn(&Key) -> bool) -> Added {
        let mut added = Added::default();
        if self.floor.as_ref().is_some_and(|floor| floor.mark.stamp >= mark.stamp && floor.mark != mark) {
            added.needless.extend(name);
            return added;
        }
        match &mark.selector {
            Selector::Key(key) => self.add_key(
                &key.clone(),
                KeyMark { stamp: mark.stamp, name, settled: whose == Whose::Own, lingers: Stamp::ZERO },
                &mut added,
            ),
            _ if mark.selector == Selector::all() => self.add_floor(Known { mark, name }, &mut added),
            _ => self.add_wide(Known { mark, name }, &mut added),
        }
        self.fold(is_used, &mut added);
        added
    }

    pub(super) fn settle(&mut self, key: &Key, stamp: Stamp, lingers: Stamp, is_used: &dyn Fn(&Key) -> bool) {
        if let Some(mark) = self.keys.get_mut(key).filter(|mark| mark.stamp == stamp) {
            (mark.settled, mark.lingers) = (true, lingers);
            if mark.name.is_none() && lingers == Stamp::ZERO && !is_used(key) {
                self.drop_key(key);
            }
        }
    }

    pub(super) fn release(&mut self, key: &Key, stamp: Stamp) -> Option<Key> {
        self.keys.get(key).filter(|mark| mark.stamp == stamp && mark.settled)?;
        self.drop_key(key)
    }

    pub(super) fn stamp_of(&self, selector: &Selector) -> Option<Stamp> {
        match selector {
            Selector::Key(key) => self.keys.get(key).map(|mark| mark.stamp),
            selector => {
                let mut wide = self.floor.iter().chain(&self.wide);
                wide.find(|known| known.mark.selector == *selector).map(|known| known.mark.stamp)
            }
        }
    }

    pub(super) fn tidy(&mut self, now: Stamp, is_used: &dyn Fn(&Key) -> bool) {
        let is_over = |mark: &KeyMark| mark.settled && mark.name.is_none() && mark.lingers < now;
        let idle = self.keys.iter().filter(|(key, mark)| is_over(mark) && !is_used(key));
        for key in idle.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            self.drop_key(&key);
        }
    }

    pub(super) fn of_key(&self, key: &Key) -> Option<Known> {
        let found = self.keys.get(key)?;
        Some(Known {
            mark: Mark { selector: Selector::Key(key.clone()), stamp: found.stamp },
            name: found.name.clone(),
        })
    }

    pub(super) fn open(&self, limit: usize) -> Vec<Mark> {
        let open = self.keys.iter().filter(|(_, mark)| !mark.settled);
        let marks = open.map(|(key, mark)| Mark { selector: Selector::Key(key.clone()), stamp: mark.stamp });
        marks.take(limit).collect()
    }

    pub(super) fn named(&self) -> Vec<(Key, Mark)> {
        self.in_tiers().map(|(name, known)| (name.clone(), known.to_mark())).collect()
    }

    pub(super) fn find(&self, name: &Key) -> Option<Mark> {
        self.in_tiers().find(|(known, _)| *known == name).map(|(_, known)| known.to_mark())
    }

    fn in_tiers(&self) -> impl Iterator<Item = (&Key, AnyMark<'_>)> {
        let wide = self.floor.iter().chain(&self.wide);
        let wide = wide.filter_map(|known| Some((known.name.as_ref()?, AnyMark::Wide(&known.mark))));
        let keys = self.keys.iter();
        wide.chain(keys.filter_map(|(key, mark)| Some((mark.name.as_ref()?, AnyMark::Key(key, mark.stamp)))))
    }

    /// Raises the mark for everything, which takes the place of all that are older.
    fn add_floor(&mut self, new: Known, added: &mut Added) {
        if let Some(present) = self.floor.as_mut().filter(|present| present.mark == new.mark) {
            merge(&mut present.name, new.name, added);
            return;
        }
        added.new = true;
        let stamp = new.mark.stamp;
        added.needless.extend(self.floor.replace(new).and_then(|before| before.name));
        let older = self.wide.partition_point(|known| known.mark.stamp <= stamp);
        added.needless.extend(self.wide.drain(..older).filter_map(|known| known.name));
        while let Some((_, key)) = self.ages.first().filter(|(age, _)| *age <= stamp).cloned() {
            added.needless.extend(self.drop_key(&key));
        }
    }

    fn add_wide(&mut self, new: Known, added: &mut Added) {
        if let Some(at) = self.wide.iter().position(|known| known.mark.selector == new.mark.selector) {
            let present = &mut self.wide[at];
            if present.mark.stamp == new.mark.stamp {
                merge(&mut present.name, new.name, added);
                return;
            }
            if present.mark.stamp > new.mark.stamp {
                added.needless.extend(new.name);
                return;
            }
            added.needless.extend(self.wide.remove(at).name);
        }
        added.new = true;
        let at = self.wide.partition_point(|known| known.mark.stamp <= new.mark.stamp);
        self.wide.insert(at, new);
    }

    fn add_key(&mut self, key: &Key, new: KeyMark, added: &mut Added) {
        if let Some(present) = self.keys.get_mut(key) {
            if present.stamp == new.stamp {
                merge(&mut present.name, new.name, added);
                return;
            }
            if present.stamp > new.stamp {
                added.needless.extend(new.name);
                return;
            }
        }
        added.needless.extend(self.drop_key(key));
        added.new = true;
        self.ages.insert((new.stamp, key.clone()));
        self.keys.insert(key.clone(), new);
    }

    fn drop_key(&mut self, key: &Key) -> Option<Key> {
        let mark = self.keys.remove(key)?;
        self.ages.remove(&(mark.stamp, key.clone()));
        mark.name
    }

    /// Keeps the bounds.
    fn fold(&mut self, is_used: &dyn Fn(&Key) -> bool, added: &mut Added) {
        let mut floor = None;
        if self.wide.len() > MOST_WIDE {
            floor = self.wide.get(MOST_WIDE / SHARE - 1).map(|known| known.mark.stamp);
        }
        if self.keys.len() > MOST_KEYS {
            self.tidy(Stamp::from_u64(u64::MAX), is_used);
        }
        if self.keys.len() > MOST_KEYS && !self.fold_here(added) {
            floor = floor.max(self.ages.iter().nth(MOST_KEYS / SHARE - 1).map(|(stamp, _)| *stamp));
        }
        if let Some(stamp) = floor {
            let mark = Mark { selector: Selector::all(), stamp };
            self.add_floor(Known { mark: mark.clone(), name: None }, added);
            added.folded = Some(mark);
        }
    }

    /// Folds the oldest marks of keys that no tier holds; whether there were any.
    fn fold_here(&mut self, added: &mut Added) -> bool {
        let unnamed = self.ages.iter().filter(|(_, key)| self.keys.get(key).is_some_and(|mark| mark.name.is_none()));
        let oldest: Vec<(Stamp, Key)> = unnamed.take(MOST_KEYS / SHARE).cloned().collect();
        let Some((newest, _)) = oldest.last() else { return false };
        self.here = self.here.max(Some(*newest));
        added.folded_here = true;
        for (_, key) in &oldest {
            self.drop_key(key);
        }
        true
    }
}

/// A mark where it is.
enum AnyMark<'a> {
    Wide(&'a Mark),
    Key(&'a Key, Stamp),
}

impl AnyMark<'_> {
    fn to_mark(&self) -> Mark {
        match self {
            Self::Wide(mark) => (*mark).clone(),
            Self::Key(key, stamp) => Mark { selector: Selector::Key((*key).clone()), stamp: *stamp },
        }
    }
}

/// Keeps one name of two for the same mark.
fn merge(present: &mut Option<Key>, new: Option<Key>, added: &mut Added) {
    if present.is_none() {
        *present = new;
    } else if *present != new {
        added.needless.extend(new);
    }
}

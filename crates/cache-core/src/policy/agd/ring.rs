//! `Ring`: residents in the order in which they are worth keeping, under one of several modes.

use std::ops::Range;

use crate::policy::column::{Column, lengthen};
use crate::policy::{
    CHANCES, Facts, Slot,
    hits::{Hits, INSTANTS},
    queues::Queues,
    sketch::MAX_COUNT,
    sketch::Sketch,
};

/// Steps of the ring. An entry is never placed further ahead than this.
const STEPS: usize = 64;
/// Steps that an entry of mean weight stays ahead for each time it was asked for.
const UNIT: u64 = 4;
/// Steps that an entry goes ahead by recency: as many as hits can tell apart.
const TURN: usize = INSTANTS as usize - 1;
/// The queue of newcomers on trial.
const WINDOW: usize = STEPS;
/// Holds the newest resident alone, until the next one comes.
const NEWEST: usize = STEPS + 1;

/// How residents are valued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// By the last use: an entry that was hit goes as far as if it had come then.
    Recency,
    /// By uses per weight, past ones fading as the ring turns: `GreedyDual`.
    Value,
    /// By uses, where a newcomer has to pass a window of a tenth and beat the victim.
    Filter,
    /// As `Filter`, with hardly a window and a head start for residents.
    Keep,
}

impl Mode {
    pub(super) const ALL: [Self; 4] = [Self::Recency, Self::Value, Self::Filter, Self::Keep];

    /// The window's share of the weight is one in this many.
    const fn window(self) -> Option<u128> {
        match self {
            Self::Recency | Self::Value => None,
            Self::Filter => Some(10),
            Self::Keep => Some(100),
        }
    }

    /// Whether a newcomer counted `new` times takes the place of a resident counted `old` times.
    const fn admits(self, new: u8, old: u8) -> bool {
        match self {
            Self::Keep => new > old + 1,
            _ => new > old,
        }
    }
}

/// What is known of how often a key was asked for.
pub(super) trait Memory {
    fn count(&self, hash: u64) -> u8;
    /// Notes hits that were not counted before.
    fn learn(&mut self, hash: u64, hits: u8);
}

impl Memory for &mut Sketch {
    fn count(&self, hash: u64) -> u8 {
        Sketch::count(self, hash)
    }

    fn learn(&mut self, hash: u64, hits: u8) {
        self.add(hash, hits);
    }
}

/// Those who only imagine hits must not count them.
impl Memory for &Sketch {
    fn count(&self, hash: u64) -> u8 {
        Sketch::count(self, hash)
    }

    fn learn(&mut self, _hash: u64, _hits: u8) {}
}

/// A clock whose hand turns over queues of slots, with a window before it.
#[derive(Debug)]
pub(super) struct Ring {
    /// Their notes say how often a slot was asked for, as far as counted.
    queues: Queues<{ STEPS + 2 }>,
    /// Bits of hash.
    hashes: Vec<u32>,
    weights: Column<u64>,
    pub(super) hits: Hits,
    mode: Mode,
    hand: usize,
    len: usize,
    /// Sum of weights.
    weight: u128,
    window: u128,
    /// Whether there was no room since the newest came.
    full: bool,
    /// Whether the window is still to give up what is beyond its share.
    shrinking: bool,
}

impl Ring {
    pub(super) fn new(mode: Mode) -> Self {
        Self {
            queues: Queues::new(),
            hashes: Vec::new(),
            weights: Column::new(1),
            hits: Hits::new(),
            mode,
            hand: 0,
            len: 0,
            weight: 0,
            window: 0,
            full: false,
            shrinking: false,
        }
    }

    /// Bytes allocated.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.queues.bytes() + self.hashes.capacity() * size_of::<u32>() + self.weights.bytes() + self.hits.bytes()
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn weight(&self) -> u128 {
        self.weight
    }

    /// The hash and the weight of `slot`, when it is resident.
    pub(super) fn find(&self, slot: Slot) -> Option<(u64, u64)> {
        self.queues.queue_of(slot).map(|_| (self.hash(slot), self.weights.get(slot)))
    }

    /// The hash of `slot`, which is or was resident.
    pub(super) fn hash(&self, slot: Slot) -> u64 {
        self.hashes[slot.index()].into()
    }

    /// Slots in use so far.
    pub(super) const fn slots(&self) -> usize {
        self.hashes.len()
    }

    /// The residents in `slots`.
    pub(super) fn residents(&self, slots: Range<usize>) -> impl Iterator<Item = Slot> {
        let slots = (slots.start as u32..slots.end as u32).map(Slot);
        slots.filter(|&slot| self.queues.queue_of(slot).is_some())
    }

    pub(super) const fn mode(&self) -> Mode {
        self.mode
    }

    /// Goes on in another mode, with the residents that there are.
    pub(super) fn set_mode(&mut self, mode: Mode) {
        if self.mode != mode {
            self.mode = mode;
            // A newcomer takes the place of another one: a window that is too large would stay so.
            self.shrink_window();
        }
    }

    /// Adds `slot`, which is not resident, of a key asked for `uses` times; of its hash 32 bits are kept.
    pub(super) fn insert(&mut self, slot: Slot, facts: Facts, uses: u8) {
        if let Some(last) = self.queues.pop_front(NEWEST) {
            self.settle(last);
        }
        if self.shrinking {
            self.shrink_window();
        }
        self.full = false;
        lengthen(&mut self.hashes, slot.index() + 1, u32::default);
        self.hashes[slot.index()] = facts.hash as u32;
        self.weights.set(slot, facts.weight);
        self.hits.start(slot);
        self.queues.push_back(NEWEST, slot);
        self.queues.set_note(slot, uses);
        self.weight += u128::from(facts.weight);
        self.len += 1;
    }

    pub(super) fn remove(&mut self, slot: Slot) {
        if let Some(queue) = self.queues.remove(slot) {
            let weight = u128::from(self.weights.get(slot));
            self.weight -= weight;
            self.len -= 1;
            if queue == WINDOW {
                self.window -= weight;
            }
        }
    }

    /// Takes out the resident worth least; the newest only when it is the last one.
    pub(super) fn evict(&mut self, mut memory: impl Memory) -> Option<Slot> {
        self.full = true;
        let mut chances = CHANCES;
        while let Some(slot) = self.leaves_window() {
            let hits = self.learn_hits(slot, &mut memory);
            let rival = self.victim(&mut memory, &mut chances);
            if (hits == 0 || chances == 0) && self.mode.window().is_some() {
                let admitted = rival.filter(|&rival| self.beats(slot, rival, &memory));
                let victim = admitted.unwrap_or(slot);
                self.remove(victim);
                if victim != slot {
                    self.promote(slot);
                }
                return Some(victim);
            }
            if chances == 0 {
                break;
            }
            chances -= 1;
            self.promote(slot);
        }
        let victim = self.victim(&mut memory, &mut chances).or_else(|| self.queues.front(NEWEST))?;
        self.remove(victim);
        Some(victim)
    }

    /// The resident at the front of the window, if the window is over its share.
    #[inline]
    fn leaves_window(&self) -> Option<Slot> {
        let slot = self.queues.front(WINDOW)?;
        let newest = self.queues.front(NEWEST).map_or(0, |slot| self.weights.get(slot));
        let rest = self.len - self.queues.len(WINDOW) - self.queues.len(NEWEST);
        let window = self.window + u128::from(newest);
        // More than its share of the weight, without a division.
        let is_over = self.mode.window().is_none_or(|share| window * share > self.weight);
        (is_over || rest == 0).then_some(slot)
    }

    fn beats(&self, slot: Slot, rival: Slot, memory: &impl Memory) -> bool {
        let count = |slot: Slot| memory.count(self.hash(slot));
        self.mode.admits(count(slot), count(rival))
    }

    /// The resident at the hand, after those that were hit went ahead, as far as there are `chances`.
    #[inline]
    fn victim(&mut self, memory: &mut impl Memory, chances: &mut usize) -> Option<Slot> {
        if self.len == self.queues.len(WINDOW) + self.queues.len(NEWEST) {
            return None;
        }
        loop {
            let Some(slot) = self.queues.front(self.hand) else {
                self.hand = (self.hand + 1) % STEPS;
                continue;
            };
            let last = self.hits.last(slot);
            if *chances == 0 || self.learn_hits(slot, memory) == 0 {
                return Some(slot);
            }
            let steps = if self.mode == Mode::Recency { self.steps_left(last) } else { self.steps(slot) };
            if steps == 0 {
                return Some(slot);
            }
            *chances -= 1;
            self.queues.remove(slot);
            self.queues.push_back((self.hand + steps) % STEPS, slot);
        }
    }

    #[inline]
    fn learn_hits(&mut self, slot: Slot, memory: &mut impl Memory) -> u8 {
        let hits = self.hits.take(slot);
        if hits > 0 {
            self.queues.set_note(slot, (self.queues.note(slot) + hits).min(MAX_COUNT));
            memory.learn(self.hash(slot), hits);
        }
        hits
    }

    /// Finds a place for the resident that was the newest.
    #[inline]
    fn settle(&mut self, slot: Slot) {
        if self.mode.window().is_none() {
            return self.place(slot);
        }
        self.queues.push_back(WINDOW, slot);
        self.window += u128::from(self.weights.get(slot));
        if !self.full {
            // While there is room nobody has to beat anybody.
            self.shrinking = true;
        }
    }

    /// Moves what is beyond the window's share into the ring, or some of it: later calls go on.
    #[inline(never)]
    fn shrink_window(&mut self) {
        let share = self.mode.window().map_or(0, |share| self.weight / share);
        self.shrinking = true;
        for _ in 0..CHANCES {
            let Some(slot) = self.queues.front(WINDOW).filter(|_| self.window > share) else {
                self.shrinking = false;
                return;
            };
            self.promote(slot);
        }
    }

    /// Moves `slot` from the window into the ring.
    #[inline]
    fn promote(&mut self, slot: Slot) {
        if self.queues.remove(slot) == Some(WINDOW) {
            self.window -= u128::from(self.weights.get(slot));
        }
        self.place(slot);
    }

    /// How far ahead of the hand an entry belongs by recency that was hit when the hand was at `last`.
    fn steps_left(&self, last: u8) -> usize {
        let passed = self.instant().wrapping_sub(last) % INSTANTS;
        TURN.saturating_sub(passed.into())
    }

    /// Where the hand is, as far as hits remember it.
    #[inline]
    fn instant(&self) -> u8 {
        self.hand as u8 % INSTANTS
    }

    /// Notes a hit.
    #[inline]
    pub(super) fn touch(&self, slot: Slot) {
        self.hits.touch_at(slot, self.instant());
    }

    fn place(&mut self, slot: Slot) {
        let steps = self.steps(slot);
        self.queues.push_back((self.hand + steps) % STEPS, slot);
    }

    /// How far ahead of the hand `slot` belongs.
    fn steps(&self, slot: Slot) -> usize {
        if self.mode == Mode::Recency {
            return TURN;
        }
        let (weight, earned) = (self.weights.get(slot).max(1), UNIT * u64::from(self.queues.note(slot).max(1)));
        // Narrow numbers divide many times faster than wide ones.
        let narrow = u64::try_from(self.weight).ok().and_then(|sum| (sum / self.len as u64).checked_mul(earned));
        let worth = narrow.map_or_else(
            || {
                let worth = u128::from(earned) * (self.weight / self.len as u128) / u128::from(weight);
                u64::try_from(worth).unwrap_or(u64::MAX)
            },
            |worth| worth / weight,
        );
        worth.clamp(1, STEPS as u64 - 1) as usize
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_window_is_given_up_in_bounded_parts() {
        let mut ring = Ring::new(Mode::Filter);
        let facts = |slot: u32| Facts { hash: slot.into(), weight: 1, cost: Duration::ZERO };
        (0..20_000).for_each(|slot| ring.insert(Slot(slot), facts(slot), 1));
        let mut window = ring.queues.len(WINDOW);
        assert!(window > 1_900, "a tenth");
        ring.set_mode(Mode::Recency);
        for slot in 20_000..20_010 {
            let left = ring.queues.len(WINDOW);
            assert!(window - left <= 256, "{} moved at once", window - left);
            window = left;
            ring.insert(Slot(slot), facts(slot), 1);
        }
        assert_eq!((ring.queues.len(WINDOW), ring.len()), (0, 20_010));
    }
}

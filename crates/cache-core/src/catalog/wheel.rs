//! `Wheel`: slots by deadline, found in constant time when their time comes.

use super::rings::{NIL, Rings};
use crate::policy::column::Column;
use crate::{Slot, Timestamp};

/// Digits of an instant that one level tells apart.
const BITS: u32 = 6;
/// Lists of one level.
const LISTS: usize = 1 << BITS;
/// Levels that tell any two instants apart.
const LEVELS: usize = u64::BITS.div_ceil(BITS) as usize;

/// Slots by deadline: a hierarchical timing wheel.
///
/// After Varghese, Lauck: "Hashed and hierarchical timing wheels" (SOSP 1987). An instant is a number of eleven digits
/// to the base of 64. A deadline waits in the level of the first digit in which it differs from the wheel's own time,
/// in the list of that digit; when the wheel's time reaches that list, its slots move to lower levels one by one. A
/// level therefore has no turn to wrap around, every 64-bit deadline has its place, and a slot moves ten times at most,
/// however far its deadline is. Insertion and removal take constant time.
pub(super) struct Wheel {
    /// The wheel's own time in milliseconds: no deadline that it tells apart lies before.
    time: u64,
    /// Which lists of each level hold something.
    occupied: [u64; LEVELS],
    /// The first slot of each list; allocated with the first deadline.
    heads: Vec<u32>,
    rings: Rings,
    /// The list that each slot is in.
    lists: Column<u16>,
    /// The level of the list that the wheel's time has reached and that is being moved; 0 for none.
    moving: usize,
    len: usize,
    /// Those whose deadlines lie before: the clock went back since the wheel's time was set.
    past: Option<Box<Self>>,
}

impl Wheel {
    pub(super) const fn new() -> Self {
        Self {
            time: 0,
            occupied: [0; LEVELS],
            heads: Vec::new(),
            rings: Rings::new(),
            lists: Column::new(0),
            moving: 0,
            len: 0,
            past: None,
        }
    }

    /// Number of slots.
    pub(super) fn len(&self) -> usize {
        self.len + self.past.as_ref().map_or(0, |past| past.len())
    }

    /// Adds `slot`, which is absent, at `now`.
    pub(super) fn insert(&mut self, slot: Slot, deadline: Timestamp, now: Timestamp) {
        if self.len() == 0 {
            self.time = now.min(deadline).as_millis();
            self.heads.resize(LEVELS * LISTS, NIL);
        }
        if deadline.as_millis() < self.time {
            return self.past.get_or_insert_with(|| Box::new(Self::new())).insert(slot, deadline, now);
        }
        self.len += 1;
        self.place(slot, deadline);
    }

    /// Takes `slot` out, if it is there.
    #[inline]
    pub(super) fn remove(&mut self, slot: Slot) {
        if self.len > 0 && self.rings.contains(slot) {
            self.unlink(slot);
            self.len -= 1;
        } else if let Some(past) = &mut self.past {
            past.remove(slot);
            if past.len() == 0 {
                self.past = None;
            }
        }
    }

    /// A slot whose deadline has come at `now`, the longest overdue first. It stays until it is removed.
    ///
    /// `moves` is how many slots may still change their level; with none left there is no answer, and a later call goes
    /// on. `deadline` tells that of a slot in the wheel.
    pub(super) fn overdue(
        &mut self,
        now: Timestamp,
        moves: &mut usize,
        deadline: &impl Fn(Slot) -> Timestamp,
    ) -> Option<Slot> {
        // The last one is the earliest: wheels of the past have no other past than the clock had.
        if let Some(past) = &mut self.past {
            let overdue = past.overdue(now, moves, deadline);
            if overdue.is_some() || *moves == 0 {
                return overdue;
            }
        }
        if self.len == 0 {
            return None;
        }
        loop {
            let (level, list) = self.first()?;
            let start = self.start(level, list);
            if start > now.as_millis() {
                // No list lies between: each slot still differs from the new time first in the digit of its level.
                self.time = self.time.max(now.as_millis());
                return None;
            }
            let slot = Slot(self.heads[level * LISTS + list]);
            if level == 0 {
                return Some(slot);
            }
            if *moves == 0 {
                return None;
            }
            *moves -= 1;
            self.time = start;
            self.moving = level;
            self.unlink(slot);
            self.place(slot, deadline(slot));
        }
    }

    /// An instant that is not after the first deadline, and not before the last `now` without an answer.
    #[inline]
    pub(super) fn next(&self) -> Option<Timestamp> {
        if let Some(past) = &self.past {
            return past.next();
        }
        if self.len == 0 {
            return None;
        }
        let (level, list) = self.first()?;
        Some(Timestamp::from_millis(self.start(level, list)))
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }

    /// The list that comes first: the one being moved, or else the first of the lowest level, because what waits in a
    /// lower level agrees with the wheel's time in more digits.
    fn first(&self) -> Option<(usize, usize)> {
        let moving = digit(self.time, self.moving);
        if self.moving > 0 && self.occupied[self.moving] & (1 << moving) != 0 {
            return Some((self.moving, moving));
        }
        let level = self.occupied.iter().position(|&lists| lists != 0)?;
        Some((level, self.occupied[level].trailing_zeros() as usize))
    }

    /// The first instant of a list: the wheel's time down to the level above, then the list's digit, then zeros.
    fn start(&self, level: usize, list: usize) -> u64 {
        let shift = level as u32 * BITS;
        let above = self.time.checked_shr(shift + BITS).and_then(|time| time.checked_shl(shift + BITS));
        above.unwrap_or(0) | (list as u64) << shift
    }

    fn place(&mut self, slot: Slot, deadline: Timestamp) {
        let deadline = deadline.as_millis();
        let level = (deadline ^ self.time).checked_ilog2().map_or(0, |bit| (bit / BITS) as usize);
        let list = digit(deadline, level);
        self.occupied[level] |= 1 << list;
        let index = level * LISTS + list;
        self.lists.set(slot, index as u16);
        self.rings.push(&mut self.heads[index], slot);
    }

    fn unlink(&mut self, slot: Slot) {
        let index = usize::from(self.lists.get(slot));
        let head = &mut self.heads[index];
        self.rings.unlink(head, slot);
        if *head == NIL {
            self.occupied[index / LISTS] &= !(1 << (index % LISTS));
        }
    }
}

/// The digit of `instant` that `level` tells apart.
const fn digit(instant: u64, level: usize) -> usize {
    (instant >> (level as u32 * BITS)) as usize % LISTS
}

#[cfg(test)]
mod tests;

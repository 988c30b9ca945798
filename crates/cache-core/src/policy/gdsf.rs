//! `Gdsf`: what is cheapest to make again per weight goes first.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::DAY;

use super::{CHANCES, Facts, Policy, Slot, hits::Hits};

/// Higher costs count as this one: the age grows with what is evicted, and beside an age of centuries the costs of all
/// later ones would be rounded away.
const MAX_COST: Duration = DAY;

/// Greedy-Dual-Size-Frequency: evicts the least of *age + uses x cost / weight*, and sets the age of all later
/// placements to that least value, so that what is not used fades.
///
/// With equal costs it keeps many small entries, for the most hits; with costs it keeps what saves the most time
/// for its weight. It may refuse a newcomer, and remembers nothing of evicted keys. Hits are counted in a byte and
/// take effect when eviction gets to the slot: a hit is one atomic load and at most one store. The other operations
/// take logarithmic time: one eviction spares 256 entries at most. A cost of more than a day counts as a day.
///
/// After Cherkasova, "Improving WWW proxies performance with Greedy-Dual-Size-Frequency caching policy" (1998),
/// where room is made before the newcomer is valued.
#[derive(Debug)]
pub struct Gdsf {
    /// Lower bounds of priorities, as ordered bits, then the turn in which the place was taken.
    order: BTreeSet<(u64, u64, Slot)>,
    slots: Vec<Resident>,
    hits: Hits,
    age: f64,
    turn: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Resident {
    /// Its key in the order; none when it is not resident.
    place: Option<(u64, u64)>,
    /// Cost per weight.
    worth: f64,
    uses: u32,
}

impl Gdsf {
    /// An empty policy.
    pub fn new() -> Self {
        Self { order: BTreeSet::new(), slots: Vec::new(), hits: Hits::new(), age: 0.0, turn: 0 }
    }

    fn place(&mut self, slot: Slot) {
        self.turn += 1;
        let resident = &mut self.slots[slot.index()];
        let priority = self.age + f64::from(resident.uses) * resident.worth;
        // The bits of floats that are not negative are in the order of the floats.
        let place = (priority.to_bits(), self.turn);
        resident.place = Some(place);
        self.order.insert((place.0, place.1, slot));
    }

    fn placed(&self, slot: Slot) -> Option<(u64, u64)> {
        self.slots.get(slot.index())?.place
    }
}

impl Default for Gdsf {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy for Gdsf {
    fn insert(&mut self, slot: Slot, facts: Facts) {
        if self.placed(slot).is_some() {
            return;
        }
        if slot.index() >= self.slots.len() {
            self.slots.resize_with(slot.index() + 1, Resident::default);
        }
        if self.order.is_empty() {
            // Nobody is left whose priority has to be compared with that of later ones.
            self.age = 0.0;
        }
        self.hits.start(slot);
        self.slots[slot.index()] = Resident { place: None, worth: worth(facts), uses: 1 };
        self.place(slot);
    }

    fn update(&mut self, slot: Slot, facts: Facts) {
        let Some((priority, turn)) = self.placed(slot) else { return };
        // At once, not when eviction gets there: what got cheaper has to be found earlier.
        self.order.remove(&(priority, turn, slot));
        let hits = u32::from(self.hits.take(slot)) + 1;
        let resident = &mut self.slots[slot.index()];
        resident.uses = resident.uses.saturating_add(hits);
        resident.worth = worth(facts);
        self.place(slot);
    }

    fn touch(&self, slot: Slot) {
        self.hits.touch(slot);
    }

    fn remove(&mut self, slot: Slot) {
        if let Some((priority, turn)) = self.placed(slot) {
            self.order.remove(&(priority, turn, slot));
            self.slots[slot.index()].place = None;
        }
    }

    fn evict(&mut self) -> Option<Slot> {
        let mut chances = CHANCES;
        loop {
            let (priority, _, slot) = self.order.pop_first()?;
            let hits = self.hits.take(slot);
            let resident = &mut self.slots[slot.index()];
            resident.place = None;
            self.age = f64::from_bits(priority);
            if hits == 0 || chances == 0 {
                return Some(slot);
            }
            chances -= 1;
            resident.uses = resident.uses.saturating_add(u32::from(hits));
            self.place(slot);
        }
    }

    fn resize(&mut self, _capacity: u64) {}

    fn clear(&mut self) {
        *self = Self::new();
    }

    fn len(&self) -> usize {
        self.order.len()
    }
}

/// Cost per weight.
fn worth(facts: Facts) -> f64 {
    // Costs that nobody measured are alike.
    facts.cost.clamp(Duration::from_nanos(1), MAX_COST).as_secs_f64() / facts.weight.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::hits::spares_few;

    #[test]
    fn one_absurd_cost_does_not_hide_those_that_come_later() {
        let mut policy = Gdsf::new();
        let facts = |slot: u32, cost| Facts { hash: slot.into(), weight: 1, cost };
        (0..2).for_each(|slot| policy.insert(Slot(slot), facts(slot, Duration::MAX)));
        policy.evict();
        policy.insert(Slot(2), facts(2, Duration::from_mins(5)));
        policy.insert(Slot(3), facts(3, Duration::from_millis(1)));
        policy.remove(Slot(1));
        assert_eq!(policy.evict(), Some(Slot(3)), "what is cheapest to make again goes first");
        policy.clear();
        policy.insert(Slot(0), facts(0, Duration::MAX));
        policy.evict();
        policy.insert(Slot(1), facts(1, Duration::ZERO));
        assert!(policy.age <= 0.0, "the last one took its age along");
    }

    #[test]
    fn one_eviction_spares_a_bounded_number() {
        spares_few(Gdsf::new(), |policy| &policy.hits);
    }
}

//! Who leaves when limits are passed, or set anew.

use std::time::Duration;

use super::rings::NIL;
use super::{Catalog, Departures, Limits, MOVES, slab};
use crate::{Cause, Facts, Slot, Timestamp};

impl<K: Eq, T> Catalog<K, T> {
    /// Sets new limits at `now`; what left for them, the expired first.
    ///
    /// Where a bound on weights comes or goes, the policy learns of weights, or forgets them, when it next holds nothing:
    /// it compares entries by them, so it has to know those of all or of none.
    pub fn resize(&mut self, limits: Limits, now: Timestamp) -> Departures<K, T> {
        self.limits = limits;
        self.choose_unit();
        self.policy.resize(limits.planned());
        let mut left = Departures::new();
        self.make_room(None, now, &mut left);
        left
    }

    /// What the policy is told of an entry.
    pub(super) const fn facts(&self, hash: u64, weight: u64, cost: Duration) -> Facts {
        Facts { hash, weight: if self.weighs { weight } else { 1 }, cost }
    }

    pub(super) fn choose_unit(&mut self) {
        if self.policy.len() == 0 {
            self.weighs = self.limits.weighs();
        }
    }

    /// Entries without weight fit into any sum of weights: a capacity of zero holds none of them either.
    pub(super) fn max_entries(&self) -> u64 {
        if self.limits.weight == 0 { 0 } else { self.limits.entries.min(slab::MAX_LEN) }
    }

    pub(super) fn is_over(&self) -> bool {
        self.weight > u128::from(self.limits.weight) || self.len() as u64 > self.max_entries()
    }

    /// Takes out the overdue, then the policy's victims, then the pinned, until the limits hold.
    pub(super) fn make_room(&mut self, newest: Option<Slot>, now: Timestamp, left: &mut Departures<K, T>) {
        let mut moves = MOVES;
        while self.is_over() {
            let Some(overdue) = self.release_overdue(now, &mut moves) else { break };
            left.push(overdue);
        }
        while self.is_over() {
            let victim = self.policy.evict().or_else(|| {
                let first = (self.first_pinned != NIL).then_some(Slot(self.first_pinned));
                first.inspect(|&slot| self.forget(slot))
            });
            let Some(victim) = victim else { return };
            let cause = if Some(victim) == newest { Cause::Refused } else { Cause::Capacity };
            left.push(self.take(victim, cause, now));
        }
    }
}

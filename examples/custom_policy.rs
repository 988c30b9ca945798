//! An eviction policy of one's own: what was cheap to make goes first.

#![expect(clippy::print_stdout, reason = "an example shows what it finds")]

use std::collections::BTreeSet;
use std::time::Duration;

use cache_core::{CustomPolicy, Facts, Policy, PolicyKind, Slot};
use cache_mem::{MemCache, Terms};

/// The cheapest goes first, and of those that cost the same the one that came first into the catalog.
#[derive(Debug, Default)]
struct Cheapest {
    order: BTreeSet<(Duration, Slot)>,
    /// What each place holds, if anything.
    costs: Vec<Option<Duration>>,
}

impl Policy for Cheapest {
    fn insert(&mut self, slot: Slot, facts: Facts) {
        self.costs.resize(self.costs.len().max(slot.index() + 1), None);
        if self.costs[slot.index()].is_none() {
            self.costs[slot.index()] = Some(facts.cost);
            self.order.insert((facts.cost, slot));
        }
    }

    fn touch(&self, _slot: Slot) {}

    fn update(&mut self, slot: Slot, facts: Facts) {
        if self.costs.get(slot.index()).is_some_and(Option::is_some) {
            self.remove(slot);
            self.insert(slot, facts);
        }
    }

    fn remove(&mut self, slot: Slot) {
        if let Some(cost) = self.costs.get_mut(slot.index()).and_then(Option::take) {
            self.order.remove(&(cost, slot));
        }
    }

    fn evict(&mut self) -> Option<Slot> {
        let (_, slot) = self.order.pop_first()?;
        self.costs[slot.index()] = None;
        Some(slot)
    }

    fn resize(&mut self, _capacity: u64) {}

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn len(&self) -> usize {
        self.order.len()
    }
}

fn main() -> Result<(), String> {
    cache_testkit::check_policy(1, || Box::<Cheapest>::default())?;

    let cheapest = CustomPolicy::new("cheapest", || Box::<Cheapest>::default());
    let values = MemCache::builder().capacity(2).shards(1).policy(PolicyKind::Custom(cheapest)).build();
    for (name, seconds) in [("transcript", 120), ("poster", 1), ("keyframes", 15)] {
        let admission = values.insert_with(name, "value", Terms::new().cost(Duration::from_secs(seconds)));
        println!("{name}: {admission:?}");
    }
    let mut held: Vec<_> = values.iter().map(|(name, _)| name).collect();
    held.sort_unstable();
    println!("held: {}", held.join(", "));
    Ok(())
}

//! A policy from outside.

use std::time::Duration;

use cache_core::{Catalog, CustomPolicy, Facts, Limits, Offer, Policy, PolicyKind, Slot, Timestamp};

/// Evicts what came last, as a stack does.
#[derive(Debug, Default)]
struct Newest(Vec<Slot>);

impl Policy for Newest {
    fn insert(&mut self, slot: Slot, _facts: Facts) {
        self.0.push(slot);
    }
    fn touch(&self, _slot: Slot) {}
    fn remove(&mut self, slot: Slot) {
        self.0.retain(|&other| other != slot);
    }
    fn evict(&mut self) -> Option<Slot> {
        self.0.pop()
    }
    fn resize(&mut self, _capacity: u64) {}
    fn clear(&mut self) {
        self.0.clear();
    }
    fn len(&self) -> usize {
        self.0.len()
    }
}

/// Names slots that nobody put there, the same one twice, and then none.
#[derive(Debug)]
struct Wrong(u32);

impl Policy for Wrong {
    fn insert(&mut self, _slot: Slot, _facts: Facts) {}
    fn touch(&self, _slot: Slot) {}
    fn remove(&mut self, _slot: Slot) {}
    fn evict(&mut self) -> Option<Slot> {
        self.0 = (self.0 + 1) % 5;
        [Some(Slot(u32::MAX)), Some(Slot(7)), Some(Slot(0)), Some(Slot(0)), None][self.0 as usize]
    }
    fn resize(&mut self, _capacity: u64) {}
    fn clear(&mut self) {}
    fn len(&self) -> usize {
        usize::MAX
    }
}

/// One that breaks the laws.
pub(crate) const WRONG: CustomPolicy = CustomPolicy::new("wrong", || Box::new(Wrong(0)));

fn filled(policy: CustomPolicy, keys: u64) -> Catalog<u64, ()> {
    let mut catalog = Catalog::new(Limits::entries(3), PolicyKind::Custom(policy));
    for key in 0..keys {
        let (weight, cost, expires) = (1, Duration::ZERO, Timestamp::NEVER);
        let _ =
            catalog.insert(Offer { key, value: (), hash: key, weight, cost, expires, pinned: false }, Timestamp::EPOCH);
        assert_eq!(catalog.validate(), Ok(()));
    }
    catalog
}

fn keys(catalog: &Catalog<u64, ()>) -> Vec<u64> {
    let mut keys: Vec<u64> = catalog.iter(Timestamp::EPOCH).map(|(&key, ())| key).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn the_one_it_names_goes() {
    let catalog = filled(CustomPolicy::new("newest", || Box::<Newest>::default()), 9);
    assert_eq!(keys(&catalog), [0, 1, 2]);
}

#[test]
fn a_wrong_answer_makes_a_worse_choice_and_nothing_else() {
    let mut catalog = filled(WRONG, 1_000);
    assert_eq!(catalog.len(), 3);
    assert!(keys(&catalog).contains(&999) || keys(&catalog).contains(&998), "{:?}", keys(&catalog));
    catalog.clear(Timestamp::EPOCH);
    catalog.validate().unwrap();
}

#[test]
fn it_is_called_by_its_name_and_cannot_be_written_in_configuration() {
    let newest = PolicyKind::Custom(CustomPolicy::new("newest", || Box::<Newest>::default()));
    assert_eq!(newest.to_string(), "newest");
    assert_eq!(newest, PolicyKind::Custom(CustomPolicy::new("newest", || Box::new(Wrong(0)))));
    assert_ne!(newest, PolicyKind::Lru);
    assert!("newest".parse::<PolicyKind>().is_err());
}

//! The check of policies tells right ones from wrong ones.

use cache_core::{Facts, Fifo, Policy, PolicyKind, Slot};
use cache_testkit::check_policy;

#[test]
fn every_shipped_policy_passes() {
    for kind in PolicyKind::ALL {
        check_policy(7, || kind.build(5)).unwrap();
    }
}

/// First in, first out, with one fault.
#[derive(Debug)]
struct Flawed {
    right: Fifo,
    fault: Fault,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    ForgetsToRemove,
    EvictsWithoutForgetting,
    ForgetsAnother,
    KeepsOverClear,
    IsNeverEmptied,
}

impl Policy for Flawed {
    fn insert(&mut self, slot: Slot, facts: Facts) {
        if self.fault == Fault::ForgetsAnother {
            self.right.remove(Slot(0));
        }
        self.right.insert(slot, facts);
    }
    fn touch(&self, slot: Slot) {
        self.right.touch(slot);
    }
    fn remove(&mut self, slot: Slot) {
        if self.fault != Fault::ForgetsToRemove {
            self.right.remove(slot);
        }
    }
    fn evict(&mut self) -> Option<Slot> {
        if self.fault == Fault::IsNeverEmptied && self.right.len() == 1 {
            return None;
        }
        let victim = self.right.evict();
        if let (Some(slot), Fault::EvictsWithoutForgetting) = (victim, self.fault) {
            let facts = Facts { hash: 0, weight: 1, cost: std::time::Duration::ZERO };
            self.right.insert(slot, facts);
        }
        victim
    }
    fn resize(&mut self, capacity: u64) {
        self.right.resize(capacity);
    }
    fn clear(&mut self) {
        if self.fault != Fault::KeepsOverClear {
            self.right.clear();
        }
    }
    fn len(&self) -> usize {
        self.right.len()
    }
}

#[test]
fn a_policy_that_breaks_a_law_is_found() {
    for fault in [
        Fault::ForgetsToRemove,
        Fault::EvictsWithoutForgetting,
        Fault::ForgetsAnother,
        Fault::KeepsOverClear,
        Fault::IsNeverEmptied,
    ] {
        let found = check_policy(7, || Box::new(Flawed { right: Fifo::new(), fault })).unwrap_err();
        assert!(found.contains("history") && found.contains("last steps"), "{fault:?}: {found}");
    }
}

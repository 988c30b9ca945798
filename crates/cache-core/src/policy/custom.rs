//! `CustomPolicy`: a policy from outside, under a name, kept to the laws.

use std::fmt;
use std::hash::{Hash, Hasher};

use super::queues::Queues;
use super::{CHANCES, Facts, Policy, Slot};

/// The name of a policy of one's own, and how to make one: for [`PolicyKind::Custom`](crate::PolicyKind::Custom).
///
/// Two of the same name are equal.
#[derive(Clone, Copy)]
pub struct CustomPolicy {
    name: &'static str,
    new: fn() -> Box<dyn Policy>,
}

impl CustomPolicy {
    /// A policy called `name`, in errors and figures; `new` makes an empty one. It is told its capacity by
    /// [`Policy::resize`] before anything else, and is made once for each part of a cache: parts share nothing.
    pub const fn new(name: &'static str, new: fn() -> Box<dyn Policy>) -> Self {
        Self { name, new }
    }

    /// The name.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// One that keeps the laws of [`Policy`] whatever the custom one answers.
    pub(super) fn build(self) -> Kept {
        Kept { policy: (self.new)(), residents: Queues::new() }
    }
}

impl PartialEq for CustomPolicy {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for CustomPolicy {}

impl Hash for CustomPolicy {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl fmt::Debug for CustomPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CustomPolicy").field(&self.name).finish()
    }
}

const ALL: usize = 0;

/// A policy whose answers are checked against the residents it was told of.
///
/// A catalog takes the victim's place for granted. Here a victim that is no resident is passed over, and where none
/// comes the oldest resident goes: a wrong policy makes a worse choice, and nothing else.
#[derive(Debug)]
pub(super) struct Kept {
    policy: Box<dyn Policy>,
    /// The residents, oldest first.
    residents: Queues<1>,
}

impl Kept {
    fn holds(&self, slot: Slot) -> bool {
        self.residents.queue_of(slot).is_some()
    }
}

impl Policy for Kept {
    fn insert(&mut self, slot: Slot, facts: Facts) {
        if !self.holds(slot) {
            self.residents.push_back(ALL, slot);
            self.policy.insert(slot, facts);
        }
    }

    fn touch(&self, slot: Slot) {
        if self.holds(slot) {
            self.policy.touch(slot);
        }
    }

    fn update(&mut self, slot: Slot, facts: Facts) {
        if self.holds(slot) {
            self.policy.update(slot, facts);
        }
    }

    fn remove(&mut self, slot: Slot) {
        if self.residents.remove(slot).is_some() {
            self.policy.remove(slot);
        }
    }

    fn evict(&mut self) -> Option<Slot> {
        let oldest = self.residents.front(ALL)?;
        let named = (0..CHANCES).map_while(|_| self.policy.evict()).find(|&slot| self.residents.remove(slot).is_some());
        if named.is_none() {
            self.remove(oldest);
        }
        named.or(Some(oldest))
    }

    fn resize(&mut self, capacity: u64) {
        self.policy.resize(capacity);
    }

    fn clear(&mut self) {
        self.residents.clear();
        self.policy.clear();
    }

    fn len(&self) -> usize {
        self.residents.len(ALL)
    }
}

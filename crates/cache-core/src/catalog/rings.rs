//! `Rings`: lists of slots, linked through one arena.

use crate::Slot;
use crate::policy::column::Column;

/// The head of a list without slots.
pub(super) const NIL: u32 = u32::MAX;

/// Lists of slots, each known by its head, which its owner keeps; a slot is in one of them at most. Every operation
/// takes constant time.
pub(super) struct Rings {
    /// The neighbours of each slot in a circle, so that the last one is found from the first.
    links: Column<Link>,
}

#[derive(Clone, Copy, PartialEq)]
struct Link {
    previous: u32,
    next: u32,
}

const ABSENT: Link = Link { previous: NIL, next: NIL };

impl Rings {
    pub(super) const fn new() -> Self {
        Self { links: Column::new(ABSENT) }
    }

    /// Whether `slot` is in a list.
    #[inline]
    pub(super) fn contains(&self, slot: Slot) -> bool {
        self.links.get(slot) != ABSENT
    }

    /// Appends `slot`, which is in no list, to that of `head`.
    pub(super) fn push(&mut self, head: &mut u32, slot: Slot) {
        if *head == NIL {
            *head = slot.0;
            self.links.set(slot, Link { previous: slot.0, next: slot.0 });
            return;
        }
        let last = self.links.get(Slot(*head)).previous;
        self.links.set(slot, Link { previous: last, next: *head });
        self.relink(last, |link| link.next = slot.0);
        self.relink(*head, |link| link.previous = slot.0);
    }

    /// Takes `slot` out of the list of `head`, in which it is.
    pub(super) fn unlink(&mut self, head: &mut u32, slot: Slot) {
        let Link { previous, next } = self.links.get(slot);
        if next == slot.0 {
            *head = NIL;
        } else {
            self.relink(previous, |link| link.next = next);
            self.relink(next, |link| link.previous = previous);
            if *head == slot.0 {
                *head = next;
            }
        }
        self.links.set(slot, ABSENT);
    }

    /// Forgets every list; their heads are the owner's to reset.
    pub(super) fn clear(&mut self) {
        self.links.clear();
    }

    fn relink(&mut self, slot: u32, change: impl FnOnce(&mut Link)) {
        let mut link = self.links.get(Slot(slot));
        change(&mut link);
        self.links.set(Slot(slot), link);
    }
}

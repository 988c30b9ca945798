//! Queues of slots linked through one arena: every operation takes constant time.

use super::Slot;
use super::column::lengthen;

const NIL: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Node {
    previous: u32,
    next: u32,
    /// The queue that holds the slot; `N` when none does.
    queue: u8,
    /// The owner's.
    note: u8,
}

#[derive(Debug, Clone, Copy)]
struct Ends {
    front: u32,
    back: u32,
    len: u32,
}

const EMPTY: Ends = Ends { front: NIL, back: NIL, len: 0 };

/// `N` queues; a slot is in at most one of them.
#[derive(Debug)]
pub(super) struct Queues<const N: usize> {
    nodes: Vec<Node>,
    ends: [Ends; N],
}

impl<const N: usize> Queues<N> {
    pub(super) const fn new() -> Self {
        Self { nodes: Vec::new(), ends: [EMPTY; N] }
    }

    /// Bytes allocated.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>()
    }

    /// Number of slots in `queue`.
    #[inline]
    pub(super) const fn len(&self, queue: usize) -> usize {
        self.ends[queue].len as usize
    }

    /// The queue that holds `slot`.
    #[inline]
    pub(super) fn queue_of(&self, slot: Slot) -> Option<usize> {
        self.nodes.get(slot.index()).map(|node| node.queue as usize).filter(|&queue| queue < N)
    }

    /// Appends `slot`, which is in no queue.
    #[inline]
    pub(super) fn push_back(&mut self, queue: usize, slot: Slot) {
        debug_assert!(self.queue_of(slot).is_none(), "a slot is in one queue at most");
        let absent = Node { previous: NIL, next: NIL, queue: N as u8, note: 0 };
        lengthen(&mut self.nodes, slot.index() + 1, || absent);
        let back = self.ends[queue].back;
        let node = &mut self.nodes[slot.index()];
        *node = Node { previous: back, next: NIL, queue: queue as u8, ..*node };
        match self.nodes.get_mut(back as usize) {
            Some(last) => last.next = slot.0,
            None => self.ends[queue].front = slot.0,
        }
        self.ends[queue].back = slot.0;
        self.ends[queue].len += 1;
    }

    /// What the owner noted of `slot`, which was in a queue before.
    #[inline]
    pub(super) fn note(&self, slot: Slot) -> u8 {
        self.nodes[slot.index()].note
    }

    /// Notes a byte beside the links of `slot`, which was in a queue before: it stays while the slot changes queues.
    #[inline]
    pub(super) fn set_note(&mut self, slot: Slot, note: u8) {
        self.nodes[slot.index()].note = note;
    }

    /// The oldest slot of `queue`.
    #[inline]
    pub(super) fn front(&self, queue: usize) -> Option<Slot> {
        let front = self.ends[queue].front;
        (front != NIL).then_some(Slot(front))
    }

    /// The slot that followed `slot` into its queue.
    pub(super) fn newer(&self, slot: Slot) -> Option<Slot> {
        let next = self.nodes.get(slot.index())?.next;
        (next != NIL).then_some(Slot(next))
    }

    /// Takes the oldest slot of `queue`.
    pub(super) fn pop_front(&mut self, queue: usize) -> Option<Slot> {
        let slot = self.front(queue)?;
        self.remove(slot);
        Some(slot)
    }

    /// Takes `slot` out of its queue; which one that was.
    #[inline]
    pub(super) fn remove(&mut self, slot: Slot) -> Option<usize> {
        let queue = self.queue_of(slot)?;
        let Node { previous, next, .. } = self.nodes[slot.index()];
        match self.nodes.get_mut(previous as usize) {
            Some(before) => before.next = next,
            None => self.ends[queue].front = next,
        }
        match self.nodes.get_mut(next as usize) {
            Some(behind) => behind.previous = previous,
            None => self.ends[queue].back = previous,
        }
        self.nodes[slot.index()].queue = N as u8;
        self.ends[queue].len -= 1;
        Some(queue)
    }

    /// Empties all queues.
    pub(super) fn clear(&mut self) {
        self.nodes.clear();
        self.ends = [EMPTY; N];
    }
}

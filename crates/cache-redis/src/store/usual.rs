//! `Usual`: whether something is usually so.

use std::sync::atomic::{AtomicU32, Ordering};

/// Always.
const ALL: u32 = 1 << 16;
/// The part of the average that one time is.
const ONE_IN: u32 = 16;

/// Whether something is usually so: the moving average of the times that it was. At first it is.
#[derive(Debug)]
pub(super) struct Usual(AtomicU32);

impl Usual {
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(ALL))
    }

    /// Whether it was so more often than not.
    pub(super) fn is(&self) -> bool {
        self.0.load(Ordering::Relaxed) > ALL / 2
    }

    /// Learns whether it was so this time.
    pub(super) fn saw(&self, so: bool) {
        let before = self.0.load(Ordering::Relaxed);
        let after = before - before / ONE_IN + if so { ALL / ONE_IN } else { 0 };
        // When two learn at once, what one of them saw is lost: one in many.
        if after != before {
            self.0.store(after, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_so_most_times_is_usual() {
        let usual = Usual::new();
        for so in [false, true] {
            (0..3).for_each(|_| usual.saw(so));
            assert_ne!(usual.is(), so, "three times are no rule");
            (0..1_000_000).for_each(|_| usual.saw(so));
            assert_eq!(usual.is(), so);
        }
    }
}

//! `Runs`: a set of numbers that mostly follow on each other.

use std::collections::BTreeMap;
use std::ops::Range;

/// Numbers, as runs: the first of each, and the one behind its last.
#[derive(Debug, Default)]
pub(super) struct Runs {
    runs: BTreeMap<u64, u64>,
    len: u64,
}

impl Runs {
    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// Each run: its first number, and the one behind its last.
    pub(super) fn iter(&self) -> impl Iterator<Item = Range<u64>> {
        self.runs.iter().map(|(start, end)| *start..*end)
    }

    pub(super) fn contains(&self, number: u64) -> bool {
        self.run_of(number).is_some()
    }

    /// The first number from `from` on that is not in the set.
    pub(super) fn next_absent(&self, from: u64) -> u64 {
        self.run_of(from).map_or(from, |(_, end)| end)
    }

    pub(super) fn insert(&mut self, number: u64) {
        if self.contains(number) {
            return;
        }
        self.len += 1;
        let end = self.runs.remove(&(number + 1)).unwrap_or(number + 1);
        let before = number.checked_sub(1).and_then(|before| self.run_of(before));
        self.runs.insert(before.map_or(number, |(start, _)| start), end);
    }

    pub(super) fn remove(&mut self, number: u64) {
        let Some((start, end)) = self.run_of(number) else { return };
        self.len -= 1;
        self.runs.remove(&start);
        if start < number {
            self.runs.insert(start, number);
        }
        if number + 1 < end {
            self.runs.insert(number + 1, end);
        }
    }

    fn run_of(&self, number: u64) -> Option<(u64, u64)> {
        let (start, end) = self.runs.range(..=number).next_back()?;
        (number < *end).then_some((*start, *end))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use cache_testkit::Rng;

    use super::*;

    #[test]
    fn it_is_the_set_of_what_was_put_in_and_not_taken_out() {
        let (mut rng, mut runs, mut set) = (Rng::new(7), Runs::default(), BTreeSet::new());
        for _ in 0..10_000 {
            let number = rng.below(40);
            if rng.below(2) == 0 {
                runs.insert(number);
                set.insert(number);
            } else {
                runs.remove(number);
                set.remove(&number);
            }
            assert_eq!(runs.len(), set.len() as u64);
            for number in 0..42 {
                assert_eq!(runs.contains(number), set.contains(&number));
                let absent = (number..50).find(|number| !set.contains(number));
                assert_eq!(Some(runs.next_absent(number)), absent);
            }
            assert!(runs.runs.values().all(|end| !runs.runs.contains_key(end)), "runs that meet are one");
        }
    }
}

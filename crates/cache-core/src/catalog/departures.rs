//! What left a catalog.

use std::fmt;
use std::iter::{Chain, Flatten};
use std::{array, slice, vec};

use crate::Cause;

/// Departures kept without an allocation: the one replaced, and the one evicted or refused.
const INLINE: usize = 2;

/// An entry that left a [`Catalog`](super::Catalog); dropping it is the caller's, outside of its locks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departure<K, T> {
    /// Its key.
    pub key: K,
    /// What was held for it.
    pub value: T,
    /// What it cost.
    pub weight: u64,
    /// Why it left.
    pub cause: Cause,
}

/// Entries that left a [`Catalog`](super::Catalog) at once, in that order. Up to two take no allocation.
#[must_use = "what left is to be dropped outside of locks"]
pub struct Departures<K, T> {
    first: [Option<Departure<K, T>>; INLINE],
    rest: Vec<Departure<K, T>>,
}

impl<K, T> Departures<K, T> {
    pub(super) const fn new() -> Self {
        Self { first: [const { None }; INLINE], rest: Vec::new() }
    }

    #[inline]
    pub(super) fn push(&mut self, departure: Departure<K, T>) {
        match &mut self.first {
            [first @ None, _] => *first = Some(departure),
            [_, second @ None] => *second = Some(departure),
            _ => self.rest.push(departure),
        }
    }

    /// Whether nothing left.
    pub const fn is_empty(&self) -> bool {
        self.first[0].is_none()
    }

    /// How many left.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// They, the first one first.
    pub fn iter(&self) -> <&Self as IntoIterator>::IntoIter {
        self.into_iter()
    }

    /// The one that left last.
    #[inline]
    pub fn last(&self) -> Option<&Departure<K, T>> {
        let [first, second] = &self.first;
        self.rest.last().or(second.as_ref()).or(first.as_ref())
    }
}

impl<'a, K, T> IntoIterator for &'a Departures<K, T> {
    type Item = &'a Departure<K, T>;
    type IntoIter = Chain<Flatten<slice::Iter<'a, Option<Departure<K, T>>>>, slice::Iter<'a, Departure<K, T>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.iter().flatten().chain(&self.rest)
    }
}

impl<K, T> IntoIterator for Departures<K, T> {
    type Item = Departure<K, T>;
    type IntoIter = Chain<Flatten<array::IntoIter<Option<Departure<K, T>>, INLINE>>, vec::IntoIter<Departure<K, T>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().flatten().chain(self.rest)
    }
}

impl<K: fmt::Debug, T: fmt::Debug> fmt::Debug for Departures<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_keep_their_order_whatever_their_number() {
        for count in 0..6_u64 {
            let mut left = Departures::new();
            for key in 0..count {
                left.push(Departure { key, value: (), weight: key, cause: Cause::Capacity });
            }
            assert_eq!((left.len() as u64, left.is_empty()), (count, count == 0));
            assert_eq!(left.last().map(|last| last.key), count.checked_sub(1));
            assert!((&left).into_iter().map(|departure| departure.key).eq(0..count));
            assert!(left.into_iter().map(|departure| departure.key).eq(0..count));
        }
    }
}

//! Units: what one call of a stage is to compute.

use crate::{Pass, Segment};

/// What one call of a stage is to compute.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// Next to each other and in order; at least one.
    pub(super) segments: Vec<Segment>,
    /// How many things are enough.
    pub(super) most: Option<u64>,
}

/// The units of what is lacking, given in order. Where only some things are wanted, just the first: it may be enough.
pub(super) fn units(pass: Pass, lacking: Vec<Segment>, most: Option<u64>) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    for segment in lacking {
        match units.last_mut() {
            Some(Unit { segments, .. })
                if pass == Pass::Run && segments.last().is_some_and(|last| last.index + 1 == segment.index) =>
            {
                segments.push(segment);
            }
            _ => units.push(Unit { segments: vec![segment], most }),
        }
    }
    if most.is_some() {
        units.truncate(1);
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Span;

    fn lengths(pass: Pass, lacking: &[u32], most: Option<u64>) -> Vec<usize> {
        let segment = |index: &u32| Segment { index: *index, span: Span::new(0, 1) };
        units(pass, lacking.iter().map(segment).collect(), most).iter().map(|unit| unit.segments.len()).collect()
    }

    #[test]
    fn a_pass_takes_what_is_next_to_each_other() {
        assert_eq!(lengths(Pass::Run, &[0, 1, 2, 5, 7, 8], None), [3, 1, 2]);
        assert_eq!(lengths(Pass::Each, &[0, 1, 5], None), [1, 1, 1]);
        assert_eq!(lengths(Pass::Run, &[], None), [0; 0]);
    }

    #[test]
    fn of_what_may_be_enough_only_the_first_is_begun() {
        assert_eq!(lengths(Pass::Run, &[0, 1, 5], Some(7)), [2]);
        assert_eq!(lengths(Pass::Each, &[0, 1, 5], Some(7)), [1]);
    }
}

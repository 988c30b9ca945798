//! `Precision`: vectors as bytes.

use cache_core::{Error, ErrorKind, Result};
use half::f16;
use serde::{Deserialize, Serialize};

/// How exactly the numbers of vectors are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Precision {
    /// As they come: four bytes a number.
    #[default]
    Single,
    /// Two bytes a number, which are off by less than one part in 2,000: the cosine of two vectors stays the same to three
    /// digits and more.
    Half,
}

impl Precision {
    /// Of one number.
    pub(super) const fn bytes(self) -> usize {
        match self {
            Self::Single => 4,
            Self::Half => 2,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Half => "half",
        }
    }

    /// Appends `vector` to `bytes`, little-endian.
    ///
    /// # Errors
    /// For a number that is none, or too large to be kept so; and for numbers that are all too small.
    pub(super) fn pack(self, vector: &[f32], bytes: &mut Vec<u8>) -> Result<()> {
        let before = bytes.len();
        for &number in vector {
            let is_kept = match self {
                Self::Single => {
                    bytes.extend_from_slice(&number.to_le_bytes());
                    number.is_finite()
                }
                Self::Half => {
                    let number = f16::from_f32(number);
                    bytes.extend_from_slice(&number.to_le_bytes());
                    number.is_finite()
                }
            };
            if !is_kept {
                let name = self.name();
                let message = format!("an embedding holds {number}, which is not kept in {name} precision");
                return Err(Error::new(ErrorKind::Load, message));
            }
        }
        if self.unpack(bytes.get(before..).unwrap_or_default()).iter().all(|number| *number == 0.0) {
            let message = format!("an embedding is nothing but zeros in {} precision", self.name());
            return Err(Error::new(ErrorKind::Load, message));
        }
        Ok(())
    }

    /// The numbers in `bytes`.
    pub(super) fn unpack(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::Single => bytes.as_chunks().0.iter().map(|number| f32::from_le_bytes(*number)).collect(),
            Self::Half => bytes.as_chunks().0.iter().map(|number| f16::from_le_bytes(*number).to_f32()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(precision: Precision, vector: &[f32]) -> Vec<f32> {
        let mut bytes = Vec::new();
        precision.pack(vector, &mut bytes).unwrap();
        assert_eq!(bytes.len(), vector.len() * precision.bytes());
        precision.unpack(&bytes)
    }

    #[test]
    fn single_precision_is_exact() {
        let vector = [0.0, -1.5, f32::MIN_POSITIVE, f32::MAX, 1.0 / 3.0];
        assert_eq!(packed(Precision::Single, &vector), vector);
    }

    #[test]
    fn half_precision_is_off_by_less_than_one_part_in_two_thousand() {
        let vector = (1..2_000_u16).map(|at| f32::from(at) / 1_999.0 * if at % 2 == 0 { 1.0 } else { -1.0 });
        let vector: Vec<f32> = vector.collect();
        for (before, after) in vector.iter().zip(packed(Precision::Half, &vector)) {
            assert!((before - after).abs() <= before.abs() / 2_000.0, "{before} became {after}");
        }
    }

    #[test]
    fn what_is_no_number_or_too_large_is_refused() {
        for precision in [Precision::Single, Precision::Half] {
            assert!(precision.pack(&[f32::NAN], &mut Vec::new()).is_err());
            assert!(precision.pack(&[f32::INFINITY], &mut Vec::new()).is_err());
        }
        let error = Precision::Half.pack(&[1.0, 65_520.0], &mut Vec::new()).unwrap_err();
        assert_eq!(error.message(), "an embedding holds 65520, which is not kept in half precision");
        let error = Precision::Half.pack(&[1e-9, -1e-9], &mut vec![1]).unwrap_err();
        assert_eq!(error.message(), "an embedding is nothing but zeros in half precision");
    }
}

//! `Params`: parameters in the one form that is their identity.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Parameters by name, in the one form that is their identity: sorted, without those at their defaults, numbers the
/// same however they were spelled.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Params(BTreeMap<String, Param>);

/// The value of a parameter.
///
/// A floating-point number without a fraction is an integer, so `2.0` is `2`; negative zero is zero; what is no number
/// is one value. Text is never a number: `"2"` is not `2`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Param {
    /// Not set: differs from every value.
    None,
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Int(i64),
    /// A whole number beyond those.
    Large(u64),
    /// A number with a fraction, or beyond what a whole number holds, by the bits of its one form.
    Float(u64),
    /// Text.
    Text(String),
    /// Several values, whose order matters.
    List(Vec<Self>),
}

/// The integers up to here are exact as floating-point numbers.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Params {
    /// No parameters.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// With `name` at `value`; the last value of a name counts.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Param>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// With `name` at `value` unless that is the default, in whatever spelling.
    #[must_use]
    pub fn unless(mut self, name: &str, value: impl Into<Param>, default: impl Into<Param>) -> Self {
        let value = value.into();
        if value == default.into() {
            self.0.remove(name);
            return self;
        }
        self.with(name, value)
    }

    /// The parameters by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Param)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The value of `name`; `None` for a default.
    pub fn get(&self, name: &str) -> Option<&Param> {
        self.0.get(name)
    }
}

impl From<f64> for Param {
    fn from(value: f64) -> Self {
        if value.fract() == 0.0 && value.abs() <= EXACT {
            return Self::Int(value as i64);
        }
        let value = if value.is_nan() { f64::NAN } else { value };
        Self::Float(value.to_bits())
    }
}

impl From<f32> for Param {
    /// As the shortest decimal that is this number: `0.1_f32` is `0.1`.
    fn from(value: f32) -> Self {
        value.to_string().parse::<f64>().unwrap_or_else(|_| value.into()).into()
    }
}

impl From<u64> for Param {
    fn from(value: u64) -> Self {
        i64::try_from(value).map_or(Self::Large(value), Self::Int)
    }
}

impl From<i64> for Param {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u32> for Param {
    fn from(value: u32) -> Self {
        Self::Int(value.into())
    }
}

impl From<u8> for Param {
    fn from(value: u8) -> Self {
        Self::Int(value.into())
    }
}

impl From<i32> for Param {
    fn from(value: i32) -> Self {
        Self::Int(value.into())
    }
}

impl From<bool> for Param {
    fn from(value: bool) -> Self {
        Self::Flag(value)
    }
}

impl From<&str> for Param {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Param {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl<T: Into<Self>> From<Option<T>> for Param {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::None, Into::into)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Param {
    fn from(values: Vec<T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

impl fmt::Display for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Int(int) => write!(f, "{int}"),
            Self::Large(int) => write!(f, "{int}"),
            Self::Float(bits) => write!(f, "{}", f64::from_bits(*bits)),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::List(list) => f.debug_list().entries(list.iter().map(ToString::to_string)).finish(),
        }
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, value)) in self.0.iter().enumerate() {
            write!(f, "{}{name}={value}", if at > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

//! `OrOff`: a setting that can be switched off, which is something else than zero.

use super::values::Value;

/// A value, or none at all: written `off`. Zero is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OrOff<T> {
    On(T),
    Off,
}

/// A value whose type says how it is described together with `off`.
pub(crate) trait Switchable: Value {
    /// What has to be written.
    const OR_OFF: &'static str;
}

impl Switchable for u64 {
    const OR_OFF: &'static str = "a whole number or `off`; `0` is zero";
}

impl Switchable for std::time::Duration {
    const OR_OFF: &'static str =
        "a span: `90s`, `6h`, `1h30m`, `30d` or a plain number of seconds; or `off`; `0` is zero";
}

impl<T: Copy> OrOff<T> {
    /// The value, or `off` in its stead.
    pub(crate) fn or(self, off: T) -> T {
        self.on().unwrap_or(off)
    }

    pub(crate) fn on(self) -> Option<T> {
        match self {
            Self::On(value) => Some(value),
            Self::Off => None,
        }
    }
}

impl<T: Switchable> Value for OrOff<T> {
    const EXPECTED: &'static str = T::OR_OFF;

    fn of_text(text: &str) -> Result<Self, String> {
        if text == "off" { Ok(Self::Off) } else { T::of_text(text).map(Self::On) }
    }

    fn show(&self) -> toml::Value {
        match self {
            Self::On(value) => value.show(),
            Self::Off => toml::Value::String("off".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn zero_is_zero_and_off_is_off() {
        assert_eq!(OrOff::of_text("0"), Ok(OrOff::On(0_u64)));
        assert_eq!(OrOff::<u64>::of_text("off"), Ok(OrOff::Off));
        assert_eq!(OrOff::of_text("0"), Ok(OrOff::On(Duration::ZERO)));
        assert_eq!(OrOff::<Duration>::of_text("off").unwrap().show(), toml::Value::String("off".to_owned()));
        assert!(OrOff::<u64>::of_text("none").is_err());
        assert!(OrOff::<Duration>::of_text("false").is_err());
    }
}

//! `KeyframeParams`: what a caller may ask of the keyframes stage.

use std::str::FromStr;

use cache_core::{Error, ErrorKind, Result};

/// What is asked of the keyframes stage.
///
/// Reads from text like `quality=5,interval=2.0`, as people write it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KeyframeParams {
    /// Which frames.
    pub pick: Pick,
    /// At most one frame in each of the stretches of so many seconds that the time axis is divided into, the first;
    /// 0.01 to 86,400.
    pub interval: Option<f64>,
    /// JPEG quality, from 2 (best) to 31.
    pub quality: u8,
    /// Wider frames are scaled down to this many pixels, from 16 to 65,500, the shape kept.
    pub max_width: Option<u32>,
}

/// Which frames of a video are picked.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum Pick {
    /// Those that stand on their own in the stream: no other is decoded.
    #[default]
    Key,
    /// The first, and those that differ from the one before by more than this, from 0 to 1: where a scene begins. All
    /// frames are decoded.
    Scene(f64),
    /// Any: only with an interval. All frames are decoded.
    Any,
}

impl Default for KeyframeParams {
    fn default() -> Self {
        Self { pick: Pick::Key, interval: None, quality: 3, max_width: None }
    }
}

impl KeyframeParams {
    /// Refuses values that the stage cannot work with.
    ///
    /// # Errors
    /// `Invalid`, with the range that is allowed.
    pub fn validate(&self) -> Result<()> {
        in_range("quality", f64::from(self.quality), 2.0, 31.0)?;
        self.max_width.map_or(Ok(()), |width| in_range("max_width", f64::from(width), 16.0, 65_500.0))?;
        self.interval.map_or(Ok(()), |interval| in_range("interval", interval, 0.01, 86_400.0))?;
        match self.pick {
            Pick::Scene(threshold) => in_range("scene", threshold, 0.0, 1.0),
            Pick::Any if self.interval.is_none() => invalid("every frame is wanted: give an interval".to_owned()),
            Pick::Any | Pick::Key => Ok(()),
        }
    }
}

impl FromStr for KeyframeParams {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut params = Self::default();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let Some((name, value)) = pair.split_once('=') else {
                return invalid(format!("{pair:?} is no parameter: write name=value"));
            };
            params.set(name.trim(), value.trim())?;
        }
        params.validate().map(|()| params)
    }
}

impl KeyframeParams {
    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let none = value.is_empty() || value == "none";
        match name {
            "quality" => self.quality = whole(name, value)?,
            "max_width" => self.max_width = if none { None } else { Some(whole(name, value)?) },
            "interval" => self.interval = if none { None } else { Some(number(name, value)?) },
            "scene" => self.pick = Pick::Scene(number(name, value)?),
            "pick" if value == "key" => self.pick = Pick::Key,
            "pick" if value == "any" => self.pick = Pick::Any,
            _ => {
                let message = format!("{name}={value} is no parameter of keyframes: there are pick (key, any), scene");
                return invalid(message + ", interval, quality, max_width");
            }
        }
        Ok(())
    }
}

/// However it is spelled: `10`, `10.0`, `1e1`.
fn number(name: &str, value: &str) -> Result<f64> {
    value.parse().or_else(|_| invalid(format!("{name} is {value:?}, which is no number")))
}

fn whole<T: TryFrom<u64>>(name: &str, value: &str) -> Result<T> {
    let number = number(name, value)?;
    #[expect(clippy::cast_sign_loss, reason = "negative numbers are refused")]
    let whole = (number.fract() == 0.0 && (0.0..1e15).contains(&number)).then_some(number as u64);
    let fits = whole.and_then(|whole| T::try_from(whole).ok());
    fits.map_or_else(|| invalid(format!("{name} is {value}, which is no whole number in its range")), Ok)
}

fn in_range(name: &str, value: f64, least: f64, most: f64) -> Result<()> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    invalid(format!("{name} is {value}: give {least} to {most}"))
}

fn invalid<T>(message: String) -> Result<T> {
    Err(Error::new(ErrorKind::Invalid, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_are_refused_with_the_range() {
        let params = KeyframeParams::default();
        for bad in [
            KeyframeParams { quality: 1, ..params },
            KeyframeParams { quality: 32, ..params },
            KeyframeParams { max_width: Some(0), ..params },
            KeyframeParams { interval: Some(0.0), ..params },
            KeyframeParams { interval: Some(f64::NAN), ..params },
            KeyframeParams { pick: Pick::Scene(1.5), ..params },
        ] {
            let error = bad.validate().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.message().contains(" to "), "{error}");
        }
        assert!(KeyframeParams { pick: Pick::Any, ..params }.validate().is_err());
        assert!(params.validate().is_ok());
    }

    #[test]
    fn text_is_read_however_it_is_spelled() {
        let params: KeyframeParams = " interval=2.50, quality = 5e0,scene=.4 ".parse().unwrap();
        let expected =
            KeyframeParams { pick: Pick::Scene(0.4), interval: Some(2.5), quality: 5, ..KeyframeParams::default() };
        assert_eq!(params, expected);
        for bad in ["quality=5.5", "quality=-3", "colour=red", "quality", "max_width=99999999999"] {
            assert!(bad.parse::<KeyframeParams>().is_err(), "{bad}");
        }
    }
}

//! `KeyframeParams`: what a caller may ask of the keyframes stage, and the identity that follows from it.

use cache_core::{Error, ErrorKind, Key, KeyBuilder, Result};

/// What is asked of the keyframes stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyframeParams {
    /// The most frames, counted from the start; 1 to 100,000.
    pub max_frames: u32,
    /// JPEG quality, from 2 (best) to 31.
    pub quality: u8,
    /// Wider frames are scaled down to this many pixels, from 16 to 65,500, the shape kept.
    pub max_width: Option<u32>,
}

impl Default for KeyframeParams {
    fn default() -> Self {
        Self { max_frames: 3000, quality: 3, max_width: None }
    }
}

/// Raised whenever the same video and parameters would give other frames.
const STAGE_VERSION: u32 = 1;

impl KeyframeParams {
    /// Refuses values that the stage cannot work with.
    ///
    /// # Errors
    /// `Invalid`, with the range that is allowed.
    pub fn validate(&self) -> Result<()> {
        in_range("max_frames", u64::from(self.max_frames), 1, 100_000)?;
        in_range("quality", u64::from(self.quality), 2, 31)?;
        self.max_width.map_or(Ok(()), |width| in_range("max_width", u64::from(width), 16, 65_500))
    }

    /// The key of the keyframes of one source, whose parts `source` begins. Parameters at their defaults are left
    /// out, so naming a default changes nothing.
    pub(crate) fn key(&self, source: KeyBuilder) -> Result<Key> {
        let default = Self::default();
        let mut key = source.part("keyframes").param("v", STAGE_VERSION);
        if self.max_frames != default.max_frames {
            key = key.param("max_frames", self.max_frames);
        }
        if self.quality != default.quality {
            key = key.param("quality", self.quality);
        }
        if let Some(width) = self.max_width {
            key = key.param("max_width", width);
        }
        key.build()
    }
}

fn in_range(name: &str, value: u64, least: u64, most: u64) -> Result<()> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Invalid, format!("{name} is {value}: give {least} to {most}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(params: KeyframeParams) -> String {
        params.key(Key::of("video").part("a3f4")).unwrap().to_string()
    }

    #[test]
    fn defaults_are_left_out_and_the_rest_is_sorted() {
        assert_eq!(key(KeyframeParams::default()), "video:a3f4:keyframes:v=1");
        assert_eq!(key(KeyframeParams { quality: 3, max_frames: 3000, max_width: None }), "video:a3f4:keyframes:v=1");
        let all = KeyframeParams { quality: 9, max_frames: 5, max_width: Some(640) };
        assert_eq!(key(all), "video:a3f4:keyframes:max_frames=5:max_width=640:quality=9:v=1");
    }

    #[test]
    fn values_out_of_range_are_refused_with_the_range() {
        let params = KeyframeParams::default();
        for bad in [
            KeyframeParams { max_frames: 0, ..params },
            KeyframeParams { max_frames: 100_001, ..params },
            KeyframeParams { quality: 1, ..params },
            KeyframeParams { quality: 32, ..params },
            KeyframeParams { max_width: Some(0), ..params },
        ] {
            let error = bad.validate().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.message().contains(" to "), "{error}");
        }
        assert!(params.validate().is_ok());
    }
}

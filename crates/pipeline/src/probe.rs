//! `Probe`: what a media file is, as far as the stages need to know.

mod turn;

use std::time::Duration;

use cache_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use turn::Turn;

/// What a media file is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Probe {
    /// Names of the container format, e.g. `"mov,mp4,m4a,3gp,3g2,mj2"`.
    pub format: String,
    /// Length on the time axis; `None` when the container does not say.
    pub duration: Option<Duration>,
    /// Where its time axis begins, in microseconds; `None` when the container does not say.
    pub start_us: Option<i64>,
    /// The video stream that stages work on: the first one that is not a cover picture.
    pub video: Option<VideoStream>,
    /// The audio stream that stages work on: the first one.
    pub audio: Option<AudioStream>,
    /// All streams, in the order of the container.
    pub streams: Vec<StreamInfo>,
}

/// The video stream that stages work on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct VideoStream {
    /// Position among all streams.
    pub index: u32,
    /// Codec, e.g. `"h264"`.
    pub codec: String,
    /// Coded width in pixels, before rotation.
    pub width: u32,
    /// Coded height in pixels, before rotation.
    pub height: u32,
    /// Average frames per second; `None` when unknown.
    pub frame_rate: Option<f64>,
    /// Time of the first frame in microseconds, as the container counts; `None` in raw streams, which carry no times.
    pub start_us: Option<i64>,
    /// Degrees that a player turns the picture clockwise: 0, 90, 180 or 270, rarely something between.
    pub rotation: u16,
    /// How a player turns and flips the picture.
    pub(crate) turn: Turn,
}

/// The audio stream that stages work on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AudioStream {
    /// Position among all streams.
    pub index: u32,
    /// Codec, e.g. `"aac"`.
    pub codec: String,
    /// Samples per second; 0 when unknown.
    pub sample_rate: u32,
    /// Channels; 0 when unknown.
    pub channels: u16,
    /// Time of the first sample in microseconds, as the container counts.
    pub start_us: Option<i64>,
}

/// One stream of a media file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StreamInfo {
    /// `"video"`, `"audio"`, `"subtitle"`, `"data"` or `"attachment"`.
    pub kind: String,
    /// Codec, e.g. `"aac"`; empty when unknown.
    pub codec: String,
}

/// Why a file that the probing program could read is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    NoStream,
    /// Its pictures are in other files, which its fingerprint does not cover.
    Playlist,
    /// Text, which ffmpeg draws as on a terminal.
    Text,
}

impl Unfit {
    pub(crate) const fn why(self) -> &'static str {
        match self {
            Self::NoStream => "has no video or audio stream that can be decoded: is it complete?",
            Self::Text => "is not a media file that ffmpeg can read: it is text",
            Self::Playlist => "only refers to other files: give the video itself",
        }
    }
}

/// Formats whose content is in other files.
const PLAYLISTS: [&str; 6] = ["hls", "concat", "dash", "imf", "image2", "sdp"];
/// Formats whose content is text.
const TEXT: [&str; 5] = ["tty", "bin", "xbin", "adf", "idf"];

impl Probe {
    /// Reads the JSON that `ffprobe -show_format -show_streams` prints.
    pub(crate) fn parse(json: &[u8]) -> Result<std::result::Result<Self, Unfit>> {
        let printed: Printed = serde_json::from_slice(json).map_err(|error| {
            Error::new(ErrorKind::Unavailable, format!("ffprobe printed something else than expected: {error}"))
        })?;
        Ok(printed.understand())
    }

    /// The name that makes ffmpeg open the file as the same format again.
    pub(crate) fn demuxer(&self) -> &str {
        self.format.split(',').next().unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct Printed {
    #[serde(default)]
    streams: Vec<PrintedStream>,
    #[serde(default)]
    format: PrintedFormat,
}

#[derive(Deserialize, Default)]
struct PrintedFormat {
    #[serde(default)]
    format_name: String,
    duration: Option<String>,
    start_time: Option<String>,
}

#[derive(Deserialize)]
struct PrintedStream {
    index: u32,
    #[serde(default)]
    codec_type: String,
    #[serde(default)]
    codec_name: String,
    #[serde(default)]
    width: u32,
    #[serde(default)]
    height: u32,
    #[serde(default)]
    avg_frame_rate: String,
    start_time: Option<String>,
    sample_rate: Option<String>,
    #[serde(default)]
    channels: u16,
    #[serde(default)]
    disposition: PrintedDisposition,
    #[serde(default)]
    side_data_list: Vec<Value>,
}

#[derive(Deserialize, Default)]
struct PrintedDisposition {
    #[serde(default)]
    attached_pic: u8,
}

impl Printed {
    fn understand(self) -> std::result::Result<Probe, Unfit> {
        let is_one_of = |names: &[&str]| self.format.format_name.split(',').any(|name| names.contains(&name));
        if is_one_of(&PLAYLISTS) {
            return Err(Unfit::Playlist);
        }
        if is_one_of(&TEXT) {
            return Err(Unfit::Text);
        }
        let video = self.streams.iter().find(|stream| stream.is_video()).map(PrintedStream::video);
        let audio = self.streams.iter().find(|stream| stream.codec_type == "audio").map(PrintedStream::audio);
        if video.is_none() && audio.is_none() {
            return Err(Unfit::NoStream);
        }
        Ok(Probe {
            start_us: self.format.start_time.as_deref().and_then(micros),
            duration: self.format.duration.as_deref().and_then(seconds),
            format: self.format.format_name,
            video,
            audio,
            streams: self.streams.into_iter().map(|s| StreamInfo { kind: s.codec_type, codec: s.codec_name }).collect(),
        })
    }
}

impl PrintedStream {
    /// One with dimensions: without them it cannot be decoded.
    fn is_video(&self) -> bool {
        self.codec_type == "video" && self.disposition.attached_pic == 0 && self.width > 0 && self.height > 0
    }

    fn video(&self) -> VideoStream {
        VideoStream {
            index: self.index,
            codec: self.codec_name.clone(),
            width: self.width,
            height: self.height,
            frame_rate: ratio(&self.avg_frame_rate),
            start_us: self.start_time.as_deref().and_then(micros),
            rotation: self.rotation(),
            turn: self.side_data_list.iter().find_map(Turn::of).unwrap_or(Turn::Upright),
        }
    }

    fn audio(&self) -> AudioStream {
        AudioStream {
            index: self.index,
            codec: self.codec_name.clone(),
            sample_rate: self.sample_rate.as_deref().and_then(|rate| rate.parse().ok()).unwrap_or_default(),
            channels: self.channels,
            start_us: self.start_time.as_deref().and_then(micros),
        }
    }

    fn turned(&self) -> Option<f64> {
        self.side_data_list.iter().find_map(|data| data.get("rotation")?.as_f64())
    }

    /// The display matrix turns counter-clockwise; players and people count clockwise.
    fn rotation(&self) -> u16 {
        let clockwise = (-self.turned().unwrap_or_default()).rem_euclid(360.0).round();
        #[expect(clippy::cast_sign_loss, reason = "the remainder is within 0..=360")]
        let degrees = clockwise as u16;
        degrees % 360
    }
}

fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}

fn micros(text: &str) -> Option<i64> {
    let micros = text.parse::<f64>().ok()? * 1e6;
    // Within these bounds a float holds every microsecond.
    (micros.abs() < 9e15).then_some(micros.round() as i64)
}

fn ratio(text: &str) -> Option<f64> {
    let (numerator, denominator) = text.split_once('/')?;
    let ratio = numerator.parse::<f64>().ok()? / denominator.parse::<f64>().ok()?;
    (ratio.is_finite() && ratio > 0.0).then_some(ratio)
}

#[cfg(test)]
mod tests;

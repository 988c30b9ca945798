//! `Probe`: what a media file is, as far as the stages need to know.

use std::time::Duration;

use cache_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a media file is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Probe {
    /// Names of the container format, e.g. `"mov,mp4,m4a,3gp,3g2,mj2"`.
    pub format: String,
    /// Length on the time axis; `None` when the container does not say.
    pub duration: Option<Duration>,
    /// The video stream that stages work on: the first one that is not a cover picture.
    pub video: VideoStream,
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
    /// Whether the container is known not to have the picture turned or flipped.
    #[serde(default)]
    pub upright: bool,
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
    NoVideo,
    NoDimensions,
    /// Its pictures are in other files, which its fingerprint does not cover.
    Playlist,
    /// Text, which ffmpeg draws as on a terminal.
    Text,
}

impl Unfit {
    pub(crate) const fn why(self) -> &'static str {
        match self {
            Self::NoVideo => "has no video stream: give a video",
            Self::NoDimensions => "has no video stream that can be decoded: is it complete?",
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
        let mut videos = self.streams.iter().filter(|stream| stream.is_video()).peekable();
        videos.peek().ok_or(Unfit::NoVideo)?;
        let video = videos.find(|stream| stream.width > 0 && stream.height > 0).ok_or(Unfit::NoDimensions)?;
        Ok(Probe {
            video: VideoStream {
                index: video.index,
                codec: video.codec_name.clone(),
                width: video.width,
                height: video.height,
                frame_rate: ratio(&video.avg_frame_rate),
                start_us: video.start_time.as_deref().and_then(micros),
                rotation: video.rotation(),
                upright: video.turned().is_none(),
            },
            duration: self.format.duration.as_deref().and_then(seconds),
            format: self.format.format_name,
            streams: self.streams.into_iter().map(|s| StreamInfo { kind: s.codec_type, codec: s.codec_name }).collect(),
        })
    }
}

impl PrintedStream {
    fn is_video(&self) -> bool {
        self.codec_type == "video" && self.disposition.attached_pic == 0
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
mod tests {
    use super::*;

    fn parse(json: &str) -> std::result::Result<Probe, Unfit> {
        Probe::parse(json.as_bytes()).unwrap()
    }

    #[test]
    fn a_cover_picture_is_no_video_stream() {
        let cover = r#"{"index":0,"codec_type":"video","width":9,"height":9,"disposition":{"attached_pic":1}}"#;
        let sound = r#"{"index":1,"codec_type":"audio","codec_name":"mp3"}"#;
        assert_eq!(parse(&format!(r#"{{"streams":[{cover},{sound}]}}"#)), Err(Unfit::NoVideo));
    }

    #[test]
    fn the_first_real_video_stream_is_taken() {
        let json = r#"{"streams":[
            {"index":0,"codec_type":"video","width":9,"height":9,"disposition":{"attached_pic":1}},
            {"index":2,"codec_type":"video","codec_name":"vp9","width":64,"height":48,"avg_frame_rate":"30000/1001","start_time":"-0.080000",
             "side_data_list":[{"side_data_type":"x"},{"rotation":-90}]}],
            "format":{"format_name":"matroska,webm","duration":"1.5"}}"#;
        let probe = parse(json).unwrap();
        assert_eq!((probe.video.index, probe.video.width, probe.video.rotation), (2, 64, 90));
        assert_eq!(probe.duration, Some(Duration::from_millis(1500)));
        assert_eq!(probe.video.start_us, Some(-80_000));
        assert_eq!(probe.demuxer(), "matroska");
        assert!((probe.video.frame_rate.unwrap() - 29.97).abs() < 0.01);
    }

    #[test]
    fn a_picture_that_is_turned_or_flipped_is_not_upright() {
        let upright = |side_data: &str| {
            let stream =
                format!(r#"{{"index":0,"codec_type":"video","width":1,"height":1,"side_data_list":[{side_data}]}}"#);
            parse(&format!(r#"{{"streams":[{stream}]}}"#)).unwrap().video.upright
        };
        assert!(upright(r#"{"side_data_type":"x"}"#));
        assert!(!upright(r#"{"rotation":-90}"#));
        // Flipped top to bottom.
        assert!(!upright(r#"{"rotation":0}"#));
    }

    #[test]
    fn what_is_unknown_is_none() {
        let json = r#"{"streams":[{"index":0,"codec_type":"video","width":1,"height":1,"avg_frame_rate":"0/0"}],
            "format":{"format_name":"h264","duration":"N/A"}}"#;
        let probe = parse(json).unwrap();
        assert_eq!((probe.duration, probe.video.frame_rate, probe.video.start_us), (None, None, None));
    }

    #[test]
    fn playlists_and_text_are_refused() {
        assert_eq!(parse(r#"{"format":{"format_name":"hls"}}"#), Err(Unfit::Playlist));
        assert_eq!(parse(r#"{"format":{"format_name":"tty"}}"#), Err(Unfit::Text));
    }

    #[test]
    fn output_that_is_no_json_is_an_error() {
        assert!(Probe::parse(b"").is_err());
        assert!(Probe::parse(b"[1,2]\xFF").is_err());
    }
}

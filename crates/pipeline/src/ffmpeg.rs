//! `Ffmpeg`: the two programs that read media files, and how they are called.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use cache_core::{Error, ErrorKind, Result};

use crate::scratch::Scratch;
use crate::source::{refuse, shown};
use crate::tool::{Finished, Tool};
use crate::{KeyframeParams, Probe};

/// Where the programs are and how long they may take. By default they are searched for in `PATH`.
#[derive(Debug, Clone)]
pub struct Ffmpeg {
    /// The program that decodes; ffmpeg 5.1 or later.
    pub ffmpeg: PathBuf,
    /// The program that describes.
    pub ffprobe: PathBuf,
    /// The longest run of `ffprobe`.
    pub probe_limit: Duration,
    /// The longest run of `ffmpeg`.
    pub extract_limit: Duration,
}

impl Default for Ffmpeg {
    fn default() -> Self {
        Self {
            ffmpeg: "ffmpeg".into(),
            ffprobe: "ffprobe".into(),
            probe_limit: Duration::from_mins(1),
            extract_limit: Duration::from_hours(1),
        }
    }
}

impl Ffmpeg {
    /// The programs that the environment variables `REELCACHE_FFMPEG` and `REELCACHE_FFPROBE` name, or else those
    /// in `PATH`.
    pub fn from_env() -> Self {
        let named = |variable| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
        let default = Self::default();
        Self {
            ffmpeg: named(FFMPEG_VARIABLE).unwrap_or(default.ffmpeg),
            ffprobe: named(FFPROBE_VARIABLE).unwrap_or(default.ffprobe),
            ..default
        }
    }

    /// Describes the media file at `path`.
    pub(crate) async fn probe(&self, path: &Path) -> Result<Probe> {
        let tool = Tool {
            program: &self.ffprobe,
            name: "ffprobe",
            variable: FFPROBE_VARIABLE,
            limit: self.probe_limit,
            max_stdout: MAX_DESCRIPTION,
        };
        let mut arguments = arguments(&["-v", "error", "-print_format", "json", "-show_format", "-show_streams"]);
        arguments.extend(input(path));
        let finished = tool.run(arguments, Stdio::null()).await.map_err(|error| about(path, &error))?;
        if !finished.status.success() {
            return Err(unreadable(path, "is not a media file that ffmpeg can read", &finished));
        }
        Probe::parse(&finished.stdout)?.map_err(|unfit| refuse(path, unfit.why()))
    }

    /// Writes the keyframes of the video at `path` into `scratch` as `0.jpg`, `1.jpg` and so on; their times in
    /// microseconds. There may be more times than frames, when the most frames asked for were reached.
    ///
    /// One pass that decodes nothing but keyframes, except in raw streams without times. All frames get the
    /// dimensions of the first; a video that is turned and changes its dimensions is an error.
    pub(crate) async fn extract(
        &self,
        path: &Path,
        probe: &Probe,
        params: &KeyframeParams,
        scratch: &Scratch,
    ) -> Result<Vec<i64>> {
        let folder = scratch.path();
        let tool = Tool {
            program: &self.ffmpeg,
            name: "ffmpeg",
            variable: FFMPEG_VARIABLE,
            limit: self.extract_limit,
            max_stdout: MAX_TIME_LINES + BYTES_PER_FRAME * params.max_frames as usize,
        };
        // Should this process be killed, the program lives on, and with it the lock.
        let lock = scratch.lock()?.into();
        let arguments = extraction(path, probe, params, folder);
        let finished = tool.run(arguments, lock).await.map_err(|error| about(path, &error))?;
        if finished.status.success() {
            return times(&finished.stdout)
                .ok_or_else(|| Error::new(ErrorKind::Unavailable, "ffmpeg printed something else than times"));
        }
        if finished.complaint.contains("No space left on device") {
            let folder = shown(folder);
            let message = format!("no space left for frames in {folder}: free some or set another scratch directory");
            return Err(Error::new(ErrorKind::Unavailable, message));
        }
        Err(unreadable(path, "could not be decoded by ffmpeg", &finished))
    }
}

const FFMPEG_VARIABLE: &str = "REELCACHE_FFMPEG";
const FFPROBE_VARIABLE: &str = "REELCACHE_FFPROBE";
/// The longest description of a file, in bytes: thousands of streams.
const MAX_DESCRIPTION: usize = 8 << 20;
/// The lines about a frame are shorter, in bytes.
const BYTES_PER_FRAME: usize = 128;
/// Room for frames that are decoded beyond the last one asked for.
const MAX_TIME_LINES: usize = 64 << 10;

fn extraction(path: &Path, probe: &Probe, params: &KeyframeParams, folder: &Path) -> Vec<OsString> {
    let mut list = arguments(&["-v", "error", "-nostdin", "-copyts"]);
    let timed = probe.video.start_us.is_some();
    if timed {
        list.extend(arguments(&["-skip_frame", "nokey"]));
    }
    if probe.video.upright {
        // Another resolution in the middle of the stream would build the filters anew, and they would number the
        // frames from 0 again. Of those filters only the scaling one may see frames of changing dimensions.
        list.extend(arguments(&["-reinit_filter", "0", "-noautorotate"]));
    }
    // The format that was probed: by name alone ffmpeg might now take `%d.jpg` for a sequence of other files.
    list.extend(arguments(&["-f", probe.demuxer()]));
    list.extend(input(path));
    let filter = filter(timed, params);
    list.extend(arguments(&["-map", &format!("0:{}", probe.video.index), "-vf", &filter]));
    list.extend(arguments(&["-fps_mode", "passthrough", "-enc_time_base", "1:1000000"]));
    list.extend(arguments(&["-frames:v", &params.max_frames.to_string(), "-q:v", &params.quality.to_string()]));
    list.extend(arguments(&["-c:v", "mjpeg", "-flags", "+bitexact", "-f", "image2", "-start_number", "0"]));
    list.push(pattern(folder));
    list
}

/// Prints the time of each frame, in microseconds, then numbers the frames: the encoder refuses times that go back,
/// and a file name takes 32 bits of them.
fn filter(timed: bool, params: &KeyframeParams) -> String {
    // Without times in the container they are counted by frames: every frame has to be decoded.
    let select = if timed { "" } else { "select=key," };
    // Frames without metadata are not printed.
    let print = "settb=1/1000000,metadata=mode=add:key=k:value=1,metadata=mode=print:file=-,setpts=N";
    // To the dimensions of the first frame, also where they are not limited.
    let scale = params.max_width.map_or_else(|| "scale".into(), |width| format!("scale=w='min({width},iw)':h=-1"));
    format!("{select}{print},{scale}")
}

/// The times in lines like `frame:0    pts:80000   pts_time:0.08`.
fn times(printed: &[u8]) -> Option<Vec<i64>> {
    let lines = printed.split(|&byte| byte == b'\n').filter(|line| line.starts_with(b"frame:"));
    let time = |line| std::str::from_utf8(line).ok()?.split_once(" pts:")?.1.split_whitespace().next()?.parse().ok();
    lines.map(time).collect()
}

/// `folder` with the pattern of the frames' names; a `%` of its own is doubled.
fn pattern(folder: &Path) -> OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut bytes = b"file:".to_vec();
    for &byte in folder.as_os_str().as_bytes() {
        bytes.push(byte);
        if byte == b'%' {
            bytes.push(byte);
        }
    }
    bytes.extend_from_slice(b"/%d.jpg");
    OsString::from_vec(bytes)
}

/// The arguments that open `path` as a plain file, whatever its name looks like, and nothing over the network,
/// whatever it holds.
fn input(path: &Path) -> Vec<OsString> {
    let mut list = arguments(&["-protocol_whitelist", "file", "-i"]);
    let mut url = OsString::from("file:");
    url.push(path);
    list.push(url);
    list
}

fn arguments(list: &[&str]) -> Vec<OsString> {
    list.iter().map(OsString::from).collect()
}

/// `error` with the path it is about, its cause and kind kept.
fn about(path: &Path, error: &Error) -> Error {
    if crate::is_tool_missing(error) {
        return error.clone();
    }
    Error::new(error.kind(), format!("{}: {}", shown(path), error.message()))
        .with_retry(error.retry())
        .with_source(error.clone())
}

fn unreadable(path: &Path, what: &str, finished: &Finished) -> Error {
    let why = if finished.complaint.is_empty() { finished.status.to_string() } else { finished.complaint.clone() };
    refuse(path, &format!("{what}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_from_what_is_printed() {
        let printed = b"frame:0    pts:-80000  pts_time:-0.08\nk=1\nframe:1    pts:5400000000 pts_time:5400\nk=1\n";
        assert_eq!(times(printed), Some(vec![-80_000, 5_400_000_000]));
        assert_eq!(times(b"frame:0    pts:NOPTS   pts_time:NOPTS\n"), None);
        assert_eq!(times(b""), Some(vec![]));
    }

    #[test]
    fn a_percent_in_the_scratch_path_is_no_pattern() {
        assert_eq!(pattern(Path::new("/t/50%d")), "file:/t/50%%d/%d.jpg");
    }
}

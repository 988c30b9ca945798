//! `Decoder`: one pass of ffmpeg over a video, its pictures handed out as they come.

use std::ffi::OsString;

use bytes::{Bytes, BytesMut};
use cache_core::{Error, ErrorKind, Result};
use tokio::io::AsyncReadExt;
use tokio::process::{ChildStderr, ChildStdout};
use tokio::time::{Instant, sleep, timeout_at};

use super::filter::filter;
use super::pictures::{Garbage, Pictures, Times};
use super::{KeyframeParams, Pick};
use crate::ffmpeg::{about, arguments, input, unfit_for};
use crate::probe::{Turn, VideoStream};
use crate::tool::{Group, LEFT, Tool, one_line};
use crate::{Probe, Source};

/// One pass of ffmpeg over a video. Dropping it ends ffmpeg.
#[derive(Debug)]
pub(super) struct Decoder<'a> {
    source: &'a Source,
    tool: Tool<'a>,
    group: Group,
    /// Whether ffmpeg itself has ended.
    has_ended: bool,
    deadline: Instant,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    pictures: Pictures,
    /// The one whose time is not told yet.
    untimed: Option<Bytes>,
    times: Times,
    heard: BytesMut,
}

/// What is decoded, and from where on.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    pub(super) source: &'a Source,
    pub(super) probe: &'a Probe,
    pub(super) video: &'a VideoStream,
    pub(super) params: &'a KeyframeParams,
    /// Where frames are wanted from, in microseconds; `None` for the start.
    pub(super) from_us: Option<i64>,
}

/// How much earlier a pass begins than frames are wanted, in seconds: demuxers seek by other times than those of
/// presentation, and what a frame is compared with comes before it.
const LEAD: f64 = 5.0;

/// What ffmpeg may print ahead while pictures are stored, in bytes: the most that everybody may ask Linux for.
#[cfg(target_os = "linux")]
const AHEAD: usize = 1 << 20;

impl<'a> Decoder<'a> {
    pub(super) fn start(tool: Tool<'a>, pass: &Pass<'a>) -> Result<Self> {
        let mut group = tool.start(command(pass))?;
        let (stdout, stderr) = group.outputs();
        #[cfg(target_os = "linux")]
        if let Some(stdout) = &stdout {
            // Where there is no room for it, ffmpeg waits sooner, and nothing else changes.
            _ = rustix::pipe::fcntl_setpipe_size(stdout, AHEAD);
        }
        let deadline = Instant::now() + tool.limit;
        let (pictures, times, heard) = (Pictures::default(), Times::default(), BytesMut::new());
        let (source, has_ended) = (pass.source, false);
        let untimed = None;
        Ok(Self { source, tool, group, has_ended, deadline, stdout, stderr, pictures, untimed, times, heard })
    }

    /// The next frame's time in microseconds and its picture; `None` at the end. Cancelling it loses nothing.
    ///
    /// # Errors
    /// When ffmpeg fails, takes too long, or prints something else.
    pub(super) async fn next(&mut self) -> Result<Option<(i64, Bytes)>> {
        let deadline = self.deadline;
        match timeout_at(deadline, self.read()).await {
            Ok(Err(error)) => Err(about(self.source, &error)),
            Ok(found) => found,
            Err(_) => Err(about(self.source, &self.tool.too_long())),
        }
    }

    async fn read(&mut self) -> Result<Option<(i64, Bytes)>> {
        loop {
            if let Some(frame) = self.timed().map_err(garbage)? {
                return Ok(Some(frame));
            }
            if self.has_ended && self.stdout.is_none() && self.stderr.is_none() {
                return self.end().await;
            }
            let broken = |error| self.tool.broken(&error);
            tokio::select! {
                read = read(&mut self.stderr, &mut self.heard), if self.stderr.is_some() => {
                    if read.map_err(broken)? == 0 {
                        self.stderr = None;
                    }
                    self.times.hear(&self.heard.split()).map_err(garbage)?;
                }
                read = read(&mut self.stdout, self.pictures.buffer()), if self.stdout.is_some() => {
                    if read.map_err(broken)? == 0 {
                        self.stdout = None;
                    }
                }
                ended = self.group.end(), if !self.has_ended => {
                    ended.map_err(broken)?;
                    self.has_ended = true;
                }
                // Begun anew with every read, so only who prints nothing and still holds the pipes is given up.
                () = sleep(LEFT), if self.has_ended => (self.stdout, self.stderr) = (None, None),
            }
        }
    }

    /// The next picture, if all of it and its time are there. ffmpeg tells the time before it makes the picture.
    fn timed(&mut self) -> std::result::Result<Option<(i64, Bytes)>, Garbage> {
        if self.untimed.is_none() {
            self.untimed = self.pictures.next()?;
        } else if self.pictures.is_full() {
            return Err(Garbage);
        }
        let Some(picture) = self.untimed.take_if(|_| !self.times.read.is_empty()) else { return Ok(None) };
        Ok(self.times.read.pop_front().map(|time| (time, picture)))
    }

    async fn end(&mut self) -> Result<Option<(i64, Bytes)>> {
        let status = self.group.end().await.map_err(|error| self.tool.broken(&error))?;
        self.times.end().map_err(garbage)?;
        if !status.success() {
            let complaint = one_line(&self.times.complaint);
            let why = if complaint.is_empty() { status.to_string() } else { complaint };
            return Err(unfit_for(self.source, &format!("could not be decoded by ffmpeg: {why}")));
        }
        if self.untimed.is_some() || self.pictures.is_cut_short() || !self.times.read.is_empty() {
            return Err(garbage(Garbage));
        }
        Ok(None)
    }
}

async fn read(from: &mut Option<impl AsyncReadExt + Unpin>, buffer: &mut BytesMut) -> std::io::Result<usize> {
    match from {
        Some(from) => {
            buffer.reserve(64 << 10);
            from.read_buf(buffer).await
        }
        None => Ok(0),
    }
}

fn garbage(_: Garbage) -> Error {
    Error::new(ErrorKind::Unavailable, "ffmpeg printed something else than pictures and their times")
}

fn command(pass: &Pass<'_>) -> Vec<OsString> {
    let Pass { source, probe, video, params, from_us } = pass;
    let mut list = arguments(&["-v", "error", "-nostdin", "-copyts"]);
    if video.start_us.is_some() && params.pick == Pick::Key {
        list.extend(arguments(&["-skip_frame", "nokey"]));
    }
    if video.turn != Turn::Other {
        // Another resolution in the middle of the stream would build the filters anew, and with them what they remember.
        list.extend(arguments(&["-reinit_filter", "0", "-noautorotate"]));
    }
    let start = probe.start_us.unwrap_or_default() as f64 / 1e6;
    let from = from_us.map(|from_us| from_us as f64 / 1e6 - LEAD - params.interval.unwrap_or_default());
    if let Some(from) = from.filter(|from| *from > start) {
        // Frames that are too early are passed over by who counts them.
        list.extend(arguments(&["-seek_timestamp", "1", "-noaccurate_seek", "-ss", &format!("{from:.6}")]));
    }
    // The format that was probed: by name alone ffmpeg might now take `%d.jpg` for a sequence of other files.
    list.extend(arguments(&["-f", probe.demuxer()]));
    list.extend(input(source));
    let filter = filter(video, params);
    list.extend(arguments(&["-map", &format!("0:{}", video.index), "-vf", &filter]));
    list.extend(arguments(&["-fps_mode", "passthrough", "-enc_time_base", "1:1000000"]));
    list.extend(arguments(&["-q:v", &params.quality.to_string(), "-c:v", "mjpeg", "-flags", "+bitexact"]));
    list.extend(arguments(&["-f", "mpjpeg", "pipe:1"]));
    list
}

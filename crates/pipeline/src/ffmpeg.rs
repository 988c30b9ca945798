//! `Ffmpeg`: the two programs that read media files, and how they are called.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use cache_core::{Error, ErrorKind, Result};

use crate::stage::Program;
use crate::tool::{Finished, Tool};
use crate::{Probe, Source};

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

    /// The decoder, as a part of identities.
    pub fn program(&self) -> Program {
        Program { name: "ffmpeg", path: self.ffmpeg.clone(), ask: "-version" }
    }

    /// Describes `source`.
    pub(crate) async fn probe(&self, source: &Source) -> Result<Probe> {
        let tool = Tool {
            program: &self.ffprobe,
            name: "ffprobe",
            install: INSTALL_FFPROBE,
            limit: self.probe_limit,
            max_stdout: MAX_DESCRIPTION,
        };
        let mut arguments = arguments(&["-v", "error", "-print_format", "json", "-show_format", "-show_streams"]);
        arguments.extend(input(source));
        let finished = tool.run(arguments).await.map_err(|error| about(source, &error))?;
        if !finished.status.success() {
            return Err(unreadable(source, "is not a media file that ffmpeg can read", &finished));
        }
        Probe::parse(&finished.stdout)?.map_err(|unfit| unfit_for(source, unfit.why()))
    }

    /// The decoder, to be started.
    pub(crate) fn decoder(&self) -> Tool<'_> {
        Tool {
            program: &self.ffmpeg,
            name: "ffmpeg",
            install: INSTALL_FFMPEG,
            limit: self.extract_limit,
            max_stdout: 0,
        }
    }
}

const FFMPEG_VARIABLE: &str = "REELCACHE_FFMPEG";
const FFPROBE_VARIABLE: &str = "REELCACHE_FFPROBE";
const INSTALL_FFMPEG: &str = "install it (Debian, Ubuntu: apt-get install ffmpeg; macOS: brew install ffmpeg) or set \
                              REELCACHE_FFMPEG to its path";
const INSTALL_FFPROBE: &str = "install it (Debian, Ubuntu: apt-get install ffmpeg; macOS: brew install ffmpeg) or set \
                               REELCACHE_FFPROBE to its path";
/// The longest description of a file, in bytes: thousands of streams.
const MAX_DESCRIPTION: usize = 8 << 20;

/// The arguments that open `source`: a file as a plain file, whatever its name looks like, and nothing over the
/// network, whatever it holds.
pub(crate) fn input(source: &Source) -> Vec<OsString> {
    match source {
        Source::File(path) => {
            let mut list = arguments(&["-protocol_whitelist", "file", "-i"]);
            let mut url = OsString::from("file:");
            url.push(path);
            list.push(url);
            list
        }
        Source::Remote(remote) => arguments(&["-protocol_whitelist", "http,https,tcp,tls", "-i", &remote.url]),
        // Refused before a program is started: see `Video`.
        Source::Kept(fingerprint) => arguments(&["-i", &fingerprint.to_string()]),
    }
}

pub(crate) fn arguments(list: &[&str]) -> Vec<OsString> {
    list.iter().map(OsString::from).collect()
}

/// `error` with the source it is about, its cause and kind kept.
pub(crate) fn about(source: &Source, error: &Error) -> Error {
    if crate::is_tool_missing(error) {
        return error.clone();
    }
    Error::new(error.kind(), format!("{source}: {}", error.message()))
        .with_retry(error.retry())
        .with_source(error.clone())
}

/// A source that cannot be worked on.
pub(crate) fn unfit_for(source: &Source, what: &str) -> Error {
    Error::new(ErrorKind::Invalid, format!("{source} {what}"))
}

fn unreadable(source: &Source, what: &str, finished: &Finished) -> Error {
    let why = if finished.complaint.is_empty() { finished.status.to_string() } else { finished.complaint.clone() };
    unfit_for(source, &format!("{what}: {why}"))
}

//! `YtDlpOptions`: which program is started, and its limits.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cache_core::{Clock, Error, ErrorKind, MINUTE, Result, SystemClock};

/// Which program a [`YtDlp`](crate::YtDlp) starts, and its limits. Its `Debug` shows no arguments.
#[derive(Clone)]
pub struct YtDlpOptions {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) search: Option<String>,
    pub(super) time_limit: Duration,
    pub(super) max_bytes: u64,
    pub(super) at_once: usize,
    pub(super) clock: Arc<dyn Clock>,
}

impl YtDlpOptions {
    /// The `yt-dlp` of the path, without search: a minute for each run, 16 MiB, two at once.
    pub fn new() -> Self {
        Self {
            program: PathBuf::from("yt-dlp"),
            arguments: Vec::new(),
            search: None,
            time_limit: MINUTE,
            max_bytes: 16 << 20,
            at_once: 2,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Sets the program: a name that is looked for in the path, or where it is.
    #[must_use]
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }

    /// Adds an argument of every run, such as `--proxy` and then its value. Links of other arguments are not found again.
    /// Everybody on the machine can see it while the program runs: a secret belongs into a file.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Searches in a place that the program knows by a prefix: `ytsearch`, `scsearch`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when that is no prefix: anything but letters.
    pub fn search(mut self, prefix: &str) -> Result<Self> {
        if prefix.is_empty() || !prefix.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return Err(Error::new(
                ErrorKind::Invalid,
                "a place to search in is a prefix of letters, such as ytsearch",
            ));
        }
        self.search = Some(prefix.to_owned());
        Ok(self)
    }

    /// Sets how long a run may take, and how long it may wait until it begins.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Sets how many bytes a run may write.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sets how many runs there are at once; at least one. Each takes a core for about a second, and some 60 MB.
    #[must_use]
    pub fn at_once(mut self, runs: usize) -> Self {
        self.at_once = runs.max(1);
        self
    }

    /// Sets the clock that the validity of links is reckoned by.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// What its links depend on, with the program of `version`.
    pub(super) fn version(&self, version: &str) -> String {
        if self.arguments.is_empty() {
            return version.to_owned();
        }
        let mut hasher = blake3::Hasher::new();
        for argument in &self.arguments {
            hasher.update(&(argument.len() as u64).to_le_bytes()).update(argument.as_bytes());
        }
        format!("{version}+{:.16}", hasher.finalize().to_hex())
    }
}

impl Default for YtDlpOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for YtDlpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("YtDlpOptions")
            .field("program", &self.program)
            .field("search", &self.search)
            .field("time_limit", &self.time_limit)
            .field("max_bytes", &self.max_bytes)
            .field("at_once", &self.at_once)
            .finish_non_exhaustive()
    }
}

//! `Program`: a program, run within limits of time and bytes and ended with all that it has started.

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::YtDlpOptions;
use crate::{Failure, Reason};

/// How much is kept of what it complains about: the end.
const COMPLAINT: usize = 8 << 10;
const PIECE: usize = 64 << 10;

/// A program that is run within limits.
#[derive(Debug)]
pub(super) struct Program {
    path: PathBuf,
    time_limit: Duration,
    max_bytes: u64,
    seats: Semaphore,
}

/// What a run has left.
pub(super) struct Output {
    pub(super) status: ExitStatus,
    pub(super) stdout: Vec<u8>,
    /// The end of it.
    pub(super) stderr: String,
}

/// A process and all that it has started, which end when this is dropped.
struct Group(Child);

impl Program {
    pub(super) fn new(options: &YtDlpOptions) -> Self {
        let YtDlpOptions { program, time_limit, max_bytes, at_once, .. } = options.clone();
        let seats = Semaphore::new(at_once.min(Semaphore::MAX_PERMITS));
        Self { path: program, time_limit, max_bytes, seats }
    }

    /// Runs it with `args`, to its end or to the first of its limits. The outer error is that it did not start.
    pub(super) async fn run<'a>(
        &self,
        args: impl IntoIterator<Item = &'a OsStr>,
    ) -> io::Result<Result<Output, Failure>> {
        let late = |what: &str| Failure::new(Reason::Timeout, format!("yt-dlp {what} within {:?}", self.time_limit));
        let Ok(Ok(_seat)) = timeout(self.time_limit, self.seats.acquire()).await else {
            return Ok(Err(late("had no turn")));
        };
        let mut command = Command::new(&self.path);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut group = Group(command.process_group(0).kill_on_drop(true).spawn()?);
        let ended = timeout(self.time_limit, group.output(self.max_bytes)).await;
        Ok(ended.unwrap_or_else(|_| Err(late("did not end"))))
    }
}

impl Group {
    async fn output(&mut self, max: u64) -> Result<Output, Failure> {
        let lost = |_| Failure::new(Reason::Unavailable, "what yt-dlp wrote could not be read");
        let (stdout, stderr) = (self.0.stdout.take(), self.0.stderr.take());
        // Whoever is not listened to any more must not be waited for.
        let (stdout, stderr) = tokio::try_join!(head(stdout, max), async { tail(stderr).await.map_err(lost) })?;
        // Reaped last: until then nobody else can have its number, so the right group is killed.
        let status = self.0.wait().await.map_err(lost)?;
        Ok(Output { status, stdout, stderr })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let id = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(id) = id {
            // Fails only when nobody is left.
            _ = kill_process_group(id, Signal::KILL);
        }
    }
}

/// All that comes, which must not be more than `max` bytes.
async fn head(from: Option<impl AsyncRead + Unpin>, max: u64) -> Result<Vec<u8>, Failure> {
    let Some(from) = from else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    let read = from.take(max.saturating_add(1)).read_to_end(&mut all).await;
    read.map_err(|_| Failure::new(Reason::Unavailable, "what yt-dlp said could not be read"))?;
    if all.len() as u64 > max {
        return Err(Failure::new(Reason::TooLarge, format!("yt-dlp has written more than {max} bytes")));
    }
    Ok(all)
}

/// The end of all that comes.
async fn tail(from: Option<impl AsyncRead + Unpin>) -> io::Result<String> {
    let Some(mut from) = from else { return Ok(String::new()) };
    let (mut end, mut piece) = (Vec::new(), vec![0; PIECE]);
    loop {
        let read = from.read(&mut piece).await?;
        if read == 0 {
            return Ok(String::from_utf8_lossy(&end).into_owned());
        }
        end.extend_from_slice(piece.get(..read).unwrap_or_default());
        end.drain(..end.len().saturating_sub(COMPLAINT));
    }
}

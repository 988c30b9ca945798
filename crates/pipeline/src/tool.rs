//! One run of an external program: bounded in time, in output and in what it may leave behind.

mod group;
mod version;

use std::error::Error as StdError;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use cache_core::{Error, ErrorKind, Result};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::time::timeout;

pub(crate) use group::Group;
pub(crate) use version::{decisive, locate, version};

use crate::source::shown;

/// How much of what a program wrote to standard error is kept: its end.
pub(crate) const STDERR_TAIL: usize = 4 << 10;
/// How long what a program printed is still read after it has ended. All of it is there by then; only a process that has
/// left the group can hold the pipes open.
pub(crate) const LEFT: Duration = Duration::from_secs(1);
/// Room made for what is read, in bytes.
const AT_ONCE: usize = 64 << 10;

/// A program that is needed is not installed. Found below an [`Error`] with [`is_tool_missing`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolMissing {
    /// What was to be started.
    pub program: PathBuf,
}

impl fmt::Display for ToolMissing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no program {} was found", shown(&self.program))
    }
}

impl StdError for ToolMissing {}

/// Whether `error`, or a cause of it, is a missing program: the user has to install something.
pub fn is_tool_missing(error: &Error) -> bool {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<ToolMissing>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// A program and the bounds of one run.
#[derive(Debug)]
pub(crate) struct Tool<'a> {
    pub(crate) program: &'a Path,
    /// How the program is called in messages, whatever its path.
    pub(crate) name: &'static str,
    /// How to come by it, in messages about its being missing.
    pub(crate) install: &'static str,
    /// The program is killed when it takes longer.
    pub(crate) limit: Duration,
    /// The program is killed when it prints more, in bytes.
    pub(crate) max_stdout: usize,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    /// The end of standard error as one line of printable text; empty when there was none.
    pub(crate) complaint: String,
}

impl Tool<'_> {
    /// Runs the program to its end, which is that of all that it has started. Dropping the future kills them. It reads no
    /// input.
    ///
    /// # Errors
    /// A missing program, one that cannot be started, takes too long or prints too much. An unsuccessful exit is
    /// not an error here.
    pub(crate) async fn run(&self, arguments: Vec<OsString>) -> Result<Finished> {
        let mut group = self.start(arguments)?;
        timeout(self.limit, self.attend(&mut group)).await.unwrap_or_else(|_| Err(self.too_long()))
    }

    /// Starts the program in a process group of its own, its output piped.
    pub(crate) fn start(&self, arguments: Vec<OsString>) -> Result<Group> {
        let mut command = Command::new(self.program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Group::spawn(command).map_err(|error| self.not_started(&error))
    }

    pub(crate) fn too_long(&self) -> Error {
        let (name, limit) = (self.name, self.limit.as_secs_f64());
        Error::new(ErrorKind::Timeout, format!("{name} did not finish within {limit} s and was stopped"))
    }

    async fn attend(&self, group: &mut Group) -> Result<Finished> {
        let (from_stdout, from_stderr) = group.outputs();
        let (mut stdout, mut tail) = (Vec::new(), Vec::new());
        {
            let reading = read_all(from_stdout, &mut stdout, self.max_stdout);
            let hearing = read_tail(from_stderr, &mut tail, STDERR_TAIL);
            let mut outputs = pin!(async { tokio::try_join!(reading, hearing).map(drop) });
            let read = tokio::select! {
                read = &mut outputs => read,
                _ = group.end() => timeout(LEFT, outputs).await.unwrap_or(Ok(())),
            };
            read.map_err(|error| self.broken(&error))?;
        }
        let status = group.end().await.map_err(|error| self.broken(&error))?;
        Ok(Finished { status, stdout, complaint: one_line(&tail) })
    }

    fn not_started(&self, error: &io::Error) -> Error {
        let (name, install) = (self.name, self.install);
        if error.kind() == io::ErrorKind::NotFound {
            let message = format!("{name} was not found: {install}");
            let missing = ToolMissing { program: self.program.to_owned() };
            return Error::new(ErrorKind::Unavailable, message).with_source(missing);
        }
        let program = shown(self.program);
        Error::new(ErrorKind::Unavailable, format!("{name} cannot be started ({program}): {error}"))
    }

    pub(crate) fn broken(&self, error: &io::Error) -> Error {
        Error::new(ErrorKind::Unavailable, format!("{} was stopped: {error}", self.name))
    }
}

/// Reads everything that `from` yields into `bytes`; an error as soon as that is more than `max` bytes.
async fn read_all(from: Option<impl AsyncRead + Unpin>, bytes: &mut Vec<u8>, max: usize) -> io::Result<()> {
    let Some(mut from) = from else { return Ok(()) };
    while from.read_buf(bytes).await? > 0 {
        if bytes.len() > max {
            return Err(io::Error::other(format!("it printed more than {max} bytes")));
        }
        bytes.reserve(AT_ONCE);
    }
    Ok(())
}

/// Reads the last `max` bytes that `from` yields into `tail`.
async fn read_tail(from: Option<impl AsyncRead + Unpin>, tail: &mut Vec<u8>, max: usize) -> io::Result<()> {
    let Some(mut from) = from else { return Ok(()) };
    tail.reserve(2 * max);
    while from.read_buf(tail).await? > 0 {
        if tail.len() >= max {
            tail.drain(..tail.len() - max);
        }
    }
    Ok(())
}

/// Lines joined by `; `, bytes that are no text and control characters replaced.
pub(crate) fn one_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty());
    let mut joined = lines.collect::<Vec<_>>().join("; ");
    if joined.contains(char::is_control) {
        joined = joined.replace(char::is_control, "\u{FFFD}");
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_one_printable_line() {
        assert_eq!(one_line(b"a\r\n\nb\x1b[0m\xFF\n"), "a; b\u{FFFD}[0m\u{FFFD}");
        assert_eq!(one_line(b""), "");
    }

    #[tokio::test]
    async fn the_tail_is_the_end_and_bounded() {
        let long = [vec![b'x'; 100_000], b"the end".to_vec()].concat();
        let mut tail = Vec::new();
        read_tail(Some(&long[..]), &mut tail, 7).await.unwrap();
        assert_eq!(tail, b"the end");
    }

    #[tokio::test]
    async fn more_output_than_allowed_is_an_error() {
        let mut bytes = Vec::new();
        assert!(read_all(Some(&b"1234"[..]), &mut bytes, 3).await.is_err());
        bytes.clear();
        read_all(Some(&b"1234"[..]), &mut bytes, 4).await.unwrap();
        assert_eq!(bytes, b"1234");
    }
}

//! Exit codes: what kind of failure it was, for scripts.

use std::process::ExitCode;

use cache_core::{Error, ErrorKind};

/// The codes and what they say.
const CODES: [(&str, &str); 8] = [
    ("0", "done"),
    ("1", "failed"),
    ("2", "wrong usage or configuration"),
    ("3", "bad input file"),
    ("4", "a program such as ffmpeg is missing"),
    ("5", "the cache directory cannot be used"),
    ("6", "not found"),
    ("128 + N", "ended by signal N"),
];

/// What stands below the help.
pub(crate) fn help() -> String {
    let codes = CODES.map(|(code, what)| format!("{code} {what}")).join(", ");
    format!(
        "Without a command it serves. Exit codes: {codes}. One process at a time uses a cache directory; \
         commands ask the server that has it."
    )
}

/// How a command ended. Usage errors exit with 2, as the argument parser does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything asked for was done.
    Done,
    /// It failed in a way not listed below.
    Failed,
    /// An input file is missing, unreadable or not a video.
    Input,
    /// The command line makes no sense.
    Usage,
    /// A program that is needed is not installed.
    ToolMissing,
    /// The cache directory cannot be used: in use by another process, read-only, not a directory.
    Directory,
    /// There is no such entry.
    Absent,
    /// The signal with this number asked it to end.
    Signal(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Input => 3,
            Exit::ToolMissing => 4,
            Exit::Directory => 5,
            Exit::Absent => 6,
            Exit::Signal(number) => 128 + number,
        })
    }
}

impl Exit {
    /// This one, or `other` when all went well here: the first failure counts.
    pub(crate) fn or(self, other: Self) -> Self {
        if self == Self::Done { other } else { self }
    }

    /// The code for an error of a stage.
    pub(crate) fn of(error: &Error) -> Self {
        if pipeline::is_tool_missing(error) {
            return Self::ToolMissing;
        }
        match error.kind() {
            ErrorKind::Invalid => Self::Input,
            _ => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_the_commands_lists_every_code() {
        let page = include_str!("../../../docs/commands.md");
        for (code, what) in CODES {
            assert!(page.contains(&format!("| {code} | {what}")), "{code} {what}");
        }
    }
}

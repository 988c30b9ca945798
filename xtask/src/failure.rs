//! Why a command failed, and the exit code that tells the caller.

use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// Exit code of a command line that cannot be understood.
const USAGE: u8 = 2;

/// A command that did not do its job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    /// The work was understood and could not be done.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 1 }
    }

    /// The command line made no sense.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self { message: format!("{message}\nTry `cargo xtask help`."), code: USAGE }
    }

    /// A subprocess ended badly; its exit code becomes ours (128 + n when signal n ended it).
    pub(crate) fn of_child(what: &str, status: ExitStatus) -> Self {
        let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
        let code = code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
        Self { message: format!("{what}: {status}"), code }
    }

    /// A subprocess could not even be started.
    pub(crate) fn not_started(program: &str, error: &io::Error) -> Self {
        Self::new(format!("cannot run `{program}`: {error}"))
    }

    pub(crate) fn code(&self) -> u8 {
        self.code
    }

    /// The same failure, its message led by what was being done.
    pub(crate) fn during(mut self, what: &str) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_passes_its_exit_code_on() {
        let exited_with_7 = ExitStatus::from_raw(7 << 8);
        assert_eq!(Failure::of_child("x", exited_with_7).code(), 7);
    }

    #[test]
    fn a_signal_is_told_as_the_shell_tells_it() {
        let killed_by_9 = ExitStatus::from_raw(9);
        assert_eq!(Failure::of_child("x", killed_by_9).code(), 137);
    }
}

//! `Group`: a program and all that it has started, ended together.

use std::io;
use std::process::ExitStatus;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

/// A program and all that it has started, which are killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Group(Child);

impl Group {
    pub(crate) fn spawn(mut command: Command) -> io::Result<Self> {
        command.process_group(0).kill_on_drop(true).spawn().map(Self)
    }

    /// What it prints; `None` the second time.
    pub(crate) const fn outputs(&mut self) -> (Option<ChildStdout>, Option<ChildStderr>) {
        (self.0.stdout.take(), self.0.stderr.take())
    }

    /// Waits for the end of the program itself. Read its outputs to their end before: until it is waited for, nobody
    /// else can have its number, so the right group is killed.
    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.0.wait().await
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(id) = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
            // Fails only when nobody is left.
            _ = kill_process_group(id, Signal::KILL);
        }
    }
}

//! `Group`: a program and all that it has started, ended together.

use std::io;
use std::process::ExitStatus;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::task::{JoinHandle, spawn_blocking};

/// A program and all that it has started, which are killed when the program ends, and when this is dropped.
#[derive(Debug)]
pub(crate) struct Group {
    child: Child,
    /// Notices the end of the program and leaves it to be waited for; `None` once it has.
    ending: Option<JoinHandle<()>>,
}

impl Group {
    /// Starts the program as the leader of a group of its own. A thread of the blocking pool is taken until it ends.
    pub(crate) fn spawn(mut command: Command) -> io::Result<Self> {
        let child = command.process_group(0).kill_on_drop(true).spawn()?;
        let ending = number(&child).map(|id| spawn_blocking(move || await_end(id)));
        Ok(Self { child, ending })
    }

    /// What it prints; `None` the second time.
    pub(crate) const fn outputs(&mut self) -> (Option<ChildStdout>, Option<ChildStderr>) {
        (self.child.stdout.take(), self.child.stderr.take())
    }

    /// Waits for the end of the program itself, then ends what it has left behind. Cancelling it loses nothing.
    pub(crate) async fn end(&mut self) -> io::Result<ExitStatus> {
        if let Some(ending) = &mut self.ending {
            // Fails only when the runtime shuts down: then it is time as well.
            _ = ending.await;
            self.ending = None;
            self.kill();
        }
        self.child.wait().await
    }

    /// Until the program is waited for, nobody else can have its number: the right group is killed.
    fn kill(&self) {
        if let Some(id) = number(&self.child) {
            // Fails only when nobody is left.
            _ = kill_process_group(id, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The number of the program, and of its group; `None` once it was waited for.
fn number(child: &Child) -> Option<Pid> {
    child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
}

/// Returns when the program has ended, and leaves it in the table of processes.
fn await_end(id: Pid) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while matches!(waitid(WaitId::Pid(id), options), Err(Errno::INTR)) {}
}

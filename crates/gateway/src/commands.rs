//! Commands that look at the cache or tend it, wherever it is open.

mod du;
mod entries;
mod stats;
mod upkeep;
mod warm;

use std::io::{self, Write};

use cache_core::{Error, ErrorKind, Result};
use serde::Serialize;

use crate::access::{Access, NoAccess};
use crate::cli::{Command, Target};
use crate::config::Effective;
use crate::exit::Exit;
use crate::signals::Stop;

/// Runs a command; a signal ends it at once, between its steps.
pub(crate) async fn run(command: Command, effective: &Effective) -> Exit {
    let named = target(&command).and_then(Target::server);
    let access = match Access::open(named.as_deref(), effective).await {
        Ok(access) => access,
        Err(NoAccess::Usage(error)) => return failed(&error, Exit::Usage),
        Err(NoAccess::Directory(error)) => return failed(&error, Exit::Directory),
    };
    let ended = match Stop::listen() {
        Ok(mut stop) => tokio::select! {
            ended = dispatch(&access, effective, command) => ended,
            signal = stop.received() => Ok(Exit::Signal(signal)),
        },
        Err(error) => Err(error),
    };
    let closed = access.close().await.map(|()| Exit::Done);
    exit_of(ended).or(exit_of(closed))
}

async fn dispatch(access: &Access, effective: &Effective, command: Command) -> Result<Exit> {
    match command {
        Command::Stats(args) => stats::run(access, &args).await,
        Command::Ls(args) => entries::list(access, &args).await,
        Command::Get(args) => entries::get(access, &args).await,
        Command::Explain(args) => entries::explain(access, &args).await,
        Command::Clear(args) => upkeep::clear(access, &args).await,
        Command::Sweep(target) => upkeep::sweep(access, &target).await,
        Command::Verify(args) => upkeep::verify(access, &args).await,
        Command::Warm(args) => warm::run(access, effective, &args).await,
        Command::Du(args) => du::run(access, &args).await,
        _ => Err(Error::new(ErrorKind::Internal, "this command is not one that works on an open cache")),
    }
}

fn target(command: &Command) -> Option<&Target> {
    match command {
        Command::Stats(args) => Some(&args.target),
        Command::Ls(args) => Some(&args.target),
        Command::Get(args) => Some(&args.target),
        Command::Explain(args) => Some(&args.target),
        Command::Clear(args) => Some(&args.target),
        Command::Sweep(target) => Some(target),
        Command::Verify(args) => Some(&args.target),
        Command::Warm(args) => Some(&args.target),
        Command::Du(args) => Some(&args.target),
        _ => None,
    }
}

fn exit_of(ended: Result<Exit>) -> Exit {
    ended.unwrap_or_else(|error| {
        let exit = if error.kind() == ErrorKind::Invalid { Exit::Usage } else { Exit::Failed };
        failed(&error, exit)
    })
}

fn failed(error: &Error, exit: Exit) -> Exit {
    crate::report(error);
    exit
}

/// Standard output, whole texts at a time. A reader that is gone has seen enough: the command ends well.
struct Out {
    is_gone: bool,
}

impl Out {
    fn new() -> Self {
        Self { is_gone: false }
    }

    /// Writes and flushes what `write` writes.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be written, other than for a reader that is gone.
    fn write(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
        let mut text = Vec::new();
        let written = write(&mut text).and_then(|()| {
            let mut out = io::stdout().lock();
            out.write_all(&text)?;
            out.flush()
        });
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_gone = true;
                Ok(())
            }
            Err(error) => Err(Error::new(ErrorKind::Unavailable, format!("cannot write the result: {error}"))),
            Ok(()) => Ok(()),
        }
    }

    /// Writes one line of JSON.
    fn json(&mut self, value: &impl Serialize) -> Result<()> {
        self.json_lines(std::slice::from_ref(value))
    }

    /// Writes a line of JSON for each value.
    fn json_lines(&mut self, values: &[impl Serialize]) -> Result<()> {
        self.write(|out| {
            for value in values {
                serde_json::to_writer(&mut *out, value)?;
                writeln!(out)?;
            }
            Ok(())
        })
    }
}

//! The `reelcache` binary: arguments in, exit code out.

mod cli;
mod dirs;
mod exit;
mod process;
mod range;
mod reach;
mod serve;
mod signals;
mod stack;
mod tiers;
mod units;

use std::error::Error as _;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use cache_core::{Backend, Error, Result};
use clap::Parser;

use cli::{Cli, Command, ServeArgs};
use exit::Exit;
use stack::Plan;

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_logging();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("cannot start: {error}"));
            return Exit::Failed.into();
        }
    };
    runtime.block_on(run(cli)).into()
}

async fn run(cli: Cli) -> Exit {
    let plan = match Plan::of(&cli.cache) {
        Ok(plan) => plan,
        Err(error) => {
            report(&error);
            return Exit::Usage;
        }
    };
    let stack = match plan.open().await {
        Ok(stack) => stack,
        Err(error) => {
            report(&error);
            return Exit::Directory;
        }
    };
    let ended = match cli.command.unwrap_or_else(|| Command::Serve(ServeArgs::of_environment())) {
        Command::Serve(args) => serve::run(&stack, &args).await,
        Command::Process(args) => process::run(&stack, &args).await,
    };
    // What was stored is to survive whatever became of the rest.
    let closed = stack.tiers.close().await.map(|()| Exit::Done);
    let exit_of = |ended: Result<Exit>| {
        ended.unwrap_or_else(|error| {
            report(&error);
            Exit::of(&error)
        })
    };
    exit_of(ended).or(exit_of(closed))
}

/// Warnings and above on standard error; `RUST_LOG` says otherwise.
fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
}

/// One line: the error, then its causes.
pub(crate) fn report(error: &Error) {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        cause = inner.source();
    }
    complain(&line);
}

/// A line on standard error; when that is gone, nobody is left to tell.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "reelcache: {line}");
}

//! The `reelcache` program: arguments in, exit code out.
//!
//! * [`run`]: all of it, as the binary calls it
//! * [`effective_configuration`]: what settings come to, without a file or an environment
//! * [`range`]: what of a film a request is answered with

mod access;
mod beacon;
mod cli;
mod commands;
mod config;
mod dirs;
mod doctor;
mod evictions;
mod exit;
mod jobs;
mod kinds;
mod lines;
mod logs;
mod media;
mod naming;
mod ops;
mod popular;
mod process;
mod processing;
pub mod range;
mod reach;
mod remote;
mod serve;
mod signals;
mod stack;
mod stages;
mod subtitles;
mod text;
mod tiers;
mod units;
mod window;

use std::collections::BTreeMap;
use std::error::Error as _;
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use cache_core::{Backend, Error, Result};
use clap::FromArgMatches;

pub use config::effective_configuration;

use cli::{Cli, Command, ConfigArgs};
use config::{Effective, Sources};
use exit::Exit;
use serve::Front;
use stack::{Plan, Stack};

/// The program: reads its arguments, its environment and its configuration, and runs until it is done or told to end.
///
/// It blocks, starts a runtime and threads of its own, and sets what is one for a process: where logs go, and what
/// signals do. An error is told on standard error; the code that is returned says which kind it was.
pub fn run() -> ExitCode {
    let matches = cli::command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    // Shells read it when they start: a setting that is wrong is no reason to complain there.
    if let Some(Command::Completions(args)) = &cli.command {
        return completions(args.shell).into();
    }
    let _logs = logs::start();
    let effective = match configure(&cli, cli::flags(&matches)) {
        Ok(effective) => effective,
        Err(error) => {
            report(&error);
            return Exit::Usage.into();
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("cannot start: {error}"));
            return Exit::Failed.into();
        }
    };
    runtime.block_on(obey(cli, effective)).into()
}

fn configure(cli: &Cli, flags: BTreeMap<&'static str, OsString>) -> Result<Effective> {
    let file = config::find_file(cli.config.as_deref(), |name| std::env::var_os(name))?;
    Sources { file, variables: std::env::vars_os().collect(), flags }.resolve()
}

async fn obey(cli: Cli, effective: Effective) -> Exit {
    match cli.command.unwrap_or(Command::Serve) {
        Command::Config(args) => show_config(&effective, &args),
        Command::Doctor(args) => doctor::run(&effective, &args).await,
        command @ (Command::Serve | Command::Process(_)) => run_on_cache(command, &effective).await,
        command => commands::run(command, &effective).await,
    }
}

/// Runs what needs the tiers open in this process.
async fn run_on_cache(command: Command, effective: &Effective) -> Exit {
    let plan = match Plan::of(&effective.config.cache) {
        Ok(plan) => plan,
        Err(error) => {
            report(&error);
            return Exit::Usage;
        }
    };
    let front = match command {
        Command::Process(_) => None,
        // First: whoever waits for the server hears that it starts.
        _ => match Front::open(effective) {
            Ok(front) => Some(front),
            Err(error) => {
                report(&error);
                return Exit::of(&error);
            }
        },
    };
    let stack = match open(plan, front.as_ref()).await {
        Some(Ok(stack)) => stack,
        Some(Err(error)) => {
            report(&error);
            return Exit::Directory;
        }
        None => return Exit::Done,
    };
    let ended = match (front, command) {
        (Some(front), _) => front.run(&stack, effective).await,
        (None, Command::Process(args)) => process::run(&stack, &effective.config, &args).await,
        (None, _) => Ok(Exit::Usage),
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

/// The tiers of `plan`; nothing when `front` is told to end before they are open.
async fn open(plan: Plan, front: Option<&Front>) -> Option<Result<Stack>> {
    let Some(front) = front else { return Some(plan.open().await) };
    tokio::select! {
        opened = plan.open() => Some(opened),
        () = front.told_to_end() => None,
    }
}

fn show_config(effective: &Effective, args: &ConfigArgs) -> Exit {
    let text = if args.json { format!("{:#}\n", effective.json()) } else { effective.toml(args.explain) };
    print(&text)
}

fn completions(shell: clap_complete::Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "reelcache", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// Text on standard output; a reader that is gone has seen enough.
pub(crate) fn print(text: &str) -> Exit {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            complain(&format!("cannot write the result: {error}"));
            Exit::Failed
        }
        _ => Exit::Done,
    }
}

/// The error and its causes as one line on standard error.
pub(crate) fn report(error: &Error) {
    complain(&told(error));
}

/// One line: the error, then its causes.
pub(crate) fn told(error: &Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        cause = inner.source();
    }
    line
}

/// A line on standard error. Nobody waits for who reads it: who has much to say waits until it is [written](logs::written).
pub(crate) fn complain(line: &str) {
    logs::tell(format!("reelcache: {}\n", text::one_line(line)));
}

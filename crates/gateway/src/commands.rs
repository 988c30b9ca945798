//! Commands that look at the cache or tend it, wherever it is open.

mod du;
mod entries;
mod out;
mod stats;
mod upkeep;
mod warm;

use cache_core::{Error, ErrorKind, Result};

use crate::access::{Access, Intent, NoAccess};
use crate::cli::{Command, Target};
use crate::config::Effective;
use crate::exit::Exit;
use crate::signals::Stop;
use out::Out;

/// Runs a command; a signal ends it at once, between its steps. What warms stores first what it has made.
pub(crate) async fn run(command: Command, effective: &Effective) -> Exit {
    let named = target(&command).and_then(Target::server);
    let access = match Access::open(named.as_deref(), effective, intent(&command)).await {
        Ok(access) => access,
        Err(NoAccess::Usage(error)) => return failed(&error, Exit::Usage),
        Err(NoAccess::Directory(error)) => return failed(&error, Exit::Directory),
        Err(NoAccess::Absent(error)) => return failed(&error, Exit::Absent),
    };
    let ended = match (Stop::listen(), command) {
        (Ok(mut stop), Command::Warm(args)) => warm::run(&access, effective, &args, &mut stop).await,
        (Ok(mut stop), command) => tokio::select! {
            ended = dispatch(&access, command) => ended,
            signal = stop.received() => Ok(Exit::Signal(signal)),
        },
        (Err(error), _) => Err(error),
    };
    let closed = access.close().await.map(|()| Exit::Done);
    exit_of(ended).or(exit_of(closed))
}

async fn dispatch(access: &Access, command: Command) -> Result<Exit> {
    match command {
        Command::Stats(args) => stats::run(access, &args).await,
        Command::Ls(args) => entries::list(access, &args).await,
        Command::Get(args) => entries::get(access, &args).await,
        Command::Explain(args) => entries::explain(access, &args).await,
        Command::Clear(args) => upkeep::clear(access, &args).await,
        Command::Sweep(target) => upkeep::sweep(access, &target).await,
        Command::Verify(args) => upkeep::verify(access, &args).await,
        Command::Du(args) => du::run(access, &args).await,
        _ => Err(Error::new(ErrorKind::Internal, "this command is not one that works on an open cache")),
    }
}

fn intent(command: &Command) -> Intent {
    let looks = match command {
        Command::Stats(_) | Command::Ls(_) | Command::Get(_) | Command::Explain(_) | Command::Du(_) => true,
        Command::Clear(args) => args.dry_run,
        // It drops what is damaged, but nothing is where there is no cache.
        command => matches!(command, Command::Verify(_)),
    };
    if looks { Intent::Look } else { Intent::Change }
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

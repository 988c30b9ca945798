//! `warm`: links and artifacts brought into the cache, at hours when that is welcome.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use cache_core::{Error, ErrorKind, Result};
use jiff::Zoned;
use tokio::time::{Instant, sleep_until, timeout};

use super::Out;
use crate::access::{Access, Warmer};
use crate::cli::WarmArgs;
use crate::config::Effective;
use crate::exit::Exit;
use crate::logs;
use crate::ops::{self, Wanted, Warmed};
use crate::popular::PopularPage;
use crate::process::Maker;
use crate::signals::Stop;
use crate::text::one_line;
use crate::window::{self, Turn};

/// How long it may take to store what was made, in the end.
const CLOSE_LIMIT: Duration = Duration::from_secs(30);

/// What fails is told and leaves the others alone; the command then fails in the end. Outside of its hours it waits, or
/// ends if it is to; what is under way when they end is begun again, and finds what it has finished before.
///
/// A signal ends what is under way at once, programs included; what was made is stored before it ends, unless a second
/// signal comes.
pub(super) async fn run(access: &Access, effective: &Effective, args: &WarmArgs, stop: &mut Stop) -> Result<Exit> {
    let mut warming = tokio::select! {
        warming = Warming::new(access, effective, args) => warming?,
        signal = stop.received() => return Ok(Exit::Signal(signal)),
    };
    let ended = tokio::select! {
        ended = warming.work() => ended.map(|()| None),
        signal = stop.received() => Ok(Some(Exit::Signal(signal))),
    };
    let late = |_| Err(Error::new(ErrorKind::Timeout, format!("what was made is not stored after {CLOSE_LIMIT:?}")));
    let closed = tokio::select! {
        closed = timeout(CLOSE_LIMIT, warming.close()) => closed.unwrap_or_else(late),
        signal = stop.received() => return Ok(Exit::Signal(signal)),
    };
    match ended? {
        Some(signal) => {
            if let Err(error) = &closed {
                crate::report(error);
            }
            Ok(signal)
        }
        None => closed.map(|()| warming.exit),
    }
}

/// What is to be warmed, and how.
struct Warming<'a> {
    left: VecDeque<Step>,
    warmer: Option<Warmer>,
    maker: Option<Maker>,
    out: Out,
    exit: Exit,
    args: &'a WarmArgs,
    /// When the next step may begin.
    next: Instant,
}

/// What is done at once.
#[derive(Debug, Clone)]
enum Step {
    /// So many of the pages that are asked for most when their turn comes.
    Popular(usize),
    /// Pages of a provider, or of the first one.
    Links(Option<String>, Vec<String>),
    Video(PathBuf),
}

impl<'a> Warming<'a> {
    async fn new(access: &Access, effective: &Effective, args: &'a WarmArgs) -> Result<Self> {
        let (videos, links): (Vec<&String>, Vec<&String>) =
            args.addresses.iter().partition(|address| PathBuf::from(address).exists());
        let part =
            |links: &[&String]| Step::Links(args.provider.clone(), links.iter().map(|&link| link.clone()).collect());
        let mut left: VecDeque<Step> = links.chunks(at_once(args)).map(part).collect();
        left.extend(args.popular.map(|most| Step::Popular(most as usize)));
        let warmer = if left.is_empty() { None } else { Some(access.warmer(effective).await?) };
        let mut exit = Exit::Done;
        let maker = match access {
            _ if videos.is_empty() => None,
            Access::Server(_) => {
                let message = "videos are warmed where the cache directory is free: end the server that has it, or have \
                               it process them with POST /api/process";
                return Err(Error::new(ErrorKind::Invalid, message));
            }
            Access::Direct(stack, _) => {
                let maker = Maker::new(stack, &effective.config)?;
                let (found, refused) = maker.list(videos.into_iter().map(PathBuf::from).collect()).await?;
                for error in &refused {
                    crate::report(error);
                    exit = exit.or(Exit::of(error));
                    logs::written().await;
                }
                left.extend(found.into_iter().map(Step::Video));
                Some(maker)
            }
        };
        Ok(Self { left, warmer, maker, out: Out::open()?, exit, args, next: Instant::now() })
    }

    /// Does what is left in the hours for it, and tells what is left for another time.
    async fn work(&mut self) -> Result<()> {
        loop {
            let turn = self.args.between.map(|window| window.turn(&Zoned::now())).transpose().map_err(no_calendar)?;
            let end = match turn {
                None => None,
                Some(Turn::Open(end)) => Some(end),
                Some(Turn::Closed(_)) if self.args.once => break,
                Some(Turn::Closed(start)) => {
                    tracing::info!(%start, "waiting");
                    window::until(&start).await;
                    continue;
                }
            };
            let closes = async {
                match &end {
                    Some(end) => window::until(end).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                done = self.go_on() => {
                    done?;
                    break;
                }
                () = closes => {}
            }
        }
        let left: usize = self.left.iter().map(Step::len).sum();
        if left > 0 && !self.args.target.json {
            self.out.write(|out| writeln!(out, "{left} left for another time")).await?;
        }
        Ok(())
    }

    /// Does what is left. Cancelling it leaves the step that was under way to the next call.
    async fn go_on(&mut self) -> Result<()> {
        let pause = self.args.per_minute.and_then(|most| Duration::from_mins(1).checked_div(most)).unwrap_or_default();
        while let Some(step) = self.left.front().cloned() {
            sleep_until(self.next).await;
            self.next = Instant::now() + pause;
            match step {
                Step::Popular(most) => {
                    let found = self.popular(most).await?;
                    self.left.pop_front();
                    found.into_iter().rev().for_each(|step| self.left.push_front(step));
                    // It was no lookup.
                    self.next = Instant::now();
                    continue;
                }
                Step::Links(provider, addresses) => self.links(provider, addresses).await?,
                Step::Video(path) => self.video(path).await?,
            }
            self.left.pop_front();
            if self.out.is_gone {
                break;
            }
        }
        Ok(())
    }

    /// What is to be done for the pages that are asked for most at this moment.
    async fn popular(&self, most: usize) -> Result<Vec<Step>> {
        let Some(warmer) = &self.warmer else { return Ok(Vec::new()) };
        let mut found: Vec<Step> = Vec::new();
        for PopularPage { provider, page, .. } in warmer.popular(most, self.args.provider.as_deref()).await? {
            match found.last_mut() {
                // The most popular come first, so those of another provider wait for their turn.
                Some(Step::Links(Some(before), pages)) if *before == provider && pages.len() < at_once(self.args) => {
                    pages.push(page);
                }
                _ => found.push(Step::Links(Some(provider), vec![page])),
            }
        }
        Ok(found)
    }

    async fn links(&mut self, provider: Option<String>, addresses: Vec<String>) -> Result<()> {
        let Some(warmer) = &self.warmer else { return Ok(()) };
        let looked_up = warmer.warm(Wanted { provider, addresses, popular: 0 }).await?;
        if self.args.target.json {
            self.out.json_lines(&looked_up).await?;
        }
        for Warmed { address, origin, links, error } in looked_up {
            let address = one_line(&address);
            match (error, origin) {
                (Some(error), _) => {
                    self.exit = self.exit.or(Exit::Failed);
                    if !self.args.target.json {
                        crate::complain(&format!("{address}: {}", one_line(&error)));
                    }
                }
                (None, origin) if !self.args.target.json => {
                    let origin = origin.unwrap_or_else(|| "?".to_owned());
                    self.out.write(|out| writeln!(out, "{origin}: {links} links: {address}")).await?;
                }
                _ => {}
            }
        }
        logs::written().await;
        Ok(())
    }

    async fn video(&mut self, path: PathBuf) -> Result<()> {
        let Some(maker) = &self.maker else { return Ok(()) };
        let made = maker.make(path.clone()).await;
        self.exit = self.exit.or(made.exit);
        for line in &made.complaints {
            crate::complain(line);
        }
        logs::written().await;
        if self.args.target.json {
            return self.out.json(&made.line).await;
        }
        let (state, path) = (made.state, one_line(&path.to_string_lossy()));
        self.out.write(|out| writeln!(out, "{state}: {path}")).await
    }

    /// Ends what it works with, once what was made is stored.
    async fn close(&self) -> Result<()> {
        let warmed = match &self.warmer {
            Some(warmer) => warmer.close().await,
            None => Ok(()),
        };
        match &self.maker {
            Some(maker) => maker.close().await.and(warmed),
            None => warmed,
        }
    }
}

impl Step {
    fn len(&self) -> usize {
        match self {
            Self::Popular(most) => *most,
            Self::Links(_, links) => links.len(),
            Self::Video(_) => 1,
        }
    }
}

/// How many pages are looked up in one step.
fn at_once(args: &WarmArgs) -> usize {
    if args.per_minute.is_some() { 1 } else { ops::WARM_STEP }
}

fn no_calendar(error: jiff::Error) -> Error {
    Error::new(ErrorKind::Internal, "the hours cannot be told on this day").with_source(error)
}

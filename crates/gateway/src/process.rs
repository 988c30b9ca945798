//! `reelcache process`: artifacts of videos, from the cache where they are there.

mod bars;
mod export;
mod inputs;
mod json;
mod maker;
mod outcome;
mod report;
mod survey;
mod table;
mod tally;
mod work;

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cache_core::{Error, ErrorKind, Result};
use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::cli::ProcessArgs;
use crate::config::Config;
use crate::exit::Exit;
use crate::kinds::{ArtifactKind, Kinds};
use crate::lines::{self, Lines};
use crate::logs;
use crate::signals::Stop;
use crate::stack::Stack;
use crate::stages::{self, Stages};
use bars::Bars;
use export::Exports;
use inputs::{Input, Listing};
pub(crate) use maker::Maker;
use outcome::Outcome;
use tally::Tally;
pub(crate) use work::Task;
use work::Work;

/// How long promotions may hold up videos that are named again.
const SETTLE_LIMIT: Duration = Duration::from_secs(5);
/// How long a reader may take for the summary after a signal.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Processes the videos, several at a time, and shows where everything came from.
///
/// A video that fails is told and does not keep the others from being processed; the exit code is that of the first
/// failure, in the order of their naming. A signal ends it at once, programs included: what is finished is kept, and told.
pub(crate) async fn run(stack: &Stack, config: &Config, args: &ProcessArgs) -> Result<Exit> {
    let mut stop = Stop::listen()?;
    let prepared = tokio::select! {
        prepared = prepare(stack, config, args) => prepared,
        signal = stop.received() => return Ok(Exit::Signal(signal)),
    };
    let (work, listing) = match prepared {
        Ok(prepared) => prepared,
        Err(error) if error.kind() == ErrorKind::Invalid => {
            crate::report(&error);
            return Ok(Exit::Usage);
        }
        Err(error) => return Err(error),
    };
    if listing.inputs.is_empty() && listing.refused.is_empty() {
        crate::complain("there is nothing to do: the list names no video");
    }
    let show = Show { bars: Bars::new(listing.inputs.len()), out: Lines::open()?, json: args.json };
    let mut tally = Tally::default();
    let ended = tokio::select! {
        ended = work_on_all(stack, config, &work, &listing, &show, &mut tally) => ended,
        signal = stop.received() => Exit::Signal(signal),
    };
    // Whatever runs is ended, and what was computed is stored, before anything is told about it.
    let closed = work.artifacts.close().await;
    let videos = (listing.inputs.len() + listing.refused.len()) as u64;
    let told = show.summary(&tally, videos - tally.ended());
    let ended = match ended {
        Exit::Done => tokio::select! {
            told = told => tally.exit().or(told),
            signal = stop.received() => Exit::Signal(signal),
        },
        // Whoever reads may have stopped reading: that keeps nobody from ending it.
        ended => {
            let _ = timeout(LAST_WORD, told).await;
            ended
        }
    };
    closed?;
    Ok(ended)
}

/// What is to be done, and with which videos.
async fn prepare(stack: &Stack, config: &Config, args: &ProcessArgs) -> Result<(Work, Listing)> {
    let settings = &config.pipeline;
    let (stages, kinds) = (Stages::of(settings)?, settings.kinds());
    let task = args.task();
    let listing = list(args.videos.clone(), args.from.clone(), takes_sound(&kinds)).await?;
    let exports = args.out.as_deref().map(|out| Exports::new(out, &listing.inputs)).transpose()?;
    Ok((Work::new(stages::artifacts(stack, config)?, stages, kinds, task, exports), listing))
}

/// Whether files of sound are taken, too: where nobody asks for pictures.
fn takes_sound(kinds: &Kinds) -> bool {
    !kinds.has(ArtifactKind::Keyframes) && !kinds.has(ArtifactKind::Descriptions)
}

/// The videos. In a thread of its own, which nobody waits for once a signal has come: a list may never end.
async fn list(named: Vec<PathBuf>, from: Option<PathBuf>, takes_sound: bool) -> Result<Listing> {
    let (answer, listed) = oneshot::channel();
    let listing = move || drop(answer.send(inputs::list(&named, from.as_deref(), takes_sound)));
    let failed = |error: io::Error| Error::new(ErrorKind::Internal, "no thread can be started").with_source(error);
    std::thread::Builder::new().name("list".to_owned()).spawn(listing).map_err(failed)?;
    listed.await.map_err(|error| Error::new(ErrorKind::Internal, "the videos were not listed").with_source(error))?
}

/// Those that are named again come last: they are to find what the first ones made.
async fn work_on_all(
    stack: &Stack,
    config: &Config,
    work: &Work,
    listing: &Listing,
    show: &Show,
    tally: &mut Tally,
) -> Exit {
    let jobs = usize::try_from(config.pipeline.jobs).unwrap_or(1);
    let mut known: HashSet<&Path> = HashSet::new();
    let numbered = listing.inputs.iter().enumerate();
    let (first, again): (Vec<_>, Vec<_>) = numbered.partition(|(_, input)| known.insert(&input.path));
    for (index, (video, error)) in (listing.inputs.len()..).zip(&listing.refused) {
        let refused = Outcome { video: video.clone(), answer: Err(error.clone()) };
        tally.add(index, &refused, false);
        if let Err(exit) = show.one(&refused).await {
            return exit;
        }
    }
    for (inputs, is_again) in [(first, false), (again, true)] {
        let one = async |(index, input): (usize, &Input)| {
            let bar = show.bars.begin(&input.path);
            (index, work.on(input, &bar).await)
        };
        let mut running = stream::iter(inputs.into_iter().map(one)).buffer_unordered(jobs);
        while let Some((index, outcome)) = running.next().await {
            tally.add(index, &outcome, is_again);
            show.bars.one_ended();
            if let Err(exit) = show.one(&outcome).await {
                return exit;
            }
        }
        if let Err(error) = stack.tiers.settle(SETTLE_LIMIT).await {
            tracing::debug!(%error, "going on before everything was promoted");
        }
    }
    Exit::Done
}

/// Where it is shown what became of the videos.
struct Show {
    bars: Bars,
    out: Lines,
    json: bool,
}

impl Show {
    /// Tells of one video. Cancelling it leaves the line to be written when somebody reads.
    ///
    /// # Errors
    /// The exit code, when nobody reads it.
    async fn one(&self, outcome: &Outcome) -> std::result::Result<(), Exit> {
        let complaints = outcome.complaints();
        if !complaints.is_empty() {
            self.bars.aside(|| {
                for line in &complaints {
                    crate::complain(line);
                }
                if self.bars.are_shown() {
                    logs::settle();
                }
            });
            logs::written().await;
        }
        self.write(|out| if self.json { outcome.write_json(out) } else { outcome.write_text(out) }).await
    }

    /// Tells of all of them, if that is more than one.
    async fn summary(&self, tally: &Tally, unfinished: u64) -> Exit {
        if !self.json && !tally.is_worth_telling() && unfinished == 0 {
            return Exit::Done;
        }
        let told = self.write(|out| {
            if self.json {
                serde_json::to_writer(&mut *out, &tally.json(unfinished))?;
                writeln!(out)
            } else {
                tally.write_line(out, unfinished)
            }
        });
        told.await.err().unwrap_or(Exit::Done)
    }

    /// Writes to standard output. A reader that is gone has seen enough, which ends it well.
    async fn write(&self, write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> std::result::Result<(), Exit> {
        let mut text = Vec::new();
        let written = match write(&mut text) {
            Ok(()) if self.out.is_terminal() => self.bars.aside(|| lines::write(&text)),
            Ok(()) => self.out.write(text).await,
            Err(error) => Err(error),
        };
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Exit::Done),
            Err(error) => {
                crate::complain(&format!("cannot write the result: {error}"));
                Err(Exit::Failed)
            }
            Ok(()) => Ok(()),
        }
    }
}

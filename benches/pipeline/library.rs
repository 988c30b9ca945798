//! What is missing of 10,000 videos: never seen, half there, and all there, each in a process of its own.

mod stages;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use benches::options::Effort;
use benches::report::{Report, Table};
use futures_util::{StreamExt, stream};
use pipeline::{ArtifactOptions, Ffmpeg, Missing, Selection, Source, Span};

use crate::bars::Bars;
use crate::caches::Opened;
use crate::rounds::{middle, rounds};
use crate::{fingerprints, processes, runtime};

/// Tells a process which library it is to look through.
const LOOK: &str = "REELCACHE_BENCH_LIBRARY";
/// Memory above the files: so little that a tenth of a library fills it.
const MEMORY: u64 = 4 << 20;
/// Videos that are made at a time.
const AT_ONCE: usize = 16;
/// What a program describes each video as: 20 minutes in four segments.
const PROBE: &str = r#"#!/bin/sh
echo '{"streams": [{"index": 0, "codec_type": "video", "codec_name": "h264", "width": 640, "height": 360,
  "avg_frame_rate": "25/1", "start_time": "0.000000", "disposition": {"attached_pic": 0}}],
  "format": {"format_name": "mov,mp4", "start_time": "0.000000", "duration": "1200.000000"}}'
"#;
/// The first two of the segments.
const HALF: Span = Span::new(0, 600_000_000);

/// How much of each video is cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    NeverSeen,
    Half,
    Whole,
}

const STATES: [State; 3] = [State::NeverSeen, State::Half, State::Whole];

pub(crate) fn measured(dir: &Path, effort: Effort, report: &mut Report, bars: &mut Bars) -> Result<(), String> {
    let (dir, videos) = (dir.join("library"), if effort == Effort::Try { 100 } else { 10_000 });
    make(&dir, videos);
    fingerprints::until_old(&video(&dir, videos - 1));
    report.say(format!(
        "#### What is missing of {videos} videos\n\n`missing()` of two stages and four segments, one video after the other, in a \
         new process over the file tier with {} MiB of memory above it: microseconds for a video, medians of the first and of \
         the last tenth, and beside it a script's look for the video and one result of each stage. Memory is that of the process \
         after a tenth and at the end; growth that of the second half, for each video. Medians of {} processes.",
        MEMORY >> 20,
        rounds(effort, 3, 5)
    ));
    let mut table = Table::new([
        "videos",
        "first tenth",
        "last tenth",
        "last / first",
        "script",
        "MiB after a tenth",
        "at the end",
        "bytes of growth",
    ]);
    for state in STATES {
        let seen = looked(&dir, state, videos, effort)?;
        let [first, last, ratio, script, early, late, growth] = seen;
        let name = state.name();
        table.row([
            name.to_owned(),
            format!("{first:.0}"),
            format!("{last:.0}"),
            format!("{ratio:.2}"),
            format!("{script:.0}"),
            format!("{:.1}", early / f64::from(1 << 20)),
            format!("{:.1}", late / f64::from(1 << 20)),
            format!("{growth:.0}"),
        ]);
        bars.most(&format!("`missing()` of the last tenth of {videos} videos, {name}, of the first"), ratio, 1.25, "");
        bars.most(&format!("growth of memory for each video, {name}"), growth, 1_024.0, " bytes");
    }
    report.say(table.markdown());
    Ok(())
}

/// What a process does that was started to look through a library; nothing in any other.
pub(crate) fn child() -> Option<ExitCode> {
    let (told, dir) = processes::told(LOOK)?;
    let (state, videos) = told.split_once(' ')?;
    let (state, videos) = (STATES.into_iter().find(|at| format!("{at:?}") == state)?, videos.parse().ok()?);
    let (mut ours, mut script, mut resident) = (Vec::new(), Vec::new(), Vec::new());
    runtime().block_on(async {
        let opened = Opened::in_both(&dir.join(state.cache()), MEMORY, options(&dir)).await;
        let plan = stages::plan();
        for number in 0..videos {
            let source = video(&dir, number);
            let began = Instant::now();
            let missing = opened.cache.missing(&source, &plan).await.expect("an answer");
            ours.push(microseconds(began.elapsed()));
            assert!(state.is_seen_in(&missing), "{state:?}: {missing:?}");
            script.push(look(&dir, number));
            if (number + 1) % (videos / 10) == 0 {
                resident.push(processes::resident());
            }
        }
        opened.close().await;
    });
    let tenth = ours.len() / 10;
    let (first, last) = (middle(&ours[..tenth]), middle(&ours[ours.len() - tenth..]));
    let growth = (resident[9] - resident[4]) / (ours.len() as f64 / 2.0);
    processes::tell(&[first, last, last / first, middle(&script), resident[0], resident[9], growth]);
    Some(ExitCode::SUCCESS)
}

impl State {
    const fn name(self) -> &'static str {
        match self {
            Self::NeverSeen => "never seen",
            Self::Half => "half of each there",
            Self::Whole => "all there",
        }
    }

    /// The directory of its cache. What was never seen is looked for in a new one each time.
    const fn cache(self) -> &'static str {
        match self {
            Self::NeverSeen => "nothing",
            Self::Half | Self::Whole => "cache",
        }
    }

    /// Whether `missing` is what is to be missing.
    fn is_seen_in(self, missing: &[Missing]) -> bool {
        match self {
            Self::NeverSeen => missing.len() == 2 && missing.iter().all(|one| one.gaps == [Span::ALL]),
            Self::Half => missing.len() == 2 && missing.iter().all(|one| one.coverage.present.len() == 2),
            Self::Whole => missing.is_empty(),
        }
    }
}

/// The figures of several processes that look through the library, each its median.
fn looked(dir: &Path, state: State, videos: usize, effort: Effort) -> Result<[f64; 7], String> {
    match state {
        State::NeverSeen => {}
        State::Half => fill(dir, videos, Selection::all().span(HALF)),
        State::Whole => fill(dir, videos, Selection::all()),
    }
    let mut all: [Vec<f64>; 7] = Default::default();
    for _ in 0..rounds(effort, 3, 5) {
        let figures = processes::figures::<7>(LOOK, &format!("{state:?} {videos}"), dir)?;
        all.iter_mut().zip(figures).for_each(|(all, figure)| all.push(figure));
        if state == State::NeverSeen {
            fs::remove_dir_all(dir.join(state.cache())).map_err(|error| error.to_string())?;
        }
    }
    Ok(all.map(|figures| middle(&figures)))
}

/// Videos that nothing has to be decoded of, and results of a script beside them.
fn make(dir: &Path, videos: usize) {
    use std::os::unix::fs::OpenOptionsExt as _;

    fs::create_dir_all(dir.join("videos")).expect("a directory");
    let mut program = fs::File::options();
    let program = program.write(true).create(true).truncate(true).mode(0o755).open(dir.join("describe"));
    std::io::Write::write_all(&mut program.expect("a file"), PROBE.as_bytes()).expect("a program");
    for number in 0..videos {
        fs::write(path(dir, number), format!("{number:4096}")).expect("a file");
        for result in results(dir, number) {
            fs::write(result, "").expect("a file");
        }
    }
}

/// Has everything computed that lies in `selection`.
fn fill(dir: &Path, videos: usize, selection: Selection) {
    runtime().block_on(async {
        let opened = Opened::in_files(&dir.join("cache"), options(dir)).await;
        let plan = stages::plan().select(selection);
        let runs = stream::iter(0..videos).map(async |number| opened.cache.run(&video(dir, number), &plan).await);
        let ended = runs.buffer_unordered(AT_ONCE).for_each(async |run| {
            let run = run.expect("a run");
            assert!(run.error().is_none(), "{:?}", run.error());
        });
        ended.await;
        opened.close().await;
    });
}

/// With a program that describes files in a millisecond.
fn options(dir: &Path) -> ArtifactOptions {
    let ffmpeg = Ffmpeg { ffprobe: dir.join("describe"), ..Ffmpeg::default() };
    ArtifactOptions { ffmpeg, ..ArtifactOptions::default() }
}

/// Microseconds that it takes to see that a video and its results are there.
fn look(dir: &Path, number: usize) -> f64 {
    let began = Instant::now();
    let mut files = results(dir, number).into_iter().chain([path(dir, number)]);
    assert!(files.all(|file| fs::metadata(file).is_ok()), "a file is gone");
    microseconds(began.elapsed())
}

fn results(dir: &Path, number: usize) -> [PathBuf; 2] {
    ["frames", "words"].map(|result| dir.join(format!("videos/{number}.{result}")))
}

fn path(dir: &Path, number: usize) -> PathBuf {
    dir.join(format!("videos/{number}.mp4"))
}

fn video(dir: &Path, number: usize) -> Source {
    path(dir, number).into()
}

fn microseconds(span: Duration) -> f64 {
    span.as_secs_f64() * 1e6
}

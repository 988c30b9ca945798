//! Everything that is cached of a film of two hours: from files in a process of its own, and from memory.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use benches::options::Effort;
use benches::report::{Report, Table};
use pipeline::{ArtifactCache, ArtifactOptions, Descriptions, Keyframes, Kind, Transcript};

use crate::bars::Bars;
use crate::caches::Opened;
use crate::contents::Contents;
use crate::film::{FRAMES, Film};
use crate::rounds::{Rounds, middle, rounds};
use crate::shelf::{Form, Shelf, What};
use crate::{processes, runtime};

/// Tells a process what it is to read, and from where.
const READ: &str = "REELCACHE_BENCH_WARM";

/// Where artifacts come from.
#[derive(Debug, Clone, Copy)]
enum From {
    Cache,
    Files(Form),
}

const FROM: [From; 3] = [From::Cache, From::Files(Form::Apart), From::Files(Form::Together)];

/// Milliseconds since the reading began.
#[derive(Debug, Clone, Copy, Default)]
struct Marks {
    /// Until the list was there: of pictures, what is known of them; of texts, all.
    listed: f64,
    /// Until everything was there.
    read: f64,
}

pub(crate) fn measured(
    film: &Film,
    contents: &Contents,
    dir: &Path,
    effort: Effort,
    report: &mut Report,
    bars: &mut Bars,
) -> Result<(), String> {
    let bytes = Shelf::of(dir).fill(contents);
    runtime().block_on(async {
        let opened = Opened::in_files(&dir.join("cache"), ArtifactOptions::default()).await;
        film.fill(&opened.cache, contents).await.expect("a filled cache");
        opened.close().await;
    });
    report.say(format!(
        "#### Warm artifacts of a film of two hours\n\n{FRAMES} keyframes of {} KiB, {} segments of speech with the times of \
         their words, {FRAMES} descriptions: `artifacts()` until the value is there, and until all pictures are in memory. In \
         milliseconds, medians of {} rounds; ratios are the medians of those of the rounds, above 1 where the cache is \
         faster. Each reading from files is that of a process of its own.",
        (bytes / FRAMES) >> 10,
        contents.transcript.segments.len(),
        rounds(effort, 7, 21),
    ));
    from_files(dir, effort, report, bars)?;
    from_memory(film, dir, contents, effort, report, bars);
    Ok(())
}

/// What a process does that was started to read; nothing in any other.
pub(crate) fn child() -> Option<ExitCode> {
    let (told, dir) = processes::told(READ)?;
    let (what, from) = ways().find(|(what, from)| name(*what, *from) == told)?;
    let (runtime, began) = (runtime(), Instant::now());
    let film = Film::of(&dir);
    let (opened_ms, marks) = match from {
        From::Cache => runtime.block_on(async {
            let opened = Opened::in_files(&dir.join("cache"), ArtifactOptions::default()).await;
            let opened_ms = milliseconds(began);
            let marks = read(&opened.cache, &film, what).await;
            opened.close().await;
            (opened_ms, marks)
        }),
        From::Files(form) => (0.0, read_plainly(&Shelf::of(&dir), what, form)),
    };
    processes::tell(&[opened_ms, marks.listed, marks.read]);
    Some(ExitCode::SUCCESS)
}

fn ways() -> impl Iterator<Item = (What, From)> {
    What::ALL.into_iter().flat_map(|what| FROM.into_iter().map(move |from| (what, from)))
}

fn name(what: What, from: From) -> String {
    format!("{what:?} from {from:?}")
}

fn from_files(dir: &Path, effort: Effort, report: &mut Report, bars: &mut Bars) -> Result<(), String> {
    let mut table = Table::new([
        "from the file tier",
        "open",
        "value",
        "everything",
        "files: one each, JSON",
        "ratio",
        "one file, MessagePack",
        "ratio",
    ]);
    for what in What::ALL {
        let (mut open, mut listed, mut failed) = (Vec::new(), Vec::new(), None);
        let seen = Rounds::run(rounds(effort, 7, 21), FROM.len(), |at| {
            match processes::figures::<3>(READ, &name(what, FROM[at]), dir) {
                Ok([opened_ms, listed_ms, read_ms]) => {
                    if at == 0 {
                        open.push(opened_ms);
                        listed.push(listed_ms);
                    }
                    read_ms
                }
                Err(error) => {
                    failed = Some(error);
                    f64::NAN
                }
            }
        });
        failed.map_or(Ok(()), Err)?;
        table.row(row(what, [middle(&open), middle(&listed)].map(Some), &seen));
        judge(what, "from files in a fresh process", [100.0, 5.0], middle(&listed), &seen, bars);
    }
    report.say(table.markdown());
    Ok(())
}

fn from_memory(film: &Film, dir: &Path, contents: &Contents, effort: Effort, report: &mut Report, bars: &mut Bars) {
    let (runtime, shelf) = (runtime(), Shelf::of(dir));
    let opened = Opened::in_memory(ArtifactOptions::default());
    runtime.block_on(film.fill(&opened.cache, contents)).expect("a filled cache");
    let mut table = Table::new([
        "from memory",
        "value",
        "everything",
        "files: one each, JSON",
        "ratio",
        "one file, MessagePack",
        "ratio",
    ]);
    for what in What::ALL {
        let mut listed = Vec::new();
        let seen = Rounds::run(rounds(effort, 7, 21), FROM.len(), |at| {
            let marks = match FROM[at] {
                From::Cache => runtime.block_on(read(&opened.cache, film, what)),
                From::Files(form) => read_plainly(&shelf, what, form),
            };
            if at == 0 {
                listed.push(marks.listed);
            }
            marks.read
        });
        table.row(row(what, [None, Some(middle(&listed))], &seen));
        judge(what, "from memory", [5.0, 5.0], middle(&listed), &seen, bars);
    }
    report.say(table.markdown());
    runtime.block_on(opened.close());
}

/// The medians of our own steps, then of each contender and how many times slower it is.
fn row(what: What, own: [Option<f64>; 2], seen: &Rounds) -> Vec<String> {
    let own = own.into_iter().flatten().map(|ms| format!("{ms:.2}"));
    let others =
        (1..FROM.len()).flat_map(|at| [format!("{:.2}", seen.median(at)), format!("{:.2}", seen.ratio(at, 0))]);
    let all = [format!("{:.2}", seen.median(0))];
    [what.name().to_owned()].into_iter().chain(own).chain(all).chain(others).collect()
}

/// Compares with what is promised: of pictures, and of texts.
fn judge(what: What, place: &str, [pictures, texts]: [f64; 2], listed: f64, seen: &Rounds, bars: &mut Bars) {
    let name = what.name();
    if what == What::Pictures {
        bars.most(&format!("`artifacts()` of {name} {place}"), listed, pictures, " ms");
        bars.most(&format!("the same, and all pictures, {place}"), seen.median(0), 100.0, " ms");
        for (at, other) in [(1, "3,000 files"), (2, "one file")] {
            bars.least(&format!("all pictures {place}, of the speed of {other}"), seen.ratio(at, 0), 0.5, "");
        }
    } else {
        bars.most(&format!("{name} {place}"), seen.median(0), texts, " ms");
        bars.least(&format!("{name} {place}, of the speed of a JSON file"), seen.ratio(1, 0), 0.5, "");
    }
}

async fn read(cache: &ArtifactCache, film: &Film, what: What) -> Marks {
    let began = Instant::now();
    match what {
        What::Pictures => {
            let artifacts = cache.artifacts(&film.source, &film.pictures()).await.expect("artifacts");
            let found = artifacts.get::<Keyframes>().expect("an answer").expect("keyframes");
            let listed = milliseconds(began);
            let pictures = found.bodies(&found.value().bodies()).await.expect("pictures");
            assert_eq!(pictures.len(), FRAMES, "pictures are missing");
            Marks { listed, read: milliseconds(began) }
        }
        What::Transcript => {
            let artifacts = cache.artifacts(&film.source, &film.speech()).await.expect("artifacts");
            whole(artifacts.get::<Transcript>(), artifacts.is_complete(), began)
        }
        What::Descriptions => {
            let artifacts = cache.artifacts(&film.source, &film.sights()).await.expect("artifacts");
            whole(artifacts.get::<Descriptions>(), artifacts.is_complete(), began)
        }
    }
}

fn whole<K>(found: cache_core::Result<Option<K>>, is_complete: bool, began: Instant) -> Marks {
    assert!(found.expect("an answer").is_some() && is_complete, "something is missing");
    let read = milliseconds(began);
    Marks { listed: read, read }
}

fn read_plainly(shelf: &Shelf, what: What, form: Form) -> Marks {
    let began = Instant::now();
    assert!(shelf.read(what, form) > 0, "nothing was there");
    Marks { listed: 0.0, read: milliseconds(began) }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

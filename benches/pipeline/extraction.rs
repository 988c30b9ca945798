//! A run of the keyframes stage beside the bare ffmpeg command that extracts the same pictures.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use benches::options::Effort;
use benches::report::{Report, Table};
use pipeline::{ArtifactOptions, Ffmpeg, KeyframeParams, KeyframeStage, Plan, Source};
use tokio::runtime::Runtime;

use crate::bars::Bars;
use crate::caches::Opened;
use crate::processes::{ffmpeg, processor_seconds};
use crate::rounds::{Rounds, middle, rounds};
use crate::runtime;

/// Who extracts.
const EXTRACTORS: [&str; 3] =
    ["run, into an empty file tier", "ffmpeg, into image files", "ffmpeg, pictures thrown away"];
/// How long ffmpeg is to take at least, in seconds: what a run adds once is to be seen in proportion.
const LONG: f64 = 10.0;
/// Pictures as a stage reads them, read by nobody.
const THROWN_AWAY: [&dyn AsRef<OsStr>; 3] = [&"-f", &"mpjpeg", &"pipe:1"];
/// Seconds of the piece that the clip repeats.
const PIECE: u32 = 10;

pub(crate) fn measured(dir: &Path, effort: Effort, report: &mut Report, bars: &mut Bars) {
    let dir = dir.join("extraction");
    fs::create_dir(&dir).expect("a directory");
    let (clip, seconds) = clip(&dir, effort);
    let runtime = runtime();
    let (mut processor, mut own) = (vec![Vec::new(); EXTRACTORS.len()], Own::default());
    let seen = Rounds::run(rounds(effort, 3, 9), EXTRACTORS.len(), |at| {
        let (target, before, began) = (dir.join("target"), processor_seconds(), Instant::now());
        fs::create_dir(&target).expect("a directory");
        match at {
            0 => own.run(&runtime, &clip, &target),
            1 => bare(&clip, &[&target.join("%06d.jpg")]),
            _ => bare(&clip, &THROWN_AWAY),
        }
        let took = if at == 0 { own.took } else { began.elapsed().as_secs_f64() };
        processor[at].push(processor_seconds() - before);
        fs::remove_dir_all(&target).expect("a directory");
        took
    });
    report.say(format!(
        "#### A run beside bare ffmpeg\n\n{} keyframes, {} MiB, of a clip of {seconds} s in 1280x720: seconds from a source that \
         was never seen (fingerprint, probe, extraction, storing) to the report, medians of {} rounds. Seconds of processors \
         are those of ffmpeg too; of the clock, they depend less on what else the machine does.",
        own.pictures,
        own.bytes >> 20,
        rounds(effort, 3, 9)
    ));
    let mut table = Table::new(["", "seconds", "run / it", "of processors", "run / it"]);
    for (at, name) in EXTRACTORS.iter().enumerate() {
        let of_processors: Vec<_> = processor[0].iter().zip(&processor[at]).map(|(ours, its)| ours / its).collect();
        let figures = [seen.median(at), seen.ratio(0, at), middle(&processor[at]), middle(&of_processors)];
        table.row([(*name).to_owned()].into_iter().chain(figures.map(|figure| format!("{figure:.2}"))));
    }
    report.say(table.markdown());
    bars.most("a run, of the time of ffmpeg into image files", seen.ratio(0, 1), 1.05, "");
    bars.most("a run, of the time of ffmpeg alone", seen.ratio(0, 2), 1.05, "");
}

/// What a run was like.
#[derive(Debug, Default)]
struct Own {
    took: f64,
    pictures: u64,
    bytes: u64,
}

impl Own {
    fn run(&mut self, runtime: &Runtime, clip: &Path, target: &Path) {
        runtime.block_on(async {
            let opened = Opened::in_files(target, ArtifactOptions::default()).await;
            let stage = KeyframeStage::new(KeyframeParams::default(), Ffmpeg::from_env()).expect("a stage");
            let began = Instant::now();
            let run = opened.cache.run(&Source::from(clip), &Plan::new().stage(Arc::new(stage))).await;
            self.took = began.elapsed().as_secs_f64();
            let run = run.expect("a run");
            assert!(run.error().is_none(), "{:?}", run.error());
            (self.pictures, self.bytes) = (run.stages[0].bodies, run.stages[0].bytes);
            opened.close().await;
        });
    }
}

/// What the stage asks ffmpeg for, told by hand.
fn bare(clip: &Path, form: &[&dyn AsRef<OsStr>]) {
    let input: [&dyn AsRef<OsStr>; 4] = [&"-skip_frame", &"nokey", &"-i", &clip];
    let output: [&dyn AsRef<OsStr>; 8] =
        [&"-map", &"0:v", &"-fps_mode", &"passthrough", &"-q:v", &"3", &"-c:v", &"mjpeg"];
    ffmpeg(&[&input[..], &output, form].concat());
}

/// A clip that ffmpeg takes long for, and its seconds.
fn clip(dir: &Path, effort: Effort) -> (PathBuf, u32) {
    let (piece, clip) = (dir.join("piece.mp4"), dir.join("clip.mp4"));
    let picture = format!("testsrc2=size=1280x720:rate=30:duration={PIECE},noise=alls=12:allf=t");
    ffmpeg(&[&"-f", &"lavfi", &"-i", &picture, &"-g", &"5", &"-c:v", &"libx264", &"-preset", &"ultrafast", &piece]);
    let began = Instant::now();
    bare(&piece, &THROWN_AWAY);
    let seconds = if effort == Effort::Try { 0.0 } else { LONG };
    let took = began.elapsed().as_secs_f64();
    let repeats = (0..1_000).find(|repeats| f64::from(*repeats) * took >= seconds).unwrap_or(1_000_u32);
    ffmpeg(&[&"-stream_loop", &repeats.to_string(), &"-i", &piece, &"-c", &"copy", &clip]);
    (clip, PIECE * (repeats + 1))
}

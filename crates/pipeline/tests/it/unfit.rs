//! Every kind of bad video through every real stage: an exact error for each, and what can be made is made and kept.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use cache_core::ErrorKind;
use pipeline::{AnyStage, Plan, RunReport, Source};

use crate::kit::Kit;
use crate::misbehave::Bench;

/// The stages, each after what it needs.
const KINDS: [&str; 4] = ["keyframes", "transcript", "descriptions", "embeddings"];

fn plan(bench: &Bench) -> Plan {
    let stages: [Arc<dyn AnyStage>; 4] = [
        Bench::keyframes(),
        bench.good_transcriber(),
        bench.describer("echo seen", |command| command),
        bench.embedder("echo '[[1, 2]]'", |command| command),
    ];
    stages.into_iter().fold(Plan::new(), Plan::stage)
}

/// What of each stage there is to say: nothing when it works.
async fn assert_each(bench: &Bench, plan: &Plan, source: &Source, expected: [&str; 4]) -> RunReport {
    let run = bench.kit.cache.run(source, plan).await.unwrap();
    let missing = bench.kit.cache.missing(source, plan).await.unwrap();
    for ((stage, kind), expected) in run.stages.iter().zip(KINDS).zip(expected) {
        let error = stage.error.as_ref().map(|error| (error.kind(), error.message().to_owned()));
        let is_missing = missing.iter().any(|missing| missing.kind == kind);
        if expected.is_empty() {
            assert!(error.is_none() && !is_missing, "{source} {kind}: {error:?}");
        } else {
            let message = format!("{source}: {kind}: {expected}");
            assert_eq!(error, Some((ErrorKind::Invalid, message)), "{source} {kind}");
            assert!(is_missing, "{source}: nothing of {kind} is kept");
        }
    }
    run
}

const NO_VIDEO: &str = "has no video stream: give a video";
const NO_FRAMES: &str =
    "was not computed, because what it needs has failed: keyframes: has no video stream: give a video";
const NO_AUDIO: &str = "has no audio stream: nothing can be heard in it";
const NO_WORDS: &str =
    "was not computed, because what it needs has failed: transcript: has no audio stream: nothing can be heard in it";

#[tokio::test]
async fn what_lacks_a_stream_fails_in_the_stages_that_need_it_alone() {
    let bench = Bench::new();
    let (plan, tone) = (plan(&bench), ["-f", "lavfi", "-i", "sine=duration=2"]);
    let picture = ["-f", "lavfi", "-i", "testsrc=duration=2:size=64x64:rate=5", "-g", "5"];
    let sound = bench.kit.film("sound.mp4", &tone);
    assert_each(&bench, &plan, &sound, [NO_VIDEO, "", NO_FRAMES, ""]).await;
    let silent = bench.kit.film("silent.mp4", &picture);
    assert_each(&bench, &plan, &silent, ["", NO_AUDIO, "", NO_WORDS]).await;
    let vfr = ["-vf", "select='not(mod(n,3))+lt(n,4)'", "-fps_mode", "vfr"];
    let vfr = bench.kit.film("vfr.mkv", &[&picture[..4], &tone, &vfr[..]].concat());
    assert_each(&bench, &plan, &vfr, [""; 4]).await;
    let upright = bench.film.path().unwrap().to_str().unwrap();
    let turned = ["-i", upright, "-c", "copy", "-metadata:s:v:0", "rotate=90"];
    let run = assert_each(&bench, &plan, &bench.kit.film("turned.mp4", &turned), [""; 4]).await;
    assert_ne!(run.probe.video.as_ref().unwrap().rotation, 0);
    let still = bench.kit.film("still.png", &["-f", "lavfi", "-i", "color=red:size=64x64", "-frames:v", "1"]);
    let run = assert_each(&bench, &plan, &still, ["", NO_AUDIO, "", NO_WORDS]).await;
    assert!(run.probe.duration.is_none_or(|duration| duration.as_millis() < 100), "no duration to speak of");
    assert_eq!(run.stages[0].things, 1);
    assert!(bench.kit.is_clear().await && bench.kit.has_ended().await);
}

#[tokio::test]
async fn what_is_no_media_file_is_refused_before_any_stage() {
    let bench = Bench::new();
    let plan = plan(&bench);
    let whole = fs::read(bench.film.path().unwrap()).unwrap();
    let write = |name: &str, bytes: &[u8]| {
        fs::write(bench.kit.path(name), bytes).unwrap();
        Source::from(bench.kit.path(name))
    };
    assert!(std::process::Command::new("mkfifo").arg(bench.kit.path("fifo.mp4")).status().unwrap().success());
    std::os::unix::fs::symlink("loop.mp4", bench.kit.path("loop.mp4")).unwrap();
    for (source, why) in [
        (write("empty.mp4", b""), " is empty (0 bytes): was it copied or downloaded completely?"),
        (write("half.mp4", &whole[..whole.len() / 2]), " is not a media file that ffmpeg can read: "),
        (write("text.mp4", &b"no film\n".repeat(99)), " is not a media file that ffmpeg can read: "),
        (write("zeros.mp4", &[0; 9_999]), " is not a media file that ffmpeg can read: "),
        (Source::from(bench.kit.path("fifo.mp4")), " is a pipe, socket or device: give a regular file"),
        (Source::from(bench.kit.path("loop.mp4")), " cannot be read: "),
        (Source::from(bench.kit.path("scratch")), " is a directory: give the video files in it"),
        (Source::from(Path::new("/nowhere/film.mp4")), " does not exist: check the path"),
    ] {
        let error = bench.kit.cache.run(&source, &plan).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.message().starts_with(&format!("{source}{why}")), "{error}");
        assert!(!error.message().contains(char::is_control), "{error}");
    }
    assert_eq!(bench.kit.read("told"), "", "no stage was run");
}

#[tokio::test]
async fn what_is_damaged_inside_gives_what_can_be_read_or_an_error_that_names_file_and_stage() {
    let bench = Bench::new();
    let plan = plan(&bench);
    let whole = fs::read(bench.film.path().unwrap()).unwrap();
    for (name, from) in [("early.mp4", 64), ("middle.mp4", whole.len() / 3), ("late.mp4", whole.len() * 2 / 3)] {
        let mut bytes = whole.clone();
        bytes[from..from + 400].fill(0xA5);
        fs::write(bench.kit.path(name), bytes).unwrap();
        let source = Source::from(bench.kit.path(name));
        let run = match bench.kit.cache.run(&source, &plan).await {
            Ok(run) => run,
            Err(error) => {
                assert!(error.message().starts_with(&source.to_string()), "{error}");
                continue;
            }
        };
        for (stage, kind) in run.stages.iter().zip(KINDS) {
            let Some(error) = &stage.error else { continue };
            assert!(error.message().starts_with(&format!("{source}: {kind}: ")), "{error}");
        }
    }
    assert!(bench.kit.is_clear().await);
}

const FULL: &str = "REELCACHE_PIPELINE_FULL_DIR";

/// A child of the next test, in which the scratch directory is on a file system of 64 KiB.
#[tokio::test]
async fn the_child_that_has_no_room() {
    let Some(full) = std::env::var_os(FULL).map(std::path::PathBuf::from) else { return };
    let kit = Kit::new();
    let film = kit.tone("film.mp4", 10);
    let command = |name: &str, argument: &str| {
        pipeline::CommandLine::new(kit.script(name, "head -c 400000 /dev/zero > \"$1.more\""), [argument])
            .scratch(&full)
    };
    let keyframes = Bench::keyframes();
    let hear = Arc::new(pipeline::Transcriber::new(command("hear", "{audio}")).unwrap());
    let see = Arc::new(pipeline::Describer::command(keyframes.clone(), command("see", "{image}")).unwrap());
    let run = kit.cache.run(&film, &Plan::new().stage(keyframes).stage(hear).stage(see)).await.unwrap();
    let errors: Vec<String> =
        run.stages.iter().map(|stage| stage.error.as_ref().map(ToString::to_string).unwrap_or_default()).collect();
    assert_eq!(errors[0], "", "frames need no room there");
    let sound = format!("{film}: transcript: no space left for sound: free some or set another scratch directory");
    assert_eq!(errors[1], sound);
    assert!(errors[2].starts_with(&format!("{film}: descriptions: ")), "{errors:?}");
    assert!(errors[2].contains("No space left on device"), "{errors:?}");
    let is_clear = || std::future::ready(fs::read_dir(&full).unwrap().count() == 0);
    assert!(cache_testkit::eventually(std::time::Duration::from_mins(1), is_clear).await);
}

#[test]
fn a_full_disk_is_told_and_nothing_is_left_on_it() {
    let dir = tempfile::tempdir().unwrap();
    let script =
        "mount -t tmpfs -o size=64k none \"$1\" && exec \"$2\" --exact unfit::the_child_that_has_no_room --nocapture";
    let mut command = std::process::Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", script, "sh"]);
    command.arg(dir.path()).arg(std::env::current_exe().unwrap()).env(FULL, dir.path());
    let output = command.output().expect("unshare (util-linux) runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("1 passed"), "{out}\n{err}");
}

//! A source that changes while it is worked on: it is noticed, and nothing of the mix is kept.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use cache_core::{Backend, ErrorKind, KeyPrefix, Retry, SystemClock};
use futures_util::StreamExt;
use pipeline::{KeyframeParams, KeyframeStage, Pass, Plan, Resource, Selection, Source};

use super::fake::{Alpha, Beta, Fake, Gamma, Log};
use super::support::Home;

/// What the tiers hold of artifacts, by key.
pub(crate) async fn parts(home: &Home) -> Vec<String> {
    let all = KeyPrefix::all();
    let found = home.backend.scan(&all).filter_map(|found| async move { found.ok() });
    let parts = found.filter(|(_, meta)| std::future::ready(!meta.tags.is_empty()));
    let mut keys: Vec<String> = parts.map(|(key, _)| key.to_string()).collect().await;
    keys.sort();
    keys
}

/// Writes `with` over the byte in the middle of the file, and sets its modification time back with `touch -r`.
fn change_unnoticed(path: &Path) {
    let reference = path.with_extension("reference");
    let run = |program: &str, arguments: &[&Path]| {
        assert!(Command::new(program).args(arguments).status().expect("coreutils").success());
    };
    run("touch", &[Path::new("-r"), path, &reference]);
    let mut bytes = fs::read(path).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).expect("a file");
    run("touch", &[Path::new("-r"), &reference, path]);
    fs::remove_file(reference).expect("a file");
}

/// Does `change` in segment `at`, once.
pub(crate) fn changing(
    at: u32,
    change: impl Fn() + Send + Sync + 'static,
) -> impl Fn(pipeline::Segment) -> std::future::Ready<cache_core::Result<()>> {
    move |segment| {
        if segment.index == at {
            change();
        }
        std::future::ready(Ok(()))
    }
}

#[tokio::test]
async fn between_segments_what_was_finished_stays_and_nothing_of_the_rest() {
    let home = Home::new();
    let (path, cache, log) = (home.clip("clip.mp4", 4), home.cache(), Log::default());
    let (source, before) = (Source::from(&path), fs::read(&path).unwrap());
    let target = path.clone();
    let change = move || drop(fs::write(&target, "something else"));
    let alpha = Fake::<Alpha>::new(&log).on(Resource::Cpu, Pass::Run).does(changing(2, change)).done();
    let run = cache.run(&source, &Plan::new().stage(alpha)).await.unwrap();
    let error = run.error().expect("an error");
    let said = format!("{source}: alpha: changed while it was processed: try again when it is complete");
    assert_eq!((error.kind(), error.retry(), error.message()), (ErrorKind::Invalid, Retry::Later, said.as_str()));
    assert_eq!(parts(&home).await.len(), 2, "of before the change");

    // The same content again: what was made of it is right, and found.
    fs::write(&path, before).unwrap();
    let alpha = Fake::<Alpha>::new(&log).on(Resource::Cpu, Pass::Run).done();
    let run = cache.run(&source, &Plan::new().stage(alpha)).await.unwrap();
    assert_eq!((run.error().map(ToString::to_string), run.stages[0].computed), (None, 2));
    assert_eq!(log.of::<Alpha>(), [0, 1, 2, 2, 3]);
}

#[tokio::test]
async fn between_stages_only_the_first_is_kept() {
    let home = Home::new();
    let (path, cache, log) = (home.clip("clip.mp4", 2), home.cache(), Log::default());
    let target = path.clone();
    let alpha = Fake::<Alpha>::new(&log).done();
    let change = move || change_unnoticed(&target);
    let beta = Fake::<Beta>::new(&log).input(&alpha).does(changing(0, change)).done();
    let gamma = Fake::<Gamma>::new(&log).input(&beta).done();
    let plan = Plan::new().stage(gamma).stage(beta).stage(alpha);
    let run = cache.run(&Source::from(&path), &plan).await.unwrap();
    let errors: Vec<bool> = run.stages.iter().map(|stage| stage.error.is_some()).collect();
    assert_eq!(errors, [true, true, false]);
    let said = run.stages[0].error.as_ref().unwrap().to_string();
    assert!(
        said.contains("gamma: was not computed") && said.contains("beta: changed while it was processed"),
        "{said}"
    );
    assert_eq!(log.of::<Gamma>().len(), 0);
    assert!(parts(&home).await.iter().all(|key| key.contains(":alpha:")), "{:?}", parts(&home).await);
}

#[tokio::test]
async fn changed_and_back_to_the_same_content_is_noticed_and_nothing_made_of_the_other_is_kept() {
    let home = Home::new();
    let (path, cache, log) = (home.clip("clip.mp4", 1), home.cache(), Log::default());
    let target = path.clone();
    let back_and_forth = move || {
        change_unnoticed(&target);
        change_unnoticed(&target);
    };
    let before = fs::read(&path).unwrap();
    let alpha = Fake::<Alpha>::new(&log).does(changing(0, back_and_forth)).done();
    let run = cache.run(&Source::from(&path), &Plan::new().stage(alpha)).await.unwrap();
    assert!(run.error().expect("an error").message().contains("changed while it was processed"));
    assert_eq!(fs::read(&path).unwrap(), before);
    assert!(parts(&home).await.is_empty());
}

#[tokio::test]
async fn in_a_file_that_was_just_written_a_change_of_the_same_length_and_time_is_noticed() {
    let home = Home::new();
    let path = home.clip("clip.mp4", 1);
    let cache = home.cache_at(Arc::new(SystemClock::new()));
    let log = Log::default();
    let target = path.clone();
    let alpha = Fake::<Alpha>::new(&log).does(changing(0, move || change_unnoticed(&target))).done();
    let run = cache.run(&Source::from(&path), &Plan::new().stage(alpha.clone())).await.unwrap();
    assert!(run.error().expect("an error").message().contains("changed while it was"), "{:?}", run.error());
    assert!(parts(&home).await.is_empty());

    // Undisturbed, it is computed.
    let alpha = Fake::<Alpha>::new(&log).done();
    let run = cache.run(&Source::from(&path), &Plan::new().stage(alpha)).await.unwrap();
    assert!(run.error().is_none());
    assert_eq!(parts(&home).await.len(), 1);
}

#[tokio::test]
async fn while_the_first_frames_are_decoded_nothing_is_kept() {
    let mut home = Home::new();
    let path = home.clip_of("clip.mkv", &["-f", "lavfi", "-i", "testsrc2=duration=30:size=160x90:rate=10", "-g", "1"]);
    // Some bundles are full before the change is seen; they are worth nothing without their part.
    let change = format!("ffmpeg \"$@\"\nprintf x | dd of='{}' bs=1 seek=999 conv=notrunc 2>/dev/null", path.display());
    home.ffmpeg.ffmpeg = home.script("changing", &change);
    let stage = Arc::new(KeyframeStage::new(KeyframeParams::default(), home.ffmpeg.clone()).unwrap());
    let source = Source::from(&path);
    let before = fs::read(&path).unwrap();
    let error = home.cache().compute(&source, &stage, &Selection::all()).await.unwrap_err();
    assert!(error.message().contains("keyframes: changed while it was processed"), "{error}");
    fs::write(&path, before).unwrap();
    home.ffmpeg = pipeline::Ffmpeg::default();
    let stage = Arc::new(KeyframeStage::new(KeyframeParams::default(), home.ffmpeg.clone()).unwrap());
    let coverage = home.cache().coverage(&source, &stage, &Selection::all()).await.unwrap();
    assert!(coverage.is_nothing(), "{coverage:?}");
    assert_eq!(home.cache().compute(&source, &stage, &Selection::all()).await.unwrap().value().frames.len(), 300);
}

#[tokio::test]
async fn of_two_names_of_one_content_the_one_that_is_well_is_computed() {
    let home = Home::new();
    let (path, cache, log) = (home.clip("clip.mp4", 1), home.cache(), Log::default());
    let copy = home.path("copy.mp4");
    fs::copy(&path, &copy).unwrap();
    let (begun, go) = (Arc::new(tokio::sync::Barrier::new(2)), Arc::new(tokio::sync::Barrier::new(2)));
    let (inner_begun, inner_go, target) = (begun.clone(), go.clone(), path.clone());
    let alpha = Fake::<Alpha>::new(&log).does(move |_| {
        let (begun, go, target) = (inner_begun.clone(), inner_go.clone(), target.clone());
        async move {
            if fs::metadata(&target).is_ok_and(|meta| meta.len() > 4) {
                begun.wait().await;
                go.wait().await;
                fs::write(&target, "gone").expect("a file");
            }
            Ok(())
        }
    });
    let alpha = alpha.done();
    let compute = |path: &Path| {
        let (cache, source, alpha) = (cache.clone(), Source::from(path), alpha.clone());
        tokio::spawn(async move { cache.compute(&source, &alpha, &Selection::all()).await })
    };
    let first = compute(&path);
    begun.wait().await;
    let second = compute(&copy);
    super::support::until("both wait", || cache.jobs().iter().any(|job| job.waiting == 2)).await;
    go.wait().await;
    let error = first.await.unwrap().unwrap_err();
    assert!(error.message().contains("clip.mp4\": alpha: changed"), "{error}");
    assert!(second.await.unwrap().is_ok(), "the copy is as it was");
    assert_eq!(log.of::<Alpha>().len(), 2);
    tokio::time::timeout(Duration::from_secs(30), cache.close()).await.unwrap().unwrap();
}

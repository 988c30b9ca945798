//! A process that is killed loses one segment of each stage at most.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use cache_core::Backend;
use cache_file::{FileBackend, FileConfig};
use cache_tiered::Tiered;
use pipeline::{ArtifactCache, ArtifactOptions, Ffmpeg, KeyframeParams, KeyframeStage, Pass, Plan, Resource, Source};

use super::fake::{Alpha, Beta, Fake, Log};
use super::support::{Home, until};

const DIR: &str = "REELCACHE_PIPELINE_KILL_DIR";
const SEGMENTS: u32 = 10;

async fn open(dir: &Path) -> (Tiered, ArtifactCache) {
    let file = FileBackend::open(FileConfig::new(dir.join("cache")).capacity(1 << 30)).await.expect("a file tier");
    let tiers = Tiered::builder().tier(file).build().expect("tiers");
    (tiers.clone(), ArtifactCache::new(tiers, ArtifactOptions::default()).expect("a cache"))
}

/// Keyframes by the real ffmpeg, and two stages that note the segments they begin in files, and hang in one of them.
fn plan(dir: &Path, ffmpeg: PathBuf, hang_at: Option<u32>) -> Plan {
    let ffmpeg = Ffmpeg { ffmpeg, ..Ffmpeg::default() };
    let keyframes = KeyframeStage::new(KeyframeParams::default(), ffmpeg).expect("parameters");
    let keyframes = Arc::new(keyframes.segment(Duration::from_secs(1)));
    let does = |name: &'static str| {
        let path = dir.join(name);
        move |segment: pipeline::Segment| {
            let path = path.clone();
            async move {
                let mut log = fs::OpenOptions::new().create(true).append(true).open(path).expect("a log");
                std::io::Write::write_all(&mut log, format!("{}\n", segment.index).as_bytes()).expect("a line");
                if hang_at == Some(segment.index) { std::future::pending().await } else { Ok(()) }
            }
        }
    };
    let log = Log::default();
    let alpha = Fake::<Alpha>::new(&log).on(Resource::Gpu, Pass::Each).does(does("alpha")).done();
    let beta = Fake::<Beta>::new(&log).on(Resource::Net, Pass::Run).does(does("beta")).done();
    Plan::new().stage(keyframes).stage(alpha).stage(beta)
}

fn lines(dir: &Path, name: &str) -> Vec<u32> {
    let text = fs::read_to_string(dir.join(name)).unwrap_or_default();
    text.lines().map(|line| line.parse().expect("a number")).collect()
}

/// What the child does: nothing when this is no child.
#[tokio::test]
async fn the_child_that_is_killed() {
    let Some(dir) = std::env::var_os(DIR).map(PathBuf::from) else { return };
    let (_tiers, cache) = open(&dir).await;
    let plan = plan(&dir, dir.join("slow"), Some(6));
    let mut watch = plan.watch();
    let told = dir.join("keyframes");
    let telling = tokio::spawn(async move {
        while let Some(progress) = watch.changed().await {
            let done = progress.stages[0].done.to_string();
            fs::write(told.with_extension("new"), done).expect("a file");
            fs::rename(told.with_extension("new"), &told).expect("a rename");
        }
    });
    drop(cache.run(&Source::from(dir.join("clip.mp4")), &plan).await);
    telling.await.expect("nothing is told any more");
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

#[tokio::test]
async fn killed_at_sixty_percent_a_restart_computes_one_segment_of_each_stage_again() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", SEGMENTS);
    let dir = clip.parent().expect("a directory").to_owned();
    // As fast as it plays, so that there is something to kill.
    home.script("slow", "exec ffmpeg -readrate 4 \"$@\"");
    let exe = std::env::current_exe().expect("this program");
    let mut command = Command::new(exe);
    command.args(["--exact", "kill::the_child_that_is_killed", "--test-threads=1"]).env(DIR, &dir);
    let child = Killed(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a child"));
    let done = || fs::read_to_string(dir.join("keyframes")).ok().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    until("the child is at 60 %", || {
        done() >= 6 && lines(&dir, "alpha").contains(&6) && lines(&dir, "beta").contains(&6)
    })
    .await;
    drop(child);
    let done = done();

    let (tiers, cache) = open(&dir).await;
    let report = cache.run(&Source::from(clip), &plan(&dir, "ffmpeg".into(), None)).await.unwrap();
    assert!(report.error().is_none(), "{:?}", report.error());
    let computed: Vec<u64> = report.stages.iter().map(|stage| stage.computed).collect();
    assert!(computed[0] <= u64::from(SEGMENTS) - done, "keyframes: {done} were there, {} computed", computed[0]);
    for (name, computed) in ["alpha", "beta"].into_iter().zip(&computed[1..]) {
        assert_eq!(*computed, 4, "{name}");
        let mut begun = lines(&dir, name);
        assert_eq!(begun.len(), SEGMENTS as usize + 1, "{name}: one of them twice");
        begun.sort_unstable();
        begun.dedup();
        assert!(begun.into_iter().eq(0..SEGMENTS), "{name}");
    }
    cache.close().await.unwrap();
    tiers.close().await.unwrap();
}

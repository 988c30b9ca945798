//! Many callers, and callers that leave.

use std::fs;
use std::sync::Arc;

use super::support::{Home, frames, process, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_callers_of_one_video_share_one_extraction() {
    let mut home = Home::new();
    home.count_runs();
    let clip = home.clip("clip.mp4", 3);
    let cache = home.cache();
    let home = Arc::new(home);
    let callers: Vec<_> = (0..20)
        .map(|_| {
            let (home, cache, clip) = (home.clone(), cache.clone(), clip.clone());
            tokio::spawn(async move { frames(&home, &cache, &clip).await })
        })
        .collect();
    let mut results = Vec::new();
    for caller in callers {
        results.push(caller.await.unwrap());
    }
    assert_eq!(home.runs(), 1);
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_leaves_disturbs_nobody() {
    let mut home = Home::new();
    let (started, go) = (home.mkfifo("started"), home.mkfifo("go"));
    let body = format!("echo > '{}'\nread line < '{}'\nexec ffmpeg \"$@\"", started.display(), go.display());
    home.ffmpeg.ffmpeg = home.script("waiting", &body);
    let clip = home.clip("clip.mp4", 2);
    let cache = home.cache();
    let (home, jobs) = (Arc::new(home), cache.clone());
    let spawn = || {
        let (home, cache, clip) = (home.clone(), cache.clone(), clip.clone());
        tokio::spawn(async move { process(&home, &cache, &clip).await })
    };
    let first = spawn();
    tokio::task::spawn_blocking(move || fs::read(started)).await.unwrap().unwrap();
    let second = spawn();
    until("both wait", || jobs.jobs().iter().any(|job| job.waiting == 2)).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled(), "leaves at once");
    tokio::task::spawn_blocking(move || fs::write(go, "\n")).await.unwrap().unwrap();
    assert_eq!(second.await.unwrap().frame_count(), 2);
}

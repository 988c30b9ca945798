//! Fingerprints are remembered for files that nobody touched since, and only for those.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use cache_core::{Clock, ManualClock, SystemClock, Timestamp};

use super::support::{Home, until};

async fn origin_at(home: &Home, clock: Arc<dyn Clock>) -> String {
    let cache = home.cache_at(clock);
    let found = cache.fingerprints().fingerprint(&home.path("clip").into()).await.expect("a fingerprint");
    cache.close().await.expect("a close");
    found.origin.to_string()
}

fn home() -> Home {
    let home = Home::new();
    fs::write(home.path("clip"), "not even a video").expect("a file");
    home
}

/// `span` after the last change of the file.
fn after_change(home: &Home, span: Duration) -> Arc<ManualClock> {
    let meta = fs::metadata(home.path("clip")).expect("a file");
    let touched = meta.ctime().max(meta.mtime()).unsigned_abs() * 1000 + meta.ctime_nsec().unsigned_abs() / 1_000_000;
    Arc::new(ManualClock::new(Timestamp::from_millis(touched).after(span)))
}

#[tokio::test]
async fn an_old_file_is_read_once() {
    let home = home();
    let clock = after_change(&home, Duration::from_secs(3));
    assert_eq!(origin_at(&home, clock.clone()).await, "loaded");
    assert_eq!(origin_at(&home, clock).await, "memory");
}

#[tokio::test]
async fn a_file_touched_within_two_seconds_is_read_every_time() {
    let home = home();
    let clock = after_change(&home, Duration::from_millis(1990));
    assert_eq!(origin_at(&home, clock.clone()).await, "loaded");
    assert_eq!(origin_at(&home, clock).await, "loaded");
    assert_eq!(origin_at(&home, after_change(&home, Duration::from_secs(3))).await, "loaded", "was not remembered");
}

#[tokio::test]
async fn a_file_from_the_future_is_read_every_time() {
    let home = home();
    let future = SystemClock::new().now().after(Duration::from_hours(1));
    let file = fs::File::options().append(true).open(home.path("clip")).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + Duration::from_millis(future.as_millis())).unwrap();
    let now = Arc::new(SystemClock::new());
    assert_eq!(origin_at(&home, now.clone()).await, "loaded");
    assert_eq!(origin_at(&home, now).await, "loaded");
}

#[tokio::test]
async fn content_of_the_same_length_and_modification_time_is_told_apart() {
    let home = home();
    let cache = home.cache();
    let first = cache.fingerprints().fingerprint(&home.path("clip").into()).await.unwrap();
    let modified = fs::metadata(home.path("clip")).unwrap().modified().unwrap();
    fs::write(home.path("clip"), "quite as long...").unwrap();
    let file = fs::File::options().append(true).open(home.path("clip")).unwrap();
    file.set_modified(modified).unwrap();
    let second = cache.fingerprints().fingerprint(&home.path("clip").into()).await.unwrap();
    assert_eq!(second.len, first.len);
    assert_ne!(second.fingerprint, first.fingerprint);
}

#[tokio::test]
async fn the_fingerprint_is_the_hash_of_the_content() {
    let home = home();
    let content = vec![7u8; 3 * (1 << 20) + 1];
    fs::write(home.path("clip"), &content).unwrap();
    let found = home.cache().fingerprints().fingerprint(&home.path("clip").into()).await.unwrap();
    assert_eq!(found.fingerprint, pipeline::Fingerprint::of(pipeline::Digest::of(&content)));
    assert_eq!(found.len, content.len() as u64);
}

#[tokio::test]
async fn a_file_that_grows_while_it_is_read_is_an_error() {
    let home = home();
    let path = home.path("clip");
    fs::write(&path, vec![0u8; 64 << 20]).unwrap();
    let cache = home.cache();
    let growing = {
        let path = path.clone();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            let mut file = fs::File::options().append(true).open(path).unwrap();
            while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                std::io::Write::write_all(&mut file, b"x").unwrap();
            }
        });
        (stop, thread)
    };
    until("the file grows", || fs::metadata(&path).is_ok_and(|meta| meta.len() > 64 << 20)).await;
    let error = cache.fingerprints().fingerprint(&(&path).into()).await.unwrap_err();
    drop(growing.0);
    growing.1.join().unwrap();
    assert!(error.message().contains("changed while it was read: try again"), "{error}");
}

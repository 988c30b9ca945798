//! How a backend ends: cancelled, or by a panic of its writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use cache_core::{Backend, Clock, ErrorKind, ManualClock, Timestamp};
use cache_file::{FileBackend, IndexOrigin};
use tokio::task::unconstrained;

use crate::support::{NOW, config, entry, fill, key, mixed, open};

const FREE: u8 = 0;
const HELD: u8 = 1;
const PANIC: u8 = 2;

/// A clock that holds the writer, or makes it panic.
#[derive(Debug)]
struct WriterClock {
    clock: ManualClock,
    mode: AtomicU8,
    holds: AtomicBool,
}

impl WriterClock {
    fn new() -> Arc<Self> {
        Arc::new(Self { clock: ManualClock::new(NOW), mode: AtomicU8::new(FREE), holds: AtomicBool::new(false) })
    }

    fn set(&self, mode: u8) {
        self.mode.store(mode, Ordering::SeqCst);
    }
}

impl Clock for WriterClock {
    fn now(&self) -> Timestamp {
        if std::thread::current().name() == Some("file-writer") {
            while self.mode.load(Ordering::SeqCst) == HELD {
                self.holds.store(true, Ordering::SeqCst);
                std::thread::yield_now();
            }
            assert_ne!(self.mode.load(Ordering::SeqCst), PANIC, "a panic that was asked for");
        }
        self.clock.now()
    }
}

/// Opens `dir` as soon as the writing thread of the backend before has released it.
async fn reopen(dir: &std::path::Path) -> FileBackend {
    let mut opened = FileBackend::open(config(dir)).await;
    for _ in 0..50 {
        if opened.is_ok() {
            break;
        }
        // Every try waits for some time itself.
        opened = FileBackend::open(config(dir)).await;
    }
    opened.unwrap()
}

#[tokio::test]
async fn a_cancelled_close_releases_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let clock = WriterClock::new();
    let backend = Arc::new(FileBackend::open(config(dir.path()).clock(clock.clone())).await.unwrap());
    clock.set(HELD);
    let mut puts = tokio::task::JoinSet::new();
    // More than the queue and one group take.
    for number in 0..800 {
        let backend = backend.clone();
        puts.spawn(async move { backend.put(&key(number), entry(1, 10)).await });
    }
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    let mut close = backend.close();
    assert!(close.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(close);
    clock.set(FREE);
    let mut done = 0;
    while let Some(put) = puts.join_next().await {
        match put.unwrap() {
            Ok(()) => done += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Closed, "{error}"),
        }
    }
    let again = reopen(dir.path()).await;
    assert_eq!(again.usage().await.unwrap().entries, done);
    assert!(done >= 256, "what was queued is carried out: {done}");
}

#[tokio::test]
async fn a_put_that_waits_for_its_turn_ends_with_the_backend() {
    let dir = tempfile::tempdir().unwrap();
    let clock = WriterClock::new();
    let backend = FileBackend::open(config(dir.path()).clock(clock.clone())).await.unwrap();
    clock.set(HELD);
    let mut puts: Vec<_> = (0..1_200)
        .map(|number| {
            let (backend, key) = (&backend, key(number));
            Box::pin(unconstrained(async move { backend.put(&key, entry(1, 10)).await }))
        })
        .collect();
    let mut context = Context::from_waker(Waker::noop());
    assert!(puts[0].as_mut().poll(&mut context).is_pending());
    while !clock.holds.load(Ordering::SeqCst) {
        std::thread::yield_now();
    }
    for put in &mut puts[1..] {
        assert!(put.as_mut().poll(&mut context).is_pending());
    }
    assert!(backend.close().as_mut().poll(&mut context).is_pending());
    clock.set(FREE);
    // Those who wait are not polled before the writer has ended: what it has let them have comes too late.
    let again = reopen(dir.path()).await;
    let mut done = 0;
    for put in puts {
        match tokio::time::timeout(Duration::from_secs(30), put).await.unwrap() {
            Ok(()) => done += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Closed, "{error}"),
        }
    }
    assert_eq!(again.usage().await.unwrap().entries, done);
    assert!((256..1_200).contains(&done), "what was queued is carried out: {done}");
}

#[tokio::test]
async fn a_writer_that_panics_lets_the_index_go_before_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let clock = WriterClock::new();
    let first = FileBackend::open(config(dir.path()).clock(clock.clone())).await.unwrap();
    fill(&first, 50).await;
    clock.set(PANIC);
    assert_eq!(first.put(&key(0), mixed(0)).await.unwrap_err().kind(), ErrorKind::Internal);
    let second = reopen(dir.path()).await;
    assert_eq!(first.get(&key(1)).await.unwrap_err().kind(), ErrorKind::Internal);
    for number in 0..100 {
        second.put(&key(1_000 + number), mixed(number)).await.unwrap();
    }
    drop(first);
    second.close().await.unwrap();
    let third = open(dir.path()).await;
    assert_eq!(third.report().index, IndexOrigin::Opened);
    for number in 0..100 {
        assert_eq!(third.get(&key(1_000 + number)).await.unwrap(), Some(mixed(number)));
    }
}

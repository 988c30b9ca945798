//! What a broken, lying or absent server does to calls: a typed error in time, few requests, never wrong bytes.

mod figures;
mod lists;
mod reads;
mod writes;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use cache_core::{Backend, Entry, Error, ErrorKind, Key, Meta, Stamp, Timestamp};
use cache_s3::{ObjectBackend, ObjectConfig};
use cache_testkit::body_of;

use crate::fake::{Answer, Fake, Request};

/// How long a call may take in these tests.
const LIMIT: Duration = Duration::from_secs(1);
/// What a busy machine may add.
const SLACK: Duration = Duration::from_secs(2);
/// Length of the body in the store.
const LEN: usize = 16 << 10;

/// A server with one entry under `key`, and a backend over it.
pub(crate) struct World {
    pub(crate) fake: Fake,
    pub(crate) backend: ObjectBackend,
    pub(crate) key: Key,
    pub(crate) entry: Entry,
}

impl World {
    pub(crate) async fn new() -> Self {
        let fake = Fake::start().await;
        let backend = open(&fake.url()).await;
        let key = Key::of("video").part("a").build().unwrap();
        let entry = entry(1, LEN);
        backend.put(&key, entry.clone()).await.unwrap();
        Self { fake, backend, key, entry }
    }

    /// A world in which every answer goes through `fault`.
    async fn with(fault: impl Fn(&Request, Answer) -> Answer + Send + Sync + 'static) -> Self {
        let world = Self::new().await;
        world.fake.fault(fault);
        world
    }

    /// Asserts that a get fails as `kind`, in time, with `requests` requests; the error.
    async fn get_fails(&self, kind: ErrorKind, requests: usize) -> Error {
        let begin = Instant::now();
        let error = self.backend.get(&self.key).await.unwrap_err();
        assert!(begin.elapsed() < LIMIT + SLACK, "{:?}: {error}", begin.elapsed());
        assert_eq!((error.kind(), self.fake.requests()), (kind, requests), "(kind, requests): {error}");
        assert_eq!(error.operation(), Some("get"));
        assert_tells_no_secret(&error);
        error
    }
}

async fn open(url: &str) -> ObjectBackend {
    ObjectBackend::open(ObjectConfig::parse(url).unwrap().timeout(LIMIT)).await.unwrap()
}

fn entry(stamp: u64, len: usize) -> Entry {
    Entry::new(Meta::new(Stamp::from_u64(stamp), Timestamp::from_millis(stamp)), body_of(stamp, len))
}

fn assert_tells_no_secret(error: &Error) {
    let mut text = format!("{error} {error:?}");
    let mut cause = std::error::Error::source(error);
    while let Some(of) = cause {
        write!(text, " {of} {of:?}").unwrap();
        cause = of.source();
    }
    assert!(!text.contains("SECRET") && !text.contains("AKID"), "{text}");
}

//! Options of `Blobs`: what a blob may cost, and how far ahead of its readers it is fetched.

use std::sync::Arc;
use std::time::Duration;

use cache_core::{Backend, Clock, DAY, Entry, Error, ErrorKind, HOUR, Lifetime, Result, SystemClock, ttl};

use crate::Blobs;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// What becomes of fetches when nobody reads a blob any more and the grace is over. What was kept stays in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WhenLeft {
    /// The rest of the blob is fetched.
    Continue,
    /// Each fetch ends with its segment, within the [limit](BlobsBuilder::pause_limit); the next reader goes on from there.
    #[default]
    Pause,
    /// Each fetch ends at once, with its segment unfinished.
    Cancel,
}

/// Sets up [`Blobs`]. Every limit has a default that suits films on a machine with one disk.
#[derive(Debug, Clone)]
#[must_use = "a builder is not a cache until it is built"]
pub struct BlobsBuilder {
    pub(crate) backend: Option<Arc<dyn Backend>>,
    pub(crate) options: Options,
}

#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) segment_len: u64,
    pub(crate) lifetime: Lifetime,
    pub(crate) max_len: u64,
    pub(crate) memory: u64,
    pub(crate) join_window: u64,
    pub(crate) read_ahead: u64,
    pub(crate) edges: u64,
    pub(crate) fetches_per_blob: usize,
    pub(crate) fetches_per_origin: usize,
    pub(crate) describe_limit: Duration,
    pub(crate) stall_limit: Duration,
    pub(crate) least_rate: u64,
    pub(crate) attempts: u32,
    pub(crate) idle_limit: Duration,
    pub(crate) grace: Duration,
    pub(crate) when_left: WhenLeft,
    pub(crate) pause_limit: Duration,
}

impl BlobsBuilder {
    pub(crate) fn new() -> Self {
        let options = Options {
            clock: Arc::new(SystemClock::new()),
            segment_len: 2 * MIB,
            lifetime: ttl(HOUR).stale(30 * DAY),
            max_len: u64::MAX,
            memory: 48 * MIB,
            join_window: 4 * MIB,
            read_ahead: 8 * MIB,
            edges: 8 * MIB,
            fetches_per_blob: 4,
            fetches_per_origin: 6,
            describe_limit: Duration::from_secs(30),
            stall_limit: Duration::from_secs(15),
            least_rate: 4 * KIB,
            attempts: 4,
            idle_limit: Duration::from_secs(15),
            grace: Duration::from_secs(10),
            when_left: WhenLeft::default(),
            pause_limit: Duration::from_secs(30),
        };
        Self { backend: None, options }
    }

    /// Where manifests and segments are kept. Required.
    pub fn backend(mut self, backend: impl Backend) -> Self {
        self.backend = Some(Arc::new(backend));
        self
    }

    /// The source of time; a [`SystemClock`] unless set.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.options.clock = clock;
        self
    }

    /// Length of a segment in bytes, 4 KiB to 64 MiB; 2 MiB unless set. Blobs kept with another length are read and
    /// completed with theirs.
    pub fn segment_len(mut self, bytes: u64) -> Self {
        self.options.segment_len = bytes;
        self
    }

    /// How long a manifest is used without asking the source whether the blob has changed, and how long after that it
    /// stands in for a source that cannot be asked; an hour and 30 days unless set.
    pub fn lifetime(mut self, lifetime: Lifetime) -> Self {
        self.options.lifetime = lifetime;
        self
    }

    /// The longest blob that is kept, in bytes. Longer ones, and those that exceed the capacity of the backend, pass
    /// through uncached. No limit unless set.
    pub fn max_len(mut self, bytes: u64) -> Self {
        self.options.max_len = bytes;
        self
    }

    /// Memory for all blobs together, in bytes: half for segments on their way from sources, half for segments on
    /// their way to readers; 48 MiB unless set. One fetch and one read go on whatever the limit.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.options.memory = bytes;
        self
    }

    /// A reader whose bytes are at most this far ahead of a running fetch waits for it; farther ahead, or behind, it
    /// gets a fetch of its own. 4 MiB unless set.
    pub fn join_window(mut self, bytes: u64) -> Self {
        self.options.join_window = bytes;
        self
    }

    /// How far ahead of each reader segments are fetched; 8 MiB unless set. Zero fetches only what is waited for.
    pub fn read_ahead(mut self, bytes: u64) -> Self {
        self.options.read_ahead = bytes;
        self
    }

    /// How much of the beginning and of the end of a blob, where containers keep their indexes, is fetched when it is
    /// opened: this many bytes or 1 %, whichever is less, in whole segments; 8 MiB unless set. Zero fetches neither.
    pub fn edges(mut self, bytes: u64) -> Self {
        self.options.edges = bytes;
        self
    }

    /// Fetches of one blob at a time; 4 unless set. Readers beyond take turns, a segment each.
    pub fn fetches_per_blob(mut self, fetches: usize) -> Self {
        self.options.fetches_per_blob = fetches;
        self
    }

    /// Fetches from one origin at a time, over all blobs and all readers; 6 unless set. Besides those, as many
    /// descriptions are asked for at a time.
    pub fn fetches_per_origin(mut self, fetches: usize) -> Self {
        self.options.fetches_per_origin = fetches;
        self
    }

    /// How long a source may take to describe a blob, or to begin a fetch; 30 s unless set.
    pub fn describe_limit(mut self, limit: Duration) -> Self {
        self.options.describe_limit = limit;
        self
    }

    /// How long a fetch may go without a byte before it is begun anew; 15 s unless set. While others wait for memory its
    /// segment is, after them.
    pub fn stall_limit(mut self, limit: Duration) -> Self {
        self.options.stall_limit = limit;
        self
    }

    /// What a source has to give, in bytes per second, from the first byte at a place on, also when the fetch is taken up
    /// again where it broke; 4 KiB unless set. Time counts only while its bytes are waited for, each
    /// [`stall_limit`](Self::stall_limit) of it by itself: readers may be as slow as they like. A slower fetch counts as
    /// one that gives nothing. While others wait for memory four times as much is asked of what is kept. Zero asks for nothing: many slow origins could stop all others.
    pub fn least_rate(mut self, bytes_per_second: u64) -> Self {
        self.options.least_rate = bytes_per_second;
        self
    }

    /// How often a fetch is tried that gives no new byte, before its readers fail; 4 times unless set.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.options.attempts = attempts;
        self
    }

    /// How long a fetch that is far enough ahead stays open for its readers to come closer; 15 s unless set. It gives
    /// way at once to fetches that wait for its place.
    pub fn idle_limit(mut self, limit: Duration) -> Self {
        self.options.idle_limit = limit;
        self
    }

    /// How long a blob waits for its next reader after the last one has left; 10 s unless set.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.options.grace = grace;
        self
    }

    /// What becomes of fetches after that; [`WhenLeft::Pause`] unless set.
    pub fn when_left(mut self, when_left: WhenLeft) -> Self {
        self.options.when_left = when_left;
        self
    }

    /// How long fetches may take to end their segments by [`WhenLeft::Pause`]; 30 s unless set. Those that take longer
    /// end with their segments unfinished.
    pub fn pause_limit(mut self, limit: Duration) -> Self {
        self.options.pause_limit = limit;
        self
    }

    /// The cache of blobs.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] without a backend, or with a limit that cannot be kept.
    pub fn build(self) -> Result<Blobs> {
        let invalid = |message: &'static str| Error::new(ErrorKind::Invalid, message);
        let backend = self.backend.ok_or_else(|| invalid("blobs need a backend: name one"))?;
        let options = self.options;
        if !(4 * KIB..=Entry::MAX_BODY).contains(&options.segment_len) {
            return Err(invalid("segment_len is outside of 4 KiB to 64 MiB"));
        }
        if options.segment_len > backend.info().max_body {
            return Err(invalid("segment_len is above the longest body that the backend takes"));
        }
        let counts = [options.fetches_per_blob, options.fetches_per_origin, options.attempts as usize];
        if counts.contains(&0) || counts.iter().any(|count| *count > 1 << 16) {
            return Err(invalid("the limits of fetches and attempts are at least 1 and at most 65,536"));
        }
        if options.memory == 0 || [options.describe_limit, options.stall_limit].contains(&Duration::ZERO) {
            return Err(invalid("a limit of memory or time is zero, so that nothing could be read"));
        }
        Ok(Blobs::new(backend, options))
    }
}
